//! What an address of Jaeger's means today: its ports for Thrift are gone, and it takes OTLP.

use super::{Encoding, HTTP};
use crate::transport::Address;

/// Where spans for Jaeger go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Modern {
    pub(crate) address: String,
    pub(crate) encoding: Encoding,
    /// Why it is not what was said.
    pub(crate) instead: Option<String>,
}

/// An address that is none stays as it is, for whoever judges addresses.
pub(crate) fn modern(said: &str) -> Modern {
    let is_udp = said.starts_with("udp://");
    let url = match said.split_once("://") {
        Some(("udp", rest)) => format!("http://{rest}"),
        Some(_) => said.to_owned(),
        // Its agent had no scheme.
        None => format!("http://{said}"),
    };
    let as_said = |encoding| Modern { address: said.to_owned(), encoding, instead: None };
    let Some((scheme, host, port)) = Address::place(&url) else { return as_said(Encoding::Protobuf) };
    let http = || (format!("{scheme}://{host}:4318/v1/traces"), Encoding::Protobuf);
    let path = Address::path(&url).unwrap_or_default().trim_end_matches('/');
    let (past, (address, encoding)) = match port {
        Some(14250) => ("port 14250 was for Jaeger's own gRPC".to_owned(), grpc(&scheme, &host)),
        Some(port @ (14268 | 14267)) => (format!("port {port} was for Thrift"), http()),
        Some(port @ (5775 | 6831 | 6832)) => {
            (format!("port {port} was the agent's, for Thrift over UDP"), http())
        }
        Some(16686) => ("port 16686 is that of the user interface".to_owned(), http()),
        _ if is_udp => ("UDP was the agent's, for Thrift".to_owned(), http()),
        _ if path == "/api/traces" => ("`/api/traces` was for Thrift".to_owned(), http()),
        #[cfg(feature = "grpc")]
        Some(4317) => return Modern { address: url, ..as_said(Encoding::Grpc) },
        #[cfg(not(feature = "grpc"))]
        Some(4317) => {
            ("port 4317 is for gRPC, which the feature `grpc` of `traced` brings".to_owned(), http())
        }
        _ if path.is_empty() => {
            let address = format!("{}/v1/traces", url.trim_end_matches('/'));
            return Modern { address, ..as_said(Encoding::Protobuf) };
        }
        _ => return Modern { address: url, ..as_said(Encoding::Protobuf) },
    };
    let instead = format!("{past}; Jaeger takes OTLP, and spans go to `{}`", Address::shown(&address));
    Modern { address, encoding, instead: Some(instead) }
}

#[cfg(feature = "grpc")]
fn grpc(scheme: &str, host: &str) -> (String, Encoding) {
    (format!("{scheme}://{host}:4317"), Encoding::Grpc)
}

#[cfg(not(feature = "grpc"))]
fn grpc(scheme: &str, host: &str) -> (String, Encoding) {
    (format!("{scheme}://{host}:4318/v1/traces"), Encoding::Protobuf)
}

impl Default for Modern {
    fn default() -> Self {
        Self { address: HTTP.to_owned(), encoding: Encoding::Protobuf, instead: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_addresses_become_those_of_today_on_the_same_host_and_say_so() {
        for (said, address) in [
            ("http://jaeger:14268/api/traces", "http://jaeger:4318/v1/traces"),
            ("https://me:pass@jaeger:14268/api/traces?x=1", "https://me:pass@jaeger:4318/v1/traces"),
            ("http://jaeger/api/traces/", "http://jaeger:4318/v1/traces"),
            ("jaeger:6831", "http://jaeger:4318/v1/traces"),
            ("udp://[::1]:6832", "http://[::1]:4318/v1/traces"),
            ("udp://jaeger", "http://jaeger:4318/v1/traces"),
            ("http://jaeger:16686", "http://jaeger:4318/v1/traces"),
        ] {
            let modern = modern(said);
            assert_eq!((modern.address.as_str(), modern.encoding), (address, Encoding::Protobuf), "{said}");
            let instead = modern.instead.unwrap();
            assert!(instead.contains("Jaeger takes OTLP") && !instead.contains("pass"), "{instead}");
        }
    }

    #[test]
    fn addresses_of_today_stay() {
        for (said, address) in [
            ("http://jaeger:4318", "http://jaeger:4318/v1/traces"),
            ("http://jaeger:4318/v1/traces", "http://jaeger:4318/v1/traces"),
            ("https://jaeger.example/otlp/v1/traces", "https://jaeger.example/otlp/v1/traces"),
            ("not an address", "not an address"),
        ] {
            let expected =
                Modern { address: address.to_owned(), encoding: Encoding::Protobuf, instead: None };
            assert_eq!(modern(said), expected, "{said}");
        }
    }

    #[cfg(feature = "grpc")]
    #[test]
    fn grpc_stays_grpc() {
        assert_eq!(modern("http://jaeger:4317").encoding, Encoding::Grpc);
        assert_eq!(modern("jaeger:14250").address, "http://jaeger:4317");
    }
}
