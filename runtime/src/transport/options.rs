//! What exporters of all formats can be told.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::{Address, Misconfigured, Setting, TIMEOUT};

/// How spans are sent, apart from where and in which format.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) gzip: bool,
    /// `None` where nobody has said how long.
    pub(crate) timeout: Option<Duration>,
    pub(crate) headers: Vec<(String, String)>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<super::Tls>,
}

impl Options {
    /// How long an answer is waited for.
    pub(super) fn patience(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// Whether an address can be asked with all this.
    #[cfg_attr(
        not(feature = "tls"),
        expect(unused_variables, reason = "an address that is read fits the rest")
    )]
    pub(super) fn judge(&self, address: &Address) -> Result<(), Misconfigured> {
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
        if self.tls.is_some() && !address.is_encrypted {
            return Err(Misconfigured(format!(
                "the address `{address}` has no TLS, and `tls` is given; expected `https://`"
            )));
        }
        Ok(())
    }

    /// What there is to tell of them, on the way to an address.
    #[cfg_attr(
        not(feature = "tls"),
        expect(unused_variables, unused_mut, reason = "certificates are told behind, where there is TLS")
    )]
    pub(super) fn told(&self, address: &Address) -> Vec<Setting> {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let mut told = vec![
            Setting::new("timeout", format!("{:?}", self.patience()), self.timeout.is_some()),
            Setting::new("compression", if self.gzip { "gzip" } else { "none" }, self.gzip),
            Setting::new("headers", names, !self.headers.is_empty()),
        ];
        #[cfg(feature = "tls")]
        if address.is_encrypted {
            let (trusts, shows) =
                self.tls.as_ref().map_or((false, false), |tls| (tls.roots.is_some(), tls.client.is_some()));
            let trusted = if trusts { "given" } else { "whom the system trusts" };
            told.push(Setting::new("certificate", trusted, trusts));
            let client = if shows { "given" } else { "none" };
            told.push(Setting::new("client certificate", client, shows));
        }
        told
    }

    /// The headers, with the one that a user in the address becomes.
    pub(super) fn headers(&self, address: &Address) -> Vec<(&str, Cow<'_, str>)> {
        let has_own = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let authorization = address.authorization().filter(|_| !has_own);
        let said = self.headers.iter().map(|(name, value)| (name.as_str(), Cow::from(value)));
        said.chain(authorization.map(|value| ("authorization", value.into()))).collect()
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
        options.field("gzip", &self.gzip).field("timeout", &self.patience()).field("headers", &headers);
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
            self.options.timeout = Some(timeout.max(std::time::Duration::from_millis(1)));
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
