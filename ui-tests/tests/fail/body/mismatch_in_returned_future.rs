use std::future::Future;

use traced::traced;

#[traced]
fn load() -> impl Future<Output = u64> {
    async { "load" }
}

fn main() {
    drop(load());
}
