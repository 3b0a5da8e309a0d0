//! Servers with certificates, and such as demand one.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use gorphan_capture::{Capture, Client, ClientCertificate, Error, HttpOptions, HttpTarget};
use gorphan_decode::Options;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

const DUMP: &str = "goroutine 7 [chan send]:\nmain.f()\n\t/src/main.go:3 +0x1d\n";

/// An authority with a server's and a client's certificate.
struct Authority {
    folder: tempfile::TempDir,
    root: CertificateDer<'static>,
    server: (CertificateDer<'static>, PrivateKeyDer<'static>),
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let issue = |name: &str| {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new([name.to_owned()]).expect("parameters");
            (params.signed_by(&key, &issuer).expect("a certificate"), key)
        };
        let folder = tempfile::tempdir().expect("a folder");
        let (client, client_key) = issue("client");
        fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        fs::write(folder.path().join("client.pem"), client.pem()).expect("written");
        fs::write(folder.path().join("client.key"), client_key.serialize_pem()).expect("written");
        let (server, server_key) = issue("localhost");
        Self {
            folder,
            root: issuer.der().clone(),
            server: (
                server.der().clone(),
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der())),
            ),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server of this authority; gives its address.
    async fn serve(&self, demands_certificate: bool) -> String {
        let builder = ServerConfig::builder();
        let builder = if demands_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(self.root.clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let (certificate, key) = (self.server.0.clone(), self.server.1.clone_key());
        let config = builder
            .with_single_cert(vec![certificate], key)
            .expect("a configuration");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", DUMP.len());
                let _ = stream.write_all(format!("{head}{DUMP}").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        format!("https://localhost:{port}/x")
    }
}

/// Past the proxy of whoever runs the tests.
fn direct() -> HttpOptions {
    HttpOptions {
        proxy_from_environment: false,
        ..HttpOptions::default()
    }
}

async fn capture(url: &str, options: &HttpOptions) -> Result<Capture, Error> {
    let target = HttpTarget::parse(url)?;
    Client::new(options)?
        .capture(&target, &Options::default())
        .await
}

#[track_caller]
fn check(result: Result<Capture, Error>, words: &[&str]) {
    let error = result.expect_err("it should fail");
    let said = format!("{error}\n{}", error.advice().unwrap_or_default());
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_or_on_request() {
    let authority = Authority::new();
    let url = authority.serve(false).await;
    let strict = direct();
    check(capture(&url, &strict).await, &["certificate", "--ca-file"]);
    let informed = HttpOptions {
        ca_file: Some(authority.file("ca.pem")),
        ..direct()
    };
    capture(&url, &informed).await.expect("captured");
    let careless = HttpOptions {
        insecure_skip_verify: true,
        ..direct()
    };
    capture(&url, &careless).await.expect("captured");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_demanded() {
    let authority = Authority::new();
    let url = authority.serve(true).await;
    let without = HttpOptions {
        ca_file: Some(authority.file("ca.pem")),
        ..direct()
    };
    check(capture(&url, &without).await, &["--client-cert"]);
    let with = HttpOptions {
        client_certificate: Some(ClientCertificate {
            certificate: authority.file("client.pem"),
            key: Some(authority.file("client.key")),
        }),
        ..without
    };
    capture(&url, &with).await.expect("captured");
}

#[tokio::test]
async fn a_server_without_tls_is_recognised() {
    let server = wiremock::MockServer::start().await;
    let url = server.uri().replace("http://", "https://");
    check(capture(&url, &direct()).await, &["http://"]);
}

#[test]
fn files_that_hold_no_certificate_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").expect("written");
    let pair = |certificate: &PathBuf| ClientCertificate {
        certificate: certificate.clone(),
        key: None,
    };
    let missing = folder.path().join("missing.pem");
    for (options, words) in [
        (
            HttpOptions {
                ca_file: Some(empty.clone()),
                ..direct()
            },
            ["CA file", "empty.pem"],
        ),
        (
            HttpOptions {
                ca_file: Some(missing.clone()),
                ..direct()
            },
            ["CA file", "missing.pem"],
        ),
        (
            HttpOptions {
                client_certificate: Some(pair(&empty)),
                ..direct()
            },
            ["client certificate", "empty.pem"],
        ),
    ] {
        let Err(error) = Client::new(&options) else {
            panic!("{options:?} is accepted");
        };
        let said = error.to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
}
