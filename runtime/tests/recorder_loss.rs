//! Nothing is lost in silence: what has ended comes out or is counted, and neither exporters nor callers hang.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

use std::cell::RefCell;
use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use traced::opentelemetry::trace::{Span, Tracer};
use traced::opentelemetry::{Context, Value, global};
use traced::{ExportError, Stats, Tracing, traced};

mod exporters;
mod process;

use exporters::{Keeps, LONG, Waits, adds_up, attribute, does, gated, settled, soon, turn};

#[traced]
fn work() {}

#[traced(attr(n))]
fn numbered(n: u64) {}

#[traced(leaf)]
fn leaf() {}

#[traced]
async fn waits() {
    std::future::pending().await
}

fn installed(exporter: impl SpanExporter + 'static) -> Tracing {
    traced::builder("loss").exporter(exporter).install().unwrap()
}

fn refused() -> OTelSdkResult {
    Err(OTelSdkError::InternalFailure("the door is shut".into()))
}

fn polled_once<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    let polled = future.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending));
    future
}

/// Sends the name of each span on as it comes out.
fn announces() -> (impl SpanExporter + 'static, Receiver<String>) {
    let (announce, announced) = channel();
    let exporter = does(move |batch| {
        for span in batch {
            // Nobody may be looking any more.
            let _ = announce.send(span.name.into_owned());
        }
        Ok(())
    });
    (exporter, announced)
}

/// What `run` gives, which is not to take for ever.
fn in_time<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, result) = channel();
    let thread = thread::spawn(move || {
        // Nobody may be waiting any more.
        let _ = done.send(run());
    });
    match result.recv_timeout(LONG) {
        Ok(value) => value,
        Err(_) if thread.is_finished() => panic!("it panicked"),
        Err(_) => panic!("it waits for ever"),
    }
}

// --------------------------------------------------------------------------------------------- all of it comes out

#[test]
fn a_flush_hands_over_all_that_has_ended_on_any_thread() {
    #[traced(attr(thread, n))]
    fn call(thread: i64, n: i64) {
        leaf();
    }
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = installed(keeps.clone());
    thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || (0..500).for_each(|n| call(thread, n)));
        }
    });
    assert_eq!(tracing.flush(), Ok(()));
    let spans = keeps.spans();
    let calls: HashSet<_> = spans
        .all("call")
        .iter()
        .map(|span| ["thread", "n"].map(|key| attribute(span, key).unwrap().to_string()))
        .collect();
    assert_eq!((calls.len(), spans.all("leaf").len(), spans.0.len()), (4000, 4000, 8000));
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.exported, stats.open, stats.waiting), (8000, 8000, 0, 0));
    assert_eq!(stats.dropped.total(), 0);
}

#[test]
fn each_flush_hands_over_what_has_ended_since_the_last_one() {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = installed(keeps.clone());
    for n in 1..=200 {
        numbered(n);
        assert_eq!(tracing.flush(), Ok(()));
        assert_eq!(keeps.count() as u64, n);
    }
    let spans = keeps.spans();
    for (span, n) in spans.0.iter().zip(1..) {
        assert_eq!(attribute(span, "n"), Some(&Value::I64(n)));
    }
}

#[test]
fn a_flush_from_one_thread_hands_over_what_ended_on_another_that_still_runs() {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = installed(keeps.clone());
    thread::scope(|scope| {
        let (call, calls) = channel::<()>();
        let (called, done) = channel();
        scope.spawn(move || {
            for () in calls {
                work();
                called.send(()).unwrap();
            }
        });
        for n in 1..=50 {
            call.send(()).unwrap();
            done.recv().unwrap();
            assert_eq!(tracing.flush(), Ok(()));
            assert_eq!(keeps.count(), n);
        }
        drop(call);
    });
}

#[test]
fn a_thousand_short_threads_lose_nothing() {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = installed(keeps.clone());
    for _ in 0..125 {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(work);
            }
        });
    }
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(keeps.count(), 1000);
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.exported, stats.dropped.total()), (1000, 1000, 0));
}

