//! What the runtime has to say about itself, where nobody asks: when a kind of trouble begins.
//!
//! With the feature `internal-logs` it goes through OpenTelemetry's own diagnostics where a subscriber of `tracing` takes
//! them, else to stderr.

use std::fmt;
use std::io::Write as _;
#[cfg(unix)]
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU8, Ordering};

/// How much a set-up says about itself on stderr; see [`Builder::log_level`](crate::Builder::log_level).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LogLevel {
    /// Nothing. What is lost is counted all the same.
    None,
    /// What an exporter did not take.
    Error,
    /// What found no room, waits to be tried again, or is still open at the end.
    Warn,
    /// That an exporter takes spans again. The default.
    #[default]
    Info,
    /// What the set-up has come to, when it is installed: all that [`explain`](crate::Tracing::explain) tells.
    Debug,
}

impl LogLevel {
    const ALL: [Self; 5] = [Self::None, Self::Error, Self::Warn, Self::Info, Self::Debug];

    fn is_said(self) -> bool {
        self as u8 <= LEVEL.load(Ordering::Relaxed)
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        })
    }
}

/// That of the set-up there is, or was last.
static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Info as u8);

pub(crate) fn set_level(level: LogLevel) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// The level of that name; OpenTelemetry has left names to each language, and some have more.
pub(crate) fn level(name: &str) -> Option<LogLevel> {
    match name.to_ascii_lowercase().as_str() {
        "off" => Some(LogLevel::None),
        "warning" => Some(LogLevel::Warn),
        "trace" | "verbose" | "all" => Some(LogLevel::Debug),
        name => LogLevel::ALL.into_iter().find(|level| level.to_string() == name),
    }
}

/// Says a thing both ways, if it is to be said: as an event with fields, and as a line.
macro_rules! say {
    ($level:ident $event:ident, $name:literal, { $($key:ident = $value:expr),+ }, $($line:tt)+) => {{
        if !LogLevel::$level.is_said() {
            return;
        }
        #[cfg(feature = "internal-logs")]
        if has_subscriber() {
            opentelemetry::$event!(name: $name, $($key = $value),+);
            return;
        }
        to_stderr(format_args!("traced: {}\n", format_args!($($line)+)));
    }};
}

/// What a set-up has come to.
pub(crate) fn set_up(explanation: &dyn fmt::Display) {
    say!(
        Debug otel_debug,
        "traced.set_up",
        { explanation = explanation.to_string() },
        "set up\n{}", explanation.to_string().trim_end()
    );
}

/// Something that was asked for and cannot be done.
pub(crate) fn not_heeded(what: &str) {
    say!(Warn otel_warn, "traced.not_heeded", { reason = what.to_owned() }, "{what}");
}

/// Spans that a guard could not see out.
pub(crate) fn not_seen_out(error: &dyn fmt::Display) {
    say!(Error otel_error, "traced.not_exported", { reason = error.to_string() }, "{error}");
}

/// Spans that are lost because they have not ended; a page for people.
pub(crate) fn still_open(page: &str) {
    if LogLevel::Warn.is_said() {
        to_stderr(format_args!("{page}"));
    }
}

/// A sampler has a fault.
pub(crate) fn sampler_panicked(name: &str) {
    let name = crate::value::cut(name);
    say!(
        Error otel_error,
        "traced.sampler_panicked",
        { span = name.to_owned() },
        "the sampler panicked when it was asked about the span {name:?}, which is not sampled; nor is any other span it panics \
         about, and this is said once"
    );
}

/// Spans found no room.
pub(crate) fn spans_dropped(spans: u64) {
    const REMEDY: &str =
        "export faster, sample, or give more room with `queue` and `buffer`; `stats()` counts further losses";
    say!(
        Warn otel_warn,
        "traced.spans_dropped",
        { reason = "no room", spans = spans, remedy = REMEDY },
        "{spans} spans were dropped, since the queue had no room; {REMEDY}"
    );
}

/// Spans that an exporter did not take.
pub(crate) fn export_failed(spans: u64, reason: &str) {
    say!(
        Error otel_error,
        "traced.export_failed",
        { spans = spans, reason = reason.to_owned() },
        "{spans} spans were not exported: {reason}; `stats()` counts further failures"
    );
}

/// Spans that an exporter will try to hand over again.
pub(crate) fn export_delayed(spans: u64, reason: &str) {
    say!(
        Warn otel_warn,
        "traced.export_delayed",
        { spans = spans, reason = reason.to_owned() },
        "{spans} spans wait to be tried again: {reason}; `stats()` counts further tries"
    );
}

/// An exporter takes spans again.
pub(crate) fn export_resumed() {
    say!(
        Info otel_info,
        "traced.export_resumed",
        { remedy = "`stats()` says what was lost" },
        "spans are exported again; `stats()` says what was lost"
    );
}

#[cfg(feature = "internal-logs")]
fn has_subscriber() -> bool {
    use tracing_core::{dispatcher, subscriber::NoSubscriber};
    dispatcher::get_default(|dispatch| !dispatch.is::<NoSubscriber>())
}

/// In one piece: others write there, too. And without the lock of the standard library's, where that can be: a process that was
/// forked while another thread wrote has it locked for ever.
fn to_stderr(text: fmt::Arguments<'_>) {
    let text = text.to_string();
    #[cfg(unix)]
    if let Ok(stderr) = std::io::stderr().as_fd().try_clone_to_owned() {
        // A closed stderr is no reason to panic.
        let _ = std::fs::File::from(stderr).write_all(text.as_bytes());
        return;
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}
