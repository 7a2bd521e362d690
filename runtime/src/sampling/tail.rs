//! Sampling when a trace is over here: what is kept, and how much may wait for that.

mod held;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId};
use opentelemetry::{Key, Value};
use opentelemetry_sdk::trace::{Sampler as SdkSampler, SamplingDecision, ShouldSample, SpanData};

use crate::value::survive;

pub(crate) use held::{Held, Kept};

/// How much is held, and how long, unless said otherwise.
const SPANS: usize = 65_536;
const BYTES: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// Sampling in the process when a trace is over: it keeps errors, slow traces, and what else is said, and a share of the rest.
///
/// ```
/// use std::time::Duration;
/// use traced::sampling::Tail;
///
/// #[traced::traced]
/// fn charge(amount: i64) -> Result<(), String> {
///     if amount > 100 { Err("declined".into()) } else { Ok(()) }
/// }
///
/// let tail = Tail::new().errors().slower_than(Duration::from_secs(2)).attribute("priority", "high").share(0.0);
/// let tracing = traced::builder("shop").tail(tail).install()?;
/// charge(7);
/// charge(700);
/// tracing.flush()?;
/// let stats = tracing.stats();
/// assert_eq!((stats.exported, stats.dropped.not_kept), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A trace is held until its root of this process ends (a span without a parent, or with one of another service), and then
/// kept or not, whole, by the first reason that holds; without any, all go. What comes later goes the same way, as
/// long as the decision is among the last 65,536: if the trace was kept, at once; if not, it waits whether it belongs to
/// another root of the same trace, and that root's end decides on it.
///
/// **What is held is bounded.** A trace whose root has not ended within the [`patience`](Self::patience), and the oldest ones
/// where there is no [`room`](Self::room) for more, are decided by what there is of them; `stats().early` counts those. A
/// [`flush`](crate::Tracing::flush) hands over what is decided, and leaves the rest `waiting`; a shutdown decides all.
///
/// **Each process sees its own part** of a trace. Another service may keep what this one does not: the [`share`](Self::share)
/// agrees everywhere, since it is taken by the trace's id, and errors do not. Where whole traces across services are wanted,
/// keep all here, and let a collector sample them. A trace that the [sampler](crate::Builder::sampler) did not keep never
/// comes here.
#[derive(Debug, Clone)]
pub struct Tail {
    reasons: Vec<Reason>,
    share: f64,
    patience: Duration,
    spans: usize,
    bytes: usize,
}

#[derive(Clone)]
enum Reason {
    Errors,
    Slower(Duration),
    Attribute(Key, Value),
    When(Arc<dyn Fn(&Trace<'_>) -> bool + Send + Sync>),
}

impl Default for Tail {
    fn default() -> Self {
        Self::new()
    }
}

impl Tail {
    /// Keeps nothing yet: say what is kept.
    pub fn new() -> Self {
        Self { reasons: Vec::new(), share: 0.0, patience: PATIENCE, spans: SPANS, bytes: BYTES }
    }

    /// Keeps traces in which a span failed.
    pub fn errors(self) -> Self {
        self.reason(Reason::Errors)
    }

    /// Keeps traces that took [longer](Trace::duration).
    pub fn slower_than(self, duration: Duration) -> Self {
        self.reason(Reason::Slower(duration))
    }

    /// Keeps traces in which a span has this attribute with exactly this value, type included.
    pub fn attribute(self, key: impl Into<Key>, value: impl Into<Value>) -> Self {
        self.reason(Reason::Attribute(key.into(), value.into()))
    }

    /// Keeps traces of which `is` says so, as often as called. A trace about which it panics is kept.
    pub fn when(self, is: impl Fn(&Trace<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.reason(Reason::When(Arc::new(is)))
    }

    /// Keeps this share of the rest, by the trace's id: 0 is none, the default, and 1 is all. What is below 0, or no number,
    /// is 0, and what is above 1 is 1.
    pub fn share(mut self, share: f64) -> Self {
        self.share = super::bounded(share);
        self
    }

    /// How long a trace is held that does not end. Default 30 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How many spans are held, and about how many bytes of them. Default 65,536, and 64 MB.
    pub fn room(mut self, spans: usize, bytes: usize) -> Self {
        (self.spans, self.bytes) = (spans, bytes);
        self
    }

    fn reason(mut self, reason: Reason) -> Self {
        self.reasons.push(reason);
        self
    }

    fn keeps(&self, trace: &Trace<'_>) -> bool {
        self.reasons.iter().any(|reason| reason.holds(trace)) || self.keeps_by_share(trace.id)
    }

    /// As samplers at the head do, here and elsewhere.
    fn keeps_by_share(&self, trace: TraceId) -> bool {
        let head = SdkSampler::TraceIdRatioBased(self.share);
        let result = head.should_sample(None, trace, "", &SpanKind::Internal, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }
}

impl Reason {
    fn holds(&self, trace: &Trace<'_>) -> bool {
        match self {
            Self::Errors => trace.spans.iter().any(|span| matches!(span.status, Status::Error { .. })),
            Self::Slower(duration) => trace.duration() > *duration,
            Self::Attribute(key, value) => {
                let has = |span: &SpanData| {
                    // The attribute that is set last is the one that counts.
                    span.attributes.iter().rfind(|has| has.key == *key).is_some_and(|has| has.value == *value)
                };
                trace.spans.iter().any(has)
            }
            // What cannot be judged is better kept.
            Self::When(is) => survive(|| is(trace)).unwrap_or(true),
        }
    }
}

/// What there is of a trace when it is decided.
#[derive(Debug)]
pub struct Trace<'a> {
    id: TraceId,
    spans: &'a [SpanData],
    held: Duration,
}

impl Trace<'_> {
    /// Its id.
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// The spans that have ended, in about the order they did. They are not scrubbed yet.
    pub fn spans(&self) -> &[SpanData] {
        self.spans
    }

    /// The span that began it in this process; `None` if that has not ended.
    pub fn root(&self) -> Option<&SpanData> {
        self.spans.iter().rfind(|span| is_root(span))
    }

    /// How long the root took. Without one, how long the trace has been going on, as far as one knows.
    pub fn duration(&self) -> Duration {
        let between = |span: &SpanData| span.end_time.duration_since(span.start_time).unwrap_or_default();
        self.root()
            .map_or_else(|| self.spans.iter().map(between).max().unwrap_or_default().max(self.held), between)
    }
}

fn is_root(span: &SpanData) -> bool {
    span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for reason in &self.reasons {
            write!(f, "{reason:?}, ")?;
        }
        let rest = if self.reasons.is_empty() { "all" } else { "the rest" };
        write!(
            f,
            "{} of {rest}; held for {:?}, {} spans, {} bytes",
            self.share, self.patience, self.spans, self.bytes
        )
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors => f.write_str("errors"),
            Self::Slower(duration) => write!(f, "slower than {duration:?}"),
            Self::Attribute(key, _) => write!(f, "by `{key}`"),
            Self::When(_) => f.write_str("a condition"),
        }
    }
}
