//! No secret gets to an exporter, whichever it is, and whatever part of a span it stands in.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod exporters;

use std::time::SystemTime;

use exporters::{Keeps, LONG, adds_up, attribute, exported, exported_by, turn};
use opentelemetry::global;
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, Value};
use traced::{Scrubber, opentelemetry, traced};

#[traced(attr("user.password" = password, rows = 3, "order.note" = note))]
fn login(password: &str, note: &str) -> Result<(), String> {
    traced::event!("tried", "auth.token" = password, attempt = 1);
    Err(format!("no user {{ password: \"{password}\" }}"))
}

#[test]
fn every_part_of_a_span_is_scrubbed() {
    let (_, spans) = exported(|| login("hunter2", "Bearer abc123def456"));
    let span = spans.one("login");
    assert!(!format!("{span:?}").contains("hunter2"), "{span:#?}");
    assert!(!format!("{span:?}").contains("abc123def456"), "{span:#?}");
    assert_eq!(attribute(span, "user.password"), Some(&"[redacted: password]".into()));
    assert_eq!(attribute(span, "order.note"), Some(&"Bearer [redacted: bearer token]".into()));
    assert_eq!(attribute(span, "rows"), Some(&3.into()));
    assert_eq!(span.status, Status::error("no user { password: \"[redacted: password]\" }"));
    let event = exporters::event(span, "tried");
    assert_eq!(
        event.attributes,
        [KeyValue::new("auth.token", "[redacted: token]"), KeyValue::new("attempt", 1)]
    );
}

#[test]
fn spans_of_other_code_are_scrubbed_too() {
    const SECRET: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
    let ((), spans) = exported(|| {
        let scope = InstrumentationScope::builder("other")
            .with_version("1")
            .with_attributes([KeyValue::new("api_key", SECRET)])
            .build();
        let to =
            SpanContext::new(TraceId::from(7), SpanId::from(7), TraceFlags::SAMPLED, true, TraceState::NONE);
        let list = Value::Array(Array::String(vec![SECRET.into()]));
        let tracer = global::tracer_with_scope(scope);
        let mut span = tracer
            .span_builder(format!("GET /?token={SECRET}"))
            .with_links(vec![Link::new(to, vec![KeyValue::new("from", SECRET)], 0)])
            .with_attributes([KeyValue::new("list", list)])
            .start(&tracer);
        span.add_event_with_timestamp(format!("got {SECRET}"), SystemTime::now(), vec![]);
        span.set_status(Status::error(format!("bad {SECRET}")));
    });
    let [span] = &spans.0[..] else { panic!("{spans:?}") };
    let shown = format!("{span:?}");
    assert!(!shown.contains("c2lnbmF0dXJl"), "{span:#?}");
    assert_eq!(shown.matches("[redacted: ").count(), 6, "{span:#?}");
    assert_eq!(span.name, "GET /?token=[redacted: token]");
}

#[test]
fn the_resource_is_scrubbed_and_not_explained() {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = traced::builder("test")
        .resource([KeyValue::new("db.password", "hunter2"), KeyValue::new("db.url", "pg://a:hunter2@db")])
        .exporter(keeps.clone())
        .install()
        .unwrap();
    let resource = keeps.resource.lock().unwrap().clone().unwrap();
    let value = |key: &'static str| resource.get(&Key::new(key)).map(|value| value.to_string());
    assert_eq!(value("db.password").as_deref(), Some("[redacted: password]"));
    assert_eq!(value("db.url").as_deref(), Some("pg://[redacted: userinfo]@db"));
    assert_eq!(value("service.name").as_deref(), Some("test"));
    let explanation = tracing.explain().to_string();
    assert!(!explanation.contains("hunter2"), "{explanation}");
    assert!(explanation.contains("scrubber: secret keys, patterns (default)\n"), "{explanation}");
}

