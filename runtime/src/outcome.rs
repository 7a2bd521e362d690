//! What a returned value says about its call: nothing, or that it failed and how.
//!
//! Types decide. Generated code hands a reference to the value to `probe`, whose inherent methods are found by
//! the compiler one `Deref` after the other: the first whose bounds the value's type meets. So every alias of
//! `Result` is one, whatever its error can do, and nothing else is.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::fmt::{Debug, Display};
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt};
use opentelemetry::{Context, Value};

use crate::exception::{self, Exception};
use crate::pipeline::Pipeline;
use crate::span::Call;
use crate::value;

/// An error that says itself what its spans show.
///
/// Without it the type's path is `error.type`, and every error is a fault.
///
/// ```
/// use traced::testing::capture;
///
/// #[derive(Debug)]
/// struct NotFound;
///
/// impl traced::Failure for NotFound {
///     fn error_type(&self) -> &str { "not_found" }
///     fn is_fault(&self) -> bool { false }
///     fn message(&self) -> String { "no such order".into() }
/// }
///
/// #[traced::traced]
/// fn load(id: u64) -> Result<(), NotFound> { if id == 0 { Err(NotFound) } else { Ok(()) } }
///
/// let (_, trace) = capture(|| load(0));
/// let span = trace.span("load");
/// assert_eq!(span.status(), "unset");
/// assert_eq!(span.event("exception").attribute("exception.type"), "not_found");
/// ```
pub trait Failure {
    /// The value of `error.type`: few, stable, and the same for the same kind of failure.
    fn error_type(&self) -> &str;

    /// Whether the call failed. Where not, the exception is recorded and the status stays unset.
    fn is_fault(&self) -> bool {
        true
    }

    /// The text of the error.
    fn message(&self) -> String;

    /// The error underneath, whose texts are recorded as the chain of causes.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        None
    }
}

/// A value that can be an error: `Result`, and `Option` and `Poll` around one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`, so it holds no error",
    label = "the function returns no `Result`",
    note = "`err`, `error_if` and `errors` are for functions that return `Result`, or `Option` or `Poll` of one"
)]
pub trait Fallible {
    /// The error's type.
    type Error;

    /// The error, if the value is one.
    fn error(&self) -> Option<&Self::Error>;
}

impl<T, E> Fallible for Result<T, E> {
    type Error = E;
    #[inline]
    fn error(&self) -> Option<&E> {
        self.as_ref().err()
    }
}

impl<R: Fallible> Fallible for Option<R> {
    type Error = R::Error;
    #[inline]
    fn error(&self) -> Option<&R::Error> {
        self.as_ref()?.error()
    }
}

impl<R: Fallible> Fallible for Poll<R> {
    type Error = R::Error;
    #[inline]
    fn error(&self) -> Option<&R::Error> {
        match self {
            Poll::Ready(value) => value.error(),
            Poll::Pending => None,
        }
    }
}

/// A value that can hold a success: `Result`, `Option`, and `Poll` around one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a `Result` nor an `Option`, so it holds no `Ok` or `Some`",
    label = "the function returns no `Result` or `Option`",
    note = "`ok(…)` is for functions that return `Result` or `Option`; use `ret(…)` for the whole value"
)]
pub trait Successful {
    /// The success's type.
    type Value;

    /// The success, if the value is one.
    fn success(&self) -> Option<&Self::Value>;
}

impl<T, E> Successful for Result<T, E> {
    type Value = T;
    #[inline]
    fn success(&self) -> Option<&T> {
        self.as_ref().ok()
    }
}

impl<T> Successful for Option<T> {
    type Value = T;
    #[inline]
    fn success(&self) -> Option<&T> {
        self.as_ref()
    }
}

impl<R: Successful> Successful for Poll<R> {
    type Value = R::Value;
    #[inline]
    fn success(&self) -> Option<&R::Value> {
        match self {
            Poll::Ready(value) => value.success(),
            Poll::Pending => None,
        }
    }
}

/// The error in a returned value; what `err(…)` and `error_if(…)` look at.
#[inline]
pub fn error<R: Fallible>(value: &R) -> Option<&R::Error> {
    value.error()
}

/// The success in a returned value; what `ok(…)` looks at.
#[inline]
pub fn success<R: Successful>(value: &R) -> Option<&R::Value> {
    value.success()
}

