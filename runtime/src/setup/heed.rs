//! The environment, put in its place in a set-up.

use std::ffi::OsString;

use super::builder::Builder;
#[cfg(any(feature = "otlp", feature = "zipkin"))]
use super::environment::EnvironmentFault;
use super::environment::{Chosen, Environment, Named, Told};
use super::explanation::{Origin, Origins, Setting};
use super::exporter::Exporter;
use super::sampling::Deciding;
use crate::console::Console;

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
    /// | `OTEL_TRACES_EXPORTER`, else `TRACING_EXPORTER` | the exporters | a list of `console`, `otlp` and `jaeger` (feature `otlp`), `zipkin` (feature `zipkin`), `otlp/stdout` (feature `otlp-file`); or `none` |
    /// | `OTEL_EXPORTER_OTLP_PROTOCOL` | how `otlp` speaks | `http/protobuf`, the default; `http/json`; `grpc` (feature `grpc`), the default for port 4317 without a path |
    /// | `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, else `OTEL_EXPORTER_OTLP_ENDPOINT`, else `OTLP_ENDPOINT` | where `otlp` goes; over HTTP, `/v1/traces` is added to the latter two, before a query, unless it is there | a URL; without it `http://localhost:4318/v1/traces`, with `grpc` `http://localhost:4317` |
    /// | `OTEL_EXPORTER_OTLP_INSECURE` | whether a `grpc` endpoint without `http://` or `https://` has no TLS | `true`, `false` |
    /// | `OTEL_EXPORTER_OTLP_HEADERS` | what `otlp` sends beside, such as a key | `name=value,name=value`, values percent-encoded |
    /// | `OTEL_EXPORTER_OTLP_TIMEOUT` | how long `otlp` waits for an answer | milliseconds; without it 10,000 |
    /// | `OTEL_EXPORTER_OTLP_COMPRESSION` | how `otlp` packs | `gzip`, `none` |
    /// | `OTEL_EXPORTER_OTLP_CERTIFICATE` | whom `otlp` trusts (feature `tls`); without it, whom the system trusts | a file of certificates in PEM |
    /// | `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_KEY` | what `otlp` shows to a receiver that asks (feature `tls`) | files in PEM, both or none |
    /// | `OTEL_EXPORTER_JAEGER_ENDPOINT`, else `JAEGER_ENDPOINT`, else `OTEL_EXPORTER_JAEGER_AGENT_HOST` | where `jaeger` goes, by OTLP; old ports and `/api/traces` are taken for today's on the same host | a URL, or a host and a port, 4318 if there is none; without it `http://localhost:4318/v1/traces` |
    /// | `OTEL_EXPORTER_ZIPKIN_ENDPOINT`, else `ZIPKIN_ENDPOINT` | where `zipkin` goes; `/api/v2/spans` is added to one without a path | a URL; without it `http://localhost:9411/api/v2/spans` |
    /// | `OTEL_EXPORTER_JAEGER_TIMEOUT`, `OTEL_EXPORTER_ZIPKIN_TIMEOUT` | how long these wait for an answer | milliseconds; without it 10,000 |
    /// | `OTEL_TRACES_SAMPLER` | [which spans are kept](Self::sampler) | `always_on`, `always_off`, `traceidratio`, each also with `parentbased_` before it |
    /// | `OTEL_TRACES_SAMPLER_ARG` | the share of the two with `traceidratio`; without it, all | 0 to 1 |
    /// | `TRACING_SAMPLE_RATE`, without `OTEL_TRACES_SAMPLER` | the share of the roots; others follow their parents | 0 to 1 |
    /// | `OTEL_PROPAGATORS` | [the propagators](Self::propagators) | a list of `tracecontext`, `baggage`, `b3`, `b3multi`, `jaeger`, `xtraceid`; or `none` |
    /// | `TRACED_FILTER` | [which functions make spans](crate::Control::set_filter) | `orders=on,orders::cache=off,"GET /health"=off` |
    /// | `TRACED_BAGGAGE_ATTRIBUTES` | [members of the baggage that become attributes](Self::baggage_attributes) | `name,name` |
    /// | `OTEL_LOG_LEVEL` | [what is said on stderr](Self::log_level); read where tracing is off, too | `none`, `error`, `warn`, `info`, `debug` |
    /// | `OTEL_BSP_MAX_QUEUE_SIZE` | [`queue`](Self::queue) | spans, 1 or more |
    /// | `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` | [`batch`](Self::batch) | spans, 1 or more, and no more than the queue has |
    /// | `OTEL_BSP_SCHEDULE_DELAY` | [`delay`](Self::delay) | milliseconds, 1 or more |
    /// | `OTEL_BSP_EXPORT_TIMEOUT` | [`export_timeout`](Self::export_timeout) | milliseconds, 1 or more |
    /// | `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`, else `OTEL_ATTRIBUTE_COUNT_LIMIT` | attributes of a span | 0 or more |
    /// | `OTEL_SPAN_EVENT_COUNT_LIMIT`, `OTEL_SPAN_LINK_COUNT_LIMIT` | events, links of a span | 0 or more |
    /// | `OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT`, `OTEL_LINK_ATTRIBUTE_COUNT_LIMIT` | attributes of an event, a link | 0 or more |
    /// | `OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT`, else `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT` | [how long a text may be](Self::max_value_bytes): in bytes, where OpenTelemetry counts characters | 0 or more |
    ///
    /// `OTEL_EXPORTER_OTLP_TRACES_…` wins over `OTEL_EXPORTER_OTLP_…`. `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` are not heeded,
    /// and [`Tracing::explain`](crate::Tracing::explain) says so.
    ///
    /// Where tracing is switched off, calls cost what they cost without a set-up, but for those that name a `parent`, which
    /// pass on what it sent. Of the other variables only `OTEL_PROPAGATORS` and `OTEL_LOG_LEVEL` are read. Other variables of
    /// OpenTelemetry's are not heeded, and [`Tracing::explain`](crate::Tracing::explain) says so, also of names that nobody
    /// knows, with the nearest that are.
    ///
    /// A value that cannot be heeded is an error of [`install`](Self::install), which tells all of them at once.
    pub fn read_environment(self) -> Self {
        let names = std::env::vars_os().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name);
        self.read_variables(&|name| std::env::var_os(name)).tell_unknown(names)
    }

    pub(super) fn read_variables(mut self, lookup: &dyn Fn(&str) -> Option<OsString>) -> Self {
        /// Puts what was told in its place.
        fn heed<T>(origins: &mut Origins, setting: Setting, told: Option<Told<T>>, place: &mut T) {
            if let Some(Told { value, variable }) = told {
                origins.say(setting, Origin::Variable(variable));
                *place = value;
            }
        }

        #[cfg_attr(
            not(any(feature = "otlp", feature = "zipkin")),
            expect(unused_mut, reason = "exporters are taken out of it")
        )]
        let mut told = Environment::read(lookup);
        for Told { value, variable } in told.resource {
            self.resource.push((value, Origin::Variable(variable)));
        }
        if let Some(Told { value: named, variable }) = told.exporters {
            self.origins.say(Setting::Exporters, Origin::Variable(variable));
            let mut exporters = Vec::new();
            for named in named {
                match named {
                    Named::Console => exporters.push(Exporter::named(Console::new(), named.name())),
                    #[cfg(feature = "otlp-file")]
                    Named::OtlpStdout => {
                        exporters.push(Exporter::named(crate::OtlpFile::stdout(), named.name()));
                    }
                    #[cfg(any(feature = "otlp", feature = "zipkin"))]
                    _ => {
                        let Some(network) = told.network.remove(&named) else { continue };
                        // What is wrong already is told once.
                        if !told.faults.is_empty() {
                            continue;
                        }
                        match network.exporter() {
                            Ok(exporter) => exporters.push(exporter),
                            Err(why) => {
                                let (value, reason) = (named.name().to_owned(), why.to_string());
                                told.faults.push(EnvironmentFault { variable, value, reason });
                            }
                        }
                    }
                }
            }
            self.exporters = Some(exporters);
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
        if told.filter.is_some() {
            self.filter_fault = None;
        }
        heed(said, Setting::Filter, told.filter, &mut self.filter);
        heed(said, Setting::BaggageAttributes, told.baggage_attributes, &mut self.baggage_attributes);
        heed(said, Setting::Queue, told.queue, &mut self.capacity.spans);
        heed(said, Setting::Batch, told.batch, &mut self.pace.batch);
        heed(said, Setting::Delay, told.delay, &mut self.pace.delay);
        heed(said, Setting::ExportTimeout, told.export_timeout, &mut self.pace.timeout);
        let limits = &mut self.policy.limits;
        heed(said, Setting::SpanAttributes, told.span_attributes, &mut limits.max_attributes_per_span);
        heed(said, Setting::SpanEvents, told.span_events, &mut limits.max_events_per_span);
        heed(said, Setting::SpanLinks, told.span_links, &mut limits.max_links_per_span);
        heed(said, Setting::EventAttributes, told.event_attributes, &mut limits.max_attributes_per_event);
        heed(said, Setting::LinkAttributes, told.link_attributes, &mut limits.max_attributes_per_link);
        heed(said, Setting::ValueBytes, told.value_bytes, &mut self.max_value_bytes);
        heed(said, Setting::LogLevel, told.log_level, &mut self.log_level);
        for ignored in told.ignored {
            said.ignore(ignored.variable, ignored.why);
        }
        self.enabled = told.enabled;
        self.faults = told.faults;
        self.known = told.known;
        self
    }
}
