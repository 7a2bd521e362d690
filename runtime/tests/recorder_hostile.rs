//! More, deeper, larger and stranger than anyone means it: each has a limit or a meaning, and none takes the program down.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

use opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample};
use traced::opentelemetry::trace::{
    Link, Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, get_active_span,
};
use traced::opentelemetry::{Context, KeyValue, Value, global};
use traced::traced;

mod exporters;
mod process;

use exporters::{
    Keeps, LONG, Spans, adds_up, attribute, does, exported, exported_by, is_in_order, settled, turn,
};

fn here() -> SpanContext {
    Context::current().span().span_context().clone()
}

fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Runs on a stack that is deep enough for anything here.
fn deep<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> R {
    thread::Builder::new().stack_size(1 << 30).spawn(run).unwrap().join().unwrap()
}

#[traced]
fn work() {}

#[traced(leaf)]
fn leaf() {}

// ------------------------------------------------------------------------------------------------------- very many

const MANY: usize = 100_000;

#[traced]
async fn opens() -> [SpanContext; 2] {
    let before = here();
    tokio::task::yield_now().await;
    [before, here()]
}

#[test]
fn a_hundred_thousand_spans_may_be_open_at_once() {
    let _turn = turn();
    let ids = Arc::new(Mutex::new(HashSet::new()));
    let tracing = traced::builder("many")
        .queue(2 * MANY)
        .exporter(does({
            let ids = Arc::clone(&ids);
            move |batch| {
                ids.lock().unwrap().extend(batch.into_iter().map(|span| span.span_context.span_id()));
                Ok(())
            }
        }))
        .install()
        .unwrap();
    let mut open: Vec<_> = (0..MANY).map(|_| Box::pin(opens())).collect();
    assert!(open.iter_mut().all(|future| poll_once(future).is_pending()));
    assert!(!Context::current().has_active_span());
    settled(&tracing, |stats| stats.open == MANY as u64 && adds_up(stats));
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(ids.lock().unwrap().len(), 0);

    let mut seen = HashSet::new();
    for future in &mut open {
        let Poll::Ready([before, after]) = poll_once(future) else { panic!("it has yielded once") };
        assert_eq!(before, after);
        seen.insert(after.span_id());
    }
    assert_eq!(seen.len(), MANY, "to each its own");
    assert_eq!(tracing.flush(), Ok(()));
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.open, stats.waiting), (MANY as u64, 0, 0), "{stats:?}");
    assert!(adds_up(&stats), "{stats:?}");
    let ids = ids.lock().unwrap();
    assert_eq!(ids.len() as u64, stats.exported);
    assert!(ids.is_subset(&seen));
}

#[test]
fn a_hundred_thousand_spans_that_are_open_at_the_end_are_told_of() {
    if let Some(ran) =
        process::of_its_own("a_hundred_thousand_spans_that_are_open_at_the_end_are_told_of", LONG)
    {
        ran.assert_success();
        let told = ran.said.replace([',', ' '], "");
        assert!(told.contains("100000spansstillopen") && told.contains("opens"), "{}", ran.said);
        assert!(ran.said.lines().count() < 1000, "a list that long is read by nobody");
        return;
    }
    let tracing = traced::builder("many").exporter(Keeps::default()).install().unwrap();
    let mut open: Vec<_> = (0..MANY).map(|_| Box::pin(opens())).collect();
    assert!(open.iter_mut().all(|future| poll_once(future).is_pending()));
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    drop(open);
    let stats = settled(&tracing, adds_up);
    assert_eq!((stats.open + stats.dropped.after_shutdown, stats.exported), (MANY as u64, 0), "{stats:?}");
}

