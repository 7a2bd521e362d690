use traced::traced;

#[traced(error_if(_ => false))]
fn load() -> Option<u64> {
    Some(1)
}

fn main() {
    load();
}
