use traced::traced;

#[traced(stream)]
async fn load() -> u64 {
    1
}

fn main() {
    drop(load());
}
