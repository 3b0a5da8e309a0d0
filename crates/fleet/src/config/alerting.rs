//! `alerting` and `owners`: who is told, and who is to fix it.

use std::path::Path;
use std::time::Duration;

use gorphan_model::Verdict;
use sha2::{Digest, Sha256};
use url::Url;

use super::client::{self, credential};
use super::yaml::Section;
use super::{ConfigError, Credential, HttpConfig};
use crate::alert::{Alerting, Kind, Receiver, TimeOfDay};
use crate::owners::OwnersConfig;

/// That of Alertmanager and Prometheus.
const TIMEOUT: Duration = Duration::from_secs(10);
/// An alert outlasts so many intervals without being told again, as with Prometheus.
const LASTS_INTERVALS: u32 = 4;
/// Where PagerDuty takes events.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// Where the API of GitHub is.
const GITHUB: &str = "https://api.github.com/";
/// Receivers of one configuration.
const MAX_RECEIVERS: usize = 200;

type Read<T> = Result<T, ConfigError>;

/// `owners`.
pub(super) fn owners(section: Section<'_>, folder: &Path) -> Read<OwnersConfig> {
    let config = OwnersConfig {
        codeowners: section.text("codeowners")?.map(|path| folder.join(path)),
        catalogs: section
            .texts("catalogs")?
            .into_iter()
            .map(|path| folder.join(path))
            .collect(),
        default: section.text("default")?,
    };
    section.finish()?;
    Ok(config)
}

/// `alerting`. `interval` is the longest from one sweep to the next.
pub(super) fn alerting(section: Section<'_>, folder: &Path, interval: Duration) -> Read<Alerting> {
    let mut config = Alerting::default();
    if let Some(sweeps) = section.number("clean_sweeps")? {
        let count = u32::try_from(sweeps).ok().filter(|count| *count > 0);
        config.clean_sweeps =
            count.ok_or_else(|| wrong(&section, "clean_sweeps", "must be at least 1"))?;
    }
    if let Some(url) = section.text("external_url")? {
        config.external_url = Some(http_url(&section, "external_url", &url)?);
    }
    for (key, read) in [
        ("alertmanagers", alertmanager as Reader),
        ("webhooks", webhook),
        ("slack", slack),
        ("pagerduty", pagerduty),
        ("github", github),
    ] {
        for node in section.list(key)? {
            let one = Section::of(section.source, node)?;
            let receiver = read(&one, folder, interval)?;
            one.finish()?;
            let mut others = config.receivers.iter();
            if others.any(|other| other.name == receiver.name) {
                let name = &receiver.name;
                let message = format!("there are two receivers {name}: give each a name");
                return Err(section.source.error(node, message));
            }
            if config.receivers.len() >= MAX_RECEIVERS {
                let message = format!("there are more than {MAX_RECEIVERS} receivers");
                return Err(section.source.error(node, message));
            }
            config.receivers.push(receiver);
        }
    }
    // How Prometheus changes the labels of alerts; ours are few and fixed.
    section.allow(&["alert_relabel_configs"]);
    if let Some(node) = section.get("alert_relabel_configs") {
        let message = "alert_relabel_configs is not supported: relabel the targets";
        return Err(section.source.error(node, message));
    }
    section.finish()?;
    Ok(config)
}

