//! Sources that are asked, on loopback; and what becomes of their targets.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::net::UdpSocket;
use wiremock::matchers::{header, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

/// A job `j` with these keys.
fn config(keys: &str) -> FleetConfig {
    let yaml = format!("scrape_configs:\n  - job_name: j\n{keys}");
    FleetConfig::parse(&yaml, "gorphan.yaml", Path::new("")).expect(keys)
}

async fn find(config: &FleetConfig) -> Found {
    Discovery::new(Surroundings::default())
        .find(config, Duration::ZERO)
        .await
}

/// Each target as `URL {labels}`.
fn shown(found: &Found) -> String {
    let line = |target: &Target| {
        let url = match &target.address {
            Address::Http(profiles) => profiles.goroutine.to_string(),
            Address::Process(pid) => format!("process {pid}"),
            Address::Pushed => "pushed".to_owned(),
        };
        let labels: Vec<String> = target
            .labels
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        format!("{url} {}", labels.join(" "))
    };
    let mut lines: Vec<String> = found.targets.iter().map(line).collect();
    lines.extend(
        found
            .troubles
            .iter()
            .map(|one| format!("{}: {}", one.job, one.message)),
    );
    lines.join("\n")
}

#[tokio::test]
async fn labels_become_addresses() {
    let config = config(
        "    params: {token: [abc], gc: ['1', '2']}
    profiling_config: {path_prefix: /admin/}
    static_configs:
      - targets: ['b:6060', 'a:6060', 'a:6060', '[::1]:80', 'drop:1', 'custom:1']
        labels: {service: shop}
      - targets: ['http//', '']
    relabel_configs:
      - {source_labels: [__address__], regex: 'drop:.*', action: drop}
      - {source_labels: [__address__], regex: '(custom):1', target_label: __metrics_path__, replacement: /x/goroutine}
      - {source_labels: [__address__], regex: '(custom):1', target_label: __param_token, replacement: xyz}
      - {source_labels: [__address__], regex: '(custom):1', target_label: __scheme__, replacement: https}
",
    );
    let found = find(&config).await;
    assert_eq!(
        shown(&found),
        "http://[::1]/admin/debug/pprof/goroutine?gc=1&gc=2&token=abc instance=[::1]:80 job=j service=shop
http://a:6060/admin/debug/pprof/goroutine?gc=1&gc=2&token=abc instance=a:6060 job=j service=shop
http://b:6060/admin/debug/pprof/goroutine?gc=1&gc=2&token=abc instance=b:6060 job=j service=shop
https://custom:1/admin/x/goroutine?gc=1&gc=2&token=xyz instance=custom:1 job=j service=shop
j: :1: \"http//\" is no host and port
j: :1: a target has no address"
    );
    assert_eq!(found.dropped, 1);
    let Address::Http(profiles) = &found.targets[3].address else {
        panic!("no address");
    };
    let (leak, heap) = (&profiles.leak, &profiles.heap);
    // The other profiles are where the goroutines are.
    let leak = leak.as_ref().map(url::Url::path);
    assert_eq!(leak, Some("/admin/x/goroutineleak"));
    assert_eq!(heap.as_ref().map(url::Url::path), Some("/admin/x/heap"));
    assert!(!found.targets[3].shown().contains("xyz"));
}

#[tokio::test]
async fn too_many_targets_are_none() {
    let keys = "    target_limit: 1\n    static_configs: [{targets: ['a:1', 'b:1']}]\n";
    let found = find(&config(keys)).await;
    assert_eq!(
        shown(&found),
        "j: 2 targets are more than target_limit (1): none is looked at"
    );
}

#[tokio::test]
async fn files_are_read_again_and_broken_ones_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    write(
        "a.json",
        r#"[{"targets": ["a:1"], "labels": {"v": "1.10"}}]"#,
    );
    write("b.yml", "- targets: ['b:1']\n  lables: {}\n");
    write("c.yaml", "- targets: ['c:1']\n");
    write("ignored.txt", "- targets: ['d:1']\n");
    let keys = format!(
        "    file_sd_configs: [{{files: ['{0}/*.json', '{0}/b.yml', '{0}/?.yaml'], refresh_interval: 1m}}]\n",
        folder.path().display()
    );
    let config = config(&keys);
    let mut discovery = Discovery::new(Surroundings::default());
    let found = discovery.find(&config, Duration::ZERO).await;
    let text = shown(&found).replace(&*folder.path().to_string_lossy(), "DIR");
    assert_eq!(
        text,
        "http://a:1/debug/pprof/goroutine instance=a:1 job=j v=1.10
http://c:1/debug/pprof/goroutine instance=c:1 job=j
j: DIR/b.yml:2:3: unknown key \"lables\""
    );
    write("b.yml", "- targets: ['b:1']\n");
    let soon = discovery.find(&config, Duration::from_secs(59)).await;
    assert_eq!(soon.targets.len(), 2, "it is not time yet");
    let later = discovery.find(&config, Duration::from_secs(60)).await;
    assert_eq!(later.targets.len(), 3);
}

