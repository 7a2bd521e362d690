use traced::traced;

#[traced]
fn load() -> impl Iterator<Item = u64> {
    7
}

fn main() {
    load();
}
