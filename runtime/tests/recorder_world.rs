//! OpenTelemetry's world stays whole under an installed recorder: what foreign code reads, writes, starts and sends.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

use std::collections::HashMap;
use std::future::Future;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

use futures_util::{FutureExt as _, Stream, StreamExt};
use traced::opentelemetry::baggage::BaggageExt;
use traced::opentelemetry::trace::{
    Event, FutureExt as _, Link, Span, SpanContext, SpanId, SpanKind, SpanRef, Status, TraceContextExt,
    TraceFlags, TraceId, TraceState, Tracer, get_active_span,
};
use traced::opentelemetry::{Context, InstrumentationScope, Key, KeyValue, Value, global};
use traced::traced;

mod exporters;

use exporters::{Spans, attribute, event, exported, exported_by, is_in_order, sent, traceparent};

fn here() -> SpanContext {
    Context::current().span().span_context().clone()
}

fn is_empty_here() -> bool {
    !Context::current().has_active_span() && traced::current().span_id() == SpanId::INVALID
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn on_many_threads<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(future)
}

fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()))
}

fn elsewhere<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

fn linked() -> SpanContext {
    SpanContext::new(
        TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap(),
        SpanId::from_hex("b7ad6b7169203331").unwrap(),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    )
}

#[traced]
fn inner() -> SpanContext {
    here()
}

// ---------------------------------------------------------------------------------------------- the current context

#[test]
fn in_a_call_the_current_context_is_its_span_as_it_is_exported() {
    #[traced]
    fn outer() -> [SpanContext; 3] {
        [here(), inner(), here()]
    }
    let ([before, inside, after], spans) = exported(|| {
        let contexts = outer();
        assert!(is_empty_here());
        contexts
    });
    assert_eq!(before, after);
    assert_eq!((spans.of(&before).name.as_ref(), spans.of(&inside).name.as_ref()), ("outer", "inner"));
    assert!(before.is_sampled() && !before.is_remote());
    assert_eq!(spans.one("outer").parent_span_id, SpanId::INVALID);
    assert_eq!(spans.path("inner"), ["inner", "outer"]);
}

#[test]
fn in_an_async_call_the_current_context_is_its_span_at_every_poll() {
    #[traced]
    async fn outer() -> [SpanContext; 3] {
        let before = here();
        tokio::task::yield_now().await;
        let inside = async_inner().await;
        [before, inside, here()]
    }
    #[traced]
    async fn async_inner() -> SpanContext {
        tokio::task::yield_now().await;
        here()
    }
    let ([before, inside, after], spans) = exported(|| {
        block_on(async {
            let mut outer = Box::pin(outer());
            assert!(poll_once(&mut outer).is_pending());
            assert!(is_empty_here());
            outer.await
        })
    });
    assert_eq!(before, after);
    assert_eq!((spans.of(&before).name.as_ref(), spans.of(&inside).name.as_ref()), ("outer", "async_inner"));
    assert_eq!(spans.path("async_inner"), ["async_inner", "outer"]);
}

#[test]
fn a_future_that_moves_between_threads_stays_one_span() {
    #[traced]
    async fn moves() -> [SpanContext; 3] {
        let mut contexts = [here(), here(), here()];
        for context in &mut contexts {
            *context = here();
            inner();
            tokio::task::yield_now().await;
        }
        contexts
    }
    let (contexts, spans) = exported(|| {
        let mut future: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(moves());
        for _ in 0..3 {
            assert!(elsewhere(|| poll_once(&mut future).is_pending() && is_empty_here()));
        }
        assert!(is_empty_here());
        match poll_once(&mut future) {
            Poll::Ready(contexts) => contexts,
            Poll::Pending => panic!("it has yielded three times"),
        }
    });
    assert!(contexts.iter().all(|context| *context == spans.one("moves").span_context));
    let id = spans.one("moves").span_context.span_id();
    assert_eq!(spans.all("inner").len(), 3);
    assert!(spans.all("inner").iter().all(|span| span.parent_span_id == id));
}

#[test]
fn in_futures_streams_and_steps_that_are_returned_or_made_by_hand_it_is_theirs() {
    #[traced]
    fn future() -> impl Future<Output = SpanContext> {
        async { here() }
    }
    #[traced]
    fn stream() -> impl Stream<Item = SpanContext> {
        futures_util::stream::iter(0..2).map(|_| here())
    }
    let (contexts, spans) = exported(|| {
        block_on(async {
            let entered = traced::span!("entered").enter();
            let within = here();
            drop(entered);
            let mut contexts = vec![
                ("future", future().await),
                ("entered", within),
                ("run", traced::span!("run").run(here)),
                ("wrapped", traced::span!("wrapped").wrap(async { here() }).await),
            ];
            contexts.extend(stream().collect::<Vec<_>>().await.into_iter().map(|cx| ("stream", cx)));
            assert!(is_empty_here());
            contexts
        })
    });
    assert_eq!(contexts.len(), 6);
    for (name, context) in contexts {
        assert_eq!(spans.of(&context).name, name);
    }
}

#[test]
fn the_context_is_as_before_after_a_call_that_fails_panics_or_is_dropped() {
    #[traced]
    fn fails() -> Result<(), String> {
        Err("no".into())
    }
    #[traced]
    fn panics() {
        panic!("on purpose");
    }
    #[traced]
    async fn waits() {
        std::future::pending().await
    }
    #[traced]
    fn outer() {
        let before = here();
        fails().unwrap_err();
        assert_eq!(here(), before);
        catch_unwind(panics).unwrap_err();
        assert_eq!(here(), before);
        let mut future = Box::pin(waits());
        assert!(poll_once(&mut future).is_pending());
        assert_eq!(here(), before);
        drop(future);
        assert_eq!(here(), before);
        inner();
    }
    let ((), spans) = exported(|| {
        outer();
        assert!(is_empty_here());
    });
    for name in ["fails", "panics", "waits", "inner"] {
        assert_eq!(spans.path(name), [name, "outer"]);
    }
}

#[test]
fn values_of_the_context_are_seen_in_every_call() {
    #[derive(Debug, PartialEq)]
    struct Tenant(u8);
    #[traced]
    fn sync() -> bool {
        Context::current().get::<Tenant>() == Some(&Tenant(7))
    }
    #[traced]
    async fn asynchronous() -> bool {
        tokio::task::yield_now().await;
        sync() && Context::current().get::<Tenant>() == Some(&Tenant(7))
    }
    let (seen, spans) = exported(|| {
        let cx = Context::current().with_value(Tenant(7));
        let _current = cx.clone().attach();
        (sync(), block_on(asynchronous().with_context(cx)))
    });
    assert_eq!(seen, (true, true));
    assert_eq!(spans.names(), ["asynchronous", "sync", "sync"]);
}

