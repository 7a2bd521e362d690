//! Set-up: what spans are kept, where they go, and the guard that sees them out.

mod sampling;

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::logs::LoggerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler as SdkSampler, ShouldSample, SpanExporter, SpanLimits};

use crate::console::{Console, OpenSpan, render_open};
use crate::exception::Exceptions;
use crate::export::{Capacity, Export, OpenIn, Queue};
use crate::pipeline::{self, Pipeline, Policy, Provider, Sampler};
use crate::propagation::{self, Propagator};
use crate::record::{Collector, Recorder, Sink};
use crate::route;
use sampling::Deciding;

/// How much may wait, unless the set-up says otherwise.
const SPANS: usize = 65_536;
const BYTES: usize = 64 << 20;

/// Sets tracing up for a service, with the console as its exporter: one block per finished trace on stderr.
///
/// Keep the guard: dropping it flushes and ends the set-up.
///
/// ```
/// let _tracing = traced::init("checkout")?;
/// # Ok::<(), traced::SetupError>(())
/// ```
///
/// # Errors
///
/// When tracing is set up already.
pub fn init(service: impl Into<Cow<'static, str>>) -> Result<Tracing, SetupError> {
    builder(service).install()
}

/// Begins a set-up in code.
///
/// ```
/// let tracing = traced::builder("checkout")
///     .version("1.4.0")
///     .environment("staging")
///     .exporter(traced::Console::new())
///     .install()?;
/// assert_eq!(tracing.stats().started, 0);
/// # Ok::<(), traced::SetupError>(())
/// ```
pub fn builder(service: impl Into<Cow<'static, str>>) -> Builder {
    Builder {
        resource: vec![KeyValue::new("service.name", service.into())],
        sampler: Box::new(SdkSampler::ParentBased(Box::new(SdkSampler::AlwaysOn))),
        policy: Policy { sampler: Sampler::Always, code_attributes: true, limits: SpanLimits::default() },
        propagators: None,
        max_value_bytes: crate::value::DEFAULT_LIMIT,
        exceptions: Exceptions::default(),
        exporters: Exporters(Vec::new()),
        capacity: Capacity { spans: SPANS, bytes: BYTES },
    }
}

/// Sends spans through the tracer provider that the program has made global itself, whatever it is.
///
/// Call it after `opentelemetry::global::set_tracer_provider`; a later call looks again.
///
/// ```
/// use traced::opentelemetry::{global, trace::noop::NoopTracerProvider};
///
/// global::set_tracer_provider(NoopTracerProvider::new());
/// traced::attach_global()?;
/// # Ok::<(), traced::SetupError>(())
/// ```
///
/// # Errors
///
/// When `init` or `builder` has installed a pipeline that is still there.
pub fn attach_global() -> Result<(), SetupError> {
    use std::sync::{Mutex, PoisonError};
    static ATTACHED: Mutex<Option<Arc<Pipeline>>> = Mutex::new(None);

    let mut attached = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(before) = attached.take() {
        pipeline::uninstall(&before);
    }
    let policy = Policy { sampler: Sampler::Plain, code_attributes: true, limits: pipeline::no_limits() };
    let exceptions = exceptions_by_environment(Exceptions::default());
    let provider = Provider::Foreign(Box::new(route::of_the_program()));
    let pipeline = Arc::new(Pipeline::new(provider, policy, exceptions));
    pipeline::install(Arc::clone(&pipeline)).map_err(|_| SetupError::AlreadyInstalled)?;
    *attached = Some(pipeline);
    Ok(())
}

/// A set-up in the making; see [`builder`].
#[derive(Debug)]
#[must_use = "nothing is set up before `install`"]
pub struct Builder {
    resource: Vec<KeyValue>,
    sampler: Box<dyn ShouldSample>,
    policy: Policy,
    propagators: Option<Vec<Propagator>>,
    max_value_bytes: usize,
    exceptions: Exceptions,
    exporters: Exporters,
    capacity: Capacity,
}

