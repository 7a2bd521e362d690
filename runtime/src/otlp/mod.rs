//! OTLP, OpenTelemetry's own protocol: as protobuf or JSON over HTTP, and over gRPC.
//!
//! [`Otlp`] says where spans go and how, and [`build`](Otlp::build) judges it; what comes of it is an
//! [`Exporter`] for [`builder`](crate::builder), or for a provider of the program's own.

mod jaeger;
#[cfg(test)]
mod oracle;
mod protobuf;

use std::fmt;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use crate::message::{self, Service};
use crate::transport::{Address, Content, Exporter, Format, Misconfigured, Options, Partial, takes_options};

#[cfg(feature = "grpc")]
pub(crate) use protobuf::{Field, fields};

pub(crate) use jaeger::{Modern, modern};

/// Where OTLP is taken, unless someone says otherwise.
pub(crate) const HTTP: &str = "http://localhost:4318/v1/traces";
#[cfg(feature = "grpc")]
pub(crate) const GRPC: &str = "http://localhost:4317";

/// Spans to a receiver that takes OTLP: a collector, Jaeger, or a vendor.
///
/// ```
/// use std::time::Duration;
/// use traced::otlp::Otlp;
///
/// let exporter = Otlp::http("http://localhost:4318")
///     .gzip()
///     .header("x-tenant", "blue")
///     .timeout(Duration::from_secs(3))
///     .build()?;
/// let tracing = traced::builder("checkout").exporter(exporter).install()?;
/// assert_eq!(tracing.stats().exported, 0);
///
/// let refused = Otlp::http("localhost:4318").build().unwrap_err();
/// assert!(refused.to_string().contains("expected a URL"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A send that fails for a while, because nobody answers or the receiver has too much to do, is tried again by the set-up's
/// queue, and what the receiver refuses is dropped and counted; see [`Exporter`]. A user and a
/// password in the address become a header. Redirects are not followed.
#[derive(Clone)]
pub struct Otlp {
    address: String,
    encoding: Encoding,
    options: Options,
}

/// How spans are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
    #[cfg(feature = "grpc")]
    Grpc,
}

impl Encoding {
    /// As `OTEL_EXPORTER_OTLP_PROTOCOL` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Protobuf => "http/protobuf",
            Self::Json => "http/json",
            #[cfg(feature = "grpc")]
            Self::Grpc => "grpc",
        }
    }
}

impl Otlp {
    /// Protobuf over HTTP, which receivers take on port 4318. An address without a path gets `/v1/traces`.
    pub fn http(address: impl Into<String>) -> Self {
        let address = address.into();
        let address = match Address::path(&address) {
            Some("" | "/") => format!("{}/v1/traces", address.trim_end_matches('/')),
            _ => address,
        };
        Self::new(address, Encoding::Protobuf)
    }

    /// gRPC, which receivers take on port 4317. An address without `http://` or `https://` means TLS.
    ///
    /// It runs on a thread of its own, and needs no runtime of the program's.
    #[cfg(feature = "grpc")]
    pub fn grpc(address: impl Into<String>) -> Self {
        let address = address.into();
        let address = if address.contains("://") { address } else { format!("https://{address}") };
        Self::new(address, Encoding::Grpc)
    }

    /// Jaeger, which takes OTLP. An address of its past, on a port for Thrift or with `/api/traces`, is taken for one of
    /// today on the same host.
    ///
    /// ```
    /// use traced::otlp::Otlp;
    ///
    /// let jaeger = Otlp::jaeger("http://jaeger:14268/api/traces");
    /// assert!(format!("{jaeger:?}").contains("http://jaeger:4318/v1/traces"));
    /// ```
    pub fn jaeger(address: impl AsRef<str>) -> Self {
        let modern = modern(address.as_ref());
        Self::new(modern.address, modern.encoding)
    }

    pub(crate) fn new(address: String, encoding: Encoding) -> Self {
        Self { address, encoding, options: Options::default() }
    }

    pub(crate) fn with(address: String, encoding: Encoding, options: Options) -> Self {
        Self { address, encoding, options }
    }

    /// JSON instead of protobuf: for receivers and eyes that read nothing else.
    pub fn json(mut self) -> Self {
        self.encoding = Encoding::Json;
        self
    }

    takes_options!();

    /// The exporter. It connects when it has spans to send.
    ///
    /// # Errors
    ///
    /// What of it cannot be done: an address that is none, a header that cannot be sent, a certificate that cannot be read,
    /// or TLS without the feature `tls`.
    pub fn build(self) -> Result<Exporter, Misconfigured> {
        let format: Box<dyn Format> = match self.encoding {
            Encoding::Json => Box::new(Json::default()),
            _ => Box::new(Protobuf::default()),
        };
        match self.encoding {
            #[cfg(feature = "grpc")]
            Encoding::Grpc => Exporter::grpc(&self.address, &self.options, format),
            _ => Exporter::http(&self.address, &self.options, format),
        }
    }
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp")
            .field("address", &Address::shown(&self.address))
            .field("protocol", &self.encoding.name())
            .field("options", &self.options)
            .finish()
    }
}

#[derive(Debug, Default)]
struct Protobuf {
    resource: Vec<u8>,
    schema: String,
}

impl Format for Protobuf {
    fn prepare(&mut self, resource: &Resource) {
        let schema = resource.schema_url().unwrap_or_default().to_owned();
        *self = Self { resource: protobuf::resource(resource), schema };
    }

    fn content(&self) -> Content {
        Content::Protobuf
    }

    fn pack(&self, spans: &[SpanData]) -> Vec<u8> {
        protobuf::request(&self.resource, &self.schema, spans)
    }

    fn partial(&self, answer: &[u8]) -> Option<Partial> {
        protobuf::partial(answer)
    }
}

#[derive(Debug, Default)]
struct Json(Service);

impl Format for Json {
    fn prepare(&mut self, resource: &Resource) {
        self.0 = Service::of(resource);
    }

    fn content(&self) -> Content {
        Content::Json
    }

    fn pack(&self, spans: &[SpanData]) -> Vec<u8> {
        message::json(spans, &self.0)
    }

    fn partial(&self, answer: &[u8]) -> Option<Partial> {
        let answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
        let partial = &answer["partialSuccess"];
        let rejected = &partial["rejectedSpans"];
        // A number of 64 bits is a text, and some write it as a number nevertheless.
        let rejected = rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok()).unwrap_or_default();
        let reason = partial["errorMessage"].as_str().unwrap_or_default().to_owned();
        Some(Partial { rejected, reason })
    }
}
