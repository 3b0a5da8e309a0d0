//! The real binary's commands on captured and on made-up dumps.

#[path = "support/run.rs"]
mod run;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Output;

use run::{DUMP, captured, check_failure, folder, gorphan, senders, text};
use serde_json::Value;

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn captures_of_every_version_and_format_are_read() {
    for version in ["go1.19.8", "go1.22.10", "go1.24.11", "go1.27.3"] {
        for name in [
            "sites.dump",
            "sites.debug1",
            "sites.pb.gz",
            "sites.sigquit",
            "panic-all.panic",
        ] {
            let output = gorphan(&folder())
                .args(["inspect", "--format", "json", "--stacks"])
                .arg(captured(version, name))
                .output()
                .expect("it runs");
            assert_eq!(
                output.status.code(),
                Some(0),
                "{version} {name}: {}",
                text(&output.stderr)
            );
            let report = json(&output);
            assert!(
                report["summary"]["goroutines"].as_u64() > Some(0),
                "{version} {name}"
            );
            assert_eq!(
                report["problems"],
                Value::Array(Vec::new()),
                "{version} {name}"
            );
        }
    }
}

#[test]
fn what_the_runtime_reports_is_a_leak_and_fails_the_run() {
    let leaked = captured("go1.27.3", "leaked.pb.gz");
    let output = gorphan(&folder())
        .arg("inspect")
        .arg(&leaked)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let never = gorphan(&folder())
        .args(["inspect", "--fail-on", "never"])
        .arg(&leaked)
        .output();
    assert_eq!(never.expect("it runs").status.code(), Some(0));
}

#[test]
fn every_format_is_written_to_a_file_as_to_standard_output() {
    let folder = folder();
    let dump = captured("go1.22.10", "mixed-service-leak.pb.gz");
    for format in [
        "terminal", "json", "sarif", "html", "pprof", "github", "markdown",
    ] {
        let run = |extra: &[&str]| {
            let mut command = gorphan(&folder);
            command
                .args(["inspect", "--format", format])
                .arg(&dump)
                .args(extra);
            command.output().expect("it runs")
        };
        let shown = run(&[]);
        assert_eq!(
            shown.status.code(),
            Some(0),
            "{format}: {}",
            text(&shown.stderr)
        );
        assert!(!shown.stdout.is_empty(), "{format}");
        let written = run(&["--output", "report"]);
        assert_eq!(text(&written.stdout), "", "{format}");
        assert!(
            fs::read(folder.path().join("report")).expect("written") == shown.stdout,
            "{format}"
        );
    }
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(left.len(), 1, "a temporary file is left: {left:?}");
}

#[cfg(unix)]
#[test]
fn standard_input_is_read() {
    let output = gorphan(&folder())
        .args(["inspect", "-", "--format", "json"])
        .write_stdin(DUMP)
        .output()
        .expect("it runs");
    assert_eq!(json(&output)["groups"][0]["site"]["function"], "main.f");
}

#[cfg(target_os = "linux")]
#[test]
fn a_query_shows_less_and_judges_the_same() {
    let folder = folder();
    fs::write(folder.path().join("dump"), senders(40)).expect("written");
    let run = |arguments: &[&str]| {
        let mut command = gorphan(&folder);
        command
            .args(["inspect", "dump", "--format", "json"])
            .args(arguments);
        json(&command.output().expect("it runs"))
    };
    let all = run(&[]);
    assert_eq!(all["summary"]["goroutines"], 41);
    let verdict = |report: &Value| report["groups"][0]["verdict"].clone();
    for (arguments, goroutines) in [
        (&["--state", "chan send"][..], 40),
        (&["--state", "CHAN SEND", "--min-wait", "3m"], 40),
        (&["--min-wait", "4m"], 0),
        (&["--max-wait", "1h", "--state", "chan send"], 40),
        (&["--function", r"^main\.f$"], 40),
        (&["--created-by", r"^main\.main$"], 40),
        (&["--created-by", "nobody"], 0),
        (&["--label", "tenant"], 0),
    ] {
        let report = run(arguments);
        assert_eq!(report["summary"]["goroutines"], goroutines, "{arguments:?}");
        if goroutines > 0 {
            assert_eq!(verdict(&report), verdict(&all), "{arguments:?}");
        } else {
            assert_eq!(
                report["findings"],
                Value::Array(Vec::new()),
                "{arguments:?}"
            );
        }
    }
    let unlabelled = run(&["--label", "tenant"])["problems"].to_string();
    assert!(unlabelled.contains("labels since Go 1.27"), "{unlabelled}");
    assert_eq!(
        run(&["--min-wait", "4m"])["problems"],
        Value::Array(Vec::new())
    );
    for by in ["site", "stack", "creator", "state"] {
        let report = run(&["--group-by", by, "--sort", "count", "--top", "1"]);
        assert_eq!(report["groups"].as_array().map(Vec::len), Some(1), "{by}");
        assert_eq!(report["groups"][0]["count"], 40, "{by}");
    }
}