// ------------------------------------------------------------------------------------------ what foreign code writes

/// Everything that can be written to a span.
fn write(span: &SpanRef<'_>) {
    span.set_attribute(KeyValue::new("text", "static"));
    span.set_attributes([KeyValue::new("number", 7), KeyValue::new("owned", String::from("text"))]);
    span.add_event("happened", vec![KeyValue::new("times", 2)]);
    span.record_error(&std::fmt::Error);
    span.set_status(Status::error("said so"));
    span.add_link(linked(), vec![KeyValue::new("why", "tested")]);
    span.update_name("renamed");
}

fn assert_written(spans: &Spans, context: &SpanContext) {
    let span = spans.of(context);
    assert_eq!(span.name, "renamed");
    assert_eq!(attribute(span, "text"), Some(&Value::from("static")));
    assert_eq!(attribute(span, "number"), Some(&Value::I64(7)));
    assert_eq!(attribute(span, "owned"), Some(&Value::from("text")));
    assert_eq!(event(span, "happened").attributes, [KeyValue::new("times", 2)]);
    let exception = &event(span, "exception").attributes;
    let message = exception.iter().find(|attribute| attribute.key.as_str() == "exception.message").unwrap();
    assert_eq!(message.value, Value::from(std::fmt::Error.to_string()));
    assert_eq!(span.status, Status::error("said so"));
    assert_eq!(span.links.len(), 1);
    assert_eq!(span.links[0].span_context, linked());
    assert_eq!(span.links[0].attributes, [KeyValue::new("why", "tested")]);
    for event in span.events.iter() {
        assert!(is_in_order(&[span.start_time, event.timestamp, span.end_time]), "{span:?}");
    }
}

#[test]
fn what_is_written_to_the_active_span_is_on_the_calls_span() {
    #[traced(attr(entry = 1))]
    fn sync() -> SpanContext {
        inner();
        get_active_span(|span| {
            assert!(span.is_recording());
            write(&span);
            span.span_context().clone()
        })
    }
    #[traced]
    async fn asynchronous() -> SpanContext {
        tokio::task::yield_now().await;
        get_active_span(|span| write(&span));
        tokio::task::yield_now().await;
        here()
    }
    let ((sync, asynchronous), spans) = exported(|| (sync(), block_on(asynchronous())));
    assert_written(&spans, &sync);
    assert_eq!(attribute(spans.of(&sync), "entry"), Some(&Value::I64(1)));
    assert_written(&spans, &asynchronous);
    assert_eq!((spans.one("inner").attributes.len(), spans.one("inner").events.len()), (3, 0));
}

#[test]
fn another_thread_that_holds_the_context_writes_to_the_calls_span() {
    #[traced(propagate = off)]
    fn sync() -> SpanContext {
        let cx = Context::current();
        elsewhere(|| {
            assert!(cx.span().is_recording());
            write(&cx.span());
        });
        here()
    }
    #[traced(propagate = off)]
    async fn asynchronous() -> SpanContext {
        let cx = Context::current();
        tokio::task::yield_now().await;
        thread::spawn(move || write(&cx.span())).join().unwrap();
        tokio::task::yield_now().await;
        here()
    }
    let ((sync, asynchronous), spans) = exported(|| (sync(), block_on(asynchronous())));
    assert_written(&spans, &sync);
    assert_written(&spans, &asynchronous);
}

#[test]
fn a_task_that_was_spawned_writes_to_the_span_of_the_call_that_spawned_it() {
    #[traced]
    async fn spawns() -> SpanContext {
        let seen = tokio::spawn(async {
            tokio::task::yield_now().await;
            get_active_span(|span| write(&span));
            here()
        })
        .await
        .unwrap();
        assert_eq!(seen, here());
        seen
    }
    let (context, spans) = exported(|| on_many_threads(spawns()));
    assert_written(&spans, &context);
}

#[test]
fn threads_that_write_at_once_lose_nothing() {
    #[traced]
    fn shared() {
        thread::scope(|scope| {
            for by in 0..8 {
                let cx = Context::current();
                scope.spawn(move || {
                    for n in 0..10 {
                        cx.span().set_attribute(KeyValue::new(format!("{by}.{n}"), n));
                        cx.span().add_event(format!("{by}.{n}"), Vec::new());
                    }
                });
            }
        });
    }
    let ((), spans) = exported_by(|builder| builder.code_attributes(false), shared);
    let span = spans.one("shared");
    assert_eq!((span.attributes.len(), span.events.len()), (80, 80));
    for by in 0..8 {
        let own: Vec<_> = span.events.iter().filter(|e| e.name.starts_with(&format!("{by}."))).collect();
        assert!(own.is_sorted_by_key(|event| event.name.as_ref()), "each thread's events in their order");
        assert!((0..10).all(|n| attribute(span, &format!("{by}.{n}")) == Some(&Value::I64(n))));
    }
}

#[test]
fn the_attribute_that_was_set_last_counts_whoever_set_it() {
    #[traced(attr(entry = 0), ret(value => end = *value))]
    fn answers() -> i64 {
        get_active_span(|span| {
            span.set_attributes([KeyValue::new("entry", 1), KeyValue::new("end", 1)]);
        });
        traced::set!(own = 1);
        get_active_span(|span| span.set_attribute(KeyValue::new("own", 2)));
        get_active_span(|span| span.set_attribute(KeyValue::new("other", 1)));
        traced::set!(other = 2);
        2
    }
    let (_, spans) = exported(answers);
    let found = ["entry", "own", "other", "end"].map(|key| attribute(spans.one("answers"), key).cloned());
    assert_eq!(found, [1, 2, 2, 2].map(|value| Some(Value::I64(value))));
}

#[test]
fn events_stand_in_the_order_in_which_they_happened_whoever_added_them() {
    #[traced]
    fn steps() {
        traced::event!("1");
        get_active_span(|span| span.add_event("2", Vec::new()));
        traced::current().event("3", []);
        elsewhere({
            let cx = Context::current();
            move || cx.span().add_event("4", Vec::new())
        });
        traced::event!("5");
    }
    let ((), spans) = exported(steps);
    let events = &spans.one("steps").events;
    assert_eq!(events.iter().map(|event| event.name.as_ref()).collect::<Vec<_>>(), ["1", "2", "3", "4", "5"]);
    assert!(is_in_order(&events.iter().map(|event| event.timestamp).collect::<Vec<_>>()));
}

