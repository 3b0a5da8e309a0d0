//! Stopping every thread of a process for a moment, and letting all of them go again whatever happens.
//!
//! Threads are seized, not attached to: no signal is sent, and if this program dies the kernel lets them run on. A thread
//! that is stopped by job control stays so. A signal that arrives just then is delivered when the thread is let go; until
//! then it is only looked at and not taken (`WNOWAIT`), because the kernel drops a taken one if its taker dies.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use gorphan_goruntime::Thread;
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};

use super::procfs::Process;
use super::{Pid, registers};

/// Looks at a thread before the first pause between looks: most stop within microseconds.
const EAGER_LOOKS: u32 = 64;
/// The pause between two looks at a thread that has not stopped.
const LOOK_INTERVAL: Duration = Duration::from_micros(50);
/// Listings of the threads until none is new. A thread that is not stopped can start others, one per listing at worst.
const MAX_LISTINGS: u32 = 1000;
/// How long to wait at the end for threads that had not stopped yet, or are ending.
const LAST_PATIENCE: Duration = Duration::from_millis(100);
/// In the upper bits of a stop's status: interrupted, or stopped by job control.
const EVENT_STOP: i32 = 128;

/// Why not all threads were stopped. Those that were are let go again.
#[derive(Debug)]
pub(super) enum FreezeError {
    /// The kernel forbids it.
    Denied,
    /// It ended.
    Gone,
    /// A thread did not stop in time.
    OutOfTime,
    /// Anything else.
    System(io::Error),
}

/// A thread that is traced.
struct Tracee {
    tid: Pid,
    /// Its number in the target's own PID namespace.
    inner: u64,
    /// The signal that it was about to take when it stopped; 0 is none.
    signal: i32,
    stopped: bool,
}

/// A process all of whose threads are stopped. Dropping it lets them go.
///
/// The kernel ties tracing to the thread that began it: make, use and drop this on one thread, which ends soon after.
pub(super) struct Frozen {
    process: Process,
    tracees: Vec<Tracee>,
    since: Instant,
    /// The threads with their registers.
    pub(super) threads: Vec<Thread>,
}

/// Holds back Ctrl-Z and its like from this thread and those that it starts: stopped itself, this program could not let
/// the target go. Such a signal stops all threads, so none may be left that takes it.
pub(super) struct JobControl {
    before: Option<SigSet>,
}

impl JobControl {
    pub(super) fn hold_back() -> Self {
        let stops = SigSet::from_iter([Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU]);
        Self {
            before: stops.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok(),
        }
    }
}

impl Drop for JobControl {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // The mask that was in force a moment ago is a valid one.
            let _ = before.thread_set_mask();
        }
    }
}

/// Stops all threads of a process, at the latest at `deadline`.
pub(super) fn freeze(process: &Process, deadline: Instant) -> Result<Frozen, FreezeError> {
    let mut frozen = Frozen {
        process: process.clone(),
        tracees: Vec::new(),
        since: Instant::now(),
        threads: Vec::new(),
    };
    for _ in 0..MAX_LISTINGS {
        let listed = process.threads().map_err(|_| FreezeError::Gone)?;
        let new: Vec<Pid> = listed
            .into_iter()
            .filter(|tid| !frozen.tracees.iter().any(|tracee| tracee.tid == *tid))
            .collect();
        let before = frozen.tracees.len();
        for tid in &new {
            frozen.seize(process, *tid)?;
        }
        if frozen.tracees.len() == before {
            break;
        }
        for index in before..frozen.tracees.len() {
            frozen.await_stop(index, deadline)?;
        }
    }
    if frozen.tracees.iter().all(|tracee| !tracee.stopped) || !process.is_same() {
        return Err(FreezeError::Gone);
    }
    frozen.read_registers(process);
    Ok(frozen)
}

impl Frozen {
    /// Lets all threads go and says how long they were stopped.
    pub(super) fn thaw(mut self) -> Duration {
        self.release();
        self.since.elapsed()
    }

