//! Traces in tests: capture what one call makes, print it as a tree, find spans in it.
//!
//! A capture needs no set-up and no network, and belongs to its own call: hundreds of tests may capture at once
//! on as many threads, and each sees its own spans, those of spawned work included.
//!
//! ```
//! use traced::testing::capture;
//!
//! #[traced::traced(kind = server, attr(items))]
//! fn checkout(items: u32) -> Result<(), String> {
//!     pay()
//! }
//!
//! #[traced::traced(kind = client)]
//! fn pay() -> Result<(), String> {
//!     Err("card declined".into())
//! }
//!
//! let (result, trace) = capture(|| checkout(3));
//! assert!(result.is_err());
//! assert_eq!(trace.to_string(), "\
//! checkout (server) error \"card declined\"
//! │   items: i64 = 3
//! │   error.type: str = \"alloc::string::String\"
//! └── pay (client) error \"card declined\"
//!         error.type: str = \"alloc::string::String\"
//!         • exception
//!             exception.type: str = \"alloc::string::String\"
//!             exception.message: str = \"card declined\"
//! ");
//! ```

mod sdk;
mod tree;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceId};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{Sampler as SdkSampler, ShouldSample, SpanData};
use pin_project_lite::pin_project;

use crate::exception::Exceptions;
use crate::pipeline::{Captured, Capturing, Pipeline, Policy, Provider, Sampler, no_limits};
use crate::process::Processors;
use crate::record::{self, Sink};

/// Runs a closure, or drives a future, and gives its value with the trace of exactly that.
///
/// ```
/// use traced::testing::capture;
///
/// #[traced::traced]
/// async fn load(id: u64) -> u64 { id }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let (id, trace) = capture(load(7)).await;
/// assert_eq!((id, trace.len()), (7, 1));
/// # });
/// ```
pub fn capture<K, S: Subject<K>>(subject: S) -> S::Captured {
    subject.captured(Recorder::start())
}

/// As [`capture`], with the SDK as the recorder, whatever the environment says: what it records is what ours must.
#[doc(hidden)]
pub fn capture_by_sdk<K, S: Subject<K>>(subject: S) -> S::Captured {
    subject.captured(Recorder::sdk())
}

/// What can be captured: a closure without arguments, or a future.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a closure without arguments nor a future",
    label = "this cannot be captured",
    note = "write `capture(|| call(1))`, or `capture(call(1)).await`"
)]
pub trait Subject<K> {
    /// `(value, trace)`, or a future of it.
    type Captured;

    #[doc(hidden)]
    fn captured(self, recorder: Recorder) -> Self::Captured;
}

/// Marks closures among [`Subject`].
#[derive(Debug)]
pub enum AsClosure {}

/// Marks futures among [`Subject`].
#[derive(Debug)]
pub enum AsFuture {}

impl<R, F: FnOnce() -> R> Subject<(AsClosure, R)> for F {
    type Captured = (R, Trace);

    fn captured(self, recorder: Recorder) -> (R, Trace) {
        let current = recorder.context().attach();
        let value = self();
        drop(current);
        (value, recorder.finish())
    }
}

impl<F: Future> Subject<AsFuture> for F {
    type Captured = Capture<F>;

    fn captured(self, recorder: Recorder) -> Capture<F> {
        Capture { recorder: Some(recorder), future: Some(self) }
    }
}

pin_project! {
    /// A future being captured; see [`capture`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Capture<F> {
        recorder: Option<Recorder>,
        #[pin]
        future: Option<F>,
    }
}

impl<F: Future> Future for Capture<F> {
    type Output = (F::Output, Trace);

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (Some(recorder), Some(future)) = (this.recorder.as_ref(), this.future.as_mut().as_pin_mut())
        else {
            panic!("a capture is polled after it was over");
        };
        let current = recorder.context().attach();
        let polled = future.poll(task);
        if polled.is_ready() {
            this.future.set(None);
        }
        drop(current);
        polled.map(|value| (value, this.recorder.take().expect("it was there above").finish()))
    }
}

