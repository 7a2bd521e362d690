//! HTTP: what is sent, and what becomes of it.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use traced::ExportError;
use traced::otlp::Otlp;

use crate::exporters::{LONG, settled, turn};
use crate::receiver::{Manner, Request, receiver, receiver_at};
use crate::{assert_counts, calls, numbers, otlp, set_up, set_up_by};

const SECOND: Duration = Duration::from_secs(1);

fn read(request: &Request) -> Vec<i64> {
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    numbers(ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap())
}

/// A place where nobody listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn protobuf_and_json_arrive_whole_packed_or_not() {
    let _turn = turn();
    for (is_json, is_packed) in [(false, false), (false, true), (true, false), (true, true)] {
        let receiver = receiver([Manner::takes()]);
        let exporter = otlp(receiver.address).header("X-Tenant", "blue");
        let exporter = if is_json { exporter.json() } else { exporter };
        let exporter = if is_packed { exporter.gzip() } else { exporter };
        let tracing = set_up(exporter.build().unwrap());
        calls(3);
        tracing.flush().unwrap();
        let request = receiver.requests.recv_timeout(LONG).unwrap();
        assert!(request.head.starts_with("post /v1/traces http/1.1\r\n"), "{}", request.head);
        assert_eq!(request.header("x-tenant"), Some("blue"));
        assert!(request.header("user-agent").unwrap().starts_with("traced/"));
        assert_eq!(request.header("content-encoding"), is_packed.then_some("gzip"));
        let mut body = request.body.clone();
        if is_packed {
            body.clear();
            flate2::read::GzDecoder::new(request.body.as_slice()).read_to_end(&mut body).unwrap();
        }
        let sent: ExportTraceServiceRequest = match is_json {
            true => serde_json::from_slice(&body).unwrap(),
            false => ExportTraceServiceRequest::decode(body.as_slice()).unwrap(),
        };
        let expected = if is_json { "application/json" } else { "application/x-protobuf" };
        assert_eq!(request.header("content-type"), Some(expected));
        let resource = sent.resource_spans[0].resource.as_ref().unwrap();
        assert!(resource.attributes.iter().any(|attribute| attribute.key == "service.name"));
        assert_eq!(numbers(sent), [0, 1, 2]);
        tracing.shutdown(LONG).unwrap();
        assert_counts(tracing.stats(), 3, 0, 0);
    }
}

