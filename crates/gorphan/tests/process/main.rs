//! Running Go programs, read from outside: what is seen agrees with what they say of themselves, and they never notice.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod core_file;
mod harmless;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::Fixture;
use tempfile::TempDir;

const NOBODY: u32 = 65534;

fn gorphan() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gorphan"));
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

fn inspect(arguments: &[&str]) -> Output {
    // On a busy machine a target may stand still for long.
    let patience = match arguments.contains(&"--pause-budget") {
        true => &[][..],
        false => &["--pause-budget", "1m"],
    };
    gorphan()
        .args(["inspect", "--format", "json", "--group-by", "stack"])
        .args(patience)
        .args(arguments)
        .output()
        .expect("gorphan runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn report(output: &Output) -> Value {
    // What is proven leaked is a finding.
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}",
        said(output)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Holds that a run fails with status 2 and all of `words`.
#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

/// What must agree between two reports of the same goroutines: per stack the operation, the state, how many, which, and who
/// created them. What serves the requests of this test comes and goes, and is left out.
fn groups(report: &Value) -> BTreeMap<String, Value> {
    let groups = report["groups"].as_array().expect("groups");
    let lasting = groups.iter().filter(|group| {
        let stack = group["stack"].to_string();
        !stack.contains("net/http.(*conn)") && !stack.contains("net/http.(*connReader)")
    });
    lasting.map(|group| (stack(group), agreed(group))).collect()
}

/// A stack as text. A dump leaves out what a generic function was made for.
fn stack(group: &Value) -> String {
    let plain = |name: &Value| {
        let name = name.as_str().unwrap_or_default();
        match (name.find('['), name.rfind(']')) {
            (Some(start), Some(end)) => format!("{}[...]{}", &name[..start], &name[end + 1..]),
            _ => name.to_owned(),
        }
    };
    let frames = group["stack"].as_array().expect("a stack").iter();
    let lines = frames.map(|frame| {
        format!(
            "{} {}:{}\n",
            plain(&frame["function"]),
            frame["file"],
            frame["line"]
        )
    });
    lines.collect()
}

fn agreed(group: &Value) -> Value {
    let mut ids: Vec<u64> = group["goroutines"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .collect();
    ids.sort_unstable();
    // A report lists only so many; which those are depends on the order of the source.
    if group["goroutines_elided"] != 0 {
        ids.clear();
    }
    serde_json::json!({
        "operation": group["site"]["operation"],
        "state": group["state"],
        "count": group["count"],
        "ids": ids,
        "created_by": group["created_by"],
    })
}

/// The groups of a fixture's own dump, once its main goroutine has gone from saying that it is ready to waiting, and the one that
/// took the connection waits for the next.
fn own_groups(fixture: &Fixture, folder: &TempDir) -> BTreeMap<String, Value> {
    let path = folder.path().join("dump");
    let dump = loop {
        let dump = fixture.get("/debug/pprof/goroutine?debug=2");
        let text = String::from_utf8_lossy(&dump);
        let waits = ["os.(*File).Read(", "internal/poll.(*FD).Accept("];
        if waits.iter().all(|call| text.contains(call)) && !text.contains("[runnable]") {
            break dump;
        }
    };
    fs::write(&path, dump).expect("a file");
    groups(&report(&inspect(&[path.to_str().expect("UTF-8")])))
}

/// Compares stack by stack, so that a difference is found among hundreds of lines.
#[track_caller]
fn check_same(seen: &BTreeMap<String, Value>, own: &BTreeMap<String, Value>) {
    for (stack, expected) in own {
        assert_eq!(seen.get(stack), Some(expected), "{stack}");
    }
    let more: Vec<&String> = seen
        .keys()
        .filter(|stack| !own.contains_key(*stack))
        .collect();
    assert!(more.is_empty(), "not in the program's own dump: {more:#?}");
}

#[test]
fn a_process_shows_what_its_own_dump_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = Fixture::start("mixed-service", "leak");
    let own = own_groups(&fixture, &folder);
    assert!(own.len() >= 5, "{own:#?}");
    let report = report(&inspect(&[&fixture.pid().to_string()]));
    check_same(&groups(&report), &own);

    let target = &report["target"];
    assert_eq!(target["kind"], "process");
    assert_eq!(target["name"], fixture.pid().to_string());
    assert!(
        target["go_version"]
            .as_str()
            .is_some_and(|it| it.starts_with("go1."))
    );
    assert!(
        target["pause_seconds"]
            .as_f64()
            .is_some_and(|pause| pause > 0.0 && pause < 1.0)
    );
    assert!(target["bytes_read"].as_u64() > Some(0));
    assert!(target["taken_at"].is_string());
    assert_eq!(report["problems"], Value::Array(Vec::new()));
    // It noticed nothing: the same goroutines are still there, and it answers.
    check_same(&own_groups(&fixture, &folder), &own);
}

/// The executable is gone when the file is inspected, and so is the process.
#[test]
fn what_is_saved_is_inspected_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("service.snapshot");
    let name = file.to_str().expect("UTF-8");
    let fixture = Fixture::start("mixed-service", "leak");
    let live = report(&inspect(&[&fixture.pid().to_string(), "--save", name]));
    drop(fixture);
    let saved = report(&inspect(&[name]));
    assert_eq!(saved["target"]["kind"], "snapshot");
    assert_eq!(saved["target"]["name"], name);
    for key in [
        "go_version",
        "taken_at",
        "pause_seconds",
        "bytes_read",
        "method",
    ] {
        assert!(!live["target"][key].is_null(), "{key}");
        assert_eq!(saved["target"][key], live["target"][key], "{key}");
    }
    for key in ["summary", "groups", "findings", "problems"] {
        assert_eq!(saved[key], live[key], "{key}");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(&file).expect("written").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "it holds what was in memory");
    refused(
        &inspect(&[name, "--save", "again"]),
        &["--save", "gorphan inspect PID --save FILE"],
    );

    let mut bytes = fs::read(&file).expect("bytes");
    bytes.truncate(bytes.len() / 2);
    fs::write(&file, &bytes).expect("written");
    refused(&inspect(&[name]), &["cannot read the snapshot file", name]);
    bytes[16] = 9;
    fs::write(&file, &bytes).expect("written");
    refused(&inspect(&[name]), &["version 9", "or a later one"]);
}