/// Whether a present error is a fault, by `error_if`; nobody asks where nothing records.
#[inline]
pub fn is_fault<R: Fallible>(call: &Call, value: &R, judge: impl FnOnce(&R::Error) -> bool) -> Verdict {
    match value.error() {
        Some(error) if call.records() && !judge(error) => Verdict::Expected,
        _ => Verdict::Fault,
    }
}

/// What `error_if` said of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The call failed, unless the error itself says otherwise.
    Fault,
    /// The error is an answer, not an outage.
    Expected,
}

/// An error as spans see it.
pub(crate) struct Failed<'a> {
    error_type: &'a str,
    message: Value,
    source: Option<&'a (dyn Error + 'static)>,
}

impl Failed<'_> {
    /// Writes the failure into the span of `cx`: marked always, with its exception only where it is new.
    pub(crate) fn record(&self, pipeline: &Pipeline, cx: &Context, caller: SpanId, verdict: Verdict) {
        let span = cx.span();
        let message = self.message.as_str().into_owned();
        let seen_as = seen_in_child(span.span_context(), &message);
        let is_new = seen_as.is_none();
        let error_type = seen_as.unwrap_or_else(|| self.error_type.to_owned());
        if is_new {
            let stacktrace = self.source.map(|source| chain(&message, source));
            let exception =
                Exception { error_type: error_type.clone(), message: message.clone(), stacktrace };
            pipeline.exceptions.record(&span, exception);
        }
        if verdict == Verdict::Fault {
            exception::mark(&span, error_type.clone(), message.clone());
        }
        remember(caller, error_type, message);
    }
}

/// The error's text and those of its causes, a line each.
pub(crate) fn chain(message: &str, mut source: &(dyn Error + 'static)) -> Value {
    let mut text = message.to_owned();
    // A chain that runs in a circle must end as well.
    for _ in 0..64 {
        text.push_str("\ncaused by: ");
        text.push_str(&value::display(source).as_str());
        match source.source() {
            Some(next) => source = next,
            None => break,
        }
    }
    Value::from(value::cut(&text).to_owned())
}

/// Errors that a span has just recorded, kept for its caller, which may return the same one.
///
/// The ending span looks here only while something is kept. Entries whose caller never comes (one of another
/// tracer) are pushed out when there are too many.
static SEEN: LazyLock<Mutex<HashMap<SpanId, VecDeque<Seen>>>> = LazyLock::new(Mutex::default);
static SEEN_COUNT: AtomicUsize = AtomicUsize::new(0);
/// How many callers are remembered, and how many errors of each.
const SEEN_MOST: usize = 4096;
const SEEN_OF_ONE: usize = 16;

struct Seen {
    error_type: String,
    message: String,
}

/// What is kept, if anything is.
fn seen() -> Option<MutexGuard<'static, HashMap<SpanId, VecDeque<Seen>>>> {
    (SEEN_COUNT.load(Ordering::Relaxed) != 0).then(|| SEEN.lock().unwrap_or_else(PoisonError::into_inner))
}

fn remember(caller: SpanId, error_type: String, message: String) {
    if caller == SpanId::INVALID {
        return;
    }
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() >= SEEN_MOST
        && !seen.contains_key(&caller)
        && let Some(&any) = seen.keys().next()
    {
        seen.remove(&any);
    }
    let of_caller = seen.entry(caller).or_default();
    if of_caller.len() == SEEN_OF_ONE {
        of_caller.pop_front();
    }
    of_caller.push_back(Seen { error_type, message });
    SEEN_COUNT.store(seen.len(), Ordering::Relaxed);
}

/// The `error.type` under which a child of `span` has recorded an error of this text.
fn seen_in_child(span: &SpanContext, message: &str) -> Option<String> {
    let seen = seen()?;
    let same = seen.get(&span.span_id())?.iter().rfind(|seen| seen.message == message)?;
    Some(same.error_type.clone())
}

/// Drops what the children of an ending span left for it.
pub(crate) fn forget(span: &SpanContext) {
    if let Some(mut seen) = seen() {
        seen.remove(&span.span_id());
        SEEN_COUNT.store(seen.len(), Ordering::Relaxed);
    }
}

