//! The recorder behind `init` and `builder`: a span at the price of reading the clock twice.
//!
//! A call's span lives in its `Recording`, which nobody else touches (`recording`); what foreign code sees of it is a
//! handle at a `seat`. When it is over, it is written as a few `slot`s into the `ring` of its thread, without
//! a lock or an allocation. The `collector` empties the rings into the exporters' queues, where records become
//! `SpanData` again. Spans that other code makes come through `tracer` and go the same way.

mod clock;
mod collector;
mod extra;
mod recording;
mod ring;
mod seat;
mod slot;
mod tracer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use opentelemetry::trace::{Link, SpanId, SpanKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample, SpanData};

use crate::console::OpenSpan;
use crate::process::Processors;
use crate::value::survive;

pub(crate) use clock::{Ticks, calendar};
pub(crate) use collector::{Batch, Collector};
pub(crate) use extra::Extra;
pub(crate) use extra::span_bytes;
pub(crate) use recording::{Fault, Leaf, Parent, Recording, Start};
pub(crate) use ring::Writer;
pub(crate) use seat::whole;
pub(crate) use slot::{Parcel, Pieces, Slot, read};
pub(crate) use tracer::OtherTracer;

/// Locks what nobody holds for long. A process that was forked while another thread held it gets it locked for ever, and
/// goes on without: `None` then.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let mut since = None;
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
        if since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            return None;
        }
        std::thread::yield_now();
    }
}

/// A pipeline of this recorder.
pub(crate) struct Recorder {
    sampler: Box<dyn ShouldSample>,
    sampler_panicked: AtomicBool,
    pub(crate) sink: Sink,
    /// Who sees spans start; a capture has nobody.
    pub(crate) processors: Processors,
    /// Open spans of other code: a seat knows call sites only.
    others: Mutex<HashMap<SpanId, OpenSpan>>,
}

/// Where finished spans go.
pub(crate) enum Sink {
    /// Through the rings to the exporters.
    Exporters(Arc<Collector>),
    /// To the capture of a test.
    Capture(Captured),
}

/// The spans of a capture: as they were when they began, and when they were over.
#[derive(Default)]
pub(crate) struct Captured {
    begun: Mutex<Batch>,
    ended: Mutex<Batch>,
}

impl Captured {
    fn begun(&self, write: impl FnOnce(&mut Pieces)) {
        write(&mut self.begun.lock().unwrap_or_else(PoisonError::into_inner).pieces);
    }

    fn ended(&self, write: impl FnOnce(&mut Pieces)) {
        write(&mut self.ended.lock().unwrap_or_else(PoisonError::into_inner).pieces);
    }
}

impl Recorder {
    pub(crate) fn new(sampler: Box<dyn ShouldSample>, sink: Sink, processors: Processors) -> Self {
        if matches!(sink, Sink::Capture(_)) {
            clock::note();
        }
        Self { sampler, sampler_panicked: AtomicBool::new(false), sink, processors, others: Mutex::default() }
    }

    /// What the sampler says. One that panics takes nothing down, and keeps nothing.
    fn sample(
        &self,
        parent: &Context,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        survive(|| self.sampler.should_sample(Some(parent), trace, name, kind, attributes, links))
            .unwrap_or_else(|| {
                if !self.sampler_panicked.swap(true, Ordering::Relaxed) {
                    crate::diagnostics::sampler_panicked(name);
                }
                let trace_state = parent.span().span_context().trace_state().clone();
                SamplingResult { decision: SamplingDecision::Drop, attributes: Vec::new(), trace_state }
            })
    }

    /// The open spans of the pipeline with that number.
    pub(crate) fn open(&self, pipeline: u64) -> Vec<OpenSpan> {
        let mut open = seat::open(pipeline);
        if let Some(others) = lock(&self.others) {
            open.extend(others.values().cloned());
        }
        open
    }

    /// How many spans of a trace are open.
    pub(crate) fn open_in(&self, trace: TraceId) -> usize {
        let of_others = lock(&self.others)
            .map_or(0, |others| others.values().filter(|span| span.span_context.trace_id() == trace).count());
        seat::open_in(trace) + of_others
    }

    /// The spans of a capture in the order they began, each with whether it has ended.
    pub(crate) fn captured(&self) -> Vec<(SpanData, bool)> {
        let Sink::Capture(Captured { begun, ended }) = &self.sink else { return Vec::new() };
        let read = |batch: &Mutex<Batch>| -> Vec<SpanData> {
            batch.lock().unwrap_or_else(PoisonError::into_inner).spans()
        };
        let id = |span: &SpanData| span.span_context.span_id();
        let mut ended: HashMap<SpanId, SpanData> =
            read(ended).into_iter().map(|span| (id(&span), span)).collect();
        let finish = |begun: SpanData| match ended.remove(&id(&begun)) {
            Some(span) => (span, true),
            None => (begun, false),
        };
        read(begun).into_iter().map(finish).collect()
    }
}
