//! Spans by hand: a step inside a function, the current span, milestones and attributes as one goes.
//!
//! `span!`, `event!` and `set!` expand to the items of this module.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::Future;

use opentelemetry::trace::{SpanId, TraceContextExt, TraceId};
use opentelemetry::{Context, ContextGuard, Key, KeyValue};
use traced_core::Keep as _;

use crate::context;
use crate::exception::{self, Exception, Exceptions};
use crate::fields::Fields;
use crate::future::traced;
use crate::outcome::write_chain;
use crate::pipeline::Pipeline;
use crate::propagation::AsLink;
use crate::span::Call;
use crate::value::{self, Attribute};

/// A span made by [`span!`](crate::span!): open until it is entered and left, run, or its future is over.
///
/// ```
/// use traced::testing::capture;
///
/// let (sum, trace) = capture(|| {
///     let total = traced::span!("sum", items = 3).run(|| 1 + 2 + 3);
///     let _step = traced::span!("report").enter();
///     traced::event!("reported", total);
///     total
/// });
/// assert_eq!(sum, 6);
/// assert_eq!(trace.roots(), ["sum", "report"]);
/// ```
#[derive(Debug)]
#[must_use = "a span that is not entered, run or wrapped stands for nothing"]
pub struct Span(Call);

impl Span {
    /// Takes the call over, starting its span. The closure's type names the function it stands in.
    #[doc(hidden)]
    pub fn begin<F: Fn()>(mut call: Call, _here: F) -> Self {
        call.begin(std::any::type_name::<F>());
        Self(call)
    }

    /// Makes the span current on this thread until the guard goes; the span ends with the guard.
    ///
    /// Not across an `.await`: use [`wrap`](Span::wrap) there. And not inside of OpenTelemetry's `get_active_span` and its like,
    /// where nothing can be attached: what is called there is the child of what was current; use [`run`](Span::run).
    pub fn enter(mut self) -> Entered {
        self.0.stands_by_hand();
        let guard = self.0.context().and_then(|cx| context::attach(cx.clone()));
        Entered { guard, call: Some(self.0), panicking: std::thread::panicking() }
    }

    /// Runs `body` inside the span, which ends with it.
    pub fn run<R>(mut self, body: impl FnOnce() -> R) -> R {
        let value = self.0.run(body);
        self.0.pass();
        value
    }

    /// A future that is polled inside the span, which ends with it.
    pub fn wrap<F: Future>(self, body: F) -> impl Future<Output = F::Output> + use<F> {
        traced(self.0, None, body, |_: &F::Output, call: Call| call.pass())
    }

    /// The span's context, to hand to whatever asks for a parent.
    pub fn context(&self) -> Context {
        self.0.context().cloned().or_else(context::current).unwrap_or_default()
    }
}

/// A span that is current; see [`Span::enter`].
#[derive(Debug)]
#[must_use = "the span ends when this is dropped"]
pub struct Entered {
    // Always there, until the drop.
    call: Option<Call>,
    guard: Option<ContextGuard>,
    /// Whether the thread was unwinding already when the span was entered.
    panicking: bool,
}

impl Drop for Entered {
    fn drop(&mut self) {
        context::detach(self.guard.take());
        if let Some(call) = self.call.take() {
            call.conclude(std::thread::panicking() && !self.panicking);
        }
    }
}

/// The span that is current where this is called; see [`Current`].
pub fn current() -> Current {
    Current(context::current().unwrap_or_default())
}

/// A handle on the span that was current when it was taken: of a traced call, of `span!`, or of other code that
/// speaks OpenTelemetry. Without such a span every method does nothing.
///
/// ```
/// use traced::testing::capture;
///
/// #[traced::traced]
/// fn checkout() {
///     let span = traced::current();
///     span.set("order.total", 42);
///     span.event("order.validated", []);
///     assert!(span.is_recording());
/// }
///
/// let ((), trace) = capture(checkout);
/// assert_eq!(trace.span("checkout").attribute("order.total"), 42);
/// assert!(trace.span("checkout").has_event("order.validated"));
/// ```
#[derive(Debug, Clone)]
pub struct Current(Context);

