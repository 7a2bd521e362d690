//! An endpoint that Prometheus reads, and the meters behind it.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Instant;

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};

use super::http::{Server, Text};
use super::spans::SpanMetrics;
use crate::Tracing;

/// Meters whose metrics stand at an address of their own, under `/metrics`, in Prometheus' text format. See [`serve`].
///
/// Dropping it closes the port.
pub struct Endpoint {
    meters: SdkMeterProvider,
    registry: Registry,
    server: Server,
}

/// Serves metrics for Prometheus at an address, on a thread of its own.
///
/// ```
/// use std::io::{Read, Write};
///
/// #[traced::traced(kind = server)]
/// fn checkout() {}
///
/// let metrics = traced::metrics::serve("127.0.0.1:0")?; // 9464 is the usual port
/// let tracing = traced::builder("shop").observer(metrics.spans()).install()?;
/// metrics.observe(&tracing);
/// checkout();
/// tracing.flush()?;
///
/// let mut scrape = std::net::TcpStream::connect(metrics.address())?;
/// scrape.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
/// let mut text = String::new();
/// scrape.read_to_string(&mut text)?;
/// assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
/// assert!(text.contains("traces_span_metrics_calls_total{"), "{text}");
/// assert!(text.contains("traced_spans_started_total{"), "{text}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It answers `GET /metrics` to whoever can reach the address, so let that be the loopback or the inside of a cluster. It
/// serves 32 connections at once; a further one takes the place of one that has not asked for anything. A connection has ten
/// seconds and eight kilobytes. Those who ask together may get the same text. It needs no runtime, and ends when the endpoint is dropped.
///
/// # Errors
///
/// When the address is none, or taken.
pub fn serve(address: impl ToSocketAddrs) -> io::Result<Endpoint> {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build();
    let meters = SdkMeterProvider::builder()
        .with_resource(Resource::builder_empty().build())
        .with_reader(exporter.map_err(io::Error::other)?)
        .build();
    let page = Page { registry: registry.clone(), last: RefCell::default() };
    let answer = Box::new(move |path: &str| (path == "/metrics").then(|| page.text()));
    Ok(Endpoint { server: Server::start(address, answer)?, meters, registry })
}

impl Endpoint {
    /// Where it listens: with the port it got, where the one asked for was 0.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The meters of whatever else is to be measured; `opentelemetry::global::set_meter_provider` takes a clone.
    pub fn meters(&self) -> &SdkMeterProvider {
        &self.meters
    }

    /// An exporter that makes metrics of spans, here.
    pub fn spans(&self) -> SpanMetrics {
        SpanMetrics::new(&self.meters.meter("traced"))
    }

    /// Tells here what became of the spans; see [`Tracing::observe`].
    pub fn observe(&self, tracing: &Tracing) {
        tracing.observe(&self.meters.meter("traced"));
    }

    /// What it answers now, for a program that has a server of its own.
    pub fn text(&self) -> String {
        String::from_utf8(text(&self.registry)).unwrap_or_default()
    }
}

/// What was answered last, for those who ask at the same time: a crowd must not keep the thread busy.
struct Page {
    registry: Registry,
    last: RefCell<Option<(Instant, Text)>>,
}

impl Page {
    /// The text as it is, or was a moment ago: as long ago as it takes to write it, four times.
    fn text(&self) -> Text {
        if let Some((until, text)) = &*self.last.borrow()
            && *until > Instant::now()
        {
            return Arc::clone(text);
        }
        let begun = Instant::now();
        let text = Text::from(text(&self.registry));
        let until = Instant::now() + 4 * begun.elapsed();
        *self.last.borrow_mut() = Some((until, Arc::clone(&text)));
        text
    }
}

fn text(registry: &Registry) -> Vec<u8> {
    let mut text = Vec::new();
    // To memory nothing fails, but for metrics without a name, which no meter makes.
    let _ = TextEncoder::new().encode(&registry.gather(), &mut text);
    text
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("address", &self.address()).finish_non_exhaustive()
    }
}
