//! The contexts around a call: the one it finds, and those that are made of it.

use opentelemetry::Context;
use opentelemetry::baggage::{BaggageExt, KeyValueMetadata};
use opentelemetry::trace::{SpanId, TraceContextExt};

use crate::context;
use crate::pipeline::Captured;

/// The context that a call finds, and the span that stands in OpenTelemetry's; `None` where nothing is to be traced.
#[inline(never)]
pub(super) fn surroundings() -> Option<(Context, SpanId)> {
    let (cx, over) = context::glance(|cx, leaf| {
        let over = cx.span().span_context().span_id();
        (leaf.map_or_else(|| cx.clone(), |leaf| leaf.context(cx)), over)
    })?;
    (!cx.is_telemetry_suppressed()).then_some((cx, over))
}

/// The context `parent`, for a call that found `cx`. A capture takes its calls with it whatever parent they name.
pub(super) fn below(parent: Context, cx: &Context) -> Context {
    match Captured::of(cx) {
        Some(captured) => parent.with_value(captured),
        None => parent,
    }
}

/// The span to which an error of a call under `cx` goes on, if it is of this process.
pub(super) fn caller(cx: &Context) -> SpanId {
    let span = cx.span();
    let context = span.span_context();
    if context.is_remote() { SpanId::INVALID } else { context.span_id() }
}

/// What a sampler may see of `cx` when the span has no parent. An invalid span in the context would do for the
/// SDK, but its samplers take any span for a parent.
pub(crate) fn without_span(cx: &Context) -> Context {
    let baggage = cx.baggage();
    if baggage.is_empty() {
        return Context::new();
    }
    let members = baggage
        .iter()
        .map(|(key, (value, metadata))| KeyValueMetadata::new(key.clone(), value.clone(), metadata.clone()));
    Context::new().with_baggage(members)
}
