//! Registers of arm64.

use gorphan_goruntime::Thread;
use nix::sys::ptrace;

use super::super::freeze::raw;
use super::{Pid, Room, general, set};

/// v0 to v31, with 16 bytes each. Go uses no longer ones.
const NT_PRFPREG: usize = 2;
/// x29 is the frame pointer, x30 the link register.
const FRAME: usize = 29;
const LINK: usize = 30;

pub(super) fn thread(tid: Pid, inner: u64, room: &mut Room) -> Option<Thread> {
    let of = ptrace::getregs(raw(tid)).ok()?;
    let vectors = set(tid, NT_PRFPREG, room).ok()?;
    Some(Thread {
        tid: inner,
        rip: of.pc,
        rsp: of.sp,
        rbp: of.regs[FRAME],
        link: of.regs[LINK],
        registers: general(&of.regs),
        vectors: Thread::addresses_in(vectors),
    })
}
