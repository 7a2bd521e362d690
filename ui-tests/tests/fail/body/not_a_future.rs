use std::future::Future;

use traced::traced;

#[traced]
fn load() -> impl Future<Output = u64> {
    7
}

fn main() {
    drop(load());
}
