//! Signals that `gorphan test` gets: they are for `go test` and the tests, which get each once, and the report comes anyway.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "support/toolchain.rs"]
mod toolchain;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use toolchain::{go, root};

/// `gorphan test` of one test of the fixture, as a shell takes it.
fn words(test: &str) -> String {
    let (gorphan, go) = (env!("CARGO_BIN_EXE_gorphan"), go().display());
    format!("'{gorphan}' test --no-self-check --go '{go}' ./signals -- -v -count=1 -run '^{test}$'")
}

/// A run that stands in the test.
struct Run {
    child: Child,
    stdin: ChildStdin,
    output: Box<dyn BufRead>,
    /// Of the wrapper of the test binary.
    wrapper: String,
}

impl Run {
    /// Runs a command of the shell, `script` gives it a terminal.
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(root().join("fixtures/gate"))
            .envs([
                ("GOTOOLCHAIN", "local"),
                ("GOFLAGS", ""),
                ("GATE_SIGNALS", "1"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let wrapper = loop {
            let mut line = String::new();
            assert!(
                output.read_line(&mut line).expect("a line") > 0,
                "never ready"
            );
            if let Some(wrapper) = line.trim().strip_prefix("ready ") {
                break wrapper.to_owned();
            }
        };
        Self {
            stdin: child.stdin.take().expect("piped"),
            child,
            output: Box::new(output),
            wrapper,
        }
    }

    /// What it says from there on, and how it ends.
    fn end(mut self) -> (String, ExitStatus) {
        let mut text = String::new();
        self.output.read_to_string(&mut text).expect("text");
        (text, self.child.wait().expect("it ends"))
    }
}

fn send(signal: &str, pid: &str) {
    let sent = Command::new("kill").args([signal, pid]).status();
    assert!(sent.expect("kill runs").success());
}

const SEEN: &str = "no goroutine left behind by 1 test in 1 test binary";
const FAILED: &str = "1 test binary failed and not looked at";

/// A key on a terminal: all of the group get the signal.
fn key(test: &str, key: u8, expected: &[&str]) {
    // Without exec a shell may stay in between, and die of the signal itself.
    let command = format!("exec {}", words(test));
    let mut run = Run::start("script", &["-qec", &command, "/dev/null"]);
    run.stdin.write_all(&[key]).expect("pressed");
    let (text, status) = run.end();
    for expected in expected {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    // As go test, which was interrupted and ended by itself.
    assert_eq!(status.code(), Some(1), "{text}");
}

#[test]
fn keys_reach_the_test_once_and_the_report_comes() {
    key("TestCounts", 3, &["got interrupt and 0 more", SEEN]);
    key("TestTakesNone", 3, &[FAILED]);
    key("TestTakesNone", 28, &["SIGQUIT: quit", FAILED]);
}

/// Runs a command of the shell with standard error in standard output.
fn shell(command: &str) -> Run {
    Run::start("sh", &["-c", &format!("exec {command} 2>&1")])
}

#[test]
fn what_the_wrapper_is_sent_is_the_tests() {
    for (signal, name) in [
        ("-INT", "interrupt"),
        ("-TERM", "terminated"),
        ("-HUP", "hangup"),
    ] {
        let run = shell(&words("TestCounts"));
        send(signal, &run.wrapper);
        let (text, status) = run.end();
        assert!(
            text.contains(&format!("got {name} and 0 more")) && text.contains(SEEN),
            "{text}"
        );
        assert_eq!(status.code(), Some(0), "{text}");
    }
    // As the go command does when time runs out.
    let run = shell(&words("TestTakesNone"));
    send("-QUIT", &run.wrapper);
    let (text, status) = run.end();
    assert_eq!(text.matches("SIGQUIT: quit").count(), 1, "{text}");
    assert_eq!(status.code(), Some(1), "{text}");
    // What it was ended by is what go test tells.
    let run = shell(&words("TestTakesNone"));
    send("-INT", &run.wrapper);
    assert!(run.end().0.contains("signal: interrupt"));
}

#[test]
fn what_the_runner_is_sent_is_go_tests() {
    // It waits for the test, which gets nothing.
    let run = shell(&words("TestCounts"));
    send("-INT", &run.child.id().to_string());
    send("-TERM", &run.wrapper);
    let (text, status) = run.end();
    assert!(
        text.contains("got terminated and 0 more") && text.contains(SEEN),
        "{text}"
    );
    assert_eq!(status.code(), Some(1), "{text}");
    // It ends by it.
    let run = shell(&words("TestTakesNone"));
    send("-TERM", &run.child.id().to_string());
    let wrapper = run.wrapper.clone();
    let mut run = run;
    let status = run.child.wait().expect("it ends");
    send("-KILL", &wrapper);
    assert_eq!(status.signal(), Some(15));
    let (text, _) = run.end();
    assert!(
        text.contains("no goroutine left behind in 0 test binaries"),
        "{text}"
    );
}

#[test]
fn what_is_ignored_stays_so() {
    let command = format!("trap '' HUP; exec {} 2>&1", words("TestIgnored"));
    let output = Command::new("sh")
        .args(["-c", &command])
        .current_dir(root().join("fixtures/gate"))
        .envs([
            ("GOTOOLCHAIN", "local"),
            ("GOFLAGS", ""),
            ("GATE_SIGNALS", "1"),
        ])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("hangup ignored: true, interrupt ignored: false"),
        "{text}"
    );
}