#[test]
fn a_span_of_a_thread_that_sits_idle_comes_out_by_itself() {
    let _turn = turn();
    let (exporter, announced) = announces();
    let _tracing = installed(exporter);
    thread::scope(|scope| {
        let (leave, idle) = channel::<()>();
        scope.spawn(move || {
            work();
            // The other end sends nothing: it goes.
            let _ = idle.recv();
        });
        assert_eq!(announced.recv_timeout(Duration::from_secs(2)).as_deref(), Ok("work"));
        drop(leave);
    });
}

#[test]
fn a_span_of_a_thread_that_has_ended_comes_out_by_itself() {
    let _turn = turn();
    let (exporter, announced) = announces();
    let _tracing = installed(exporter);
    for _ in 0..3 {
        thread::spawn(leaf).join().unwrap();
        assert_eq!(announced.recv_timeout(Duration::from_secs(2)).as_deref(), Ok("leaf"));
    }
}

#[test]
fn a_span_that_ends_on_another_thread_than_it_began_on_comes_out() {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = installed(keeps.clone());
    let futures: Vec<_> = (0..100).map(|_| polled_once(waits())).collect();
    thread::spawn(move || drop(futures)).join().unwrap();
    let mut other = thread::spawn(|| global::tracer("other code").start("other")).join().unwrap();
    other.end();
    assert_eq!(tracing.flush(), Ok(()));
    let spans = keeps.spans();
    assert_eq!((spans.all("waits").len(), spans.all("other").len(), spans.0.len()), (100, 1, 101));
    assert_eq!(tracing.stats().open, 0);
}

#[test]
fn dropping_the_guard_hands_over_what_has_ended() {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = installed(keeps.clone());
    (0..2000).for_each(numbered);
    drop(tracing);
    assert_eq!(keeps.count(), 2000);
}

#[test]
fn an_exporter_gets_one_batch_at_a_time() {
    let _turn = turn();
    let (busy, overlaps, count) =
        (AtomicBool::new(false), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tracing = installed(does({
        let (overlaps, count) = (Arc::clone(&overlaps), Arc::clone(&count));
        move |batch| {
            overlaps.fetch_add(usize::from(busy.swap(true, Ordering::SeqCst)), Ordering::SeqCst);
            thread::yield_now();
            count.fetch_add(batch.len(), Ordering::SeqCst);
            busy.store(false, Ordering::SeqCst);
            Ok(())
        }
    }));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    (0..20).for_each(numbered);
                    assert_eq!(tracing.flush(), Ok(()));
                }
            });
        }
    });
    assert_eq!((overlaps.load(Ordering::SeqCst), count.load(Ordering::SeqCst)), (0, 4000));
}

#[test]
fn an_exporter_that_awaits_is_waited_for() {
    #[derive(Debug)]
    struct Awaits(Keeps);
    impl SpanExporter for Awaits {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            let (done, is_done) = tokio::sync::oneshot::channel();
            thread::spawn(move || done.send(()));
            is_done.await.unwrap();
            self.0.export(batch).await
        }
    }
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = installed(Awaits(keeps.clone()));
    (0..1000).for_each(numbered);
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(keeps.count(), 1000);
}

// ------------------------------------------------------------------------------------------------ what does not fit

#[test]
fn what_does_not_fit_is_counted_and_the_newest_are_what_goes() {
    const CALLS: u64 = 100_000;
    let _turn = turn();
    let (exporter, gate) = gated();
    let keeps = exporter.keeps.clone();
    let tracing = traced::builder("full").queue(16).exporter(exporter).install().unwrap();
    numbered(0);
    gate.reached();
    (1..CALLS).for_each(numbered);
    let open = traced::span!("open").enter();
    let full = settled(&tracing, |stats| adds_up(stats) && stats.dropped.queue_full > 0);
    assert_eq!((full.started, full.open, full.exported), (CALLS + 1, 1, 0), "{full:?}");
    assert!(full.waiting >= 1, "{full:?}");
    drop(open);

    gate.open();
    assert_eq!(tracing.flush(), Ok(()));
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.waiting, stats.open), (CALLS + 1, 0, 0), "{stats:?}");
    assert!(adds_up(&stats), "{stats:?}");
    assert_eq!(stats.dropped.queue_full, stats.dropped.total(), "{stats:?}");
    assert_eq!(stats.exported, keeps.count() as u64);
    let spans = keeps.spans();
    let found: HashSet<_> =
        spans.0.iter().filter_map(|span| attribute(span, "n")).map(ToString::to_string).collect();
    assert!((0..16).all(|n: u64| found.contains(&n.to_string())), "the first are kept");

    work();
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(keeps.spans().all("work").len(), 1, "there is room again");
    assert!(adds_up(&tracing.stats()));
}

