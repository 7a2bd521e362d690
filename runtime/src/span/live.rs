//! A call that may be recorded: what it has in its hands, and what happens to it from its first moment to its last.
//!
//! A `Call` is around it, which generated code holds. A span of our own recorder and one of another provider go the same way
//! here; `short` is the way of a call that needs nobody's word.

use std::fmt::{self, Debug, Display};
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::trace::{Link, SpanBuilder, SpanContext, SpanId, TraceContextExt, Tracer};
use opentelemetry::{Context, Value};
use traced_core::{Callsite, Failed, Keep, Left, Running, Stay, Verdict};

use super::surroundings::{below, caller, surroundings, without_span};
use crate::callsite::Site as _;
use crate::context;
use crate::exception;
use crate::fields::Fields;
use crate::outcome;
use crate::own;
use crate::pipeline::{Pipeline, Provider};
use crate::record::{Fault, Recording, Start};

/// A call of which there may be a span.
pub(crate) struct Live {
    pub(super) site: &'static Callsite,
    /// The span that was current: where an error of this call goes on, whatever its parent.
    pub(super) caller: SpanId,
    /// How many panics there had been when the body was entered, and whether the thread was unwinding then.
    pub(super) panics: u64,
    pub(super) was_unwinding: bool,
    pub(super) phase: Phase,
    pub(super) records: bool,
    pub(super) span: Span,
    /// What was captured and is not with the span yet.
    pub(super) fields: Fields,
    pub(super) timing: Option<Box<Timing>>,
}

/// The span of a call, and who has it.
pub(super) enum Span {
    /// It has not started.
    Waiting(Box<Waiting>),
    /// It is our own recorder's.
    Ours(Recording),
    /// It is in its context, and another provider's.
    Foreign { pipeline: Arc<Pipeline>, cx: Context, placed: bool },
    /// There is none, and its parent's context is current instead. It may still come to be where `when` did not say so.
    Without { cx: Context, for_good: bool },
}

/// What a span will start with.
pub(super) struct Waiting {
    pub(super) pipeline: Arc<Pipeline>,
    /// The context of the parent.
    pub(super) cx: Context,
    /// Whether the span has no parent, whatever `cx` holds.
    pub(super) root: bool,
    pub(super) links: Vec<Link>,
    /// The span that stands in OpenTelemetry's context, if that may stay there.
    pub(super) over: Option<SpanId>,
    /// The body that is entered when everything is captured.
    pub(super) body: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The span has not started.
    Waiting,
    /// The span has started; the body is not on this thread's stack.
    Idle,
    /// As `Idle`, between two items of a stream.
    Yielded,
    /// The body is running, or what stands before it.
    Inside,
    /// The body's future is being dropped unfinished, inside the span.
    Dropping,
    /// The body gave its value back, or was left in a way that nothing sees.
    Done,
    /// The span has ended, or there is none: `when` said no.
    Ended,
}

/// How long a future was polled, and how often.
pub(super) struct Timing {
    pub(super) started: Instant,
    pub(super) polled: Instant,
    busy: Duration,
    pub(super) polls: i64,
}

