//! `tracing` with the layer of `tracing-opentelemetry`, into an SDK of its own with the batch processor's defaults.

use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

use crate::null::Null;
use crate::row::{Declined, Row, Work, finish, second_poll, unsampled_caller};

pub fn work(row: Row) -> Option<Work> {
    Some(match row {
        Row::Sync => |n| root(n, sync),
        Row::Leaf => return None,
        Row::Attrs3 => |n| root(n, |i| attrs3(i.cast_signed(), true, "GET")),
        Row::String1 => |n| root(n, string1),
        Row::Root => |_| sync(0),
        Row::Async => |n| finish(async_root(n)),
        Row::Error => |n| root(n, |i| drop(failing(i))),
        Row::Unsampled => |n| unsampled(n),
        Row::Off => |n| (0..n).for_each(sync),
    })
}

#[instrument(skip_all)]
fn root(children: u64, child: impl Fn(u64)) {
    (0..children).for_each(child);
}

#[instrument(skip_all)]
#[inline(never)]
fn sync(i: u64) {
    black_box(i);
}

#[instrument(skip_all, fields(id = id, express = express, method = method))]
#[inline(never)]
fn attrs3(id: i64, express: bool, method: &'static str) {
    black_box((id, express, method));
}

#[instrument(skip_all, fields(user = %format_args!("user-{i}")))]
#[inline(never)]
fn string1(i: u64) {
    black_box(i);
}

#[instrument(skip_all)]
async fn async_root(children: u64) {
    for i in 0..children {
        twice(i).await;
    }
}

#[instrument(skip_all)]
#[inline(never)]
async fn twice(i: u64) {
    second_poll().await;
    black_box(i);
}

#[instrument(skip_all, err)]
#[inline(never)]
fn failing(i: u64) -> Result<u64, Declined> {
    black_box(Err(Declined)).map(|()| i)
}

fn unsampled(children: u64) {
    let span = tracing::info_span!("root");
    let caller = Context::new().with_remote_span_context(unsampled_caller());
    span.set_parent(caller).expect("the span has not started");
    span.in_scope(|| (0..children).for_each(sync));
}

static PIPELINE: OnceLock<SdkTracerProvider> = OnceLock::new();
static ARRIVED: AtomicU64 = AtomicU64::new(0);

pub fn install() {
    let provider = SdkTracerProvider::builder().with_batch_exporter(Null(&ARRIVED)).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
        .expect("nobody else sets a subscriber");
    PIPELINE.set(provider).expect("the layer is installed once");
}

pub fn flush() {
    let provider = PIPELINE.get().expect("the layer is installed before its rows are measured");
    provider.force_flush().expect("the exporter takes everything");
}

pub fn arrived() -> u64 {
    ARRIVED.load(Ordering::Relaxed)
}
