async fn id() -> u64 {
    1
}

async fn load() {
    traced::set!(id = id().await);
}

fn main() {
    drop(load());
}
