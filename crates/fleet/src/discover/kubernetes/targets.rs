//! The targets of each kind of object, with the labels that Prometheus gives them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::objects::{
    Container, EndpointAddress, EndpointSlice, Endpoints, Metadata, Node, Pod, Port, Service,
    TargetRef,
};
use crate::discover::target::START;
use crate::discover::{Group, annotations};
use crate::labels::{LabelSet, sanitize};

const META: &str = "__meta_kubernetes_";

/// Objects by namespace and name.
type Named<T> = HashMap<(String, String), T>;

/// What endpoints lead to.
pub(super) struct Joined {
    pub(super) services: Named<Service>,
    pub(super) pods: Named<Pod>,
    pub(super) nodes: HashMap<String, Metadata>,
}

fn host_port(host: &str, port: u32) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn group(kind: &str, metadata: &Metadata, labels: LabelSet, targets: Vec<LabelSet>) -> Group {
    Group {
        source: format!("{kind}/{}/{}", metadata.namespace, metadata.name),
        targets,
        labels,
    }
}

/// Labels and annotations of an object, each with a mark that it is there: an empty label is no label.
fn describe(labels: &mut LabelSet, kind: &str, metadata: &Metadata) {
    let mut all = |word: &str, map: &BTreeMap<String, String>| {
        for (key, value) in map {
            let key = sanitize(key);
            labels.set(format!("{META}{kind}_{word}_{key}"), value.as_str());
            labels.set(format!("{META}{kind}_{word}present_{key}"), "true");
        }
    };
    all("label", &metadata.labels);
    all("annotation", &metadata.annotations);
}

fn set(labels: &mut LabelSet, name: &str, value: &str) {
    labels.set(format!("{META}{name}"), value);
}

pub(super) fn node(node: &Node) -> Option<Group> {
    // Internal addresses are reached from inside, where gorphan is.
    let kinds = [
        "InternalIP",
        "InternalDNS",
        "ExternalIP",
        "ExternalDNS",
        "LegacyHostIP",
        "Hostname",
    ];
    let address = kinds.iter().find_map(|kind| {
        let mut addresses = node.status.addresses.iter();
        addresses.find(|one| one.kind == *kind && !one.address.is_empty())
    })?;
    let port = node.status.daemon_endpoints.kubelet_endpoint.port;
    let mut labels = LabelSet::default();
    set(&mut labels, "node_name", &node.metadata.name);
    set(&mut labels, "node_provider_id", &node.spec.provider_id);
    describe(&mut labels, "node", &node.metadata);
    let mut target = LabelSet::from_iter([
        ("__address__", host_port(&address.address, port)),
        ("instance", node.metadata.name.clone()),
    ]);
    let mut seen = HashSet::new();
    for one in &node.status.addresses {
        if seen.insert(&one.kind) {
            set(
                &mut target,
                &format!("node_address_{}", sanitize(&one.kind)),
                &one.address,
            );
        }
    }
    Some(group("node", &node.metadata, labels, vec![target]))
}

/// What is known of a pod, whatever container a target is of.
fn pod_labels(pod: &Pod) -> LabelSet {
    let mut labels = LabelSet::default();
    let ready = pod.status.conditions.iter().find(|one| one.kind == "Ready");
    let ready = ready.map_or("unknown".to_owned(), |one| one.status.to_lowercase());
    for (name, value) in [
        ("pod_name", pod.metadata.name.as_str()),
        ("pod_ip", &pod.status.pod_ip),
        ("pod_ready", &ready),
        ("pod_phase", &pod.status.phase),
        ("pod_node_name", &pod.spec.node_name),
        ("pod_host_ip", &pod.status.host_ip),
        ("pod_uid", &pod.metadata.uid),
    ] {
        set(&mut labels, name, value);
    }
    if let Some(owner) = pod
        .metadata
        .owner_references
        .iter()
        .find(|one| one.controller)
    {
        set(&mut labels, "pod_controller_kind", &owner.kind);
        set(&mut labels, "pod_controller_name", &owner.name);
    }
    describe(&mut labels, "pod", &pod.metadata);
    labels
}

/// With how often it was restarted: with another value it is another process.
fn container_labels(pod: &Pod, container: &Container, init: bool) -> LabelSet {
    let mut labels = LabelSet::default();
    let statuses = if init {
        &pod.status.init_container_statuses
    } else {
        &pod.status.container_statuses
    };
    set(&mut labels, "pod_container_name", &container.name);
    set(&mut labels, "pod_container_image", &container.image);
    set(
        &mut labels,
        "pod_container_init",
        if init { "true" } else { "false" },
    );
    if let Some(status) = statuses.iter().find(|one| one.name == container.name) {
        set(&mut labels, "pod_container_id", &status.container_id);
        labels.set(
            START,
            format!("{}/{}", pod.metadata.uid, status.restart_count),
        );
    }
    labels
}

