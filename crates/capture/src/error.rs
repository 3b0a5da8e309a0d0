//! Why a capture failed: what was attempted and found, and apart from it what to try.

use std::io;
use std::time::Duration;

/// Why a target gave no snapshot. `Display` is one line without credentials; [`Error::advice`] says what to try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A process or a core file.
    #[error(transparent)]
    Process(#[from] crate::ProcessError),
    /// A number was given, and there is no such file, and no process can have it.
    #[error("cannot inspect process {pid}: no process has so large a number")]
    Pid {
        /// As given.
        pid: String,
    },
    /// A URL that is neither http nor https.
    #[error("cannot read from a {scheme:?} address: only http and https are understood")]
    Scheme {
        /// As given.
        scheme: String,
    },
    /// A URL that cannot be read. The URL itself is not repeated: it may hold a password.
    #[error("cannot read the address of the endpoint: {why}")]
    Url {
        /// What is wrong.
        why: String,
    },
    /// A file that cannot be opened.
    #[error("cannot open {path}: {source}")]
    Open {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A directory instead of a file.
    #[error("cannot read {path}: it is a directory, not a dump or profile")]
    Directory {
        /// The directory.
        path: String,
    },
    /// Not goroutines, or damaged beyond use.
    #[error("cannot read goroutines from {name}: {source}")]
    Decode {
        /// File, or `standard input`.
        name: String,
        /// What the decoder found.
        source: gorphan_decode::Error,
    },
    /// An option of the HTTP client that cannot be used.
    #[error("cannot use {what}: {why}")]
    Option {
        /// Which option and file.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The runtime for network access did not start.
    #[error("cannot start network access: {source}")]
    Runtime {
        /// What the system said.
        source: io::Error,
    },
    /// No connection.
    #[error("cannot connect to {url}: {detail}")]
    Connect {
        /// Without credentials.
        url: String,
        /// The causes, outermost first.
        detail: String,
        /// What sort of failure it was.
        reason: ConnectReason,
    },
    /// Too slow.
    #[error("no complete answer from {url}: {phase} took more than {}", seconds(*limit))]
    Timeout {
        /// Without credentials.
        url: String,
        /// `connecting`, `waiting for data`, or `the capture`.
        phase: &'static str,
        /// The limit that passed.
        limit: Duration,
    },
    /// Anything but 200.
    #[error("{url} answered {status}{}", quoted(excerpt))]
    Status {
        /// Without credentials.
        url: String,
        /// As `401 Unauthorized`.
        status: String,
        /// The status as a number.
        code: u16,
        /// The start of the body, or the title of a page, in one line.
        excerpt: String,
        /// Credentials were at hand and were sent.
        sent_credentials: bool,
        /// Credentials were at hand and were held back because a redirect led to another host.
        left_host: bool,
    },
    /// No `goroutineleak` profile there.
    #[error("{url} answered 404: this program has no goroutineleak profile")]
    NoLeakProfile {
        /// Without credentials.
        url: String,
    },
    /// A web page in place of a profile.
    #[error("{url} sent a web page in place of a profile{}", quoted(title))]
    WebPage {
        /// Without credentials.
        url: String,
        /// Its title, or how it starts.
        title: String,
        /// It is the index page of net/http/pprof.
        pprof_index: bool,
    },
    /// 200, and not goroutines.
    #[error(
        "what {url} sent is not a goroutine profile: {source} (content type {content_type:?}){}",
        quoted(excerpt)
    )]
    NotProfile {
        /// Without credentials.
        url: String,
        /// As the server named it; empty if it did not.
        content_type: String,
        /// How it starts, where it is text.
        excerpt: String,
        /// What the decoder found.
        source: gorphan_decode::Error,
    },
    /// More bytes than allowed.
    #[error("{url} sent more than {limit} bytes")]
    TooLarge {
        /// Without credentials.
        url: String,
        /// Bytes as sent.
        limit: u64,
    },
    /// Too many redirects.
    #[error("{url} redirected more than {limit} times, last to {last}")]
    Redirects {
        /// Without credentials.
        url: String,
        /// Redirects followed.
        limit: usize,
        /// Where it would have gone on, without credentials.
        last: String,
    },
    /// A redirect that leads nowhere.
    #[error("{url} redirected to an address that cannot be followed: {why}")]
    Redirect {
        /// Without credentials.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The connection broke.
    #[error("the answer of {url} broke off after {bytes} bytes: {detail}")]
    Body {
        /// Without credentials.
        url: String,
        /// Bytes received.
        bytes: u64,
        /// The causes, outermost first.
        detail: String,
    },
}

/// Why there was no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectReason {
    /// Nothing listens there.
    Refused,
    /// The name is unknown.
    Name,
    /// The server's certificate is not trusted or does not fit.
    Certificate,
    /// The server demands a client certificate.
    ClientCertificate,
    /// The server does not speak TLS.
    NotTls,
    /// Anything else.
    Other,
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}

