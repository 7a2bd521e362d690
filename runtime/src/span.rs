//! One call and its span: how it starts, is current, and ends exactly once.
//!
//! `Call` is what generated code holds in the function's frame. Behind it stands the span of whatever tracer
//! the pipeline has; generated code knows nothing of it, so that another recorder can take its place here.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use opentelemetry::baggage::{BaggageExt, KeyValueMetadata};
use opentelemetry::trace::{Link, SpanBuilder, SpanContext, SpanId, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, Value};

use crate::callsite::Callsite;
use crate::context;
use crate::exception::{self, Exception};
use crate::outcome::{Failed, Verdict};
use crate::pipeline::{self, Captured, Pipeline, Sampler};
use crate::propagation::{AsLink, AsParent, is_deferred};
use crate::value::{self, Attribute};

/// One call of a traced function, recorded or not.
#[derive(Debug)]
pub struct Call(Option<Box<Live>>);

struct Live {
    site: &'static Callsite,
    pipeline: Arc<Pipeline>,
    /// The parent until the span starts; from then on the context that holds the span.
    cx: Context,
    /// The span that was current: where an error of this call goes on, whatever its parent.
    caller: SpanId,
    /// Whether the span has no parent, whatever `cx` holds.
    root: bool,
    /// How many panics there had been when the body was entered.
    panics: u64,
    links: Vec<Link>,
    /// What was captured before the span could be asked whether it records.
    early: Vec<KeyValue>,
    phase: Phase,
    records: bool,
    /// Whether the span knows the function it stands for.
    placed: bool,
    timing: Option<Box<Timing>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The span has not started.
    Waiting,
    /// The span has started; the body is not on this thread's stack.
    Idle,
    /// As `Idle`, between two items of a stream.
    Yielded,
    /// The body is running.
    Inside,
    /// The body's future is being dropped unfinished, inside the span.
    Dropping,
    /// The body gave its value back, or was left in a way that nothing sees.
    Done,
    /// The span has ended, or there is none: `when` said no.
    Ended,
}

/// How long a future was polled, and how often.
struct Timing {
    started: Instant,
    polled: Instant,
    busy: Duration,
    polls: i64,
}

