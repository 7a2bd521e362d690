//! The traces that wait for their end, and the last decisions.
//!
//! It belongs to one thread, and is told the time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use opentelemetry::trace::TraceId;
use opentelemetry_sdk::trace::SpanData;

use super::{Tail, Trace, is_root};
use crate::record::span_bytes;
use crate::setup::Early;

/// How many decisions are remembered.
const DECISIONS: usize = 65_536;

/// What has been decided.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The spans of traces that are kept.
    pub(crate) spans: Vec<SpanData>,
    /// How many spans are of others.
    pub(crate) others: u64,
    pub(crate) early: Early,
}

/// All that waits.
#[derive(Debug)]
pub(crate) struct Held {
    tail: Tail,
    parts: HashMap<TraceId, Part>,
    /// The parts in the order in which they began.
    by_age: BTreeMap<u64, TraceId>,
    begun: u64,
    spans: usize,
    bytes: usize,
    decided: Decided,
}

/// What has come of a trace since it was decided last.
#[derive(Debug)]
struct Part {
    age: u64,
    since: Instant,
    spans: Vec<SpanData>,
    bytes: usize,
}

/// The last decisions; the oldest is forgotten first.
#[derive(Debug, Default)]
struct Decided {
    kept: HashMap<TraceId, bool>,
    order: VecDeque<TraceId>,
}

impl Decided {
    fn remember(&mut self, trace: TraceId, is_kept: bool) {
        if self.kept.insert(trace, is_kept).is_some() {
            return;
        }
        self.order.push_back(trace);
        if self.order.len() > DECISIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.kept.remove(&oldest);
        }
    }
}

/// Why a trace is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Over,
    TooOld,
    NoRoom,
    Shutdown,
}

impl Held {
    pub(crate) fn new(tail: Tail) -> Self {
        Self {
            tail,
            parts: HashMap::new(),
            by_age: BTreeMap::new(),
            begun: 0,
            spans: 0,
            bytes: 0,
            decided: Decided::default(),
        }
    }

    /// Takes spans that have ended, and gives what is decided by them.
    pub(crate) fn take(&mut self, spans: Vec<SpanData>, now: Instant, kept: &mut Kept) {
        for span in spans {
            let trace = span.span_context.trace_id();
            if self.decided.kept.get(&trace) == Some(&true) {
                kept.spans.push(span);
                continue;
            }
            let is_over = is_root(&span);
            self.hold(trace, span, now);
            if is_over {
                self.decide(trace, Why::Over, now, kept);
            }
            while (self.spans > self.tail.spans || self.bytes > self.tail.bytes)
                && let Some((_, &oldest)) = self.by_age.first_key_value()
            {
                self.decide(oldest, Why::NoRoom, now, kept);
            }
        }
    }

    fn hold(&mut self, trace: TraceId, span: SpanData, now: Instant) {
        let bytes = span_bytes(&span);
        let part = self.parts.entry(trace).or_insert_with(|| {
            self.begun += 1;
            self.by_age.insert(self.begun, trace);
            Part { age: self.begun, since: now, spans: Vec::new(), bytes: 0 }
        });
        part.spans.push(span);
        part.bytes += bytes;
        self.spans += 1;
        self.bytes += bytes;
    }

    /// Decides on what has waited too long.
    pub(crate) fn age(&mut self, now: Instant, kept: &mut Kept) {
        while let Some((trace, since)) = self.oldest()
            && now.saturating_duration_since(since) >= self.tail.patience
        {
            self.decide(trace, Why::TooOld, now, kept);
        }
    }

    /// Decides on everything.
    pub(crate) fn finish(&mut self, now: Instant, kept: &mut Kept) {
        while let Some((trace, _)) = self.oldest() {
            self.decide(trace, Why::Shutdown, now, kept);
        }
    }