#[test]
fn a_small_queue_does_not_fill_up_before_an_exporter_that_has_nothing_to_do() {
    #[traced(attr(text))]
    fn large(text: &str) {}
    let _turn = turn();
    let text = "x".repeat(4000);
    for (spans, bytes) in [(100, 64 << 20), (65_536, 400_000)] {
        let tracing =
            traced::builder("small").queue(spans).buffer(bytes).exporter(Keeps::default()).install().unwrap();
        for _ in 0..10 {
            (0..30).for_each(|_| large(&text));
            thread::sleep(Duration::from_millis(40));
        }
        assert_eq!(tracing.flush(), Ok(()));
        assert_eq!(tracing.stats().dropped.total(), 0, "{:?}", tracing.stats());
    }
}

#[test]
fn what_does_not_fit_is_counted_on_every_thread() {
    let _turn = turn();
    let (exporter, gate) = gated();
    let keeps = exporter.keeps.clone();
    let tracing = traced::builder("full").queue(1).exporter(exporter).install().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5000 {
                    leaf();
                    global::tracer("other code").start("other").end();
                    drop(polled_once(waits()));
                }
            });
        }
    });
    gate.open();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.open, stats.waiting), (4 * 3 * 5000, 0, 0), "{stats:?}");
    assert_eq!(stats.exported + stats.dropped.queue_full, stats.started, "{stats:?}");
    assert_eq!(stats.exported, keeps.count() as u64);
}

#[test]
fn whoever_calls_never_waits_for_an_exporter_that_is_stuck() {
    let _turn = turn();
    let (exporter, gate) = gated();
    let tracing = traced::builder("stuck").queue(100).exporter(exporter).install().unwrap();
    in_time(|| {
        let threads: Vec<_> = (0..2).map(|_| thread::spawn(|| (0..50_000).for_each(numbered))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    gate.open();
    assert_eq!(tracing.flush(), Ok(()));
    assert!(adds_up(&tracing.stats()));
}

// -------------------------------------------------------------------------------------------------- exporters that fail

#[test]
fn an_exporter_that_panics_loses_that_batch_and_is_tried_again() {
    let _turn = turn();
    let keeps = Keeps::default();
    let first = AtomicBool::new(true);
    let tracing = installed(does({
        let keeps = keeps.clone();
        move |batch| {
            assert!(!first.swap(false, Ordering::SeqCst), "an exporter's bug");
            keeps.export(batch).now_or_never().expect("it takes what it gets at once")
        }
    }));
    numbered(0);
    let Err(ExportError::Failed { spans: 1, reason }) = tracing.flush() else { panic!("one span was lost") };
    assert!(reason.contains("panicked"), "{reason}");
    numbered(1);
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(attribute(keeps.spans().one("numbered"), "n"), Some(&Value::I64(1)));
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.exported, stats.dropped.export_failed), (2, 1, 1));
    assert!(adds_up(&stats));
}

#[test]
fn an_exporter_that_refuses_is_counted_and_quoted() {
    let _turn = turn();
    let tracing = installed(does(|_| refused()));
    (0..3000).for_each(numbered);
    let Err(ExportError::Failed { spans, reason }) = tracing.flush() else { panic!("all spans were lost") };
    assert_eq!(spans, 3000);
    assert!(reason.contains("the door is shut"), "{reason}");
    assert_eq!(tracing.flush(), Ok(()), "nothing more has failed");
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.exported, stats.dropped.export_failed), (3000, 0, 3000));
    assert!(adds_up(&stats));
}

