//! A span ends exactly once, when its call is over, however that comes.
#![allow(missing_docs, unreachable_code, unused_variables, clippy::all, clippy::pedantic)]

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use traced::testing::{Trace, capture};
use traced::traced;

struct Cleans(&'static str);
impl Drop for Cleans {
    fn drop(&mut self) {
        clean(self.0);
    }
}
#[traced(attr(of))]
fn clean(of: &str) {}

#[traced]
async fn waits() {
    let _cleans = Cleans("waits");
    std::future::pending::<()>().await;
}
#[traced]
async fn around() -> Result<(), String> {
    let _cleans = Cleans("around");
    waits().await;
    Ok(())
}

const CANCELLED: &str = "\
around
│   cancelled: bool = true
├── waits
│   │   cancelled: bool = true
│   └── clean
│           of: str = \"waits\"
└── clean
        of: str = \"around\"
";

fn once() -> Duration {
    Duration::from_millis(1)
}

#[test]
fn a_future_dropped_unfinished_is_cancelled_and_cleans_inside_its_span() {
    let ((), trace) = capture(|| {
        let mut future = Box::pin(around());
        assert!(future.as_mut().now_or_never().is_none());
        drop(future);
    });
    assert_eq!(trace.to_string(), CANCELLED);
}

#[tokio::test]
async fn a_timeout_cancels() {
    let (_, trace) = capture(tokio::time::timeout(once(), around())).await;
    assert_eq!(trace.to_string(), CANCELLED);
}

#[tokio::test]
async fn the_loser_of_a_select_is_cancelled() {
    let ((), trace) = capture(async {
        tokio::select! {
            biased;
            _ = around() => unreachable!(),
            () = tokio::task::yield_now() => {}
        }
    })
    .await;
    assert_eq!(trace.to_string(), CANCELLED);
}

#[tokio::test]
async fn an_aborted_task_is_cancelled() {
    let ((), trace) = capture(async {
        let task = traced::spawn(around());
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    })
    .await;
    assert_eq!(trace.to_string(), CANCELLED);
}

#[test]
fn a_future_dropped_on_another_thread_cleans_inside_its_span() {
    let ((), trace) = capture(|| {
        let mut future = Box::pin(around());
        assert!(future.as_mut().now_or_never().is_none());
        std::thread::spawn(move || drop(future)).join().unwrap();
    });
    assert_eq!(trace.to_string(), CANCELLED);
}

#[test]
fn a_drop_inside_of_another_traced_call_goes_to_the_dropped_one_and_back() {
    #[traced]
    fn drops_it(future: Pin<Box<dyn Future<Output = Result<(), String>>>>) {
        drop(future);
        traced::set!(after = true);
        clean("drops_it");
    }
    let ((), trace) = capture(|| {
        let mut future: Pin<Box<dyn Future<Output = Result<(), String>>>> = Box::pin(around());
        assert!(future.as_mut().now_or_never().is_none());
        drops_it(future);
    });
    assert_eq!(
        trace.to_string(),
        format!(
            "{CANCELLED}\
drops_it
│   after: bool = true
└── clean
        of: str = \"drops_it\"
"
        )
    );
}

#[test]
fn a_future_that_is_never_polled_has_no_span() {
    #[traced(attr(n), timing)]
    async fn never(n: u8) {}
    #[traced(attr(n))]
    fn never_future(n: u8) -> impl Future<Output = u8> {
        async move { n }
    }
    #[traced(attr(n))]
    fn never_boxed(n: u8) -> Pin<Box<dyn Future<Output = u8> + Send>> {
        Box::pin(async move { n })
    }
    #[traced(attr(n))]
    fn never_stream(n: u8) -> impl Stream<Item = u8> {
        stream::iter([n])
    }
    let ((), trace) = capture(|| {
        drop(never(1));
        drop(never_future(1));
        drop(never_boxed(1));
        drop(never_stream(1));
    });
    assert_eq!(trace.to_string(), "");
}

#[test]
fn a_returned_future_dropped_unfinished_is_cancelled() {
    #[traced]
    fn returned() -> impl Future<Output = ()> {
        let cleans = Cleans("returned");
        async move {
            let _cleans = cleans;
            std::future::pending::<()>().await
        }
    }
    let ((), trace) = capture(|| assert!(returned().now_or_never().is_none()));
    assert_eq!(
        trace.to_string(),
        "\
returned
│   cancelled: bool = true
└── clean
        of: str = \"returned\"
"
    );
}

#[tokio::test]
async fn a_child_that_holds_the_context_does_not_delay_the_end() {
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    #[traced]
    async fn parent(receiver: tokio::sync::oneshot::Receiver<()>) -> tokio::task::JoinHandle<()> {
        tokio::spawn(child(receiver))
    }
    #[traced]
    async fn child(receiver: tokio::sync::oneshot::Receiver<()>) {
        receiver.await.unwrap();
    }
    let (task, trace) = capture(parent(receiver)).await;
    tokio::task::yield_now().await;
    assert!(trace.span("parent").has_ended(), "{trace}");
    sender.send(()).unwrap();
    task.await.unwrap();
    assert!(trace.span("parent").has_ended(), "{trace}");
}

#[test]
fn a_held_context_does_not_delay_the_end() {
    #[traced]
    fn gives_its_context() -> traced::opentelemetry::Context {
        traced::current().context().clone()
    }
    let (context, trace) = capture(gives_its_context);
    assert!(trace.span("gives_its_context").has_ended(), "{trace}");
    drop(context);
}

mod streams {
    use super::*;

    #[traced]
    fn item(n: u8) -> u8 {
        n
    }
    #[traced]
    fn numbers(n: u8) -> impl Stream<Item = u8> + Unpin {
        stream::iter(0..n).map(item)
    }
    #[traced]
    fn boxed(n: u8) -> BoxStream<'static, u8> {
        Box::pin(stream::iter(0..n).map(item))
    }
    #[traced]
    fn waiting() -> impl Stream<Item = u8> + Unpin {
        stream::pending()
    }

    #[tokio::test]
    async fn an_exhausted_stream_ends_once_even_when_polled_again() {
        for which in [0, 1] {
            let ((), trace) = capture(async {
                let mut stream = if which == 0 { numbers(2).left_stream() } else { boxed(2).right_stream() };
                while stream.next().await.is_some() {}
                assert_eq!(stream.next().await, None);
                assert_eq!(stream.next().await, None);
                assert_eq!(stream.size_hint().0, 0);
            })
            .await;
            let name = if which == 0 { "numbers" } else { "boxed" };
            assert_eq!(trace.to_string(), format!("{name}\n├── item\n└── item\n"));
        }
    }

    #[tokio::test]
    async fn a_stream_dropped_between_items_is_not_cancelled() {
        let ((), trace) = capture(async {
            let mut stream = numbers(9);
            stream.next().await;
        })
        .await;
        assert_eq!(trace.to_string(), "numbers\n└── item\n");
    }

    #[tokio::test]
    async fn a_stream_dropped_while_it_is_waited_for_is_cancelled() {
        let ((), trace) = capture(async {
            assert!(waiting().next().now_or_never().is_none());
        })
        .await;
        assert_eq!(trace.to_string(), "waiting\n    cancelled: bool = true\n");
    }

    #[tokio::test]
    async fn what_drops_with_a_stream_drops_inside_the_span() {
        #[traced]
        fn guarded() -> impl Stream<Item = u8> + Unpin {
            let cleans = Cleans("guarded");
            stream::iter(0..9).map(move |n| {
                let _ = &cleans;
                n
            })
        }
        let ((), trace) = capture(async {
            guarded().next().await;
        })
        .await;
        assert_eq!(trace.to_string(), "guarded\n└── clean\n        of: str = \"guarded\"\n");
    }

    #[test]
    fn the_size_is_the_streams() {
        let ((), _) = capture(|| assert_eq!(numbers(7).size_hint(), (7, Some(7))));
        assert_eq!(numbers(7).size_hint(), (7, Some(7)));
    }
}

