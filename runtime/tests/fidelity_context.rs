//! OpenTelemetry's own context is the span's inside a call, and what the body hands away keeps it.
#![allow(missing_docs, unreachable_code, unused_variables, clippy::all, clippy::pedantic)]

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use traced::opentelemetry::baggage::BaggageExt;
use traced::opentelemetry::trace::{SpanContext, TraceContextExt, Tracer, TracerProvider};
use traced::opentelemetry::{Context, KeyValue, global};
use traced::testing::capture;
use traced::traced;

#[traced]
fn leafy() {}

#[traced]
fn knows_itself() -> SpanContext {
    traced::opentelemetry::trace::get_active_span(|span| span.set_attribute(KeyValue::new("written", 1)));
    let cx = Context::current();
    cx.span().set_attribute(KeyValue::new("also", true));
    cx.span().span_context().clone()
}

#[test]
fn the_current_context_is_the_spans() {
    let (cx, trace) = capture(knows_itself);
    assert_eq!(cx.span_id(), trace.span("knows_itself").span_id());
    assert_eq!(trace.to_string(), "knows_itself\n    written: i64 = 1\n    also: bool = true\n");
}

#[test]
fn spans_of_opentelemetry_nest_both_ways() {
    #[traced]
    fn outer() {
        global::tracer("other").in_span("by opentelemetry", |_| inner());
    }
    #[traced]
    fn inner() {
        let tracer = global::tracer_provider().tracer("another");
        let _span = tracer.start("leaf of opentelemetry");
    }
    let ((), trace) = capture(outer);
    assert_eq!(
        trace.to_string(),
        "\
outer
└── by opentelemetry (internal)
    └── inner
        └── leaf of opentelemetry
"
        .replace(" (internal)", "")
    );
}

#[tokio::test]
async fn the_context_is_attached_only_while_the_future_is_polled() {
    #[traced]
    async fn waits() {
        tokio::task::yield_now().await;
        leafy();
    }
    let ((), trace) = capture(async {
        let mut future = Box::pin(waits());
        let _ = futures_util::poll!(&mut future);
        assert!(!Context::current().span().span_context().is_valid());
        leafy();
        future.await;
    })
    .await;
    assert_eq!(trace.to_string(), "waits\n└── leafy\nleafy\n");
}

#[tokio::test]
async fn baggage_is_kept() {
    #[traced]
    async fn outer() -> Option<String> {
        tokio::spawn(inner()).await.unwrap()
    }
    #[traced]
    async fn inner() -> Option<String> {
        Context::current().baggage().get("tenant").map(ToString::to_string)
    }
    let (value, _) = capture(async {
        let cx = Context::current_with_baggage([KeyValue::new("tenant", "acme")]);
        use traced::opentelemetry::trace::FutureExt as _;
        outer().with_context(cx).await
    })
    .await;
    assert_eq!(value.as_deref(), Some("acme"));
}

#[test]
fn values_of_the_context_are_kept_under_root_and_parent() {
    #[derive(Debug, PartialEq)]
    struct Tenant(u8);
    #[traced(root)]
    fn rooted() -> bool {
        Context::current().get::<Tenant>().is_some()
    }
    #[traced(root(link))]
    fn linked() -> bool {
        Context::current().get::<Tenant>().is_some()
    }
    let (values, trace) = capture(|| {
        let _guard = Context::current().with_value(Tenant(1)).attach();
        (rooted(), linked())
    });
    assert_eq!(values, (true, true), "{trace}");
}

mod spawned {
    use super::*;

    async fn child() {
        leafy()
    }

