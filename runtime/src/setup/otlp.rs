//! OTLP as the environment wants it: protobuf over HTTP, by a client that brings its own thread.
//!
//! `opentelemetry-otlp` reads the same variables, and takes a default where it does not understand one; so they are judged
//! here, before it sees them.

use std::time::Duration;

use opentelemetry_otlp::{Compression, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};

use super::environment::{Told, Variables, decoded, milliseconds};
use super::explanation::{Origin, Setting, clean};
use super::name::remedy;

/// Where OTLP goes, and how.
pub(super) struct Otlp {
    endpoint: Option<Told<String>>,
    timeout: Option<Told<Duration>>,
    compression: Option<Told<Option<Compression>>>,
    headers: Option<Told<Vec<(String, String)>>>,
}

const LOCAL: &str = "http://localhost:4318/v1/traces";
const TIMEOUT: Duration = Duration::from_secs(10);

impl Otlp {
    pub(super) fn read(variables: &mut Variables<'_>) -> Self {
        variables.first([
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ]);
        Self {
            endpoint: variables.first([
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", base),
                ("OTLP_ENDPOINT", base),
            ]),
            timeout: variables.first([
                ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", milliseconds),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", milliseconds),
            ]),
            compression: variables.first([
                ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", compression),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
            ]),
            headers: variables.first([
                ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", headers),
                ("OTEL_EXPORTER_OTLP_HEADERS", headers),
            ]),
        }
    }

    /// The exporter; what it cannot do is the error.
    pub(super) fn exporter(&self) -> Result<SpanExporter, String> {
        let builder = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let builder = builder
            .with_endpoint(self.endpoint.as_ref().map_or(LOCAL, |told| &told.value))
            .with_timeout(self.timeout.as_ref().map_or(TIMEOUT, |told| told.value))
            .with_headers(self.headers.iter().flat_map(|told| told.value.iter().cloned()).collect());
        let builder = match self.compression.as_ref().and_then(|told| told.value) {
            Some(compression) => builder.with_compression(compression),
            None => builder,
        };
        builder.build().map_err(|error| error.to_string())
    }

    /// What is told of it; of headers, only how they are called.
    pub(super) fn settings(&self) -> Vec<(Setting, String, Origin)> {
        fn line<T>(setting: Setting, told: Option<&Told<T>>, value: String) -> (Setting, String, Origin) {
            (setting, value, told.map_or(Origin::Default, |told| Origin::Variable(told.variable)))
        }

        let endpoint = self.endpoint.as_ref();
        let shown = endpoint.map_or(LOCAL.to_owned(), |told| without_credentials(&told.value));
        let timeout = self.timeout.as_ref();
        let compression = self.compression.as_ref();
        let gzip = if compression.is_some_and(|told| told.value.is_some()) { "gzip" } else { "none" };
        let headers = self.headers.as_ref();
        let names: Vec<_> =
            headers.iter().flat_map(|told| told.value.iter().map(|(name, _)| name.as_str())).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        vec![
            line(Setting::OtlpEndpoint, endpoint, shown),
            line(Setting::OtlpTimeout, timeout, format!("{:?}", timeout.map_or(TIMEOUT, |told| told.value))),
            line(Setting::OtlpCompression, compression, gzip.to_owned()),
            line(Setting::OtlpHeaders, headers, names),
        ]
    }
}

fn without_credentials(endpoint: &str) -> String {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("", endpoint));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("***@{host}"));
    // A query may hold a key.
    let path = path.split_once('?').map_or(path.to_owned(), |(path, _)| format!("{path}?***"));
    clean(&format!("{scheme}://{host}/{path}"))
}

fn protocol(text: &str) -> Result<(), String> {
    match text {
        "http/protobuf" => Ok(()),
        "grpc" | "http/json" => {
            Err("it is not built in yet; expected `http/protobuf`, which receivers take on port 4318"
                .to_owned())
        }
        _ => Err(remedy(text, &["http/protobuf"])),
    }
}

fn endpoint(text: &str) -> Result<String, String> {
    let Some(rest) = text.strip_prefix("http://") else {
        return Err(match text.strip_prefix("https://") {
            Some(_) => {
                "TLS is not built in yet; expected `http://`, to a collector that goes on with TLS".to_owned()
            }
            None => "expected a URL, like `http://localhost:4318`".to_owned(),
        });
    };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    if host.is_empty() || text.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err("expected a URL, like `http://localhost:4318`".to_owned());
    }
    Ok(text.to_owned())
}

/// The place of all signals; traces have theirs below it.
fn base(text: &str) -> Result<String, String> {
    endpoint(text).map(|text| format!("{}/v1/traces", text.trim_end_matches('/')))
}

fn compression(text: &str) -> Result<Option<Compression>, String> {
    match text {
        "gzip" => Ok(Some(Compression::Gzip)),
        "none" => Ok(None),
        _ => Err("expected `gzip` or `none`".to_owned()),
    }
}

fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let header = |member: &str| {
        let (name, value) = member.split_once('=')?;
        let (name, value) = (name.trim(), decoded(value.trim())?);
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_name = !name.is_empty() && name.bytes().all(is_token);
        let is_value = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        (is_name && is_value).then(|| (name.to_owned(), value))
    };
    let members = text.split(',').map(str::trim).filter(|member| !member.is_empty());
    let all: Option<Vec<_>> = members.map(header).collect();
    all.ok_or_else(|| "expected `name=value,name=value`, values percent-encoded".to_owned())
}
