//! The real binary on captured and on bad input: what it says, where it says it, and its exit status.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

const DUMP: &str = "goroutine 7 [chan send, 3 minutes]:\nmain.f()\n\t/src/main.go:3 +0x1d\ncreated by main.main in \
                    goroutine 1\n\t/src/main.go:9 +0x25\n\n";

/// The binary in a folder of its own, without the settings of whoever runs the tests.
fn gorphan(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gorphan"));
    command.current_dir(folder.path());
    for name in [
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "GORPHAN_BEARER_TOKEN",
        "GORPHAN_BASIC_AUTH",
    ] {
        command.env_remove(name);
    }
    command
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn captured(version: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/captured")
        .join(version)
        .join(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `count` goroutines that wait to send, with numbers from 10 and started by goroutine 1, beside the main goroutine.
fn senders(count: u64) -> String {
    let mut dump =
        String::from("goroutine 1 [select (no cases)]:\nmain.main()\n\t/src/main.go:9 +0x1d\n\n");
    for id in 10..10 + count {
        dump.push_str(&DUMP.replace("goroutine 7", &format!("goroutine {id}")));
    }
    dump
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Holds that a run fails with status 2, nothing on standard output, and all of `words` on standard error.
#[track_caller]
fn check_failure(command: &mut Command, words: &[&str]) {
    let output = command.output().expect("it runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(text(&output.stdout), "");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert!(!said.contains('\x1b'), "colours in a pipe: {said}");
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

#[test]
fn what_is_no_dump_is_refused_with_what_to_try() {
    let folder = folder();
    let write =
        |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("written");
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("packed");
        encoder.finish().expect("packed")
    };
    write(
        "page",
        b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>",
    );
    write("empty", b"");
    write("empty.gz", &gzip(b""));
    write("cut.gz", &gzip(senders(500).as_bytes())[..40]);
    write(
        "noise",
        &(0..4096_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect::<Vec<u8>>(),
    );
    write("prose", b"nothing to see here\nat all\n");
    // A heap profile's sample type, in its place at the start of the protobuf.
    write(
        "heap.pb.gz",
        &gzip(b"\x0a\x04\x08\x01\x10\x02\x32\x00\x32\x0binuse_space\x32\x05bytes"),
    );
    for (source, words) in [
        (
            "page",
            &["page", "web page", "Sign in", "/debug/pprof/goroutine"][..],
        ),
        ("empty", &["empty", "goroutine dump or profile"]),
        ("empty.gz", &["empty"]),
        ("cut.gz", &["cut.gz"]),
        ("noise", &["noise", "goroutine"]),
        (
            "prose",
            &["no goroutine was found", "2 lines", "kill -QUIT"],
        ),
        (
            "heap.pb.gz",
            &["profile of the heap", "/debug/pprof/goroutine"],
        ),
        (env!("CARGO_BIN_EXE_gorphan"), &["executable", "kill -QUIT"]),
        (".", &["directory", "give one file"]),
        ("missing", &["cannot open missing", "http://localhost:6060"]),
        (
            "4711",
            &["process 4711", "kill -QUIT 4711", "net/http/pprof"],
        ),
        ("ftp://host/x", &["only http and https"]),
        (
            "http://127.0.0.1:1/",
            &["cannot connect to http://127.0.0.1:1/", "refused"],
        ),
    ] {
        check_failure(gorphan(&folder).args(["inspect", source]), words);
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_said_so() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("secret");
    fs::write(&path, DUMP).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("set");
    let mut command = gorphan(&folder);
    command.args(["inspect", "secret"]);
    if fs::File::open(&path).is_err() {
        check_failure(&mut command, &["cannot open secret", "pipe it in"]);
    } else {
        // The superuser may read everything.
        assert_eq!(command.output().expect("it runs").status.code(), Some(0));
    }
}

#[test]
fn standard_input_is_read() {
    let output = gorphan(&folder())
        .args(["inspect", "-", "--format", "json"])
        .write_stdin(DUMP)
        .output()
        .expect("it runs");
    assert_eq!(json(&output)["groups"][0]["site"]["function"], "main.f");
}

#[test]
fn a_pipe_that_nobody_reads_is_not_a_failure() {
    let folder = folder();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_gorphan"))
        .args(["inspect", "--format", "html", "--fail-on", "suspect"])
        .arg(captured("go1.27.3", "sites.dump"))
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut said)
        .expect("text");
    assert_eq!(said, "");
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure() {
    let folder = folder();
    let dump = captured("go1.27.3", "sites.dump");
    let mut command = gorphan(&folder);
    command
        .args(["inspect", "--output", "/dev/full"])
        .arg(&dump);
    check_failure(&mut command, &["cannot write the report to /dev/full"]);
    let mut command = gorphan(&folder);
    command
        .args(["inspect", "--output", "no/such/folder/report"])
        .arg(&dump);
    check_failure(
        &mut command,
        &["cannot write the report to no/such/folder/report"],
    );
}

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
    for by in ["site", "stack", "creator", "state"] {
        let report = run(&["--group-by", by, "--sort", "count", "--top", "1"]);
        assert_eq!(report["groups"].as_array().map(Vec::len), Some(1), "{by}");
        assert_eq!(report["groups"][0]["count"], 40, "{by}");
    }
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
fn credentials_are_not_repeated() {
    let folder = folder();
    for arguments in [
        &["--header", "s3cret"][..],
        &["--header", "bad name: s3cret"],
        &["--basic-auth", "me:s3cret"],
        &["--bearer-token", "s3cret"],
    ] {
        let mut command = gorphan(&folder);
        command
            .args(["inspect", "http://u:s3cret@127.0.0.1:1/?token=s3cret"])
            .args(arguments);
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        assert!(
            !text(&output.stderr).contains("s3cret"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn bad_arguments_are_explained() {
    let folder = folder();
    for (arguments, words) in [
        (
            &["inspect", "x", "--state", "chan sned"][..],
            &["chan sned", "chan send"][..],
        ),
        (&["inspect", "x", "--min-wait", "soon"], &["soon", "10m"]),
        (
            &["inspect", "x", "--function", "("],
            &["regular expression"],
        ),
        (&["inspect", "x", "--dump", "0"], &["number from 1"]),
        (&["inspect", "x", "--fail-no", "leak"], &["--fail-on"]),
        (&["inspect", "x", "--leaks"], &["--leaks", "URL"]),
        (&["inspekt", "x"], &["inspect"]),
    ] {
        check_failure(gorphan(&folder).args(arguments), words);
    }
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
