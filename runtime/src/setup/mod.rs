//! Set-up: what spans are kept, where they go, and the guard that sees them out.

mod environment;
mod explanation;
mod name;
#[cfg(feature = "otlp")]
mod otlp;
mod sampling;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use opentelemetry::logs::LoggerProvider;
use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{Sampler as SdkSampler, ShouldSample, SpanExporter, SpanLimits};

use crate::console::{Console, OpenSpan, render_open};
use crate::exception::Exceptions;
use crate::export::{Capacity, Export, OpenIn, Pace, Queue};
use crate::pipeline::{self, Pipeline, Policy, Provider, Sampler};
use crate::propagation::{self, Propagator};
use crate::record::{Collector, Recorder, Sink};
use crate::route;
use environment::{Chosen, Environment, Named, Told};
use explanation::{CODE_SPEAKS_LAST, Origin, Origins, Setting};
use sampling::Deciding;

pub use environment::EnvironmentFault;
pub use explanation::Explanation;

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
        exporters: Exporters(None),
        exporter_settings: Vec::new(),
        capacity: Capacity { spans: SPANS, bytes: BYTES },
        pace: Pace::default(),
        origins: Origins::default(),
        faults: Vec::new(),
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
    /// What the environment says about all of it.
    enabled: Option<Told<bool>>,
    resource: Vec<(KeyValue, Origin)>,
    sampler: Deciding,
    sampler_name: String,
    policy: Policy,
    propagators: Option<Vec<Propagator>>,
    max_value_bytes: usize,
    exceptions: Exceptions,
    exporters: Exporters,
    /// What else there is to tell of those that the environment named.
    exporter_settings: Vec<(Setting, String, Origin)>,
    capacity: Capacity,
    pace: Pace,
    origins: Origins,
    faults: Vec<EnvironmentFault>,
}

/// The exporters of a set-up with their names, before it is installed; `None` where nobody has said anything.
struct Exporters(Option<Vec<(Box<dyn Export>, &'static str)>>);

impl Exporters {
    /// The names of those there will be.
    fn names(&self) -> String {
        match &self.0 {
            None => Named::Console.name().to_owned(),
            Some(exporters) if exporters.is_empty() => "none".to_owned(),
            Some(exporters) => exporters.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", "),
        }
    }
}

impl fmt::Debug for Exporters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exporters").field(&self.names()).finish()
    }
}

