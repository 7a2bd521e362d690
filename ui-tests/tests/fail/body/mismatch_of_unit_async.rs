use traced::traced;

#[traced]
async fn load() {
    1
}

fn main() {
    drop(load());
}