    macro_rules! carried {
        ($($name:ident $([$($args:tt)*])? { $($body:tt)* })*) => {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
            async fn $name() {
                #[traced($($($args)*)?)]
                async fn parent() { $($body)* }
                let ((), trace) = capture(tokio::task::LocalSet::new().run_until(capture_parent(parent()))).await;
                assert_eq!(trace.to_string(), "parent\n└── leafy\n");
            }
        )*};
    }
    async fn capture_parent(parent: impl Future<Output = ()>) {
        parent.await
    }

    carried! {
        tokio_spawn { tokio::spawn(child()).await.unwrap(); }
        tokio_spawn_of_a_block { tokio::spawn(async move { child().await }).await.unwrap(); }
        tokio_spawn_with_a_comma { tokio::spawn(child(),).await.unwrap(); }
        tokio_spawn_from_the_root { ::tokio::spawn(child()).await.unwrap(); }
        // Once a fault: a turbofish hides the call.
        tokio_spawn_turbofish { tokio::spawn::<_>(child()).await.unwrap(); }
        tokio_task_spawn { tokio::task::spawn(child()).await.unwrap(); }
        tokio_task_spawn_local { tokio::task::spawn_local(child()).await.unwrap(); }
        tokio_task_spawn_blocking { tokio::task::spawn_blocking(leafy).await.unwrap(); }
        tokio_task_spawn_blocking_closure { tokio::task::spawn_blocking(move || { leafy(); }).await.unwrap(); }
        task_spawn { use tokio::task; task::spawn(child()).await.unwrap(); }
        task_spawn_blocking { use tokio::task; task::spawn_blocking(leafy).await.unwrap(); }
        std_thread_spawn { std::thread::spawn(leafy).join().unwrap(); }
        thread_spawn { use std::thread; thread::spawn(|| leafy()).join().unwrap(); }
        thread_builder { std::thread::Builder::new().name("x".to_owned()).stack_size(1 << 20).spawn(leafy).unwrap().join().unwrap(); }
        rayon_spawn { let (s, r) = tokio::sync::oneshot::channel(); rayon::spawn(move || { leafy(); s.send(()).unwrap() }); r.await.unwrap(); }
        in_a_macro { let (a, b) = tokio::join!(async {}, async { tokio::spawn(child()).await.unwrap() }); let _ = (a, b); }
        in_a_vector { for task in vec![tokio::spawn(child())] { task.await.unwrap(); } }
        in_a_closure { let go = || tokio::spawn(child()); go().await.unwrap(); }
        in_a_nested_block { async { if true { tokio::spawn(child()).await.unwrap(); } }.await }
        a_path_that_is_named [propagate(mine::go)] { mine::go(child()).await.unwrap(); }
        a_path_that_is_named_takes_closures [propagate(mine::run)] { mine::run(|| leafy()).join().unwrap(); }
        by_hand_spawn { traced::spawn(child()).await.unwrap(); }
        by_hand_spawn_local { traced::spawn_local(child()).await.unwrap(); }
        by_hand_spawn_blocking { traced::spawn_blocking(leafy).await.unwrap(); }
        by_hand_thread { traced::thread::spawn(leafy).join().unwrap(); }
        by_hand_propagate [propagate = off] { tokio::spawn(traced::propagate(child())).await.unwrap(); }
        by_hand_join_set { let mut set = traced::JoinSet::new(); set.spawn(child()); set.join_all().await; }
        tokio_spawn_in_a_spawned_task { tokio::spawn(async { tokio::spawn(child()).await.unwrap() }).await.unwrap(); }
    }

    mod mine {
        use super::*;
        pub(super) fn go(future: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
            tokio::spawn(future)
        }
        pub(super) fn run(work: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
            std::thread::spawn(work)
        }
    }

    #[tokio::test]
    async fn off_leaves_the_body_alone() {
        #[traced(propagate = off)]
        async fn parent() {
            tokio::spawn(child()).await.unwrap();
        }
        let ((), trace) = capture(parent()).await;
        assert_eq!(trace.to_string(), "parent\n");
    }

    #[tokio::test]
    async fn a_task_is_dropped_under_its_context() {
        struct Cleans;
        impl Drop for Cleans {
            fn drop(&mut self) {
                leafy()
            }
        }
        #[traced]
        async fn parent() {
            let cleans = Cleans;
            let task = tokio::spawn(async move {
                let _cleans = cleans;
                std::future::pending::<()>().await
            });
            tokio::task::yield_now().await;
            task.abort();
            let _ = task.await;
        }
        let ((), trace) = capture(parent()).await;
        assert_eq!(trace.to_string(), "parent\n└── leafy\n");
    }
}

mod arguments {
    use super::*;

