//! What the troubleshooting page quotes of the runtime's own messages, the runtime says: each test brings about the trouble in
//! a process of its own, and compares.

use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkError;

use crate::exporters::{LONG, does, gated};
use crate::page::{pages, steady};
use crate::process::of_its_own;

/// What the page says that `test` says.
fn quoted(test: &str) -> String {
    let note = format!("said by {test}");
    let blocks = pages().into_iter().flat_map(|page| page.blocks());
    let found: Vec<_> = blocks.filter(|block| block.note == note).collect();
    assert_eq!(found.len(), 1, "`{note}` is to stand on one page");
    found.into_iter().next().unwrap().text
}

/// `trouble` in a process of its own says, among other things, what the page quotes.
fn says(test: &str, trouble: impl FnOnce()) {
    let Some(ran) = of_its_own(&format!("said::{test}"), LONG) else { return trouble() };
    ran.assert_success();
    let said: Vec<_> = ran.said.lines().map(steady).collect();
    let quoted: Vec<_> = quoted(test).lines().map(steady).collect();
    let is_said = said.windows(quoted.len()).any(|lines| lines == quoted);
    assert!(is_said, "the page says\n{}\nand it is\n{}", quoted.join("\n"), ran.said);
}

#[test]
fn every_message_on_the_pages_is_said_by_a_test() {
    let source = include_str!("said.rs");
    let mut count = 0;
    for block in pages().into_iter().flat_map(|page| page.blocks()) {
        if let Some(test) = block.note.strip_prefix("said by ") {
            count += 1;
            assert!(source.contains(&format!("fn {test}()")), "{}: there is no `{test}`", block.place);
        }
    }
    assert!(count > 5, "only {count} were found");
}

#[test]
fn a_failing_exporter() {
    says("a_failing_exporter", || {
        let refuses = does(|_| Err(OTelSdkError::InternalFailure("connection refused".into())));
        let tracing = traced::builder("shop").exporter(refuses).install().unwrap();
        traced::span!("order").run(|| {});
        assert!(tracing.flush().is_err());
        assert_eq!(tracing.stats().dropped.export_failed, 1);
    });
}

#[cfg(feature = "otlp")]
#[test]
fn a_receiver_that_is_away() {
    says("a_receiver_that_is_away", || {
        // The port for what is thrown away, where nobody listens.
        let nobody = traced::otlp::Otlp::http("http://localhost:9").build().unwrap();
        let tracing = traced::builder("shop").exporter(nobody).install().unwrap();
        traced::span!("order").run(|| {});
        crate::exporters::settled(&tracing, |stats| stats.retried > 0);
        assert_eq!(tracing.stats().dropped.total(), 0);
        let _ = tracing.shutdown(Duration::ZERO);
    });
}

#[test]
fn a_full_queue() {
    says("a_full_queue", || {
        let (exporter, gate) = gated();
        let tracing = traced::builder("shop").queue(1).batch(1).exporter(exporter).install().unwrap();
        traced::span!("order").run(|| {});
        gate.reached();
        // One is with the exporter, and one waits.
        for _ in 0..5 {
            traced::span!("order").run(|| {});
        }
        crate::exporters::settled(&tracing, |stats| stats.dropped.queue_full == 4);
        gate.open();
    });
}

#[test]
fn a_span_left_open() {
    says("a_span_left_open", || {
        let tracing = traced::builder("shop").exporter(does(|_| Ok(()))).install().unwrap();
        let job = traced::span!("job").enter();
        tracing.shutdown(LONG).unwrap();
        drop(job);
    });
}

#[test]
fn an_exporter_that_hangs_at_the_end() {
    says("an_exporter_that_hangs_at_the_end", || {
        let (exporter, gate) = gated();
        let tracing = traced::builder("shop").exporter(exporter).install().unwrap();
        traced::span!("order").run(|| {});
        drop(tracing);
        gate.open();
    });
}

#[test]
fn two_set_ups() {
    says("two_set_ups", || {
        let _first = traced::builder("shop").exporter(does(|_| Ok(()))).install().unwrap();
        eprintln!("{}", traced::builder("shop").install().unwrap_err());
    });
}

#[test]
fn a_wrong_environment() {
    const INSIDE: &str = "OTEL_BSP_SCHEDULE_DELAY";
    if std::env::var(INSIDE).is_ok_and(|value| value == "soon") {
        eprintln!("{}", traced::init("shop").unwrap_err());
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["said::a_wrong_environment", "--exact", "--nocapture"])
        .env(INSIDE, "soon")
        .env("TRACING_SAMPLE_RATE", "most")
        .env_remove("OTEL_TRACES_SAMPLER")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&quoted("a_wrong_environment")), "{said}");
}

#[test]
fn a_guard_that_is_not_bound_ends_the_set_up_at_once() {
    if of_its_own("said::a_guard_that_is_not_bound_ends_the_set_up_at_once", LONG).is_some() {
        return;
    }
    let _ = traced::builder("shop").exporter(does(|_| Ok(()))).install().unwrap();
    let second = traced::builder("shop").exporter(does(|_| Ok(()))).install().unwrap();
    second.shutdown(Duration::from_secs(1)).unwrap();
}
