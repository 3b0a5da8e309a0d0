//! `gorphan test` on real Go packages: each leak with its test, each clean package silent, and `go test` as without it.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "support/toolchain.rs"]
mod toolchain;

use std::process::{Command, Output};

use serde_json::Value;
use toolchain::{go, root};

/// `gorphan test` in the module of the gate's fixtures.
fn gorphan(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gorphan"));
    command.arg("test").arg("--go").arg(go()).args(arguments);
    plain(&mut command);
    command
}

fn plain(command: &mut Command) {
    command
        .current_dir(root().join("fixtures/gate"))
        .envs([("GOTOOLCHAIN", "local"), ("GOFLAGS", "")])
        .env_remove("GODEBUG")
        .env_remove("GOMAXPROCS");
}

fn run(command: &mut Command) -> (Output, String, String) {
    let output = command.output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

/// What is found in packages, as `package test operation count`, sorted.
fn found(arguments: &[&str], before: &[(&str, &str)]) -> Vec<String> {
    let mut command = gorphan(&["--format", "json"]);
    command.args(arguments).envs(before.iter().copied());
    let (_, out, err) = run(&mut command);
    let document: Value =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out} {err}"));
    assert_eq!(
        document["problems"].as_array().map(Vec::len),
        Some(0),
        "{document:#}"
    );
    let findings = document["findings"].as_array().expect("a list");
    let mut lines: Vec<String> = findings
        .iter()
        .map(|finding| {
            assert_eq!(finding["verdict"], "leak");
            assert_eq!(finding["evidence"][0]["kind"], "leftover");
            let text = |key: &str| finding[key].as_str().unwrap_or("-").to_owned();
            let package = text("package").replace("example.com/gate/", "");
            format!(
                "{package} {} | {} {}",
                text("test"),
                text("operation"),
                finding["count"]
            )
        })
        .collect();
    lines.sort();
    lines
}

const CHECKED: &str = "--no-self-check";

#[test]
fn each_leak_is_found_with_its_test() {
    let expected = [
        "leaks TestCond | cond wait 1",
        "leaks TestContextNeverCancelled | chan receive 1",
        "leaks TestMutex | mutex lock 1",
        "leaks TestNilChannel | nil chan receive 1",
        "leaks TestRange | chan receive 1",
        "leaks TestReceive | chan receive 1",
        "leaks TestSelect | select 1",
        "leaks TestSelectForever | select (no cases) 1",
        "leaks TestSend | chan send 1",
        "leaks TestSleepLoop | sleep 1",
        "leaks TestThree | chan send 3",
        "leaks TestTickerLoop | chan receive 1",
        "leaks TestWaitGroup | wait group 1",
    ];
    assert_eq!(found(&[CHECKED, "./leaks"], &[]), expected);
}

/// The tests that left something, each once, however what it left may run on.
fn tests_of(lines: &[String]) -> Vec<&str> {
    let words = lines.iter().map(|line| line.split(' ').nth(1));
    let mut tests: Vec<&str> = words.map(|word| word.expect("a test")).collect();
    tests.dedup();
    tests
}

#[test]
fn whatever_a_goroutine_is_doing_it_is_found() {
    let lines = found(&[CHECKED, "./blocked", "./native"], &[("CGO_ENABLED", "1")]);
    let expected = [
        "TestAccept",
        "TestConnection",
        "TestEndlessLoop",
        "TestGosched",
        "TestIOPipe",
        "TestLockedThread",
        "TestPipe",
        "TestRWMutex",
        "TestReaderOfRWMutex",
        "TestShortSleeps",
        "TestSystemCall",
        "TestPause",
    ];
    assert_eq!(tests_of(&lines), expected, "{lines:#?}");
    for line in [
        "blocked TestAccept | IO wait 1",
        "blocked TestRWMutex | rwmutex lock 1",
        "native TestPause | syscall 1",
    ] {
        assert!(lines.iter().any(|it| it == line), "{line} of {lines:#?}");
    }
}

#[test]
fn cleanups_skips_and_bubbles_are_the_tests() {
    let expected = [
        "bubble TestBeside | chan receive 1",
        "cleanup TestLeakOfCleanup | chan receive 1",
        "cleanup TestLeakOfSubtestsCleanup/sub | chan receive 1",
        "cleanup TestSame/name | chan receive 1",
        "cleanup TestSame/name#01 | chan receive 1",
        "cleanup TestSkippedLater | chan receive 1",
    ];
    assert_eq!(found(&[CHECKED, "./cleanup", "./bubble"], &[]), expected);
}

