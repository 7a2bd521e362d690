//! The guard of a set-up: it sees the spans out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::explanation::{Explanation, Setting};
use super::fault::ExportError;
use super::install::shown;
use super::stats::{Dropped, Stats};
use crate::console::{OpenSpan, render_open};
use crate::control::Control;
use crate::diagnostics;
use crate::export::Counts;
use crate::pipeline::{self, Pipeline, Provider, SwitchedOff};
use crate::record::Collector;

/// The guard of a set-up. Dropping it flushes, waits five seconds at most, and ends the set-up.
#[derive(Debug)]
#[must_use = "dropping the guard ends the set-up; bind it: `let _tracing = …`"]
pub struct Tracing {
    /// Nothing runs where the environment switches tracing off.
    pub(super) running: Option<Running>,
    /// What holds there instead.
    pub(super) off: Option<SwitchedOff>,
    pub(super) explanation: Explanation,
}

impl Tracing {
    /// Returns when every span that has ended before has been handed to every exporter.
    ///
    /// # Errors
    ///
    /// What has not been handed over, and why: an exporter failed, or took longer than thirty seconds. Spans that it may take
    /// later are kept, after one more try; that is an error as well.
    pub fn flush(&self) -> Result<(), ExportError> {
        self.running.as_ref().map_or(Ok(()), |running| running.ask(Duration::from_secs(30), None))
    }

    /// Flushes and ends the set-up, waiting no longer than `timeout`. Another may be installed then. What waits to be tried
    /// again is tried until then.
    ///
    /// Spans still open are listed on stderr: they are lost.
    ///
    /// # Errors
    ///
    /// What has not been handed over, and why.
    pub fn shutdown(&self, timeout: Duration) -> Result<(), ExportError> {
        if let Some(off) = &self.off {
            off.end();
        }
        self.running.as_ref().map_or(Ok(()), |running| running.shutdown(timeout))
    }

    /// How many spans were started, exported, dropped and why, and are open.
    pub fn stats(&self) -> Stats {
        self.running.as_ref().map(Running::stats).unwrap_or_default()
    }

    /// Tells a meter what became of the spans, whenever it is asked: what [`stats`](Self::stats) tells, for each exporter.
    ///
    /// ```
    /// use traced::opentelemetry::global;
    ///
    /// let tracing = traced::init("checkout")?;
    /// tracing.observe(&global::meter("checkout"));
    /// # Ok::<(), traced::SetupError>(())
    /// ```
    ///
    /// | metric | of | attributes |
    /// |---|---|---|
    /// | `traced.spans.started` | spans that have begun | |
    /// | `traced.spans.open` | those that have not ended | |
    /// | `traced.spans.waiting` | those that wait to be handed over | `exporter` |
    /// | `traced.spans.exported` | those that were handed over | `exporter` |
    /// | `traced.exports.retried` | tries to hand spans over that failed and were not the last: the receiver is away | `exporter` |
    /// | `traced.spans.dropped` | those that were lost | `exporter`, `reason`: the fields of [`Dropped`] |
    ///
    /// It ends with this guard. Where the environment switches tracing off, there is nothing to tell.
    #[cfg(feature = "metrics")]
    pub fn observe(&self, meter: &opentelemetry::metrics::Meter) {
        if let Some(running) = &self.running {
            let collector = Arc::downgrade(&running.collector);
            // The collector may outlive the guard: threads hold on to where their spans went.
            let guard = Arc::downgrade(&running.exporters);
            let stats =
                move || guard.upgrade().and(collector.upgrade()).map(|collector| by_exporter(&collector));
            crate::metrics::observe(meter, &running.exporters, stats);
        }
    }

    /// Every setting with its value and where it came from, and which variables of the environment were ignored and why.
    ///
    /// ```
    /// let tracing = traced::builder("checkout").queue(1_000).install()?;
    /// let explanation = tracing.explain().to_string();
    /// assert!(explanation.contains("queue, spans: 1000 (code)\n"));
    /// assert!(explanation.contains("sampler: parentbased_always_on (default)\n"));
    /// # Ok::<(), traced::SetupError>(())
    /// ```
    pub fn explain(&self) -> Explanation {
        let mut explanation = self.explanation.clone();
        if let Some(switches) = self.running.as_ref().and_then(|running| running.pipeline.switches()) {
            if switches.is_paused() {
                explanation.changed("tracing", "paused");
            }
            if switches.filter_is_live() {
                explanation.changed(Setting::Filter.name(), &shown(&switches.filter_text()));
            }
            let idle = switches.idle_rules();
            if !idle.is_empty() {
                explanation.behind(Setting::Filter, "filter, no call so far", &idle.join(", "));
            }
            if let Some(rate) = switches.rate.get() {
                let name = format!("parentbased_traceidratio, {rate}");
                explanation.changed(Setting::Sampler.name(), &name);
            }
        }
        explanation
    }

