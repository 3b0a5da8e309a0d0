//! Starting a program such that it can be watched, and this program in the place of another.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::ptrace;
use nix::sys::signal::{self, SigSet, Signal};
use rustix::process::{WaitOptions, WaitStatus};

use super::{Ending, Point, Watch, resume};
use crate::process::freeze::raw;
use crate::process::{Pid, ProcessError};

/// Whether the program could be watched.
pub enum Started {
    /// It stands still before its first instruction.
    Watched(Box<Watch>),
    /// It runs, or has ended, without being watched; wait for it with [`wait`].
    Unwatched(Pid, ProcessError),
}

/// Starts a program under watch. `launcher` must be a program that stops itself with SIGSTOP and then becomes the one to
/// watch.
///
/// # Errors
/// When the launcher cannot be started at all.
pub fn start(launcher: &mut Command, points: &[Point<'_>]) -> io::Result<Started> {
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
    if !stopped.is_some_and(|(_, status)| status.stopped()) {
        let gone = ProcessError::Gone { pid, what: "ended" };
        return Ok(Started::Unwatched(pid, gone));
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
    until_exec(pid)?;
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

/// Ends this program by a signal, as the one that it ran was ended. Returns if the signal does not end it.
pub fn end_by(signal: i32) {
    if let Ok(signal) = Signal::try_from(signal) {
        // One that is ignored or held back leaves the exit status to tell.
        let _ = signal::raise(signal);
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

/// Lets the launcher run until it has become the program to watch.
fn until_exec(pid: Pid) -> io::Result<()> {
    loop {
        let Some((_, status)) = rustix::process::waitpid(Some(raw_pid(pid)?), wait_options())?
        else {
            continue;
        };
        if ending(status).is_some() {
            return Err(io::Error::other("it ended before it ran"));
        }
        let stop = status.as_raw() >> 8;
        if stop >> 8 == libc::PTRACE_EVENT_EXEC {
            return Ok(());
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

fn raw_pid(pid: Pid) -> io::Result<rustix::process::Pid> {
    rustix::process::Pid::from_raw(pid.cast_signed())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}
