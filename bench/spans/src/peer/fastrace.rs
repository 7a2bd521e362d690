//! `fastrace` with its defaults: reports every second, or when its channel fills.
//!
//! It has no OpenTelemetry context, records no errors, and takes every property as a string.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrace::collector::{Config, Reporter};
use fastrace::future::FutureExt;
use fastrace::prelude::{Span, SpanContext, SpanRecord};
use fastrace::trace;

use crate::row::{Row, Work, finish, second_poll};

pub fn work(row: Row) -> Option<Work> {
    Some(match row {
        Row::Sync | Row::Leaf => |n| root(n, sync),
        Row::Attrs3 => |n| root(n, |i| attrs3(i.cast_signed(), true, "GET")),
        Row::String1 => |n| root(n, string1),
        Row::Root => |_| root(0, sync),
        Row::Async => |n| finish(async_root(n).in_span(Span::root("root", SpanContext::random()))),
        Row::Error | Row::Unsampled => return None,
        Row::Off => |n| (0..n).for_each(sync),
    })
}

fn root(children: u64, child: impl Fn(u64)) {
    let root = Span::root("root", SpanContext::random());
    let _current = root.set_local_parent();
    (0..children).for_each(child);
}

#[trace(short_name = true)]
#[inline(never)]
fn sync(i: u64) {
    black_box(i);
}

#[trace(short_name = true, properties = { "id": "{id}", "express": "{express}", "method": "{method}" })]
#[inline(never)]
fn attrs3(id: i64, express: bool, method: &'static str) {
    black_box((id, express, method));
}

#[trace(short_name = true, properties = { "user": "user-{i}" })]
#[inline(never)]
fn string1(i: u64) {
    black_box(i);
}

async fn async_root(children: u64) {
    for i in 0..children {
        twice(i).await;
    }
}

#[trace(short_name = true)]
#[inline(never)]
async fn twice(i: u64) {
    second_poll().await;
    black_box(i);
}

struct Null;

impl Reporter for Null {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        ARRIVED.fetch_add(spans.len() as u64, Ordering::Relaxed);
    }
}

static ARRIVED: AtomicU64 = AtomicU64::new(0);

pub fn install() {
    fastrace::set_reporter(Null, Config::default());
}

pub fn flush() {
    fastrace::flush();
}

pub fn arrived() -> u64 {
    ARRIVED.load(Ordering::Relaxed)
}
