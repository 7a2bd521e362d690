//! An exporter, the queue before it, and the thread that serves it, so that none waits for another.
//!
//! A full queue drops the newest spans and counts them. What an exporter says may be tried again is, while newer spans
//! wait behind it; an exporter that fails for good or panics is counted, and reported once.

mod load;
mod outlet;
mod parcel;
mod pauses;

use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry::trace::TraceId;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanData;

use crate::record::lock;
use crate::scrub::{Scrubber, Scrubbing};
use crate::setup::{Dropped, ExportError};
use crate::value::survive;
use pauses::Pauses;

pub(crate) use load::Load;
pub(crate) use outlet::Outlet;
pub(crate) use parcel::{Export, Parcel, Sent};

/// How much room is made for spans that are handed over together; more is found as it is needed.
const BATCH: usize = 512;
/// How many spans the thread takes out of the queue at once, or a little more: what it has taken holds no place for others.
const TAKEN: usize = 4096;
/// How long the same spans are tried again, when nobody takes them.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the console asks: how many spans of a trace have not ended.
pub(crate) type OpenIn = Arc<dyn Fn(TraceId) -> usize + Send + Sync>;

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
    /// How long a try may take.
    pub(crate) timeout: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { batch: BATCH, delay: Duration::from_millis(200), timeout: Duration::from_secs(30) }
    }
}

/// The spans that wait for one exporter.
pub(crate) struct Queue {
    capacity: Capacity,
    pace: Pace,
    scrubber: Arc<Scrubber>,
    state: Mutex<State>,
    wake: Condvar,
}

/// What its thread works with.
struct Work<'a> {
    exporter: &'a dyn Export,
    scrubbing: Scrubbing<'a>,
    pauses: Pauses,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Waiting>,
    /// The spans of the batches.
    spans: usize,
    /// Their bytes, and those of what has been taken and not handed over.
    bytes: usize,
    exporting: usize,
    /// How many batches came, and how many are done with.
    came: u64,
    done: u64,
    counts: Counts,
    /// The first failure since the last flush, and the spans lost since then.
    failure: Option<(u64, String)>,
    /// What has been said of failures, and of tries that will be repeated.
    failing: Trouble,
    delayed: Trouble,
    flushes: Vec<Flush>,
    stop: Option<Stop>,
    /// Whether the thread is gone.
    finished: bool,
}

/// Someone waits until so many batches are done with.
struct Flush {
    answer: Sender<Answer>,
    until: u64,
    /// Whether what waits has been tried since.
    tried: bool,
}

/// The end, as it was asked for.
#[derive(Clone, Copy)]
struct Stop {
    timeout: Duration,
    /// When nothing is tried any more; a time too far away to be told is never.
    until: Option<Instant>,
}

impl Stop {
    fn within(timeout: Duration) -> Self {
        // Whoever waits hears of the last try that failed.
        let margin = (timeout / 10).min(Duration::from_millis(250));
        Self { timeout, until: Instant::now().checked_add(timeout.saturating_sub(margin)) }
    }

    /// How much of the time is left, if it has an end.
    fn left(self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Who asks again may give more time, and not take any back.
    fn or_later(self, before: Option<Self>) -> Self {
        match before {
            Some(before) if before.until.is_none_or(|end| self.until.is_some_and(|until| until <= end)) => {
                before
            }
            _ => self,
        }
    }
}

/// As many spans of a load as there was room for.
struct Waiting {
    load: Load,
    spans: usize,
}

impl State {
    fn waiting(&self) -> u64 {
        (self.spans + self.exporting) as u64
    }

