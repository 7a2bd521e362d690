use traced::traced;

#[traced(err(e => message = %e))]
fn load() -> u64 {
    1
}

fn main() {
    load();
}
