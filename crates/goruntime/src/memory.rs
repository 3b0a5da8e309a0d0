//! The memory of the process that is looked at, as whoever can read it offers it.

use std::fmt;

/// An address in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub u64);

impl Address {
    /// The address `bytes` further on; `None` past the end of the address space.
    pub fn plus(self, bytes: u64) -> Option<Self> {
        self.0.checked_add(bytes).map(Self)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

/// A read that failed: nothing is known of what lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {length} bytes of the target's memory at {address}")]
pub struct Unreadable {
    /// Where the read began.
    pub address: Address,
    /// How many bytes were asked for.
    pub length: u64,
}

/// Foreign memory: a live process, a core file, or one made for a test. A failed read is an error, never zero.
pub trait Memory {
    /// Fills `buffer` from `address`, wholly or not at all.
    ///
    /// # Errors
    /// When any byte of it cannot be read.
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable>;

    /// Reads many ranges, each an address and a number of bytes, one after the other into `buffer`, which is as long as all
    /// of them. Gives the indices of those that cannot be read wholly, in order; what `buffer` has of them means nothing.
    fn read_batch(&self, ranges: &[(Address, u64)], buffer: &mut [u8]) -> Vec<usize> {
        let mut failed = Vec::new();
        let mut rest = buffer;
        for (index, (address, length)) in ranges.iter().enumerate() {
            let length = usize::try_from(*length).unwrap_or(usize::MAX);
            let Some((part, after)) = std::mem::take(&mut rest).split_at_mut_checked(length) else {
                failed.extend(index..ranges.len());
                break;
            };
            if self.read(*address, part).is_err() {
                failed.push(index);
            }
            rest = after;
        }
        failed
    }
}

/// Reads a little-endian word of 8 bytes.
pub(crate) fn word(memory: &dyn Memory, address: Address) -> Result<u64, Unreadable> {
    let mut bytes = [0; 8];
    memory.read(address, &mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Reads a word of each line of the processor's cache that some bytes lie in, up to so many bytes, and gives a number that
/// depends on all of them: the memory of things that are read one after the other soon is waited for together.
#[inline]
pub(crate) fn touch(bytes: &[u8], most: usize) -> u64 {
    let bytes = bytes.get(..most).unwrap_or(bytes);
    let lines = bytes.chunks(CACHE_LINE_BYTES);
    lines
        .map(|line| line.first().copied().map_or(0, u64::from))
        .sum()
}

/// Bytes that a processor reads at once; some read more.
const CACHE_LINE_BYTES: usize = 64;

/// The little-endian word at an offset of what was read.
pub(crate) fn word_at(bytes: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let word = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}
