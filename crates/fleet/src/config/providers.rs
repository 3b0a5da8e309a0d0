//! Where targets come from: the `*_sd_configs` and `static_configs` of a job.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::client::{self, HttpConfig};
use super::yaml::{Kind, Node, Section, Source, text};
use super::{ConfigError, Credential, Secret};
use crate::discover::Group;
use crate::labels::LabelSet;

/// One source of targets.
#[derive(Debug, Clone)]
pub enum Provider {
    /// Listed in the configuration.
    Static(Group),
    /// Listed in files.
    Files(FileSource),
    /// Listed by a web service.
    Http(HttpSource),
    /// The records of a name.
    Dns(Dns),
    /// The services of a Consul.
    Consul(Consul),
    /// The objects of a Kubernetes cluster.
    Kubernetes(Box<Kubernetes>),
    /// The Go processes of this machine.
    Processes(Processes),
}

/// `file_sd_configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSource {
    /// Paths; the last part may have `*` and `?`.
    pub files: Vec<PathBuf>,
    /// When they are read again.
    pub refresh: Duration,
}

/// `http_sd_configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSource {
    /// What is asked.
    pub url: Url,
    /// How it is reached.
    pub http: HttpConfig,
    /// When it is asked again.
    pub refresh: Duration,
}

/// The types of records that lead to targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // named after the records
pub enum DnsRecord {
    Srv,
    A,
    Aaaa,
    Mx,
    Ns,
}

/// `dns_sd_configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Names to look up.
    pub names: Vec<String>,
    /// Which records.
    pub record: DnsRecord,
    /// The port, which only SRV records tell.
    pub port: u16,
    /// When they are looked up again.
    pub refresh: Duration,
}

/// `consul_sd_configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consul {
    /// The agent's address, with its scheme.
    pub url: Url,
    /// Its token.
    pub token: Option<Credential>,
    /// Sent along where given: `dc`, `ns`, `partition`, `filter`.
    pub query: Vec<(&'static str, String)>,
    /// Only these services.
    pub services: Vec<String>,
    /// Only services with all of these tags.
    pub tags: Vec<String>,
    /// Only nodes with these.
    pub node_meta: Vec<(String, String)>,
    /// Between the tags in the label.
    pub tag_separator: String,
    /// Answers of any server will do.
    pub allow_stale: bool,
    /// How it is reached.
    pub http: HttpConfig,
    /// When it is asked again.
    pub refresh: Duration,
}

/// What kind of object a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // named after the objects
pub enum Role {
    Node,
    Pod,
    Service,
    Endpoints,
    EndpointSlice,
}

/// `kubernetes_sd_configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubernetes {
    /// What kind of object.
    pub role: Role,
    /// The API server; `None` in a cluster, or with a kubeconfig.
    pub api_server: Option<Url>,
    /// The file that tells the server and the credentials.
    pub kubeconfig: Option<PathBuf>,
    /// Only these namespaces; all if none is given.
    pub namespaces: Vec<String>,
    /// The namespace that gorphan runs in.
    pub own_namespace: bool,
    /// (role, label selector, field selector).
    pub selectors: Vec<(String, String, String)>,
    /// Give pods the labels of their nodes.
    pub attach_node: bool,
    /// Take the pods that have annotations `profiles.grafana.com/goroutine.*`, as those say.
    pub profile_annotations: bool,
    /// How the server is reached.
    pub http: HttpConfig,
}

/// `process_sd_configs`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Processes {}

type Read<T> = Result<T, ConfigError>;

/// Reads all sources of a job, in the order of the list above.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Read<Vec<Provider>> {
    let mut found = Vec::new();
    if let Some(node) = section.get("static_configs") {
        let groups = groups(section.source, node, "")?;
        found.extend(groups.into_iter().map(Provider::Static));
    }
    each(section, "file_sd_configs", &mut found, |it| {
        file(it, folder)
    })?;
    each(section, "http_sd_configs", &mut found, |it| {
        http(it, folder)
    })?;
    each(section, "dns_sd_configs", &mut found, dns)?;
    each(section, "consul_sd_configs", &mut found, |it| {
        consul(it, folder)
    })?;
    each(section, "kubernetes_sd_configs", &mut found, |it| {
        kubernetes(it, folder)
    })?;
    each(section, "process_sd_configs", &mut found, |_| {
        Ok(Provider::Processes(Processes {}))
    })?;
    Ok(found)
}