#[test]
fn labels_of_the_programs_own_do_not_hide_the_test() {
    let expected = [
        "labelled TestAfterLabels | chan receive 1",
        "labelled TestOwnLabels | chan receive 1",
        "labelled TestTimer | chan receive 1",
    ];
    assert_eq!(found(&[CHECKED, "./labelled"], &[]), expected);
}

#[test]
fn signals_children_and_standard_input_are_as_without_it() {
    let (output, out, err) = run(&mut gorphan(&[CHECKED, "./process", "--", "-count=1"]));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(err.contains("no goroutine left behind by 7"), "{err}");
}

#[test]
fn it_is_told_whether_anybody_could_still_wake_a_goroutine() {
    let (_, out, _) = run(&mut gorphan(&["--format", "json", CHECKED, "./held"]));
    let document: Value = serde_json::from_str(&out).expect("JSON");
    let findings = document["findings"].as_array().expect("a list");
    let proof = |test: &str| {
        let finding = findings.iter().find(|finding| finding["test"] == test);
        finding.expect("found")["evidence"][1].clone()
    };
    assert_eq!(proof("TestUnreachable")["result"], "unreachable");
    let held = proof("TestHeldByGlobal");
    assert_eq!(held["result"], "reachable");
    let path = held["path"].as_array().expect("a path");
    assert!(path[0].to_string().contains("global"), "{held}");
}

#[test]
fn a_leak_is_laid_to_the_test_that_started_it() {
    let expected = [
        "attributed Example_first | chan receive 1",
        "attributed Example_second | chan receive 1",
        "attributed FuzzSeed/seed#0 | chan receive 1",
        "attributed TestParallelA | chan receive 1",
        "attributed TestParallelB | chan receive 2",
        "attributed TestPlain | chan receive 1",
        "attributed TestSub/leaky/deeper_one | chan receive 1",
        "attributed TestThroughOthers | chan receive 1",
        "testmain - | chan receive 1",
        "testmainreturns TestLeaky | chan receive 1",
    ];
    let packages = [CHECKED, "./attributed", "./testmain", "./testmainreturns"];
    assert_eq!(found(&packages, &[]), expected);
    // With one processor the others run only while the exiting goroutine sleeps.
    let again = ["--", "-count=1"];
    let all: Vec<&str> = packages.iter().chain(&again).copied().collect();
    assert_eq!(found(&all, &[("GOMAXPROCS", "1")]), expected);
    let some = ["-run=Example|Plain", "-bench=.", "-benchtime=1x"];
    let some: Vec<&str> = [CHECKED, "./attributed", "--"]
        .into_iter()
        .chain(some)
        .collect();
    let expected = [
        "attributed BenchmarkLeaky | chan receive 1",
        "attributed Example_first | chan receive 1",
        "attributed Example_second | chan receive 1",
        "attributed TestPlain | chan receive 1",
    ];
    assert_eq!(found(&some, &[]), expected);
}

#[test]
fn clean_packages_are_silent_and_the_planted_leak_is_seen() {
    let (output, out, err) = run(&mut gorphan(&["./clean", "--", "-count=1"]));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(
        out.starts_with("ok  \texample.com/gate/clean\t") && out.lines().count() == 1,
        "{out}"
    );
    assert!(err.contains("no goroutine left behind by 1"), "{err}");
    assert!(err.contains("a planted leak was seen"), "{err}");
}

#[test]
fn servers_and_clients_that_stay_open_are_found() {
    let lines = found(&[CHECKED, "./web"], &[]);
    let of = |test: &str| lines.iter().filter(|line| line.contains(test)).count();
    assert_eq!(
        (of("TestAllClosed"), of("TestServerNotClosed")),
        (0, 1),
        "{lines:#?}"
    );
    assert!(of("TestBodyNotClosed") >= 4, "{lines:#?}");
}

#[test]
fn tests_that_do_not_pass_end_as_without_it() {
    for (package, flags, status) in [
        ("./failing", &[][..], 1),
        ("./panics", &[], 1),
        ("./exits", &[], 1),
        ("./clean", &["-run=^$", "-timeout=nonsense"], 2),
    ] {
        let mut alone = Command::new(go());
        plain(&mut alone);
        let (expected, out_alone, _) = run(alone.arg("test").arg(package).args(flags));
        let mut arguments = vec![CHECKED, package, "--"];
        arguments.extend(flags);
        let (output, out, err) = run(&mut gorphan(&arguments));
        assert_eq!(
            output.status.code(),
            expected.status.code(),
            "{package}: {out}{err}"
        );
        assert_eq!(output.status.code(), Some(status), "{package}");
        assert_eq!(steady(&out), steady(&out_alone), "{package}");
    }
}

