//! From ended spans to exporters: a bounded queue and a thread for each, so that none waits for another.
//!
//! The thread that ends a span never waits: a full queue drops the span and counts it. An exporter that fails
//! or panics is counted, and reported once.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceId};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

use super::{Dropped, ExportError, OpenIn, Stats};
use crate::console::{Console, OpenSpan};
use crate::value::survive;

const CAPACITY: usize = 65_536;
const BATCH: usize = 512;
/// How long a span may wait for company.
const DELAY: Duration = Duration::from_millis(200);

/// The exporters of a set-up, before it is installed.
pub(super) struct Drains {
    pub(super) capacity: usize,
    exporters: Vec<Box<dyn Export>>,
}

impl fmt::Debug for Drains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drains").field("exporters", &self.exporters.len()).finish_non_exhaustive()
    }
}

impl Drains {
    pub(super) fn new() -> Self {
        Self { capacity: CAPACITY, exporters: Vec::new() }
    }

    pub(super) fn add(&mut self, exporter: impl SpanExporter + 'static) {
        self.exporters.push(Box::new(exporter));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exporters.is_empty()
    }

    /// Starts a thread for each exporter.
    pub(super) fn start(self, resource: &Resource) -> std::io::Result<Running> {
        let open = Arc::new(Open::default());
        let mut queues = Vec::new();
        for mut exporter in self.exporters {
            exporter.prepare(resource, open.asked());
            let queue = Arc::new(Queue::new(self.capacity));
            let drained = Arc::clone(&queue);
            let started = std::thread::Builder::new().name("traced-export".to_owned()).spawn(move || {
                // What an exporter does must not be traced in its turn.
                let _quiet = Context::enter_telemetry_suppressed_scope();
                drained.run(exporter.as_ref());
            });
            if let Err(error) = started {
                for queue in &queues {
                    Queue::shutdown(queue, Duration::ZERO);
                }
                return Err(error);
            }
            queues.push(queue);
        }
        Ok(Running { queues, open })
    }
}

/// `SpanExporter`, as an object.
trait Export: Send {
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

/// The threads of an installed set-up.
pub(super) struct Running {
    queues: Vec<Arc<Queue>>,
    open: Arc<Open>,
}

/// The spans that have begun and not ended, by trace.
#[derive(Default)]
struct Open {
    started: AtomicU64,
    traces: Mutex<HashMap<TraceId, HashMap<SpanId, OpenSpan>>>,
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, HashMap<TraceId, HashMap<SpanId, OpenSpan>>> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, span: OpenSpan) {
        let (trace, id) = (span.span_context.trace_id(), span.span_context.span_id());
        self.lock().entry(trace).or_default().insert(id, span);
    }

    fn remove(&self, span: &SpanContext) {
        let mut traces = self.lock();
        if let Some(spans) = traces.get_mut(&span.trace_id()) {
            spans.remove(&span.span_id());
            if spans.is_empty() {
                traces.remove(&span.trace_id());
            }
        }
    }

    fn asked(self: &Arc<Self>) -> OpenIn {
        let open = Arc::clone(self);
        Arc::new(move |trace| open.lock().get(&trace).map_or(0, HashMap::len))
    }
}

/// The processor that sees spans begin and end. Its clones are one.
#[derive(Clone)]
pub(super) struct Watch(Arc<Running>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.stats()).finish()
    }
}

impl Watch {
    pub(super) fn new(running: Running) -> Self {
        Self(Arc::new(running))
    }

    pub(super) fn open_spans(&self) -> Vec<OpenSpan> {
        self.0.open.lock().values().flat_map(HashMap::values).cloned().collect()
    }

    pub(super) fn stats(&self) -> Stats {
        let open = self.0.open.lock().values().map(HashMap::len).sum::<usize>() as u64;
        let states = self.0.queues.iter().map(|queue| {
            let state = queue.lock();
            (state.counts, state.waiting())
        });
        let (counts, waiting) = states.min_by_key(|(counts, _)| counts.exported).unwrap_or_default();
        Stats {
            started: self.0.open.started.load(Ordering::Relaxed),
            open,
            waiting,
            exported: counts.exported,
            dropped: counts.dropped,
        }
    }

    pub(super) fn flush(&self, timeout: Duration) -> Result<(), ExportError> {
        self.ask(timeout, |queue, _| queue.flush())
    }

    pub(super) fn shutdown(&self, timeout: Duration) -> Result<(), ExportError> {
        self.ask(timeout, Queue::shutdown)
    }

