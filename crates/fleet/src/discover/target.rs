//! From labels to a target: what Prometheus does between discovery and the first request.

use std::collections::BTreeMap;

use url::Url;

use super::annotations;
use super::relabel::relabel;
use crate::config::Job;
use crate::config::duration;
use crate::labels::LabelSet;

/// The scheme of targets that are processes of this machine.
pub(crate) const PROCESS_SCHEME: &str = "process";

/// The label by which sources tell one process from the next; not one of Prometheus.
pub(super) const START: &str = "__gorphan_start__";

/// Where a target's goroutines are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Profiles over HTTP.
    Http(Box<Profiles>),
    /// A process of this machine.
    Process(u32),
    /// Nowhere: it sends its profiles.
    Pushed,
}

/// The addresses of a target's profiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profiles {
    /// All goroutines.
    pub goroutine: Url,
    /// The runtime's leak profile, if it is to be asked for.
    pub leak: Option<Url>,
    /// The heap profile, if it is to be asked for.
    pub heap: Option<Url>,
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The labels that remain: no name begins with `__`.
    pub labels: LabelSet,
    /// Where it is.
    pub address: Address,
    /// What tells one process from the next at the same place, such as a container's restarts; empty where unknown.
    pub start: String,
}

impl Target {
    /// The job that it belongs to.
    pub fn job(&self) -> &str {
        self.labels.get("job")
    }

    /// What tells it from the other instances of its service.
    pub fn instance(&self) -> &str {
        self.labels.get("instance")
    }

    /// The service: the label `service` or `service_name`, else the job.
    pub fn service(&self) -> &str {
        let mut names = ["service", "service_name", "job"].into_iter();
        names
            .find_map(|name| Some(self.labels.get(name)).filter(|value| !value.is_empty()))
            .unwrap_or("")
    }

    /// The version that runs there; empty where unknown.
    pub fn version(&self) -> &str {
        self.labels.get("version")
    }

    /// The address for people, without parameters: they may be tokens.
    pub fn shown(&self) -> String {
        match &self.address {
            Address::Http(profiles) => crate::http::shown(&profiles.goroutine),
            Address::Process(pid) => format!("process {pid}"),
            Address::Pushed => format!("{} (pushed)", self.instance()),
        }
    }

    /// Requests to one host and port go one after the other.
    pub fn host(&self) -> String {
        match &self.address {
            Address::Http(profiles) => {
                let goroutine = &profiles.goroutine;
                let host = goroutine.host_str().unwrap_or_default();
                format!("{host}:{}", goroutine.port_or_known_default().unwrap_or(0))
            }
            Address::Process(pid) => format!("process {pid}"),
            Address::Pushed => format!("{} (pushed)", self.instance()),
        }
    }
}

/// Makes a target of discovered labels; `None` when relabelling drops it.
///
/// # Errors
/// When what remains is no address.
pub(super) fn build(job: &Job, mut labels: LabelSet) -> Result<Option<Target>, String> {
    labels.set_default("job", &job.name);
    labels.set_default("__scheme__", &job.scheme);
    labels.set_default("__profile_path__", &job.goroutine_path);
    labels.set_default("__metrics_path__", &job.goroutine_path);
    labels.set_default("__profile_path_prefix__", &job.path_prefix);
    labels.set_default("__scrape_interval__", &duration::show(job.interval));
    labels.set_default("__scrape_timeout__", &duration::show(job.timeout));
    for (name, values) in &job.params {
        if let Some(value) = values.first() {
            labels.set_default(&format!("__param_{name}"), value);
        }
    }
    let Some(labels) = annotations::apply(labels).and_then(|it| relabel(it, &job.relabel)) else {
        return Ok(None);
    };
    let address = labels.get("__address__").to_owned();
    if address.is_empty() {
        return Err("a target has no address".to_owned());
    }
    let address_of = |path: &str| url(&labels, &address, path, &job.params);
    let target_address = match labels.get("__scheme__") {
        PROCESS_SCHEME => {
            let pid = address.parse();
            Address::Process(pid.map_err(|_| format!("{address:?} is no process"))?)
        }
        "http" | "https" => {
            let path = match labels.get("__metrics_path__") {
                // Rules that are written for Prometheus set this one.
                path if path != job.goroutine_path => path,
                _ => labels.get("__profile_path__"),
            };
            let beside = |own: &Option<String>| {
                let own = own
                    .as_ref()
                    .map(|own| beside(path, &job.goroutine_path, own));
                own.map(|path| address_of(&path)).transpose()
            };
            Address::Http(Box::new(Profiles {
                goroutine: address_of(path)?,
                leak: beside(&job.leak_path)?,
                heap: beside(&job.heap_path)?,
            }))
        }
        other => {
            return Err(format!(
                "{address}: the scheme {other:?} is neither http nor https"
            ));
        }
    };
    let start = labels.get(START).to_owned();
    let mut remaining = labels;
    remaining.set_default("instance", &address);
    remaining.retain(|name| !name.starts_with("__"));
    Ok(Some(Target {
        labels: remaining,
        address: target_address,
        start,
    }))
}

/// Where another profile is when the goroutine profile is at `path` in place of `usual`: in the same folder.
fn beside(path: &str, usual: &str, other: &str) -> String {
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    match (path == usual, folder(path), folder(usual), folder(other)) {
        (false, Some(here), Some(there), Some(of_other)) if there == of_other => {
            format!("{here}{}", other.get(there.len()..).unwrap_or_default())
        }
        _ => other.to_owned(),
    }
}

fn url(
    labels: &LabelSet,
    address: &str,
    path: &str,
    params: &[(String, Vec<String>)],
) -> Result<Url, String> {
    let wrong = || format!("{address:?} is no host and port");
    if address.contains(['/', '?', '#', '@']) {
        return Err(wrong());
    }
    let prefix = labels.get("__profile_path_prefix__").trim_end_matches('/');
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let slash = if path.starts_with('/') { "" } else { "/" };
    let whole = format!(
        "{}://{address}{prefix}{slash}{path}",
        labels.get("__scheme__")
    );
    let mut url = Url::parse(&whole).map_err(|_| wrong())?;
    url.set_query(query);
    // The first value of each may have been relabelled; further ones are as configured.
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, values) in params {
        all.insert(name, values.iter().map(String::as_str).collect());
    }
    for (name, value) in labels.iter() {
        if let Some(name) = name.strip_prefix("__param_") {
            let values = all.entry(name).or_default();
            match values.first_mut() {
                Some(first) => *first = value,
                None => values.push(value),
            }
        }
    }
    let pairs = all
        .into_iter()
        .flat_map(|(name, values)| values.into_iter().map(move |it| (name, it)));
    let pairs: Vec<(&str, &str)> = pairs.collect();
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok(url)
}
