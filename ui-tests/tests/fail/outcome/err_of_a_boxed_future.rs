use futures_util::future::BoxFuture;
use traced::traced;

#[traced(err(e => message = %e))]
fn load() -> BoxFuture<'static, u64> {
    Box::pin(async { 1 })
}

fn main() {
    drop(load());
}
