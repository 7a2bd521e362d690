//! Finished traces as trees on a terminal: an exporter for people.
//!
//! Spans wait in a `Buffer` until their trace is complete; a `Tree` finds its shape, each `Line` puts a span into
//! words, and a `Page` draws them as one block that is written at once. Nothing here knows where spans come from.

mod bar;
mod buffer;
mod failure;
mod line;
mod page;
mod terminal;
mod text;
mod tree;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::Key;
use opentelemetry::trace::{SpanContext, TraceId};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use buffer::{Buffer, Waiting};
use page::{Occasion, Trace};
use terminal::Page;
use text::Text;

/// How many open spans are listed by name.
const MOST_OPEN: usize = 20;

/// Tells how many spans of a trace have started and not ended.
type OpenSpans = Arc<dyn Fn(TraceId) -> usize + Send + Sync>;

/// A span exporter that draws each finished trace as a tree, on stderr unless told otherwise.
///
/// ```
/// use std::io::Write;
/// use std::sync::{Arc, Mutex};
///
/// use opentelemetry::trace::{Tracer, TracerProvider};
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use traced::Console;
///
/// #[derive(Clone, Default)]
/// struct Screen(Arc<Mutex<Vec<u8>>>);
///
/// impl Write for Screen {
///     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
///         self.0.lock().unwrap().write(bytes)
///     }
///     fn flush(&mut self) -> std::io::Result<()> {
///         Ok(())
///     }
/// }
///
/// let screen = Screen::default();
/// let console = Console::new().writer(screen.clone());
/// let provider = SdkTracerProvider::builder().with_simple_exporter(console).build();
/// let tracer = provider.tracer("shop");
/// tracer.in_span("checkout", |_| tracer.in_span("charge_card", |_| ()));
///
/// let printed = String::from_utf8(screen.0.lock().unwrap().clone())?;
/// let lines: Vec<&str> = printed.lines().collect();
/// assert!(lines[0].contains("▸ checkout"), "{printed}");
/// assert!(lines[1].starts_with("checkout "), "{printed}");
/// assert!(lines[2].starts_with("└─ charge_card "), "{printed}");
/// # Ok::<(), std::string::FromUtf8Error>(())
/// ```
///
/// Each span has a line: its name, its kind unless internal, the time it took, the share of its root's time, and
/// a bar that shows when that was. `self` is the time that is in none of its children. Attributes stand beside the
/// name or below it, then events (`•`, with their distance from the span's start) and links (`→`). A failed span
/// is marked `✗` and tells its error with its causes once, where it happened. Three or more equal siblings in a
/// row share a line: their time together, how many they are, the average and the longest.
///
/// A trace is printed when its root in this process has ended, and no other span of it is known to be open. What
/// ends after that is printed as late. No more than 10,000 spans wait; beyond that the oldest trace is printed as
/// it is. Flushing prints the traces whose root has ended, shutting down prints them all.
///
/// On stderr, colours follow the terminal, `NO_COLOR`, `CLICOLOR_FORCE`, `FORCE_COLOR` and `TERM=dumb`; the width
/// follows `COLUMNS`, else the terminal, and is 100 without either. Control characters in names, values and error
/// texts are escaped, so that what a client sends cannot act on the terminal. A write that fails is reported once
/// and never panics.
pub struct Console {
    output: Mutex<Output>,
    /// Whether the output is stderr, whose terminal and environment decide what is not said.
    is_stderr: bool,
    colour: Option<bool>,
    width: Option<usize>,
    open: Option<OpenSpans>,
    service: String,
}

/// What changes while the exporter is in use.
struct Output {
    buffer: Buffer,
    writer: Box<dyn Write + Send>,
    is_shut_down: bool,
    has_reported: bool,
}

impl Console {
    /// A console on stderr.
    pub fn new() -> Self {
        let output = Output {
            buffer: Buffer::default(),
            writer: Box::new(io::stderr()),
            is_shut_down: false,
            has_reported: false,
        };
        Self {
            output: Mutex::new(output),
            is_stderr: true,
            colour: None,
            width: None,
            open: None,
            service: String::new(),
        }
    }

    /// Switches colours on or off, whatever the terminal and the environment say.
    pub fn colour(mut self, colour: bool) -> Self {
        self.colour = Some(colour);
        self
    }

    /// How many columns a line may have; at least 44.
    pub fn width(mut self, columns: usize) -> Self {
        self.width = Some(columns);
        self
    }

