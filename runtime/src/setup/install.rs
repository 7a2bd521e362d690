//! From what was said to what runs: threads, recorder, propagators, and the account of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::time::Duration;

use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use super::builder::Builder;
use super::environment::Named;
use super::explanation::{CODE_SPEAKS_LAST, Explanation, Origin, Setting, clean};
use super::exporter::{self, Exporter};
use super::fault::SetupError;
use super::guard::{Running, Tracing};
use crate::console::Console;
use crate::control::{Rate, Rated, Switches};
use crate::diagnostics;
use crate::exception::{Exceptions, Heeded};
use crate::export::{Capacity, Export, OpenIn, Outlet, Pace, Queue};
use crate::pipeline::{self, Pipeline, Provider, SwitchedOff};
use crate::process::BaggageAttributes;
use crate::propagation::{self, Propagator};
use crate::record::{Collector, Recorder, Sink};
use crate::route;
use crate::scrub::Scrubber;
use crate::stage::{Acts, Stage};

impl Builder {
    /// Installs the set-up: for every traced function, and for spans that other code makes through
    /// `opentelemetry::global`.
    ///
    /// Where the environment switches tracing off, nothing is installed but the propagators, and the guard has nothing to
    /// do; while it is there, calls that name a `parent` pass on what it sent.
    ///
    /// # Errors
    ///
    /// When a variable that [`read_environment`](Self::read_environment) read has a value that cannot be heeded, and when
    /// tracing is set up already.
    pub fn install(mut self) -> Result<Tracing, SetupError> {
        if !self.faults.is_empty() {
            return Err(SetupError::Environment(self.faults));
        }
        if let Some(fault) = self.filter_fault {
            return Err(SetupError::Filter(fault));
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
            diagnostics::set_level(self.log_level);
            diagnostics::set_up(&explanation);
            return Ok(Tracing { running: None, off: Some(SwitchedOff::start()), explanation });
        }
        if pipeline::installed().is_some() {
            return Err(SetupError::AlreadyInstalled);
        }
        diagnostics::set_level(self.log_level);
        self.read_exceptions();
        self.exceptions = std::mem::take(&mut self.exceptions).scrubbed(Arc::clone(&self.scrubber));
        let resource = self.whole_resource();
        let explanation = self.explain(Explanation::new(true, origin), &resource);
        let attributes = resource.into_iter().map(|(key, (value, _))| KeyValue::new(key, value));
        let resource = Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_attributes(attributes)
            .build();
        #[cfg(feature = "metrics")]
        let names = exporter::names(self.exporters.iter().flatten()).into();
        let exporters = self.exporters.unwrap_or_default();
        // Those of ours have nothing to do when a span ends.
        let acts = Acts { processors: self.processors.clone(), tail: self.tail };
        let sinks = Sinks {
            exporters: exporters.into_iter().map(|exporter| exporter.export).collect(),
            observers: self.observers.into_iter().map(|observer| observer.export).collect(),
            resource,
            capacity: self.capacity,
            pace: self.pace,
            scrubber: self.scrubber,
        };
        let collector = sinks.start(acts).map_err(SetupError::NoThread)?;
        if !self.baggage_attributes.is_empty() {
            // Before the program's own, which see them.
            self.processors.0.insert(0, Arc::new(BaggageAttributes(self.baggage_attributes)));
        }
        let rate = Arc::new(Rate::default());
        let switches = Switches::new(self.filter, Arc::clone(&rate));
        let sampler = Box::new(Rated { rate, sampler: self.sampler });
        let recorder = Recorder::new(sampler, Sink::Exporters(Arc::clone(&collector)), self.processors);
        let pipeline = Pipeline::new(Provider::Ours(recorder), self.policy, self.exceptions);
        let pipeline = Arc::new(pipeline.with_switches(switches));
        if pipeline::install(Arc::clone(&pipeline)).is_err() {
            let unheard = collector.outlet().asked().map(|_| channel().0).collect();
            collector.ask(unheard, Some(Duration::ZERO));
            return Err(SetupError::AlreadyInstalled);
        }
        crate::value::set_limit(self.max_value_bytes);
        propagate(self.propagators);
        route::ensure();
        diagnostics::set_up(&explanation);
        let running = Running {
            pipeline,
            collector,
            #[cfg(feature = "metrics")]
            exporters: names,
            over: AtomicBool::new(false),
        };
        Ok(Tracing { running: Some(running), off: None, explanation })
    }