fn each(
    section: &Section<'_>,
    key: &'static str,
    found: &mut Vec<Provider>,
    read: impl Fn(&Section<'_>) -> Read<Provider>,
) -> Read<()> {
    for node in section.list(key)? {
        let inner = Section::of(section.source, node)?;
        found.push(read(&inner)?);
        inner.finish()?;
    }
    Ok(())
}

/// A list of `{targets, labels}`: static configurations, and what files and web services give.
pub(crate) fn groups(source: Source<'_>, node: &Node, from: &str) -> Read<Vec<Group>> {
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        Kind::Null => &[],
        _ => return Err(source.error(node, "expected a list of targets with labels")),
    };
    let groups = items.iter().enumerate().map(|(index, item)| {
        let section = Section::of(source, item)?;
        let targets = section.texts("targets")?;
        let labels = section.pairs("labels")?;
        if let Some(target) = targets.iter().find(|target| target.contains("://")) {
            let mut error = source.error(item, format!("the target {target:?} is a URL"));
            error.advice = Some("give host:port, and scheme beside it".to_owned());
            return Err(error);
        }
        section.finish()?;
        let targets = targets
            .into_iter()
            .map(|address| LabelSet::from_iter([("__address__", address)]));
        Ok(Group {
            source: format!("{from}:{index}"),
            targets: targets.collect(),
            labels: labels.into_iter().collect(),
        })
    });
    groups.collect()
}

fn refresh(section: &Section<'_>, seconds: u64) -> Read<Duration> {
    let given = super::positive(section, "refresh_interval")?;
    Ok(given.unwrap_or(Duration::from_secs(seconds)))
}

fn file(section: &Section<'_>, folder: &Path) -> Read<Provider> {
    let mut files = Vec::new();
    for node in section.list("files")? {
        let path = PathBuf::from(text(section.source, node)?);
        let name = path.file_name().and_then(|name| name.to_str());
        let known = name.is_some_and(|name| {
            [".json", ".yml", ".yaml"]
                .iter()
                .any(|end| name.ends_with(end))
        });
        if !known {
            let message = "the name of a file of targets must end in .json, .yml or .yaml";
            return Err(section.source.error(node, message));
        }
        let above = path.parent().and_then(Path::to_str).unwrap_or_default();
        if above.contains(['*', '?', '[']) {
            let message = "only the last part of a path may have * or ?";
            return Err(section.source.error(node, message));
        }
        files.push(folder.join(path));
    }
    if files.is_empty() {
        return Err(section.error("files names none"));
    }
    Ok(Provider::Files(FileSource {
        files,
        refresh: refresh(section, 300)?,
    }))
}

fn address(section: &Section<'_>, key: &'static str) -> Read<Option<Url>> {
    let Some(given) = section.text(key)? else {
        return Ok(None);
    };
    let parsed = Url::parse(&given).ok();
    let valid = parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match (valid, section.get(key)) {
        (Some(url), _) => Ok(Some(url)),
        (None, node) => {
            let node = node.unwrap_or(section.node);
            Err(section
                .source
                .error(node, format!("{key} is no http or https URL")))
        }
    }
}

fn http(section: &Section<'_>, folder: &Path) -> Read<Provider> {
    let url = address(section, "url")?.ok_or_else(|| section.error("url is missing"))?;
    Ok(Provider::Http(HttpSource {
        url,
        http: client::read(section, folder)?,
        refresh: refresh(section, 60)?,
    }))
}

fn dns(section: &Section<'_>) -> Read<Provider> {
    let names = section.texts("names")?;
    if names.is_empty() {
        return Err(section.error("names is missing or empty"));
    }
    let record = match section
        .text("type")?
        .unwrap_or_default()
        .to_uppercase()
        .as_str()
    {
        "" | "SRV" => DnsRecord::Srv,
        "A" => DnsRecord::A,
        "AAAA" => DnsRecord::Aaaa,
        "MX" => DnsRecord::Mx,
        "NS" => DnsRecord::Ns,
        _ => {
            let node = section.get("type").unwrap_or(section.node);
            let message = "type must be SRV, A, AAAA, MX or NS";
            return Err(section.source.error(node, message));
        }
    };
    let port = section.number("port")?;
    let port = match (port.map(u16::try_from), record) {
        (Some(Ok(port)), _) if port > 0 => port,
        (None, DnsRecord::Srv) => 0,
        (None, _) => return Err(section.error("a port is needed for all records but SRV")),
        _ => return Err(section.error("port must be from 1 to 65535")),
    };
    Ok(Provider::Dns(Dns {
        names,
        record,
        port,
        refresh: refresh(section, 30)?,
    }))
}