/// The exporters of a set-up, before it is installed.
struct Exporters(Vec<Box<dyn Export>>);

impl fmt::Debug for Exporters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exporters").field(&self.0.len()).finish()
    }
}

impl Builder {
    /// The service's version: `service.version`.
    pub fn version(self, version: impl Into<Cow<'static, str>>) -> Self {
        self.resource_attribute(KeyValue::new("service.version", version.into()))
    }

    /// Where the service runs: `deployment.environment.name`.
    pub fn environment(self, environment: impl Into<Cow<'static, str>>) -> Self {
        self.resource_attribute(KeyValue::new("deployment.environment.name", environment.into()))
    }

    /// Attributes of the service, beside those that OpenTelemetry's environment variables give.
    pub fn resource(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        self.resource.extend(attributes);
        self
    }

    fn resource_attribute(mut self, attribute: KeyValue) -> Self {
        self.resource.push(attribute);
        self
    }

    /// An exporter, as often as called; each has a queue and a thread of its own. Without any, the console.
    pub fn exporter(mut self, exporter: impl SpanExporter + 'static) -> Self {
        self.exporters.0.push(Box::new(exporter));
        self
    }

    /// How many finished spans may wait for each exporter; newer ones are dropped and counted. Default 65,536.
    pub fn queue(mut self, spans: usize) -> Self {
        self.capacity.spans = spans.max(1);
        self
    }

    /// How many bytes of finished spans may wait: for each exporter, and together in the rings of all threads. Newer spans
    /// are dropped and counted. A thread has a ring of 16 kB in any case, and of 8 MB at most, which it keeps. Default 64 MB.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.capacity.bytes = bytes;
        self
    }

    /// How many attributes, events and links a span may have, beside the three attributes of its call site; what is beyond is
    /// dropped, and the span says how much. Default 128 of each.
    pub fn limits(mut self, limits: SpanLimits) -> Self {
        self.policy.limits = limits;
        self
    }

    /// Which spans are kept. It is asked before attributes are evaluated, and so sees none of them; see
    /// [`attribute_sampler`](Self::attribute_sampler). Default: the parent's decision, and every root.
    ///
    /// The SDK's `Sampler::ParentBased` and `Sampler::AlwaysOff` are known by name: the first is asked for roots only, and
    /// below a span that was not sampled neither is asked at all.
    pub fn sampler(mut self, sampler: impl ShouldSample + 'static) -> Self {
        self.policy.sampler = Sampler::of(&sampler);
        self.sampler = Box::new(sampler);
        self
    }

    /// As [`sampler`](Self::sampler), for one that looks at attributes: they are evaluated for every call, first.
    pub fn attribute_sampler(mut self, sampler: impl ShouldSample + 'static) -> Self {
        self.policy.sampler = Sampler::ReadsAttributes;
        self.sampler = Box::new(sampler);
        self
    }

    /// What [`inject`](crate::inject) writes and [`extract`](crate::extract) reads.
    pub fn propagators(mut self, propagators: impl IntoIterator<Item = Propagator>) -> Self {
        self.propagators = Some(propagators.into_iter().collect());
        self
    }

    /// Whether spans carry `code.function.name`, `code.file.path` and `code.line.number`. Default: they do.
    pub fn code_attributes(mut self, carry: bool) -> Self {
        self.policy.code_attributes = carry;
        self
    }

    /// How long a text may be, in bytes; a longer one is cut at a character boundary. Default 4,096.
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = bytes;
        self
    }

    /// Where exceptions go as log records, if `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN` is `logs` (instead of span
    /// events) or `logs/dup` (beside them).
    pub fn logs<P>(mut self, provider: &P) -> Self
    where
        P: LoggerProvider,
        P::Logger: Send + Sync + 'static,
    {
        self.exceptions.log_to(provider);
        self
    }

    /// Installs the set-up: for every traced function, and for spans that other code makes through
    /// `opentelemetry::global`.
    ///
    /// # Errors
    ///
    /// When tracing is set up already.
    pub fn install(mut self) -> Result<Tracing, SetupError> {
        if pipeline::installed().is_some() {
            return Err(SetupError::AlreadyInstalled);
        }
        if self.exporters.0.is_empty() {
            self.exporters.0.push(Box::new(Console::new()));
        }
        let resource = Resource::builder().with_attributes(self.resource).build();
        let collector = start(self.exporters, &resource, self.capacity).map_err(SetupError::NoThread)?;
        let is_ours = self.policy.sampler == Sampler::Always;
        let sampler = Box::new(Deciding { is_ours, sampler: self.sampler });
        let recorder = Recorder::new(sampler, Sink::Exporters(Arc::clone(&collector)));
        let exceptions = exceptions_by_environment(self.exceptions);
        let pipeline = Arc::new(Pipeline::new(Provider::Ours(recorder), self.policy, exceptions));
        if pipeline::install(Arc::clone(&pipeline)).is_err() {
            let unheard = collector.queues().iter().map(|_| channel().0).collect();
            collector.ask(unheard, Some(Duration::ZERO));
            return Err(SetupError::AlreadyInstalled);
        }
        crate::value::set_limit(self.max_value_bytes);
        propagation::configure(self.propagators);
        opentelemetry::global::set_text_map_propagator(propagation::configured());
        route::ensure();
        Ok(Tracing { pipeline, collector, over: AtomicBool::new(false) })
    }
}