    /// Notes that an exporter takes what it gets, and says whether that is news.
    fn recovered(&mut self) -> bool {
        let was_failing = self.failing.ends();
        self.delayed.ends() || was_failing
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
    /// Tries that failed, and were not the last.
    pub(crate) retried: u64,
}

impl Queue {
    /// Starts the exporter's thread.
    pub(crate) fn start(
        mut exporter: Box<dyn Export>,
        resource: &Resource,
        open: OpenIn,
        capacity: Capacity,
        pace: Pace,
        scrubber: Arc<Scrubber>,
    ) -> std::io::Result<Arc<Self>> {
        exporter.prepare(&scrubber.resource(resource), open);
        // More than there is room for would never come together.
        let pace = Pace { batch: pace.batch.min(capacity.spans).min(exporter.most()), ..pace };
        let queue =
            Arc::new(Self { capacity, pace, scrubber, state: Mutex::default(), wake: Condvar::new() });
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

    /// Takes as much of a load as there is room for.
    pub(crate) fn push(&self, load: Load) {
        let (count, bytes) = (load.spans(), load.bytes());
        let mut state = self.lock();
        if state.stop.is_some() {
            state.counts.dropped.after_shutdown += count as u64;
            return;
        }
        let fits = state.bytes + bytes <= self.capacity.bytes || state.bytes == 0;
        let room = if fits { self.capacity.spans.saturating_sub(state.spans) } else { 0 };
        let spans = count.min(room);
        state.counts.dropped.queue_full += (count - spans) as u64;
        if spans > 0 {
            let waited = self.has_much(&state);
            state.spans += spans;
            state.bytes += bytes;
            state.came += 1;
            state.batches.push_back(Waiting { load, spans });
            if !waited && self.has_much(&state) {
                self.wake.notify_one();
            }
        }
    }

    /// Asks the thread for an answer, when what waits now is out; with `stop`, it ends then.
    pub(crate) fn ask(&self, answer: Sender<Answer>, stop: Option<Duration>) {
        let mut state = self.lock();
        if let Some(timeout) = stop {
            state.stop = Some(Stop::within(timeout).or_later(state.stop));
        }
        if state.finished {
            // Whoever gave up waiting is not told.
            let _ = answer.send(state.unanswered());
        } else {
            let until = state.came;
            state.flushes.push(Flush { answer, until, tried: false });
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

    /// The thread's life: wait, take what is there, export it, answer who asked before it came.
    fn run(&self, exporter: &dyn Export) {
        let _finish = Finish(self);
        let scrubbing = Scrubbing::new(&self.scrubber);
        let mut work = Work { exporter, scrubbing, pauses: Pauses::default() };
        loop {
            let taken = self.take();
            let count = taken.len() as u64;
            self.export(&mut work, taken);
            self.lock().done += count;
            if self.answer(exporter) {
                return;
            }
        }
    }

    fn take(&self) -> VecDeque<Waiting> {
        let mut state = self.lock();
        if !self.has_much(&state) && state.flushes.is_empty() && state.stop.is_none() {
            let waited =
                self.wake.wait_timeout(state, self.pace.delay).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
        }
        let (mut taken, mut spans) = (VecDeque::new(), 0);
        while spans < self.pace.batch.max(TAKEN)
            && let Some(waiting) = state.batches.pop_front()
        {
            spans += waiting.spans;
            taken.push_back(waiting);
        }
        state.spans -= spans;
        state.exporting = spans;
        taken
    }

    /// Answers those whose spans are out, and says whether this is the end.
    fn answer(&self, exporter: &dyn Export) -> bool {
        let state = self.lock();
        let is_asked = state.flushes.iter().any(|flush| flush.until <= state.done);
        let stop = state.stop.filter(|_| state.batches.is_empty());
        drop(state);
        if is_asked {
            self.guarded(|| exporter.flush());
        }
        if let Some(stop) = stop {
            self.guarded(|| exporter.shutdown(stop.timeout));
        }
        if is_asked {
            let mut state = self.lock();
            let answer = state
                .failure
                .take()
                .map_or(Ok(()), |(spans, reason)| Err(ExportError::Failed { spans, reason }));
            let done = state.done;
            let due = state.flushes.extract_if(.., |flush| flush.until <= done).collect();
            drop(state);
            tell(due, &answer);
        }
        stop.is_some()
    }

    fn export(&self, work: &mut Work<'_>, batches: VecDeque<Waiting>) {
        let room = || Vec::with_capacity(self.pace.batch.min(BATCH));
        // What has been read is held on to until it is handed over, and so are its bytes.
        let (mut spans, mut read) = (room(), 0);
        for Waiting { load, spans: count } in batches {
            let bytes = load.bytes();
            load.each(count, &mut spans, |spans| {
                if spans.len() == self.pace.batch {
                    self.hand_over(work, std::mem::replace(spans, room()));
                    self.lock().bytes -= std::mem::take(&mut read);
                }
            });
            read += bytes;
        }
        if !spans.is_empty() {
            self.hand_over(work, spans);
        }
        self.lock().bytes -= read;
    }

    /// Hands spans over, as often as it takes, until they are taken, refused, or nobody has time any more. It is the one way
    /// to an exporter: nothing goes there that is not scrubbed.
    fn hand_over(&self, work: &mut Work<'_>, mut spans: Vec<SpanData>) {
        let Work { exporter, scrubbing, pauses } = work;
        let count = spans.len() as u64;
        let is_clean = survive(|| {
            for span in &mut spans {
                scrubbing.span(span);
            }
        });
        if is_clean.is_none() {
            // What might have a secret in it goes nowhere.
            self.lock().exporting -= spans.len();
            let lost = Dropped { export_failed: count, ..Dropped::default() };
            return self.lose(lost, "the scrubber panicked");
        }
        let mut parcel = Parcel::new(spans);
        let begun = Instant::now();
        loop {
            let left = self.try_for_all();
            let limit = left.unwrap_or(Duration::MAX).min(self.pace.timeout);
            let sent = survive(|| exporter.export(&mut parcel, limit));
            let (lost, reason) = match sent.unwrap_or_else(|| Sent::Refused(PANICKED.to_owned())) {
                Sent::Taken => (Dropped::default(), None),
                Sent::Partly { rejected, reason } => {
                    (Dropped { rejected, ..Dropped::default() }, Some(reason))
                }
                Sent::Again { reason, after }
                    if begun.elapsed() < PATIENCE && self.keep(&reason, after, pauses) =>
                {
                    continue;
                }
                Sent::Refused(reason) | Sent::Again { reason, .. } => {
                    (Dropped { export_failed: count, ..Dropped::default() }, Some(reason))
                }
            };
            pauses.over();
            let mut state = self.lock();
            state.exporting -= parcel.count();
            state.counts.exported += count - lost.total();
            let is_back = reason.is_none() && state.recovered();
            drop(state);
            if is_back {
                crate::diagnostics::export_resumed();
            }
            if let Some(reason) = reason {
                self.lose(lost, &reason);
            }
            return;
        }
    }

    /// A try begins, which is everybody's who has asked by now; gives how much time it has, if that has an end.
    fn try_for_all(&self) -> Option<Duration> {
        let mut state = self.lock();
        for flush in &mut state.flushes {
            flush.tried = true;
        }
        state.stop.and_then(Stop::left)
    }

    /// Waits for the next try of what an exporter did not take, unless there is no time for one; says whether there is.
    ///
    /// Whoever asks for what waits is told that it will wait longer, and it is tried at once. At the end of a set-up nobody is
    /// told before there is an end to tell: until its time is over, or the spans are out.
    fn keep(&self, reason: &str, after: Option<Duration>, pauses: &mut Pauses) -> bool {
        let mut state = self.lock();
        let stop = state.stop;
        if stop.is_some() {
            pauses.hurry();
        }
        let pause = pauses.next(after);
        if stop.and_then(Stop::left).is_some_and(|left| left <= pause) {
            return false;
        }
        state.counts.retried += 1;
        let waiting = state.waiting();
        if stop.is_none() {
            let tried: Vec<_> = state.flushes.extract_if(.., |flush| flush.tried).collect();
            let answer = match state.failure.take_if(|_| !tried.is_empty()) {
                Some((spans, reason)) => ExportError::Failed { spans, reason },
                None => ExportError::Kept { waiting, reason: reason.to_owned() },
            };
            tell(tried, &Err(answer));
        }
        let is_new = state.delayed.is_new();
        drop(state);
        if is_new {
            crate::diagnostics::export_delayed(waiting, reason);
        }
        self.pause(pause, stop.is_some());
        true
    }

    /// Waits before the next try, unless someone asks for it, or for the end.
    fn pause(&self, pause: Duration, is_ending: bool) {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        while is_ending || (state.flushes.is_empty() && state.stop.is_none()) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Calls an exporter; who asked is told that it failed or panicked, though no span is lost by it.
    fn guarded(&self, call: impl FnOnce() -> OTelSdkResult) {
        let reason = match survive(call) {
            Some(Ok(())) => return,
            Some(Err(error)) => error.to_string(),
            None => PANICKED.to_owned(),
        };
        let mut state = self.lock();
        // What lost spans is told rather than this.
        if state.failure.as_ref().is_none_or(|(spans, _)| *spans == 0) {
            state.failure = Some((0, reason));
        }
    }

    /// Counts what was lost, and reports it where that is news.
    fn lose(&self, lost: Dropped, reason: &str) {
        let spans = lost.total();
        let mut state = self.lock();
        state.counts.dropped.export_failed += lost.export_failed;
        state.counts.dropped.rejected += lost.rejected;
        // The first failure is the cause of others.
        match &mut state.failure {
            Some((before, _)) if *before > 0 => *before += spans,
            failure => *failure = Some((spans, reason.to_owned())),
        }
        let is_new = state.failing.is_new();
        // Whoever ends a span must not wait for whoever holds stderr.
        drop(state);
        if is_new {
            crate::diagnostics::export_failed(spans, reason);
        }
    }
}

/// A kind of trouble is reported when it begins, and when it begins again after it was over, once in a while.
#[derive(Debug, Default)]
struct Trouble {
    reported: Option<Instant>,
    is_over: bool,
}

/// How long a kind of trouble is not reported again.
const QUIET: Duration = Duration::from_secs(60);

impl Trouble {
    /// Notes the trouble, and says whether it is to be reported.
    fn is_new(&mut self) -> bool {
        let is_new = self.reported.is_none_or(|reported| self.is_over && reported.elapsed() >= QUIET);
        if is_new {
            *self = Self { reported: Some(Instant::now()), is_over: false };
        }
        is_new
    }

    /// Notes that it is over, and says whether that is news.
    fn ends(&mut self) -> bool {
        self.reported.is_some() && !std::mem::replace(&mut self.is_over, true)
    }
}

const PANICKED: &str = "the exporter panicked";

/// Whoever gave up waiting is not told.
fn tell(flushes: Vec<Flush>, answer: &Answer) {
    for flush in flushes {
        let _ = flush.answer.send(answer.clone());
    }
}

/// Says that the thread is gone, however it goes, and answers who still asks.
struct Finish<'a>(&'a Queue);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.finished = true;
        let answer = state.unanswered();
        tell(std::mem::take(&mut state.flushes), &answer);
    }
}
