//! A collector in the middle: what goes into rotel comes out whole, and, where it runs the recipe of the guides, without
//! what is secret.

use std::time::Duration;

use opentelemetry::trace::{
    Link, Span, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Array, KeyValue, StringValue, Value, global};
use traced::{opentelemetry, traced};

use crate::child::{SERVICE, Variables, said_by, service};
use crate::fields;
use crate::receiver::{received_in_time, receivers};

fn over_http(to: &str) -> Variables {
    vec![
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{to}")),
    ]
}

#[test]
fn every_field_arrives_behind_a_collector() {
    let Some([rotel, agent]) = receivers(["ROTEL_HTTP", "OTLP_HTTP"]) else { return };
    fields::every_field_arrives("behind-rotel", over_http(&rotel), &agent);
}

// ---------------------------------------------------------------------------------------------------------- sanitising

const BEARER: &str = "eyJhbGciOiJIUzI1NiJ9.abc-def";
const CARD: &str = "4242 4242 4242 4242";
const PASSWORD: &str = "correct-horse";
/// Looks like a card, and is none.
const ORDER: &str = "4242424242424241";

#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused {CARD}")
    }
}

impl std::error::Error for Refused {}

#[traced(attr("user.password" = PASSWORD, "http.request.header.authorization" = ["Basic", PASSWORD]))]
fn pay() -> Result<(), Refused> {
    traced::event!("called", header = format!("Authorization: Bearer {BEARER}"), order = ORDER);
    Err(Refused)
}

/// A service that says too much, in every place that has a text.
pub(crate) fn secrets() {
    let tracing = traced::builder("secrets")
        .resource([KeyValue::new("db.password", PASSWORD), KeyValue::new("zone", "a")])
        .code_attributes(false)
        .read_environment()
        .install()
        .unwrap();
    let _ = pay();
    let tracer = global::tracer("other");
    let linked =
        SpanContext::new(TraceId::from(1), SpanId::from(1), TraceFlags::SAMPLED, true, TraceState::NONE);
    let texts: Vec<StringValue> = vec![format!("card {CARD}").into(), "plain".into(), "Grüße".into()];
    let mut span = tracer
        .span_builder(format!("GET /cards/{CARD}"))
        .with_attributes([
            KeyValue::new("texts", Value::Array(Array::String(texts))),
            KeyValue::new("session.id", 77),
            KeyValue::new("amount", 12.5),
        ])
        .with_links(vec![Link::new(linked, vec![KeyValue::new("api_key", PASSWORD)], 0)])
        .start(&tracer);
    span.set_status(Status::error(format!("Bearer {BEARER} has expired")));
    drop(span);
    tracing.shutdown(Duration::from_secs(10)).unwrap();
}

#[test]
fn the_recipe_of_the_guides_lets_no_secret_past_the_collector() {
    let Some([rotel, agent]) = receivers(["SANITISING_HTTP", "OTLP_HTTP"]) else { return };
    let service = service("secrets");
    let mut variables = over_http(&rotel);
    variables.push((SERVICE, service.clone()));
    said_by("secrets", &variables);
    let mut spans = received_in_time(&agent, &service, 2);
    spans.sort_by_key(|span| !span.starts_with("span \"pay\""));
    let [pay, get] = &spans[..] else { panic!("{spans:#?}") };
    for secret in [BEARER, CARD, PASSWORD] {
        assert!(!pay.contains(secret) && !get.contains(secret), "{spans:#?}");
    }
    for (span, kept) in [
        (pay, r#"  error "refused ***""#),
        (pay, r#"  "user.password" = "***""#),
        (pay, r#"  "http.request.header.authorization" = "***""#),
        (pay, r#"    "header" = "Authorization: Bearer ***""#),
        (pay, r#"    "order" = "4242424242424241""#),
        (pay, r#"    "exception.message" = "refused ***""#),
        (pay, r#"    "db.password" = "***""#),
        (pay, r#"    "zone" = "a""#),
        (get, r#"span "GET /cards/***" internal flags=101"#),
        (get, r#"  error "Bearer *** has expired""#),
        // rotel 0.0.1a15 turns every list around on its way through a processor, even one that does nothing.
        (get, r#"  "texts" = ["Gr\u{fc}\u{df}e", "plain", "card ***"]"#),
        (get, r#"  "session.id" = "***""#),
        (get, r#"  "amount" = float 4029000000000000"#),
        (get, r#"    "api_key" = "***""#),
    ] {
        assert!(span.lines().any(|line| line == kept), "{kept} in {span}");
    }
}
