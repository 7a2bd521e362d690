//! What a thread has of its own: what is current on it, its way to the installed pipeline, and calls that are over.
//!
//! It stands in one place, so that a span finds all of it at once and takes no lock. Nothing is dropped while it is
//! borrowed, since what is dropped may be code of others that is traced in its turn.

use std::cell::RefCell;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fastrand::Rng;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry::{Context, ContextGuard};
use traced_core::switch::{self, STATE};

use crate::control::{Switches, Verdict};
use crate::panic;
use crate::pipeline::{self, Decisions, Pipeline, Provider};
use crate::record::{Collector, Leaf, Sink, Ticks, Writer, whole};
use crate::span::Live;

/// What belongs to one thread.
#[derive(Default)]
pub(crate) struct Thread {
    /// Whether a sampler is being asked, and nothing it does is traced; nor is anything where there is no context.
    pub(crate) is_deciding: bool,
    /// The contexts attached for the bodies on this thread, innermost last. They stand here since a guard belongs to its
    /// thread, and a call may go to another one.
    attached: Vec<Option<ContextGuard>>,
    /// The spans that are current without a context, innermost last.
    pub(crate) leaves: Vec<Leaf>,
    /// Calls that are over, for the next ones.
    #[expect(clippy::vec_box, reason = "the boxes are what is used again")]
    pub(crate) spare: Vec<Box<Live>>,
    pub(crate) home: Option<Home>,
}

/// The installed pipeline, as a thread knows it.
pub(crate) struct Home {
    generation: u64,
    /// Since when it holds what is told of it here.
    epoch: u64,
    pub(crate) pipeline: Arc<Pipeline>,
    /// What is known of whether a span is kept, and starts without anyone being asked.
    pub(crate) decisions: Decisions,
    /// The verdict of call sites that make spans.
    pub(crate) admitted: Verdict,
    pub(crate) writer: Writer,
    /// One for spans and one for traces, whose ids are of both.
    ids: [Rng; 2],
}

/// How many calls a thread keeps.
const SPARE: usize = 256;

thread_local! {
    static THREAD: RefCell<Thread> = {
        // Asked for first, OpenTelemetry's own thread-local is the later of the two to go: it panics when it is asked
        // after its end, and ours only has nothing to say. It may be gone already.
        let has_context = panic::quietly(Context::current).is_some();
        switch::has_context(has_context);
        let mut thread = Thread::default();
        thread.is_deciding = !has_context;
        RefCell::new(thread)
    };
}

/// Shows what the thread has; `None` while it is torn down. `f` must run and drop nothing but ours.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&mut Thread) -> R) -> Option<R> {
    THREAD.try_with(|thread| thread.try_borrow_mut().ok().map(|mut thread| f(&mut thread))).ok().flatten()
}

impl Drop for Thread {
    fn drop(&mut self) {
        switch::has_context(false);
    }
}

impl Thread {
    /// Makes a leaf current, beside the context.
    #[inline]
    pub(crate) fn push_leaf(&mut self, leaf: Leaf) {
        self.leaves.push(leaf);
        switch::stand_beside(self.leaves.len());
    }

    /// Makes current again what was before the last leaf.
    #[inline]
    pub(crate) fn pop_leaf(&mut self) {
        self.leaves.pop();
        switch::stand_beside(self.leaves.len());
    }

    /// Makes a context current until what is attached last is taken away, and says whether it could: inside of
    /// `get_active_span` and its like, OpenTelemetry has its contexts borrowed and nothing can be attached.
    #[inline(never)]
    pub(crate) fn attach(&mut self, cx: Context) -> bool {
        let guard = panic::quietly(|| cx.attach());
        let is_attached = guard.is_some();
        self.attached.push(guard);
        is_attached
    }

    /// What was attached last.
    #[inline]
    pub(crate) fn detach(&mut self) -> Option<ContextGuard> {
        self.attached.pop().flatten()
    }

    /// Keeps a call that is over, or gives it back if there are enough.
    #[inline]
    pub(crate) fn keep(&mut self, call: Box<Live>) -> Option<Box<Live>> {
        if self.spare.len() < SPARE {
            self.spare.push(call);
            return None;
        }
        Some(call)
    }
}

