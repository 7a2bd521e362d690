//! An exporter, the queue before it, and the thread that serves it, so that none waits for another.
//!
//! A full queue drops the newest spans and counts them. An exporter that fails or panics is counted, and reported
//! once.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::TraceId;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::console::Console;
use crate::record::{self, Batch, lock};
use crate::setup::{Dropped, ExportError};
use crate::value::survive;

/// How much room is made for spans that are handed over together; more is found as it is needed.
const BATCH: usize = 512;

/// What the console asks: how many spans of a trace have not ended.
pub(crate) type OpenIn = Arc<dyn Fn(TraceId) -> usize + Send + Sync>;

/// `SpanExporter`, as an object.
pub(crate) trait Export: Send {
    fn prepare(&mut self, resource: &Resource, open: OpenIn);
    fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult;
    fn flush(&self) -> OTelSdkResult;
    fn shutdown(&self, timeout: Duration) -> OTelSdkResult;
}

impl<E: SpanExporter + 'static> Export for E {
    fn prepare(&mut self, resource: &Resource, open: OpenIn) {
        self.set_resource(resource);
        // The console waits with a trace until all of it is there.
        if let Some(console) = (self as &mut dyn Any).downcast_mut::<Console>() {
            console.open_spans(open);
        }
    }

    fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        futures_executor::block_on(SpanExporter::export(self, batch))
    }

    fn flush(&self) -> OTelSdkResult {
        self.force_flush()
    }

    fn shutdown(&self, timeout: Duration) -> OTelSdkResult {
        self.shutdown_with_timeout(timeout)
    }
}

/// What became of what someone asked for.
pub(crate) type Answer = Result<(), ExportError>;

/// How much may wait for an exporter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    pub(crate) spans: usize,
    pub(crate) bytes: usize,
}

/// When spans are handed over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How many an exporter gets at once, at most.
    pub(crate) batch: usize,
    /// How long a span may wait for company.
    pub(crate) delay: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { batch: BATCH, delay: Duration::from_millis(200) }
    }
}

/// The spans that wait for one exporter.
pub(crate) struct Queue {
    capacity: Capacity,
    pace: Pace,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Waiting>,
    /// The spans and bytes of the batches.
    spans: usize,
    bytes: usize,
    exporting: usize,
    counts: Counts,
    /// The last failure since the last flush, and the spans lost since then.
    failure: Option<(u64, String)>,
    reported: bool,
    flushes: Vec<Sender<Answer>>,
    stop: Option<Duration>,
    /// Whether the thread is gone.
    finished: bool,
}

/// As many spans of a batch as there was room for.
struct Waiting {
    batch: Arc<Batch>,
    spans: usize,
}

impl State {
    fn waiting(&self) -> u64 {
        (self.spans + self.exporting) as u64
    }

    /// What is to be said where the thread does not answer.
    fn unanswered(&self) -> Answer {
        match self.waiting() {
            0 if self.finished => Ok(()),
            waiting => Err(ExportError::TimedOut { waiting }),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) exported: u64,
    pub(crate) dropped: Dropped,
}

impl Queue {
    /// Starts the exporter's thread.
    pub(crate) fn start(
        mut exporter: Box<dyn Export>,
        resource: &Resource,
        open: OpenIn,
        capacity: Capacity,
        pace: Pace,
    ) -> std::io::Result<Arc<Self>> {
        exporter.prepare(resource, open);
        // More than there is room for would never come together.
        let pace = Pace { batch: pace.batch.min(capacity.spans), ..pace };
        let queue = Arc::new(Self { capacity, pace, state: Mutex::default(), wake: Condvar::new() });
        let drained = Arc::clone(&queue);
        std::thread::Builder::new().name("traced-export".to_owned()).spawn(move || {
            // What an exporter does must not be traced in its turn.
            let _quiet = Context::enter_telemetry_suppressed_scope();
            drained.run(exporter.as_ref());
        })?;
        Ok(queue)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What became of the spans so far.
    pub(crate) fn counts(&self) -> Counts {
        lock(&self.state).map(|state| state.counts).unwrap_or_default()
    }

    /// Whether what waits is worth an export: a batch, or as much as leaves less than half of the room.
    fn has_much(&self, state: &State) -> bool {
        let Capacity { spans, bytes } = self.capacity;
        state.spans >= self.pace.batch.min(spans.div_ceil(2)) || (state.spans > 0 && state.bytes >= bytes / 2)
    }

    /// Takes as much of a batch as there is room for.
    pub(crate) fn push(&self, batch: &Arc<Batch>) {
        let mut state = self.lock();
        if state.stop.is_some() {
            state.counts.dropped.after_shutdown += batch.spans as u64;
            return;
        }
        let fits = state.bytes + batch.bytes() <= self.capacity.bytes || state.spans == 0;
        let room = if fits { self.capacity.spans.saturating_sub(state.spans) } else { 0 };
        let spans = batch.spans.min(room);
        state.counts.dropped.queue_full += (batch.spans - spans) as u64;
        if spans > 0 {
            let waited = self.has_much(&state);
            state.spans += spans;
            state.bytes += batch.bytes();
            state.batches.push_back(Waiting { batch: Arc::clone(batch), spans });
            if !waited && self.has_much(&state) {
                self.wake.notify_one();
            }
        }
    }

    /// Asks the thread for an answer, when what waits now is out; with `stop`, it ends then.
    pub(crate) fn ask(&self, answer: Sender<Answer>, stop: Option<Duration>) {
        let mut state = self.lock();
        state.stop = state.stop.or(stop);
        if state.finished {
            // Whoever gave up waiting is not told.
            let _ = answer.send(state.unanswered());
        } else {
            state.flushes.push(answer);
            self.wake.notify_one();
        }
    }

    /// Whether the thread is gone.
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.state).is_some_and(|state| state.finished)
    }