impl Current {
    /// Sets an attribute; a value that is absent (`None`) sets nothing.
    pub fn set(&self, key: impl Into<Key>, value: impl Attribute) {
        if self.is_recording()
            && let Some(value) = value.value()
        {
            self.0.span().set_attribute(KeyValue::new(key.into(), value));
        }
    }

    /// Adds an event.
    pub fn event(&self, name: impl Into<Cow<'static, str>>, attributes: impl IntoIterator<Item = KeyValue>) {
        if self.is_recording() {
            self.0.span().add_event(name, attributes.into_iter().collect());
        }
    }

    /// Marks the span as failed, with the error's text and its causes in an `exception` event.
    pub fn error<E: Error + ?Sized>(&self, error: &E) {
        if self.is_recording() {
            let mut message = String::new();
            value::write_display(&mut message, &error);
            let error_type = std::any::type_name::<E>();
            let span = self.0.span();
            let stacktrace = error.source().map(|source| {
                let mut chain = String::new();
                write_chain(&mut chain, &message, source);
                chain
            });
            let exception = Exception { error_type: error_type.into(), message: message.clone(), stacktrace };
            match Pipeline::of(&self.0) {
                Some(pipeline) => pipeline.exceptions.record(&span, exception),
                // The span is of other code, and no set-up says how.
                None => Exceptions::default().record(&span, exception),
            }
            exception::mark(&span, error_type.into(), message);
        }
    }

    /// Links the span to another one.
    pub fn link(&self, to: impl AsLink) {
        let to = to.as_link();
        if to.is_valid() {
            self.0.span().add_link(to, Vec::new());
        }
    }

    /// Gives the span another name.
    pub fn rename(&self, name: impl Into<Cow<'static, str>>) {
        self.0.span().update_name(name);
    }

    /// The trace the span belongs to; all zeros without a span.
    pub fn trace_id(&self) -> TraceId {
        self.0.span().span_context().trace_id()
    }

    /// The span's id; all zeros without a span.
    pub fn span_id(&self) -> SpanId {
        self.0.span().span_context().span_id()
    }

    /// Whether what is written to the span is kept.
    pub fn is_recording(&self) -> bool {
        self.0.span().is_recording()
    }

    /// The OpenTelemetry context of the span.
    pub fn context(&self) -> &Context {
        &self.0
    }
}

/// What `set!` and `event!` write to: the current span, if it records.
#[derive(Debug)]
pub struct Note {
    cx: Context,
    fields: Fields,
}

impl Note {
    /// `None` where nothing would be kept, so that nothing is evaluated.
    #[inline]
    pub fn start() -> Option<Self> {
        if !crate::pipeline::is_set_up() {
            return None;
        }
        let cx = context::current()?;
        let records = cx.span().is_recording();
        records.then(|| Self { cx, fields: Fields::new() })
    }

    /// Records a value by its type.
    #[inline]
    pub fn attribute<A: Attribute + ?Sized>(&mut self, key: &'static str, value: &A) {
        value.keep(key, &mut self.fields);
    }

    /// Records a text that is there for ever.
    #[inline]
    pub fn fixed(&mut self, key: &'static str, value: &'static str) {
        self.fields.fixed(key, value);
    }

    /// Records a value by its `Display`.
    #[inline]
    pub fn display<T: fmt::Display + ?Sized>(&mut self, key: &'static str, value: &T) {
        self.fields.display(key, &value);
    }

    /// Records a value by its `Debug`.
    #[inline]
    pub fn debug<T: fmt::Debug + ?Sized>(&mut self, key: &'static str, value: &T) {
        self.fields.debug(key, &value);
    }

    /// Writes the attributes to the span.
    pub fn set(mut self) {
        self.cx.span().set_attributes(self.fields.take());
    }

    /// Writes the attributes to the span, as an event.
    pub fn event(mut self, name: impl Into<Cow<'static, str>>) {
        self.cx.span().add_event(name, self.fields.take());
    }
}
