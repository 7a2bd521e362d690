//! Which traces are kept: decided at the head, when a trace begins, or at its [tail](Tail), when it is over here.
//!
//! What stands here decides about *traces*: a span with a parent does what its parent did, whatever the sampler, so that no
//! trace has holes. [`ParentBased`] alone says otherwise, for each kind of parent. All of it works as a `ShouldSample` of the
//! plain SDK too, but for [`Tail`].
//!
//! ```
//! use traced::sampling::{self, PerSecond, Rules};
//!
//! let rules = Rules::new()
//!     .never(sampling::name("GET /health*"))
//!     .always(sampling::attribute("priority", "high"))
//!     .sample(sampling::name("GET /*"), sampling::share(0.1))
//!     .otherwise(PerSecond::new(50.0));
//!
//! #[traced::traced(name = "GET /healthz")]
//! fn health() {}
//!
//! #[traced::traced(name = "POST /orders", attr(priority))]
//! fn order(priority: &str) {}
//!
//! let tracing = traced::builder("shop").sampler(rules).install()?;
//! health();
//! order("high");
//! assert_eq!(tracing.stats().started, 1);
//! # Ok::<(), traced::SetupError>(())
//! ```

mod condition;
mod parent;
mod rate;
mod rules;
mod tail;

use std::any::Any;

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, TraceState};
use opentelemetry_sdk::trace::{Sampler as SdkSampler, SamplingDecision, SamplingResult, ShouldSample};

pub use condition::{Condition, attribute, attribute_where, kind, name};
pub use parent::ParentBased;
pub use rate::PerSecond;
pub use rules::Rules;
pub use tail::{Tail, Trace};

pub(crate) use tail::{Held, Kept};

use crate::pipeline::Sampler as Known;

/// Keeps this share of all traces, by their id, so that services which share a trace agree: 0 is none, 1 is all.
///
/// What is below 0, or no number, keeps none, and what is above 1 all.
pub fn share(share: f64) -> impl ShouldSample + Clone + 'static {
    SdkSampler::ParentBased(Box::new(SdkSampler::TraceIdRatioBased(bounded(share))))
}

/// A share as it is heeded, and as `explain()` tells it.
fn bounded(share: f64) -> f64 {
    if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
}

/// What a sampler of someone's is called where it is told.
pub(crate) fn name_of<S: ShouldSample + 'static>(sampler: &S) -> String {
    let any: &dyn Any = sampler;
    if let Some(sampler) = any.downcast_ref::<SdkSampler>() {
        return match sampler {
            SdkSampler::AlwaysOn => "always_on".to_owned(),
            SdkSampler::AlwaysOff => "always_off".to_owned(),
            SdkSampler::TraceIdRatioBased(ratio) => format!("traceidratio, {ratio}"),
            // What a sampler says about itself may be anything.
            _ => "parentbased".to_owned(),
        };
    }
    if let Some(rules) = any.downcast_ref::<Rules>() {
        return rules.to_string();
    }
    if let Some(limit) = any.downcast_ref::<PerSecond>() {
        return limit.to_string();
    }
    if let Some(sampler) = any.downcast_ref::<ParentBased>() {
        return sampler.to_string();
    }
    std::any::type_name::<S>().to_owned()
}

/// What one knows of a sampler that says nothing itself.
pub(crate) fn known<S: ShouldSample + 'static>(sampler: &S) -> Known {
    let any: &dyn Any = sampler;
    match any.downcast_ref() {
        Some(SdkSampler::AlwaysOn) => return Known::On,
        Some(SdkSampler::ParentBased(_)) => return Known::ParentBased,
        Some(SdkSampler::AlwaysOff) => return Known::Never,
        _ => {}
    }
    if let Some(rules) = any.downcast_ref::<Rules>() {
        return rules.known();
    }
    if let Some(sampler) = any.downcast_ref::<ParentBased>() {
        return sampler.known();
    }
    if any.is::<PerSecond>() { Known::ParentBased } else { Known::Plain }
}

/// A sampler among others, with what is known of it.
#[derive(Debug, Clone)]
struct Asked {
    sampler: Box<dyn ShouldSample>,
    name: String,
    reads_attributes: bool,
}

impl Asked {
    fn new<S: ShouldSample + 'static>(sampler: S) -> Self {
        let (name, reads_attributes) = (name_of(&sampler), known(&sampler).reads_attributes());
        Self { sampler: Box::new(sampler), name, reads_attributes }
    }
}

/// The parent's decision, where there is a parent.
fn followed(parent: Option<&Context>) -> Option<SamplingResult> {
    let cx = parent.filter(|cx| cx.has_active_span())?;
    let span = cx.span();
    let span = span.span_context();
    span.is_valid().then(|| decided(span.is_sampled(), span.trace_state().clone()))
}

fn decided(keeps: bool, trace_state: TraceState) -> SamplingResult {
    let decision = if keeps { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
    SamplingResult { decision, attributes: Vec::new(), trace_state }
}