#[test]
fn what_an_exporter_says_at_the_flush_and_at_the_end_is_told() {
    #[derive(Debug)]
    struct Grudging(Sender<Duration>);
    impl SpanExporter for Grudging {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Ok(())
        }
        fn force_flush(&self) -> OTelSdkResult {
            Err(OTelSdkError::InternalFailure("not now".into()))
        }
        fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
            self.0.send(timeout).unwrap();
            Err(OTelSdkError::InternalFailure("not ever".into()))
        }
    }
    let _turn = turn();
    let (asked, was_asked) = channel();
    let tracing = installed(Grudging(asked));
    work();
    let told = tracing.flush().unwrap_err().to_string();
    assert!(told.contains("not now"), "{told}");
    let told = tracing.shutdown(Duration::from_secs(7)).unwrap_err().to_string();
    assert!(told.contains("not ever"), "{told}");
    assert!(was_asked.recv().unwrap() <= Duration::from_secs(7));
    assert_eq!(was_asked.try_iter().count(), 0, "an exporter is shut down once");
    assert_eq!((tracing.stats().exported, tracing.stats().dropped.total()), (1, 0));
}

#[test]
fn what_one_exporter_does_not_take_the_other_gets() {
    let _turn = turn();
    let bad: [fn(Vec<SpanData>) -> OTelSdkResult; 2] = [|_| refused(), |_| panic!("an exporter's bug")];
    for bad in bad {
        let keeps = Keeps::default();
        let tracing = traced::builder("two").exporter(does(bad)).exporter(keeps.clone()).install().unwrap();
        (0..2000).for_each(numbered);
        let Err(ExportError::Failed { spans: 2000, .. }) = tracing.flush() else { panic!("one has failed") };
        assert_eq!(keeps.count(), 2000);
        let stats = tracing.stats();
        assert_eq!(
            (stats.exported, stats.dropped.export_failed),
            (0, 2000),
            "those of the one with the fewest"
        );
    }
}

#[test]
fn an_exporter_does_not_wait_for_another_that_is_stuck() {
    let _turn = turn();
    let (stuck, gate) = gated();
    let (free, announced) = announces();
    let tracing = traced::builder("two").exporter(stuck).exporter(free).install().unwrap();
    work();
    gate.reached();
    leaf();
    for name in ["work", "leaf"] {
        assert_eq!(announced.recv_timeout(Duration::from_secs(2)).as_deref(), Ok(name));
    }
    gate.open();
    assert_eq!(tracing.flush(), Ok(()));
}

// ------------------------------------------------------------------------------------------ flush and shutdown

#[test]
fn a_flush_returns_when_the_exporter_is_done_and_not_before() {
    let _turn = turn();
    let (exporter, gate) = gated();
    let keeps = exporter.keeps.clone();
    let tracing = Arc::new(installed(exporter));
    work();
    let (done, flushed) = channel();
    let flushing = Arc::clone(&tracing);
    let thread = thread::spawn(move || done.send(flushing.flush()).unwrap());
    gate.reached();
    assert!(flushed.recv_timeout(Duration::from_millis(100)).is_err(), "the exporter is not done");
    gate.open();
    assert_eq!(flushed.recv_timeout(LONG), Ok(Ok(())));
    thread.join().unwrap();
    assert_eq!(keeps.count(), 1);
}

#[test]
fn a_shutdown_waits_no_longer_than_told_and_says_what_waits() {
    let _turn = turn();
    let (exporter, gate) = gated();
    let keeps = exporter.keeps.clone();
    let tracing = installed(exporter);
    work();
    gate.reached();
    (0..9).for_each(numbered);
    let begun = Instant::now();
    let error = tracing.shutdown(Duration::from_millis(300)).unwrap_err();
    assert!(begun.elapsed() >= Duration::from_millis(300) && begun.elapsed() < Duration::from_secs(2));
    assert_eq!(error, ExportError::TimedOut { waiting: 10 });
    gate.open();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(keeps.count(), 10);
    let stats = tracing.stats();
    assert_eq!((stats.exported, stats.waiting, stats.dropped.total()), (10, 0, 0));
}

#[test]
fn dropping_the_guard_of_a_stuck_exporter_does_not_wait_for_ever() {
    let _turn = turn();
    let (exporter, gate) = gated();
    let tracing = installed(exporter);
    work();
    gate.reached();
    let begun = Instant::now();
    in_time(move || drop(tracing));
    assert!(begun.elapsed() < Duration::from_secs(15));
    gate.open();
}

