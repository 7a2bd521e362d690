//! What exporters of all formats can be told.

use std::fmt;
use std::time::Duration;

use super::{Address, Misconfigured, TIMEOUT};

/// How spans are sent, apart from where and in which format.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) gzip: bool,
    pub(crate) timeout: Duration,
    pub(crate) headers: Vec<(String, String)>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<super::Tls>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            gzip: false,
            timeout: TIMEOUT,
            headers: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl Options {
    /// The address, if it can be asked with all this; what its user becomes goes to the headers.
    pub(super) fn judged(&self, address: &str) -> Result<Address, Misconfigured> {
        let judged = Address::judge(address).map_err(|reason| {
            Misconfigured(format!("the address `{}`: {reason}", Address::shown(address)))
        })?;
        for (name, value) in &self.headers {
            if !is_header(name, value) {
                // The value may be a key.
                return Err(Misconfigured(format!(
                    "the header `{}` cannot be sent; expected a name of HTTP's that is not the exporter's own, and a \
                     value of printable ASCII",
                    crate::setup::clean(name)
                )));
            }
        }
        #[cfg(feature = "tls")]
        if self.tls.is_some() && !judged.is_encrypted {
            return Err(Misconfigured(format!(
                "the address `{}` has no TLS, and `tls` is given; expected `https://`",
                Address::shown(address)
            )));
        }
        Ok(judged)
    }

    /// The headers, with the one that a user in the address becomes.
    pub(super) fn headers<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = (&'a str, &'a str)> {
        let has_own = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let authorization = address.authorization.as_deref().filter(|_| !has_own);
        let said = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        said.chain(authorization.map(|value| ("authorization", value)))
    }
}

/// Whether a header can be sent beside those that the exporter sends itself.
pub(crate) fn is_header(name: &str, value: &str) -> bool {
    const OWN: [&str; 8] = [
        "content-type",
        "content-length",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "host",
        "te",
        "grpc-encoding",
    ];
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_name = !name.is_empty() && name.bytes().all(is_token);
    let is_value = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    // What ends so is for bytes in gRPC, and a text is none.
    let is_binary = name.to_ascii_lowercase().ends_with("-bin");
    is_name && is_value && !is_binary && !OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        let mut options = f.debug_struct("Options");
        options.field("gzip", &self.gzip).field("timeout", &self.timeout).field("headers", &headers);
        #[cfg(feature = "tls")]
        options.field("tls", &self.tls);
        options.finish()
    }
}

/// The methods of a builder that has `options`.
#[cfg(any(feature = "otlp", feature = "zipkin"))]
macro_rules! takes_options {
    () => {
        /// Packs what is sent: a tenth of the bytes, for a little of the exporter's time.
        pub fn gzip(mut self) -> Self {
            self.options.gzip = true;
            self
        }

        /// A header to be sent along, such as a key; as often as called. Its value is shown nowhere.
        pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.options.headers.push((name.into(), value.into()));
            self
        }

        /// How long a send may take, from the look-up of the name to the end of the answer: a millisecond or more. Default
        /// 10 s.
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            self.options.timeout = timeout.max(std::time::Duration::from_millis(1));
            self
        }

        /// Whom to trust on an `https://` address, and who one is.
        #[cfg(feature = "tls")]
        pub fn tls(mut self, tls: crate::transport::Tls) -> Self {
            self.options.tls = Some(tls);
            self
        }
    };
}

#[cfg(any(feature = "otlp", feature = "zipkin"))]
pub(crate) use takes_options;
