//! Everything a span can carry, sent by each protocol to ddapm-test-agent, whose bytes Google's protobuf decodes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{
    Event, Link, Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue, Value, global};
use traced::{opentelemetry, traced};

use crate::child::{SERVICE, Variables, said_by, service, told};
use crate::receiver::{quoted, received_in_time, receivers, same};

pub(crate) fn over(protocol: &str, to: &str) -> Variables {
    vec![
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", to.to_owned()),
    ]
}

fn compressed(mut variables: Variables) -> Variables {
    variables.push(("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".to_owned()));
    variables
}

/// With a certificate to trust, and one to show.
fn encrypted(mut variables: Variables, folder: &str) -> Variables {
    variables.extend([
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", format!("{folder}/ca.pem")),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", format!("{folder}/client.pem")),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", format!("{folder}/client.key")),
    ]);
    variables
}

fn short(exporter: &str, endpoint: &'static str, to: &str) -> Variables {
    vec![("TRACING_EXPORTER", exporter.to_owned()), (endpoint, to.to_owned())]
}

/// Every way to send: what its test is called, the receivers on the way, and the variables that choose it.
macro_rules! every_way {
    ($($test:ident($($receiver:ident = $name:literal),+): $variables:expr;)+) => {$(
        #[test]
        fn $test() {
            let Some([agent, $($receiver),+]) = receivers(["OTLP_HTTP", $($name),+]) else { return };
            every_field_arrives(stringify!($test), $variables, &agent);
        }
    )+};
}

every_way! {
    protobuf_over_http(http = "OTLP_HTTP"): over("http/protobuf", &format!("http://{http}"));
    protobuf_over_http_compressed(http = "OTLP_HTTP"): compressed(over("http/protobuf", &format!("http://{http}")));
    protobuf_over_https(http = "TLS_HTTP", folder = "TLS"):
        encrypted(over("http/protobuf", &format!("https://{http}")), &folder);
    json_over_http(http = "OTLP_HTTP"): over("http/json", &format!("http://{http}"));
    json_over_http_compressed(http = "OTLP_HTTP"): compressed(over("http/json", &format!("http://{http}")));
    json_over_https(http = "TLS_HTTP", folder = "TLS"):
        encrypted(over("http/json", &format!("https://{http}")), &folder);
    grpc_in_the_clear(grpc = "OTLP_GRPC"): over("grpc", &format!("http://{grpc}"));
    grpc_compressed(grpc = "OTLP_GRPC"): compressed(over("grpc", &format!("http://{grpc}")));
    grpc_over_tls(grpc = "TLS_GRPC", folder = "TLS"): encrypted(over("grpc", &format!("https://{grpc}")), &folder);
    short_names(http = "OTLP_HTTP"): short("otlp", "OTLP_ENDPOINT", &format!("http://{http}"));
    jaeger_which_takes_otlp(http = "OTLP_HTTP"): short("jaeger", "JAEGER_ENDPOINT", &format!("http://{http}"));
    behind_a_collector_over_http(http = "ROTEL_HTTP"): over("http/protobuf", &format!("http://{http}"));
    behind_a_collector_over_grpc(grpc = "ROTEL_GRPC"): over("grpc", &format!("http://{grpc}"));
}

// ------------------------------------------------------------------------------------------------------- what is sent

const CALLER: &str = "0af7651916cd43dd8448eb211c80319c";
const TEXTS: [&str; 5] =
    ["", "Grüße, 世界 🌍", "a \"b\" \\c", "line\nline\ttab\0nul", "\u{feff}\u{202e}e\u{301}"];