#[test]
fn an_events_own_time_is_kept_to_the_nanosecond() {
    let then = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
    #[traced]
    fn backdated(then: SystemTime) {
        get_active_span(|span| span.add_event_with_timestamp("then", then, Vec::new()));
    }
    let ((), spans) = exported(|| backdated(then));
    assert_eq!(event(spans.one("backdated"), "then").timestamp, then);
}

#[test]
fn a_status_of_ok_is_final() {
    #[traced]
    fn overruled() -> Result<(), String> {
        get_active_span(|span| span.set_status(Status::Ok));
        Err("not worth a word".into())
    }
    let (_, spans) = exported(overruled);
    assert_eq!(spans.one("overruled").status, Status::Ok);
}

#[test]
fn a_span_that_foreign_code_ends_is_exported_once() {
    #[traced]
    fn ended() {
        get_active_span(|span| {
            span.set_attribute(KeyValue::new("before", true));
            span.end();
            span.end();
        });
        inner();
    }
    let ((), spans) = exported(ended);
    assert_eq!(attribute(spans.one("ended"), "before"), Some(&Value::Bool(true)));
    assert_eq!(spans.path("inner"), ["inner", "ended"]);
}

// ------------------------------------------------------------------------------------------------- after the end

#[traced]
fn held() -> Context {
    Context::current()
}

#[traced]
fn fresh(n: u64) {
    assert!(traced::current().is_recording());
    if n > 0 {
        fresh(n - 1);
    }
}

/// Everything that must not be seen anywhere.
fn write_too_late(cx: &Context) {
    let span = cx.span();
    span.set_attribute(KeyValue::new("stale", true));
    span.add_event("stale", Vec::new());
    span.add_link(linked(), Vec::new());
    span.set_status(Status::error("stale"));
    span.update_name("stale");
    span.end();
}

fn assert_nothing_stale(spans: &Spans) {
    for span in &spans.0 {
        assert_ne!(span.name, "stale");
        assert_eq!(attribute(span, "stale"), None);
        assert_eq!((span.events.len(), span.links.len()), (0, 0));
        assert_eq!(span.status, Status::Unset);
    }
}

#[test]
fn after_the_call_a_held_context_records_nothing_and_keeps_its_ids() {
    let (cx, spans) = exported(|| {
        let cx = held();
        assert!(!cx.span().is_recording());
        write_too_late(&cx);
        assert!(!cx.span().is_recording());
        cx
    });
    assert_eq!(cx.span().span_context(), &spans.one("held").span_context);
    assert_nothing_stale(&spans);
}

#[test]
fn what_is_written_too_late_lands_on_no_other_span() {
    let ((), spans) = exported(|| {
        let cx = held();
        for _ in 0..3000 {
            fresh(1);
            write_too_late(&cx);
        }
        #[traced]
        fn beside(cx: &Context) {
            write_too_late(cx);
            assert!(traced::current().is_recording(), "the end of another span is not the end of this one");
            fresh(0);
            assert!(!cx.span().is_recording());
        }
        for _ in 0..3000 {
            beside(&cx);
        }
    });
    assert_eq!(spans.0.len(), 1 + 6000 + 6000);
    assert_nothing_stale(&spans);
}

#[test]
fn contexts_of_thousands_of_calls_that_are_over_reach_none_of_thousands_that_are_open() {
    #[traced]
    async fn opens() {
        assert!(traced::current().is_recording());
        tokio::task::yield_now().await;
        assert!(traced::current().is_recording());
    }
    let ((), spans) = exported(|| {
        let over: Vec<_> = (0..2000).map(|_| held()).collect();
        let mut open: Vec<_> = (0..2000).map(|_| Box::pin(opens())).collect();
        assert!(open.iter_mut().all(|future| poll_once(future).is_pending()));
        assert!(over.iter().all(|cx| !cx.span().is_recording()));
        over.iter().for_each(write_too_late);
        elsewhere(|| over.iter().for_each(write_too_late));
        assert!(open.iter_mut().all(|future| poll_once(future).is_ready()));
    });
    assert_eq!((spans.all("held").len(), spans.all("opens").len()), (2000, 2000));
    assert_nothing_stale(&spans);
}

#[test]
fn what_another_thread_writes_too_late_lands_on_no_other_span_while_spans_come_and_go() {
    let ((), spans) = exported(|| {
        let cx = held();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    write_too_late(&cx);
                }
            });
            for _ in 0..5000 {
                fresh(3);
            }
            over.store(true, Ordering::Relaxed);
        });
    });
    assert_eq!(spans.0.len(), 1 + 4 * 5000);
    assert_nothing_stale(&spans);
}

