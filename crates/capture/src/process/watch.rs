//! A Go program that is started in order to be watched until its end: it stops where asked, and its goroutines are read
//! there.
//!
//! It stops at breakpoints in its memory, as a debugger sets them, and otherwise only at signals and new threads: its system
//! calls are not slowed. Threads are traced from the program's start on, so no permission is needed but that to trace one's
//! own child. If this program dies the kernel ends the other.
//!
//! The kernel ties tracing to one thread: start and use a [`Watch`] on one.

mod breakpoint;
mod launch;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;

use gorphan_goruntime::{
    Address, Depth, Details, Frozen, Limits, Memory, Moment, Question, Runtime, Thread,
};
use gorphan_model::Snapshot;
use nix::errno::Errno;
use nix::sys::ptrace;
use rustix::process::WaitStatus;

use breakpoint::Breakpoint;
pub use launch::{Started, probe, start, stop_and_become, wait};
use launch::{ending, wait_options};

use super::freeze::raw;
use super::live::Opened;
use super::{Pid, ProcessError, registers, runtime_of};

/// In the upper bits of a stop's status: interrupted, or stopped by job control.
const EVENT_STOP: i32 = 128;
/// Bytes of the region whose addresses mark goroutines; none is ever in use, so it costs address space alone.
const MARK_BYTES: u64 = 64 << 20;
/// Bytes of one mark: what the runtime reads as an empty set of labels, a nil map or a slice.
const MARK_SIZE: u64 = 32;

/// Where a watched program is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point<'a> {
    /// Where a function begins, with its arguments still in registers.
    Entry(&'a str),
    /// Where a function calls another: only there can [`Watch::call_before`] put another call.
    Call {
        /// The function.
        within: &'a str,
        /// The one that it calls.
        to: &'a str,
    },
}

/// What a watched program came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A goroutine stands where it was asked for.
    At {
        /// Index of the point in those given to [`start`].
        point: usize,
        /// The thread.
        thread: Pid,
        /// It is there for the second time, after [`Watch::call_before`].
        again: bool,
    },
    /// It became another program; it runs on unwatched.
    Replaced,
    /// It has ended.
    Ended(Ending),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// A watched program. When dropped it runs on unwatched.
pub struct Watch {
    opened: Opened,
    runtime: Runtime,
    pid: Pid,
    threads: BTreeMap<Pid, State>,
    /// `None` where there is no such function.
    points: Vec<Option<Breakpoint>>,
    /// First arguments of functions that a call was put before, by goroutine.
    calls: HashMap<u64, u64>,
    marks: Option<Address>,
    queued: VecDeque<Event>,
    replaced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// To be continued with this signal; 0 is none.
    Stopped(i32),
    /// Stands before the instruction of a point.
    At(usize),
    /// Stopped by job control: told to listen until that ends.
    Suspended,
}

