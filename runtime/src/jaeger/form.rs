//! How a span looks in Jaeger's JSON. Knows no files, and of traces only how their spans stand beside each other.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceId};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use serde::{Serialize, Serializer};
use serde_json::json;

/// As Jaeger calls a service that has no name.
const NAMELESS: &str = "OTLPResourceNoServiceName";
/// Beyond it, JavaScript counts in steps.
const SAFE: u64 = (1 << 53) - 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    #[serde(rename = "traceID", serialize_with = "shown")]
    trace_id: TraceId,
    #[serde(rename = "spanID", serialize_with = "shown")]
    id: SpanId,
    #[serde(skip_serializing_if = "is_zero")]
    flags: u8,
    operation_name: &'a str,
    references: Vec<Reference>,
    /// Microseconds, as all times here.
    start_time: u64,
    duration: u64,
    tags: Vec<Tag<'a>>,
    logs: Vec<Log<'a>>,
    #[serde(rename = "processID")]
    process: &'a str,
    /// The last field: what is cut of a trace is added here, to a span that is text already.
    warnings: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ref_type: &'static str,
    #[serde(rename = "traceID", serialize_with = "shown")]
    trace_id: TraceId,
    #[serde(rename = "spanID", serialize_with = "shown")]
    span_id: SpanId,
}

#[derive(Serialize)]
struct Log<'a> {
    timestamp: u64,
    fields: Vec<Tag<'a>>,
}

#[derive(Serialize)]
struct Tag<'a> {
    key: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    value: Plain<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Plain<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Process<'a> {
    service_name: Cow<'a, str>,
    tags: Vec<Tag<'a>>,
}

fn shown<T: std::fmt::Display, S: Serializer>(id: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(id)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(flags: &u8) -> bool {
    *flags == 0
}

/// A span, and the process it is of by its name.
pub(super) fn span(span: &SpanData, process: &str) -> Vec<u8> {
    let context = &span.span_context;
    text(&Span {
        trace_id: context.trace_id(),
        id: context.span_id(),
        flags: u8::from(context.is_sampled()),
        operation_name: &span.name,
        references: references(span),
        start_time: micros(span.start_time),
        duration: whole_micros(span.end_time.duration_since(span.start_time).unwrap_or_default()),
        tags: span_tags(span),
        logs: span.events.iter().map(log).collect(),
        process,
        warnings: warnings(span),
    })
}

/// The services by their names.
pub(super) fn processes<'a>(named: impl IntoIterator<Item = (String, &'a Resource)>) -> Vec<u8> {
    let process = |resource: &'a Resource| {
        let attributes: BTreeMap<&str, &Value> =
            resource.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let name = attributes.get("service.name").map(|name| name.as_str()).filter(|name| !name.is_empty());
        let others = attributes.into_iter().filter(|(key, _)| *key != "service.name");
        Process {
            service_name: name.unwrap_or(Cow::Borrowed(NAMELESS)),
            tags: others.map(|(key, value)| tag(key, value)).collect(),
        }
    };
    text(&named.into_iter().map(|(name, resource)| (name, process(resource))).collect::<BTreeMap<_, _>>())
}

/// A trace whose spans and services are text.
pub(super) struct Trace<'a> {
    pub(super) id: TraceId,
    pub(super) spans: Vec<&'a [u8]>,
    pub(super) processes: &'a [u8],
    /// How many spans are not here.
    pub(super) missing: u64,
}

