//! The memory of a live process.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gorphan_goruntime::{Address, Memory, Unreadable};
use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};

use super::Pid;

/// Bytes read at once. The kernel may stop in the middle of a read that is asked to be larger than about 2 GiB; and between
/// two reads there is a chance to see that the time is up.
const CHUNK_BYTES: usize = 64 << 20;

/// Reads with `process_vm_readv`, or where that is forbidden by way of `/proc/PID/mem`.
#[derive(Debug)]
pub(super) struct LiveMemory {
    pid: nix::unistd::Pid,
    /// Opened beforehand; it stays with this program even if another one takes its number.
    file: File,
    by_file: AtomicBool,
    bytes: AtomicU64,
}

impl LiveMemory {
    /// `file` is the process's `/proc/PID/mem`.
    pub(super) fn new(pid: Pid, file: File) -> Self {
        Self {
            pid: nix::unistd::Pid::from_raw(pid.cast_signed()),
            file,
            by_file: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
        }
    }

    /// Bytes read until now.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many bytes of `buffer` were filled; 0 if none can be.
    fn read_some(&self, address: u64, buffer: &mut [u8]) -> usize {
        if !self.by_file.load(Ordering::Relaxed) {
            let remote = RemoteIoVec {
                base: usize::try_from(address).unwrap_or(usize::MAX),
                len: buffer.len(),
            };
            match process_vm_readv(self.pid, &mut [IoSliceMut::new(buffer)], &[remote]) {
                Ok(got) => return got,
                // A sandbox may forbid this call alone.
                Err(Errno::ENOSYS | Errno::EPERM | Errno::EACCES) => {
                    self.by_file.store(true, Ordering::Relaxed);
                }
                Err(_) => return 0,
            }
        }
        // The vsyscall page and what is above has no place in a file's signed offsets.
        if i64::try_from(address).is_err() {
            return 0;
        }
        self.file.read_at(buffer, address).unwrap_or_default()
    }
}

impl Memory for LiveMemory {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let unreadable = Unreadable {
            address,
            length: buffer.len() as u64,
        };
        let mut at = address.0;
        let mut rest = buffer;
        while !rest.is_empty() {
            let length = rest.len().min(CHUNK_BYTES);
            let (chunk, _) = rest.split_at_mut(length);
            let got = self.read_some(at, chunk);
            if got == 0 {
                return Err(unreadable);
            }
            self.bytes.fetch_add(got as u64, Ordering::Relaxed);
            at = at.checked_add(got as u64).ok_or(unreadable)?;
            rest = rest.get_mut(got..).ok_or(unreadable)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::procfs::Process;

    /// This program's own memory, which every user may read.
    fn own(by_file: bool) -> LiveMemory {
        let file = Process::own().and_then(|own| own.open_memory()).unwrap();
        let memory = LiveMemory::new(std::process::id(), file);
        memory.by_file.store(by_file, Ordering::Relaxed);
        memory
    }

    #[test]
    fn memory_is_read_as_it_is() {
        let there: Vec<u8> = (0..200_000_u32).map(|n| n as u8 ^ 0x5a).collect();
        for by_file in [false, true] {
            let memory = own(by_file);
            let mut seen = vec![0; there.len()];
            let address = Address(there.as_ptr() as u64);
            memory.read(address, &mut seen).unwrap();
            assert!(seen == there);
            assert_eq!(memory.bytes(), there.len() as u64);
        }
    }

    #[test]
    fn what_is_not_mapped_is_an_error_and_not_zero() {
        for by_file in [false, true] {
            let memory = own(by_file);
            for address in [8, u64::MAX - 4, 1 << 63] {
                let mut buffer = [7; 16];
                let error = memory.read(Address(address), &mut buffer).unwrap_err();
                assert_eq!((error.address.0, error.length), (address, 16));
            }
        }
    }
}
