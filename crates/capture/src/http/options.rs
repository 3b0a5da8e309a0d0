//! How to reach endpoints: credentials, certificates and limits.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A text that is never shown: its `Debug` is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer`.
    Bearer(Secret),
    /// `Authorization: Basic`.
    Basic {
        /// User.
        user: String,
        /// Password; may be empty.
        password: Secret,
    },
}

/// A client certificate with its key, both PEM. The certificate's file may hold the chain, and the key as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Certificate file.
    pub certificate: PathBuf,
    /// Key file; `None` if it stands in the certificate's file.
    pub key: Option<PathBuf>,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub read: Duration,
    /// For everything that one capture asks.
    pub total: Duration,
}

impl Default for Timeouts {
    /// 10 s, 30 s and 120 s: debug=2 of 100,000 goroutines takes 12 s on a busy machine.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            total: Duration::from_secs(120),
        }
    }
}

/// How to reach endpoints.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Sent to targets that have no credentials in their own URL.
    pub auth: Option<Auth>,
    /// Further headers; treated as secrets, as they often are.
    pub headers: Vec<(String, Secret)>,
    /// Shown to servers that ask for one.
    pub client_certificate: Option<ClientCertificate>,
    /// Certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Trust any certificate.
    pub insecure_skip_verify: bool,
    /// Go through the proxies of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`).
    pub proxy_from_environment: bool,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Bytes of one answer as sent.
    pub max_body_bytes: u64,
    /// Bytes of one answer unpacked; the smaller of this and the decoder's own limit holds.
    pub max_unpacked_bytes: u64,
    /// Redirects followed.
    pub max_redirects: usize,
}

impl HttpOptions {
    /// Bytes of one answer: debug=1 of 100,000 labelled goroutines was seen with 246 MB.
    pub const MAX_BODY_BYTES: u64 = 1 << 30;
    /// Bytes of one answer unpacked: a thousandfold is what gzip can do, and no honest profile comes near this.
    pub const MAX_UNPACKED_BYTES: u64 = 4 << 30;
    /// Redirects followed: load balancer, https, and a trailing slash, with room to spare.
    pub const MAX_REDIRECTS: usize = 5;
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            auth: None,
            headers: Vec::new(),
            client_certificate: None,
            ca_file: None,
            insecure_skip_verify: false,
            proxy_from_environment: true,
            timeouts: Timeouts::default(),
            max_body_bytes: Self::MAX_BODY_BYTES,
            max_unpacked_bytes: Self::MAX_UNPACKED_BYTES,
            max_redirects: Self::MAX_REDIRECTS,
        }
    }
}
