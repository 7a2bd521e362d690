//! Set-up: what spans are kept, where they go, and the guard that sees them out.

mod drain;
mod sampling;

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::logs::LoggerProvider;
use opentelemetry::trace::TraceId;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler as SdkSampler, SdkTracerProvider, ShouldSample, SpanExporter};

use crate::console::{Console, render_open};
use crate::exception::Exceptions;
use crate::pipeline::{self, Pipeline, Policy, Sampler};
use crate::propagation::{self, Propagator};
use crate::route;
use drain::{Drains, Watch};
use sampling::Deciding;

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
        policy: Policy { sampler: Sampler::ParentBased, code_attributes: true },
        propagators: None,
        max_value_bytes: crate::value::DEFAULT_LIMIT,
        exceptions: Exceptions::default(),
        drains: Drains::new(),
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
    let policy = Policy { sampler: Sampler::Plain, code_attributes: true };
    let exceptions = exceptions_by_environment(Exceptions::default());
    let pipeline = Arc::new(Pipeline::new(route::of_the_program(), policy, exceptions));
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
    drains: Drains,
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
        self.drains.add(exporter);
        self
    }

    /// How many finished spans may wait for each exporter; newer ones are dropped and counted. Default 65,536.
    pub fn queue(mut self, spans: usize) -> Self {
        self.drains.capacity = spans.max(1);
        self
    }

    /// Which spans are kept. It is asked before attributes are evaluated, and so sees none of them; see
    /// [`attribute_sampler`](Self::attribute_sampler). Default: the parent's decision, and every root.
    pub fn sampler(mut self, sampler: impl ShouldSample + 'static) -> Self {
        self.policy.sampler = Sampler::Plain;
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
        if self.drains.is_empty() {
            self.drains.add(Console::new());
        }
        let resource = Resource::builder().with_attributes(self.resource).build();
        let watch = Watch::new(self.drains.start(&resource).map_err(SetupError::NoThread)?);
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Deciding {
                is_ours: self.policy.sampler == Sampler::ParentBased,
                sampler: self.sampler,
            })
            .with_span_processor(watch.clone())
            .build();
        let pipeline =
            Arc::new(Pipeline::new(provider, self.policy, exceptions_by_environment(self.exceptions)));
        if pipeline::install(Arc::clone(&pipeline)).is_err() {
            watch.shutdown(Duration::ZERO).ok();
            return Err(SetupError::AlreadyInstalled);
        }
        crate::value::set_limit(self.max_value_bytes);
        propagation::configure(self.propagators);
        opentelemetry::global::set_text_map_propagator(propagation::configured());
        route::ensure();
        Ok(Tracing { pipeline, watch, over: AtomicBool::new(false) })
    }
}

/// The guard of a set-up. Dropping it flushes, waits five seconds at most, and ends the set-up.
#[derive(Debug)]
#[must_use = "dropping the guard ends the set-up; bind it: `let _tracing = …`"]
pub struct Tracing {
    pipeline: Arc<Pipeline>,
    watch: Watch,
    over: AtomicBool,
}

impl Tracing {
    /// Returns when every span that has ended before has been handed to every exporter.
    ///
    /// # Errors
    ///
    /// What has not been handed over, and why: an exporter failed, or took longer than thirty seconds.
    pub fn flush(&self) -> Result<(), ExportError> {
        self.watch.flush(Duration::from_secs(30))
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
        let open = if first { self.watch.open_spans() } else { Vec::new() };
        // Whoever asks again waits again for what is not done.
        let result = self.watch.shutdown(timeout);
        if !open.is_empty() {
            // A closed stderr is no reason to panic.
            let _ = std::io::stderr().write_all(render_open(&open).as_bytes());
        }
        result
    }

    /// How many spans were started, exported, dropped and why, and are open.
    pub fn stats(&self) -> Stats {
        self.watch.stats()
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
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { spans, reason } => write!(f, "{spans} spans were not exported: {reason}"),
            Self::TimedOut { waiting } => {
                write!(f, "the exporters were not done in time; {waiting} spans are waiting")
            }
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

/// What the console asks: how many spans of a trace have not ended.
type OpenIn = Arc<dyn Fn(TraceId) -> usize + Send + Sync>;
