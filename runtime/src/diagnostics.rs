//! What the runtime has to say about itself, where nobody asks: once for each kind of trouble.
//!
//! With the feature `internal-logs` it goes through OpenTelemetry's own diagnostics where a subscriber of `tracing` takes
//! them, else to stderr.

/// Says a thing both ways: as an event with fields, and as a line.
macro_rules! say {
    ($name:literal, { $($key:ident = $value:expr),+ }, $($line:tt)+) => {{
        #[cfg(feature = "internal-logs")]
        if has_subscriber() {
            opentelemetry::otel_warn!(name: $name, $($key = $value),+);
            return;
        }
        to_stderr(format_args!($($line)+));
    }};
}

/// Spans found no room.
pub(crate) fn spans_dropped(spans: u64) {
    const REMEDY: &str =
        "export faster, sample, or give more room with `queue` and `buffer`; `stats()` counts further losses";
    say!(
        "traced.spans_dropped",
        { reason = "no room", spans = spans, remedy = REMEDY },
        "{spans} spans were dropped, since the queue had no room; {REMEDY}"
    );
}

/// Spans that an exporter did not take.
pub(crate) fn export_failed(spans: u64, reason: &str) {
    say!(
        "traced.export_failed",
        { spans = spans, reason = reason.to_owned() },
        "{spans} spans were not exported: {reason}; `stats()` counts further failures"
    );
}

/// Spans that an exporter will try to hand over again.
pub(crate) fn export_delayed(spans: u64, reason: &str) {
    say!(
        "traced.export_delayed",
        { spans = spans, reason = reason.to_owned() },
        "{spans} spans wait to be tried again: {reason}; `stats()` counts further tries"
    );
}

#[cfg(feature = "internal-logs")]
fn has_subscriber() -> bool {
    use tracing_core::{dispatcher, subscriber::NoSubscriber};
    dispatcher::get_default(|dispatch| !dispatch.is::<NoSubscriber>())
}

fn to_stderr(line: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    // A closed stderr is no reason to panic.
    let _ = writeln!(std::io::stderr(), "traced: {line}");
}
