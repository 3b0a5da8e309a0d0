use super::*;

fn parse(yaml: &str) -> Read<FleetConfig> {
    FleetConfig::parse(yaml, "gorphan.yaml", Path::new("/etc/shop"))
}

#[track_caller]
fn check_error(yaml: &str, expected: &str) {
    let error = parse(yaml).expect_err(yaml);
    let advice = error.advice.as_deref().map(|it| format!(" ({it})"));
    let text = format!("{error}{}", advice.unwrap_or_default());
    let text = text.strip_prefix("cannot use the configuration: gorphan.yaml:");
    assert_eq!(text, Some(expected), "{yaml}");
}

#[test]
fn a_fleet_is_read_with_all_defaults() {
    let config = parse(
        "
global: {scrape_interval: 5m}
own_code: [example.com/shop]
scrape_configs:
  - job_name: shop
    static_configs:
      - targets: ['10.0.0.1:6060', '10.0.0.2:6060']
        labels: {service: shop, version: 1.10}
",
    )
    .expect("a configuration");
    let job = &config.jobs[0];
    assert_eq!(job.interval, Duration::from_secs(300));
    assert_eq!(job.timeout, Duration::from_secs(10));
    assert_eq!(job.goroutine_path, "/debug/pprof/goroutine");
    let Provider::Static(group) = &job.providers[0] else {
        panic!("{:?}", job.providers);
    };
    assert_eq!(group.targets.len(), 2);
    assert_eq!(group.labels.get("version"), "1.10");
}

#[test]
fn every_kind_of_source_is_read() {
    let config = parse(
        "
scrape_configs:
  - job_name: all
    scheme: https
    authorization: {credentials_file: token}
    tls_config: {ca_file: ca.pem, insecure_skip_verify: true}
    params: {gc: ['0']}
    http_headers: {X-Tenant: {values: [t1]}}
    proxy_url: http://proxy:3128
    profiling_config:
      path_prefix: /admin
      pprof_config:
        process_cpu: {enabled: false}
        goroutine: {path: /g}
        goroutineleak: {enabled: false}
        memory: {path: /mem}
    file_sd_configs: [{files: ['targets/*.yml'], refresh_interval: 1m}]
    http_sd_configs: [{url: 'http://sd:80/targets', basic_auth: {username: u, password_file: p}}]
    dns_sd_configs: [{names: [_pprof._tcp.shop], refresh_interval: 15s}, {names: [shop], type: A, port: 6060}]
    consul_sd_configs: [{server: 'consul:8500', services: [shop], tags: [go]}]
    kubernetes_sd_configs: [{role: pod, namespaces: {names: [shop]}, profile_annotations: true}]
    process_sd_configs: [{}]
    relabel_configs:
      - {source_labels: [__meta_kubernetes_namespace], regex: sh.*, action: keep}
sweep: {max_requests: 8, spread: 30s}
history: {path: ./history, raw: 7d}
",
    )
    .expect("a configuration");
    let job = &config.jobs[0];
    assert_eq!(job.providers.len(), 7);
    assert_eq!(job.leak_path, None);
    assert_eq!(
        (job.path_prefix.as_str(), job.goroutine_path.as_str()),
        ("/admin", "/g")
    );
    assert_eq!(job.heap_path.as_deref(), Some("/mem"));
    let token = Credential::File("/etc/shop/token".into());
    assert_eq!(job.http.authorization, Some(("Bearer".to_owned(), token)));
    assert_eq!(config.sweep.max_requests, 8);
    assert_eq!(
        config.history.place,
        Some(Location::Folder("/etc/shop/./history".into()))
    );
    assert_eq!(config.history.raw, Duration::from_secs(7 * 86_400));
    assert!(
        !format!("{config:?}").contains("proxy:3128"),
        "secrets are not shown"
    );
}

