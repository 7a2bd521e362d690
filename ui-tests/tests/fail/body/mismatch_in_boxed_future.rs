use futures_util::future::BoxFuture;
use traced::traced;

#[traced]
fn load() -> BoxFuture<'static, u64> {
    Box::pin(async { "load" })
}

fn main() {
    drop(load());
}