impl Timing {
    fn new() -> Self {
        let now = Instant::now();
        Self { started: now, polled: now, busy: Duration::ZERO, polls: 0 }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("name", &self.site.name)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A call of `site`, under whatever is current. One relaxed load when nothing is set up.
    #[inline]
    pub fn new(site: &'static Callsite) -> Self {
        if pipeline::enabled() { Self::found(site) } else { Self(None) }
    }

    #[inline(never)]
    fn found(site: &'static Callsite) -> Self {
        let Some(cx) = context::current() else { return Self(None) };
        if cx.is_telemetry_suppressed() {
            return Self(None);
        }
        Self(Pipeline::of(&cx).map(|pipeline| {
            Box::new(Live {
                site,
                pipeline,
                caller: caller(&cx),
                cx,
                root: false,
                panics: crate::panic::count(),
                links: Vec::new(),
                early: Vec::new(),
                phase: Phase::Waiting,
                records: false,
                placed: false,
                timing: None,
            })
        }))
    }

    /// Whether this call may be recorded.
    #[inline]
    pub fn on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether attributes of this call would be kept.
    #[inline]
    pub fn records(&self) -> bool {
        self.0.as_ref().is_some_and(|live| live.records)
    }

    /// `when` said no: there is no span for this call, now or later.
    pub fn off(&mut self) {
        if let Some(live) = &mut self.0 {
            live.phase = Phase::Ended;
        }
    }

    /// A returned future is polled for the first time: what was off when it was made may be on now.
    #[inline]
    pub(crate) fn ask_again(&mut self, site: Option<&'static Callsite>) {
        if let (None, Some(site)) = (&self.0, site) {
            *self = Self::new(site);
        }
    }

    /// Another parent than the current context.
    pub fn parent(&mut self, parent: &impl AsParent) {
        if let Some(live) = &mut self.0 {
            live.reparent(parent.as_parent().context().clone());
        }
    }

    /// No parent: the span starts a trace.
    pub fn root(&mut self) {
        if let Some(live) = &mut self.0 {
            live.root = true;
        }
    }

    /// No parent, but a link to what would have been one.
    pub fn root_linked(&mut self) {
        if let Some(live) = &mut self.0 {
            live.link(live.cx.span().span_context().clone());
        }
        self.root();
    }

    /// Links to everything that `links` yields.
    pub fn links(&mut self, links: impl IntoIterator<Item = impl AsLink>) {
        if let Some(live) = &mut self.0 {
            for link in links {
                live.link(link.as_link());
            }
        }
    }

    /// Asks the sampler, and says whether the call's attributes are to be evaluated. A sampler that looks at
    /// attributes is asked when the body starts, with the attributes in hand.
    #[inline]
    pub fn wants_attributes(&mut self) -> bool {
        self.0.as_mut().is_some_and(|live| live.wants_attributes())
    }

    /// As `wants_attributes`, for a span that starts later or never: only what is certain now is refused.
    #[inline]
    pub fn may_want_attributes(&mut self) -> bool {
        self.0.as_mut().is_some_and(|live| live.may_want_attributes())
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
        let mut inside = self.enter(std::any::type_name::<F>);
        let value = body();
        inside.left = Left::Finished;
        value
    }

    /// Starts the span now. `body` names something that stands in the function.
    pub(crate) fn begin(&mut self, body: fn() -> &'static str) {
        if let Some(live) = &mut self.0 {
            live.begin(body);
        }
    }

    /// Ends a call that was entered by hand: nobody saw how it left, but a panic shows.
    pub(crate) fn conclude(mut self, panicked: bool) {
        if panicked && let Some(mut live) = self.0.take() {
            live.panicked();
        }
        self.pass();
    }

    /// How many panics there had been in the process when a call entered by hand begins.
    pub(crate) fn entered(&mut self) {
        if let Some(live) = &mut self.0 {
            live.panics = crate::panic::count();
        }
    }

    /// Makes the span current until the guard goes, starting it if it has not. `body` names the body's type.
    #[inline]
    pub fn enter(&mut self, body: fn() -> &'static str) -> Inside<'_> {
        match &mut self.0 {
            None => Inside { live: None, left: Left::Unseen },
            Some(live) => live.enter(body),
        }
    }

    /// The body's future goes unfinished: what its drop runs, runs inside the span.
    pub(crate) fn abandon(&mut self) {
        if let Some(live) = &mut self.0
            && matches!(live.phase, Phase::Idle | Phase::Yielded)
        {
            if live.phase == Phase::Idle {
                live.cancelled();
            }
            live.phase = Phase::Dropping;
            context::push(live.cx.clone());
        }
    }

    /// Ends the span of a call that failed in no way.
    #[inline]
    pub fn end(mut self) {
        if let Some(live) = self.0.take() {
            live.over(Live::end);
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
            failed.record(&live.pipeline, &live.cx, live.caller, verdict);
            live.end();
        }
    }

    /// Records a value by its type.
    #[inline(never)]
    pub fn attribute<A: Attribute + ?Sized>(&mut self, key: &'static str, value: &A) {
        self.keep(key, value.value());
    }

    /// Records a value by its `Display`.
    #[inline(never)]
    pub fn display<T: fmt::Display + ?Sized>(&mut self, key: &'static str, value: &T) {
        self.keep(key, Some(value::display(value)));
    }

    /// Records a value by its `Debug`.
    #[inline(never)]
    pub fn debug<T: fmt::Debug + ?Sized>(&mut self, key: &'static str, value: &T) {
        self.keep(key, Some(value::debug(value)));
    }

    fn keep(&mut self, key: &'static str, value: Option<Value>) {
        let (Some(live), Some(value)) = (&mut self.0, value) else { return };
        let attribute = KeyValue::new(key, value);
        if live.phase == Phase::Waiting {
            live.early.push(attribute);
        } else {
            live.cx.span().set_attribute(attribute);
        }
    }

    /// The span's context; `None` for a call that is not recorded or has not started.
    pub(crate) fn context(&self) -> Option<&Context> {
        self.0.as_ref().filter(|live| live.phase != Phase::Waiting).map(|live| &live.cx)
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

impl Live {
    /// The last that happens to a call. All of it stands here and not in the functions.
    #[inline(never)]
    fn over(mut self: Box<Self>, how: fn(&mut Self)) {
        how(&mut self);
    }

    fn reparent(&mut self, parent: Context) {
        // A capture takes its calls with it whatever parent they name.
        self.cx = match Captured::of(&self.cx) {
            Some(captured) => parent.with_value(captured),
            None => parent,
        };
    }

    fn link(&mut self, to: SpanContext) {
        if to.is_valid() {
            self.links.push(Link::with_context(to));
        }
    }

    fn wants_attributes(&mut self) -> bool {
        if self.pipeline.policy.sampler == Sampler::ReadsAttributes {
            return true;
        }
        self.start();
        self.records
    }

    fn may_want_attributes(&mut self) -> bool {
        let parent = self.cx.span().span_context().clone();
        let undecided = self.root || is_deferred(&self.cx);
        let unsampled_parent = !undecided && parent.is_valid() && !parent.is_sampled();
        !(unsampled_parent && self.pipeline.policy.sampler == Sampler::ParentBased)
    }

    fn start(&mut self) {
        if self.phase != Phase::Waiting {
            return;
        }
        let mut builder = SpanBuilder::from_name(self.site.name).with_kind(self.site.kind.clone());
        if !self.early.is_empty() {
            builder = builder.with_attributes(std::mem::take(&mut self.early));
        }
        if !self.links.is_empty() {
            builder = builder.with_links(std::mem::take(&mut self.links));
        }
        let tracer = self.site.tracer(&self.pipeline);
        let span = if self.root {
            tracer.build_with_context(builder, &without_span(&self.cx))
        } else {
            tracer.build_with_context(builder, &self.cx)
        };
        if let Some(timing) = &mut self.timing {
            // What was made before has not waited as a span.
            timing.started = Instant::now();
        }
        self.cx = self.cx.with_span(span);
        self.records = self.cx.span().is_recording();
        self.phase = Phase::Idle;
    }

    fn begin(&mut self, body: fn() -> &'static str) {
        self.start();
        if !std::mem::replace(&mut self.placed, true) && self.records && self.pipeline.policy.code_attributes
        {
            self.cx.span().set_attributes(self.site.code_attributes(body));
        }
    }

    #[inline(never)]
    fn enter(&mut self, body: fn() -> &'static str) -> Inside<'_> {
        if self.phase == Phase::Ended {
            return Inside { live: None, left: Left::Unseen };
        }
        self.begin(body);
        self.panics = crate::panic::count();
        self.phase = Phase::Inside;
        if let Some(timing) = &mut self.timing {
            timing.polled = Instant::now();
            timing.polls += 1;
        }
        context::push(self.cx.clone());
        Inside { live: Some(self), left: Left::Unseen }
    }

    fn left(&mut self, how: Left) {
        self.phase = match how {
            Left::Pending => Phase::Idle,
            Left::Yielded => Phase::Yielded,
            Left::Unseen | Left::Finished => Phase::Done,
        };
        if let Some(timing) = &mut self.timing {
            timing.busy += timing.polled.elapsed();
        }
        if how == Left::Unseen && std::thread::panicking() {
            self.panicked();
        }
    }

    fn end(&mut self) {
        if self.phase == Phase::Ended {
            return;
        }
        let span = self.cx.span();
        if let Some(timing) = &self.timing {
            let nanoseconds = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
            span.set_attributes([
                KeyValue::new("busy_ns", nanoseconds(timing.busy)),
                KeyValue::new("idle_ns", nanoseconds(timing.started.elapsed().saturating_sub(timing.busy))),
                KeyValue::new("polls", timing.polls),
            ]);
        }
        crate::outcome::forget(span.span_context());
        span.end();
        self.phase = Phase::Ended;
    }

    /// Ends a call, handing what its children failed with on to its caller.
    fn pass(&mut self) {
        crate::outcome::hand_on(self.cx.span().span_context(), self.caller);
        self.end();
    }

    /// Ends a call whose body gave no value.
    #[cold]
    fn abort(&mut self) {
        match self.phase {
            // Nothing began, or everything is over: there is nothing to end.
            Phase::Waiting | Phase::Ended => {}
            // An expression at entry or exit panicked, beside the body.
            Phase::Idle | Phase::Done if std::thread::panicking() => self.panicked(),
            Phase::Inside | Phase::Yielded | Phase::Done => self.end(),
            // Started, and never entered or never left again.
            Phase::Idle => {
                self.cancelled();
                self.end();
            }
            Phase::Dropping => {
                context::pop();
                self.end();
            }
        }
    }

    fn cancelled(&self) {
        self.cx.span().set_attribute(KeyValue::new("cancelled", true));
    }

    #[cold]
    fn panicked(&mut self) {
        if self.records {
            let (panic, first) = crate::panic::unwinding(self.panics);
            let span = self.cx.span();
            if first {
                let stacktrace =
                    (!panic.place.is_empty()).then(|| Value::from(format!("at {}", panic.place)));
                let (error_type, message) = ("panic".to_owned(), panic.message.clone());
                self.pipeline.exceptions.record(&span, Exception { error_type, message, stacktrace });
            }
            exception::mark(&span, "panic".to_owned(), panic.message);
        }
        self.end();
    }
}

/// The span to which an error of a call under `cx` goes on, if it is of this process.
fn caller(cx: &Context) -> SpanId {
    let span = cx.span();
    let context = span.span_context();
    if context.is_remote() { SpanId::INVALID } else { context.span_id() }
}

/// What a sampler may see of `cx` when the span has no parent. An invalid span in the context would do for the
/// SDK, but its samplers take any span for a parent.
pub(crate) fn without_span(cx: &Context) -> Context {
    let baggage = cx.baggage();
    if baggage.is_empty() {
        return Context::new();
    }
    let members = baggage
        .iter()
        .map(|(key, (value, metadata))| KeyValueMetadata::new(key.clone(), value.clone(), metadata.clone()));
    Context::new().with_baggage(members)
}

/// While it lives, the call's span is current on this thread.
///
/// Generated code says in `left` how the body came back; if it goes without that, the body was unwound.
#[must_use]
#[derive(Debug)]
pub struct Inside<'a> {
    live: Option<&'a mut Live>,
    /// How the body left.
    pub left: Left,
}

/// How the body left the thread's stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
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

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.live.is_some() {
            self.leave();
        }
    }
}

impl Inside<'_> {
    #[inline(never)]
    fn leave(&mut self) {
        if let Some(live) = self.live.take() {
            context::pop();
            live.left(self.left);
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
pub fn name_of<F: Fn()>(_here: F) -> fn() -> &'static str {
    std::any::type_name::<F>
}
