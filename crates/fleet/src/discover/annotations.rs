//! The annotations `profiles.grafana.com/goroutine.*` of pods, for `profile_annotations: true`.
//!
//! `scrape: "true"` takes the pod; `port` or `port_name` says where (with neither, every port of every container is a
//! target, as without annotations); `path` and `scheme` say the rest.

use crate::labels::LabelSet;

/// Set on the targets of sources that want annotations read.
pub(super) const WANTED: &str = "__gorphan_profile_annotations__";

const PREFIX: &str = "__meta_kubernetes_pod_annotation_profiles_grafana_com_goroutine_";

/// The labels as the annotations want them; `None` for a target that they do not name.
pub(super) fn apply(mut labels: LabelSet) -> Option<LabelSet> {
    if !labels.has(WANTED) {
        return Some(labels);
    }
    let said = |labels: &LabelSet, key: &str| labels.get(&format!("{PREFIX}{key}")).to_owned();
    if said(&labels, "scrape") != "true" {
        return None;
    }
    let (port, port_name) = (said(&labels, "port"), said(&labels, "port_name"));
    if !port_name.is_empty() && labels.get("__meta_kubernetes_pod_container_port_name") != port_name
    {
        return None;
    }
    if port_name.is_empty() && !port.is_empty() {
        let ip = labels.get("__meta_kubernetes_pod_ip").to_owned();
        let ip = if ip.contains(':') {
            format!("[{ip}]")
        } else {
            ip
        };
        labels.set("__address__", format!("{ip}:{port}"));
        // One target a pod, not one a port: what tells the ports apart goes.
        labels.retain(|name| !name.starts_with("__meta_kubernetes_pod_container_"));
    }
    for (key, label) in [("path", "__profile_path__"), ("scheme", "__scheme__")] {
        let value = said(&labels, key);
        if !value.is_empty() {
            labels.set(label, value);
        }
    }
    labels.set_default("service", &label_of(&labels));
    for (from, to) in [
        ("__meta_kubernetes_namespace", "namespace"),
        ("__meta_kubernetes_pod_name", "pod"),
        (
            "__meta_kubernetes_pod_label_app_kubernetes_io_version",
            "version",
        ),
    ] {
        let value = labels.get(from).to_owned();
        labels.set_default(to, &value);
    }
    Some(labels)
}

/// The service that a pod is of: the recommended label, the customary one, or what controls it.
fn label_of(labels: &LabelSet) -> String {
    let names = [
        "__meta_kubernetes_pod_label_app_kubernetes_io_name",
        "__meta_kubernetes_pod_label_app",
        "__meta_kubernetes_pod_controller_name",
        "__meta_kubernetes_pod_name",
    ];
    let mut values = names.iter().map(|name| labels.get(name));
    values
        .find(|value| !value.is_empty())
        .unwrap_or_default()
        .to_owned()
}
