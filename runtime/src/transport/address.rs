//! Where spans go: a URL, judged, and shown without its secrets.

use base64::Engine as _;
use ureq::http::Uri;

use crate::setup::clean;

/// A URL that can be asked, with what its user and password become.
#[derive(Clone)]
pub(crate) struct Address {
    pub(super) url: String,
    pub(super) authorization: Option<String>,
    pub(super) is_encrypted: bool,
}

const EXPECTED: &str = "expected a URL, like `http://localhost:4318`";

impl Address {
    /// The address that a text is, or what is wrong with it.
    pub(crate) fn judge(text: &str) -> Result<Self, String> {
        let is_encrypted = match text.split_once("://") {
            Some(("http", _)) => false,
            Some(("https", _)) if cfg!(feature = "tls") => true,
            Some(("https", _)) => {
                return Err(
                    "no TLS is built in; enable the feature `tls` of `traced`, or expected `http://`, to a \
                            collector that goes on with TLS"
                        .to_owned(),
                );
            }
            _ => return Err(EXPECTED.to_owned()),
        };
        let uri = Self::parsed(text).ok_or(EXPECTED)?;
        let authority = uri.authority().ok_or(EXPECTED)?.as_str();
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let authorization = match user.map(|user| crate::propagation::percent_decoded(user).ok_or(EXPECTED)) {
            Some(user) => Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user?))),
            None => None,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let scheme = if is_encrypted { "https" } else { "http" };
        Ok(Self { url: format!("{scheme}://{place}{path}"), authorization, is_encrypted })
    }

    fn parsed(text: &str) -> Option<Uri> {
        let uri: Uri = text.parse().ok()?;
        let port =
            uri.authority()?.as_str().rsplit_once(']').map_or(uri.authority()?.as_str(), |(_, port)| port);
        let port = port.rsplit_once('@').map_or(port, |(_, port)| port);
        let is_right =
            port.split_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
        (is_right && !uri.host()?.is_empty()).then_some(uri)
    }

    /// The path of a URL.
    pub(crate) fn path(text: &str) -> Option<&str> {
        let rest = text.split_once("://")?.1;
        let path = rest.find(['/', '?']).map_or("", |start| &rest[start..]);
        Some(path)
    }

    /// The scheme, the host with a user before it, and the port.
    pub(crate) fn place(text: &str) -> Option<(String, String, Option<u16>)> {
        let uri = Self::parsed(text)?;
        let authority = uri.authority()?.as_str();
        let host = match uri.port() {
            Some(port) => authority.strip_suffix(port.as_str())?.trim_end_matches(':'),
            None => authority,
        };
        Some((uri.scheme_str()?.to_owned(), host.to_owned(), uri.port_u16()))
    }

    /// A URL without user, password and query, any of which may be a secret.
    pub(crate) fn shown(text: &str) -> String {
        let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
        let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
        let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("***@{host}"));
        let path = path.split_once('?').map_or(path.to_owned(), |(path, _)| format!("{path}?***"));
        clean(&format!("{scheme}{host}{path}"))
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&Self::shown(&self.url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_a_password_become_a_header_and_are_not_shown() {
        let address = Address::judge("http://me:hunter%402@collector:4318/v1/traces?key=hunter3").unwrap();
        assert_eq!(address.url, "http://collector:4318/v1/traces?key=hunter3");
        assert_eq!(address.authorization.as_deref(), Some("Basic bWU6aHVudGVyQDI="));
        assert_eq!(format!("{address:?}"), "http://collector:4318/v1/traces?***");
        assert_eq!(Address::shown("http://me:x@collector/a"), "http://***@collector/a");
    }

    #[test]
    fn what_is_no_address_is_none() {
        for wrong in [
            "",
            "localhost:4318",
            "http://",
            "http://:4318",
            "http://a b",
            "ftp://a",
            "http://a:0",
            "http://a:99999",
            "http://a:b",
            "http://a\r\nb",
            "http://[::1",
            "http:///v1/traces",
            "http://?a",
        ] {
            assert!(Address::judge(wrong).is_err(), "{wrong}");
        }
        for right in ["http://a", "http://[::1]:4318", "http://1.2.3.4:1/x?y", "http://u@[::1]/"] {
            assert!(Address::judge(right).is_ok(), "{right}");
        }
    }
}