const INTS: [i64; 5] = [0, -1, i64::MAX, i64::MIN, 1 << 53 | 1];
const FLOATS: [f64; 9] =
    [0.0, -0.0, 1.5, 0.1, f64::MAX, f64::MIN_POSITIVE / 4.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

fn at(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

fn state(members: &[(&str, &str)]) -> TraceState {
    TraceState::from_key_value(members.iter().copied()).unwrap()
}

fn remote(trace: &str, span: u64, flags: u8, state: TraceState) -> SpanContext {
    let trace = TraceId::from_hex(trace).unwrap();
    SpanContext::new(trace, SpanId::from(span), TraceFlags::new(flags), true, state)
}

fn strings(texts: &[&'static str]) -> Value {
    Value::Array(Array::String(texts.iter().map(|text| StringValue::from(*text)).collect()))
}

fn every_type() -> Vec<KeyValue> {
    let mut all = vec![KeyValue::new("bool", true), KeyValue::new("schlüssel \"1\"", false)];
    all.extend(TEXTS.map(|text| KeyValue::new("text", text)));
    all.extend(INTS.map(|int| KeyValue::new("int", int)));
    all.extend(FLOATS.map(|float| KeyValue::new("float", float)));
    all.push(KeyValue::new("bools", Value::Array(Array::Bool(vec![true, false]))));
    all.push(KeyValue::new("texts", strings(&TEXTS)));
    all.push(KeyValue::new("ints", Value::Array(Array::I64(INTS.to_vec()))));
    all.push(KeyValue::new("floats", Value::Array(Array::F64(FLOATS.to_vec()))));
    all.push(KeyValue::new("none", Value::Array(Array::I64(Vec::new()))));
    all
}

#[derive(Debug)]
struct Declined;

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the card was “declined”")
    }
}

impl std::error::Error for Declined {}

#[traced(name = "POST /orders", kind = server, scope = "shop", parent = caller, attr("order.id" = 7_i64, note = "Grüße"))]
fn order(caller: Context) {
    eprintln!("order: {}", traced::current().span_id());
    traced::event!("order.priced", total = 42.5);
    let _ = charge(remote(CALLER, 0x77, 0, state(&[("linked", "yes")])));
    look();
}

#[traced(kind = client, scope = "shop", links([&charged]), attr(amounts = [1.5, -0.0]))]
fn charge(charged: SpanContext) -> Result<(), Declined> {
    eprintln!("charge: {}", traced::current().span_id());
    Err(Declined)
}

#[traced(leaf, scope = "shop", attr(found = false))]
fn look() {
    eprintln!("look: {}", traced::current().span_id());
}

/// A service that records all there is to record, once.
pub(crate) fn every_field() {
    let tracing = traced::builder("not this name")
        .version("1.2.3")
        .environment("prüfung")
        .resource([KeyValue::new("zones", strings(&["a", ""])), KeyValue::new("weight", 0.5)])
        .code_attributes(false)
        .read_environment()
        .install()
        .unwrap();
    let scope = InstrumentationScope::builder("every field")
        .with_version("0.9")
        .with_schema_url("https://opentelemetry.io/schemas/1.30.0")
        .with_attributes([KeyValue::new("short", true), KeyValue::new("place", "ü")])
        .build();
    let tracer = global::tracer_provider().tracer_with_scope(scope);
    let caller = Context::new().with_remote_span_context(remote(
        CALLER,
        0x1234,
        1,
        state(&[("vendor", "a:b"), ("x", "1")]),
    ));

    let mut everything = tracer
        .span_builder("Alles 🌍")
        .with_kind(SpanKind::Server)
        .with_start_time(at(1_700_000_000_123_456_789))
        .with_attributes(every_type())
        .with_events(vec![
            Event::new("begun", at(1_700_000_000_123_456_790), every_type(), 0),
            Event::new("", at(1_001), Vec::new(), 3),
        ])
        .with_links(vec![
            Link::new(remote(CALLER, 0x55, 1, state(&[("k", "v")])), every_type(), 0),
            Link::new(
                remote("ffffffffffffffffffffffffffffffff", u64::MAX, 0, TraceState::NONE),
                Vec::new(),
                2,
            ),
        ])
        .start_with_context(&tracer, &caller);
    everything.set_status(Status::error("es geht nicht: “nein”"));
    eprintln!("everything: {}", everything.span_context().span_id());
    everything.end_with_timestamp(at(1_700_000_001_000_000_001));

    let kinds =
        [SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Producer, SpanKind::Consumer];
    for (n, kind) in (0_u64..).zip(kinds) {
        let builder = tracer.span_builder(format!("kind {n}")).with_kind(kind).with_start_time(at(2_000 + n));
        let mut span = builder.start_with_context(&tracer, &caller);
        if n == 1 {
            span.set_status(Status::Ok);
        }
        eprintln!("kind {n}: {}", span.span_context().span_id());
        span.end_with_timestamp(at(2_001 + n));
    }

    // 64 attributes, 4 events and 4 links are allowed, with 32 attributes each.
    let many = |count: i64| (0..count).map(|n| KeyValue::new(format!("k{n}"), n)).collect::<Vec<_>>();
    let mut much =
        tracer.span_builder("too much").with_start_time(at(1_001)).start_with_context(&tracer, &caller);
    many(70).into_iter().for_each(|attribute| much.set_attribute(attribute));
    for n in 0..6 {
        much.add_event_with_timestamp("event", at(1_001), many(33 + n));
        much.add_link(remote(CALLER, 0x66, 0, TraceState::NONE), many(34 + n));
    }
    eprintln!("too much: {}", much.span_context().span_id());
    much.end_with_timestamp(at(1_002));

    eprintln!("before: {}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos());
    order(caller);
    eprintln!("after: {}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos());
    tracing.shutdown(Duration::from_secs(10)).unwrap();
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.exported, stats.dropped.total()), (10, 10, 0), "{stats:?}");
}

// ---------------------------------------------------------------------------------------------------- what is to come

fn float(float: f64) -> String {
    if float.is_nan() { "float NaN".to_owned() } else { format!("float {:016x}", float.to_bits()) }
}

fn list<T>(items: &[T], each: impl Fn(&T) -> String) -> String {
    format!("[{}]", items.iter().map(each).collect::<Vec<_>>().join(", "))
}

/// The lines of `every_type`, written out once more: what is sent is not asked.
fn every_type_told(indent: &str) -> String {
    let mut lines =
        vec!["\"bool\" = bool true".to_owned(), "\"schl\\u{fc}ssel \\u{22}1\\u{22}\" = bool false".into()];
    lines.extend(TEXTS.map(|text| format!("\"text\" = {}", quoted(text))));
    lines.extend(INTS.map(|int| format!("\"int\" = int {int}")));
    lines.extend(FLOATS.map(|number| format!("\"float\" = {}", float(number))));
    lines.push("\"bools\" = [bool true, bool false]".into());
    lines.push(format!("\"texts\" = {}", list(&TEXTS, |text| quoted(text))));
    lines.push(format!("\"ints\" = {}", list(&INTS, |int| format!("int {int}"))));
    lines.push(format!("\"floats\" = {}", list(&FLOATS, |number| float(*number))));
    lines.push("\"none\" = []".into());
    lines.iter().map(|line| format!("{indent}{line}\n")).collect()
}

const SCOPE: &str = r#"  scope "every field" "0.9" "https://opentelemetry.io/schemas/1.30.0"
    "short" = bool true
    "place" = "\u{fc}"
"#;

fn resource(service: &str) -> String {
    format!(
        r#"  resource
    "deployment.environment.name" = "pr\u{{fc}}fung"
    "service.name" = "{service}"
    "service.version" = "1.2.3"
    "telemetry.sdk.language" = "rust"
    "telemetry.sdk.name" = "opentelemetry"
    "telemetry.sdk.version" = "0.33.1"
    "weight" = float 3fe0000000000000
    "zones" = ["a", ""]"#
    )
}

/// What a service with these variables sends is what ddapm-test-agent at `agent` has in the end.
fn every_field_arrives(name: &str, mut variables: Variables, agent: &str) {
    let service = service(name);
    for (name, value) in [
        (SERVICE, service.as_str()),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "64"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "4"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "4"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "32"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "32"),
    ] {
        variables.push((name, value.to_owned()));
    }
    let said = said_by("every field", &variables);
    let spans = received_in_time(agent, &service, 10);
    let id = |name: &str| told(&said, name).to_owned();
    let span = |name: &str| {
        let id = format!("id={} ", id(name));
        let found: Vec<_> = spans.iter().filter(|span| span.contains(&id)).collect();
        assert_eq!(found.len(), 1, "{name} in {spans:#?}");
        found[0]
    };
    let resource = resource(&service);

    let (types, deeper) = (every_type_told("  "), every_type_told("    "));
    let everything = id("everything");
    let expected = format!(
        r#"span "Alles \u{{1f30d}}" server flags=301
  trace={CALLER} id={everything} parent=0000000000001234
  state "vendor=a:b,x=1"
  from 1700000000123456789 to 1700000001000000001
  error "es geht nicht: \u{{201c}}nein\u{{201d}}"
{types}  event "begun" at 1700000000123456790
{deeper}  event "" at 1001
    3 attributes dropped
  link trace={CALLER} id=0000000000000055 flags=301
    state "k=v"
{deeper}  link trace=ffffffffffffffffffffffffffffffff id=ffffffffffffffff flags=300
    state ""
    2 attributes dropped
{SCOPE}{resource}"#
    );
    same(span("everything"), &expected);

    for (n, kind) in ["internal", "server", "client", "producer", "consumer"].into_iter().enumerate() {
        let name = format!("kind {n}");
        let (id, from, to, status) = (id(&name), 2_000 + n, 2_001 + n, if n == 1 { "ok" } else { "unset" });
        let expected = format!(
            r#"span "{name}" {kind} flags=301
  trace={CALLER} id={id} parent=0000000000001234
  state "vendor=a:b,x=1"
  from {from} to {to}
  {status} ""
{SCOPE}{resource}"#
        );
        same(span(&name), &expected);
    }

    let much = span("too much");
    for (line, times) in [
        ("\n  6 attributes dropped", 1),
        ("\n  2 events dropped", 1),
        ("\n  2 links dropped", 1),
        ("\n  event ", 4),
        ("\n  link ", 4),
        ("\n    1 attributes dropped", 1),
        ("\n    2 attributes dropped", 2),
        ("\n    4 attributes dropped", 2),
        ("\n    5 attributes dropped", 1),
        ("\n  \"k63\" = int 63", 1),
        ("\n  \"k64\"", 0),
        ("\n    \"k31\" = int 31", 8),
        ("\n    \"k32\"", 0),
    ] {
        assert_eq!(much.matches(line).count(), times, "{line} in {much}");
    }

    let (before, after) = (id("before").parse().unwrap(), id("after").parse().unwrap());
    let [order, charge, look] = ["order", "charge", "look"].map(id);
    let scope = r#"  scope "shop" "" """#;
    for (name, expected) in [
        (
            "order",
            format!(
                r#"span "POST /orders" server flags=301
  trace={CALLER} id={order} parent=0000000000001234
  state "vendor=a:b,x=1"
  from … to …
  unset ""
  "order.id" = int 7
  "note" = "Gr\u{{fc}}\u{{df}}e"
  event "order.priced" at …
    "total" = float 4045400000000000
{scope}
{resource}"#
            ),
        ),
        (
            "charge",
            format!(
                r#"span "charge" client flags=101
  trace={CALLER} id={charge} parent={order}
  state "vendor=a:b,x=1"
  from … to …
  error "the card was \u{{201c}}declined\u{{201d}}"
  "amounts" = [float 3ff8000000000000, float 8000000000000000]
  "error.type" = "receivers::fields::Declined"
  event "exception" at …
    "exception.type" = "receivers::fields::Declined"
    "exception.message" = "the card was \u{{201c}}declined\u{{201d}}"
  link trace={CALLER} id=0000000000000077 flags=300
    state "linked=yes"
{scope}
{resource}"#
            ),
        ),
        (
            "look",
            format!(
                r#"span "look" internal flags=101
  trace={CALLER} id={look} parent={order}
  state "vendor=a:b,x=1"
  from … to …
  unset ""
  "found" = bool false
{scope}
{resource}"#
            ),
        ),
    ] {
        same(&without_times(span(name), before, after), &expected);
    }
}

