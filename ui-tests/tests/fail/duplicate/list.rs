use traced::traced;

#[traced(attr(a), attr(b))]
fn load(a: u64, b: u64) -> u64 {
    a + b
}

fn main() {
    load(1, 2);
}
