//! Who is asked whether a trace is kept, what the answer does to the whole of it, and what is sent on.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{self, Waker};
use std::thread;

use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};
use traced::opentelemetry::trace::{
    Link, Span, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
    get_active_span,
};
use traced::opentelemetry::{Context, KeyValue, Value, global};
use traced::sampling::{self, Rules};
use traced::{Builder, Stats, traced};

mod exporters;

use exporters::{Keeps, LONG, adds_up, attribute, exported_by, sent, traceparent, turn};

type Headers = HashMap<String, String>;

/// Decides as it is told, and notes what it was asked.
#[derive(Clone)]
struct Judge {
    asked: Arc<Mutex<Vec<Asked>>>,
    decide: Arc<dyn Fn(&Asked) -> SamplingResult + Send + Sync>,
}

#[derive(Debug, Clone)]
struct Asked {
    parent: SpanContext,
    trace: TraceId,
    name: String,
    kind: SpanKind,
    attributes: Vec<KeyValue>,
    links: Vec<Link>,
}

fn judge(decide: impl Fn(&Asked) -> SamplingResult + Send + Sync + 'static) -> Judge {
    Judge { asked: Arc::default(), decide: Arc::new(decide) }
}

impl Judge {
    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge")
    }
}

impl ShouldSample for Judge {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let asked = Asked {
            parent: parent.map_or(SpanContext::NONE, |cx| cx.span().span_context().clone()),
            trace,
            name: name.to_owned(),
            kind: kind.clone(),
            attributes: attributes.to_vec(),
            links: links.to_vec(),
        };
        let result = (self.decide)(&asked);
        self.asked.lock().unwrap().push(asked);
        result
    }
}

fn decided(decision: SamplingDecision) -> SamplingResult {
    SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
}

fn keep() -> SamplingResult {
    decided(SamplingDecision::RecordAndSample)
}

fn drop_it() -> SamplingResult {
    decided(SamplingDecision::Drop)
}

fn keep_if(kept: bool) -> SamplingResult {
    if kept { keep() } else { drop_it() }
}

