//! One call and its span: how it starts, is current, and ends exactly once.
//!
//! `Call` is what generated code holds in the function's frame. Behind it stands a span of our own recorder, or one of
//! another tracer provider; generated code knows nothing of either, and both mean the same.

mod live;
mod short;
mod surroundings;

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::Poll;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;

use crate::callsite::Callsite;
use crate::outcome::{Failed, Verdict};
use crate::own;
use crate::pipeline::{self, Pipeline};
use crate::propagation::{AsLink, AsParent};
use crate::value::Attribute;
use live::{Phase, Span, Timing, Waiting};
use short::Glance;
use surroundings::{below, surroundings};

pub(crate) use live::{Live, Stay};
pub(crate) use surroundings::without_span;

/// One call of a traced function, recorded or not.
#[derive(Debug)]
pub struct Call(Option<Box<Live>>);

impl Call {
    /// A call of `site`, under whatever is current. One relaxed load when nothing is set up.
    #[inline]
    pub fn new(site: &'static Callsite) -> Self {
        if pipeline::enabled() { Self::found(site, None, Captures::Nothing) } else { Self(None) }
    }

    /// As `new`, and inside the span at once. `body` is a name that stands in the function.
    #[inline]
    pub fn inside(site: &'static Callsite, body: &'static str) -> Self {
        if pipeline::enabled() { Self::found(site, Some(body), Captures::Nothing) } else { Self(None) }
    }

    /// As `inside`, for a call that captures attributes: it is not inside yet if the sampler is to see them.
    #[inline]
    pub fn capturing(site: &'static Callsite, body: &'static str) -> Self {
        if pipeline::enabled() { Self::found(site, Some(body), Captures::Attributes) } else { Self(None) }
    }

    /// As `new`, for a call that may yet get another parent, or that starts later.
    #[inline]
    pub fn later(site: &'static Callsite) -> Self {
        if pipeline::enabled() { Self::waiting(site) } else { Self(None) }
    }

    /// As `later`, for a call that names its parent: where it makes no span, its parent is current instead. One relaxed
    /// load when nothing is set up.
    #[inline]
    pub fn under(site: &'static Callsite) -> Self {
        if pipeline::passes() { Self(Live::under(site)) } else { Self(None) }
    }

    #[inline(never)]
    fn found(site: &'static Callsite, body: Option<&'static str>, captures: Captures) -> Self {
        if pipeline::captures() {
            return Self::waiting_inside(site, body, captures);
        }
        let glance = own::with(|thread| {
            let mut glance = Live::glance(site, thread);
            if let (Glance::Started(live), Some(body)) = (&mut glance, body) {
                live.go_inside(body, thread);
            }
            glance
        });
        match glance {
            Some(Glance::Started(live)) => Self(Some(live)),
            None | Some(Glance::Nothing) => Self(None),
            Some(Glance::Other) => Self::waiting_inside(site, body, captures),
        }
    }

    #[inline(never)]
    fn waiting_inside(site: &'static Callsite, body: Option<&'static str>, captures: Captures) -> Self {
        let mut call = Self::waiting(site);
        if let (Some(live), Some(body)) = (&mut call.0, body)
            && !(captures == Captures::Attributes && live.is_asked_with_attributes())
        {
            live.enter(body, Stay::ForGood);
        }
        call
    }

    #[inline(never)]
    fn waiting(site: &'static Callsite) -> Self {
        // The next call finds it, and need not come here.
        let is_refused = own::with_home(|home| site.verdict().refuses_beside(home.admitted));
        if is_refused == Some(true) && !pipeline::captures() {
            return Self(None);
        }
        let Some((cx, over)) = surroundings() else { return Self(None) };
        let pipeline = Pipeline::of(&cx).filter(|pipeline| pipeline.admits(site));
        Self(pipeline.map(|pipeline| Live::waiting(site, pipeline, cx, over)))
    }

    /// Whether this call may be recorded.
    #[inline]
    pub fn on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether this call may yet start a span.
    #[inline]
    pub fn starts(&self) -> bool {
        matches!(self.0.as_deref(), Some(Live { span: Span::Waiting(_), .. }))
    }

