//! What sends spans over the network: an [`Exporter`], as [`otlp`](crate::otlp) and [`zipkin`](crate::zipkin) build it.
//!
//! Spans are packed once and sent as often as it takes; here failures are told apart, and when to try again is the
//! queue's affair. How spans are written is the formats' own.

mod address;
#[cfg(feature = "grpc")]
mod grpc;
mod http;
mod names;
mod options;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::io::Write as _;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::export::{Parcel, Sent};
use crate::fault::debug_as_display;
use crate::setup::clean;

pub(crate) use address::Address;
#[cfg(any(feature = "otlp", feature = "zipkin"))]
pub(crate) use options::takes_options;
pub(crate) use options::{Options, is_header};
#[cfg(feature = "tls")]
pub use tls::Tls;

/// How long an answer is waited for, unless someone says otherwise: as OpenTelemetry has it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// As whom exporters introduce themselves.
const AGENT: &str = concat!("traced/", env!("CARGO_PKG_VERSION"));

/// Sends spans over the network: for [`Builder::exporter`](crate::Builder::exporter), as often as one likes, or for an
/// OpenTelemetry provider of the program's own.
///
/// Under a set-up of this crate, a send that may succeed later is tried again, while newer spans wait behind it: nobody
/// answers, the connection breaks, HTTP 429, 502, 503 or 504, or the like over gRPC. The pauses grow from a quarter of a
/// second to ten, and are as long as the receiver says where it says so, a minute at most. Other answers, and five minutes
/// of trying, are the end of what was sent, which is counted in [`stats`](crate::Tracing::stats). Under another provider
/// nothing is tried again.
///
/// An answer of 200 to 299 counts from its status on, but for a page of HTML, which no receiver of spans gives. Under its name,
/// `otlp`, `jaeger` or `zipkin`, [`explain`](crate::Tracing::explain) tells where it goes and how. No proxy is asked.
///
/// It blocks the thread that exports, and no longer than its timeout; it needs no runtime and disturbs none.
pub struct Exporter {
    format: Box<dyn Format>,
    way: Way,
    name: &'static str,
    address: String,
    gzip: bool,
    timeout: Duration,
    settings: Vec<Setting>,
}

/// What an exporter is, beside how its spans are written.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// How OTLP calls the way it goes.
    pub(crate) protocol: Option<&'static str>,
    /// What to do where something else is spoken than expected; empty where there is nothing to say.
    pub(crate) hint: &'static str,
}

/// What there is to tell of an exporter.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// Without secrets.
    pub(crate) value: String,
    /// Whether someone has said so, or it is as it is by default.
    pub(crate) is_said: bool,
}

impl Setting {
    fn new(name: &'static str, value: impl Into<String>, is_said: bool) -> Self {
        Self { name, value: value.into(), is_said }
    }
}

enum Way {
    Http(Box<http::Http>),
    #[cfg(feature = "grpc")]
    Grpc(Box<grpc::Grpc>),
}

/// An exporter that cannot be built, and why.
#[derive(Clone, PartialEq, Eq)]
pub struct Misconfigured(pub(crate) String);

impl Misconfigured {
    /// An address that is none, shown without its secrets.
    pub(crate) fn address(text: &str, reason: &str) -> Self {
        Self(format!("the address `{}`: {reason}", Address::shown(text)))
    }
}

impl fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misconfigured {}

debug_as_display!(Misconfigured);

/// What a receiver took only a part of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Partial {
    pub(crate) rejected: u64,
    pub(crate) reason: String,
}

/// How spans are written, and what the answer to them says.
pub(crate) trait Format: Send + Sync {
    fn prepare(&mut self, resource: &Resource);
    fn content(&self) -> Content;
    fn pack(&self, spans: &[SpanData]) -> Vec<u8>;
    /// What of it was not taken, where an answer that is otherwise good says so.
    fn partial(&self, answer: &[u8]) -> Option<Partial>;
}

/// What a body is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Protobuf,
    Json,
}

