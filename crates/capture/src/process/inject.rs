//! System calls that a stopped thread is made to do, so that it never notices: its registers are set to an instruction that
//! calls the system, and set back.
//!
//! The danger is the time between: if this program is killed there, the thread runs on from wherever it stands. It is met by
//! what lies on the stack that the thread is given for the call: after the call it returns into the C library's or the
//! runtime's own end of a signal handler, with a frame there that restores every register, as if a signal had been handled.
//! A process that the call makes has a stack of its own, from which it returns into its end. So whenever the kernel lets the
//! thread go it comes back to where it was, and the other ends.
//!
//! Facts: `struct rt_sigframe` of `arch/x86/include/asm/sigframe.h`, `struct sigcontext_64` and `struct _fpx_sw_bytes` of
//! `arch/x86/include/uapi/asm/sigcontext.h`, restarts of `arch_do_signal_or_restart` in `arch/x86/kernel/signal.c` (Linux 6.1).

use std::io::{self, IoSlice};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use gorphan_goruntime::{Address, Bias, Image, Memory};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};

use super::freeze::raw;
use super::memory::LiveMemory;
use super::{Pid, registers};

/// How long a call may take. Given up earlier it would only go on by itself; copying the page tables of a terabyte takes
/// seconds.
const MAX_CALL: Duration = Duration::from_secs(60);
/// Looks at a thread before the first pause between looks.
const EAGER_LOOKS: u32 = 256;
/// The pause between two looks.
const LOOK_INTERVAL: Duration = Duration::from_micros(50);
/// Stops of other kinds in the course of one call: job control, at most.
const MAX_OTHER_STOPS: u32 = 64;
/// In a stop's status: at a system call. Asked for with `PTRACE_O_TRACESYSGOOD`.
const SYSTEM_CALL_STOP: i32 = libc::SIGTRAP | 0x80;
/// Bytes of `rt_sigframe`, rounded up.
const FRAME_BYTES: u64 = 448;
/// Bytes of the stack of a process that is made.
const CHILD_BYTES: u64 = 64;
/// Bytes of the stack that stay free for a signal that arrives after this program was killed.
const SPARE_BYTES: u64 = 12 << 10;
/// Where the kernel says how many bytes of extended registers there are, in what it saves.
const EXTENDED_MARK: usize = 464;
const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
const FP_XSTATE_MAGIC2: u32 = 0x4650_5845;
/// `UC_FP_XSTATE`, `UC_SIGCONTEXT_SS`, `UC_STRICT_RESTORE_SS`.
const CONTEXT_FLAGS: u64 = 0b111;
const PTRACE_GETSIGMASK: libc::c_uint = 0x420a;
const PTRACE_SETSIGMASK: libc::c_uint = 0x420b;

/// Instructions of the target, by their addresses in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instructions {
    /// Calls the system and returns.
    call: u64,
    /// Ends the process.
    end: u64,
    /// Ends a signal handler.
    back: u64,
}