    #[traced]
    fn gives() -> SpanContext {
        Context::current().span().span_context().clone()
    }
    #[traced(parent = cx)]
    fn under(cx: &SpanContext) {
        leafy()
    }
    #[traced(parent = cx)]
    async fn under_context(cx: Context) {
        leafy()
    }
    #[traced(parent = headers)]
    fn under_headers(headers: HashMap<String, String>) {}
    #[traced(root)]
    fn root() {
        leafy()
    }
    #[traced(root(link))]
    async fn root_linked() {
        leafy()
    }
    #[traced(links(of))]
    fn links(of: &[SpanContext]) {}
    #[traced(when = n > 1, attr(n = {ASKED.fetch_add(1, Ordering::SeqCst); n}))]
    fn sometimes(n: u8) {
        leafy()
    }
    #[traced(when = n > 1)]
    async fn sometimes_async(n: u8) -> Result<(), String> {
        tokio::task::yield_now().await;
        leafy();
        if n == 0 { Err("zero".into()) } else { Ok(()) }
    }
    #[traced(leaf)]
    fn cheap() {
        leafy()
    }
    static ASKED: AtomicUsize = AtomicUsize::new(0);

    #[tokio::test]
    async fn parents_roots_links_conditions_and_leaves() {
        #[traced]
        async fn caller() {
            let first = gives();
            under(&first);
            under_context(Context::new().with_remote_span_context(first.clone())).await;
            root();
            root_linked().await;
            links(&[first.clone(), SpanContext::NONE]);
            sometimes(1);
            sometimes(2);
            let _ = sometimes_async(0).await;
            cheap();
        }
        let ((), trace) = capture(caller()).await;
        assert_eq!(ASKED.load(Ordering::SeqCst), 1);
        assert_eq!(
            trace.to_string(),
            "\
caller
├── gives
│   ├── under
│   │   └── leafy
│   └── under_context
│       └── leafy
├── links
│       → gives
├── leafy
├── sometimes
│   │   n: i64 = 2
│   └── leafy
├── leafy
└── cheap
    └── leafy
root
└── leafy
root_linked
│   → caller
└── leafy
"
        );
    }

    #[test]
    fn malformed_headers_start_a_trace() {
        let ((), trace) = capture(|| {
            under_headers(HashMap::from([("traceparent".to_owned(), "00-zz".repeat(1_000_000))]));
            under_headers(HashMap::new());
        });
        assert_eq!(trace.roots().len(), 2, "{trace}");
    }
}

mod by_hand {
    use super::*;

    #[tokio::test]
    async fn spans_events_and_attributes_by_hand() {
        #[traced]
        async fn body(order: u64) -> Result<(), String> {
            traced::set!(order.id = order, ?order);
            traced::event!("validated", items = 3);
            {
                let _step = traced::span!("entered", order).enter();
                leafy();
            }
            traced::span!("run").run(|| leafy());
            traced::span!("wrapped")
                .wrap(async {
                    tokio::task::yield_now().await;
                    leafy()
                })
                .await;
            traced::current().rename("renamed");
            leafy();
            Ok(())
        }
        let (_, trace) = capture(body(7)).await;
        assert_eq!(
            trace.to_string(),
            "\
renamed
│   order.id: i64 = 7
│   order: str = \"7\"
│   • validated
│       items: i64 = 3
├── entered
│   │   order: i64 = 7
│   └── leafy
├── run
│   └── leafy
├── wrapped
│   └── leafy
└── leafy
"
        );
    }

    #[test]
    fn a_panic_inside_of_a_span_by_hand_ends_it() {
        let (_, trace) = capture(|| {
            std::panic::catch_unwind(|| {
                let _step = traced::span!("entered").enter();
                panic!("a")
            })
            .unwrap_err();
            std::panic::catch_unwind(|| traced::span!("run").run(|| panic!("b"))).unwrap_err();
            std::panic::catch_unwind(|| traced::span!("wrapped").wrap(async { panic!("c") }).now_or_never())
                .unwrap_err();
        });
        assert_eq!(
            trace
                .spans()
                .map(|span| format!("{} {} {}", span.name(), span.status(), span.has_ended()))
                .collect::<Vec<_>>(),
            ["entered error: a true", "run error: b true", "wrapped error: c true"]
        );
    }

