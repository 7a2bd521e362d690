//! Set-up: one at a time, exporters that fail, and spans that other code makes.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use traced::opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use traced::opentelemetry::trace::{SpanId, TraceContextExt, TraceFlags, TraceId, Tracer};
use traced::opentelemetry::{Context, InstrumentationScope, Key, global};
use traced::{ExportError, SetupError, traced};

/// Set-ups are for the whole process, so their tests take turns.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps what it gets, and does what it is told with it.
#[derive(Debug, Clone, Default)]
struct Exporter {
    spans: Arc<Mutex<Vec<SpanData>>>,
    manner: Manner,
}

#[derive(Debug, Clone, Copy, Default)]
enum Manner {
    #[default]
    Takes,
    Refuses,
    Panics,
    Sleeps(Duration),
}

impl Exporter {
    fn that(manner: Manner) -> Self {
        Self { manner, ..Self::default() }
    }

    fn names(&self) -> Vec<Cow<'static, str>> {
        self.spans.lock().unwrap().iter().map(|span| span.name.clone()).collect()
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        match self.manner {
            Manner::Takes => {}
            Manner::Refuses => return Err(OTelSdkError::InternalFailure("the door is shut".into())),
            Manner::Panics => panic!("an exporter's bug"),
            Manner::Sleeps(time) => std::thread::sleep(time),
        }
        self.spans.lock().unwrap().extend(batch);
        Ok(())
    }
}

#[traced]
fn work() {
    global::tracer("other code").in_span("by other code", |_| inner());
}

#[traced]
fn inner() {}

#[test]
fn there_is_one_set_up_at_a_time_and_another_after_a_shutdown() {
    let _alone = alone();
    let first = Exporter::default();
    let tracing = traced::builder("one").exporter(first.clone()).install().unwrap();
    let second = traced::builder("two").install();
    assert!(matches!(second, Err(SetupError::AlreadyInstalled)));
    assert!(second.unwrap_err().to_string().contains("set up already"));
    assert!(matches!(traced::attach_global(), Err(SetupError::AlreadyInstalled)));
    inner();
    tracing.shutdown(Duration::from_secs(5)).unwrap();
    inner();
    assert_eq!(first.names(), ["inner"]);

    let third = Exporter::default();
    let tracing = traced::builder("three").exporter(third.clone()).install().unwrap();
    inner();
    tracing.flush().unwrap();
    assert_eq!((first.names().len(), third.names().len()), (1, 1));
}

#[test]
fn spans_of_other_code_take_the_same_way_and_nest_both_ways() {
    let _alone = alone();
    let exporter = Exporter::default();
    let tracing = traced::builder("nest").version("1.2").exporter(exporter.clone()).install().unwrap();
    work();
    tracing.flush().unwrap();
    let spans = exporter.spans.lock().unwrap().clone();
    let find = |name| spans.iter().find(|span| span.name == name).unwrap();
    assert_eq!(find("by other code").parent_span_id, find("work").span_context.span_id());
    assert_eq!(find("inner").parent_span_id, find("by other code").span_context.span_id());
    assert_eq!(find("inner").instrumentation_scope.name(), "traced");
    assert_eq!(tracing.stats().started, 3);
    assert_eq!(tracing.stats().exported, 3);
}

#[test]
fn an_exporter_that_fails_or_panics_is_counted_and_does_not_harm_the_others() {
    let _alone = alone();
    for (manner, reason) in [(Manner::Refuses, "the door is shut"), (Manner::Panics, "panicked")] {
        let good = Exporter::default();
        let tracing = traced::builder("fails")
            .exporter(good.clone())
            .exporter(Exporter::that(manner))
            .install()
            .unwrap();
        for _ in 0..3 {
            inner();
        }
        match tracing.flush().unwrap_err() {
            ExportError::Failed { spans, reason: said } => {
                assert_eq!(spans, 3);
                assert!(said.contains(reason), "{said}");
            }
            other => panic!("{other}"),
        }
        assert_eq!(good.names().len(), 3);
        let stats = tracing.stats();
        assert_eq!((stats.exported, stats.dropped.export_failed, stats.open), (0, 3, 0));
        tracing.flush().unwrap();
    }
}

