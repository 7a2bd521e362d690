//! `opentelemetry_sdk` by hand: a tracer of its own, the batch processor with its defaults.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};

use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::trace::{FutureExt, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanExporter};

use crate::null::Null;
use crate::row::{Declined, Row, Work, finish, second_poll, unsampled_caller};

pub fn work(row: Row) -> Option<Work> {
    Some(match row {
        Row::Sync => |n| root(n, sync),
        Row::Leaf => return None,
        Row::Attrs3 => |n| root(n, attrs3),
        Row::String1 => |n| root(n, string1),
        Row::Root => |_| sync(0),
        Row::Async => |n| finish(async_root(n)),
        Row::Error => |n| root(n, |i| drop(failing(i))),
        Row::Unsampled => |n| unsampled(n),
        Row::Off => |n| (0..n).for_each(off),
    })
}

fn root(children: u64, child: impl Fn(u64)) {
    tracer().in_span("root", |_| (0..children).for_each(child));
}

#[inline(never)]
fn sync(i: u64) {
    tracer().in_span("sync", |_| {
        black_box(i);
    });
}

#[inline(never)]
fn attrs3(i: u64) {
    let attributes = [
        KeyValue::new("id", i.cast_signed()),
        KeyValue::new("express", true),
        KeyValue::new("method", "GET"),
    ];
    tracer().in_span_with_builder(tracer().span_builder("attrs3").with_attributes(attributes), |_| {
        black_box(i);
    });
}

#[inline(never)]
fn string1(i: u64) {
    let attributes = [KeyValue::new("user", format!("user-{i}"))];
    tracer().in_span_with_builder(tracer().span_builder("string1").with_attributes(attributes), |_| {
        black_box(i);
    });
}

async fn async_root(children: u64) {
    let cx = Context::current_with_span(tracer().start("root"));
    let children = async {
        for i in 0..children {
            twice(i).await;
        }
    };
    children.with_context(cx).await;
}

#[inline(never)]
async fn twice(i: u64) {
    let cx = Context::current_with_span(tracer().start("twice"));
    let body = async {
        second_poll().await;
        black_box(i);
    };
    body.with_context(cx).await;
}

#[inline(never)]
fn failing(i: u64) -> Result<u64, Declined> {
    tracer().in_span("failing", |cx| {
        let result = black_box(Err(Declined));
        if let Err(error) = &result {
            cx.span().record_error(error);
            cx.span().set_status(Status::error(error.to_string()));
        }
        result.map(|()| i)
    })
}

fn unsampled(children: u64) {
    let cx = Context::new().with_remote_span_context(unsampled_caller());
    tracer().in_span_with_context("root", &cx, |_| (0..children).for_each(sync));
}

#[inline(never)]
fn off(i: u64) {
    /// What a program has that has set nothing up.
    static GLOBAL: LazyLock<BoxedTracer> = LazyLock::new(|| global::tracer("bench"));
    GLOBAL.in_span("off", |_| {
        black_box(i);
    });
}

static PIPELINE: OnceLock<(SdkTracerProvider, SdkTracer)> = OnceLock::new();
static ARRIVED: AtomicU64 = AtomicU64::new(0);

fn pipeline() -> &'static (SdkTracerProvider, SdkTracer) {
    PIPELINE.get().expect("the SDK is installed before its rows are measured")
}

fn tracer() -> &'static SdkTracer {
    &pipeline().1
}

pub fn install() {
    install_into(Null(&ARRIVED));
}

pub fn install_into(exporter: impl SpanExporter + 'static) {
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    let tracer = provider.tracer("bench");
    PIPELINE.set((provider, tracer)).expect("the SDK is installed once");
}

pub fn flush() {
    pipeline().0.force_flush().expect("the exporter takes everything");
}

pub fn arrived() -> u64 {
    ARRIVED.load(Ordering::Relaxed)
}
