//! One answer: redirects, limits, and decoding while it arrives.

use std::error::Error as _;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use gorphan_decode::Options;
use gorphan_model::Snapshot;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity, Response};
use tokio::sync::mpsc;
use url::Url;

use super::endpoint::shown;
use super::text::{excerpt, is_web_page};
use super::{Auth, HttpOptions, Profile, Secret, Timeouts};
use crate::error::ConnectReason;
use crate::pieces::{ChannelReader, Decoded, PIECES, decoders, join};
use crate::{Error, Progress};

/// Bytes at the start of an answer kept to say what it is.
const HEAD_BYTES: usize = 2048;
/// Bytes of a file with certificates or a key; a bundle of all public authorities has some 250 KB.
const MAX_PEM_BYTES: u64 = 4 << 20;

/// Sends requests. Redirects are followed here and not by the library, which would send our own headers and show the
/// client certificate to whatever host it is led to.
#[derive(Clone)]
pub(super) struct Fetcher {
    /// Shows the client certificate.
    trusted: reqwest::Client,
    /// For hosts that a redirect led to: no certificate.
    stranger: reqwest::Client,
    auth: Option<Auth>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What may not be quoted, in all the forms it is sent in.
    secrets: Vec<Secret>,
    timeouts: Timeouts,
    max_body_bytes: u64,
    max_unpacked_bytes: u64,
    max_redirects: usize,
}

/// What to get.
pub(super) struct Request<'a> {
    pub(super) url: &'a Url,
    pub(super) auth: Option<&'a Auth>,
    pub(super) profile: Profile,
    pub(super) decode: &'a Options,
    pub(super) progress: &'a Progress,
}

/// An answer whose body is still to come, with how it was got.
struct Answer {
    response: Response,
    url: Url,
    /// A redirect led to another origin, which got no credentials.
    left_host: bool,
}