pub(super) fn pod(pod: &Pod, nodes: &HashMap<String, Metadata>, annotated: bool) -> Option<Group> {
    // A pod that is not placed yet has no address.
    if pod.status.pod_ip.is_empty() {
        return None;
    }
    let mut labels = pod_labels(pod);
    set(&mut labels, "namespace", &pod.metadata.namespace);
    if let Some(node) = nodes.get(&pod.spec.node_name) {
        set(&mut labels, "node_name", &node.name);
        describe(&mut labels, "node", node);
    }
    if annotated {
        labels.set(annotations::WANTED, "true");
    }
    let mut targets = Vec::new();
    let containers = pod.spec.containers.iter().map(|one| (one, false));
    for (container, init) in
        containers.chain(pod.spec.init_containers.iter().map(|one| (one, true)))
    {
        let common = container_labels(pod, container, init);
        if container.ports.is_empty() {
            // It may listen nonetheless; rules can add the port.
            let mut target = common.clone();
            let ip = &pod.status.pod_ip;
            let address = if ip.contains(':') {
                format!("[{ip}]")
            } else {
                ip.clone()
            };
            target.set("__address__", address);
            targets.push(target);
        }
        for port in &container.ports {
            let mut target = common.clone();
            target.set(
                "__address__",
                host_port(&pod.status.pod_ip, port.container_port),
            );
            container_port(&mut target, &port.name, port.container_port, &port.protocol);
            targets.push(target);
        }
    }
    Some(group("pod", &pod.metadata, labels, targets))
}

fn container_port(target: &mut LabelSet, name: &str, number: u32, protocol: &str) {
    set(target, "pod_container_port_name", name);
    set(target, "pod_container_port_number", &number.to_string());
    set(target, "pod_container_port_protocol", protocol);
}

pub(super) fn service(service: &Service) -> Group {
    let metadata = &service.metadata;
    let mut labels = LabelSet::default();
    set(&mut labels, "namespace", &metadata.namespace);
    set(&mut labels, "service_name", &metadata.name);
    describe(&mut labels, "service", metadata);
    let host = format!("{}.{}.svc", metadata.name, metadata.namespace);
    let targets = service.spec.ports.iter().map(|port| {
        let mut target = LabelSet::from_iter([("__address__", host_port(&host, port.port))]);
        set(&mut target, "service_port_name", &port.name);
        set(&mut target, "service_port_number", &port.port.to_string());
        set(&mut target, "service_port_protocol", &port.protocol);
        set(&mut target, "service_type", &service.spec.kind);
        if service.spec.kind == "ExternalName" {
            set(
                &mut target,
                "service_external_name",
                &service.spec.external_name,
            );
        } else {
            set(&mut target, "service_cluster_ip", &service.spec.cluster_ip);
        }
        target
    });
    let targets = targets.collect();
    group("svc", metadata, labels, targets)
}

/// The service's labels, for its endpoints.
fn of_service(labels: &mut LabelSet, joined: &Joined, namespace: &str, name: &str) {
    if let Some(service) = joined
        .services
        .get(&(namespace.to_owned(), name.to_owned()))
    {
        set(labels, "service_name", &service.metadata.name);
        describe(labels, "service", &service.metadata);
    }
}

/// Adds what is known of the pod and container that a target is of; the pod's other ports are told to `seen`.
fn of_pod<'a>(
    target: &mut LabelSet,
    joined: &'a Joined,
    reference: Option<&TargetRef>,
    port: u32,
    seen: &mut HashMap<(String, String), (&'a Pod, Vec<u32>)>,
) {
    let Some(reference) = reference.filter(|one| one.kind == "Pod") else {
        return;
    };
    let key = (reference.namespace.clone(), reference.name.clone());
    let Some(pod) = joined.pods.get(&key) else {
        return;
    };
    for (name, value) in pod_labels(pod).iter() {
        target.set(name, value);
    }
    if let Some(node) = joined.nodes.get(&pod.spec.node_name) {
        set(target, "node_name", &node.name);
        describe(target, "node", node);
    }
    seen.entry(key).or_insert((pod, Vec::new())).1.push(port);
    for container in &pod.spec.containers {
        let Some(own) = container
            .ports
            .iter()
            .find(|one| one.container_port == port)
        else {
            continue;
        };
        for (name, value) in container_labels(pod, container, false).iter() {
            target.set(name, value);
        }
        container_port(target, &own.name, port, &own.protocol);
        break;
    }
}

