//! Where the collector's spans go: to every queue as they are, or over the stage.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::{Answer, Load, Queue};
use crate::record::Batch;
use crate::stage::{self, Stage};

/// The queues of a set-up, and what stands before them.
pub(crate) struct Outlet {
    queues: Vec<Arc<Queue>>,
    /// Queues of sinks that see everything, and do not count.
    observers: Vec<Arc<Queue>>,
    stage: Option<Arc<Stage>>,
}

impl Outlet {
    pub(crate) fn new(
        queues: Vec<Arc<Queue>>,
        observers: Vec<Arc<Queue>>,
        stage: Option<Arc<Stage>>,
    ) -> Self {
        Self { queues, observers, stage }
    }

    /// The queues of the exporters.
    pub(crate) fn queues(&self) -> &[Arc<Queue>] {
        &self.queues
    }

    /// All who give an answer, in the order of what `ask` takes.
    pub(crate) fn asked(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.queues.iter().chain(&self.observers)
    }

    pub(crate) fn push(&self, batch: Batch) {
        let batch = Arc::new(batch);
        match &self.stage {
            Some(stage) => stage.push(batch),
            None => {
                for queue in self.asked() {
                    queue.push(Load::Compact(Arc::clone(&batch)));
                }
            }
        }
    }

    /// Asks for an answer of each queue, once what came before is out; with `stop`, their threads end then.
    pub(crate) fn ask(&self, answers: Vec<Sender<Answer>>, stop: Option<Duration>) {
        match &self.stage {
            Some(stage) => stage.ask(answers, stop),
            None => {
                for (queue, answer) in self.asked().zip(answers) {
                    queue.ask(answer, stop);
                }
            }
        }
    }

    /// Ends the queues without the stage, if that is held up: someone has waited for it as long as they would.
    pub(crate) fn give_up(&self, timeout: Duration) {
        if self.stage.as_ref().is_some_and(|stage| !stage.is_over()) {
            for queue in self.asked() {
                queue.ask(channel().0, Some(timeout));
            }
        }
    }

    /// What did not get to the queues.
    pub(crate) fn staged(&self) -> stage::Counts {
        self.stage.as_ref().map(|stage| stage.counts()).unwrap_or_default()
    }

    /// The most spans that were lost for want of room.
    pub(crate) fn no_room(&self) -> u64 {
        let in_queues = self.queues.iter().map(|queue| queue.counts().dropped.queue_full).max();
        in_queues.unwrap_or_default() + self.staged().dropped.queue_full
    }

    /// Whether all threads are gone.
    pub(crate) fn is_over(&self) -> bool {
        self.stage.as_ref().is_none_or(|stage| stage.is_over()) && self.asked().all(|queue| queue.is_over())
    }
}
