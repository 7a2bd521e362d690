//! What a text says of where OTLP is taken: an address, how it is spoken there, and what of the text does not count.
//!
//! The rules of the environment's variables, and of `Otlp`'s constructors. What Jaeger's past means is `jaeger`'s.

use super::Encoding;
use crate::transport::Address;

/// Where traces are taken, below the place of all signals.
pub(super) const TRACES: &str = "/v1/traces";

/// An address of a receiver, in an example.
pub(super) const LIKE_HTTP: &str = "http://localhost:4318";
#[cfg(feature = "grpc")]
const LIKE_GRPC: &str = "http://localhost:4317";

/// Where spans go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: Address,
    pub(crate) encoding: Encoding,
    /// What of the text was not taken as it stands, and why.
    pub(crate) instead: Option<String>,
}

impl Place {
    pub(super) fn new(address: Address, encoding: Encoding) -> Self {
        Self { address, encoding, instead: None }
    }

    /// Where OTLP is taken on this machine, unless someone says otherwise.
    pub(crate) fn local(encoding: Encoding) -> Self {
        let address = match encoding {
            #[cfg(feature = "grpc")]
            Encoding::Grpc => Address::local(4317, ""),
            _ => Address::local(4318, TRACES),
        };
        Self::new(address, encoding)
    }

    /// The place of traces, as it stands.
    pub(crate) fn http(text: &str) -> Result<Self, String> {
        Ok(Self::new(Address::read(text, LIKE_HTTP)?, Encoding::Protobuf))
    }

    /// The place of traces, or that of all signals where there is no path.
    pub(super) fn http_or_host(text: &str) -> Result<Self, String> {
        let Self { address, encoding, .. } = Self::http(text)?;
        let address = if address.path.is_empty() { address.below(TRACES) } else { address };
        Ok(Self::new(address, encoding))
    }

    /// The place of all signals; traces have theirs below it.
    pub(crate) fn base(text: &str) -> Result<Self, String> {
        let Self { mut address, encoding, .. } = Self::http(text)?;
        if !address.path.trim_end_matches('/').ends_with(TRACES) {
            return Ok(Self::new(address.below(TRACES), encoding));
        }
        address.path.truncate(address.path.trim_end_matches('/').len());
        let instead = format!(
            "its path alone: it is that of traces already, and `{TRACES}` is not added to `{address}`"
        );
        Ok(Self { instead: Some(instead), ..Self::new(address, encoding) })
    }

    /// As `judge` has it, where nobody has said how OTLP is spoken, but for a port that says so itself.
    pub(crate) fn by_port(text: &str, judge: fn(&str) -> Result<Self, String>) -> Result<Self, String> {
        let address = Address::read(text, LIKE_HTTP)?;
        // A path is HTTP's, whatever the port.
        if address.port != Some(4317) || address.has_path() {
            return judge(text);
        }
        #[cfg(feature = "grpc")]
        return Ok(Self::new(address, Encoding::Grpc));
        #[cfg(not(feature = "grpc"))]
        Err("port 4317 is for gRPC; expected port 4318, or the feature `grpc` of `traced`, or \
             `OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf` where HTTP is spoken there nevertheless"
            .to_owned())
    }

    /// A place of gRPC's, and whether it has no scheme: that says whether there is TLS, and is not judged here.
    #[cfg(feature = "grpc")]
    pub(crate) fn grpc(text: &str) -> Result<(Self, bool), String> {
        let is_bare = !text.contains("://");
        let url = if is_bare { format!("http://{text}") } else { text.to_owned() };
        let address = Address::read(&url, LIKE_GRPC)?;
        let has_path = address.has_path();
        let address = address.without_path();
        let instead =
            has_path.then(|| format!("its path alone: gRPC has its own, and spans go to `{address}`"));
        Ok((Self { instead, ..Self::new(address, Encoding::Grpc) }, is_bare))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(place: Result<Place, String>) -> (String, Option<String>) {
        let place = place.unwrap();
        (place.address.to_string(), place.instead)
    }

    #[test]
    fn traces_are_below_the_place_of_all_signals_and_not_twice() {
        for (text, expected) in [
            ("http://h:4318", "http://h:4318/v1/traces"),
            ("http://h:4318/otlp/", "http://h:4318/otlp/v1/traces"),
            ("http://h/v1/tracesx", "http://h/v1/tracesx/v1/traces"),
        ] {
            assert_eq!(told(Place::base(text)), (expected.to_owned(), None), "{text}");
        }
        for text in ["http://h:4318/v1/traces", "http://h:4318/v1/traces/"] {
            let (address, instead) = told(Place::base(text));
            assert_eq!(address, "http://h:4318/v1/traces");
            assert!(instead.unwrap().starts_with("its path alone: it is that of traces already"));
        }
        // Its own place needs nothing added.
        assert_eq!(told(Place::http("http://h:4318/")).0, "http://h:4318");
        assert_eq!(told(Place::http_or_host("http://h/otlp")).0, "http://h/otlp");
    }

    #[test]
    fn a_port_of_grpc_is_one_unless_there_is_a_path() {
        let by_port = |text| Place::by_port(text, Place::base);
        for text in ["http://h:4318", "http://h:4317/v1/traces", "http://h:4317/otlp"] {
            assert_eq!(by_port(text).unwrap().encoding, Encoding::Protobuf, "{text}");
        }
        for text in ["http://h:4317", "http://h:4317/"] {
            #[cfg(feature = "grpc")]
            assert_eq!(by_port(text).unwrap().encoding, Encoding::Grpc, "{text}");
            #[cfg(not(feature = "grpc"))]
            assert!(by_port(text).unwrap_err().contains("feature `grpc`"), "{text}");
        }
    }
}