/// Shows the way to the installed pipeline, if that is one of ours. `f` must run and drop nothing but ours.
pub(crate) fn with_home<R>(f: impl Fn(&mut Home) -> R) -> Option<R> {
    let show = || with(|thread| Home::present(&mut thread.home).map(&f)).flatten();
    show().or_else(|| find_home().and_then(|()| show()))
}

/// Looks the installed pipeline up.
#[cold]
fn find_home() -> Option<()> {
    // Asked for first: what changes behind it is looked at again.
    let epoch = pipeline::installed_epoch();
    let pipeline = pipeline::installed()?;
    let generation = pipeline.generation();
    let decisions = pipeline.quick_sampler().decisions();
    let admitted = pipeline.switches().map(Switches::admitted)?;
    let is_known = with(|thread| match &mut thread.home {
        Some(home) if home.is_of(generation) => {
            (home.epoch, home.decisions, home.admitted) = (epoch, decisions, admitted);
            true
        }
        _ => false,
    });
    if is_known? {
        return Some(());
    }
    let Provider::Ours(recorder) = pipeline.provider() else { return None };
    let Sink::Exporters(collector) = &recorder.sink else { return None };
    if !collector.is_here() {
        // Nobody would ever empty the ring.
        return None;
    }
    let writer = Writer::new(Arc::clone(collector));
    let home = Home {
        generation,
        pipeline: Arc::clone(&pipeline),
        writer,
        ids: [rng(), rng()],
        epoch,
        decisions,
        admitted,
    };
    let before = with(|thread| thread.home.replace(home))?;
    drop(before);
    Some(())
}

/// Counts a span of a pipeline that starts on this thread.
pub(crate) fn started(generation: u64, collector: &Collector) {
    let started = with_home(|home| home.is_of(generation).then(|| home.writer.started()));
    if started.flatten().is_none() {
        collector.stray_started();
    }
}

impl Home {
    /// The way to the installed pipeline, if the thread knows it.
    #[inline]
    pub(crate) fn present(home: &mut Option<Self>) -> Option<&mut Self> {
        let epoch = pipeline::installed_epoch();
        // Once it is uninstalled, its threads know it until there is another.
        home.as_mut().filter(|home| home.epoch == epoch || epoch == 0)
    }

    /// Whether it is the way to the pipeline of that number.
    #[inline]
    pub(crate) fn is_of(&self, generation: u64) -> bool {
        self.generation == generation
    }

    /// A parent was met that is not kept, and below which nothing is: as long as what is known here holds, calls below such
    /// need not come here. Everyone reads that, so it is written only where it is new.
    #[inline]
    pub(crate) fn meet_unsampled(&self) {
        let known = (STATE.mutes.load(Ordering::Relaxed), STATE.admitted.load(Ordering::Relaxed));
        if known != (self.epoch, self.admitted.0) {
            STATE.admitted.store(self.admitted.0, Ordering::Relaxed);
            STATE.mutes.store(self.epoch, Ordering::Relaxed);
        }
    }

    /// An id for a span that starts now.
    #[inline]
    pub(crate) fn span_id(&mut self, now: Ticks) -> SpanId {
        SpanId::from(number(&mut self.ids[0], now))
    }

    /// An id for a trace that starts now.
    #[inline]
    pub(crate) fn trace_id(&mut self, now: Ticks) -> TraceId {
        whole(self.ids.each_mut().map(|ids| number(ids, now)))
    }
}

/// Any number but zero, which stands for no id. The clock has a part in it, so that a forked process, which has the
/// generator of its parent, makes other ids.
#[inline]
fn number(ids: &mut Rng, now: Ticks) -> u64 {
    loop {
        let number = ids.u64(..) ^ now.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if number != 0 {
            return number;
        }
    }
}

thread_local! {
    static IDS: RefCell<Rng> = RefCell::new(rng());
}

/// A generator that no other thread or process has.
fn rng() -> Rng {
    Rng::with_seed(RandomState::new().hash_one(std::process::id()))
}

/// An id for a span that does not go home.
pub(crate) fn span_id() -> SpanId {
    SpanId::from(any_number())
}

/// An id for a trace whose first span does not go home.
pub(crate) fn trace_id() -> TraceId {
    whole([any_number(), any_number()])
}

fn any_number() -> u64 {
    let now = Ticks::now();
    IDS.try_with(|ids| number(&mut ids.borrow_mut(), now)).unwrap_or_else(|_| number(&mut rng(), now))
}