#[test]
fn a_shutdown_ends_on_any_runtime_and_on_none() {
    fn current_thread() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }
    fn one_worker() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }
    async fn inside(tracing: Tracing) -> Result<(), ExportError> {
        waits_a_little().await;
        tracing.shutdown(LONG)
    }
    #[traced]
    async fn waits_a_little() {
        tokio::task::yield_now().await;
    }
    async fn in_a_task(tracing: Tracing) -> Result<(), ExportError> {
        tokio::spawn(inside(tracing)).await.unwrap()
    }
    let ways: [fn(Tracing) -> Result<(), ExportError>; 6] = [
        |tracing| tracing.shutdown(LONG),
        |tracing| current_thread().block_on(inside(tracing)),
        |tracing| current_thread().block_on(in_a_task(tracing)),
        |tracing| one_worker().block_on(inside(tracing)),
        |tracing| one_worker().block_on(in_a_task(tracing)),
        |tracing| async { tracing.shutdown(LONG) }.now_or_never().unwrap(),
    ];
    let _turn = turn();
    for way in ways {
        let keeps = Keeps::default();
        let tracing = installed(keeps.clone());
        work();
        assert_eq!(in_time(move || way(tracing)), Ok(()));
        assert_eq!(keeps.spans().all("work").len(), 1);
    }
}

#[test]
fn a_shutdown_from_inside_a_call_counts_that_call() {
    #[traced]
    fn ends_it_all(tracing: &Tracing) -> Stats {
        work();
        assert_eq!(tracing.shutdown(LONG), Ok(()));
        work();
        tracing.stats()
    }
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = installed(keeps.clone());
    let inside = ends_it_all(&tracing);
    assert_eq!(keeps.spans().names(), ["work"]);
    assert!(adds_up(&inside), "{inside:?}");
    let stats = settled(&tracing, adds_up);
    assert_eq!((stats.exported, stats.open + stats.dropped.after_shutdown), (1, stats.started - 1));
}

#[test]
fn a_second_shutdown_and_a_flush_after_it_are_answered_at_once() {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = installed(keeps.clone());
    work();
    let begun = Instant::now();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(tracing.shutdown(Duration::ZERO), Ok(()));
    drop(tracing);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(keeps.count(), 1);
}

#[test]
fn shutdowns_and_flushes_at_once_are_all_answered() {
    let _turn = turn();
    for _ in 0..20 {
        let keeps = Keeps::default();
        let tracing = Arc::new(installed(keeps.clone()));
        (0..50).for_each(numbered);
        in_time(move || {
            thread::scope(|scope| {
                for n in 0..8 {
                    let tracing = &tracing;
                    scope.spawn(move || {
                        let asked = if n % 2 == 0 { tracing.shutdown(LONG) } else { tracing.flush() };
                        assert_eq!(asked, Ok(()));
                    });
                }
            });
        });
        assert_eq!(keeps.count(), 50);
    }
}

#[test]
fn a_span_that_is_open_across_the_shutdown_is_counted() {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = installed(keeps.clone());
    let entered = traced::span!("entered").enter();
    let future = polled_once(waits());
    let other = global::tracer("other code").start("other");
    let held = Context::current();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(tracing.stats().open, 3);
    drop(future);
    drop(entered);
    drop(other);
    let stats = settled(&tracing, adds_up);
    assert_eq!((stats.started, stats.open + stats.dropped.after_shutdown), (3, 3), "{stats:?}");
    drop(held);
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(keeps.count(), 0);
}

#[test]
fn calls_while_the_set_up_goes_are_exported_or_counted_or_were_never_started() {
    let _turn = turn();
    for _ in 0..10 {
        let keeps = Keeps::default();
        let tracing = installed(keeps.clone());
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let (begun, has_begun) = channel();
            for _ in 0..2 {
                let (over, begun) = (&over, begun.clone());
                scope.spawn(move || {
                    work();
                    begun.send(()).unwrap();
                    while !over.load(Ordering::Relaxed) {
                        work();
                        leaf();
                    }
                });
            }
            drop(begun);
            assert_eq!(has_begun.iter().take(2).count(), 2);
            assert_eq!(tracing.shutdown(LONG), Ok(()));
            over.store(true, Ordering::Relaxed);
        });
        let stats = settled(&tracing, |stats| adds_up(stats) && stats.open == 0 && stats.waiting == 0);
        assert!(stats.exported >= 2, "{stats:?}");
        assert_eq!(stats.exported, keeps.count() as u64);
    }
}

// -------------------------------------------------------------------------------------------------- one after another

