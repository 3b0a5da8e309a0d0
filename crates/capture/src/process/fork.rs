//! A twin of a process: the kernel copies its page tables, and both share their pages until one writes. The twin never runs
//! an instruction. It is read while the process runs on, and then ended.
//!
//! It shares the process's open files, not copies of them, so that what the process closes is closed. It tells nobody of its
//! end: no signal is sent, and the process itself is made to take note of it, so that no entry stays in the list of processes.

use std::ops::Range;
use std::time::{Duration, Instant};

use gorphan_goruntime::Runtime;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};

use super::Pid;
use super::freeze::{Frozen, freeze, raw};
use super::inject::{self, Instructions};
use super::live::Opened;
use super::memory::LiveMemory;
use super::procfs::Process;

/// Twins that are cleared away at once: those of runs that were killed.
const MAX_LEFT: u32 = 1 << 12;
/// How long the end of a twin may take: the kernel gives back its memory first.
const MAX_END: Duration = Duration::from_secs(60);

/// What it takes to make a twin, found while the process runs.
pub(super) struct Plan {
    instructions: Instructions,
    /// Stacks for signals by the threads' own numbers.
    stacks: Vec<(u64, Range<u64>)>,
}

/// A stopped twin. Dropping it ends it.
pub(super) struct Twin {
    _end: EndOnDrop,
    pub(super) memory: LiveMemory,
}

struct EndOnDrop(Pid);

impl Plan {
    /// Says what stands against it, where something does.
    pub(super) fn make(opened: &Opened, runtime: &Runtime) -> Result<Self, &'static str> {
        let status = opened.process.status().map_err(|_| "it has ended")?;
        if status.seccomp != 0 {
            // A filter may answer the call with the process's end.
            return Err("it runs under a seccomp filter");
        }
        let instructions = Instructions::find(runtime.image(), opened.bias)
            .ok_or("the instructions for it were not found in its executable")?;
        let stacks = runtime.signal_stacks(opened.bias, &opened.memory);
        if stacks.is_empty() {
            return Err("its threads' stacks for signals are not known");
        }
        Ok(Self {
            instructions,
            stacks,
        })
    }

    /// The threads that can make a call, the best first.
    fn candidates(&self, stopped: &Frozen, memory: &LiveMemory) -> Vec<(Pid, Range<u64>)> {
        let mut ranked = Vec::new();
        for (tid, inner) in stopped.quiet() {
            let stack = self.stacks.iter().find(|(known, _)| *known == inner);
            let Some((_, stack)) = stack else {
                continue;
            };
            let Some(rank) = inject::rank(tid, memory) else {
                continue;
            };
            ranked.push((rank, tid, stack.clone()));
            if rank == 0 {
                break;
            }
        }
        ranked.sort_by_key(|(rank, ..)| *rank);
        let threads = ranked.into_iter().map(|(_, tid, stack)| (tid, stack));
        threads.collect()
    }

    fn call(
        &self,
        stopped: &Frozen,
        memory: &LiveMemory,
        number: i64,
        arguments: [u64; 4],
    ) -> Result<inject::Called, String> {
        let mut why = "no thread of it can be made to call the system now".to_owned();
        for (tid, stack) in self.candidates(stopped, memory) {
            match inject::call(tid, &self.instructions, &stack, memory, number, arguments) {
                // Once it was tried it is not known how far it came.
                Ok(tried) => return tried.map_err(|error| error.to_string()),
                Err(error) => why = error.to_string(),
            }
        }
        Err(why)
    }

    /// Makes a twin of a stopped process.
    pub(super) fn twin(&self, stopped: &Frozen, memory: &LiveMemory) -> Result<Twin, String> {
        // Its end sends no signal; open files are shared.
        let flags = u64::from(libc::CLONE_FILES.cast_unsigned());
        let called = self.call(stopped, memory, libc::SYS_clone, [flags, 0, 0, 0])?;
        let Some(pid) = called.child.filter(|_| called.result > 0) else {
            let error = i32::try_from(-called.result).unwrap_or_default();
            let error = std::io::Error::from_raw_os_error(error);
            return Err(format!("the system refused it: {error}"));
        };
        let end = EndOnDrop(pid);
        let failed = |error: &dyn std::fmt::Display| format!("its twin cannot be read: {error}");
        inject::await_stop(pid, Instant::now() + MAX_END).map_err(|error| failed(&error))?;
        // From here on it ends with this program, whatever ends that. Before, it would have ended by itself.
        ptrace::setoptions(raw(pid), ptrace::Options::PTRACE_O_EXITKILL)
            .map_err(|error| failed(&error))?;
        let file = Process::find(pid).and_then(|twin| twin.open_memory());
        Ok(Twin {
            _end: end,
            memory: LiveMemory::new(pid, file.map_err(|error| failed(&error))?),
        })
    }

    /// Ends a twin, and has the process take note of it, which stops it once more for a moment: how long. The twins of
    /// runs that were killed are cleared away as well.
    pub(super) fn end(
        &self,
        twin: Twin,
        process: &Process,
        memory: &LiveMemory,
        deadline: Instant,
    ) -> Result<Duration, String> {
        drop(twin);
        let stopped = freeze(process, deadline).map_err(|_| "it could not be stopped again")?;
        let options = (libc::__WCLONE | libc::WNOHANG).cast_unsigned();
        let arguments = [u64::MAX, 0, options.into(), 0];
        let mut ended = 0;
        while ended < MAX_LEFT {
            let called = self.call(&stopped, memory, libc::SYS_wait4, arguments)?;
            if called.result <= 0 {
                break;
            }
            ended += 1;
        }
        let pause = stopped.thaw();
        match ended {
            0 => Err("the process did not take note of its end".to_owned()),
            _ => Ok(pause),
        }
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        if kill(raw(self.0), Signal::SIGKILL).is_ok() {
            // That it has ended is told to who traces it first; then to who made it.
            let deadline = Instant::now() + MAX_END;
            while inject::await_stop(self.0, deadline).is_ok() {}
        }
    }
}