fn quoted(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text:?}")
    }
}

impl Error {
    /// What to try, in one or a few lines; `None` where the error says it all.
    pub fn advice(&self) -> Option<String> {
        Some(match self {
            Self::Process(error) => return error.advice(),
            Self::Pid { .. } => "`gorphan ps` lists the Go processes of this machine".into(),
            Self::Scheme { .. } => "give an http or https URL, host:port, or a file".into(),
            Self::Url { .. } => "give a URL such as http://localhost:6060 or \
                                 http://localhost:6060/debug/pprof/goroutine"
                .into(),
            Self::Open { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "give a dump or profile file, '-' for standard input, or the URL of a \
                                            program with net/http/pprof, such as http://localhost:6060"
                    .into(),
                io::ErrorKind::PermissionDenied => {
                    "read it as a user who may, or pipe it in and give '-'".into()
                }
                _ => return None,
            },
            Self::Directory { .. } => "give one file".into(),
            Self::Decode { .. } => return None,
            Self::Option { .. } => "check the file and its format (PEM), or leave the option out".into(),
            Self::Runtime { .. } => return None,
            Self::Connect { reason, .. } => return reason.advice(),
            Self::Timeout { .. } => "raise --timeout, or take a dump on the host and inspect the file; debug=2 of many \
                                     goroutines is slow, --debug 0 is quick"
                .into(),
            Self::Status { .. } => return self.status_advice(),
            Self::NoLeakProfile { .. } => "the program needs Go 1.27 or later (or Go 1.26 built with \
                                           GOEXPERIMENT=goroutineleakprofile) and net/http/pprof; without --leaks \
                                           gorphan judges the ordinary goroutine profile"
                .into(),
            Self::WebPage { pprof_index: true, .. } => {
                "this is the index of net/http/pprof: give its address with a trailing slash, or …/goroutine".into()
            }
            Self::WebPage { .. } => "it may be a login page: give credentials (--bearer-token-file, --basic-auth, \
                                     --header), or reach the program past the proxy"
                .into(),
            Self::NotProfile { .. } => "give the base (http://HOST:PORT) or …/debug/pprof/goroutine".into(),
            Self::TooLarge { .. } => "raise --max-bytes, or use --debug 0, which is small".into(),
            Self::Redirects { .. } | Self::Redirect { .. } => {
                "give the final address; a redirect to a login page wants credentials".into()
            }
            Self::Body { .. } => "try again; if it breaks off at the same place, a proxy may be limiting it".into(),
        })
    }

    fn status_advice(&self) -> Option<String> {
        let Self::Status {
            code,
            excerpt,
            sent_credentials,
            left_host,
            ..
        } = self
        else {
            return None;
        };
        let text = match code {
            400 if excerpt.contains("HTTP request to an HTTPS server") => {
                "give the address with https://"
            }
            401 | 403 | 407 if *left_host => {
                "a redirect led to another host, which is not given the credentials: give the final address"
            }
            401 | 403 | 407 if *sent_credentials => "the credentials were refused: check them",
            401 | 403 | 407 => "give credentials: --bearer-token-file, --basic-auth or --header",
            404 => {
                "the program must import net/http/pprof and serve its handlers; if they are elsewhere give the whole \
                 address of the goroutine profile"
            }
            502..=504 => {
                "the program or a proxy before it is overloaded: try again, or use --debug 0"
            }
            _ => return None,
        };
        Some(text.into())
    }
}

impl ConnectReason {
    fn advice(self) -> Option<String> {
        let text = match self {
            Self::Refused => {
                "check that the program runs and listens on this port (net/http/pprof, often :6060)"
            }
            Self::Name => "check the host's name",
            Self::Certificate => {
                "give the authority's certificate with --ca-file, or, where you must, --insecure-skip-verify"
            }
            Self::ClientCertificate => {
                "the server demands a client certificate: give --client-cert and --client-key"
            }
            Self::NotTls => {
                "the server does not speak TLS on this port: give the address with http://"
            }
            Self::Other => return None,
        };
        Some(text.into())
    }
}
