//! What is done to the target: nothing that it, its parent or its clients could notice, however gorphan ends.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::core_file::{field, signal, state};
use crate::support::Fixture;
use crate::{gorphan, inspect, report, said};

/// How often gorphan is killed; `GORPHAN_TEST_KILLS=200` for a thorough run.
const KILLS: u32 = 20;
/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(pid: u32, flags: &[&str]) -> Child {
    let mut command = gorphan();
    let command = command.args(["inspect", "--format", "json", &pid.to_string()]);
    let command = command.args(flags);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("gorphan runs")
}

/// The states of all threads of a process; empty once it is gone.
fn threads(pid: u32) -> Vec<(char, String)> {
    let mut threads = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let field = |key| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .map(str::trim)
        };
        if let (Some(state), Some(tracer)) = (field("State:"), field("TracerPid:")) {
            threads.push((state.chars().next().unwrap_or_default(), tracer.to_owned()));
        }
    }
    threads
}

fn is_held(pid: u32) -> bool {
    threads(pid).iter().any(|(_, tracer)| tracer != "0")
}

fn is_free(pid: u32) -> bool {
    let threads = threads(pid);
    let free = |(state, tracer): &(char, String)| !matches!(state, 'T' | 't') && tracer == "0";
    !threads.is_empty() && threads.iter().all(free)
}

/// Waits until a condition holds, without sleeping.
#[track_caller]
fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::yield_now();
    }
}

/// One request; what went wrong, if anything.
fn ask(address: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /debug/pprof/ HTTP/1.0\r\nHost: x\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer.starts_with(b"HTTP/1.0 200") {
        Ok(())
    } else {
        Err(std::io::Error::other(
            String::from_utf8_lossy(&answer).into_owned(),
        ))
    }
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A fixed sequence of fractions, spread over 0 to 1.
fn fraction(round: u32) -> f64 {
    (f64::from(round) * 0.618_033_988_75).fract()
}

/// The numbers of a process's threads, and of the processes that it made, ended ones included.
fn family(pid: u32) -> (BTreeSet<u32>, BTreeSet<u32>) {
    let numbers = |text: &str| {
        text.split_whitespace()
            .filter_map(|it| it.parse().ok())
            .collect()
    };
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let names: Vec<String> = tasks
        .map(|task| task.file_name().to_string_lossy().into_owned())
        .collect();
    let children = names.iter().map(|task| {
        std::fs::read_to_string(format!("/proc/{pid}/task/{task}/children")).unwrap_or_default()
    });
    let children: Vec<String> = children.collect();
    (numbers(&names.join(" ")), numbers(&children.join(" ")))
}

#[test]
fn killed_at_any_moment_it_leaves_the_target_running() {
    kill_at_any_moment(&[]);
}

#[test]
fn killed_at_any_moment_of_a_snapshot_it_leaves_the_target_running() {
    kill_at_any_moment(&["--snapshot"]);
}

/// A third of the kills come at moments spread over a whole run, others as soon as the target is seen to be held, or has a
/// twin. Job control stops and continues the target at some of them.
fn kill_at_any_moment(flags: &[&str]) {
    let kills = std::env::var("GORPHAN_TEST_KILLS").ok();
    let kills = kills.map_or(KILLS, |kills| kills.parse().expect("a number"));
    let fixture = Fixture::start("mixed-service", "leak");
    let pid = fixture.pid();
    let address = fixture.url.trim_start_matches("http://").to_owned();
    let since = Instant::now();
    assert!(start(pid, flags).wait().expect("it ends").code() != Some(2));
    let whole = since.elapsed();

    let (stop, served) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut caught = 0;
    thread::scope(|scope| {
        // A failing round must end the client as well, which the scope waits for.
        let stop = SetOnDrop(&stop);
        let client = scope.spawn(|| {
            let mut errors = Vec::new();
            while !stop.0.load(Ordering::Relaxed) {
                match ask(&address) {
                    Ok(()) => served.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        errors.push(error);
                        0
                    }
                };
            }
            errors
        });
        for round in 0..kills {
            if round % 5 == 4 {
                signal(pid, "-STOP");
            }
            let mut child = start(pid, flags);
            let mut has_ended = || child.try_wait().expect("its status").is_some();
            match round % 3 {
                0 => {
                    let moment = Instant::now() + whole.mul_f64(fraction(round));
                    await_that("the moment", || Instant::now() >= moment);
                }
                1 => await_that("it is held or let go again", || is_held(pid) || has_ended()),
                _ => await_that("it has a twin, or is let go again", || {
                    is_held(pid) && flags.is_empty() || !family(pid).1.is_empty() || has_ended()
                }),
            }
            caught += u32::from(is_held(pid) || !family(pid).1.is_empty());
            child.kill().expect("a signal");
            child.wait().expect("it ends");
            await_that("nobody holds the target", || !is_held(pid));
            if round % 5 == 4 {
                signal(pid, "-CONT");
            }
            await_that("the target is free", || is_free(pid));
            let before = served.load(Ordering::Relaxed);
            await_that("it serves", || served.load(Ordering::Relaxed) > before);
        }
        stop.0.store(true, Ordering::Relaxed);
        let errors = client.join().expect("the client");
        assert!(errors.is_empty(), "{errors:?}");
    });
    eprintln!(
        "{kills} kills {flags:?}, {caught} of them while the target was held or had a twin, {} twins left; {} requests served",
        family(pid).1.len(),
        served.load(Ordering::Relaxed)
    );
    assert!(caught > 0, "no kill came while the target was held");
    // A run that is not killed clears away what is left of the others.
    let (threads, _) = family(pid);
    assert!(start(pid, flags).wait().expect("it ends").code() != Some(2));
    let (after, children) = family(pid);
    assert_eq!(children, BTreeSet::new(), "processes are left");
    assert!(threads.is_subset(&after), "{threads:?} {after:?}");
}

