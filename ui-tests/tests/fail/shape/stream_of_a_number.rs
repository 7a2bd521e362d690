use traced::traced;

#[traced(stream)]
fn load() -> u64 {
    1
}

fn main() {
    load();
}