    /// The last of a key is what a backend keeps.
    #[test]
    fn the_panic_of_a_span_by_hand_comes_behind_what_was_written_to_it() {
        let (_, trace) = capture(|| {
            std::panic::catch_unwind(|| {
                let _step = traced::span!("step").enter();
                traced::current().error(&std::fmt::Error);
                panic!("later");
            })
            .unwrap_err();
        });
        assert_eq!(trace.span("step").attribute("error.type"), "panic");
    }

    #[test]
    fn guards_may_go_in_any_order() {
        let ((), trace) = capture(|| {
            let a = traced::span!("a").enter();
            let b = traced::span!("b").enter();
            drop(a);
            leafy();
            drop(b);
            leafy();
        });
        assert_eq!(trace.to_string(), "a\n└── b\n    └── leafy\nleafy\n");
    }
}

mod values {
    use super::*;
    use std::fmt;

    struct Bad;
    impl fmt::Debug for Bad {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("so far")?;
            panic!("in Debug")
        }
    }
    impl fmt::Display for Bad {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    #[traced(attr(a = ?bad, b = %bad), ret(?))]
    fn takes(bad: &Bad) -> Result<u8, Bad> {
        Err(Bad)
    }
    #[traced(attr(text, ?list, dot = %text))]
    async fn large(text: String, list: Vec<u8>) {}

    #[test]
    fn a_display_or_debug_that_panics_takes_nothing_down() {
        let (value, trace) = capture(|| takes(&Bad));
        assert!(value.is_err());
        assert_eq!(
            trace.to_string(),
            "\
takes error \"<Display failed>\"
    a: str = \"so far<Debug panicked>\"
    b: str = \"<Display failed>\"
    return: str = \"Err(so far<Debug panicked>\"
    error.type: str = \"fidelity_context::values::Bad\"
    • exception
        exception.type: str = \"fidelity_context::values::Bad\"
        exception.message: str = \"<Display failed>\"
"
            .replace("Err(so far<Debug panicked>", "Err(so far<Debug panicked>")
        );
    }

    // Once a fault: the panic inside of a Display is caught, but it is the last one noted: a real panic without words takes its words.
    #[test]
    fn a_panic_inside_of_a_display_is_not_the_functions() {
        #[traced(attr(a = ?bad))]
        fn goes_on(bad: &Bad) {
            std::panic::resume_unwind(Box::new(1))
        }
        let (_, trace) = capture(|| std::panic::catch_unwind(|| goes_on(&Bad)).unwrap_err());
        assert!(!trace.span("goes_on").status().contains("in Debug"), "{trace}");
    }

    #[tokio::test]
    async fn ten_megabytes_are_cut() {
        let ((), trace) = capture(large("ä".repeat(5_000_000), vec![0; 10_000_000])).await;
        let length = |key: &str| trace.span("large").attribute(key).value().unwrap().as_str().len();
        assert_eq!((length("text"), length("list"), length("dot")), (4096, 4096, 4096));
    }

    #[tokio::test]
    async fn attributes_are_not_held_across_an_await() {
        struct NotSend(std::rc::Rc<str>);
        fn make() -> NotSend {
            NotSend("x".into())
        }
        #[traced(attr(a = make().0.as_ref(), b = %make().0), ret(r => a = std::rc::Rc::new(*r).to_string()))]
        async fn sends(cell: std::cell::Cell<u8>) -> u8 {
            tokio::task::yield_now().await;
            cell.get()
        }
        fn send<T: Send>(value: T) -> T {
            value
        }
        let (_, trace) = capture(send(sends(std::cell::Cell::new(1)))).await;
        assert_eq!(trace.span("sends").attribute("a"), "1");
    }
}

#[test]
fn a_suppressed_scope_has_no_spans() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    #[traced(attr(n = ASKED.fetch_add(1, Ordering::SeqCst)))]
    fn asks() -> Result<(), String> {
        leafy();
        Err("x".into())
    }
    #[traced]
    fn outer() {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        asks().unwrap_err();
        traced::span!("by hand", n = ASKED.fetch_add(1, Ordering::SeqCst)).run(leafy);
    }
    let ((), trace) = capture(outer);
    assert_eq!(trace.to_string(), "outer\n");
    assert_eq!(ASKED.load(Ordering::SeqCst), 0);
}