#[test]
fn mistakes_name_their_place_and_the_nearest_key() {
    check_error(
        "history: {path: 'http://host/path'}\n",
        "1:17: \"http://host/path\": histories are kept in a folder or below s3://, gs:// or az://",
    );
    check_error("history: {raw: 1h}\n", "1:16: raw must be at least 1d");
    check_error(
        "history: {roll_ups: 1w}\n",
        "1:21: roll_ups must be at least 28d",
    );
    check_error(
        "scrape_configs:\n  - job_name: a\n    static_confgs: []\n",
        "3:5: unknown key \"static_confgs\" (did you mean \"static_configs\"?)",
    );
    check_error(
        "scrape_configs:\n  - job_name: a\n    relabel_configs:\n      - source_label: [a]\n        target_label: b\n",
        "4:9: unknown key \"source_label\" (did you mean \"source_labels\"?)",
    );
    check_error(
        "scrape_configs:\n  - job_name: a\n    relabel_configs:\n      - {regex: 'a(', target_label: b}\n",
        "4:17: the pattern \"a(\" cannot be read: error: unclosed group",
    );
    check_error(
        "scrape_configs:\n  - job_name: a\n    scrape_interval: 10\n",
        "3:22: scrape_interval is no duration: \"10\"; write it as 30s, 10m or 1h30m",
    );
    check_error(
        "scrape_configs:\n  - job_name: a\n  - job_name: a\n",
        "3:5: there are two jobs with the name \"a\"",
    );
    check_error(
        "scrape_configs: [{}]",
        "1:18: a scrape configuration has no job_name",
    );
    check_error(
        "scrape_configs:\n  - job_name: a\n    kubernetes_sd_configs:\n      - role: pods\n",
        "4:15: role must be node, pod, service, endpoints or endpointslice",
    );
    check_error(
        "scrape_configs:\n  - job_name: a\n    static_configs:\n      - targets: ['http://a:6060']\n",
        "4:9: the target \"http://a:6060\" is a URL (give host:port, and scheme beside it)",
    );
    check_error(
        "scrape_configs:\n  - job_name: a\n    basic_auth: {username: u, password: p, password_file: f}\n",
        "3:17: there are both password and password_file: give one",
    );
    check_error(
        "scrape_configs:\n  - job_name: a\n    dns_sd_configs: [{names: [b], type: A}]\n",
        "3:22: a port is needed for all records but SRV",
    );
    check_error("a: &a\n  b: *a\n", "2:6: the alias leads to itself");
    check_error("web: [1, 2\n", "1:6: unclosed bracket '['");
}

#[test]
fn bombs_are_refused() {
    let mut yaml = String::from("web:\n  a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (this, last) in ["b", "c", "d", "e", "f", "g", "h"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f", "g"])
    {
        let aliases = vec![format!("*{last}"); 9].join(",");
        yaml.push_str(&format!("  {this}: &{this} [{aliases}]\n"));
    }
    assert!(parse(&yaml).is_err());
    assert!(parse(&format!("web: {}{}", "[".repeat(1000), "]".repeat(1000))).is_err());
}

#[test]
fn hashmod_and_equals_have_what_they_need() {
    for (rule, expected) in [
        (
            "{action: hashmod, source_labels: [a], target_label: b}",
            "hashmod needs a modulus of at least 1",
        ),
        (
            "{action: keepequal, source_labels: [a]}",
            "keepequal needs target_label",
        ),
        (
            "{action: dropequal, source_labels: [a], target_label: b, regex: x}",
            "dropequal has no regex",
        ),
        (
            "{action: labeldrop, regex: x, source_labels: [a]}",
            "labeldrop has no source_labels",
        ),
        ("{source_labels: [a]}", "replace needs target_label"),
        ("{action: keeep}", "unknown action \"keeep\""),
    ] {
        let yaml = format!("scrape_configs:\n  - job_name: a\n    relabel_configs: [{rule}]\n");
        let error = parse(&yaml).expect_err(rule);
        assert_eq!(error.message, expected, "{rule}");
        assert_eq!(error.line, 3);
    }
}
