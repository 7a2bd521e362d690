use traced::traced;

#[traced(when = depth.checked_sub(1))]
async fn load(depth: u64) -> u64 {
    depth
}

fn main() {
    drop(load(1));
}
