use traced::traced;

#[traced(attr(total = prise * 2))]
fn load(price: u64) -> u64 {
    price
}

fn main() {
    load(1);
}