impl Instructions {
    /// Finds them in the runtime's code: `exit`, and `sigreturn__sigaction` of `runtime/sys_linux_amd64.s`.
    pub(super) fn find(image: &Image, bias: Bias) -> Option<Self> {
        let at = |code: &[u8]| Some(image.code(code)?.0.wrapping_add(bias.0));
        Some(Self {
            call: at(&[0x0f, 0x05, 0xc3])?,
            end: at(&[0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05])?,
            back: at(&[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05])?,
        })
    }
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Called {
    /// What the system returned: a negative number is an error's.
    pub(super) result: i64,
    /// The process that it made, as this program sees it.
    pub(super) child: Option<Pid>,
}

/// How useful a stopped thread is for a call; the least is best. `None`: not at all.
pub(super) fn rank(tid: Pid, memory: &LiveMemory) -> Option<u8> {
    let registers = ptrace::getregs(raw(tid)).ok()?;
    if registers.orig_rax.cast_signed() < 0 {
        return Some(1);
    }
    let mut before = [0; 2];
    let at = Address(registers.rip.checked_sub(2)?);
    memory.read(at, &mut before).ok()?;
    if before != [0x0f, 0x05] {
        return None;
    }
    // Where a sleep goes on after an interruption is only known to the kernel, and forgotten at the end of a signal handler.
    let is_sleep = registers.rax.cast_signed() == -ERESTART_RESTARTBLOCK;
    Some(if is_sleep { 2 } else { 0 })
}

/// Makes a stopped thread call the system. `stack` is unused: that for its signals. The thread is stopped again then, and
/// as it was.
///
/// # Errors
/// The outer one when nothing was done; the inner one when it is not known how far the call came.
pub(super) fn call(
    tid: Pid,
    instructions: &Instructions,
    stack: &Range<u64>,
    memory: &LiveMemory,
    number: i64,
    arguments: [u64; 4],
) -> io::Result<io::Result<Called>> {
    let prepared = prepare(tid, instructions, stack, memory)?;
    prepared.begin(instructions, number, arguments)?;
    let called = set_mask(tid, u64::MAX).and_then(|()| run(tid));
    let back = prepared.end();
    Ok(called.and_then(|called| back.map(|()| called)))
}

/// A stopped thread that has all it takes to find back.
struct Prepared {
    tid: Pid,
    own: Saved,
    frame: Frame,
    /// What was on the stack.
    before: Vec<u8>,
}

/// Puts on the stack of a stopped thread what leads it back.
fn prepare(
    tid: Pid,
    instructions: &Instructions,
    stack: &Range<u64>,
    memory: &LiveMemory,
) -> io::Result<Prepared> {
    let own = Saved::of(tid)?;
    let frame = Frame::new(stack, own.extended.len())
        .ok_or_else(|| io::Error::other("the stack for its signals is too small"))?;
    if stack.contains(&own.registers.rsp) {
        return Err(io::Error::other("it is handling a signal"));
    }
    let bytes = frame.bytes(&own, instructions, stack);
    let mut before = vec![0; bytes.len()];
    memory
        .read(Address(frame.low), &mut before)
        .map_err(io::Error::other)?;
    write(tid, frame.low, &bytes)?;
    Ok(Prepared {
        tid,
        own,
        frame,
        before,
    })
}

impl Prepared {
    /// Sets the registers for a call. From here on what is on the stack is needed if this program dies.
    fn begin(
        &self,
        instructions: &Instructions,
        number: i64,
        arguments: [u64; 4],
    ) -> io::Result<()> {
        let mut registers = self.own.registers;
        registers.rip = instructions.call;
        registers.rsp = self.frame.at;
        registers.rax = number.cast_unsigned();
        // It is in no call that would be begun again.
        registers.orig_rax = u64::MAX;
        [registers.rdi, registers.rsi, registers.rdx, registers.r10] = arguments;
        if number == libc::SYS_clone {
            registers.rsi = self.frame.low;
        }
        (registers.r8, registers.r9) = (0, 0);
        let options = ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_TRACECLONE;
        ptrace::setoptions(raw(self.tid), options)?;
        ptrace::setregs(raw(self.tid), registers)?;
        Ok(())
    }

