//! Core files. What a core leaves out because the executable has it (code and constants) is read from there; what neither
//! has is unreadable and never taken for zero.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use gorphan_goruntime::{Address, GENERAL_REGISTERS, Memory, Thread, Unreadable};

use super::elf::{self, Fields, PF_W, PT_LOAD, PT_NOTE, Segment, entry_of};

/// Bytes of notes: a thread has some 4 KiB with its vector registers, so this is for 100,000 threads.
const MAX_NOTE_BYTES: u64 = 512 << 20;
/// A thread's number and registers.
const NT_PRSTATUS: u32 = 1;
/// The vector registers of the thread before: on arm64 all that Go uses, on amd64 the first 16 bytes of 16.
const NT_PRFPREG: u32 = 2;
/// On amd64 all of them, in whatever form the processor saves them.
const NT_X86_XSTATE: u32 = 0x202;
/// The auxiliary vector.
const NT_AUXV: u32 = 6;
/// The files that were mapped.
const NT_FILE: u32 = 0x4649_4c45;
/// Offsets in the content of `NT_PRSTATUS`: the number, and the registers.
const PRSTATUS_PID: usize = 32;
const PRSTATUS_REGISTERS: usize = 112;

/// Which of the registers of `NT_PRSTATUS`, in words, are which.
struct Registers {
    /// Bytes of the whole note.
    bytes: usize,
    instruction: usize,
    stack: usize,
    frame: usize,
    link: Option<usize>,
    /// Those that may hold a pointer.
    general: &'static [usize],
}

/// The order of `user_regs_struct` of x86: r15 to r8, rax, rcx, rdx, rsi, rdi among them; then rsp. Between lie the interrupted
/// call's number, rip, cs and flags.
const AMD64: Registers = Registers {
    bytes: 336,
    instruction: 16,
    stack: 19,
    frame: 4,
    link: None,
    general: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 19],
};

/// The order of `user_pt_regs` of arm64: x0 to x30, sp, pc, flags.
const ARM64: Registers = Registers {
    bytes: 392,
    instruction: 32,
    stack: 31,
    frame: 29,
    link: Some(30),
    general: &[
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
        25, 26, 27, 28, 29, 30,
    ],
};

impl Registers {
    /// The thread that a note describes; `None` where it is cut off.
    fn thread(&self, content: &[u8]) -> Option<Thread> {
        if content.len() < self.bytes {
            return None;
        }
        let fields = Fields(content);
        let word = |at: usize| fields.u64(PRSTATUS_REGISTERS + at * 8);
        let mut registers = [0; GENERAL_REGISTERS];
        for (slot, at) in registers.iter_mut().zip(self.general) {
            *slot = word(*at);
        }
        Some(Thread {
            tid: u64::from(fields.u32(PRSTATUS_PID)),
            rip: word(self.instruction),
            rsp: word(self.stack),
            rbp: word(self.frame),
            link: self.link.map_or(0, word),
            registers,
            vectors: Vec::new(),
        })
    }
}

/// Why a core file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// Another sort of file.
    #[error("it is no 64-bit ELF core file")]
    NotCore,
    /// Of another processor.
    #[error(
        "it is of another processor (ELF machine {0}); gorphan reads cores of 64-bit x86 and of arm64"
    )]
    Machine(u16),
    /// The file to be laid under it is for another processor.
    #[error("the executable given with --exe is for another processor than the core")]
    OtherMachine,
    /// The file to be laid under it is no executable.
    #[error("the file given with --exe is no 64-bit ELF executable")]
    NotExecutable,
    /// It has no notes with threads and the program's start.
    #[error("it has no notes of threads, or they are cut off")]
    NoNotes,
    /// It could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A stretch of memory in a file.
#[derive(Debug, Clone, Copy)]
struct Piece {
    address: u64,
    bytes: u64,
    offset: u64,
}

