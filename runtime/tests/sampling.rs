//! Who decides whether a trace is kept: the parent if it has decided, else the sampler of the set-up.
#![allow(missing_docs)]

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample, SpanData, SpanExporter};
use traced::{Builder, opentelemetry, traced};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

type Headers<'a> = [(&'a str, &'a str); 2];

#[traced(parent = headers)]
fn handle(headers: &Headers<'_>) {
    query();
}

#[traced]
fn query() {}

#[traced(parent = headers, attr(rows))]
fn stream(headers: &Headers<'_>, rows: i64) -> impl Future<Output = ()> + use<> {
    async {}
}

#[traced(root)]
fn job() {}

/// What the spans of `run` look like where they are exported.
fn exported(set_up: impl FnOnce(Builder) -> Builder, run: impl FnOnce()) -> Vec<String> {
    #[derive(Debug, Clone, Default)]
    struct Exporter(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Exporter {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    // One program has one set-up; its tests take turns.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let exporter = Exporter::default();
    let builder = traced::builder("test").code_attributes(false).exporter(exporter.clone());
    let tracing = set_up(builder).install().unwrap();
    run();
    drop(tracing);
    let spans = exporter.0.lock().unwrap();
    let text = |span: &SpanData| {
        let of_the_caller = span.span_context.trace_id() == TraceId::from_hex(TRACE).unwrap();
        let trace = if of_the_caller { "in the caller's trace" } else { "in a new trace" };
        let attributes = span.attributes.iter().map(|item| format!(" {}={}", item.key, item.value));
        format!("{} {trace}{}", span.name, attributes.collect::<Vec<_>>().concat())
    };
    spans.iter().map(text).collect()
}

#[test]
fn a_decision_that_b3_defers_is_the_samplers_as_if_for_a_root() {
    let b3 = |state| format!("{TRACE}-{SPAN}{state}");
    let kept = ["query in the caller's trace", "handle in the caller's trace"];
    for (state, root, expected) in [
        ("", Sampler::AlwaysOn, &kept[..]),
        ("", Sampler::AlwaysOff, &[]),
        ("-0", Sampler::AlwaysOn, &[]),
        ("-1", Sampler::AlwaysOff, &kept),
        ("-d", Sampler::AlwaysOff, &kept),
    ] {
        let sampler = Sampler::ParentBased(Box::new(root));
        let spans = exported(|builder| builder.sampler(sampler), || handle(&[("b3", &b3(state)), ("", "")]));
        assert_eq!(spans, expected, "{state:?}");
    }
    let spans = exported(|builder| builder, || handle(&[("b3", &b3("")), ("", "")]));
    assert_eq!(spans, kept, "without a sampler, all roots are kept");
    let spans = exported(
        |builder| builder,
        || stream(&[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)], 3).now_or_never().unwrap(),
    );
    assert_eq!(spans, ["stream in the caller's trace rows=3"]);
}

#[test]
fn a_root_is_a_root_to_the_sampler_whatever_is_current() {
    let unsampled = traced::extract(&[("b3", format!("{TRACE}-{SPAN}-0"))]);
    let spans = exported(
        |builder| builder,
        || {
            job();
            let _current = Context::from(unsampled).attach();
            job();
            query();
        },
    );
    assert_eq!(spans, ["job in a new trace", "job in a new trace"]);
}

#[test]
fn a_sampler_that_is_asked_as_for_a_root_sees_the_baggage() {
    #[derive(Debug, Clone)]
    struct Tenant;

    impl ShouldSample for Tenant {
        fn should_sample(
            &self,
            parent: Option<&Context>,
            trace: TraceId,
            name: &str,
            kind: &SpanKind,
            attributes: &[KeyValue],
            links: &[Link],
        ) -> SamplingResult {
            let mut result = Sampler::AlwaysOn.should_sample(parent, trace, name, kind, attributes, links);
            let parent = parent.unwrap();
            let tenant = parent.baggage().get("tenant").map(ToString::to_string).unwrap_or_default();
            result.attributes =
                vec![KeyValue::new("tenant", tenant), KeyValue::new("has_parent", parent.has_active_span())];
            result
        }
    }

    let b3 = format!("{TRACE}-{SPAN}");
    let spans =
        exported(|builder| builder.sampler(Tenant), || handle(&[("baggage", "tenant=blue"), ("b3", &b3)]));
    assert_eq!(
        spans,
        [
            "query in the caller's trace tenant=blue has_parent=true",
            "handle in the caller's trace tenant=blue has_parent=false",
        ]
    );
}

/// Panics about every span but those that are let through.
#[derive(Debug, Clone)]
struct Panics;

impl ShouldSample for Panics {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        assert!(name == "kept", "a sampler's bug");
        // A call that it makes is not to be traced after a panic either.
        query();
        Sampler::AlwaysOn.should_sample(parent, trace, name, kind, attributes, links)
    }
}

#[traced(name = "kept")]
fn kept() {}

#[traced(attr(n = 1))]
fn fails() -> Result<u8, String> {
    query();
    Err("its own".to_owned())
}

#[traced]
async fn waits() -> u8 {
    query();
    kept();
    7
}

#[test]
fn a_sampler_that_panics_takes_nothing_down_and_is_told_once() {
    const ROLE: &str = "TRACED_TEST_SAMPLER_PANICS";
    if std::env::var_os(ROLE).is_none() {
        let ran = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["a_sampler_that_panics_takes_nothing_down_and_is_told_once", "--exact", "--nocapture"])
            .env(ROLE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
        assert_eq!(said.matches("traced: the sampler panicked").count(), 2, "for each set-up: {said}");
        assert!(said.contains("the span \"fails\", which is not sampled"), "{said}");
        return;
    }
    for by_attributes in [false, true] {
        let set_up = |builder: Builder| {
            if by_attributes { builder.attribute_sampler(Panics) } else { builder.sampler(Panics) }
        };
        let spans = exported(set_up, || {
            assert_eq!(fails(), Err("its own".to_owned()));
            assert_eq!(waits().now_or_never(), Some(7));
            let caught = std::panic::catch_unwind(|| traced::span!("by hand").run(|| panic!("its own")));
            assert!(caught.is_err());
            opentelemetry::global::tracer("other").in_span("other code", |cx| {
                assert!(!cx.span().span_context().is_sampled());
                kept();
            });
            let caller = format!("00-{TRACE}-{SPAN}-01");
            handle(&[("traceparent", &caller), ("tracestate", "a=1")]);
        });
        // What it keeps is kept, below what it could not decide about.
        assert_eq!(spans.len(), 2, "{spans:?}");
        assert!(spans.iter().all(|span| span.contains("kept")), "{spans:?}");
    }
}