/// Ports of the pods behind endpoints that are no endpoints themselves: profiles are often served on one of those.
fn other_ports(seen: HashMap<(String, String), (&Pod, Vec<u32>)>) -> Vec<LabelSet> {
    let mut targets = Vec::new();
    for (pod, ports) in seen.into_values() {
        for container in &pod.spec.containers {
            for port in container
                .ports
                .iter()
                .filter(|one| !ports.contains(&one.container_port))
            {
                let mut target = pod_labels(pod);
                for (name, value) in container_labels(pod, container, false).iter() {
                    target.set(name, value);
                }
                container_port(&mut target, &port.name, port.container_port, &port.protocol);
                target.set(
                    "__address__",
                    host_port(&pod.status.pod_ip, port.container_port),
                );
                targets.push(target);
            }
        }
    }
    targets.sort();
    targets
}

pub(super) fn endpoints(endpoints: &Endpoints, joined: &Joined) -> Group {
    let metadata = &endpoints.metadata;
    let mut labels = LabelSet::default();
    set(&mut labels, "namespace", &metadata.namespace);
    set(&mut labels, "endpoints_name", &metadata.name);
    describe(&mut labels, "endpoints", metadata);
    of_service(&mut labels, joined, &metadata.namespace, &metadata.name);
    let mut targets = Vec::new();
    let mut seen = HashMap::new();
    for subset in &endpoints.subsets {
        let ready = subset.addresses.iter().map(|one| (one, "true"));
        let all = ready.chain(subset.not_ready_addresses.iter().map(|one| (one, "false")));
        for (address, ready) in all {
            for port in &subset.ports {
                let mut target = endpoint(address, port, ready);
                of_pod(
                    &mut target,
                    joined,
                    address.target_ref.as_ref(),
                    port.port,
                    &mut seen,
                );
                targets.push(target);
            }
        }
    }
    targets.extend(other_ports(seen));
    group("endpoints", metadata, labels, targets)
}

fn endpoint(address: &EndpointAddress, port: &Port, ready: &str) -> LabelSet {
    let mut target = LabelSet::from_iter([("__address__", host_port(&address.ip, port.port))]);
    set(&mut target, "endpoint_port_name", &port.name);
    set(&mut target, "endpoint_port_protocol", &port.protocol);
    set(&mut target, "endpoint_ready", ready);
    set(&mut target, "endpoint_node_name", &address.node_name);
    set(&mut target, "endpoint_hostname", &address.hostname);
    if let Some(reference) = &address.target_ref {
        set(&mut target, "endpoint_address_target_kind", &reference.kind);
        set(&mut target, "endpoint_address_target_name", &reference.name);
    }
    target
}

/// The label by which a slice names its service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

pub(super) fn slice(slice: &EndpointSlice, joined: &Joined) -> Group {
    let metadata = &slice.metadata;
    let mut labels = LabelSet::default();
    set(&mut labels, "namespace", &metadata.namespace);
    set(&mut labels, "endpointslice_name", &metadata.name);
    set(
        &mut labels,
        "endpointslice_address_type",
        &slice.address_type,
    );
    describe(&mut labels, "endpointslice", metadata);
    if let Some(service) = metadata.labels.get(SERVICE_NAME) {
        of_service(&mut labels, joined, &metadata.namespace, service);
    }
    let mut targets = Vec::new();
    let mut seen = HashMap::new();
    let flag = |value: Option<bool>| value.map(|it| it.to_string()).unwrap_or_default();
    for endpoint in &slice.endpoints {
        for port in &slice.ports {
            let number = port.port.unwrap_or(0);
            for address in &endpoint.addresses {
                let mut target = LabelSet::from_iter([("__address__", host_port(address, number))]);
                let text = |value: &Option<String>| value.clone().unwrap_or_default();
                for (name, value) in [
                    ("port_name", text(&port.name)),
                    ("port_protocol", text(&port.protocol)),
                    ("port_app_protocol", text(&port.app_protocol)),
                    ("port", number.to_string()),
                    ("endpoint_conditions_ready", flag(endpoint.conditions.ready)),
                    (
                        "endpoint_conditions_serving",
                        flag(endpoint.conditions.serving),
                    ),
                    (
                        "endpoint_conditions_terminating",
                        flag(endpoint.conditions.terminating),
                    ),
                    ("endpoint_hostname", text(&endpoint.hostname)),
                    ("endpoint_node_name", text(&endpoint.node_name)),
                ] {
                    set(&mut target, &format!("endpointslice_{name}"), &value);
                }
                if let Some(reference) = &endpoint.target_ref {
                    set(
                        &mut target,
                        "endpointslice_address_target_kind",
                        &reference.kind,
                    );
                    set(
                        &mut target,
                        "endpointslice_address_target_name",
                        &reference.name,
                    );
                }
                of_pod(
                    &mut target,
                    joined,
                    endpoint.target_ref.as_ref(),
                    number,
                    &mut seen,
                );
                targets.push(target);
            }
        }
    }
    targets.extend(other_ports(seen));
    group("endpointslice", metadata, labels, targets)
}
