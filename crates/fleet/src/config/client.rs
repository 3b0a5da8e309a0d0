//! How targets, and the services that know them, are reached: `authorization`, `basic_auth`, `tls_config`, headers, proxy.

use std::fmt;
use std::path::{Path, PathBuf};

use super::ConfigError;
use super::yaml::{Kind, Section, text};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Default)]
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

/// A secret in the configuration, or in a file that is read anew for each use: credentials are rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// In the configuration.
    Inline(Secret),
    /// In a file; white space around it does not count.
    File(PathBuf),
}

/// `tls_config`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Certificates to trust besides the system's, PEM.
    pub ca: Option<Credential>,
    /// The client's certificate, PEM.
    pub certificate: Option<Credential>,
    /// Its key, PEM.
    pub key: Option<Credential>,
    /// Trust any certificate.
    pub insecure_skip_verify: bool,
    /// `TLS12` or `TLS13`: no older version is spoken than this.
    pub minimum_13: bool,
}

/// How something is reached over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// `Authorization: TYPE CREDENTIALS`.
    pub authorization: Option<(String, Credential)>,
    /// User and password.
    pub basic_auth: Option<(Credential, Credential)>,
    /// Further headers.
    pub headers: Vec<(String, Credential)>,
    /// TLS.
    pub tls: Tls,
    /// The proxy to go through.
    pub proxy_url: Option<Secret>,
    /// Hosts that are reached without it.
    pub no_proxy: Option<String>,
    /// Take the proxy from `HTTP_PROXY` and the like.
    pub proxy_from_environment: bool,
    /// Follow redirects within the same host and port.
    pub follow_redirects: bool,
    /// Speak HTTP/2 where the server does.
    pub enable_http2: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            authorization: None,
            basic_auth: None,
            headers: Vec::new(),
            tls: Tls::default(),
            proxy_url: None,
            no_proxy: None,
            proxy_from_environment: false,
            follow_redirects: true,
            enable_http2: true,
        }
    }
}

type Read<T> = Result<T, ConfigError>;

/// Reads the keys for HTTP out of a section that has others too.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Read<HttpConfig> {
    let mut config = HttpConfig::default();
    for key in ["oauth2", "sigv4", "proxy_connect_header"] {
        if let Some(node) = section.get(key) {
            let message =
                format!("{key} is not supported: use authorization, basic_auth or http_headers");
            return Err(section.source.error(node, message));
        }
    }
    if let Some(auth) = section.section("authorization")? {
        let kind = auth.text("type")?.unwrap_or_else(|| "Bearer".to_owned());
        if kind.trim().eq_ignore_ascii_case("basic") {
            return Err(auth.error("authorization cannot be of type basic: use basic_auth"));
        }
        let credential = credential(&auth, "credentials", "credentials_file", folder)?;
        let credential = credential
            .ok_or_else(|| auth.error("authorization needs credentials or credentials_file"))?;
        config.authorization = Some((kind.trim().to_owned(), credential));
        auth.finish()?;
    }
    if let Some(token) = credential(section, "bearer_token", "bearer_token_file", folder)? {
        if config.authorization.is_some() {
            return Err(section.error("there are both authorization and bearer_token"));
        }
        config.authorization = Some(("Bearer".to_owned(), token));
    }
    if let Some(auth) = section.section("basic_auth")? {
        if config.authorization.is_some() {
            return Err(auth.error("there are both authorization and basic_auth"));
        }
        let user = credential(&auth, "username", "username_file", folder)?;
        let password = credential(&auth, "password", "password_file", folder)?;
        let none = || Credential::Inline(Secret::default());
        config.basic_auth = Some((user.unwrap_or_else(none), password.unwrap_or_else(none)));
        auth.finish()?;
    }
    for (name, value) in section.pairs("headers")? {
        config
            .headers
            .push((name, Credential::Inline(Secret::new(value))));
    }
    if let Some(headers) = section.section("http_headers")? {
        for (name, node) in headers.free() {
            let header = Section::of(section.source, node)?;
            for value in header
                .texts("values")?
                .into_iter()
                .chain(header.texts("secrets")?)
            {
                config
                    .headers
                    .push((name.to_owned(), Credential::Inline(Secret::new(value))));
            }
            for file in header.texts("files")? {
                config
                    .headers
                    .push((name.to_owned(), Credential::File(folder.join(file))));
            }
            header.finish()?;
        }
    }
    if let Some(tls) = section.section("tls_config")? {
        config.tls = read_tls(tls, folder)?;
    }
    proxies(section, &mut config)?;
    config.follow_redirects = section.flag("follow_redirects")?.unwrap_or(true);
    config.enable_http2 = section.flag("enable_http2")?.unwrap_or(true);
    Ok(config)
}

fn proxies(section: &Section<'_>, config: &mut HttpConfig) -> Read<()> {
    if let Some(node) = section.get("proxy_url") {
        let address = text(section.source, node)?;
        let valid = url::Url::parse(&address).is_ok_and(|url| url.has_host());
        if !valid {
            return Err(section
                .source
                .error(node, "proxy_url is no URL with a host"));
        }
        config.proxy_url = Some(Secret::new(address));
    }
    config.no_proxy = section.text("no_proxy")?;
    config.proxy_from_environment = section.flag("proxy_from_environment")?.unwrap_or(false);
    if config.proxy_from_environment && config.proxy_url.is_some() {
        return Err(section.error("there are both proxy_url and proxy_from_environment"));
    }
    if config.no_proxy.is_some() && config.proxy_url.is_none() {
        return Err(section.error("there is no_proxy but no proxy_url"));
    }
    Ok(())
}

pub(super) fn credential(
    section: &Section<'_>,
    inline: &'static str,
    file: &'static str,
    folder: &Path,
) -> Read<Option<Credential>> {
    match (section.text(inline)?, section.text(file)?) {
        (Some(_), Some(_)) => {
            Err(section.error(format!("there are both {inline} and {file}: give one")))
        }
        (Some(text), None) => Ok(Some(Credential::Inline(Secret::new(text)))),
        (None, Some(path)) => Ok(Some(Credential::File(folder.join(path)))),
        (None, None) => Ok(None),
    }
}

fn read_tls(tls: Section<'_>, folder: &Path) -> Read<Tls> {
    if let Some(node) = tls.get("server_name") {
        let message =
            "server_name is not supported: give the target the name that its certificate has";
        return Err(tls.source.error(node, message));
    }
    let version = |key: &'static str| -> Read<Option<String>> {
        let Some(node) = tls.get(key) else {
            return Ok(None);
        };
        let Kind::Scalar(word) = &node.kind else {
            return Err(tls.source.error(node, "expected a version"));
        };
        match word.as_str() {
            "TLS10" | "TLS11" | "TLS12" | "TLS13" => Ok(Some(word.clone())),
            _ => Err(tls
                .source
                .error(node, format!("{key} must be TLS12 or TLS13"))),
        }
    };
    let minimum = version("min_version")?;
    version("max_version")?;
    let config = Tls {
        ca: credential(&tls, "ca", "ca_file", folder)?,
        certificate: credential(&tls, "cert", "cert_file", folder)?,
        key: credential(&tls, "key", "key_file", folder)?,
        insecure_skip_verify: tls.flag("insecure_skip_verify")?.unwrap_or(false),
        minimum_13: minimum.as_deref() == Some("TLS13"),
    };
    if config.certificate.is_some() != config.key.is_some() {
        return Err(tls.error("a client certificate and its key belong together: give both"));
    }
    tls.finish()?;
    Ok(config)
}
