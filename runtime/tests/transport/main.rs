//! Exporters that go over the network, against receivers that behave as receivers do, and worse.
//!
//! The receivers here are sockets; `receivers` has real ones. What has arrived is read by `opentelemetry-proto`.
#![cfg(all(feature = "otlp", feature = "zipkin"))]
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

#[path = "../exporters/mod.rs"]
mod exporters;
#[cfg(feature = "grpc")]
mod grpc;
mod http;
mod load;
mod receiver;
#[cfg(feature = "tls")]
mod tls;
mod zipkin;

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use traced::otlp::Otlp;
use traced::transport::Exporter;
use traced::{Builder, Stats, Tracing, traced};

#[traced]
fn work(#[attr] number: i64) {}

fn calls(count: i64) {
    (0..count).for_each(work);
}

fn set_up(exporter: Exporter) -> Tracing {
    set_up_by(|builder| builder, exporter)
}

fn set_up_by(with: impl FnOnce(Builder) -> Builder, exporter: Exporter) -> Tracing {
    with(traced::builder("shop").exporter(exporter)).install().unwrap()
}

fn otlp(address: std::net::SocketAddr) -> Otlp {
    Otlp::http(format!("http://{address}")).timeout(Duration::from_secs(5))
}

/// The numbers of the spans in a request, whatever order they came in.
fn numbers(request: ExportTraceServiceRequest) -> Vec<i64> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;

    let spans = request.resource_spans.into_iter().flat_map(|of| of.scope_spans).flat_map(|of| of.spans);
    let number = |span: opentelemetry_proto::tonic::trace::v1::Span| {
        let attribute = span.attributes.into_iter().find(|attribute| attribute.key == "number").unwrap();
        match attribute.value.unwrap().value {
            Some(Value::IntValue(number)) => number,
            other => panic!("{other:?}"),
        }
    };
    spans.map(number).collect()
}

/// Whether all is out, and every span is accounted for.
#[track_caller]
fn assert_counts(stats: Stats, exported: u64, failed: u64, rejected: u64) {
    assert!(exporters::adds_up(&stats), "{stats:?}");
    let dropped = stats.dropped;
    assert_eq!(
        (stats.exported, dropped.export_failed, dropped.rejected, stats.waiting, stats.open),
        (exported, failed, rejected, 0, 0),
        "{stats:?}"
    );
}