/// Starts the threads: one for each exporter, and the one that serves them.
fn start(exporters: Exporters, resource: &Resource, capacity: Capacity) -> std::io::Result<Arc<Collector>> {
    let open: OpenIn = Arc::new(|trace| {
        pipeline::installed().map_or(0, |pipeline| match pipeline.provider() {
            Provider::Ours(recorder) => recorder.open_in(trace),
            Provider::Foreign(_) => 0,
        })
    });
    let mut queues: Vec<Arc<Queue>> = Vec::new();
    let started = exporters
        .0
        .into_iter()
        .try_for_each(|exporter| {
            queues.push(Queue::start(exporter, resource, Arc::clone(&open), capacity)?);
            Ok(())
        })
        .and_then(|()| Collector::start(queues.clone(), capacity.bytes));
    if started.is_err() {
        for queue in &queues {
            queue.ask(channel().0, Some(Duration::ZERO));
        }
    }
    started
}

/// The guard of a set-up. Dropping it flushes, waits five seconds at most, and ends the set-up.
#[derive(Debug)]
#[must_use = "dropping the guard ends the set-up; bind it: `let _tracing = …`"]
pub struct Tracing {
    pipeline: Arc<Pipeline>,
    collector: Arc<Collector>,
    over: AtomicBool,
}

impl Tracing {
    /// Returns when every span that has ended before has been handed to every exporter.
    ///
    /// # Errors
    ///
    /// What has not been handed over, and why: an exporter failed, or took longer than thirty seconds.
    pub fn flush(&self) -> Result<(), ExportError> {
        self.ask(Duration::from_secs(30), None)
    }

    /// Flushes and ends the set-up, waiting no longer than `timeout`. Another may be installed then.
    ///
    /// Spans still open are listed on stderr: they are lost.
    ///
    /// # Errors
    ///
    /// What has not been handed over, and why.
    pub fn shutdown(&self, timeout: Duration) -> Result<(), ExportError> {
        pipeline::uninstall(&self.pipeline);
        let first = !self.over.swap(true, Ordering::Relaxed);
        let open = if first { self.open_spans() } else { Vec::new() };
        // Whoever asks again waits again for what is not done.
        let result = self.ask(timeout, Some(timeout));
        if !open.is_empty() {
            // A closed stderr is no reason to panic.
            let _ = std::io::stderr().write_all(render_open(&open).as_bytes());
        }
        result
    }