#[tokio::test]
async fn a_web_service_lists_targets_and_may_fail_later() {
    let server = MockServer::start().await;
    let list = json!([{"targets": ["a:1"], "labels": {"__meta_x": "y", "zone": "z"}}]);
    Mock::given(path("/sd"))
        .and(header("x-prometheus-refresh-interval-seconds", "60"))
        .and(header("authorization", "Bearer t0ken"))
        .respond_with(ResponseTemplate::new(200).set_body_json(list))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(path("/sd"))
        .respond_with(ResponseTemplate::new(500).set_body_string("over\nloaded"))
        .mount(&server)
        .await;
    let keys = format!(
        "    http_sd_configs: [{{url: '{}/sd', authorization: {{credentials: t0ken}}}}]\n",
        server.uri()
    );
    let config = config(&keys);
    let mut discovery = Discovery::new(Surroundings::default());
    let found = discovery.find(&config, Duration::ZERO).await;
    assert_eq!(
        shown(&found),
        "http://a:1/debug/pprof/goroutine instance=a:1 job=j zone=z"
    );
    let later = discovery.find(&config, Duration::from_secs(61)).await;
    let text = shown(&later).replace(&server.uri(), "http://sd");
    assert_eq!(
        text,
        "http://a:1/debug/pprof/goroutine instance=a:1 job=j zone=z
j: http://sd/sd: answered 500: \"over loaded\"; its targets of before are kept"
    );
}

#[tokio::test]
async fn a_web_page_is_no_list() {
    let server = MockServer::start().await;
    Mock::given(path("/sd"))
        .respond_with(ResponseTemplate::new(200).set_body_raw("<html>", "text/html"))
        .mount(&server)
        .await;
    let keys = format!("    http_sd_configs: [{{url: '{}/sd'}}]\n", server.uri());
    let text = shown(&find(&config(&keys)).await);
    assert!(
        text.contains("the content type is \"text/html\" and not application/json"),
        "{text}"
    );
}

/// A name server for one name: SRV leads to two hosts, A and AAAA to one address each, MX and NS to a host; all else is
/// empty.
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut packet = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let _ = socket.send_to(&reply(&packet[..length]), from).await;
        }
    });
    address
}