    /// Writes somewhere else than to stderr: without colours and 100 columns wide, unless said otherwise.
    ///
    /// Each trace is one call of `write_all`.
    pub fn writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.output.get_mut().unwrap_or_else(PoisonError::into_inner).writer = Box::new(writer);
        self.is_stderr = false;
        self
    }

    /// Lets a trace wait until `open` counts no span of it.
    ///
    /// It is asked while the console is locked, so it must not export to it.
    pub(crate) fn open_spans(&mut self, open: OpenSpans) {
        self.open = Some(open);
    }

    fn page(&self) -> Page {
        if self.is_stderr {
            Page::stderr(self.width, self.colour)
        } else {
            Page::new(self.width, self.colour.unwrap_or(false))
        }
    }

    fn open_in(&self, id: TraceId) -> usize {
        self.open.as_ref().map_or(0, |open| open(id))
    }

    fn output(&self) -> Result<MutexGuard<'_, Output>, OTelSdkError> {
        // A writer that panicked left nothing half done that matters here.
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        if output.is_shut_down { Err(OTelSdkError::AlreadyShutdown) } else { Ok(output) }
    }

    fn print(&self, output: &mut Output, traces: &[Waiting], occasion: Occasion) -> OTelSdkResult {
        let page = self.page();
        let mut result = Ok(());
        for trace in traces {
            let block = page.draw(&Trace {
                service: &self.service,
                id: trace.id,
                spans: &trace.spans,
                occasion: if trace.late && occasion == Occasion::Ended { Occasion::Late } else { occasion },
                open: self.open_in(trace.id),
            });
            result = result.and(output.write(&block));
        }
        result
    }
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("colour", &self.colour)
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

impl Output {
    /// Writes a block. That nobody reads is worth one error, not one per trace.
    fn write(&mut self, block: &str) -> OTelSdkResult {
        let written = self.writer.write_all(block.as_bytes()).and_then(|()| self.writer.flush());
        match written {
            Err(error) if !self.has_reported => {
                self.has_reported = true;
                Err(OTelSdkError::InternalFailure(format!("the console cannot be written to: {error}")))
            }
            _ => Ok(()),
        }
    }
}

impl SpanExporter for Console {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut output = self.output()?;
        for span in batch {
            output.buffer.push(span);
        }
        let ended = output.buffer.take_ended(|id| self.open_in(id) > 0);
        let surplus = output.buffer.take_surplus();
        let first = self.print(&mut output, &ended, Occasion::Ended);
        first.and(self.print(&mut output, &surplus, Occasion::Full))
    }

    fn force_flush(&self) -> OTelSdkResult {
        let mut output = self.output()?;
        let ended = output.buffer.take_ended(|_| false);
        self.print(&mut output, &ended, Occasion::Ended)
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        let mut output = self.output()?;
        output.is_shut_down = true;
        let rest = output.buffer.take_all();
        self.print(&mut output, &rest, Occasion::Ended)
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(service) = resource.get_ref(&Key::from_static_str("service.name")) {
            self.service = service.as_str().into_owned();
        }
    }
}

/// A trace as the console would draw it, without colours.
pub(crate) fn render_trace(service: &str, id: TraceId, spans: &[SpanData]) -> String {
    Page::new(None, false).draw(&Trace { service, id, spans, occasion: Occasion::Ended, open: 0 })
}

/// A span that has started and not ended.
#[derive(Debug, Clone)]
pub(crate) struct OpenSpan {
    pub(crate) name: Cow<'static, str>,
    pub(crate) span_context: SpanContext,
    pub(crate) started: SystemTime,
}

/// Lists spans that are still open, oldest first, as the console would write them to stderr.
///
/// Nothing is open: nothing is said. Of many, the twenty oldest are named.
pub(crate) fn render_open(spans: &[OpenSpan]) -> String {
    list_open(&Page::stderr(None, None), spans, SystemTime::now())
}

fn list_open(page: &Page, spans: &[OpenSpan], now: SystemTime) -> String {
    if spans.is_empty() {
        return String::new();
    }
    let ink = page.palette;
    let mut oldest_first: Vec<&OpenSpan> = spans.iter().collect();
    oldest_first.sort_by_key(|span| span.started);
    let listed = oldest_first.get(..MOST_OPEN).unwrap_or(&oldest_first);

    let mut block = String::new();
    let mut title = Text::of(ink.faint, "━━ ");
    title.put(ink.warning, &format!("{} still open", text::count(spans.len(), "span")));
    title.write_line(&mut block);

    let id = |span: &OpenSpan| format!("trace {}", span.span_context.trace_id());
    let room = page.width.saturating_sub("   123.4s    trace ".len() + 32);
    let names: Vec<Text> = listed.iter().map(|span| Text::cut(ink.name, &span.name, room)).collect();
    let longest = names.iter().map(Text::width).max().unwrap_or(0);
    for (span, name) in listed.iter().zip(names) {
        let age = now.duration_since(span.started).unwrap_or_default();
        let age = text::duration(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
        let mut line = Text::default();
        line.pad_to("   123.4s".len().saturating_sub(age.chars().count()));
        line.put(ink.plain, &age);
        line.put(ink.plain, "  ");
        line.append(&name);
        line.pad_to("   123.4s  ".len() + longest + 2);
        line.put(ink.faint, &id(span));
        line.write_line(&mut block);
    }
    if spans.len() > listed.len() {
        let mut line = Text::of(ink.plain, "   ");
        line.put(ink.faint, &format!("… and {} more", spans.len() - listed.len()));
        line.write_line(&mut block);
    }
    block
}
