//! What the environment says about tracing: read once, judged, and nothing of it guessed.
//!
//! Knows the names of the variables and what may stand in them; what becomes of it is the builder's. Variables are asked
//! for through a closure, so that the rules can be tested without changing the process.

use std::cell::RefCell;
#[cfg(any(feature = "otlp", feature = "zipkin"))]
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::{Sampler as SdkSampler, ShouldSample};

use super::explanation::{Ignored, clean, is_secret};
use super::install::{EXCEPTIONS, exceptions};
use super::judge::{
    Judge, attributes, baggage_names, bytes, count, exporters, log_level, milliseconds, positive,
    propagators, ratio, truth,
};
use super::name::remedy;
use crate::diagnostics::LogLevel;
use crate::fault::debug_as_display;
use crate::filter::Filter;
use crate::pipeline::Sampler;
use crate::propagation::Propagator;

/// A variable of the environment whose value cannot be heeded.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvironmentFault {
    /// The variable's name.
    pub variable: &'static str,
    /// Its value; `***` where it might be a secret.
    pub value: String,
    /// What is wrong with it, and what is allowed.
    pub reason: String,
}

impl fmt::Display for EnvironmentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, value, reason } = self;
        write!(f, "`{variable}` is `{value}`; {reason}")
    }
}

debug_as_display!(EnvironmentFault);

/// What a variable says.
#[derive(Debug)]
pub(super) struct Told<T> {
    pub(super) value: T,
    pub(super) variable: &'static str,
}

/// An exporter that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    Console,
    #[cfg(feature = "otlp")]
    Otlp,
    #[cfg(feature = "otlp")]
    Jaeger,
    #[cfg(feature = "zipkin")]
    Zipkin,
    #[cfg(feature = "otlp-file")]
    OtlpStdout,
}

impl Named {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            #[cfg(feature = "otlp")]
            Self::Otlp => "otlp",
            #[cfg(feature = "otlp")]
            Self::Jaeger => "jaeger",
            #[cfg(feature = "zipkin")]
            Self::Zipkin => "zipkin",
            #[cfg(feature = "otlp-file")]
            Self::OtlpStdout => "otlp/stdout",
        }
    }
}

/// A sampler that has a name.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) sampler: Box<dyn ShouldSample>,
    /// What one knows of it without asking it.
    pub(super) policy: Sampler,
    pub(super) name: String,
}

impl Chosen {
    fn new(sampler: SdkSampler, name: &str) -> Self {
        Self { policy: Sampler::of(&sampler), sampler: Box::new(sampler), name: name.to_owned() }
    }

    /// The parent's decision, and every root: the default.
    pub(super) fn every_root() -> Self {
        let sampler = SdkSampler::ParentBased(Box::new(SdkSampler::AlwaysOn));
        Self { policy: Sampler::Always, ..Self::new(sampler, "parentbased_always_on") }
    }

    /// The parent's decision, and a share of the roots.
    fn roots(ratio: f64) -> Self {
        let sampler = SdkSampler::ParentBased(Box::new(SdkSampler::TraceIdRatioBased(ratio)));
        // Of all roots, nobody needs to be asked about any.
        let policy = if ratio < 1.0 { Sampler::ParentBased } else { Sampler::Always };
        Self { policy, ..Self::new(sampler, &format!("parentbased_traceidratio, {ratio}")) }
    }
}

/// All that the environment says.
#[derive(Default)]
pub(super) struct Environment {
    pub(super) enabled: Option<Told<bool>>,
    /// In the order in which they count: the last one of a key does.
    pub(super) resource: Vec<Told<KeyValue>>,
    pub(super) exporters: Option<Told<Vec<Named>>>,
    /// What those of them need that go over the network.
    #[cfg(any(feature = "otlp", feature = "zipkin"))]
    pub(super) network: BTreeMap<Named, super::network::Network>,
    pub(super) sampler: Option<Told<Chosen>>,
    pub(super) propagators: Option<Told<Vec<Propagator>>>,
    pub(super) filter: Option<Told<Filter>>,
    pub(super) baggage_attributes: Option<Told<Vec<String>>>,
    pub(super) queue: Option<Told<usize>>,
    pub(super) batch: Option<Told<usize>>,
    pub(super) delay: Option<Told<Duration>>,
    pub(super) export_timeout: Option<Told<Duration>>,
    pub(super) span_attributes: Option<Told<u32>>,
    pub(super) span_events: Option<Told<u32>>,
    pub(super) span_links: Option<Told<u32>>,
    pub(super) event_attributes: Option<Told<u32>>,
    pub(super) link_attributes: Option<Told<u32>>,
    pub(super) value_bytes: Option<Told<usize>>,
    pub(super) log_level: Option<Told<LogLevel>>,
    pub(super) ignored: Vec<Ignored>,
    pub(super) faults: Vec<EnvironmentFault>,
    /// All names that someone here knows, set or not.
    pub(super) known: BTreeSet<&'static str>,
}

