use traced::traced;

#[traced(attr(last = items.pop()))]
fn load(items: &mut Vec<u64>) -> usize {
    items.len()
}

fn main() {
    load(&mut vec![1]);
}