/// The span without its times, once they are seen to lie between these two, and in order.
fn without_times(span: &str, before: u128, after: u128) -> String {
    let mut lines: Vec<_> = span.lines().map(str::to_owned).collect();
    let mut times = Vec::new();
    for line in &mut lines {
        if let Some((from, to)) = line.strip_prefix("  from ").and_then(|times| times.split_once(" to ")) {
            times.extend([from.parse::<u128>().unwrap(), to.parse().unwrap()]);
            *line = "  from … to …".to_owned();
        } else if let Some((event, at)) = line.clone().rsplit_once(" at ")
            && event.starts_with("  event ")
        {
            times.insert(times.len() - 1, at.parse().unwrap());
            *line = format!("{event} at …");
        }
    }
    // The clock of spans is the processor's counter, and not the calendar's.
    const APART: u128 = 50_000_000;
    assert!(times.is_sorted(), "{times:?} in {span}");
    assert!(times.iter().all(|time| (before - APART..=after + APART).contains(time)), "{times:?}");
    lines.join("\n")
}

/// A service that has one span, and tells what became of it.
pub(crate) fn one_span() {
    let tracing = traced::init("one span").unwrap();
    look();
    eprintln!("shutdown: {:?}", tracing.shutdown(Duration::from_secs(3)));
    eprintln!("exported: {}", tracing.stats().exported);
    eprintln!("dropped: {}", tracing.stats().dropped.total());
}

