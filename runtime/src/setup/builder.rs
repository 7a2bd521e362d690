//! A set-up in code.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::logs::LoggerProvider;
use opentelemetry_sdk::trace::{ShouldSample, SpanExporter, SpanLimits, SpanProcessor};

use super::environment::{EnvironmentFault, Told};
use super::explanation::{CODE_SPEAKS_LAST, Origin, Origins, Setting};
use super::exporter::Exporter;
use super::sampling::Deciding;
use crate::diagnostics::LogLevel;
use crate::exception::Exceptions;
use crate::export::{Capacity, Pace};
use crate::filter::{ControlFault, Filter};
use crate::pipeline::{Policy, Sampler};
use crate::process::{Processor, Processors};
use crate::propagation::Propagator;
use crate::sampling::{self, Tail};
use crate::scrub::Scrubber;

/// A set-up in the making; see [`builder`](crate::builder).
#[derive(Debug)]
#[must_use = "nothing is set up before `install`"]
pub struct Builder {
    /// What the environment says about all of it.
    pub(super) enabled: Option<Told<bool>>,
    pub(super) resource: Vec<(KeyValue, Origin)>,
    pub(super) sampler: Deciding,
    pub(super) sampler_name: String,
    pub(super) policy: Policy,
    pub(super) propagators: Option<Vec<Propagator>>,
    pub(super) max_value_bytes: usize,
    pub(super) exceptions: Exceptions,
    pub(super) filter: Filter,
    pub(super) filter_fault: Option<ControlFault>,
    pub(super) processors: Processors,
    pub(super) baggage_attributes: Vec<String>,
    pub(super) scrubber: Arc<Scrubber>,
    pub(super) log_level: LogLevel,
    pub(super) tail: Option<Tail>,
    pub(super) observers: Vec<Exporter>,
    /// `None` where nobody has said anything.
    pub(super) exporters: Option<Vec<Exporter>>,
    pub(super) capacity: Capacity,
    pub(super) pace: Pace,
    pub(super) origins: Origins,
    pub(super) faults: Vec<EnvironmentFault>,
    /// The variables that were looked for.
    pub(super) known: BTreeSet<&'static str>,
}