#[test]
fn what_is_written_while_the_call_ends_is_on_its_span_or_nowhere() {
    let ((), spans) = exported(|| {
        let (hand, take) = std::sync::mpsc::channel::<Context>();
        #[traced]
        fn ends(hand: &std::sync::mpsc::Sender<Context>, n: i64) {
            traced::current().set("n", n);
            hand.send(Context::current()).unwrap();
        }
        thread::scope(|scope| {
            scope.spawn(move || {
                for cx in take {
                    let id = cx.span().span_context().span_id().to_string();
                    cx.span().set_attribute(KeyValue::new("written", id));
                }
            });
            for n in 0..5000 {
                ends(&hand, n);
            }
            drop(hand);
        });
    });
    let spans = spans.all("ends");
    let mut numbers: Vec<_> = spans.iter().map(|span| attribute(span, "n").unwrap().to_string()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!((spans.len(), numbers.len()), (5000, 5000));
    for span in spans {
        if let Some(written) = attribute(span, "written") {
            assert_eq!(written.as_str(), span.span_context.span_id().to_string());
        }
    }
}

// ------------------------------------------------------------------------------------------- spans of other code

#[test]
fn spans_of_other_code_are_exported_as_they_were_built() {
    let started = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
    let ended = started + Duration::from_nanos(987_654_321);
    let (context, spans) = exported(|| {
        let scope = InstrumentationScope::builder("other code").with_version("3.2.1").build();
        let tracer = global::tracer_with_scope(scope);
        let mut span = tracer
            .span_builder("built")
            .with_kind(SpanKind::Client)
            .with_start_time(started)
            .with_attributes([KeyValue::new("at build", 1.5)])
            .with_events(vec![Event::new("before", started, vec![KeyValue::new("n", 1)], 0)])
            .with_links(vec![Link::new(linked(), vec![KeyValue::new("why", "tested")], 0)])
            .start(&tracer);
        assert!(span.is_recording());
        span.set_attribute(KeyValue::new("later", vec_of_strings()));
        span.add_event_with_timestamp("after", ended, Vec::new());
        span.record_error(&std::fmt::Error);
        span.set_status(Status::error("broken"));
        span.update_name("rebuilt");
        span.add_link(linked(), Vec::new());
        let context = span.span_context().clone();
        span.end_with_timestamp(ended);
        assert!(!span.is_recording());
        span.set_attribute(KeyValue::new("too late", 1));
        span.end();
        context
    });
    let span = spans.of(&context);
    assert_eq!((span.name.as_ref(), &span.span_kind), ("rebuilt", &SpanKind::Client));
    assert_eq!((span.start_time, span.end_time), (started, ended));
    assert_eq!(attribute(span, "at build"), Some(&Value::F64(1.5)));
    assert_eq!(attribute(span, "later"), Some(&vec_of_strings()));
    assert_eq!(attribute(span, "too late"), None);
    assert_eq!(
        span.events.iter().map(|event| event.name.as_ref()).collect::<Vec<_>>(),
        ["before", "after", "exception"]
    );
    assert_eq!((event(span, "before").timestamp, event(span, "after").timestamp), (started, ended));
    assert_eq!(span.status, Status::error("broken"));
    assert_eq!(span.links.len(), 2);
    assert_eq!(span.links[0].attributes, [KeyValue::new("why", "tested")]);
    assert_eq!(span.instrumentation_scope.name(), "other code");
    assert_eq!(span.instrumentation_scope.version(), Some("3.2.1"));
    assert_eq!((span.parent_span_id, span.parent_span_is_remote), (SpanId::INVALID, false));
    assert!(span.span_context.is_sampled() && !span.span_context.is_remote());
}

fn vec_of_strings() -> Value {
    Value::Array(vec![traced::opentelemetry::StringValue::from("a"), "b".into()].into())
}

#[test]
fn every_exporter_learns_the_resource_before_it_gets_spans() {
    let _turn = exporters::turn();
    let keeps = [exporters::Keeps::default(), exporters::Keeps::default()];
    let tracing = traced::builder("shop")
        .version("1.2")
        .exporter(keeps[0].clone())
        .exporter(keeps[1].clone())
        .install()
        .unwrap();
    inner();
    global::tracer("other code").in_span("by other code", |_| {});
    tracing.flush().unwrap();
    for keeps in keeps {
        assert_eq!(keeps.spans().names(), ["by other code", "inner"]);
        let resource = keeps.resource.lock().unwrap().clone().unwrap();
        assert_eq!(resource.get(&Key::new("service.name")), Some(Value::from("shop")));
        assert_eq!(resource.get(&Key::new("service.version")), Some(Value::from("1.2")));
    }
}

#[test]
fn a_span_of_other_code_that_is_dropped_without_an_end_ends_then() {
    let before = SystemTime::now();
    let ((), spans) = exported(|| {
        let tracer = global::tracer("other code");
        drop(tracer.start("dropped"));
        let cx = Context::current_with_span(tracer.start("dropped with the last context"));
        let clone = cx.clone();
        drop(cx);
        assert!(clone.span().is_recording());
        elsewhere(move || drop(clone));
    });
    assert_eq!(spans.names(), ["dropped", "dropped with the last context"]);
    for span in &spans.0 {
        assert!(span.start_time <= span.end_time);
        assert!(is_in_order(&[before, span.start_time, span.end_time, SystemTime::now()]));
    }
}

#[test]
fn a_span_of_other_code_may_outlive_the_call_it_was_made_in() {
    #[traced]
    fn makes() -> global::BoxedSpan {
        global::tracer("other code").start("outlives")
    }
    let ((), spans) = exported(|| {
        let mut outlives = makes();
        inner();
        assert!(outlives.is_recording());
        outlives.set_attribute(KeyValue::new("late", true));
        elsewhere(move || outlives.end());
    });
    assert_eq!(spans.path("outlives"), ["outlives", "makes"]);
    assert_eq!(attribute(spans.one("outlives"), "late"), Some(&Value::Bool(true)));
    assert!(is_in_order(&[spans.one("makes").end_time, spans.one("outlives").end_time]));
}

#[test]
fn other_code_may_hang_a_span_under_a_call_that_is_over_or_under_nothing() {
    #[traced]
    fn around(over: &Context) {
        let tracer = global::tracer("other code");
        tracer.start_with_context("under what is over", over).end();
        tracer.start_with_context("under nothing", &Context::new()).end();
        tracer.start("under what is current").end();
    }
    let ((), spans) = exported(|| around(&held()));
    assert_eq!(spans.path("under what is over"), ["under what is over", "held"]);
    assert_eq!(spans.path("under nothing"), ["under nothing"]);
    assert_ne!(
        spans.one("under nothing").span_context.trace_id(),
        spans.one("around").span_context.trace_id()
    );
    assert_eq!(spans.path("under what is current"), ["under what is current", "around"]);
}

// -------------------------------------------------------------------------------------------------------- parents

#[test]
fn traced_calls_and_spans_of_other_code_nest_in_turns() {
    #[traced]
    fn first() {
        let tracer = global::tracer("other code");
        tracer.in_span("second", |cx| {
            assert_eq!(cx.span().span_context(), &here());
            third();
            tracer.in_span("beside third", |_| {});
        });
        inner();
    }
    #[traced]
    fn third() {
        global::tracer("other code").in_span("fourth", |_| fifth());
    }
    #[traced]
    fn fifth() {}
    let ((), spans) = exported(first);
    assert_eq!(spans.path("fifth"), ["fifth", "fourth", "third", "second", "first"]);
    assert_eq!(spans.path("beside third"), ["beside third", "second", "first"]);
    assert_eq!(spans.path("inner"), ["inner", "first"]);
}

#[test]
fn they_nest_in_turns_across_polls_and_tasks() {
    #[traced]
    async fn first() {
        let tracer = global::tracer("other code");
        let cx = Context::current_with_span(tracer.start("second"));
        async {
            tokio::task::yield_now().await;
            third().await;
        }
        .with_context(cx)
        .await;
        inner();
    }
    #[traced]
    async fn third() {
        tokio::spawn(async {
            tokio::task::yield_now().await;
            let cx = Context::current_with_span(global::tracer("other code").start("fourth"));
            fifth().with_context(cx).await;
        })
        .await
        .unwrap();
    }
    #[traced]
    async fn fifth() {
        tokio::task::yield_now().await;
    }
    let ((), spans) = exported(|| on_many_threads(first()));
    assert_eq!(spans.path("fifth"), ["fifth", "fourth", "third", "second", "first"]);
    assert_eq!(spans.path("inner"), ["inner", "first"]);
}

#[test]
fn they_nest_in_turns_across_threads() {
    #[traced]
    fn first() {
        thread::spawn(|| {
            global::tracer("other code").in_span("second", |cx| {
                thread::spawn(move || {
                    let _current = cx.attach();
                    third();
                })
                .join()
                .unwrap();
            });
        })
        .join()
        .unwrap();
    }
    #[traced]
    fn third() {
        traced::thread::spawn(|| drop(global::tracer("other code").start("fourth"))).join().unwrap();
    }
    let ((), spans) = exported(first);
    assert_eq!(spans.path("fourth"), ["fourth", "third", "second", "first"]);
}

#[test]
fn tasks_that_take_turns_on_one_thread_keep_their_own_parents() {
    #[traced(attr(task))]
    async fn task(task: i64) {
        for _ in 0..5 {
            child(task);
            tokio::task::yield_now().await;
        }
    }
    #[traced(attr(task))]
    fn child(task: i64) {
        global::tracer("other code").in_span("grandchild", |cx| {
            cx.span().set_attribute(KeyValue::new("task", task));
        });
    }
    let ((), spans) = exported(|| {
        block_on(async {
            futures_util::future::join_all((0..20).map(task)).await;
        })
    });
    let by_id: HashMap<_, _> = spans.0.iter().map(|span| (span.span_context.span_id(), span)).collect();
    assert_eq!(spans.0.len(), 20 + 20 * 5 * 2);
    for (parent, child) in [("task", "child"), ("child", "grandchild")] {
        for span in spans.all(child) {
            let found = by_id[&span.parent_span_id];
            assert_eq!((found.name.as_ref(), attribute(found, "task")), (parent, attribute(span, "task")));
            assert_eq!(found.span_context.trace_id(), span.span_context.trace_id());
        }
    }
}

// ------------------------------------------------------------------------------------------------- what is sent

#[test]
fn the_innermost_span_is_sent() {
    #[traced]
    fn outer() -> Vec<(&'static str, HashMap<String, String>)> {
        let mut all = vec![("outer", sent())];
        all.push(("nested", nested()));
        all.push(("step", traced::span!("step").run(sent)));
        all.push(("by other code", global::tracer("other code").in_span("by other code", |_| sent())));
        all.push(("waits", waits().now_or_never().unwrap()));
        all.push(("outer", sent()));
        all
    }
    #[traced]
    fn nested() -> HashMap<String, String> {
        sent()
    }
    #[traced]
    async fn waits() -> HashMap<String, String> {
        sent()
    }
    let (all, spans) = exported(outer);
    assert_eq!(all.len(), 6);
    for (name, headers) in all {
        assert_eq!(headers["traceparent"], traceparent(&spans.one(name).span_context), "{name}");
    }
}

#[test]
fn nothing_is_sent_outside_of_spans() {
    let ((), _) = exported(|| {
        inner();
        assert_eq!(sent(), HashMap::new());
    });
}

// -------------------------------------------------------------------------------------------------------- leaves

#[traced(leaf)]
fn leaf() -> HashMap<String, String> {
    sent()
}

#[test]
fn a_leaf_sends_itself() {
    #[traced]
    fn outer() -> HashMap<String, String> {
        leaf()
    }
    #[traced(leaf)]
    async fn async_leaf() -> [HashMap<String, String>; 2] {
        let before = sent();
        tokio::task::yield_now().await;
        [before, sent()]
    }
    let (headers, spans) = exported(outer);
    assert_eq!(headers["traceparent"], traceparent(&spans.one("leaf").span_context));
    assert_eq!(spans.path("leaf"), ["leaf", "outer"]);

    let (headers, spans) = exported(leaf);
    assert_eq!(headers["traceparent"], traceparent(&spans.one("leaf").span_context));
    assert_eq!(spans.one("leaf").parent_span_id, SpanId::INVALID);

    let (headers, spans) = exported(|| block_on(async_leaf()));
    for headers in headers {
        assert_eq!(headers["traceparent"], traceparent(&spans.one("async_leaf").span_context));
    }
}

#[test]
fn what_a_leaf_calls_nests_under_it() {
    #[traced]
    fn outer() {
        calls();
        inner();
    }
    #[traced(leaf)]
    fn calls() {
        below();
        traced::span!("step").run(|| {});
        async_below().now_or_never().unwrap();
        thread::spawn(on_a_thread).join().unwrap();
        traced::thread::spawn(on_another).join().unwrap();
    }
    #[traced]
    fn below() -> SpanContext {
        further_below();
        here()
    }
    #[traced]
    fn further_below() {}
    #[traced]
    async fn async_below() {}
    #[traced]
    fn on_a_thread() {}
    #[traced]
    fn on_another() {}
    let ((), spans) = exported(outer);
    for name in ["below", "step", "async_below", "on_a_thread", "on_another"] {
        assert_eq!(spans.path(name), [name, "calls", "outer"]);
    }
    assert_eq!(spans.path("further_below"), ["further_below", "below", "calls", "outer"]);
    assert_eq!(spans.path("inner"), ["inner", "outer"]);
}

#[test]
fn in_a_traced_call_within_a_leaf_the_context_is_that_calls() {
    #[traced(leaf)]
    fn around() -> SpanContext {
        inner()
    }
    let (context, spans) = exported(around);
    assert_eq!(spans.of(&context).name, "inner");
    assert_eq!(spans.path("inner"), ["inner", "around"]);
}

#[test]
fn what_is_set_by_hand_in_a_leaf_lands_on_it() {
    #[traced]
    fn outer() {
        noted();
        traced::set!(after = true);
    }
    #[traced(leaf, attr(entry = 1), ret)]
    fn noted() -> SpanContext2 {
        let current = traced::current();
        assert!(current.is_recording());
        current.set("by hand", 1);
        traced::set!(by.macro_ = 2);
        traced::event!("happened", n = 3);
        current.event("by hand", []);
        current.link(linked());
        current.rename("renamed");
        inner();
        traced::set!(at.the.end = 4);
        SpanContext2(current.trace_id().to_string() + &current.span_id().to_string())
    }
    struct SpanContext2(String);
    impl traced::Attribute for SpanContext2 {
        fn value(&self) -> Option<Value> {
            Some(self.0.clone().into())
        }
    }
    let ((), spans) = exported(outer);
    let span = spans.one("renamed");
    for (key, value) in [("entry", 1), ("by hand", 1), ("by.macro_", 2), ("at.the.end", 4)] {
        assert_eq!(attribute(span, key), Some(&Value::I64(value)), "{key}");
    }
    let ids = span.span_context.trace_id().to_string() + &span.span_context.span_id().to_string();
    assert_eq!(attribute(span, "return"), Some(&Value::from(ids)));
    assert_eq!(event(span, "happened").attributes, [KeyValue::new("n", 3)]);
    event(span, "by hand");
    assert_eq!(span.links[0].span_context, linked());
    assert_eq!(spans.path("inner"), ["inner", "renamed", "outer"]);
    assert_eq!(attribute(spans.one("outer"), "after"), Some(&Value::Bool(true)));
    assert_eq!(spans.one("outer").attributes.len(), 4, "nothing of the leaf");
}

#[test]
fn a_leaf_in_a_leaf_is_the_innermost_while_it_runs() {
    #[traced]
    fn outer() -> HashMap<String, String> {
        upper()
    }
    #[traced(leaf)]
    fn upper() -> HashMap<String, String> {
        lower();
        traced::set!(upper = true);
        sent()
    }
    #[traced(leaf)]
    fn lower() {
        traced::set!(lower = true);
        inner();
    }
    let (headers, spans) = exported(outer);
    assert_eq!(spans.path("inner"), ["inner", "lower", "upper", "outer"]);
    assert_eq!(headers["traceparent"], traceparent(&spans.one("upper").span_context));
    assert_eq!(attribute(spans.one("upper"), "upper"), Some(&Value::Bool(true)));
    assert_eq!(attribute(spans.one("lower"), "upper"), None);
    assert_eq!(attribute(spans.one("lower"), "lower"), Some(&Value::Bool(true)));
}

#[test]
fn async_leaves_that_take_turns_are_current_at_their_own_polls_only() {
    #[traced(leaf, attr(n))]
    async fn turns(n: i64) -> HashMap<String, String> {
        for _ in 0..3 {
            tokio::task::yield_now().await;
            traced::set!(seen = n);
            below(n);
        }
        sent()
    }
    #[traced(attr(n))]
    fn below(n: i64) {}
    #[traced]
    async fn outer() -> [HashMap<String, String>; 2] {
        let (mut one, mut two) = (Box::pin(turns(1)), Box::pin(turns(2)));
        let before = (here(), sent());
        for _ in 0..3 {
            assert!(poll_once(&mut one).is_pending() && poll_once(&mut two).is_pending());
            assert_eq!((here(), sent()), before);
        }
        let (one, two) = futures_util::join!(one, two);
        [one, two]
    }
    let (headers, spans) = exported(|| block_on(outer()));
    let leaves = spans.all("turns");
    assert_eq!((leaves.len(), spans.all("below").len()), (2, 6));
    for leaf in leaves {
        assert_eq!(attribute(leaf, "seen"), attribute(leaf, "n"));
        assert_eq!(leaf.parent_span_id, spans.one("outer").span_context.span_id());
        let Some(&Value::I64(n)) = attribute(leaf, "n") else { panic!("{leaf:?}") };
        assert_eq!(headers[n as usize - 1]["traceparent"], traceparent(&leaf.span_context));
        let id = leaf.span_context.span_id();
        let below: Vec<_> = spans.all("below").into_iter().filter(|span| span.parent_span_id == id).collect();
        assert_eq!(below.len(), 3);
        assert!(below.iter().all(|span| attribute(span, "n") == Some(&Value::I64(n))));
    }
}

#[test]
fn an_async_leaf_that_moves_between_threads_stays_one_span() {
    #[traced(leaf)]
    async fn moves() -> HashMap<String, String> {
        for n in 0..3 {
            traced::current().set(format!("poll {n}"), n);
            inner();
            tokio::task::yield_now().await;
        }
        sent()
    }
    let (headers, spans) = exported(|| {
        let mut future: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(moves());
        for _ in 0..3 {
            assert!(elsewhere(|| poll_once(&mut future).is_pending() && is_empty_here()));
        }
        future.now_or_never().unwrap()
    });
    let span = spans.one("moves");
    assert_eq!(headers["traceparent"], traceparent(&span.span_context));
    assert!((0..3).all(|n| attribute(span, &format!("poll {n}")) == Some(&Value::I64(n))));
    let inners = spans.all("inner");
    assert_eq!(inners.len(), 3);
    assert!(inners.iter().all(|inner| inner.parent_span_id == span.span_context.span_id()));
}

#[test]
fn an_async_leaf_that_is_dropped_is_current_while_its_body_is_dropped() {
    struct Notes;
    impl Drop for Notes {
        fn drop(&mut self) {
            traced::set!(dropped = true);
            inner();
        }
    }
    #[traced(leaf)]
    async fn waits() {
        let _notes = Notes;
        std::future::pending().await
    }
    #[traced]
    fn outer() {
        let mut future = Box::pin(waits());
        assert!(poll_once(&mut future).is_pending());
        let before = (here(), sent());
        drop(future);
        assert_eq!((here(), sent()), before);
    }
    let ((), spans) = exported(outer);
    let span = spans.one("waits");
    assert_eq!(attribute(span, "cancelled"), Some(&Value::Bool(true)));
    assert_eq!(attribute(span, "dropped"), Some(&Value::Bool(true)));
    assert_eq!(spans.path("inner"), ["inner", "waits", "outer"]);
}

#[test]
fn a_leaf_that_panics_or_fails_is_marked_and_leaves_everything_as_it_was() {
    #[traced(leaf)]
    fn panics() {
        panic!("on purpose");
    }
    #[traced(leaf)]
    fn fails() -> Result<(), String> {
        fails_below()
    }
    #[traced]
    fn fails_below() -> Result<(), String> {
        Err("no luck".into())
    }
    #[traced]
    fn outer() {
        let before = (here(), sent());
        catch_unwind(panics).unwrap_err();
        assert_eq!((here(), sent()), before);
        fails().unwrap_err();
        assert_eq!((here(), sent()), before);
        leaf();
        assert_eq!((here(), sent()), before);
        assert_eq!(traced::current().span_id(), before.0.span_id());
        inner();
    }
    let ((), spans) = exported(|| {
        outer();
        assert!(is_empty_here());
    });
    for name in ["panics", "fails", "leaf", "inner"] {
        assert_eq!(spans.path(name), [name, "outer"]);
    }
    let panics = spans.one("panics");
    assert_eq!(panics.status, Status::error("on purpose"));
    assert_eq!(attribute(panics, "error.type"), Some(&Value::from("panic")));
    event(panics, "exception");
    let (fails, below) = (spans.one("fails"), spans.one("fails_below"));
    assert_eq!((&fails.status, &below.status), (&Status::error("no luck"), &Status::error("no luck")));
    assert_eq!((fails.events.len(), below.events.len()), (0, 1), "told once, where it came from");
    assert_eq!(spans.one("outer").status, Status::Unset);
}

#[test]
fn other_code_within_a_leaf_is_further_inside() {
    #[traced(leaf)]
    fn around() -> [HashMap<String, String>; 2] {
        let inside = global::tracer("other code").in_span("by other code", |_| {
            inner();
            traced::set!(set = true);
            sent()
        });
        [inside, sent()]
    }
    let ([inside, after], spans) = exported(around);
    let other = spans.one("by other code");
    assert_eq!(spans.one("inner").parent_span_id, other.span_context.span_id());
    assert_eq!(inside["traceparent"], traceparent(&other.span_context));
    assert_eq!(attribute(other, "set"), Some(&Value::Bool(true)));
    assert_eq!(after["traceparent"], traceparent(&spans.one("around").span_context));
}

#[test]
fn a_leaf_hangs_where_it_is_told_to() {
    #[traced(leaf, root(link))]
    fn rooted() -> HashMap<String, String> {
        inner();
        sent()
    }
    #[traced(leaf, parent = parent)]
    fn remote(parent: &SpanContext) -> HashMap<String, String> {
        sent()
    }
    #[traced]
    fn outer() -> [HashMap<String, String>; 2] {
        [rooted(), remote(&linked())]
    }
    let ([root, remote], spans) = exported(outer);
    let outer = &spans.one("outer").span_context;
    let rooted = spans.one("rooted");
    assert_eq!(rooted.parent_span_id, SpanId::INVALID);
    assert_ne!(rooted.span_context.trace_id(), outer.trace_id());
    assert_eq!(&rooted.links[0].span_context, outer);
    assert_eq!(root["traceparent"], traceparent(&rooted.span_context));
    assert_eq!(spans.path("inner"), ["inner", "rooted"]);
    let under = spans.one("remote");
    assert_eq!(under.parent_span_id, linked().span_id());
    assert_eq!(under.span_context.trace_id(), linked().trace_id());
    assert!(under.parent_span_is_remote);
    assert_eq!(remote["traceparent"], traceparent(&under.span_context));
}

#[test]
fn a_handle_on_a_leaf_is_as_good_as_one_on_any_span() {
    #[traced(leaf)]
    fn handles() -> [HashMap<String, String>; 2] {
        let current = traced::current();
        elsewhere(|| {
            current.set("from elsewhere", true);
        });
        global::tracer("other code").start_with_context("by other code", current.context()).end();
        under(current.context());
        let mut headers = HashMap::new();
        traced::inject_context(current.context(), &mut headers);
        [headers, sent()]
    }
    #[traced(parent = handle)]
    fn under(handle: &Context) {}
    #[traced]
    fn outer() -> [HashMap<String, String>; 2] {
        handles()
    }
    let ([of_the_handle, sent], spans) = exported(outer);
    assert_eq!(of_the_handle, sent);
    assert_eq!(attribute(spans.one("handles"), "from elsewhere"), Some(&Value::Bool(true)));
    assert_eq!(spans.path("by other code"), ["by other code", "handles", "outer"]);
    assert_eq!(spans.path("under"), ["under", "handles", "outer"]);
}

#[test]
fn a_task_that_a_leaf_spawns_nests_under_it() {
    #[traced]
    async fn outer() {
        spawns().await;
    }
    #[traced(leaf)]
    async fn spawns() {
        let task = tokio::spawn(async {
            tokio::task::yield_now().await;
            traced::set!(by.the.task = true);
            inner();
        });
        tokio::task::yield_now().await;
        task.await.unwrap();
    }
    let ((), spans) = exported(|| on_many_threads(outer()));
    assert_eq!(spans.path("inner"), ["inner", "spawns", "outer"]);
    assert_eq!(attribute(spans.one("spawns"), "by.the.task"), Some(&Value::Bool(true)));
}

#[test]
fn a_handle_on_a_leaf_that_is_over_reaches_no_other_span() {
    #[traced(leaf)]
    fn handle() -> traced::Current {
        traced::current()
    }
    let ((), spans) = exported(|| {
        let over = handle();
        assert!(!over.is_recording());
        for _ in 0..2000 {
            over.set("stale", true);
            over.event("stale", []);
            fresh(0);
            leaf();
            over.rename("stale");
        }
    });
    assert_eq!((spans.all("fresh").len(), spans.all("leaf").len()), (2000, 2000));
    assert_nothing_stale(&spans);
}

// ------------------------------------------------------------------------- suppression, trace state and baggage

#[test]
fn suppressed_telemetry_makes_nothing() {
    #[traced]
    async fn asynchronous() -> bool {
        tokio::task::yield_now().await;
        inner();
        Context::is_current_telemetry_suppressed()
    }
    #[traced]
    fn outer() {
        let suppressed = Context::enter_telemetry_suppressed_scope();
        inner();
        leaf();
        traced::span!("step").run(|| {});
        let tracer = global::tracer("other code");
        assert!(!tracer.start("by other code").is_recording());
        tracer.in_span("by other code", |_| inner());
        assert!(block_on(asynchronous()));
        drop(suppressed);
        inner();
    }
    let ((), spans) = exported(|| {
        {
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            outer();
            assert!(!block_on(asynchronous().with_context(Context::new())));
        }
        outer();
    });
    assert_eq!(spans.names(), ["asynchronous", "inner", "inner", "outer"]);
    assert_eq!(spans.all("inner").iter().filter(|s| s.parent_span_id != SpanId::INVALID).count(), 2);
}

#[test]
fn trace_state_from_a_remote_parent_is_on_every_span_and_is_sent_on() {
    #[traced(parent = headers)]
    fn handle(headers: &HashMap<&str, &str>) -> Vec<HashMap<String, String>> {
        global::tracer("other code")
            .in_span("by other code", |_| vec![query(), leaf(), block_on(waits()), sent()])
    }
    #[traced]
    fn query() -> HashMap<String, String> {
        sent()
    }
    #[traced]
    async fn waits() -> HashMap<String, String> {
        tokio::task::yield_now().await;
        sent()
    }
    let received = HashMap::from([
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "vendor=opaque,other=1"),
    ]);
    let (all, spans) = exported(|| handle(&received));
    assert_eq!(spans.names(), ["by other code", "handle", "leaf", "query", "waits"]);
    for span in &spans.0 {
        assert_eq!(span.span_context.trace_state().header(), "vendor=opaque,other=1", "{}", span.name);
        assert_eq!(span.span_context.trace_id(), linked().trace_id());
    }
    let handle = spans.one("handle");
    assert_eq!((handle.parent_span_id, handle.parent_span_is_remote), (linked().span_id(), true));
    assert!(!spans.one("by other code").parent_span_is_remote);
    for (headers, name) in all.iter().zip(["query", "leaf", "waits", "by other code"]) {
        assert_eq!(headers["tracestate"], "vendor=opaque,other=1", "{name}");
        assert_eq!(headers["traceparent"], traceparent(&spans.one(name).span_context));
    }
}