#[test]
fn a_slow_exporter_is_not_waited_for_longer_than_said() {
    let _alone = alone();
    let tracing = traced::builder("slow")
        .exporter(Exporter::that(Manner::Sleeps(Duration::from_secs(2))))
        .install()
        .unwrap();
    inner();
    let begun = Instant::now();
    let error = tracing.shutdown(Duration::from_millis(50)).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(error, ExportError::TimedOut { waiting: 1 });
}

#[test]
fn who_asks_again_after_a_shutdown_waits_again_and_is_told_the_truth() {
    let _alone = alone();
    let exporter = Exporter::that(Manner::Sleeps(Duration::from_millis(200)));
    let tracing = traced::builder("again").exporter(exporter.clone()).install().unwrap();
    inner();
    assert_eq!(tracing.shutdown(Duration::from_millis(1)), Err(ExportError::TimedOut { waiting: 1 }));
    assert_eq!(tracing.shutdown(Duration::MAX), Ok(()));
    assert_eq!(exporter.names(), ["inner"]);
    let begun = Instant::now();
    assert_eq!(tracing.flush(), Ok(()));
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_span_that_ends_after_the_shutdown_is_counted() {
    let _alone = alone();
    let tracing = traced::builder("late").exporter(Exporter::default()).install().unwrap();
    let late = traced::span!("late").enter();
    tracing.shutdown(Duration::from_secs(5)).unwrap();
    assert_eq!((tracing.stats().open, tracing.stats().dropped.after_shutdown), (1, 0));
    drop(late);
    assert_eq!((tracing.stats().open, tracing.stats().dropped.after_shutdown), (0, 1));
}

#[test]
fn a_failure_is_not_reported_under_a_lock_that_calls_need() {
    let _alone = alone();
    let tracing = traced::builder("held").exporter(Exporter::that(Manner::Refuses)).install().unwrap();
    let stderr = std::io::stderr().lock();
    inner();
    std::thread::sleep(Duration::from_millis(400));
    inner();
    drop(stderr);
    assert!(tracing.flush().is_err());
}

#[derive(Debug, Clone)]
struct TracedSampler;

impl opentelemetry_sdk::trace::ShouldSample for TracedSampler {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &traced::opentelemetry::trace::SpanKind,
        _: &[traced::opentelemetry::KeyValue],
        _: &[traced::opentelemetry::trace::Link],
    ) -> opentelemetry_sdk::trace::SamplingResult {
        inner();
        opentelemetry_sdk::trace::SamplingResult {
            decision: opentelemetry_sdk::trace::SamplingDecision::RecordAndSample,
            attributes: Vec::new(),
            trace_state: traced::opentelemetry::trace::TraceState::default(),
        }
    }
}

#[test]
fn a_sampler_that_is_traced_itself_is_not_asked_about_itself() {
    let _alone = alone();
    let exporter = Exporter::default();
    let tracing =
        traced::builder("sampler").sampler(TracedSampler).exporter(exporter.clone()).install().unwrap();
    work();
    tracing.flush().unwrap();
    assert_eq!(exporter.names(), ["inner", "by other code", "work"]);
}

#[test]
fn a_thread_that_is_torn_down_may_still_call_traced_functions() {
    struct Late(Option<std::pin::Pin<Box<dyn Future<Output = ()>>>>);
    impl Drop for Late {
        fn drop(&mut self) {
            inner();
            drop(self.0.take());
        }
    }
    thread_local! {
        static LATE: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) };
    }
    #[traced]
    async fn waits() {
        std::future::pending().await
    }
    let _alone = alone();
    let exporter = Exporter::default();
    let tracing = traced::builder("torn").exporter(exporter.clone()).install().unwrap();
    for late_first in [true, false] {
        std::thread::spawn(move || {
            if !late_first {
                inner();
            }
            LATE.with(|late| *late.borrow_mut() = Some(Late(None)));
            let mut future: std::pin::Pin<Box<dyn Future<Output = ()>>> = Box::pin(waits());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(future.as_mut().poll(&mut context).is_pending());
            LATE.with(|late| late.borrow_mut().as_mut().unwrap().0 = Some(future));
        })
        .join()
        .unwrap();
    }
    tracing.flush().unwrap();
    assert_eq!(exporter.names().iter().filter(|name| *name == "waits").count(), 2);
    assert_eq!(tracing.stats().open, 0);
}

