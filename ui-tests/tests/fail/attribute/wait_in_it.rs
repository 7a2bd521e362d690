use traced::traced;

async fn size() -> usize {
    1
}

#[traced(attr(size = size().await))]
async fn load() {}

fn main() {
    drop(load());
}