impl Builder {
    /// Heeds the environment: each variable that is set, and not empty, replaces what was said before, and what is said
    /// afterwards replaces it in turn. The environment is read here, once.
    ///
    /// ```
    /// let tracing = traced::builder("checkout")
    ///     .queue(10_000) // unless OTEL_BSP_MAX_QUEUE_SIZE says otherwise
    ///     .read_environment()
    ///     .code_attributes(false) // whatever the environment says
    ///     .install()?;
    /// assert!(tracing.explain().to_string().contains("code attributes: false (code)"));
    /// # Ok::<(), traced::SetupError>(())
    /// ```
    ///
    /// | variable | says | values |
    /// |---|---|---|
    /// | `OTEL_SDK_DISABLED`, else `ENABLE_TRACING` | whether there is tracing at all; code cannot overrule it | `true`, `false` |
    /// | `OTEL_SERVICE_NAME` | the service's name, also before `service.name` in the next | text |
    /// | `OTEL_RESOURCE_ATTRIBUTES` | attributes of the service | `key=value,key=value`, values percent-encoded |
    /// | `OTEL_TRACES_EXPORTER`, else `TRACING_EXPORTER` | the exporters | a list of `console`, `otlp` (feature `otlp`); or `none` |
    /// | `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, else `OTEL_EXPORTER_OTLP_ENDPOINT`, else `OTLP_ENDPOINT` | where `otlp` goes; to the latter two, `/v1/traces` is added | a URL with `http://`; without it `http://localhost:4318/v1/traces` |
    /// | `OTEL_EXPORTER_OTLP_HEADERS` | what `otlp` sends beside, such as a key | `name=value,name=value`, values percent-encoded |
    /// | `OTEL_EXPORTER_OTLP_TIMEOUT` | how long `otlp` waits for an answer | milliseconds; without it 10,000 |
    /// | `OTEL_EXPORTER_OTLP_COMPRESSION` | how `otlp` packs | `gzip`, `none` |
    /// | `OTEL_EXPORTER_OTLP_PROTOCOL` | how `otlp` speaks | `http/protobuf` |
    /// | `OTEL_TRACES_SAMPLER` | [which spans are kept](Self::sampler) | `always_on`, `always_off`, `traceidratio`, each also with `parentbased_` before it |
    /// | `OTEL_TRACES_SAMPLER_ARG` | the share of the two with `traceidratio`; without it, all | 0 to 1 |
    /// | `TRACING_SAMPLE_RATE`, without `OTEL_TRACES_SAMPLER` | the share of the roots; others follow their parents | 0 to 1 |
    /// | `OTEL_PROPAGATORS` | [the propagators](Self::propagators) | a list of `tracecontext`, `baggage`, `b3`, `b3multi`; or `none` |
    /// | `OTEL_BSP_MAX_QUEUE_SIZE` | [`queue`](Self::queue) | spans, 1 or more |
    /// | `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` | [`batch`](Self::batch) | spans, 1 or more, and no more than the queue has |
    /// | `OTEL_BSP_SCHEDULE_DELAY` | [`delay`](Self::delay) | milliseconds, 1 or more |
    /// | `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`, else `OTEL_ATTRIBUTE_COUNT_LIMIT` | attributes of a span | 0 or more |
    /// | `OTEL_SPAN_EVENT_COUNT_LIMIT`, `OTEL_SPAN_LINK_COUNT_LIMIT` | events, links of a span | 0 or more |
    /// | `OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT`, `OTEL_LINK_ATTRIBUTE_COUNT_LIMIT` | attributes of an event, a link | 0 or more |
    /// | `OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT`, else `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT` | [how long a text may be](Self::max_value_bytes): in bytes, where OpenTelemetry counts characters | 0 or more |
    ///
    /// `OTEL_EXPORTER_OTLP_TRACES_…` wins over `OTEL_EXPORTER_OTLP_…`.
    ///
    /// Where tracing is switched off, calls cost what they cost without a set-up, and of the other variables only
    /// `OTEL_PROPAGATORS` is read. Other variables of OpenTelemetry's are not heeded, and [`Tracing::explain`] says so.
    ///
    /// A value that cannot be heeded is an error of [`install`](Self::install), which tells all of them at once.
    pub fn read_environment(self) -> Self {
        self.read_variables(&|name| std::env::var_os(name))
    }

    fn read_variables(mut self, lookup: &dyn Fn(&str) -> Option<OsString>) -> Self {
        /// Puts what was told in its place.
        fn heed<T>(origins: &mut Origins, setting: Setting, told: Option<Told<T>>, place: &mut T) {
            if let Some(Told { value, variable }) = told {
                origins.say(setting, Origin::Variable(variable));
                *place = value;
            }
        }

        let mut told = Environment::read(lookup);
        for Told { value, variable } in told.resource {
            self.resource.push((value, Origin::Variable(variable)));
        }
        if let Some(Told { value: named, variable }) = told.exporters {
            self.origins.say(Setting::Exporters, Origin::Variable(variable));
            let console = || Box::new(Console::new()) as Box<dyn Export>;
            let mut exporters = Vec::new();
            for named in named {
                let exporter = match named {
                    Named::Console => Ok(console()),
                    #[cfg(feature = "otlp")]
                    Named::Otlp => match &told.otlp {
                        Some(otlp) => otlp.exporter().map(|exporter| Box::new(exporter) as Box<dyn Export>),
                        None => continue,
                    },
                };
                match exporter {
                    Ok(exporter) => exporters.push((exporter, named.name())),
                    Err(reason) => {
                        let value = named.name().to_owned();
                        told.faults.push(EnvironmentFault { variable, value, reason });
                    }
                }
            }
            self.exporters.0 = Some(exporters);
            #[cfg(feature = "otlp")]
            if let Some(otlp) = &told.otlp {
                self.exporter_settings = otlp.settings();
            }
        }
        if let Some(Told { value: Chosen { sampler, policy, name }, variable }) = told.sampler {
            self.origins.say(Setting::Sampler, Origin::Variable(variable));
            self.sampler = Deciding { sampler, is_ours: true };
            self.policy.sampler = policy;
            self.sampler_name = name;
        }
        let said = &mut self.origins;
        let propagators =
            told.propagators.map(|Told { value, variable }| Told { value: Some(value), variable });
        heed(said, Setting::Propagators, propagators, &mut self.propagators);
        heed(said, Setting::Queue, told.queue, &mut self.capacity.spans);
        heed(said, Setting::Batch, told.batch, &mut self.pace.batch);
        heed(said, Setting::Delay, told.delay, &mut self.pace.delay);
        let limits = &mut self.policy.limits;
        heed(said, Setting::SpanAttributes, told.span_attributes, &mut limits.max_attributes_per_span);
        heed(said, Setting::SpanEvents, told.span_events, &mut limits.max_events_per_span);
        heed(said, Setting::SpanLinks, told.span_links, &mut limits.max_links_per_span);
        heed(said, Setting::EventAttributes, told.event_attributes, &mut limits.max_attributes_per_event);
        heed(said, Setting::LinkAttributes, told.link_attributes, &mut limits.max_attributes_per_link);
        heed(said, Setting::ValueBytes, told.value_bytes, &mut self.max_value_bytes);
        for ignored in told.ignored {
            said.ignore(ignored.variable, ignored.why);
        }
        self.enabled = told.enabled;
        self.faults = told.faults;
        self
    }