const DISABLED: &str = "OTEL_SDK_DISABLED";
const ENABLE: &str = "ENABLE_TRACING";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const EXPORTER_SHORT: &str = "TRACING_EXPORTER";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
const SAMPLE_RATE: &str = "TRACING_SAMPLE_RATE";
const PROPAGATORS: &str = "OTEL_PROPAGATORS";
const FILTER: &str = "TRACED_FILTER";
const BAGGAGE_ATTRIBUTES: &str = "TRACED_BAGGAGE_ATTRIBUTES";
const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
const BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
const DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";
const EXPORT_TIMEOUT: &str = "OTEL_BSP_EXPORT_TIMEOUT";
const SPAN_ATTRIBUTES: &str = "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT";
const ATTRIBUTES: &str = "OTEL_ATTRIBUTE_COUNT_LIMIT";
const SPAN_EVENTS: &str = "OTEL_SPAN_EVENT_COUNT_LIMIT";
const SPAN_LINKS: &str = "OTEL_SPAN_LINK_COUNT_LIMIT";
const EVENT_ATTRIBUTES: &str = "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT";
const LINK_ATTRIBUTES: &str = "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT";
const SPAN_VALUE: &str = "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT";
const VALUE: &str = "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT";
const LOG_LEVEL: &str = "OTEL_LOG_LEVEL";

/// What counts while tracing is on, and only then.
const WHILE_ON: &[&str] = &[
    SERVICE,
    RESOURCE,
    EXPORTER,
    EXPORTER_SHORT,
    SAMPLER,
    SAMPLER_ARG,
    SAMPLE_RATE,
    FILTER,
    BAGGAGE_ATTRIBUTES,
    QUEUE,
    BATCH,
    DELAY,
    EXPORT_TIMEOUT,
    SPAN_ATTRIBUTES,
    ATTRIBUTES,
    SPAN_EVENTS,
    SPAN_LINKS,
    EVENT_ATTRIBUTES,
    LINK_ATTRIBUTES,
    SPAN_VALUE,
    VALUE,
];

/// What one exporter needs, and nobody else.
const OF_EXPORTERS: [(&str, &[&str]); 3] = [
    (
        "otlp",
        &[
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY",
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
            "OTEL_EXPORTER_OTLP_INSECURE",
            "OTEL_EXPORTER_OTLP_TRACES_INSECURE",
        ],
    ),
    (
        "jaeger",
        &[
            "OTEL_EXPORTER_JAEGER_ENDPOINT",
            "JAEGER_ENDPOINT",
            "OTEL_EXPORTER_JAEGER_AGENT_HOST",
            "OTEL_EXPORTER_JAEGER_TIMEOUT",
        ],
    ),
    ("zipkin", &["OTEL_EXPORTER_ZIPKIN_ENDPOINT", "ZIPKIN_ENDPOINT", "OTEL_EXPORTER_ZIPKIN_TIMEOUT"]),
];

/// What OpenTelemetry or other tools know, and this crate does not heed, and why.
const UNHEEDED: [(&str, &str); 5] = [
    ("OTEL_CONFIG_FILE", "nothing here heeds it yet"),
    ("OTEL_EXPORTER_JAEGER_AGENT_PORT", "Jaeger's agent is gone; Jaeger takes OTLP, on port 4318"),
    ("OTEL_EXPORTER_JAEGER_PROTOCOL", "Jaeger takes OTLP"),
    ("OTEL_EXPORTER_JAEGER_USER", "expected in `JAEGER_ENDPOINT`: `http://user:password@host:4318`"),
    ("OTEL_EXPORTER_JAEGER_PASSWORD", "expected in `JAEGER_ENDPOINT`: `http://user:password@host:4318`"),
];

