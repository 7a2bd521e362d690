//! Trace ids in the lines that people print, by the real loggers, and what these lines look like.
#![cfg(all(feature = "tracing", feature = "log"))]
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

use std::io::Write;
use std::sync::{Arc, Mutex};

use log::Log as _;
use traced::testing::{Trace, capture};
use traced::traced;
use tracing_subscriber::layer::SubscriberExt;

/// What was written, by whomever.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn writer(&self) -> impl Fn() -> Self + Send + Sync + 'static {
        let written = self.clone();
        move || written.clone()
    }
}

#[traced]
fn charge() {
    tracing::info!(amount = 7, "charged");
    receipt();
}

#[traced(leaf)]
fn receipt() {
    tracing::warn!("no printer");
}

/// Lines with the ids of spans in place of their names.
fn with_ids(text: &str, trace: &Trace) -> String {
    ["charge", "receipt"].iter().fold(text.to_owned(), |text, name| {
        let span = trace.span(name);
        text.replace(&format!("T({name})"), &span.trace_id().to_string())
            .replace(&format!("S({name})"), &span.span_id().to_string())
    })
}

fn logged(subscriber: impl tracing::Subscriber + Send + Sync) -> Trace {
    let ((), trace) = capture(|| {
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("outside");
            charge();
        })
    });
    trace
}

#[test]
fn lines_of_text_end_in_the_ids() {
    let written = Written::default();
    let builder = tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(written.writer());
    let trace = logged(builder.map_event_format(traced::logs::with_ids).finish());
    let expected = " INFO logs_lines: outside
 INFO logs_lines: charged amount=7 trace_id=T(charge) span_id=S(charge)
 WARN logs_lines: no printer trace_id=T(receipt) span_id=S(receipt)
";
    assert_eq!(written.text(), with_ids(expected, &trace));
}

#[test]
fn compact_and_pretty_lines_do_too() {
    let written = Written::default();
    let builder = tracing_subscriber::fmt().compact().without_time().with_ansi(false).with_target(false);
    let builder = builder.with_writer(written.writer()).map_event_format(traced::logs::with_ids);
    let trace = logged(builder.finish());
    let expected = " INFO outside
 INFO charged amount=7 trace_id=T(charge) span_id=S(charge)
 WARN no printer trace_id=T(receipt) span_id=S(receipt)
";
    assert_eq!(written.text(), with_ids(expected, &trace));

    let written = Written::default();
    let builder = tracing_subscriber::fmt().pretty().without_time().with_ansi(false).with_file(false);
    let builder = builder.with_line_number(false).with_writer(written.writer());
    let trace = logged(builder.map_event_format(traced::logs::with_ids).finish());
    let last = with_ids("no printer trace_id=T(receipt) span_id=S(receipt)", &trace);
    assert!(written.text().trim_end().ends_with(&last), "{}", written.text());
    assert_eq!(written.text().matches("\n\n").count(), 3, "what stood behind a line stands there still");
}

#[test]
fn lines_of_json_have_the_ids_as_members() {
    let written = Written::default();
    let builder = tracing_subscriber::fmt().json().without_time().with_writer(written.writer());
    let trace = logged(builder.map_event_format(traced::logs::with_ids).finish());
    let expected = r#"{"level":"INFO","fields":{"message":"outside"},"target":"logs_lines"}
{"level":"INFO","fields":{"message":"charged","amount":7},"target":"logs_lines","trace_id":"T(charge)","span_id":"S(charge)"}
{"level":"WARN","fields":{"message":"no printer"},"target":"logs_lines","trace_id":"T(receipt)","span_id":"S(receipt)"}
"#;
    assert_eq!(written.text(), with_ids(expected, &trace));
    for line in written.text().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn colours_stay_where_they_are_and_a_layer_does_as_well() {
    let lines = |with: bool, ansi: bool| {
        let written = Written::default();
        let layer =
            tracing_subscriber::fmt::layer().without_time().with_ansi(ansi).with_writer(written.writer());
        if with {
            let layer = layer.map_event_format(traced::logs::with_ids);
            logged(tracing_subscriber::registry().with(layer));
        } else {
            logged(tracing_subscriber::registry().with(layer));
        }
        let cut = |line: &str| line.split(" trace_id=").next().unwrap().to_owned();
        (written.text().lines().map(cut).collect::<Vec<_>>(), written.text().contains('\u{1b}'))
    };
    for ansi in [true, false] {
        assert_eq!(lines(true, ansi), lines(false, ansi));
        assert_eq!(lines(true, ansi).1, ansi);
    }
}

#[traced]
fn charge_with_log(logger: &dyn log::Log) {
    logger.log(
        &log::Record::builder()
            .level(log::Level::Info)
            .target("shop")
            .key_values(&[("amount", 7)])
            .args(format_args!("charged"))
            .build(),
    );
}

#[test]
fn env_logger_writes_the_ids_as_key_values() {
    let written = Written::default();
    let inner = env_logger::Builder::new()
        .filter_level(log::LevelFilter::Info)
        .format_timestamp(None)
        .write_style(env_logger::WriteStyle::Never)
        .target(env_logger::Target::Pipe(Box::new(written.clone())))
        .build();
    let logger = traced::logs::Logger::new(inner);
    let record = |level, text: &'static str| {
        logger.log(&log::Record::builder().level(level).target("shop").args(format_args!("{text}")).build());
    };
    record(log::Level::Info, "outside");
    let ((), trace) = capture(|| {
        charge_with_log(&logger);
        traced::span!("quiet").run(|| record(log::Level::Debug, "not enabled"));
    });
    logger.flush();
    let span = trace.span("charge_with_log");
    let expected = format!(
        "[INFO  shop] outside\n[INFO  shop] charged amount=7 trace_id={} span_id={}\n",
        span.trace_id(),
        span.span_id()
    );
    assert_eq!(written.text(), expected);
}

#[test]
fn the_ids_are_those_of_the_innermost_span_on_this_thread() {
    assert_eq!((traced::trace_id(), traced::span_id()), (None, None));
    let (seen, trace) = capture(|| {
        traced::span!("outer").run(|| {
            let outer = (traced::trace_id(), traced::span_id());
            let elsewhere = std::thread::spawn(traced::trace_id).join().unwrap();
            (outer, elsewhere, traced::span!("inner").run(traced::span_id), traced::span_id())
        })
    });
    let (outer, inner) = (trace.span("outer"), trace.span("inner"));
    let ids = (Some(outer.trace_id()), Some(outer.span_id()));
    assert_eq!(seen, (ids, None, Some(inner.span_id()), ids.1));
}
