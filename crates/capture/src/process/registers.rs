//! What a stopped thread has in its registers, on each processor that running programs can be read on.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use std::io;

use gorphan_goruntime::{GENERAL_REGISTERS, Thread};
use nix::errno::Errno;

#[cfg(target_arch = "aarch64")]
use aarch64 as processor;
#[cfg(target_arch = "x86_64")]
use x86_64 as processor;

use super::Pid;
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::NT_X86_XSTATE;

/// Bytes of one set of registers; the vector registers of the largest processors have some 11,000.
const MAX_BYTES: usize = 64 << 10;

/// Room for a set of registers: one for many threads.
pub(super) struct Room(Vec<u8>);

impl Room {
    pub(super) fn new() -> Self {
        Self(vec![0; MAX_BYTES])
    }
}

/// The registers of a stopped thread, whose own number for itself is `inner`. `None` for one that is gone.
pub(super) fn thread(tid: Pid, inner: u64, room: &mut Room) -> Option<Thread> {
    processor::thread(tid, inner, room)
}

/// One set of the registers of a stopped thread, in the kernel's form: `NT_` numbers say which.
#[allow(unsafe_code)]
pub(super) fn set(tid: Pid, which: usize, room: &mut Room) -> io::Result<&[u8]> {
    let mut vector = libc::iovec {
        iov_base: room.0.as_mut_ptr().cast(),
        iov_len: room.0.len(),
    };
    let which = std::ptr::without_provenance_mut::<libc::c_void>(which);
    // SAFETY: PTRACE_GETREGSET writes at most `iov_len` bytes to `iov_base`, all of them within the room, and how many to
    // `iov_len`; both live on.
    let result = unsafe {
        libc::ptrace(
            libc::PTRACE_GETREGSET,
            tid.cast_signed(),
            which,
            &raw mut vector,
        )
    };
    Errno::result(result)?;
    match room.0.get(..vector.iov_len) {
        // A set that fills the room may be longer.
        Some(bytes) if bytes.len() < MAX_BYTES => Ok(bytes),
        _ => Err(io::Error::other("its registers are not understood")),
    }
}

/// General registers, and zeros for those that other processors have more.
fn general(of: &[u64]) -> [u64; GENERAL_REGISTERS] {
    let mut all = [0; GENERAL_REGISTERS];
    for (slot, register) in all.iter_mut().zip(of) {
        *slot = *register;
    }
    all
}
