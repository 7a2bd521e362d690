use traced::traced;

#[traced]
async fn load(mut items: Vec<u64>) -> u64 {
    let first = &items[0];
    items.push(1);
    *first
}

fn main() {
    drop(load(vec![1]));
}
