//! One client for targets and for the services that know them: bounded answers, redirects within the origin alone, and
//! credentials that are read when they are used and never shown.

use std::error::Error as _;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Certificate, Identity, Method, NoProxy, Proxy, Response, redirect};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::config::{Credential, HttpConfig};

/// Bytes of a file with a token, password, certificate or bundle of them.
const MAX_CREDENTIAL_BYTES: u64 = 4 << 20;
/// Redirects followed within one host: https, a trailing slash, with room to spare.
const MAX_REDIRECTS: usize = 5;
/// Characters of a refusal that are quoted.
const EXCERPT_CHARS: usize = 120;
/// Bytes of a refusal that are read.
const EXCERPT_BYTES: usize = 2048;
/// Bytes that are read of the answer to what was sent: a page of a hundred issues has some hundred kilobytes.
const MAX_REPLY_BYTES: usize = 8 << 20;
/// Kilobytes set aside for an answer that does not tell its length.
const UNTOLD_KIB: u32 = 256;
/// A connection that takes longer is not worth waiting for in a sweep.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why nothing was fetched. `Display` is one line without credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The client cannot be made as it is configured.
    #[error("cannot use {what}: {why}")]
    Config {
        /// Which setting or file.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// No connection.
    #[error("cannot connect: {why}")]
    Connect {
        /// The causes, outermost first.
        why: String,
    },
    /// Too slow.
    #[error("no complete answer within {}", crate::config::duration::show(*.limit))]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// Anything but 200.
    #[error("answered {code}{}", quoted(.excerpt))]
    Status {
        /// The status.
        code: u16,
        /// The start of the answer, in one line.
        excerpt: String,
    },
    /// A redirect that is not followed.
    #[error("redirects to {to}, which is not followed")]
    Redirect {
        /// Without credentials and parameters.
        to: String,
    },
    /// Too many bytes.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// All answers together would be too many bytes.
    #[error("too many bytes are on their way already (sweep.max_bytes)")]
    Busy,
    /// The answer broke off.
    #[error("the answer broke off after {bytes} bytes: {why}")]
    Body {
        /// What had arrived.
        bytes: u64,
        /// The causes.
        why: String,
    },
    /// The answer is not what was asked for.
    #[error("{0}")]
    NotProfile(String),
}

impl FetchError {
    /// Whether asking again soon may help: the network failed, or the target is overloaded. What is wrong with the target
    /// or the configuration stays wrong.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Body { .. } | Self::Busy => true,
            Self::Status { code, .. } => matches!(code, 429 | 500 | 502 | 503 | 504),
            Self::Timeout { .. }
            | Self::Config { .. }
            | Self::Redirect { .. }
            | Self::TooLarge { .. }
            | Self::NotProfile(_) => false,
        }
    }
}

fn quoted(excerpt: &str) -> String {
    match excerpt {
        "" => String::new(),
        text => format!(": {text:?}"),
    }
}

/// What was fetched. While it lives its bytes count as on their way.
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: String,
    _room: Vec<OwnedSemaphorePermit>,
}

/// Kilobytes that all answers together may have.
#[derive(Clone)]
pub(crate) struct Room {
    semaphore: Arc<Semaphore>,
    all: u32,
}

impl Room {
    pub(crate) fn new(bytes: u64) -> Self {
        let all = u32::try_from(bytes.div_ceil(1024))
            .unwrap_or(u32::MAX)
            .clamp(1, 1 << 28);
        Self {
            semaphore: Arc::new(Semaphore::new(all as usize)),
            all,
        }
    }

    /// Waits for room. Nothing is held meanwhile, so that nobody waits for one another.
    async fn first(&self, kib: u32) -> Option<OwnedSemaphorePermit> {
        let semaphore = Arc::clone(&self.semaphore);
        semaphore
            .acquire_many_owned(kib.clamp(1, self.all))
            .await
            .ok()
    }

    fn more(&self, kib: u32) -> Result<OwnedSemaphorePermit, FetchError> {
        let semaphore = Arc::clone(&self.semaphore);
        semaphore
            .try_acquire_many_owned(kib)
            .map_err(|_| FetchError::Busy)
    }
}

/// Bounds of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}

/// A request that changes something elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Post {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// An answer of whatever status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after_seconds: Option<u64>,
    pub(crate) body: Vec<u8>,
}

/// There was no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unanswered {
    /// In one line without credentials.
    pub(crate) why: String,
    /// The request may have been acted on all the same.
    pub(crate) may_have_arrived: bool,
}

/// A client for everything that is reached in one way.
#[derive(Clone)]
pub(crate) struct Client {
    inner: reqwest::Client,
    config: Arc<HttpConfig>,
}

