//! A collector in the middle that runs the recipe of the guides: what goes into rotel comes out without what is secret.

use std::time::Duration;

use opentelemetry::trace::{
    Link, Span, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Array, KeyValue, StringValue, Value, global};
use traced::{opentelemetry, traced};

use crate::child::{SERVICE, said_by, service};
use crate::fields::over;
use crate::receiver::{received_in_time, receivers};

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
        .scrub(traced::Scrubber::off())
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
    no_secret_comes_past("http/protobuf", "SANITISING_HTTP");
}

#[test]
fn the_recipe_of_the_guides_lets_no_secret_past_that_comes_as_json() {
    // Without the NaN and the infinities of other tests: rotel 0.0.1a15 refuses JSON's words for them.
    no_secret_comes_past("http/json", "SANITISING_HTTP");
}

#[test]
fn the_recipe_of_the_guides_lets_no_secret_past_that_comes_over_grpc() {
    no_secret_comes_past("grpc", "SANITISING_GRPC");
}

fn no_secret_comes_past(protocol: &str, receiver: &str) {
    let Some([rotel, agent]) = receivers([receiver, "OTLP_HTTP"]) else { return };
    let service = service(&format!("secrets-{protocol}"));
    let mut variables = over(protocol, &format!("http://{rotel}"));
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