/// What is read of a twin is what a stopped process shows, and nothing of the twin remains.
#[test]
fn a_snapshot_shows_what_a_copy_shows_and_leaves_nothing() {
    let fixture = Fixture::start("mixed-service", "leak");
    let pid = fixture.pid();
    let before = family(pid);
    let stopped = inspect(&[&pid.to_string()]);
    for _ in 0..5 {
        let twin = inspect(&["--snapshot", &pid.to_string()]);
        let (copy, twin) = (report(&stopped), report(&twin));
        assert_eq!(copy["target"]["method"], "copy");
        assert_eq!(twin["target"]["method"], "snapshot", "{}", twin["problems"]);
        assert_eq!(twin["problems"], serde_json::json!([]));
        assert_eq!(twin["summary"]["goroutines"], copy["summary"]["goroutines"]);
        assert_eq!(twin["summary"]["proof"], copy["summary"]["proof"]);
        let after = family(pid);
        assert_eq!(after.1, BTreeSet::new(), "a process is left");
        assert!(before.0.is_subset(&after.0), "{before:?} {after:?}");
        fixture.get("/debug/pprof/");
    }
}

#[test]
fn what_job_control_stopped_has_a_snapshot_and_stays_stopped() {
    let fixture = Fixture::start("mixed-service", "leak");
    let pid = fixture.pid();
    signal(pid, "-STOP");
    await_that("it stops", || state(pid) == 'T');
    let seen = report(&inspect(&["--snapshot", &pid.to_string()]));
    assert_eq!(seen["target"]["method"], "snapshot", "{}", seen["problems"]);
    await_that("it is stopped again", || state(pid) == 'T');
    assert_eq!(field(pid, "TracerPid:"), "0");
    assert_eq!(family(pid).1, BTreeSet::new(), "a process is left");
    signal(pid, "-CONT");
    fixture.get("/debug/pprof/");
}

#[test]
fn what_job_control_stopped_is_read_and_stays_stopped() {
    let fixture = Fixture::start("mixed-service", "leak");
    let pid = fixture.pid();
    signal(pid, "-STOP");
    await_that("it stops", || state(pid) == 'T');
    let seen = report(&inspect(&[&pid.to_string()]));
    assert!(seen["summary"]["goroutines"].as_u64() > Some(100));
    await_that("it is stopped again", || state(pid) == 'T');
    assert_eq!(field(pid, "TracerPid:"), "0");
    signal(pid, "-CONT");
    fixture.get("/debug/pprof/");
}

/// SIGQUIT sent while gorphan is at work still ends the program with its dump.
#[test]
fn a_signal_that_comes_meanwhile_is_not_lost() {
    let fixture = Fixture::start("mixed-service", "leak");
    let pid = fixture.pid();
    let mut child = start(pid, &[]);
    await_that("it is held or let go again", || {
        !is_free(pid) || child.try_wait().expect("its status").is_some()
    });
    let dump = fixture.quit();
    assert!(dump.contains("SIGQUIT") && dump.contains("goroutine 1 "));
    assert!(child.wait().expect("it ends").code().is_some());
}

/// Whatever is under way when the target is killed: a report that was whole by then, or a plain failure.
#[test]
fn a_target_that_ends_in_the_middle_is_said_to_have_ended() {
    let mut failed = 0;
    for round in 0..8 {
        let fixture = Fixture::start("mixed-service", "leak");
        let pid = fixture.pid().to_string();
        let mut command = gorphan();
        let command = command
            .args(["inspect", &pid])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("gorphan runs");
        if round % 2 == 0 {
            await_that("it is held or let go again", || {
                !is_free(fixture.pid()) || child.try_wait().expect("its status").is_some()
            });
        }
        Command::new("kill")
            .args(["-KILL", &pid])
            .status()
            .expect("kill runs");
        let output = child.wait_with_output().expect("it ends");
        drop(fixture);
        let said = said(&output);
        match output.status.code() {
            Some(0) => {}
            Some(2) => {
                failed += 1;
                let words = [
                    "it ended while it was being read",
                    "there is none of this number",
                    "it has ended, or is about to",
                ];
                assert!(words.iter().any(|word| said.contains(word)), "{said}");
            }
            other => panic!("{other:?}: {said}"),
        }
    }
    assert!(failed > 0, "no round was ended in the middle");
}

/// What is leaked is so at the second look too, and nothing else comes or goes.
#[test]
fn a_second_look_confirms_the_first() {
    let fixture = Fixture::start("mixed-service", "leak");
    let pid = fixture.pid().to_string();
    for method in [&[][..], &["--snapshot"]] {
        let once = report(&inspect(&[&[pid.as_str()], method].concat()));
        let twice = report(&inspect(&[&[pid.as_str(), "--confirm"], method].concat()));
        assert!(once["summary"]["proof"]["unreachable"].as_u64() > Some(0));
        assert_eq!(twice["summary"]["proof"], once["summary"]["proof"]);
        assert_eq!(twice["problems"], serde_json::json!([]));
    }
    assert_eq!(
        family(fixture.pid()).1,
        BTreeSet::new(),
        "a process is left"
    );
}
