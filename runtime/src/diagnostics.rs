//! What the runtime has to say about itself, where nobody asks: once for each kind of trouble.
//!
//! With the feature `internal-logs` it goes through OpenTelemetry's own diagnostics, else to stderr.

/// Spans found no room.
pub(crate) fn spans_dropped(spans: u64) {
    const REMEDY: &str =
        "export faster, sample, or give more room with `queue` and `buffer`; `stats()` counts further losses";
    #[cfg(feature = "internal-logs")]
    opentelemetry::otel_warn!(name: "traced.spans_dropped", reason = "no room", spans = spans, remedy = REMEDY);
    #[cfg(not(feature = "internal-logs"))]
    say(format_args!("{spans} spans were dropped, since the queue had no room; {REMEDY}"));
}

/// Spans that an exporter did not take.
pub(crate) fn export_failed(spans: u64, reason: &str) {
    #[cfg(feature = "internal-logs")]
    opentelemetry::otel_warn!(name: "traced.export_failed", spans = spans, reason = reason.to_owned());
    #[cfg(not(feature = "internal-logs"))]
    say(format_args!("{spans} spans were not exported: {reason}; `stats()` counts further failures"));
}

/// Spans that an exporter will try to hand over again.
pub(crate) fn export_delayed(spans: u64, reason: &str) {
    #[cfg(feature = "internal-logs")]
    opentelemetry::otel_warn!(name: "traced.export_delayed", spans = spans, reason = reason.to_owned());
    #[cfg(not(feature = "internal-logs"))]
    say(format_args!("{spans} spans wait to be tried again: {reason}; `stats()` counts further tries"));
}

#[cfg(not(feature = "internal-logs"))]
fn say(text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    // A closed stderr is no reason to panic.
    let _ = writeln!(std::io::stderr(), "traced: {text}");
}