    /// Whether attributes of this call would be kept.
    #[inline]
    pub fn records(&self) -> bool {
        self.0.as_ref().is_some_and(|live| live.records)
    }

    /// The body gave its value: whether attributes are to be taken from it.
    #[inline]
    pub fn came_back(&mut self) -> bool {
        let Some(live) = &mut self.0 else { return false };
        // What others wrote was written before.
        live.left(Left::Finished);
        live.records
    }

    /// `when` said no: there is no span for this call, now or later.
    pub fn off(&mut self) {
        if let Some(live) = &mut self.0 {
            live.phase = Phase::Ended;
        }
    }

    /// As `off`, for a call that names its parent, which is current all the same.
    pub fn without(&mut self) {
        if let Some(live) = &mut self.0
            && let Span::Waiting(waiting) = &mut live.span
        {
            live.span = Span::Without { cx: std::mem::take(&mut waiting.cx), for_good: true };
        }
    }

    /// A returned future is polled for the first time: what was off when it was made may be on now.
    #[inline]
    pub(crate) fn ask_again(&mut self, site: Option<&'static Callsite>) {
        match (&mut self.0, site) {
            (None, Some(site)) => *self = Self::later(site),
            (Some(live), Some(_)) if matches!(live.span, Span::Without { for_good: false, .. }) => {
                live.ask_again();
            }
            _ => {}
        }
    }

    /// Another parent than the current context.
    pub fn parent(&mut self, parent: &impl AsParent) {
        let Some(live) = &mut self.0 else { return };
        match &mut live.span {
            Span::Waiting(waiting) => {
                waiting.cx = below(parent, &waiting.cx);
                waiting.over = None;
            }
            Span::Without { cx, .. } => *cx = below(parent, cx),
            Span::Ours(_) | Span::Foreign { .. } => {}
        }
    }

    /// No parent: the span starts a trace.
    pub fn root(&mut self) {
        if let Some(waiting) = self.before() {
            waiting.root = true;
        }
    }

    /// No parent, but a link to what would have been one.
    pub fn root_linked(&mut self) {
        if let Some(waiting) = self.before() {
            waiting.link(waiting.cx.span().span_context().clone());
            waiting.root = true;
        }
    }

    /// Links to everything that `links` yields.
    pub fn links(&mut self, links: impl IntoIterator<Item = impl AsLink>) {
        if let Some(waiting) = self.before() {
            for link in links {
                waiting.link(link.as_link());
            }
        }
    }

    /// What the span will start with, if it has not yet.
    fn before(&mut self) -> Option<&mut Waiting> {
        match &mut self.0.as_mut()?.span {
            Span::Waiting(waiting) => Some(waiting),
            Span::Ours(_) | Span::Foreign { .. } | Span::Without { .. } => None,
        }
    }

    /// Asks the sampler, and says whether the call's attributes are to be evaluated. A sampler that looks at
    /// attributes is asked when the body starts, with the attributes in hand.
    #[inline]
    pub fn wants_attributes(&mut self) -> bool {
        self.0.as_mut().is_some_and(|live| live.records || live.wants_attributes())
    }

    /// As `wants_attributes`, for a span that starts later or never: only what is certain now is refused.
    #[inline]
    pub fn may_want_attributes(&mut self) -> bool {
        self.before().is_some_and(|waiting| waiting.may_want_attributes())
    }

    /// Measures the polls of this call.
    pub fn time(&mut self) {
        if let Some(live) = &mut self.0 {
            live.timing = Some(Box::new(Timing::new()));
        }
    }

    /// Runs the body inside the span.
    #[inline]
    pub fn run<R, F: FnOnce() -> R>(&mut self, body: F) -> R {
        self.enter(std::any::type_name::<F>());
        body()
    }

    /// Starts the span now. `body` names something that stands in the function.
    pub(crate) fn begin(&mut self, body: &'static str) {
        if let Some(live) = &mut self.0 {
            live.begin(body);
        }
    }

    /// Ends a call that was entered by hand: nobody saw how it left, but a panic shows.
    pub(crate) fn conclude(mut self, panicked: bool) {
        if panicked && let Some(mut live) = self.0.take() {
            live.panicked();
            live.put_back();
        }
        self.pass();
    }

