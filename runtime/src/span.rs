//! One call and its span: how it starts, is current, and ends exactly once.
//!
//! `Call` is what generated code holds in the function's frame. Behind it stands a span of our own recorder, or one of
//! another tracer provider; generated code knows nothing of either, and both mean the same.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use opentelemetry::baggage::{BaggageExt, KeyValueMetadata};
use opentelemetry::trace::{Link, SpanBuilder, SpanContext, SpanId, TraceContextExt, TraceState, Tracer};
use opentelemetry::{Context, ContextGuard};

use crate::callsite::Callsite;
use crate::context;
use crate::exception;
use crate::fields::Fields;
use crate::outcome::{self, Failed, Verdict};
use crate::own::{self, Home, Thread};
use crate::pipeline::{self, Captured, Pipeline, Provider};
use crate::propagation::{AsLink, AsParent, adopted};
use crate::record::{Fault, Parent, Recording, Start, Ticks};
use crate::value::Attribute;

/// One call of a traced function, recorded or not.
#[derive(Debug)]
pub struct Call(Option<Box<Live>>);

pub(crate) struct Live {
    site: &'static Callsite,
    /// The span that was current: where an error of this call goes on, whatever its parent.
    caller: SpanId,
    /// How many panics there had been when the body was entered, and whether the thread was unwinding then.
    panics: u64,
    was_unwinding: bool,
    phase: Phase,
    records: bool,
    span: Span,
    /// What was captured and is not with the span yet.
    fields: Fields,
    timing: Option<Box<Timing>>,
}

/// The span of a call, and who has it.
enum Span {
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
struct Waiting {
    pipeline: Arc<Pipeline>,
    /// The context of the parent.
    cx: Context,
    /// Whether the span has no parent, whatever `cx` holds.
    root: bool,
    links: Vec<Link>,
    /// The span that stands in OpenTelemetry's context, if that may stay there.
    over: Option<SpanId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
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

/// What a look at the current context makes of a call.
enum Glance {
    /// There is nothing to record.
    Nothing,
    /// It needed nobody's word.
    Started(Box<Live>),
    /// One has to look closer.
    Other,
}

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

/// What kept the context of a call attached that is over, if anything did.
struct Gone(#[expect(dead_code, reason = "it is there to be dropped")] Option<ContextGuard>);

/// Whether a body that is entered stays until it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    ForGood,
    ForAPoll,
}

impl Waiting {
    fn link(&mut self, to: SpanContext) {
        if to.is_valid() {
            self.links.push(Link::with_context(to));
        }
    }

    fn may_want_attributes(&self) -> bool {
        let parent = if self.root { None } else { Parent::of(self.cx.span().span_context()) };
        self.pipeline.sampler().decide(parent, &self.cx) != Some(false)
    }
}

impl Live {
    /// A call whose span is our recorder's, and needs nobody to be asked, is started at once.
    #[inline]
    fn glance(site: &'static Callsite, thread: &mut Thread) -> Glance {
        if thread.is_deciding {
            return Glance::Nothing;
        }
        let Thread { leaves, spare, home, .. } = thread;
        let Some(home) = Home::present(home).filter(|home| site.verdict() == home.admitted) else {
            return Glance::Other;
        };
        Context::map_current(|cx| {
            if cx.is_telemetry_suppressed() {
                return Glance::Nothing;
            }
            let span = cx.span();
            let parent = match leaves.last() {
                Some(leaf) if leaf.is_over(span.span_context()) => Some(leaf.span),
                _ => Parent::of(span.span_context()),
            };
            match home.sampler.decide(parent, cx) {
                Some(false) => Glance::Nothing,
                Some(true) => {
                    Self::child(site, home, spare, parent, cx).map_or(Glance::Other, Glance::Started)
                }
                None => Glance::Other,
            }
        })
    }

    /// A call whose span is our recorder's and sampled, started; `None` where the parent has more to hand on.
    #[inline(never)]
    #[expect(clippy::vec_box, reason = "calls are boxed, and stay where they are")]
    fn child(
        site: &'static Callsite,
        home: &mut Home,
        spare: &mut Vec<Box<Self>>,
        parent: Option<Parent>,
        cx: &Context,
    ) -> Option<Box<Self>> {
        if *cx.span().span_context().trace_state() != TraceState::NONE {
            return None;
        }
        let started = Ticks::now();
        let parent =
            parent.unwrap_or_else(|| Parent::none(adopted(cx).unwrap_or_else(|| home.trace_id(started))));
        let mut live = spare.pop().unwrap_or_else(|| Self::fresh(site));
        if let Self { span: Span::Ours(recording), fields, .. } = &mut *live {
            let over = site.is_leaf.then(|| cx.span().span_context().span_id());
            recording.begin(home, site, started, parent, over, fields);
            if !site.is_leaf {
                recording.stand_in(cx, TraceState::NONE);
            }
        }
        live.site = site;
        live.caller = if parent.is_remote { SpanId::INVALID } else { parent.id };
        live.phase = Phase::Idle;
        live.records = true;
        Some(live)
    }