#[test]
fn a_full_queue_drops_the_newest_and_counts_them() {
    let _alone = alone();
    let tracing = traced::builder("full")
        .queue(10)
        .exporter(Exporter::that(Manner::Sleeps(Duration::from_millis(300))))
        .install()
        .unwrap();
    for _ in 0..100 {
        inner();
    }
    tracing.flush().unwrap();
    let stats = tracing.stats();
    assert!(stats.dropped.queue_full >= 80, "{stats:?}");
    assert_eq!(stats.started, stats.exported + stats.dropped.total() + stats.waiting + stats.open);
}

#[test]
fn a_held_context_does_not_keep_a_span_open() {
    let _alone = alone();
    #[traced]
    fn hold() -> Context {
        Context::current()
    }
    let exporter = Exporter::default();
    let tracing = traced::builder("held").exporter(exporter.clone()).install().unwrap();
    let held = hold();
    assert_eq!(tracing.stats().open, 0);
    tracing.flush().unwrap();
    drop(held);
    tracing.flush().unwrap();
    assert_eq!(exporter.names(), ["hold"]);
}

#[test]
fn code_attributes_can_be_switched_off() {
    let _alone = alone();
    for carry in [true, false] {
        let exporter = Exporter::default();
        let tracing =
            traced::builder("code").code_attributes(carry).exporter(exporter.clone()).install().unwrap();
        inner();
        tracing.shutdown(Duration::from_secs(5)).unwrap();
        let spans = exporter.spans.lock().unwrap();
        let keys: Vec<_> = spans[0].attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        let expected: &[&str] =
            if carry { &["code.function.name", "code.file.path", "code.line.number"] } else { &[] };
        assert_eq!(keys, expected);
    }
}

#[test]
fn a_call_that_never_was_in_its_body_does_not_name_those_that_are() {
    let _alone = alone();
    struct Shop(bool);
    impl Shop {
        fn is_open(&self) -> bool {
            assert!(self.0, "closed");
            true
        }
        #[traced(root, attr(open = self.is_open()))]
        fn visit(&self) {}
    }
    let exporter = Exporter::default();
    let tracing = traced::builder("named").exporter(exporter.clone()).install().unwrap();
    std::panic::catch_unwind(|| Shop(false).visit()).unwrap_err();
    tracing.flush().unwrap();
    Shop(true).visit();
    tracing.flush().unwrap();
    let spans = exporter.spans.lock().unwrap();
    let name = spans[1].attributes.iter().find(|attribute| attribute.key.as_str() == "code.function.name");
    assert!(name.unwrap().value.as_str().ends_with("Shop::visit"), "{name:?}");
}

#[test]
fn an_exception_is_an_event_within_the_limits() {
    let _alone = alone();
    let mut limits = opentelemetry_sdk::trace::SpanLimits::default();
    for (events, attributes, kept) in [(2, 3, 2), (1, 3, 1), (2, 1, 2)] {
        (limits.max_events_per_span, limits.max_attributes_per_event) = (events, attributes);
        let exporter = Exporter::default();
        let tracing = traced::builder("limits").limits(limits).exporter(exporter.clone()).install().unwrap();
        fails().unwrap_err();
        tracing.shutdown(Duration::from_secs(5)).unwrap();
        let spans = exporter.spans.lock().unwrap();
        let events = &spans[0].events;
        let most = events.iter().map(|event| event.attributes.len()).max().unwrap();
        assert_eq!((events.len(), events.dropped_count), (kept, 2 - kept as u32), "{events:?}");
        assert!(most <= attributes as usize, "{events:?}");
    }
}

/// A logger that writes its records down, for the program that would have one.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<Record>>>);

#[derive(Default, Debug)]
struct Record {
    name: &'static str,
    trace: Option<(TraceId, SpanId)>,
    attributes: Vec<(Key, AnyValue)>,
}

impl LoggerProvider for Logs {
    type Logger = Self;

    fn logger_with_scope(&self, _: InstrumentationScope) -> Self {
        self.clone()
    }
}

impl Logger for Logs {
    type LogRecord = Record;

    fn create_log_record(&self) -> Record {
        Record::default()
    }

    fn emit(&self, record: Record) {
        self.0.lock().unwrap().push(record);
    }