mod timing {
    use super::*;

    #[traced(timing)]
    async fn slow(n: u8) -> Result<u8, String> {
        for _ in 0..n {
            tokio::time::sleep(once()).await;
        }
        if n == 2 { Err("two".into()) } else { Ok(n) }
    }
    #[traced(timing)]
    fn returned() -> impl Future<Output = u8> {
        async {
            tokio::time::sleep(once()).await;
            1
        }
    }
    #[traced(timing)]
    fn numbers() -> impl Stream<Item = u8> {
        stream::iter([1, 2])
    }

    fn integer(trace: &Trace, name: &str, key: &str) -> i64 {
        match trace.span(name).attribute(key).value() {
            Some(traced::opentelemetry::Value::I64(n)) => *n,
            other => panic!("{key} is {other:?}:\n{trace}"),
        }
    }

    #[tokio::test]
    async fn polls_and_their_times_are_counted() {
        let (_, trace) = capture(slow(3)).await;
        assert!(integer(&trace, "slow", "polls") >= 4, "{trace}");
        assert!(integer(&trace, "slow", "idle_ns") >= 3_000_000, "{trace}");
        assert!(integer(&trace, "slow", "busy_ns") > 0, "{trace}");
        let (_, trace) = capture(slow(2)).await;
        assert_eq!(trace.span("slow").status(), "error: two");
        assert!(integer(&trace, "slow", "polls") >= 3, "{trace}");
        let (_, trace) = capture(async { returned().await }).await;
        assert!(integer(&trace, "returned", "polls") >= 2, "{trace}");
        let (_, trace) = capture(async { numbers().collect::<Vec<_>>().await }).await;
        assert_eq!(integer(&trace, "numbers", "polls"), 3);
    }

