//! A running process: stopped, copied, let go; and only then understood.

use std::io;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use gorphan_goruntime::{Bias, Frozen, Leaks, Limits, Moment, Room, Runtime};
use gorphan_model::Problem;
use gorphan_model::query::Filter;
use rustix::time::{ClockId, clock_gettime};

use super::fork::Plan;
use super::freeze::{FreezeError, JobControl, freeze};
use super::memory::LiveMemory;
use super::permission;
use super::procfs::{Process, Status};
use super::{
    Asked, Capture, Info, Method, Pid, ProcessError, ProcessOptions, elf, finish, question, room,
    runtime_with, save,
};

/// Stops a process, copies what matters, lets it go, and makes a snapshot of the copy.
pub(super) fn capture(
    pid: Pid,
    options: &ProcessOptions,
    filter: &Filter,
) -> Result<Capture, ProcessError> {
    let opened = Opened::open(pid)?;
    let name = format!("process {pid}");
    let runtime = runtime_with(&opened.executable, &name, options.layout_from.as_deref())?;
    let before = if options.confirm && options.proof {
        Some(first_look(&opened, &runtime, options)?)
    } else {
        None
    };
    let mut copy = opened.copy(&runtime, options)?;
    if let Some((_, pause)) = &before {
        copy.pause += *pause;
    }
    let info = Info {
        kind: "process",
        name: pid.to_string(),
        taken_at_unix_nanos: Some(copy.taken_at_unix_nanos),
        pause: Some(copy.pause),
        method: Some(copy.method.as_str()),
    };
    save(&info, options, &opened.executable, &copy.frozen, true)?;
    let bytes = copy.frozen.copied_bytes();
    let asked = Asked {
        options,
        filter,
        before: before.as_ref().map(|(leaks, _)| leaks),
    };
    finish(
        info,
        &runtime,
        &copy.frozen,
        bytes,
        asked,
        true,
        copy.problems,
    )
}

/// What is leaked now, and how long the process was stopped to see it.
fn first_look(
    opened: &Opened,
    runtime: &Runtime,
    options: &ProcessOptions,
) -> Result<(Leaks, Duration), ProcessError> {
    let copy = opened.copy(runtime, options)?;
    let answer = runtime.prove(&copy.frozen, &question(None));
    let answer = answer.map_err(|source| ProcessError::Runtime {
        name: format!("process {}", opened.process.pid),
        source,
    })?;
    Ok((answer.leaks, copy.pause))
}

/// A process that may be read, with all that is opened beforehand.
pub(super) struct Opened {
    pub(super) process: Process,
    pub(super) executable: std::fs::File,
    pub(super) memory: LiveMemory,
    pub(super) bias: Bias,
}

/// What was copied.
struct Copy {
    frozen: Frozen,
    pause: Duration,
    method: Method,
    problems: Vec<Problem>,
    taken_at_unix_nanos: i64,
}

