use traced::traced;

#[traced(errors = off)]
fn load() -> u64 {
    1
}

fn main() {
    load();
}
