//! What is done to the target: nothing that it, its parent or its clients could notice, however gorphan ends.

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

fn start(pid: u32) -> Child {
    let mut command = gorphan();
    let command = command.args(["inspect", "--format", "json", &pid.to_string()]);
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

/// Half of the kills come at moments spread over a whole run, the others as soon as the target is seen to be held.
#[test]
fn killed_at_any_moment_it_leaves_the_target_running() {
    let kills = std::env::var("GORPHAN_TEST_KILLS").ok();
    let kills = kills.map_or(KILLS, |kills| kills.parse().expect("a number"));
    let fixture = Fixture::start("mixed-service", "leak");
    let pid = fixture.pid();
    let address = fixture.url.trim_start_matches("http://").to_owned();
    let since = Instant::now();
    // It leaks, which is a finding: status 1.
    let status = start(pid).wait().expect("it ends");
    assert_eq!(status.code(), Some(1));
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
            let mut child = start(pid);
            if round % 2 == 0 {
                let moment = Instant::now() + whole.mul_f64(fraction(round));
                await_that("the moment", || Instant::now() >= moment);
            } else {
                await_that("it is held or let go again", || {
                    !is_free(pid) || child.try_wait().expect("its status").is_some()
                });
            }
            caught += u32::from(!is_free(pid));
            child.kill().expect("a signal");
            child.wait().expect("it ends");
            await_that("the target is free", || is_free(pid));
            let before = served.load(Ordering::Relaxed);
            await_that("it serves", || served.load(Ordering::Relaxed) > before);
        }
        stop.0.store(true, Ordering::Relaxed);
        let errors = client.join().expect("the client");
        assert!(errors.is_empty(), "{errors:?}");
    });
    eprintln!(
        "{kills} kills, {caught} of them while the target was held; {} requests served",
        served.load(Ordering::Relaxed)
    );
    assert!(caught > 0, "no kill came while the target was held");
}

#[test]
fn what_job_control_stopped_is_read_and_stays_stopped() {
    let fixture = Fixture::start("mixed-service", "leak");
    let pid = fixture.pid();
    signal(pid, "-STOP");
    await_that("it stops", || state(pid) == 'T');
    let report = report(&inspect(&[&pid.to_string()]));
    assert!(report["summary"]["goroutines"].as_u64() > Some(100));
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
    let mut child = start(pid);
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
