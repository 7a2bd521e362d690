use traced::traced;

#[traced(attr("items"))]
fn load(items: &[u64]) -> usize {
    items.len()
}

fn main() {
    load(&[]);
}
