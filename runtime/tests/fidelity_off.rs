//! With nothing set up, nothing is evaluated, recorded, or put in place.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{FutureExt, StreamExt};
use traced::opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use traced::opentelemetry::{Context, global};
use traced::traced;

static EVALUATED: AtomicUsize = AtomicUsize::new(0);

fn evaluated<T>(value: T) -> T {
    EVALUATED.fetch_add(1, Ordering::SeqCst);
    value
}

#[traced(attr(n = evaluated(n)), ret(r => m = evaluated(*r)), when = evaluated(true), links([evaluated(Context::new())]))]
fn sync(n: u8) -> u8 {
    traced::set!(n = evaluated(n));
    traced::event!("event", n = evaluated(n));
    traced::span!("by hand", n = evaluated(n)).run(|| n + 1)
}
#[traced(parent = evaluated(Context::new()), when = evaluated(true))]
fn below(n: u8) -> u8 {
    n
}
#[traced(attr(n = evaluated(n)), err(e => m = evaluated(e.len())), error_if(e => evaluated(e.is_empty())), parent = evaluated(Context::new()), timing)]
async fn asynchronous(n: u8) -> Result<u8, String> {
    tokio::task::yield_now().await;
    if n == 1 { Err("one".into()) } else { Ok(n) }
}
#[traced(attr(n = evaluated(n)), ok(v => m = evaluated(*v)))]
fn returned(n: u8) -> impl Future<Output = Option<u8>> {
    async move { Some(n) }
}
#[traced(attr(n = evaluated(n)))]
fn stream(n: u8) -> impl futures_util::Stream<Item = u8> {
    futures_util::stream::iter([n])
}

#[tokio::test]
async fn nothing_is_evaluated_and_no_provider_is_touched() {
    assert_eq!(sync(1), 2);
    assert_eq!(below(1), 1);
    assert!(asynchronous(1).await.is_err());
    assert_eq!(returned(1).await, Some(1));
    assert_eq!(stream(1).collect::<Vec<_>>().await, [1]);
    assert!(std::panic::catch_unwind(|| panics().now_or_never()).is_err());
    assert_eq!(EVALUATED.load(Ordering::SeqCst), 0, "what is captured is not evaluated");
    assert!(!Context::current().span().span_context().is_valid());
    let span = global::tracer_provider().tracer("other").start("no span");
    assert!(!traced::opentelemetry::trace::Span::span_context(&span).is_valid());
}

#[traced(attr(n = evaluated(1)))]
async fn panics() {
    if true {
        panic!("as it would")
    }
}

#[traced]
#[test]
fn a_test_may_be_traced_above() {}

#[test]
#[traced]
fn a_test_may_be_traced_below() -> Result<(), String> {
    Ok(())
}

#[traced]
#[tokio::test]
async fn a_test_of_tokios_may_be_traced_above() {}

#[tokio::test]
#[traced]
#[should_panic(expected = "expected")]
async fn a_test_of_tokios_may_be_traced_below() {
    if true {
        panic!("expected")
    }
}
