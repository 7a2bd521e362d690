use std::future::Future;

use traced::traced;

#[traced(err(e => message = %e))]
fn load() -> impl Future<Output = u64> {
    async { 1 }
}

fn main() {
    drop(load());
}
