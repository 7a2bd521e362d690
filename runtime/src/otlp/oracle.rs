//! What is written here, read by what the specification's own files were made into, and compared with what that would
//! have written of the same spans.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::prelude::*;
use prost::Message as _;

use super::{Json, Protobuf};
use crate::transport::{Format, Partial};

fn scope(name: &'static str) -> InstrumentationScope {
    InstrumentationScope::builder(name)
        .with_version("1.2")
        .with_schema_url("https://scope.example")
        .with_attributes([KeyValue::new("scope.key", 7)])
        .build()
}

fn context(trace: u128, span: u64, is_remote: bool, state: &str) -> SpanContext {
    let state = state.parse::<TraceState>().unwrap_or_default();
    SpanContext::new(TraceId::from(trace), SpanId::from(span), TraceFlags::SAMPLED, is_remote, state)
}

fn plain(name: impl Into<Cow<'static, str>>) -> SpanData {
    SpanData {
        span_context: context(0x0102, 0x0304, false, ""),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789),
        end_time: SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_790),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: scope("one"),
    }
}

/// Everything there is, with what is hard to write.
fn whole() -> SpanData {
    let mut span = plain("GET /users/{id} \u{1F980} \"quoted\" \\ \u{7}\n");
    span.span_context = context(u128::MAX, u64::MAX, false, "a=b,c=d");
    span.parent_span_id = SpanId::from(9);
    span.parent_span_is_remote = true;
    span.span_kind = SpanKind::Consumer;
    span.attributes = vec![
        KeyValue::new("text", "a\u{0}b\u{2028}"),
        KeyValue::new("empty", ""),
        KeyValue::new("no", false),
        KeyValue::new("zero", 0),
        KeyValue::new("least", i64::MIN),
        KeyValue::new("greatest", i64::MAX),
        KeyValue::new("whole", 3.0),
        KeyValue::new("small", 5e-324),
        KeyValue::new("large", f64::MAX),
        KeyValue::new("texts", Value::Array(Array::String(vec!["a".into(), "".into()]))),
        KeyValue::new("truths", Value::Array(Array::Bool(vec![true, false]))),
        KeyValue::new("numbers", Value::Array(Array::I64(vec![0, -1]))),
        KeyValue::new("floats", Value::Array(Array::F64(vec![0.0, -0.5]))),
        KeyValue::new("none", Value::Array(Array::I64(Vec::new()))),
        KeyValue::new("", "without a key"),
        KeyValue::new("long", "x".repeat(20_000)),
    ];
    span.dropped_attributes_count = 300;
    let at = span.start_time;
    span.events.events =
        vec![Event::new("milestone", at, vec![KeyValue::new("n", 1)], 2), Event::new("", at, Vec::new(), 0)];
    span.events.dropped_count = 4;
    let linked = |is_remote| context(77, 78, is_remote, "x=y");
    span.links.links = vec![
        Link::new(linked(true), vec![KeyValue::new("why", "retry")], 5),
        Link::new(linked(false), Vec::new(), 0),
    ];
    span.links.dropped_count = 6;
    span.status = Status::error("it \"broke\"");
    span
}

fn service() -> Resource {
    let attributes = [KeyValue::new("service.name", "shop"), KeyValue::new("n", 1.5)];
    Resource::builder_empty().with_schema_url(attributes, "https://resource.example").build()
}

/// What the other implementation makes of the spans.
fn expected(resource: &Resource, spans: Vec<SpanData>) -> ExportTraceServiceRequest {
    let resource = ResourceAttributesWithSchema::from(resource);
    ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(spans, &resource) }
}

fn packed(mut format: impl Format, resource: &Resource, spans: &[SpanData]) -> Vec<u8> {
    format.prepare(resource);
    format.pack(spans)
}

/// Both spellings of the same spans.
fn compare(spans: Vec<SpanData>) {
    let resource = service();
    let [protobuf, json] =
        [packed(Protobuf::default(), &resource, &spans), packed(Json::default(), &resource, &spans)];
    let expected = expected(&resource, spans);
    assert_eq!(ExportTraceServiceRequest::decode(protobuf.as_slice()).unwrap(), expected);
    assert_eq!(protobuf.len(), expected.encoded_len(), "and no byte more than it takes");
    let json = String::from_utf8(json).unwrap();
    let read: ExportTraceServiceRequest = serde_json::from_str(&json).expect(&json);
    assert_eq!(read, expected, "{json}");
}

