use futures_util::stream::BoxStream;
use traced::traced;

#[traced(ret, ok(item => item), err(e => e), error_if(e => e))]
fn load() -> BoxStream<'static, u64> {
    todo!()
}

fn main() {
    drop(load());
}
