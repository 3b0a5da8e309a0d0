//! Of a kubeconfig what says where the current context's server is and who asks: certificates, tokens, passwords. Plugins
//! that print credentials are not run.

use std::fs;
use std::path::Path;

use base64::Engine;
use url::Url;

use crate::config::yaml::{Section, Source};
use crate::config::{ConfigError, Credential, HttpConfig, Secret};
use crate::discover::SourceError;

/// Reads the file.
pub(super) fn read(path: &Path, http: &HttpConfig) -> Result<(Url, HttpConfig), SourceError> {
    let shown = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| SourceError::content(&shown, error))?;
    let source = Source { file: &shown };
    let parsed = parse(source, &text, path.parent().unwrap_or(Path::new("")), http);
    parsed.map_err(|error| {
        let place = format!("{}:{}:{}", error.file, error.line, error.column);
        SourceError::content(place, error.message)
    })
}

fn parse(
    source: Source<'_>,
    text: &str,
    folder: &Path,
    http: &HttpConfig,
) -> Result<(Url, HttpConfig), ConfigError> {
    let root = source.parse(text)?;
    let root = Section::of(source, &root)?;
    let current = root.text("current-context")?.unwrap_or_default();
    let context = named(&root, "contexts", "context", &current)?;
    let cluster = context.text("cluster")?.unwrap_or_default();
    let user = context.text("user")?.unwrap_or_default();
    let cluster = named(&root, "clusters", "cluster", &cluster)?;
    let user = named(&root, "users", "user", &user)?;
    let server = cluster.text("server")?.unwrap_or_default();
    let url = Url::parse(&server).map_err(|_| cluster.error("server is no URL"))?;
    let mut http = http.clone();
    let tls = &mut http.tls;
    tls.insecure_skip_verify |= cluster.flag("insecure-skip-tls-verify")?.unwrap_or(false);
    let credential = |section: &Section<'_>, file: &'static str, data: &'static str| {
        if let Some(encoded) = section.text(data)? {
            let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim());
            let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text =
                text.ok_or_else(|| section.error(format!("{data} is not base64 of a PEM text")))?;
            return Ok(Some(Credential::Inline(Secret::new(text))));
        }
        let path = section.text(file)?;
        Ok::<_, ConfigError>(path.map(|path| Credential::File(folder.join(path))))
    };
    tls.ca = credential(
        &cluster,
        "certificate-authority",
        "certificate-authority-data",
    )?
    .or(tls.ca.take());
    tls.certificate = credential(&user, "client-certificate", "client-certificate-data")?;
    tls.key = credential(&user, "client-key", "client-key-data")?;
    for plugin in ["exec", "auth-provider"] {
        if let Some(node) = user.get(plugin) {
            let message =
                format!("{plugin} is not supported: make a service account and give its token");
            return Err(source.error(node, message));
        }
    }
    if let Some(token) = user.text("token")? {
        let token = Credential::Inline(Secret::new(token));
        http.authorization = Some(("Bearer".to_owned(), token));
    } else if let Some(file) = user.text("tokenFile")? {
        http.authorization = Some(("Bearer".to_owned(), Credential::File(folder.join(file))));
    } else if let Some(name) = user.text("username")? {
        let inline = |text| Credential::Inline(Secret::new(text));
        let password = user.text("password")?.unwrap_or_default();
        http.basic_auth = Some((inline(name), inline(password)));
    }
    Ok((url, http))
}

/// The entry of a list with this name, in its inner section.
fn named<'a>(
    root: &Section<'a>,
    list: &'static str,
    inner: &'static str,
    name: &str,
) -> Result<Section<'a>, ConfigError> {
    for node in root.list(list)? {
        let entry = Section::of(root.source, node)?;
        if entry.text("name")?.as_deref() == Some(name)
            && let Some(found) = entry.section(inner)?
        {
            return Ok(found);
        }
    }
    Err(root.error(format!("there is nothing named {name:?} in {list}")))
}
