//! Metrics from spans, and the endpoint at which Prometheus reads them.
#![cfg(feature = "prometheus")]
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod exporters;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use exporters::{LONG, does, turn};
use traced::metrics::{Endpoint, serve};
use traced::opentelemetry::metrics::MeterProvider as _;
use traced::opentelemetry::trace::SpanKind;
use traced::{Tracing, traced};

const SCRAPE: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[traced(kind = server, attr(tenant))]
fn checkout(tenant: &str) -> Result<(), String> {
    pay();
    if tenant == "red" { Err("no credit".to_owned()) } else { Ok(()) }
}

#[traced]
fn pay() {
    std::thread::sleep(Duration::from_millis(5));
}

fn endpoint() -> Endpoint {
    serve("127.0.0.1:0").unwrap()
}

/// What is answered to these bytes, and how it ended.
fn asked(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn body(answer: &str) -> &str {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    body
}

/// Every sample of a metric: its labels in order, but for the scope's, with its value.
fn samples(text: &str, metric: &str) -> BTreeMap<String, f64> {
    let own = |labels: &str| {
        let labels = labels.split("\",").map(|label| label.trim_end_matches('"'));
        labels
            .filter(|label| !label.is_empty() && !label.starts_with("otel_scope"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
            (name == metric).then(|| (own(labels), value.parse().unwrap()))
        })
        .collect()
}

fn expected(samples: &[(&str, f64)]) -> BTreeMap<String, f64> {
    samples.iter().map(|(labels, value)| ((*labels).to_owned(), *value)).collect()
}

#[test]
fn calls_and_errors_and_times_of_each_function() {
    let _turn = turn();
    let metrics = endpoint();
    let tracing = traced::builder("shop").exporter(metrics.spans().attribute("tenant")).install().unwrap();
    for tenant in ["blue", "blue", "red"] {
        let _ = checkout(tenant);
    }
    assert_eq!(tracing.flush(), Ok(()));
    let text = metrics.text();
    assert_eq!(body(&asked(metrics.address(), SCRAPE)), text);
    assert_eq!(
        samples(&text, "traces_span_metrics_calls_total"),
        expected(&[
            (
                "service_name=\"shop span_kind=\"SPAN_KIND_INTERNAL span_name=\"pay status_code=\"STATUS_CODE_UNSET",
                3.0
            ),
            (
                "service_name=\"shop span_kind=\"SPAN_KIND_SERVER span_name=\"checkout status_code=\"STATUS_CODE_ERROR \
                 tenant=\"red",
                1.0
            ),
            (
                "service_name=\"shop span_kind=\"SPAN_KIND_SERVER span_name=\"checkout status_code=\"STATUS_CODE_UNSET \
                 tenant=\"blue",
                2.0
            ),
        ])
    );
    let count = samples(&text, "traces_span_metrics_duration_seconds_count");
    assert_eq!(count, samples(&text, "traces_span_metrics_calls_total"));
    let took: f64 = samples(&text, "traces_span_metrics_duration_seconds_sum").values().sum();
    assert!((0.030..10.0).contains(&took), "{took}");
    let buckets = samples(&text, "traces_span_metrics_duration_seconds_bucket");
    let quick: Vec<f64> =
        buckets.iter().filter(|(labels, _)| labels.contains("le=\"0.004")).map(|(_, count)| *count).collect();
    assert_eq!(quick, [0.0; 3], "five milliseconds are not four");
}

#[test]
fn only_the_kinds_that_are_asked_for_are_counted() {
    let _turn = turn();
    let metrics = endpoint();
    let spans = metrics.spans().kinds([SpanKind::Server, SpanKind::Consumer]);
    let tracing = traced::builder("shop").exporter(spans).install().unwrap();
    let _ = checkout("blue");
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    let text = metrics.text();
    assert!(text.contains("span_name=\"checkout\"") && !text.contains("span_name=\"pay\""), "{text}");
}

#[traced(attr(user))]
fn visit(user: u32) -> Result<(), String> {
    if user.is_multiple_of(2) { Err("even".to_owned()) } else { Ok(()) }
}

#[test]
fn ten_thousand_values_are_bounded_and_no_call_and_no_error_is_missing() {
    let _turn = turn();
    let metrics = endpoint();
    let spans = metrics.spans().attribute("user").combinations(100);
    let tracing = traced::builder("shop").exporter(spans).install().unwrap();
    (0..10_000).for_each(|user| drop(visit(user)));
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    let calls = samples(&metrics.text(), "traces_span_metrics_calls_total");
    assert_eq!(calls.len(), 102);
    let sum = |of: &str| {
        calls.iter().filter(|(labels, _)| labels.contains(of)).map(|(_, calls)| calls).sum::<f64>()
    };
    assert_eq!(
        (sum(""), sum("STATUS_CODE_ERROR"), sum("otel_metric_overflow=\"true")),
        (10_000.0, 5_000.0, 9_900.0)
    );
    assert_eq!(sum("span_name=\"visit"), 100.0);
}

fn health(text: &str, metric: &str) -> Vec<(String, f64)> {
    samples(text, metric).into_iter().filter(|(_, value)| *value > 0.0).collect()
}

#[test]
fn what_became_of_the_spans_is_told_for_each_exporter() {
    let _turn = turn();
    let metrics = endpoint();
    let fails =
        || does(|_| Err(opentelemetry_sdk::error::OTelSdkError::InternalFailure("on purpose".to_owned())));
    let tracing = traced::builder("shop")
        .exporter(does(|_| Ok(())))
        .exporter(fails())
        .exporter(traced::Console::new().writer(std::io::sink()))
        .install()
        .unwrap();
    metrics.observe(&tracing);
    let open = traced::span!("open").enter();
    for _ in 0..3 {
        pay();
    }
    let _ = tracing.flush();
    let text = metrics.text();
    assert_eq!(health(&text, "traced_spans_started_total"), [(String::new(), 4.0)]);
    assert_eq!(health(&text, "traced_spans_open"), [(String::new(), 1.0)]);
    let (does, second) = ("exporter=\"metrics::exporters::Does", "exporter=\"metrics::exporters::Does 2");
    assert_eq!(
        health(&text, "traced_spans_exported_total"),
        [("exporter=\"console".to_owned(), 3.0), (does.to_owned(), 3.0)]
    );
    assert_eq!(
        health(&text, "traced_spans_dropped_total"),
        [(format!("{second} reason=\"export_failed"), 3.0)]
    );
    let reasons = samples(&text, "traced_spans_dropped_total");
    assert!(
        reasons.contains_key(&format!("{does} reason=\"queue_full")),
        "a rate begins at zero: {reasons:?}"
    );
    assert_eq!(samples(&text, "traced_spans_waiting").len(), 3);
    assert_eq!(samples(&text, "traced_exports_retried_total").len(), 3);
    drop(open);
    drop(tracing);
    assert!(!metrics.text().contains("traced_spans_started"), "nobody is there to tell");

    let again =
        traced::builder("shop").exporter(traced::Console::new().writer(std::io::sink())).install().unwrap();
    metrics.observe(&again);
    pay();
    assert_eq!(again.flush(), Ok(()));
    assert_eq!(
        health(&metrics.text(), "traced_spans_exported_total"),
        [("exporter=\"console".to_owned(), 1.0)]
    );
}

#[cfg(feature = "otlp")]
#[test]
fn tries_that_failed_are_told_while_the_spans_are_kept() {
    let _turn = turn();
    let metrics = endpoint();
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let exporter = traced::otlp::Otlp::http(format!("http://{nowhere}")).build().unwrap();
    let tracing = traced::builder("shop").exporter(exporter).install().unwrap();
    metrics.observe(&tracing);
    pay();
    let kept = tracing.flush();
    assert!(matches!(kept, Err(traced::ExportError::Kept { waiting: 1, .. })), "{kept:?}");
    let text = metrics.text();
    let tries = health(&text, "traced_exports_retried_total");
    assert!(tries.len() == 1 && tries[0].0.starts_with("exporter=\"otlp"), "{text}");
    assert_eq!(health(&text, "traced_spans_dropped_total"), []);
    assert_eq!(health(&text, "traced_spans_waiting").len(), 1);
    let _ = tracing.shutdown(std::time::Duration::ZERO);
}

/// What stands in the rules' expressions: words that are names of metrics, labels or their values.
fn words(rules: &str) -> Vec<&str> {
    let code = rules
        .lines()
        .filter(|line| !line.trim_start().starts_with(['#', 's', 'd']) || line.contains("sum by"));
    code.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')).collect()
}

#[test]
fn the_rules_for_alerts_ask_for_what_is_printed() {
    let _turn = turn();
    let metrics = endpoint();
    let spans = metrics.spans().combinations(2);
    let tracing = traced::builder("shop").exporter(spans).install().unwrap();
    metrics.observe(&tracing);
    let (_, _) = (checkout("blue"), checkout("red"));
    receive();
    assert_eq!(tracing.flush(), Ok(()));
    let text = metrics.text();
    let rules = include_str!("../../docs/prometheus/alerts.yml");
    let mut asked: Vec<&str> = words(rules)
        .into_iter()
        .filter(|word| {
            let is_metric = word.starts_with("traces_") || word.starts_with("traced_");
            let is_value = word.starts_with("SPAN_") || word.starts_with("STATUS_");
            let is_label = ["span_", "service_", "status_", "otel_", "exporter", "reason"];
            is_metric || is_value || is_label.iter().any(|label| word.starts_with(label))
        })
        .collect();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(
        asked,
        [
            "SPAN_KIND_CONSUMER",
            "SPAN_KIND_SERVER",
            "STATUS_CODE_ERROR",
            "exporter",
            "otel_metric_overflow",
            "reason",
            "service_name",
            "span_kind",
            "span_name",
            "status_code",
            "traced_exports_retried_total",
            "traced_spans_dropped_total",
            "traced_spans_exported_total",
            "traced_spans_started_total",
            "traces_span_metrics_calls_total",
            "traces_span_metrics_duration_seconds_bucket",
        ]
    );
    for word in asked {
        let printed = if word.starts_with("trace") {
            !samples(&text, word).is_empty()
        } else if word.starts_with("S") {
            text.contains(&format!("=\"{word}\""))
        } else {
            text.contains(&format!("{word}=\""))
        };
        assert!(printed, "{word}: {text}");
    }
}

#[traced(kind = consumer)]
fn receive() {}

#[test]
fn whatever_is_sent_gets_an_answer_or_an_end() {
    let metrics = endpoint();
    let long = [&b"GET /metrics HTTP/1.1\r\nX: "[..], &[b'x'; 100_000]].concat();
    for (request, begins) in [
        (SCRAPE, "HTTP/1.1 200 OK\r\n"),
        (b"GET /metrics HTTP/1.0\n\n", "HTTP/1.1 200 OK\r\n"),
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 405 "),
        (b"\0\xff\n\n", "HTTP/1.1 400 "),
        (&long, "HTTP/1.1 431 "),
    ] {
        let answer = asked(metrics.address(), request);
        assert!(answer.starts_with(begins), "{answer}");
    }
    // Somebody who never stops is cut off.
    let mut endless = TcpStream::connect(metrics.address()).unwrap();
    endless.set_write_timeout(Some(LONG)).unwrap();
    let begun = Instant::now();
    while endless.write_all(&[b'x'; 4096]).is_ok() {
        assert!(begun.elapsed() < LONG);
    }
    assert!(asked(metrics.address(), SCRAPE).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn somebody_who_has_said_all_is_answered_all_the_same() {
    let metrics = endpoint();
    let mut stream = TcpStream::connect(metrics.address()).unwrap();
    for byte in SCRAPE {
        stream.write_all(&[*byte]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    body(&answer);
    // Half a request and no more is no request.
    let mut stream = TcpStream::connect(metrics.address()).unwrap();
    stream.write_all(b"GET /met").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn ten_thousand_silent_and_slow_connections_keep_nobody_from_being_answered() {
    let metrics = endpoint();
    let meter = metrics.meters().meter("large");
    let counter = meter.u64_counter("large").build();
    // More than what fits into the buffers of a connection.
    for number in 0..500 {
        let value = format!("{number}{}", "x".repeat(8_000));
        counter.add(1, &[traced::opentelemetry::KeyValue::new("value", value)]);
    }
    let mut held = Vec::new();
    for number in 0..10_000 {
        if let Ok(mut stream) = TcpStream::connect(metrics.address()) {
            // Some ask and do not read what they get.
            if number % 1_000 == 0 {
                let _ = stream.write_all(SCRAPE);
            }
            held.push(stream);
        }
        // More often than the system's own queue is full: whoever it refuses waits a second.
        if number % 100 == 0 {
            let answer = asked(metrics.address(), b"GET / HTTP/1.1\r\n\r\n");
            assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        }
        // As many as a process may have open at once are held.
        if held.len() > 400 {
            held.drain(..200);
        }
    }
    let answer = asked(metrics.address(), SCRAPE);
    assert!(body(&answer).len() > 4_000_000, "{}", answer.len());
}

#[test]
fn it_ends_with_its_guard_and_the_port_is_free() {
    let metrics = endpoint();
    let address = metrics.address();
    let silent = TcpStream::connect(address).unwrap();
    let begun = Instant::now();
    drop(metrics);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(address).is_err());
    let again = serve(address).unwrap();
    assert_eq!(again.address(), address);
    assert!(asked(address, SCRAPE).starts_with("HTTP/1.1 200 OK\r\n"));
    drop(silent);
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(serve(taken.local_addr().unwrap()).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    assert!(serve("127.0.0.1").is_err());
}

#[test]
fn a_callback_that_panics_is_an_answer_and_a_scrape_makes_no_spans() {
    let _turn = turn();
    let metrics = endpoint();
    let keeps = exporters::Keeps::default();
    let tracing: Tracing = traced::builder("shop").exporter(keeps.clone()).install().unwrap();
    let meter = metrics.meters().meter("own");
    let gauge = meter.u64_observable_gauge("own");
    gauge
        .with_callback(|observer| {
            pay();
            observer.observe(1, &[])
        })
        .build();
    assert!(metrics_of(&metrics).contains("own{"));
    let panics = meter.u64_observable_gauge("panics");
    panics.with_callback(|_| panic!("on purpose")).build();
    // What was answered a moment ago may be answered again.
    let begun = Instant::now();
    while !asked(metrics.address(), SCRAPE).starts_with("HTTP/1.1 500 ") {
        assert!(begun.elapsed() < LONG);
    }
    assert!(asked(metrics.address(), b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(keeps.count(), 0, "what a scrape calls is not traced");
}

fn metrics_of(metrics: &Endpoint) -> String {
    body(&asked(metrics.address(), SCRAPE)).to_owned()
}
