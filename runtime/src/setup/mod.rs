//! Set-up: what spans are kept, where they go, and the guard that sees them out.

mod builder;
mod environment;
mod explanation;
mod exporter;
mod fault;
mod guard;
mod heed;
mod install;
mod judge;
mod name;
#[cfg(any(feature = "otlp", feature = "zipkin"))]
#[cfg_attr(
    not(all(feature = "grpc", feature = "zipkin", feature = "tls")),
    allow(unused_imports, reason = "what one exporter needs, another may not")
)]
mod network;
mod sampling;
mod stats;
#[cfg(test)]
mod tests;
mod unknown;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SpanLimits;

use crate::diagnostics::LogLevel;
use crate::exception::Exceptions;
use crate::export::{Capacity, Pace};
use crate::filter::Filter;
use crate::pipeline::{self, Pipeline, Policy, Provider, Sampler};
use crate::process::Processors;
use crate::route;
use environment::Chosen;
use explanation::{Origin, Origins};
use install::heed_opt_in;
use sampling::Deciding;

pub use builder::Builder;
pub use environment::EnvironmentFault;
pub use explanation::Explanation;
#[cfg(feature = "transport")]
pub(crate) use explanation::clean;
pub use fault::{ExportError, SetupError};
pub use guard::Tracing;
pub use stats::{Dropped, Early, Stats};

/// How much may wait, unless the set-up says otherwise.
const SPANS: usize = 65_536;
const BYTES: usize = 64 << 20;

/// Sets tracing up for a service, as the environment says; where it says nothing, one block per finished trace on stderr.
///
/// Keep the guard: dropping it flushes and ends the set-up.
///
/// ```
/// let _tracing = traced::init("checkout")?;
/// # Ok::<(), traced::SetupError>(())
/// ```
///
/// It is `builder(service)` with [`read_environment`](Builder::read_environment), which lists the variables;
/// [`Tracing::explain`] tells what came of them. The name given here is a default: `OTEL_SERVICE_NAME` wins.
///
/// # Errors
///
/// When a variable has a value that cannot be heeded, and when tracing is set up already.
pub fn init(service: impl Into<Cow<'static, str>>) -> Result<Tracing, SetupError> {
    builder(service).read_environment().install()
}

/// Begins a set-up in code. It asks the environment nothing, unless told to by
/// [`read_environment`](Builder::read_environment), but for `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN`.
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
    let Chosen { sampler, policy: known, name } = Chosen::every_root();
    Builder {
        enabled: None,
        resource: vec![(KeyValue::new("service.name", service.into()), Origin::Code)],
        sampler: Deciding { sampler, is_ours: true },
        sampler_name: name,
        policy: Policy { sampler: known, code_attributes: true, limits: SpanLimits::default() },
        propagators: None,
        max_value_bytes: crate::value::DEFAULT_LIMIT,
        exceptions: Exceptions::default(),
        filter: Filter::default(),
        filter_fault: None,
        processors: Processors::default(),
        baggage_attributes: Vec::new(),
        scrubber: Arc::default(),
        log_level: LogLevel::default(),
        tail: None,
        observers: Vec::new(),
        exporters: None,
        capacity: Capacity { spans: SPANS, bytes: BYTES },
        pace: Pace::default(),
        origins: Origins::default(),
        faults: Vec::new(),
        known: BTreeSet::new(),
    }
}

/// Sends spans through the tracer provider that the program has made global itself, whatever it is.
///
/// Call it after `opentelemetry::global::set_tracer_provider`; a later call looks again. Spans go to that provider as they were
/// recorded: no [`Scrubber`](crate::Scrubber), no hook and no sampling of this crate stands before its exporters.
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
    let mut exceptions = Exceptions::default();
    heed_opt_in(&mut exceptions);
    let provider = Provider::Foreign(Box::new(route::of_the_program()));
    let pipeline = Arc::new(Pipeline::new(provider, policy, exceptions));
    pipeline::install(Arc::clone(&pipeline)).map_err(|_| SetupError::AlreadyInstalled)?;
    *attached = Some(pipeline);
    Ok(())
}