impl Timing {
    pub(super) fn new() -> Self {
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

impl Waiting {
    pub(super) fn link(&mut self, to: SpanContext) {
        if to.is_valid() {
            self.links.push(Link::with_context(to));
        }
    }

    pub(super) fn may_want_attributes(&self) -> bool {
        let decisions = self.pipeline.sampler().decisions();
        (if self.root { decisions.root() } else { decisions.below(&self.cx) }) != Some(false)
    }
}

impl Live {
    /// What the span will start with, if it has not yet.
    fn before(&mut self) -> Option<&mut Waiting> {
        match &mut self.span {
            Span::Waiting(waiting) => Some(waiting),
            Span::Ours(_) | Span::Foreign { .. } | Span::Without { .. } => None,
        }
    }

    pub(super) fn is_asked_with_attributes(&self) -> bool {
        let Span::Waiting(waiting) = &self.span else { return false };
        let Waiting { pipeline, cx, .. } = &**waiting;
        let sampler = pipeline.sampler();
        sampler.reads_attributes() && sampler.decisions().below(cx).is_none()
    }

    #[cold]
    fn ask(&mut self) -> bool {
        // It was to be asked with them when it was made.
        let is_asked_later = self.before().is_some_and(|waiting| waiting.body.is_some());
        if is_asked_later || self.is_asked_with_attributes() {
            return true;
        }
        self.start();
        self.records
    }

    /// A span that has started gets what was captured at once, if it is another provider's.
    #[inline]
    fn hand_over(&mut self) {
        if let Span::Foreign { cx, .. } = &self.span {
            cx.span().set_attributes(self.fields.take());
        }
    }

    /// Starts the span, if it has not.
    #[inline]
    fn start(&mut self) {
        if self.phase == Phase::Waiting {
            self.start_now();
        }
    }

    fn start_now(&mut self) {
        self.phase = Phase::Idle;
        let Span::Waiting(waiting) = &mut self.span else { return };
        let Waiting { pipeline, cx, root, links, over, .. } = &mut **waiting;
        let seen = if *root { without_span(cx) } else { cx.clone() };
        let (cx, pipeline, links) = (std::mem::take(cx), Arc::clone(pipeline), std::mem::take(links));
        if let Some(timing) = &mut self.timing {
            // What was made before has not waited as a span.
            timing.started = Instant::now();
        }
        match pipeline.provider() {
            Provider::Foreign(provider) => {
                let mut builder = SpanBuilder::from_name(self.site.name).with_kind(self.site.kind.clone());
                if !self.fields.is_empty() {
                    builder = builder.with_attributes(self.fields.take());
                }
                if !links.is_empty() {
                    builder = builder.with_links(links);
                }
                let tracer = self.site.tracer(pipeline.generation(), &**provider);
                let span = tracer.build_with_context(builder, &seen);
                let cx = cx.with_span(span);
                self.records = cx.span().is_recording();
                self.span = Span::Foreign { pipeline, cx, placed: false };
            }
            Provider::Ours(recorder) => {
                let over = over.filter(|_| self.site.is_leaf && !*root);
                let start =
                    Start { site: self.site, pipeline: &pipeline, recorder, parent: &seen, cx: &cx, over };
                let mut recording = Recording::new();
                self.records = recording.begin_asking(&start, &mut self.fields, links);
                self.span = Span::Ours(recording);
            }
        }
    }

    /// Makes the span current.
    fn stand(&mut self, stay: Stay) {
        match &mut self.span {
            Span::Ours(recording) => {
                own::with(|thread| recording.stand_here(thread, stay));
            }
            Span::Foreign { cx, .. } | Span::Without { cx, .. } => context::push(cx.clone()),
            Span::Waiting(_) => {}
        }
    }

    /// Makes current again what was before.
    fn stand_back(&mut self) {
        match &mut self.span {
            Span::Ours(recording) => {
                let guard = own::with(|thread| recording.stand_back(thread));
                drop(guard);
                recording.collect(&mut self.fields);
            }
            Span::Foreign { .. } | Span::Without { .. } => context::pop(),
            Span::Waiting(_) => {}
        }
    }

    fn cancelled(&mut self) {
        if self.records {
            self.fields.bool("cancelled", true);
            self.hand_over();
        }
    }

    /// Writes a failure into the span: marked always, with its exception only where it is new.
    fn failed_with(&mut self, failed: &Failed<'_>, verdict: Verdict) {
        // What others wrote was written before.
        if matches!(&self.span, Span::Ours(recording) if recording.was_written_to()) {
            self.left(Left::Finished);
        }
        let Some(id) = self.id() else { return };
        let message = self.fields.write(|text| outcome::write_message(text, &failed.message));
        let told_by = outcome::told_by(self.fields.part(&message));
        let seen_as = outcome::seen_in_child(id, told_by);
        let is_new = seen_as.is_none();
        let stacktrace = failed.source.filter(|_| is_new).map(|source| {
            let said = self.fields.part(&message).to_owned();
            self.fields.write(|text| outcome::write_chain(text, &said, source))
        });
        let error_type = seen_as.unwrap_or_else(|| outcome::error_type(failed.error_type));
        outcome::remember(self.caller, error_type.clone(), told_by);
        let fails = verdict == Verdict::Fault;
        self.failed(&Fault { error_type, message, stacktrace, is_new, fails });
    }

    #[cold]
    fn panicked(&mut self) {
        if self.records {
            // A span that was entered by hand was not left by the usual way; what others wrote was written before.
            if let Span::Ours(recording) = &mut self.span {
                recording.collect(&mut self.fields);
            }
            let (panic, first) = crate::panic::unwinding(self.panics);
            let message = self.fields.write(|text| text.push_str(&panic.message));
            let stacktrace = (first && !panic.place.is_empty())
                .then(|| self.fields.write(|text| text.extend(["at ", panic.place.as_str()])));
            let error_type = "panic".into();
            self.failed(&Fault { error_type, message, stacktrace, is_new: first, fails: true });
        }
        self.end();
    }

    /// Records an error or a panic.
    fn failed(&mut self, fault: &Fault) {
        let Self { span, fields, .. } = self;
        match span {
            Span::Waiting(_) | Span::Without { .. } => {}
            Span::Ours(recording) => recording.fault(fields, fault),
            Span::Foreign { pipeline, cx, .. } => {
                let span = cx.span();
                let (is_new, fails) = (fault.is_new, fault.fails);
                let exception = fault.exception(fields);
                if fails {
                    exception::mark(&span, exception.error_type.clone(), exception.message.clone());
                }
                if is_new {
                    pipeline.exceptions.record(&span, exception);
                }
            }
        }
    }

    pub(super) fn end(&mut self) {
        self.left(Left::Finished);
        if matches!(self.phase, Phase::Ended | Phase::Waiting) {
            return;
        }
        self.phase = Phase::Ended;
        if let Some(timing) = self.timing.take() {
            let nanoseconds = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
            let idle = timing.started.elapsed().saturating_sub(timing.busy);
            self.fields.integer("busy_ns", nanoseconds(timing.busy));
            self.fields.integer("idle_ns", nanoseconds(idle));
            self.fields.integer("polls", timing.polls);
            self.hand_over();
        }
        if let Some(id) = self.id() {
            outcome::forget(id);
        }
        match &mut self.span {
            Span::Ours(recording) if self.records => recording.end(self.site, &mut self.fields),
            Span::Foreign { cx, .. } => cx.span().end(),
            Span::Ours(_) | Span::Waiting(_) | Span::Without { .. } => {}
        }
    }

    /// The span's id, once it has started.
    fn id(&self) -> Option<SpanId> {
        match &self.span {
            Span::Waiting(_) | Span::Without { .. } => None,
            Span::Ours(recording) => Some(recording.id()),
            Span::Foreign { cx, .. } => Some(cx.span().span_context().span_id()),
        }
    }

    /// Keeps a call that is over for the next one.
    pub(super) fn put_back(mut self: Box<Self>) {
        let Span::Ours(recording) = &mut self.span else { return };
        let context = recording.context.take();
        self.fields.clear();
        self.timing = None;
        let mut call = Some(self);
        own::with(|thread| call = call.take().and_then(|call| thread.keep(call)));
        // Dropped here, where nothing is borrowed.
        drop((call, context));
    }
}

/// What one way of keeping an attribute has in common with the others.
macro_rules! keep {
    ($($how:ident: $of:ty),+) => {$(
        fn $how(&mut self, key: &'static str, value: $of) {
            self.fields.$how(key, value);
            self.hand_over();
        }
    )+};
}

impl Keep for Live {
    keep!(bool: bool, integer: i64, float: f64, text: &str, whole: &str, fixed: &'static str);
    keep!(display: &dyn Display, debug: &dyn Debug, value: Value);
}

impl Running for Live {
    fn starts(&self) -> bool {
        matches!(self.span, Span::Waiting(_))
    }

    fn records(&self) -> bool {
        self.records
    }

    fn came_back(&mut self) -> bool {
        // What others wrote was written before.
        self.left(Left::Finished);
        self.records
    }

    fn off(&mut self) {
        self.phase = Phase::Ended;
    }

    fn without(&mut self) {
        if let Some(waiting) = self.before() {
            let cx = std::mem::take(&mut waiting.cx);
            self.span = Span::Without { cx, for_good: true };
        }
    }

    fn ask_again(&mut self) {
        if let Span::Without { cx, for_good: false } = &mut self.span
            && let Some((here, _)) = surroundings()
            && let Some(pipeline) = Pipeline::of(cx).filter(|pipeline| pipeline.admits(self.site))
        {
            self.caller = caller(&here);
            let cx = std::mem::take(cx);
            let waiting = Waiting { pipeline, cx, root: false, links: Vec::new(), over: None, body: None };
            self.span = Span::Waiting(Box::new(waiting));
        }
    }

    fn parent(&mut self, parent: Context) {
        match &mut self.span {
            Span::Waiting(waiting) => {
                waiting.cx = below(parent, &waiting.cx);
                waiting.over = None;
            }
            Span::Without { cx, .. } => *cx = below(parent, cx),
            Span::Ours(_) | Span::Foreign { .. } => {}
        }
    }

    fn root(&mut self) {
        if let Some(waiting) = self.before() {
            waiting.root = true;
        }
    }

    fn root_linked(&mut self) {
        if let Some(waiting) = self.before() {
            waiting.link(waiting.cx.span().span_context().clone());
            waiting.root = true;
        }
    }

    fn link(&mut self, to: SpanContext) {
        if let Some(waiting) = self.before() {
            waiting.link(to);
        }
    }

    fn time(&mut self) {
        self.timing = Some(Box::new(Timing::new()));
    }

    #[inline]
    fn wants_attributes(&mut self) -> bool {
        self.records || self.ask()
    }

    fn may_want_attributes(&self) -> bool {
        matches!(&self.span, Span::Waiting(waiting) if waiting.may_want_attributes())
    }

    fn captured(&mut self) {
        if let Some(body) = self.before().and_then(|waiting| waiting.body) {
            self.enter(body, Stay::ForGood);
        }
    }

    fn begin(&mut self, body: &'static str) {
        self.start();
        if !self.records {
            return;
        }
        self.site.learn(body);
        if let Span::Foreign { pipeline, cx, placed } = &mut self.span
            && !std::mem::replace(placed, true)
            && pipeline.policy.code_attributes
        {
            cx.span().set_attributes(self.site.code_attributes());
        }
    }

    fn enter(&mut self, body: &'static str, stay: Stay) {
        if matches!(self.phase, Phase::Inside | Phase::Ended) {
            return;
        }
        self.begin(body);
        self.panics = crate::panic::count();
        self.was_unwinding = std::thread::panicking();
        self.phase = Phase::Inside;
        if let Some(timing) = &mut self.timing {
            timing.polled = Instant::now();
            timing.polls += 1;
        }
        self.stand(stay);
    }

    fn left(&mut self, how: Left) {
        if self.phase != Phase::Inside {
            return;
        }
        self.phase = match how {
            Left::Pending => Phase::Idle,
            Left::Yielded => Phase::Yielded,
            Left::Unseen | Left::Finished => Phase::Done,
        };
        self.stand_back();
        if let Some(timing) = &mut self.timing {
            timing.busy += timing.polled.elapsed();
        }
        if how == Left::Unseen && std::thread::panicking() && !self.was_unwinding {
            self.panicked();
        }
    }

    fn abandon(&mut self) {
        match self.phase {
            // Its poll was left by a panic.
            Phase::Inside => self.left(Left::Unseen),
            Phase::Idle | Phase::Yielded => {
                if self.phase == Phase::Idle {
                    self.cancelled();
                }
                self.phase = Phase::Dropping;
                self.stand(Stay::ForGood);
            }
            Phase::Waiting | Phase::Dropping | Phase::Done | Phase::Ended => {}
        }
    }

    fn stands_by_hand(&mut self) {
        self.panics = crate::panic::count();
    }

    fn context(&self) -> Option<&Context> {
        match &self.span {
            Span::Waiting(_) | Span::Without { .. } => None,
            Span::Ours(recording) => recording.context.as_ref(),
            Span::Foreign { cx, .. } => Some(cx),
        }
    }

    fn finish(self: Box<Self>) {
        self.end_well();
    }

    fn pass(mut self: Box<Self>) {
        // What its children failed with is the caller's now.
        if let Some(id) = self.id() {
            outcome::hand_on(id, self.caller);
        }
        self.end();
        self.put_back();
    }

    fn conclude(mut self: Box<Self>, panicked: bool) {
        if !panicked {
            return self.pass();
        }
        self.panicked();
        self.put_back();
    }

    fn fail(mut self: Box<Self>, failed: &Failed<'_>, verdict: Verdict) {
        self.failed_with(failed, verdict);
        self.end_well();
    }

    #[cold]
    fn abort(mut self: Box<Self>) {
        // A body that runs still was left by a panic, or by a way out that nothing sees.
        self.left(Left::Unseen);
        match self.phase {
            // Nothing began, or everything is over: there is nothing to end.
            Phase::Waiting | Phase::Ended => {}
            // An expression at entry or exit panicked, beside the body.
            Phase::Idle | Phase::Done if std::thread::panicking() && !self.was_unwinding => self.panicked(),
            Phase::Inside | Phase::Yielded | Phase::Done => self.end(),
            // Started, and never entered or never left again.
            Phase::Idle => {
                self.cancelled();
                self.end();
            }
            Phase::Dropping => {
                self.stand_back();
                self.end();
            }
        }
        self.put_back();
    }
}