fn consul(section: &Section<'_>, folder: &Path) -> Read<Provider> {
    let server = section.text("server")?;
    let server = server.unwrap_or_else(|| "localhost:8500".to_owned());
    let scheme = section.text("scheme")?.unwrap_or_else(|| "http".to_owned());
    let prefix = section.text("path_prefix")?.unwrap_or_default();
    let whole = format!("{scheme}://{server}/{}", prefix.trim_matches('/'));
    let url = Url::parse(&whole).ok().filter(|url| url.has_host());
    let url = url.ok_or_else(|| section.error("server is no host:port"))?;
    let mut query = Vec::new();
    for (key, parameter) in [
        ("datacenter", "dc"),
        ("namespace", "ns"),
        ("partition", "partition"),
        ("filter", "filter"),
    ] {
        if let Some(value) = section.text(key)? {
            query.push((parameter, value));
        }
    }
    let mut http = client::read(section, folder)?;
    if let Some(user) = section.text("username")? {
        let password = section.text("password")?.unwrap_or_default();
        let inline = |text| Credential::Inline(Secret::new(text));
        http.basic_auth = Some((inline(user), inline(password)));
    }
    Ok(Provider::Consul(Consul {
        url,
        token: section
            .text("token")?
            .map(|token| Credential::Inline(Secret::new(token))),
        query,
        services: section.texts("services")?,
        tags: section.texts("tags")?,
        node_meta: section.pairs("node_meta")?,
        tag_separator: section
            .text("tag_separator")?
            .unwrap_or_else(|| ",".to_owned()),
        allow_stale: section.flag("allow_stale")?.unwrap_or(true),
        http,
        refresh: refresh(section, 30)?,
    }))
}

fn kubernetes(section: &Section<'_>, folder: &Path) -> Read<Provider> {
    let role = match section.text("role")?.unwrap_or_default().as_str() {
        "node" => Role::Node,
        "pod" => Role::Pod,
        "service" => Role::Service,
        "endpoints" => Role::Endpoints,
        "endpointslice" => Role::EndpointSlice,
        _ => {
            let node = section.get("role").unwrap_or(section.node);
            let message = "role must be node, pod, service, endpoints or endpointslice";
            return Err(section.source.error(node, message));
        }
    };
    let mut config = Kubernetes {
        role,
        api_server: address(section, "api_server")?,
        kubeconfig: section
            .text("kubeconfig_file")?
            .map(|path| folder.join(path)),
        namespaces: Vec::new(),
        own_namespace: false,
        selectors: Vec::new(),
        attach_node: false,
        profile_annotations: section.flag("profile_annotations")?.unwrap_or(false),
        http: client::read(section, folder)?,
    };
    if config.profile_annotations && role != Role::Pod {
        return Err(section.error("profile_annotations are read of pods: they need role pod"));
    }
    if config.api_server.is_some() && config.kubeconfig.is_some() {
        return Err(section.error("there are both api_server and kubeconfig_file"));
    }
    if let Some(names) = section.section("namespaces")? {
        config.namespaces = names.texts("names")?;
        config.own_namespace = names.flag("own_namespace")?.unwrap_or(false);
        names.finish()?;
    }
    if let Some(attach) = section.section("attach_metadata")? {
        config.attach_node = attach.flag("node")?.unwrap_or(false);
        attach.finish()?;
    }
    for node in section.list("selectors")? {
        let selector = Section::of(section.source, node)?;
        let role = selector.text("role")?;
        let role = role.ok_or_else(|| selector.error("a selector needs a role"))?;
        let label = selector.text("label")?.unwrap_or_default();
        let field = selector.text("field")?.unwrap_or_default();
        selector.finish()?;
        config.selectors.push((role, label, field));
    }
    Ok(Provider::Kubernetes(Box::new(config)))
}