/// The parent decides; where there is none, `root` does.
fn at_the_root(root: impl ShouldSample + 'static) -> impl FnOnce(Builder) -> Builder {
    |builder| builder.sampler(Sampler::ParentBased(Box::new(root)))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn here() -> SpanContext {
    Context::current().span().span_context().clone()
}

fn span_context(span: u64, flags: TraceFlags, is_remote: bool) -> SpanContext {
    let trace = TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap();
    SpanContext::new(trace, SpanId::from(span), flags, is_remote, TraceState::default())
}

#[traced]
fn child() -> Headers {
    sent()
}

#[traced(leaf)]
fn leaf() -> Headers {
    sent()
}

#[traced(root)]
fn root() -> Headers {
    sent()
}

// ----------------------------------------------------------------------------------------------- what is asked

#[test]
fn the_sampler_is_asked_once_for_each_root_with_what_is_known_of_it() {
    #[traced(name = "GET /", kind = server, links(links))]
    fn request(links: &[SpanContext]) {
        child();
        leaf();
        detached();
        global::tracer("other code").in_span("below", |_| child());
    }
    #[traced(kind = consumer, root(link))]
    fn detached() {
        child();
    }
    #[traced(kind = producer)]
    async fn asynchronous() {
        tokio::task::yield_now().await;
        child();
    }
    let judge = judge(|_| keep());
    let linked = span_context(7, TraceFlags::SAMPLED, true);
    let ((), spans) = exported_by(at_the_root(judge.clone()), || {
        request(std::slice::from_ref(&linked));
        block_on(asynchronous());
        leaf();
        let tracer = global::tracer("other code");
        tracer
            .span_builder("of other code")
            .with_kind(SpanKind::Client)
            .with_attributes([KeyValue::new("n", 1)])
            .with_links(vec![Link::new(linked.clone(), Vec::new(), 0)])
            .start(&tracer)
            .end();
    });
    let asked = judge.asked();
    let names: Vec<_> = asked.iter().map(|asked| asked.name.as_str()).collect();
    assert_eq!(names, ["GET /", "detached", "asynchronous", "leaf", "of other code"]);
    let roots: Vec<_> = spans.0.iter().filter(|span| span.parent_span_id == SpanId::INVALID).collect();
    assert_eq!(roots.len(), asked.len());
    for asked in &asked {
        let root = roots.iter().find(|root| root.name == asked.name).unwrap();
        assert_eq!(asked.trace, root.span_context.trace_id());
        assert_eq!(asked.kind, root.span_kind);
        let links = |links: &[Link]| links.iter().map(|link| link.span_context.clone()).collect::<Vec<_>>();
        assert_eq!(links(&asked.links), links(&root.links));
        assert!(!asked.parent.is_valid());
    }
    assert_eq!(asked[0].links[0].span_context, linked);
    assert_eq!(asked[1].links[0].span_context, spans.one("GET /").span_context);
    assert_eq!(asked[4].attributes, [KeyValue::new("n", 1)]);
    assert_eq!(asked.iter().map(|asked| asked.trace).collect::<HashSet<_>>().len(), asked.len());
}

#[test]
fn a_sampler_that_judges_every_span_by_itself_drops_no_more_than_it_says() {
    #[traced]
    fn request() {
        noise();
    }
    #[traced]
    fn noise() {
        child();
    }
    let judge = judge(|asked| keep_if(asked.name != "noise"));
    let ((), spans) = exported_by(|builder| builder.sampler(judge.clone()), request);
    assert_eq!(spans.names(), ["child", "request"]);
    let traces = ["child", "request"].map(|name| spans.one(name).span_context.trace_id());
    assert_eq!(traces[0], traces[1]);
    let asked = judge.asked();
    let noise = asked.iter().find(|asked| asked.name == "noise").unwrap();
    assert_eq!(noise.parent, spans.one("request").span_context);
    let child = asked.iter().find(|asked| asked.name == "child").unwrap();
    assert_eq!(child.parent.trace_id(), traces[0]);
    assert!(!child.parent.is_sampled());
}

#[test]
fn every_root_is_decided_anew_whatever_became_of_the_one_before() {
    #[traced(attr(n))]
    fn request(n: i64) {
        child();
    }
    let numbers = Arc::new(Mutex::new(0));
    let every_third = judge(move |_| {
        let mut number = numbers.lock().unwrap();
        *number += 1;
        keep_if(*number % 3 == 0)
    });
    let ((), spans) = exported_by(at_the_root(every_third), || (1..=99).for_each(request));
    assert_eq!((spans.all("request").len(), spans.all("child").len()), (33, 33));
    for request in spans.all("request") {
        let Some(Value::I64(n)) = attribute(request, "n") else { panic!("{request:?}") };
        assert_eq!(n % 3, 0);
    }
}

#[test]
fn a_sampler_that_looks_at_attributes_gets_those_the_call_captures() {
    #[traced(attr(tenant, size = tenant.len()))]
    fn sync(tenant: &str) -> bool {
        child();
        traced::current().is_recording()
    }
    #[traced(attr(tenant))]
    async fn asynchronous(tenant: &str) -> bool {
        tokio::task::yield_now().await;
        traced::current().is_recording()
    }
    #[traced(attr(tenant))]
    fn returned(tenant: &str) -> impl Future<Output = bool> + use<> {
        async { traced::current().is_recording() }
    }
    #[traced(leaf, attr(tenant))]
    fn in_a_leaf(tenant: &str) -> bool {
        traced::current().is_recording()
    }
    let judge = judge(|asked| keep_if(!asked.attributes.contains(&KeyValue::new("tenant", "noisy"))));
    let parent_based = Sampler::ParentBased(Box::new(judge.clone()));
    let (recording, spans) = exported_by(
        |builder| builder.attribute_sampler(parent_based),
        || {
            ["quiet", "noisy"].map(|tenant| {
                let futures = block_on(async { [asynchronous(tenant).await, returned(tenant).await] });
                let by_hand = traced::span!("by hand", tenant).run(|| traced::current().is_recording());
                [sync(tenant), futures[0], futures[1], in_a_leaf(tenant), by_hand]
            })
        },
    );
    assert_eq!(recording, [[true; 5], [false; 5]]);
    assert_eq!(spans.names(), ["asynchronous", "by hand", "child", "in_a_leaf", "returned", "sync"]);
    for span in &spans.0 {
        let tenants = span.attributes.iter().filter(|attribute| attribute.key.as_str() == "tenant").count();
        assert_eq!(tenants, usize::from(span.name != "child"), "{}", span.name);
    }
    assert_eq!(attribute(spans.one("sync"), "size"), Some(&Value::I64(5)));
    assert!(judge.asked().iter().any(|asked| asked.attributes.contains(&KeyValue::new("size", 5))));
}

#[test]
fn a_sampler_that_looks_at_attributes_is_asked_about_calls_that_capture_none_too() {
    #[traced]
    async fn asynchronous() -> Headers {
        child()
    }
    let judge = judge(|_| keep());
    let (headers, spans) = exported_by(
        |builder| builder.attribute_sampler(judge.clone()),
        || [child(), leaf(), block_on(asynchronous()), traced::span!("step").run(sent)],
    );
    assert_eq!(spans.names(), ["asynchronous", "child", "child", "leaf", "step"]);
    assert_eq!(judge.asked().len(), 5);
    assert!(headers.iter().all(|headers| headers["traceparent"].ends_with("-01")));
}

// ------------------------------------------------------------------------------------------- what is answered

#[test]
fn what_is_only_recorded_records_and_is_not_exported() {
    #[traced(attr(n = 1))]
    fn recorded() -> (bool, SpanContext, Headers, Headers) {
        let current = traced::current();
        current.set("set", true);
        (current.is_recording(), here(), sent(), child())
    }
    let only = judge(|_| decided(SamplingDecision::RecordOnly));
    let ((is_recording, context, sent, by_child), spans) = exported_by(at_the_root(only), recorded);
    assert!(is_recording);
    assert!(context.is_valid() && !context.is_sampled());
    assert_eq!(sent["traceparent"], traceparent(&context));
    assert!(sent["traceparent"].ends_with("-00"));
    assert!(by_child["traceparent"].starts_with(&format!("00-{}-", context.trace_id())));
    assert!(by_child["traceparent"].ends_with("-00"), "the parent is not sampled");
    assert_eq!(spans.names(), [""; 0]);
}

#[test]
fn spans_of_other_code_that_are_only_recorded_are_not_exported() {
    let only = judge(|_| decided(SamplingDecision::RecordOnly));
    let (recording, spans) = exported_by(
        |builder| builder.sampler(only),
        || {
            global::tracer("other code").in_span("other", |cx| {
                child();
                leaf();
                cx.span().is_recording() && !cx.span().span_context().is_sampled()
            })
        },
    );
    assert!(recording);
    assert_eq!(spans.names(), [""; 0]);
}

#[test]
fn attributes_that_the_sampler_returns_are_on_the_span() {
    #[traced(attr(own = 1))]
    fn sync() {
        child();
    }
    #[traced]
    async fn asynchronous() {
        tokio::task::yield_now().await;
    }
    let tags = judge(|asked| SamplingResult {
        attributes: vec![KeyValue::new("because", asked.name.clone()), KeyValue::new("rate", 0.5)],
        ..keep()
    });
    let ((), spans) = exported_by(
        |builder| builder.sampler(Sampler::parent_based(tags)),
        || {
            sync();
            block_on(asynchronous());
            leaf();
            global::tracer("other code").in_span("other", |_| {});
        },
    );
    assert_eq!(spans.names(), ["asynchronous", "child", "leaf", "other", "sync"]);
    for span in &spans.0 {
        let expected = (span.name != "child").then(|| Value::from(span.name.clone().into_owned()));
        assert_eq!(attribute(span, "because"), expected.as_ref());
        assert_eq!(attribute(span, "rate").is_some(), expected.is_some());
    }
    assert_eq!(attribute(spans.one("sync"), "own"), Some(&Value::I64(1)));
}

#[test]
fn trace_state_that_the_sampler_returns_is_on_the_trace_and_is_sent() {
    #[traced]
    fn request() -> [Headers; 4] {
        [sent(), child(), leaf(), global::tracer("other code").in_span("other", |_| sent())]
    }
    for kept in [true, false] {
        let states = judge(move |_| SamplingResult {
            trace_state: TraceState::from_key_value([("rate", "1")]).unwrap(),
            ..keep_if(kept)
        });
        let ([all, alone], spans) = exported_by(
            |builder| builder.sampler(Sampler::parent_based(states)),
            || [request().to_vec(), vec![leaf(), child()]],
        );
        assert_eq!(spans.0.len(), if kept { 6 } else { 0 });
        for headers in all.iter().chain(&alone) {
            assert_eq!(headers["tracestate"], "rate=1", "{headers:?}");
            assert!(headers["traceparent"].ends_with(if kept { "-01" } else { "-00" }));
        }
        assert!(spans.0.iter().all(|span| span.span_context.trace_state().header() == "rate=1"));
    }
}

// --------------------------------------------------------------------------------------- a trace that is not kept

/// What each place below an unsampled root saw: its context, and what it would send.
type Seen = Arc<Mutex<Vec<(&'static str, bool, Headers)>>>;

fn see(seen: &Seen, place: &'static str) {
    seen.lock().unwrap().push((place, traced::current().is_recording(), sent()));
}

#[traced]
async fn unsampled(seen: Seen) -> SpanContext {
    see(&seen, "root");
    below(&seen);
    seen_from_a_leaf(&seen);
    traced::span!("step").run(|| see(&seen, "step"));
    let tracer = global::tracer("other code");
    tracer.in_span("other", |cx| {
        assert!(!cx.span().is_recording());
        see(&seen, "other");
        below(&seen);
    });
    let task = Arc::clone(&seen);
    tokio::spawn(async move {
        tokio::task::yield_now().await;
        below(&task);
    })
    .await
    .unwrap();
    let on_a_thread = Arc::clone(&seen);
    thread::spawn(move || below(&on_a_thread)).join().unwrap();
    see(&seen, "root again");
    here()
}

#[traced]
fn below(seen: &Seen) {
    see(seen, "below");
    further_below(seen);
}

#[traced]
fn further_below(seen: &Seen) {
    see(seen, "further below");
}

#[traced(leaf)]
fn seen_from_a_leaf(seen: &Seen) {
    see(seen, "leaf");
    below(seen);
}

#[test]
fn of_a_trace_that_is_not_kept_nothing_is_exported_and_the_decision_is_sent_everywhere() {
    let seen = Seen::default();
    let (context, spans) =
        exported_by(at_the_root(Sampler::AlwaysOff), || block_on(unsampled(Arc::clone(&seen))));
    assert_eq!(spans.names(), [""; 0]);
    assert!(context.is_valid() && !context.is_sampled());
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 5 + 5 * 2);
    for (place, is_recording, headers) in &*seen {
        assert!(!is_recording, "{place}");
        let sent = &headers["traceparent"];
        assert!(sent.starts_with(&format!("00-{}-", context.trace_id())), "{place}: {sent}");
        assert!(sent.ends_with("-00") && !sent.contains("-0000000000000000-"), "{place}: {sent}");
    }
}

#[test]
fn a_span_of_other_code_at_the_root_decides_for_traced_calls_too() {
    let seen = Seen::default();
    let judge = judge(|_| drop_it());
    let (context, spans) = exported_by(at_the_root(judge.clone()), || {
        global::tracer("other code").in_span("other", |cx| {
            below(&seen);
            seen_from_a_leaf(&seen);
            cx.span().span_context().clone()
        })
    });
    assert_eq!(spans.names(), [""; 0]);
    assert_eq!(judge.asked().len(), 1);
    assert_eq!(judge.asked()[0].trace, context.trace_id());
    for (place, is_recording, headers) in &*seen.lock().unwrap() {
        assert!(!is_recording, "{place}");
        assert!(headers["traceparent"].starts_with(&format!("00-{}-", context.trace_id())), "{place}");
        assert!(headers["traceparent"].ends_with("-00"), "{place}");
    }
}

#[test]
fn the_trace_that_the_sampler_was_asked_about_is_the_one_that_is_sent() {
    let judge = judge(|_| drop_it());
    let (headers, _) = exported_by(at_the_root(judge.clone()), || [child(), leaf()]);
    for (asked, headers) in judge.asked().iter().zip(&headers) {
        assert!(headers["traceparent"].starts_with(&format!("00-{}-", asked.trace)));
    }
    assert_eq!(judge.asked().len(), 2);
    assert_ne!(judge.asked()[0].trace, judge.asked()[1].trace);
}

#[test]
fn traces_that_take_turns_on_one_thread_keep_their_own_decisions() {
    #[traced(attr(n))]
    async fn request(n: i64) -> Vec<bool> {
        let mut recording = Vec::new();
        for _ in 0..4 {
            recording.push(traced::current().is_recording());
            child();
            leaf();
            tokio::task::yield_now().await;
        }
        recording
    }
    let judge = judge(|asked| {
        keep_if(matches!(&asked.attributes[..], [KeyValue { value: Value::I64(n), .. }, ..] if n % 2 == 0))
    });
    let parent_based = Sampler::ParentBased(Box::new(judge));
    let (recording, spans) = exported_by(
        |builder| builder.attribute_sampler(parent_based),
        || block_on(futures_util::future::join_all((0..10).map(request))),
    );
    for (n, recording) in recording.into_iter().enumerate() {
        assert_eq!(recording, [n % 2 == 0; 4]);
    }
    assert_eq!(spans.all("request").len(), 5);
    for name in ["child", "leaf"] {
        assert_eq!(spans.all(name).len(), 5 * 4);
        for span in spans.all(name) {
            assert!(spans.all("request").iter().any(|r| r.span_context.span_id() == span.parent_span_id));
        }
    }
}

#[test]
fn with_a_sampler_that_keeps_nothing_nothing_is_counted() {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing =
        traced::builder("off").sampler(Sampler::AlwaysOff).exporter(keeps.clone()).install().unwrap();
    block_on(unsampled(Seen::default()));
    child();
    leaf();
    root();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(tracing.stats(), Stats::default());
    assert_eq!(keeps.count(), 0);
}

// ---------------------------------------------------------------------------------------------- whose word counts

#[test]
fn what_a_remote_parent_decided_is_respected_whatever_the_sampler_says_of_roots() {
    #[traced(parent = parent)]
    fn handle(parent: &SpanContext) -> [Headers; 3] {
        [sent(), child(), leaf()]
    }
    for (flags, root) in
        [(TraceFlags::SAMPLED, Sampler::AlwaysOff), (TraceFlags::NOT_SAMPLED, Sampler::AlwaysOn)]
    {
        let is_sampled = flags.is_sampled();
        let parent = span_context(7, flags, true);
        let (all, spans) = exported_by(at_the_root(root), || handle(&parent));
        for headers in &all {
            let sent = &headers["traceparent"];
            assert!(sent.starts_with(&format!("00-{}-", parent.trace_id())), "{sent}");
            assert!(sent.ends_with(if is_sampled { "-01" } else { "-00" }), "{sent}");
        }
        if !is_sampled {
            assert_eq!(spans.names(), [""; 0]);
            continue;
        }
        assert_eq!(spans.names(), ["child", "handle", "leaf"]);
        let handle = spans.one("handle");
        assert_eq!((handle.parent_span_id, handle.parent_span_is_remote), (parent.span_id(), true));
        assert_eq!(spans.one("child").parent_span_id, handle.span_context.span_id());
        assert!(!spans.one("child").parent_span_is_remote && !spans.one("leaf").parent_span_is_remote);
    }
}

#[test]
fn a_remote_parent_that_is_current_is_respected_too() {
    for flags in [TraceFlags::SAMPLED, TraceFlags::NOT_SAMPLED] {
        let parent = span_context(7, flags, true);
        let ((), spans) = exported_by(
            |builder| builder,
            || {
                let _current = Context::new().with_remote_span_context(parent.clone()).attach();
                child();
                leaf();
                global::tracer("other code").start("other").end();
            },
        );
        let expected: &[&str] = if flags.is_sampled() { &["child", "leaf", "other"] } else { &[] };
        assert_eq!(spans.names(), expected);
        for span in &spans.0 {
            assert_eq!((span.parent_span_id, span.parent_span_is_remote), (parent.span_id(), true));
        }
    }
}

#[test]
fn a_root_below_what_is_not_kept_is_asked_about_anew() {
    #[traced]
    fn noise() -> Headers {
        rooted();
        let linked = linked_root();
        child();
        linked
    }
    #[traced(root)]
    fn rooted() {
        child();
    }
    #[traced(leaf, root(link))]
    fn linked_root() -> Headers {
        sent()
    }
    let judge = judge(|asked| keep_if(asked.name != "noise"));
    let (headers, spans) = exported_by(at_the_root(judge.clone()), noise);
    let asked = judge.asked();
    let names: Vec<_> = asked.iter().map(|asked| asked.name.as_str()).collect();
    assert_eq!(names, ["noise", "rooted", "linked_root"]);
    assert!(asked.iter().all(|asked| !asked.parent.is_valid()));
    assert_eq!(spans.names(), ["child", "linked_root", "rooted"]);
    assert_eq!(spans.path("child"), ["child", "rooted"]);
    for (asked, name) in asked[1..].iter().zip(["rooted", "linked_root"]) {
        let root = spans.one(name);
        assert_eq!((asked.trace, root.parent_span_id), (root.span_context.trace_id(), SpanId::INVALID));
        assert_ne!(asked.trace, judge.asked()[0].trace);
    }
    assert_eq!(headers["traceparent"], traceparent(&spans.one("linked_root").span_context));
}

#[test]
fn a_root_that_is_not_kept_below_what_is_not_kept_is_sent_as_a_trace_of_its_own() {
    #[traced]
    fn outer() -> [TraceId; 2] {
        [here().trace_id(), rooted()]
    }
    #[traced(root)]
    fn rooted() -> TraceId {
        here().trace_id()
    }
    let judge = judge(|_| drop_it());
    let ([outer, root], _) = exported_by(at_the_root(judge.clone()), outer);
    assert_eq!(judge.asked().iter().map(|asked| asked.trace).collect::<Vec<_>>(), [outer, root]);
    assert_ne!(outer, root);
}

#[test]
fn a_parent_that_is_named_decides_over_the_one_that_is_current() {
    #[traced(parent = parent)]
    fn named(parent: &SpanContext) -> Headers {
        child()
    }
    #[traced]
    fn outer(parent: &SpanContext) -> [Headers; 2] {
        [named(parent), child()]
    }
    let (sampled, unsampled) =
        (span_context(7, TraceFlags::SAMPLED, false), span_context(8, TraceFlags::NOT_SAMPLED, false));

    let ([below, after], spans) = exported_by(at_the_root(Sampler::AlwaysOff), || outer(&sampled));
    assert_eq!(spans.names(), ["child", "named"]);
    assert_eq!(spans.one("named").parent_span_id, sampled.span_id());
    assert_eq!(spans.path("child"), ["child", "named"]);
    assert_eq!(below["traceparent"], traceparent(&spans.one("child").span_context));
    assert!(after["traceparent"].ends_with("-00"), "the current one is as before");

    let ([below, after], spans) = exported_by(at_the_root(Sampler::AlwaysOn), || outer(&unsampled));
    assert_eq!(spans.names(), ["child", "outer"]);
    assert_eq!(spans.path("child"), ["child", "outer"]);
    assert!(below["traceparent"].starts_with(&format!("00-{}-", unsampled.trace_id())));
    assert!(below["traceparent"].ends_with("-00"));
    assert_eq!(after["traceparent"], traceparent(&spans.one("child").span_context));
}

#[test]
fn a_ratio_keeps_about_its_share_of_the_traces_and_each_of_them_whole() {
    #[traced]
    fn request() {
        child();
        leaf();
        global::tracer("other code").in_span("other", |_| child());
    }
    for sampler in
        [Sampler::TraceIdRatioBased(0.5), Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.5)))]
    {
        let ((), spans) =
            exported_by(|builder| builder.sampler(sampler), || (0..2000).for_each(|_| request()));
        let kept = spans.all("request").len();
        assert!((800..=1200).contains(&kept), "{kept}");
        let mut traces: HashMap<TraceId, usize> = HashMap::new();
        for span in &spans.0 {
            *traces.entry(span.span_context.trace_id()).or_default() += 1;
        }
        assert_eq!(traces.len(), kept);
        assert!(traces.values().all(|&spans| spans == 5));
    }
}

