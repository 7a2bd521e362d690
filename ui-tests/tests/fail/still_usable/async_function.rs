use std::future::Future;

use traced::traced;

#[traced(nmae = "load")]
async fn load<T: Copy>(id: &T) -> T {
    *id
}

fn main() {
    fn is_send(_: impl Future<Output = u64> + Send) {}
    is_send(load(&7));
}
