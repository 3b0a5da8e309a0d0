//! Who may see the pages, and what a browser may do with them.
//!
//! - A request must name this server: an IP address, `localhost`, or a name of the configuration. A foreign page that makes a
//!   name of its own point here (DNS rebinding) is refused.
//! - Where there is a token, one must have it: as `Authorization: Bearer`, or as the cookie that logging in gives.
//! - What changes something must come from our own pages: by the secret that their forms carry, and never with an `Origin` of
//!   somebody else. Programs send JSON, which a foreign page cannot without asking first.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use sha2::{Digest, Sha256};

use super::App;

/// What a page may load: our own files, and nothing that stands in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Headers of every answer.
const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];
/// The cookie of one who has logged in.
pub(crate) const COOKIE: &str = "gorphan";
/// Paths that need no token: for load balancers, and for the page that asks for the token.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/login"];

/// What requests are held against.
pub struct Guard {
    token: Option<String>,
    hosts: Vec<String>,
    key: [u8; 32],
}

impl Guard {
    /// `key` is secret and new for each start of the server; `hosts` are names of this server.
    pub fn new(token: Option<String>, hosts: Vec<String>, key: [u8; 32]) -> Self {
        Self { token, hosts, key }
    }

    /// Whether there is a token to have.
    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether it is the token.
    pub(crate) fn knows(&self, token: &str) -> bool {
        let same = |known: &String| self.mark("token", known) == self.mark("token", token);
        self.token.as_ref().is_some_and(same)
    }

    /// The value of the cookie of one who has the token.
    pub(crate) fn session(&self) -> String {
        self.mark("session", self.token.as_deref().unwrap_or_default())
    }

    /// The secret that our forms carry.
    pub(crate) fn form(&self) -> String {
        self.mark("form", "")
    }

    /// A hash under the key. Marks are compared and not what they are of, so that the time it takes tells nothing.
    fn mark(&self, what: &str, text: &str) -> String {
        let sum = Sha256::new()
            .chain_update(self.key)
            .chain_update(what.as_bytes())
            .chain_update([0])
            .chain_update(text.as_bytes())
            .finalize();
        sum.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn is_ours(&self, authority: &str) -> bool {
        let host = without_port(authority);
        let is_address = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
            .is_ok();
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_local = host == "localhost" || host.ends_with(".localhost");
        let mut hosts = self.hosts.iter();
        is_address || is_local || hosts.any(|known| known.eq_ignore_ascii_case(&host))
    }

    fn may(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let bearer = text(headers, header::AUTHORIZATION)
            .and_then(|value| value.strip_prefix("Bearer "))
            .is_some_and(|given| self.mark("token", given.trim()) == self.mark("token", token));
        let session = self.session();
        bearer || cookie(headers).is_some_and(|given| given == session)
    }

    /// Whether what would change something comes from our own pages, or from no page at all.
    fn is_own(&self, headers: &HeaderMap) -> bool {
        let site = text(headers, HeaderName::from_static("sec-fetch-site"));
        let foreign_site = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
        let host = text(headers, header::HOST).unwrap_or_default();
        let origin = text(headers, header::ORIGIN);
        let foreign_origin = origin.is_some_and(|origin| {
            let authority = origin.split_once("://").map(|(_, rest)| rest);
            authority != Some(host)
        });
        !foreign_site && !foreign_origin
    }
}

fn without_port(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority
            .split_once(']')
            .map_or(authority, |(host, _)| host);
    }
    authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = text(headers, header::COOKIE)?;
    let mut pairs = cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

/// Stands before every page.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&app.guard, &request) {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(guard: &Guard, request: &Request) -> Option<Response> {
    let headers = request.headers();
    let path = request.uri().path();
    let host = text(headers, header::HOST).unwrap_or_default();
    if !guard.is_ours(host) {
        let said = "this server does not go by that name; web.hosts in gorphan.yaml lists names\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, said).into_response());
    }
    let is_asset = path.starts_with("/assets/");
    if !OPEN.contains(&path) && !is_asset && !guard.may(headers) {
        let wants_page = text(headers, header::ACCEPT).is_some_and(|it| it.contains("text/html"));
        if wants_page && request.method() == Method::GET {
            return Some(Redirect::to("/login").into_response());
        }
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        let said = "a token is needed: Authorization: Bearer TOKEN, or log in at /login\n";
        return Some((StatusCode::UNAUTHORIZED, challenge, said).into_response());
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !guard.is_own(headers) {
        let said = "this must come from gorphan's own pages\n";
        return Some((StatusCode::FORBIDDEN, said).into_response());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        pairs.collect()
    }

    #[test]
    fn names_that_are_not_ours_are_refused() {
        let guard = Guard::new(None, vec!["gorphan.corp".to_owned()], [1; 32]);
        for ours in [
            "127.0.0.1:7475",
            "127.0.0.1",
            "[::1]:7475",
            "localhost:7475",
            "LOCALHOST",
            "gorphan.corp:80",
            "Gorphan.Corp.",
        ] {
            assert!(guard.is_ours(ours), "{ours}");
        }
        for foreign in ["evil.example:7475", "", "127.0.0.1.evil.example", "corp"] {
            assert!(!guard.is_ours(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_token_opens_as_bearer_and_as_cookie() {
        let guard = Guard::new(Some("secret".to_owned()), Vec::new(), [1; 32]);
        assert!(guard.may(&headers(&[("authorization", "Bearer secret")])));
        assert!(!guard.may(&headers(&[("authorization", "Bearer secre")])));
        assert!(!guard.may(&headers(&[("cookie", "gorphan=secret")])));
        assert!(!guard.may(&headers(&[])));
        let mut with_cookie = HeaderMap::new();
        let cookie = format!("other=1; gorphan={}", guard.session());
        with_cookie.insert(header::COOKIE, cookie.parse().expect("a header"));
        assert!(guard.may(&with_cookie));
        let restarted = Guard::new(Some("secret".to_owned()), Vec::new(), [2; 32]);
        assert!(!restarted.may(&with_cookie), "the key is new");
        assert!(Guard::new(None, Vec::new(), [1; 32]).may(&headers(&[])));
    }

    #[test]
    fn pages_of_others_change_nothing() {
        let guard = Guard::new(None, Vec::new(), [1; 32]);
        let host = ("host", "127.0.0.1:7475");
        assert!(guard.is_own(&headers(&[host])));
        assert!(guard.is_own(&headers(&[host, ("origin", "http://127.0.0.1:7475")])));
        assert!(guard.is_own(&headers(&[host, ("sec-fetch-site", "same-origin")])));
        for foreign in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(!guard.is_own(&headers(&[host, foreign])), "{foreign:?}");
        }
    }
}
