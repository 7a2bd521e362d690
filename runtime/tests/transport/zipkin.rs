//! Zipkin's JSON, as the specification's mapping has it.

use std::time::{Duration, SystemTime};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};
use serde_json::json;
use traced::opentelemetry::trace::{
    Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use traced::opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use traced::zipkin::Zipkin;

use crate::exporters::{LONG, settled, turn};
use crate::receiver::{Manner, receiver};
use crate::{assert_counts, calls, set_up};

fn span() -> SpanData {
    let start_time = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
    SpanData {
        span_context: SpanContext::new(
            TraceId::from(0x0a0b),
            SpanId::from(0x0c0d),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "charge".into(),
        start_time,
        end_time: start_time,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("payments").with_version("1.2").build(),
    }
}

/// What Zipkin gets of spans of the service.
fn sent(spans: Vec<SpanData>) -> serde_json::Value {
    let receiver = receiver([Manner::status("202 Accepted")]);
    let mut exporter = Zipkin::new(format!("http://{}", receiver.address)).build().unwrap();
    let attributes = [KeyValue::new("service.name", "shop"), KeyValue::new("region", "eu")];
    exporter.set_resource(&Resource::builder_empty().with_attributes(attributes).build());
    futures_executor(exporter.export(spans));
    let request = receiver.requests.recv_timeout(LONG).unwrap();
    assert!(request.head.starts_with("post /api/v2/spans http/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header("content-type"), Some("application/json"));
    serde_json::from_slice(&request.body).unwrap()
}

fn futures_executor(export: impl Future<Output = opentelemetry_sdk::error::OTelSdkResult>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(export).unwrap();
}

#[test]
fn a_plain_span_has_what_it_needs_and_no_more() {
    assert_eq!(
        sent(vec![span()]),
        json!([{
            "traceId": "00000000000000000000000000000a0b",
            "id": "0000000000000c0d",
            "name": "charge",
            "timestamp": 1_700_000_000_123_456_u64,
            "duration": 1,
            "localEndpoint": { "serviceName": "shop" },
            "tags": { "region": "eu", "otel.scope.name": "payments", "otel.scope.version": "1.2" },
        }])
    );
}

#[test]
fn a_whole_span_is_mapped_as_the_specification_says() {
    let mut whole = span();
    whole.parent_span_id = SpanId::from(7);
    whole.span_kind = SpanKind::Client;
    whole.end_time = whole.start_time + Duration::from_nanos(1_234_567);
    whole.attributes = vec![
        KeyValue::new("text", "a \"b\""),
        KeyValue::new("yes", true),
        KeyValue::new("n", 7),
        KeyValue::new("twice", 1),
        KeyValue::new("list", Value::Array(Array::String(vec!["a".into(), "b".into()]))),
        KeyValue::new("twice", 2),
        KeyValue::new("region", "us"),
        KeyValue::new("error", true),
        KeyValue::new("server.address", "db.example"),
        KeyValue::new("peer.service", "db"),
    ];
    whole.dropped_attributes_count = 3;
    let at = whole.start_time + Duration::from_micros(5);
    whole.events.events = vec![
        Event::with_name("plain"),
        Event::new("retry", at, vec![KeyValue::new("n", 1), KeyValue::new("why", "it \"broke\"")], 0),
    ];
    whole.events.events[0].timestamp = at;
    whole.events.dropped_count = 2;
    whole.links.dropped_count = 1;
    whole.status = Status::error("declined");
    assert_eq!(
        sent(vec![whole]),
        json!([{
            "traceId": "00000000000000000000000000000a0b",
            "id": "0000000000000c0d",
            "parentId": "0000000000000007",
            "kind": "CLIENT",
            "name": "charge",
            "timestamp": 1_700_000_000_123_456_u64,
            "duration": 1_234,
            "localEndpoint": { "serviceName": "shop" },
            "remoteEndpoint": { "serviceName": "db" },
            "annotations": [
                { "timestamp": 1_700_000_000_123_461_u64, "value": "plain" },
                { "timestamp": 1_700_000_000_123_461_u64, "value": r#""retry":{"n":1,"why":"it \"broke\""}"# },
            ],
            "tags": {
                "text": "a \"b\"",
                "yes": "true",
                "n": "7",
                "list": r#"["a","b"]"#,
                "twice": "2",
                "region": "us",
                "server.address": "db.example",
                "peer.service": "db",
                "otel.status_code": "ERROR",
                "error": "declined",
                "otel.scope.name": "payments",
                "otel.scope.version": "1.2",
                "otel.dropped_attributes_count": "3",
                "otel.dropped_events_count": "2",
                "otel.dropped_links_count": "1",
            },
        }])
    );
}

#[test]
fn kinds_remote_addresses_and_good_ends_have_their_place() {
    let of_kind = |kind, attributes: Vec<KeyValue>, status| {
        let mut span = span();
        (span.span_kind, span.attributes, span.status) = (kind, attributes, status);
        span
    };
    let address = |address: &'static str| {
        vec![KeyValue::new("network.peer.address", address), KeyValue::new("network.peer.port", 5432)]
    };
    let sent = sent(vec![
        of_kind(SpanKind::Server, address("10.0.0.1"), Status::Ok),
        of_kind(SpanKind::Producer, address("10.0.0.1"), Status::error("")),
        of_kind(SpanKind::Client, address("::1"), Status::Unset),
        of_kind(SpanKind::Consumer, vec![KeyValue::new("error", false)], Status::Unset),
    ]);
    assert_eq!(sent[0]["kind"], "SERVER");
    assert_eq!(sent[0]["tags"]["otel.status_code"], "OK");
    assert_eq!(sent[0]["remoteEndpoint"], json!(null), "callers of others alone have one");
    assert_eq!(sent[1]["remoteEndpoint"], json!({ "ipv4": "10.0.0.1", "port": 5432 }));
    assert_eq!(sent[1]["tags"]["error"], "", "an error without a text is one");
    assert_eq!(sent[2]["remoteEndpoint"], json!({ "ipv6": "::1", "port": 5432 }));
    assert_eq!(sent[2]["tags"].get("otel.status_code"), None);
    assert_eq!(sent[3]["tags"].get("error"), None, "Zipkin takes a `false` for an error");
}

#[test]
fn it_is_tried_again_as_otlp_is() {
    let _turn = turn();
    let receiver = receiver([Manner::status("503 Service Unavailable"), Manner::status("202 Accepted")]);
    let tracing = set_up(Zipkin::new(format!("http://{}", receiver.address)).gzip().build().unwrap());
    calls(3);
    settled(&tracing, |stats| stats.exported == 3 && stats.retried == 1);
    tracing.shutdown(LONG).unwrap();
    assert_counts(tracing.stats(), 3, 0, 0);
    let [first, second] = receiver.requests.try_iter().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(first.header("content-encoding"), Some("gzip"));
    assert_eq!(first.body, second.body);
}
