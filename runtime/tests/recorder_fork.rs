//! A process that forks: the child, which has none of its parent's threads but the one that forked, neither hangs nor
//! crashes, and the parent goes on.
#![cfg(unix)]
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fork::{ChildEvent, ProcessFork, ProcessId, Signal};
use traced::opentelemetry::global;
use traced::opentelemetry::trace::Tracer;
use traced::traced;

mod exporters;
mod process;

use exporters::{Keeps, LONG, adds_up, attribute};

/// How long a child may take.
const CHILD: Duration = Duration::from_secs(20);
/// How long a test may take, which waits for its child.
const TEST: Duration = Duration::from_secs(45);

#[traced(attr(n))]
fn call(n: i64) {
    leaf();
}

#[traced(leaf)]
fn leaf() {}

/// Forks; the child does nothing but `run`, and ends well if that does not panic.
fn forked(run: impl FnOnce()) -> ProcessId {
    match fork::fork_process().unwrap() {
        ProcessFork::Parent(child) => child,
        ProcessFork::Child => {
            let survived = catch_unwind(AssertUnwindSafe(run)).is_ok();
            std::process::exit(if survived { 0 } else { 101 });
        }
    }
}

/// Waits for the child, which must come to its end by itself.
fn assert_ends_well(child: ProcessId) {
    let begun = Instant::now();
    loop {
        match fork::wait_event_nohang(child).unwrap() {
            Some(ChildEvent::Exited { code, .. }) => return assert_eq!(code, 0, "the child panicked"),
            Some(event) if event.is_terminal() => panic!("the child crashed: {event:?}"),
            _ if begun.elapsed() > CHILD => {
                fork::signal_process(child, Signal::KILL).unwrap();
                fork::wait_event(child).unwrap();
                panic!("the child did not end within {CHILD:?}");
            }
            _ => thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[test]
fn a_forked_child_goes_on_calling_and_ends_and_its_parent_goes_on_exporting() {
    if let Some(ran) =
        process::of_its_own("a_forked_child_goes_on_calling_and_ends_and_its_parent_goes_on_exporting", TEST)
    {
        return ran.assert_success();
    }
    let keeps = Keeps::default();
    let tracing = traced::builder("parent").exporter(keeps.clone()).install().unwrap();
    (0..100).for_each(call);
    let open = traced::span!("open").enter();
    let child = forked(|| {
        (0..100_000).for_each(call);
        global::tracer("other code").in_span("other", |_| leaf());
        let flushed = tracing.flush();
        let stats = tracing.stats();
        assert!(flushed.is_err() || (stats.waiting == 0 && adds_up(&stats)), "{flushed:?} and {stats:?}");
        // Whether anything came out is not said; that there is an answer is.
        let _ = tracing.shutdown(Duration::from_secs(1));
    });
    (100..200).for_each(call);
    assert_ends_well(child);
    (200..300).for_each(call);
    drop(open);
    assert_eq!(tracing.flush(), Ok(()));
    let spans = keeps.spans();
    let calls: HashSet<_> =
        spans.all("call").into_iter().map(|span| attribute(span, "n").unwrap().to_string()).collect();
    assert_eq!((spans.all("call").len(), calls.len()), (300, 300), "the parent's, and none of the child's");
    assert_eq!(spans.all("open").len(), 1);
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.exported, stats.open), (601, 601, 0));
}

#[test]
fn a_child_that_is_forked_while_other_threads_are_in_calls_ends_too() {
    if let Some(ran) =
        process::of_its_own("a_child_that_is_forked_while_other_threads_are_in_calls_ends_too", TEST)
    {
        return ran.assert_success();
    }
    let keeps = Keeps::default();
    let tracing = traced::builder("parent").exporter(keeps.clone()).install().unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    call(0);
                }
            });
        }
        let ended = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..20 {
                assert_ends_well(forked(|| {
                    (0..1000).for_each(call);
                    // As above: an answer is what matters.
                    let _ = tracing.shutdown(Duration::from_millis(100));
                }));
            }
        }));
        over.store(true, Ordering::Relaxed);
        ended.unwrap();
    });
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    let stats = tracing.stats();
    assert!(adds_up(&stats), "{stats:?}");
    assert_eq!((stats.exported, stats.open), (keeps.count() as u64, 0));
}

#[test]
fn a_forked_child_may_set_tracing_up_anew() {
    if let Some(ran) = process::of_its_own("a_forked_child_may_set_tracing_up_anew", TEST) {
        return ran.assert_success();
    }
    let of_the_parent = Keeps::default();
    let tracing = traced::builder("parent").exporter(of_the_parent.clone()).install().unwrap();
    call(1);
    let child = forked(|| {
        let _ = tracing.shutdown(Duration::from_millis(100));
        let keeps = Keeps::default();
        let anew = traced::builder("child").exporter(keeps.clone()).install().unwrap();
        (0..1000).for_each(call);
        assert_eq!(anew.shutdown(Duration::from_secs(10)), Ok(()));
        assert_eq!(keeps.count(), 2000);
    });
    assert_ends_well(child);
    call(2);
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(of_the_parent.count(), 4);
}

#[test]
fn a_forked_child_makes_ids_of_its_own() {
    if let Some(ran) = process::of_its_own("a_forked_child_makes_ids_of_its_own", TEST) {
        return ran.assert_success();
    }
    #[traced]
    fn ids() -> [String; 2] {
        let current = traced::current();
        [current.trace_id().to_string(), current.span_id().to_string()]
    }
    let _tracing = traced::builder("parent").exporter(Keeps::default()).install().unwrap();
    let make = || (0..200).flat_map(|_| ids()).collect::<Vec<_>>();
    make();
    let (reader, writer) = fork::pipe_cloexec().unwrap().into_parts();
    let child = forked(|| {
        let mut writer = File::from(writer.try_clone().unwrap());
        writer.write_all(make().join(" ").as_bytes()).unwrap();
    });
    drop(writer);
    let of_the_parent: HashSet<_> = make().into_iter().collect();
    assert_ends_well(child);
    let mut sent = String::new();
    File::from(reader).read_to_string(&mut sent).unwrap();
    let of_the_child: Vec<_> = sent.split(' ').collect();
    assert_eq!((of_the_parent.len(), of_the_child.len()), (400, 400));
    let both: Vec<_> = of_the_child.iter().filter(|id| of_the_parent.contains(**id)).collect();
    assert!(both.is_empty(), "{} ids are in both", both.len());
}
