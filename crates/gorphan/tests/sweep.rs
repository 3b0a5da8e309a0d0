//! Sweeps over real Go programs.

#[allow(dead_code)] // not everything of it is needed here
#[path = "support/run.rs"]
mod run;
#[allow(dead_code)] // not everything of it is needed here
mod support;

use std::fs;
use std::net::TcpListener;
use std::process::Output;

use run::{check_failure, folder, gorphan, text};
use serde_json::Value;
use support::Fixture;

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

#[test]
fn a_fleet_of_real_programs_is_swept_twice() {
    let leaking = Fixture::start("three-senders-one-receive", "leak");
    let healthy = Fixture::start("three-senders-one-receive", "fixed");
    let address = |fixture: &Fixture| fixture.url.trim_start_matches("http://").to_owned();
    let (dead, folder) = (nobody(), folder());
    let yaml = format!(
        "detection: {{threshold: 2}}
scrape_configs:
  - job_name: shops
    static_configs:
      - targets: ['{}']
        labels: {{service: leaking, version: 1.10, owner: team-a, memory_limit: 512Mi}}
      - targets: ['{}', '{dead}']
        labels: {{service: healthy}}
",
        address(&leaking),
        address(&healthy)
    );
    fs::write(folder.path().join("gorphan.yaml"), yaml).expect("written");
    let sweep = |at: &str| {
        let mut command = gorphan(&folder);
        command.args([
            "sweep",
            "--format",
            "json",
            "--fail-on",
            "suspect",
            "--at",
            at,
        ]);
        command.output().expect("it runs")
    };
    let first = sweep("2026-01-01T00:00:00Z");
    assert_eq!(first.status.code(), Some(1), "{}", text(&first.stderr));
    let report = json(&first);
    assert_eq!(report["target"]["kind"], "fleet");
    assert_eq!(report["summary"]["targets"], 3);
    assert_eq!(report["summary"]["targets_failed"], 1);
    let finding = &report["findings"][0];
    assert_eq!(finding["service"], "leaking");
    assert_eq!(finding["operation"], "chan send");
    assert_eq!(
        (&finding["version"], &finding["owner"]),
        (&"1.10".into(), &"team-a".into())
    );
    assert_eq!(finding["status"], "new");
    assert_eq!(finding["instances"]["all"], 1);
    assert!(
        finding["cost"]["stack_bytes"].as_u64() > Some(0),
        "{finding}"
    );
    let services: Vec<&Value> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|one| &one["service"])
        .collect();
    assert!(
        services.iter().all(|service| **service == "leaking"),
        "{services:?}"
    );
    let problem = report["problems"][0]["message"]
        .as_str()
        .expect("a message");
    assert!(
        problem.contains(&dead) && problem.contains("cannot connect"),
        "{problem}"
    );

    let second = sweep("2026-01-01T00:10:00Z");
    assert_eq!(
        second.status.code(),
        Some(0),
        "known findings do not fail: {}",
        text(&second.stderr)
    );
    let again = &json(&second)["findings"][0];
    assert_eq!(again["status"], "ongoing");
    assert_eq!(again["first_seen"], "2026-01-01T00:00:00Z");
    assert_eq!(again["fingerprint"], finding["fingerprint"]);

    let mut before = gorphan(&folder);
    before.args(["sweep", "--at", "2026-01-01T00:10:00Z"]);
    check_failure(
        &mut before,
        &["the history has a sweep of that time or later", "--at"],
    );
    for (minute, format) in ["terminal", "markdown", "sarif", "github"]
        .iter()
        .enumerate()
    {
        let at = format!("2026-01-02T00:0{minute}:00Z");
        let mut command = gorphan(&folder);
        let output = command
            .args(["sweep", "--format", format, "--at", &at])
            .output();
        let output = output.expect("it runs");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{format}: {}",
            text(&output.stderr)
        );
        assert!(text(&output.stdout).contains("leaking"), "{format}");
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn processes_of_this_machine_are_targets() {
    let leaking = Fixture::start("three-senders-one-receive", "leak");
    let folder = folder();
    let pid = leaking.pid();
    let yaml = format!(
        "detection: {{threshold: 2}}
scrape_configs:
  - job_name: here
    process_sd_configs: [{{}}]
    relabel_configs:
      - {{source_labels: [__meta_process_pid], regex: '{pid}', action: keep}}
      - {{source_labels: [__meta_process_module], target_label: module}}
"
    );
    fs::write(folder.path().join("gorphan.yaml"), yaml).expect("written");
    let mut command = gorphan(&folder);
    let output = command.args(["sweep", "--format", "json"]).output();
    let report = json(&output.expect("it runs"));
    assert_eq!(report["summary"]["targets"], 1, "{report}");
    assert_eq!(report["summary"]["targets_failed"], 0, "{report}");
    let finding = &report["findings"][0];
    // The kernel keeps 15 characters of a name.
    assert_eq!(finding["service"], "three-senders-o");
    assert_eq!(finding["operation"], "chan send");
    assert_eq!(finding["instances"]["worst"], pid.to_string());
}

#[test]
fn a_configuration_is_checked_without_a_sweep() {
    let folder = folder();
    let write = |yaml: &str| fs::write(folder.path().join("gorphan.yaml"), yaml).expect("written");
    let check = || {
        let mut command = gorphan(&folder);
        command.args(["sweep", "--check-config"]);
        command
    };
    write("scrape_configs:\n  - job_name: a\n    static_configs:\n      - targts: ['a:1']\n");
    check_failure(
        &mut check(),
        &[
            "gorphan.yaml:4:9: unknown key \"targts\"",
            "did you mean \"targets\"?",
        ],
    );
    write("scrape_configs:\n  - job_name: a\n    static_configs:\n      - targets: ['a:1']\n");
    let output = check().output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!folder.path().join("history").exists());
    write("own_code: [a]\n");
    let mut nothing = gorphan(&folder);
    check_failure(nothing.arg("sweep"), &["no target was found"]);
}