    // Once a fault: whether the future is recorded is settled when it is made, so `capture(future)` misses what `capture` of an
    // `async fn` sees; methods under `#[async_trait]` are such functions, too.
    #[tokio::test]
    async fn a_returned_future_is_captured_like_that_of_an_async_function() {
        let (_, trace) = capture(returned()).await;
        assert_eq!(trace.roots(), ["returned"]);
    }

    // The span begins at the first poll; what lies before it is not idle time of the span's.
    // Once a fault: a returned future's clock starts when it is made.
    #[tokio::test]
    async fn time_before_the_first_poll_is_no_time_of_the_span() {
        let (_, trace) = capture(async {
            let future = returned();
            tokio::time::sleep(Duration::from_millis(300)).await;
            future.await
        })
        .await;
        assert!(integer(&trace, "returned", "idle_ns") < 300_000_000, "{trace}");
    }

    #[tokio::test]
    async fn a_cancelled_call_has_its_times_too() {
        let (_, trace) = capture(tokio::time::timeout(once(), async { slow(200).await })).await;
        assert!(integer(&trace, "slow", "polls") >= 1, "{trace}");
        assert_eq!(trace.span("slow").attribute("cancelled"), true);
    }

    #[test]
    fn a_panicking_call_has_its_times_too() {
        #[traced(timing)]
        async fn panics() {
            panic!("no")
        }
        let (_, trace) = capture(|| std::panic::catch_unwind(|| panics().now_or_never()).unwrap_err());
        assert_eq!(integer(&trace, "panics", "polls"), 1);
    }
}

mod once {
    use super::*;

    /// Wakes itself, and gives its value at the third poll.
    struct Thrice(u8);
    impl Future for Thrice {
        type Output = u8;
        #[traced]
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u8> {
            self.0 += 1;
            cx.waker().wake_by_ref();
            if self.0 == 3 { Poll::Ready(3) } else { Poll::Pending }
        }
    }

    #[tokio::test]
    async fn every_poll_of_a_traced_poll_is_a_call() {
        let (value, trace) = capture(Thrice(0)).await;
        assert_eq!((value, trace.to_string().as_str()), (3, "poll\npoll\npoll\n"));
    }

    #[tokio::test]
    async fn a_call_is_one_span_however_often_it_is_polled() {
        #[traced]
        async fn often() -> u8 {
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            1
        }
        let (_, trace) = capture(async { futures_util::join!(often(), often(), often()) }).await;
        assert_eq!(trace.to_string(), "often\noften\noften\n");
    }

    #[traced]
    async fn down(n: u8) -> u8 {
        if n == 0 { 0 } else { Box::pin(down(n - 1)).await + 1 }
    }
    #[traced]
    fn down_sync(n: u8) -> u8 {
        if n == 0 { 0 } else { down_sync(n - 1) + 1 }
    }

