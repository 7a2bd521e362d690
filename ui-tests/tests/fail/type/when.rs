use traced::traced;

#[traced(when = depth)]
fn load(depth: u64) -> u64 {
    depth
}

fn main() {
    load(1);
}
