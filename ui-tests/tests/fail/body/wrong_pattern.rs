use traced::traced;

#[traced]
fn load((a, b): u64) -> u64 {
    a + b
}

fn main() {
    load(1);
}