/// What writes the spans of one capture down.
#[doc(hidden)]
#[derive(Debug)]
pub struct Recorder {
    capturing: Capturing,
    /// What the SDK has recorded, if it is the recorder.
    sdk: Option<sdk::Seen>,
}

impl Recorder {
    /// `TRACED_CAPTURE=sdk` makes the SDK the recorder: what it records is what ours must.
    fn start() -> Self {
        if std::env::var_os("TRACED_CAPTURE").is_some_and(|by| by == "sdk") {
            Self::sdk()
        } else {
            Self::ours()
        }
    }

    fn ours() -> Self {
        let recorder = record::Recorder::new(
            always(),
            Sink::Capture(record::Captured::default()),
            Processors::default(),
        );
        Self::of(Provider::Ours(recorder), None)
    }

    fn sdk() -> Self {
        let seen = sdk::Seen::default();
        Self::of(Provider::Foreign(Box::new(sdk::provider(&seen))), Some(seen))
    }

    fn of(provider: Provider, sdk: Option<sdk::Seen>) -> Self {
        let policy = Policy { sampler: Sampler::Always, code_attributes: true, limits: no_limits() };
        let capturing = Capturing::start(Arc::new(Pipeline::new(provider, policy, Exceptions::default())));
        crate::route::ensure();
        Self { capturing, sdk }
    }

    /// A context of its own: no span and no baggage of whoever captures.
    fn context(&self) -> Context {
        Context::new().with_value(Captured(Arc::clone(&self.capturing.0)))
    }

    fn finish(self) -> Trace {
        let pipeline = Arc::clone(&self.capturing.0);
        drop(self.capturing);
        let spans = match (pipeline.provider(), self.sdk) {
            (Provider::Ours(recorder), _) => recorder.captured(),
            (Provider::Foreign(_), Some(seen)) => seen.take(),
            (Provider::Foreign(_), None) => Vec::new(),
        };
        Trace { spans: spans.into_iter().map(|(data, ended)| CapturedSpan { data, ended }).collect() }
    }
}

fn always() -> Box<dyn ShouldSample> {
    Box::new(SdkSampler::ParentBased(Box::new(SdkSampler::AlwaysOn)))
}

#[derive(Debug, Clone)]
struct CapturedSpan {
    data: SpanData,
    ended: bool,
}

/// The spans of one capture, in the order they began. It prints as a tree, without times and ids.
#[derive(Debug, Clone)]
pub struct Trace {
    spans: Vec<CapturedSpan>,
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tree::write(self, f)
    }
}

impl Trace {
    /// How many spans there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// All spans, in the order they began.
    pub fn spans(&self) -> impl Iterator<Item = SpanView<'_>> {
        self.spans.iter().map(|span| SpanView { trace: self, span })
    }

    /// All spans of a name, in the order they began.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = SpanView<'a>> {
        self.spans().filter(move |span| span.name() == name)
    }

    /// The first span of a name.
    pub fn find(&self, name: &str) -> Option<SpanView<'_>> {
        self.spans().find(|span| span.name() == name)
    }

    /// The only span of a name.
    ///
    /// # Panics
    ///
    /// If there is none, or more than one; the message shows the tree.
    #[track_caller]
    pub fn span(&self, name: &str) -> SpanView<'_> {
        let mut spans = self.spans().filter(|span| span.name() == name);
        match (spans.next(), spans.next()) {
            (Some(span), None) => span,
            (None, _) => panic!("no span is called `{name}`:\n{self}"),
            (Some(_), Some(_)) => panic!("more than one span is called `{name}`:\n{self}"),
        }
    }

    /// The names of the spans without a parent in this trace.
    pub fn roots(&self) -> Vec<&str> {
        self.spans().filter(|span| span.parent_span().is_none()).map(SpanView::name).collect()
    }
}

/// One span of a [`Trace`].
#[derive(Debug, Clone, Copy)]
pub struct SpanView<'a> {
    trace: &'a Trace,
    span: &'a CapturedSpan,
}