#[test]
fn a_trace_may_have_a_million_spans() {
    const MILLION: u64 = 1_000_000;
    static ROOT: AtomicU64 = AtomicU64::new(0);
    #[traced]
    fn root() {
        ROOT.store(u64::from_be_bytes(here().span_id().to_bytes()), Ordering::SeqCst);
        for _ in 0..MILLION / 2 {
            work();
            leaf();
        }
    }
    let _turn = turn();
    let (count, wrong) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let tracing = traced::builder("million")
        .code_attributes(false)
        .exporter(does({
            let (count, wrong) = (Arc::clone(&count), Arc::clone(&wrong));
            move |batch| {
                let root = SpanId::from(ROOT.load(Ordering::SeqCst));
                for span in &batch {
                    let parent = if span.name == "root" { SpanId::INVALID } else { root };
                    let is_right = span.parent_span_id == parent && span.start_time <= span.end_time;
                    wrong.fetch_add(u64::from(!is_right), Ordering::SeqCst);
                }
                count.fetch_add(batch.len() as u64, Ordering::SeqCst);
                Ok(())
            }
        }))
        .install()
        .unwrap();
    root();
    assert_eq!(tracing.flush(), Ok(()));
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.open, stats.waiting), (MILLION + 1, 0, 0), "{stats:?}");
    assert_eq!(stats.exported + stats.dropped.total(), MILLION + 1, "{stats:?}");
    assert_eq!((count.load(Ordering::SeqCst), wrong.load(Ordering::SeqCst)), (stats.exported, 0));
}

