//! What can be changed while it runs: the filter, the share of traces, and whether there is tracing at all.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod exporters;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use exporters::{Keeps, LONG, adds_up, attribute, event, turn};
use opentelemetry_sdk::trace::Sampler;
use traced::opentelemetry::trace::{TraceContextExt, Tracer};
use traced::opentelemetry::{Context, Value, global};
use traced::{Control, Processor, SetupError, Starting, Tracing, traced};

mod orders {
    #[traced::traced(kind = server)]
    pub(crate) fn place() {
        super::cache::get();
        super::cache::disk::read();
    }

    #[traced::traced(name = "GET /health", kind = server)]
    pub(crate) fn health() {}
}

mod cache {
    #[traced::traced(leaf)]
    pub(crate) fn get() {}

    pub(crate) mod disk {
        #[traced::traced]
        pub(crate) fn read() {
            super::super::tick();
        }
    }
}

#[traced]
fn tick() {}

/// A set-up whose spans are kept.
fn set_up(filter: &str) -> (Tracing, Control, Keeps) {
    let keeps = Keeps::default();
    let tracing = traced::builder("test").filter(filter).exporter(keeps.clone()).install().unwrap();
    let control = tracing.control();
    (tracing, control, keeps)
}

/// The names of the spans that have ended since this was asked last, in alphabetical order.
fn came(tracing: &Tracing, keeps: &Keeps) -> Vec<String> {
    tracing.flush().unwrap();
    let mut names: Vec<_> = keeps.take().into_iter().map(|span| span.name.into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_filter_takes_functions_out_and_their_callees_hang_under_the_caller() {
    let _turn = turn();
    let (tracing, _, keeps) = set_up("control::orders=on,control::cache=off,\"GET /health\"=off");
    for _ in 0..3 {
        orders::place();
        orders::health();
    }
    tracing.flush().unwrap();
    let spans = exporters::Spans(keeps.take());
    assert_eq!(spans.names(), ["place", "place", "place", "tick", "tick", "tick"]);
    for tick in spans.all("tick") {
        assert!(spans.all("place").iter().any(|place| place.span_context.span_id() == tick.parent_span_id));
    }
    tracing.shutdown(LONG).unwrap();
    assert_eq!(tracing.stats().started, 6);
}

#[test]
fn a_filter_changes_with_the_next_call() {
    let _turn = turn();
    let (tracing, control, keeps) = set_up("");
    for (filter, expected) in [
        ("", vec!["GET /health", "get", "place", "read", "tick"]),
        ("off", vec![]),
        ("off,control::cache::disk=on", vec!["read"]),
        ("control::cache::disk::read=off", vec!["GET /health", "get", "place", "tick"]),
        ("\"tick\"=off,control::orders=off", vec!["get", "read"]),
        ("control=off", vec![]),
        ("contro=off", vec!["GET /health", "get", "place", "read", "tick"]),
        ("", vec!["GET /health", "get", "place", "read", "tick"]),
    ] {
        control.set_filter(filter).unwrap();
        assert_eq!(control.filter(), filter);
        orders::place();
        orders::health();
        assert_eq!(came(&tracing, &keeps), expected, "{filter}");
    }
    let before = control.filter();
    let fault = control.set_filter("control=on,cache=perhaps").unwrap_err();
    assert_eq!(fault.to_string(), "`cache=perhaps`: expected `on` or `off` behind the `=`");
    assert_eq!(control.filter(), before);
}

#[test]
fn a_filter_that_cannot_be_read_is_told_at_install() {
    let _turn = turn();
    let fault = traced::builder("test").filter("a=b").install().unwrap_err();
    assert!(matches!(fault, SetupError::Filter(_)));
    let expected = "the filter cannot be read: `a=b`: expected `on` or `off` behind the `=`";
    assert_eq!(fault.to_string(), expected);
    let tracing = traced::builder("test").filter("a=b").filter("tick=off").install().unwrap();
    assert!(tracing.explain().to_string().contains("filter: tick=off (code)\n"));
}

#[test]
fn spans_of_other_code_are_filtered_by_scope_and_name() {
    let _turn = turn();
    let (tracing, control, keeps) = set_up("other-code=off,\"SELECT\"=off");
    let work = || {
        global::tracer("other-code").in_span("inner", |_| {
            global::tracer("other-code::pool").in_span("waits", |_| tick());
            global::tracer("another").in_span("SELECT", |_| tick());
        });
        global::tracer("another").in_span("kept", |_| ());
    };
    traced::span!("outer").run(work);
    tracing.flush().unwrap();
    let spans = exporters::Spans(keeps.take());
    assert_eq!(spans.names(), ["kept", "outer", "tick", "tick"]);
    let outer = spans.one("outer").span_context.span_id();
    assert!(spans.all("tick").iter().all(|tick| tick.parent_span_id == outer));
    control.set_filter("").unwrap();
    work();
    assert_eq!(came(&tracing, &keeps), ["SELECT", "inner", "kept", "tick", "tick", "waits"]);
}

#[test]
fn what_a_tracer_of_other_code_remembers_of_the_filter_changes_with_it() {
    let _turn = turn();
    let (tracing, control, keeps) = set_up("");
    let other = global::tracer("other-code");
    for (filter, expected) in [
        ("", vec!["a", "b"]),
        ("other-code=off", vec![]),
        ("other-code::a=off", vec!["b"]),
        ("off,other-code=on", vec!["a", "b"]),
        ("off", vec![]),
        ("\"b\"=off", vec!["a"]),
        ("on", vec!["a", "b"]),
    ] {
        control.set_filter(filter).unwrap();
        for _ in 0..2 {
            other.in_span("a", |_| ());
            other.in_span("b", |_| ());
            assert_eq!(came(&tracing, &keeps), expected, "{filter}");
        }
    }
}

#[test]
fn rules_that_no_call_has_met_are_told() {
    let _turn = turn();
    let rules =
        "control::orders::place=off,control::orders::health=off,control::orders=on,\"tick\"=on,odd=off";
    let (tracing, control, keeps) = set_up(rules);
    orders::place();
    orders::health();
    tick();
    global::tracer("odd").in_span("other", |_| ());
    // The function has another name as a span, and that is what counts.
    let told = "filter, no call so far: control::orders::health (code)\n";
    let explained = tracing.explain().to_string();
    assert!(explained.contains(told), "{explained}");
    assert_eq!(came(&tracing, &keeps), ["GET /health", "get", "read", "tick", "tick"]);
    control.set_filter("\"GET /health\"=off").unwrap();
    let told = "filter, no call so far: \"GET /health\" (changed while running)\n";
    assert!(tracing.explain().to_string().contains(told));
    orders::health();
    assert!(!tracing.explain().to_string().contains("so far"));
}

#[test]
fn a_rule_is_met_by_a_call_below_what_is_not_kept_as_well() {
    let _turn = turn();
    let (tracing, control, keeps) = set_up("");
    let caller = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")];
    let _current = traced::extract(&caller).context().clone().attach();
    tick();
    for rule in ["\"tick\"=off", "\"tick\"=on,off"] {
        control.set_filter(rule).unwrap();
        assert!(tracing.explain().to_string().contains("so far"), "{rule}");
        tick();
        tick();
        assert!(!tracing.explain().to_string().contains("so far"), "{rule}");
    }
    assert!(came(&tracing, &keeps).is_empty());
}

#[test]
fn hooks_see_only_what_the_filter_lets_through() {
    struct Marks;
    impl Processor for Marks {
        fn on_start(&self, span: &mut Starting<'_>) {
            span.set("seen", true);
        }
    }

    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = traced::builder("test")
        .processor(Marks)
        .filter("control::cache=off")
        .exporter(keeps.clone())
        .install();
    let tracing = tracing.unwrap();
    for _ in 0..3 {
        orders::place();
    }
    tracing.flush().unwrap();
    let spans = exporters::Spans(keeps.take());
    assert_eq!(spans.names(), ["place", "place", "place", "tick", "tick", "tick"]);
    assert!(spans.0.iter().all(|span| attribute(span, "seen") == Some(&Value::from(true))));
}

#[test]
fn a_rate_stands_in_for_whatever_sampler_there_is() {
    let _turn = turn();
    for sampler in [
        Sampler::AlwaysOff,
        Sampler::AlwaysOn,
        Sampler::TraceIdRatioBased(0.5),
        Sampler::ParentBased(Box::new(Sampler::AlwaysOff)),
    ] {
        let told = format!("{sampler:?}");
        let keeps = Keeps::default();
        let builder = traced::builder("test").sampler(sampler.clone()).exporter(keeps.clone());
        let tracing = builder.install().unwrap();
        let control = tracing.control();
        let share = |rate: f64| {
            control.set_sample_rate(rate).unwrap();
            assert_eq!(control.sample_rate(), Some(rate));
            (0..400).for_each(|_| orders::place());
            let came = came(&tracing, &keeps);
            assert_eq!(came.len() % 4, 0, "{told}: traces come whole or not at all");
            came.len() / 4
        };
        assert_eq!((share(0.0), share(1.0)), (0, 400), "{told}");
        let half = share(0.5);
        assert!((120..280).contains(&half), "{told}: {half}");
        control.reset_sample_rate();
        assert_eq!(control.sample_rate(), None);
        (0..10).for_each(|_| tick());
        let came = came(&tracing, &keeps).len();
        match sampler {
            Sampler::AlwaysOn => assert_eq!(came, 10),
            Sampler::TraceIdRatioBased(_) => assert!(came <= 10),
            _ => assert_eq!(came, 0, "{told}"),
        }
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let fault = control.set_sample_rate(wrong).unwrap_err().to_string();
            assert_eq!(fault, format!("`{wrong}`: expected a number from 0 to 1"));
        }
        assert_eq!(control.sample_rate(), None);
    }
}

#[test]
fn below_a_caller_elsewhere_its_decision_counts_whatever_the_rate() {
    let _turn = turn();
    let (tracing, control, keeps) = set_up("");
    let call = |flags: &str| {
        let header = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        let _current = traced::extract(&[("traceparent", header)]).context().clone().attach();
        tick();
        global::tracer("other").in_span("other", |_| ());
    };
    for (rate, flags, expected) in [(0.0, "01", 2), (1.0, "00", 0)] {
        control.set_sample_rate(rate).unwrap();
        call(flags);
        assert_eq!(came(&tracing, &keeps).len(), expected, "{rate} {flags}");
    }
    // Of a caller that left it to us, the rate decides.
    for (rate, expected) in [(0.0, 0), (1.0, 1)] {
        control.set_sample_rate(rate).unwrap();
        let header = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        let _current = traced::extract(&[("b3", header)]).context().clone().attach();
        tick();
        assert_eq!(came(&tracing, &keeps).len(), expected, "{rate}");
    }
}

#[test]
fn paused_nothing_starts_and_what_is_open_goes_on() {
    let _turn = turn();
    let (tracing, control, keeps) = set_up("");
    traced::span!("long").run(|| {
        control.pause();
        control.pause();
        assert!(control.is_paused());
        tick();
        global::tracer("other").in_span("other", |cx| {
            assert!(!cx.span().is_recording());
            tick();
        });
        traced::event!("meanwhile");
        traced::set!(still = "written");
        let ((), trace) = traced::testing::capture(orders::place);
        assert_eq!(trace.len(), 4, "a capture sees what it always sees");
        control.resume();
        control.resume();
        tick();
    });
    let _ = std::panic::catch_unwind(|| {
        traced::span!("fails").run(|| {
            control.pause();
            panic!("its words are kept");
        })
    });
    tick();
    assert!(tracing.explain().to_string().starts_with("tracing: paused (changed while running)\n"));
    control.resume();
    tracing.flush().unwrap();
    let spans = exporters::Spans(keeps.take());
    assert_eq!(spans.names(), ["fails", "long", "tick"]);
    let long = spans.one("long");
    assert_eq!(spans.one("tick").parent_span_id, long.span_context.span_id());
    assert_eq!(attribute(long, "still"), Some(&Value::from("written")));
    event(long, "meanwhile");
    let message = attribute_of(event(spans.one("fails"), "exception"), "exception.message");
    assert_eq!(message, "its words are kept");
    assert!(adds_up(&tracing.stats()));
}

fn attribute_of(event: &traced::opentelemetry::trace::Event, key: &str) -> String {
    let found = event.attributes.iter().find(|attribute| attribute.key.as_str() == key);
    found.map(|attribute| attribute.value.to_string()).unwrap_or_default()
}

#[test]
fn a_hand_on_a_set_up_that_is_over_does_nothing() {
    let _turn = turn();
    let (first, stale, _) = set_up("");
    stale.pause();
    first.shutdown(LONG).unwrap();
    drop(first);
    let (tracing, control, keeps) = set_up("");
    stale.resume();
    stale.pause();
    stale.pause();
    stale.set_sample_rate(0.0).unwrap();
    stale.set_filter("off").unwrap();
    assert!(stale.set_filter("of").is_err());
    tick();
    assert_eq!(came(&tracing, &keeps), ["tick"]);
    assert_eq!((control.filter().as_str(), control.sample_rate(), control.is_paused()), ("", None, false));
    // A set-up that ends while it is paused leaves nothing behind.
    control.pause();
    tracing.shutdown(LONG).unwrap();
    control.resume();
    stale.resume();
    let (tracing, _, keeps) = set_up("");
    tick();
    assert_eq!(came(&tracing, &keeps), ["tick"]);
    assert!(!format!("{:?}", Control::default()).is_empty());
}

#[test]
fn what_was_changed_is_explained() {
    let _turn = turn();
    let (tracing, control, _) = set_up("\"x\"=off");
    assert!(tracing.explain().to_string().contains("filter: \"x\"=off (code)\n"));
    control.set_filter("cache=off").unwrap();
    control.set_sample_rate(0.25).unwrap();
    let explained = tracing.explain().to_string();
    assert!(explained.contains("filter: cache=off (changed while running)\n"), "{explained}");
    assert!(explained.contains("sampler: parentbased_traceidratio, 0.25 (changed while running)\n"));
    control.reset_sample_rate();
    assert!(tracing.explain().to_string().contains("sampler: parentbased_always_on (default)\n"));
}

/// Ends the threads of a test, also where it fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn changes_while_ten_threads_trace_are_seen_soon_and_never_torn() {
    let _turn = turn();
    let keeps = exporters::does(|_| Ok(()));
    let tracing = traced::builder("test").queue(1 << 20).exporter(keeps).install().unwrap();
    let control = tracing.control();
    let stop = AtomicBool::new(false);
    let calls: [AtomicU64; 10] = Default::default();
    // Whoever was in the middle of a call when this is asked has ended it, and made so many more.
    let every_thread_calls = |times: u64| {
        let begun = Instant::now();
        let before: Vec<_> = calls.iter().map(|calls| calls.load(Ordering::SeqCst)).collect();
        for (calls, before) in calls.iter().zip(before) {
            while calls.load(Ordering::SeqCst) < before + 1 + times {
                assert!(begun.elapsed() < LONG);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    };
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for calls in &calls {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    orders::place();
                    global::tracer("other").in_span("other", |_| cache::get());
                    calls.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let begun = Instant::now();
        let mut turns = 0_u32;
        while begun.elapsed() < Duration::from_secs(2) || turns < 20 {
            let turn = turns % 5;
            match turn {
                0 => control.set_filter("control::cache=off").unwrap(),
                1 => control.set_sample_rate(0.5).unwrap(),
                2 => control.pause(),
                3 => control.resume(),
                _ => {
                    control.reset_sample_rate();
                    control.set_filter("").unwrap();
                }
            }
            turns += 1;
        }
        control.resume();
        control.reset_sample_rate();
        control.set_filter("off").unwrap();
        every_thread_calls(1);
        let started = tracing.stats().started;
        every_thread_calls(20);
        assert_eq!(tracing.stats().started, started);
        control.set_filter("").unwrap();
        every_thread_calls(1);
        let started = tracing.stats().started;
        every_thread_calls(1);
        assert!(tracing.stats().started >= started + 10 * 6);
    });
    tracing.shutdown(LONG).unwrap();
    let stats = tracing.stats();
    assert!(adds_up(&stats) && stats.open == 0 && stats.waiting == 0, "{stats:?}");
    assert!(!Context::current().span().is_recording());
}