    /// How many spans were started, exported, dropped and why, and are open.
    pub fn stats(&self) -> Stats {
        let totals = self.collector.totals();
        let counts = self.collector.queues().iter().map(|queue| queue.counts());
        let counts = counts.min_by_key(|counts| counts.exported).unwrap_or_default();
        let mut dropped = Dropped {
            queue_full: counts.dropped.queue_full + totals.no_room,
            after_shutdown: counts.dropped.after_shutdown + totals.too_late,
            ..counts.dropped
        };
        let open = totals.started.saturating_sub(totals.ended);
        let gone = open + counts.exported + dropped.total();
        let mut waiting = totals.started.saturating_sub(gone);
        if self.collector.is_over() && self.collector.queues().iter().all(|queue| queue.is_over()) {
            // Nobody is there any more to hand over what slipped in at the last moment.
            dropped.after_shutdown += std::mem::take(&mut waiting);
        }
        Stats { started: totals.started, open, waiting, exported: counts.exported, dropped }
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
        // A time too far away to be told is for ever.
        let until = Instant::now().checked_add(timeout);
        let (answers, answered): (Vec<_>, Vec<_>) = self.collector.queues().iter().map(|_| channel()).unzip();
        self.collector.ask(answers, stop);
        let mut result = Ok(());
        for (queue, answer) in self.collector.queues().iter().zip(answered) {
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
        result
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        // Who has shut down by hand has been told the result.
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.shutdown(Duration::from_secs(5)) {
            let _ = writeln!(std::io::stderr(), "traced: {error}");
        }
    }
}

/// What became of the spans so far; see [`Tracing::stats`].
///
/// `started` is the sum of the others. With several exporters, `waiting`, `exported` and `dropped` are those of the one
/// that got the fewest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Recorded spans that have begun.
    pub started: u64,
    /// Spans that have begun and not ended.
    pub open: u64,
    /// Spans that have ended and wait to be handed over.
    pub waiting: u64,
    /// Spans that were handed over.
    pub exported: u64,
    /// Spans that were lost, and why.
    pub dropped: Dropped,
}

/// Why spans were lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The queue had no room.
    pub queue_full: u64,
    /// The exporter failed or panicked.
    pub export_failed: u64,
    /// The set-up had ended.
    pub after_shutdown: u64,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.queue_full + self.export_failed + self.after_shutdown
    }
}

/// Why a set-up cannot be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum SetupError {
    /// Another set-up is in force.
    AlreadyInstalled,
    /// The thread that hands spans to an exporter could not be started.
    NoThread(std::io::Error),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInstalled => f.write_str(
                "tracing is set up already; keep one `traced::init` or `install`, or shut the first down before the second",
            ),
            Self::NoThread(error) => write!(f, "the exporter's thread could not be started: {error}"),
        }
    }
}

impl std::error::Error for SetupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::AlreadyInstalled => None,
            Self::NoThread(error) => Some(error),
        }
    }
}

/// Why spans have not been handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportError {
    /// Exporters failed since the last flush; the text is the last failure's.
    Failed {
        /// How many spans were lost by it.
        spans: u64,
        /// What the exporter said.
        reason: String,
    },
    /// Exporters were not done in time.
    TimedOut {
        /// How many spans are still waiting.
        waiting: u64,
    },
    /// This process was forked from the one that was set up, and the threads that export are not in it.
    Forked,
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { spans, reason } => write!(f, "{spans} spans were not exported: {reason}"),
            Self::TimedOut { waiting } => {
                write!(f, "the exporters were not done in time; {waiting} spans are waiting")
            }
            Self::Forked => f.write_str(
                "this process was forked after the set-up, and a fork takes no exporter along; set up in the child",
            ),
        }
    }
}

impl std::error::Error for ExportError {}

fn exceptions_by_environment(exceptions: Exceptions) -> Exceptions {
    let opt_in = std::env::var("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN").ok();
    let (exceptions, warning) = exceptions.read(opt_in.as_deref());
    if let Some(warning) = warning {
        let _ = writeln!(std::io::stderr(), "traced: {warning}");
    }
    exceptions
}
