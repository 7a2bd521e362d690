use traced::traced;

#[traced(err(e => message = %e))]
async fn load() {}

fn main() {
    drop(load());
}
