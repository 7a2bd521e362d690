//! Spans that other code makes through `opentelemetry::global`: the same sampler, the same way out.
//!
//! They are rare beside traced calls, and whoever makes one owns it, so they are kept as `SpanData` from the start.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use opentelemetry::trace::{
    Event, Link, Span, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags,
    Tracer,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SpanData, SpanEvents, SpanLimits, SpanLinks};

use super::clock::{self, Moment};
use super::extra::{Extra, Noted, writing_methods};
use super::recording::{Parent, deliver, trace_of};
use super::slot::{Parcel, Pieces, Slot};
use super::{Recorder, Sink, lock};
use crate::console::OpenSpan;
use crate::own;
use crate::pipeline::{Pipeline, Provider};
use crate::process::{Attributes, Starting};

/// A tracer for other code.
#[derive(Debug)]
pub(crate) struct OtherTracer {
    pipeline: Arc<Pipeline>,
    scope: InstrumentationScope,
    /// What the filter says of the scope.
    verdict: AtomicU64,
}

/// A span of other code.
#[derive(Debug)]
pub(crate) struct OtherSpan {
    context: SpanContext,
    /// What is recorded, until it is over.
    open: Option<Box<Open>>,
}

#[derive(Debug)]
struct Open {
    pipeline: Arc<Pipeline>,
    scope: InstrumentationScope,
    parent: Option<Parent>,
    kind: SpanKind,
    name: Cow<'static, str>,
    started: Moment,
    extra: Extra,
}

impl OtherTracer {
    pub(crate) fn new(pipeline: Arc<Pipeline>, scope: InstrumentationScope) -> Self {
        Self { pipeline, scope, verdict: AtomicU64::new(0) }
    }
}

impl Tracer for OtherTracer {
    type Span = OtherSpan;

    fn build_with_context(&self, builder: SpanBuilder, cx: &Context) -> OtherSpan {
        let nothing = OtherSpan { context: SpanContext::NONE, open: None };
        let Provider::Ours(recorder) = self.pipeline.provider() else { return nothing };
        if cx.is_telemetry_suppressed() {
            return nothing;
        }
        if !self.pipeline.admits_other(self.scope.name(), &self.verdict, &builder.name) {
            // What is below it hangs under its parent.
            return OtherSpan { context: cx.span().span_context().clone(), open: None };
        }
        let SpanBuilder { name, start_time, span_kind, attributes, events, links, .. } = builder;
        let (attributes, links) = (attributes.unwrap_or_default(), links.unwrap_or_default());
        let kind = span_kind.unwrap_or(SpanKind::Internal);
        let parent = Parent::of(cx.span().span_context());
        let trace = trace_of(parent, cx);
        let sampled = recorder.sample(cx, trace, &name, &kind, &attributes, &links);
        let flags = parent.map_or(TraceFlags::default(), |parent| parent.flags);
        let flags = match sampled.decision {
            SamplingDecision::Drop => TraceFlags::default(),
            SamplingDecision::RecordOnly => flags.with_sampled(false),
            SamplingDecision::RecordAndSample => flags.with_sampled(true),
        };
        let context = SpanContext::new(trace, own::span_id(), flags, false, sampled.trace_state);
        if sampled.decision == SamplingDecision::Drop {
            return OtherSpan { context, open: None };
        }
        let limits = self.pipeline.policy.limits;
        let mut extra = Extra::default();
        for attribute in attributes.into_iter().chain(sampled.attributes) {
            extra.attribute(attribute, &limits);
        }
        for event in events.unwrap_or_default() {
            let Event { name, timestamp, attributes, dropped_attributes_count: dropped, .. } = event;
            extra.event(Noted { at: Moment::of(timestamp), name, attributes, dropped }, &limits);
        }
        for link in links {
            extra.link(link, &limits);
        }
        if !recorder.processors.is_empty() {
            recorder.processors.start(&mut Starting {
                name: &name,
                kind: &kind,
                scope: &self.scope,
                parent: cx,
                span: &context,
                attributes: Attributes::Other(&mut extra, &limits),
            });
        }
        let open = Open {
            pipeline: Arc::clone(&self.pipeline),
            scope: self.scope.clone(),
            parent,
            kind,
            name,
            started: start_time.map_or_else(Moment::now, Moment::of),
            extra,
        };
        open.begin(recorder, &context);
        OtherSpan { context, open: Some(Box::new(open)) }
    }
}

impl Open {
    fn begin(&self, recorder: &Recorder, context: &SpanContext) {
        match &recorder.sink {
            Sink::Capture(captured) => {
                let data = self.data(self.extra.clone(), context, self.started);
                captured.begun(|record| record.push_whole(data));
            }
            Sink::Exporters(collector) if context.is_sampled() => {
                let (name, started) = (self.name.clone(), clock::calendar().when(self.started));
                let span = OpenSpan { name, span_context: context.clone(), started };
                if let Some(mut others) = lock(&recorder.others) {
                    others.insert(context.span_id(), span);
                }
                own::started(self.pipeline.generation(), collector);
            }
            Sink::Exporters(_) => {}
        }
    }

    fn end(mut self, context: &SpanContext, ended: Moment) {
        let extra = std::mem::take(&mut self.extra);
        let pipeline = Arc::clone(&self.pipeline);
        let Provider::Ours(recorder) = pipeline.provider() else { return };
        if let Some(mut others) = lock(&recorder.others) {
            others.remove(&context.span_id());
        }
        if !context.is_sampled() {
            return;
        }
        let span = self.data(extra, context, ended);
        match &recorder.sink {
            Sink::Capture(captured) => captured.ended(|record| record.push_whole(span)),
            Sink::Exporters(_) => {
                let head = Slot::whole(&span);
                let parcels = vec![Parcel::Whole(Box::new(span))];
                deliver(pipeline.generation(), head, &mut Pieces { slots: Vec::new(), parcels });
            }
        }
    }

    fn data(&self, extra: Extra, context: &SpanContext, ended: Moment) -> SpanData {
        let calendar = clock::calendar();
        let mut data = SpanData {
            span_context: context.clone(),
            parent_span_id: self.parent.map_or(SpanId::INVALID, |parent| parent.id),
            parent_span_is_remote: self.parent.is_some_and(|parent| parent.is_remote),
            span_kind: self.kind.clone(),
            name: self.name.clone(),
            start_time: calendar.when(self.started),
            end_time: calendar.when_since(self.started, ended),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        };
        extra.write(&mut data, self.started, &calendar);
        data
    }
}

impl OtherSpan {
    fn write(&mut self, write: impl FnOnce(&mut Extra, &SpanLimits)) {
        if let Some(open) = &mut self.open {
            let limits = open.pipeline.policy.limits;
            write(&mut open.extra, &limits);
        }
    }
}

impl Span for OtherSpan {
    writing_methods!();

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        self.open.is_some()
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        if let Some(open) = self.open.take() {
            open.end(&self.context, Moment::of(timestamp));
        }
    }
}

impl Drop for OtherSpan {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.end(&self.context, Moment::now());
        }
    }
}