#[test]
fn a_million_ids_are_all_different_and_none_is_zero() {
    fn ids(spans: usize) -> (Vec<u64>, Vec<u128>) {
        let mut ids = (Vec::with_capacity(spans), Vec::with_capacity(spans / 2));
        for _ in 0..spans / 2 {
            let [root, child] = pair();
            ids.0.extend([root.span_id(), child.span_id()].map(|id| u64::from_be_bytes(id.to_bytes())));
            ids.1.push(u128::from_be_bytes(root.trace_id().to_bytes()));
        }
        ids
    }
    #[traced]
    fn pair() -> [SpanContext; 2] {
        [here(), child()]
    }
    #[traced]
    fn child() -> SpanContext {
        here()
    }
    fn all_different<T: Ord + Default>(mut ids: Vec<T>, count: usize) {
        ids.sort_unstable();
        assert!(ids[0] > T::default(), "none is zero");
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
    let _turn = turn();
    let _tracing =
        traced::builder("ids").code_attributes(false).exporter(does(|_| Ok(()))).install().unwrap();
    let (mut span_ids, mut trace_ids) = (Vec::new(), Vec::new());
    // Short threads too: each may well start from a seed of its own.
    for spans in [vec![450_000; 2], vec![1000; 100]] {
        let threads: Vec<_> = spans.into_iter().map(|spans| thread::spawn(move || ids(spans))).collect();
        for thread in threads {
            let (spans, traces) = thread.join().unwrap();
            span_ids.extend(spans);
            trace_ids.extend(traces);
        }
    }
    all_different(span_ids, 1_000_000);
    all_different(trace_ids, 500_000);
}

// ------------------------------------------------------------------------------------------------------- very large

const LIMIT: usize = 128;

#[test]
fn of_ten_thousand_attributes_a_span_keeps_128_and_counts_the_rest() {
    #[traced(attr(entry = 1))]
    fn by_other_code() {
        get_active_span(|span| {
            (1..10_000).for_each(|n| span.set_attribute(KeyValue::new(format!("key {n}"), n)));
        });
    }
    #[traced(attr(entry = 1))]
    fn by_hand() {
        let current = traced::current();
        (1..10_000).for_each(|n| current.set(format!("key {n}"), n));
    }
    #[traced(leaf, attr(entry = 1))]
    fn by_turns() {
        for n in 1..5000 {
            traced::set!(same = n);
            traced::current().set(format!("key {n}"), n);
        }
        traced::current().set("last", true);
    }
    let ((), spans) = exported_by(
        |builder| builder.code_attributes(false),
        || {
            by_other_code();
            by_hand();
            by_turns();
            global::tracer("other code").in_span("other", |cx| {
                let keys = (0..10_000).map(|n| KeyValue::new(format!("key {n}"), n));
                cx.span().set_attributes(keys);
            });
        },
    );
    for name in ["by_other_code", "by_hand", "other"] {
        let span = spans.one(name);
        assert_eq!(
            (span.attributes.len(), span.dropped_attributes_count),
            (LIMIT, 10_000 - LIMIT as u32),
            "{name}"
        );
        assert!(name == "other" || attribute(span, "entry") == Some(&Value::I64(1)), "the first are kept");
    }
    // Whether a key that is set again takes up room again is not said.
    let by_turns = spans.one("by_turns");
    assert_eq!(by_turns.attributes.len(), LIMIT);
    assert!(by_turns.dropped_attributes_count >= 5000 - LIMIT as u32);
}

#[test]
fn of_ten_thousand_events_and_links_a_span_keeps_128_each_and_counts_the_rest() {
    let linked = SpanContext::new(
        TraceId::from(7_u128),
        SpanId::from(7_u64),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    #[traced]
    fn by_other_code(linked: &SpanContext) {
        get_active_span(|span| {
            for n in 0..10_000 {
                span.add_event(format!("event {n}"), Vec::new());
                span.add_link(linked.clone(), Vec::new());
            }
        });
    }
    #[traced(leaf)]
    fn by_hand(linked: &SpanContext) {
        for n in 0..10_000 {
            traced::event!("event", n);
            traced::current().link(linked);
        }
    }
    #[traced(links(std::iter::repeat_n(linked, 10_000)))]
    fn at_the_start(linked: &SpanContext) {
        let many = (0..10_000).map(|n| KeyValue::new(format!("key {n}"), n));
        traced::current().event("large", many.collect::<Vec<_>>());
    }
    let ((), spans) = exported(|| {
        by_other_code(&linked);
        by_hand(&linked);
        at_the_start(&linked);
    });
    let dropped = 10_000 - LIMIT as u32;
    for name in ["by_other_code", "by_hand"] {
        let (events, links) = (&spans.one(name).events, &spans.one(name).links);
        assert_eq!((events.len(), events.dropped_count), (LIMIT, dropped), "{name}");
        assert_eq!((links.len(), links.dropped_count), (LIMIT, dropped), "{name}");
    }
    let span = spans.one("at_the_start");
    assert_eq!((span.links.len(), span.links.dropped_count), (LIMIT, dropped));
    let event = &span.events[0];
    assert_eq!((event.attributes.len(), event.dropped_attributes_count), (LIMIT, dropped));
}

/// Of two-byte characters, so that a cut may well fall between two halves.
fn ten_megabytes() -> String {
    format!("a{}", "é".repeat(5 << 20))
}

#[test]
fn a_value_of_ten_megabytes_is_cut_to_the_limit() {
    #[traced(attr(typed = text, shown = %text, printed = ?text), ret)]
    fn large(text: &str) -> String {
        traced::set!(by.hand = text);
        traced::current().set("by handle", text);
        traced::event!("large", text);
        text.to_owned()
    }
    let text = ten_megabytes();
    let (_, spans) = exported(|| large(&text));
    let span = spans.one("large");
    let is_cut = |value: &Value| {
        let value = value.as_str();
        let value = value.strip_prefix('"').unwrap_or(&value);
        assert!((4000..=4096).contains(&value.len()), "{} bytes", value.len());
        assert!(text.starts_with(value));
    };
    for key in ["typed", "shown", "printed", "by.hand", "by handle", "return"] {
        is_cut(attribute(span, key).unwrap());
    }
    is_cut(&exporters::event(span, "large").attributes[0].value);
}

#[test]
fn without_a_limit_a_value_of_ten_megabytes_is_whole_or_counted() {
    #[traced(attr(text))]
    fn large(text: &str) {}
    #[traced]
    fn from_other_code(text: &str) {
        get_active_span(|span| span.set_attribute(KeyValue::new("text", text.to_owned())));
    }
    let text = ten_megabytes();
    for calls in [large as fn(&str), from_other_code] {
        let _turn = turn();
        let keeps = Keeps::default();
        let tracing =
            traced::builder("large").max_value_bytes(usize::MAX).exporter(keeps.clone()).install().unwrap();
        calls(&text);
        work();
        assert_eq!(tracing.flush(), Ok(()));
        let spans = keeps.spans();
        let large: Vec<_> = spans.0.iter().filter(|span| span.name != "work").collect();
        match large[..] {
            [span] => assert_eq!(attribute(span, "text").unwrap().as_str(), text),
            _ => assert_eq!((large.len(), tracing.stats().dropped.total()), (0, 1)),
        }
        assert_eq!(spans.all("work").len(), 1, "a small one fits beside it");
        assert!(adds_up(&tracing.stats()));
    }
}

#[test]
fn values_that_are_larger_than_all_room_together_are_exported_or_counted() {
    #[traced(attr(text))]
    fn large(text: &str) {}
    let _turn = turn();
    let count = Arc::new(AtomicU64::new(0));
    let tracing = traced::builder("large")
        .max_value_bytes(usize::MAX)
        .queue(1000)
        .exporter(does({
            let count = Arc::clone(&count);
            move |batch| {
                count.fetch_add(batch.len() as u64, Ordering::SeqCst);
                Ok(())
            }
        }))
        .install()
        .unwrap();
    let text = "x".repeat(1 << 20);
    for _ in 0..200 {
        large(&text);
    }
    work();
    assert_eq!(tracing.flush(), Ok(()));
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.waiting, stats.open), (201, 0, 0), "{stats:?}");
    assert!(adds_up(&stats), "{stats:?}");
    assert_eq!(count.load(Ordering::SeqCst), stats.exported);
}

