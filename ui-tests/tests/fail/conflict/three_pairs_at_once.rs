use futures_util::future::BoxFuture;
use traced::opentelemetry::Context;
use traced::traced;

type Reply = BoxFuture<'static, Result<u64, String>>;

#[traced(root, errors = off, future, parent = cx, error_if(e => e.is_empty()), stream)]
fn load(cx: &Context) -> Reply {
    Box::pin(async { Ok(1) })
}

fn main() {
    drop(load(&Context::new()));
}