impl Opened {
    /// Asks for everything that needs permission, before anything is stopped.
    pub(super) fn open(pid: Pid) -> Result<Self, ProcessError> {
        let failed = |what: &'static str| move |source| ProcessError::System { pid, what, source };
        let process = Process::find(pid).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ProcessError::NoSuch { pid },
            _ => failed("finding it")(error),
        })?;
        let status = process.status().map_err(|_| gone(pid))?;
        permission::check(&process, &status).map_err(|why| denied(pid, &why))?;
        let refused = |what: &'static str| {
            let (process, status) = (&process, &status);
            move |error: io::Error| refusal(process, status, what, error)
        };
        let executable = process
            .open_executable()
            .map_err(refused("opening its executable"))?;
        let file = process
            .open_memory()
            .map_err(refused("opening its memory"))?;
        let entry = process
            .entry()
            .map_err(refused("reading where it starts"))?;
        let bias = bias(&executable, entry).map_err(failed("reading its executable"))?;
        Ok(Self {
            memory: LiveMemory::new(pid, file),
            process,
            executable,
            bias,
        })
    }

    /// Room for what will be copied, as far as that can be told of a process that runs, with what can be copied of it already.
    fn room(&self, runtime: &Runtime, options: &ProcessOptions) -> (Room, Option<room::Kept>) {
        let moment = Moment {
            threads: &[],
            now_nanos: 0,
            depth: options.depth(),
            limits: Limits::default(),
            may_go_on: &|| true,
        };
        // A list that changes while it is read may seem damaged; it is read again when the process stands still.
        let measured = runtime.measure(self.bias, &self.memory, &moment);
        let Ok(measured) = measured else {
            return (Room::default(), None);
        };
        let (room, kept) = room::prepare(measured);
        let room = runtime.copy_ahead(self.bias, &self.memory, &moment, room);
        (room, kept)
    }

    /// Stops and copies on a thread of its own: when that ends, however it ends, the kernel lets go of what it traces.
    fn copy(&self, runtime: &Runtime, options: &ProcessOptions) -> Result<Copy, ProcessError> {
        let mut problems = Vec::new();
        let plan = match options.method {
            Method::Copy => None,
            Method::Snapshot => match Plan::make(self, runtime) {
                Ok(plan) => Some(plan),
                Err(why) => {
                    problems.push(no_twin(why));
                    None
                }
            },
        };
        // The threads that are started from here inherit it.
        let _job_control = JobControl::hold_back();
        thread::scope(|scope| {
            let tracer = scope.spawn(|| self.copy_here(runtime, options, plan, problems));
            tracer.join().unwrap_or_else(|_| {
                Err(ProcessError::System {
                    pid: self.process.pid,
                    what: "copying its memory",
                    source: io::Error::other("the copying thread failed"),
                })
            })
        })
    }

    fn copy_here(
        &self,
        runtime: &Runtime,
        options: &ProcessOptions,
        plan: Option<Plan>,
        mut problems: Vec<Problem>,
    ) -> Result<Copy, ProcessError> {
        // A twin is read at leisure. Measured by the thread that copies: what it allocates then is in memory already.
        let (room, _kept) = match plan {
            Some(_) => (Room::default(), None),
            None => self.room(runtime, options),
        };
        let budget = options.pause_budget;
        let pid = self.process.pid;
        let since = Instant::now();
        // Past the end of the clock is as good as none.
        let deadline = since.checked_add(budget).unwrap_or(since + YEAR);
        let mut stopped = freeze(&self.process, deadline).map_err(|error| match error {
            FreezeError::Denied => {
                let status = self.process.status().unwrap_or_default();
                denied(pid, &permission::explain(&status))
            }
            FreezeError::Gone => gone(pid),
            FreezeError::OutOfTime => ProcessError::PauseBudget {
                pid,
                paused: since.elapsed(),
                budget,
                done: "not all of its threads had stopped".into(),
            },
            FreezeError::System(source) => ProcessError::System {
                pid,
                what: "stopping it",
                source,
            },
        })?;
        match self.process.runs(&self.executable) {
            Some(true) => {}
            Some(false) => {
                return Err(ProcessError::Gone {
                    pid,
                    what: "began another program",
                });
            }
            None => return Err(gone(pid)),
        }
        let taken_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let threads = std::mem::take(&mut stopped.threads);
        let now_nanos = self.now_nanos();
        let moment = |may_go_on| Moment {
            threads: &threads,
            now_nanos,
            depth: options.depth(),
            limits: Limits::default(),
            may_go_on,
        };
        let twin = plan.and_then(|plan| match plan.twin(&stopped, &self.memory) {
            Ok(twin) => Some((plan, twin)),
            Err(why) => {
                problems.push(no_twin(&why));
                None
            }
        });
        let in_time = || Instant::now() < deadline;
        let (copied, alive, pause, method) = match twin {
            None => {
                let moment = moment(&in_time);
                let copied = runtime.copy_into(self.bias, &self.memory, &moment, room);
                let alive = self.process.is_same();
                (copied, alive, stopped.thaw(), Method::Copy)
            }
            Some((plan, twin)) => {
                let mut pause = stopped.thaw();
                let moment = moment(&|| true);
                let copied = runtime.copy_into(self.bias, &twin.memory, &moment, room);
                let again = Instant::now();
                let again = again.checked_add(budget).unwrap_or(again + YEAR);
                match plan.end(twin, &self.process, &self.memory, again) {
                    Ok(more) => pause += more,
                    Err(why) => problems.push(Problem::new(format!(
                        "an entry of the twin that was made for --snapshot stays among the processes until process {pid} \
                         ends: {why}"
                    ))),
                }
                (copied, true, pause, Method::Snapshot)
            }
        };
        let frozen = copied.map_err(|source| match source {
            gorphan_goruntime::Error::OutOfTime { copied_bytes } => ProcessError::PauseBudget {
                pid,
                paused: pause,
                budget,
                done: format!("{copied_bytes} bytes were copied"),
            },
            _ if !alive || !self.has_memory() => gone(pid),
            source => ProcessError::Runtime {
                name: format!("process {pid}"),
                source,
            },
        })?;
        Ok(Copy {
            frozen,
            pause,
            method,
            problems,
            taken_at_unix_nanos: taken_at
                .ok()
                .and_then(|since| i64::try_from(since.as_nanos()).ok())
                .unwrap_or_default(),
        })
    }

    /// A process that is ending loses its memory before its number.
    fn has_memory(&self) -> bool {
        let state = self.process.status().map(|status| status.state);
        !matches!(state, Ok('Z' | 'X') | Err(_)) && self.process.entry().is_ok()
    }

    /// `CLOCK_MONOTONIC` as the target sees it.
    pub(super) fn now_nanos(&self) -> u64 {
        let now = clock_gettime(ClockId::Monotonic);
        let ours = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
        let own_offset = Process::own().map_or(0, |own| own.monotonic_offset_nanos());
        let theirs = ours - own_offset + self.process.monotonic_offset_nanos();
        u64::try_from(theirs).unwrap_or_default()
    }
}