#[test]
fn what_is_kept_and_what_is_not_is_counted_right() {
    let _turn = turn();
    let keeps = Keeps::default();
    let numbers = Mutex::new(0);
    let every_other = judge(move |_| {
        *numbers.lock().unwrap() += 1;
        keep_if(*numbers.lock().unwrap() % 2 == 0)
    });
    let builder = traced::builder("counted").exporter(keeps.clone());
    let tracing = at_the_root(every_other)(builder).install().unwrap();
    for _ in 0..100 {
        child();
    }
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    let stats = tracing.stats();
    assert!(adds_up(&stats), "{stats:?}");
    assert_eq!((stats.started, stats.exported, keeps.count()), (50, 50, 50));
}

#[test]
fn what_is_not_kept_says_its_own_trace_also_where_nothing_can_be_attached() {
    #[traced]
    fn other() {}
    #[traced]
    fn below() -> (Option<TraceId>, Option<SpanId>) {
        (traced::trace_id(), traced::span_id())
    }
    #[traced]
    fn refused() -> [(Option<TraceId>, Option<SpanId>); 2] {
        [(traced::trace_id(), traced::span_id()), below()]
    }
    let judge = judge(|asked| keep_if(asked.name != "refused"));
    let asked = judge.clone();
    let (said, spans) = exported_by(
        |builder| builder.sampler(Sampler::ParentBased(Box::new(judge))),
        || {
            // What it has used is used again.
            thread::spawn(other).join().unwrap();
            get_active_span(|_| refused())
        },
    );
    let [(trace, span), (trace_below, _)] = said;
    let own = asked.asked().iter().find(|asked| asked.name == "refused").unwrap().trace;
    assert_eq!((trace, trace_below), (Some(own), Some(own)));
    assert!(span.is_some_and(|span| span != SpanId::INVALID));
    assert_eq!(spans.0.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["other"]);
}

