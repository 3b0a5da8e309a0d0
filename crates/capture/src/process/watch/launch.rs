//! Starting a program such that it can be watched, and this program in the place of another.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::ptrace;
use nix::sys::signal::{self, SigSet, Signal};
use nix::unistd;
use rustix::process::{WaitOptions, WaitStatus};

use super::{Ending, Point, Watch, resume};
use crate::process::freeze::raw;
use crate::process::{Pid, ProcessError};

/// Whether the program could be watched.
pub enum Started {
    /// It stands still before its first instruction.
    Watched(Box<Watch>),
    /// It runs without being watched; wait for it with [`wait`].
    Unwatched(Pid, ProcessError),
    /// It has ended before it could run: somebody sent it a signal.
    Ended(Ending),
}

/// Starts a program under watch. `launcher` must be a program that stops itself with SIGSTOP and then becomes the one to
/// watch.
///
/// This program leaves its process group, and the other gets its place there: what a terminal or a shell sends to the group
/// reaches it once, and directly. What is sent to this program alone is passed on.
///
/// # Errors
/// When the launcher cannot be started at all.
pub fn start(launcher: &mut Command, points: &[Point<'_>]) -> io::Result<Started> {
    let group = unistd::getpgrp();
    // The first of a session cannot leave its group; then nobody else is in it who would be sent a signal.
    if group != unistd::getpid() && unistd::setpgid(this(), this()).is_ok() {
        launcher.process_group(group.as_raw());
    }
    // Held back from here on: before the program is there they would end this one and leave it alone.
    let held = signals_to_pass_on();
    held.thread_block()?;
    let pid = launcher.spawn()?.id();
    std::thread::spawn(move || {
        while let Ok(signal) = held.wait() {
            if signal::kill(raw(pid), signal).is_err() {
                break;
            }
        }
    });
    // It has stopped itself, or ended because it could not.
    let stopped = rustix::process::waitpid(Some(raw_pid(pid)?), WaitOptions::UNTRACED)?;
    if let Some(ending) = stopped.and_then(|(_, status)| ending(status)) {
        return Ok(Started::Ended(ending));
    }
    let options = ptrace::Options::PTRACE_O_TRACECLONE
        | ptrace::Options::PTRACE_O_TRACEEXEC
        | ptrace::Options::PTRACE_O_EXITKILL;
    let seized = ptrace::seize(raw(pid), options);
    signal::kill(raw(pid), Signal::SIGCONT)?;
    if let Err(source) = seized {
        let what = "tracing the program that was started";
        let source = source.into();
        return Ok(Started::Unwatched(
            pid,
            ProcessError::System { pid, what, source },
        ));
    }
    if let Some(ending) = until_exec(pid)? {
        return Ok(Started::Ended(ending));
    }
    Ok(match Watch::open(pid, points) {
        Ok(watch) => Started::Watched(Box::new(watch)),
        Err(error) => {
            ptrace::detach(raw(pid), None)?;
            Started::Unwatched(pid, error)
        }
    })
}

/// What `go test` or a user sends to the program that was started, which is meant for the one that it runs.
fn signals_to_pass_on() -> SigSet {
    SigSet::from_iter([
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGQUIT,
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ])
}

/// Whether a program that is started can be watched: starts one that never comes to run.
///
/// # Errors
/// What the system refuses.
pub fn probe(launcher: &mut Command) -> io::Result<()> {
    let mut child = launcher.spawn()?;
    let pid = child.id();
    let stopped = rustix::process::waitpid(Some(raw_pid(pid)?), WaitOptions::UNTRACED)?;
    let traced = match stopped {
        Some((_, status)) if status.stopped() => {
            ptrace::seize(raw(pid), ptrace::Options::PTRACE_O_EXITKILL).map_err(io::Error::from)
        }
        _ => Err(io::Error::other("the program that was started has ended")),
    };
    // It is not needed any more, whatever state it is in.
    let _ = child.kill();
    let _ = child.wait();
    traced
}

/// Waits for the end of a program that [`start`] could not watch.
///
/// # Errors
/// When the system does not know it.
pub fn wait(pid: Pid) -> io::Result<Ending> {
    loop {
        match rustix::process::waitpid(Some(raw_pid(pid)?), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                if let Some(ending) = ending(status) {
                    return Ok(ending);
                }
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Stops this program until whoever started it watches it, then becomes another one. Returns only if that fails.
pub fn stop_and_become(program: &OsStr, arguments: &[OsString]) -> io::Error {
    let stopped = signal::raise(Signal::SIGSTOP);
    // What whoever started this holds back for itself is held back here as well.
    if let Err(error) = stopped.and_then(|()| signals_to_pass_on().thread_unblock()) {
        return error.into();
    }
    Command::new(program).args(arguments).exec()
}

/// Lets the launcher run until it has become the program to watch, or has ended before.
fn until_exec(pid: Pid) -> io::Result<Option<Ending>> {
    loop {
        let Some((_, status)) = rustix::process::waitpid(Some(raw_pid(pid)?), wait_options())?
        else {
            continue;
        };
        if let Some(ending) = ending(status) {
            return Ok(Some(ending));
        }
        let stop = status.as_raw() >> 8;
        if stop >> 8 == libc::PTRACE_EVENT_EXEC {
            return Ok(None);
        }
        let signal = if stop >> 8 == 0 { stop & 0xff } else { 0 };
        resume(libc::PTRACE_CONT, pid, signal)?;
    }
}

pub(super) fn ending(status: WaitStatus) -> Option<Ending> {
    let exited = status.exit_status().map(Ending::Exited);
    exited.or_else(|| status.terminating_signal().map(Ending::Killed))
}

/// Threads are not children in the ordinary sense: `__WALL`.
pub(super) fn wait_options() -> WaitOptions {
    WaitOptions::from_bits_retain(libc::__WALL.cast_unsigned())
}

/// What process groups call the process that asks.
fn this() -> unistd::Pid {
    unistd::Pid::from_raw(0)
}

fn raw_pid(pid: Pid) -> io::Result<rustix::process::Pid> {
    rustix::process::Pid::from_raw(pid.cast_signed())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}
