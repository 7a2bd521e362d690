//! What a caller sent goes through calls that name it as their parent, also where they make no span.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]
#![allow(clippy::await_holding_lock, reason = "each test has a runtime of its own, and takes its turn whole")]

mod exporters;

use std::collections::HashMap;
use std::future::Future;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::Poll;

use exporters::{Keeps, LONG, Spans, adds_up, turn};
use futures_util::{FutureExt, Stream, StreamExt};
use traced::opentelemetry::trace::{SpanId, TraceContextExt};
use traced::opentelemetry::{Context, global};
use traced::testing::capture;
use traced::{Control, Tracing, traced};

type Headers = HashMap<String, String>;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// The headers of a caller, with baggage.
fn request(flags: &str) -> Headers {
    [("traceparent", format!("00-{TRACE}-{CALLER}-{flags}")), ("baggage", "tenant=blue".to_owned())]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// What is sent from here.
fn sent() -> Headers {
    let mut headers = Headers::new();
    traced::inject(&mut headers);
    headers
}

static EVALUATED: AtomicUsize = AtomicUsize::new(0);

fn evaluated<T>(value: T) -> T {
    EVALUATED.fetch_add(1, Ordering::SeqCst);
    value
}

#[traced]
fn child() {}

/// Works beneath, and says what it sends.
fn work() -> Headers {
    child();
    sent()
}

mod routes {
    use super::*;

    #[traced(parent = headers, attr(n = evaluated(1)), links([evaluated(Context::new())]), ret(r => n = evaluated(r.len())))]
    pub(super) fn serve(headers: &Headers) -> Headers {
        work()
    }

    #[traced(parent = headers, timing, err(_e => n = evaluated(1)), error_if(_e => evaluated(true)))]
    pub(super) async fn serve_async(headers: Headers) -> Result<Headers, String> {
        tokio::task::yield_now().await;
        let before = work();
        tokio::task::yield_now().await;
        assert_eq!(work(), before);
        Err(format!("{before:?}")).or(Ok(before))
    }

    #[traced(parent = headers)]
    pub(super) fn returned(headers: Headers) -> impl Future<Output = Headers> {
        async move {
            drop(headers);
            tokio::task::yield_now().await;
            work()
        }
    }

    #[traced(parent = headers)]
    pub(super) fn boxed(headers: Headers) -> std::pin::Pin<Box<dyn Future<Output = Headers> + Send>> {
        Box::pin(async move {
            drop(headers);
            work()
        })
    }

    #[traced(parent = headers)]
    pub(super) fn streamed(headers: Headers) -> impl Stream<Item = Headers> {
        drop(headers);
        futures_util::stream::iter(0..2).map(|_| work())
    }

    #[traced(parent = headers)]
    #[track_caller]
    pub(super) fn in_its_frame(headers: &Headers) -> Headers {
        work()
    }

    #[traced(leaf, parent = headers)]
    pub(super) fn leaf(headers: &Headers) -> Headers {
        work()
    }

    #[traced(parent = headers)]
    pub(super) fn hands_away(headers: &Headers) -> Headers {
        std::thread::spawn(work).join().unwrap()
    }

    #[traced(parent = headers)]
    pub(super) async fn spawns(headers: Headers) -> Headers {
        tokio::spawn(async { work() }).await.unwrap()
    }
}

/// What every shape sends.
async fn everything(flags: &str) -> Vec<Headers> {
    let headers = request(flags);
    let all = vec![
        routes::serve(&headers),
        routes::serve_async(headers.clone()).await.unwrap(),
        routes::returned(headers.clone()).await,
        routes::boxed(headers.clone()).await,
        routes::streamed(headers.clone()).collect::<Vec<_>>().await.swap_remove(1),
        routes::in_its_frame(&headers),
        routes::leaf(&headers),
        routes::hands_away(&headers),
        routes::spawns(headers.clone()).await,
    ];
    assert_eq!(sent(), Headers::new(), "what was current before is current again");
    all
}

/// Eleven, since two of them work twice.
const CHILDREN: usize = 11;

fn set_up(filter: &str) -> (Tracing, Control, Keeps) {
    let keeps = Keeps::default();
    let tracing = traced::builder("test").filter(filter).exporter(keeps.clone()).install().unwrap();
    let control = tracing.control();
    (tracing, control, keeps)
}

fn kept(tracing: &Tracing, keeps: &Keeps) -> Spans {
    tracing.flush().unwrap();
    assert!(adds_up(&tracing.stats()));
    Spans(keeps.take())
}

#[tokio::test]
async fn paused_a_service_passes_on_what_it_gets() {
    let _turn = turn();
    let (tracing, control, keeps) = set_up("");
    control.pause();
    EVALUATED.store(0, Ordering::SeqCst);
    for flags in ["01", "00"] {
        for sent in everything(flags).await {
            assert_eq!(sent, request(flags));
        }
    }
    assert_eq!(EVALUATED.load(Ordering::SeqCst), 0, "only the parent is evaluated");
    assert_eq!(kept(&tracing, &keeps).0.len(), 0);
    control.resume();
    for sent in everything("01").await {
        let [_, trace, span, flags] = sent["traceparent"].split('-').collect::<Vec<_>>()[..] else {
            panic!()
        };
        assert!(trace == TRACE && span != CALLER && flags == "01");
        assert_eq!(sent["baggage"], "tenant=blue");
    }
    assert_eq!(kept(&tracing, &keeps).all("child").len(), CHILDREN);
    tracing.shutdown(LONG).unwrap();
    // Without any set-up, nothing is evaluated.
    assert_eq!(everything("01").await, vec![Headers::new(); 9]);
}

#[tokio::test]
async fn below_a_route_that_the_filter_silences_spans_hang_under_the_caller() {
    let _turn = turn();
    let (tracing, control, keeps) = set_up("passed_on::routes=off");
    EVALUATED.store(0, Ordering::SeqCst);
    for _ in 0..2 {
        for sent in everything("01").await {
            assert_eq!(sent, request("01"));
        }
        let spans = kept(&tracing, &keeps);
        assert_eq!(spans.0.len(), CHILDREN);
        for child in spans.all("child") {
            assert_eq!(child.span_context.trace_id().to_string(), TRACE);
            assert_eq!(
                (child.parent_span_id.to_string().as_str(), child.parent_span_is_remote),
                (CALLER, true)
            );
        }
    }
    everything("00").await;
    assert_eq!(kept(&tracing, &keeps).0.len(), 0, "the caller's decision counts");
    assert_eq!(EVALUATED.load(Ordering::SeqCst), 0);
    // With no caller, what is below starts a trace.
    assert_eq!(routes::serve(&Headers::new()), Headers::new());
    let spans = kept(&tracing, &keeps);
    assert_eq!(spans.one("child").parent_span_id, SpanId::INVALID);
    control.set_filter("").unwrap();
    routes::serve(&request("01"));
    assert_eq!(kept(&tracing, &keeps).names(), ["child", "serve"]);
}

#[traced(when = evaluated(on), parent = evaluated(headers), attr(n = evaluated(1)))]
fn sometimes(on: bool, headers: &Headers) -> Headers {
    work()
}

#[traced(when = on, parent = headers)]
async fn sometimes_async(on: bool, headers: Headers) -> Headers {
    tokio::task::yield_now().await;
    work()
}

#[traced(when = on, parent = headers)]
fn sometimes_returned(on: bool, headers: Headers) -> impl Future<Output = Headers> {
    drop(headers);
    async { work() }
}

#[tokio::test]
async fn where_when_says_no_what_is_called_hangs_under_the_parent() {
    let _turn = turn();
    let (tracing, control, keeps) = set_up("");
    EVALUATED.store(0, Ordering::SeqCst);
    traced::span!("local").run(|| assert_eq!(sometimes(false, &request("01")), request("01")));
    assert_eq!(EVALUATED.swap(0, Ordering::SeqCst), 2, "the condition and the parent");
    assert_eq!(sometimes_async(false, request("01")).await, request("01"));
    assert_eq!(sometimes_returned(false, request("01")).await, request("01"));
    let spans = kept(&tracing, &keeps);
    assert_eq!(spans.names(), ["child", "child", "child", "local"]);
    assert!(spans.all("child").iter().all(|child| child.parent_span_id.to_string() == CALLER));
    sometimes(true, &request("01"));
    assert_eq!(EVALUATED.swap(0, Ordering::SeqCst), 3, "and the attribute");
    assert_eq!(kept(&tracing, &keeps).names(), ["child", "sometimes"]);
    // There is no span whatever it says.
    control.pause();
    sometimes(true, &request("01"));
    assert_eq!(EVALUATED.load(Ordering::SeqCst), 1, "the parent");
}

#[test]
fn a_capture_keeps_its_calls_where_when_says_no() {
    let _turn = turn();
    let (sent, trace) = capture(|| sometimes(false, &request("01")));
    assert_eq!(sent, request("01"));
    assert_eq!(trace.to_string(), "child under a remote parent\n");
    assert_eq!(self::sent(), Headers::new());
}

#[test]
fn a_capture_elsewhere_is_no_set_up() {
    let _turn = turn();
    let ((begun, is_running), (over, is_over)) = (channel(), channel::<()>());
    let other = std::thread::spawn(move || {
        capture(move || {
            begun.send(()).unwrap();
            let _ = is_over.recv();
        })
    });
    is_running.recv_timeout(LONG).unwrap();
    EVALUATED.store(0, Ordering::SeqCst);
    assert_eq!(sometimes(true, &request("01")), Headers::new());
    assert_eq!(EVALUATED.load(Ordering::SeqCst), 0);
    drop(over);
    assert_eq!(other.join().unwrap().1.len(), 0);
}

#[test]
fn errors_panics_and_ways_out_record_nothing_and_give_the_context_back() {
    #[traced(when = false, parent = headers)]
    fn fails(headers: &Headers) -> Result<(), String> {
        assert_eq!(sent(), *headers);
        fails_below()?;
        Ok(())
    }
    #[traced]
    fn fails_below() -> Result<(), String> {
        Err("no".to_owned())
    }
    #[traced(when = false, parent = headers)]
    fn panics(headers: &Headers) {
        assert_eq!(sent(), *headers);
        panic!("as expected");
    }
    #[traced(when = false, parent = { assert!(headers.is_empty(), "as expected"); headers })]
    fn panics_before(headers: &Headers) {}

    let _turn = turn();
    let (tracing, _, keeps) = set_up("");
    traced::span!("local").run(|| {
        let here = sent();
        assert!(fails(&request("01")).is_err());
        assert_eq!(sent(), here);
        assert!(catch_unwind(|| panics(&request("01"))).is_err());
        assert_eq!(sent(), here);
        assert!(catch_unwind(|| panics_before(&request("01"))).is_err());
        assert_eq!(sent(), here);
    });
    let spans = kept(&tracing, &keeps);
    assert_eq!(spans.names(), ["fails_below", "local"]);
    assert_eq!(spans.one("fails_below").events.len(), 1);
    let local = spans.one("local");
    assert!(local.events.is_empty() && local.status == traced::opentelemetry::trace::Status::Unset);
}

/// Says what is sent where it is dropped.
struct Tells(Arc<std::sync::Mutex<Headers>>);

impl Drop for Tells {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = sent();
    }
}