    /// Asks all queues at once and waits for their answers together.
    fn ask(
        &self,
        timeout: Duration,
        ask: fn(&Arc<Queue>, Duration) -> Receiver<Answer>,
    ) -> Result<(), ExportError> {
        // A time too far away to be told is for ever.
        let until = Instant::now().checked_add(timeout);
        let answers: Vec<_> = self.0.queues.iter().map(|queue| ask(queue, timeout)).collect();
        let mut result = Ok(());
        for (queue, answer) in self.0.queues.iter().zip(answers) {
            let answered = match until {
                Some(until) => answer.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
                None => answer.recv().ok(),
            };
            if let Err(error) = answered.unwrap_or_else(|| queue.lock().unanswered()) {
                result = Err(error);
            }
        }
        result
    }
}

impl SpanProcessor for Watch {
    fn on_start(&self, span: &mut Span, _: &Context) {
        use opentelemetry::trace::Span as _;
        let context = span.span_context().clone();
        // What is recorded and not sampled is nobody's to export.
        if !context.is_sampled() {
            return;
        }
        self.0.open.started.fetch_add(1, Ordering::Relaxed);
        if let Some(data) = span.exported_data() {
            self.0.open.insert(OpenSpan { name: data.name, span_context: context, started: data.start_time });
        }
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        self.0.open.remove(&span.span_context);
        if let [first @ .., last] = self.0.queues.as_slice() {
            for queue in first {
                queue.push(span.clone());
            }
            last.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.flush(Duration::from_secs(5)).map_err(|error| OTelSdkError::InternalFailure(error.to_string()))
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        // `Tracing` shuts the queues down itself, before the provider.
        Ok(())
    }
}

type Answer = Result<(), ExportError>;

/// The spans that wait for one exporter.
struct Queue {
    capacity: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    spans: Vec<SpanData>,
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

impl State {
    fn waiting(&self) -> u64 {
        (self.spans.len() + self.exporting) as u64
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
struct Counts {
    exported: u64,
    dropped: Dropped,
}

impl Queue {
    fn new(capacity: usize) -> Self {
        Self { capacity, state: Mutex::default(), wake: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, span: SpanData) {
        let mut state = self.lock();
        if state.stop.is_some() {
            state.counts.dropped.after_shutdown += 1;
        } else if state.spans.len() >= self.capacity {
            state.counts.dropped.queue_full += 1;
        } else {
            state.spans.push(span);
            if state.spans.len() == BATCH {
                self.wake.notify_one();
            }
        }
    }

    fn flush(self: &Arc<Self>) -> Receiver<Answer> {
        self.ask(|_| ())
    }

    fn shutdown(self: &Arc<Self>, timeout: Duration) -> Receiver<Answer> {
        self.ask(|state| state.stop = Some(timeout))
    }

    /// Asks the thread for an answer, under one lock with what it is to do before.
    fn ask(&self, first: impl FnOnce(&mut State)) -> Receiver<Answer> {
        let (answer, receiver) = channel();
        let mut state = self.lock();
        first(&mut state);
        if state.finished {
            // The receiver is there, two lines up.
            let _ = answer.send(state.unanswered());
        } else {
            state.flushes.push(answer);
            self.wake.notify_one();
        }
        receiver
    }

    /// The thread's life: wait, take what is there, export it, answer who asked before it was taken.
    fn run(&self, exporter: &dyn Export) {
        let _finish = Finish(self);
        loop {
            let mut state = self.lock();
            if state.spans.len() < BATCH && state.flushes.is_empty() && state.stop.is_none() {
                let waited = self.wake.wait_timeout(state, DELAY).unwrap_or_else(PoisonError::into_inner);
                state = waited.0;
            }
            let spans = std::mem::take(&mut state.spans);
            let flushes = std::mem::take(&mut state.flushes);
            let stop = state.stop;
            state.exporting = spans.len();
            drop(state);

            self.export(exporter, spans);
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
            if stop.is_some() && self.lock().spans.is_empty() {
                return;
            }
        }
    }

    fn export(&self, exporter: &dyn Export, spans: Vec<SpanData>) {
        let mut spans = spans.into_iter();
        loop {
            let batch: Vec<_> = spans.by_ref().take(BATCH).collect();
            let count = batch.len();
            if count == 0 {
                return;
            }
            let done = self.guarded(count as u64, || exporter.export(batch));
            let mut state = self.lock();
            state.exporting -= count;
            if done {
                state.counts.exported += count as u64;
            }
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
            let said = "`stats()` counts further failures";
            let _ = writeln!(std::io::stderr(), "traced: {spans} spans were not exported: {reason}; {said}");
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