    /// The service's version: `service.version`.
    pub fn version(self, version: impl Into<Cow<'static, str>>) -> Self {
        self.resource([KeyValue::new("service.version", version.into())])
    }

    /// Where the service runs: `deployment.environment.name`.
    pub fn environment(self, environment: impl Into<Cow<'static, str>>) -> Self {
        self.resource([KeyValue::new("deployment.environment.name", environment.into())])
    }

    /// Attributes of the service. The last one of a key counts.
    pub fn resource(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        self.resource.extend(attributes.into_iter().map(|attribute| (attribute, Origin::Code)));
        self
    }

    /// An exporter, as often as called; each has a queue and a thread of its own. Without any, the console. They replace
    /// those that the environment named before.
    pub fn exporter<E: SpanExporter + 'static>(mut self, exporter: E) -> Self {
        if self.origins.of(Setting::Exporters) != Origin::Code {
            self.exporters.0 = None;
        }
        for (_, _, origin) in std::mem::take(&mut self.exporter_settings) {
            if let Origin::Variable(variable) = origin {
                self.origins.ignore(variable, CODE_SPEAKS_LAST);
            }
        }
        self.origins.say(Setting::Exporters, Origin::Code);
        let name = if std::any::TypeId::of::<E>() == std::any::TypeId::of::<Console>() {
            Named::Console.name()
        } else {
            std::any::type_name::<E>()
        };
        self.exporters.0.get_or_insert_default().push((Box::new(exporter), name));
        self
    }

    /// How many finished spans may wait for each exporter; newer ones are dropped and counted. Default 65,536.
    pub fn queue(mut self, spans: usize) -> Self {
        self.origins.say(Setting::Queue, Origin::Code);
        self.capacity.spans = spans.max(1);
        self
    }

    /// How many bytes of finished spans may wait: for each exporter, and together in the rings of all threads. Newer spans
    /// are dropped and counted. A thread has a ring of 16 kB in any case, and of 8 MB at most, which it keeps. Default 64 MB.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.origins.say(Setting::Buffer, Origin::Code);
        self.capacity.bytes = bytes;
        self
    }

    /// How many spans an exporter gets at once; no more than its queue has. So many do not wait for the
    /// [`delay`](Self::delay). Default 512.
    pub fn batch(mut self, spans: usize) -> Self {
        self.origins.say(Setting::Batch, Origin::Code);
        self.pace.batch = spans.max(1);
        self
    }

    /// How long a finished span waits in the queue for others to go with it: a millisecond or more. Default 200 ms.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.origins.say(Setting::Delay, Origin::Code);
        self.pace.delay = delay.max(Duration::from_millis(1));
        self
    }

    /// How many attributes, events and links a span may have, beside the three attributes of its call site; what is beyond is
    /// dropped, and the span says how much. Default 128 of each.
    pub fn limits(mut self, limits: SpanLimits) -> Self {
        for setting in LIMITS {
            self.origins.say(setting, Origin::Code);
        }
        self.policy.limits = limits;
        self
    }

    /// Which spans are kept. It is asked before attributes are evaluated, and so sees none of them; see
    /// [`attribute_sampler`](Self::attribute_sampler). Default: the parent's decision, and every root.
    ///
    /// The SDK's `Sampler::ParentBased` and `Sampler::AlwaysOff` are known by name: the first is asked for roots only, and
    /// below a span that was not sampled neither is asked at all.
    pub fn sampler(self, sampler: impl ShouldSample + 'static) -> Self {
        let known = Sampler::of(&sampler);
        self.sample(sampler, known)
    }

    /// As [`sampler`](Self::sampler), for one that looks at attributes: they are evaluated for every call, first.
    pub fn attribute_sampler(self, sampler: impl ShouldSample + 'static) -> Self {
        self.sample(sampler, Sampler::ReadsAttributes)
    }

    fn sample<S: ShouldSample + 'static>(mut self, sampler: S, known: Sampler) -> Self {
        self.origins.say(Setting::Sampler, Origin::Code);
        self.sampler_name = match (&sampler as &dyn std::any::Any).downcast_ref() {
            Some(SdkSampler::AlwaysOn) => "always_on".to_owned(),
            Some(SdkSampler::AlwaysOff) => "always_off".to_owned(),
            Some(SdkSampler::TraceIdRatioBased(ratio)) => format!("traceidratio, {ratio}"),
            // What a sampler says about itself may be anything.
            Some(SdkSampler::ParentBased(_)) => "parentbased".to_owned(),
            _ => std::any::type_name::<S>().to_owned(),
        };
        self.policy.sampler = known;
        self.sampler = Deciding { sampler: Box::new(sampler), is_ours: false };
        self
    }

    /// What [`inject`](crate::inject) writes and [`extract`](crate::extract) reads.
    pub fn propagators(mut self, propagators: impl IntoIterator<Item = Propagator>) -> Self {
        self.origins.say(Setting::Propagators, Origin::Code);
        self.propagators = Some(propagators.into_iter().collect());
        self
    }

    /// Whether spans carry `code.function.name`, `code.file.path` and `code.line.number`. Default: they do.
    pub fn code_attributes(mut self, carry: bool) -> Self {
        self.origins.say(Setting::CodeAttributes, Origin::Code);
        self.policy.code_attributes = carry;
        self
    }

    /// How long a text may be, in bytes; a longer one is cut at a character boundary. Default 4,096.
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.origins.say(Setting::ValueBytes, Origin::Code);
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
    /// Where the environment switches tracing off, nothing is installed but the propagators, and the guard has nothing to
    /// do.
    ///
    /// # Errors
    ///
    /// When a variable that [`read_environment`](Self::read_environment) read has a value that cannot be heeded, and when
    /// tracing is set up already.
    pub fn install(mut self) -> Result<Tracing, SetupError> {
        if !self.faults.is_empty() {
            return Err(SetupError::Environment(self.faults));
        }
        let enabled = self.enabled.take();
        let origin = enabled.as_ref().map_or(Origin::Default, |told| Origin::Variable(told.variable));
        if enabled.is_some_and(|told| !told.value) {
            let mut explanation = Explanation::new(false, origin);
            explanation.setting(
                Setting::Propagators,
                self.propagator_names(),
                self.origins.of(Setting::Propagators),
            );
            explanation.ignored(self.origins.ignored);
            propagate(self.propagators);
            return Ok(Tracing { running: None, explanation });
        }
        if pipeline::installed().is_some() {
            return Err(SetupError::AlreadyInstalled);
        }
        self.read_exceptions();
        let resource = self.whole_resource();
        let explanation = self.explain(Explanation::new(true, origin), &resource);
        let attributes = resource.into_iter().map(|(key, (value, _))| KeyValue::new(key, value));
        let resource = Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_attributes(attributes)
            .build();
        let console = || vec![(Box::new(Console::new()) as Box<dyn Export>, Named::Console.name())];
        let exporters = self.exporters.0.unwrap_or_else(console);
        let collector =
            start(exporters, &resource, self.capacity, self.pace).map_err(SetupError::NoThread)?;
        let recorder = Recorder::new(Box::new(self.sampler), Sink::Exporters(Arc::clone(&collector)));
        let pipeline = Arc::new(Pipeline::new(Provider::Ours(recorder), self.policy, self.exceptions));
        if pipeline::install(Arc::clone(&pipeline)).is_err() {
            let unheard = collector.queues().iter().map(|_| channel().0).collect();
            collector.ask(unheard, Some(Duration::ZERO));
            return Err(SetupError::AlreadyInstalled);
        }
        crate::value::set_limit(self.max_value_bytes);
        propagate(self.propagators);
        route::ensure();
        let running = Running { pipeline, collector, over: AtomicBool::new(false) };
        Ok(Tracing { running: Some(running), explanation })
    }

    /// The one variable that is always read: it decides what spans are, and not where they go.
    fn read_exceptions(&mut self) {
        let said = std::env::var_os(EXCEPTIONS).is_some_and(|value| !value.is_empty());
        self.exceptions = exceptions_by_environment(std::mem::take(&mut self.exceptions));
        if said {
            self.origins.say(Setting::Exceptions, Origin::Variable(EXCEPTIONS));
        }
    }

    /// The last of each key, in the order of the keys.
    fn whole_resource(&mut self) -> BTreeMap<Key, (Value, Origin)> {
        let mut whole = BTreeMap::new();
        for (attribute, origin) in std::mem::take(&mut self.resource) {
            let before = whole.insert(attribute.key.clone(), (attribute.value, origin));
            if let (Some((_, Origin::Variable(variable))), Origin::Code) = (before, origin) {
                self.origins.ignore(variable, format!("its `{}` alone: {CODE_SPEAKS_LAST}", attribute.key));
            }
        }
        whole
    }

    fn propagator_names(&self) -> String {
        match &self.propagators {
            None => "tracecontext, baggage; b3 is read as well".to_owned(),
            Some(list) if list.is_empty() => "none".to_owned(),
            Some(list) => list.iter().map(Propagator::name).collect::<Vec<_>>().join(", "),
        }
    }

    fn explain(
        &mut self,
        mut explanation: Explanation,
        resource: &BTreeMap<Key, (Value, Origin)>,
    ) -> Explanation {
        for (key, (value, origin)) in resource {
            explanation.attribute(key.as_str(), &value.as_str(), *origin);
        }
        let limits = &self.policy.limits;
        let batch = match (self.pace.batch, self.capacity.spans) {
            (batch, queue) if batch > queue => format!("{queue}, all that the queue has, of {batch}"),
            (batch, _) => batch.to_string(),
        };
        explanation.setting(Setting::Exporters, self.exporters.names(), self.origins.of(Setting::Exporters));
        for (setting, value, origin) in &self.exporter_settings {
            explanation.setting(*setting, value.clone(), *origin);
        }
        for (setting, value) in [
            (Setting::Sampler, self.sampler_name.clone()),
            (Setting::Propagators, self.propagator_names()),
            (Setting::Queue, self.capacity.spans.to_string()),
            (Setting::Buffer, self.capacity.bytes.to_string()),
            (Setting::Batch, batch),
            (Setting::Delay, format!("{:?}", self.pace.delay)),
            (Setting::SpanAttributes, limits.max_attributes_per_span.to_string()),
            (Setting::SpanEvents, limits.max_events_per_span.to_string()),
            (Setting::SpanLinks, limits.max_links_per_span.to_string()),
            (Setting::EventAttributes, limits.max_attributes_per_event.to_string()),
            (Setting::LinkAttributes, limits.max_attributes_per_link.to_string()),
            (Setting::ValueBytes, self.max_value_bytes.to_string()),
            (Setting::CodeAttributes, self.policy.code_attributes.to_string()),
            (Setting::Exceptions, self.exceptions.name().to_owned()),
        ] {
            explanation.setting(setting, value, self.origins.of(setting));
        }
        explanation.ignored(std::mem::take(&mut self.origins.ignored));
        explanation
    }
}

