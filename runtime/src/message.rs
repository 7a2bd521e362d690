//! Spans as OTLP's JSON, as its specification has it: ids in hexadecimal, numbers of 64 bits as texts, enumerations as
//! numbers. Receivers get it, and files.

use std::collections::HashMap;
use std::time::SystemTime;

use opentelemetry::trace::{SpanId, SpanKind, Status, TraceFlags};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use crate::json::Json;

/// Where spans come from, as it is written.
#[derive(Debug)]
pub(crate) struct Service {
    resource: Vec<u8>,
    schema: String,
}

impl Default for Service {
    fn default() -> Self {
        Self { resource: b"{}".to_vec(), schema: String::new() }
    }
}

impl Service {
    pub(crate) fn of(resource: &Resource) -> Self {
        let mut json = Json::default();
        json.object(|json| {
            json.key("attributes").list(resource, |json, (key, value)| key_value(json, key.as_str(), value));
        });
        Self { resource: json.0, schema: resource.schema_url().unwrap_or_default().to_owned() }
    }
}

/// `ExportTraceServiceRequest`, which is also a line of OTLP's file format, without its end.
pub(crate) fn json(spans: &[SpanData], service: &Service) -> Vec<u8> {
    let Service { resource, schema } = service;
    let mut json = Json(Vec::with_capacity(resource.len() + 512 * spans.len()));
    json.object(|json| {
        json.key("resourceSpans").array(|json| {
            json.object(|json| {
                json.key("resource").0.extend_from_slice(resource);
                json.key("scopeSpans").array(|json| {
                    for (scope, spans) in by_scope(spans) {
                        json.object(|json| {
                            json.key("scope").object(|json| {
                                json.key("name").text(scope.name());
                                text(json, "version", scope.version().unwrap_or_default());
                                attributes(json, scope.attributes());
                            });
                            json.key("spans").list(spans, write_span);
                            text(json, "schemaUrl", scope.schema_url().unwrap_or_default());
                        });
                    }
                });
                text(json, "schemaUrl", schema);
            });
        });
    });
    json.0
}

fn write_span(json: &mut Json, span: &SpanData) {
    let context = &span.span_context;
    json.object(|json| {
        json.key("traceId").plain(context.trace_id());
        json.key("spanId").plain(context.span_id());
        text(json, "traceState", &context.trace_state().header());
        if span.parent_span_id != SpanId::INVALID {
            json.key("parentSpanId").plain(span.parent_span_id);
        }
        json.key("flags").whole(flags(context.trace_flags(), span.parent_span_is_remote).into());
        json.key("name").text(&span.name);
        json.key("kind").whole(kind(&span.span_kind).into());
        json.key("startTimeUnixNano").plain(nanoseconds(span.start_time));
        json.key("endTimeUnixNano").plain(nanoseconds(span.end_time));
        attributes(json, &span.attributes);
        count(json, "droppedAttributesCount", span.dropped_attributes_count);
        if !span.events.events.is_empty() {
            json.key("events").array(|json| {
                for event in &span.events.events {
                    json.object(|json| {
                        json.key("timeUnixNano").plain(nanoseconds(event.timestamp));
                        json.key("name").text(&event.name);
                        attributes(json, &event.attributes);
                        count(json, "droppedAttributesCount", event.dropped_attributes_count);
                    });
                }
            });
        }
        count(json, "droppedEventsCount", span.events.dropped_count);
        if !span.links.links.is_empty() {
            json.key("links").array(|json| {
                for link in &span.links.links {
                    let context = &link.span_context;
                    json.object(|json| {
                        json.key("traceId").plain(context.trace_id());
                        json.key("spanId").plain(context.span_id());
                        text(json, "traceState", &context.trace_state().header());
                        attributes(json, &link.attributes);
                        count(json, "droppedAttributesCount", link.dropped_attributes_count);
                        json.key("flags").whole(flags(context.trace_flags(), context.is_remote()).into());
                    });
                }
            });
        }
        count(json, "droppedLinksCount", span.links.dropped_count);
        json.key("status").object(|json| match &span.status {
            Status::Unset => {}
            Status::Ok => json.key("code").whole(1),
            Status::Error { description } => {
                text(json, "message", description);
                json.key("code").whole(2);
            }
        });
    });
}

fn text(json: &mut Json, key: &str, text: &str) {
    if !text.is_empty() {
        json.key(key).text(text);
    }
}

fn count(json: &mut Json, key: &str, count: u32) {
    if count > 0 {
        json.key(key).whole(count.into());
    }
}

fn attributes<'a>(json: &mut Json, attributes: impl IntoIterator<Item = &'a KeyValue>) {
    let mut attributes = attributes.into_iter().peekable();
    if attributes.peek().is_some() {
        json.key("attributes").array(|json| {
            for attribute in attributes {
                key_value(json, attribute.key.as_str(), &attribute.value);
            }
        });
    }
}

fn key_value(json: &mut Json, key: &str, value: &Value) {
    json.object(|json| {
        json.key("key").text(key);
        json.key("value").object(|json| match value {
            Value::Bool(value) => bool_value(json, *value),
            Value::I64(value) => int_value(json, *value),
            Value::F64(value) => double_value(json, *value),
            Value::Array(array) => array_value(json, array),
            other => string_value(json, &other.as_str()),
        });
    });
}

fn bool_value(json: &mut Json, value: bool) {
    json.key("boolValue").truth(value);
}

fn int_value(json: &mut Json, value: i64) {
    json.key("intValue").plain(value);
}

fn double_value(json: &mut Json, value: f64) {
    json.key("doubleValue").float(value);
}

fn string_value(json: &mut Json, value: &str) {
    json.key("stringValue").text(value);
}

fn array_value(json: &mut Json, array: &Array) {
    json.key("arrayValue").object(|json| {
        let json = json.key("values");
        match array {
            Array::Bool(all) => json.list(all, |json, one| json.object(|json| bool_value(json, *one))),
            Array::I64(all) => json.list(all, |json, one| json.object(|json| int_value(json, *one))),
            Array::F64(all) => json.list(all, |json, one| json.object(|json| double_value(json, *one))),
            Array::String(all) => {
                json.list(all, |json, one| json.object(|json| string_value(json, one.as_str())));
            }
            // OpenTelemetry has no other yet.
            _ => json.array(|_| {}),
        }
    });
}

pub(crate) fn kind(kind: &SpanKind) -> u8 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// The spans of each scope, in the order in which they came.
pub(crate) fn by_scope(spans: &[SpanData]) -> Vec<(&InstrumentationScope, Vec<&SpanData>)> {
    let mut places: HashMap<&InstrumentationScope, usize> = HashMap::new();
    let mut scopes: Vec<(&InstrumentationScope, Vec<&SpanData>)> = Vec::new();
    let mut last = 0;
    for span in spans {
        let scope = &span.instrumentation_scope;
        // Most are of the scope of the one before.
        if scopes.get(last).is_none_or(|(other, _)| *other != scope) {
            last = *places.entry(scope).or_insert(scopes.len());
            if last == scopes.len() {
                scopes.push((scope, Vec::new()));
            }
        }
        scopes[last].1.push(span);
    }
    scopes
}

/// The flags of the trace, and whether its parent, or what is linked, is of another process.
pub(crate) fn flags(flags: TraceFlags, is_remote: bool) -> u32 {
    const IS_KNOWN: u32 = 0x100;
    const IS_REMOTE: u32 = 0x200;
    u32::from(flags.to_u8()) | IS_KNOWN | if is_remote { IS_REMOTE } else { 0 }
}

pub(crate) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
