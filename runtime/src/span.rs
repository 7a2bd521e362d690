//! One call and its span: how it starts, is current, and ends exactly once.
//!
//! `Call` is what generated code holds in the function's frame. Behind it stands what is `Running` once something is set up:
//! a span of our own recorder, or one of another tracer provider. Generated code knows nothing of either, and both mean the
//! same. All of `Call` is compiled where it is used, so that nothing of this crate is linked for it.

mod live;
mod making;
mod short;
mod surroundings;

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};

use opentelemetry::Context;
use traced_core::switch::{enabled, passes};
use traced_core::{Callsite, Captures, Failed, Left, Running, Stay, Verdict, started, under, waiting};

use crate::propagation::{AsLink, AsParent};
use crate::value::Attribute;

pub(crate) use live::Live;
pub(crate) use surroundings::without_span;

/// One call of a traced function, recorded or not.
#[derive(Debug)]
pub struct Call(Option<Box<dyn Running>>);

impl Call {
    /// A call of `site`, under whatever is current. One relaxed load when nothing is set up.
    #[inline]
    pub fn new(site: &'static Callsite) -> Self {
        Self(if enabled() { started(site, None, Captures::Nothing) } else { None })
    }

    /// As `new`, and inside the span at once. `body` is a name that stands in the function.
    #[inline]
    pub fn inside(site: &'static Callsite, body: &'static str) -> Self {
        Self(if enabled() { started(site, Some(body), Captures::Nothing) } else { None })
    }

    /// As `inside`, for a call that captures attributes: where the sampler is to see them, it is not inside before they are
    /// `captured`.
    #[inline]
    pub fn capturing(site: &'static Callsite, body: &'static str) -> Self {
        Self(if enabled() { started(site, Some(body), Captures::Attributes) } else { None })
    }

    /// As `new`, for a call that may yet get another parent, or that starts later.
    #[inline]
    pub fn later(site: &'static Callsite) -> Self {
        Self(if enabled() { waiting(site) } else { None })
    }

    /// As `later`, for a call that names its parent: where it makes no span, its parent is current instead. One relaxed
    /// load when nothing is set up.
    #[inline]
    pub fn under(site: &'static Callsite) -> Self {
        Self(if passes() { under(site) } else { None })
    }

    /// Whether this call may be recorded.
    #[inline]
    pub fn on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether this call may yet start a span.
    #[inline]
    pub fn starts(&self) -> bool {
        self.0.as_ref().is_some_and(|call| call.starts())
    }

    /// Whether attributes of this call would be kept.
    #[inline]
    pub fn records(&self) -> bool {
        self.0.as_ref().is_some_and(|call| call.records())
    }

    /// The body gave its value: whether attributes are to be taken from it.
    #[inline]
    pub fn came_back(&mut self) -> bool {
        self.0.as_mut().is_some_and(|call| call.came_back())
    }

    /// `when` said no: there is no span for this call, now or later.
    #[inline]
    pub fn off(&mut self) {
        if let Some(call) = &mut self.0 {
            call.off();
        }
    }

    /// As `off`, for a call that names its parent, which is current all the same.
    #[inline]
    pub fn without(&mut self) {
        if let Some(call) = &mut self.0 {
            call.without();
        }
    }

    /// A returned future is polled for the first time: what was off when it was made may be on now.
    #[inline]
    pub(crate) fn ask_again(&mut self, site: Option<&'static Callsite>) {
        match (&mut self.0, site) {
            (None, Some(site)) => *self = Self::later(site),
            (Some(call), Some(_)) => call.ask_again(),
            (_, None) => {}
        }
    }

    /// Another parent than the current context.
    #[inline]
    pub fn parent(&mut self, parent: &impl AsParent) {
        if let Some(call) = &mut self.0 {
            call.parent(parent.as_parent().into());
        }
    }

    /// No parent: the span starts a trace.
    #[inline]
    pub fn root(&mut self) {
        if let Some(call) = &mut self.0 {
            call.root();
        }
    }

    /// No parent, but a link to what would have been one.
    #[inline]
    pub fn root_linked(&mut self) {
        if let Some(call) = &mut self.0 {
            call.root_linked();
        }
    }

    /// Links to everything that `links` yields.
    #[inline]
    pub fn links(&mut self, links: impl IntoIterator<Item = impl AsLink>) {
        if let Some(call) = self.0.as_mut().filter(|call| call.starts()) {
            for link in links {
                call.link(link.as_link());
            }
        }
    }

    /// Asks the sampler, and says whether the call's attributes are to be evaluated. A sampler that looks at
    /// attributes is asked when the body starts, with the attributes in hand.
    #[inline]
    pub fn wants_attributes(&mut self) -> bool {
        self.0.as_mut().is_some_and(|call| call.wants_attributes())
    }

    /// As `wants_attributes`, for a span that starts later or never: only what is certain now is refused.
    #[inline]
    pub fn may_want_attributes(&mut self) -> bool {
        self.0.as_mut().is_some_and(|call| call.may_want_attributes())
    }

