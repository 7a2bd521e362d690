//! Whether anything is set up: what every call asks first, and the whole cost of one where nothing is.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceContextExt as _};

use crate::callsite::Callsite;

/// What calls ask, apart from what others write.
#[derive(Debug)]
#[repr(align(128))]
pub struct State {
    /// How many sinks there are: the installed pipeline, unless it is paused, and each running capture.
    pub sinks: AtomicUsize,
    /// As `sinks`, and with what is paused: its open spans are still written to.
    pub set_up: AtomicUsize,
    /// As `set_up`, and with what is switched off: contexts of callers pass through.
    pub passed: AtomicUsize,
    /// How many set-ups are switched off.
    pub switched_off: AtomicUsize,
    /// How many captures run.
    pub captures: AtomicUsize,
    /// The epoch of what is installed, which changes with what is said of it; zero for nothing.
    pub installed: AtomicU64,
    /// The epoch in which a parent that is not kept was met, and nothing is kept below such; zero before.
    pub mutes: AtomicU64,
    /// The verdict of call sites that make spans, as it was then.
    pub admitted: AtomicU64,
}

/// The process's one.
pub static STATE: State = State {
    sinks: AtomicUsize::new(0),
    set_up: AtomicUsize::new(0),
    passed: AtomicUsize::new(0),
    switched_off: AtomicUsize::new(0),
    captures: AtomicUsize::new(0),
    installed: AtomicU64::new(0),
    mutes: AtomicU64::new(0),
    admitted: AtomicU64::new(0),
};

/// Whether any call may be recorded at all.
#[inline]
pub fn enabled() -> bool {
    STATE.sinks.load(Ordering::Relaxed) != 0
}

/// Whether a call passes on what its caller sent, be it recorded or not.
#[inline]
pub fn passes() -> bool {
    STATE.passed.load(Ordering::Relaxed) != 0
}

/// Whether any capture runs.
#[inline]
pub fn captures() -> bool {
    STATE.captures.load(Ordering::Relaxed) != 0
}

thread_local! {
    /// How many spans are current on this thread of which OpenTelemetry's context knows nothing; `None` while nobody has
    /// looked whether there is a context, and once there is none any more.
    static BESIDE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Says whether this thread has a context, beside which nothing stands.
pub fn has_context(has: bool) {
    BESIDE.set(has.then_some(0));
}

/// Says how many spans are current beside the context.
#[inline]
pub fn stand_beside(spans: usize) {
    BESIDE.set(BESIDE.get().map(|_| spans));
}

/// Whether a call of `site` under what is current needs not to be made: the span there is not kept, and so nothing below it.
///
/// In a service that keeps a share of its traces this is what most calls come to. One that keeps all is not asked. A site that
/// the filter has not judged is no such call: the filter's rules tell which of them were met.
#[inline]
pub(crate) fn is_muted(site: &Callsite) -> bool {
    let muted = STATE.mutes.load(Ordering::Relaxed);
    muted != 0
        && muted == STATE.installed.load(Ordering::Acquire)
        && site.verdict.load(Ordering::Relaxed) == STATE.admitted.load(Ordering::Relaxed)
        && !captures()
        && BESIDE.get() == Some(0)
        && Context::map_current(is_kept) == Some(false)
}

/// Whether the span of `cx` is kept; `None` where there is none, or its caller left the decision to us.
#[inline]
pub fn is_kept(cx: &Context) -> Option<bool> {
    let span = cx.span();
    let span = span.span_context();
    let decides = span.is_valid() && !(span.is_remote() && is_deferred(cx));
    decides.then(|| span.is_sampled())
}

/// The span whose caller left the decision on sampling to us. Kept beside the span context, since a flag in it would be
/// inherited by spans that have decided.
#[derive(Debug)]
pub struct Deferred(pub SpanId);

/// Whether the span of `cx`, a remote one, left the decision on sampling to us.
#[inline]
pub fn is_deferred(cx: &Context) -> bool {
    cx.get::<Deferred>().is_some_and(|deferred| deferred.0 == cx.span().span_context().span_id())
}
