//! Between the collector and the queues, where spans are to be changed or chosen before any exporter gets them.
//!
//! It is there only where the set-up has processors or tail sampling. One thread reads each record once, shows it to the
//! processors, lets the tail sampler choose, and gives every queue the spans, read. What waits for it is bounded, and what
//! finds no room is counted; requests go through it in their order. It knows nothing of exporters.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;

use crate::export::{Answer, Capacity, Load, Queue};
use crate::process::Processors;
use crate::record::{self, Batch, lock};
use crate::sampling::{Held, Kept, Tail};
use crate::setup::{Dropped, Early};

/// How many spans are read before they go on.
const READ: usize = 512;

/// What becomes of spans on the stage.
#[derive(Debug, Default)]
pub(crate) struct Acts {
    pub(crate) processors: Processors,
    pub(crate) tail: Option<Tail>,
}

impl Acts {
    /// Whether there is anything to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.processors.is_empty() && self.tail.is_none()
    }
}

/// The thread's end that others see.
pub(crate) struct Stage {
    capacity: Capacity,
    queues: Vec<Arc<Queue>>,
    observers: Vec<Arc<Queue>>,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    input: VecDeque<Input>,
    spans: usize,
    bytes: usize,
    counts: Counts,
    stops: bool,
    finished: bool,
}

enum Input {
    /// As many spans of a batch as there was room for.
    Batch(Arc<Batch>, usize),
    /// Someone waits for an answer of each queue.
    Ask(Vec<Sender<Answer>>, Option<Duration>),
}

/// What did not go on from here, and why.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) dropped: Dropped,
    pub(crate) early: Early,
}

impl Stage {
    /// Starts the thread.
    pub(crate) fn start(
        acts: Acts,
        queues: Vec<Arc<Queue>>,
        observers: Vec<Arc<Queue>>,
        capacity: Capacity,
    ) -> std::io::Result<Arc<Self>> {
        let wake = Condvar::new();
        let stage = Arc::new(Self { capacity, queues, observers, state: Mutex::default(), wake });
        let played = Arc::clone(&stage);
        std::thread::Builder::new().name("traced-stage".to_owned()).spawn(move || {
            let _quiet = Context::enter_telemetry_suppressed_scope();
            played.run(acts);
        })?;
        Ok(stage)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counts(&self) -> Counts {
        lock(&self.state).map(|state| state.counts).unwrap_or_default()
    }

    /// Whether the thread is gone.
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.state).is_some_and(|state| state.finished)
    }

    /// Takes as much of a batch as there is room for.
    pub(crate) fn push(&self, batch: Arc<Batch>) {
        let mut state = self.lock();
        if state.stops || state.finished {
            state.counts.dropped.after_shutdown += batch.spans as u64;
            return;
        }
        let fits = state.bytes + batch.bytes() <= self.capacity.bytes || state.spans == 0;
        let room = if fits { self.capacity.spans.saturating_sub(state.spans) } else { 0 };
        let spans = batch.spans.min(room);
        state.counts.dropped.queue_full += (batch.spans - spans) as u64;
        if spans > 0 {
            state.spans += spans;
            state.bytes += batch.bytes();
            state.input.push_back(Input::Batch(batch, spans));
            self.wake.notify_one();
        }
    }

    /// Asks for an answer of each queue, once all that came before has gone to them; with `stop`, everything ends then.
    pub(crate) fn ask(&self, answers: Vec<Sender<Answer>>, stop: Option<Duration>) {
        let mut state = self.lock();
        if state.finished {
            drop(state);
            self.answer(answers, stop);
            return;
        }
        state.stops |= stop.is_some();
        state.input.push_back(Input::Ask(answers, stop));
        self.wake.notify_one();
    }

    fn answer(&self, answers: Vec<Sender<Answer>>, stop: Option<Duration>) {
        for (queue, answer) in self.queues.iter().chain(&self.observers).zip(answers) {
            queue.ask(answer, stop);
        }
    }

    /// The thread's life: take what has come, or what has waited too long.
    fn run(&self, Acts { processors, tail }: Acts) {
        let _finish = Finish(self);
        let mut held = tail.map(Held::new);
        loop {
            let mut input = self.wait(held.as_ref().and_then(Held::deadline));
            while let Some(next) = input.pop_front() {
                match next {
                    Input::Batch(batch, spans) => self.play(&batch, spans, &processors, held.as_mut()),
                    Input::Ask(answers, None) => self.answer(answers, None),
                    Input::Ask(answers, stop) => {
                        self.decide(held.as_mut(), Held::finish);
                        self.answer(answers, stop);
                        // Who asked behind is answered by the queues, or by who is last here.
                        for input in input {
                            if let Input::Ask(answers, stop) = input {
                                self.answer(answers, stop);
                            }
                        }
                        return;
                    }
                }
            }
            self.decide(held.as_mut(), Held::age);
        }
    }

    /// Gives what has come; nothing, when it is time to look at what is held.
    fn wait(&self, until: Option<Instant>) -> VecDeque<Input> {
        let mut state = self.lock();
        while state.input.is_empty() {
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        (state.spans, state.bytes) = (0, 0);
        std::mem::take(&mut state.input)
    }

    fn play(&self, batch: &Batch, count: usize, processors: &Processors, mut held: Option<&mut Held>) {
        let mut spans = Vec::new();
        let mut records = batch.records().take(count).peekable();
        while records.peek().is_some() {
            let calendar = record::calendar();
            for record in records.by_ref().take(READ) {
                record::read(record, &calendar, &mut spans);
            }
            for span in &mut spans {
                processors.end(span);
            }
            let spans = std::mem::take(&mut spans);
            if !self.observers.is_empty() {
                Load::read(spans.clone()).for_each(&self.observers);
            }
            match &mut held {
                None => Load::read(spans).for_each(&self.queues),
                Some(held) => self.decide(Some(&mut **held), |held, now, kept| held.take(spans, now, kept)),
            }
        }
    }

    /// Sees to what is decided by something that happens to what is held.
    fn decide(&self, held: Option<&mut Held>, happens: impl FnOnce(&mut Held, Instant, &mut Kept)) {
        let Some(held) = held else { return };
        let mut kept = Kept::default();
        happens(held, Instant::now(), &mut kept);
        let Kept { spans, others, early } = kept;
        if others > 0 || early != Early::default() {
            let mut state = self.lock();
            let counts = &mut state.counts;
            counts.dropped.not_kept += others;
            counts.early.too_old += early.too_old;
            counts.early.no_room += early.no_room;
        }
        if !spans.is_empty() {
            Load::read(spans).for_each(&self.queues);
        }
    }
}

/// Says that the thread is gone, however it goes, and sends on who still asks.
struct Finish<'a>(&'a Stage);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.finished = true;
        let input = std::mem::take(&mut state.input);
        (state.spans, state.bytes) = (0, 0);
        drop(state);
        for input in input {
            match input {
                Input::Ask(answers, stop) => self.0.answer(answers, stop),
                Input::Batch(_, spans) => self.0.lock().counts.dropped.after_shutdown += spans as u64,
            }
        }
    }
}
