use traced::traced;

#[traced]
async fn load() {
    _ = __traced_body;
}

fn main() {
    drop(load());
}
