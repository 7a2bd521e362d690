//! Exporters over the network, as the environment wants them: OTLP, Jaeger, which takes it, and Zipkin.
//!
//! Each variable is judged here, so that what is wrong is told with its name; what is left to go wrong, such as a key that
//! does not fit its certificate, is the exporter's to say.

use std::time::Duration;

use super::environment::{Judge, Told, Variables, milliseconds};
use super::explanation::Origin;
use crate::transport::{Address, Exporter, Misconfigured, Options, TIMEOUT};

/// What is told of an exporter: a setting, its value, and who said it.
pub(super) type Line = (String, String, Origin);

/// An exporter that the environment names, before it is built.
pub(super) struct Network {
    build: Box<dyn FnOnce() -> Result<Exporter, Misconfigured>>,
    pub(super) settings: Vec<Line>,
}

impl Network {
    /// The exporter; what it cannot do is the error.
    pub(super) fn exporter(self) -> Result<Exporter, Misconfigured> {
        (self.build)()
    }
}

fn origin<T>(told: Option<&Told<T>>) -> Origin {
    told.map_or(Origin::Default, |told| Origin::Variable(told.variable))
}

fn endpoint_line<T>(name: &str, address: &str, told: Option<&Told<T>>) -> Line {
    (format!("{name}, endpoint"), Address::shown(address), origin(told))
}

fn timeout_line(name: &str, told: Option<&Told<Duration>>) -> Line {
    (format!("{name}, timeout"), format!("{:?}", timeout(told)), origin(told))
}

fn timeout(told: Option<&Told<Duration>>) -> Duration {
    told.map_or(TIMEOUT, |told| told.value)
}

fn address(text: &str) -> Result<String, String> {
    Address::judge(text).map(|_| text.to_owned())
}

#[cfg(feature = "zipkin")]
pub(super) fn zipkin(variables: &mut Variables<'_>) -> Network {
    use crate::zipkin::{LOCAL, Zipkin};

    let endpoint = variables
        .first([("OTEL_EXPORTER_ZIPKIN_ENDPOINT", address as Judge<_>), ("ZIPKIN_ENDPOINT", address)]);
    let told = variables.first([("OTEL_EXPORTER_ZIPKIN_TIMEOUT", milliseconds as Judge<_>)]);
    let zipkin =
        Zipkin::new(endpoint.as_ref().map_or(LOCAL, |told| &told.value)).timeout(timeout(told.as_ref()));
    let settings = vec![
        endpoint_line("zipkin", zipkin.address(), endpoint.as_ref()),
        timeout_line("zipkin", told.as_ref()),
    ];
    Network { build: Box::new(move || zipkin.build()), settings }
}

#[cfg(feature = "otlp")]
pub(super) use otlp::{jaeger, otlp};

#[cfg(feature = "otlp")]
mod otlp {
    use super::{
        Address, Judge, Line, Network, Options, Told, Variables, address, endpoint_line, milliseconds,
        origin, timeout, timeout_line,
    };
    use crate::otlp::{Encoding, HTTP, Modern, Otlp, modern};
    use crate::setup::environment::{decoded, truth};
    use crate::setup::name::remedy;
    use crate::transport::is_header;

    pub(in crate::setup) fn jaeger(variables: &mut Variables<'_>) -> Network {
        fn told(text: &str) -> Result<Modern, String> {
            let modern = modern(text);
            Address::judge(&modern.address).map(|_| modern)
        }

        let endpoint = variables.first([
            ("OTEL_EXPORTER_JAEGER_ENDPOINT", told as Judge<_>),
            ("JAEGER_ENDPOINT", told),
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", |host| told(&format!("udp://{host}"))),
        ]);
        if let Some(Told { value: Modern { instead: Some(instead), .. }, variable }) = &endpoint {
            variables.ignore(variable, instead.as_str());
        }
        let timeout_told = variables.first([("OTEL_EXPORTER_JAEGER_TIMEOUT", milliseconds as Judge<_>)]);
        let Modern { address, encoding, .. } =
            endpoint.as_ref().map(|told| told.value.clone()).unwrap_or_default();
        let settings = vec![
            endpoint_line("jaeger", &address, endpoint.as_ref()),
            timeout_line("jaeger", timeout_told.as_ref()),
        ];
        let jaeger = Otlp::new(address, encoding).timeout(timeout(timeout_told.as_ref()));
        Network { build: Box::new(move || jaeger.build()), settings }
    }

