use traced::traced;

#[traced]
async fn load(items: Vec<u64>) -> Vec<u64> {
    items.push(1);
    items
}

fn main() {
    drop(load(vec![1]));
}
