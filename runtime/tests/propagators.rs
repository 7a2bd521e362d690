//! Traces that come in by older headers, and baggage that becomes attributes.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod exporters;

use std::collections::HashMap;

use exporters::{attribute, exported_by, sent};
use opentelemetry_sdk::trace::Sampler;
use traced::opentelemetry::baggage::BaggageExt;
use traced::opentelemetry::trace::{SpanId, TraceId, Tracer};
use traced::opentelemetry::{Context, KeyValue, Value, global};
use traced::{Propagator, traced};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[traced(parent = headers)]
fn handle(headers: &[(&str, &str)]) -> HashMap<String, String> {
    step();
    sent()
}

#[traced]
fn step() {}

#[traced(leaf)]
fn leaf() {}

#[traced(root)]
fn job() {}

fn named(name: &str) -> Propagator {
    name.parse().unwrap()
}

#[test]
fn jaegers_headers_are_continued_and_written() {
    let (sent, spans) = exported_by(
        |builder| builder.propagators([Propagator::Jaeger]),
        || handle(&[("uber-trace-id", &format!("{TRACE}:b7ad6b7169203331:0:1")), ("uberctx-tenant", "blue")]),
    );
    let handle = spans.one("handle");
    assert_eq!(handle.span_context.trace_id().to_string(), TRACE);
    assert_eq!(handle.parent_span_id.to_string(), "b7ad6b7169203331");
    assert!(handle.parent_span_is_remote);
    let id = handle.span_context.span_id();
    let expected = [("uber-trace-id", format!("{TRACE}:{id}:0:1")), ("uberctx-tenant", "blue".to_owned())];
    assert_eq!(sent, expected.map(|(name, value)| (name.to_owned(), value)).into());
}

#[test]
fn a_trace_without_a_span_is_taken_over_by_a_root() {
    let headers = [("X-Trace-Id", "0AF76519-16cd-43dd-8448-eb211c80319c")];
    let (sent, spans) = exported_by(
        |builder| builder.propagators([named("tracecontext"), named("xtraceid")]),
        || {
            let sent = handle(&headers);
            // As the current context it is the same, for whoever starts a root.
            let _current = traced::extract(&headers).context().clone().attach();
            step();
            leaf();
            global::tracer("other").in_span("by other code", |_| ());
            job();
            sent
        },
    );
    let roots = [spans.one("handle"), spans.one("leaf"), spans.one("by other code"), spans.one("job")];
    for span in roots {
        assert_eq!(span.parent_span_id, SpanId::INVALID, "{}", span.name);
        assert!(!span.parent_span_is_remote);
        let is_same = span.span_context.trace_id().to_string() == TRACE;
        assert_eq!(is_same, span.name != "job", "{}", span.name);
    }
    let [inner, outer] = spans.all("step")[..] else { panic!("{:?}", spans.names()) };
    assert_eq!(inner.parent_span_id, roots[0].span_context.span_id());
    assert_eq!(
        (outer.parent_span_id, outer.span_context.trace_id().to_string()),
        (SpanId::INVALID, TRACE.into())
    );
    let id = roots[0].span_context.span_id();
    assert_eq!(sent, HashMap::from([("traceparent".to_owned(), format!("00-{TRACE}-{id}-01"))]));
}

#[test]
fn the_sampler_decides_on_a_trace_without_a_span_by_its_id() {
    let ratio = || Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.5)));
    for (id, kept) in [("00000000000000010000000000000001", 2), ("0000000000000001ffffffffffffffff", 0)] {
        let (_, spans) = exported_by(
            |builder| builder.propagators([Propagator::XTraceId]).sampler(ratio()),
            || handle(&[("x-trace-id", id)]),
        );
        assert_eq!(spans.0.len(), kept, "{id}");
    }
}

#[test]
fn a_hostile_trace_id_starts_a_trace_of_its_own() {
    for value in ["0", "<script>", "00000000000000000000000000000000", &"a".repeat(9_000)] {
        let (sent, spans) = exported_by(
            |builder| builder.propagators([Propagator::XTraceId, Propagator::Jaeger]),
            || handle(&[("x-trace-id", value), ("uber-trace-id", value)]),
        );
        let trace = spans.one("handle").span_context.trace_id();
        assert!(trace != TraceId::INVALID && !value.contains(&trace.to_string()));
        assert!(!sent["uber-trace-id"].contains(value) || value == "0");
    }
}

#[test]
fn chosen_members_of_the_baggage_become_attributes_of_all_spans_below() {
    // What OpenTelemetry's baggage still takes.
    let long = "x".repeat(4_000);
    let ((), spans) = exported_by(
        |builder| builder.baggage_attributes(["tenant.id", "long", "absent"]).max_value_bytes(100),
        || {
            let members = [("tenant.id", "blue"), ("secret.one", "hidden"), ("long", &long)]
                .map(|(name, value)| KeyValue::new(name, value.to_owned()));
            let _current = Context::current_with_baggage(members).attach();
            step();
            leaf();
            traced::span!("by hand").run(leaf);
            global::tracer("other").in_span("by other code", |_| ());
        },
    );
    assert_eq!(spans.0.len(), 5);
    for span in &spans.0 {
        assert_eq!(attribute(span, "tenant.id"), Some(&Value::from("blue")), "{}", span.name);
        assert_eq!(attribute(span, "long"), Some(&Value::from("x".repeat(100))), "{}", span.name);
        for key in ["secret.one", "absent"] {
            assert_eq!(attribute(span, key), None, "{}", span.name);
        }
    }
}

#[test]
fn baggage_of_a_caller_becomes_attributes_of_the_callee() {
    let (_, spans) = exported_by(
        |builder| builder.baggage_attributes(["tenant.id"]),
        || {
            handle(&[
                ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                ("baggage", "tenant.id=blue%20inc."),
            ]);
            step();
        },
    );
    assert_eq!(attribute(spans.one("handle"), "tenant.id"), Some(&Value::from("blue inc.")));
    let [inner, outer] = spans.all("step")[..] else { panic!("{:?}", spans.names()) };
    assert_eq!((attribute(inner, "tenant.id").is_some(), attribute(outer, "tenant.id")), (true, None));
}
