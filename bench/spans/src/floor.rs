//! The least there is to do, on the machine at hand: two readings of the clock, a record of the span for another thread, and,
//! but for a leaf, the means by which OpenTelemetry's context shows it to foreign code, the cheapest that were found. It stands
//! in the table beside the peers, and is none: it finds no parent, asks no sampler, counts nothing, and nobody could write to its spans.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::{
    Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use quanta::Clock;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::measure::{approximate, median};
use crate::null::Null;
use crate::row::Row;

const TIMES: usize = 1_000;

/// What a record consists of, each a cache line.
#[expect(dead_code, reason = "nobody reads them")]
enum Line {
    Span([u64; 7]),
    /// Two or three attributes that are no texts.
    Values([u64; 7]),
    Text([u8; 56]),
}

/// A thread's way to the one that collects.
struct Ring {
    writer: Producer<Line>,
    reader: Consumer<Line>,
}

/// Nanoseconds, by row.
pub fn measure(rounds: usize) -> BTreeMap<String, f64> {
    let mut ring = Ring::new();
    let parent = Context::new().with_span(Shown(context()));
    let _current = parent.clone().attach();
    let clock = Clock::new();
    let mut text = String::new();
    let mut of = |row: Row| {
        ring.each(rounds, |ring| {
            let began = clock.raw();
            let shown = (row != Row::Leaf).then(|| Context::current_with_span(Shown(context())));
            if row == Row::Async {
                // The first poll of the two, and its caller's for the second.
                black_box(&shown.clone().map(Context::attach));
                black_box(&parent.clone().attach());
            }
            let attached = shown.map(Context::attach);
            match row {
                Row::Attrs3 => ring.write(Line::Values([black_box(7); 7])),
                Row::String1 => {
                    text.clear();
                    write!(text, "user-{}", black_box(7)).expect("a string takes everything");
                    let mut start = [0; 56];
                    start[..text.len()].copy_from_slice(text.as_bytes());
                    ring.write(Line::Text(start));
                }
                _ => {}
            }
            let ended = clock.raw();
            drop(attached);
            ring.write(Line::Span([began, ended, 1, 2, 3, 4, 5]));
        })
    };
    [Row::Sync, Row::Leaf, Row::Attrs3, Row::String1, Row::Root, Row::Async, Row::Error]
        .map(|row| (row.name().to_owned(), of(row)))
        .into()
}

impl Ring {
    fn new() -> Self {
        let (writer, reader) = RingBuffer::new(2 * TIMES);
        Self { writer, reader }
    }

    fn empty(&mut self) {
        while self.reader.pop().is_ok() {}
    }

    fn write(&mut self, line: Line) {
        self.writer.push(line).expect("there is room for a round");
    }

    /// Nanoseconds of one of many. The ring is emptied off the clock.
    fn each(&mut self, rounds: usize, mut work: impl FnMut(&mut Self)) -> f64 {
        let round = |_| {
            let start = Instant::now();
            (0..TIMES).for_each(|_| work(self));
            let time = start.elapsed();
            self.empty();
            time.as_secs_f64() * 1e9 / approximate(TIMES as u64)
        };
        median((0..rounds).map(round).collect())
    }
}

/// As many spans as a trace of `sync` has, by a thread that has all of it for itself: with two such threads it is the machine
/// that is measured.
pub fn alone(children: u64) {
    OWN.with_borrow_mut(|(clock, ring)| {
        for _ in 0..=children {
            let (began, ended) = shown(clock);
            ring.write(Line::Span([began, ended, 1, 2, 3, 4, 5]));
        }
        ring.empty();
    });
}

thread_local! {
    static OWN: RefCell<(Clock, Ring)> = RefCell::new((Clock::new(), Ring::new()));
    static BATCH: RefCell<Vec<SpanData>> = RefCell::default();
}

/// A trace of as many spans with three attributes, made and handed to an exporter by the thread they are of: what a process
/// cannot do without, whatever it does beside, and on which thread.
pub fn trace(children: u64, clock: &Clock, exporter: &Null) {
    (0..=children).for_each(|i| {
        let (began, ended) = shown(clock);
        let time = |ticks| SystemTime::UNIX_EPOCH + Duration::from_nanos(clock.delta_as_nanos(0, ticks));
        BATCH.with_borrow_mut(|batch| {
            batch.push(SpanData {
                span_context: context(),
                parent_span_id: SpanId::from(black_box(7)),
                parent_span_is_remote: false,
                span_kind: SpanKind::Internal,
                name: "attrs3".into(),
                start_time: time(began),
                end_time: time(ended),
                attributes: vec![
                    KeyValue::new("id", i.cast_signed()),
                    KeyValue::new("express", true),
                    KeyValue::new("method", "GET"),
                ],
                dropped_attributes_count: 0,
                events: SpanEvents::default(),
                links: SpanLinks::default(),
                status: Status::Unset,
                instrumentation_scope: InstrumentationScope::default(),
            });
            if batch.len() == FULL {
                exporter.take(std::mem::replace(batch, Vec::with_capacity(FULL)));
            }
        });
    });
}

/// Hands over what is left.
pub fn flush(exporter: &Null) {
    exporter.take(BATCH.take());
}

/// As many spans as the SDK hands over at once.
const FULL: usize = 512;

/// A span that is in the context from the first reading to the second.
fn shown(clock: &Clock) -> (u64, u64) {
    let began = clock.raw();
    let _attached = Context::current_with_span(Shown(context())).attach();
    (began, clock.raw())
}

fn context() -> SpanContext {
    let (trace, span) = (TraceId::from(black_box(7)), SpanId::from(black_box(7)));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}

/// The smallest span there can be: it must know its context.
#[derive(Debug)]
struct Shown(SpanContext);

impl Span for Shown {
    fn add_event_with_timestamp<T>(&mut self, _: T, _: SystemTime, _: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
    }

    fn span_context(&self) -> &SpanContext {
        &self.0
    }

    fn is_recording(&self) -> bool {
        true
    }

    fn set_attribute(&mut self, _: KeyValue) {}

    fn set_status(&mut self, _: Status) {}

    fn update_name<T>(&mut self, _: T)
    where
        T: Into<Cow<'static, str>>,
    {
    }

    fn add_link(&mut self, _: SpanContext, _: Vec<KeyValue>) {}

    fn end_with_timestamp(&mut self, _: SystemTime) {}
}
