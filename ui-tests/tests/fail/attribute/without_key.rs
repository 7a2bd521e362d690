use traced::traced;

#[traced(attr(items.len()))]
fn load(items: &[u64]) -> usize {
    items.len()
}

fn main() {
    load(&[]);
}
