//! Targets behind a proxy, and such as demand a certificate, in a sweep as it is configured.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gorphan_fleet::FleetConfig;
use gorphan_fleet::discover::{Discovery, Surroundings};
use gorphan_fleet::sweep::{Effects, Sweeper, Swept};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

const PROFILE: &str = "goroutine profile: total 5\n5 @ 0x1 0x2\n#\t0x1\truntime.chansend1+0x1\t/go/src/runtime/chan.go:1\n#\t0x2\t\
                       main.f+0x1\t/src/main.go:3\n\n";

/// Answers one request with the profile; gives its head.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(read) if read > 0 => head.extend_from_slice(&piece[..read]),
            _ => break,
        }
    }
    let length = PROFILE.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{PROFILE}"
    );
    // Whoever does not trust us is gone already.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    String::from_utf8_lossy(&head).into_owned()
}

async fn sweep(job: &str, folder: &Path) -> Swept {
    let yaml = format!("scrape_configs:\n  - job_name: j\n    scrape_timeout: 5s\n{job}");
    let config = FleetConfig::parse(&yaml, "gorphan.yaml", folder).expect("a configuration");
    let mut discovery = Discovery::new(Surroundings::default());
    let found = discovery.find(&config, Duration::ZERO).await;
    assert!(found.troubles.is_empty(), "{:?}", found.troubles);
    // Nothing here waits before it asks again.
    let effects = Effects::of(
        |_| Box::pin(std::future::ready(())),
        || 0.5,
        || Duration::ZERO,
    );
    Sweeper::new(effects).sweep(&config, found.targets).await
}

/// A server that keeps the head of every request.
async fn listening() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let head = answer(stream).await;
            kept.lock().expect("whole").push(head);
        }
    });
    (address, heads)
}

#[tokio::test]
async fn targets_are_asked_through_their_proxy_alone() {
    let (proxy, asked) = listening().await;
    let (direct, asked_directly) = listening().await;
    let job = format!(
        "    proxy_url: http://ann:s3cret@{proxy}\n    no_proxy: 127.0.0.1\n    profiling_config: {{pprof_config: {{goroutineleak: \
         {{enabled: false}}}}}}\n    static_configs: [{{targets: ['shop.invalid:6060', '{direct}']}}]\n"
    );
    let swept = sweep(&job, Path::new("")).await;
    assert_eq!(swept.looks.len(), 2, "{:?}", swept.failures);
    assert!(swept.looks.iter().all(|look| look.goroutines == 5));
    let asked = asked.lock().expect("whole").clone();
    let [head] = asked.as_slice() else {
        panic!("one request: {asked:?}");
    };
    let first = head.lines().next().expect("a line");
    assert_eq!(
        first,
        "GET http://shop.invalid:6060/debug/pprof/goroutine HTTP/1.1"
    );
    let lower = head.to_ascii_lowercase();
    assert!(
        lower.contains("proxy-authorization: basic yw5uonmzy3jlda=="),
        "{head}"
    );
    let directly = asked_directly.lock().expect("whole").clone();
    assert!(
        directly[0].starts_with("GET /debug/pprof/goroutine HTTP/1.1"),
        "{directly:?}"
    );
    assert!(
        !directly[0]
            .to_ascii_lowercase()
            .contains("proxy-authorization")
    );
}

#[tokio::test]
async fn a_proxy_that_is_gone_is_a_failure_without_its_password() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gone = listener.local_addr().expect("an address");
    drop(listener);
    let (target, asked) = listening().await;
    let job = format!(
        "    proxy_url: http://ann:s3cret@{gone}\n    static_configs: [{{targets: ['{target}']}}]\n"
    );
    let swept = sweep(&job, Path::new("")).await;
    let reason = &swept.failures[0].reason;
    assert!(
        reason.contains("cannot connect") && !reason.contains("s3cret"),
        "{reason}"
    );
    assert!(
        asked.lock().expect("whole").is_empty(),
        "not past the proxy"
    );
}

/// A server that answers whoever shows a certificate of its authority; gives its port. The folder gets what a client needs.
async fn guarded(folder: &Path) -> u16 {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
    let issue = |name: &str| {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("parameters");
        (params.signed_by(&key, &issuer).expect("a certificate"), key)
    };
    let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("written");
    let (client, client_key) = issue("client");
    write("ca.pem", issuer.pem());
    write("client.pem", client.pem());
    write("client.key", client_key.serialize_pem());
    let (server, server_key) = issue("localhost");
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).expect("a root");
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
    let key = PrivatePkcs8KeyDer::from(server_key.serialize_der());
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier.expect("a verifier"))
        .with_single_cert(vec![server.der().clone()], PrivateKeyDer::Pkcs8(key))
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                answer(stream).await;
            }
        }
    });
    port
}

#[tokio::test]
async fn a_target_that_demands_a_certificate_gets_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = guarded(folder.path()).await;
    let job = |tls: &str| {
        format!(
            "    scheme: https\n    tls_config: {{{tls}}}\n    static_configs: [{{targets: ['localhost:{port}']}}]\n"
        )
    };
    // Files are relative to the configuration's folder.
    let whole = job("ca_file: ca.pem, cert_file: client.pem, key_file: client.key");
    let swept = sweep(&whole, folder.path()).await;
    assert_eq!(swept.looks.len(), 1, "{:?}", swept.failures);
    for (tls, word) in [
        ("ca_file: ca.pem", ""),
        ("cert_file: client.pem, key_file: client.key", "certificate"),
        (
            "ca_file: ca.pem, cert_file: client.pem, key_file: missing",
            "missing",
        ),
    ] {
        let swept = sweep(&job(tls), folder.path()).await;
        assert_eq!((swept.looks.len(), swept.failures.len()), (0, 1), "{tls}");
        let reason = &swept.failures[0].reason;
        assert!(reason.contains(word), "{word:?} is not in {reason}");
    }
}