#[test]
fn each_set_up_gets_its_own_spans_and_no_others() {
    let _turn = turn();
    let (call, calls) = channel::<u64>();
    let (called, done) = channel();
    let lives_on = thread::spawn(move || {
        for n in calls {
            numbered(n);
            leaf();
            called.send(()).unwrap();
        }
    });
    let everywhere = |n| {
        call.send(n).unwrap();
        done.recv().unwrap();
        numbered(n);
        thread::spawn(move || numbered(n)).join().unwrap();
        global::tracer("other code").start("other").end();
    };
    let mut before: Option<Keeps> = None;
    for n in 0..20 {
        everywhere(1000);
        let keeps = Keeps::default();
        let tracing = installed(keeps.clone());
        everywhere(n);
        assert_eq!(tracing.shutdown(LONG), Ok(()));
        let spans = keeps.spans();
        assert_eq!(spans.names(), ["leaf", "numbered", "numbered", "numbered", "other"]);
        for span in spans.all("numbered") {
            assert_eq!(attribute(span, "n"), Some(&Value::I64(n as i64)));
        }
        assert_eq!((tracing.stats().started, tracing.stats().exported), (5, 5));
        if let Some(before) = before.replace(keeps) {
            assert_eq!(before.count(), 5, "the one before gets nothing more");
        }
    }
    drop(call);
    lives_on.join().unwrap();
}

#[test]
fn a_span_of_the_set_up_before_is_not_the_next_ones() {
    let _turn = turn();
    let (old, new) = (Keeps::default(), Keeps::default());
    let first = installed(old.clone());
    let future = polled_once(waits());
    let other = global::tracer("other code").start("other");
    let entered = traced::span!("entered").enter();
    assert_eq!(first.shutdown(LONG), Ok(()));

    let second = installed(new.clone());
    drop(entered);
    drop(future);
    drop(other);
    work();
    assert_eq!(second.shutdown(LONG), Ok(()));
    assert_eq!(new.spans().names(), ["work"]);
    assert_eq!(old.count(), 0);
    assert_eq!((second.stats().started, second.stats().exported, second.stats().open), (1, 1, 0));
    let stats = settled(&first, adds_up);
    assert_eq!((stats.started, stats.open + stats.dropped.after_shutdown), (3, 3), "{stats:?}");
}

#[test]
fn a_span_that_ends_after_its_set_up_is_counted_there_wherever_it_ends() {
    let _turn = turn();
    let first = installed(Keeps::default());
    let [here, before, elsewhere] = [(); 3].map(|()| polled_once(waits()));
    let other = global::tracer("other code").start("other");
    assert_eq!(first.shutdown(LONG), Ok(()));
    drop(before);
    // A thread that has never met the first set-up.
    thread::spawn(move || drop(elsewhere)).join().unwrap();
    let second = installed(Keeps::default());
    work();
    drop(here);
    drop(other);
    let stats = first.stats();
    assert_eq!((stats.started, stats.open, stats.dropped.after_shutdown), (4, 0, 4), "{stats:?}");
    assert_eq!((second.stats().started, second.stats().open), (1, 0));
}

#[test]
fn a_call_that_waited_for_its_first_poll_across_set_ups_disturbs_no_counts() {
    #[traced]
    fn returned() -> impl Future<Output = ()> {
        async { work() }
    }
    let _turn = turn();
    let first = installed(Keeps::default());
    let future = returned();
    assert_eq!(first.shutdown(LONG), Ok(()));
    let second = installed(Keeps::default());
    future.now_or_never().unwrap();
    assert_eq!(second.shutdown(LONG), Ok(()));
    for stats in [first.stats(), second.stats()] {
        assert!(adds_up(&stats) && stats.open == 0 && stats.waiting == 0, "{stats:?}");
    }
    assert_eq!(second.stats().started, second.stats().exported);
}

#[test]
fn of_two_set_ups_at_once_the_one_that_is_refused_leaves_nothing_running() {
    let _turn = turn();
    for _ in 0..200 {
        let held = Arc::new(());
        let exporter = || {
            let held = Arc::clone(&held);
            does(move |_| {
                let _ = &held;
                Ok(())
            })
        };
        let start = Barrier::new(2);
        let install = |exporter| {
            start.wait();
            traced::builder("race").exporter(exporter).install()
        };
        let set_ups = thread::scope(|scope| {
            let (one, other) = (exporter(), exporter());
            let other = scope.spawn(|| install(other));
            [install(one), other.join().unwrap()]
        });
        assert_eq!(set_ups.iter().filter(|set_up| set_up.is_ok()).count(), 1);
        drop(set_ups);
        assert!(soon(|| Arc::strong_count(&held) == 1), "an exporter is still there");
    }
}

