use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::{self, BoxFuture, LocalBoxFuture};
use futures_util::stream::{self, BoxStream, LocalBoxStream, Stream};
use futures_executor::{block_on, block_on_stream};
use traced::testing::capture;
use traced::traced;

type Reply<'a, T> = BoxFuture<'a, Result<T, String>>;
type Items<'a, T> = BoxStream<'a, T>;

#[traced(future, attr(text), ok(size => size = *size))]
fn alias<'a>(text: &'a str) -> Reply<'a, usize> {
    Box::pin(async move { Ok(text.len()) })
}

#[traced(stream)]
fn alias_of_stream(items: &[u64]) -> Items<'_, &u64> {
    Box::pin(stream::iter(items))
}

#[traced]
fn local(text: &str) -> LocalBoxFuture<'_, usize> {
    Box::pin(async move { text.len() })
}

#[traced]
fn local_stream(items: &[u64]) -> LocalBoxStream<'_, u64> {
    Box::pin(stream::iter(items.iter().copied()))
}

#[traced]
fn by_trait<'a>(items: &'a [u64]) -> impl Stream<Item = u64> + Send + Unpin + 'a {
    stream::iter(items.iter().copied())
}

#[traced]
fn by_full_path() -> ::core::pin::Pin<::std::boxed::Box<dyn ::core::future::Future<Output = u64> + Send + 'static>> {
    let early = std::env::args().count() > 100;
    if early {
        return Box::pin(future::ready(0));
    }
    Box::pin(async { 1 })
}

#[traced(attr(id))]
fn by_trait_object(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send + Sync>> {
    Box::pin(future::ready(id))
}

#[traced]
fn not_boxed(id: u64) -> impl Future<Output = Result<u64, String>> + Unpin {
    Box::pin(async move { if id > 100 { Err("too many".to_owned()) } else { Ok(id) } })
}

#[traced]
fn returned_by_a_match(id: u64) -> impl Future<Output = u64> {
    match id {
        0 => future::Either::Left(future::ready(0)),
        id => future::Either::Right(async move { id }),
    }
}

// Not an alias of a future, and not called one: the span is the call's.
#[traced]
fn ready(id: u64) -> std::future::Ready<u64> {
    std::future::ready(id)
}

struct Delay(u64);

#[traced]
impl Future for Delay {
    type Output = Result<u64, String>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.0 += 1;
        Poll::Ready(Ok(self.0))
    }
}

fn main() {
    let (_, trace) = capture(|| {
        assert_eq!(block_on(alias("a")), Ok(1));
        assert_eq!(block_on_stream(alias_of_stream(&[1, 2])).count(), 2);
        assert_eq!(block_on(local("a")), 1);
        assert_eq!(block_on_stream(local_stream(&[1])).sum::<u64>(), 1);
        assert_eq!(block_on_stream(by_trait(&[1])).sum::<u64>(), 1);
        assert_eq!(block_on(by_full_path()), 1);
        assert_eq!(block_on(by_trait_object(1)), 1);
        assert_eq!(block_on(not_boxed(1)), Ok(1));
        assert_eq!(block_on(returned_by_a_match(1)), 1);
        assert_eq!(block_on(ready(1)), 1);
        assert_eq!(block_on(Delay(0)), Ok(1));
    });
    assert_eq!(trace.roots().len(), 11, "{trace}");
    assert_eq!(trace.span("alias").attribute("size"), 1);
}
