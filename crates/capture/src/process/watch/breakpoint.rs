//! A breakpoint in a program's memory, and the instruction that stood there.
//!
//! The instruction is never put back while the program runs, because other threads could pass meanwhile; what it does is
//! done for the thread. So only such instructions can have one as are easily done: those that make a frame, and calls.

use std::io;

use gorphan_goruntime::{Address, Memory};
use nix::sys::ptrace;

use crate::process::Pid;
use crate::process::freeze::raw;

/// `int3`.
const TRAP: u8 = 0xcc;

/// A breakpoint that is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Breakpoint {
    address: u64,
    /// The first byte of the instruction.
    first: u8,
    instruction: Instruction,
}

/// What can be done in place of the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instruction {
    /// `push rbp`.
    Push,
    /// `sub rsp, N`, of this many bytes. Its flags are lost: nothing of Go looks at them.
    Lower { by: u64, bytes: u64 },
    /// A call of an address so far behind it.
    Call(u64),
}

impl Instruction {
    fn read(code: [u8; 8]) -> Option<Self> {
        let number = |bytes: [u8; 4]| i64::from(i32::from_le_bytes(bytes)).cast_unsigned();
        Some(match code {
            [0x55, ..] => Self::Push,
            [0x48, 0x83, 0xec, by, ..] => Self::Lower {
                by: i64::from(by.cast_signed()).cast_unsigned(),
                bytes: 4,
            },
            [0x48, 0x81, 0xec, a, b, c, d, _] => Self::Lower {
                by: number([a, b, c, d]),
                bytes: 7,
            },
            [0xe8, a, b, c, d, ..] => Self::Call(number([a, b, c, d])),
            _ => return None,
        })
    }

    /// Registers after it: the instruction pointer and the stack pointer; and what it writes where the latter points.
    fn done(self, at: u64, stack: u64, frame: u64) -> (u64, u64, Option<u64>) {
        match self {
            Self::Push => (at.wrapping_add(1), stack.wrapping_sub(8), Some(frame)),
            Self::Lower { by, bytes } => (at.wrapping_add(bytes), stack.wrapping_sub(by), None),
            Self::Call(far) => {
                let back = at.wrapping_add(5);
                (back.wrapping_add(far), stack.wrapping_sub(8), Some(back))
            }
        }
    }
}

impl Breakpoint {
    /// Sets one in a process that stands.
    pub(super) fn set(pid: Pid, address: u64, memory: &dyn Memory) -> io::Result<Self> {
        let code = read(address, memory)?;
        let instruction = Instruction::read(code).ok_or_else(|| {
            io::Error::other(format!("an instruction that is not known: {code:02x?}"))
        })?;
        let [first, ..] = code;
        write(pid, address, TRAP, memory)?;
        Ok(Self {
            address,
            first,
            instruction,
        })
    }

    /// Where a thread is that was trapped by it.
    pub(super) fn after(&self) -> u64 {
        self.address.wrapping_add(1)
    }

    /// Brings a thread that stands before the instruction behind it; one that stands elsewhere stays there.
    pub(super) fn step(&self, thread: Pid) -> io::Result<()> {
        let mut registers = ptrace::getregs(raw(thread))?;
        if registers.rip != self.address {
            return Ok(());
        }
        let (rip, rsp, word) = self
            .instruction
            .done(registers.rip, registers.rsp, registers.rbp);
        if let Some(word) = word {
            let slot = std::ptr::without_provenance_mut(rsp as usize);
            ptrace::write(raw(thread), slot, word.cast_signed())?;
        }
        (registers.rip, registers.rsp) = (rip, rsp);
        ptrace::setregs(raw(thread), registers)?;
        Ok(())
    }

    /// Puts the instruction back, by a thread that stands as all others do.
    pub(super) fn remove(&self, thread: Pid, memory: &dyn Memory) -> io::Result<()> {
        write(thread, self.address, self.first, memory)
    }
}

fn read(address: u64, memory: &dyn Memory) -> io::Result<[u8; 8]> {
    let mut code = [0; 8];
    let result = memory.read(Address(address), &mut code);
    result.map_err(|_| io::Error::other("its code cannot be read"))?;
    Ok(code)
}

/// Writes one byte. The kernel takes words, also where only reading is allowed.
fn write(thread: Pid, address: u64, byte: u8, memory: &dyn Memory) -> io::Result<()> {
    let mut code = read(address, memory)?;
    let [first, ..] = &mut code;
    *first = byte;
    let place = std::ptr::without_provenance_mut(address as usize);
    ptrace::write(raw(thread), place, i64::from_le_bytes(code))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_done_as_the_processor_does_them() {
        let done = |code: [u8; 8]| Instruction::read(code).map(|it| it.done(0x1000, 0x800, 0x900));
        for (code, expected) in [
            (
                [0x55, 0x48, 0x89, 0xe5, 0, 0, 0, 0],
                Some((0x1001, 0x7f8, Some(0x900))),
            ),
            (
                [0x48, 0x83, 0xec, 0x18, 0, 0, 0, 0],
                Some((0x1004, 0x7e8, None)),
            ),
            // 0x80 is -128 there, which compilers use to save bytes.
            (
                [0x48, 0x83, 0xec, 0x80, 0, 0, 0, 0],
                Some((0x1004, 0x880, None)),
            ),
            (
                [0x48, 0x81, 0xec, 0x88, 0, 0, 0, 0],
                Some((0x1007, 0x778, None)),
            ),
            (
                [0xe8, 0xfb, 0xff, 0xff, 0xff, 0, 0, 0],
                Some((0x1000, 0x7f8, Some(0x1005))),
            ),
            ([0x90, 0, 0, 0, 0, 0, 0, 0], None),
        ] {
            assert_eq!(done(code), expected, "{code:02x?}");
        }
    }
}