// ---------------------------------------------------------------------------------- what is not made at all

/// Current from now on: a caller of this process that is not kept.
fn enter_unsampled() -> impl Sized {
    Context::new().with_remote_span_context(span_context(7, TraceFlags::NOT_SAMPLED, false)).attach()
}

#[test]
fn a_root_that_nothing_could_attach_keeps_its_children_though_what_is_current_is_not_kept() {
    #[traced(root)]
    fn root_with_child() {
        child();
    }
    let (_, spans) = exported_by(at_the_root(Sampler::AlwaysOn), || {
        let _unsampled = enter_unsampled();
        child();
        // OpenTelemetry has its contexts borrowed in here.
        get_active_span(|_| root_with_child());
        child();
    });
    assert_eq!(spans.0.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["child", "root_with_child"]);
    assert_eq!(spans.one("child").parent_span_id, spans.one("root_with_child").span_context.span_id());
}

#[test]
fn what_is_said_of_sampling_later_holds_below_what_was_not_kept_as_well() {
    let (_, spans) = exported_by(
        |builder| builder.sampler(Sampler::AlwaysOn),
        || {
            let _unsampled = enter_unsampled();
            child();
        },
    );
    assert_eq!(spans.0.len(), 1, "who keeps all keeps what is below, too");

    let _turn = turn();
    let keeps = Keeps::default();
    let tracing =
        traced::builder("test").sampler(Sampler::AlwaysOn).exporter(keeps.clone()).install().unwrap();
    let kept = || {
        child();
        tracing.flush().unwrap();
        keeps.take().len()
    };
    let _unsampled = enter_unsampled();
    assert_eq!(kept(), 1);
    tracing.control().set_sample_rate(0.5).unwrap();
    assert_eq!(kept(), 0, "below a parent, a rate is the parent's decision");
    tracing.control().reset_sample_rate();
    assert_eq!(kept(), 1);
}

