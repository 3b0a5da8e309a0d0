//! Sets of small numbers that several threads add to.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// A set of numbers below a bound, a bit for each. Adding is a race that one thread wins; what is in the set once all threads
/// are done does not depend on it.
#[derive(Debug, Default)]
pub(super) struct Bits {
    words: Vec<AtomicU64>,
}

impl Bits {
    /// The empty set of numbers below `bound`.
    pub(super) fn new(bound: u32) -> Self {
        let words = (bound as usize).div_ceil(64);
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Adds a number and says whether it is new. One that is not below the bound never is.
    pub(super) fn add(&self, number: u32) -> bool {
        let Some(word) = self.words.get(number as usize / 64) else {
            return false;
        };
        let bit = 1 << (number % 64);
        // Most are known already: reading is cheaper than a locked instruction.
        word.load(Ordering::Relaxed) & bit == 0 && word.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Whether a number is in the set.
    pub(super) fn has(&self, number: u32) -> bool {
        let word = self.words.get(number as usize / 64);
        word.is_some_and(|word| word.load(Ordering::Relaxed) >> (number % 64) & 1 == 1)
    }

    /// How many of a range are in the set.
    pub(super) fn count(&self, range: Range<u32>) -> u64 {
        let mut count = 0;
        let mut at = range.start;
        while at < range.end {
            let next = (at / 64 + 1).saturating_mul(64).min(range.end);
            let word = self.words.get(at as usize / 64);
            let word = word.map_or(0, |word| word.load(Ordering::Relaxed));
            let word = (word >> (at % 64)) & (u64::MAX >> (64 - (next - at)));
            count += u64::from(word.count_ones());
            at = next;
        }
        count
    }

    /// How many words of 64 bits there are.
    pub(super) fn words(&self) -> usize {
        self.words.len()
    }

    /// Takes the numbers of one word of 64 out of the set.
    pub(super) fn take(&self, word: usize) -> impl Iterator<Item = u32> + use<> {
        let bits = self.words.get(word);
        let bits = match bits.map(|bits| bits.load(Ordering::Relaxed)) {
            None | Some(0) => 0,
            Some(_) => bits.map_or(0, |bits| bits.swap(0, Ordering::Relaxed)),
        };
        each(bits).map(move |bit| word as u32 * 64 + bit)
    }
}

/// The numbers of the bits that are set.
fn each(mut bits: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let first = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        Some(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_within_and_across_words() {
        let bits = Bits::new(200);
        for number in [0, 63, 64, 127, 128, 199] {
            assert!(bits.add(number) && !bits.add(number) && bits.has(number));
        }
        assert!(!bits.add(256) && !bits.has(256) && !bits.has(1));
        let naive = |range: Range<u32>| range.filter(|number| bits.has(*number)).count() as u64;
        for start in [0, 1, 63, 64, 65, 128, 199, 200] {
            for end in [start, 63, 64, 65, 128, 129, 199, 200] {
                assert_eq!(bits.count(start..end), naive(start..end), "{start}..{end}");
            }
        }
        let taken: Vec<u32> = (0..bits.words()).flat_map(|word| bits.take(word)).collect();
        assert_eq!(taken, [0, 63, 64, 127, 128, 199]);
        assert_eq!(bits.count(0..200), 0);
    }
}
