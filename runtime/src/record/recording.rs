//! A span of ours while it is open: what its call has in its hands.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use opentelemetry::trace::{
    Link, SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, ContextGuard};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, SpanLimits};
use traced_core::{Callsite, Keep as _, Stay};

use super::clock::{Moment, Ticks};
use super::extra::{Extra, Noted};
use super::seat::{Handle, Seat, Seated, halves, number, whole};
use super::slot::{self, Head, Parcel, Pieces, Slot};
use super::{Recorder, Sink};
use crate::callsite::Site as _;
use crate::exception::{self, Exception};
use crate::fields::Fields;
use crate::own::{self, Home, Thread};
use crate::pipeline::{self, Pipeline, Provider};
use crate::process::{Attributes, Starting};
use crate::propagation::adopted;

/// The parent of a span, as far as the span needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parent {
    pub(crate) trace: TraceId,
    pub(crate) id: SpanId,
    pub(crate) flags: TraceFlags,
    pub(crate) is_remote: bool,
}

impl Parent {
    /// The parent that a context names, if it does.
    #[inline]
    pub(crate) fn of(span: &SpanContext) -> Option<Self> {
        span.is_valid().then(|| Self {
            trace: span.trace_id(),
            id: span.span_id(),
            flags: span.trace_flags(),
            is_remote: span.is_remote(),
        })
    }

    /// None, in a trace that has a name.
    #[inline]
    pub(crate) fn none(trace: TraceId) -> Self {
        Self { trace, id: SpanId::INVALID, flags: TraceFlags::NOT_SAMPLED, is_remote: false }
    }
}

/// A span that does not stand in OpenTelemetry's context, and is current nevertheless.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf {
    pub(crate) span: Parent,
    seat: &'static Seat,
    /// The span that OpenTelemetry's context has instead; once it has another, that is further inside.
    pub(crate) over: SpanId,
}

impl Leaf {
    /// Whether nothing was made current since.
    #[inline]
    pub(crate) fn is_innermost(&self, cx: &Context) -> bool {
        self.stands_over(cx.span().span_context())
    }

    #[inline]
    pub(crate) fn stands_over(&self, span: &SpanContext) -> bool {
        self.over == span.span_id()
    }

    /// The context in which the leaf stands, after all.
    pub(crate) fn context(self, cx: &Context) -> Context {
        let Parent { trace, id, flags, .. } = self.span;
        let context = SpanContext::new(trace, id, flags, false, TraceState::NONE);
        cx.with_span(Handle { context, seat: self.seat })
    }
}

/// An error or a panic of a call; its texts stand among the call's fields.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error_type: Cow<'static, str>,
    pub(crate) message: Range<usize>,
    pub(crate) stacktrace: Option<Range<usize>>,
    /// Whether there is to be an event of it: the innermost span has one.
    pub(crate) is_new: bool,
    /// Whether the call failed by it: by an expected error it does not.
    pub(crate) fails: bool,
}

impl Fault {
    /// The same, with its texts.
    pub(crate) fn exception(&self, fields: &Fields) -> Exception {
        let text = |part: &Range<usize>| fields.part(part).to_owned();
        let Self { error_type, message, stacktrace, .. } = self;
        Exception {
            error_type: error_type.clone(),
            message: text(message),
            stacktrace: stacktrace.as_ref().map(text),
        }
    }
}

/// What is known before a span starts.
pub(crate) struct Start<'a> {
    pub(crate) site: &'static Callsite,
    pub(crate) pipeline: &'a Arc<Pipeline>,
    pub(crate) recorder: &'a Recorder,
    /// The context of the parent, or what a root may see of it.
    pub(crate) parent: &'a Context,
    /// The context that the span's own is made from.
    pub(crate) cx: &'a Context,
    /// The span that may be left standing in OpenTelemetry's context.
    pub(crate) over: Option<SpanId>,
}

/// A span that is being recorded. When it is over, it is used again for another.
#[derive(Debug)]
pub(crate) struct Recording {
    /// The capture it belongs to; without one, it goes to what is installed.
    capture: Option<Arc<Pipeline>>,
    /// The pipeline of which the next three are, and the limit of the fields that this goes with; zero is none's.
    generation: u64,
    placed: bool,
    events_alone: bool,
    limits: SpanLimits,
    id: SpanId,
    flags: TraceFlags,
    parent_is_remote: bool,
    seat: &'static Seat,
    /// The context with the span, while nobody else has it.
    pub(crate) context: Option<Context>,
    /// The span that it stands over, if it stands in no context.
    over: Option<SpanId>,
    extra: Option<Box<Extra>>,
}

impl Drop for Recording {
    fn drop(&mut self) {
        Seat::give_back(self.seat);
    }
}