    /// The stopped threads that are not about to take a signal: their numbers here, and in the target's own PID namespace.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn quiet(&self) -> impl Iterator<Item = (Pid, u64)> {
        let quiet = self.tracees.iter();
        let quiet = quiet.filter(|one| one.stopped && one.signal == 0 && one.inner != 0);
        quiet.map(|one| (one.tid, one.inner))
    }

    fn seize(&mut self, process: &Process, tid: Pid) -> Result<(), FreezeError> {
        match ptrace::seize(raw(tid), ptrace::Options::empty()) {
            Ok(()) => {}
            // It ended between the listing and now.
            Err(Errno::ESRCH) => return Ok(()),
            Err(Errno::EPERM) => {
                // The kernel says this of ended threads too, such as a first thread that left before the others.
                return if has_ended(process, tid) {
                    Ok(())
                } else {
                    Err(FreezeError::Denied)
                };
            }
            Err(error) => return Err(FreezeError::System(error.into())),
        }
        self.tracees.push(Tracee {
            tid,
            inner: 0,
            signal: 0,
            stopped: false,
        });
        match ptrace::interrupt(raw(tid)) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(FreezeError::System(error.into())),
        }
    }

    /// Waits until a thread stands still or has ended.
    fn await_stop(&mut self, index: usize, deadline: Instant) -> Result<(), FreezeError> {
        let Some(tracee) = self.tracees.get_mut(index) else {
            return Ok(());
        };
        let mut looks = 0;
        loop {
            match look(tracee.tid) {
                Ok(Some(status)) => {
                    tracee.note(&status);
                    return Ok(());
                }
                // The end of a first thread is not told before that of all others.
                Ok(None) if looks >= EAGER_LOOKS && has_ended(&self.process, tracee.tid) => {
                    return Ok(());
                }
                Ok(None) => {}
                Err(rustix::io::Errno::CHILD) => return Ok(()),
                Err(error) => return Err(FreezeError::System(error.into())),
            }
            if Instant::now() >= deadline {
                return Err(FreezeError::OutOfTime);
            }
            looks += 1;
            if looks < EAGER_LOOKS {
                thread::yield_now();
            } else {
                thread::sleep(LOOK_INTERVAL);
            }
        }
    }

    /// A thread that was killed meanwhile has none.
    fn read_registers(&mut self, process: &Process) {
        let nested = process
            .status()
            .is_ok_and(|status| status.ns_pids.len() > 1);
        let mut room = registers::Room::new();
        for tracee in self.tracees.iter_mut().filter(|tracee| tracee.stopped) {
            let inner = |status: super::procfs::Status| status.ns_pids.last().copied();
            let tid = if nested {
                let status = process.thread_status(tracee.tid).ok();
                status.and_then(inner).unwrap_or(tracee.tid)
            } else {
                tracee.tid
            };
            if let Some(thread) = registers::thread(tracee.tid, u64::from(tid), &mut room) {
                tracee.inner = thread.tid;
                self.threads.push(thread);
            }
        }
    }

    fn release(&mut self) {
        let mut left = Vec::new();
        for tracee in std::mem::take(&mut self.tracees) {
            if let Err(Errno::ESRCH) = detach(tracee.tid, tracee.signal) {
                left.push(tracee);
            }
        }
        let deadline = Instant::now() + LAST_PATIENCE;
        while !left.is_empty() && Instant::now() < deadline {
            left.retain_mut(|tracee| !tracee.let_go() && !has_ended(&self.process, tracee.tid));
            thread::yield_now();
        }
        // Whoever has still neither stopped nor ended is let go by the kernel when this thread ends.
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.release();
    }
}

impl Tracee {
    fn note(&mut self, status: &WaitIdStatus) {
        let Some(stop) = status.trapping_signal() else {
            return;
        };
        self.stopped = true;
        let (event, signal) = (stop >> 8, stop & 0xff);
        if event == 0 {
            self.signal = signal;
        }
        debug_assert!(
            event == 0 || event == EVENT_STOP,
            "no other event was asked for"
        );
    }

    /// Tries once more with a thread that had not stopped, or is ending.
    fn let_go(&mut self) -> bool {
        match look(self.tid) {
            Ok(Some(status)) if status.trapping_signal().is_some() => {
                self.note(&status);
                detach(self.tid, self.signal).is_ok()
            }
            Ok(None) => false,
            // It has ended. Its parent gets to know when this thread ends; taking the news here could keep it from there.
            Ok(Some(_)) | Err(_) => true,
        }
    }
}

/// Whether a thread is past its end, waited for or not.
fn has_ended(process: &Process, tid: Pid) -> bool {
    let state = process.thread_status(tid).map(|status| status.state);
    matches!(state, Ok('Z' | 'X') | Err(_))
}

/// Whether a traced thread has stopped or ended; does not block, and does not take the news.
fn look(tid: Pid) -> rustix::io::Result<Option<WaitIdStatus>> {
    // `__WALL`, which waitid takes as well: threads are not children in the ordinary sense.
    let all = WaitIdOptions::from_bits_retain(libc::__WALL as u32);
    let options = WaitIdOptions::STOPPED
        | WaitIdOptions::EXITED
        | WaitIdOptions::NOHANG
        | WaitIdOptions::NOWAIT
        | all;
    match rustix::process::Pid::from_raw(tid.cast_signed()) {
        Some(pid) => waitid(WaitId::Pid(pid), options),
        None => Err(rustix::io::Errno::CHILD),
    }
}

pub(super) fn raw(tid: Pid) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(tid.cast_signed())
}

/// Lets a stopped thread go, with the signal that it was about to take. The wrappers know no real-time signals, which the
/// C library uses itself.
#[allow(unsafe_code)]
fn detach(tid: Pid, signal: i32) -> nix::Result<()> {
    let data = std::ptr::without_provenance_mut::<libc::c_void>(signal.unsigned_abs() as usize);
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_DETACH takes both words as numbers and follows no pointer; a thread that is not ours is refused.
    let result = unsafe { libc::ptrace(libc::PTRACE_DETACH, tid.cast_signed(), nothing, data) };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests;
