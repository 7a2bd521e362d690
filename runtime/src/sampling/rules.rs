//! Rules by name, kind and attributes, of which the first that holds decides.

use std::fmt;

use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler as SdkSampler, SamplingResult, ShouldSample};

use super::condition::Condition;
use super::{Asked, followed};
use crate::pipeline::Sampler as Known;

/// Rules about the span that begins a trace: the first whose [`Condition`] holds decides. See the [module](super).
///
/// Where none holds, and [`otherwise`](Self::otherwise) says nothing, the trace is kept. A span with a parent does what its
/// parent did; [`ParentBased`](super::ParentBased) puts rules in other places.
#[derive(Debug, Clone)]
pub struct Rules {
    rules: Vec<(Condition, Asked)>,
    otherwise: Asked,
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

impl Rules {
    /// No rules: every trace is kept.
    pub fn new() -> Self {
        Self { rules: Vec::new(), otherwise: Asked::new(SdkSampler::AlwaysOn) }
    }

    /// Keeps no trace that begins so.
    pub fn never(self, condition: Condition) -> Self {
        self.sample(condition, SdkSampler::AlwaysOff)
    }

    /// Keeps every trace that begins so.
    pub fn always(self, condition: Condition) -> Self {
        self.sample(condition, SdkSampler::AlwaysOn)
    }

    /// Asks `sampler` about traces that begin so.
    pub fn sample(mut self, condition: Condition, sampler: impl ShouldSample + 'static) -> Self {
        self.rules.push((condition, Asked::new(sampler)));
        self
    }

    /// Asks `sampler` about all others.
    pub fn otherwise(mut self, sampler: impl ShouldSample + 'static) -> Self {
        self.otherwise = Asked::new(sampler);
        self
    }

    pub(super) fn known(&self) -> Known {
        let by_rules = self
            .rules
            .iter()
            .any(|(condition, asked)| condition.reads_attributes() || asked.reads_attributes);
        if by_rules || self.otherwise.reads_attributes {
            Known::RootsByAttributes
        } else {
            Known::ParentBased
        }
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rules: ")?;
        for (condition, asked) in &self.rules {
            write!(f, "{condition} {}; ", asked.name)?;
        }
        write!(f, "otherwise {}", self.otherwise.name)
    }
}

impl ShouldSample for Rules {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        followed(parent).unwrap_or_else(|| {
            let rule = self.rules.iter().find(|(condition, _)| condition.holds(name, kind, attributes));
            let asked = rule.map_or(&self.otherwise, |(_, asked)| asked);
            asked.sampler.should_sample(parent, trace, name, kind, attributes, links)
        })
    }
}