const LIMITS: [Setting; 5] = [
    Setting::SpanAttributes,
    Setting::SpanEvents,
    Setting::SpanLinks,
    Setting::EventAttributes,
    Setting::LinkAttributes,
];

/// What `inject` and `extract` do from now on, and libraries that ask OpenTelemetry.
fn propagate(propagators: Option<Vec<Propagator>>) {
    propagation::configure(propagators);
    opentelemetry::global::set_text_map_propagator(propagation::configured());
}

/// Starts the threads: one for each exporter, and the one that serves them.
fn start(
    exporters: Vec<(Box<dyn Export>, &'static str)>,
    resource: &Resource,
    capacity: Capacity,
    pace: Pace,
) -> std::io::Result<Arc<Collector>> {
    let open: OpenIn = Arc::new(|trace| {
        pipeline::installed().map_or(0, |pipeline| match pipeline.provider() {
            Provider::Ours(recorder) => recorder.open_in(trace),
            Provider::Foreign(_) => 0,
        })
    });
    let mut queues: Vec<Arc<Queue>> = Vec::new();
    let started = exporters
        .into_iter()
        .try_for_each(|(exporter, _)| {
            queues.push(Queue::start(exporter, resource, Arc::clone(&open), capacity, pace)?);
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
    /// Nothing runs where the environment switches tracing off.
    running: Option<Running>,
    explanation: Explanation,
}

impl Tracing {
    /// Returns when every span that has ended before has been handed to every exporter.
    ///
    /// # Errors
    ///
    /// What has not been handed over, and why: an exporter failed, or took longer than thirty seconds.
    pub fn flush(&self) -> Result<(), ExportError> {
        self.running.as_ref().map_or(Ok(()), |running| running.ask(Duration::from_secs(30), None))
    }

    /// Flushes and ends the set-up, waiting no longer than `timeout`. Another may be installed then.
    ///
    /// Spans still open are listed on stderr: they are lost.
    ///
    /// # Errors
    ///
    /// What has not been handed over, and why.
    pub fn shutdown(&self, timeout: Duration) -> Result<(), ExportError> {
        self.running.as_ref().map_or(Ok(()), |running| running.shutdown(timeout))
    }

    /// How many spans were started, exported, dropped and why, and are open.
    pub fn stats(&self) -> Stats {
        self.running.as_ref().map(Running::stats).unwrap_or_default()
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
        self.explanation.clone()
    }
}

/// What a guard ends.
#[derive(Debug)]
struct Running {
    pipeline: Arc<Pipeline>,
    collector: Arc<Collector>,
    over: AtomicBool,
}

impl Running {
    fn shutdown(&self, timeout: Duration) -> Result<(), ExportError> {
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

    fn stats(&self) -> Stats {
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
        if self.collector.queues().is_empty() {
            dropped.no_exporter = std::mem::take(&mut waiting);
        }
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

impl Drop for Running {
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
    /// There is no exporter: the environment says `none`.
    pub no_exporter: u64,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.queue_full + self.export_failed + self.after_shutdown + self.no_exporter
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
    /// Variables of the environment have values that cannot be heeded; see [`Builder::read_environment`].
    Environment(Vec<EnvironmentFault>),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInstalled => f.write_str(
                "tracing is set up already; keep one `traced::init` or `install`, or shut the first down before the second",
            ),
            Self::NoThread(error) => write!(f, "the exporter's thread could not be started: {error}"),
            Self::Environment(faults) => {
                f.write_str("the environment says what cannot be done:")?;
                let between = if faults.len() > 1 { "\n    " } else { " " };
                for fault in faults {
                    write!(f, "{between}{fault}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for SetupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::AlreadyInstalled | Self::Environment(_) => None,
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

/// Where exceptions are recorded.
const EXCEPTIONS: &str = "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN";

fn exceptions_by_environment(exceptions: Exceptions) -> Exceptions {
    let opt_in = std::env::var(EXCEPTIONS).ok();
    let (exceptions, warning) = exceptions.read(opt_in.as_deref());
    if let Some(warning) = warning {
        let _ = writeln!(std::io::stderr(), "traced: {warning}");
    }
    exceptions
}