#[test]
fn a_tracer_of_other_code_goes_where_the_set_up_of_the_moment_goes() {
    let _turn = turn();
    let first = Keeps::default();
    let tracing = installed(first.clone());
    let tracer = global::tracer("other code");
    tracer.start("first").end();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    tracer.start("between").end();
    let second = Keeps::default();
    let tracing = installed(second.clone());
    tracer.start("second").end();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!((first.spans().names(), second.spans().names()), (vec!["first"], vec!["second"]));
}

// ------------------------------------------------------------------------------------- threads and processes that go

/// Does traced things when its thread's locals are torn down.
struct Late {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    other: Option<global::BoxedSpan>,
    cx: Option<Context>,
}

impl Drop for Late {
    fn drop(&mut self) {
        work();
        leaf();
        drop(self.future.take());
        drop(self.other.take());
        drop(self.cx.take());
        traced::set!(late = true);
        traced::current().set("late", true);
    }
}

thread_local! {
    static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
}

/// Registers the destructor, before or after anything else has a local on this thread.
fn be_late(register_first: bool) {
    if register_first {
        LATE.with(|late| drop(late.borrow()));
    }
    #[traced]
    fn context() -> Context {
        Context::current()
    }
    let late = Late {
        future: Some(polled_once(waits())),
        other: Some(global::tracer("other code").start("other")),
        cx: Some(context()),
    };
    LATE.with(|place| *place.borrow_mut() = Some(late));
}

#[test]
fn spans_that_end_while_a_thread_is_torn_down_are_exported_or_counted() {
    if let Some(ran) = process::of_its_own(
        "spans_that_end_while_a_thread_is_torn_down_are_exported_or_counted",
        Duration::from_secs(30),
    ) {
        return ran.assert_success();
    }
    let keeps = Keeps::default();
    let tracing = installed(keeps.clone());
    for n in 0..40 {
        thread::spawn(move || be_late(n % 2 == 0)).join().unwrap();
    }
    assert_eq!(tracing.flush(), Ok(()));
    let spans = keeps.spans();
    for name in ["waits", "other", "context"] {
        assert_eq!(spans.all(name).len(), 40, "{name}");
    }
    let stats = tracing.stats();
    assert_eq!((stats.open, stats.waiting), (0, 0), "{stats:?}");
    assert!(adds_up(&stats), "{stats:?}");
}

#[test]
fn a_process_that_exits_inside_a_call_ends_as_told() {
    #[traced]
    fn exits() {
        let _entered = traced::span!("entered").enter();
        be_late(true);
        std::process::exit(7);
    }
    if let Some(ran) =
        process::of_its_own("a_process_that_exits_inside_a_call_ends_as_told", Duration::from_secs(20))
    {
        return assert_eq!(ran.status.code(), Some(7), "{}", ran.said);
    }
    let _tracing = installed(Keeps::default());
    thread::spawn(|| {
        loop {
            work();
            leaf();
        }
    });
    exits();
}

#[test]
fn a_process_that_exits_does_not_wait_for_an_exporter_that_is_stuck() {
    if let Some(ran) = process::of_its_own(
        "a_process_that_exits_does_not_wait_for_an_exporter_that_is_stuck",
        Duration::from_secs(20),
    ) {
        return assert_eq!(ran.status.code(), Some(7), "{}", ran.said);
    }
    let (exporter, gate): (Waits, _) = gated();
    let _tracing = installed(exporter);
    work();
    gate.reached();
    std::process::exit(7);
}

#[test]
fn a_set_up_whose_guard_is_forgotten_still_exports() {
    if let Some(ran) =
        process::of_its_own("a_set_up_whose_guard_is_forgotten_still_exports", Duration::from_secs(20))
    {
        return ran.assert_success();
    }
    let (exporter, announced) = announces();
    std::mem::forget(installed(exporter));
    work();
    assert_eq!(announced.recv_timeout(Duration::from_secs(2)).as_deref(), Ok("work"));
}