#[test]
fn a_core_shows_what_the_process_showed() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = Fixture::start("mixed-service", "leak");
    let own = own_groups(&fixture, &folder);
    let executable = support::fixtures().join("mixed-service");
    let executable = executable.to_str().expect("UTF-8");

    let written = folder.path().join("core.written");
    core_file::write(fixture.pid(), &written);
    check_core(&written, executable, &own);
    // gcore is not on every machine; where it is, its cores must do as well.
    let by_gdb = folder.path().join("core.gdb");
    if core_file::gcore(fixture.pid(), &by_gdb) {
        check_core(&by_gdb, executable, &own);
    }

    let name = written.to_str().expect("UTF-8");
    refused(
        &inspect(&[name]),
        &["cannot inspect the core file", "--exe", executable],
    );
    refused(
        &inspect(&[name, "--exe", "/bin/sh"]),
        &["/bin/sh", "no Go build information"],
    );
    refused(
        &inspect(&["--exe", executable, "http://localhost:1"]),
        &["--exe gives the executable of a core"],
    );
    cut_core(&written, executable);
}

fn check_core(core: &Path, executable: &str, own: &BTreeMap<String, Value>) {
    let report = report(&inspect(&[
        core.to_str().expect("UTF-8"),
        "--exe",
        executable,
    ]));
    check_same(&groups(&report), own);
    assert_eq!(report["target"]["kind"], "core");
    assert_eq!(report["target"]["pause_seconds"], Value::Null);
    let groups = report["groups"].as_array().expect("groups");
    let waits = groups.iter().map(|group| &group["wait_minutes"]);
    assert!(waits.into_iter().all(Value::is_null), "a core has no clock");
}

