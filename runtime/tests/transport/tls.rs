//! TLS: whom an exporter trusts, and as whom it is known.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use traced::ExportError;
use traced::otlp::Otlp;
use traced::transport::Tls;

use crate::exporters::{LONG, turn};
use crate::receiver::{Manner, Receiver, on};
use crate::{assert_counts, calls, set_up};

/// Who vouches for others.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate and its key.
    fn vouches_for(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

fn config(authority: &Authority, name: &str, asks: bool) -> Arc<ServerConfig> {
    let (certificate, key) = authority.vouches_for(name);
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if asks {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// A receiver that speaks TLS alone.
fn receiver(config: Arc<ServerConfig>) -> Receiver {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let accept = move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
        Some(Box::new(StreamOwned::new(connection, stream)) as _)
    };
    on(listener, [Manner::takes()], Arc::new(accept))
}

fn otlp(address: SocketAddr) -> Otlp {
    Otlp::http(format!("https://localhost:{}", address.port())).timeout(Duration::from_secs(5))
}

#[test]
fn who_is_trusted_gets_the_spans_and_who_is_not_gets_none() {
    let _turn = turn();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let good = receiver(config(&authority, "localhost", false));
    let tracing = set_up(otlp(good.address).tls(Tls::new().certificate(authority.pem())).build().unwrap());
    calls(3);
    tracing.flush().unwrap();
    tracing.shutdown(LONG).unwrap();
    assert_counts(tracing.stats(), 3, 0, 0);
    assert!(good.requests.recv_timeout(LONG).unwrap().head.starts_with("post /v1/traces"));

    for (vouched, name, trusted) in
        [(&stranger, "localhost", &authority), (&authority, "elsewhere.example", &authority)]
    {
        let bad = receiver(config(vouched, name, false));
        let tracing = set_up(otlp(bad.address).tls(Tls::new().certificate(trusted.pem())).build().unwrap());
        calls(3);
        match tracing.flush().unwrap_err() {
            ExportError::Kept { waiting: 3, reason } => assert!(reason.contains("certificate"), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert!(tracing.shutdown(Duration::from_secs(5)).is_err());
        assert_counts(tracing.stats(), 0, 3, 0);
        assert_eq!(bad.requests.try_iter().count(), 0);
    }
}

#[test]
fn who_asks_for_a_certificate_is_shown_it() {
    let _turn = turn();
    let authority = Authority::new();
    let asking = receiver(config(&authority, "localhost", true));
    let trusts = Tls::new().certificate(authority.pem());
    let (certificate, key) = authority.vouches_for("shop");
    let tracing = set_up(otlp(asking.address).tls(trusts.clone().client(certificate, key)).build().unwrap());
    calls(3);
    tracing.flush().unwrap();
    tracing.shutdown(LONG).unwrap();
    assert_counts(tracing.stats(), 3, 0, 0);

    let tracing = set_up(otlp(asking.address).tls(trusts).build().unwrap());
    calls(3);
    assert!(matches!(tracing.flush(), Err(ExportError::Kept { .. })));
    assert!(tracing.shutdown(Duration::from_secs(5)).is_err());
    assert_counts(tracing.stats(), 0, 3, 0);
}

#[test]
fn what_does_not_fit_is_told_before_anything_is_sent() {
    let authority = Authority::new();
    let (certificate, _) = authority.vouches_for("shop");
    let (_, other_key) = authority.vouches_for("other");
    let build = |address: &str, tls| Otlp::http(address).tls(tls).build().unwrap_err().to_string();
    let trusts = || Tls::new().certificate(authority.pem());
    let https = "https://localhost:4318";
    for (told, expected) in [
        (
            build(https, trusts().client(certificate.clone(), other_key.clone())),
            "cannot be used with its key",
        ),
        (
            build(https, trusts().client(certificate.clone(), "secret")),
            "the private key of this client is none",
        ),
        (build(https, trusts().client("nothing", other_key)), "the certificate of this client is none"),
        (build("http://localhost:4318", trusts()), "has no TLS, and `tls` is given"),
    ] {
        assert!(told.contains(expected) && !told.contains("secret"), "{told}");
    }
}

#[cfg(feature = "grpc")]
#[test]
fn grpc_trusts_the_same_and_shows_the_same() {
    use crate::grpc;

    let _turn = turn();
    let authority = Authority::new();
    let acceptor = tokio_rustls::TlsAcceptor::from(config(&authority, "localhost", true));
    let accept: grpc::Accept = Arc::new(move |stream| {
        let acceptor = acceptor.clone();
        Box::pin(async move { Some(Box::new(acceptor.accept(stream).await.ok()?) as grpc::Socket) })
    });
    let receiver = grpc::on("127.0.0.1:0".parse().unwrap(), [grpc::takes()], accept);
    let (certificate, key) = authority.vouches_for("shop");
    let otlp =
        || Otlp::grpc(format!("localhost:{}", receiver.address.port())).timeout(Duration::from_secs(5));
    let trusts = Tls::new().certificate(authority.pem());
    let tracing = set_up(otlp().tls(trusts.clone().client(certificate.clone(), key)).build().unwrap());
    calls(3);
    tracing.flush().unwrap();
    tracing.shutdown(LONG).unwrap();
    assert_counts(tracing.stats(), 3, 0, 0);
    assert_eq!(receiver.calls.recv_timeout(LONG).unwrap().numbers, [0, 1, 2]);

    let stranger = Tls::new().certificate(Authority::new().pem());
    let tracing = set_up(otlp().tls(stranger).build().unwrap());
    calls(3);
    assert!(matches!(tracing.flush(), Err(ExportError::Kept { waiting: 3, .. })));
    assert!(tracing.shutdown(Duration::from_secs(5)).is_err());
    assert_counts(tracing.stats(), 0, 3, 0);

    let (_, other) = authority.vouches_for("other");
    let told = otlp().tls(trusts.client(certificate, other)).build().unwrap_err().to_string();
    assert!(told.contains("cannot be used with its key"), "{told}");
}