#[test]
fn nothing_is_sent_to_whom_is_not_trusted_and_nothing_taken_from_whom_shows_no_certificate() {
    let Some([folder, http, grpc, agent]) = receivers(["TLS", "TLS_HTTP", "TLS_GRPC", "OTLP_HTTP"]) else {
        return;
    };
    for (protocol, to) in [("http/protobuf", &http), ("grpc", &grpc)] {
        let full = encrypted(over(protocol, &format!("https://{to}")), &folder);
        let untrusted = full.iter().filter(|(name, _)| *name != "OTEL_EXPORTER_OTLP_CERTIFICATE").cloned();
        let unknown = full.iter().filter(|(name, _)| !name.contains("CLIENT")).cloned();
        for (name, mut variables) in
            [("untrusted", untrusted.collect::<Variables>()), ("unknown", unknown.collect())]
        {
            let service = service(name);
            variables.push((SERVICE, service.clone()));
            let said = said_by("one span", &variables);
            assert_eq!(
                (told(&said, "exported"), told(&said, "dropped")),
                ("0", "1"),
                "{name}, {protocol}: {said}"
            );
            assert!(told(&said, "shutdown").starts_with("Err("), "{name}, {protocol}: {said}");
            assert!(received_in_time(&agent, &service, 0).is_empty());
        }
    }
}