impl Watch {
    /// Reads the executable of a process that stands at its start, and sets the breakpoints.
    fn open(pid: Pid, points: &[Point<'_>]) -> Result<Self, ProcessError> {
        let opened = Opened::open(pid)?;
        let name = format!("process {pid}");
        let runtime = runtime_of(&opened.executable, &name)?;
        let bias = opened.bias.0;
        let failed = |what, source| ProcessError::System { pid, what, source };
        let mut found = Vec::new();
        for point in points {
            let linked = match point {
                Point::Entry(function) => runtime.frame(function),
                Point::Call { within, to } => runtime.call(within, to),
            };
            let address = linked.map(|linked| linked.0.wrapping_add(bias));
            let point = address.map(|address| Breakpoint::set(pid, address, &opened.memory));
            let point = point.transpose();
            found.push(point.map_err(|source| failed("setting breakpoints", source))?);
        }
        let mut watch = Self {
            opened,
            runtime,
            pid,
            threads: BTreeMap::from([(pid, State::Stopped(0))]),
            points: found,
            calls: HashMap::new(),
            marks: None,
            queued: VecDeque::new(),
            replaced: false,
        };
        watch.marks = watch.reserve();
        Ok(watch)
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// As `go1.26.8`.
    pub fn go_version(&self) -> &str {
        self.runtime.image().go_version()
    }

    /// Whether the program has a point.
    pub fn has(&self, point: usize) -> bool {
        self.points.get(point).is_some_and(Option::is_some)
    }

    /// Lets the program run until something happens.
    ///
    /// # Errors
    /// When the system refuses what it granted before.
    pub fn go_on(&mut self) -> io::Result<Event> {
        loop {
            if let Some(event) = self.queued.pop_front() {
                return Ok(event);
            }
            self.resume_all()?;
            let (thread, status) = self.wait()?;
            if let Some(event) = self.note(thread, status)? {
                return Ok(event);
            }
        }
    }

    /// The goroutine on a thread that stands at a point, and the first argument of the function or call there. (The
    /// calling convention of Go on amd64 since 1.17: r14 is the goroutine, rax the first word.)
    ///
    /// # Errors
    /// When the thread does not stand.
    pub fn entry(&self, thread: Pid) -> io::Result<(Address, u64)> {
        let registers = ptrace::getregs(raw(thread))?;
        Ok((Address(registers.r14), registers.rax))
    }

    /// The number of the goroutine whose `runtime.g` is at `g`.
    pub fn goroutine_id(&self, g: Address) -> Option<u64> {
        let mut bytes = [0; 8];
        let field = self.runtime.id_field(g)?;
        self.opened.memory.read(field, &mut bytes).ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    /// A string of the program: its header lies at `address`. `None` where it cannot be read or is longer than `limit`.
    pub fn text(&self, address: u64, limit: usize) -> Option<String> {
        let mut header = [0; 16];
        self.opened
            .memory
            .read(Address(address), &mut header)
            .ok()?;
        let (data, length) = header.split_at(8);
        let data = u64::from_le_bytes(data.try_into().ok()?);
        let length = u64::from_le_bytes(length.try_into().ok()?);
        self.characters(data, length, limit)
    }

    /// The string that is the first argument of the function at whose entry a thread stands: it takes two registers. `None`
    /// as for [`Watch::text`].
    ///
    /// # Errors
    /// When the thread does not stand.
    pub fn text_argument(&self, thread: Pid, limit: usize) -> io::Result<Option<String>> {
        let registers = ptrace::getregs(raw(thread))?;
        Ok(self.characters(registers.rax, registers.rbx, limit))
    }

    fn characters(&self, data: u64, length: u64, limit: usize) -> Option<String> {
        let length = usize::try_from(length).ok()?;
        let mut bytes = vec![0; Some(length).filter(|length| *length <= limit)?];
        self.opened.memory.read(Address(data), &mut bytes).ok()?;
        String::from_utf8(bytes).ok()
    }

    /// Marks the goroutine at `g`, and all that it will start, with a number; [`Watch::mark_of`] finds it again. `false` if
    /// the goroutine has labels of its own, or there are too many marks.
    ///
    /// The mark is where its labels point: goroutines inherit that from who starts them. What lies there is empty, so
    /// nobody sees a label.
    pub fn mark(&self, thread: Pid, g: Address, number: u64) -> io::Result<bool> {
        let Some(field) = self.runtime.labels_field(g) else {
            return Ok(false);
        };
        let mut before = [0; 8];
        if self.opened.memory.read(field, &mut before).is_err() {
            return Ok(false);
        }
        let before = u64::from_le_bytes(before);
        let at = self
            .marks
            .and_then(|base| base.plus(number.checked_mul(MARK_SIZE)?));
        let fits = number < MARK_BYTES / MARK_SIZE;
        match at {
            Some(at) if fits && (before == 0 || self.mark_of(before).is_some()) => {
                let place = std::ptr::without_provenance_mut(field.0 as usize);
                ptrace::write(raw(thread), place, at.0.cast_signed())?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The number that a goroutine was marked with, by where its labels point.
    pub fn mark_of(&self, labels: u64) -> Option<u64> {
        let offset = labels.checked_sub(self.marks?.0)?;
        (offset < MARK_BYTES).then_some(offset / MARK_SIZE)
    }

    /// Makes the goroutine that stands at a call call another function of one argument first; then it is there again.
    ///
    /// At a call nothing but its arguments is in registers, and there is room on the stack for them: the convention has the
    /// caller leave some. The other function returns to the call itself, an address at which the runtime can look through
    /// the stack as at any other.
    ///
    /// # Errors
    /// When the program has no such function, or the system refuses.
    pub fn call_before(&mut self, thread: Pid, function: &str, argument: u64) -> io::Result<()> {
        let Some(linked) = self.runtime.function(function) else {
            let why = format!("the program has no {function}");
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        };
        let mut registers = ptrace::getregs(raw(thread))?;
        let back = registers.rip.cast_signed();
        self.calls.entry(registers.r14).or_insert(registers.rax);
        registers.rsp = registers.rsp.wrapping_sub(8);
        let slot = std::ptr::without_provenance_mut(registers.rsp as usize);
        ptrace::write(raw(thread), slot, back)?;
        registers.rip = linked.0.wrapping_add(self.opened.bias.0);
        registers.rax = argument;
        ptrace::setregs(raw(thread), registers)?;
        Ok(())
    }

    /// How many goroutines there are, counted while the program runs or stands.
    pub fn count(&self) -> Option<u64> {
        self.runtime
            .count(self.opened.bias, &self.opened.memory)
            .ok()
    }

    /// Stops all threads and reads the goroutines, with what can be proven of them if so deep. They go on with the next [`Watch::go_on`].
    ///
    /// # Errors
    /// When they cannot be stopped or read.
    pub fn snapshot(&mut self, depth: Depth) -> Result<(Snapshot, Details), ProcessError> {
        let pid = self.pid;
        self.stop_all().map_err(|source| ProcessError::System {
            pid,
            what: "stopping it",
            source,
        })?;
        let failed = |source| ProcessError::Runtime {
            name: format!("process {pid}"),
            source,
        };
        let frozen = self.copy(depth).map_err(failed)?;
        if depth == Depth::Goroutines {
            return self.runtime.snapshot(&frozen).map_err(failed);
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let question = Question { threads, why: None };
        let answer = self.runtime.prove(&frozen, &question).map_err(failed)?;
        Ok((answer.snapshot, answer.details))
    }

    fn copy(&self, depth: Depth) -> Result<Frozen, gorphan_goruntime::Error> {
        let mut room = registers::Room::new();
        let threads: Vec<Thread> = self
            .threads
            .keys()
            .filter_map(|tid| registers::thread(*tid, u64::from(*tid), &mut room))
            .collect();
        let moment = Moment {
            threads: &threads,
            now_nanos: self.opened.now_nanos(),
            depth,
            limits: Limits::default(),
            may_go_on: &|| true,
        };
        self.runtime
            .copy(self.opened.bias, &self.opened.memory, &moment)
    }

    fn resume_all(&mut self) -> io::Result<()> {
        for (thread, state) in &mut self.threads {
            let signal = match *state {
                State::Stopped(signal) => signal,
                State::At(point) => {
                    if let Some(Some(point)) = self.points.get(point) {
                        // It was killed meanwhile; its end will be told.
                        let _ = point.step(*thread);
                    }
                    0
                }
                State::Running | State::Suspended => continue,
            };
            *state = State::Running;
            resume(libc::PTRACE_CONT, *thread, signal)?;
        }
        Ok(())
    }

    fn stop_all(&mut self) -> io::Result<()> {
        for (thread, state) in &self.threads {
            if *state == State::Running {
                match ptrace::interrupt(raw(*thread)) {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        while self.threads.values().any(|state| *state == State::Running) {
            let (thread, status) = self.wait()?;
            if let Some(event) = self.note(thread, status)? {
                self.queued.push_back(event);
            }
            if !self.threads.contains_key(&self.pid) && self.threads.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<(Pid, WaitStatus)> {
        loop {
            match rustix::process::wait(wait_options()) {
                Ok(Some((pid, status))) => {
                    return Ok((pid.as_raw_nonzero().get().cast_unsigned(), status));
                }
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes note of what a thread came to; an event if it is one to tell.
    fn note(&mut self, thread: Pid, status: WaitStatus) -> io::Result<Option<Event>> {
        if let Some(ending) = ending(status) {
            self.threads.remove(&thread);
            return Ok((thread == self.pid).then_some(Event::Ended(ending)));
        }
        let stop = status.as_raw() >> 8;
        let (event, signal) = (stop >> 8, stop & 0xff);
        let mut state = State::Stopped(0);
        let mut told = None;
        match event {
            0 if signal == libc::SIGTRAP => match self.point_at(thread)? {
                Some((point, again)) => {
                    state = State::At(point);
                    told = Some(Event::At {
                        point,
                        thread,
                        again,
                    });
                }
                None => state = State::Stopped(signal),
            },
            0 => state = State::Stopped(signal),
            EVENT_STOP if is_job_control(signal) => {
                resume(libc::PTRACE_LISTEN, thread, 0)?;
                state = State::Suspended;
            }
            libc::PTRACE_EVENT_EXEC => {
                // All other threads are gone, and so are the breakpoints.
                self.threads.clear();
                self.points.clear();
                self.replaced = true;
                told = Some(Event::Replaced);
            }
            _ => {}
        }
        self.threads.insert(thread, state);
        Ok(told)
    }

    /// The point at which a thread that was trapped stands, and whether it does so for the second time. Then the thread is
    /// as it was before the instruction there.
    fn point_at(&mut self, thread: Pid) -> io::Result<Option<(usize, bool)>> {
        // The kernel's word that it is no signal that somebody sent.
        if ptrace::getsiginfo(raw(thread))?.si_code != libc::SI_KERNEL {
            return Ok(None);
        }
        let mut registers = ptrace::getregs(raw(thread))?;
        let stands = |point: &Option<Breakpoint>| {
            let point = point.as_ref();
            point.is_some_and(|point| point.after() == registers.rip)
        };
        let Some(index) = self.points.iter().position(stands) else {
            return Ok(None);
        };
        registers.rip = registers.rip.wrapping_sub(1);
        let argument = self.calls.remove(&registers.r14);
        if let Some(argument) = argument {
            registers.rax = argument;
        }
        ptrace::setregs(raw(thread), registers)?;
        Ok(Some((index, argument.is_some())))
    }

    /// Reserves the addresses of the marks in the program, by a system call that it makes before its first instruction.
    fn reserve(&self) -> Option<Address> {
        let instruction = self.runtime.image().system_call()?;
        let step = || ptrace::step(raw(self.pid), None).is_ok() && self.wait().is_ok();
        // It still is in the call that made it this program, whose result will be written over a register.
        let before = step().then(|| ptrace::getregs(raw(self.pid)).ok())??;
        let mut call = before;
        call.rip = instruction.0.wrapping_add(self.opened.bias.0);
        call.rax = u64::try_from(libc::SYS_mmap).ok()?;
        call.orig_rax = u64::MAX;
        call.rdi = 0;
        call.rsi = MARK_BYTES;
        call.rdx = u64::try_from(libc::PROT_READ).ok()?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        call.r10 = u64::try_from(flags).ok()?;
        call.r8 = u64::MAX;
        call.r9 = 0;
        ptrace::setregs(raw(self.pid), call).ok()?;
        let stepped = step();
        let result = ptrace::getregs(raw(self.pid)).ok()?.rax;
        ptrace::setregs(raw(self.pid), before).ok()?;
        // The last page of addresses are the errors.
        let failed = !stepped || result == 0 || result > u64::MAX - 4095;
        (!failed).then_some(Address(result))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Its end was seen, or whoever gave up on it wants it to go on. The kernel ends what is still traced by then.
        if self.stop_all().is_ok() {
            let any = self.threads.keys().next().copied();
            for point in self.points.iter().flatten() {
                if let Some(thread) = any {
                    let _ = point.remove(thread, &self.opened.memory);
                }
            }
            for (thread, state) in &self.threads {
                let signal = match *state {
                    State::Stopped(signal) => signal,
                    State::At(_) => 0,
                    State::Running | State::Suspended => continue,
                };
                let _ = resume(libc::PTRACE_DETACH, *thread, signal);
            }
        }
    }
}

fn is_job_control(signal: i32) -> bool {
    [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal)
}

/// Continues a stopped thread in one of ptrace's ways, with the signal that it was about to take. The wrappers know no
/// real-time signals, which the C library uses itself.
#[allow(unsafe_code)]
fn resume(request: libc::c_uint, tid: Pid, signal: i32) -> io::Result<()> {
    let data = std::ptr::without_provenance_mut::<libc::c_void>(signal.unsigned_abs() as usize);
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: CONT, LISTEN and DETACH take both words as numbers and follow no pointer; a thread that is not ours is refused.
    let result = unsafe { libc::ptrace(request, tid.cast_signed(), nothing, data) };
    match Errno::result(result) {
        // It was killed meanwhile; its end will be told.
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
