use traced::traced;

#[traced]
fn load(#[attr(order.id)] id: u64) -> u64 {
    id
}

fn main() {
    load(1);
}