/// Hands what the children of an ending span left for it on to its caller.
pub(crate) fn hand_on(span: &SpanContext, caller: SpanId) {
    if caller == SpanId::INVALID {
        return;
    }
    if let Some(mut seen) = seen()
        && let Some(errors) = seen.remove(&span.span_id())
    {
        seen.entry(caller).or_default().extend(errors);
    }
}

/// Begins the search for what `value` is; see the module's head.
#[inline]
pub fn probe<R>(value: &R) -> ByFailure<'_, R> {
    ByFailure(ByError(ByObject(ByDisplay(ByDebug(ByResult(Other(value)))))))
}

/// A trait object that is an error: what `anyhow::Error`, `eyre::Report` and `Box<dyn Error>` point to.
pub trait ErrorObject {
    /// The error underneath it.
    fn source_of(&self) -> Option<&(dyn Error + 'static)>;
}

macro_rules! error_objects {
    ($($object:ty),*) => {$(
        impl<'a> ErrorObject for $object {
            fn source_of(&self) -> Option<&(dyn Error + 'static)> {
                self.source()
            }
        }
    )*};
}
error_objects!(dyn Error + 'a, dyn Error + Send + 'a, dyn Error + Sync + 'a, dyn Error + Send + Sync + 'a);

/// One step of the search: a bound on the error, and what is recorded of an error that meets it.
macro_rules! steps {
    ($($(#[$doc:meta])* $step:ident -> $next:ident where [$($bound:tt)*] { $error:ident => $failed:expr, $verdict:expr })*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $step<'a, R>($next<'a, R>);

        impl<'a, R> Deref for $step<'a, R> {
            type Target = $next<'a, R>;
            #[inline]
            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl<R: Fallible> $step<'_, R>
        where
            $($bound)*
        {
            /// Ends the call with what the value says.
            #[inline]
            pub fn end(&self, call: Call, verdict: Verdict) {
                if call.on() {
                    self.judge(call, verdict);
                }
            }

            #[inline(never)]
            fn judge(&self, call: Call, verdict: Verdict) {
                match self.value().error() {
                    None => call.end(),
                    Some($error) if call.records() => {
                        let verdict = if $verdict { verdict } else { Verdict::Expected };
                        call.fail(&$failed, verdict);
                    }
                    Some(_) => call.end(),
                }
            }
        }
    )*};
}

steps! {
    /// The error speaks for itself.
    ByFailure -> ByError where [R::Error: Failure] {
        error => Failed {
            error_type: error.error_type(),
            message: Value::from(value::cut(&error.message()).to_owned()),
            source: error.source(),
        }, error.is_fault()
    }
    /// The error is a standard error.
    ByError -> ByObject where [R::Error: Error] {
        error => Failed {
            error_type: std::any::type_name::<R::Error>(),
            message: value::display(error),
            source: error.source(),
        }, true
    }
    /// The error points to a standard error.
    ByObject -> ByDisplay where [R::Error: Display + Deref, <R::Error as Deref>::Target: ErrorObject] {
        error => Failed {
            error_type: std::any::type_name::<R::Error>(),
            message: value::display(error),
            source: error.source_of(),
        }, true
    }
    /// The error can be shown.
    ByDisplay -> ByDebug where [R::Error: Display] {
        error => Failed {
            error_type: std::any::type_name::<R::Error>(),
            message: value::display(error),
            source: None,
        }, true
    }
    /// The error can be debugged.
    ByDebug -> ByResult where [R::Error: Debug] {
        error => Failed {
            error_type: std::any::type_name::<R::Error>(),
            message: value::debug(error),
            source: None,
        }, true
    }
    /// The error can do nothing.
    ByResult -> Other where [] {
        _error => Failed {
            error_type: std::any::type_name::<R::Error>(),
            message: Value::from(std::any::type_name::<R::Error>()),
            source: None,
        }, true
    }
}

/// No `Result`: the call went well, whatever the value.
#[derive(Debug)]
pub struct Other<'a, R>(&'a R);

impl<'a, R> Other<'a, R> {
    /// The value under question.
    #[inline]
    pub fn value(&self) -> &'a R {
        self.0
    }

    /// Ends the call.
    #[inline]
    #[expect(clippy::unused_self, reason = "found by the same method call as the steps before it")]
    pub fn end(&self, call: Call, _: Verdict) {
        call.end();
    }
}
