//! Request rate, errors and duration, from spans that have ended.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// How many combinations of attributes are told apart, unless it is said otherwise: below what the SDK's meters allow.
const COMBINATIONS: usize = 1_000;

/// The bounds of the collector's `spanmetrics`, in seconds.
const BOUNDS: [f64; 16] =
    [0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.4, 2.0, 5.0, 10.0, 15.0];

/// A span exporter that makes metrics of spans: how often each is called, how often it fails, and how long it takes.
///
/// ```
/// use opentelemetry_sdk::metrics::SdkMeterProvider;
/// use traced::metrics::SpanMetrics;
/// use traced::opentelemetry::metrics::MeterProvider as _;
///
/// # use std::sync::Arc;
/// # #[traced::traced(kind = server, attr(tenant))]
/// # fn checkout(tenant: &str) {}
/// let meters = SdkMeterProvider::builder().build(); // with the reader of your choice
/// let metrics = SpanMetrics::new(&meters.meter("checkout")).attribute("tenant");
/// let tracing = traced::builder("checkout").observer(metrics).install()?;
/// checkout("blue");
/// # tracing.shutdown(std::time::Duration::from_secs(5))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The names are those of the collector's `spanmetrics` connector, so that dashboards made for it fit, Jaeger's *Monitor*
/// among them: the counter `traces.span.metrics.calls`, and the histogram `traces.span.metrics.duration` in seconds. Both have
/// the attributes `service.name`, `span.name`, `span.kind` (`SPAN_KIND_SERVER`), `status.code` (`STATUS_CODE_ERROR`), and
/// those [chosen](Self::attribute).
///
/// It counts every span that reaches it, of every [kind](Self::kinds). As an [`observer`](crate::Builder::observer) it sees
/// those as well that tail sampling does not keep; what a head sampler leaves out is in no metric.
///
/// It tells 1,000 combinations of attributes apart, [unless told otherwise](Self::combinations). Spans of further ones are
/// counted under `otel.metric.overflow = true`, with their kind and status and without their name, so that rates and errors
/// stay right altogether.
pub struct SpanMetrics {
    calls: Counter<u64>,
    duration: Histogram<f64>,
    service: Value,
    attributes: Vec<Key>,
    kinds: Option<Vec<SpanKind>>,
    combinations: usize,
    known: Mutex<HashSet<Combination>>,
}

/// What tells a time series from the others; the chosen attributes as text.
type Combination = (Cow<'static, str>, &'static str, &'static str, Vec<Option<String>>);

impl SpanMetrics {
    /// Metrics of that meter, of all spans.
    pub fn new(meter: &Meter) -> Self {
        let calls = meter.u64_counter("traces.span.metrics.calls").with_description("Spans that have ended.");
        let duration = meter
            .f64_histogram("traces.span.metrics.duration")
            .with_description("How long spans took.")
            .with_unit("s")
            .with_boundaries(BOUNDS.to_vec());
        Self {
            calls: calls.build(),
            duration: duration.build(),
            service: Value::from("unknown_service"),
            attributes: Vec::new(),
            kinds: None,
            combinations: COMBINATIONS,
            known: Mutex::default(),
        }
    }

    /// Metrics of OpenTelemetry's global meter provider, as it is now.
    pub fn global() -> Self {
        Self::new(&opentelemetry::global::meter("traced"))
    }

    /// Adds an attribute of spans, where they have it; one of few values. As often as called.
    pub fn attribute(mut self, key: impl Into<Key>) -> Self {
        let key = key.into();
        if !self.attributes.contains(&key) {
            self.attributes.push(key);
        }
        self
    }

    /// Only spans of these kinds, such as `[SpanKind::Server, SpanKind::Consumer]`: what is asked of the service.
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = SpanKind>) -> Self {
        self.kinds = Some(kinds.into_iter().collect());
        self
    }

    /// How many combinations of attributes are told apart. A meter of the SDK's has a limit of its own: 2,000, unless a view
    /// says otherwise.
    pub fn combinations(mut self, most: usize) -> Self {
        self.combinations = most;
        self
    }

    fn record(&self, span: SpanData) {
        if self.kinds.as_ref().is_some_and(|kinds| !kinds.contains(&span.span_kind)) {
            return;
        }
        // Clocks may go backwards.
        let seconds = span.end_time.duration_since(span.start_time).unwrap_or_default().as_secs_f64();
        let (kind, status) = (kind(&span.span_kind), status(&span.status));
        let chosen = |key: &Key| span.attributes.iter().rfind(|attribute| attribute.key == *key);
        let chosen: Vec<Option<&KeyValue>> = self.attributes.iter().map(chosen).collect();
        let values =
            chosen.iter().map(|chosen| chosen.map(|attribute| attribute.value.to_string())).collect();
        let mut attributes = Vec::with_capacity(4 + chosen.len());
        attributes.push(KeyValue::new("service.name", self.service.clone()));
        if self.is_told_apart((span.name.clone(), kind, status, values)) {
            attributes.push(KeyValue::new("span.name", span.name));
            attributes.extend(chosen.into_iter().flatten().cloned());
        } else {
            attributes.push(KeyValue::new("otel.metric.overflow", true));
        }
        attributes.push(KeyValue::new("span.kind", kind));
        attributes.push(KeyValue::new("status.code", status));
        self.calls.add(1, &attributes);
        self.duration.record(seconds, &attributes);
    }

    fn is_told_apart(&self, combination: Combination) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&combination) || known.len() < self.combinations && known.insert(combination)
    }
}

fn kind(kind: &SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "SPAN_KIND_INTERNAL",
        SpanKind::Server => "SPAN_KIND_SERVER",
        SpanKind::Client => "SPAN_KIND_CLIENT",
        SpanKind::Producer => "SPAN_KIND_PRODUCER",
        SpanKind::Consumer => "SPAN_KIND_CONSUMER",
    }
}

fn status(status: &Status) -> &'static str {
    match status {
        Status::Unset => "STATUS_CODE_UNSET",
        Status::Ok => "STATUS_CODE_OK",
        Status::Error { .. } => "STATUS_CODE_ERROR",
    }
}

impl fmt::Debug for SpanMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanMetrics")
            .field("attributes", &self.attributes)
            .field("kinds", &self.kinds)
            .field("combinations", &self.combinations)
            .finish_non_exhaustive()
    }
}

impl SpanExporter for SpanMetrics {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        for span in batch {
            self.record(span);
        }
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(name) = resource.get(&Key::from_static_str("service.name")) {
            self.service = name;
        }
    }
}
