use traced::traced;

#[traced]
fn load(items: &mut Vec<u64>) -> u64 {
    let first = &items[0];
    items.push(1);
    *first
}

fn main() {
    load(&mut vec![1]);
}
