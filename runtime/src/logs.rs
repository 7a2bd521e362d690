//! Traces where people log: the ids of the current span in each line, and log events in the span.
//!
//! [`trace_id`] and [`span_id`] are for any logger. With the feature `tracing`, `with_ids`
//! adds them to the lines of `tracing-subscriber`, and `Events` records events of `tracing` in the span; with the feature
//! `log`, `Logger` adds them to the records of `log`. What a line looks like stays the logger's affair.

#[cfg(feature = "tracing")]
mod events;
#[cfg(feature = "tracing")]
mod lines;
#[cfg(feature = "log")]
mod record;

use opentelemetry::trace::{SpanId, TraceContextExt, TraceId};

use crate::record::Parent;

#[cfg(feature = "tracing")]
pub use events::Events;
#[cfg(feature = "tracing")]
pub use lines::{WithIds, with_ids};
#[cfg(feature = "log")]
pub use record::Logger;

/// The trace that is current where this is called: of a traced call, also of a leaf, of `span!`, or of other code that speaks
/// OpenTelemetry; whether it is kept or not, so that lines of one request belong together in any case.
///
/// ```
/// use traced::testing::capture;
///
/// #[traced::traced(leaf)]
/// fn work() -> String {
///     format!("trace_id={}", traced::trace_id().unwrap())
/// }
///
/// let (line, trace) = capture(work);
/// assert_eq!(line, format!("trace_id={}", trace.span("work").trace_id()));
/// assert_eq!(traced::trace_id(), None);
/// ```
///
/// It takes no lock and allocates nothing.
#[must_use]
pub fn trace_id() -> Option<TraceId> {
    ids().map(|(trace, _)| trace)
}

/// The span that is current where this is called; see [`trace_id`].
#[must_use]
pub fn span_id() -> Option<SpanId> {
    ids().map(|(_, span)| span)
}

/// The ids of the innermost span.
fn ids() -> Option<(TraceId, SpanId)> {
    let innermost = crate::context::glance(|cx, leaf| {
        let span = cx.span();
        leaf.map(|leaf| leaf.span).or_else(|| Parent::of(span.span_context()))
    });
    innermost.flatten().map(|span| (span.trace, span.id))
}
