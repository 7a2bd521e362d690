use traced::traced;

#[traced]
async fn load() {
    break;
}

fn main() {
    drop(load());
}