/// Output of `go test` without what differs from run to run: numbers and addresses, and the lines of traces.
fn steady(text: &str) -> Vec<String> {
    let kept = text.lines().filter(|line| !line.starts_with('\t'));
    kept.map(|line| line.replace(|c: char| c.is_ascii_hexdigit(), ""))
        .collect()
}

#[test]
fn rules_and_baselines_take_out_what_is_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let check = |rule: &str, expected: &[&str]| {
        let config = path("gorphan.yaml");
        std::fs::write(
            &config,
            format!("ignore: [{{{rule}, reason: \"known\"}}]\n"),
        )
        .expect("written");
        assert_eq!(
            found(&[CHECKED, "-c", &config, "./ignored"], &[]),
            expected,
            "{rule}"
        );
    };
    let (top, other) = (
        "ignored TestTop | chan receive 1",
        "ignored TestOther | chan receive 1",
    );
    check("function: example.com/gate/ignored.wait", &[other]);
    check("created_by: example.com/gate/ignored.pool", &[other]);
    check("any_function: \"*.wait\"", &[other]);
    check("test: TestTop", &[other]);
    check("test: Test*, package: example.com/gate/ignored", &[]);
    check("package: example.com/gate/other", &[other, top]);
    let baseline = path("known.json");
    let written = found(&[CHECKED, "--write-baseline", &baseline, "./ignored"], &[]);
    assert_eq!(written, [other, top]);
    assert_eq!(
        found(&[CHECKED, "--baseline", &baseline, "./ignored"], &[]),
        [""; 0]
    );
}

#[test]
fn without_ptrace_a_generated_main_writes_dumps() {
    let run_in = |packages: &[&str]| {
        let mut command = gorphan(&["--format", "json", "--no-ptrace"]);
        let (output, out, err) = run(command.args(packages));
        let document: Value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {err}"));
        assert!(err.contains("a planted leak was seen"), "{err}");
        (output.status.code(), document)
    };
    let problems = |document: &Value| document["problems"].to_string();
    let (status, document) = run_in(&["./leaks", "./testmain"]);
    assert_eq!(status, Some(1));
    let findings = document["findings"].as_array().expect("a list");
    assert_eq!(findings.len(), 13, "{document:#}");
    assert!(findings.iter().all(|it| {
        it["test"]
            .as_str()
            .is_some_and(|test| test.starts_with("Test"))
    }));
    assert!(
        problems(&document).contains("were not watched")
            && problems(&document).contains("TestMain of its own")
    );
    let (status, document) = run_in(&["./clean"]);
    assert_eq!(
        (status, document["findings"].as_array().map(Vec::len)),
        (Some(0), Some(0)),
        "{document:#}"
    );
    let left = std::fs::read_dir(root().join("fixtures/gate/clean"))
        .expect("a folder")
        .count();
    assert_eq!(left, 1, "nothing was written beside the tests");
}

