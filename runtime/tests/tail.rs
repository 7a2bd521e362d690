//! Sampling when a trace is over: what is kept, what is held, and that everything is counted.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod exporters;

use std::time::Duration;

use exporters::{Keeps, LONG, Spans, adds_up, settled, turn};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use traced::sampling::Tail;
use traced::{Stats, Tracing, opentelemetry, traced};

#[traced]
fn request(amount: i64) {
    let _ = charge(amount);
}

#[traced(attr(amount))]
fn charge(amount: i64) -> Result<(), String> {
    if amount > 100 { Err("declined".into()) } else { Ok(()) }
}

#[traced(parent = parent)]
fn handle(parent: &Context, amount: i64) {
    request(amount);
}

fn set_up(tail: Tail) -> (Tracing, Keeps) {
    let keeps = Keeps::default();
    (traced::builder("test").tail(tail).exporter(keeps.clone()).install().unwrap(), keeps)
}

fn run(tail: Tail, run: impl FnOnce()) -> (Spans, Stats) {
    let _turn = turn();
    let (tracing, keeps) = set_up(tail);
    run();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    let stats = tracing.stats();
    assert!(adds_up(&stats) && stats.waiting == 0, "{stats:?}");
    assert_eq!(stats.exported as usize, keeps.count());
    (keeps.spans(), stats)
}

#[test]
fn a_trace_is_kept_whole_or_not() {
    let (spans, stats) = run(Tail::new().errors(), || {
        request(7);
        request(700);
        request(8);
    });
    assert_eq!(spans.names(), ["charge", "request"]);
    assert_eq!(spans.path("charge"), ["charge", "request"]);
    assert_eq!(stats.dropped.not_kept, 4);
    assert_eq!(stats.dropped.total(), 4);
}

#[test]
fn slow_traces_marked_ones_and_a_share_are_kept() {
    let (spans, _) = run(Tail::new().attribute("amount", 7), || (1..9).for_each(request));
    assert_eq!(spans.names(), ["charge", "request"]);
    let (spans, _) = run(Tail::new().slower_than(Duration::from_millis(30)), || {
        request(1);
        traced::span!("slow").run(|| std::thread::sleep(Duration::from_millis(40)));
    });
    assert_eq!(spans.names(), ["slow"]);
    let (spans, _) =
        run(Tail::new().when(|trace| trace.root().is_some_and(|root| root.name == "charge")), || {
            request(1);
            let _ = charge(1);
        });
    assert_eq!(spans.names(), ["charge"]);
    let (spans, stats) = run(Tail::new().share(0.5), || (0..1000).for_each(|_| request(1)));
    assert!((700..1300).contains(&spans.0.len()), "{}", spans.0.len());
    assert_eq!(stats.exported + stats.dropped.not_kept, 2000);
}

#[test]
fn a_part_below_another_service_ends_with_its_own_root() {
    let span =
        SpanContext::new(TraceId::from(7), SpanId::from(7), TraceFlags::SAMPLED, true, TraceState::NONE);
    let caller = Context::new().with_remote_span_context(span);
    let _turn = turn();
    let (tracing, keeps) = set_up(Tail::new().errors());
    for amount in [7, 700, 8] {
        handle(&caller, amount);
        assert_eq!(tracing.flush(), Ok(()));
    }
    let (spans, stats) = (keeps.spans(), tracing.stats());
    // The second part is kept, and with it what comes later of that trace.
    assert_eq!(spans.names().len(), 6, "{:?}", spans.names());
    assert_eq!(stats.dropped.not_kept, 3);
}

#[test]
fn a_flush_leaves_waiting_what_is_not_decided_and_a_shutdown_decides_it() {
    let _turn = turn();
    let (tracing, keeps) = set_up(Tail::new().errors());
    let root = traced::span!("root");
    let entered = root.enter();
    let _ = charge(700);
    assert_eq!(tracing.flush(), Ok(()));
    let stats = tracing.stats();
    assert_eq!((stats.started, stats.open, stats.waiting, stats.exported), (2, 1, 1, 0), "{stats:?}");
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(keeps.spans().names(), ["charge"]);
    drop(entered);
    let stats = settled(&tracing, |stats| stats.open == 0);
    assert!(adds_up(&stats), "{stats:?}");
    assert_eq!((stats.dropped.after_shutdown, stats.early.too_old), (1, 0));
}

#[test]
fn a_root_that_never_ends_does_not_hold_its_trace_for_ever() {
    let _turn = turn();
    let (tracing, keeps) = set_up(Tail::new().errors().patience(Duration::from_millis(50)));
    let root = traced::span!("root");
    let entered = root.enter();
    let _ = charge(700);
    let stats = settled(&tracing, |stats| stats.exported == 1);
    assert_eq!(stats.early.too_old, 1);
    assert_eq!(keeps.spans().names(), ["charge"]);
    let _ = charge(7);
    drop(entered);
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(keeps.spans().names(), ["charge", "charge", "root"], "what comes later follows");
}

#[test]
fn memory_is_bounded_while_no_root_ends() {
    const TRACES: u64 = 3000;
    let _turn = turn();
    let (tracing, _keeps) = set_up(Tail::new().errors().room(100, usize::MAX));
    let roots: Vec<_> = (0..TRACES)
        .map(|_| {
            let root = traced::span!("root");
            let entered = root.enter();
            let _ = charge(7);
            drop(entered);
            traced::current()
        })
        .collect();
    drop(roots);
    let contexts: Vec<Context> = (1..TRACES)
        .map(|n| {
            let span = SpanContext::new(
                TraceId::from(u128::from(n)),
                SpanId::from(n),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            );
            Context::new().with_remote_span_context(span)
        })
        .collect();
    for cx in &contexts {
        let _current = cx.clone().attach();
        let _ = charge(7);
    }
    assert_eq!(tracing.flush(), Ok(()));
    let stats = tracing.stats();
    assert!(adds_up(&stats), "{stats:?}");
    assert!(stats.waiting <= 100, "{stats:?}");
    assert!(stats.early.no_room >= TRACES - 200, "{stats:?}");
}

#[test]
fn traces_of_many_threads_are_kept_whole() {
    let (spans, stats) = run(Tail::new().attribute("keep", true), || {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for n in 0..500 {
                        traced::span!("outer").run(|| {
                            let below = traced::thread::spawn(move || {
                                traced::span!("inner", keep = (n % 10 == thread)).run(|| ())
                            });
                            below.join().unwrap();
                        });
                    }
                });
            }
        });
    });
    assert_eq!(spans.all("outer").len(), 200);
    assert_eq!(spans.all("inner").len(), 200);
    assert_eq!(stats.dropped.not_kept, 3600);
}

#[test]
fn the_explanation_says_what_is_kept() {
    let _turn = turn();
    let tail = Tail::new().errors().slower_than(Duration::from_millis(500)).attribute("a", 1).share(0.05);
    let (tracing, _) = set_up(tail);
    let explanation = tracing.explain().to_string();
    let expected = "tail sampling: errors, slower than 500ms, by `a`, 0.05 of the rest; held for 30s, 65536 spans, 67108864 bytes (code)\n";
    assert!(explanation.contains(expected), "{explanation}");
}
