//! Targets from the objects of a Kubernetes cluster, by plain lists of its API.
//!
//! Lists once a sweep are cheaper for a server than a watch that is held open all the time, and need no cache of ours. Pages
//! of five hundred objects keep an answer small.

mod kubeconfig;
mod objects;
mod targets;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Group, SourceError};
use crate::config::{Credential, HttpConfig, Kubernetes, Role};
use crate::http::{Bounds, Client, shown};
use objects::{EndpointSlice, Endpoints, Metadata, Node, Pod, Service};

/// Bounds of one page.
const BOUNDS: Bounds = Bounds {
    bytes: 64 << 20,
    time: Duration::from_secs(30),
};
/// Objects of a page.
const PAGE: &str = "500";
/// Pages of a list: half a million objects.
const MAX_PAGES: usize = 1_000;

/// What tells a program in a cluster where the API is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// `KUBERNETES_SERVICE_HOST`.
    pub service_host: Option<String>,
    /// `KUBERNETES_SERVICE_PORT`.
    pub service_port: Option<String>,
    /// The folder of the service account.
    pub account: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self {
            service_host: std::env::var("KUBERNETES_SERVICE_HOST").ok(),
            service_port: std::env::var("KUBERNETES_SERVICE_PORT").ok(),
            account: "/var/run/secrets/kubernetes.io/serviceaccount".into(),
        }
    }

    fn namespace(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.account.join("namespace")).ok()?;
        Some(text.trim().to_owned())
    }
}

/// The server, and how it is reached.
struct Api<'a> {
    base: Url,
    client: Client,
    config: &'a Kubernetes,
    namespaces: Vec<String>,
}

/// Asks the server at `base` for all that the role needs.
pub(super) async fn groups(
    config: &Kubernetes,
    surroundings: &Surroundings,
    base: Url,
    client: Client,
) -> Result<Vec<Group>, SourceError> {
    let mut namespaces = config.namespaces.clone();
    if config.own_namespace {
        let own = surroundings.namespace();
        namespaces.push(own.ok_or_else(|| {
            SourceError::content("own_namespace", "gorphan does not run in a cluster")
        })?);
    }
    let api = Api {
        base,
        client,
        config,
        namespaces,
    };
    match config.role {
        Role::Node => {
            let nodes: Vec<Node> = api.list("api/v1", "nodes", "node").await?;
            Ok(nodes.iter().filter_map(targets::node).collect())
        }
        Role::Pod => {
            let pods: Vec<Pod> = api.list("api/v1", "pods", "pod").await?;
            let nodes = api.nodes().await?;
            let annotated = config.profile_annotations;
            let groups = pods
                .iter()
                .filter_map(|pod| targets::pod(pod, &nodes, annotated));
            Ok(groups.collect())
        }
        Role::Service => {
            let services: Vec<Service> = api.list("api/v1", "services", "service").await?;
            Ok(services.iter().map(targets::service).collect())
        }
        Role::Endpoints => {
            let endpoints: Vec<Endpoints> = api.list("api/v1", "endpoints", "endpoints").await?;
            let joined = api.joined().await?;
            let groups = endpoints.iter().map(|it| targets::endpoints(it, &joined));
            Ok(groups.collect())
        }
        Role::EndpointSlice => {
            let group = "apis/discovery.k8s.io/v1";
            let slices: Vec<EndpointSlice> =
                api.list(group, "endpointslices", "endpointslice").await?;
            let joined = api.joined().await?;
            Ok(slices
                .iter()
                .map(|it| targets::slice(it, &joined))
                .collect())
        }
    }
}

