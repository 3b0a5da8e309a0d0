//! The memory of a live process.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use gorphan_goruntime::{Address, Memory, Unreadable};
use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};

use super::Pid;

/// Bytes read at once. The kernel may stop in the middle of a read that is asked to be larger than about 2 GiB; and between
/// two reads there is a chance to see that the time is up.
const CHUNK_BYTES: usize = 64 << 20;
/// Ranges of one call: the kernel's `UIO_MAXIOV`.
const MAX_RANGES_PER_CALL: usize = 1024;
/// Threads that read at once. Four fill the memory bus of most machines, and the rest of the machine has work to do.
const MAX_READERS: usize = 4;
/// What looking up a range costs besides copying, in bytes that could be copied meanwhile.
const RANGE_COST_BYTES: u64 = 1500;
/// Shares of a batch: several per thread, as not all are equally fast.
const MAX_SHARES: u64 = 16;
/// Below this much per share, starting a thread takes longer than it saves.
const MIN_SHARE_COST: u64 = 512 << 10;

/// Reads with `process_vm_readv`, or where that is forbidden by way of `/proc/PID/mem`.
#[derive(Debug)]
pub(super) struct LiveMemory {
    pid: nix::unistd::Pid,
    /// Opened beforehand; it stays with this program even if another one takes its number.
    file: File,
    by_file: AtomicBool,
}

impl LiveMemory {
    /// `file` is the process's `/proc/PID/mem`.
    pub(super) fn new(pid: Pid, file: File) -> Self {
        Self {
            pid: nix::unistd::Pid::from_raw(pid.cast_signed()),
            file,
            by_file: AtomicBool::new(false),
        }
    }

    /// How many bytes of `buffer` were filled from the ranges, which are as long as it; 0 if none can be.
    fn read_ranges(&self, ranges: &[RemoteIoVec], buffer: &mut [u8]) -> usize {
        if !self.by_file.load(Ordering::Relaxed) {
            match process_vm_readv(self.pid, &mut [IoSliceMut::new(buffer)], ranges) {
                Ok(got) => return got,
                // A sandbox may forbid this call alone.
                Err(Errno::ENOSYS | Errno::EPERM | Errno::EACCES) => {
                    self.by_file.store(true, Ordering::Relaxed);
                }
                Err(_) => return 0,
            }
        }
        let first = ranges.first().and_then(|range| {
            let (part, _) = buffer.split_at_mut_checked(range.len)?;
            Some(self.read_file(range.base as u64, part))
        });
        first.unwrap_or_default()
    }

    fn read_file(&self, address: u64, buffer: &mut [u8]) -> usize {
        // The vsyscall page and what is above has no place in a file's signed offsets.
        if i64::try_from(address).is_err() {
            return 0;
        }
        self.file.read_at(buffer, address).unwrap_or_default()
    }
}

fn remote(address: u64, length: usize) -> RemoteIoVec {
    RemoteIoVec {
        base: usize::try_from(address).unwrap_or(usize::MAX),
        len: length,
    }
}

/// Ranges that one thread reads, with the room for them.
struct Share<'a> {
    /// Index of the first range.
    first: usize,
    ranges: &'a [(Address, u64)],
    buffer: &'a mut [u8],
}

/// Divides ranges into shares that cost about the same.
fn shares<'a>(ranges: &'a [(Address, u64)], buffer: &'a mut [u8]) -> Vec<Share<'a>> {
    let cost = |range: &(Address, u64)| range.1.saturating_add(RANGE_COST_BYTES);
    let whole: u64 = ranges.iter().map(cost).fold(0, u64::saturating_add);
    let per_share = (whole / MAX_SHARES).max(MIN_SHARE_COST);
    let mut shares = Vec::new();
    let (mut first, mut rest, mut buffer) = (0, ranges, buffer);
    while !rest.is_empty() {
        let (mut count, mut costs, mut bytes) = (0, 0_u64, 0_usize);
        while let Some(range) = rest.get(count)
            && (count == 0 || costs < per_share)
        {
            count += 1;
            costs = costs.saturating_add(cost(range));
            bytes = bytes.saturating_add(usize::try_from(range.1).unwrap_or(usize::MAX));
        }
        let (own, others) = rest.split_at(count);
        let bytes = bytes.min(buffer.len());
        let (room, after) = std::mem::take(&mut buffer).split_at_mut(bytes);
        shares.push(Share {
            first,
            ranges: own,
            buffer: room,
        });
        first += count;
        (rest, buffer) = (others, after);
    }
    shares
}

