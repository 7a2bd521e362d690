//! How often a traced call allocates on its own thread, where it has run for a while.
//!
//! | the call | allocations |
//! |---|---|
//! | `leaf`, sync or `async` | 0 |
//! | any call below a span that is not sampled, or before a set-up | 0 |
//! | any other, sync or `async`: OpenTelemetry's `Context` with a span in it | 2 |
//! | an error that is returned or passed on, without causes | 0 |
//! | an attribute that is an integer, a bool, a float, a literal, or a text of up to 1,024 bytes, formatted or not | 0 |
//! | a longer text, or a list | 2 |
//! | an `event!` or a `set!`, with an attribute | 5 |
//!
//! The first calls of a thread allocate its ring and what calls use again; the collector and the exporters have threads
//! of their own.
#![allow(missing_docs)]
#![allow(unused_variables, reason = "what is called is there to be called")]

#[allow(clippy::pedantic, reason = "it is as its other users are")]
mod process;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::noop::NoopSpan;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use traced::{Tracing, opentelemetry, traced};

#[derive(Debug)]
struct Null;

impl SpanExporter for Null {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

static TRACING: LazyLock<Tracing> =
    LazyLock::new(|| traced::builder("allocations").exporter(Null).install().unwrap());

/// More calls than it takes until nothing grows any more.
const WARM: usize = 5_000;

/// What a call allocates under a set-up. The rings are emptied before each, so that none grows.
#[track_caller]
fn allocations<R>(mut call: impl FnMut() -> R) -> u64 {
    LazyLock::force(&TRACING);
    for _ in 0..WARM {
        call();
    }
    same((0..256).map(|_| {
        assert_eq!(TRACING.flush(), Ok(()));
        count(&mut call)
    }))
}

fn count<R>(mut call: impl FnMut() -> R) -> u64 {
    let count = || {
        call();
    };
    allocation_counter::measure(count).count_total
}

/// What all counts are.
#[track_caller]
fn same(counts: impl Iterator<Item = u64>) -> u64 {
    let counts: Vec<_> = counts.collect();
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    counts[0]
}

/// Polls a future until it is over, and says how often that was.
fn polls(future: impl Future) -> usize {
    let mut future = pin!(future);
    let mut polls = 1;
    while future.as_mut().poll(&mut Task::from_waker(Waker::noop())).is_pending() {
        polls += 1;
    }
    polls
}

async fn once_pending() {
    let mut pending = true;
    poll_fn(|_| if std::mem::take(&mut pending) { Poll::Pending } else { Poll::Ready(()) }).await;
}

#[derive(Debug)]
struct Declined;

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the card was declined")
    }
}

#[traced(leaf)]
fn leaf() {}

#[traced(leaf, attr(items, paid, total, currency = "EUR"))]
fn leaf_with_numbers(items: u32, paid: bool, total: f64) {}

#[traced(leaf, attr(user, shown = %items, debugged = ?items))]
fn leaf_with_texts(user: &str, items: u32) {}

#[traced(leaf, attr(ids))]
fn leaf_with_a_list(ids: &[u32]) {}

#[traced]
fn span() {}

#[traced(attr(items, paid, total, user, shown = %items))]
fn span_with_attributes(items: u32, paid: bool, total: f64, user: &str) {}

#[traced]
fn three_spans() {
    span();
    span();
}

#[traced]
fn span_with_leaves() {
    leaf();
    leaf();
}

#[traced]
async fn span_of_two_polls() {
    once_pending().await;
}

#[traced(leaf)]
async fn leaf_of_two_polls() {
    once_pending().await;
}

#[traced]
fn fails() -> Result<(), Declined> {
    Err(Declined)
}

#[traced]
fn passes_on() -> Result<(), Declined> {
    fails()
}

#[traced(leaf)]
fn leaf_fails() -> Result<(), Declined> {
    Err(Declined)
}

/// What stands in no context, or not under a sampled span.
const NOTHING: u64 = 0;
/// The `Arc` of a context's span, and the `Box` in it.
const CONTEXT: u64 = 2;

#[test]
fn a_leaf_allocates_nothing() {
    assert_eq!(allocations(leaf), NOTHING);
    assert_eq!(allocations(|| assert_eq!(polls(leaf_of_two_polls()), 2)), NOTHING);
    assert_eq!(allocations(leaf_fails), NOTHING);
}

#[test]
fn numbers_and_short_texts_allocate_nothing() {
    let text = "a".repeat(1_024);
    assert_eq!(allocations(|| leaf_with_numbers(3, true, 9.5)), NOTHING);
    assert_eq!(allocations(|| leaf_with_texts("grace", 3)), NOTHING);
    assert_eq!(allocations(|| leaf_with_texts(&text, 3)), NOTHING);
    assert_eq!(allocations(|| span_with_attributes(3, true, 9.5, "grace")), CONTEXT);
}

#[test]
fn a_long_text_or_a_list_allocates_itself_and_its_way() {
    let text = "a".repeat(1_025);
    assert_eq!(allocations(|| leaf_with_texts(&text, 3)), 2);
    assert_eq!(allocations(|| leaf_with_a_list(&[1, 2])), 2);
}

#[test]
fn any_other_span_allocates_what_opentelemetrys_context_does() {
    let of_opentelemetry = || drop(Context::current().with_span(NoopSpan::DEFAULT));
    assert_eq!(allocations(of_opentelemetry), CONTEXT);
    assert_eq!(allocations(span), CONTEXT);
    assert_eq!(allocations(|| assert_eq!(polls(span_of_two_polls()), 2)), CONTEXT);
    assert_eq!(allocations(|| traced::span!("by hand").run(|| ())), CONTEXT);
    assert_eq!(allocations(three_spans), 3 * CONTEXT);
    assert_eq!(allocations(span_with_leaves), CONTEXT);
}

#[test]
fn an_error_allocates_nothing_more() {
    assert_eq!(allocations(fails), CONTEXT);
    assert_eq!(allocations(passes_on), 2 * CONTEXT);
}

#[test]
fn an_event_and_a_set_allocate_five_times() {
    assert_eq!(allocations(|| traced::span!("by hand").run(|| traced::event!("mark", a = 1))), CONTEXT + 5);
    assert_eq!(allocations(|| traced::span!("by hand").run(|| traced::set!(a = 1))), CONTEXT + 5);
}

/// One of each kind.
fn all() {
    leaf_with_numbers(3, true, 9.5);
    leaf_with_texts("grace", 3);
    three_spans();
    span_with_leaves();
    assert_eq!(polls(span_of_two_polls()), 2);
    passes_on().unwrap_err();
}

#[test]
fn below_a_span_that_is_not_sampled_nothing_is_allocated() {
    let (trace, span) = (TraceId::from(1), SpanId::from(1));
    let parent = SpanContext::new(trace, span, TraceFlags::NOT_SAMPLED, true, TraceState::NONE);
    let _current = Context::current().with_remote_span_context(parent).attach();
    assert_eq!(allocations(all), NOTHING);
}

#[test]
fn before_a_set_up_nothing_is_allocated() {
    const TEST: &str = "before_a_set_up_nothing_is_allocated";
    if let Some(ran) = process::of_its_own(TEST, Duration::from_secs(60)) {
        return ran.assert_success();
    }
    assert_eq!(count(all), NOTHING, "not even the first time");
}