// -------------------------------------------------------------------------------------------------------- very deep

/// That each span with a depth hangs under the one above it, as far as `from`; the rest is where it may.
fn assert_in_each_other(spans: &Spans, name: &str, top: i64, from: i64) {
    let depth = |value: &Value| match value {
        Value::I64(depth) => *depth,
        other => panic!("{other:?}"),
    };
    let by_depth: HashMap<i64, _> =
        spans.all(name).into_iter().map(|span| (depth(attribute(span, "depth").unwrap()), span)).collect();
    assert_eq!(by_depth[&top].parent_span_id, SpanId::INVALID);
    for below in from..top {
        assert_eq!(
            by_depth[&below].parent_span_id,
            by_depth[&(below + 1)].span_context.span_id(),
            "at {below} of {top}"
        );
    }
}

#[traced(attr(depth))]
fn recurses(depth: i64) {
    if depth > 0 {
        recurses(depth - 1);
    }
}

#[test]
fn ten_thousand_calls_in_each_other_have_the_right_parents() {
    #[traced(leaf, attr(depth), name = "leaves")]
    fn leaves(depth: i64) {
        if depth > 0 {
            leaves(depth - 1);
        }
    }
    #[traced(attr(depth), name = "by turns")]
    fn odd(depth: i64) {
        if depth > 0 {
            even(depth - 1);
        }
    }
    #[traced(leaf, attr(depth), name = "by turns")]
    fn even(depth: i64) {
        if depth > 0 {
            odd(depth - 1);
        }
    }
    let (is_empty, spans) = exported(|| {
        deep(|| {
            recurses(9999);
            leaves(9999);
            odd(9999);
            !Context::current().has_active_span()
        })
    });
    assert!(is_empty);
    assert_eq!(spans.0.len(), 30_000);
    for name in ["recurses", "leaves", "by turns"] {
        assert_in_each_other(&spans, name, 9999, 0);
    }
}

#[test]
fn a_thousand_futures_in_each_other_have_the_right_parents() {
    #[traced(attr(depth), name = "awaits")]
    fn awaits(depth: i64) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if depth > 0 {
                awaits(depth - 1).await;
            }
        })
    }
    let ((), spans) = exported(|| deep(|| block_on(awaits(999))));
    assert_eq!(spans.0.len(), 1000);
    assert_in_each_other(&spans, "awaits", 999, 0);
}