    /// Sets everything back. In this order: as long as the registers are not back, the frame restores the mask.
    fn end(&self) -> io::Result<()> {
        let mask = set_mask(self.tid, self.own.mask);
        ptrace::setregs(raw(self.tid), self.own.resumed())?;
        // Nobody reads what is left there.
        let _ = write(self.tid, self.frame.low, &self.before);
        ptrace::setoptions(raw(self.tid), ptrace::Options::empty())?;
        mask
    }
}

/// Lets the thread do the call that it stands before, up to the end of the call.
fn run(tid: Pid) -> io::Result<Called> {
    let deadline = Instant::now() + MAX_CALL;
    let mut child = None;
    let mut begun = false;
    let mut others = 0;
    loop {
        ptrace::syscall(raw(tid), None)?;
        let stop = await_stop(tid, deadline)?;
        if stop == SYSTEM_CALL_STOP {
            if begun {
                let registers = ptrace::getregs(raw(tid))?;
                return Ok(Called {
                    result: registers.rax.cast_signed(),
                    child,
                });
            }
            begun = true;
        } else if stop >> 8 == libc::PTRACE_EVENT_CLONE {
            let number = ptrace::getevent(raw(tid))?;
            child = Pid::try_from(number).ok();
        } else {
            // Job control stops it once more when it is let go.
            others += 1;
            if others > MAX_OTHER_STOPS {
                return Err(io::Error::other("it stops again and again"));
            }
        }
    }
}

/// Waits for a thread's next stop, and takes note of it.
pub(super) fn await_stop(tid: Pid, deadline: Instant) -> io::Result<i32> {
    let all = WaitIdOptions::from_bits_retain(libc::__WALL.cast_unsigned());
    let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOHANG | all;
    let id = rustix::process::Pid::from_raw(tid.cast_signed())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut looks = 0;
    loop {
        let news: Option<WaitIdStatus> = waitid(WaitId::Pid(id), options)?;
        if let Some(news) = news {
            let ended = || io::Error::other("it ended");
            return news.trapping_signal().ok_or_else(ended);
        }
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        looks += 1;
        if looks < EAGER_LOOKS {
            thread::yield_now();
        } else {
            thread::sleep(LOOK_INTERVAL);
        }
    }
}

fn write(tid: Pid, at: u64, bytes: &[u8]) -> io::Result<()> {
    let remote = RemoteIoVec {
        base: usize::try_from(at).unwrap_or(usize::MAX),
        len: bytes.len(),
    };
    let written = process_vm_writev(raw(tid), &[IoSlice::new(bytes)], &[remote])?;
    if written == bytes.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Numbers by which the kernel notes that a call is to be begun again.
const ERESTARTSYS: i64 = 512;
const ERESTARTNOINTR: i64 = 513;
const ERESTARTNOHAND: i64 = 514;
const ERESTART_RESTARTBLOCK: i64 = 516;

/// What a thread has and a call could change.
struct Saved {
    registers: libc::user_regs_struct,
    /// Signals that are blocked.
    mask: u64,
    /// Those of the floating point unit, vectors and the like, as the kernel gives them.
    extended: Vec<u8>,
}

impl Saved {
    fn of(tid: Pid) -> io::Result<Self> {
        Ok(Self {
            registers: ptrace::getregs(raw(tid))?,
            mask: mask(tid)?,
            extended: extended(tid)?,
        })
    }

    /// The registers with which it goes on in user mode: a call that was interrupted is begun again, as the kernel would.
    fn resumed(&self) -> libc::user_regs_struct {
        let mut registers = self.registers;
        if registers.orig_rax.cast_signed() >= 0 {
            let again = match -registers.rax.cast_signed() {
                ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND => Some(registers.orig_rax),
                ERESTART_RESTARTBLOCK => Some(libc::SYS_restart_syscall.cast_unsigned()),
                _ => None,
            };
            if let Some(number) = again {
                registers.rax = number;
                registers.rip = registers.rip.wrapping_sub(2);
            }
            registers.orig_rax = u64::MAX;
        }
        registers
    }
}

/// Where what is put on the stack lies.
struct Frame {
    /// The stack of a process that is made, below everything.
    low: u64,
    /// The frame of the signal that never was.
    at: u64,
    /// Extended registers, at a multiple of 64.
    extended: u64,
    end: u64,
}

impl Frame {
    fn new(stack: &Range<u64>, extended_bytes: usize) -> Option<Self> {
        let bytes = u64::try_from(extended_bytes).ok()?.checked_add(4)?;
        let extended = stack.end.checked_sub(bytes)?.checked_sub(64)? & !63;
        let at = extended.checked_sub(FRAME_BYTES)?;
        let low = at.checked_sub(CHILD_BYTES)?;
        let fits = low.checked_sub(SPARE_BYTES)? >= stack.start;
        fits.then_some(Self {
            low,
            at,
            extended,
            end: extended.checked_add(bytes)?,
        })
    }

    /// Everything from [`Frame::low`] on.
    fn bytes(&self, own: &Saved, instructions: &Instructions, stack: &Range<u64>) -> Vec<u8> {
        let mut words = Words {
            low: self.low,
            bytes: vec![0; usize::try_from(self.end - self.low).unwrap_or_default()],
        };
        // What a process that is made returns to.
        words.set(self.low, instructions.end);
        // `pretcode`, then `ucontext`: flags, link, stack.
        words.set(self.at, instructions.back);
        let context = self.at + 8;
        words.set(context, CONTEXT_FLAGS);
        words.set(context + 16, stack.start);
        words.set(context + 32, stack.end - stack.start);
        let of = own.resumed();
        let registers = [
            of.r8, of.r9, of.r10, of.r11, of.r12, of.r13, of.r14, of.r15, of.rdi, of.rsi, of.rbp,
            of.rbx, of.rdx, of.rax, of.rcx, of.rsp, of.rip, of.eflags,
        ];
        let machine = context + 40;
        for (index, register) in (0..).zip(registers) {
            words.set(machine + index * 8, register);
        }
        // Code, two unused, stack segment: 16 bits each.
        words.set(machine + 144, of.cs & 0xffff | (of.ss & 0xffff) << 48);
        words.set(machine + 184, self.extended);
        words.set(machine + 256, own.mask);
        let size = own.extended.len();
        words.copy(self.extended, &own.extended);
        // The kernel's own mark of which there are stays as it is; its size and ends are put around it.
        let size32 = u32::try_from(size).unwrap_or_default();
        let mark = self.extended + EXTENDED_MARK as u64;
        let features = own.extended.get(EXTENDED_MARK..EXTENDED_MARK + 8);
        words.copy(mark, &FP_XSTATE_MAGIC1.to_le_bytes());
        words.copy(mark + 4, &size32.saturating_add(4).to_le_bytes());
        words.copy(mark + 8, features.unwrap_or_default());
        words.copy(mark + 16, &size32.to_le_bytes());
        words.copy(self.extended + size as u64, &FP_XSTATE_MAGIC2.to_le_bytes());
        words.bytes
    }
}

/// Bytes that will lie at an address.
struct Words {
    low: u64,
    bytes: Vec<u8>,
}

impl Words {
    fn set(&mut self, at: u64, word: u64) {
        self.copy(at, &word.to_le_bytes());
    }

    fn copy(&mut self, at: u64, bytes: &[u8]) {
        let from = usize::try_from(at.saturating_sub(self.low)).unwrap_or(usize::MAX);
        let to = from.saturating_add(bytes.len());
        if let Some(slot) = self.bytes.get_mut(from..to) {
            slot.copy_from_slice(bytes);
        }
    }
}

/// The signals that a stopped thread blocks.
#[allow(unsafe_code)]
fn mask(tid: Pid) -> io::Result<u64> {
    let mut mask = 0_u64;
    let size = std::ptr::without_provenance_mut::<libc::c_void>(size_of::<u64>());
    // SAFETY: PTRACE_GETSIGMASK writes as many bytes as the third argument says to the fourth: those of `mask`, which lives on.
    let result = unsafe { libc::ptrace(PTRACE_GETSIGMASK, tid.cast_signed(), size, &raw mut mask) };
    Errno::result(result)?;
    Ok(mask)
}

#[allow(unsafe_code)]
fn set_mask(tid: Pid, mask: u64) -> io::Result<()> {
    let size = std::ptr::without_provenance_mut::<libc::c_void>(size_of::<u64>());
    // SAFETY: PTRACE_SETSIGMASK reads as many bytes as the third argument says from the fourth: those of `mask`.
    let result =
        unsafe { libc::ptrace(PTRACE_SETSIGMASK, tid.cast_signed(), size, &raw const mask) };
    Errno::result(result)?;
    Ok(())
}

/// The extended registers of a stopped thread, in the form in which signal frames have them.
fn extended(tid: Pid) -> io::Result<Vec<u8>> {
    let mut room = registers::Room::new();
    let bytes = registers::set(tid, registers::NT_X86_XSTATE, &mut room)?;
    // The legacy area and the header that says which are in use.
    if bytes.len() < 576 {
        return Err(io::Error::other(
            "its extended registers are not understood",
        ));
    }
    Ok(bytes.to_vec())
}

#[cfg(test)]
mod tests;
