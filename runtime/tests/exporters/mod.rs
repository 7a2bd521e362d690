//! Exporters that keep, that wait at a gate and that fail, and what tests ask of the spans they got.
//!
//! A set-up is the whole process's: whoever installs one holds the turn, or lets `exported` do all of it.
#![allow(dead_code, reason = "each test file needs a part of it")]

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use traced::opentelemetry::Value;
use traced::opentelemetry::trace::{Event, SpanContext, SpanId};
use traced::{Builder, Stats, Tracing};

/// Longer than anything here takes that works, on a machine that is busy.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Set-ups are for the whole process, so their tests take turns.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `run` exports under a set-up of its own, with what it gives.
pub(crate) fn exported<R>(run: impl FnOnce() -> R) -> (R, Spans) {
    exported_by(|builder| builder, run)
}

/// As `exported`, under a set-up of the test's making.
pub(crate) fn exported_by<R>(set_up: impl FnOnce(Builder) -> Builder, run: impl FnOnce() -> R) -> (R, Spans) {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = set_up(traced::builder("test").exporter(keeps.clone())).install().unwrap();
    let value = run();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(tracing.stats().dropped.total(), 0);
    (value, keeps.spans())
}

/// Keeps what it gets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keeps {
    spans: Arc<Mutex<Vec<SpanData>>>,
    pub(crate) resource: Arc<Mutex<Option<Resource>>>,
}

impl Keeps {
    pub(crate) fn spans(&self) -> Spans {
        Spans(self.spans.lock().unwrap().clone())
    }

    /// What has come since this was asked last.
    pub(crate) fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.spans.lock().unwrap())
    }

    pub(crate) fn count(&self) -> usize {
        self.spans.lock().unwrap().len()
    }

    fn keep(&self, batch: Vec<SpanData>) {
        self.spans.lock().unwrap().extend(batch);
    }
}

impl SpanExporter for Keeps {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.keep(batch);
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        *self.resource.lock().unwrap() = Some(resource.clone());
    }
}

/// Does with each batch what it is told.
#[derive(Clone)]
pub(crate) struct Does(Arc<dyn Fn(Vec<SpanData>) -> OTelSdkResult + Send + Sync>);

pub(crate) fn does(with: impl Fn(Vec<SpanData>) -> OTelSdkResult + Send + Sync + 'static) -> Does {
    Does(Arc::new(with))
}

impl std::fmt::Debug for Does {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Does")
    }
}

impl SpanExporter for Does {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        (self.0)(batch)
    }
}

/// Stands in `export` until its gate is opened, and keeps what it got then.
#[derive(Debug, Clone)]
pub(crate) struct Waits {
    pub(crate) keeps: Keeps,
    closed: Arc<Mutex<Receiver<()>>>,
    came: Sender<()>,
}

/// Opens when it is dropped.
#[derive(Debug)]
pub(crate) struct Gate {
    came: Receiver<()>,
    _closed: Sender<()>,
}

pub(crate) fn gated() -> (Waits, Gate) {
    let ((closed, open), (came, seen)) = (channel(), channel());
    (
        Waits { keeps: Keeps::default(), closed: Arc::new(Mutex::new(open)), came },
        Gate { came: seen, _closed: closed },
    )
}

impl Gate {
    /// Returns when the exporter stands at the gate.
    pub(crate) fn reached(&self) {
        self.came.recv_timeout(LONG).expect("the exporter gets a batch");
    }

    pub(crate) fn open(self) {}
}

impl SpanExporter for Waits {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        // Nobody may be looking.
        let _ = self.came.send(());
        // The other end sends nothing: it goes.
        let _ = self.closed.lock().unwrap().recv();
        self.keeps.keep(batch);
        Ok(())
    }
}

/// Spans as they came out.
#[derive(Debug)]
pub(crate) struct Spans(pub(crate) Vec<SpanData>);

impl Spans {
    /// The only one of that name.
    pub(crate) fn one(&self, name: &str) -> &SpanData {
        match self.all(name)[..] {
            [span] => span,
            ref spans => panic!("{} spans are called {name}, of {:?}", spans.len(), self.names()),
        }
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&SpanData> {
        self.0.iter().filter(|span| span.name == name).collect()
    }

    /// The only one with that context.
    pub(crate) fn of(&self, context: &SpanContext) -> &SpanData {
        let found: Vec<_> = self.0.iter().filter(|span| span.span_context == *context).collect();
        assert_eq!(found.len(), 1, "{context:?} among {:?}", self.names());
        found[0]
    }

    /// All names, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().map(|span| span.name.as_ref()).collect();
        names.sort_unstable();
        names
    }

    /// The names of a span and of those it is in, innermost first; what is not here ends the list.
    pub(crate) fn path(&self, name: &str) -> Vec<&str> {
        let by_id: HashMap<SpanId, &SpanData> =
            self.0.iter().map(|span| (span.span_context.span_id(), span)).collect();
        let mut path = Vec::new();
        let mut next = Some(self.one(name));
        while let Some(span) = next {
            path.push(span.name.as_ref());
            next = by_id.get(&span.parent_span_id).copied();
            if let Some(parent) = next {
                assert_eq!(parent.span_context.trace_id(), span.span_context.trace_id(), "{path:?}");
            }
        }
        path
    }
}

/// The attribute that counts: the one set last.
pub(crate) fn attribute<'a>(span: &'a SpanData, key: &str) -> Option<&'a Value> {
    span.attributes.iter().rfind(|attribute| attribute.key.as_str() == key).map(|attribute| &attribute.value)
}

/// The only event of that name.
pub(crate) fn event<'a>(span: &'a SpanData, name: &str) -> &'a Event {
    let found: Vec<_> = span.events.iter().filter(|event| event.name == name).collect();
    assert_eq!(found.len(), 1, "{name} among {:?}", span.events);
    found[0]
}

/// Whether each time is no later than the next. Clocks of different makes may differ by a millisecond.
pub(crate) fn is_in_order(times: &[SystemTime]) -> bool {
    times.is_sorted_by(|earlier, later| *earlier <= *later + Duration::from_millis(1))
}

/// What is sent to another service from here.
pub(crate) fn sent() -> HashMap<String, String> {
    let mut headers = HashMap::new();
    traced::inject(&mut headers);
    headers
}

/// What is sent from inside of a span.
pub(crate) fn traceparent(of: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", of.trace_id(), of.span_id(), of.trace_flags().to_u8())
}

/// Whether every span that was started is accounted for.
pub(crate) fn adds_up(stats: &Stats) -> bool {
    stats.started == stats.exported + stats.dropped.total() + stats.waiting + stats.open
}

/// The stats, once they are as said: a recorder may count a little later than things happen.
pub(crate) fn settled(tracing: &Tracing, as_said: impl Fn(&Stats) -> bool) -> Stats {
    let mut stats = tracing.stats();
    let is_settled = soon(|| {
        stats = tracing.stats();
        as_said(&stats)
    });
    assert!(is_settled, "{stats:?}");
    stats
}

/// Whether it comes about.
pub(crate) fn soon(mut comes: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !comes() {
        if begun.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}