/// RFC 1035, by hand.
fn reply(query: &[u8]) -> Vec<u8> {
    let name_end = 12
        + query[12..]
            .iter()
            .position(|byte| *byte == 0)
            .expect("a name")
        + 1;
    let kind = u16::from_be_bytes([query[name_end], query[name_end + 1]]);
    let host = |name: &str| {
        let mut bytes = vec![name.len() as u8];
        bytes.extend(name.as_bytes());
        bytes.extend([3, b'l', b'a', b'n', 0]);
        bytes
    };
    let srv = |name: &str, port: u16| {
        [vec![0, 1, 0, 1], port.to_be_bytes().to_vec(), host(name)].concat()
    };
    let answers: Vec<Vec<u8>> = match kind {
        33 => vec![srv("b", 6060), srv("a", 7070)],
        1 => vec![vec![10, 0, 0, 9]],
        28 => vec![[vec![0xfd], vec![0; 14], vec![1]].concat()],
        15 => vec![[vec![0, 5], host("mail")].concat()],
        2 => vec![host("ns")],
        _ => Vec::new(),
    };
    let mut packet = query[..2].to_vec();
    packet.extend([0x84, 0, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0]);
    packet.extend(&query[12..name_end + 4]);
    for data in answers {
        packet.extend([0xc0, 12]);
        packet.extend(kind.to_be_bytes());
        packet.extend([0, 1, 0, 0, 0, 60]);
        packet.extend((data.len() as u16).to_be_bytes());
        packet.extend(data);
    }
    packet
}

#[tokio::test]
async fn records_of_names() {
    let keys = "    dns_sd_configs:
      - {names: [_pprof._tcp.shop.lan.]}
      - {names: [shop.lan.], type: A, port: 6060}
      - {names: [shop.lan.], type: AAAA, port: 6060}
      - {names: [shop.lan.], type: MX, port: 25}
      - {names: [shop.lan.], type: NS, port: 53}
    relabel_configs:
      - {regex: __meta_dns_(.*), action: labelmap}
";
    let server = Resolver::of_server(name_server().await).expect("a resolver");
    let mut discovery = Discovery::new(Surroundings::default()).with_resolver(server);
    let found = discovery.find(&config(keys), Duration::ZERO).await;
    assert_eq!(
        shown(&found),
        "http://10.0.0.9:6060/debug/pprof/goroutine instance=10.0.0.9:6060 job=j name=shop.lan.
http://[fd00::1]:6060/debug/pprof/goroutine instance=[fd00::1]:6060 job=j name=shop.lan.
http://a.lan:7070/debug/pprof/goroutine instance=a.lan:7070 job=j name=_pprof._tcp.shop.lan. srv_record_port=7070 srv_record_target=a.lan.
http://b.lan:6060/debug/pprof/goroutine instance=b.lan:6060 job=j name=_pprof._tcp.shop.lan. srv_record_port=6060 srv_record_target=b.lan.
http://mail.lan:25/debug/pprof/goroutine instance=mail.lan:25 job=j mx_record_target=mail.lan. name=shop.lan.
http://ns.lan:53/debug/pprof/goroutine instance=ns.lan:53 job=j name=shop.lan. ns_record_target=ns.lan."
    );
}

#[tokio::test]
async fn services_of_a_consul() {
    let server = MockServer::start().await;
    let services = json!({"shop": ["go", "eu"], "web": ["eu"], "consul": []});
    Mock::given(path("/v1/catalog/services"))
        .and(header("x-consul-token", "s3cret"))
        .and(query_param("dc", "dc1"))
        .respond_with(ResponseTemplate::new(200).set_body_json(services))
        .mount(&server)
        .await;
    let entries = json!([{
        "Node": {"Node": "n1", "Address": "10.0.0.1", "Datacenter": "dc1", "Meta": {"rack-no": "7"},
                 "TaggedAddresses": {"lan": "10.0.0.1"}},
        "Service": {"ID": "shop-1", "Service": "shop", "Tags": ["go", "eu"], "Address": "", "Port": 6060,
                    "Meta": {"version": "1.10"}, "Namespace": "default"},
        "Checks": [{"CheckID": "a", "Status": "passing"}, {"CheckID": "b", "Status": "warning"}]
    }, {
        "Node": {"Node": "n2", "Address": "10.0.0.2", "Datacenter": "dc1", "Meta": null},
        "Service": {"ID": "shop-2", "Service": "shop", "Tags": null, "Address": "10.9.9.9", "Port": 6061},
        "Checks": []
    }]);
    Mock::given(path("/v1/health/service/shop"))
        .and(query_param("tag", "go"))
        .respond_with(ResponseTemplate::new(200).set_body_json(entries))
        .mount(&server)
        .await;
    let keys = format!(
        "    consul_sd_configs: [{{server: '{}', token: s3cret, datacenter: dc1, tags: [go]}}]
    relabel_configs: [{{regex: __meta_consul_(.*), action: labelmap}}]\n",
        server.address()
    );
    assert_eq!(
        shown(&find(&config(&keys)).await),
        "http://10.0.0.1:6060/debug/pprof/goroutine address=10.0.0.1 dc=dc1 health=warning instance=10.0.0.1:6060 job=j metadata_rack_no=7 namespace=default node=n1 service=shop service_id=shop-1 service_metadata_version=1.10 service_port=6060 tagged_address_lan=10.0.0.1 tags=,go,eu,
http://10.9.9.9:6061/debug/pprof/goroutine address=10.0.0.2 dc=dc1 health=passing instance=10.9.9.9:6061 job=j node=n2 service=shop service_address=10.9.9.9 service_id=shop-2 service_port=6061 tags=,,"
    );
}