impl LiveMemory {
    /// Fills a share and gives the indices of ranges that cannot be read wholly.
    fn fill(&self, share: Share<'_>) -> Vec<usize> {
        let (ranges, mut rest) = (share.ranges, share.buffer);
        let mut failed = Vec::new();
        let mut call = Vec::with_capacity(ranges.len().min(MAX_RANGES_PER_CALL));
        // The range that is next, and how much of it was read.
        let (mut next, mut done) = (0, 0_usize);
        let length = |index: usize| {
            let range: Option<&(Address, u64)> = ranges.get(index);
            range.map(|range| usize::try_from(range.1).unwrap_or(usize::MAX))
        };
        while next < ranges.len() {
            call.clear();
            let mut asked = 0;
            for (address, length) in ranges.iter().skip(next).take(MAX_RANGES_PER_CALL) {
                let skip = if call.is_empty() { done } else { 0 };
                let left = usize::try_from(*length)
                    .unwrap_or(usize::MAX)
                    .saturating_sub(skip);
                let take = left.min(CHUNK_BYTES.saturating_sub(asked));
                call.push(remote(address.0.saturating_add(skip as u64), take));
                asked += take;
                if take < left {
                    break;
                }
            }
            let Some((room, _)) = rest.split_at_mut_checked(asked) else {
                // The room was too small for what the ranges promise.
                failed.extend(next..ranges.len());
                break;
            };
            let got = self.read_ranges(&call, room).min(asked);
            let mut used = got;
            let mut more = got;
            while let Some(whole) = length(next)
                && more >= whole - done
            {
                more -= whole - done;
                (next, done) = (next + 1, 0);
            }
            done += more;
            if got == 0 && asked > 0 && next < ranges.len() {
                // It is this range that cannot be read; those behind it may be.
                failed.push(next);
                used = length(next).unwrap_or_default() - done;
                (next, done) = (next + 1, 0);
            }
            rest = std::mem::take(&mut rest)
                .get_mut(used..)
                .unwrap_or_default();
        }
        failed.iter().map(|index| share.first + index).collect()
    }
}

impl Memory for LiveMemory {
    fn read_batch(&self, ranges: &[(Address, u64)], buffer: &mut [u8]) -> Vec<usize> {
        let shares = shares(ranges, buffer);
        let helpers = thread::available_parallelism().map_or(1, usize::from);
        let helpers = helpers.min(MAX_READERS).min(shares.len()).saturating_sub(1);
        let shares = Mutex::new(shares);
        let failed = Mutex::new(Vec::new());
        let work = || {
            // The lock is held for taking a share, not for filling it.
            let take = || shares.lock().ok().and_then(|mut shares| shares.pop());
            while let Some(share) = take() {
                let own = self.fill(share);
                if let (false, Ok(mut failed)) = (own.is_empty(), failed.lock()) {
                    failed.extend(own);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..helpers {
                // Without helpers this thread does everything.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.sort_unstable();
        failed
    }

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
            let got = self.read_ranges(&[remote(at, length)], chunk);
            if got == 0 {
                return Err(unreadable);
            }
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
        }
    }

    /// Ranges all over a megabyte, large and small, with some that are not mapped among them.
    #[test]
    fn a_batch_is_read_but_for_what_is_not_mapped() {
        let there: Vec<u8> = (0..1 << 20)
            .map(|n: u32| (n >> 3) as u8 ^ n as u8)
            .collect();
        let base = there.as_ptr() as u64;
        let mut ranges = Vec::new();
        let mut holes = Vec::new();
        for n in 0..5000_u64 {
            if n % 997 == 5 {
                holes.push(ranges.len());
                ranges.push((Address(n), 100));
            }
            ranges.push((Address(base + n * 200), 1 + n % 300));
        }
        ranges.push((Address(base), 1 << 20));
        ranges.push((Address(base + 7), 0));
        holes.push(ranges.len());
        ranges.push((Address(u64::MAX - 3), 8));
        let total: u64 = ranges.iter().map(|(_, length)| length).sum();
        for by_file in [false, true] {
            let memory = own(by_file);
            let mut seen = vec![0; total as usize];
            assert_eq!(memory.read_batch(&ranges, &mut seen), holes);
            let mut rest = seen.as_slice();
            for (index, (address, length)) in ranges.iter().enumerate() {
                let (own, after) = rest.split_at(*length as usize);
                let from = (address.0.wrapping_sub(base)) as usize;
                if !holes.contains(&index) {
                    assert!(own == &there[from..from + own.len()], "{index}");
                }
                rest = after;
            }
        }
        let own = own(false);
        let short = own.read_batch(&[(Address(base), 8), (Address(base), 8)], &mut [0; 12]);
        assert_eq!(short, [0, 1], "no room for what was promised");
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