/// Calls what is traced when its thread is torn down.
struct CallsAtTheEnd;

impl Drop for CallsAtTheEnd {
    fn drop(&mut self) {
        child();
    }
}

#[test]
fn a_thread_that_is_torn_down_may_call_what_is_traced() {
    thread_local! {
        static EARLY: CallsAtTheEnd = const { CallsAtTheEnd };
        static LATE: CallsAtTheEnd = const { CallsAtTheEnd };
    }
    let (_, spans) = exported_by(at_the_root(Sampler::AlwaysOn), || {
        let ends = thread::spawn(|| {
            // One goes after what is ours, one before.
            EARLY.with(|_| ());
            let unsampled = enter_unsampled();
            child();
            drop(unsampled);
            LATE.with(|_| ());
        });
        ends.join().expect("nothing panics");
    });
    assert!(spans.0.len() <= 2);
}

#[test]
fn a_thread_may_make_its_first_plain_call_when_it_is_torn_down() {
    thread_local! {
        static EARLY: CallsAtTheEnd = const { CallsAtTheEnd };
    }
    for is_known in [true, false] {
        let (_, _) = exported_by(at_the_root(Sampler::AlwaysOn), || {
            let _unsampled = enter_unsampled();
            child();
            let ends = thread::spawn(move || {
                // It goes after OpenTelemetry's context.
                EARLY.with(|_| ());
                if is_known {
                    root();
                } else {
                    drop(Context::current());
                }
            });
            ends.join().expect("nothing panics");
        });
    }
}

