//! Targets from the services that a Consul knows.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Group, SourceError};
use crate::config::Consul;
use crate::http::{Bounds, Client, read, shown};
use crate::labels::{LabelSet, sanitize};

/// Bounds of one answer.
const BOUNDS: Bounds = Bounds {
    bytes: 64 << 20,
    time: Duration::from_secs(30),
};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Entry {
    node: Node,
    service: Service,
    checks: Vec<Check>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Node {
    node: String,
    address: String,
    datacenter: String,
    partition: String,
    meta: Option<BTreeMap<String, String>>,
    tagged_addresses: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    service: String,
    address: String,
    port: u32,
    namespace: String,
    tags: Option<Vec<String>>,
    meta: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Check {
    #[serde(rename = "CheckID")]
    id: String,
    status: String,
}

/// Asks for the services, then for each that is wanted.
pub(super) async fn groups(consul: &Consul, client: &Client) -> Result<Vec<Group>, SourceError> {
    let services: Vec<String> = if consul.services.is_empty() || !consul.tags.is_empty() {
        let all: BTreeMap<String, Vec<String>> =
            get(consul, client, "v1/catalog/services", &[]).await?;
        let has_tags = |tags: &Vec<String>| consul.tags.iter().all(|tag| tags.contains(tag));
        let wanted = all.into_iter().filter(|(name, tags)| {
            let named = consul.services.is_empty() || consul.services.contains(name);
            named && has_tags(tags)
        });
        wanted.map(|(name, _)| name).collect()
    } else {
        consul.services.clone()
    };
    let mut groups = Vec::new();
    for service in services {
        let path = format!("v1/health/service/{service}");
        let tags: Vec<(&str, &str)> = consul
            .tags
            .iter()
            .map(|tag| ("tag", tag.as_str()))
            .collect();
        let entries: Vec<Entry> = get(consul, client, &path, &tags).await?;
        groups.push(Group {
            source: service.clone(),
            targets: entries.iter().map(|entry| labels(consul, entry)).collect(),
            labels: LabelSet::from_iter([("__meta_consul_service", service)]),
        });
    }
    Ok(groups)
}

async fn get<T: DeserializeOwned>(
    consul: &Consul,
    client: &Client,
    path: &str,
    further: &[(&str, &str)],
) -> Result<T, SourceError> {
    let base = consul.url.as_str().trim_end_matches('/');
    let url = Url::parse(&format!("{base}/{path}"));
    let mut url = url.map_err(|error| SourceError::content(path, error))?;
    let meta: Vec<String> = consul
        .node_meta
        .iter()
        .map(|(k, v)| format!("{k}:{v}"))
        .collect();
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(
            consul
                .query
                .iter()
                .map(|(key, value)| (*key, value.as_str())),
        );
        query.extend_pairs(meta.iter().map(|value| ("node-meta", value)));
        query.extend_pairs(further);
        if consul.allow_stale {
            query.append_pair("stale", "");
        }
    }
    let failed = |error| SourceError::Fetch {
        url: shown(&url),
        error,
    };
    let mut headers = Vec::new();
    if let Some(token) = &consul.token {
        headers.push(("x-consul-token", read(token).map_err(failed)?));
    }
    let answer = client
        .get_with(&url, &headers, BOUNDS, None)
        .await
        .map_err(failed)?;
    serde_json::from_slice(&answer.body).map_err(|error| SourceError::content(shown(&url), error))
}

fn labels(consul: &Consul, entry: &Entry) -> LabelSet {
    let (node, service) = (&entry.node, &entry.service);
    let separator = &consul.tag_separator;
    // Separators at both ends, so that one pattern finds a tag wherever it stands.
    let tags = service.tags.as_deref().unwrap_or_default();
    let tags = format!("{separator}{}{separator}", tags.join(separator));
    let host = if service.address.is_empty() {
        &node.address
    } else {
        &service.address
    };
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    let mut labels: LabelSet = [
        ("__address__", format!("{host}:{}", service.port)),
        ("__meta_consul_node", node.node.clone()),
        ("__meta_consul_address", node.address.clone()),
        ("__meta_consul_dc", node.datacenter.clone()),
        ("__meta_consul_partition", node.partition.clone()),
        ("__meta_consul_namespace", service.namespace.clone()),
        ("__meta_consul_tags", tags),
        ("__meta_consul_service_address", service.address.clone()),
        ("__meta_consul_service_port", service.port.to_string()),
        ("__meta_consul_service_id", service.id.clone()),
        ("__meta_consul_health", health(&entry.checks).to_owned()),
    ]
    .into_iter()
    .collect();
    for (prefix, map) in [
        ("__meta_consul_metadata_", &node.meta),
        ("__meta_consul_tagged_address_", &node.tagged_addresses),
        ("__meta_consul_service_metadata_", &service.meta),
    ] {
        for (key, value) in map.iter().flatten() {
            labels.set(format!("{prefix}{}", sanitize(key)), value.as_str());
        }
    }
    labels
}

/// Maintenance before critical before warning before passing, as Consul sums checks up.
fn health(checks: &[Check]) -> &'static str {
    let is = |status: &str| checks.iter().any(|check| check.status == status);
    let maintenance = |check: &Check| {
        check.id == "_node_maintenance" || check.id.starts_with("_service_maintenance:")
    };
    if checks.iter().any(maintenance) {
        "maintenance"
    } else if is("critical") {
        "critical"
    } else if is("warning") {
        "warning"
    } else {
        "passing"
    }
}
