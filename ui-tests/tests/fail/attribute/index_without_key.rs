use traced::traced;

#[traced(attr(items[0]))]
fn load(items: &[u64]) -> usize {
    items.len()
}

fn main() {
    load(&[1]);
}