impl Recording {
    pub(crate) fn new() -> Self {
        Self {
            capture: None,
            generation: 0,
            placed: false,
            events_alone: true,
            limits: SpanLimits::default(),
            id: SpanId::INVALID,
            flags: TraceFlags::NOT_SAMPLED,
            parent_is_remote: false,
            seat: Seat::find(),
            context: None,
            over: None,
            extra: None,
        }
    }

    pub(crate) fn id(&self) -> SpanId {
        self.id
    }

    /// Where the span stands, if it is a leaf.
    pub(crate) fn leaf(&self) -> Option<Leaf> {
        let over = self.over?;
        let Seated { trace, parent, .. } = self.seat.seated();
        let id = if self.id == SpanId::INVALID { SpanId::from(parent) } else { self.id };
        let span = Parent { trace: whole(trace), id, flags: self.flags, is_remote: false };
        Some(Leaf { span, seat: self.seat, over })
    }

    /// Begins a span that is sampled, without asking anyone.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        home: &mut Home,
        site: &'static Callsite,
        started: Ticks,
        parent: Parent,
        over: Option<SpanId>,
        fields: &mut Fields,
    ) {
        if !home.is_of(self.generation) {
            self.adopt(&home.pipeline, fields);
        }
        self.id = home.span_id(started);
        self.flags = parent.flags.with_sampled(true);
        self.over = over;
        self.open(site, started, parent);
        home.writer.started();
    }

    /// Takes over what the spans of a pipeline have in common.
    #[cold]
    fn adopt(&mut self, pipeline: &Pipeline, fields: &mut Fields) {
        self.generation = pipeline.generation();
        self.placed = pipeline.policy.code_attributes;
        self.limits = pipeline.policy.limits;
        self.events_alone = pipeline.exceptions.are_events();
        fields.limit(self.limits.max_attributes_per_span);
    }

    /// Gives the span its seat.
    #[inline]
    fn open(&mut self, site: &'static Callsite, started: Ticks, parent: Parent) -> Head {
        self.parent_is_remote = parent.is_remote;
        let head = Head {
            site,
            trace: halves(parent.trace),
            id: number(self.id),
            parent: number(parent.id),
            started,
            flags: self.flags,
            parent_is_remote: parent.is_remote,
            placed: self.placed,
        };
        self.seat.take(&head, self.generation);
        head
    }

    /// What was said when it was opened.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a slot is made where it stays")]
    fn head(&self, site: &'static Callsite) -> Head {
        let Seated { trace, parent, started } = self.seat.seated();
        let Self { id, flags, parent_is_remote, placed, .. } = *self;
        Head { site, trace, id: number(id), parent, started, flags, parent_is_remote, placed }
    }

    /// As `stand`, for a span that may have begun elsewhere, and stands over what is current here.
    #[inline]
    pub(crate) fn stand_here(&mut self, thread: &mut Thread, stay: Stay) {
        if self.over.is_some() {
            // A span that has a context is no leaf: it was let in nowhere else, and may be here.
            let has_context = self.context.is_some();
            self.over = (!has_context).then(|| Context::map_current(|cx| cx.span().span_context().span_id()));
        }
        self.stand(thread, stay);
    }

    /// Makes the span current on this thread.
    #[inline]
    pub(crate) fn stand(&mut self, thread: &mut Thread, stay: Stay) {
        if let Some(leaf) = self.leaf() {
            thread.push_leaf(leaf);
            return;
        }
        let context = if stay == Stay::ForGood { self.context.take() } else { self.context.clone() };
        if !thread.attach(context.unwrap_or_default()) {
            self.stand_aside(thread);
        }
    }

    /// Nothing can be attached: the span is current for us alone.
    #[cold]
    fn stand_aside(&mut self, thread: &mut Thread) {
        thread.detach();
        self.over = Some(Context::map_current(|cx| cx.span().span_context().span_id()));
        if let Some(leaf) = self.leaf() {
            thread.push_leaf(leaf);
        }
    }

    /// Undoes what `stand` did; what it gives is to be dropped.
    #[inline]
    pub(crate) fn stand_back(&self, thread: &mut Thread) -> Option<ContextGuard> {
        if self.over.is_none() {
            return thread.detach();
        }
        thread.pop_leaf();
        None
    }

    #[inline]
    fn span_context(&self, trace_state: TraceState) -> SpanContext {
        let trace = whole(self.seat.seated().trace);
        SpanContext::new(trace, self.id, self.flags, false, trace_state)
    }

    /// Makes the context with the span, over that of its parent.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the short way has one caller of two, and would pay for a call")]
    pub(crate) fn stand_in(&mut self, cx: &Context, trace_state: TraceState) {
        let context = self.span_context(trace_state);
        self.context = Some(cx.with_span(Handle { context, seat: self.seat }));
    }

    /// Begins a span after asking whoever decides on it, and says whether it records.
    pub(crate) fn begin_asking(&mut self, start: &Start<'_>, fields: &mut Fields, links: Vec<Link>) -> bool {
        let Start { site, pipeline, recorder, parent: seen, cx, over } = *start;
        let span = seen.span();
        let parent = Parent::of(span.span_context());
        let trace = trace_of(parent, seen);
        let SamplingResult { decision, attributes, trace_state } =
            if let Some(keeps) = pipeline.sampler().decisions().below(seen) {
                let decision = if keeps { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
                let trace_state = span.span_context().trace_state().clone();
                SamplingResult { decision, attributes: Vec::new(), trace_state }
            } else {
                let present = fields.to_key_values();
                recorder.sample(seen, trace, site.name, &site.kind, &present, &links)
            };
        let flags = parent.map_or(TraceFlags::default(), |parent| parent.flags);
        let samples = match decision {
            SamplingDecision::Drop => {
                self.drop_out(cx, trace, trace_state);
                return false;
            }
            SamplingDecision::RecordOnly => false,
            SamplingDecision::RecordAndSample => true,
        };
        (self.id, self.flags) = (own::span_id(), flags.with_sampled(samples));
        self.adopt(pipeline, fields);
        let parent = parent.unwrap_or_else(|| Parent::none(trace));
        let head = self.open(site, Ticks::now(), parent);
        self.over = over.filter(|_| trace_state == TraceState::NONE);
        self.capture = matches!(recorder.sink, Sink::Capture(_)).then(|| Arc::clone(pipeline));
        for attribute in attributes {
            fields.push_other(attribute);
        }
        for link in links {
            let limits = self.limits;
            self.extra().link(link, &limits);
        }
        if trace_state != TraceState::NONE {
            self.extra().trace_state = trace_state.clone();
        }
        if !recorder.processors.is_empty() {
            let span = self.span_context(trace_state.clone());
            recorder.processors.start(&mut Starting {
                name: site.name,
                kind: &site.kind,
                scope: site.scope(),
                parent: seen,
                span: &span,
                attributes: Attributes::Call(fields),
            });
        }
        if self.over.is_none() {
            self.stand_in(cx, trace_state);
        }
        match &recorder.sink {
            Sink::Capture(captured) => {
                let attributes = fields.to_key_values().into_iter();
                let attributes = attributes.map(|attribute| Parcel::Attribute(Box::new(attribute)));
                let behind: Vec<_> = attributes.chain(self.extra.clone().map(Parcel::Extra)).collect();
                captured.begun(|record| {
                    record.slots.push(head.slot(head.started, behind.len()));
                    for parcel in behind {
                        record.push(parcel);
                    }
                });
            }
            Sink::Exporters(collector) if samples => own::started(self.generation, collector),
            Sink::Exporters(_) => {}
        }
        true
    }

    /// There is no span; what is called from here learns that it is not to be sampled.
    fn drop_out(&mut self, cx: &Context, trace: TraceId, trace_state: TraceState) {
        (self.over, self.id, self.flags) = (None, SpanId::INVALID, TraceFlags::NOT_SAMPLED);
        let parent = cx.span();
        let parent = parent.span_context();
        let is_said =
            parent.trace_id() == trace && !parent.is_sampled() && *parent.trace_state() == trace_state;
        let id = if is_said { parent.span_id() } else { own::span_id() };
        self.seat.stand_for(trace, id);
        self.context = Some(if is_said {
            cx.clone()
        } else {
            cx.with_remote_span_context(SpanContext::new(trace, id, self.flags, false, trace_state))
        });
    }

    /// Whether others have written to the span since it was last asked.
    pub(crate) fn was_written_to(&self) -> bool {
        self.seat.was_written_to()
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Takes up what others have written to the span.
    #[inline]
    pub(crate) fn collect(&mut self, fields: &mut Fields) {
        if let Some(extra) = self.seat.collect(self.id) {
            self.merge(extra, fields);
        }
    }

    #[cold]
    fn merge(&mut self, mut written: Extra, fields: &mut Fields) {
        for attribute in std::mem::take(&mut written.attributes) {
            fields.push_other(attribute);
        }
        let limits = self.limits;
        self.extra().merge(written, &limits);
    }

    /// Whether the limits take one more event, and an exception's attributes on it.
    fn has_room_for_event(&self) -> bool {
        let present = self.extra.as_ref().map_or(0, |extra| extra.events.len());
        present < self.limits.max_events_per_span as usize && self.limits.max_attributes_per_event >= 3
    }

    /// An error or a panic that ends the call.
    pub(crate) fn fault(&mut self, fields: &mut Fields, fault: &Fault) {
        let bytes = fault.message.len() + fault.stacktrace.as_ref().map_or(0, Range::len);
        match fault.error_type {
            Cow::Borrowed(error_type)
                if self.events_alone && bytes <= slot::FAULT_IN_LINE && self.has_room_for_event() =>
            {
                fields.push_fault(error_type, fault);
            }
            _ => self.odd_fault(fields, fault),
        }
    }

    /// As `fault`, for what has no constant type, is too long to travel in line, or is to be logged.
    #[cold]
    fn odd_fault(&mut self, fields: &mut Fields, fault: &Fault) {
        let (is_new, fails) = (fault.is_new, fault.fails);
        let exception = fault.exception(fields);
        let context = self.span_context(TraceState::NONE);
        let pipeline = match &self.capture {
            Some(pipeline) => Some(Arc::clone(pipeline)),
            None => own::with_home(|home| Arc::clone(&home.pipeline)),
        };
        let as_event =
            is_new && pipeline.is_none_or(|pipeline| pipeline.exceptions.log(&context, &exception));
        let Exception { error_type, message, stacktrace } = exception;
        let limits = self.limits;
        if fails {
            fields.value("error.type", error_type.clone().into());
            self.extra().status(Status::error(message.clone()));
        }
        if as_event {
            let attributes = exception::attributes(error_type, message, stacktrace);
            let event = Noted { at: Moment::now(), name: "exception".into(), attributes, dropped: 0 };
            self.extra().event(event, &limits);
        }
    }

    /// The span is over: it goes on its way, if it is one that goes home. Else it is left to `end`.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "what is a call of its own has first to put aside what it finds at work"
    )]
    pub(crate) fn end_at_home(
        &mut self,
        site: &'static Callsite,
        fields: &mut Fields,
        home: &mut Option<Home>,
    ) -> bool {
        let Some(home) = Home::present(home) else { return false };
        let goes_home = home.is_of(self.generation) && self.capture.is_none() && self.flags.is_sampled();
        if !goes_home || self.seat.was_written_to() || fields.dropped() > 0 {
            return false;
        }
        let (head, ended) = (self.head(site), Ticks::now());
        self.seat.leave();
        home.writer.ended();
        let behind = fields.pieces();
        if let Some(extra) = self.extra.take() {
            behind.push(Parcel::Extra(extra));
        }
        home.writer.write(behind, |following| head.slot(ended, following));
        true
    }

    /// The span is over, in whatever way. Nothing of it stays but what the next one can use.
    #[inline(never)]
    pub(crate) fn end(&mut self, site: &'static Callsite, fields: &mut Fields) {
        let ended = Ticks::now();
        self.seat.leave();
        self.collect(fields);
        if fields.dropped() > 0 {
            self.extra().dropped.attributes += fields.dropped();
        }
        let (extra, capture) = (self.extra.take(), self.capture.take());
        if !self.flags.is_sampled() {
            return;
        }
        let behind = fields.pieces();
        if let Some(extra) = extra {
            behind.push(Parcel::Extra(extra));
        }
        let head = self.head(site).slot(ended, behind.slots.len());
        match capture.as_deref().map(Pipeline::provider) {
            None => deliver(self.generation, head, behind),
            Some(Provider::Ours(Recorder { sink: Sink::Capture(captured), .. })) => {
                captured.ended(|record| {
                    record.slots.push(head);
                    record.append(behind);
                });
            }
            Some(_) => {}
        }
    }
}

/// The trace of a span that starts: its parent's, or one that was named without a span, or a new one.
pub(super) fn trace_of(parent: Option<Parent>, cx: &Context) -> TraceId {
    let trace = parent.map(|parent| parent.trace).or_else(|| adopted(cx));
    trace.unwrap_or_else(own::trace_id)
}

/// Sends a record to the pipeline of a generation, from whatever thread.
pub(super) fn deliver(generation: u64, head: Slot, behind: &mut Pieces) {
    let record = RefCell::new((Some(head), behind));
    let is_delivered = own::with_home(|home| {
        let is_home = home.is_of(generation);
        if is_home {
            let (head, behind) = &mut *record.borrow_mut();
            home.writer.ended();
            if let Some(head) = head.take() {
                home.writer.write(behind, |_| head);
            }
        }
        is_home
    });
    if is_delivered != Some(true)
        && let Some(pipeline) = pipeline::of_generation(generation)
        && let Provider::Ours(Recorder { sink: Sink::Exporters(collector), .. }) = pipeline.provider()
    {
        let (head, behind) = record.into_inner();
        let mut record = Pieces { slots: head.into_iter().collect(), parcels: Vec::new() };
        record.append(behind);
        collector.stray_ended(record);
    }
}
