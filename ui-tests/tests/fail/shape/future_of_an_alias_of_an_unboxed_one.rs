use std::future::Ready;

use traced::traced;

type Reply = Ready<u64>;

#[traced(future)]
fn load() -> Reply {
    std::future::ready(1)
}

fn main() {
    drop(load());
}