/// Where the server is, and how it is reached.
pub(super) fn reach(
    config: &Kubernetes,
    surroundings: &Surroundings,
) -> Result<(Url, HttpConfig), SourceError> {
    if let Some(server) = &config.api_server {
        return Ok((server.clone(), config.http.clone()));
    }
    if let Some(path) = &config.kubeconfig {
        return kubeconfig::read(path, &config.http);
    }
    let (Some(host), Some(port)) = (&surroundings.service_host, &surroundings.service_port) else {
        let why = "neither api_server nor kubeconfig_file is given, and gorphan does not run in a cluster";
        return Err(SourceError::content("kubernetes_sd_configs", why));
    };
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    let url = Url::parse(&format!("https://{host}:{port}"));
    let url = url.map_err(|error| SourceError::content("KUBERNETES_SERVICE_HOST", error))?;
    let mut http = config.http.clone();
    let token = Credential::File(surroundings.account.join("token"));
    http.authorization = Some(("Bearer".to_owned(), token));
    http.tls.ca = Some(Credential::File(surroundings.account.join("ca.crt")));
    Ok((url, http))
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: ListMetadata,
    #[serde(default = "Vec::new")]
    items: Vec<T>,
}

#[derive(Default, Deserialize)]
struct ListMetadata {
    #[serde(rename = "continue", default)]
    next: String,
}

impl Api<'_> {
    /// All objects of a kind, of the namespaces that are wanted.
    async fn list<T: DeserializeOwned>(
        &self,
        group: &str,
        kind: &str,
        role: &str,
    ) -> Result<Vec<T>, SourceError> {
        let mut paths = vec![format!("{group}/{kind}")];
        if !self.namespaces.is_empty() && kind != "nodes" {
            let one = |namespace: &String| format!("{group}/namespaces/{namespace}/{kind}");
            paths = self.namespaces.iter().map(one).collect();
        }
        let mut objects = Vec::new();
        for path in paths {
            let base = self.base.as_str().trim_end_matches('/');
            let url = Url::parse(&format!("{base}/{path}"));
            let mut url = url.map_err(|error| SourceError::content(&path, error))?;
            url.query_pairs_mut().append_pair("limit", PAGE);
            for (of, label, field) in &self.config.selectors {
                if of != role {
                    continue;
                }
                for (key, value) in [("labelSelector", label), ("fieldSelector", field)] {
                    if !value.is_empty() {
                        url.query_pairs_mut().append_pair(key, value);
                    }
                }
            }
            self.pages(&url, &mut objects).await?;
        }
        Ok(objects)
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        url: &Url,
        objects: &mut Vec<T>,
    ) -> Result<(), SourceError> {
        let name = shown(url);
        let mut page = url.clone();
        for _ in 0..MAX_PAGES {
            let answer = self.client.get(&page, BOUNDS, None).await;
            let answer = answer.map_err(|error| SourceError::Fetch {
                url: name.clone(),
                error,
            })?;
            let read: Result<Page<T>, _> = serde_json::from_slice(&answer.body);
            let read = read.map_err(|error| SourceError::content(&name, error))?;
            objects.extend(read.items);
            if read.metadata.next.is_empty() {
                return Ok(());
            }
            page = url.clone();
            page.query_pairs_mut()
                .append_pair("continue", &read.metadata.next);
        }
        Err(SourceError::content(
            name,
            format!("there are more than {MAX_PAGES} pages"),
        ))
    }

    /// The nodes by name, if their labels are wanted.
    async fn nodes(&self) -> Result<HashMap<String, Metadata>, SourceError> {
        if !self.config.attach_node {
            return Ok(HashMap::new());
        }
        let nodes: Vec<Node> = self.list("api/v1", "nodes", "node").await?;
        let named = nodes
            .into_iter()
            .map(|node| (node.metadata.name.clone(), node.metadata));
        Ok(named.collect())
    }

    /// What the labels of endpoints tell besides: their services and pods.
    async fn joined(&self) -> Result<targets::Joined, SourceError> {
        let services: Vec<Service> = self.list("api/v1", "services", "service").await?;
        let pods: Vec<Pod> = self.list("api/v1", "pods", "pod").await?;
        let key = |metadata: &Metadata| (metadata.namespace.clone(), metadata.name.clone());
        Ok(targets::Joined {
            services: services
                .into_iter()
                .map(|it| (key(&it.metadata), it))
                .collect(),
            pods: pods.into_iter().map(|it| (key(&it.metadata), it)).collect(),
            nodes: self.nodes().await?,
        })
    }
}