    /// What is to be said where the thread does not answer.
    pub(crate) fn unanswered(&self) -> Answer {
        self.lock().unanswered()
    }

    /// The thread's life: wait, take what is there, export it, answer who asked before it was taken.
    fn run(&self, exporter: &dyn Export) {
        let _finish = Finish(self);
        loop {
            let mut state = self.lock();
            if !self.has_much(&state) && state.flushes.is_empty() && state.stop.is_none() {
                let waited =
                    self.wake.wait_timeout(state, self.pace.delay).unwrap_or_else(PoisonError::into_inner);
                state = waited.0;
            }
            let batches = std::mem::take(&mut state.batches);
            state.exporting = std::mem::take(&mut state.spans);
            state.bytes = 0;
            let flushes = std::mem::take(&mut state.flushes);
            let stop = state.stop;
            drop(state);

            self.export(exporter, batches);
            if !flushes.is_empty() {
                self.guarded(0, || exporter.flush());
            }
            if let Some(timeout) = stop {
                self.guarded(0, || exporter.shutdown(timeout));
            }
            if !flushes.is_empty() {
                let failure = self.lock().failure.take();
                let answer =
                    failure.map_or(Ok(()), |(spans, reason)| Err(ExportError::Failed { spans, reason }));
                for flush in flushes {
                    // Whoever gave up waiting is not told.
                    let _ = flush.send(answer.clone());
                }
            }
            if stop.is_some() && self.lock().spans == 0 {
                return;
            }
        }
    }

    fn export(&self, exporter: &dyn Export, batches: VecDeque<Waiting>) {
        let room = || Vec::with_capacity(self.pace.batch.min(BATCH));
        let mut spans = room();
        for Waiting { batch, spans: count } in batches {
            let calendar = record::calendar();
            for record in batch.records().take(count) {
                record::read(record, &calendar, &mut spans);
                if spans.len() == self.pace.batch {
                    self.hand_over(exporter, std::mem::replace(&mut spans, room()));
                }
            }
        }
        if !spans.is_empty() {
            self.hand_over(exporter, spans);
        }
    }

    fn hand_over(&self, exporter: &dyn Export, spans: Vec<SpanData>) {
        let count = spans.len();
        let done = self.guarded(count as u64, || exporter.export(spans));
        let mut state = self.lock();
        state.exporting -= count;
        if done {
            state.counts.exported += count as u64;
        }
    }

    /// Calls an exporter; a failure or a panic of it is counted for `spans`, and reported the first time.
    fn guarded(&self, spans: u64, call: impl FnOnce() -> OTelSdkResult) -> bool {
        let reason = match survive(call) {
            Some(Ok(())) => return true,
            Some(Err(error)) => error.to_string(),
            None => "the exporter panicked".to_owned(),
        };
        let mut state = self.lock();
        state.counts.dropped.export_failed += spans;
        let before = state.failure.take().map_or(0, |(spans, _)| spans);
        state.failure = Some((before + spans, reason.clone()));
        let is_first = !std::mem::replace(&mut state.reported, true);
        // Whoever ends a span must not wait for whoever holds stderr.
        drop(state);
        if is_first {
            crate::diagnostics::export_failed(spans, &reason);
        }
        false
    }
}

/// Says that the thread is gone, however it goes, and answers who still asks.
struct Finish<'a>(&'a Queue);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.finished = true;
        let answer = state.unanswered();
        for flush in std::mem::take(&mut state.flushes) {
            let _ = flush.send(answer.clone());
        }
    }
}
