use std::future::Future;
use std::rc::Rc;

use traced::traced;

#[traced]
async fn load() {
    let id = Rc::new(1);
    std::future::ready(()).await;
    drop(id);
}

fn is_send(_: impl Future + Send) {}

fn main() {
    is_send(load());
}
