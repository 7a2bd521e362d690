use traced::traced;

#[traced]
async fn load() -> u64 {}

fn main() {
    drop(load());
}