    #[tokio::test]
    async fn recursion_nests() {
        let (n, trace) = capture(down(2)).await;
        assert_eq!((n, trace.to_string().as_str()), (2, "down\n└── down\n    └── down\n"));
        let (n, trace) = capture(|| down_sync(2));
        assert_eq!((n, trace.to_string().as_str()), (2, "down_sync\n└── down_sync\n    └── down_sync\n"));
    }
}

mod track_caller {
    use super::*;
    use std::sync::{Mutex, OnceLock};

    #[traced]
    #[track_caller]
    fn here() -> u32 {
        Location::caller().line()
    }
    #[traced]
    #[track_caller]
    fn through() -> Result<u32, String> {
        let line = Ok::<_, String>(here())?;
        if line == 0 {
            return Err("zero".into());
        }
        Ok(line)
    }
    #[traced]
    #[track_caller]
    fn panics(n: u8) -> Option<u8> {
        let n = Some(n)?;
        if n == 3 {
            return None;
        }
        panic!("three")
    }
    #[traced]
    #[track_caller]
    fn never() -> ! {
        panic!("never")
    }
    macro_rules! leave {
        ($e:expr) => {
            return $e
        };
    }
    #[traced]
    #[track_caller]
    fn hidden(n: u8) -> Result<u32, String> {
        if n == 1 {
            leave!(Err("hidden".into()));
        }
        Ok(Location::caller().line())
    }
    struct S;
    #[traced]
    impl S {
        #[track_caller]
        fn method(&self) -> u32 {
            Location::caller().line()
        }
        // Once a fault: in a traced `impl`, `cfg_attr` has not been expanded when the macro looks for `track_caller`.
        #[cfg_attr(all(), track_caller)]
        fn by_cfg(&self) -> u32 {
            Location::caller().line()
        }
    }
    #[traced]
    #[cfg_attr(all(), track_caller)]
    fn by_cfg() -> u32 {
        Location::caller().line()
    }

    /// The line of the panic, as the hook is told it.
    fn line_of(run: impl FnOnce() + std::panic::UnwindSafe) -> u32 {
        static LINES: OnceLock<Mutex<Vec<(std::thread::ThreadId, u32)>>> = OnceLock::new();
        LINES.get_or_init(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                LINES
                    .get()
                    .unwrap()
                    .lock()
                    .unwrap()
                    .push((std::thread::current().id(), info.location().unwrap().line()));
                next(info);
            }));
            Mutex::default()
        });
        std::panic::catch_unwind(run).unwrap_err();
        let lines = LINES.get().unwrap().lock().unwrap();
        lines.iter().rfind(|(thread, _)| *thread == std::thread::current().id()).unwrap().1
    }

    #[test]
    fn the_callers_place_is_seen() {
        let ((), trace) = capture(|| {
            assert_eq!(here(), line!());
            assert_eq!(S.method(), line!());
            assert_eq!(by_cfg(), line!());
            assert_eq!(hidden(0), Ok(line!()));
        });
        assert_eq!(trace.roots(), ["here", "S::method", "by_cfg", "hidden"]);
    }

    #[test]
    fn the_callers_place_is_seen_in_a_traced_impl_by_cfg_attr() {
        assert_eq!(S.by_cfg(), line!());
    }

    #[test]
    fn the_callers_place_goes_through_nested_calls() {
        let (line, trace) = capture(|| (through(), line!()));
        assert_eq!(line.0, Ok(line.1), "{trace}");
    }

    /// Compares the line of the panic with its own.
    macro_rules! panics_here {
        ($call:expr) => {
            assert_eq!(
                line_of(|| {
                    let _ = $call;
                }),
                line!()
            )
        };
    }

    #[test]
    fn a_panic_is_the_callers() {
        panics_here!(panics(1));
        let (_, trace) = capture(|| panics_here!(panics(1)));
        assert_eq!(trace.span("panics").status(), "error: three");
    }

    // Once a fault: a body that never returns becomes a closure in spite of `#[track_caller]`.
    #[test]
    fn a_panic_of_a_function_that_never_returns_is_the_callers() {
        panics_here!(never());
    }

    // The limit of a body that stays in its frame: what a macro's `return` carries out of it nobody sees.
    #[test]
    fn a_return_that_a_macro_hides_ends_the_span_without_an_outcome() {
        let (_, trace) = capture(|| hidden(1));
        assert_eq!(trace.to_string(), "hidden\n");
    }
}
