//! Registers of 64-bit x86.

use gorphan_goruntime::Thread;
use nix::sys::ptrace;

use super::super::freeze::raw;
use super::{Pid, Room, general, set};

/// Vector registers in whatever form the processor saves them.
pub(in super::super) const NT_X86_XSTATE: usize = 0x202;
/// The first 16 bytes of 16 of them, which every processor has.
const NT_PRFPREG: usize = 2;

pub(super) fn thread(tid: Pid, inner: u64, room: &mut Room) -> Option<Thread> {
    let of = ptrace::getregs(raw(tid)).ok()?;
    let vectors = |which| Some(Thread::addresses_in(set(tid, which, room).ok()?));
    Some(Thread {
        tid: inner,
        rip: of.rip,
        rsp: of.rsp,
        rbp: of.rbp,
        link: 0,
        registers: general(&[
            of.rax, of.rbx, of.rcx, of.rdx, of.rsi, of.rdi, of.rbp, of.rsp, of.r8, of.r9, of.r10,
            of.r11, of.r12, of.r13, of.r14, of.r15,
        ]),
        vectors: [NT_X86_XSTATE, NT_PRFPREG].into_iter().find_map(vectors)?,
    })
}