    pub(in crate::setup) fn otlp(variables: &mut Variables<'_>) -> Network {
        let encoding_told = variables.first([
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", encoding as Judge<_>),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", encoding),
        ]);
        let encoding = encoding_told.as_ref().map_or(Encoding::Protobuf, |told| told.value);
        let (endpoint, address) = endpoint(variables, encoding);
        let timeout_told = variables.first([
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", milliseconds as Judge<_>),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", milliseconds),
        ]);
        let gzip = variables.first([
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", compression as Judge<_>),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
        ]);
        let headers = variables.first([
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", headers as Judge<_>),
            ("OTEL_EXPORTER_OTLP_HEADERS", headers),
        ]);
        let is_packed = gzip.as_ref().is_some_and(|told| told.value);
        let names: Vec<_> =
            headers.iter().flat_map(|told| told.value.iter().map(|(name, _)| name.as_str())).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "certificates are told behind"))]
        let mut settings = vec![
            endpoint_line("otlp", &address, endpoint.as_ref()),
            ("otlp, protocol".to_owned(), encoding.name().to_owned(), origin(encoding_told.as_ref())),
            timeout_line("otlp", timeout_told.as_ref()),
            (
                "otlp, compression".to_owned(),
                if is_packed { "gzip" } else { "none" }.to_owned(),
                origin(gzip.as_ref()),
            ),
            ("otlp, headers".to_owned(), names, origin(headers.as_ref())),
        ];
        let options = Options {
            gzip: is_packed,
            timeout: timeout(timeout_told.as_ref()),
            headers: headers.map(|told| told.value).unwrap_or_default(),
            #[cfg(feature = "tls")]
            tls: tls(variables, &address, &mut settings),
        };
        #[cfg(not(feature = "tls"))]
        without(variables);
        let otlp = Otlp::with(address, encoding, options);
        Network { build: Box::new(move || otlp.build()), settings }
    }

    /// What was told of the address, and what it comes to.
    fn endpoint(variables: &mut Variables<'_>, encoding: Encoding) -> (Option<Told<String>>, String) {
        const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        const SHORT: &str = "OTLP_ENDPOINT";

        #[cfg(feature = "grpc")]
        if encoding == Encoding::Grpc {
            let told = variables.first([(TRACES, grpc as Judge<_>), (ALL, grpc), (SHORT, grpc)]);
            let Some(told) = told else { return (None, crate::otlp::GRPC.to_owned()) };
            let insecure = ["OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"];
            let address = if told.value.contains("://") {
                for name in insecure {
                    variables.ignore_if_set(name, "the address says whether there is TLS");
                }
                told.value.clone()
            } else {
                let [traces, all] = insecure;
                let insecure = variables.first([(traces, truth as Judge<_>), (all, truth)]);
                let scheme = if insecure.is_some_and(|told| told.value) { "http" } else { "https" };
                let address = format!("{scheme}://{}", told.value);
                if let Err(reason) = Address::judge(&address) {
                    variables.fault(told.variable, &told.value, reason);
                }
                address
            };
            return (Some(told), address);
        }
        let _ = encoding;
        for name in ["OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"] {
            variables.ignore_if_set(name, "gRPC alone asks for it");
        }
        let told = variables.first([(TRACES, address as Judge<_>), (ALL, base), (SHORT, base)]);
        let address = told.as_ref().map_or(HTTP, |told| &told.value).to_owned();
        (told, address)
    }

    /// The place of all signals; traces have theirs below it.
    fn base(text: &str) -> Result<String, String> {
        address(text).map(|text| format!("{}/v1/traces", text.trim_end_matches('/')))
    }

    /// An address that may have no scheme, as those of gRPC do.
    #[cfg(feature = "grpc")]
    fn grpc(text: &str) -> Result<String, String> {
        if text.contains("://") {
            return address(text);
        }
        match Address::judge(&format!("http://{text}")) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err("expected a URL, like `http://localhost:4317`".to_owned()),
        }
    }

    fn encoding(text: &str) -> Result<Encoding, String> {
        match text {
            "http/protobuf" => Ok(Encoding::Protobuf),
            "http/json" => Ok(Encoding::Json),
            #[cfg(feature = "grpc")]
            "grpc" => Ok(Encoding::Grpc),
            #[cfg(not(feature = "grpc"))]
            "grpc" => Err(
                "no gRPC is built in; enable the feature `grpc` of `traced`, or expected `http/protobuf`, \
                           which receivers take on port 4318"
                    .to_owned(),
            ),
            _ => Err(remedy(text, &["http/protobuf", "http/json", "grpc"])),
        }
    }

    fn compression(text: &str) -> Result<bool, String> {
        match text {
            "gzip" => Ok(true),
            "none" => Ok(false),
            _ => Err("expected `gzip` or `none`".to_owned()),
        }
    }

    fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
        let header = |member: &str| {
            let (name, value) = member.split_once('=')?;
            let (name, value) = (name.trim(), decoded(value.trim())?);
            is_header(name, &value).then(|| (name.to_owned(), value))
        };
        let members = text.split(',').map(str::trim).filter(|member| !member.is_empty());
        let all: Option<Vec<_>> = members.map(header).collect();
        all.ok_or_else(|| {
            "expected `name=value,name=value`, values percent-encoded, and no name that is the exporter's own"
                .to_owned()
        })
    }

    const CERTIFICATE: [&str; 2] =
        ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
    const CLIENT: [&str; 2] =
        ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"];
    const KEY: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"];

    #[cfg(feature = "tls")]
    fn tls(
        variables: &mut Variables<'_>,
        address: &str,
        settings: &mut Vec<Line>,
    ) -> Option<crate::transport::Tls> {
        use crate::transport::{Tls, certificates};

        fn file(path: &str) -> Result<(String, Vec<u8>), String> {
            let pem = std::fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))?;
            Ok((path.to_owned(), pem))
        }
        fn certificate(path: &str) -> Result<(String, Vec<u8>), String> {
            let pem = file(path)?;
            let expected =
                "the file has no certificate; expected PEM, `-----BEGIN CERTIFICATE-----` and so on";
            certificates(&pem.1).map(|_| pem).ok_or_else(|| expected.to_owned())
        }

        if !address.starts_with("https://") {
            without(variables);
            return None;
        }
        let [roots, chain, key] =
            [(CERTIFICATE, certificate as Judge<_>), (CLIENT, certificate), (KEY, file)]
                .map(|([traces, all], judge)| variables.first([(traces, judge), (all, judge)]));
        let shown = |told: Option<&Told<(String, Vec<u8>)>>, nobody: &str| {
            (told.map_or(nobody.to_owned(), |told| crate::setup::clean(&told.value.0)), origin(told))
        };
        let (trusted, by) = shown(roots.as_ref(), "whom the system trusts");
        settings.push(("otlp, certificate".to_owned(), trusted, by));
        let (client, by) = shown(chain.as_ref(), "none");
        settings.push(("otlp, client certificate".to_owned(), client, by));
        match (&chain, &key) {
            (Some(lone), None) if !KEY.iter().any(|name| variables.is_set(name)) => {
                variables.fault(lone.variable, &lone.value.0, format!("expected its key in `{}`", KEY[1]));
            }
            (None, Some(lone)) if !CLIENT.iter().any(|name| variables.is_set(name)) => {
                let reason = format!("expected its certificate in `{}`", CLIENT[1]);
                variables.fault(lone.variable, &lone.value.0, reason);
            }
            _ => {}
        }
        let tls = roots.map_or(Tls::new(), |told| Tls::new().certificate(told.value.1));
        Some(match (chain, key) {
            (Some(chain), Some(key)) => tls.client(chain.value.1, key.value.1),
            _ => tls,
        })
    }

    /// Without TLS nobody is shown a certificate.
    fn without(variables: &mut Variables<'_>) {
        for name in CERTIFICATE.into_iter().chain(CLIENT).chain(KEY) {
            variables.ignore_if_set(name, "the address has no TLS; it begins with `http://`");
        }
    }
}
