//! Exporters over the network, as the environment wants them: OTLP, Jaeger, which takes it, and Zipkin.
//!
//! Each variable is judged here, so that what is wrong is told with its name; what is left to go wrong, such as a key that
//! does not fit its certificate, is the exporter's to say.

use super::environment::{Told, Variables};
use super::explanation::Origin;
use super::exporter::{Exporter, Said};
use super::judge::milliseconds;
use crate::transport::{Misconfigured, Options};

/// An exporter that the environment names, before it is built.
pub(super) struct Network {
    build: Box<dyn FnOnce() -> Result<crate::transport::Exporter, Misconfigured>>,
    said: Vec<Said>,
}

impl Network {
    /// The exporter; what it cannot do is the error.
    pub(super) fn exporter(self) -> Result<Exporter, Misconfigured> {
        Ok(Exporter::told((self.build)()?, self.said))
    }
}

/// What was said, if anything was.
fn said<T>(setting: &'static str, told: Option<&Told<T>>) -> Option<Said> {
    told.map(|told| Said { setting, origin: Origin::Variable(told.variable), value: None })
}

/// Tells of proxies that are not asked.
pub(super) fn directly(variables: &mut Variables<'_>) {
    for [upper, lower] in
        [["HTTP_PROXY", "http_proxy"], ["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]]
    {
        let name = if variables.is_set(upper) { upper } else { lower };
        variables.ignore_if_set(name, "spans go to their receiver directly, and through no proxy");
    }
}

#[cfg(feature = "zipkin")]
pub(super) fn zipkin(variables: &mut Variables<'_>) -> Network {
    use super::judge::Judge;
    use crate::zipkin::{Zipkin, local, place};

    let endpoint =
        variables.first([("OTEL_EXPORTER_ZIPKIN_ENDPOINT", place as Judge<_>), ("ZIPKIN_ENDPOINT", place)]);
    let timeout = variables.first([("OTEL_EXPORTER_ZIPKIN_TIMEOUT", milliseconds as Judge<_>)]);
    let said = [said("endpoint", endpoint.as_ref()), said("timeout", timeout.as_ref())];
    let options = Options { timeout: timeout.map(|told| told.value), ..Options::default() };
    let zipkin = Zipkin::to(endpoint.map_or_else(local, |told| told.value), options);
    Network { build: Box::new(move || zipkin.build()), said: said.into_iter().flatten().collect() }
}

#[cfg(feature = "otlp")]
pub(super) use otlp::{jaeger, otlp};

#[cfg(feature = "otlp")]
mod otlp {
    use super::{Network, Options, Origin, Said, Told, Variables, milliseconds, said};
    use crate::otlp::{Encoding, JAEGER, OTLP, Otlp, Place, modern};
    use crate::setup::judge::{Judge, decoded, members, truth};
    use crate::setup::name::remedy;
    use crate::transport::{Address, is_header};

    pub(in crate::setup) fn jaeger(variables: &mut Variables<'_>) -> Network {
        let endpoint = variables.first([
            ("OTEL_EXPORTER_JAEGER_ENDPOINT", modern as Judge<_>),
            ("JAEGER_ENDPOINT", modern),
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", |host| modern(&format!("udp://{host}"))),
        ]);
        let timeout = variables.first([("OTEL_EXPORTER_JAEGER_TIMEOUT", milliseconds as Judge<_>)]);
        let said = [
            said("endpoint", endpoint.as_ref()),
            said("protocol", endpoint.as_ref()),
            said("timeout", timeout.as_ref()),
        ];
        let place = as_meant(variables, endpoint).unwrap_or_else(|| Place::local(Encoding::Protobuf));
        let options = Options { timeout: timeout.map(|told| told.value), ..Options::default() };
        let jaeger = Otlp::to(JAEGER, place, options);
        Network { build: Box::new(move || jaeger.build()), said: said.into_iter().flatten().collect() }
    }

    /// Where spans go; what of it is not as it was said is told.
    fn as_meant(variables: &mut Variables<'_>, told: Option<Told<Place>>) -> Option<Place> {
        let Told { value: mut place, variable } = told?;
        if let Some(instead) = place.instead.take() {
            variables.ignore(variable, instead);
        }
        Some(place)
    }

    pub(in crate::setup) fn otlp(variables: &mut Variables<'_>) -> Network {
        let protocol = variables.first([
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", encoding as Judge<_>),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", encoding),
        ]);
        let endpoint = endpoint(variables, protocol.as_ref().map(|told| told.value));
        let timeout = variables.first([
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
        let mut all = vec![
            said("endpoint", endpoint.as_ref()),
            said("protocol", protocol.as_ref()),
            said("timeout", timeout.as_ref()),
            said("compression", gzip.as_ref()),
            said("headers", headers.as_ref()),
        ];
        let encoding = protocol.map(|told| told.value);
        if let (None, Some(Told { value, variable })) = (encoding, &endpoint)
            && value.encoding != Encoding::Protobuf
        {
            let value = Some(format!("{}, as port 4317 is for it", value.encoding.name()));
            all.push(Some(Said { setting: "protocol", origin: Origin::Variable(variable), value }));
        }
        let place = as_meant(variables, endpoint);
        let place = place.unwrap_or_else(|| Place::local(encoding.unwrap_or(Encoding::Protobuf)));
        let options = Options {
            gzip: gzip.is_some_and(|told| told.value),
            timeout: timeout.map(|told| told.value),
            headers: headers.map(|told| told.value).unwrap_or_default(),
            #[cfg(feature = "tls")]
            tls: tls(variables, &place.address, &mut all),
        };
        #[cfg(not(feature = "tls"))]
        without(variables);
        let otlp = Otlp::to(OTLP, place, options);
        Network { build: Box::new(move || otlp.build()), said: all.into_iter().flatten().collect() }
    }

    const INSECURE: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"];

    /// What was told of the address, and of the protocol with it.
    fn endpoint(variables: &mut Variables<'_>, encoding: Option<Encoding>) -> Option<Told<Place>> {
        const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        const SHORT: &str = "OTLP_ENDPOINT";

        #[cfg(feature = "grpc")]
        if encoding == Some(Encoding::Grpc) {
            let grpc = Place::grpc as Judge<(Place, bool)>;
            let Told { value: (place, is_bare), variable } =
                variables.first([(TRACES, grpc), (ALL, grpc), (SHORT, grpc)])?;
            if !is_bare {
                never_insecure(variables, "the address says whether there is TLS");
                return Some(Told { value: place, variable });
            }
            let insecure = variables.first(INSECURE.map(|name| (name, truth as Judge<_>)));
            if insecure.is_some_and(|told| told.value) {
                return Some(Told { value: place, variable });
            }
            let shown = format!("https://{}", place.address.to_string().trim_start_matches("http://"));
            return match place.address.encrypted() {
                Ok(address) => Some(Told { value: Place { address, ..place }, variable }),
                Err(reason) => {
                    variables.fault(variable, &shown, reason);
                    None
                }
            };
        }
        never_insecure(variables, "gRPC alone asks for it");
        let Some(encoding) = encoding else {
            let base: Judge<_> = |text| Place::by_port(text, Place::base);
            let traces: Judge<_> = |text| Place::by_port(text, Place::http);
            return variables.first([(TRACES, traces), (ALL, base), (SHORT, base)]);
        };
        let base = Place::base as Judge<_>;
        let told = variables.first([(TRACES, Place::http as Judge<_>), (ALL, base), (SHORT, base)])?;
        Some(Told { value: Place { encoding, ..told.value }, ..told })
    }

    fn never_insecure(variables: &mut Variables<'_>, why: &str) {
        for name in INSECURE {
            variables.ignore_if_set(name, why);
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
        let all: Option<Vec<_>> = members(text).map(header).collect();
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
        address: &Address,
        all: &mut Vec<Option<Said>>,
    ) -> Option<crate::transport::Tls> {
        use crate::transport::Tls;

        /// A file, and what is in it.
        struct File {
            path: String,
            pem: Vec<u8>,
        }
        fn file(path: &str, what: &str, judge: fn(&[u8]) -> Result<(), String>) -> Result<File, String> {
            if path.contains("-----BEGIN") {
                return Err("expected the path of a file, and not what stands in it".to_owned());
            }
            let pem = std::fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))?;
            judge(&pem).map_err(|reason| format!("the {what} in it {reason}"))?;
            Ok(File { path: path.to_owned(), pem })
        }
        let roots: Judge<File> = |path| file(path, "certificate", Tls::judge_roots);
        let chain: Judge<File> = |path| file(path, "certificate", Tls::judge_chain);
        let key: Judge<File> = |path| file(path, "private key", Tls::judge_key);

        if !address.is_encrypted {
            without(variables);
            return None;
        }
        let [roots, chain, key] = [(CERTIFICATE, roots), (CLIENT, chain), (KEY, key)]
            .map(|([traces, all], judge)| variables.first([(traces, judge), (all, judge)]));
        for (setting, told) in [("certificate", &roots), ("client certificate", &chain)] {
            all.push(told.as_ref().map(|told| Said {
                setting,
                origin: Origin::Variable(told.variable),
                value: Some(crate::setup::clean(&told.value.path)),
            }));
        }
        match (&chain, &key) {
            (Some(lone), None) if !KEY.iter().any(|name| variables.is_set(name)) => {
                variables.fault(lone.variable, &lone.value.path, format!("expected its key in `{}`", KEY[1]));
            }
            (None, Some(lone)) if !CLIENT.iter().any(|name| variables.is_set(name)) => {
                let reason = format!("expected its certificate in `{}`", CLIENT[1]);
                variables.fault(lone.variable, &lone.value.path, reason);
            }
            (Some(chain), Some(key)) => {
                if let Err(reason) = Tls::judge_pair(&chain.value.pem, &key.value.pem) {
                    variables.fault(key.variable, &key.value.path, reason);
                }
            }
            _ => {}
        }
        let tls = roots.map_or(Tls::new(), |told| Tls::new().certificate(told.value.pem));
        Some(match (chain, key) {
            (Some(chain), Some(key)) => tls.client(chain.value.pem, key.value.pem),
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