#[test]
fn more_calls_in_each_other_than_opentelemetry_has_room_for_are_survived() {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = traced::builder("deep")
        .code_attributes(false)
        .queue(100_000)
        .exporter(keeps.clone())
        .install()
        .unwrap();
    let is_empty = deep(|| {
        recurses(70_000);
        work();
        !Context::current().has_active_span()
    });
    assert!(is_empty);
    assert_eq!(tracing.flush(), Ok(()));
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.open, stats.waiting), (70_002, 0, 0), "{stats:?}");
    assert!(adds_up(&stats), "{stats:?}");
    let spans = keeps.spans();
    assert_eq!(spans.0.len() as u64, stats.exported);
    if stats.dropped.total() == 0 {
        assert_in_each_other(&spans, "recurses", 70_000, 10_000);
        assert_eq!(spans.one("work").parent_span_id, SpanId::INVALID);
    }
}

// ------------------------------------------------------------------------------------------------------ gone astray

/// What a body notes when it is dropped.
struct Notes;

impl Drop for Notes {
    fn drop(&mut self) {
        traced::set!(dropped = true);
        work();
    }
}

#[traced]
async fn never(begun: Sender<()>) {
    let _notes = Notes;
    begun.send(()).unwrap();
    std::future::pending().await
}

fn assert_cancelled(spans: &Spans, count: usize) {
    assert_eq!(spans.names(), [vec!["never"; count], vec!["work"; count]].concat());
    for span in spans.all("never") {
        assert_eq!(attribute(span, "cancelled"), Some(&Value::Bool(true)));
        assert_eq!(attribute(span, "dropped"), Some(&Value::Bool(true)));
        assert_eq!(span.status, Status::Unset);
        let id = span.span_context.span_id();
        assert_eq!(spans.all("work").iter().filter(|work| work.parent_span_id == id).count(), 1);
    }
}

#[test]
fn futures_that_are_dropped_on_another_thread_are_cancelled_there() {
    let ((), spans) = exported(|| {
        let (begun, _has_begun) = channel();
        let mut futures: Vec<_> = (0..500).map(|_| Box::pin(never(begun.clone()))).collect();
        assert!(futures.iter_mut().all(|future| poll_once(future).is_pending()));
        thread::spawn(move || drop(futures)).join().unwrap();
        assert!(!Context::current().has_active_span());
    });
    assert_cancelled(&spans, 500);
}

#[test]
fn futures_that_the_end_of_their_runtime_drops_are_cancelled_then() {
    for workers in [1, 2] {
        let ((), spans) = exported(|| {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().unwrap();
            let (begun, has_begun) = channel();
            for _ in 0..200 {
                runtime.spawn(never(begun.clone()));
            }
            drop(begun);
            assert_eq!(has_begun.iter().take(200).count(), 200);
            drop(runtime);
        });
        assert_cancelled(&spans, 200);
    }
}

// ---------------------------------------------------------------------------------------------------- strange values

/// Does what it is told when it is printed.
struct Prints(fn());

impl fmt::Debug for Prints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)();
        f.write_str("printed")
    }
}

impl fmt::Display for Prints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Prints {}

impl traced::Attribute for Prints {
    fn value(&self) -> Option<Value> {
        Some(self.to_string().into())
    }
}

#[traced]
fn outer(value: Prints) -> Result<(), Prints> {
    prints(value)
}

/// Prints it wherever something can be printed.
#[traced(attr(at.entry = ?value), err(e => at.exit = %e))]
fn prints(value: Prints) -> Result<(), Prints> {
    traced::set!(inside = ?value);
    traced::event!("happened", inside = value);
    traced::current().set("by handle", &value);
    traced::span!("step", inside = %value).run(|| {});
    Err(value)
}

#[test]
fn a_value_that_panics_when_it_is_printed_takes_nothing_down() {
    #[traced(attr(at.entry = ?value))]
    fn panics(value: Prints) -> Result<(), Prints> {
        traced::set!(inside = %value);
        traced::event!("happened", inside = ?value);
        traced::span!("step", inside = %value).run(|| {});
        Err(value)
    }
    let (failed, spans) = exported(|| panics(Prints(|| panic!("on purpose"))).is_err());
    assert!(failed);
    assert_eq!(spans.path("step"), ["step", "panics"]);
    let span = spans.one("panics");
    assert!(attribute(span, "at.entry").is_some() && attribute(span, "inside").is_some());
    assert_eq!(exporters::event(span, "happened").attributes.len(), 1);
    assert!(matches!(span.status, Status::Error { .. }));
}