    fn event_enabled(&self, _: Severity, _: &str, _: Option<&str>) -> bool {
        true
    }
}

impl LogRecord for Record {
    fn set_event_name(&mut self, name: &'static str) {
        self.name = name;
    }
    fn set_target<T: Into<Cow<'static, str>>>(&mut self, _: T) {}
    fn set_timestamp(&mut self, _: SystemTime) {}
    fn set_observed_timestamp(&mut self, _: SystemTime) {}
    fn set_severity_text(&mut self, _: &'static str) {}
    fn set_severity_number(&mut self, _: Severity) {}
    fn set_body(&mut self, _: AnyValue) {}
    fn add_attributes<I, K, V>(&mut self, attributes: I)
    where
        I: IntoIterator<Item = (K, V)>,
        K: Into<Key>,
        V: Into<AnyValue>,
    {
        self.attributes.extend(attributes.into_iter().map(|(key, value)| (key.into(), value.into())));
    }
    fn add_attribute<K: Into<Key>, V: Into<AnyValue>>(&mut self, key: K, value: V) {
        self.attributes.push((key.into(), value.into()));
    }
    fn set_trace_context(&mut self, trace: TraceId, span: SpanId, _: Option<TraceFlags>) {
        self.trace = Some((trace, span));
    }
}

#[traced]
fn fails() -> Result<(), String> {
    traced::current().error(&std::fmt::Error);
    Err("no luck with Bearer abcdefghijklmnop".to_owned())
}

/// Started by the test below with the environment variable set.
#[test]
fn exceptions_under_an_opt_in() {
    let Ok(opt_in) = std::env::var("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN") else { return };
    let _alone = alone();
    let (exporter, logs) = (Exporter::default(), Logs::default());
    let tracing = traced::builder("logs").logs(&logs).exporter(exporter.clone()).install().unwrap();
    fails().unwrap_err();
    tracing.flush().unwrap();
    let spans = exporter.spans.lock().unwrap();
    let events = if opt_in == "logs" { 0 } else { 2 };
    assert_eq!(spans[0].events.len(), events);
    let logs = logs.0.lock().unwrap();
    assert_eq!(logs.len(), 2);
    for record in &*logs {
        let span = &spans[0].span_context;
        assert_eq!((record.name, record.trace), ("exception", Some((span.trace_id(), span.span_id()))));
    }
    assert_eq!(
        logs[1].attributes[1],
        (Key::new("exception.message"), AnyValue::from("no luck with Bearer [redacted: bearer token]"))
    );
}

#[test]
fn exceptions_go_to_logs_where_the_environment_says_so() {
    for opt_in in ["logs", "logs/dup", "database,logs/dup"] {
        let ran = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["exceptions_under_an_opt_in", "--exact"])
            .env("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", opt_in)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{opt_in}: {}", String::from_utf8_lossy(&ran.stdout));
    }
}

#[traced(when = false, parent = headers)]
fn silent(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    inner();
    let mut sent = Vec::new();
    traced::inject(&mut sent);
    sent
}

#[test]
fn a_program_with_a_provider_of_its_own_attaches_to_it() {
    // In a process of its own, since nothing takes a global provider away again.
    if std::env::var_os("TRACED_TEST_ATTACH").is_none() {
        let ran = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["a_program_with_a_provider_of_its_own_attaches_to_it", "--exact"])
            .env("TRACED_TEST_ATTACH", "1")
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        return;
    }
    let exporter = Exporter::default();
    let provider =
        opentelemetry_sdk::trace::SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_tracer_provider(provider);
    inner();
    assert!(exporter.names().is_empty(), "not attached yet");
    traced::attach_global().unwrap();
    global::tracer("other code").in_span("outer", |cx| {
        work();
        assert!(cx.span().span_context().is_valid());
    });
    assert_eq!(exporter.names(), ["inner", "by other code", "work", "outer"]);
    traced::attach_global().unwrap();
    inner();
    assert_eq!(exporter.names().len(), 5);
    // Where no span is made, what the caller sent goes on all the same.
    let headers = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(silent(&[("traceparent", headers)]), [("traceparent".to_owned(), headers.to_owned())]);
    assert_eq!(exporter.names()[5..], ["inner"]);
}
