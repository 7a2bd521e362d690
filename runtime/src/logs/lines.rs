//! The lines of `tracing-subscriber`, with the ids in them.

use std::fmt;

use tracing_core::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Compact, Format, Full, Json, Pretty, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// A format of `tracing-subscriber`'s whose lines have `trace_id` and `span_id` as well; see [`with_ids`].
#[derive(Debug, Clone)]
pub struct WithIds<F>(F);

/// Adds `trace_id` and `span_id` to each line that is written inside of a span: behind the fields of a text, and as members
/// of the object in JSON. Lines that are written elsewhere stay as they are.
///
/// ```
/// # use std::sync::{Arc, Mutex};
/// # #[derive(Clone, Default)]
/// # struct Written(Arc<Mutex<Vec<u8>>>);
/// # impl std::io::Write for Written {
/// #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> { self.0.lock().unwrap().write(bytes) }
/// #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
/// # }
/// # let written = Written::default();
/// # let writer = { let written = written.clone(); move || written.clone() };
/// let subscriber = tracing_subscriber::fmt()
///     .without_time()
///     .with_target(false)
///     .with_ansi(false)
///     .with_writer(writer)
///     .map_event_format(traced::logs::with_ids) // and all else as ever; `.json()` before it gives JSON
///     .finish();
///
/// #[traced::traced]
/// fn charge() {
///     tracing::info!(amount = 7, "charged");
/// }
///
/// let ((), trace) = traced::testing::capture(|| tracing::subscriber::with_default(subscriber, charge));
/// let span = trace.span("charge");
/// # let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
/// assert_eq!(
///     lines,
///     format!(" INFO charged amount=7 trace_id={} span_id={}\n", span.trace_id(), span.span_id())
/// );
/// ```
///
/// It goes with the formats that `tracing-subscriber` has: full, compact, pretty and JSON. A format of your own asks
/// [`trace_id`](crate::trace_id).
pub fn with_ids<F>(format: F) -> WithIds<F> {
    WithIds(format)
}

/// Each format by its name: a text and an object are continued in different ways.
macro_rules! with_ids {
    ($($layout:ty => $continued:ident;)+) => {$(
        impl<S, N, T> FormatEvent<S, N> for WithIds<Format<$layout, T>>
        where
            S: Subscriber + for<'a> LookupSpan<'a>,
            N: for<'a> FormatFields<'a> + 'static,
            T: Clone,
            Format<$layout, T>: FormatEvent<S, N>,
        {
            fn format_event(
                &self,
                cx: &FmtContext<'_, S, N>,
                mut writer: Writer<'_>,
                event: &Event<'_>,
            ) -> fmt::Result {
                let Some((trace, span)) = super::ids() else {
                    return self.0.format_event(cx, writer, event);
                };
                // A line of our own knows nothing of colours: the format has to be told.
                let format = self.0.clone().with_ansi(writer.has_ansi_escapes());
                let mut line = String::new();
                format.format_event(cx, Writer::new(&mut line), event)?;
                let text = line.trim_end_matches('\n');
                let (text, end) = line.split_at(text.len());
                writer.write_str(&$continued(text, &trace.to_string(), &span.to_string()))?;
                writer.write_str(end)
            }
        }
    )+};
}

with_ids! {
    Full => text;
    Compact => text;
    Pretty => text;
    Json => object;
}

fn text(line: &str, trace: &str, span: &str) -> String {
    format!("{line} trace_id={trace} span_id={span}")
}

fn object(line: &str, trace: &str, span: &str) -> String {
    match line.strip_suffix('}') {
        Some("{") => format!(r#"{{"trace_id":"{trace}","span_id":"{span}"}}"#),
        Some(members) => format!(r#"{members},"trace_id":"{trace}","span_id":"{span}"}}"#),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn an_object_is_continued_inside() {
        assert_eq!(object("{}", "1", "2"), r#"{"trace_id":"1","span_id":"2"}"#);
        assert_eq!(object(r#"{"a":{}}"#, "1", "2"), r#"{"a":{},"trace_id":"1","span_id":"2"}"#);
        assert_eq!(object("no object", "1", "2"), "no object");
    }
}
