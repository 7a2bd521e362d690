//! `traced` with its defaults. The instruction counts are of these rows too.

use std::hint::black_box;
use std::sync::OnceLock;

use opentelemetry::trace::SpanContext;
use traced::{Builder, Stats, Tracing, traced};

use crate::row::{Declined, Row, Work, finish, second_poll, unsampled_caller};

pub fn work(row: Row) -> Work {
    match row {
        Row::Sync => |n| root(n, sync),
        Row::Leaf => |n| root(n, leaf),
        Row::Attrs3 => |n| root(n, |i| attrs3(i.cast_signed(), true, "GET")),
        Row::String1 => |n| root(n, string1),
        Row::Root => |_| sync(0),
        Row::Async => |n| finish(async_root(n)),
        Row::Error => |n| root(n, |i| drop(failing(i))),
        Row::Unsampled => |n| unsampled(&unsampled_caller(), n),
        Row::Off => |n| (0..n).for_each(sync),
    }
}

#[traced]
fn root(children: u64, child: impl Fn(u64)) {
    (0..children).for_each(child);
}

#[traced]
#[inline(never)]
fn sync(i: u64) {
    black_box(i);
}

#[traced(leaf)]
#[inline(never)]
fn leaf(i: u64) {
    black_box(i);
}

#[traced(attr(id, express, method))]
#[inline(never)]
fn attrs3(id: i64, express: bool, method: &'static str) {
    black_box((id, express, method));
}

#[traced(attr(user = %format_args!("user-{i}")))]
#[inline(never)]
fn string1(i: u64) {
    black_box(i);
}

#[traced]
async fn async_root(children: u64) {
    for i in 0..children {
        twice(i).await;
    }
}

#[traced]
#[inline(never)]
async fn twice(i: u64) {
    second_poll().await;
    black_box(i);
}

#[traced]
#[inline(never)]
fn failing(i: u64) -> Result<u64, Declined> {
    black_box(Err(Declined)).map(|()| i)
}

#[traced(parent = caller)]
fn unsampled(caller: &SpanContext, children: u64) {
    (0..children).for_each(sync);
}

static PIPELINE: OnceLock<Tracing> = OnceLock::new();

fn pipeline() -> &'static Tracing {
    PIPELINE.get().expect("`traced` is installed before its rows are measured")
}

pub fn install(set_up: Builder) {
    let tracing = set_up.install().expect("nobody else installs it");
    PIPELINE.set(tracing).expect("`traced` is installed once");
}

pub fn flush() {
    pipeline().flush().expect("the exporter takes everything");
}

pub fn stats() -> Stats {
    pipeline().stats()
}
