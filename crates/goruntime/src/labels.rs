//! The pprof labels of a goroutine.

use crate::memory::{word, word_at};
use crate::{Address, Memory, Unreadable};

/// Labels of one goroutine; programs use a handful.
const MAX_LABELS: u64 = 64;
/// Bytes of a key or value that are kept.
const MAX_TEXT_BYTES: u64 = 4096;
/// Buckets of a label map that are looked at, overflow buckets included.
const MAX_BUCKETS: u64 = 64;

/// Key and value.
pub(crate) type Label = (String, String);

/// The labels that `g.labels` points to. Up to Go 1.23 that is a `map[string]string`, from 1.24 a slice of pairs
/// (`runtime/pprof/label.go`).
pub(crate) fn read(
    memory: &dyn Memory,
    labels: u64,
    are_map: bool,
) -> Result<Vec<Label>, Unreadable> {
    let mut found = if are_map {
        map(memory, word(memory, Address(labels))?)?
    } else {
        let count = word(memory, offset(labels, 8)?)?.min(MAX_LABELS);
        let mut pairs = vec![0; count as usize * 32];
        if !pairs.is_empty() {
            memory.read(Address(word(memory, Address(labels))?), &mut pairs)?;
        }
        let pairs = pairs.chunks_exact(32);
        pairs
            .map(|pair| Ok((text(memory, pair, 0)?, text(memory, pair, 16)?)))
            .collect::<Result<_, _>>()?
    };
    found.sort_unstable();
    Ok(found)
}

fn offset(address: u64, more: u64) -> Result<Address, Unreadable> {
    let address = Address(address);
    address.plus(more).ok_or(Unreadable { address, length: 8 })
}

/// The text whose string header lies at an offset of `bytes`.
fn text(memory: &dyn Memory, bytes: &[u8], at: u64) -> Result<String, Unreadable> {
    let data = word_at(bytes, at).unwrap_or_default();
    let length = word_at(bytes, at + 8).unwrap_or_default();
    let mut text = vec![0; length.min(MAX_TEXT_BYTES) as usize];
    if !text.is_empty() {
        memory.read(Address(data), &mut text)?;
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A `map[string]string` as `runtime/map.go` lays it out up to Go 1.23: buckets of 8 hashes, 8 keys, 8 values and a link.
fn map(memory: &dyn Memory, map: u64) -> Result<Vec<Label>, Unreadable> {
    /// Bytes of `hmap` up to `oldbuckets`.
    const HEADER_BYTES: usize = 32;
    /// The least `tophash` of a slot in use that was not moved.
    const IN_USE: u8 = 5;
    const BUCKET_BYTES: u64 = 8 + 8 * 16 + 8 * 16 + 8;
    let mut found = Vec::new();
    if map == 0 {
        return Ok(found);
    }
    let mut header = [0; HEADER_BYTES];
    memory.read(Address(map), &mut header)?;
    let log_buckets = header.get(9).copied().unwrap_or_default();
    let (new, old) = (word_at(&header, 16), word_at(&header, 24));
    // While it grows, what was not moved yet is in half as many old buckets.
    let tables = [(new, log_buckets), (old, log_buckets.saturating_sub(1))];
    let mut left = MAX_BUCKETS;
    for (table, log) in tables {
        let Some(table) = table.filter(|table| *table != 0) else {
            continue;
        };
        for index in 0..1_u64
            .checked_shl(log.into())
            .unwrap_or(u64::MAX)
            .min(MAX_BUCKETS)
        {
            let mut at = offset(table, index * BUCKET_BYTES)?.0;
            while at != 0 && left > 0 {
                left -= 1;
                let mut bucket = [0; BUCKET_BYTES as usize];
                memory.read(Address(at), &mut bucket)?;
                for slot in 0..8_u64 {
                    if bucket
                        .get(slot as usize)
                        .is_some_and(|hash| *hash >= IN_USE)
                    {
                        let key = text(memory, &bucket, 8 + slot * 16)?;
                        found.push((key, text(memory, &bucket, 136 + slot * 16)?));
                    }
                }
                at = word_at(&bucket, BUCKET_BYTES - 8).unwrap_or_default();
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words at addresses, and texts at addresses of their own.
    struct Drawn(Vec<(u64, Vec<u8>)>);

    impl Memory for Drawn {
        fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
            let length = buffer.len() as u64;
            let found = self.0.iter().find_map(|(at, bytes)| {
                let from = usize::try_from(address.0.checked_sub(*at)?).ok()?;
                bytes.get(from..from + buffer.len())
            });
            buffer.copy_from_slice(found.ok_or(Unreadable { address, length })?);
            Ok(())
        }
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// A bucket with one pair in its last slot.
    fn bucket(hash: u8, key: (u64, u64), value: (u64, u64), next: u64) -> Vec<u8> {
        let mut bytes = vec![0; 7];
        bytes.push(hash);
        let mut slots = vec![0; 14];
        slots.extend([key.0, key.1]);
        slots.extend([0; 14]);
        slots.extend([value.0, value.1, next]);
        bytes.extend(words(&slots));
        bytes
    }

    fn check(memory: &Drawn, are_map: bool, expected: &[(&str, &str)]) {
        let found = read(memory, 0x100, are_map).expect("readable");
        let found: Vec<(&str, &str)> = found.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_list_is_read() {
        let list = words(&[0x900, 2, 0x902, 5, 0x900, 1, 0, 0]);
        let memory = Drawn(vec![
            (0x100, words(&[0x200, 2, 2])),
            (0x200, list),
            (0x900, b"svcshop".to_vec()),
        ]);
        check(&memory, false, &[("s", ""), ("sv", "cshop")]);
        check(&Drawn(vec![(0x100, words(&[0, 0, 0]))]), false, &[]);
    }

    #[test]
    fn a_map_is_read_with_overflow_and_what_was_not_moved_yet() {
        // Two buckets; the first one overflows; the old one has a pair that was moved and one, linked, that was not.
        let header = words(&[4, 1 << 8, 0x1000, 0x3000]);
        let first = bucket(7, (0x900, 1), (0x901, 1), 0x2000);
        let mut table = first;
        table.extend(bucket(0, (0x900, 9), (0x900, 9), 0));
        let memory = Drawn(vec![
            (0x100, words(&[0x200])),
            (0x200, header),
            (0x1000, table),
            (0x2000, bucket(200, (0x901, 1), (0x902, 1), 0)),
            (0x3000, bucket(2, (0x900, 1), (0x901, 1), 0x4000)),
            (0x4000, bucket(5, (0x902, 1), (0x903, 1), 0)),
            (0x900, b"abcd".to_vec()),
        ]);
        check(&memory, true, &[("a", "b"), ("b", "c"), ("c", "d")]);
        check(&Drawn(vec![(0x100, words(&[0]))]), true, &[]);
    }

    #[test]
    fn a_bucket_that_links_to_itself_ends() {
        let memory = Drawn(vec![
            (0x100, words(&[0x200])),
            (0x200, words(&[1, 0, 0x400, 0])),
            (0x400, bucket(9, (0x900, 1), (0x900, 1), 0x400)),
            (0x900, b"a".to_vec()),
        ]);
        let found = read(&memory, 0x100, true).expect("readable");
        assert_eq!(found.len() as u64, MAX_BUCKETS);
    }
}
