use futures_util::future::BoxFuture;
use traced::traced;

#[traced]
fn load() -> BoxFuture<'static, u64> {
    async { 1 }
}

fn main() {
    drop(load());
}
