use traced::traced;

type Items = Vec<u64>;

#[traced(stream)]
fn load() -> Items {
    vec![1]
}

fn main() {
    load();
}
