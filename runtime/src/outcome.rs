//! What a returned value says about its call: nothing, or that it failed and how.
//!
//! Types decide. Generated code hands a reference to the value to `probe`, whose inherent methods are found by
//! the compiler one `Deref` after the other: the first whose bounds the value's type meets. So every alias of
//! `Result` is one, whatever its error can do, and nothing else is.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt::{Debug, Display};
use std::ops::Deref;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;

use opentelemetry::trace::SpanId;
use traced_core::{ErrorType, Failed, Message, Verdict};

use crate::record::lock;
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

/// The type of an error, as its attribute.
pub(crate) fn error_type(of: ErrorType<'_>) -> Cow<'static, str> {
    match of {
        ErrorType::Path(path) => path.into(),
        ErrorType::Said(name) => value::cut(name).to_owned().into(),
    }
}

/// Appends the text of an error.
pub(crate) fn write_message(text: &mut String, message: &Message<'_>) {
    match message {
        Message::Display(error) => value::write_display(text, *error),
        Message::Debug(error) => value::write_debug(text, *error),
        Message::Said(message) => text.push_str(value::cut(message)),
        Message::Path(path) => text.push_str(path),
    }
}

/// Appends the text of an error and those of its causes, a line each.
pub(crate) fn write_chain(text: &mut String, message: &str, mut source: &(dyn Error + 'static)) {
    let start = text.len();
    text.push_str(message);
    // A chain that runs in a circle must end as well.
    for _ in 0..64 {
        text.push_str("\ncaused by: ");
        value::write_display(text, &source);
        match source.source() {
            Some(next) => source = next,
            None => break,
        }
    }
    text.truncate(start + value::cut(&text[start..]).len());
}

/// Errors that spans have just recorded, kept for their callers, which may return the same ones: who may, under what
/// text, and as what type. An error is told by the hash of its text, since its type changes on the way out.
///
/// An ending span looks here only while something is kept for one of its part. Entries whose caller never comes (one of
/// another tracer) are pushed out by newer ones.
static SEEN: [Part; PARTS] = [const { Part::new() }; PARTS];
const PARTS: usize = 64;
/// How many errors a part remembers, and how many of one caller.
const SEEN_MOST: usize = 32;
const SEEN_OF_ONE: usize = 8;

#[repr(align(128))]
struct Part {
    count: AtomicUsize,
    /// What was kept last, as a number: who fails again and again fails the same way, and needs no lock.
    last: AtomicU64,
    seen: Mutex<VecDeque<Seen>>,
}

struct Seen {
    caller: SpanId,
    message: u64,
    error_type: Cow<'static, str>,
}

impl Seen {
    /// Itself as a number, as an error's text is one.
    fn number(&self) -> u64 {
        let caller = u64::from_be_bytes(self.caller.to_bytes());
        let error_type = match self.error_type {
            Cow::Borrowed(error_type) => error_type.as_ptr().addr() as u64,
            Cow::Owned(ref error_type) => told_by(error_type),
        };
        mix(mix(caller, self.message), error_type)
    }
}

impl Part {
    const fn new() -> Self {
        Self { count: AtomicUsize::new(0), last: AtomicU64::new(0), seen: Mutex::new(VecDeque::new()) }
    }

    #[inline]
    fn of(caller: SpanId) -> &'static Self {
        &SEEN[usize::from(caller.to_bytes()[7]) % PARTS]
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    fn change<R: Default>(&self, change: impl FnOnce(&mut VecDeque<Seen>) -> R) -> R {
        let Some(mut seen) = lock(&self.seen) else { return R::default() };
        let result = change(&mut seen);
        self.count.store(seen.len(), Ordering::Relaxed);
        // Behind that, and before anyone else is let in: who sees this one as the last finds it in its place.
        let last = seen.back().map_or(0, Seen::number);
        self.last.store(last, Ordering::Release);
        result
    }

    fn keep(&self, new: Seen) {
        if self.last.load(Ordering::Acquire) == new.number() {
            return;
        }
        self.change(|seen| {
            let of_caller = seen.iter().filter(|seen| seen.caller == new.caller).count();
            let oldest = if of_caller < SEEN_OF_ONE {
                (seen.len() == SEEN_MOST).then_some(0)
            } else {
                seen.iter().position(|seen| seen.caller == new.caller)
            };
            oldest.map(|oldest| seen.remove(oldest));
            seen.push_back(new);
        });
    }
}

/// What an error is told by: a number that two texts share only by a chance of one in 2⁶⁴.
pub(crate) fn told_by(message: &str) -> u64 {
    let (parts, rest) = message.as_bytes().as_chunks();
    let hash = parts.iter().fold(message.len() as u64, |hash, part| mix(hash, u64::from_le_bytes(*part)));
    mix(hash, rest.iter().fold(0, |last, byte| last << 8 | u64::from(*byte)))
}

fn mix(hash: u64, part: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let wide = u128::from(hash ^ part ^ ODD) * u128::from(ODD | hash << 1 | 1);
    let [low, high] = [0, 64].map(|shift| (wide >> shift) & u128::from(u64::MAX));
    u64::try_from(low ^ high).unwrap_or_default()
}

/// Keeps an error for the caller of the span that has recorded it.
pub(crate) fn remember(caller: SpanId, error_type: Cow<'static, str>, message: u64) {
    if caller != SpanId::INVALID {
        Part::of(caller).keep(Seen { caller, message, error_type });
    }
}

/// The `error.type` under which a child of `span` has recorded an error of this text.
pub(crate) fn seen_in_child(span: SpanId, message: u64) -> Option<Cow<'static, str>> {
    let part = Part::of(span);
    if part.is_empty() {
        return None;
    }
    part.change(|seen| {
        let same = seen.iter().rfind(|seen| seen.caller == span && seen.message == message)?;
        Some(same.error_type.clone())
    })
}

/// Whether children of a span, or of one beside it, have left anything.
#[inline]
pub(crate) fn has_seen(span: SpanId) -> bool {
    !Part::of(span).is_empty()
}

/// Drops what the children of an ending span left for it.
#[inline]
pub(crate) fn forget(span: SpanId) {
    let part = Part::of(span);
    if !part.is_empty() {
        part.change(|seen| seen.retain(|seen| seen.caller != span));
    }
}

/// Hands what the children of an ending span left for it on to its caller.
pub(crate) fn hand_on(span: SpanId, caller: SpanId) {
    let part = Part::of(span);
    if caller == SpanId::INVALID || part.is_empty() {
        return;
    }
    let of_span = part.change(|seen| {
        let (of_span, others): (Vec<_>, Vec<_>) = seen.drain(..).partition(|seen| seen.caller == span);
        seen.extend(others);
        of_span
    });
    for seen in of_span {
        Part::of(caller).keep(Seen { caller, ..seen });
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
            #[inline]
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
                    Self::judge(self.value(), call, verdict);
                }
            }

            #[inline(never)]
            fn judge(value: &R, call: Call, verdict: Verdict) {
                match value.error() {
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
            error_type: ErrorType::Said(error.error_type()),
            message: Message::Said(error.message()),
            source: error.source(),
        }, error.is_fault()
    }
    /// The error is a standard error.
    ByError -> ByObject where [R::Error: Error] {
        error => Failed {
            error_type: ErrorType::Path(std::any::type_name::<R::Error>()),
            message: Message::Display(error),
            source: error.source(),
        }, true
    }
    /// The error points to a standard error.
    ByObject -> ByDisplay where [R::Error: Display + Deref, <R::Error as Deref>::Target: ErrorObject] {
        error => Failed {
            error_type: ErrorType::Path(std::any::type_name::<R::Error>()),
            message: Message::Display(error),
            source: error.source_of(),
        }, true
    }
    /// The error can be shown.
    ByDisplay -> ByDebug where [R::Error: Display] {
        error => Failed {
            error_type: ErrorType::Path(std::any::type_name::<R::Error>()),
            message: Message::Display(error),
            source: None,
        }, true
    }
    /// The error can be debugged.
    ByDebug -> ByResult where [R::Error: Debug] {
        error => Failed {
            error_type: ErrorType::Path(std::any::type_name::<R::Error>()),
            message: Message::Debug(error),
            source: None,
        }, true
    }
    /// The error can do nothing.
    ByResult -> Other where [] {
        _error => Failed {
            error_type: ErrorType::Path(std::any::type_name::<R::Error>()),
            message: Message::Path(std::any::type_name::<R::Error>()),
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

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use opentelemetry::trace::SpanId;

    use super::{forget, remember, seen_in_child};

    #[test]
    fn what_another_thread_keeps_at_the_same_time_is_seen() {
        const ROUNDS: u64 = 20_000;
        let [together, over] = [(); 2].map(|()| Barrier::new(2));
        let missed = AtomicUsize::new(0);
        let fails = |forgets: bool| {
            for round in 1..=ROUNDS {
                // Spans of one part.
                let caller = SpanId::from(round << 8 | 7);
                together.wait();
                remember(caller, "refused".into(), 42);
                if seen_in_child(caller, 42).is_none() {
                    missed.fetch_add(1, Ordering::Relaxed);
                }
                over.wait();
                if forgets {
                    forget(caller);
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| fails(true));
            scope.spawn(|| fails(false));
        });
        assert_eq!(missed.into_inner(), 0);
    }
}