impl Piece {
    fn end(&self) -> u64 {
        self.address.saturating_add(self.bytes)
    }
}

/// A core laid over its executable.
#[derive(Debug)]
pub(super) struct CoreMemory {
    core: File,
    executable: File,
    /// By address, without overlaps.
    of_core: Vec<Piece>,
    of_executable: Vec<Piece>,
    bytes: AtomicU64,
}

/// What a core file holds besides memory.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) memory: CoreMemory,
    /// In the order of the file; the first is the one that died.
    pub(super) threads: Vec<Thread>,
    /// What was added to the executable's addresses.
    pub(super) bias: u64,
    /// Bytes that the headers promise and the file does not have.
    pub(super) missing_bytes: u64,
}

/// Opens a core and its executable.
pub(super) fn open(core: File, executable: File) -> Result<Core, CoreError> {
    let header = elf::header(&core)?.ok_or(CoreError::NotCore)?;
    if header.kind != elf::ET_CORE {
        return Err(CoreError::NotCore);
    }
    let registers = registers_of(header.machine)?;
    let program = elf::header(&executable)?.ok_or(CoreError::NotExecutable)?;
    if program.kind == elf::ET_CORE {
        return Err(CoreError::NotExecutable);
    }
    let segments = elf::segments(&core, &header)?;
    if program.machine != header.machine {
        return Err(CoreError::OtherMachine);
    }
    let notes = Notes::read(&core, &segments, registers)?;
    let bias = match program.kind {
        elf::ET_EXEC => 0,
        _ => notes
            .entry
            .ok_or(CoreError::NoNotes)?
            .wrapping_sub(program.entry),
    };
    let length = core.metadata()?.len();
    let mut missing_bytes = 0_u64;
    let mut of_core = Vec::new();
    for segment in segments.iter().filter(|segment| segment.kind == PT_LOAD) {
        let there = length
            .saturating_sub(segment.offset)
            .min(segment.file_bytes);
        missing_bytes = missing_bytes.saturating_add(segment.file_bytes - there);
        of_core.push(Piece {
            address: segment.address,
            bytes: there,
            offset: segment.offset,
        });
    }
    // What a program may write differs from its file by now, so only the rest of it is filled in.
    let constant = |segment: &&Segment| segment.kind == PT_LOAD && segment.flags & PF_W == 0;
    let of_executable = elf::segments(&executable, &program)?
        .iter()
        .filter(constant)
        .map(|segment| Piece {
            address: segment.address.wrapping_add(bias),
            bytes: segment.file_bytes,
            offset: segment.offset,
        })
        .collect();
    Ok(Core {
        memory: CoreMemory {
            core,
            executable,
            of_core: in_order(of_core),
            of_executable: in_order(of_executable),
            bytes: AtomicU64::new(0),
        },
        threads: notes.threads,
        bias,
        missing_bytes,
    })
}

/// The executable that a core says it is of: the first file that was mapped.
pub(super) fn executable_of(core: &File) -> Option<String> {
    let header = elf::header(core).ok()??;
    let segments = elf::segments(core, &header).ok()?;
    let registers = registers_of(header.machine).ok()?;
    Notes::read(core, &segments, registers).ok()?.executable
}

fn registers_of(machine: u16) -> Result<&'static Registers, CoreError> {
    match machine {
        elf::EM_X86_64 => Ok(&AMD64),
        elf::EM_AARCH64 => Ok(&ARM64),
        other => Err(CoreError::Machine(other)),
    }
}

/// Sorted, without empty pieces and without those that lie over one before them.
fn in_order(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.sort_by_key(|piece| piece.address);
    let mut end = 0;
    pieces.retain(|piece| {
        let fits = piece.bytes > 0
            && piece.address >= end
            && piece.address.checked_add(piece.bytes).is_some()
            && piece.offset.checked_add(piece.bytes).is_some();
        if fits {
            end = piece.end();
        }
        fits
    });
    pieces
}

