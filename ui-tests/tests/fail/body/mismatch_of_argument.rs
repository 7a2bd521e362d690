use traced::traced;

fn id(id: u64) -> u64 {
    id
}

#[traced]
async fn load() -> u64 {
    id("load")
}

fn main() {
    drop(load());
}