#[test]
fn a_second_wrapper_is_refused() {
    let (output, _, err) = run(&mut gorphan(&["./clean", "--", "-exec", "sudo"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(err.contains("-exec"), "{err}");
}

/// The service of the fixtures, while it runs.
struct Service {
    child: std::process::Child,
    url: String,
}

impl Service {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(environment: &[(&str, &str)]) -> Self {
        use std::io::{BufRead, BufReader};
        let out = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("gate-service");
        let mut build = Command::new(go());
        plain(&mut build);
        let (output, _, err) = run(build.args(["build", "-o"]).arg(&out).arg("./service"));
        assert!(output.status.success(), "{err}");
        let mut child = Command::new(&out)
            .envs(environment.iter().copied())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line
            .trim()
            .strip_prefix("ready ")
            .expect("it is ready")
            .to_owned();
        Self { child, url }
    }

    /// The report of load, whose goroutines are read at `target`.
    fn load(&self, target: &str, path: &str, arguments: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gorphan"));
        plain(&mut command);
        let url = format!("{}{path}", self.url);
        command
            .args(["load", "--format", "json", "--target", target])
            .args(arguments);
        if !arguments.contains(&"--exec") {
            command.args(["--http", &url]);
        }
        let (output, out, err) = run(&mut command);
        let document: Value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {err}"));
        let found = document["findings"]
            .as_array()
            .is_some_and(|findings| !findings.is_empty());
        assert_eq!(output.status.code(), Some(found.into()), "{err}");
        document
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn goroutines_for_each_request_are_found_and_pools_are_not() {
    let service = Service::start();
    let pid = service.child.id().to_string();
    // A pool fills up, and nothing is nothing.
    for path in ["/pool", "/ok"] {
        let document = service.load(&service.url, path, &["-n", "50"]);
        assert_eq!(
            document["findings"].as_array().map(Vec::len),
            Some(0),
            "{path}: {document:#}"
        );
    }
    let pool = |site: &Value| site["site"]["function"] == "main.work";
    let document = service.load(&pid, "/pool", &["-n", "20"]);
    let sites = document["load"]["sites"].as_array().expect("a list");
    assert!(!sites.iter().any(pool), "it was full before: {document:#}");
    // Each request leaves one; and one in four does.
    for (target, path, slope) in [
        (&service.url, "/leak", 1.0),
        (&pid, "/leak", 1.0),
        (&pid, "/some", 0.25),
    ] {
        let document = service.load(target, path, &["-n", "50"]);
        let finding = &document["findings"][0];
        assert_eq!(finding["function"], "main.leak.func1", "{document:#}");
        assert_eq!(finding["operation"], "chan send");
        let evidence = &finding["evidence"][0];
        assert_eq!(
            (&evidence["kind"], &evidence["requests"]),
            (&"growth".into(), &50.into())
        );
        let per_request = &evidence["per_request"];
        let number = |key: &str| per_request[key].as_f64().expect("a number");
        assert!(
            number("low") > 0.0 && (number("estimate") - slope).abs() < 0.1,
            "{per_request}"
        );
        let grown = evidence["after"].as_u64().zip(evidence["before"].as_u64());
        let grown = grown
            .map(|(after, before)| after - before)
            .expect("numbers");
        assert_eq!(finding["count"], grown);
        assert!((grown as f64 - 50.0 * slope).abs() <= 1.0, "{grown}");
    }
}

/// The example that everybody gives: a service of which main serves, and a connection is asked for its goroutines by two. Fifty
/// requests leave fifty goroutines, and one that the first of them starts for good, which is no leak.
#[test]
fn fifty_requests_turn_3_goroutines_into_54() {
    let service = Service::start_with(&[("GATE_ALONE", "1")]);
    let url = format!("{}/classic", service.url);
    let mut command = Command::new(env!("CARGO_BIN_EXE_gorphan"));
    plain(&mut command);
    command.args(["load", "--target", &service.url, "--http", &url]);
    let (output, out, err) = run(command.args(["-n", "50", "--warm-up", "0"]));
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        out.contains("50 requests: 3 goroutines before, 54 after"),
        "{out}"
    );
    let line = source_line("fixtures/gate/service/main.go", "never <- 1");
    let place = format!("main.leak.func1 (main.go:{line})");
    assert!(
        out.contains("leak[GR1001]: 50 goroutines") && out.contains(&place),
        "{place} in {out}"
    );
    assert_eq!(out.matches("leak[").count(), 1, "{out}");
}

/// The line, from 1, with this text.
fn source_line(file: &str, text: &str) -> usize {
    let source = std::fs::read_to_string(root().join(file)).expect("it is there");
    let found = source.lines().position(|line| line.contains(text));
    found.expect("it has the line") + 1
}

#[test]
fn a_command_can_make_the_requests() {
    let service = Service::start();
    let fetch = format!(
        "for i in $(seq {{requests}}); do curl -s {}/leak; done; echo requests: {{requests}}",
        service.url
    );
    let document = service.load(
        &service.child.id().to_string(),
        "",
        &["-n", "30", "--warm-up", "0", "--exec", &fetch],
    );
    assert_eq!(document["load"]["requests"], 30);
    // Without the endpoint the heap is read from outside: a channel stays for each request. Thirty requests are too few for
    // an interval that never holds zero, as the server's own buffers come and go.
    let heap = &document["load"]["heap"]["per_request"];
    let estimate = heap["estimate"].as_f64().expect("a slope");
    assert!(estimate > 0.0, "{heap}");
    assert_eq!(document["findings"][0]["count"], 30, "{document:#}");
}