impl Client {
    /// Reads certificates and sets up the client.
    pub(crate) fn new(config: &HttpConfig) -> Result<Self, FetchError> {
        let failed = |what: &str, why: &dyn std::fmt::Display| FetchError::Config {
            what: what.to_owned(),
            why: why.to_string(),
        };
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("gorphan/", env!("CARGO_PKG_VERSION")))
            .danger_accept_invalid_certs(config.tls.insecure_skip_verify)
            .pool_max_idle_per_host(1);
        if !config.enable_http2 {
            builder = builder.http1_only();
        }
        if config.tls.minimum_13 {
            builder = builder.min_tls_version(reqwest::tls::Version::TLS_1_3);
        }
        if let Some(ca) = &config.tls.ca {
            let pem = read(ca)?;
            let certificates = Certificate::from_pem_bundle(pem.as_bytes());
            for one in certificates.map_err(|error| failed("tls_config.ca", &error))? {
                builder = builder.add_root_certificate(one);
            }
        }
        if let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) {
            let pem = format!("{}\n{}", read(certificate)?, read(key)?);
            let identity = Identity::from_pem(pem.as_bytes());
            builder =
                builder.identity(identity.map_err(|error| failed("tls_config.cert", &error))?);
        }
        builder = match &config.proxy_url {
            Some(address) => {
                let proxy = Proxy::all(address.expose());
                let proxy = proxy.map_err(|error| failed("proxy_url", &error.without_url()))?;
                let except = config.no_proxy.as_deref().and_then(NoProxy::from_string);
                builder.proxy(proxy.no_proxy(except))
            }
            None if config.proxy_from_environment => builder,
            None => builder.no_proxy(),
        };
        let inner = builder
            .build()
            .map_err(|error| failed("the HTTP settings", &error))?;
        Ok(Self {
            inner,
            config: Arc::new(config.clone()),
        })
    }

    /// Gets one answer, whole.
    pub(crate) async fn get(
        &self,
        url: &Url,
        bounds: Bounds,
        room: Option<&Room>,
    ) -> Result<Answer, FetchError> {
        self.get_with(url, &[], bounds, room).await
    }

    /// As [`Client::get`], with further headers.
    pub(crate) async fn get_with(
        &self,
        url: &Url,
        headers: &[(&'static str, String)],
        bounds: Bounds,
        room: Option<&Room>,
    ) -> Result<Answer, FetchError> {
        let fetch = async {
            let response = self.follow(url, headers).await?;
            take(response, bounds, room).await
        };
        let limit = bounds.time;
        match tokio::time::timeout(limit, fetch).await {
            Ok(answer) => answer,
            Err(_) => Err(FetchError::Timeout { limit }),
        }
    }

    async fn follow(
        &self,
        url: &Url,
        further: &[(&'static str, String)],
    ) -> Result<Response, FetchError> {
        let mut headers = self.headers()?;
        for (name, value) in further {
            headers.insert(HeaderName::from_static(name), sensitive(name, value)?);
        }
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let request = self.inner.get(url.clone()).headers(headers.clone());
            let response = request.send().await.map_err(transport)?;
            let location = response.headers().get(LOCATION);
            let Some(location) = location.filter(|_| response.status().is_redirection()) else {
                return match response.status().as_u16() {
                    200 => Ok(response),
                    code => Err(refusal(code, response).await),
                };
            };
            let next = location.to_str().ok().and_then(|to| url.join(to).ok());
            let Some(next) = next else {
                return Err(FetchError::Redirect {
                    to: "somewhere that cannot be read".to_owned(),
                });
            };
            let same = next.origin() == url.origin();
            if !same || !self.config.follow_redirects {
                return Err(FetchError::Redirect { to: shown(&next) });
            }
            url = next;
        }
        Err(FetchError::Redirect { to: shown(&url) })
    }

    /// Sends one request with a body, and gives the answer whatever its status. Redirects are not followed: a body that
    /// was meant for one place does not go to another.
    pub(crate) async fn send(&self, request: Post, time: Duration) -> Result<Reply, Unanswered> {
        let not_sent = |error: FetchError| Unanswered {
            why: error.to_string(),
            may_have_arrived: false,
        };
        let mut headers = self.headers().map_err(not_sent)?;
        for (name, value) in &request.headers {
            let value = sensitive(name, value).map_err(not_sent)?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let sending = async {
            let builder = self.inner.request(request.method, request.url);
            let response = builder.headers(headers).body(request.body).send().await;
            let mut response = response.map_err(|error| {
                let certain = error.is_connect() || error.is_builder();
                Unanswered {
                    why: transport(error).to_string(),
                    may_have_arrived: !certain,
                }
            })?;
            let status = response.status().as_u16();
            let header = response.headers().get(RETRY_AFTER);
            let header = header.and_then(|value| value.to_str().ok());
            let retry_after_seconds = header.and_then(|value| value.trim().parse().ok());
            let mut body = Vec::new();
            // The status is what counts; of a body that breaks off the start will do.
            while let Ok(Some(piece)) = response.chunk().await {
                let room = MAX_REPLY_BYTES.saturating_sub(body.len());
                body.extend(piece.iter().take(room));
                if room == 0 {
                    break;
                }
            }
            Ok(Reply {
                status,
                retry_after_seconds,
                body,
            })
        };
        match tokio::time::timeout(time, sending).await {
            Ok(reply) => reply,
            Err(_) => Err(Unanswered {
                why: FetchError::Timeout { limit: time }.to_string(),
                may_have_arrived: true,
            }),
        }
    }

    /// The headers of every request; secrets in files are read anew.
    fn headers(&self) -> Result<HeaderMap, FetchError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.config.headers {
            let value = sensitive(name, &read(value)?)?;
            let name = HeaderName::try_from(name.as_str()).map_err(|error| FetchError::Config {
                what: format!("the header {name:?}"),
                why: error.to_string(),
            })?;
            headers.append(name, value);
        }
        let authorization = match (&self.config.authorization, &self.config.basic_auth) {
            (Some((kind, credential)), _) => Some(format!("{kind} {}", read(credential)?)),
            (None, Some((user, password))) => {
                let pair = format!("{}:{}", read(user)?, read(password)?);
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                Some(format!("Basic {encoded}"))
            }
            (None, None) => None,
        };
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, sensitive("authorization", &value)?);
        }
        Ok(headers)
    }
}

