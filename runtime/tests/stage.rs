//! What stands between the recorder and the exporters: hooks that see spans end, and processors of the SDK.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod exporters;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use exporters::{Keeps, LONG, adds_up, attribute, does, exported_by, gated, settled, turn};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};
use traced::{Processor, opentelemetry, traced};

#[traced(attr(n, "password" = password))]
fn work(n: i64, password: &str) {}

/// Does with each span what it is told.
struct Hook<F>(F);

impl<F: Fn(&mut SpanData) + Send + Sync + 'static> Processor for Hook<F> {
    fn on_end(&self, span: &mut SpanData) {
        (self.0)(span);
    }
}

#[test]
fn hooks_change_spans_for_all_exporters_once_in_order_and_before_they_are_scrubbed() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let other = Keeps::default();
    let here = std::thread::current().id();
    let ((), spans) = exported_by(
        |builder| {
            builder
                .processor(Hook(move |span: &mut SpanData| {
                    assert_ne!(std::thread::current().id(), here);
                    seen.fetch_add(1, Ordering::Relaxed);
                    span.attributes.push(KeyValue::new("first", "Bearer abc123def456"));
                    span.attributes.retain(|attribute| attribute.key.as_str() != "n");
                }))
                .processor(Hook(|span: &mut SpanData| {
                    let password = attribute(span, "password").unwrap().to_string();
                    span.attributes.push(KeyValue::new("length", password.len() as i64));
                    assert!(attribute(span, "first").is_some());
                }))
                .exporter(other.clone())
        },
        || (0..1000).for_each(|n| work(n, "hunter2")),
    );
    assert_eq!(calls.load(Ordering::Relaxed), 1000);
    for spans in [&spans, &other.spans()] {
        assert_eq!(spans.0.len(), 1000);
        for span in &spans.0 {
            assert_eq!(attribute(span, "n"), None);
            assert_eq!(attribute(span, "length"), Some(&7.into()));
            assert_eq!(attribute(span, "first"), Some(&"Bearer [redacted: bearer token]".into()));
            assert_eq!(attribute(span, "password"), Some(&"[redacted: password]".into()));
        }
    }
}

#[test]
fn a_hook_that_panics_costs_no_span() {
    let ((), spans) = exported_by(
        |builder| {
            builder.processor(Hook(|span: &mut SpanData| {
                span.attributes.clear();
                panic!("a hook");
            }))
        },
        || (0..10).for_each(|n| work(n, "x")),
    );
    assert_eq!(spans.0.len(), 10);
    assert!(spans.0.iter().all(|span| span.attributes.is_empty()));
}

