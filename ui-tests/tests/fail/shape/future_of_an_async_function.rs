use traced::traced;

#[traced(future)]
async fn load() {}

fn main() {
    drop(load());
}
