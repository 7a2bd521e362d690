//! What no recorder can go below, on the machine at hand: two readings of the clock, and the means by which
//! OpenTelemetry's context shows a span to foreign code. The table prints it under the peers.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::{Instant, SystemTime};

use opentelemetry::trace::{
    Span, SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use serde::{Deserialize, Serialize};

use crate::measure::{approximate, median};

/// Nanoseconds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Floor {
    pub clock_twice: f64,
    /// A span put into a context, the context attached and detached, the span dropped.
    pub in_context: f64,
}

const TIMES: u64 = 1_000;

pub fn measure(rounds: usize) -> Floor {
    let clock = quanta::Clock::new();
    let parent = Context::new().with_span(Empty(context()));
    let _current = parent.attach();
    Floor {
        clock_twice: each(rounds, || {
            black_box((clock.raw(), clock.raw()));
        }),
        in_context: each(rounds, || {
            let cx = Context::map_current(|cx| cx.with_span(Empty(context())));
            black_box(&cx.attach());
        }),
    }
}

fn each(rounds: usize, work: impl Fn()) -> f64 {
    let round = |_| {
        let start = Instant::now();
        (0..TIMES).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e9 / approximate(TIMES)
    };
    median((0..rounds).map(round).collect())
}

fn context() -> SpanContext {
    let (trace, span) = (TraceId::from(black_box(7)), SpanId::from(black_box(7)));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}

/// The smallest span there can be: it must know its context.
#[derive(Debug)]
struct Empty(SpanContext);

impl Span for Empty {
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
