//! Where an open span can be found by others: code that holds its context, and whoever asks what is open.
//!
//! The span itself belongs to its call, and nobody else touches it; its trace, its parent and its beginning are written here
//! alone, for its call too. Its context holds a `Handle`, which knows a seat and the span's id. What is written through the handle (seldom) is left at the seat, and the call takes it up when
//! it is over. Seats are never freed and always used again: there are as many as spans were ever open at once.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Link, Span, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::SpanLimits;

use super::clock::{self, Moment, Ticks};
use super::extra::{Extra, Noted, writing_methods};
use super::lock;
use super::slot::Head;
use crate::callsite::{self, Site as _};
use crate::console::OpenSpan;
use crate::pipeline;

/// One open span's place, or a free one. Its neighbour may be another thread's.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Seat {
    /// The id of the span that has it; zero while it is free.
    span: AtomicU64,
    parent: AtomicU64,
    trace: [AtomicU64; 2],
    started: AtomicU64,
    pipeline: AtomicU64,
    site: AtomicU32,
    /// Whether something was left here.
    left: AtomicBool,
    notes: Mutex<Notes>,
}

/// What a seat says of its span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seated {
    pub(crate) trace: [u64; 2],
    pub(crate) parent: u64,
    pub(crate) started: Ticks,
}

/// What others have written, and to which span.
#[derive(Debug, Default)]
struct Notes {
    span: u64,
    extra: Extra,
}

static SEATS: Mutex<Vec<&'static Seat>> = Mutex::new(Vec::new());

/// Shows every seat.
fn all<R>(f: impl FnOnce(&[&'static Seat]) -> R) -> Option<R> {
    lock(&SEATS).map(|seats| f(&seats))
}

pub(crate) fn number(id: SpanId) -> u64 {
    u64::from_be_bytes(id.to_bytes())
}

pub(crate) fn halves(id: TraceId) -> [u64; 2] {
    let number = u128::from_be_bytes(id.to_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "two halves of 64 bits")]
    [(number >> 64) as u64, number as u64]
}

pub(crate) fn whole([high, low]: [u64; 2]) -> TraceId {
    TraceId::from(u128::from(high) << 64 | u128::from(low))
}

/// Seats that no call has at hand.
static FREE: Mutex<Vec<&'static Seat>> = Mutex::new(Vec::new());

impl Seat {
    /// A free one.
    pub(crate) fn find() -> &'static Self {
        let free = lock(&FREE).and_then(|mut free| free.pop());
        free.unwrap_or_else(|| {
            let seat: &'static Self = Box::leak(Box::default());
            if let Some(mut seats) = lock(&SEATS) {
                seats.push(seat);
            }
            seat
        })
    }

    pub(crate) fn give_back(seat: &'static Self) {
        seat.leave();
        if let Some(mut free) = lock(&FREE) {
            free.push(seat);
        }
    }

    /// A span begins.
    #[inline]
    pub(crate) fn take(&self, head: &Head, pipeline: u64) {
        self.belong(head.trace, head.parent);
        self.started.store(head.started.0, Ordering::Relaxed);
        self.pipeline.store(pipeline, Ordering::Relaxed);
        self.site.store(head.site.number(), Ordering::Relaxed);
        self.span.store(head.id, Ordering::Release);
    }

    /// A call has no span of its own, and what it calls belongs to another one, which is not recorded.
    pub(crate) fn stand_for(&self, trace: TraceId, parent: SpanId) {
        self.belong(halves(trace), number(parent));
    }

    #[inline]
    fn belong(&self, [high, low]: [u64; 2], parent: u64) {
        self.trace[0].store(high, Ordering::Relaxed);
        self.trace[1].store(low, Ordering::Relaxed);
        self.parent.store(parent, Ordering::Relaxed);
    }

    /// What was said last.
    #[inline]
    pub(crate) fn seated(&self) -> Seated {
        Seated {
            trace: [self.trace[0].load(Ordering::Relaxed), self.trace[1].load(Ordering::Relaxed)],
            parent: self.parent.load(Ordering::Relaxed),
            started: Ticks(self.started.load(Ordering::Relaxed)),
        }
    }

    /// The span is over: what is written from now on is lost.
    #[inline]
    pub(crate) fn leave(&self) {
        self.span.store(0, Ordering::Release);
    }

    /// Whether someone has written here since the last time.
    #[inline]
    pub(crate) fn was_written_to(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// What was written to the span since the last time.
    #[inline]
    pub(crate) fn collect(&self, span: SpanId) -> Option<Extra> {
        self.was_written_to().then(|| self.collect_notes(span)).flatten()
    }

    #[cold]
    fn collect_notes(&self, span: SpanId) -> Option<Extra> {
        let mut notes = self.notes();
        self.left.store(false, Ordering::Relaxed);
        let Notes { span: written_to, extra } = std::mem::take(&mut *notes);
        // Who wrote while the span before was ending wrote too late.
        (written_to == number(span)).then_some(extra)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, span: SpanId, write: impl FnOnce(&mut Extra, &SpanLimits)) {
        let number = number(span);
        if self.span.load(Ordering::Acquire) != number {
            return;
        }
        let limits = pipeline::limits(self.pipeline.load(Ordering::Relaxed));
        let mut notes = self.notes();
        if self.span.load(Ordering::Acquire) != number {
            return;
        }
        if notes.span != number {
            *notes = Notes { span: number, extra: Extra::default() };
        }
        write(&mut notes.extra, &limits);
        self.left.store(true, Ordering::Relaxed);
    }

    /// The open span, if it is one of a pipeline.
    fn open(&self, pipeline: u64) -> Option<OpenSpan> {
        let span = self.span.load(Ordering::Acquire);
        if span == 0 || self.pipeline.load(Ordering::Relaxed) != pipeline {
            return None;
        }
        let Seated { trace, started, .. } = self.seated();
        let (trace, started) = (whole(trace), clock::calendar().time(started));
        let name = callsite::numbered(self.site.load(Ordering::Relaxed))?.name;
        // Another one may have come while this was read.
        if self.span.load(Ordering::Acquire) != span {
            return None;
        }
        let context =
            SpanContext::new(trace, SpanId::from(span), TraceFlags::SAMPLED, false, TraceState::NONE);
        Some(OpenSpan { name: name.into(), span_context: context, started })
    }
}

/// The open spans of a pipeline.
pub(crate) fn open(pipeline: u64) -> Vec<OpenSpan> {
    all(|seats| seats.iter().filter_map(|seat| seat.open(pipeline)).collect()).unwrap_or_default()
}

/// How many spans of a trace are open.
pub(crate) fn open_in(trace: TraceId) -> usize {
    let is_open = |seat: &&&'static Seat| {
        seat.span.load(Ordering::Acquire) != 0 && seat.seated().trace == halves(trace)
    };
    all(|seats| seats.iter().filter(is_open).count()).unwrap_or_default()
}

