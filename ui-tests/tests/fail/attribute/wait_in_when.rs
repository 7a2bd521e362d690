use traced::traced;

async fn deep() -> bool {
    true
}

#[traced(when = deep().await)]
async fn load() {}

fn main() {
    drop(load());
}
