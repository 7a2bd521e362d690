use traced::traced;

#[traced]
async fn load() -> impl Iterator<Item = u64> {
    7
}

fn main() {
    drop(load());
}