#[test]
fn every_field_arrives_in_both_spellings() {
    let mut spans = vec![whole(), plain("plain")];
    for (kind, status) in [
        (SpanKind::Internal, Status::Ok),
        (SpanKind::Server, Status::Unset),
        (SpanKind::Client, Status::error("")),
        (SpanKind::Producer, Status::Ok),
    ] {
        let mut span = plain("one of a kind");
        (span.span_kind, span.status) = (kind, status);
        spans.push(span);
    }
    compare(spans);
}

#[test]
fn scopes_are_told_apart_and_their_spans_stay_in_order() {
    let mut spans: Vec<_> = (0..9).map(|number| plain(format!("span {number}"))).collect();
    for (span, name) in spans.iter_mut().zip(["a", "a", "b", "a", "c", "b", "b", "a", "c"]) {
        span.instrumentation_scope = scope(name);
    }
    compare(spans);
}

#[test]
fn lengths_around_the_bounds_of_their_digits_are_right() {
    for length in [0, 1, 100, 126, 127, 128, 129, 16_383, 16_384, 16_385, 2_097_152] {
        compare(vec![plain("x".repeat(length))]);
    }
}

#[test]
fn json_is_as_the_specification_writes_it() {
    // The reader of `compare` does not know the numbers that are none.
    let mut span = whole();
    span.attributes = vec![
        KeyValue::new("n", i64::MAX),
        KeyValue::new("nan", f64::NAN),
        KeyValue::new("inf", f64::NEG_INFINITY),
    ];
    span.name = "s".into();
    let json = packed(Json::default(), &service(), &[span]);
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let span = &json["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["traceId"], "ffffffffffffffffffffffffffffffff");
    assert_eq!(span["parentSpanId"], "0000000000000009");
    assert_eq!(span["kind"], 5);
    assert_eq!(span["startTimeUnixNano"], "1700000000123456789");
    assert_eq!(span["flags"], 0x301);
    assert_eq!(span["attributes"][0]["value"]["intValue"], "9223372036854775807");
    assert_eq!(span["attributes"][1]["value"]["doubleValue"], "NaN");
    assert_eq!(span["attributes"][2]["value"]["doubleValue"], "-Infinity");
    assert_eq!(span["status"]["code"], 2);
    assert_eq!(span["links"][0]["flags"], 0x301);
    assert_eq!(span["links"][1]["flags"], 0x101);
}

#[test]
fn times_before_all_time_are_its_beginning() {
    let mut span = plain("early");
    span.start_time = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    compare(vec![span]);
}

#[test]
fn what_was_not_taken_is_read_in_both_spellings_and_garbage_says_nothing() {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };

    let partial = ExportTracePartialSuccess { rejected_spans: 300, error_message: "too old".to_owned() };
    let response = ExportTraceServiceResponse { partial_success: Some(partial) };
    let read = Some(Partial { rejected: 300, reason: "too old".to_owned() });
    assert_eq!(Protobuf::default().partial(&response.encode_to_vec()), read);
    assert_eq!(Json::default().partial(&serde_json::to_vec(&response).unwrap()), read);
    for text in [
        r#"{"partialSuccess":{"rejectedSpans":"300","errorMessage":"too old"}}"#,
        r#"{"partialSuccess":{"rejectedSpans":300,"errorMessage":"too old"}}"#,
    ] {
        assert_eq!(Json::default().partial(text.as_bytes()), read);
    }
    for nothing in ["", "{}", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":null}"#, "[]", "null"] {
        let rejected = Json::default().partial(nothing.as_bytes()).map_or(0, |partial| partial.rejected);
        assert_eq!(rejected, 0, "{nothing}");
    }
    assert_eq!(Protobuf::default().partial(b""), Some(Partial::default()));
    assert_eq!(Protobuf::default().partial(b"<html>welcome</html>"), None);
}

proptest! {
    #[test]
    fn whatever_a_receiver_says_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Protobuf::default().partial(&bytes);
        let _ = Json::default().partial(&bytes);
    }

    #[test]
    fn whatever_texts_and_numbers_there_are_they_arrive(
        name in ".*", key in ".*", text in ".*", number in any::<i64>(), float in any::<f64>(), dropped in any::<u32>(),
    ) {
        let mut span = plain(name);
        let float = if float.is_finite() { float } else { 0.0 };
        span.attributes = vec![
            KeyValue::new(key.clone(), text.clone()),
            KeyValue::new(key.clone(), number),
            KeyValue::new(key, float),
        ];
        span.dropped_attributes_count = dropped;
        span.status = Status::error(text);
        compare(vec![span]);
    }
}