#[test]
fn trace_state_does_not_reach_the_next_trace() {
    #[traced(parent = headers)]
    fn handle(headers: &HashMap<&str, &str>) {
        rooted();
    }
    #[traced(root)]
    fn rooted() -> HashMap<String, String> {
        sent()
    }
    let received = HashMap::from([
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "vendor=opaque"),
    ]);
    let (headers, spans) = exported(|| {
        handle(&received);
        rooted()
    });
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["traceparent"]);
    for span in spans.all("rooted") {
        assert_eq!(span.span_context.trace_state().header(), "");
    }
}

#[test]
fn baggage_travels_through_calls_and_is_sent() {
    fn tenant() -> Option<String> {
        Context::current().baggage().get("tenant").map(ToString::to_string)
    }
    #[traced]
    fn outer() -> Vec<(Option<String>, HashMap<String, String>)> {
        let mut all = vec![(tenant(), sent()), nested(), block_on(waits())];
        all.push(global::tracer("other code").in_span("by other code", |_| nested()));
        all.push(thread::spawn(nested).join().unwrap());
        all
    }
    #[traced]
    fn nested() -> (Option<String>, HashMap<String, String>) {
        (tenant(), leaf())
    }
    #[traced]
    async fn waits() -> (Option<String>, HashMap<String, String>) {
        tokio::task::yield_now().await;
        (tenant(), sent())
    }
    let (all, _) = exported(|| {
        let _current = Context::current_with_baggage([KeyValue::new("tenant", "blue")]).attach();
        outer()
    });
    assert_eq!(all.len(), 5);
    for (tenant, headers) in all {
        assert_eq!(tenant.as_deref(), Some("blue"));
        assert_eq!(headers["baggage"], "tenant=blue");
        assert!(headers.contains_key("traceparent"));
    }
}

