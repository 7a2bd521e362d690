//! Each argument of the language at least once, and as many as possible at once.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use traced::opentelemetry::Context;
use traced::testing::capture;
use traced::traced;

type Reply = BoxFuture<'static, Result<u64, String>>;
type Items = BoxStream<'static, u64>;

mod my {
    pub fn spawn<F: FnOnce()>(f: F) {
        f();
    }
}

#[traced(
    name = "GET /users/{id}",
    kind = server,
    attr(id, twice = id * 2, %text, ?items, "url.full" = %text, {KEY} = items.len(),),
    ret(all => ok = all.is_ok()),
    ok(order => order.id = *order),
    err(e => message = %e, e.len = e.len()),
    error_if(e => e.len() > 3),
    parent = headers,
    links(&contexts),
    when = id > 0 && !text.is_empty(),
    timing,
    propagate(my::spawn, crate::my::spawn),
    scope = "shop",
    crate = ::traced,
)]
async fn everything(
    id: u64,
    text: &str,
    items: &[u8],
    headers: &HashMap<String, String>,
    contexts: Vec<Context>,
) -> Result<u64, String> {
    my::spawn(|| drop(contexts));
    std::future::ready(()).await;
    let _ = (text, items, headers);
    Ok(id)
}

const KEY: &str = "items.count";

#[traced(kind = internal, leaf, root, errors = off, ret)]
fn one() -> u64 {
    1
}

#[traced(kind = client, root(link), propagate = off, ret(%))]
fn two() -> u64 {
    2
}

#[traced(kind = producer, future, ret(?))]
fn three() -> Reply {
    Box::pin(async { Ok(3) })
}

#[traced(kind = consumer, stream)]
fn four() -> Items {
    Box::pin(stream::empty())
}

struct Store;

#[traced(kind = client, errors = off, leaf, root, propagate = off, scope = "store", crate = traced)]
impl Store {
    fn load(&self) {}

    #[traced(skip)]
    fn store(&self) {}
}

fn main() {
    let (all, _) = capture(|| {
        let headers = HashMap::new();
        assert_eq!(futures_executor::block_on(everything(1, "a", &[1], &headers, Vec::new())), Ok(1));
        assert_eq!(futures_executor::block_on(three()), Ok(3));
        drop(four());
        Store.load();
        Store.store();
        one() + two()
    });
    assert_eq!(all, 3);
}
