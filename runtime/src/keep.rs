//! Traces kept whole, as many as fit: the oldest go first, and what goes is counted.
//!
//! Stands behind the exporters that keep what they get. Knows of a span to which trace it belongs, how much it weighs and
//! whether it is a root, and nothing of what is made of it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use opentelemetry::trace::{SpanId, Status, TraceId};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// How many traces are remembered after they went, so that what comes late is known not to be all.
const MOST_GONE: usize = 1_024;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) traces: usize,
    pub(crate) bytes: usize,
}

/// A trace as far as it has come.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    pub(crate) id: TraceId,
    /// In the order in which they came.
    pub(crate) spans: Vec<Weighed<T>>,
    /// How many spans of it came and are not here.
    pub(crate) missing: u64,
    bytes: usize,
    is_rooted: bool,
}

/// Something with its weight.
#[derive(Debug)]
pub(crate) struct Weighed<T> {
    pub(crate) span: T,
    bytes: usize,
}

/// What is kept now, and what went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) traces: usize,
    pub(crate) spans: usize,
    pub(crate) bytes: usize,
    pub(crate) gone_traces: u64,
    pub(crate) gone_spans: u64,
    pub(crate) cut_spans: u64,
}

/// The last traces that came.
#[derive(Debug)]
pub(crate) struct Keep<T> {
    pub(crate) room: Room,
    /// What a trace weighs without spans.
    pub(crate) base: usize,
    traces: BTreeMap<u64, Kept<T>>,
    ages: HashMap<TraceId, u64>,
    arrivals: u64,
    tally: Tally,
    gone: Gone,
}

impl<T> Keep<T> {
    pub(crate) fn new(room: Room) -> Self {
        Self {
            room,
            base: size_of::<Kept<T>>(),
            traces: BTreeMap::new(),
            ages: HashMap::new(),
            arrivals: 0,
            tally: Tally::default(),
            gone: Gone::default(),
        }
    }

    /// Keeps a span with its trace, and makes room for it at the cost of the oldest others.
    ///
    /// No trace takes more than half of the bytes, so that a giant leaves room for others: what is beyond is cut. Its root
    /// has a place all the same, since a trace without one has no name.
    pub(crate) fn push(&mut self, id: TraceId, span: T, bytes: usize, is_root: bool) {
        let share = self.room.bytes / 2;
        let bytes = bytes + size_of::<Weighed<T>>();
        let age = *self.ages.entry(id).or_insert_with(|| {
            self.arrivals += 1;
            self.arrivals
        });
        let tally = &mut self.tally;
        let trace = self.traces.entry(age).or_insert_with(|| {
            tally.bytes += self.base;
            let missing = self.gone.take(id);
            Kept { id, spans: Vec::new(), missing, bytes: self.base, is_rooted: false }
        });
        if is_root && !trace.is_rooted && self.base + bytes <= share {
            while trace.bytes + bytes > share {
                let Some(last) = trace.spans.pop() else { break };
                trace.cut(last.bytes, tally);
            }
        }
        if trace.bytes + bytes <= share {
            trace.spans.push(Weighed { span, bytes });
            trace.bytes += bytes;
            trace.is_rooted |= is_root;
            tally.spans += 1;
            tally.bytes += bytes;
        } else {
            trace.missing += 1;
            tally.cut_spans += 1;
        }
        while self.traces.len() > self.room.traces.max(1) || self.tally.bytes > self.room.bytes {
            let Some(oldest) = self.traces.keys().copied().find(|&other| other != age) else { break };
            self.let_go(oldest);
        }
    }

    fn let_go(&mut self, age: u64) {
        let Some(trace) = self.traces.remove(&age) else { return };
        self.ages.remove(&trace.id);
        self.tally.spans -= trace.spans.len();
        self.tally.bytes -= trace.bytes;
        self.tally.gone_traces += 1;
        self.tally.gone_spans += trace.spans.len() as u64;
        self.gone.remember(trace.id, trace.missing + trace.spans.len() as u64);
    }

    /// All that are kept, the newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &Kept<T>> {
        self.traces.values().rev()
    }

    pub(crate) fn of(&self, id: TraceId) -> Option<&Kept<T>> {
        self.traces.get(self.ages.get(&id)?)
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally { traces: self.traces.len(), ..self.tally }
    }
}

impl<T> Kept<T> {
    fn cut(&mut self, bytes: usize, tally: &mut Tally) {
        self.bytes -= bytes;
        self.missing += 1;
        tally.spans -= 1;
        tally.bytes -= bytes;
        tally.cut_spans += 1;
    }
}

/// The last traces that went, with the spans that went with them.
#[derive(Debug, Default)]
struct Gone {
    spans: HashMap<TraceId, u64>,
    order: VecDeque<TraceId>,
}

impl Gone {
    fn remember(&mut self, id: TraceId, spans: u64) {
        if self.spans.insert(id, spans).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > MOST_GONE
            && let Some(oldest) = self.order.pop_front()
        {
            self.spans.remove(&oldest);
        }
    }

    /// How many spans of a trace that is back went before.
    fn take(&mut self, id: TraceId) -> u64 {
        let Some(spans) = self.spans.remove(&id) else { return 0 };
        self.order.retain(|other| *other != id);
        spans
    }
}

/// A span with which a trace begins in this process.
pub(crate) fn is_local_root(span: &SpanData) -> bool {
    span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote
}