impl Content {
    fn name(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

impl Exporter {
    pub(crate) fn http(
        kind: &Kind,
        address: &Address,
        options: &Options,
        format: Box<dyn Format>,
    ) -> Result<Self, Misconfigured> {
        options.judge(address)?;
        let way = Way::Http(Box::new(http::Http::new(address, options, format.content(), kind.hint)?));
        Ok(Self::new(kind, address, options, format, way))
    }

    #[cfg(feature = "grpc")]
    pub(crate) fn grpc(
        kind: &Kind,
        address: &Address,
        options: &Options,
        format: Box<dyn Format>,
    ) -> Result<Self, Misconfigured> {
        options.judge(address)?;
        let way = Way::Grpc(Box::new(grpc::Grpc::new(address, options, kind.hint)?));
        Ok(Self::new(kind, address, options, format, way))
    }

    fn new(kind: &Kind, address: &Address, options: &Options, format: Box<dyn Format>, way: Way) -> Self {
        let address_told = Setting::new("endpoint", address.to_string(), true);
        let protocol = kind.protocol.map(|protocol| Setting::new("protocol", protocol, true));
        let settings = [address_told].into_iter().chain(protocol).chain(options.told(address)).collect();
        let (gzip, timeout) = (options.gzip, options.patience());
        Self { format, way, name: kind.name, address: address.to_string(), gzip, timeout, settings }
    }

    /// As the environment calls it.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// What there is to tell of it.
    pub(crate) fn settings(&self) -> &[Setting] {
        &self.settings
    }

    pub(crate) fn prepare(&mut self, resource: &Resource) {
        self.format.prepare(resource);
    }

    /// Sends a parcel, and says what became of it; waits no longer than the limit, and its own timeout.
    pub(crate) fn send(&self, parcel: &mut Parcel, limit: Duration) -> Sent {
        let count = parcel.count() as u64;
        let body = parcel.packed(|spans| self.packed(spans));
        let limit = limit.min(self.timeout);
        if limit.is_zero() {
            return Sent::Again { reason: format!("no time was left to ask {}", self.address), after: None };
        }
        let sent = match &self.way {
            Way::Http(http) => http.send(body, limit, self.format.as_ref()),
            #[cfg(feature = "grpc")]
            Way::Grpc(grpc) => grpc.send(body, limit, self.format.as_ref()),
        };
        let with_address = |reason: String| format!("{} {reason}", self.address);
        match sent {
            Sent::Taken => Sent::Taken,
            // A receiver that is mistaken about the number is not believed.
            Sent::Partly { rejected, reason } => {
                Sent::Partly { rejected: rejected.min(count), reason: with_address(reason) }
            }
            Sent::Refused(reason) => Sent::Refused(with_address(reason)),
            Sent::Again { reason, after } => Sent::Again { reason: with_address(reason), after },
        }
    }

    fn packed(&self, spans: &[SpanData]) -> Vec<u8> {
        let body = self.format.pack(spans);
        let packs_itself = matches!(self.way, Way::Http(_));
        if !(self.gzip && packs_itself) {
            return body;
        }
        // Spans are so much alike that more effort finds little more.
        let room = Vec::with_capacity(body.len() / 4);
        let mut gzip = flate2::write::GzEncoder::new(room, flate2::Compression::fast());
        // A `Vec` takes all that is written.
        let _ = gzip.write_all(&body);
        gzip.finish().unwrap_or_default()
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        match self.send(&mut Parcel::new(batch), self.timeout) {
            Sent::Taken => Ok(()),
            Sent::Partly { reason, .. } | Sent::Refused(reason) | Sent::Again { reason, .. } => {
                Err(OTelSdkError::InternalFailure(reason))
            }
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.prepare(resource);
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter")
            .field("address", &self.address)
            .field("gzip", &self.gzip)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What was not taken, as a queue hears it.
fn taken(partial: Option<Partial>) -> Sent {
    match partial {
        Some(Partial { rejected, reason }) if rejected > 0 => {
            let reason = if reason.is_empty() { "without a reason".to_owned() } else { clean(&reason) };
            Sent::Partly { rejected, reason: format!("took some spans and rejected others: {reason}") }
        }
        _ => Sent::Taken,
    }
}