#[test]
fn baggage_of_a_remote_parent_is_there_in_the_call() {
    #[traced(parent = headers)]
    fn handle(headers: &HashMap<&str, &str>) -> (Option<String>, HashMap<String, String>) {
        (Context::current().baggage().get("tenant").map(ToString::to_string), leaf())
    }
    let received = HashMap::from([
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("baggage", "tenant=blue"),
    ]);
    let ((tenant, headers), _) = exported(|| handle(&received));
    assert_eq!(tenant.as_deref(), Some("blue"));
    assert_eq!(headers["baggage"], "tenant=blue");
}

#[test]
fn a_traced_call_where_nothing_can_be_attached_is_a_span_and_no_panic() {
    #[traced]
    fn price() -> i64 {
        traced::set!(looked_up = true);
        inner()
    }
    #[traced]
    fn inner() -> i64 {
        7
    }
    #[traced]
    fn outer() {
        get_active_span(|span| span.set_attribute(KeyValue::new("price", price())));
        inner();
    }
    let ((), spans) = exported(outer);
    assert_eq!(spans.names(), ["inner", "inner", "outer", "price"]);
    let (outer, price) = (spans.one("outer"), spans.one("price"));
    assert_eq!(attribute(outer, "price"), Some(&Value::I64(7)));
    assert_eq!(attribute(price, "looked_up"), Some(&Value::Bool(true)));
    assert_eq!(price.parent_span_id, outer.span_context.span_id());
    let parents: Vec<_> = spans.all("inner").iter().map(|span| span.parent_span_id).collect();
    assert!(parents.contains(&price.span_context.span_id()));
    assert!(parents.contains(&outer.span_context.span_id()));
}