    /// The short way into a span of ours that has just started.
    #[inline]
    fn go_inside(&mut self, body: &'static str, thread: &mut Thread) {
        self.site.learn(body);
        self.panics = crate::panic::count();
        self.was_unwinding = std::thread::panicking();
        if let Span::Ours(recording) = &mut self.span {
            recording.stand(thread, Stay::ForGood);
        }
        self.phase = Phase::Inside;
    }

    fn is_asked_with_attributes(&self) -> bool {
        let Span::Waiting(waiting) = &self.span else { return false };
        let Waiting { pipeline, cx, .. } = &**waiting;
        let sampler = pipeline.sampler();
        sampler.reads_attributes() && sampler.decide(Parent::of(cx.span().span_context()), cx).is_none()
    }

    /// A call for a span of ours, where there is none to be used again.
    #[cold]
    #[inline(never)]
    fn fresh(site: &'static Callsite) -> Box<Self> {
        Self::new(site, Span::Ours(Recording::new()))
    }

    fn new(site: &'static Callsite, span: Span) -> Box<Self> {
        Box::new(Self {
            site,
            caller: SpanId::INVALID,
            panics: 0,
            was_unwinding: false,
            phase: Phase::Waiting,
            records: false,
            span,
            fields: Fields::new(),
            timing: None,
        })
    }

    fn waiting(site: &'static Callsite, pipeline: Arc<Pipeline>, cx: Context, over: SpanId) -> Box<Self> {
        let caller = caller(&cx);
        let waiting = Waiting { pipeline, cx, root: false, links: Vec::new(), over: Some(over) };
        let mut live = Self::new(site, Span::Waiting(Box::new(waiting)));
        live.caller = caller;
        live.panics = crate::panic::count();
        live.was_unwinding = std::thread::panicking();
        live
    }

    /// A call that names its parent, and passes that on if it makes no span.
    #[inline(never)]
    fn under(site: &'static Callsite) -> Option<Box<Self>> {
        let (cx, over) = surroundings()?;
        match Pipeline::of(&cx) {
            Some(pipeline) if pipeline.admits(site) => Some(Self::waiting(site, pipeline, cx, over)),
            // A test's capture elsewhere is no set-up.
            None if !pipeline::is_switched_off() => None,
            _ => Some(Self::new(site, Span::Without { cx, for_good: false })),
        }
    }

    /// Makes a span after all, if one may be made by now.
    #[cold]
    fn ask_again(&mut self) {
        if let Span::Without { cx, .. } = &mut self.span
            && let Some((here, _)) = surroundings()
            && let Some(pipeline) = Pipeline::of(cx).filter(|pipeline| pipeline.admits(self.site))
        {
            self.caller = caller(&here);
            let cx = std::mem::take(cx);
            let waiting = Waiting { pipeline, cx, root: false, links: Vec::new(), over: None };
            self.span = Span::Waiting(Box::new(waiting));
        }
    }

    /// The last that happens to a call. All of it stands here and not in the functions.
    #[inline(never)]
    fn over(mut self: Box<Self>, how: fn(&mut Self)) {
        how(&mut self);
        self.put_back();
    }

    /// The last that happens to a call that went well.
    #[inline(never)]
    fn finish(self: Box<Self>) {
        if self.phase != Phase::Inside {
            self.finish_outside();
            return;
        }
        let mut call = Some(self);
        let gone = own::with(|thread| {
            let guard = call.as_mut()?.finish_at_home(thread)?.stand_back(thread);
            call = thread.keep(call.take()?);
            Some(Gone(guard))
        });
        // What goes is dropped here, where nothing is borrowed.
        match (gone.flatten(), call) {
            (Some(gone), _) => drop(gone),
            (None, Some(call)) => call.over(Self::end),
            (None, None) => {}
        }
    }

    /// As `finish`, for a body that has left already.
    #[inline(never)]
    fn finish_outside(mut self: Box<Self>) {
        let has_left = self.phase == Phase::Done;
        if has_left && own::with(|thread| self.finish_at_home(thread).is_some()) == Some(true) {
            self.put_back();
        } else {
            self.over(Self::end);
        }
    }

    /// The short way of a call that has a span of ours, and nothing to it that others must know of.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "both ways that use it are as short as it is")]
    fn finish_at_home(&mut self, thread: &mut Thread) -> Option<&mut Recording> {
        let Self { site, phase, records: true, span: Span::Ours(recording), fields, timing: None, .. } = self
        else {
            return None;
        };
        if outcome::has_seen(recording.id()) || !recording.end_at_home(site, fields, &mut thread.home) {
            return None;
        }
        *phase = Phase::Ended;
        fields.clear();
        Some(recording)
    }

