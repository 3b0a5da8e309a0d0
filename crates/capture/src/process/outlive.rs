//! This program while another one does its work: signals that would end it are held, and passed on to the other, which
//! decides. Needs no ptrace.
//!
//! They are held by handlers and not by a mask: a program that is started inherits what is blocked and what is ignored, but
//! no handler.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{self, SaFlags, SigAction, SigHandler, SigSet, Signal};
use rustix::process::{Resource, Rlimit, WaitId, WaitIdOptions, setrlimit, waitid};

/// What a terminal, a shell, a supervisor or an operator ends programs by.
const HELD: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGQUIT,
    Signal::SIGHUP,
];
/// Programs that can be run at the same time.
const MAX_PROGRAMS: usize = 4;

/// The programs that run; 0 is none. A handler can use nothing but such.
static PROGRAMS: [AtomicI32; MAX_PROGRAMS] = [const { AtomicI32::new(0) }; MAX_PROGRAMS];
/// The first signal that was held; 0 is none.
static TAKEN: AtomicI32 = AtomicI32::new(0);

/// While it lives, signals are held. There is one at a time.
#[derive(Debug)]
pub struct Outliving {
    before: Vec<(Signal, SigAction)>,
}

impl Outliving {
    /// Holds signals from now on, but those that are ignored: they stay so, for this program and those it starts.
    pub fn begin() -> Self {
        TAKEN.store(0, Ordering::SeqCst);
        let mut before = Vec::new();
        let own = SigAction::new(
            SigHandler::Handler(pass_on),
            SaFlags::SA_RESTART,
            SigSet::empty(),
        );
        for signal in HELD {
            if let Ok(old) = set_action(signal, &own) {
                if matches!(old.handler(), SigHandler::SigIgn) {
                    // It was changed a moment ago, so it can be changed back.
                    let _ = set_action(signal, &old);
                } else {
                    before.push((signal, old));
                }
            }
        }
        Self { before }
    }

    /// The first signal that was held.
    pub fn taken(&self) -> Option<i32> {
        Some(TAKEN.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    /// Runs a program to its end; signals that this one gets are passed on to it.
    ///
    /// A terminal sends its signals to both. So the program may get one twice, which the go command does not mind.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, command: &mut Command) -> io::Result<ExitStatus> {
        let mut child = command.spawn()?;
        let registered = Registered::new(&child, self.taken().is_some());
        // Its number is free for others once it is waited for, so nothing may be sent to it any more by then.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        if let Ok(pid) = raw_pid(&child) {
            while matches!(
                waitid(WaitId::Pid(pid), ended),
                Err(rustix::io::Errno::INTR)
            ) {}
        }
        drop(registered);
        child.wait()
    }
}

impl Drop for Outliving {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            let _ = set_action(*signal, before);
        }
    }
}

/// A program that signals are passed on to.
struct Registered(Option<&'static AtomicI32>);

impl Registered {
    fn new(child: &Child, late: bool) -> Self {
        let pid = child.id().cast_signed();
        let free = PROGRAMS.iter().find(|place| {
            let taken = place.compare_exchange(0, pid, Ordering::SeqCst, Ordering::SeqCst);
            taken.is_ok()
        });
        // A signal that came before it was there to be told of it.
        let taken = TAKEN.load(Ordering::SeqCst);
        if taken != 0 && !late {
            let _ = signal::kill(
                nix::unistd::Pid::from_raw(pid),
                Signal::try_from(taken).ok(),
            );
        }
        Self(free)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.store(0, Ordering::SeqCst);
        }
    }
}

/// The handler. It runs in the middle of anything, so it uses atomics and system calls alone.
extern "C" fn pass_on(signal: libc::c_int) {
    let errno = Errno::last_raw();
    let _ = TAKEN.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    for place in &PROGRAMS {
        let pid = place.load(Ordering::SeqCst);
        if let (1.., Ok(signal)) = (pid, Signal::try_from(signal)) {
            let _ = signal::kill(nix::unistd::Pid::from_raw(pid), signal);
        }
    }
    Errno::set_raw(errno);
}

/// Ends this program by a signal, as the one that it ran was ended, with no core file of its own. Returns if the signal
/// does not end it.
pub fn end_by(signal: i32) {
    let Ok(signal) = Signal::try_from(signal) else {
        return;
    };
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // Whatever of this fails, the exit status is left to tell.
    let _ = setrlimit(Resource::Core, none);
    let _ = set_action(signal, &default);
    let _ = SigSet::from(signal).thread_unblock();
    let _ = signal::raise(signal);
}

#[allow(unsafe_code)]
fn set_action(signal: Signal, action: &SigAction) -> nix::Result<SigAction> {
    // SAFETY: the actions are the default one, one that was in force before, and `pass_on`, which allocates nothing, takes
    // no lock and leaves errno as it was.
    unsafe { signal::sigaction(signal, action) }
}

fn raw_pid(child: &Child) -> io::Result<rustix::process::Pid> {
    rustix::process::Pid::from_raw(child.id().cast_signed())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}