#[test]
fn a_span_that_is_left_to_a_thread_local_ends_with_the_thread() {
    thread_local! {
        static KEPT: std::cell::RefCell<Option<traced::Entered>> = const { std::cell::RefCell::new(None) };
    }
    let ((), spans) = exported(|| {
        std::thread::spawn(|| {
            // Registered before OpenTelemetry's own, and so dropped after it.
            KEPT.with(|_| ());
            let entered = traced::span!("kept").enter();
            KEPT.with(|kept| *kept.borrow_mut() = Some(entered));
        })
        .join()
        .unwrap();
    });
    assert_eq!(spans.names(), ["kept"]);
}

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

#[traced]
fn first(future: &mut Boxed) {
    assert!(poll_once(future).is_pending());
}

#[traced]
fn second(future: &mut Boxed) {
    assert!(poll_once(future).is_ready());
}

#[test]
fn an_async_leaf_that_is_polled_in_another_call_is_still_what_its_calls_nest_under() {
    #[traced(leaf)]
    async fn leaf() {
        tokio::task::yield_now().await;
        inner();
    }
    let ((), spans) = exported(|| {
        let mut future: Boxed = Box::pin(leaf());
        first(&mut future);
        elsewhere(|| second(&mut future));
    });
    assert_eq!(spans.path("inner"), ["inner", "leaf", "first"]);
}

#[test]
fn a_call_that_could_not_be_attached_at_its_first_poll_is_at_the_next() {
    #[traced]
    async fn steps() {
        tokio::task::yield_now().await;
        global::tracer("other code").in_span("by other code", |_| {});
    }
    let ((), spans) = exported(|| {
        let mut future: Boxed = Box::pin(steps());
        get_active_span(|_| assert!(poll_once(&mut future).is_pending()));
        second(&mut future);
    });
    assert_eq!(spans.path("by other code"), ["by other code", "steps"]);
}
