use traced::traced;

#[traced(ret("order.id"))]
fn load() -> u64 {
    1
}

fn main() {
    load();
}