/// About how many bytes a span takes.
pub(crate) fn weight(span: &SpanData) -> usize {
    let events =
        span.events.iter().map(|event| size_of_val(event) + event.name.len() + attributes(&event.attributes));
    let links = span.links.iter().map(|link| {
        size_of_val(link) + link.span_context.trace_state().header().len() + attributes(&link.attributes)
    });
    let status = match &span.status {
        Status::Error { description } => description.len(),
        Status::Unset | Status::Ok => 0,
    };
    size_of::<SpanData>()
        + span.name.len()
        + status
        + span.span_context.trace_state().header().len()
        + attributes(&span.attributes)
        + events.sum::<usize>()
        + links.sum::<usize>()
}

fn attributes(attributes: &[KeyValue]) -> usize {
    attributes
        .iter()
        .map(|KeyValue { key, value, .. }| size_of::<KeyValue>() + key.as_str().len() + heap(value))
        .sum()
}

fn heap(value: &Value) -> usize {
    match value {
        Value::String(text) => text.as_str().len(),
        Value::Array(Array::Bool(items)) => items.len(),
        Value::Array(Array::I64(items)) => size_of_val(&items[..]),
        Value::Array(Array::F64(items)) => size_of_val(&items[..]),
        Value::Array(Array::String(items)) => {
            size_of_val(&items[..]) + items.iter().map(|item| item.as_str().len()).sum::<usize>()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(traces: usize, bytes: usize) -> Keep<u32> {
        let mut keep = Keep::new(Room { traces, bytes });
        keep.base = 0;
        keep
    }

    /// A span of so many bytes, what keeps it included.
    fn push(keep: &mut Keep<u32>, trace: u128, span: u32, bytes: usize) {
        keep.push(TraceId::from(trace), span, bytes - size_of::<Weighed<u32>>(), span == 0);
    }

    fn kept(keep: &Keep<u32>) -> Vec<(u128, Vec<u32>, u64)> {
        let number = |id: TraceId| u128::from_be_bytes(id.to_bytes());
        keep.newest()
            .map(|trace| {
                (number(trace.id), trace.spans.iter().map(|span| span.span).collect(), trace.missing)
            })
            .collect()
    }

    #[test]
    fn the_oldest_trace_goes_whole() {
        let mut keep = keep(2, 10_000);
        push(&mut keep, 1, 1, 100);
        push(&mut keep, 2, 1, 100);
        push(&mut keep, 1, 0, 100);
        push(&mut keep, 3, 0, 100);
        assert_eq!(kept(&keep), [(3, vec![0], 0), (2, vec![1], 0)]);
        let expected = Tally { traces: 2, spans: 2, bytes: 200, gone_traces: 1, gone_spans: 2, cut_spans: 0 };
        assert_eq!(keep.tally(), expected);
    }

    #[test]
    fn bytes_bound_as_well_as_numbers() {
        let mut keep = keep(100, 1_000);
        for trace in 1..=20 {
            push(&mut keep, trace, 0, 300);
            assert!(keep.tally().bytes <= 1_000);
        }
        assert_eq!(keep.tally().traces, 3);
        assert_eq!((keep.tally().gone_traces, keep.tally().gone_spans), (17, 17));
    }

    #[test]
    fn a_giant_is_cut_and_keeps_its_root_and_leaves_room_for_others() {
        let mut keep = keep(100, 1_000);
        push(&mut keep, 1, 0, 100);
        for span in 1..100 {
            push(&mut keep, 2, span, 100);
        }
        assert_eq!(kept(&keep), [(2, vec![1, 2, 3, 4, 5], 94), (1, vec![0], 0)]);
        push(&mut keep, 2, 0, 150);
        assert_eq!(kept(&keep), [(2, vec![1, 2, 3, 0], 96), (1, vec![0], 0)]);
        assert_eq!(keep.tally().cut_spans, 96);
        push(&mut keep, 2, 100, 100);
        assert_eq!(
            kept(&keep)[0],
            (2, vec![1, 2, 3, 0], 97),
            "nothing of it moves for a span that is no root"
        );
    }

    #[test]
    fn a_span_larger_than_any_trace_may_be_is_counted_and_told() {
        let mut keep = keep(10, 1_000);
        push(&mut keep, 1, 0, 600);
        push(&mut keep, 1, 1, 400);
        assert_eq!(kept(&keep), [(1, vec![1], 1)]);
        assert_eq!((keep.tally().bytes, keep.tally().cut_spans), (400, 1));
    }

    #[test]
    fn what_grows_is_not_let_go_for_its_own_sake() {
        let mut keep = keep(10, 1_000);
        push(&mut keep, 1, 1, 200);
        push(&mut keep, 2, 0, 400);
        push(&mut keep, 3, 0, 400);
        push(&mut keep, 1, 0, 200);
        assert_eq!(kept(&keep), [(3, vec![0], 0), (1, vec![1, 0], 0)]);
    }

    #[test]
    fn a_trace_that_is_back_tells_what_went_before() {
        let mut keep = keep(1, 10_000);
        push(&mut keep, 1, 1, 100);
        push(&mut keep, 1, 2, 100);
        push(&mut keep, 2, 0, 100);
        push(&mut keep, 1, 0, 100);
        assert_eq!(kept(&keep), [(1, vec![0], 2)]);
        push(&mut keep, 2, 1, 100);
        push(&mut keep, 1, 3, 100);
        assert_eq!(kept(&keep), [(1, vec![3], 3)]);
    }

    #[test]
    fn what_is_remembered_of_the_gone_is_bounded() {
        let mut keep = keep(1, 10_000);
        for trace in 1..=10_000 {
            push(&mut keep, trace, 0, 100);
        }
        assert_eq!((keep.gone.spans.len(), keep.gone.order.len()), (MOST_GONE, MOST_GONE));
        assert_eq!(keep.ages.len(), 1);
    }
}
