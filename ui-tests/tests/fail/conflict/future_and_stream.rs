use futures_util::future::BoxFuture;
use traced::traced;

type Reply = BoxFuture<'static, u64>;

#[traced(future, stream)]
fn load() -> Reply {
    Box::pin(async { 1 })
}

fn main() {
    drop(load());
}
