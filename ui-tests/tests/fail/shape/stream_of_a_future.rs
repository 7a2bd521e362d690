use futures_util::future::BoxFuture;
use traced::traced;

#[traced(stream)]
fn load() -> BoxFuture<'static, u64> {
    Box::pin(async { 1 })
}

fn main() {
    drop(load());
}