impl Fetcher {
    pub(super) fn new(options: &HttpOptions) -> Result<Self, Error> {
        let headers = parse_headers(&options.headers)?;
        let mut secrets: Vec<Secret> = options
            .headers
            .iter()
            .map(|(_, value)| value.clone())
            .collect();
        secrets.extend(options.auth.iter().flat_map(secret_parts));
        Ok(Self {
            trusted: build(options, true)?,
            stranger: build(options, false)?,
            auth: options.auth.clone(),
            headers,
            secrets,
            timeouts: options.timeouts,
            max_body_bytes: options.max_body_bytes,
            max_unpacked_bytes: options.max_unpacked_bytes,
            max_redirects: options.max_redirects,
        })
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Gets and decodes one profile.
    pub(super) async fn get(&self, request: &Request<'_>) -> Result<Decoded, Error> {
        let answer = self.follow(request).await?;
        if answer.response.status() != reqwest::StatusCode::OK {
            return Err(self.refusal(request, answer).await);
        }
        self.decode(request, answer).await
    }

    /// Sends the request and follows redirects.
    async fn follow(&self, request: &Request<'_>) -> Result<Answer, Error> {
        let mut url = request.url.clone();
        let mut left_host = false;
        for _ in 0..=self.max_redirects {
            let response = self.send(request, &url, left_host).await?;
            let location = response.headers().get(LOCATION);
            let Some(location) = location.filter(|_| response.status().is_redirection()) else {
                return Ok(Answer {
                    response,
                    url,
                    left_host,
                });
            };
            let next = resolve(&url, location).map_err(|why| Error::Redirect {
                url: shown(&url),
                why,
            })?;
            // Once strange, always strange: a host that was led to may not lead back with credentials.
            left_host |= next.origin() != request.url.origin();
            url = next;
        }
        Err(Error::Redirects {
            url: shown(request.url),
            limit: self.max_redirects,
            last: shown(&url),
        })
    }

    async fn send(
        &self,
        request: &Request<'_>,
        url: &Url,
        left_host: bool,
    ) -> Result<Response, Error> {
        let client = if left_host {
            &self.stranger
        } else {
            &self.trusted
        };
        let mut builder = client
            .get(url.clone())
            .header(ACCEPT_ENCODING, "identity, gzip;q=0.5");
        if !left_host {
            for (name, value) in &self.headers {
                builder = builder.header(name, value);
            }
            builder = match request.auth.or(self.auth.as_ref()) {
                Some(Auth::Bearer(token)) => builder.bearer_auth(token.expose()),
                Some(Auth::Basic { user, password }) => {
                    builder.basic_auth(user, Some(password.expose()))
                }
                None => builder,
            };
        }
        builder
            .send()
            .await
            .map_err(|error| self.transport_error(url, error))
    }

    /// Says why an answer that is not 200 is one.
    async fn refusal(&self, request: &Request<'_>, mut answer: Answer) -> Error {
        let status = answer.response.status();
        let mut head = Vec::new();
        while head.len() < HEAD_BYTES {
            // The status is what counts; an excerpt that does not come is left out.
            let Ok(Some(piece)) = answer.response.chunk().await else {
                break;
            };
            head.extend(piece.iter().take(HEAD_BYTES.saturating_sub(head.len())));
        }
        let excerpt = self.redact(request, excerpt(&head));
        let leaks = request.profile == Profile::GoroutineLeak;
        if status == 404 && leaks && !is_web_page(&head) {
            return Error::NoLeakProfile {
                url: shown(&answer.url),
            };
        }
        Error::Status {
            url: shown(&answer.url),
            status: status.to_string(),
            code: status.as_u16(),
            excerpt,
            sent_credentials: !answer.left_host && self.has_credentials(request),
            left_host: answer.left_host && self.has_credentials(request),
        }
    }

    fn has_credentials(&self, request: &Request<'_>) -> bool {
        request.auth.is_some() || self.auth.is_some() || !self.headers.is_empty()
    }

    /// Decodes a body on blocking threads while it arrives.
    async fn decode(&self, request: &Request<'_>, answer: Answer) -> Result<Decoded, Error> {
        let Answer { response, url, .. } = answer;
        let header = |name| {
            let value = response.headers().get(name);
            value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        let gzipped = header(CONTENT_ENCODING).is_some_and(|it| it.eq_ignore_ascii_case("gzip"));
        let announced = response.content_length();
        if announced.is_some_and(|bytes| bytes > self.max_body_bytes) {
            return Err(self.too_large(&url));
        }
        let mut options = request.decode.clone();
        options.limits.input_bytes = options.limits.input_bytes.min(self.max_unpacked_bytes);
        let (all, filtered) = decoders(&options);
        let mut senders = Vec::new();
        let mut start = |options: Options| {
            let (sender, receiver) = mpsc::channel(PIECES);
            senders.push(sender);
            tokio::task::spawn_blocking(move || decode_body(receiver, gzipped, &options))
        };
        let all = start(all);
        let filtered = filtered.map(start);

        let mut head = Vec::new();
        self.pump(request, &url, response, senders, &mut head)
            .await?;
        let stopped = |_| Error::Body {
            url: shown(&url),
            bytes: request.progress.bytes(),
            detail: "the decoder stopped; please report this with the answer".into(),
        };
        let all = all.await.map_err(stopped)?;
        let filtered = match filtered {
            Some(task) => Some(task.await.map_err(stopped)?),
            None => None,
        };
        join(all, filtered)
            .map_err(|source| self.not_profile(request, &url, &content_type, &head, source))
    }

    /// Hands the body to the decoders piece by piece, and keeps its start.
    async fn pump(
        &self,
        request: &Request<'_>,
        url: &Url,
        mut response: Response,
        mut senders: Vec<mpsc::Sender<io::Result<Bytes>>>,
        head: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut received: u64 = 0;
        let broken = loop {
            let piece = match response.chunk().await {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(()),
                Err(error) => break self.body_error(url, received, error),
            };
            received = received.saturating_add(piece.len() as u64);
            request.progress.add(piece.len());
            if received > self.max_body_bytes {
                break self.too_large(url);
            }
            head.extend(piece.iter().take(HEAD_BYTES.saturating_sub(head.len())));
            let mut listening = Vec::new();
            for sender in senders {
                // A decoder that has seen enough hangs up; its result says why.
                if sender.send(Ok(piece.clone())).await.is_ok() {
                    listening.push(sender);
                }
            }
            senders = listening;
            if senders.is_empty() {
                return Ok(());
            }
        };
        for sender in senders {
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the answer broke off");
            let _ = sender.send(Err(error)).await;
        }
        Err(broken)
    }

    fn not_profile(
        &self,
        request: &Request<'_>,
        url: &Url,
        content_type: &str,
        head: &[u8],
        source: gorphan_decode::Error,
    ) -> Error {
        let excerpt = self.redact(request, excerpt(head));
        if is_web_page(head) {
            return Error::WebPage {
                url: shown(url),
                pprof_index: excerpt.trim_end_matches('/') == "/debug/pprof",
                title: excerpt,
            };
        }
        Error::NotProfile {
            url: shown(url),
            content_type: super::text::one_line(content_type, 80),
            excerpt,
            source,
        }
    }

    fn too_large(&self, url: &Url) -> Error {
        Error::TooLarge {
            url: shown(url),
            limit: self.max_body_bytes,
        }
    }

    /// Takes out of a quotation what was sent in confidence: some servers repeat the request.
    fn redact(&self, request: &Request<'_>, mut quotation: String) -> String {
        let own = request.auth.iter().flat_map(|auth| secret_parts(auth));
        let in_query: Vec<Secret> = request
            .url
            .query_pairs()
            .map(|(_, value)| Secret::new(value))
            .collect();
        let all = self.secrets.iter().cloned().chain(own).chain(in_query);
        // A secret of a few characters cannot be told from the text around it, and is none.
        for secret in all.filter(|secret| secret.expose().len() > 3) {
            quotation = quotation.replace(secret.expose(), "***");
        }
        quotation
    }

    fn body_error(&self, url: &Url, bytes: u64, error: reqwest::Error) -> Error {
        if error.is_timeout() {
            return Error::Timeout {
                url: shown(url),
                phase: "waiting for data",
                limit: self.timeouts.read,
            };
        }
        Error::Body {
            url: shown(url),
            bytes,
            detail: causes(&error.without_url()),
        }
    }

    fn transport_error(&self, url: &Url, error: reqwest::Error) -> Error {
        if error.is_timeout() {
            let (phase, limit) = if error.is_connect() {
                ("connecting", self.timeouts.connect)
            } else {
                ("waiting for data", self.timeouts.read)
            };
            return Error::Timeout {
                url: shown(url),
                phase,
                limit,
            };
        }
        let error = error.without_url();
        Error::Connect {
            url: shown(url),
            reason: connect_reason(&error),
            detail: causes(&error),
        }
    }
}

/// Runs on a blocking thread until the body ends or the decoder has seen enough.
fn decode_body<B: AsRef<[u8]>>(
    receiver: mpsc::Receiver<io::Result<B>>,
    gzipped: bool,
    options: &Options,
) -> Result<Vec<Snapshot>, gorphan_decode::Error> {
    let body = ChannelReader::new(receiver);
    if !gzipped {
        return gorphan_decode::read(body, options);
    }
    // One byte more than allowed lets the decoder see that there was more.
    let limit = options.limits.input_bytes.saturating_add(1);
    gorphan_decode::read(MultiGzDecoder::new(body).take(limit), options)
}

/// The forms in which credentials travel.
fn secret_parts(auth: &Auth) -> Vec<Secret> {
    match auth {
        Auth::Bearer(token) => vec![token.clone()],
        Auth::Basic { user, password } => vec![
            password.clone(),
            Secret::new(base64(format!("{user}:{}", password.expose()).as_bytes())),
        ],
    }
}

/// Standard base64 with padding, only to recognise our own header in a quotation.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = (word >> (18 - 6 * digit)) & 63;
            let c = ALPHABET.get(value as usize).copied().unwrap_or(b'=');
            text.push(if digit <= chunk.len() { c as char } else { '=' });
        }
    }
    text
}

