use traced::traced;

#[traced(err(e => message = %e))]
fn load() -> Option<u64> {
    Some(1)
}

fn main() {
    load();
}
