//! What an address of Jaeger's means today: its ports for Thrift are gone, and it takes OTLP.

use super::Encoding;
use super::place::{LIKE_HTTP, Place, TRACES};
use crate::transport::Address;

/// What a text means today, or what is wrong with it. A host without a scheme is asked on OTLP's port.
pub(crate) fn modern(said: &str) -> Result<Place, String> {
    let (scheme, rest) = said.split_once("://").unwrap_or(("", said));
    let is_udp = scheme.eq_ignore_ascii_case("udp");
    // Its agent had no scheme.
    let is_host = scheme.is_empty() || is_udp;
    let address = if is_host {
        Address::read(&format!("http://{rest}"), LIKE_HTTP)
    } else {
        Address::read(said, LIKE_HTTP)
    }?;
    let path = address.path.trim_end_matches('/');
    let past = match address.port {
        Some(14250) => "port 14250 was for Jaeger's own gRPC".to_owned(),
        Some(port @ (14268 | 14267)) => format!("port {port} was for Thrift"),
        Some(port @ (5775 | 6831 | 6832)) => format!("port {port} was the agent's, for Thrift over UDP"),
        Some(16686) => "port 16686 is that of the user interface".to_owned(),
        _ if is_udp => "UDP was the agent's, for Thrift".to_owned(),
        _ if path == "/api/traces" => "`/api/traces` was for Thrift".to_owned(),
        #[cfg(not(feature = "grpc"))]
        Some(4317) => "port 4317 is for gRPC, which the feature `grpc` of `traced` brings".to_owned(),
        #[cfg(feature = "grpc")]
        Some(4317) => return Ok(Place::new(address.without_path(), Encoding::Grpc)),
        None if is_host => {
            let path = if path.is_empty() { TRACES } else { path }.to_owned();
            return Ok(Place::new(address.at(4318, &path), Encoding::Protobuf));
        }
        _ if path.is_empty() => return Ok(Place::new(address.below(TRACES), Encoding::Protobuf)),
        _ => return Ok(Place::new(address, Encoding::Protobuf)),
    };
    let place = match address.port {
        #[cfg(feature = "grpc")]
        Some(14250) => Place::new(address.at(4317, ""), Encoding::Grpc),
        _ => Place::new(address.at(4318, TRACES), Encoding::Protobuf),
    };
    let instead = format!("{past}; Jaeger takes OTLP, and spans go to `{}`", place.address);
    Ok(Place { instead: Some(instead), ..place })
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
            let modern = modern(said).unwrap();
            assert_eq!(modern.address, Place::http(address).unwrap().address, "{said}");
            assert_eq!(modern.encoding, Encoding::Protobuf, "{said}");
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
            ("jaeger:4318", "http://jaeger:4318/v1/traces"),
            // A URL has its own port; a host has none.
            ("http://jaeger", "http://jaeger/v1/traces"),
            ("jaeger", "http://jaeger:4318/v1/traces"),
            ("me:hunter2@jaeger/otlp/v1/traces", "http://me:hunter2@jaeger:4318/otlp/v1/traces"),
            ("http://jaeger?tenant=a", "http://jaeger/v1/traces?tenant=a"),
            ("HTTP://jaeger:4318", "http://jaeger:4318/v1/traces"),
        ] {
            assert_eq!(modern(said), Place::http(address), "{said}");
        }
    }

    #[test]
    fn what_is_no_address_says_so() {
        for (said, expected) in [
            ("not an address", "expected a URL, like `http://localhost:4318`"),
            ("jaeger:99999", "the port is wrong; expected 1 to 65535, as in `http://localhost:4318`"),
        ] {
            assert_eq!(modern(said), Err(expected.to_owned()));
        }
    }

    #[cfg(feature = "grpc")]
    #[test]
    fn grpc_stays_grpc() {
        for said in ["http://jaeger:4317", "jaeger:4317", "jaeger:14250"] {
            let modern = modern(said).unwrap();
            assert_eq!(
                (modern.address.to_string().as_str(), modern.encoding),
                ("http://jaeger:4317", Encoding::Grpc)
            );
        }
    }
}
