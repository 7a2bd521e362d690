//! What a parent's decision means, for each kind of parent.

use std::fmt;

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingResult, ShouldSample};

use super::{Asked, followed};
use crate::pipeline::Sampler as Known;
use crate::span::without_span;

/// A sampler for each kind of parent, and for none.
///
/// ```
/// use traced::sampling::{self, ParentBased, PerSecond};
///
/// // Whatever callers have decided, no more than a hundred of their traces a second.
/// let sampler = ParentBased::new(sampling::share(0.1)).remote_sampled(PerSecond::new(100.0));
/// let tracing = traced::builder("shop").sampler(sampler).install()?;
/// assert!(tracing.explain().to_string().contains("sampled remote parent 100 a second, 100 at once"));
/// # Ok::<(), traced::SetupError>(())
/// ```
///
/// Where nothing is said, a span does what its parent did. A sampler that is said is asked as if there were no parent: it
/// sees the baggage, and decides afresh. The SDK's `ParentBasedSampler` shows it the parent instead, which every sampler of
/// [this module](super) would follow.
#[derive(Debug, Clone)]
pub struct ParentBased {
    root: Asked,
    /// By whether the parent is remote and sampled.
    parents: [[Option<Asked>; 2]; 2],
}

impl ParentBased {
    /// Asks `root` about spans without a parent.
    pub fn new(root: impl ShouldSample + 'static) -> Self {
        Self { root: Asked::new(root), parents: Default::default() }
    }

    /// Below a span of another service that is sampled.
    pub fn remote_sampled(self, sampler: impl ShouldSample + 'static) -> Self {
        self.below(true, true, Asked::new(sampler))
    }

    /// Below a span of another service that is not sampled.
    pub fn remote_not_sampled(self, sampler: impl ShouldSample + 'static) -> Self {
        self.below(true, false, Asked::new(sampler))
    }

    /// Below a span of this process that is sampled.
    pub fn local_sampled(self, sampler: impl ShouldSample + 'static) -> Self {
        self.below(false, true, Asked::new(sampler))
    }

    /// Below a span of this process that is not sampled.
    pub fn local_not_sampled(self, sampler: impl ShouldSample + 'static) -> Self {
        self.below(false, false, Asked::new(sampler))
    }

    fn below(mut self, is_remote: bool, is_sampled: bool, asked: Asked) -> Self {
        self.parents[usize::from(is_remote)][usize::from(is_sampled)] = Some(asked);
        self
    }

    pub(super) fn known(&self) -> Known {
        let mut below = self.parents.iter().flatten().flatten().peekable();
        let asks_roots_alone = below.peek().is_none();
        let reads = self.root.reads_attributes || below.any(|asked| asked.reads_attributes);
        match (asks_roots_alone, reads) {
            (true, true) => Known::RootsByAttributes,
            (true, false) => Known::ParentBased,
            (false, true) => Known::ReadsAttributes,
            (false, false) => Known::Plain,
        }
    }
}

impl fmt::Display for ParentBased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by parent: none {}", self.root.name)?;
        for (of, place) in self.parents.iter().zip(["local", "remote"]) {
            for (asked, is) in of.iter().zip(["unsampled", "sampled"]) {
                if let Some(asked) = asked {
                    write!(f, "; {is} {place} parent {}", asked.name)?;
                }
            }
        }
        Ok(())
    }
}

impl ShouldSample for ParentBased {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let ask =
            |asked: &Asked, parent| asked.sampler.should_sample(parent, trace, name, kind, attributes, links);
        let Some(follow) = followed(parent) else { return ask(&self.root, parent) };
        let is_of = |cx: &Context| {
            let span = cx.span();
            let span = span.span_context();
            [span.is_remote(), span.is_sampled()].map(usize::from)
        };
        let [place, is] = parent.map(is_of).unwrap_or_default();
        let Some(asked) = &self.parents[place][is] else { return follow };
        let mut result = ask(asked, parent.map(without_span).as_ref());
        if result.trace_state == TraceState::NONE {
            // It is the trace's, whoever decides.
            result.trace_state = follow.trace_state;
        }
        result
    }
}
