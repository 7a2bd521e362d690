//! OTLP, OpenTelemetry's own protocol: as protobuf or JSON over HTTP, and over gRPC.
//!
//! [`Otlp`] says where spans go and how, and [`build`](Otlp::build) judges it; what comes of it is an
//! [`Exporter`] for [`builder`](crate::builder), or for a provider of the program's own.

mod jaeger;
#[cfg(test)]
mod oracle;
mod place;
mod protobuf;

use std::fmt;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use crate::message::{self, Service};
use crate::transport::{Content, Exporter, Format, Kind, Misconfigured, Options, Partial, takes_options};

#[cfg(feature = "grpc")]
pub(crate) use protobuf::{Field, fields};

pub(crate) use jaeger::modern;
pub(crate) use place::Place;

/// How the environment calls it, and Jaeger.
pub(crate) const OTLP: &str = "otlp";
pub(crate) const JAEGER: &str = "jaeger";

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
    name: &'static str,
    place: Result<Place, Misconfigured>,
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

    /// What to do where it is not spoken.
    fn hint(self) -> &'static str {
        match self {
            #[cfg(feature = "grpc")]
            Self::Grpc => {
                "; if HTTP is spoken there, as on port 4318, expected `OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf` or \
                 `Otlp::http`; if TLS is, `https://`"
            }
            _ if cfg!(feature = "grpc") => {
                "; if gRPC is spoken there, as on port 4317, expected `OTEL_EXPORTER_OTLP_PROTOCOL=grpc` or \
                 `Otlp::grpc`; if TLS is, `https://`"
            }
            _ => {
                "; if gRPC is spoken there, as on port 4317, expected another port, such as 4318, or the feature `grpc` of \
                 `traced`; if TLS is, `https://`"
            }
        }
    }
}

impl Otlp {
    /// Protobuf over HTTP, which receivers take on port 4318. An address without a path gets `/v1/traces`, before its query.
    pub fn http(address: impl AsRef<str>) -> Self {
        Self::read(OTLP, address.as_ref(), Place::http_or_host)
    }

    /// gRPC, which receivers take on port 4317. An address without `http://` or `https://` means TLS; a path is refused, as
    /// gRPC has its own.
    ///
    /// It runs on a thread of its own, and needs no runtime of the program's.
    #[cfg(feature = "grpc")]
    pub fn grpc(address: impl AsRef<str>) -> Self {
        Self::read(OTLP, address.as_ref(), |text| {
            let (place, is_bare) = Place::grpc(text)?;
            if place.instead.is_some() {
                return Err(format!("gRPC has its own path; expected `{}`", place.address));
            }
            let address = if is_bare { place.address.encrypted()? } else { place.address };
            Ok(Place { address, ..place })
        })
    }

    /// Jaeger, which takes OTLP. An address of its past, on a port for Thrift or with `/api/traces`, is taken for one of
    /// today on the same host. A host alone is asked on port 4318.
    ///
    /// ```
    /// use traced::otlp::Otlp;
    ///
    /// let jaeger = Otlp::jaeger("http://jaeger:14268/api/traces");
    /// assert!(format!("{jaeger:?}").contains("http://jaeger:4318/v1/traces"));
    /// ```
    pub fn jaeger(address: impl AsRef<str>) -> Self {
        Self::read(JAEGER, address.as_ref(), modern)
    }

    fn read(name: &'static str, text: &str, judge: impl Fn(&str) -> Result<Place, String>) -> Self {
        let place = judge(text).map_err(|reason| Misconfigured::address(text, &reason));
        Self { name, place, options: Options::default() }
    }

    pub(crate) fn to(name: &'static str, place: Place, options: Options) -> Self {
        Self { name, place: Ok(place), options }
    }

    /// JSON instead of protobuf: for receivers and eyes that read nothing else. gRPC has none, and is refused.
    pub fn json(mut self) -> Self {
        #[cfg(feature = "grpc")]
        if self.place.as_ref().is_ok_and(|place| place.encoding == Encoding::Grpc) {
            self.place = Err(Misconfigured("gRPC has no JSON; expected `Otlp::http` with `json`".to_owned()));
        }
        self.place = self.place.map(|place| Place { encoding: Encoding::Json, ..place });
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
        let Place { address, encoding, .. } = self.place?;
        let kind = Kind { name: self.name, protocol: Some(encoding.name()), hint: encoding.hint() };
        match encoding {
            Encoding::Json => Exporter::http(&kind, &address, &self.options, Box::new(Json::default())),
            Encoding::Protobuf => {
                Exporter::http(&kind, &address, &self.options, Box::new(Protobuf::default()))
            }
            #[cfg(feature = "grpc")]
            Encoding::Grpc => Exporter::grpc(&kind, &address, &self.options, Box::new(Protobuf::default())),
        }
    }
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut otlp = f.debug_struct("Otlp");
        otlp.field("name", &self.name);
        match &self.place {
            Ok(place) => otlp.field("address", &place.address).field("protocol", &place.encoding.name()),
            Err(wrong) => otlp.field("wrong", &wrong.0),
        };
        otlp.field("options", &self.options).finish()
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