impl<'a> SpanView<'a> {
    /// The span's name.
    pub fn name(self) -> &'a str {
        &self.span.data.name
    }

    /// The span's kind.
    pub fn kind(self) -> SpanKind {
        self.span.data.span_kind.clone()
    }

    /// `unset`, `ok`, or `error` with the text behind it: `error: card declined`.
    pub fn status(self) -> String {
        match &self.span.data.status {
            Status::Unset => "unset".to_owned(),
            Status::Ok => "ok".to_owned(),
            Status::Error { description } if description.is_empty() => "error".to_owned(),
            Status::Error { description } => format!("error: {description}"),
        }
    }

    /// Whether the span failed.
    pub fn is_error(self) -> bool {
        matches!(self.span.data.status, Status::Error { .. })
    }

    /// Whether the span had ended when the capture was over.
    pub fn has_ended(self) -> bool {
        self.span.ended
    }

    /// The name of the span's parent, if that is in this trace.
    pub fn parent(self) -> Option<&'a str> {
        self.parent_span().map(SpanView::name)
    }

    fn parent_span(self) -> Option<Self> {
        let parent = self.span.data.parent_span_id;
        self.trace.spans().find(|span| parent != SpanId::INVALID && span.span_id() == parent)
    }

    /// The span's children, in the order they began.
    pub fn children(self) -> impl Iterator<Item = SpanView<'a>> {
        self.trace.spans().filter(move |span| span.span.data.parent_span_id == self.span_id())
    }

    /// An attribute, to compare with a plain value: `span.attribute("order.id") == 7`.
    pub fn attribute(self, key: &str) -> Recorded<'a> {
        Recorded::find(&self.span.data.attributes, key)
    }

    /// The span's events, in order.
    pub fn events(self) -> impl Iterator<Item = EventView<'a>> {
        self.span.data.events.iter().map(EventView)
    }

    /// The first event of a name.
    ///
    /// # Panics
    ///
    /// If there is none; the message shows the tree.
    #[track_caller]
    pub fn event(self, name: &str) -> EventView<'a> {
        match self.events().find(|event| event.name() == name) {
            Some(event) => event,
            None => panic!("`{}` has no event `{name}`:\n{}", self.name(), self.trace),
        }
    }

    /// Whether there is an event of a name.
    pub fn has_event(self, name: &str) -> bool {
        self.events().any(|event| event.name() == name)
    }

    /// The spans that this one is linked to.
    pub fn links(self) -> impl Iterator<Item = &'a SpanContext> {
        self.span.data.links.iter().map(|link| &link.span_context)
    }

    /// The trace's id.
    pub fn trace_id(self) -> TraceId {
        self.span.data.span_context.trace_id()
    }

    /// The span's id.
    pub fn span_id(self) -> SpanId {
        self.span.data.span_context.span_id()
    }

    /// Everything, as an exporter gets it.
    pub fn data(self) -> &'a SpanData {
        &self.span.data
    }
}

/// One event of a span.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'a>(&'a opentelemetry::trace::Event);

impl<'a> EventView<'a> {
    /// The event's name.
    pub fn name(self) -> &'a str {
        &self.0.name
    }

    /// An attribute, to compare with a plain value.
    pub fn attribute(self, key: &str) -> Recorded<'a> {
        Recorded::find(&self.0.attributes, key)
    }
}

/// An attribute that may be there. It equals the plain values that are recorded like it: `7`, `true`, `"text"`,
/// and `None` if it is absent.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a>(Option<&'a Value>);

impl<'a> Recorded<'a> {
    /// The last of a key, as a backend would keep it.
    fn find(attributes: &'a [KeyValue], key: &str) -> Self {
        Self(
            attributes
                .iter()
                .rfind(|attribute| attribute.key.as_str() == key)
                .map(|attribute| &attribute.value),
        )
    }

    /// The value itself.
    pub fn value(self) -> Option<&'a Value> {
        self.0
    }

    /// Whether the attribute is there.
    pub fn is_some(self) -> bool {
        self.0.is_some()
    }

    /// Whether the attribute is absent.
    pub fn is_none(self) -> bool {
        self.0.is_none()
    }
}

impl<T: crate::Attribute> PartialEq<T> for Recorded<'_> {
    fn eq(&self, other: &T) -> bool {
        self.0 == other.value().as_ref()
    }
}