/// What stands for no limit.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What was added to the executable's addresses: its entry as it is, less its entry as it was linked.
pub(super) fn bias(executable: &std::fs::File, entry: u64) -> io::Result<Bias> {
    let header = elf::header(executable)?;
    Ok(Bias(match header {
        Some(header) if header.kind != elf::ET_EXEC => entry.wrapping_sub(header.entry),
        // What is no ELF file is refused by whoever reads it.
        _ => 0,
    }))
}

/// Says that the memory was copied although a snapshot was asked for.
fn no_twin(why: &str) -> Problem {
    Problem::new(format!(
        "--snapshot: {why}; its memory was copied while it stood still instead"
    ))
}

fn gone(pid: Pid) -> ProcessError {
    ProcessError::Gone { pid, what: "ended" }
}

fn denied(pid: Pid, why: &permission::Denied) -> ProcessError {
    ProcessError::Denied {
        pid,
        why: why.to_string(),
        advice: why.advice(),
    }
}

/// What it means that a file of the process cannot be opened or read.
fn refusal(
    process: &Process,
    status: &Status,
    what: &'static str,
    error: io::Error,
) -> ProcessError {
    let pid = process.pid;
    match error.kind() {
        io::ErrorKind::PermissionDenied => denied(pid, &permission::explain(status)),
        _ if !process.is_same() => gone(pid),
        io::ErrorKind::NotFound if status.is_of_kernel(pid) => ProcessError::NoProgram {
            pid,
            why: "it is a thread of the kernel",
        },
        // Its memory goes first, then its name; its number stays until its parent asks how it ended.
        _ if matches!(status.state, 'Z' | 'X') || error.kind() == io::ErrorKind::NotFound => {
            ProcessError::NoProgram {
                pid,
                why: "it has ended, or is about to",
            }
        }
        _ => ProcessError::System {
            pid,
            what,
            source: error,
        },
    }
}
