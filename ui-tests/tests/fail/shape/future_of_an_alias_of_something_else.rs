use traced::traced;

type Reply = Vec<u64>;

#[traced(future)]
fn load() -> Reply {
    vec![1]
}

fn main() {
    load();
}
