use futures_util::stream::BoxStream;
use traced::traced;

#[traced(future)]
fn load() -> BoxStream<'static, u64> {
    todo!()
}

fn main() {
    drop(load());
}