fn pods() -> serde_json::Value {
    json!([{
        "metadata": {"name": "shop-1", "namespace": "eu", "uid": "u1", "labels": {"app": "shop", "app.kubernetes.io/version": "1.10"},
            "annotations": {"profiles.grafana.com/goroutine.scrape": "true", "profiles.grafana.com/goroutine.port_name": "debug"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "shop-77", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [
            {"name": "shop", "image": "shop:1.10", "ports": [
                {"name": "http", "containerPort": 80, "protocol": "TCP"}, {"name": "debug", "containerPort": 6060, "protocol": "TCP"}]},
            {"name": "sidecar"}]},
        "status": {"podIP": "10.1.0.1", "hostIP": "10.0.0.1", "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "shop", "containerID": "containerd://abc", "restartCount": 2}]}
    }, {
        "metadata": {"name": "web-1", "namespace": "eu", "uid": "u2", "labels": {"app": "web"},
            "annotations": {"profiles.grafana.com/goroutine.scrape": "true", "profiles.grafana.com/goroutine.port": "9999",
                "profiles.grafana.com/goroutine.path": "/pp/goroutine", "profiles.grafana.com/goroutine.scheme": "https"}},
        "spec": {"containers": [{"name": "web", "ports": [{"containerPort": 80}, {"containerPort": 81}]}]},
        "status": {"podIP": "10.1.0.2", "phase": "Running"}
    }, {
        "metadata": {"name": "off-1", "namespace": "eu", "annotations": {"profiles.grafana.com/goroutine.scrape": "false"}},
        "spec": {"containers": [{"name": "off", "ports": [{"containerPort": 80}]}]},
        "status": {"podIP": "10.1.0.3"}
    }, {
        "metadata": {"name": "pending-1", "namespace": "eu"},
        "spec": {"containers": [{"name": "p", "ports": [{"containerPort": 80}]}]},
        "status": {}
    }])
}

/// A cluster; its pods come in two pages.
async fn cluster() -> MockServer {
    let server = MockServer::start().await;
    let serve = |at: &'static str, items: serde_json::Value| {
        Mock::given(path(at))
            .and(header("authorization", "Bearer t0ken"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"items": items})))
    };
    let all = pods();
    let (first, rest) = (json!([all[0]]), json!([all[1], all[2], all[3]]));
    let page = json!({"metadata": {"continue": "more"}, "items": first});
    Mock::given(path("/api/v1/pods"))
        .and(query_param_is_missing("continue"))
        .respond_with(ResponseTemplate::new(200).set_body_json(page))
        .mount(&server)
        .await;
    Mock::given(path("/api/v1/pods"))
        .and(query_param("continue", "more"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"items": rest})))
        .mount(&server)
        .await;
    serve("/api/v1/namespaces/eu/pods", pods())
        .mount(&server)
        .await;
    let services = json!([{
        "metadata": {"name": "shop", "namespace": "eu", "labels": {"team": "a"}},
        "spec": {"type": "ClusterIP", "clusterIP": "10.2.0.1", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    }]);
    serve("/api/v1/services", services).mount(&server).await;
    let nodes = json!([{
        "metadata": {"name": "n1", "labels": {"zone": "z1"}}, "spec": {"providerID": "p"},
        "status": {"addresses": [{"type": "Hostname", "address": "h"}, {"type": "InternalIP", "address": "10.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}
    }]);
    serve("/api/v1/nodes", nodes).mount(&server).await;
    let address = json!({"ip": "10.1.0.1", "nodeName": "n1", "targetRef": {"kind": "Pod", "name": "shop-1", "namespace": "eu"}});
    let endpoints = json!([{
        "metadata": {"name": "shop", "namespace": "eu"},
        "subsets": [{"addresses": [address], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}]
    }]);
    serve("/api/v1/endpoints", endpoints).mount(&server).await;
    let slices = json!([{
        "metadata": {"name": "shop-x", "namespace": "eu", "labels": {"kubernetes.io/service-name": "shop"}}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": "shop-1", "namespace": "eu"}}],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]
    }]);
    serve("/apis/discovery.k8s.io/v1/endpointslices", slices)
        .mount(&server)
        .await;
    server
}

async fn of_cluster(keys: &str, labels: &str) -> String {
    let server = cluster().await;
    let keys = format!(
        "    kubernetes_sd_configs: [{{api_server: '{}', authorization: {{credentials: t0ken}}, {keys}}}]
    relabel_configs: [{{regex: '__meta_kubernetes_({labels})', action: labelmap}}]\n",
        server.uri()
    );
    shown(&find(&config(&keys)).await).replace(&server.uri(), "http://api")
}

#[tokio::test]
async fn pods_of_a_cluster() {
    assert_eq!(
        of_cluster("role: pod, attach_metadata: {node: true}", "pod_(name|ready|container_.*|label_app.*|controller_name)|namespace|node_label_zone").await,
        "http://10.1.0.1/debug/pprof/goroutine instance=10.1.0.1 job=j namespace=eu node_label_zone=z1 pod_container_init=false pod_container_name=sidecar pod_controller_name=shop-77 pod_label_app=shop pod_label_app_kubernetes_io_version=1.10 pod_name=shop-1 pod_ready=true
http://10.1.0.1:6060/debug/pprof/goroutine instance=10.1.0.1:6060 job=j namespace=eu node_label_zone=z1 pod_container_id=containerd://abc pod_container_image=shop:1.10 pod_container_init=false pod_container_name=shop pod_container_port_name=debug pod_container_port_number=6060 pod_container_port_protocol=TCP pod_controller_name=shop-77 pod_label_app=shop pod_label_app_kubernetes_io_version=1.10 pod_name=shop-1 pod_ready=true
http://10.1.0.1/debug/pprof/goroutine instance=10.1.0.1:80 job=j namespace=eu node_label_zone=z1 pod_container_id=containerd://abc pod_container_image=shop:1.10 pod_container_init=false pod_container_name=shop pod_container_port_name=http pod_container_port_number=80 pod_container_port_protocol=TCP pod_controller_name=shop-77 pod_label_app=shop pod_label_app_kubernetes_io_version=1.10 pod_name=shop-1 pod_ready=true
http://10.1.0.2/debug/pprof/goroutine instance=10.1.0.2:80 job=j namespace=eu pod_container_init=false pod_container_name=web pod_container_port_number=80 pod_label_app=web pod_name=web-1 pod_ready=unknown
http://10.1.0.2:81/debug/pprof/goroutine instance=10.1.0.2:81 job=j namespace=eu pod_container_init=false pod_container_name=web pod_container_port_number=81 pod_label_app=web pod_name=web-1 pod_ready=unknown
http://10.1.0.3/debug/pprof/goroutine instance=10.1.0.3:80 job=j namespace=eu pod_container_init=false pod_container_name=off pod_container_port_number=80 pod_name=off-1 pod_ready=unknown"
    );
}

#[tokio::test]
async fn annotations_say_which_pods_and_where() {
    assert_eq!(
        of_cluster("role: pod, namespaces: {names: [eu]}, profile_annotations: true", "x").await,
        "http://10.1.0.1:6060/debug/pprof/goroutine instance=10.1.0.1:6060 job=j namespace=eu pod=shop-1 service=shop version=1.10
https://10.1.0.2:9999/pp/goroutine instance=10.1.0.2:9999 job=j namespace=eu pod=web-1 service=web"
    );
}

#[tokio::test]
async fn other_objects_of_a_cluster() {
    assert_eq!(
        of_cluster("role: service", "service_.*").await,
        "http://shop.eu.svc/debug/pprof/goroutine instance=shop.eu.svc:80 job=j service_cluster_ip=10.2.0.1 service_label_team=a service_labelpresent_team=true service_name=shop service_port_name=http service_port_number=80 service_port_protocol=TCP service_type=ClusterIP"
    );
    assert_eq!(
        of_cluster("role: node", "node_.*").await,
        "http://10.0.0.1:10250/debug/pprof/goroutine instance=n1 job=j node_address_Hostname=h node_address_InternalIP=10.0.0.1 node_label_zone=z1 node_labelpresent_zone=true node_name=n1 node_provider_id=p"
    );
    // The pod's debug port is no endpoint, and is found nonetheless.
    assert_eq!(
        of_cluster("role: endpoints", "endpoint.*|service_label_team|pod_name|pod_container_port_name").await,
        "http://10.1.0.1:6060/debug/pprof/goroutine endpoints_name=shop instance=10.1.0.1:6060 job=j pod_container_port_name=debug pod_name=shop-1 service_label_team=a
http://10.1.0.1/debug/pprof/goroutine endpoint_address_target_kind=Pod endpoint_address_target_name=shop-1 endpoint_node_name=n1 endpoint_port_name=http endpoint_port_protocol=TCP endpoint_ready=true endpoints_name=shop instance=10.1.0.1:80 job=j pod_container_port_name=http pod_name=shop-1 service_label_team=a"
    );
    assert_eq!(
        of_cluster("role: endpointslice", "endpointslice_(name|port|endpoint_conditions_ready)|service_label_team|pod_name").await,
        "http://10.1.0.1:6060/debug/pprof/goroutine endpointslice_name=shop-x instance=10.1.0.1:6060 job=j pod_name=shop-1 service_label_team=a
http://10.1.0.1/debug/pprof/goroutine endpointslice_endpoint_conditions_ready=true endpointslice_name=shop-x endpointslice_port=80 instance=10.1.0.1:80 job=j pod_name=shop-1 service_label_team=a"
    );
}

#[tokio::test]
async fn a_kubeconfig_leads_to_its_server() {
    let server = cluster().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kubeconfig.yaml");
    let text = format!(
        "current-context: a
contexts: [{{name: a, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: '{}'}}}}]
users: [{{name: u, user: {{token: t0ken}}}}, {{name: x, user: {{exec: {{command: aws}}}}}}]
",
        server.uri()
    );
    std::fs::write(&file, &text).expect("written");
    let keys = format!(
        "    kubernetes_sd_configs: [{{role: service, kubeconfig_file: '{}'}}]\n",
        file.display()
    );
    let config = config(&keys);
    assert_eq!(
        shown(&find(&config).await),
        "http://shop.eu.svc/debug/pprof/goroutine instance=shop.eu.svc:80 job=j"
    );
    std::fs::write(&file, text.replace("user: u", "user: x")).expect("written");
    let refused = shown(&find(&config).await);
    assert!(
        refused.contains("kubeconfig.yaml:4:") && refused.contains("exec is not supported"),
        "{refused}"
    );
}

#[tokio::test]
async fn outside_of_a_cluster_there_is_no_api() {
    let text = shown(&find(&config("    kubernetes_sd_configs: [{role: pod}]\n")).await);
    assert!(text.contains("gorphan does not run in a cluster"), "{text}");
}
