use traced::traced;

#[traced(attr(items.iter().map(|item| item + 1).filter(|item| item % 2 == 0).count()))]
fn load(items: &[u64]) -> usize {
    items.len()
}

fn main() {
    load(&[]);
}