#[test]
fn a_hook_that_blocks_holds_up_no_caller_and_its_losses_are_counted() {
    let _turn = turn();
    let (waits, gate) = gated();
    drop(waits);
    let barrier = Arc::new(Barrier::new(2));
    let held = Arc::clone(&barrier);
    let blocks = AtomicU64::new(0);
    let keeps = Keeps::default();
    let tracing = traced::builder("test")
        .queue(100)
        .processor(Hook(move |_: &mut SpanData| {
            if blocks.fetch_add(1, Ordering::Relaxed) == 0 {
                held.wait();
            }
        }))
        .exporter(keeps.clone())
        .install()
        .unwrap();
    work(0, "x");
    let begun = Instant::now();
    for n in 0..100 {
        (0..50).for_each(|_| work(n, "x"));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(begun.elapsed() < LONG);
    let stats = settled(&tracing, |stats| stats.dropped.queue_full > 0);
    assert!(adds_up(&stats) && stats.exported == 0, "{stats:?}");
    gate.open();
    barrier.wait();
    assert_eq!(tracing.flush(), Ok(()));
    let stats = tracing.stats();
    assert!(adds_up(&stats) && stats.waiting == 0, "{stats:?}");
    assert_eq!(stats.exported as usize, keeps.count());
}

#[test]
fn a_shutdown_does_not_wait_for_a_hook_that_never_returns() {
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = traced::builder("test")
        .processor(Hook(|span: &mut SpanData| {
            if span.name == "forever" {
                loop {
                    std::thread::park();
                }
            }
        }))
        .exporter(keeps.clone())
        .install()
        .unwrap();
    work(1, "x");
    assert_eq!(tracing.flush(), Ok(()));
    traced::span!("forever").run(|| ());
    let begun = Instant::now();
    tracing.shutdown(Duration::from_millis(200)).unwrap_err();
    assert!(begun.elapsed() < LONG / 2);
    let stats = tracing.stats();
    assert!(adds_up(&stats), "{stats:?}");
    assert_eq!((stats.exported, stats.waiting), (1, 1), "{stats:?}");
}

#[derive(Debug, Default, Clone)]
struct Ends {
    spans: Arc<Mutex<Vec<SpanData>>>,
    told: Arc<Mutex<Vec<String>>>,
}

impl SpanProcessor for Ends {
    fn on_start(&self, _: &mut Span, _: &Context) {
        panic!("there is no span of the SDK's");
    }

    fn on_end(&self, span: SpanData) {
        assert_ne!(attribute(&span, "n"), Some(&13.into()), "an unlucky number");
        self.spans.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.told.lock().unwrap().push("flush".into());
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.told.lock().unwrap().push("shutdown".into());
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        let name = resource.get(&"service.name".into()).unwrap();
        self.told.lock().unwrap().push(format!("resource {name}"));
    }
}

#[test]
fn a_processor_of_the_sdk_sees_spans_end_scrubbed_and_is_flushed_and_shut_down() {
    let _turn = turn();
    let ends = Ends::default();
    let tracing = traced::builder("test").sdk_processor(ends.clone()).install().unwrap();
    (0..3).for_each(|n| work(n, "hunter2"));
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(ends.spans.lock().unwrap().len(), 3);
    assert!(ends.spans.lock().unwrap().iter().all(|span| !format!("{span:?}").contains("hunter2")));
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(ends.told.lock().unwrap()[..2], ["resource test", "flush"]);
    assert_eq!(ends.told.lock().unwrap().last().unwrap(), "shutdown");
    assert!(tracing.explain().to_string().contains("exporters: stage::Ends (code)\n"));
}

#[test]
fn a_processor_of_the_sdk_that_panics_costs_that_span_alone() {
    let _turn = turn();
    let (ends, keeps) = (Ends::default(), Keeps::default());
    let tracing =
        traced::builder("test").sdk_processor(ends.clone()).exporter(keeps.clone()).install().unwrap();
    (0..20).for_each(|n| work(n, "x"));
    tracing.flush().unwrap_err();
    let stats = tracing.stats();
    assert!(adds_up(&stats), "{stats:?}");
    assert_eq!((stats.exported, stats.dropped.export_failed), (19, 1));
    assert_eq!((ends.spans.lock().unwrap().len(), keeps.count()), (19, 20));
}

#[test]
fn a_batch_processor_of_the_sdk_exports_behind_it() {
    let _turn = turn();
    let keeps = Keeps::default();
    let batch = BatchSpanProcessor::builder(keeps.clone()).build();
    let tracing = traced::builder("test").sdk_processor(batch).install().unwrap();
    (0..100).for_each(|n| work(n, "x"));
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(keeps.count(), 100);
}

#[test]
fn what_one_exporter_does_not_take_the_other_gets_behind_a_hook_too() {
    let _turn = turn();
    let (waits, gate) = gated();
    let keeps = Keeps::default();
    let fails = does(|_| panic!("an exporter"));
    let tracing = traced::builder("test")
        .processor(Hook(|span: &mut SpanData| span.attributes.push(KeyValue::new("hooked", true))))
        .exporter(waits.clone())
        .exporter(keeps.clone())
        .exporter(fails)
        .install()
        .unwrap();
    (0..100).for_each(|n| work(n, "x"));
    gate.reached();
    let begun = Instant::now();
    while keeps.count() < 100 {
        assert!(begun.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(5));
    }
    gate.open();
    tracing.shutdown(LONG).unwrap_err();
    assert_eq!((waits.keeps.count(), keeps.count()), (100, 100));
    let stats = tracing.stats();
    assert!(adds_up(&stats) && stats.dropped.export_failed == 100, "{stats:?}");
}