    /// How many panics there had been in the process when a call entered by hand begins.
    pub(crate) fn entered(&mut self) {
        if let Some(live) = &mut self.0 {
            live.panics = crate::panic::count();
        }
    }

    /// Makes the span current on this thread, starting it if it has not, until `left`, the end or the drop of the
    /// call. `body` names the body's type.
    #[inline]
    pub fn enter(&mut self, body: &'static str) {
        if let Some(live) = &mut self.0
            && live.phase != Phase::Inside
        {
            live.enter(body, Stay::ForGood);
        }
    }

    /// As `enter`, for a body that may leave and come back.
    #[inline]
    pub(crate) fn enter_poll(&mut self, body: &'static str) {
        if let Some(live) = &mut self.0 {
            live.enter(body, Stay::ForAPoll);
        }
    }

    /// The body has left this thread's stack.
    #[inline]
    pub(crate) fn left(&mut self, how: Left) {
        if let Some(live) = &mut self.0 {
            live.left(how);
        }
    }

    /// The body's future goes: what its drop runs, runs inside the span.
    pub(crate) fn abandon(&mut self) {
        if let Some(live) = &mut self.0 {
            live.abandon();
        }
    }

    /// Ends the span of a call that failed in no way.
    #[inline]
    pub fn end(mut self) {
        if let Some(live) = self.0.take() {
            live.finish();
        }
    }

    /// Ends the span of a call whose value nobody judges: an error in it may be its parent's to return.
    #[inline]
    pub fn pass(mut self) {
        if let Some(live) = self.0.take() {
            live.over(Live::pass);
        }
    }

    /// Ends the span of a call that returned an error.
    #[cold]
    pub(crate) fn fail(mut self, failed: &Failed<'_>, verdict: Verdict) {
        if let Some(mut live) = self.0.take() {
            live.fail(failed, verdict);
            live.finish();
        }
    }

    /// Records a value by its type.
    #[inline(never)]
    pub fn attribute<A: Attribute + ?Sized>(&mut self, key: &'static str, value: &A) {
        if let Some(live) = &mut self.0 {
            live.fields.attribute(key, value);
            live.captured();
        }
    }

    /// Records a text that is there for ever.
    #[inline(never)]
    pub fn fixed(&mut self, key: &'static str, value: &'static str) {
        if let Some(live) = &mut self.0 {
            live.fields.push_static(key, value);
            live.captured();
        }
    }

    /// Records a value by its `Display`.
    #[inline(never)]
    pub fn display<T: fmt::Display + ?Sized>(&mut self, key: &'static str, value: &T) {
        if let Some(live) = &mut self.0 {
            live.fields.display(key, &value);
            live.captured();
        }
    }

    /// Records a value by its `Debug`.
    #[inline(never)]
    pub fn debug<T: fmt::Debug + ?Sized>(&mut self, key: &'static str, value: &T) {
        if let Some(live) = &mut self.0 {
            live.fields.debug(key, &value);
            live.captured();
        }
    }

    /// The span's context; `None` for a call that is not recorded or has not started.
    pub(crate) fn context(&self) -> Option<&Context> {
        match &self.0.as_ref()?.span {
            Span::Waiting(_) | Span::Without { .. } => None,
            Span::Ours(recording) => recording.context.as_ref(),
            Span::Foreign { cx, .. } => Some(cx),
        }
    }
}

// Whoever catches a panic sees the call as it is after one: ended, by its own drop.
impl UnwindSafe for Call {}
impl RefUnwindSafe for Call {}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        if let Some(live) = self.0.take() {
            live.over(Live::abort);
        }
    }
}

/// What a call captures at its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Captures {
    Nothing,
    Attributes,
}

/// How the body left the thread's stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nobody saw: it panicked, or a macro in the body returned from the function.
    Unseen,
    /// It will be polled again.
    Pending,
    /// It gave one item of a stream; whoever drops it now has had enough, and cancels nothing.
    Yielded,
    /// It gave its value.
    Finished,
}

impl Left {
    /// How a polled future left.
    #[inline]
    pub(crate) fn by<T>(polled: &Poll<T>) -> Self {
        if polled.is_ready() { Self::Finished } else { Self::Pending }
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
