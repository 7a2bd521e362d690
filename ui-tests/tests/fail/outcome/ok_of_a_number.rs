use traced::traced;

#[traced(ok(order => order))]
fn load() -> u64 {
    1
}

fn main() {
    load();
}