impl Environment {
    /// Reads all there is, and finds every fault at once. What is empty is not set.
    pub(super) fn read(lookup: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let mut variables =
            Variables { lookup, asked: RefCell::default(), ignored: Vec::new(), faults: Vec::new() };
        let enabled =
            variables.first([(DISABLED, |text| truth(text).map(|disabled| !disabled)), (ENABLE, truth)]);
        // OpenTelemetry's switch leaves the propagators alone: what passes through is passed on.
        let propagators = variables.told(PROPAGATORS, propagators);
        // It tells why there are no traces, too.
        let log_level = variables.told(LOG_LEVEL, log_level);
        let mut environment = Self { propagators, log_level, ..Self::default() };
        match &enabled {
            Some(Told { value: false, variable }) => {
                for &name in WHILE_ON {
                    variables.ignore_if_set(name, format!("`{variable}` switches tracing off"));
                }
            }
            _ => environment.read_rest(&mut variables),
        }
        for (exporter, names) in OF_EXPORTERS {
            for name in names {
                variables.asked.get_mut().insert(name);
                if !environment.has(exporter) {
                    variables.ignore_if_set(name, format!("there is no exporter `{exporter}`"));
                }
            }
        }
        for (name, why) in UNHEEDED {
            variables.ignore_if_set(name, why);
        }
        let mut known = variables.asked.into_inner();
        known.extend(WHILE_ON.iter().copied().chain([EXCEPTIONS]));
        let Variables { ignored, faults, .. } = variables;
        Self { enabled, ignored, faults, known, ..environment }
    }

    fn has(&self, exporter: &str) -> bool {
        self.exporters.iter().flat_map(|told| &told.value).any(|named| named.name() == exporter)
    }

    fn read_rest(&mut self, variables: &mut Variables<'_>) {
        if let Some(attributes) = variables.told(RESOURCE, attributes) {
            let told = |value| Told { value, variable: attributes.variable };
            self.resource = attributes.value.into_iter().map(told).collect();
        }
        if let Some(name) = variables.told(SERVICE, |text| Ok(text.to_owned())) {
            let is_service = |told: &Told<KeyValue>| told.value.key.as_str() == "service.name";
            if self.resource.iter().any(is_service) {
                self.resource.retain(|told| !is_service(told));
                variables.ignore(RESOURCE, format!("its `service.name` alone, which `{SERVICE}` says"));
            }
            let value = KeyValue::new("service.name", name.value);
            self.resource.push(Told { value, variable: SERVICE });
        }
        self.exporters = variables.first([(EXPORTER, exporters), (EXPORTER_SHORT, exporters)]);
        #[cfg(any(feature = "otlp", feature = "zipkin"))]
        for named in self.exporters.iter().flat_map(|told| told.value.iter().copied()) {
            let network = match named {
                Named::Console => continue,
                #[cfg(feature = "otlp-file")]
                Named::OtlpStdout => continue,
                #[cfg(feature = "otlp")]
                Named::Otlp => super::network::otlp(variables),
                #[cfg(feature = "otlp")]
                Named::Jaeger => super::network::jaeger(variables),
                #[cfg(feature = "zipkin")]
                Named::Zipkin => super::network::zipkin(variables),
            };
            self.network.insert(named, network);
        }
        #[cfg(any(feature = "otlp", feature = "zipkin"))]
        if !self.network.is_empty() {
            super::network::directly(variables);
        }
        self.sampler = sampler(variables);
        // Heeded by every set-up; what is wrong with it is told where the environment is asked.
        variables.told(EXCEPTIONS, exceptions);
        self.filter = variables.told(FILTER, |text| Filter::read(text).map_err(|fault| fault.to_string()));
        self.baggage_attributes = variables.told(BAGGAGE_ATTRIBUTES, baggage_names);
        self.queue = variables.told(QUEUE, positive);
        self.batch = variables.told(BATCH, positive);
        if let (Some(queue), Some(batch)) = (&self.queue, &self.batch)
            && batch.value > queue.value
        {
            let reason = format!("expected no more than `{QUEUE}`, which is `{}`", queue.value);
            variables.fault(BATCH, &batch.value.to_string(), reason);
        }
        self.delay = variables.told(DELAY, milliseconds);
        self.export_timeout = variables.told(EXPORT_TIMEOUT, milliseconds);
        self.span_attributes = variables.first([(SPAN_ATTRIBUTES, count), (ATTRIBUTES, count)]);
        self.span_events = variables.told(SPAN_EVENTS, count);
        self.span_links = variables.told(SPAN_LINKS, count);
        self.event_attributes = variables.told(EVENT_ATTRIBUTES, count);
        self.link_attributes = variables.told(LINK_ATTRIBUTES, count);
        self.value_bytes = variables.first([(SPAN_VALUE, bytes), (VALUE, bytes)]);
    }
}

/// The variables, and what was found wanting.
pub(super) struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
    /// Every name that was looked up: so it is known.
    asked: RefCell<BTreeSet<&'static str>>,
    ignored: Vec<Ignored>,
    faults: Vec<EnvironmentFault>,
}

