//! Zipkin's JSON, version 2, as OpenTelemetry maps spans to it.

use std::fmt;
use std::time::SystemTime;

use opentelemetry::trace::{Event, SpanId, SpanKind, Status};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use crate::json::Json;
use crate::transport::{
    Address, Content, Exporter, Format, Kind, Misconfigured, Options, Partial, takes_options,
};

/// Where a Zipkin takes spans.
const SPANS: &str = "/api/v2/spans";

/// How the environment calls it.
pub(crate) const NAME: &str = "zipkin";

/// Spans to a Zipkin, or whatever else takes its JSON.
///
/// ```
/// use traced::zipkin::Zipkin;
///
/// let exporter = Zipkin::new("http://localhost:9411").gzip().build()?;
/// let tracing = traced::builder("checkout").exporter(exporter).install()?;
/// assert_eq!(tracing.stats().exported, 0);
///
/// let refused = Zipkin::new("localhost:9411").build().unwrap_err();
/// assert!(refused.to_string().contains("expected a URL"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Attributes of spans and of the service become tags, events annotations, the status the tags `otel.status_code` and
/// `error`, the scope `otel.scope.name` and `otel.scope.version`; `service.name` is the local endpoint. Times are
/// microseconds. Zipkin has no place for links, for the trace state, and for the types of attributes.
///
/// Failures are treated as with [`Otlp`](crate::transport::Exporter).
#[derive(Clone)]
pub struct Zipkin {
    address: Result<Address, Misconfigured>,
    options: Options,
}

impl Zipkin {
    /// To an address. One without a path gets `/api/v2/spans`, before its query; version 1 is refused.
    pub fn new(address: impl AsRef<str>) -> Self {
        let text = address.as_ref();
        let address = place(text).map_err(|reason| Misconfigured::address(text, &reason));
        Self { address, options: Options::default() }
    }

    pub(crate) fn to(address: Address, options: Options) -> Self {
        Self { address: Ok(address), options }
    }

    takes_options!();

    /// The exporter. It connects when it has spans to send.
    ///
    /// # Errors
    ///
    /// What of it cannot be done: an address that is none, a header that cannot be sent, a certificate that cannot be read,
    /// or TLS without the feature `tls`.
    pub fn build(self) -> Result<Exporter, Misconfigured> {
        let kind = Kind { name: NAME, protocol: None, hint: "" };
        Exporter::http(&kind, &self.address?, &self.options, Box::new(V2::default()))
    }
}

/// Where a Zipkin takes spans on this machine.
pub(crate) fn local() -> Address {
    Address::local(9411, SPANS)
}

/// The address that a text is, or what is wrong with it.
pub(crate) fn place(text: &str) -> Result<Address, String> {
    let address = Address::read(text, "http://localhost:9411/api/v2/spans")?;
    match address.path.trim_end_matches('/') {
        "" => Ok(address.below(SPANS)),
        path if path.ends_with("/api/v1/spans") => {
            Err("`/api/v1/spans` takes version 1 of its format; expected `/api/v2/spans`".to_owned())
        }
        _ => Ok(address),
    }
}

impl fmt::Debug for Zipkin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut zipkin = f.debug_struct("Zipkin");
        match &self.address {
            Ok(address) => zipkin.field("address", address),
            Err(wrong) => zipkin.field("wrong", &wrong.0),
        };
        zipkin.field("options", &self.options).finish()
    }
}

#[derive(Debug, Default)]
struct V2 {
    service: String,
    /// What is said of the service in every span.
    tags: Vec<(String, String)>,
}

impl Format for V2 {
    fn prepare(&mut self, resource: &Resource) {
        self.tags = resource.iter().map(|(key, value)| (key.to_string(), text(value))).collect();
        self.tags.sort();
        self.tags.retain(|(key, value)| {
            let is_service = key == "service.name";
            if is_service {
                self.service.clone_from(value);
            }
            !is_service
        });
    }

    fn content(&self) -> Content {
        Content::Json
    }

    fn pack(&self, spans: &[SpanData]) -> Vec<u8> {
        let mut json = Json(Vec::with_capacity(512 * spans.len()));
        json.list(spans, |json, span| self.write(json, span));
        json.0
    }

    fn partial(&self, _: &[u8]) -> Option<Partial> {
        // All or nothing.
        None
    }
}

impl V2 {
    fn write(&self, json: &mut Json, span: &SpanData) {
        json.object(|json| {
            json.key("traceId").plain(span.span_context.trace_id());
            json.key("id").plain(span.span_context.span_id());
            if span.parent_span_id != SpanId::INVALID {
                json.key("parentId").plain(span.parent_span_id);
            }
            if let Some(kind) = kind(&span.span_kind) {
                json.key("kind").text(kind);
            }
            json.key("name").text(&span.name);
            json.key("timestamp").whole(microseconds(span.start_time));
            let duration = span.end_time.duration_since(span.start_time).unwrap_or_default();
            // Zipkin knows none that took no time.
            json.key("duration").whole(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1));
            json.key("localEndpoint").object(|json| json.key("serviceName").text(&self.service));
            if matches!(span.span_kind, SpanKind::Client | SpanKind::Producer) {
                remote(json, span);
            }
            if !span.events.events.is_empty() {
                json.key("annotations").list(&span.events.events, annotation);
            }
            json.key("tags").object(|json| self.tags(json, span));
        });
    }

    /// Each key once: of what says the same, the span's own counts, and of that the last one.
    fn tags(&self, json: &mut Json, span: &SpanData) {
        let attributes = &span.attributes;
        let has = |key: &str| attributes.iter().any(|attribute| attribute.key.as_str() == key);
        for (place, KeyValue { key, value, .. }) in attributes.iter().enumerate() {
            let is_last = attributes[place + 1..].iter().all(|later| later.key != *key);
            if is_last && !is_ours(key.as_str(), span) {
                json.key(key.as_str()).text(&text(value));
            }
        }
        for (key, value) in &self.tags {
            if !has(key) && !is_ours(key, span) {
                json.key(key).text(value);
            }
        }
        match &span.status {
            Status::Unset => {}
            Status::Ok => json.key("otel.status_code").text("OK"),
            Status::Error { description } => {
                json.key("otel.status_code").text("ERROR");
                json.key("error").text(description);
            }
        }
        let scope = &span.instrumentation_scope;
        for (key, value) in [("otel.scope.name", Some(scope.name())), ("otel.scope.version", scope.version())]
        {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                json.key(key).text(value);
            }
        }
        for (key, count) in [
            ("otel.dropped_attributes_count", span.dropped_attributes_count),
            ("otel.dropped_events_count", span.events.dropped_count),
            ("otel.dropped_links_count", span.links.dropped_count),
        ] {
            if count > 0 {
                json.key(key).plain(count);
            }
        }
    }
}

