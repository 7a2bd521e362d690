use traced::traced;

async fn id() -> u64 {
    1
}

#[traced]
fn load() -> u64 {
    id().await
}

fn main() {
    load();
}
