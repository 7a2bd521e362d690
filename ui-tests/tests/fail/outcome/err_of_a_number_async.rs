use traced::traced;

#[traced(err(e => message = %e))]
async fn load() -> u64 {
    1
}

fn main() {
    drop(load());
}