#[test]
fn what_was_kept_while_nobody_answered_arrives_when_somebody_does() {
    let _turn = turn();
    let address = nowhere();
    let tracing = set_up_by(|builder| builder.batch(10), otlp(address).build().unwrap());
    calls(35);
    let stats = settled(&tracing, |stats| stats.retried > 0);
    assert_eq!((stats.waiting, stats.exported, stats.dropped.total()), (35, 0, 0));
    match tracing.flush().unwrap_err() {
        ExportError::Kept { waiting: 35, reason } => {
            assert!(reason.contains("cannot be reached"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    let receiver = receiver_at(address, [Manner::takes()]);
    settled(&tracing, |stats| stats.exported == 35);
    let mut all: Vec<i64> = receiver.requests.try_iter().flat_map(|request| read(&request)).collect();
    all.sort_unstable();
    assert_eq!(all, (0..35).collect::<Vec<_>>(), "each of them once");
    tracing.flush().unwrap();
    tracing.shutdown(LONG).unwrap();
    assert_counts(tracing.stats(), 35, 0, 0);
}

#[test]
fn what_has_no_room_while_nobody_answers_is_dropped_and_the_rest_arrives() {
    let _turn = turn();
    let address = nowhere();
    let tracing = set_up_by(|builder| builder.queue(50).batch(10), otlp(address).build().unwrap());
    let begun = Instant::now();
    for _ in 0..20 {
        calls(1_000);
        // So that what comes later meets a queue that is full.
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(begun.elapsed() < 10 * SECOND, "whoever calls does not wait");
    let stats = settled(&tracing, |stats| stats.dropped.queue_full > 15_000 && stats.retried > 0);
    assert_eq!(stats.exported, 0);
    let receiver = receiver_at(address, [Manner::takes()]);
    settled(&tracing, |stats| stats.waiting == 0);
    tracing.shutdown(LONG).unwrap();
    let stats = tracing.stats();
    assert_eq!(stats.exported + stats.dropped.queue_full, 20_000, "{stats:?}");
    let arrived: usize = receiver.requests.try_iter().map(|request| read(&request).len()).sum();
    assert_eq!(arrived as u64, stats.exported);
    assert!(arrived >= 50, "{arrived}");
}

#[test]
fn what_may_be_tried_again_is_until_it_is_taken() {
    let _turn = turn();
    for manner in [
        Manner::status("429 Too Many Requests"),
        Manner::status("502 Bad Gateway"),
        Manner::status("503 Service Unavailable"),
        Manner::status("504 Gateway Timeout"),
        Manner::Hangs,
        Manner::BreaksOff("503 Service Unavailable"),
        Manner::Sleeps(Duration::ZERO),
    ] {
        let receiver = receiver([manner.clone(), manner.clone(), Manner::takes()]);
        let tracing = set_up(otlp(receiver.address).build().unwrap());
        calls(3);
        let stats = settled(&tracing, |stats| stats.exported == 3);
        assert_eq!(stats.retried, 2, "{manner:?}");
        tracing.shutdown(LONG).unwrap();
        assert_counts(tracing.stats(), 3, 0, 0);
        assert_eq!(receiver.requests.try_iter().count(), 3, "{manner:?}");
    }
}

#[test]
fn a_query_stays_behind_the_path_that_is_added() {
    let _turn = turn();
    let receiver = receiver([Manner::takes()]);
    let exporter = Otlp::http(format!("HTTP://{}?tenant=a", receiver.address)).build().unwrap();
    let tracing = set_up(exporter);
    calls(1);
    tracing.flush().unwrap();
    let head = receiver.requests.recv_timeout(LONG).unwrap().head;
    assert!(head.starts_with("post /v1/traces?tenant=a http/1.1\r\n"), "{head}");
    tracing.shutdown(LONG).unwrap();
}

#[test]
fn a_receiver_that_asks_for_time_gets_it() {
    let _turn = turn();
    let date = || httpdate::fmt_http_date(std::time::SystemTime::now() + 4 * SECOND);
    for (is_date, least) in [(false, 2 * SECOND), (true, SECOND)] {
        let told = if is_date { date() } else { "2".to_owned() };
        let busy = Manner::header("429 Too Many Requests", &format!("Retry-After: {told}"));
        let receiver = receiver([busy, Manner::takes()]);
        let tracing = set_up(otlp(receiver.address).build().unwrap());
        calls(3);
        receiver.requests.recv_timeout(LONG).unwrap();
        let asked = Instant::now();
        receiver.requests.recv_timeout(LONG).unwrap();
        assert!(asked.elapsed() >= least, "{:?} after {told}", asked.elapsed());
        settled(&tracing, |stats| stats.exported == 3);
        tracing.shutdown(LONG).unwrap();
        assert_counts(tracing.stats(), 3, 0, 0);
    }
}

#[test]
fn what_is_refused_is_counted_and_not_tried_again() {
    let _turn = turn();
    let elsewhere = "http://me:hunter2@elsewhere/v1/traces";
    for (manner, expected) in [
        (
            Manner::Answers("400 Bad Request", vec![], b"no such thing".to_vec()),
            "400 Bad Request: no such thing",
        ),
        (Manner::status("401 Unauthorized"), "401 Unauthorized"),
        (Manner::status("404 Not Found"), "404 Not Found"),
        (Manner::status("413 Payload Too Large"), "413 Payload Too Large"),
        (Manner::status("500 Internal Server Error"), "500 Internal Server Error"),
        (
            Manner::Answers("500 Internal Server Error", vec![], vec![0, 159, 146, 150]),
            "500 Internal Server Error",
        ),
        (
            Manner::Answers(
                "200 OK",
                vec!["Content-Type: Text/HTML; charset=utf-8".to_owned()],
                b"<!doctype html><title>Sign in</title>".to_vec(),
            ),
            "answered 200 OK with a page of HTML",
        ),
        (Manner::header("307 Temporary Redirect", &format!("Location: {elsewhere}")), "redirects"),
        (
            Manner::header("302 Found", &format!("Location: {elsewhere}")),
            "redirects to `http://***@elsewhere/v1/traces`",
        ),
        (Manner::Says(b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()), "gave no answer of HTTP's"),
        (Manner::Says(vec![0xff; 100_000]), "gave no answer of HTTP's"),
    ] {
        let receiver = receiver([manner.clone()]);
        let tracing = set_up(otlp(receiver.address).build().unwrap());
        calls(3);
        match tracing.flush().unwrap_err() {
            ExportError::Failed { spans: 3, reason } => {
                assert!(reason.contains(expected) && !reason.contains("hunter2"), "{reason}");
                assert!(reason.starts_with(&format!("http://{}/v1/traces ", receiver.address)), "{reason}");
            }
            other => panic!("{other:?} for {manner:?}"),
        }
        tracing.shutdown(LONG).unwrap();
        assert_counts(tracing.stats(), 0, 3, 0);
        assert_eq!(tracing.stats().retried, 0);
        assert_eq!(receiver.requests.try_iter().count(), 1);
    }
}

#[test]
fn a_good_answer_counts_though_it_breaks_off_or_never_ends() {
    let _turn = turn();
    for manner in [
        Manner::BreaksOff("200 OK"),
        Manner::Floods,
        Manner::Trickles(Duration::from_millis(10)),
        Manner::Answers("202 Accepted", vec!["Content-Type: text/plain".to_owned()], b"thanks".to_vec()),
        Manner::Answers("200 OK", vec!["Content-Type: text/html".to_owned()], Vec::new()),
    ] {
        let receiver = receiver([manner]);
        let tracing = set_up(otlp(receiver.address).build().unwrap());
        calls(3);
        tracing.flush().unwrap();
        tracing.shutdown(LONG).unwrap();
        assert_counts(tracing.stats(), 3, 0, 0);
    }
}

#[test]
fn spans_that_the_receiver_rejects_are_counted_and_the_rest_is_not_sent_again() {
    let _turn = turn();
    for (rejects, counted) in [(2, 2), (1_000, 3)] {
        let partial =
            ExportTracePartialSuccess { rejected_spans: rejects, error_message: "too old".to_owned() };
        let response = ExportTraceServiceResponse { partial_success: Some(partial) };
        let receiver = receiver([Manner::Answers("200 OK", vec![], response.encode_to_vec())]);
        let tracing = set_up(otlp(receiver.address).build().unwrap());
        calls(3);
        match tracing.flush().unwrap_err() {
            ExportError::Failed { spans, reason } => {
                assert_eq!(spans, counted);
                assert!(reason.contains("rejected others: too old"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        tracing.shutdown(LONG).unwrap();
        assert_counts(tracing.stats(), 3 - counted, 0, counted);
        assert_eq!(receiver.requests.try_iter().count(), 1);
    }
}

#[test]
fn who_never_answers_is_not_waited_for_and_the_spans_are_tried_again() {
    let _turn = turn();
    let receiver =
        receiver([Manner::Sleeps(LONG), Manner::Trickles(Duration::from_millis(100)), Manner::takes()]);
    let exporter = Otlp::http(format!("http://{}", receiver.address)).timeout(Duration::from_millis(300));
    let tracing = set_up(exporter.build().unwrap());
    let begun = Instant::now();
    calls(3);
    match tracing.flush().unwrap_err() {
        ExportError::Kept { waiting: 3, reason } => assert!(reason.contains("within 300ms"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let stats = settled(&tracing, |stats| stats.exported == 3);
    assert_eq!(stats.retried, 2);
    assert!(begun.elapsed() < 10 * SECOND);
    tracing.shutdown(LONG).unwrap();
    assert_counts(tracing.stats(), 3, 0, 0);
}

#[test]
fn the_export_timeout_bounds_a_try_as_well() {
    let _turn = turn();
    let receiver = receiver([Manner::Sleeps(LONG), Manner::takes()]);
    let exporter = Otlp::http(format!("http://{}", receiver.address)).timeout(LONG).build().unwrap();
    let tracing = set_up_by(|builder| builder.export_timeout(Duration::from_millis(200)), exporter);
    calls(1);
    settled(&tracing, |stats| stats.exported == 1 && stats.retried == 1);
    tracing.shutdown(LONG).unwrap();
    assert_counts(tracing.stats(), 1, 0, 0);
}

#[test]
fn a_shutdown_tries_until_its_time_is_over_and_counts() {
    let _turn = turn();
    // Nobody is there, and nobody comes.
    let tracing = set_up_by(|builder| builder.batch(10), otlp(nowhere()).build().unwrap());
    calls(35);
    settled(&tracing, |stats| stats.retried > 0);
    let begun = Instant::now();
    match tracing.shutdown(2 * SECOND).unwrap_err() {
        ExportError::Failed { spans: 35, reason } => {
            assert!(reason.contains("cannot be reached"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    assert!(begun.elapsed() > SECOND && begun.elapsed() < 4 * SECOND, "{:?}", begun.elapsed());
    assert_counts(tracing.stats(), 0, 35, 0);

    // Somebody asks for more time than there is.
    let patience = receiver([Manner::header("503 Service Unavailable", "retry-after: 30")]);
    let tracing = set_up(otlp(patience.address).build().unwrap());
    calls(3);
    settled(&tracing, |stats| stats.retried > 0);
    let begun = Instant::now();
    assert!(matches!(tracing.shutdown(5 * SECOND), Err(ExportError::Failed { spans: 3, .. })));
    assert!(begun.elapsed() < 4 * SECOND, "{:?}", begun.elapsed());

    // A try is under way, fails, and the next one succeeds.
    let slow = receiver([Manner::Sleeps(LONG), Manner::takes()]);
    let exporter = Otlp::http(format!("http://{}", slow.address)).timeout(SECOND).build().unwrap();
    let tracing = set_up(exporter);
    calls(3);
    let asked = std::thread::scope(|scope| {
        let flushed = scope.spawn(|| tracing.flush());
        std::thread::sleep(SECOND / 2);
        let asked = tracing.shutdown(10 * SECOND);
        drop(flushed);
        asked
    });
    asked.unwrap();
    assert_counts(tracing.stats(), 3, 0, 0);

    // Somebody refuses thrice, and takes it then.
    let busy = || Manner::status("503 Service Unavailable");
    let at_last = receiver([busy(), busy(), busy(), Manner::takes()]);
    let tracing = set_up(otlp(at_last.address).build().unwrap());
    calls(3);
    tracing.shutdown(10 * SECOND).unwrap();
    assert_counts(tracing.stats(), 3, 0, 0);

    // Somebody is there at last.
    let address = nowhere();
    let tracing = set_up(otlp(address).build().unwrap());
    calls(3);
    settled(&tracing, |stats| stats.retried > 2);
    let _receiver = receiver_at(address, [Manner::takes()]);
    tracing.shutdown(5 * SECOND).unwrap();
    assert_counts(tracing.stats(), 3, 0, 0);

    // Somebody is there and says nothing: no longer than the timeout.
    let receiver = receiver([Manner::Sleeps(LONG)]);
    let tracing = set_up_by(
        |builder| builder.batch(10),
        Otlp::http(format!("http://{}", receiver.address)).timeout(SECOND).build().unwrap(),
    );
    calls(35);
    settled(&tracing, |stats| stats.retried > 0);
    let begun = Instant::now();
    let error = tracing.shutdown(3 * SECOND).unwrap_err();
    assert!(begun.elapsed() < 4 * SECOND, "{:?}", begun.elapsed());
    assert!(matches!(error, ExportError::Failed { spans: 35, .. }), "{error:?}");
    assert_counts(tracing.stats(), 0, 35, 0);
}

#[test]
fn one_that_is_down_does_not_hold_up_the_other() {
    let _turn = turn();
    let receiver = receiver([Manner::takes()]);
    let tracing = traced::builder("shop")
        .exporter(otlp(nowhere()).build().unwrap())
        .exporter(otlp(receiver.address).build().unwrap())
        .install()
        .unwrap();
    calls(3);
    assert!(tracing.flush().is_err());
    assert_eq!(read(&receiver.requests.recv_timeout(LONG).unwrap()), [0, 1, 2]);
    assert!(tracing.shutdown(SECOND).is_err());
}

#[test]
fn the_bytes_that_wait_are_bounded_while_nobody_takes_them() {
    let _turn = turn();
    let receiver = receiver([Manner::status("503 Service Unavailable")]);
    let tracing = set_up_by(|builder| builder.buffer(100_000), otlp(receiver.address).build().unwrap());
    settled(&tracing, |_| true);
    for _ in 0..200 {
        calls(100);
        std::thread::sleep(Duration::from_millis(2));
    }
    let stats = settled(&tracing, |stats| stats.dropped.queue_full > 10_000);
    // A span is some 64 bytes or two slots of them, and what the queue and the thread have together is what counts.
    assert!(stats.waiting < 4_000, "{stats:?}");
    assert!(tracing.shutdown(SECOND).is_err());
    let stats = tracing.stats();
    assert!(crate::exporters::adds_up(&stats) && stats.waiting == 0, "{stats:?}");
}

#[test]
fn it_runs_in_any_runtime_and_without_one_and_under_the_sdk() {
    use opentelemetry_sdk::trace::{SdkTracerProvider, SimpleSpanProcessor};
    use traced::opentelemetry::trace::{Tracer, TracerProvider};

    let _turn = turn();
    let under = |address| {
        // The worst of processors: it exports where a span ends.
        let exporter = otlp(address).build().unwrap();
        let provider =
            SdkTracerProvider::builder().with_span_processor(SimpleSpanProcessor::new(exporter)).build();
        provider.tracer("sdk").in_span("one", |_| {});
        provider.shutdown().unwrap();
    };
    let receiver = receiver([Manner::takes()]);
    under(receiver.address);
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(async { under(receiver.address) });
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let address = receiver.address;
    many.block_on(async move { tokio::spawn(async move { under(address) }).await.unwrap() });
    assert_eq!(receiver.requests.try_iter().count(), 3);
    for workers in [0, 1] {
        let mut runtime = match workers {
            0 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        let runtime = runtime.build().unwrap();
        runtime.block_on(async {
            let tracing = set_up(otlp(receiver.address).build().unwrap());
            calls(3);
            tracing.flush().unwrap();
            drop(tracing);
        });
        assert_eq!(read(&receiver.requests.recv_timeout(LONG).unwrap()), [0, 1, 2]);
    }
}