#[test]
fn what_a_leaf_calls_is_its_own_wherever_the_leaf_is_polled() {
    #[traced(leaf)]
    async fn leaf_of_two_polls() {
        tokio::task::yield_now().await;
        child();
    }
    let (_, spans) = exported_by(at_the_root(Sampler::AlwaysOn), || {
        {
            let _unsampled = enter_unsampled();
            child();
        }
        let mut leaf = pin!(leaf_of_two_polls());
        let mut cx = task::Context::from_waker(Waker::noop());
        assert!(leaf.as_mut().poll(&mut cx).is_pending());
        let _unsampled = enter_unsampled();
        assert!(leaf.as_mut().poll(&mut cx).is_ready());
        child();
    });
    assert_eq!(spans.0.len(), 2, "{spans:?}");
    assert_eq!(spans.one("child").parent_span_id, spans.one("leaf_of_two_polls").span_context.span_id());
}

#[test]
fn what_an_open_leaf_calls_is_its_own_whatever_is_said_of_sampling_meanwhile() {
    #[traced(leaf)]
    fn says(control: &traced::Control) {
        control.set_sample_rate(0.5).unwrap();
        thread::scope(|scope| {
            // Elsewhere it is met that nothing is kept below what is not.
            scope.spawn(|| {
                let _unsampled = enter_unsampled();
                child();
            });
        });
        child();
    }
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing =
        traced::builder("test").sampler(Sampler::AlwaysOn).exporter(keeps.clone()).install().unwrap();
    {
        let _unsampled = enter_unsampled();
        says(&tracing.control());
    }
    tracing.shutdown(LONG).unwrap();
    let spans = keeps.spans();
    assert_eq!(spans.0.len(), 2, "{spans:?}");
    assert_eq!(spans.one("child").parent_span_id, spans.one("says").span_context.span_id());
}

#[test]
fn a_call_whose_attributes_decide_is_inside_its_span_whatever_is_said_of_sampling_meanwhile() {
    #[traced(attr(priority))]
    fn order(priority: &str) {
        child();
    }
    let _turn = turn();
    let keeps = Keeps::default();
    let rules = Rules::new().always(sampling::attribute("priority", "high")).otherwise(sampling::share(0.0));
    let tracing = traced::builder("test").sampler(rules).exporter(keeps.clone()).install().unwrap();
    let control = tracing.control();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                control.set_sample_rate(1.0).unwrap();
                control.reset_sample_rate();
            }
        });
        for _ in 0..100 {
            (0..200).for_each(|_| order("high"));
            tracing.flush().unwrap();
            let strays = keeps
                .take()
                .iter()
                .filter(|span| span.parent_span_id == SpanId::INVALID && span.name == "child")
                .count();
            if strays > 0 {
                is_over.store(true, Ordering::Relaxed);
                panic!("{strays} children are roots");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
