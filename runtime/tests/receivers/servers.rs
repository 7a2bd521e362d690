//! Servers that the environment names, which nobody here starts: a collector, Zipkin, Jaeger. They are sent a trace, and
//! asked for it.

use std::time::{Duration, Instant};

use opentelemetry::trace::{TraceContextExt, TraceId};
use traced::{opentelemetry, traced};

use crate::child::{Variables, said_by, service, told};
use crate::http::get;
use crate::receiver::skipped;

#[traced(kind = server, attr("order.id" = 1234567_i64))]
fn order() -> TraceId {
    price();
    price();
    opentelemetry::Context::current().span().span_context().trace_id()
}

#[traced(kind = client)]
fn price() {
    eprintln!("price: {}", traced::current().span_id());
}

/// A service that makes one trace of three spans.
pub(crate) fn one_trace() {
    let tracing = traced::init("servers").unwrap();
    eprintln!("trace: {}", order());
    tracing.shutdown(Duration::from_secs(20)).unwrap();
    assert_eq!(tracing.stats().exported, 3);
}

/// What the environment says under `name`, or a line that it says nothing.
fn endpoint(name: &str) -> Option<String> {
    let endpoint = std::env::var(name).ok().filter(|endpoint| !endpoint.trim().is_empty());
    if endpoint.is_none() {
        skipped(&format!("`{name}` is not set; it names a server that is running"));
    }
    endpoint
}

/// The host of an endpoint, with the port that is asked for traces.
fn host(endpoint: &str, port: Option<u16>) -> String {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap();
    let Some(port) = port else { return authority.to_owned() };
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    format!("{host}:{port}")
}

/// Asks until the server has the trace, which it may write down a little later.
fn asked(address: &str, path: &str, said: &str) -> String {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let (status, body) = get(address, path, &[]);
        let has = |id: &str| body.contains(&format!("\"{id}\""));
        if status == 200 && said.lines().filter_map(|line| line.strip_prefix("price: ")).all(has) {
            return body;
        }
        assert!(Instant::now() < until, "{address}{path} answers {status}: {body}");
        std::thread::sleep(Duration::from_millis(250));
    }
}

#[test]
fn a_collector_takes_a_trace() {
    let Some(endpoint) = endpoint("OTLP_ENDPOINT") else { return };
    let variables: Variables = vec![
        ("TRACING_EXPORTER", "otlp".to_owned()),
        ("OTLP_ENDPOINT", endpoint),
        ("OTEL_SERVICE_NAME", service("servers")),
    ];
    // The service ends well only where all of it was taken.
    said_by("one trace", &variables);
}

#[test]
fn jaeger_has_the_trace_it_was_sent() {
    let Some(endpoint) = endpoint("JAEGER_ENDPOINT") else { return };
    // Where traces are asked for: the port of Jaeger's own pages, unless another is said.
    let pages = std::env::var("JAEGER_QUERY_ENDPOINT");
    let pages = pages.map_or_else(|_| host(&endpoint, Some(16686)), |pages| host(&pages, None));
    let service = service("servers");
    let said = said_by(
        "one trace",
        &[
            ("TRACING_EXPORTER", "jaeger".to_owned()),
            ("JAEGER_ENDPOINT", endpoint),
            ("OTEL_SERVICE_NAME", service.clone()),
        ],
    );
    let trace = asked(&pages, &format!("/api/traces/{}", told(&said, "trace")), &said);
    for part in
        [&format!("\"{service}\""), "\"order\"", "\"price\"", "\"CHILD_OF\"", "\"order.id\"", "1234567"]
    {
        assert!(trace.contains(part), "{part} in {trace}");
    }
}

#[test]
fn zipkin_has_the_trace_it_was_sent() {
    let Some(endpoint) = endpoint("ZIPKIN_ENDPOINT") else { return };
    let service = service("servers");
    let said = said_by(
        "one trace",
        &[
            ("TRACING_EXPORTER", "zipkin".to_owned()),
            ("ZIPKIN_ENDPOINT", endpoint.clone()),
            ("OTEL_SERVICE_NAME", service.clone()),
        ],
    );
    let trace = asked(&host(&endpoint, None), &format!("/api/v2/trace/{}", told(&said, "trace")), &said);
    for part in [&service, "order", "price", "parentId", "SERVER", "CLIENT", "order.id", "1234567"] {
        assert!(trace.contains(&format!("\"{part}\"")), "{part} in {trace}");
    }
}