    /// A hand on what can be changed while it runs: the filter, the share of traces, and whether there is tracing at all.
    ///
    /// ```
    /// let tracing = traced::builder("checkout").install()?;
    /// let control = tracing.control();
    /// // In the handler of an admin endpoint, on whatever thread:
    /// std::thread::spawn(move || control.set_sample_rate(0.1)).join().unwrap()?;
    /// assert_eq!(tracing.control().sample_rate(), Some(0.1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn control(&self) -> Control {
        self.running.as_ref().map(|running| Control::new(&running.pipeline)).unwrap_or_default()
    }
}

/// What a guard ends.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) collector: Arc<Collector>,
    /// What the exporters are called, in the collector's order.
    #[cfg(feature = "metrics")]
    pub(super) exporters: Arc<[String]>,
    pub(super) over: AtomicBool,
}

impl Running {
    fn shutdown(&self, timeout: Duration) -> Result<(), ExportError> {
        pipeline::uninstall(&self.pipeline);
        let first = !self.over.swap(true, Ordering::Relaxed);
        let open = if first { self.open_spans() } else { Vec::new() };
        // Whoever asks again waits again for what is not done.
        let result = self.ask(timeout, Some(timeout));
        if !open.is_empty() {
            diagnostics::still_open(&render_open(&open));
        }
        result
    }

    fn stats(&self) -> Stats {
        by_exporter(&self.collector).into_iter().min_by_key(|stats| stats.exported).unwrap_or_default()
    }

    fn open_spans(&self) -> Vec<OpenSpan> {
        match self.pipeline.provider() {
            Provider::Ours(recorder) => recorder.open(self.pipeline.generation()),
            Provider::Foreign(_) => Vec::new(),
        }
    }

    /// Asks all exporters at once, and waits for their answers together.
    fn ask(&self, timeout: Duration, stop: Option<Duration>) -> Result<(), ExportError> {
        if !self.collector.is_here() {
            return Err(ExportError::Forked);
        }
        let outlet = self.collector.outlet();
        // A time too far away to be told is for ever.
        let until = Instant::now().checked_add(timeout);
        let (answers, answered): (Vec<_>, Vec<_>) = outlet.asked().map(|_| channel()).unzip();
        self.collector.ask(answers, stop);
        let mut result = Ok(());
        for (queue, answer) in outlet.asked().zip(answered) {
            let answer = match until {
                Some(until) => answer.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
                None => answer.recv().ok(),
            };
            let unanswered = || match queue.unanswered() {
                Ok(()) => Ok(()),
                Err(_) => Err(ExportError::TimedOut { waiting: self.stats().waiting }),
            };
            if let Err(error) = answer.unwrap_or_else(unanswered) {
                result = Err(error);
            }
        }
        if stop.is_some() && result.is_err() {
            outlet.give_up(timeout);
        }
        result
    }
}

/// What became of the spans on the way to each exporter; where there is none, once.
pub(super) fn by_exporter(collector: &Collector) -> Vec<Stats> {
    let totals = collector.totals();
    let outlet = collector.outlet();
    let staged = outlet.staged();
    let is_over = collector.is_over() && outlet.is_over();
    let stats = |counts: Counts| {
        let mut dropped = Dropped {
            queue_full: counts.dropped.queue_full + staged.dropped.queue_full + totals.no_room,
            after_shutdown: counts.dropped.after_shutdown + staged.dropped.after_shutdown + totals.too_late,
            not_kept: staged.dropped.not_kept,
            ..counts.dropped
        };
        let open = totals.started.saturating_sub(totals.ended);
        let gone = open + counts.exported + dropped.total();
        let mut waiting = totals.started.saturating_sub(gone);
        if outlet.queues().is_empty() {
            dropped.no_exporter = std::mem::take(&mut waiting);
        }
        if is_over {
            // Nobody is there any more to hand over what slipped in at the last moment.
            dropped.after_shutdown += std::mem::take(&mut waiting);
        }
        Stats {
            started: totals.started,
            open,
            waiting,
            exported: counts.exported,
            dropped,
            retried: counts.retried,
            early: staged.early,
        }
    };
    match outlet.queues() {
        [] => vec![stats(Counts::default())],
        queues => queues.iter().map(|queue| stats(queue.counts())).collect(),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Who has shut down by hand has been told the result.
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.shutdown(Duration::from_secs(5)) {
            diagnostics::not_seen_out(&error);
        }
    }
}