#[test]
fn a_value_that_is_traced_when_it_is_printed_makes_spans_like_any_code() {
    let (_, spans) = exported(|| {
        outer(Prints(|| {
            work();
            leaf();
            global::tracer("other code").in_span("other", |_| {});
        }))
    });
    let printed = spans.all("work").len();
    assert!(printed >= 5, "it was printed wherever it was asked for");
    assert_eq!((spans.all("leaf").len(), spans.all("other").len()), (printed, printed));
    assert_eq!(attribute(spans.one("prints"), "inside"), Some(&Value::from("printed")));
    assert_eq!(attribute(spans.one("prints"), "at.entry"), Some(&Value::from("printed")));
    assert_eq!(spans.path("step"), ["step", "prints", "outer"]);
    let inside = spans.one("prints").span_context.span_id();
    assert!(spans.all("work").iter().filter(|work| work.parent_span_id == inside).count() >= 3);
}

#[test]
fn a_value_that_writes_to_spans_when_it_is_printed_writes_to_those_of_its_callers() {
    let (_, spans) = exported(|| {
        outer(Prints(|| {
            get_active_span(|span| span.set_attribute(KeyValue::new("written", true)));
            traced::set!(set = true);
            traced::event!("from within");
            traced::inject(&mut HashMap::<String, String>::new());
        }))
    });
    assert_eq!(spans.names(), ["outer", "prints", "step"]);
    let prints = spans.one("prints");
    for key in ["written", "set"] {
        assert_eq!(attribute(prints, key), Some(&Value::Bool(true)));
    }
    assert!(prints.events.iter().filter(|event| event.name == "from within").count() >= 3);
    assert_eq!(attribute(prints, "inside"), Some(&Value::from("printed")));
    assert_eq!(spans.path("step"), ["step", "prints", "outer"]);
}

// ------------------------------------------------------------------------------------- samplers and exporters that call

#[derive(Debug, Clone)]
struct Calls(Arc<AtomicUsize>);

impl ShouldSample for Calls {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        self.0.fetch_add(1, Ordering::SeqCst);
        work();
        leaf();
        global::tracer("other code").start_with_context("by the sampler", &Context::new()).end();
        traced::set!(by.the.sampler = true);
        Sampler::AlwaysOn.should_sample(parent, trace, name, kind, attributes, links)
    }
}

#[test]
fn a_sampler_that_calls_traced_functions_is_not_asked_about_them() {
    #[traced(attr(entry = 1))]
    fn asked() {
        global::tracer("other code").in_span("other", |_| {});
    }
    for reads_attributes in [false, true] {
        let count = Arc::new(AtomicUsize::new(0));
        let sampler = Calls(Arc::clone(&count));
        let (_, spans) = exported_by(
            |builder| {
                if reads_attributes { builder.attribute_sampler(sampler) } else { builder.sampler(sampler) }
            },
            asked,
        );
        assert_eq!((spans.names(), count.load(Ordering::SeqCst)), (vec!["asked", "other"], 2));
    }
}

