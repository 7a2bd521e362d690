//! What a sampler turns down is not evaluated. A file of its own: what is installed is the process's.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SpanData, SpanExporter};
use traced::opentelemetry::Context;
use traced::opentelemetry::trace::TraceContextExt;
use traced::traced;

static EVALUATED: AtomicUsize = AtomicUsize::new(0);

fn evaluated<T>(value: T) -> T {
    EVALUATED.fetch_add(1, Ordering::SeqCst);
    value
}

#[traced(attr(n = evaluated(n)), ret(r => m = evaluated(*r)))]
fn sync(n: u8) -> u8 {
    traced::set!(n = evaluated(n));
    traced::event!("event", n = evaluated(n));
    let valid = Context::current().span().span_context().is_valid();
    assert!(valid, "an unsampled span has a context of its own all the same");
    traced::span!("by hand", n = evaluated(n)).run(|| n + 1)
}
#[traced(attr(n = evaluated(n)), err(e => m = evaluated(e.len())))]
async fn asynchronous(n: u8) -> Result<u8, String> {
    tokio::task::yield_now().await;
    sync(n);
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

/// Nothing is to come.
#[derive(Debug)]
struct Nobody;
impl SpanExporter for Nobody {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        panic!("{batch:?}")
    }
}

#[tokio::test]
async fn attributes_of_unsampled_calls_are_not_evaluated() {
    let tracing =
        traced::builder("unsampled").exporter(Nobody).sampler(Sampler::AlwaysOff).install().unwrap();
    sync(1);
    asynchronous(1).await.unwrap_err();
    assert_eq!(EVALUATED.load(Ordering::SeqCst), 0);
    // These decide when they are first polled; what they capture is needed before.
    returned(1).await;
    assert_eq!(stream(1).collect::<Vec<_>>().await, [1]);
    assert!(EVALUATED.load(Ordering::SeqCst) <= 2);
    tracing.flush().unwrap();
}