#[test]
fn one_goroutine_is_told_of_alone() {
    let folder = folder();
    fs::write(folder.path().join("dump"), senders(3)).expect("written");
    let run = |arguments: &[&str]| {
        let output = gorphan(&folder)
            .args(["inspect", "dump", "--why"])
            .args(arguments)
            .output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let told = run(&["11"]);
    for words in [
        "goroutine 11 [chan send, 3 min]",
        "2 others with the same stack",
        "can only be read from memory",
        "created by main.main (/src/main.go:9) in goroutine 1",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    let report: Value = serde_json::from_str(&run(&["11", "--format", "json"])).expect("JSON");
    assert_eq!(report["goroutine"]["id"], 11);
    assert_eq!(report["goroutine"]["site"]["function"], "main.f");
    assert_eq!(report["goroutine"]["proof"], Value::Null);
    check_failure(
        gorphan(&folder).args(["inspect", "dump", "--why", "77"]),
        &["there is no goroutine 77 in dump", "--format json"],
    );
    check_failure(
        gorphan(&folder).args(["inspect", "dump", "--why", "11", "--format", "html"]),
        &["inspect --why has no html format", "terminal, json"],
    );
}

#[test]
fn of_several_dumps_the_last_is_shown_with_what_grew() {
    let folder = folder();
    let log: String = [20, 40, 60]
        .map(|count| senders(count) + "some words\n\n")
        .concat();
    fs::write(folder.path().join("log"), log).expect("written");
    let run = |arguments: &[&str]| {
        let output = gorphan(&folder)
            .args(arguments)
            .args(["--format", "json"])
            .output()
            .expect("it runs");
        (output.status.code(), json(&output))
    };
    let (status, last) = run(&["inspect", "log", "--fail-on", "growing"]);
    assert_eq!(status, Some(1));
    assert_eq!(last["summary"]["goroutines"], 61);
    assert_eq!(last["findings"][0]["verdict"], "growing");
    assert!(
        last["problems"][0]["message"]
            .as_str()
            .is_some_and(|it| it.contains("3 dumps")),
        "{last}"
    );
    let (_, first) = run(&["inspect", "log", "--dump", "1"]);
    assert_eq!(first["summary"]["goroutines"], 21);
    let (_, all) = run(&["inspect", "log", "--dump", "all"]);
    assert_eq!(all["summary"]["goroutines"], 21 + 41 + 61);
    let (_, sends) = run(&["inspect", "log", "--dump", "all", "--state", "chan send"]);
    assert_eq!(sends["summary"]["goroutines"], 20 + 40 + 60);
    let (status, diff) = run(&["diff", "log", "--fail-on", "growing"]);
    assert_eq!(status, Some(1), "{diff}");
    check_failure(
        gorphan(&folder).args(["inspect", "log", "--dump", "9"]),
        &["no dump 9", "holds 3"],
    );
}

#[test]
fn two_files_are_compared() {
    let folder = folder();
    fs::write(folder.path().join("before"), senders(20)).expect("written");
    fs::write(folder.path().join("after"), senders(70)).expect("written");
    let run = |arguments: &[&str]| {
        gorphan(&folder)
            .arg("diff")
            .args(arguments)
            .output()
            .expect("it runs")
    };
    let grown = run(&[
        "before",
        "after",
        "--fail-on",
        "growing",
        "--format",
        "json",
    ]);
    assert_eq!(grown.status.code(), Some(1), "{}", text(&grown.stderr));
    let same = run(&["before", "before", "--fail-on", "suspect"]);
    assert_eq!(same.status.code(), Some(0), "{}", text(&same.stdout));
    check_failure(
        gorphan(&folder).args(["diff", "before"]),
        &["only one dump", "gorphan diff BEFORE AFTER"],
    );
    check_failure(
        gorphan(&folder).args(["diff", "-", "-"]),
        &["both sources from standard input"],
    );
}

#[test]
fn a_baseline_silences_what_it_knows_until_that_grows() {
    let folder = folder();
    let run = |count: u64, arguments: &[&str]| {
        fs::write(folder.path().join("dump"), senders(count)).expect("written");
        let mut command = gorphan(&folder);
        command
            .args([
                "inspect",
                "dump",
                "--threshold",
                "30",
                "--fail-on",
                "suspect",
            ])
            .args(arguments);
        command.output().expect("it runs").status.code()
    };
    assert_eq!(run(40, &["--write-baseline", "known.json"]), Some(1));
    assert_eq!(run(40, &["--baseline", "known.json"]), Some(0));
    assert_eq!(run(400, &["--baseline", "known.json"]), Some(1));
    fs::write(folder.path().join("known.json"), "[]").expect("written");
    assert_eq!(run(40, &["--baseline", "known.json"]), Some(2));
}

#[test]
fn the_configuration_is_found_above_and_its_rules_hold() {
    let folder = folder();
    let below = folder.path().join("a/b");
    fs::create_dir_all(&below).expect("folders");
    fs::write(below.join("dump"), senders(40)).expect("written");
    let run = |yaml: &str, arguments: &[&str]| {
        fs::write(folder.path().join("gorphan.yaml"), yaml).expect("written");
        let mut command = gorphan(&folder);
        command
            .current_dir(&below)
            .args(["inspect", "dump", "--fail-on", "suspect"])
            .args(arguments);
        command.output().expect("it runs")
    };
    let rule = |expires: &str| {
        format!(
            "detection: {{threshold: 30}}\nignore:\n  - {{function: main.f, reason: they are meant to wait{expires}}}\n"
        )
    };
    assert_eq!(
        run("detection: {threshold: 30}\n", &[]).status.code(),
        Some(1)
    );
    assert_eq!(run(&rule(""), &[]).status.code(), Some(0));
    // --strict wants an expiry date.
    let strict = run(&rule(""), &["--strict"]);
    assert_ne!(strict.status.code(), Some(0), "{}", text(&strict.stdout));
    assert_eq!(
        run(&rule(", expires: 2999-12-31"), &["--strict"])
            .status
            .code(),
        Some(0)
    );
    let expired = run(&rule(", expires: 2020-01-31"), &[]);
    assert_eq!(expired.status.code(), Some(1));
    assert!(
        text(&expired.stdout).contains("expired on 2020-01-31"),
        "{}",
        text(&expired.stdout)
    );

    let misspelt = run("detection:\n  treshold: 30\n", &[]);
    let said = text(&misspelt.stderr);
    assert_eq!(misspelt.status.code(), Some(2));
    assert!(
        said.contains("gorphan.yaml:2:3") && said.contains("did you mean \"threshold\""),
        "{said}"
    );
    let mut command = gorphan(&folder);
    command.args(["inspect", "a/b/dump", "-c", "missing.yaml"]);
    check_failure(&mut command, &["configuration missing.yaml"]);
}

#[test]
fn source_is_shown_where_it_is_at_hand() {
    let folder = folder();
    fs::create_dir(folder.path().join("src")).expect("a folder");
    fs::write(
        folder.path().join("src/main.go"),
        "package main\n\nfunc f() { results <- 1 }\n",
    )
    .expect("written");
    fs::write(folder.path().join("dump"), senders(40)).expect("written");
    let run = |arguments: &[&str]| {
        let mut command = gorphan(&folder);
        command
            .args(["inspect", "dump", "--threshold", "30"])
            .args(arguments);
        text(&command.output().expect("it runs").stdout)
    };
    assert!(run(&[]).contains("results <- 1"), "{}", run(&[]));
    assert!(!run(&["--source", "src"]).contains("results <- 2"));
}

#[test]
fn colours_are_for_terminals_or_on_request() {
    let folder = folder();
    fs::write(folder.path().join("dump"), senders(40)).expect("written");
    let run = |arguments: &[&str], name: &str, value: &str| {
        let mut command = gorphan(&folder);
        command
            .args(["inspect", "dump", "--threshold", "30"])
            .args(arguments)
            .env(name, value);
        command.output().expect("it runs").stdout.contains(&0x1b)
    };
    assert!(!run(&[], "TERM", "xterm"));
    assert!(run(&["--colour", "always"], "TERM", "xterm"));
    assert!(run(&["--color", "always"], "NO_COLOR", "1"));
    assert!(run(&[], "CLICOLOR_FORCE", "1"));
    assert!(!run(&["--colour", "never"], "CLICOLOR_FORCE", "1"));
}

#[test]
fn explain_knows_codes_patterns_and_operations() {
    let folder = folder();
    let run = |arguments: &[&str]| {
        let output = gorphan(&folder)
            .arg("explain")
            .args(arguments)
            .output()
            .expect("it runs");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    };
    assert_eq!(run(&["gr1001"]), run(&["chan", "send"]));
    assert_eq!(run(&["N_Cast"]), run(&["n-cast"]));
    assert!(run(&["n-cast"]).contains("GR1001"));
    assert_eq!(run(&["proof"]), run(&["Unreachable"]));
    assert!(run(&[]).contains("GR1101") && run(&[]).contains("premature-return"));
    check_failure(
        gorphan(&folder).args(["explain", "GR10001"]),
        &["did you mean \"GR1001\""],
    );
    check_failure(
        gorphan(&folder).args(["explain", "zzz"]),
        &["`gorphan explain` lists"],
    );
}

#[test]
fn gctrace_fails_on_growth_only_if_asked() {
    let folder = folder();
    let run = |name: &str, fail_on: &str| {
        let mut command = gorphan(&folder);
        command
            .args(["gctrace", "--fail-on", fail_on])
            .arg(captured("go1.27.3", name));
        command.output().expect("it runs").status.code()
    };
    assert_eq!(run("leak.gctrace", "growing"), Some(1));
    assert_eq!(run("leak.gctrace", "leak"), Some(0));
    assert_eq!(run("healthy.gctrace", "growing"), Some(0));
    let mut command = gorphan(&folder);
    check_failure(
        command.arg("gctrace").write_stdin("no log\n"),
        &["standard input", "GODEBUG=gctrace=1"],
    );
}

#[test]
fn help_is_as_it_was() {
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help-short", &["-h"]),
        ("help-inspect", &["inspect", "--help"]),
        ("help-inspect-short", &["inspect", "-h"]),
        ("help-diff", &["diff", "--help"]),
        ("help-gctrace", &["gctrace", "--help"]),
        ("help-explain", &["explain", "--help"]),
    ] {
        let output = gorphan(&folder())
            .args(arguments)
            .env("COLUMNS", "100")
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        insta::assert_snapshot!(name, text(&output.stdout));
    }
}

#[test]
fn completions_and_the_manual_name_the_commands() {
    for arguments in [
        &["completions", "bash"][..],
        &["completions", "zsh"],
        &["completions", "fish"],
        &["man"],
    ] {
        let output = gorphan(&folder())
            .args(arguments)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let said = text(&output.stdout);
        assert!(
            ["inspect", "diff", "gctrace", "explain"]
                .iter()
                .all(|it| said.contains(it)),
            "{arguments:?}"
        );
    }
}

/// Answers one request with a dump, and gives back its first line.
fn answer_once(listener: &TcpListener) -> String {
    let (stream, _) = listener.accept().expect("a connection");
    let mut reader = BufReader::new(&stream);
    let mut first = String::new();
    reader.read_line(&mut first).expect("a request");
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("a header");
    }
    let length = DUMP.len();
    write!(
        &stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{DUMP}"
    )
    .expect("an answer");
    first.trim().to_owned()
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let proxy = std::thread::spawn(move || answer_once(&listener));
    let output = gorphan(&folder())
        .args(["inspect", "--format", "json", "http://shop.invalid/dump"])
        .env("HTTP_PROXY", format!("http://{address}"))
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(json(&output)["target"]["name"], "http://shop.invalid/dump");
    assert_eq!(
        proxy.join().expect("answered"),
        "GET http://shop.invalid/dump HTTP/1.1"
    );
}