/// A core that is cut off says so, and whatever it still shows is no leak.
fn cut_core(core: &Path, executable: &str) {
    let length = fs::metadata(core).expect("a file").len();
    for part in [9, 6, 3, 1] {
        let file = fs::OpenOptions::new()
            .write(true)
            .open(core)
            .expect("a file");
        file.set_len(length / 10 * part).expect("it is cut");
        let output = inspect(&[core.to_str().expect("UTF-8"), "--exe", executable]);
        if output.status.code() == Some(0) {
            let report = report(&output);
            assert!(
                report["problems"]
                    .to_string()
                    .contains("the core file is cut off")
            );
            assert!(!report["groups"].to_string().contains("\"leak\""));
        } else {
            refused(&output, &["core.written"]);
        }
    }
}

/// All of the first goroutine at a site, as `--why` tells it; the report of all goroutines is `all`.
fn why(arguments: &[&str], all: &Value, function: &str) -> (Option<i32>, Value) {
    let groups = all["groups"].as_array().expect("groups");
    let group = groups
        .iter()
        .find(|group| group["site"]["function"] == function);
    let id = group.expect("the site")["goroutines"][0].to_string();
    let output = inspect(&[arguments, &["--why", &id]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["goroutine"]["id"].to_string(), id);
    (output.status.code(), report["goroutine"].clone())
}

#[test]
fn one_goroutine_is_told_of_with_its_proof_in_a_process_and_its_core() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = Fixture::start("mixed-service", "leak");
    own_groups(&fixture, &folder);
    let core = folder.path().join("core");
    core_file::write(fixture.pid(), &core);
    let core = core.to_str().expect("UTF-8");
    let executable = support::fixtures().join("mixed-service");
    let executable = executable.to_str().expect("UTF-8");
    let pid = fixture.pid().to_string();
    for arguments in [&[pid.as_str()][..], &[core, "--exe", executable]] {
        let all = report(&inspect(arguments));
        let (code, sender) = why(arguments, &all, "main.(*shop).checkout.func1");
        assert_eq!(
            (code, &sender["proof"]["result"]),
            (Some(1), &"unreachable".into())
        );
        let object = sender["proof"]["object"]
            .as_str()
            .expect("what it waits for");
        assert!(object.starts_with("chan error (cap 0) at 0x"), "{object}");
        assert_eq!(sender["objects"][0]["waiters"], 1);
        assert!(sender["retained"]["stack_bytes"].as_u64() >= Some(2048));
        assert_eq!(sender["site"]["operation"], "chan send");

        let (code, locked) = why(arguments, &all, "main.(*stock).count");
        assert_eq!(
            (code, &locked["proof"]["result"]),
            (Some(0), &"reachable".into())
        );
        assert!(
            !locked["proof"]["path"]
                .as_array()
                .expect("a way")
                .is_empty()
        );
        // All 80 wait for one lock.
        assert_eq!(locked["objects"][0]["waiters"], 80);
        assert_eq!(locked["others"].as_array().map(Vec::len), Some(79));

        let (code, idle) = why(arguments, &all, "net.(*netFD).accept");
        assert_eq!((code, &idle["proof"]), (Some(0), &Value::Null));
    }
}

#[test]
fn a_lock_behind_a_stuck_send_names_the_sender_as_the_cause() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = Fixture::start("lock-behind-stuck-send", "leak");
    own_groups(&fixture, &folder);
    let pid = fixture.pid().to_string();
    let all = report(&inspect(&[&pid]));
    let (_, sender) = why(&[&pid], &all, "main.(*ledger).post");
    let (_, locked) = why(&[&pid], &all, "main.(*ledger).total");
    let cause = &locked["proof"]["cause"];
    assert_eq!(cause[0]["goroutine"], sender["id"], "{cause}");
    assert_eq!(cause.as_array().map(Vec::len), Some(1), "{cause}");
    assert_eq!(sender["proof"]["cause"], Value::Null);
    let graph = locked["waits"].as_array().expect("a graph");
    let ids: Vec<&Value> = graph.iter().map(|one| &one["goroutine"]).collect();
    assert_eq!(ids, [&locked["id"], &sender["id"]]);
    assert_eq!(graph[1]["site"]["function"], "main.(*ledger).post");
    let findings = all["findings"].as_array().expect("findings");
    let message = findings
        .iter()
        .find(|finding| finding["function"] == "main.(*ledger).total");
    let message = message.expect("a finding")["message"].to_string();
    assert!(
        message.contains("itself blocked in a channel send at main.(*ledger).post (main.go:22)"),
        "{message}"
    );
}