#[derive(Default)]
struct Notes {
    threads: Vec<Thread>,
    entry: Option<u64>,
    executable: Option<String>,
}

impl Notes {
    fn read(core: &File, segments: &[Segment], registers: &Registers) -> Result<Self, CoreError> {
        let length = core.metadata()?.len();
        let mut notes = Self::default();
        for segment in segments.iter().filter(|segment| segment.kind == PT_NOTE) {
            let there = length.saturating_sub(segment.offset);
            let bytes = segment.file_bytes.min(there).min(MAX_NOTE_BYTES);
            let mut content = vec![0; usize::try_from(bytes).unwrap_or_default()];
            elf::read_exact_at(core, &mut content, segment.offset)?;
            for note in elf::notes(&content) {
                match note.owner {
                    b"CORE" => notes.take(note.kind, note.content, registers),
                    b"LINUX" if note.kind == NT_X86_XSTATE => notes.vectors(note.content),
                    _ => {}
                }
            }
        }
        if notes.threads.is_empty() {
            return Err(CoreError::NoNotes);
        }
        Ok(notes)
    }

    fn take(&mut self, kind: u32, content: &[u8], registers: &Registers) {
        match kind {
            NT_PRSTATUS => self.threads.extend(registers.thread(content)),
            NT_PRFPREG => self.vectors(content),
            NT_AUXV => self.entry = entry_of(content),
            NT_FILE => self.executable = first_file(content),
            _ => {}
        }
    }

    /// The notes of a thread follow that of its number.
    fn vectors(&mut self, content: &[u8]) {
        if let Some(thread) = self.threads.last_mut() {
            thread.vectors.extend(Thread::addresses_in(content));
        }
    }
}

/// The first name in a note of mapped files: count, page size, count times three words, names ended by zeros.
fn first_file(content: &[u8]) -> Option<String> {
    let count = usize::try_from(Fields(content).u64(0)).ok()?;
    let names = count.checked_mul(24)?.checked_add(16)?;
    let name = content.get(names..)?.split(|byte| *byte == 0).next()?;
    (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
}

impl CoreMemory {
    /// Bytes read until now.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The file and place in it that has the byte at `address`, with how many bytes on from there.
    fn find(&self, address: u64) -> Option<(&File, u64, u64)> {
        let (before, next) = around(&self.of_core, address);
        if let Some((offset, bytes)) = before {
            return Some((&self.core, offset, bytes));
        }
        let (offset, bytes) = around(&self.of_executable, address).0?;
        // The core's own bytes come first wherever it has some.
        let until_next = next.map_or(u64::MAX, |next| next - address);
        Some((&self.executable, offset, bytes.min(until_next)))
    }
}

/// Where `address` is among the pieces: offset and bytes left of its piece; and where the next piece starts.
fn around(pieces: &[Piece], address: u64) -> (Option<(u64, u64)>, Option<u64>) {
    let index = pieces.partition_point(|piece| piece.address <= address);
    let next = pieces.get(index).map(|piece| piece.address);
    let before = index.checked_sub(1).and_then(|index| pieces.get(index));
    let within = before.filter(|piece| address < piece.end()).map(|piece| {
        let into = address - piece.address;
        (piece.offset + into, piece.bytes - into)
    });
    (within, next)
}

impl Memory for CoreMemory {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let unreadable = Unreadable {
            address,
            length: buffer.len() as u64,
        };
        let mut at = address.0;
        let mut rest = buffer;
        while !rest.is_empty() {
            let (file, offset, left) = self.find(at).ok_or(unreadable)?;
            let length = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let (piece, after) = rest.split_at_mut(length);
            elf::read_exact_at(file, piece, offset).map_err(|_| unreadable)?;
            self.bytes.fetch_add(length as u64, Ordering::Relaxed);
            rest = after;
            if !rest.is_empty() {
                at = at.checked_add(length as u64).ok_or(unreadable)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
