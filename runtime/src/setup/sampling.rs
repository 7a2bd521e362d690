//! Who decides on sampling where the parent has not: B3 lets a caller leave that to us.

use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingResult, ShouldSample};

use crate::context;
use crate::propagation::is_deferred;
use crate::span::without_span;

/// The sampler of a set-up, asked as for a root where the parent has deferred the decision. A sampler by itself
/// would take such a parent for one that was not sampled.
#[derive(Debug, Clone)]
pub(super) struct Deciding {
    pub(super) sampler: Box<dyn ShouldSample>,
    /// Whether it is known to make no spans of its own.
    pub(super) is_ours: bool,
}

impl ShouldSample for Deciding {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let root = parent.filter(|cx| is_deferred(cx)).map(without_span);
        // A sampler that is traced itself would be asked about itself. This cannot be said in the context: it is
        // borrowed where other code makes a span.
        let _deciding = (!self.is_ours).then(context::Deciding::enter);
        self.sampler.should_sample(root.as_ref().or(parent), trace_id, name, kind, attributes, links)
    }
}
