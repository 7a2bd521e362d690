//! Jaeger's JSON: every field as its UI wants it, and a file that is whole at any moment.
#![cfg(feature = "jaeger-json")]
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod exporters;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use exporters::{LONG, exported, exported_by, turn};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use serde_json::{Value, json};
use traced::jaeger::File;
use traced::memory::{Memory, Query};
use traced::opentelemetry::trace::{Event, Link, SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use traced::opentelemetry::{KeyValue, Value as Attribute};
use traced::traced;

/// A folder of the test's own, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("traced-jaeger-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn read(path: &Path) -> Value {
    parsed(&std::fs::read_to_string(path).unwrap())
}

/// What Jaeger's UI does with a document before it shows it, and where it would stumble.
fn loads(document: &Value) {
    for trace in document["data"].as_array().expect("a list of traces") {
        let id = trace["traceID"].as_str().unwrap();
        assert!(id.len() == 32 && id.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{id}");
        for span in trace["spans"].as_array().expect("a list of spans") {
            assert_eq!(span["traceID"], trace["traceID"]);
            assert_eq!(span["spanID"].as_str().unwrap().len(), 16);
            assert!(span["startTime"].as_u64().unwrap() > 0 && span["duration"].is_u64(), "{span}");
            let process = &trace["processes"][span["processID"].as_str().unwrap()];
            assert!(process["serviceName"].is_string(), "{process}");
            let logs = span["logs"].as_array().unwrap().iter();
            let fields = logs.flat_map(|log| {
                assert!(log["timestamp"].is_u64());
                log["fields"].as_array().unwrap()
            });
            for tag in span["tags"].as_array().unwrap().iter().chain(fields) {
                let value = &tag["value"];
                let fits = match tag["type"].as_str().unwrap() {
                    "bool" => value.is_boolean(),
                    "int64" => value.is_i64() || value.is_string(),
                    "float64" => value.is_number() || value.is_string(),
                    "string" => value.is_string(),
                    other => panic!("{other}"),
                };
                assert!(fits && tag["key"].is_string(), "{tag}");
            }
            for reference in span["references"].as_array().unwrap() {
                assert!(["CHILD_OF", "FOLLOWS_FROM"].contains(&reference["refType"].as_str().unwrap()));
            }
        }
    }
}

#[traced(kind = server, attr(on = true, many = i64::MAX, few = -3, half = 0.5, whole = 2.0, none = f64::NAN))]
fn everything() {
    traced::event!("step", number = 1, words = ["a", "b"]);
}

fn a_span() -> SpanData {
    let ((), spans) = exported(everything);
    spans.0.into_iter().next().unwrap()
}

#[test]
fn every_field_is_where_jaeger_has_it() {
    let mut span = a_span();
    let at = |micros: u64| std::time::UNIX_EPOCH + Duration::from_nanos(micros * 1_000 + 999);
    let state = TraceState::from_key_value([("vendor", "1")]).unwrap();
    let context = |trace: u128, span: u64| {
        SpanContext::new(TraceId::from(trace), SpanId::from(span), TraceFlags::SAMPLED, false, state.clone())
    };
    span.span_context = context(0xabc, 0x1);
    span.parent_span_id = SpanId::from(0x2);
    (span.start_time, span.end_time) = (at(1_700_000_000_000_000), at(1_700_000_000_000_250));
    span.attributes.retain(|attribute| !attribute.key.as_str().starts_with("code."));
    span.attributes.push(KeyValue::new("few", -4));
    span.attributes.push(KeyValue::new("floats", Attribute::Array(vec![0.5, f64::INFINITY].into())));
    span.links.links = vec![
        Link::new(context(0xdef, 0x3), vec![KeyValue::new("why", "retry")], 0),
        Link::new(context(0xabc, 0x2), Vec::new(), 0),
    ];
    span.links.dropped_count = 2;
    span.status = traced::opentelemetry::trace::Status::error("no \"tea\"\n");
    span.events.events = vec![
        Event::new("step", at(1_700_000_000_000_100), vec![KeyValue::new("number", 1)], 0),
        Event::new("step", at(1_700_000_000_000_100), vec![KeyValue::new("event", "named")], 0),
    ];
    let shop = Resource::builder_empty()
        .with_service_name("shop")
        .with_attribute(KeyValue::new("service.version", "1"))
        .build();
    let document = parsed(&traced::jaeger::json(&[span], &shop));
    loads(&document);
    let tag = |key: &str, kind: &str, value: Value| json!({"key": key, "type": kind, "value": value});
    assert_eq!(
        document,
        json!({
            "data": [{
                "traceID": "00000000000000000000000000000abc",
                "spans": [{
                    "traceID": "00000000000000000000000000000abc",
                    "spanID": "0000000000000001",
                    "flags": 1,
                    "operationName": "everything",
                    "references": [
                        {
                            "refType": "CHILD_OF",
                            "traceID": "00000000000000000000000000000abc",
                            "spanID": "0000000000000002"
                        },
                        {
                            "refType": "FOLLOWS_FROM",
                            "traceID": "00000000000000000000000000000def",
                            "spanID": "0000000000000003"
                        }
                    ],
                    "startTime": 1_700_000_000_000_000_u64,
                    "duration": 250,
                    "tags": [
                        tag("otel.scope.name", "string", json!("traced")),
                        tag("otel.scope.version", "string", json!(env!("CARGO_PKG_VERSION"))),
                        tag("on", "bool", json!(true)),
                        tag("many", "int64", json!("9223372036854775807")),
                        tag("few", "int64", json!(-4)),
                        tag("half", "float64", json!(0.5)),
                        tag("whole", "float64", json!(2.0)),
                        tag("none", "float64", json!("NaN")),
                        tag("floats", "string", json!("[0.5,\"inf\"]")),
                        tag("span.kind", "string", json!("server")),
                        tag("otel.status_code", "string", json!("ERROR")),
                        tag("error", "bool", json!(true)),
                        tag("otel.status_description", "string", json!("no \"tea\"\n")),
                        tag("w3c.tracestate", "string", json!("vendor=1")),
                    ],
                    "logs": [
                        {
                            "timestamp": 1_700_000_000_000_100_u64,
                            "fields": [tag("event", "string", json!("step")), tag("number", "int64", json!(1))]
                        },
                        {
                            "timestamp": 1_700_000_000_000_100_u64,
                            "fields": [tag("event", "string", json!("named"))]
                        }
                    ],
                    "processID": "p1",
                    "warnings": ["links beyond the limit, dropped: 2"]
                }],
                "processes": {
                    "p1": {"serviceName": "shop", "tags": [tag("service.version", "string", json!("1"))]}
                },
                "warnings": null
            }],
            "total": 0,
            "limit": 0,
            "offset": 0,
            "errors": null
        })
    );
}

#[test]
fn spans_of_several_traces_and_a_service_without_a_name() {
    let spans: Vec<SpanData> = (0..3)
        .map(|number: u8| {
            let mut span = a_span();
            let trace = TraceId::from(u128::from(number % 2) + 1);
            span.span_context = SpanContext::new(
                trace,
                SpanId::from(u64::from(number) + 1),
                TraceFlags::default(),
                false,
                TraceState::NONE,
            );
            // A clock that went backwards.
            span.end_time = span.start_time - Duration::from_secs(1);
            span
        })
        .collect();
    let document = parsed(&traced::jaeger::json(&spans, &Resource::builder_empty().build()));
    loads(&document);
    let traces = document["data"].as_array().unwrap();
    let lengths: Vec<_> = traces.iter().map(|trace| trace["spans"].as_array().unwrap().len()).collect();
    assert_eq!(lengths, [2, 1]);
    assert_eq!(traces[0]["spans"][0]["duration"], 0);
    assert!(traces[0]["spans"][0].get("flags").is_none(), "it was not sampled");
    assert_eq!(traces[0]["processes"]["p1"]["serviceName"], "OTLPResourceNoServiceName");
}

#[test]
fn memory_answers_in_it() {
    let memory = Memory::new();
    let keeps = memory.clone();
    exported_by(move |builder| builder.exporter(keeps), everything);
    let document = parsed(&memory.jaeger_json(&Query::new().name("everything")));
    loads(&document);
    assert_eq!(document["data"][0]["spans"][0]["operationName"], "everything");
    let trace = memory.find(&Query::new()).remove(0);
    assert_eq!(parsed(&trace.jaeger_json()), document);
    assert_eq!(parsed(&memory.jaeger_json(&Query::new().limit(0)))["data"], json!([]));
}

#[traced]
fn work(text: &str) {
    traced::set!(text);
}

#[test]
fn the_file_can_be_loaded_at_any_moment_and_stays_within_its_bounds() {
    const BYTES: usize = 64 << 10;
    let (folder, _turn) = (Folder::new("any"), turn());
    let path = folder.at("traces.json");
    let file = File::new(&path).bytes(BYTES).traces(40);
    let tracing = traced::builder("shop").exporter(file).delay(Duration::from_millis(1)).install().unwrap();
    let mut looks = 0;
    let begun = Instant::now();
    while looks < 5 || begun.elapsed() < Duration::from_secs(1) {
        work("\u{7}\"\\");
        if let Ok(text) = std::fs::read_to_string(&path) {
            looks += 1;
            assert!(text.len() <= BYTES, "{}", text.len());
            loads(&parsed(&text));
        }
        assert!(begun.elapsed() < LONG);
    }
    assert_eq!(tracing.flush(), Ok(()));
    let document = read(&path);
    assert_eq!(document["data"].as_array().unwrap().len(), 40);
    assert_eq!(folder.names(), ["traces.json"], "nothing lies around");
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(tracing.stats().dropped.total(), 0);
}

#[test]
fn what_comes_while_the_file_rests_is_in_it_soon_without_a_flush() {
    let (folder, _turn) = (Folder::new("soon"), turn());
    let path = folder.at("traces.json");
    let tracing =
        traced::builder("shop").exporter(File::new(&path)).delay(Duration::from_millis(1)).install().unwrap();
    let begun = Instant::now();
    for number in 1..=5 {
        work("x");
        let has = || {
            std::fs::read_to_string(&path)
                .is_ok_and(|text| parsed(&text)["data"].as_array().unwrap().len() == number)
        };
        while !has() {
            assert!(begun.elapsed() < LONG, "{number}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    drop(tracing);
}

#[test]
fn what_is_cut_of_a_giant_is_told_at_its_first_span() {
    let (folder, _turn) = (Folder::new("giant"), turn());
    let path = folder.at("traces.json");
    let tracing = traced::builder("shop").exporter(File::new(&path).bytes(100_000)).install().unwrap();
    traced::span!("giant").run(|| (0..1_000).for_each(|_| work(&"x".repeat(500))));
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    let document = read(&path);
    loads(&document);
    let trace = &document["data"][0];
    let spans = trace["spans"].as_array().unwrap();
    let missing = 1_001 - spans.len();
    let warning = format!("{missing} more spans of this trace came, and found no room or went to make room");
    assert_eq!((&trace["warnings"], &spans[0]["warnings"]), (&json!([warning]), &json!([warning])));
    assert!(spans.iter().any(|span| span["operationName"] == "giant"));
    assert!(std::fs::metadata(&path).unwrap().len() <= 100_000);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_and_is_written_once_it_can() {
    let (folder, _turn) = (Folder::new("fails"), turn());
    let path = folder.at("gone/traces.json");
    let tracing = traced::builder("shop").exporter(File::new(&path)).install().unwrap();
    work("x");
    let error = tracing.flush().unwrap_err().to_string();
    assert!(error.contains("gone/traces.json` cannot be written: "), "{error}");
    assert_eq!(tracing.stats().dropped.export_failed, 1);
    std::fs::create_dir(folder.at("gone")).unwrap();
    work("y");
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(read(&path)["data"].as_array().unwrap().len(), 2);
    assert_eq!((tracing.stats().exported, tracing.stats().dropped.export_failed), (1, 1));
}

#[cfg(unix)]
#[test]
fn the_file_is_nobody_elses_to_read_and_a_link_in_its_place_is_not_followed() {
    use std::os::unix::fs::PermissionsExt as _;

    let (folder, _turn) = (Folder::new("private"), turn());
    let (path, other) = (folder.at("traces.json"), folder.at("other"));
    std::fs::write(&other, "mine").unwrap();
    std::os::unix::fs::symlink(&other, &path).unwrap();
    std::os::unix::fs::symlink(&other, folder.at(&format!(".traces.json.{}.tmp", std::process::id())))
        .unwrap();
    let tracing = traced::builder("shop").exporter(File::new(&path)).install().unwrap();
    work("x");
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
    let metadata = std::fs::symlink_metadata(&path).unwrap();
    assert_eq!((metadata.is_file(), metadata.permissions().mode() & 0o777), (true, 0o600));
}
