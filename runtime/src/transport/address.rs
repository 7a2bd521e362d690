//! Where spans go: a URL, judged, and shown without its secrets.

use std::fmt;

use base64::Engine as _;
use ureq::http::Uri;

use crate::setup::clean;

/// A URL that can be asked, with what its user and password become.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) is_encrypted: bool,
    /// What stands before the host, percents and all.
    user: Option<String>,
    host: String,
    pub(crate) port: Option<u16>,
    /// Empty where none was said.
    pub(crate) path: String,
    query: Option<String>,
}

const NO_TLS: &str = "no TLS is built in; enable the feature `tls` of `traced`, or expected `http://`, to a collector that \
                      goes on with TLS";

impl Address {
    /// The address that a text is, or what is wrong with it; the example is what was hoped for.
    pub(crate) fn read(text: &str, example: &str) -> Result<Self, String> {
        let expected = || format!("expected a URL, like `{example}`");
        let (scheme, rest) = text.split_once("://").ok_or_else(expected)?;
        let is_encrypted = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" if cfg!(feature = "tls") => true,
            "https" => return Err(NO_TLS.to_owned()),
            _ => return Err(expected()),
        };
        if rest.contains('#') {
            return Err(
                "what stands behind a `#` is sent to nobody; expected a URL without it, or `%23`".to_owned()
            );
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        // Colons also stand in an address of IPv6.
        let behind = place.rfind(']').map_or(0, |end| end + 1);
        let (host, port) = match place[behind..].split_once(':') {
            Some((name, port)) => (&place[..behind + name.len()], Some(port)),
            None => (place, None),
        };
        // What `http` takes for one it is, but for the port, which it does not look at.
        let uri: Uri = format!("http://{host}{path}").parse().map_err(|_| expected())?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(expected());
        }
        let number = |port: &str| {
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            port.parse().ok().filter(|port: &u16| is_number && *port > 0)
        };
        let port = match port.map(number) {
            Some(None) => return Err(format!("the port is wrong; expected 1 to 65535, as in `{example}`")),
            Some(port) => port,
            None => None,
        };
        if user.is_some_and(|user| authorization(user).is_none()) {
            return Err(expected());
        }
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path, None),
        };
        let path = if path == "/" { "" } else { path }.to_owned();
        Ok(Self { is_encrypted, user: user.map(str::to_owned), host: host.to_owned(), port, path, query })
    }

    /// A port of this machine.
    pub(crate) fn local(port: u16, path: &str) -> Self {
        let (host, path) = ("localhost".to_owned(), path.to_owned());
        Self { is_encrypted: false, user: None, host, port: Some(port), path, query: None }
    }

    /// The same with TLS.
    #[cfg(feature = "grpc")]
    pub(crate) fn encrypted(self) -> Result<Self, String> {
        if cfg!(feature = "tls") { Ok(Self { is_encrypted: true, ..self }) } else { Err(NO_TLS.to_owned()) }
    }

    /// Whether there is more than a host and a port.
    pub(crate) fn has_path(&self) -> bool {
        !self.path.is_empty() || self.query.is_some()
    }

    /// Only the host and the port.
    #[cfg(feature = "grpc")]
    pub(crate) fn without_path(self) -> Self {
        Self { path: String::new(), query: None, ..self }
    }

    /// The place below this one; its query stays behind.
    pub(crate) fn below(self, path: &str) -> Self {
        let path = format!("{}{path}", self.path.trim_end_matches('/'));
        Self { path, ..self }
    }

    /// The same host, at another port and with another path.
    pub(crate) fn at(self, port: u16, path: &str) -> Self {
        Self { port: Some(port), path: path.to_owned(), query: None, ..self }
    }

    /// What is asked, without the user.
    pub(super) fn url(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{path}{query}", self.place(""))
    }

    /// What the user before the host becomes.
    pub(super) fn authorization(&self) -> Option<String> {
        authorization(self.user.as_deref()?)
    }

    fn place(&self, user: &str) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{user}{}{port}", self.host)
    }

    /// A text that may be a URL, without user, password and query, any of which may be a secret.
    pub(crate) fn shown(text: &str) -> String {
        let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
        let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
        let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("***@{host}"));
        let path = path.split_once('?').map_or(path.to_owned(), |(path, _)| format!("{path}?***"));
        clean(&format!("{scheme}{host}{path}"))
    }
}

/// A user and a password as the header they are; `None` where percents encode nothing.
fn authorization(user: &str) -> Option<String> {
    let user = crate::propagation::percent_decoded(user)?;
    Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user)))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.user.is_some() { "***@" } else { "" };
        let query = if self.query.is_some() { "?***" } else { "" };
        f.write_str(&clean(&format!("{}{}{query}", self.place(user), self.path)))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "http://localhost:9411/api/v2/spans";

    fn read(text: &str) -> Result<Address, String> {
        Address::read(text, EXAMPLE)
    }

    #[test]
    fn a_user_and_a_password_become_a_header_and_are_not_shown() {
        let address = read("http://me:hunter%402@collector:4318/v1/traces?key=hunter3").unwrap();
        assert_eq!(address.url(), "http://collector:4318/v1/traces?key=hunter3");
        assert_eq!(address.authorization().as_deref(), Some("Basic bWU6aHVudGVyQDI="));
        assert_eq!(address.to_string(), "http://***@collector:4318/v1/traces?***");
        assert_eq!(format!("{address:?}"), address.to_string());
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
            "http://a\r\nb",
            "http://[::1",
            "http:///v1/traces",
            "http://?a",
            "http://a%ff@b",
        ] {
            assert_eq!(read(wrong), Err(format!("expected a URL, like `{EXAMPLE}`")), "{wrong}");
        }
        for wrong in
            ["http://a:0", "http://a:99999", "http://a:b", "http://a:", "http://a:+1", "http://[::1]:x/"]
        {
            let expected = format!("the port is wrong; expected 1 to 65535, as in `{EXAMPLE}`");
            assert_eq!(read(wrong), Err(expected), "{wrong}");
        }
        for wrong in ["http://a#b", "http://a/b?c#d", "http://me:pa#ss@a/"] {
            let fault = read(wrong).unwrap_err();
            assert!(fault.starts_with("what stands behind a `#` is sent to nobody"), "{wrong}: {fault}");
        }
        for right in ["http://a", "http://[::1]:4318", "http://1.2.3.4:1/x?y", "http://u@[::1]/", "HTTP://a"]
        {
            assert!(read(right).is_ok(), "{right}");
        }
    }

    #[test]
    fn a_path_goes_before_the_query() {
        for (base, expected) in [
            ("http://a", "http://a/v1/traces"),
            ("http://a/", "http://a/v1/traces"),
            ("Http://a?tenant=b", "http://a/v1/traces?tenant=b"),
            ("http://a:1/otlp/?tenant=b/c?d", "http://a:1/otlp/v1/traces?tenant=b/c?d"),
        ] {
            assert_eq!(read(base).unwrap().below("/v1/traces").url(), expected, "{base}");
        }
        assert_eq!(read("http://u@a:1/old?x=y").unwrap().at(2, "/new").url(), "http://a:2/new");
    }
}