    /// The one variable that is always read: it decides what spans are, and not where they go.
    fn read_exceptions(&mut self) {
        match heed_opt_in(&mut self.exceptions) {
            None => {}
            Some(Heeded::Yes) => self.origins.say(Setting::Exceptions, Origin::Variable(EXCEPTIONS)),
            Some(Heeded::Strange) => self.origins.ignore(EXCEPTIONS, "it has neither `logs` nor `logs/dup`"),
            Some(Heeded::NoLogs) => self.origins.ignore(EXCEPTIONS, NO_LOGS),
        }
    }

    /// The last of each key, in the order of the keys.
    pub(super) fn whole_resource(&mut self) -> BTreeMap<Key, (Value, Origin)> {
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

    fn baggage_attribute_names(&self) -> String {
        match self.baggage_attributes.as_slice() {
            [] => "none".to_owned(),
            names => names.join(", "),
        }
    }

    /// Those that get spans, the console where nobody has said who, and what there is to tell of each.
    fn explain_exporters(&mut self, explanation: &mut Explanation) {
        let console = || vec![Exporter::named(Console::new(), Named::Console.name())];
        let exporters = &*self.exporters.get_or_insert_with(console);
        let names = exporter::names(exporters.iter().chain(&self.observers));
        let mut names = names.as_slice();
        for (setting, several) in
            [(Setting::Exporters, exporters.as_slice()), (Setting::Observers, &self.observers)]
        {
            let (own, rest) = names.split_at(several.len());
            names = rest;
            let list = match (setting, several.is_empty()) {
                (Setting::Observers, true) => continue,
                (_, true) => "none".to_owned(),
                _ => own.join(", "),
            };
            explanation.setting(setting, list, self.origins.of(setting));
            for (exporter, name) in several.iter().zip(own) {
                for (setting, value, origin) in exporter.settings(name) {
                    explanation.exporter_setting(setting, value.to_owned(), origin);
                }
            }
        }
    }

    pub(super) fn explain(
        &mut self,
        mut explanation: Explanation,
        resource: &BTreeMap<Key, (Value, Origin)>,
    ) -> Explanation {
        for (key, (value, origin)) in resource {
            // Also where nothing is scrubbed: this is printed.
            let shown = self.scrubber.shown_of_all(KeyValue::new(key.clone(), value.clone()));
            let shown = Scrubber::new().shown(shown);
            explanation.attribute(key.as_str(), &shown.value.as_str(), *origin);
        }
        self.explain_exporters(&mut explanation);
        let limits = &self.policy.limits;
        let batch = match (self.pace.batch, self.capacity.spans) {
            (batch, queue) if batch > queue => format!("{queue}, all that the queue has, of {batch}"),
            (batch, _) => batch.to_string(),
        };
        for (setting, value) in [
            (Setting::Sampler, self.sampler_name.clone()),
            (Setting::Filter, shown(self.filter.text())),
            (Setting::Propagators, self.propagator_names()),
            (Setting::BaggageAttributes, self.baggage_attribute_names()),
            (Setting::Queue, self.capacity.spans.to_string()),
            (Setting::Buffer, self.capacity.bytes.to_string()),
            (Setting::Batch, batch),
            (Setting::Delay, format!("{:?}", self.pace.delay)),
            (Setting::ExportTimeout, format!("{:?}", self.pace.timeout)),
            (Setting::SpanAttributes, limits.max_attributes_per_span.to_string()),
            (Setting::SpanEvents, limits.max_events_per_span.to_string()),
            (Setting::SpanLinks, limits.max_links_per_span.to_string()),
            (Setting::EventAttributes, limits.max_attributes_per_event.to_string()),
            (Setting::LinkAttributes, limits.max_attributes_per_link.to_string()),
            (Setting::ValueBytes, self.max_value_bytes.to_string()),
            (Setting::CodeAttributes, self.policy.code_attributes.to_string()),
            (Setting::Exceptions, self.exceptions.name().to_owned()),
            (Setting::Tail, self.tail.as_ref().map_or_else(|| "off".to_owned(), ToString::to_string)),
            (Setting::Processors, self.processors.0.len().to_string()),
            (Setting::Scrubber, self.scrubber.to_string()),
            (Setting::LogLevel, self.log_level.to_string()),
        ] {
            explanation.setting(setting, value, self.origins.of(setting));
        }
        explanation.ignored(std::mem::take(&mut self.origins.ignored));
        explanation
    }
}

/// A filter, as it is told.
pub(super) fn shown(filter: &str) -> String {
    if filter.is_empty() { "none".to_owned() } else { clean(filter) }
}

/// What `inject` and `extract` do from now on, and libraries that ask OpenTelemetry.
fn propagate(propagators: Option<Vec<Propagator>>) {
    propagation::configure(propagators);
    opentelemetry::global::set_text_map_propagator(propagation::configured());
}

/// Where spans go, and how.
struct Sinks {
    exporters: Vec<Box<dyn Export>>,
    observers: Vec<Box<dyn Export>>,
    resource: Resource,
    capacity: Capacity,
    pace: Pace,
    scrubber: Arc<Scrubber>,
}

impl Sinks {
    /// Starts the threads: one for each exporter, the one that serves them, and one between where there is something to do.
    fn start(self, acts: Acts) -> std::io::Result<Arc<Collector>> {
        let Self { exporters, observers, resource, capacity, pace, scrubber } = self;
        let open: OpenIn = Arc::new(|trace| {
            pipeline::installed().map_or(0, |pipeline| match pipeline.provider() {
                Provider::Ours(recorder) => recorder.open_in(trace),
                Provider::Foreign(_) => 0,
            })
        });
        let mut started: Vec<Arc<Queue>> = Vec::new();
        let exports = exporters.len();
        let begun = exporters
            .into_iter()
            .chain(observers)
            .try_for_each(|exporter| {
                let (open, scrubber) = (Arc::clone(&open), Arc::clone(&scrubber));
                started.push(Queue::start(exporter, &resource, open, capacity, pace, scrubber)?);
                Ok(())
            })
            .and_then(|()| {
                let (queues, observers) = started.split_at(exports);
                let (queues, observers) = (queues.to_vec(), observers.to_vec());
                let stage = if acts.is_empty() {
                    None
                } else {
                    Some(Stage::start(acts, queues.clone(), observers.clone(), capacity)?)
                };
                Collector::start(Outlet::new(queues, observers, stage), capacity.bytes)
            });
        if begun.is_err() {
            for queue in &started {
                queue.ask(channel().0, Some(Duration::ZERO));
            }
        }
        begun
    }
}

/// Where exceptions are recorded.
pub(super) const EXCEPTIONS: &str = "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN";

const NO_LOGS: &str = "there is no logger provider, and exceptions stay span events; give one with `builder(…).logs(&provider)`";

/// Does what the environment says of exceptions, if it says anything, and tells of what cannot be done.
pub(super) fn heed_opt_in(exceptions: &mut Exceptions) -> Option<Heeded> {
    let opt_in = std::env::var_os(EXCEPTIONS).filter(|value| !value.is_empty())?;
    let (read, heeded) = std::mem::take(exceptions).read(&opt_in.to_string_lossy());
    *exceptions = read;
    if heeded == Heeded::NoLogs {
        diagnostics::not_heeded(&format!("{EXCEPTIONS} asks for logs, but {NO_LOGS}"));
    }
    Some(heeded)
}

/// A word that was meant for it and is none of its own.
pub(super) fn exceptions(text: &str) -> Result<(), String> {
    let near = |word: &&str| {
        let is_meant = ["log", "logs", "log/dup", "logs/dup"].contains(&word.to_lowercase().as_str());
        is_meant && !["logs", "logs/dup"].contains(word)
    };
    match text.split(',').map(str::trim).find(near) {
        Some(word) => Err(format!("`{word}` is not known; expected `logs` or `logs/dup`")),
        None => Ok(()),
    }
}
