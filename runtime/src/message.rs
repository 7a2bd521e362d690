//! Spans as OTLP's JSON: one `ExportTraceServiceRequest`.
//!
//! `opentelemetry-proto` makes the message and writes it as the specification says (ids in hex, 64-bit numbers as texts,
//! enumerations as numbers), but for numbers that JSON does not have.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;

/// Spans and the service they are of, as one line of JSON without its end.
pub(crate) fn json(spans: Vec<SpanData>, resource: &ResourceAttributesWithSchema) -> Result<Vec<u8>, String> {
    let request =
        ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(spans, resource) };
    let json =
        serde_json::to_vec(&request).map_err(|error| format!("the spans cannot become JSON: {error}"))?;
    let unwritten = unwritten(&request);
    Ok(if unwritten.is_empty() { json } else { with(&unwritten, &json) })
}

/// What the crate writes for a number that is none: `NaN`, `Infinity` and `-Infinity` are to be texts. It can go when
/// the crate writes them, as it does for metrics.
const NOTHING: &[u8] = br#""doubleValue":null"#;

/// Puts the words in their places. Within a text `NOTHING` does not occur: its quotes would be escaped.
fn with(words: &[&str], json: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(json.len() + words.len() * 16);
    let mut rest = json;
    for word in words {
        let Some(at) = rest.windows(NOTHING.len()).position(|window| window == NOTHING) else { break };
        whole.extend_from_slice(&rest[..at]);
        whole.extend_from_slice(format!(r#""doubleValue":"{word}""#).as_bytes());
        rest = &rest[at + NOTHING.len()..];
    }
    whole.extend_from_slice(rest);
    whole
}

/// The words for what was not written, in the order in which the message is.
fn unwritten(request: &ExportTraceServiceRequest) -> Vec<&'static str> {
    let mut words = Vec::new();
    for resource_spans in &request.resource_spans {
        list(resource_spans.resource.iter().flat_map(|resource| &resource.attributes), &mut words);
        for scope_spans in &resource_spans.scope_spans {
            list(scope_spans.scope.iter().flat_map(|scope| &scope.attributes), &mut words);
            for span in &scope_spans.spans {
                list(&span.attributes, &mut words);
                list(span.events.iter().flat_map(|event| &event.attributes), &mut words);
                list(span.links.iter().flat_map(|link| &link.attributes), &mut words);
            }
        }
    }
    words
}

fn list<'a>(attributes: impl IntoIterator<Item = &'a KeyValue>, words: &mut Vec<&'static str>) {
    for attribute in attributes {
        attribute.value.iter().for_each(|value| word(value, words));
    }
}

fn word(value: &AnyValue, words: &mut Vec<&'static str>) {
    match &value.value {
        Some(any_value::Value::DoubleValue(number)) if number.is_nan() => words.push("NaN"),
        Some(any_value::Value::DoubleValue(number)) if number.is_infinite() => {
            words.push(if *number > 0.0 { "Infinity" } else { "-Infinity" });
        }
        Some(any_value::Value::ArrayValue(array)) => array.values.iter().for_each(|value| word(value, words)),
        _ => {}
    }
}
