//! Rules, limits and parents: which traces are kept, under our recorder and under the SDK alike.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod exporters;

use std::cell::Cell;

use exporters::{Keeps, exported_by};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, ShouldSample};
use traced::sampling::{self, ParentBased, PerSecond, Rules};
use traced::{opentelemetry, traced};

#[traced(name = "GET /healthz", kind = server)]
fn health() {
    query(7);
}

#[traced(name = "POST /orders", attr(priority))]
fn order(priority: &str) {
    query(7);
}

#[traced(attr(id = counted(id)))]
fn query(id: i64) {}

#[traced(parent = parent, attr(id = counted(id)))]
fn handle(parent: &Context, id: i64) {
    query(id);
}

thread_local! {
    static EVALUATED: Cell<usize> = const { Cell::new(0) };
}

/// How often an attribute was evaluated.
fn counted(id: i64) -> i64 {
    EVALUATED.set(EVALUATED.get() + 1);
    id
}

fn names(sampler: impl ShouldSample + 'static, run: impl FnOnce()) -> String {
    let ((), spans) = exported_by(|builder| builder.sampler(sampler), run);
    spans.names().join(", ")
}

fn caller(is_remote: bool, sampled: bool) -> Context {
    let flags = TraceFlags::default().with_sampled(sampled);
    let state = TraceState::from_key_value([("a", "b")]).unwrap();
    let span = SpanContext::new(TraceId::from(7), SpanId::from(7), flags, is_remote, state);
    Context::new().with_remote_span_context(span)
}

fn shop() -> Rules {
    Rules::new()
        .never(sampling::name("GET /health*"))
        .always(sampling::attribute("priority", "high"))
        .otherwise(Sampler::AlwaysOff)
}

#[test]
fn the_first_rule_that_holds_decides_about_the_whole_trace() {
    let run = || {
        health();
        order("high");
        order("low");
        query(7);
    };
    assert_eq!(names(shop(), run), "POST /orders, query");
    assert_eq!(names(Rules::new(), run).split(", ").count(), 7);
    let by_kind = Rules::new().never(sampling::kind(SpanKind::Server)).otherwise(sampling::share(1.0));
    assert_eq!(names(by_kind, run).split(", ").count(), 5);
}

#[test]
fn attributes_are_evaluated_first_for_rules_that_read_them_and_for_roots_alone() {
    let evaluated = |sampler: Rules, parent: &Context| {
        EVALUATED.set(0);
        let spans = names(sampler, || handle(parent, 7));
        (EVALUATED.get(), spans)
    };
    let by_attribute = || Rules::new().always(sampling::attribute("id", 7)).otherwise(Sampler::AlwaysOff);
    let by_name = || Rules::new().never(sampling::name("handle"));
    assert_eq!(evaluated(by_attribute(), &Context::new()), (2, "handle, query".into()));
    assert_eq!(evaluated(by_name(), &Context::new()), (0, String::new()));
    assert_eq!(evaluated(by_attribute(), &caller(true, false)), (0, String::new()), "the parent decides");
    assert_eq!(evaluated(by_name(), &caller(true, true)), (2, "handle, query".into()));
}

#[test]
fn each_kind_of_parent_has_its_own_sampler() {
    let samplers = || ParentBased::new(Sampler::AlwaysOff);
    let run = |sampler: ParentBased, parent: &Context| names(sampler, || handle(parent, 7));
    let (yes, no) = (Sampler::AlwaysOn, Sampler::AlwaysOff);
    assert_eq!(run(samplers(), &Context::new()), "");
    assert_eq!(run(samplers(), &caller(true, true)), "handle, query");
    assert_eq!(run(samplers(), &caller(true, false)), "");
    assert_eq!(run(samplers().remote_sampled(no.clone()), &caller(true, true)), "");
    assert_eq!(run(samplers().remote_not_sampled(yes.clone()), &caller(true, false)), "handle, query");
    assert_eq!(run(ParentBased::new(yes.clone()).local_sampled(no.clone()), &Context::new()), "handle");
    assert_eq!(run(samplers().local_not_sampled(yes.clone()), &Context::new()), "query");
    // What follows its parent by itself decides afresh where it is put below one.
    let rules = Rules::new().never(sampling::attribute("id", 7));
    assert_eq!(run(samplers().remote_sampled(rules.clone()), &caller(true, true)), "");
    assert_eq!(run(samplers().remote_sampled(PerSecond::new(0.0)), &caller(true, true)), "");
}

#[test]
fn the_trace_state_goes_on_whoever_decides() {
    let sampler = ParentBased::new(Sampler::AlwaysOff).remote_not_sampled(Rules::new());
    let (_, spans) = exported_by(|builder| builder.sampler(sampler), || handle(&caller(true, false), 7));
    assert_eq!(spans.one("query").span_context.trace_state().get("a"), Some("b"));
}

#[test]
fn a_limit_counts_traces_and_not_spans() {
    let limit = PerSecond::new(1e-6).burst(2);
    let spans = names(limit, || (0..5).for_each(|_| order("low")));
    assert_eq!(spans, "POST /orders, POST /orders, query, query");
}

#[test]
fn spans_of_other_code_follow_the_same_rules() {
    let ((), spans) = exported_by(
        |builder| builder.sampler(shop()),
        || {
            let tracer = global::tracer("other");
            for (name, priority) in [("a", "high"), ("b", "low"), ("GET /health", "high")] {
                let builder = tracer.span_builder(name);
                let builder = builder.with_attributes([KeyValue::new("priority", priority)]);
                tracer.in_span("ignored", |_| ());
                tracer.build(builder);
            }
        },
    );
    assert_eq!(spans.names(), ["a"]);
}

#[test]
fn it_is_a_sampler_of_the_plain_sdk_too() {
    let keeps = Keeps::default();
    let sampler = ParentBased::new(shop()).remote_sampled(PerSecond::new(0.0));
    let provider =
        SdkTracerProvider::builder().with_sampler(sampler).with_simple_exporter(keeps.clone()).build();
    let tracer = provider.tracer("sdk");
    let high = || [KeyValue::new("priority", "high")];
    for (parent, expected) in
        [(Context::new(), 1), (caller(true, true), 0), (caller(true, false), 0), (caller(false, true), 1)]
    {
        let span = tracer.build_with_context(tracer.span_builder("x").with_attributes(high()), &parent);
        drop(span);
        assert_eq!(keeps.take().len(), expected, "{parent:?}");
    }
}

#[test]
fn everything_is_kept_whatever_the_parent_where_the_sampler_says_so() {
    assert_eq!(names(Sampler::AlwaysOn, || handle(&caller(true, false), 7)), "handle, query");
}

#[test]
fn the_explanation_says_the_rules() {
    let _turn = exporters::turn();
    let sampler =
        shop().sample(sampling::kind(SpanKind::Client).and(sampling::name("a").not()), PerSecond::new(2.5));
    let tracing = traced::builder("test").sampler(sampler).install().unwrap();
    let explanation = tracing.explain().to_string();
    let expected = "sampler: rules: `GET /health*` always_off; by `priority` always_on; (client and not `a`) 2.5 a second, 3 at once; otherwise always_off (code)\n";
    assert!(explanation.contains(expected), "{explanation}");
}