#[tokio::test]
async fn a_future_that_is_dropped_is_dropped_under_the_parent() {
    #[traced(when = false, parent = headers)]
    async fn waits(headers: Headers, tells: Tells) {
        let _tells = tells;
        std::future::pending::<()>().await
    }
    #[traced(when = false, parent = headers)]
    fn waits_returned(headers: Headers, tells: Tells) -> impl Future<Output = ()> {
        drop(headers);
        async move {
            let _tells = tells;
            std::future::pending::<()>().await
        }
    }

    let _turn = turn();
    let (tracing, _, keeps) = set_up("");
    let told = Arc::default();
    let mut one = Box::pin(waits(request("01"), Tells(Arc::clone(&told))));
    assert_eq!(futures_util::poll!(&mut one), Poll::Pending);
    assert_eq!(sent(), Headers::new());
    drop(one);
    assert_eq!(std::mem::take(&mut *told.lock().unwrap()), request("01"));
    let mut one = Box::pin(waits_returned(request("01"), Tells(Arc::clone(&told))));
    assert_eq!(futures_util::poll!(&mut one), Poll::Pending);
    drop(one);
    assert_eq!(std::mem::take(&mut *told.lock().unwrap()), request("01"));
    drop(waits(request("01"), Tells(told)));
    assert_eq!(sent(), Headers::new());
    assert_eq!(kept(&tracing, &keeps).0.len(), 0);
}