    /// All that is captured at the entry of a call made by `capturing` is with it, which is inside its span now.
    #[inline]
    pub fn captured(&mut self) {
        if let Some(call) = &mut self.0 {
            call.captured();
        }
    }

    /// Measures the polls of this call.
    #[inline]
    pub fn time(&mut self) {
        if let Some(call) = &mut self.0 {
            call.time();
        }
    }

    /// Runs the body inside the span.
    #[inline]
    pub fn run<R, F: FnOnce() -> R>(&mut self, body: F) -> R {
        self.enter(std::any::type_name::<F>());
        body()
    }

    /// Starts the span now. `body` names something that stands in the function.
    #[inline]
    pub(crate) fn begin(&mut self, body: &'static str) {
        if let Some(call) = &mut self.0 {
            call.begin(body);
        }
    }

    /// Makes the span current on this thread, starting it if it has not, until `left`, the end or the drop of the
    /// call. `body` names the body's type.
    #[inline]
    pub fn enter(&mut self, body: &'static str) {
        if let Some(call) = &mut self.0 {
            call.enter(body, Stay::ForGood);
        }
    }

    /// As `enter`, for a body that may leave and come back.
    #[inline]
    pub(crate) fn enter_poll(&mut self, body: &'static str) {
        if let Some(call) = &mut self.0 {
            call.enter(body, Stay::ForAPoll);
        }
    }

    /// The body has left this thread's stack.
    #[inline]
    pub(crate) fn left(&mut self, how: Left) {
        if let Some(call) = &mut self.0 {
            call.left(how);
        }
    }

    /// The body's future goes: what its drop runs, runs inside the span.
    #[inline]
    pub(crate) fn abandon(&mut self) {
        if let Some(call) = &mut self.0 {
            call.abandon();
        }
    }

    /// A call that is current by hand begins.
    #[inline]
    pub(crate) fn stands_by_hand(&mut self) {
        if let Some(call) = &mut self.0 {
            call.stands_by_hand();
        }
    }

    /// Ends a call that was entered by hand: nobody saw how it left, but a panic shows.
    #[inline]
    pub(crate) fn conclude(mut self, panicked: bool) {
        if let Some(call) = self.0.take() {
            call.conclude(panicked);
        }
    }

    /// Ends the span of a call that failed in no way.
    #[inline]
    pub fn end(mut self) {
        if let Some(call) = self.0.take() {
            call.finish();
        }
    }

    /// Ends the span of a call whose value nobody judges: an error in it may be its parent's to return.
    #[inline]
    pub fn pass(mut self) {
        if let Some(call) = self.0.take() {
            call.pass();
        }
    }

    /// Ends the span of a call that returned an error.
    #[cold]
    #[inline]
    pub(crate) fn fail(mut self, failed: &Failed<'_>, verdict: Verdict) {
        if let Some(call) = self.0.take() {
            call.fail(failed, verdict);
        }
    }

    /// Records a value by its type.
    #[inline(never)]
    pub fn attribute<A: Attribute + ?Sized>(&mut self, key: &'static str, value: &A) {
        if let Some(call) = &mut self.0 {
            value.keep(key, &mut **call);
        }
    }

    /// Records a text that is there for ever.
    #[inline]
    pub fn fixed(&mut self, key: &'static str, value: &'static str) {
        if let Some(call) = &mut self.0 {
            call.fixed(key, value);
        }
    }

    /// Records a value by its `Display`.
    #[inline(never)]
    pub fn display<T: fmt::Display + ?Sized>(&mut self, key: &'static str, value: &T) {
        if let Some(call) = &mut self.0 {
            call.display(key, &value);
        }
    }

    /// Records a value by its `Debug`.
    #[inline(never)]
    pub fn debug<T: fmt::Debug + ?Sized>(&mut self, key: &'static str, value: &T) {
        if let Some(call) = &mut self.0 {
            call.debug(key, &value);
        }
    }

    /// The span's context; `None` for a call that is not recorded or has not started.
    #[inline]
    pub(crate) fn context(&self) -> Option<&Context> {
        self.0.as_ref()?.context()
    }
}

// Whoever catches a panic sees the call as it is after one: ended, by its own drop.
impl UnwindSafe for Call {}
impl RefUnwindSafe for Call {}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.abort();
        }
    }
}

/// The body of a function that returns a future or a stream: what makes it.
#[inline]
pub fn made<R, F: FnOnce() -> R>(body: F) -> R {
    body()
}

/// As `made`, for a future of which it is known what it gives.
#[inline]
pub fn made_future<T, F: Future<Output = T>>(body: impl FnOnce() -> F) -> F {
    body()
}

/// A condition of `when` or `error_if`, which must be a `bool`.
#[inline]
pub fn holds(condition: bool) -> bool {
    condition
}

/// The name of a type that stands in a function, for bodies that have none of their own.
#[inline]
pub fn name_of<F: Fn()>(_here: F) -> &'static str {
    std::any::type_name::<F>()
}
