//! Stops real processes: a shell that answers each line, and tells of a signal.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::*;

/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

struct Echo {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    process: Process,
}

impl Echo {
    fn start() -> Self {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg("trap 'echo USR1' USR1; echo ready; while :; do if read -r line; then echo \"$line\"; fi; done")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut echo = Self {
            to: child.stdin.take().unwrap(),
            from: BufReader::new(child.stdout.take().unwrap()),
            process: Process::find(child.id()).unwrap(),
            child,
        };
        assert_eq!(echo.line(), "ready");
        echo
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn answers(&mut self, word: &str) {
        writeln!(self.to, "{word}").unwrap();
        assert_eq!(self.line(), word);
    }

    fn kill(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    fn freeze(&self) -> Frozen {
        freeze(&self.process, Instant::now() + PATIENCE).expect("it stops")
    }

    fn state(&self) -> (char, Pid) {
        let status = self.process.status().unwrap();
        (status.state, status.tracer)
    }

    fn await_state(&self, wanted: char) {
        let deadline = Instant::now() + PATIENCE;
        while self.state().0 != wanted {
            assert!(Instant::now() < deadline, "it stays in {:?}", self.state());
            thread::yield_now();
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_process_stands_still_and_runs_on() {
    let mut echo = Echo::start();
    for dropped in [false, true] {
        let frozen = echo.freeze();
        let (state, tracer) = echo.state();
        assert!(state == 't' && tracer != 0);
        assert_eq!(frozen.threads.len(), 1);
        let thread = &frozen.threads[0];
        assert_eq!(thread.tid, u64::from(echo.child.id()));
        assert!(thread.rip > 0 && thread.rsp > 0);
        if dropped {
            drop(frozen);
        } else {
            assert!(frozen.thaw() > Duration::ZERO);
        }
        assert_eq!(echo.state().1, 0);
        echo.answers("still here");
    }
}

#[test]
fn what_job_control_stopped_stays_stopped() {
    let mut echo = Echo::start();
    echo.kill("-STOP");
    echo.await_state('T');
    echo.freeze().thaw();
    assert_eq!(echo.state().1, 0);
    // The kernel wakes it for as long as it takes to stop again.
    echo.await_state('T');
    echo.kill("-CONT");
    echo.answers("woken");
}

#[test]
fn a_signal_that_comes_meanwhile_is_not_lost() {
    let mut echo = Echo::start();
    let frozen = echo.freeze();
    echo.kill("-USR1");
    frozen.thaw();
    // The shell runs its trap after the read that the signal interrupts, or after the next line.
    writeln!(echo.to, "word").unwrap();
    let mut lines = [echo.line(), echo.line()];
    lines.sort();
    assert_eq!(lines, ["USR1", "word"]);
}

/// As `freeze`, of a thread that takes a signal between being seized and being interrupted.
fn freeze_amid_signal(process: &Process, send: impl FnOnce()) -> Frozen {
    let mut frozen = Frozen {
        process: process.clone(),
        tracees: Vec::new(),
        since: Instant::now(),
        threads: Vec::new(),
    };
    ptrace::seize(raw(process.pid), ptrace::Options::empty()).unwrap();
    frozen.tracees.push(Tracee {
        tid: process.pid,
        inner: 0,
        signal: 0,
        stopped: false,
    });
    send();
    let deadline = Instant::now() + PATIENCE;
    frozen.await_stop(0, deadline).unwrap();
    ptrace::interrupt(raw(process.pid)).unwrap();
    frozen.await_stop(0, deadline).unwrap();
    assert_eq!(frozen.tracees[0].signal, libc::SIGUSR1);
    frozen
}

#[test]
fn a_signal_that_came_just_before_is_delivered_on_release() {
    let mut echo = Echo::start();
    freeze_amid_signal(&echo.process, || echo.kill("-USR1")).thaw();
    assert_eq!(echo.line(), "USR1");
    echo.answers("on it goes");
}

#[test]
fn one_that_is_killed_while_it_stands_still_ends() {
    let mut echo = Echo::start();
    thread::scope(|scope| {
        scope.spawn(|| {
            let frozen = echo.freeze();
            echo.kill("-KILL");
            frozen.thaw();
        });
    });
    assert!(!echo.child.wait().unwrap().success());
    let error = freeze(&echo.process, Instant::now() + PATIENCE).err();
    assert!(matches!(error, Some(FreezeError::Gone)), "{error:?}");
}

#[test]
fn a_process_that_is_traced_already_is_refused() {
    let mut echo = Echo::start();
    let frozen = echo.freeze();
    let process = &echo.process;
    thread::scope(|scope| {
        let other = scope.spawn(|| freeze(process, Instant::now() + PATIENCE).err());
        let error = other.join().unwrap();
        assert!(matches!(error, Some(FreezeError::Denied)), "{error:?}");
    });
    frozen.thaw();
    echo.answers("unharmed");
}

#[test]
fn when_the_time_is_up_at_once_nothing_stays_stopped() {
    let mut echo = Echo::start();
    // Either it had stopped by the first look, or the time was up; both leave it running.
    let frozen = freeze(&echo.process, Instant::now());
    assert!(matches!(frozen, Ok(_) | Err(FreezeError::OutOfTime)));
    drop(frozen);
    echo.answers("on it goes");
    assert_eq!(echo.state().1, 0);
}

/// A tracer that ends without a word, as one that was killed.
#[test]
fn if_the_tracer_vanishes_the_kernel_lets_go_and_the_signal_arrives() {
    let mut echo = Echo::start();
    thread::scope(|scope| {
        scope.spawn(|| {
            let frozen = freeze_amid_signal(&echo.process, || echo.kill("-USR1"));
            std::mem::forget(frozen);
        });
    });
    assert_eq!(echo.line(), "USR1");
    echo.answers("free");
    assert_eq!(echo.state().1, 0);
}
