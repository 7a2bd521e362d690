//! Context on its way between services: [`inject`] writes it into a carrier, [`extract`] reads it out of one.
//!
//! Stands at the edge of the program and trusts nothing that comes in. A header that is malformed, repeated
//! or oversized is treated as if it were absent, before any propagator sees it, and only what was understood
//! is ever written again. Knows nothing of spans beyond their `SpanContext`.
//!
//! The formats are written out here rather than taken from `opentelemetry_sdk` and
//! `opentelemetry-propagator-b3` (0.33), which accept ids of any length and with a `+`, control characters in
//! a `tracestate` and line breaks in the properties of baggage, write `b3: 0` where there is no span, and
//! lose the sampling of B3's `d`.

mod b3;
mod baggage;
mod carrier;
mod custom;
mod header;
mod jaeger;
mod parent;
mod propagator;
mod trace_context;
mod trace_id;

#[cfg(test)]
mod tests;

use opentelemetry::Context;

pub(crate) use baggage::percent_decoded;
pub use carrier::{Carrier, Environment, Extract, Inject};
pub(crate) use header::is_token;
pub use parent::{AsLink, AsParent, Parent};
pub use propagator::{Propagator, UnknownPropagator};
pub(crate) use propagator::{configure, configured};
pub(crate) use trace_id::adopted;
pub(crate) use traced_core::switch::is_deferred;

/// Writes the current context into `carrier`, so that what receives it continues the trace.
///
/// ```
/// use std::collections::HashMap;
/// use opentelemetry::Context;
/// use opentelemetry::trace::TraceContextExt;
///
/// // A caller, whose request we handle.
/// let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let received = HashMap::from([("traceparent", caller)]);
/// let _current = Context::from(traced::extract(&received)).attach();
///
/// // A service that we call in turn.
/// let mut sent = HashMap::new();
/// traced::inject(&mut sent);
/// assert_eq!(sent["traceparent"], caller);
/// ```
///
/// Written are `traceparent`, `tracestate` and `baggage` of W3C, unless the set-up names other propagators.
/// An entry that stands in the carrier under the same name is replaced; a `tracestate` left over from another
/// trace is removed. Without a current span, nothing in the carrier is touched, except that baggage is
/// written.
///
/// Nothing is written that is not printable ASCII, so no value can end a header or begin another.
pub fn inject<C: Inject + ?Sized>(carrier: &mut C) {
    // A clone, since the carrier's code must not run while the current context is borrowed.
    inject_context(&crate::context::current().unwrap_or_default(), carrier);
}

/// Writes `cx` into `carrier`, as [`inject`] does with the current context.
///
/// ```
/// use opentelemetry::Context;
/// use opentelemetry::baggage::BaggageExt;
/// use opentelemetry::KeyValue;
///
/// let cx = Context::new().with_baggage([KeyValue::new("tenant", "blue, inc.")]);
/// let mut pairs = Vec::new();
/// traced::inject_context(&cx, &mut pairs);
/// assert_eq!(pairs, [("baggage".to_owned(), "tenant=blue%2C%20inc.".to_owned())]);
/// ```
pub fn inject_context<C: Inject + ?Sized>(cx: &Context, mut carrier: &mut C) {
    configured().write(cx, &mut carrier);
}

/// Reads out of `carrier` the context that its sender injected.
///
/// ```
/// use traced::extract;
///
/// let b3 = [("X-B3-TraceId", "0af7651916cd43dd8448eb211c80319c"), ("X-B3-SpanId", "b7ad6b7169203331")];
/// assert_eq!(extract(&b3).span_context().span_id().to_string(), "b7ad6b7169203331");
///
/// let hostile = [("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01")];
/// assert!(!extract(&hostile).is_valid());
/// ```
///
/// Read are W3C's `traceparent`, `tracestate` and `baggage`, then B3, single and multi, unless the set-up
/// names other propagators; the first that finds a valid parent decides. The result holds what the carrier
/// says and nothing of the current context.
///
/// Without a valid parent, a span under the result starts a new trace. That is so when a header is malformed,
/// when it is given twice (except `tracestate` and `baggage`, which may be spread over several) or when it is
/// longer than 8192 bytes. A `tracestate` that is malformed, has more than 32 members or more than 512
/// characters is dropped, and the parent kept. Baggage of more than 8192 bytes or 180 members is dropped; of
/// fewer, the first 64 are kept.
pub fn extract<C: Extract + ?Sized>(carrier: &C) -> Parent {
    configured().read(&Context::new(), &carrier).into()
}