#[tokio::test]
async fn a_future_that_was_made_while_paused_is_a_span_when_it_is_polled_later() {
    let _turn = turn();
    let (tracing, control, keeps) = set_up("");
    control.pause();
    let (first, second) = (routes::returned(request("01")), routes::streamed(request("01")));
    let never = sometimes_returned(false, request("01"));
    control.resume();
    let not_now = sometimes_returned(false, request("01"));
    first.await;
    second.collect::<Vec<_>>().await;
    not_now.await;
    never.await;
    let spans = kept(&tracing, &keeps);
    // Whether `when` says yes was not asked while it was paused.
    let expected =
        ["child", "child", "child", "child", "child", "returned", "sometimes_returned", "streamed"];
    assert_eq!(spans.names(), expected);
    for name in ["returned", "streamed"] {
        let span = spans.one(name);
        assert_eq!(span.parent_span_id.to_string(), CALLER);
        let below = spans
            .all("child")
            .iter()
            .filter(|child| child.parent_span_id == span.span_context.span_id())
            .count();
        assert_eq!(below, if name == "returned" { 1 } else { 2 });
    }
}

#[test]
fn what_is_not_to_be_traced_stays_so() {
    let _turn = turn();
    let (tracing, control, keeps) = set_up("");
    for pause in [false, true] {
        if pause {
            control.pause();
        }
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        assert_eq!(sometimes(false, &request("01")), Headers::new());
        assert_eq!(routes::serve(&request("01")), Headers::new());
    }
    control.resume();
    assert_eq!(kept(&tracing, &keeps).0.len(), 0);
}

#[test]
fn where_contexts_are_borrowed_nothing_is_passed_on_and_nothing_breaks() {
    let _turn = turn();
    let (tracing, _, keeps) = set_up("");
    traced::opentelemetry::trace::get_active_span(|_| {
        assert_eq!(sometimes(false, &request("01")), Headers::new());
    });
    assert_eq!(sent(), Headers::new());
    kept(&tracing, &keeps);
}

#[test]
fn without_a_span_other_code_sees_the_parent_as_well() {
    let _turn = turn();
    let (tracing, control, _) = set_up("");
    #[traced(parent = headers)]
    fn serve(headers: &Headers) -> String {
        let current = Context::current();
        assert_eq!(traced::trace_id().map(|id| id.to_string()).as_deref(), Some(TRACE));
        let mut own = Headers::new();
        global::get_text_map_propagator(|propagator| propagator.inject_context(&current, &mut own));
        assert_eq!(own, *headers);
        current.span().span_context().span_id().to_string()
    }
    control.pause();
    assert_eq!(serve(&request("01")), CALLER);
    assert!(async { serve(&request("00")) }.now_or_never().is_some());
    drop(tracing);
}