fn sensitive(name: &str, value: &str) -> Result<HeaderValue, FetchError> {
    let parsed = HeaderValue::try_from(value).map_err(|_| FetchError::Config {
        what: format!("the header {name:?}"),
        why: "its value has characters that no header may have".to_owned(),
    });
    parsed.map(|mut value| {
        value.set_sensitive(true);
        value
    })
}

/// The text of a credential; of one in a file, without the white space around it.
pub(crate) fn read(credential: &Credential) -> Result<String, FetchError> {
    let path = match credential {
        Credential::Inline(secret) => return Ok(secret.expose().to_owned()),
        Credential::File(path) => path,
    };
    let failed = |why: String| FetchError::Config {
        what: path.display().to_string(),
        why,
    };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    file.take(MAX_CREDENTIAL_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| failed(error.to_string()))?;
    Ok(text.trim().to_owned())
}

/// Reads the body within its bounds.
async fn take(
    mut response: Response,
    bounds: Bounds,
    room: Option<&Room>,
) -> Result<Answer, FetchError> {
    let too_large = FetchError::TooLarge {
        limit: bounds.bytes,
    };
    let told = response.content_length();
    if told.is_some_and(|bytes| bytes > bounds.bytes) {
        return Err(too_large);
    }
    let kib = told.map_or(UNTOLD_KIB, |bytes| {
        u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
    });
    let mut held = Vec::new();
    let mut reserved: u64 = 0;
    if let Some(room) = room {
        held.extend(room.first(kib).await);
        reserved = u64::from(kib.clamp(1, room.all)) * 1024;
    }
    let header = response.headers().get(CONTENT_TYPE);
    let content_type = header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let mut body: Vec<u8> = Vec::new();
    loop {
        let piece = match response.chunk().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(error) => {
                return Err(FetchError::Body {
                    bytes: body.len() as u64,
                    why: causes(&error.without_url()),
                });
            }
        };
        let total = (body.len() as u64).saturating_add(piece.len() as u64);
        if total > bounds.bytes {
            return Err(too_large);
        }
        if let Some(room) = room.filter(|_| total > reserved) {
            held.push(
                room.more(UNTOLD_KIB.max(u32::try_from(piece.len() / 1024 + 1).unwrap_or(1)))?,
            );
            reserved = reserved
                .saturating_add(u64::from(UNTOLD_KIB) * 1024)
                .max(total);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer {
        body,
        content_type,
        _room: held,
    })
}

async fn refusal(code: u16, mut response: Response) -> FetchError {
    let mut head = Vec::new();
    while head.len() < EXCERPT_BYTES {
        // The status is what counts; an excerpt that does not come is left out.
        let Ok(Some(piece)) = response.chunk().await else {
            break;
        };
        head.extend(piece.iter().take(EXCERPT_BYTES - head.len()));
    }
    FetchError::Status {
        code,
        excerpt: excerpt(&head),
    }
}

/// The start of a text in one line, or the title of a page.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..EXCERPT_BYTES).unwrap_or(bytes));
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|at| {
        let rest = text.get(at + "<title>".len()..)?;
        rest.get(..rest.find("</")?)
    });
    let words: Vec<&str> = title.unwrap_or(&text).split_whitespace().collect();
    let line = words.join(" ");
    line.chars()
        .filter(|c| !c.is_control())
        .take(EXCERPT_CHARS)
        .collect()
}

/// A URL without what may be secret.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // These fail on URLs that have no host, and thus no user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn transport(error: reqwest::Error) -> FetchError {
    let error = error.without_url();
    if error.is_timeout() && error.is_connect() {
        return FetchError::Timeout {
            limit: CONNECT_TIMEOUT,
        };
    }
    FetchError::Connect {
        why: causes(&error),
    }
}

/// An error with its causes, each said once.
fn causes(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = cause.source();
    }
    if parts.is_empty() {
        parts.push(error.to_string());
    }
    parts.join(": ")
}