fn parse_headers(headers: &[(String, Secret)]) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let parse = |(name, value): &(String, Secret)| {
        let wrong = |why: &str| Error::Option {
            what: format!("header {name:?}"),
            why: why.into(),
        };
        let parsed = HeaderName::try_from(name).map_err(|_| wrong("that is no header name"))?;
        let mut value = HeaderValue::try_from(value.expose())
            .map_err(|_| wrong("its value has characters that a header cannot have"))?;
        value.set_sensitive(true);
        Ok((parsed, value))
    };
    headers.iter().map(parse).collect()
}

fn build(options: &HttpOptions, with_identity: bool) -> Result<reqwest::Client, Error> {
    let mut builder = reqwest::Client::builder()
        .use_rustls_tls()
        .redirect(Policy::none())
        .connect_timeout(options.timeouts.connect)
        .read_timeout(options.timeouts.read)
        .user_agent(concat!("gorphan/", env!("CARGO_PKG_VERSION")))
        .default_headers(HeaderMap::new())
        .danger_accept_invalid_certs(options.insecure_skip_verify);
    if !options.proxy_from_environment {
        builder = builder.no_proxy();
    }
    if let Some(path) = &options.ca_file {
        let what = || format!("CA file {}", path.display());
        let certificates = Certificate::from_pem_bundle(&read_pem(path, what)?)
            .map_err(|error| option_error(what(), &error))?;
        if certificates.is_empty() {
            return Err(Error::Option {
                what: what(),
                why: "there is no certificate in it".into(),
            });
        }
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    if let Some(pair) = options
        .client_certificate
        .as_ref()
        .filter(|_| with_identity)
    {
        let what = || format!("client certificate {}", pair.certificate.display());
        let mut pem = read_pem(&pair.certificate, what)?;
        if let Some(key) = &pair.key {
            pem.push(b'\n');
            pem.extend(read_pem(key, || format!("client key {}", key.display()))?);
        }
        let identity = Identity::from_pem(&pem).map_err(|error| option_error(what(), &error))?;
        builder = builder.identity(identity);
    }
    builder
        .build()
        .map_err(|error| option_error("the TLS and proxy settings".into(), &error))
}

fn option_error(what: String, error: &reqwest::Error) -> Error {
    Error::Option {
        what,
        why: causes(error),
    }
}

fn read_pem(path: &Path, what: impl Fn() -> String) -> Result<Vec<u8>, Error> {
    let wrong = |why: String| Error::Option { what: what(), why };
    let file = fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(MAX_PEM_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > MAX_PEM_BYTES {
        return Err(wrong(format!("it has more than {MAX_PEM_BYTES} bytes")));
    }
    Ok(bytes)
}

fn resolve(from: &Url, location: &HeaderValue) -> Result<Url, String> {
    let text = location.to_str().map_err(|_| "it is not text".to_owned())?;
    let mut next = from.join(text).map_err(|error| error.to_string())?;
    if !matches!(next.scheme(), "http" | "https") {
        return Err(format!("its scheme is {:?}", next.scheme()));
    }
    // A server does not get to choose who we are.
    let _ = next.set_username("");
    let _ = next.set_password(None);
    next.set_fragment(None);
    Ok(next)
}

/// The causes of an error in one line, without repeating what a cause already said.
fn causes(error: &reqwest::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = inner.source();
    }
    line
}

fn connect_reason(error: &reqwest::Error) -> ConnectReason {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::ConnectionRefused
        {
            return ConnectReason::Refused;
        }
        cause = inner.source();
    }
    // The TLS and name look-up errors are types of libraries below the client; their words are all that is left.
    let text = causes(error).to_ascii_lowercase();
    let has = |words: &str| text.contains(words);
    if has("certificaterequired") || has("certificate required") || has("alert: badcertificate") {
        ConnectReason::ClientCertificate
    } else if has("certificate") || has("unknownissuer") {
        ConnectReason::Certificate
    } else if has("corrupt message") || has("invalidcontenttype") {
        ConnectReason::NotTls
    } else if has("dns error") || has("lookup") {
        ConnectReason::Name
    } else {
        ConnectReason::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standard_one() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("me:p@ss", "bWU6cEBzcw=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
