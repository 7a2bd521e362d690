use traced::traced;

#[traced(timing(busy))]
async fn load() {}

fn main() {
    drop(load());
}