/// Whether the mapping says what stands under a key. Zipkin takes a span with any `error` for failed, `false` too.
fn is_ours(key: &str, span: &SpanData) -> bool {
    let scope = &span.instrumentation_scope;
    match key {
        "error" => {
            let says_no = |attribute: &KeyValue| {
                attribute.key.as_str() == "error" && attribute.value.as_str() == "false"
            };
            matches!(span.status, Status::Error { .. }) || span.attributes.iter().rev().any(says_no)
        }
        "otel.status_code" => span.status != Status::Unset,
        "otel.scope.name" => !scope.name().is_empty(),
        "otel.scope.version" => scope.version().is_some_and(|version| !version.is_empty()),
        "otel.dropped_attributes_count" => span.dropped_attributes_count > 0,
        "otel.dropped_events_count" => span.events.dropped_count > 0,
        "otel.dropped_links_count" => span.links.dropped_count > 0,
        _ => false,
    }
}

fn kind(kind: &SpanKind) -> Option<&'static str> {
    match kind {
        SpanKind::Client => Some("CLIENT"),
        SpanKind::Server => Some("SERVER"),
        SpanKind::Producer => Some("PRODUCER"),
        SpanKind::Consumer => Some("CONSUMER"),
        SpanKind::Internal => None,
    }
}

/// Who was called, by the first attribute that says it: without it, Zipkin draws no line between services.
fn remote(json: &mut Json, span: &SpanData) {
    /// In the order of the specification; those with a port are addresses.
    const SAID_BY: [(&str, Option<&str>); 11] = [
        ("peer.service", None),
        ("server.address", None),
        ("net.peer.name", None),
        ("network.peer.address", Some("network.peer.port")),
        ("server.socket.domain", None),
        ("server.socket.address", Some("server.socket.port")),
        ("net.sock.peer.name", None),
        ("net.sock.peer.addr", Some("net.sock.peer.port")),
        ("peer.hostname", None),
        ("peer.address", None),
        ("db.name", None),
    ];
    let find = |key: &str| span.attributes.iter().rfind(|attribute| attribute.key.as_str() == key);
    let Some((found, port)) = SAID_BY.iter().find_map(|(key, port)| Some((find(key)?, *port))) else {
        return;
    };
    let value = found.value.as_str();
    json.key("remoteEndpoint").object(|json| match (port, value.parse()) {
        (Some(port), Ok(address)) => {
            json.key(if matches!(address, std::net::IpAddr::V4(_)) { "ipv4" } else { "ipv6" }).text(&value);
            let port = find(port).and_then(|port| port.value.as_str().parse::<u16>().ok());
            if let Some(port) = port {
                json.key("port").whole(port.into());
            }
        }
        _ => json.key("serviceName").text(&value),
    });
}

/// An event, with its attributes in its text.
fn annotation(json: &mut Json, event: &Event) {
    json.object(|json| {
        json.key("timestamp").whole(microseconds(event.timestamp));
        if event.attributes.is_empty() {
            json.key("value").text(&event.name);
            return;
        }
        let mut value = Json::default();
        value.key(&event.name).object(|value| {
            for (place, attribute) in event.attributes.iter().enumerate() {
                if event.attributes[place + 1..].iter().all(|later| later.key != attribute.key) {
                    write_value(value.key(attribute.key.as_str()), &attribute.value);
                }
            }
        });
        json.key("value").text(&String::from_utf8_lossy(&value.0));
    });
}

fn write_value(json: &mut Json, value: &Value) {
    match value {
        Value::Bool(value) => json.truth(*value),
        Value::I64(value) => json.integer(*value),
        Value::F64(value) => json.float(*value),
        Value::Array(Array::Bool(all)) => json.list(all, |json, one| json.truth(*one)),
        Value::Array(Array::I64(all)) => json.list(all, |json, one| json.integer(*one)),
        Value::Array(Array::F64(all)) => json.list(all, |json, one| json.float(*one)),
        Value::Array(Array::String(all)) => json.list(all, |json, one| json.text(one.as_str())),
        other => json.text(&other.as_str()),
    }
}

/// A value as a tag, which is a text.
fn text(value: &Value) -> String {
    match value {
        Value::Array(_) => {
            let mut json = Json::default();
            write_value(&mut json, value);
            String::from_utf8_lossy(&json.0).into_owned()
        }
        // OpenTelemetry's word for it, which Rust's is not.
        Value::F64(value) if value.is_infinite() => {
            if *value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
        }
        other => other.as_str().into_owned(),
    }
}

fn microseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
