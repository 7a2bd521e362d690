use traced::traced;

#[traced(attr(order))]
fn load(user: u64) -> u64 {
    user
}

fn main() {
    load(1);
}