#[test]
fn the_set_up_says_more_or_nothing() {
    let scrubber = Scrubber::new()
        .allow("user.password")
        .key("rows")
        .rule(|key, _| (key == "order.note").then(|| "a note".to_owned()));
    let (_, spans) = exported_by(|builder| builder.scrub(scrubber), || login("hunter2", "x"));
    let span = spans.one("login");
    assert_eq!(attribute(span, "user.password"), Some(&"hunter2".into()));
    assert_eq!(attribute(span, "rows"), Some(&"[redacted: key]".into()));
    assert_eq!(attribute(span, "order.note"), Some(&"a note".into()));

    let (_, spans) = exported_by(|builder| builder.scrub(Scrubber::off()), || login("hunter2", "x"));
    assert_eq!(spans.one("login").status, Status::error("no user { password: \"hunter2\" }"));
}

#[test]
fn a_rule_that_panics_costs_its_text_and_no_span() {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = traced::builder("test")
        .scrub(Scrubber::new().rule(|key, _| if key == "order.note" { panic!("a rule") } else { None }))
        .exporter(keeps.clone())
        .install()
        .unwrap();
    let _ = login("hunter2", "x");
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    let stats = tracing.stats();
    assert!(adds_up(&stats) && stats.exported == 1, "{stats:?}");
    assert_eq!(
        attribute(keeps.spans().one("login"), "order.note"),
        Some(&"[redacted: a rule panicked]".into())
    );
}

#[test]
fn what_the_attribute_refuses_to_record_in_plain_the_scrubber_hides() {
    let list = include_str!("../../macros/src/attribute.rs");
    let list = list.split_once("const SECRETS: &[&str] = &[").unwrap().1.split_once("];").unwrap().0;
    let words: Vec<String> = list
        .split(',')
        .map(|word| word.trim().trim_matches('"').to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    assert!(words.len() > 20, "{words:?}");
    for word in words {
        for key in [word.clone(), format!("user.{word}"), format!("user_{word}"), format!("{word}_hash")] {
            let shown = Scrubber::new().shown(KeyValue::new(key.clone(), "x"));
            assert_ne!(shown.value.as_str(), "x", "{key}");
        }
    }
}

/// The most bytes of a text that are recorded, unless the set-up says otherwise.
const LIMIT: usize = 4096;

/// What is exported of a text of which no more than the limit was recorded.
fn shown_of_cut(text: &str) -> String {
    let end = (0..=LIMIT).rev().find(|&end| text.is_char_boundary(end)).unwrap();
    Scrubber::new().shown(KeyValue::new("text", text[..end].to_owned())).value.to_string()
}

#[test]
fn the_end_of_a_cut_text_shows_no_part_of_a_secret() {
    for (secret, public) in [
        ("postgres://shop:hunter2hunter2@db/shop", "postgres://shop"),
        ("4111 1111 1111 1111", "4111 1"),
        ("4111-1111-1111-1111", "4111-1"),
        ("4111111111111111", "41111"),
        ("AKIAIOSFODNN7EXAMPLE", "AKI"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "ey"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp"),
        ("password=correct-horse", "password="),
        ("Bearer abc123def456ghi789", "Bearer "),
        ("Basic dXNlcjpwYXNz", "Basic "),
    ] {
        for inside in 1..secret.len() {
            let before = "word ".repeat(LIMIT / 5 + 1)[..LIMIT - inside - 1].to_owned() + " ";
            let shown = shown_of_cut(&format!("{before}{secret} and more"));
            let left = shown.strip_prefix(&before).expect("what is before stays");
            let left = left.split("[redacted").next().unwrap();
            assert!(public.starts_with(left), "{left} of {secret}");
        }
    }
    // What is no secret is as long as it may be.
    for text in ["x", "日本語", "order ", "item 12, "] {
        let shown = shown_of_cut(&text.repeat(LIMIT));
        assert!(shown.len() >= LIMIT - 3 && !shown.contains("redacted"), "{}", &shown[shown.len() - 30..]);
    }
}