#[test]
fn an_exporter_that_calls_traced_functions_does_not_export_itself() {
    let _turn = turn();
    let keeps = Keeps::default();
    let called = Arc::new(AtomicUsize::new(0));
    let tracing = traced::builder("calls")
        .exporter(does({
            let called = Arc::clone(&called);
            move |_| {
                work();
                leaf();
                block_on(opens());
                global::tracer("other code").in_span("by the exporter", |_| work());
                called.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        }))
        .exporter(keeps.clone())
        .install()
        .unwrap();
    for n in 1..=20 {
        recurses(0);
        assert_eq!(tracing.flush(), Ok(()));
        assert_eq!((keeps.count(), called.load(Ordering::SeqCst)), (n, n));
    }
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(keeps.spans().names(), ["recurses"; 20]);
    assert_eq!(tracing.stats().started, 20);
}

// ------------------------------------------------------------------------------------------------------------ times

fn assert_close(time: SystemTime, to: SystemTime) {
    let apart = time.duration_since(to).unwrap_or_else(|early| early.duration());
    assert!(apart < Duration::from_millis(100), "{apart:?}");
}

#[test]
fn times_are_those_of_the_clock_on_the_wall() {
    #[traced]
    fn request() -> [SystemTime; 2] {
        let begun = SystemTime::now();
        traced::event!("begun");
        work();
        leaf();
        global::tracer("other code").in_span("other", |_| work());
        [begun, SystemTime::now()]
    }
    let (times, spans) = exported(|| (0..200).map(|_| request()).collect::<Vec<_>>());
    let mut requests = spans.all("request");
    requests.sort_unstable_by_key(|span| span.start_time);
    assert_eq!(requests.len(), times.len());
    for (span, [begun, over]) in requests.into_iter().zip(times) {
        assert_close(span.start_time, begun);
        assert_close(span.end_time, over);
        let happened = exporters::event(span, "begun").timestamp;
        assert_close(happened, begun);
        assert!(is_in_order(&[span.start_time, happened, span.end_time]));
    }
}

#[test]
fn every_span_begins_before_it_ends_and_lies_within_its_parent() {
    #[traced]
    fn request() {
        work();
        leaf();
        block_on(waits());
        global::tracer("other code").in_span("other", |_| {
            work();
            traced::span!("step").run(leaf);
        });
    }
    #[traced]
    async fn waits() {
        tokio::task::yield_now().await;
        work();
    }
    let ((), spans) = exported(|| (0..1000).for_each(|_| request()));
    assert_eq!(spans.0.len(), 9000);
    let by_id: HashMap<_, _> = spans.0.iter().map(|span| (span.span_context.span_id(), span)).collect();
    for span in &spans.0 {
        assert!(span.start_time <= span.end_time, "{span:?}");
        if let Some(parent) = by_id.get(&span.parent_span_id) {
            assert!(is_in_order(&[parent.start_time, span.start_time, span.end_time, parent.end_time]));
        } else {
            assert_eq!(span.name, "request");
        }
    }
}

#[test]
fn a_span_lasts_as_long_as_its_call() {
    const NAP: Duration = Duration::from_millis(20);
    #[traced]
    fn sync() {
        thread::sleep(NAP);
    }
    #[traced(leaf)]
    fn in_a_leaf() {
        thread::sleep(NAP);
    }
    #[traced]
    async fn idle() {
        tokio::task::yield_now().await;
    }
    let ((), spans) = exported(|| {
        sync();
        in_a_leaf();
        global::tracer("other code").in_span("other", |_| thread::sleep(NAP));
        traced::span!("step").run(|| thread::sleep(NAP));
        let mut future = Box::pin(idle());
        assert!(poll_once(&mut future).is_pending());
        thread::sleep(NAP);
        assert!(poll_once(&mut future).is_ready());
    });
    assert_eq!(spans.0.len(), 5);
    for span in &spans.0 {
        let lasted = span.end_time.duration_since(span.start_time).unwrap();
        assert!(lasted >= NAP - Duration::from_millis(1) && lasted < Duration::from_secs(1), "{lasted:?}");
    }
}

#[test]
fn the_clock_is_right_after_a_while_too() {
    let (times, spans) = exported(|| {
        let mut times = Vec::new();
        for _ in 0..5 {
            thread::sleep(Duration::from_millis(300));
            times.push(SystemTime::now());
            leaf();
        }
        times
    });
    let mut starts: Vec<_> = spans.all("leaf").iter().map(|span| span.start_time).collect();
    starts.sort_unstable();
    assert_eq!(starts.len(), times.len());
    for (start, time) in starts.into_iter().zip(times) {
        assert_close(start, time);
    }
}
