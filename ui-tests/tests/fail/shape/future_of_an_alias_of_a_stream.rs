use futures_util::stream::BoxStream;
use traced::traced;

type Items = BoxStream<'static, u64>;

#[traced(future)]
fn load() -> Items {
    todo!()
}

fn main() {
    drop(load());
}