#[test]
fn a_thread_that_dies_of_a_panic_loses_nothing() {
    #[traced]
    fn dies() {
        work();
        let _entered = traced::span!("entered").enter();
        panic!("on purpose");
    }
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = installed(keeps.clone());
    for _ in 0..10 {
        thread::spawn(dies).join().unwrap_err();
    }
    assert_eq!(tracing.flush(), Ok(()));
    let spans = keeps.spans();
    for name in ["work", "entered", "dies"] {
        assert_eq!(spans.all(name).len(), 10);
    }
    for span in spans.all("dies") {
        assert_eq!(attribute(span, "error.type"), Some(&Value::from("panic")));
    }
    assert_eq!(tracing.stats().open, 0);
}

// ------------------------------------------------------------------------------------------------- how much there is

#[test]
fn a_small_buffer_holds_what_was_first_and_counts_the_rest() {
    let _turn = turn();
    let (exporter, gate) = gated();
    let keeps = exporter.keeps.clone();
    let tracing = traced::builder("small").buffer(1).exporter(exporter).install().unwrap();
    numbered(0);
    gate.reached();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (1..50_000).for_each(numbered));
        }
    });
    let full = settled(&tracing, |stats| adds_up(stats) && stats.dropped.queue_full > 0);
    // A ring of 16 kB for each of three threads, what the collector has moved on before, and what the exporter has.
    assert!(full.waiting < 20_000, "{full:?}");
    gate.open();
    assert_eq!(tracing.flush(), Ok(()));
    let stats = tracing.stats();
    assert!(adds_up(&stats), "{stats:?}");
    assert_eq!((stats.waiting, stats.exported), (0, keeps.count() as u64));
    work();
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(keeps.spans().all("work").len(), 1, "there is room again");
}

#[test]
fn the_limits_of_a_span_are_those_of_the_set_up() {
    #[traced(attr(a = 1, b = "two", c = 3.0), ret(value => d = value.len()))]
    fn call() -> &'static str {
        traced::set!(e = 5);
        traced::event!("first");
        traced::event!("second", x = 1, y = 2);
        "done"
    }
    let _turn = turn();
    let keeps = Keeps::default();
    let mut limits = opentelemetry_sdk::trace::SpanLimits::default();
    (limits.max_attributes_per_span, limits.max_events_per_span) = (2, 1);
    let builder = traced::builder("few").code_attributes(false).limits(limits).exporter(keeps.clone());
    let tracing = builder.install().unwrap();
    call();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    let spans = keeps.spans();
    let span = spans.one("call");
    let keys: Vec<_> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!((keys, span.dropped_attributes_count), (vec!["a", "b"], 3));
    assert_eq!((span.events.len(), span.events.dropped_count), (1, 1));
}

#[test]
fn that_spans_are_lost_is_said_once() {
    const TEST: &str = "that_spans_are_lost_is_said_once";
    if let Some(ran) = process::of_its_own(TEST, Duration::from_secs(45)) {
        ran.assert_success();
        let said: Vec<_> = ran.said.lines().filter(|line| line.starts_with("traced: ")).collect();
        assert_eq!(said.len(), 1, "{}", ran.said);
        assert!(
            said[0].contains("the queue had no room") && said[0].contains("`queue` and `buffer`"),
            "{said:?}"
        );
        return;
    }
    lose_spans();
}

/// Loses some thrice.
fn lose_spans() {
    let (exporter, gate) = gated();
    let tracing = traced::builder("full").queue(1).exporter(exporter).install().unwrap();
    for _ in 0..3 {
        (0..1000).for_each(numbered);
        settled(&tracing, |stats| stats.waiting < 10);
    }
    gate.open();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
}

#[test]
#[cfg(feature = "internal-logs")]
fn a_subscriber_is_told_that_spans_are_lost_and_stderr_is_not() {
    const TEST: &str = "a_subscriber_is_told_that_spans_are_lost_and_stderr_is_not";
    if let Some(ran) = process::of_its_own(TEST, Duration::from_secs(45)) {
        ran.assert_success();
        assert_eq!(ran.said.matches("traced.spans_dropped").count(), 1, "{}", ran.said);
        assert!(!ran.said.lines().any(|line| line.starts_with("traced: ")), "{}", ran.said);
        return;
    }
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    lose_spans();
}