impl Builder {
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
    pub fn exporter<E: SpanExporter + 'static>(self, exporter: E) -> Self {
        self.export_to(Exporter::new(exporter))
    }

    /// A span processor of the SDK, for its `on_end`: like an exporter, with a queue and a thread of its own, beside those of
    /// [`exporter`](Self::exporter), or in their place where there are none. As often as called.
    ///
    /// ```
    /// use opentelemetry_sdk::trace::BatchSpanProcessor;
    ///
    /// #[traced::traced]
    /// fn order() {}
    ///
    /// let batch = BatchSpanProcessor::builder(traced::Console::new()).build();
    /// let tracing = traced::builder("shop").sdk_processor(batch).install()?;
    /// order();
    /// tracing.flush()?;
    /// assert_eq!(tracing.stats().exported, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// It gets spans that are scrubbed, one by one, some time after they have ended. One during which it panics counts as
    /// `export_failed`. Its `on_start` is never called: there is no span of the SDK's. See [`processor`](Self::processor).
    pub fn sdk_processor<P: SpanProcessor + 'static>(self, processor: P) -> Self {
        self.export_to(Exporter::processor(processor))
    }

    fn export_to(mut self, exporter: Exporter) -> Self {
        if self.origins.of(Setting::Exporters) != Origin::Code {
            for told in self.exporters.take().unwrap_or_default() {
                told.variables().for_each(|variable| self.origins.ignore(variable, CODE_SPEAKS_LAST));
            }
        }
        self.origins.say(Setting::Exporters, Origin::Code);
        self.exporters.get_or_insert_default().push(exporter);
        self
    }

    /// How many finished spans may wait for each exporter; newer ones are dropped and counted. Default 65,536.
    pub fn queue(mut self, spans: usize) -> Self {
        self.origins.say(Setting::Queue, Origin::Code);
        self.capacity.spans = spans.max(1);
        self
    }

    /// How many bytes of finished spans may wait: for each exporter, and together in the rings of all threads. Newer spans
    /// are dropped and counted. A thread has a ring of 20 kB in any case, and of 10 MB at most, which it keeps. Default 64 MB.
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

    /// How long a try to hand spans over may take, for exporters of this crate, which also have timeouts of their own; those
    /// of others keep their own time. A millisecond or more. Default 30 s.
    pub fn export_timeout(mut self, timeout: Duration) -> Self {
        self.origins.say(Setting::ExportTimeout, Origin::Code);
        self.pace.timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// How many attributes, events and links a span may have, beside the three attributes of its call site; what is beyond is
    /// dropped, and the span says how much. Default 128 of each.
    ///
    /// Where they are raised: a span that takes 8 MB or more on its way, of which each attribute takes 64 bytes, is dropped and
    /// counted as one that found no room.
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
    ///
    /// A span about which it panics is not sampled. The call goes on, and the first time is told on stderr.
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
        self.sampler_name = sampling::name_of(&sampler);
        self.policy.sampler = known;
        self.sampler = Deciding { sampler: Box::new(sampler), is_ours: false };
        self
    }

    /// Which functions make spans, by module path and by span name: `"orders=on,orders::cache=off"`. The rules are those of
    /// [`Control::set_filter`](crate::Control::set_filter), which changes them later. Default: all.
    ///
    /// One that cannot be read is an error of [`install`](Self::install).
    pub fn filter(mut self, filter: &str) -> Self {
        self.origins.say(Setting::Filter, Origin::Code);
        match Filter::read(filter) {
            Ok(filter) => (self.filter, self.filter_fault) = (filter, None),
            Err(fault) => self.filter_fault = Some(fault),
        }
        self
    }

    /// A hook that sees spans start and end, as often as called; they are asked in that order. See [`Processor`].
    pub fn processor(mut self, processor: impl Processor) -> Self {
        self.processors.0.push(Arc::new(processor));
        self
    }

    /// Tail sampling in this process: a trace is held until it is over here, and kept or not then. Default: all go. See
    /// [`Tail`].
    pub fn tail(mut self, tail: Tail) -> Self {
        self.origins.say(Setting::Tail, Origin::Code);
        self.tail = Some(tail);
        self
    }

    /// An exporter that sees every span that is recorded, also those that [tail sampling](Self::tail) does not keep; as often
    /// as called. It is beside the exporters and replaces none of them, has a queue and a thread of its own, is flushed and
    /// shut down with them, and does not count in `stats()`. `metrics::SpanMetrics` is such a one.
    pub fn observer<E: SpanExporter + 'static>(mut self, observer: E) -> Self {
        self.origins.say(Setting::Observers, Origin::Code);
        self.observers.push(Exporter::new(observer));
        self
    }

    /// What is taken out of every span before any exporter gets it. Default: values of keys that look secret, and what looks
    /// like a token, a card number or a private key; see [`Scrubber`].
    ///
    /// ```
    /// use traced::Scrubber;
    ///
    /// let tracing = traced::builder("shop").scrub(Scrubber::new().emails().key("order.note")).install()?;
    /// assert!(tracing.explain().to_string().contains("scrubber: secret keys, patterns, e-mail addresses, 1 key more (code)"));
    /// # Ok::<(), traced::SetupError>(())
    /// ```
    ///
    /// It runs on the threads of the exporters, for all of them. What [`logs`](Self::logs) gets is scrubbed where it is written. What
    /// goes through a provider of the program's own, after [`attach_global`](crate::attach_global), is not scrubbed.
    pub fn scrub(mut self, scrubber: Scrubber) -> Self {
        self.origins.say(Setting::Scrubber, Origin::Code);
        self.scrubber = Arc::new(scrubber);
        self
    }

    /// What [`inject`](crate::inject) writes and [`extract`](crate::extract) reads.
    pub fn propagators(mut self, propagators: impl IntoIterator<Item = Propagator>) -> Self {
        self.origins.say(Setting::Propagators, Origin::Code);
        self.propagators = Some(propagators.into_iter().collect());
        self
    }

    /// Which members of the baggage become attributes, under their own names, of every span below it. Each costs a look at
    /// every span that starts; without any, nothing does. A value is cut as any text is. Default: none.
    ///
    /// ```
    /// let tracing = traced::builder("shop").baggage_attributes(["tenant.id"]).install()?;
    /// assert!(tracing.explain().to_string().contains("attributes from baggage: tenant.id (code)"));
    /// # Ok::<(), traced::SetupError>(())
    /// ```
    pub fn baggage_attributes(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.origins.say(Setting::BaggageAttributes, Origin::Code);
        self.baggage_attributes = names.into_iter().map(Into::into).collect();
        self
    }

    /// How much the set-up says about itself on stderr: what is lost, and why. With `Debug` it begins with all that
    /// [`explain`](crate::Tracing::explain) tells. Of each kind of trouble it speaks
    /// when that begins, and not again within a minute; `stats()` counts.
    ///
    /// ```
    /// let tracing = traced::builder("shop").log_level(traced::LogLevel::Error).install()?;
    /// assert!(tracing.explain().to_string().contains("log level: error (code)"));
    /// # Ok::<(), traced::SetupError>(())
    /// ```
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.origins.say(Setting::LogLevel, Origin::Code);
        self.log_level = level;
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
}

const LIMITS: [Setting; 5] = [
    Setting::SpanAttributes,
    Setting::SpanEvents,
    Setting::SpanLinks,
    Setting::EventAttributes,
    Setting::LinkAttributes,
];
