//! Whom to trust, and who one is.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::Misconfigured;

/// Whom an exporter trusts on an `https://` address, and the certificate it shows itself. Without it, whom the system
/// trusts, and none.
///
/// ```
/// use traced::{otlp::Otlp, transport::Tls};
///
/// let wrong = Tls::new().certificate("no certificate");
/// let refused = Otlp::http("https://collector:4318").tls(wrong).build().unwrap_err();
/// assert_eq!(refused.to_string(), "the certificate to trust is none; expected PEM, `-----BEGIN CERTIFICATE-----` and so on");
/// ```
#[derive(Clone, Default)]
pub struct Tls {
    pub(super) roots: Option<Vec<u8>>,
    pub(super) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    /// Whom the system trusts; no certificate of one's own.
    pub fn new() -> Self {
        Self::default()
    }

    /// The only ones to trust: certificates in PEM, of the receiver or of who vouches for it.
    pub fn certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// What the receiver is shown, if it asks: a certificate with those that vouch for it, and its private key, in PEM.
    pub fn client(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.client = Some((certificate.into(), key.into()));
        self
    }

    /// Whether these can be trusted: certificates in PEM.
    pub(crate) fn judge_roots(pem: &[u8]) -> Result<(), String> {
        roots(&certificates(pem)?).map(drop)
    }

    /// Whether this is a certificate, or several.
    pub(crate) fn judge_chain(pem: &[u8]) -> Result<(), String> {
        certificates(pem).map(drop)
    }

    /// Whether this is a private key.
    pub(crate) fn judge_key(pem: &[u8]) -> Result<(), String> {
        private_key(pem).map(drop)
    }

    /// Whether a certificate and a key fit.
    pub(crate) fn judge_pair(chain: &[u8], key: &[u8]) -> Result<(), String> {
        let (chain, key) = (certificates(chain)?, private_key(key)?);
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_root_certificates(RootCertStore::empty()).with_client_auth_cert(chain, key)
            })
            .map(drop)
            .map_err(|error| format!("the certificate of this client cannot be used with its key: {error}"))
    }

    /// What `ureq` is to be told. All of it is tried here, since later it would be too late.
    pub(super) fn config(&self) -> Result<TlsConfig, Misconfigured> {
        let of = |what: &'static str| move |reason| Misconfigured(format!("{what} {reason}"));
        let trusted = match &self.roots {
            Some(pem) => {
                let trusted = certificates(pem).map_err(of(ROOTS))?;
                roots(&trusted).map_err(of(ROOTS))?;
                trusted
            }
            None => system()?,
        };
        let trusted: Vec<_> = trusted.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
        let client = match &self.client {
            None => None,
            Some((certificate, key)) => {
                let chain = certificates(certificate).map_err(of("the certificate of this client"))?;
                private_key(key).map_err(of("the private key of this client"))?;
                Self::judge_pair(certificate, key).map_err(Misconfigured)?;
                let chain: Vec<_> = chain.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
                let key = PrivateKey::from_pem(key).map_err(|error| Misconfigured(error.to_string()))?;
                Some(ClientCert::new_with_certs(&chain, key))
            }
        };
        Ok(TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&trusted))
            .client_cert(client)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build())
    }

    /// What `tonic` is to be told.
    #[cfg(feature = "grpc")]
    pub(super) fn channel(&self) -> Result<tonic::transport::ClientTlsConfig, Misconfigured> {
        use tonic::transport::{Certificate, ClientTlsConfig, Identity};

        // The same judgement, with the same words.
        self.config()?;
        let config = ClientTlsConfig::new();
        let config = match &self.roots {
            Some(pem) => config.ca_certificate(Certificate::from_pem(pem)),
            None => config.with_native_roots(),
        };
        Ok(match &self.client {
            Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key)),
            None => config,
        })
    }
}

const ROOTS: &str = "the certificate to trust";

/// The certificates in a PEM, one or more; or what is wrong with it, to follow what it is.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.ok().filter(|all| !all.is_empty());
    all.ok_or_else(|| "is none; expected PEM, `-----BEGIN CERTIFICATE-----` and so on".to_owned())
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| "is none; expected PEM, `-----BEGIN PRIVATE KEY-----` and so on".to_owned())
}

fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|error| format!("cannot be used: {error}"))?;
    }
    Ok(roots)
}

/// Whom the system trusts.
fn system() -> Result<Vec<CertificateDer<'static>>, Misconfigured> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(Misconfigured(format!(
            "the system trusts no certificates{why}; install its `ca-certificates`, or give the receiver's with \
             `OTEL_EXPORTER_OTLP_CERTIFICATE` or `Tls::certificate`"
        )));
    }
    Ok(found.certs)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roots = if self.roots.is_some() { "given" } else { "the system's" };
        f.debug_struct("Tls").field("trusts", &roots).field("has_client", &self.client.is_some()).finish()
    }
}