type Reader = fn(&Section<'_>, &Path, Duration) -> Read<Receiver>;

/// As Prometheus has it: addresses, and how they are reached.
fn alertmanager(one: &Section<'_>, folder: &Path, interval: Duration) -> Read<Receiver> {
    let scheme = one.text("scheme")?.unwrap_or_else(|| "http".to_owned());
    if !matches!(scheme.as_str(), "http" | "https") {
        return Err(wrong(one, "scheme", "must be http or https"));
    }
    if one.text("api_version")?.is_some_and(|it| it != "v2") {
        return Err(wrong(one, "api_version", "must be v2"));
    }
    let prefix = one.text("path_prefix")?.unwrap_or_default();
    let prefix = prefix.trim_matches('/');
    let mut urls = Vec::new();
    for node in one.list("static_configs")? {
        let group = Section::of(one.source, node)?;
        for target in group.texts("targets")? {
            let slash = if prefix.is_empty() { "" } else { "/" };
            let whole = format!("{scheme}://{target}/{prefix}{slash}api/v2/alerts");
            let url = Url::parse(&whole)
                .ok()
                .filter(|_| !target.contains(['/', '@', '?', '#']));
            let url = url.ok_or_else(|| {
                group.error(format!("{target:?} is no host and port of an Alertmanager"))
            })?;
            urls.push(url);
        }
        // Prometheus allows labels, for relabelling.
        group.allow(&["labels"]);
        group.finish()?;
    }
    if urls.is_empty() {
        return Err(one.error("an Alertmanager needs static_configs with targets"));
    }
    let timeout = one.duration("timeout")?.unwrap_or(TIMEOUT);
    let lasts = i64::try_from((interval * LASTS_INTERVALS).as_secs()).unwrap_or(i64::MAX);
    let identity: Vec<&str> = urls.iter().map(Url::as_str).collect();
    let identity = identity.join(" ");
    let http = client::read(one, folder)?;
    let kind = Kind::Alertmanager {
        urls,
        lasts_seconds: lasts,
    };
    receiver(one, kind, &identity, (http, timeout))
}

fn webhook(one: &Section<'_>, folder: &Path, _: Duration) -> Read<Receiver> {
    let url = address(one, "url", "url_file", folder)?;
    let identity = identity(&url);
    let secret = credential(one, "secret", "secret_file", folder)?;
    let kind = Kind::Webhook { url, secret };
    with_digest(one, receiver(one, kind, &identity, reached(one, folder)?)?)
}

fn slack(one: &Section<'_>, folder: &Path, _: Duration) -> Read<Receiver> {
    let url = address(one, "api_url", "api_url_file", folder)?;
    let identity = identity(&url);
    let kind = Kind::Slack { url };
    with_digest(one, receiver(one, kind, &identity, reached(one, folder)?)?)
}

fn pagerduty(one: &Section<'_>, folder: &Path, _: Duration) -> Read<Receiver> {
    let key = credential(one, "routing_key", "routing_key_file", folder)?;
    let key = key.ok_or_else(|| one.error("PagerDuty needs routing_key_file or routing_key"))?;
    let url = one.text("url")?.unwrap_or_else(|| PAGERDUTY.to_owned());
    let url = http_url(one, "url", &url)?;
    let identity = format!("{url} {}", identity(&key));
    let kind = Kind::PagerDuty { url, key };
    receiver(one, kind, &identity, reached(one, folder)?)
}

fn github(one: &Section<'_>, folder: &Path, _: Duration) -> Read<Receiver> {
    let repository = one.text("repository")?.unwrap_or_default();
    let part = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let parts: Vec<&str> = repository.split('/').collect();
    if parts.len() != 2 || !parts.iter().all(|it| part(it)) {
        let message = "repository must be OWNER/NAME";
        let node = one.get("repository").unwrap_or(one.node);
        return Err(one.source.error(node, message));
    }
    let token = credential(one, "token", "token_file", folder)?;
    let token = token.ok_or_else(|| one.error("GitHub needs token_file or token"))?;
    let api = one.text("api_url")?.unwrap_or_else(|| GITHUB.to_owned());
    let api = http_url(one, "api_url", &api)?;
    let identity = format!("{api} {repository}");
    let kind = Kind::Github {
        api,
        repository,
        token,
        labels: one.texts("labels")?,
    };
    receiver(one, kind, &identity, reached(one, folder)?)
}

/// `http_config` and `timeout`, as Alertmanager has them.
fn reached(one: &Section<'_>, folder: &Path) -> Read<(HttpConfig, Duration)> {
    let timeout = one.duration("timeout")?.unwrap_or(TIMEOUT);
    let http = match one.section("http_config")? {
        None => HttpConfig::default(),
        Some(section) => {
            let http = client::read(&section, folder)?;
            section.finish()?;
            http
        }
    };
    Ok((http, timeout))
}

/// What all kinds have.
fn receiver(
    one: &Section<'_>,
    kind: Kind,
    identity: &str,
    (http, timeout): (HttpConfig, Duration),
) -> Read<Receiver> {
    if timeout.is_zero() {
        return Err(wrong(one, "timeout", "must be more than 0"));
    }
    let verdict = match one.text("verdict")?.as_deref() {
        None | Some("suspect") => Verdict::Suspect,
        Some("growing") => Verdict::Growing,
        Some("leak") => Verdict::Leak,
        Some(_) => return Err(wrong(one, "verdict", "must be suspect, growing or leak")),
    };
    let name = one.text("name")?.filter(|name| !name.is_empty());
    Ok(Receiver {
        // Not by its place in the file: what waits in the outbox must not go to another.
        name: name.unwrap_or_else(|| format!("{}-{}", kind.as_str(), short_hash(identity))),
        owners: one.texts("owners")?,
        services: one.texts("services")?,
        verdict,
        digest: None,
        http,
        timeout,
        kind,
    })
}

fn with_digest(one: &Section<'_>, receiver: Receiver) -> Read<Receiver> {
    let digest = match one.text("digest")? {
        None => None,
        Some(text) => Some(TimeOfDay::parse(&text).ok_or_else(|| {
            wrong(
                one,
                "digest",
                "must be a time of the day in UTC, as \"09:00\"",
            )
        })?),
    };
    Ok(Receiver { digest, ..receiver })
}

fn short_hash(text: &str) -> String {
    let sum = Sha256::digest(text.as_bytes());
    sum.iter()
        .take(3)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn identity(credential: &Credential) -> String {
    match credential {
        Credential::Inline(secret) => secret.expose().to_owned(),
        Credential::File(path) => path.display().to_string(),
    }
}

fn address(
    one: &Section<'_>,
    inline: &'static str,
    file: &'static str,
    folder: &Path,
) -> Read<Credential> {
    let found = credential(one, inline, file, folder)?;
    let found = found.ok_or_else(|| one.error(format!("it needs {inline} or {file}")))?;
    if let Credential::Inline(secret) = &found {
        http_url(one, inline, secret.expose())?;
    }
    Ok(found)
}

fn http_url(section: &Section<'_>, key: &'static str, text: &str) -> Read<Url> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| wrong(section, key, "must be an http or https URL"))
}

fn wrong(section: &Section<'_>, key: &'static str, what: &str) -> ConfigError {
    let node = section.get(key).unwrap_or(section.node);
    section.source.error(node, format!("{key} {what}"))
}