    /// Keeps a call that is over for the next one.
    fn put_back(mut self: Box<Self>) {
        let Span::Ours(recording) = &mut self.span else { return };
        let context = recording.context.take();
        self.fields.clear();
        self.timing = None;
        let mut call = Some(self);
        own::with(|thread| call = call.take().and_then(|call| thread.keep(call)));
        // Dropped here, where nothing is borrowed.
        drop((call, context));
    }

    #[cold]
    fn wants_attributes(&mut self) -> bool {
        if self.is_asked_with_attributes() {
            return true;
        }
        self.start();
        self.records
    }

    /// A span that has started gets what was captured at once, if it is another provider's.
    #[inline]
    fn captured(&mut self) {
        if let Span::Foreign { cx, .. } = &self.span {
            cx.span().set_attributes(self.fields.take());
        }
    }

    fn start(&mut self) {
        if self.phase != Phase::Waiting {
            return;
        }
        self.phase = Phase::Idle;
        let Span::Waiting(waiting) = &mut self.span else { return };
        let Waiting { pipeline, cx, root, links, over } = &mut **waiting;
        let seen = if *root { without_span(cx) } else { cx.clone() };
        let (cx, pipeline, links) = (std::mem::take(cx), Arc::clone(pipeline), std::mem::take(links));
        if let Some(timing) = &mut self.timing {
            // What was made before has not waited as a span.
            timing.started = Instant::now();
        }
        match pipeline.provider() {
            Provider::Foreign(_) => {
                let mut builder = SpanBuilder::from_name(self.site.name).with_kind(self.site.kind.clone());
                if !self.fields.is_empty() {
                    builder = builder.with_attributes(self.fields.take());
                }
                if !links.is_empty() {
                    builder = builder.with_links(links);
                }
                let span = self.site.tracer(&pipeline).build_with_context(builder, &seen);
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

    #[inline(never)]
    fn enter(&mut self, body: &'static str, stay: Stay) {
        if self.phase == Phase::Ended {
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

    #[inline(never)]
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

    fn end(&mut self) {
        self.left(Left::Finished);
        if matches!(self.phase, Phase::Ended | Phase::Waiting) {
            return;
        }
        self.phase = Phase::Ended;
        if let Some(timing) = self.timing.take() {
            let nanoseconds = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
            let idle = timing.started.elapsed().saturating_sub(timing.busy);
            self.fields.push_i64("busy_ns", nanoseconds(timing.busy));
            self.fields.push_i64("idle_ns", nanoseconds(idle));
            self.fields.push_i64("polls", timing.polls);
            self.captured();
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

    /// Ends a call, handing what its children failed with on to its caller.
    fn pass(&mut self) {
        if let Some(id) = self.id() {
            outcome::hand_on(id, self.caller);
        }
        self.end();
    }

    /// Ends a call whose body gave no value.
    #[cold]
    fn abort(&mut self) {
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
    }

    fn cancelled(&mut self) {
        if self.records {
            self.fields.push_bool("cancelled", true);
            self.captured();
        }
    }

    /// Writes a failure into the span: marked always, with its exception only where it is new.
    fn fail(&mut self, failed: &Failed<'_>, verdict: Verdict) {
        // What others wrote was written before.
        if matches!(&self.span, Span::Ours(recording) if recording.was_written_to()) {
            self.left(Left::Finished);
        }
        let Some(id) = self.id() else { return };
        let message = self.fields.write(|text| failed.message.write(text));
        let told_by = outcome::told_by(self.fields.text(&message));
        let seen_as = outcome::seen_in_child(id, told_by);
        let is_new = seen_as.is_none();
        let stacktrace = failed.source.filter(|_| is_new).map(|source| {
            let said = self.fields.text(&message).to_owned();
            self.fields.write(|text| outcome::write_chain(text, &said, source))
        });
        let error_type = seen_as.unwrap_or_else(|| failed.error_type.to_cow());
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
}

/// The context that a call finds, and the span that stands in OpenTelemetry's; `None` where nothing is to be traced.
#[inline(never)]
fn surroundings() -> Option<(Context, SpanId)> {
    let (cx, over) = context::glance(|cx, leaf| {
        let over = cx.span().span_context().span_id();
        (leaf.map_or_else(|| cx.clone(), |leaf| leaf.context(cx)), over)
    })?;
    (!cx.is_telemetry_suppressed()).then_some((cx, over))
}

/// The context of `parent`, for a call that found `cx`. A capture takes its calls with it whatever parent they name.
fn below(parent: &impl AsParent, cx: &Context) -> Context {
    let parent = Context::from(parent.as_parent());
    match Captured::of(cx) {
        Some(captured) => parent.with_value(captured),
        None => parent,
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
