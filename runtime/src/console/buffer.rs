//! Ended spans by trace, from their arrival until the trace can be shown.
//!
//! Knows when a trace is complete and how much may wait, and nothing of what it looks like.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use opentelemetry::trace::TraceId;
use opentelemetry_sdk::trace::SpanData;

use crate::keep::is_local_root;

/// How many spans may wait for their roots.
pub(super) const MOST_SPANS: usize = 10_000;
/// How many printed traces are remembered, so that what comes late is known to be late.
const MOST_PRINTED: usize = 1_024;

/// A trace as far as it has come.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: TraceId,
    pub(super) spans: Vec<SpanData>,
    /// Whether a root is among the spans.
    rooted: bool,
    /// Whether its root was printed before, and these are what came after.
    pub(super) late: bool,
}

/// All traces that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    traces: BTreeMap<u64, Waiting>,
    ages: HashMap<TraceId, u64>,
    /// Those whose root has come, now or in an earlier block: all that wait for nothing but open spans.
    closing: BTreeSet<u64>,
    arrivals: u64,
    spans: usize,
    printed: Printed,
}

impl Buffer {
    pub(super) fn push(&mut self, span: SpanData) {
        let id = span.span_context.trace_id();
        let age = *self.ages.entry(id).or_insert_with(|| {
            self.arrivals += 1;
            self.arrivals
        });
        let late = self.printed.ids.contains(&id);
        let trace =
            self.traces.entry(age).or_insert_with(|| Waiting { id, spans: Vec::new(), rooted: false, late });
        if is_local_root(&span) {
            trace.rooted = true;
            trace.late = false;
        }
        trace.spans.push(span);
        self.spans += 1;
        if trace.rooted || trace.late {
            self.closing.insert(age);
        }
    }

    /// Takes the traces that wait for nothing any more.
    pub(super) fn take_ended(&mut self, is_open: impl Fn(TraceId) -> bool) -> Vec<Waiting> {
        let ended = |age: &u64| self.traces.get(age).is_none_or(|trace| !is_open(trace.id));
        let ended: Vec<u64> = self.closing.iter().copied().filter(ended).collect();
        ended.into_iter().filter_map(|age| self.take(age)).collect()
    }

    /// Takes the oldest traces until the others fit.
    pub(super) fn take_surplus(&mut self) -> Vec<Waiting> {
        let mut surplus = Vec::new();
        while self.spans > MOST_SPANS {
            let Some((&oldest, _)) = self.traces.first_key_value() else {
                break;
            };
            surplus.extend(self.take(oldest));
        }
        surplus
    }

    pub(super) fn take_all(&mut self) -> Vec<Waiting> {
        let ages: Vec<u64> = self.traces.keys().copied().collect();
        ages.into_iter().filter_map(|age| self.take(age)).collect()
    }

    fn take(&mut self, age: u64) -> Option<Waiting> {
        self.closing.remove(&age);
        let trace = self.traces.remove(&age)?;
        self.ages.remove(&trace.id);
        self.spans -= trace.spans.len();
        if trace.rooted {
            self.printed.remember(trace.id);
        }
        Some(trace)
    }
}

/// The last traces of which the root was printed.
#[derive(Debug, Default)]
struct Printed {
    ids: HashSet<TraceId>,
    order: VecDeque<TraceId>,
}

impl Printed {
    fn remember(&mut self, id: TraceId) {
        if !self.ids.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > MOST_PRINTED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}