#[test]
fn processes_are_listed_with_what_they_are() {
    let fixture = Fixture::start("mixed-service", "leak");
    let output = gorphan()
        .args(["ps", "--format", "json"])
        .output()
        .expect("gorphan runs");
    let list = report(&output);
    let processes = list["processes"].as_array().expect("processes");
    let pid = Value::from(fixture.pid());
    let found = processes.iter().find(|process| process["pid"] == pid);
    let found = found.unwrap_or_else(|| panic!("{pid} is not in {processes:#?}"));
    assert_eq!(found["module"], "example.com/fixtures");
    assert_eq!(found["name"], "mixed-service");
    assert!(
        found["go_version"]
            .as_str()
            .is_some_and(|it| it.starts_with("go1."))
    );
    assert!(
        found["executable"]
            .as_str()
            .is_some_and(|it| it.ends_with("/mixed-service"))
    );
    assert_eq!(
        (&found["readable"], &found["why"]),
        (&Value::Bool(true), &Value::Null)
    );
    let dump = String::from_utf8(fixture.get("/debug/pprof/goroutine?debug=2")).expect("text");
    let own = dump
        .lines()
        .filter(|line| line.starts_with("goroutine "))
        .count() as u64;
    let counted = found["goroutines"].as_u64().expect("a count");
    // The dump counts the goroutines that serve it, too.
    assert!(
        counted.abs_diff(own) <= 4,
        "{counted} listed, {own} in the dump"
    );
    // This test is no Go program.
    let own_pid = Value::from(std::process::id());
    assert!(processes.iter().all(|process| process["pid"] != own_pid));

    let table = gorphan().arg("ps").output().expect("gorphan runs");
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let row = table
        .lines()
        .find(|line| line.trim_start().starts_with(&pid.to_string()));
    assert!(
        row.is_some_and(|row| row.contains("example.com/fixtures")),
        "{table}"
    );
}

#[test]
fn what_is_no_readable_go_process_is_refused_with_what_to_try() {
    refused(
        &inspect(&["2147483647"]),
        &["process 2147483647", "none of this number", "gorphan ps"],
    );
    let own = std::process::id().to_string();
    refused(
        &inspect(&[&own]),
        &["no Go build information", "gorphan ps"],
    );
    let fixture = Fixture::start("mixed-service", "fixed");
    let pid = fixture.pid().to_string();
    refused(
        &inspect(&[&pid, "--leaks"]),
        &["--leaks asks a pprof endpoint"],
    );
    refused(
        &inspect(&[&pid, "--exe", "/bin/sh"]),
        &["a running program needs no --exe"],
    );
    refused(
        &inspect(&[&pid, "--pause-budget", "1ns"]),
        &["was let go", "pause budget of 0.000 s", "--pause-budget"],
    );
    fixture.get("/debug/pprof/");
}

/// Whoever runs this is root or not: as root another user is tried, else the first process, which is root's.
#[test]
fn without_permission_it_says_what_is_missing_and_how_to_get_it() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    let folder = tempfile::tempdir().expect("a folder");
    let is_root = fs::metadata("/proc/self").expect("it is there").uid() == 0;
    let output = if is_root {
        let fixture = Fixture::start("mixed-service", "fixed");
        // The folders of the build may be closed to others.
        let binary = folder.path().join("gorphan");
        fs::copy(env!("CARGO_BIN_EXE_gorphan"), &binary).expect("a copy");
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("open to others");
        let output = Command::new(&binary)
            .args(["inspect", &fixture.pid().to_string()])
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .expect("gorphan runs");
        fixture.get("/debug/pprof/");
        output
    } else {
        inspect(&["1"])
    };
    let words = [
        "runs as user 0, gorphan as user",
        "sudo",
        "setcap",
        "--cap-add SYS_PTRACE",
        "shareProcessNamespace",
    ];
    refused(&output, &words);
}
