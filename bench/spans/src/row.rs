//! What is measured: the rows of the table, and the few things that every peer's work is made of.
//!
//! A row is a trace of one root and its children. This file knows no peer.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// One trace of a row, under whose root so many children are called.
pub type Work = fn(children: u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// Nothing captured.
    Sync,
    /// Nothing captured, and nothing below reads the context.
    Leaf,
    /// An integer, a bool and a static string.
    Attrs3,
    /// One formatted string.
    String1,
    /// A trace of one span.
    Root,
    /// Two polls each.
    Async,
    /// Each child returns `Err`.
    Error,
    /// Under a root that is not sampled.
    Unsampled,
    /// Nothing is set up.
    Off,
}

impl Row {
    pub const ALL: [Self; 9] = [
        Self::Sync,
        Self::Leaf,
        Self::Attrs3,
        Self::String1,
        Self::Root,
        Self::Async,
        Self::Error,
        Self::Unsampled,
        Self::Off,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Leaf => "leaf",
            Self::Attrs3 => "attrs3",
            Self::String1 => "string1",
            Self::Root => "root",
            Self::Async => "async",
            Self::Error => "error",
            Self::Unsampled => "unsampled",
            Self::Off => "off",
        }
    }

    /// The children of one trace. Where nothing is recorded they are many, so that the root does not count.
    pub fn children(self) -> u64 {
        match self {
            Self::Root => 0,
            Self::Async => 20,
            Self::Unsampled | Self::Off => 10_000,
            _ => 99,
        }
    }

    /// Whether its spans reach an exporter.
    pub fn records(self) -> bool {
        !matches!(self, Self::Unsampled | Self::Off)
    }

    /// What the time of one trace is divided by.
    pub fn spans(self) -> u64 {
        self.children() + u64::from(self.records())
    }
}

/// What a failing child returns.
#[derive(Debug)]
pub struct Declined;

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the card was declined")
    }
}

impl std::error::Error for Declined {}

/// A caller in another process, whose trace is not sampled.
pub fn unsampled_caller() -> SpanContext {
    let (trace, span) = (TraceId::from(7), SpanId::from(7));
    SpanContext::new(trace, span, TraceFlags::NOT_SAMPLED, true, TraceState::NONE)
}

/// Ready when it is polled for the second time.
pub async fn second_poll() {
    let mut polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls until it is done, as the smallest executor there is.
pub fn finish(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    while future.as_mut().poll(&mut cx).is_pending() {}
}