/// What a context holds of a span.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) context: SpanContext,
    pub(crate) seat: &'static Seat,
}

impl Handle {
    fn write(&self, write: impl FnOnce(&mut Extra, &SpanLimits)) {
        self.seat.write(self.context.span_id(), write);
    }
}

impl Span for Handle {
    writing_methods!();

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        self.seat.span.load(Ordering::Acquire) == number(self.context.span_id())
    }

    /// The span is its call's: it ends with that, and not before.
    fn end_with_timestamp(&mut self, _: SystemTime) {}
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::trace::{SpanId, SpanKind, TraceFlags};

    use super::{Head, Seat, Ticks, number};
    use traced_core::{Callsite, Origin};

    static SITE: Callsite =
        Callsite::new("a", SpanKind::Internal, 1, &Origin { scope: "", version: "", module: "", file: "" });

    #[test]
    fn what_was_written_too_late_is_no_other_spans() {
        let (first, second) = (SpanId::from(1), SpanId::from(2));
        let seat = Seat::default();
        let take = |span| {
            let head = Head {
                site: &SITE,
                trace: [0, 1],
                id: number(span),
                parent: 0,
                started: Ticks(0),
                flags: TraceFlags::SAMPLED,
                parent_is_remote: false,
                placed: false,
            };
            seat.take(&head, u64::MAX);
        };
        let write = |span| seat.write(span, |extra, limits| extra.attribute(KeyValue::new("a", 1), limits));
        take(first);
        write(first);
        seat.leave();
        write(first);
        take(second);
        assert!(seat.collect(second).is_none(), "the first one's note, which it never took up");
        write(first);
        assert!(seat.collect(second).is_none(), "a note to a span that is over");
        write(second);
        assert_eq!(seat.collect(second).unwrap().attributes.len(), 1);
    }
}