    /// When something will have waited too long; `None` if nothing waits, or waits for ever.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.oldest().and_then(|(_, since)| since.checked_add(self.tail.patience))
    }

    fn oldest(&self) -> Option<(TraceId, Instant)> {
        let (_, trace) = self.by_age.first_key_value()?;
        Some((*trace, self.parts.get(trace)?.since))
    }

    fn decide(&mut self, trace: TraceId, why: Why, now: Instant, kept: &mut Kept) {
        let Some(Part { age, since, spans, bytes }) = self.parts.remove(&trace) else { return };
        self.by_age.remove(&age);
        self.spans -= spans.len();
        self.bytes -= bytes;
        // What was not kept is not begun again without its root.
        let follows = why != Why::Over && self.decided.kept.contains_key(&trace);
        let held = now.saturating_duration_since(since);
        let keeps = !follows && self.tail.keeps(&Trace { id: trace, spans: &spans, held });
        if !follows {
            match why {
                Why::TooOld => kept.early.too_old += 1,
                Why::NoRoom => kept.early.no_room += 1,
                Why::Over | Why::Shutdown => {}
            }
        }
        self.decided.remember(trace, keeps);
        if keeps {
            kept.spans.extend(spans);
        } else {
            kept.others += spans.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    fn span(trace: u128, parent: u64) -> SpanData {
        let (trace, id) = (TraceId::from(trace), SpanId::from(7));
        SpanData {
            span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: SpanId::from(parent),
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "x".into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: opentelemetry::InstrumentationScope::default(),
        }
    }

    fn failed(trace: u128, parent: u64) -> SpanData {
        SpanData { status: Status::error(""), ..span(trace, parent) }
    }

    fn take(held: &mut Held, spans: Vec<SpanData>) -> (usize, u64) {
        let mut kept = Kept::default();
        held.take(spans, Instant::now(), &mut kept);
        (kept.spans.len(), kept.others)
    }

    fn is_empty(held: &Held) -> bool {
        (held.parts.len(), held.by_age.len(), held.spans, held.bytes) == (0, 0, 0, 0)
    }

    #[test]
    fn what_comes_after_the_root_goes_the_same_way() {
        let mut held = Held::new(Tail::new().errors());
        assert_eq!(take(&mut held, vec![failed(1, 1), span(2, 1)]), (0, 0));
        assert_eq!(take(&mut held, vec![span(1, 0), span(2, 0)]), (2, 2));
        assert_eq!(take(&mut held, vec![span(1, 1)]), (1, 0), "at once");
        assert_eq!(take(&mut held, vec![failed(2, 1)]), (0, 0), "it may be another root's");
        let mut kept = Kept::default();
        held.finish(Instant::now(), &mut kept);
        assert_eq!((kept.spans.len(), kept.others, kept.early), (0, 1, Early::default()));
        assert!(is_empty(&held));
    }

    #[test]
    fn another_root_of_a_trace_that_was_not_kept_is_looked_at_itself() {
        let mut held = Held::new(Tail::new().errors());
        assert_eq!(take(&mut held, vec![span(1, 1), span(1, 0)]), (0, 2));
        assert_eq!(take(&mut held, vec![failed(1, 1), span(1, 0)]), (2, 0));
        assert_eq!(take(&mut held, vec![span(1, 1)]), (1, 0));
        assert!(is_empty(&held));
    }

    #[test]
    fn what_is_too_old_is_decided_by_what_there_is() {
        let mut held = Held::new(Tail::new().errors().patience(Duration::from_secs(9)));
        let begun = Instant::now();
        let mut kept = Kept::default();
        held.take(vec![failed(1, 1), span(2, 1)], begun, &mut kept);
        assert_eq!(held.deadline(), Some(begun + Duration::from_secs(9)));
        held.age(begun + Duration::from_secs(8), &mut kept);
        assert_eq!((kept.spans.len(), kept.others), (0, 0));
        held.age(begun + Duration::from_secs(9), &mut kept);
        assert_eq!((kept.spans.len(), kept.others), (1, 1));
        assert_eq!((kept.early.too_old, kept.early.no_room), (2, 0));
        assert!(is_empty(&held) && held.deadline().is_none());

        // A trace that has gone on for long is slow, whether or not its root has ended.
        let mut held = Held::new(Tail::new().slower_than(Duration::from_secs(1)));
        let mut kept = Kept::default();
        held.take(vec![span(1, 1)], begun, &mut kept);
        held.age(begun + Duration::from_secs(60), &mut kept);
        assert_eq!(kept.spans.len(), 1);
    }

    #[test]
    fn where_there_is_no_room_the_oldest_goes_first() {
        let mut held = Held::new(Tail::new().errors().room(2, usize::MAX));
        let mut kept = Kept::default();
        held.take(vec![failed(1, 1), span(2, 1), span(3, 1), span(4, 1)], Instant::now(), &mut kept);
        assert_eq!((kept.spans.len(), kept.others), (1, 1));
        assert_eq!((kept.early.too_old, kept.early.no_room), (0, 2));
        let mut held = Held::new(Tail::new().errors().room(usize::MAX, 0));
        assert_eq!(take(&mut held, vec![span(1, 1), failed(2, 1)]), (1, 1));
        assert!(is_empty(&held));
    }

    #[test]
    fn decisions_are_forgotten_before_they_fill_the_memory() {
        let mut held = Held::new(Tail::new().share(1.0));
        for trace in 1..=DECISIONS as u128 + 9 {
            assert_eq!(take(&mut held, vec![span(trace, 0)]), (1, 0));
        }
        assert_eq!((held.decided.kept.len(), held.decided.order.len()), (DECISIONS, DECISIONS));
        assert_eq!(take(&mut held, vec![span(1, 1)]), (0, 0), "it is a new trace");
    }

    #[test]
    fn the_share_is_that_of_a_sampler_at_the_head() {
        use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};
        for share in [0.0, 0.3, 1.0, -1.0, 2.0, f64::NAN] {
            let mut held = Held::new(Tail::new().share(share));
            for trace in (1..2000).map(|n: u128| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834)) {
                let result = Sampler::TraceIdRatioBased(share).should_sample(
                    None,
                    TraceId::from(trace),
                    "",
                    &SpanKind::Internal,
                    &[],
                    &[],
                );
                let keeps = result.decision == SamplingDecision::RecordAndSample;
                assert_eq!(take(&mut held, vec![span(trace, 0)]).0, usize::from(keeps), "{share}");
            }
        }
    }

    #[test]
    fn a_condition_that_panics_keeps_the_trace() {
        let mut held =
            Held::new(Tail::new().when(|trace| trace.root().is_none()).when(|_| panic!("a condition")));
        assert_eq!(take(&mut held, vec![span(1, 0)]), (1, 0));
    }
}
