use traced::traced;

#[traced(attr(ordr, id = 1, id = 2, items.len(), total =, password, x = y?))]
fn load(order: u64, items: &[u64], password: &str) -> usize {
    items.len() + password.len() + usize::try_from(order).unwrap_or(0)
}

fn main() {
    load(1, &[], "");
}