/// Puts traces together.
pub(super) fn document<'a>(to: &mut dyn Write, traces: impl Iterator<Item = Trace<'a>>) -> io::Result<()> {
    to.write_all(br#"{"data":["#)?;
    for (number, trace) in traces.enumerate() {
        to.write_all(if number > 0 { b"," } else { b"" })?;
        trace.write(to)?;
    }
    to.write_all(br#"],"total":0,"limit":0,"offset":0,"errors":null}"#)
}

impl Trace<'_> {
    /// What is not here is told where the UI shows it, which is at a span: at the first.
    fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let Self { id, spans, processes, missing } = self;
        let warning = (*missing > 0).then(|| {
            let spans =
                if *missing == 1 { "1 more span".to_owned() } else { format!("{missing} more spans") };
            json!(format!("{spans} of this trace came, and found no room or went to make room")).to_string()
        });
        write!(to, r#"{{"traceID":"{id}","spans":["#)?;
        for (number, span) in spans.iter().enumerate() {
            to.write_all(if number > 0 { b"," } else { b"" })?;
            match &warning {
                Some(warning) if number == 0 => to.write_all(&warned(span, warning))?,
                _ => to.write_all(span)?,
            }
        }
        to.write_all(br#"],"processes":"#)?;
        to.write_all(processes)?;
        match warning {
            Some(warning) => write!(to, r#","warnings":[{warning}]}}"#),
            None => to.write_all(br#","warnings":null}"#),
        }
    }
}

/// A span that is text, with one more warning.
fn warned(span: &[u8], warning: &str) -> Vec<u8> {
    let (rest, list) = match (span.strip_suffix(b"null}"), span.strip_suffix(b"]}")) {
        (Some(rest), _) => (rest, format!("[{warning}]}}")),
        (None, Some(rest)) => (rest, format!(",{warning}]}}")),
        (None, None) => (span, String::new()),
    };
    [rest, list.as_bytes()].concat()
}

fn text(value: &impl Serialize) -> Vec<u8> {
    // Nothing here can fail: keys are texts, and writing goes to memory.
    serde_json::to_vec(value).unwrap_or_default()
}

fn micros(time: SystemTime) -> u64 {
    whole_micros(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn whole_micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).map_or(SAFE, |micros| micros.min(SAFE))
}

/// The parent first, where Jaeger looks for it. A link to the parent is no second reference.
fn references(span: &SpanData) -> Vec<Reference> {
    let trace = span.span_context.trace_id();
    let reference = |ref_type, trace_id, span_id| Reference { ref_type, trace_id, span_id };
    let is_parent =
        |context: &SpanContext| context.trace_id() == trace && context.span_id() == span.parent_span_id;
    let parent =
        (span.parent_span_id != SpanId::INVALID).then(|| reference("CHILD_OF", trace, span.parent_span_id));
    let links = span.links.iter().filter(|link| !is_parent(&link.span_context)).map(
        |Link { span_context, .. }| {
            reference("FOLLOWS_FROM", span_context.trace_id(), span_context.span_id())
        },
    );
    parent.into_iter().chain(links).collect()
}

/// In the collector's order: the scope, the attributes, the kind, the status, the trace state.
fn span_tags(span: &SpanData) -> Vec<Tag<'_>> {
    let scope = &span.instrumentation_scope;
    let named =
        [("otel.scope.name", scope.name()), ("otel.scope.version", scope.version().unwrap_or_default())];
    let mut tags: Vec<Tag<'_>> = named
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| text_tag(key, value))
        .collect();
    tags.extend(attribute_tags(&span.attributes));
    tags.push(text_tag(
        "span.kind",
        match span.span_kind {
            SpanKind::Client => "client",
            SpanKind::Server => "server",
            SpanKind::Producer => "producer",
            SpanKind::Consumer => "consumer",
            SpanKind::Internal => "internal",
        },
    ));
    match &span.status {
        Status::Unset => {}
        Status::Ok => tags.push(text_tag("otel.status_code", "OK")),
        Status::Error { description } => {
            tags.push(text_tag("otel.status_code", "ERROR"));
            tags.push(Tag { key: "error", kind: "bool", value: Plain::Bool(true) });
            if !description.is_empty() {
                tags.push(text_tag("otel.status_description", &**description));
            }
        }
    }
    let state = span.span_context.trace_state().header();
    if !state.is_empty() {
        tags.push(text_tag("w3c.tracestate", state));
    }
    tags
}

fn log(event: &Event) -> Log<'_> {
    let is_named = event.attributes.iter().any(|attribute| attribute.key.as_str() == "event");
    let name = (!event.name.is_empty() && !is_named).then(|| text_tag("event", &*event.name));
    Log {
        timestamp: micros(event.timestamp),
        fields: name.into_iter().chain(attribute_tags(&event.attributes)).collect(),
    }
}

/// Attributes as they came; of a key that is there twice, the last one, in the place of the first.
fn attribute_tags(attributes: &[KeyValue]) -> Vec<Tag<'_>> {
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(attributes.len());
    let mut tags: Vec<Tag<'_>> = Vec::with_capacity(attributes.len());
    for KeyValue { key, value, .. } in attributes {
        let tag = tag(key.as_str(), value);
        if let Some(&place) = places.get(key.as_str()) {
            tags[place] = tag;
        } else {
            places.insert(key.as_str(), tags.len());
            tags.push(tag);
        }
    }
    tags
}

fn text_tag<'a>(key: &'a str, value: impl Into<Cow<'a, str>>) -> Tag<'a> {
    Tag { key, kind: "string", value: Plain::Text(value.into()) }
}

fn tag<'a>(key: &'a str, value: &'a Value) -> Tag<'a> {
    let (kind, value) = match value {
        Value::Bool(value) => ("bool", Plain::Bool(*value)),
        Value::I64(value) if value.unsigned_abs() <= SAFE => ("int64", Plain::Int(*value)),
        Value::I64(value) => ("int64", Plain::Text(value.to_string().into())),
        Value::F64(value) if value.is_finite() => ("float64", Plain::Float(*value)),
        // JSON has no word for it.
        Value::F64(value) => ("float64", Plain::Text(value.to_string().into())),
        Value::String(value) => ("string", Plain::Text(value.as_str().into())),
        Value::Array(array) => ("string", Plain::Text(list(array).into())),
        other => ("string", Plain::Text(other.to_string().into())),
    };
    Tag { key, kind, value }
}

/// A list as its JSON: there are no lists among Jaeger's types.
fn list(array: &Array) -> String {
    match array {
        Array::Bool(items) => json!(items),
        Array::I64(items) => json!(items),
        Array::F64(items) => items
            .iter()
            .map(|item| if item.is_finite() { json!(item) } else { json!(item.to_string()) })
            .collect(),
        Array::String(items) => items.iter().map(|item| json!(item.as_str())).collect(),
        other => json!(other.to_string()),
    }
    .to_string()
}

fn warnings(span: &SpanData) -> Option<Vec<String>> {
    let dropped = [
        (span.dropped_attributes_count, "attributes"),
        (span.events.dropped_count, "events"),
        (span.links.dropped_count, "links"),
    ];
    let told = dropped.into_iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> =
        told.map(|(count, of)| format!("{of} beyond the limit, dropped: {count}")).collect();
    (!told.is_empty()).then_some(told)
}