impl Variables<'_> {
    fn look_up(&self, variable: &'static str) -> Option<OsString> {
        self.asked.borrow_mut().insert(variable);
        (self.lookup)(variable)
    }

    pub(super) fn is_set(&self, variable: &'static str) -> bool {
        self.look_up(variable).is_some_and(|value| value.to_str().is_none_or(|text| !text.trim().is_empty()))
    }

    fn told<T>(&mut self, variable: &'static str, judge: Judge<T>) -> Option<Told<T>> {
        let raw = self.look_up(variable)?;
        let Some(text) = raw.to_str() else {
            self.fault(variable, &raw.to_string_lossy(), "expected UTF-8".to_owned());
            return None;
        };
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        match judge(text) {
            Ok(value) => Some(Told { value, variable }),
            Err(reason) => {
                self.fault(variable, text, reason);
                None
            }
        }
    }

    /// What the first of several that is set says; the others are ignored.
    pub(super) fn first<T, const N: usize>(
        &mut self,
        several: [(&'static str, Judge<T>); N],
    ) -> Option<Told<T>> {
        let mut set = several.into_iter().filter(|(variable, _)| self.is_set(variable)).collect::<Vec<_>>();
        if set.is_empty() {
            return None;
        }
        let (winner, judge) = set.remove(0);
        for (variable, _) in set {
            self.ignore(variable, format!("`{winner}` wins"));
        }
        self.told(winner, judge)
    }

    pub(super) fn ignore(&mut self, variable: &'static str, why: impl Into<String>) {
        self.ignored.push(Ignored { variable: variable.into(), why: why.into() });
    }

    pub(super) fn ignore_if_set(&mut self, variable: &'static str, why: impl Into<String>) {
        if self.is_set(variable) {
            self.ignore(variable, why);
        }
    }

    pub(super) fn fault(&mut self, variable: &'static str, value: &str, reason: String) {
        // Headers are for keys, and an address may have one before its host.
        let hides = !is_path(variable, value)
            && (is_secret(value)
                || variable.ends_with("_HEADERS")
                || variable.ends_with("_CLIENT_KEY")
                || value.contains('@'));
        let value = if hides { "***".to_owned() } else { clean(value) };
        self.faults.push(EnvironmentFault { variable, value, reason });
    }
}

/// Where a file is: no secret, whatever it is called. What is in it may be one, and has slashes too, so some begin with it.
fn is_path(variable: &str, value: &str) -> bool {
    let is_of_file = variable.ends_with("_CERTIFICATE") || variable.ends_with("_CLIENT_KEY");
    let is_content =
        value.contains("-----BEGIN") || ["MI", "MC"].iter().any(|start| value.starts_with(start));
    is_of_file && !is_content && value.contains(['/', '\\', '.'])
}

fn sampler(variables: &mut Variables<'_>) -> Option<Told<Chosen>> {
    const NAMES: [&str; 6] = [
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ];
    let name = |text: &str| match NAMES.into_iter().find(|name| *name == text) {
        Some(name) => Ok(name),
        None => Err(remedy(text, &NAMES)),
    };
    if !variables.is_set(SAMPLER) {
        if variables.is_set(SAMPLER_ARG) {
            variables.ignore(SAMPLER_ARG, format!("`{SAMPLER}` is not set"));
        }
        let rate = variables.told(SAMPLE_RATE, ratio)?;
        return Some(Told { value: Chosen::roots(rate.value), variable: rate.variable });
    }
    if variables.is_set(SAMPLE_RATE) {
        variables.ignore(SAMPLE_RATE, format!("`{SAMPLER}` wins"));
    }
    let Told { value: name, variable } = variables.told(SAMPLER, name)?;
    let mut ratio = || {
        let faults = variables.faults.len();
        let argument = variables.told(SAMPLER_ARG, ratio);
        // OpenTelemetry's default, for what is not said; a wrong word is a fault.
        (faults == variables.faults.len()).then(|| argument.map_or(1.0, |argument| argument.value))
    };
    let parent_based = |root| SdkSampler::ParentBased(Box::new(root));
    let chosen = match name {
        "traceidratio" => {
            let ratio = ratio()?;
            Chosen::new(SdkSampler::TraceIdRatioBased(ratio), &format!("traceidratio, {ratio}"))
        }
        "parentbased_traceidratio" => Chosen::roots(ratio()?),
        _ => {
            if variables.is_set(SAMPLER_ARG) {
                variables.ignore(SAMPLER_ARG, format!("`{name}` takes no argument"));
            }
            match name {
                "always_on" => Chosen::new(SdkSampler::AlwaysOn, name),
                "always_off" => Chosen::new(SdkSampler::AlwaysOff, name),
                "parentbased_always_off" => Chosen::new(parent_based(SdkSampler::AlwaysOff), name),
                _ => Chosen::every_root(),
            }
        }
    };
    Some(Told { value: chosen, variable })
}
