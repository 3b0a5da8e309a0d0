//! Eight bytes at a time: most names, keywords and runs of white space end within them, and then nothing branches.

/// A byte in all eight places.
const fn all(byte: u8) -> u64 {
    LOW * byte as u64
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Eight bytes from an offset on, the first one lowest; zeros past the end.
#[inline]
pub(in crate::syntax) fn load(source: &[u8], at: usize) -> u64 {
    let rest = source.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => load_last(rest),
    }
}

#[cold]
fn load_last(rest: &[u8]) -> u64 {
    let bytes = rest.iter().rev();
    bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// How many bytes from the first on belong to a name in ASCII.
#[inline]
pub(super) fn name_length(word: u64) -> usize {
    let low = word & !HIGH;
    // A sum has the high bit of a byte set where the byte is at least what 0x80 exceeds the summand by.
    let lower = low | all(0x20);
    let letters = (lower + all(0x80 - b'a')) & !(lower + all(0x80 - (b'z' + 1)));
    let digits = (low + all(0x80 - b'0')) & !(low + all(0x80 - (b'9' + 1)));
    let underscores = !((low ^ all(b'_')) + all(0x7F));
    length_until(!((letters | digits | underscores) & !word))
}

/// How many bytes from the first on are this one.
#[inline]
pub(super) fn run_length(word: u64, byte: u8) -> usize {
    let different = word ^ all(byte);
    (different.trailing_zeros() / 8) as usize
}

/// How many bytes from the first on go by before a quote, a backslash, a newline or NUL.
#[inline]
pub(super) fn plain_length(word: u64) -> usize {
    // Exact up to the first zero byte, which is all that is asked for.
    let zero = |word: u64| word.wrapping_sub(LOW) & !word;
    let quote = zero(word ^ all(b'"'));
    let backslash = zero(word ^ all(b'\\'));
    let newline = zero(word ^ all(b'\n'));
    length_until(quote | backslash | newline | zero(word))
}

/// The place of the first byte with its high bit set; 8 if there is none.
#[inline]
fn length_until(marks: u64) -> usize {
    ((marks & HIGH).trailing_zeros() / 8) as usize
}

/// The first bytes of a word, the others zero.
#[inline]
pub(in crate::syntax) fn first_bytes(word: u64, count: usize) -> u64 {
    match count {
        0 => 0,
        1..8 => word & (u64::MAX >> (64 - count * 8)),
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_classed_in_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut bytes = [b'x'; 8];
                bytes[place] = byte;
                let in_name = byte.is_ascii_alphanumeric() || byte == b'_';
                let expected = if in_name { 8 } else { place };
                assert_eq!(name_length(load(&bytes, 0)), expected, "{byte} at {place}");
                let expected = if b"\"\\\n\0".contains(&byte) {
                    place
                } else {
                    8
                };
                assert_eq!(plain_length(load(&bytes, 0)), expected, "{byte} at {place}");
                let mut bytes = [b'\t'; 8];
                bytes[place] = byte;
                let expected = if byte == b'\t' { 8 } else { place };
                assert_eq!(
                    run_length(load(&bytes, 0), b'\t'),
                    expected,
                    "{byte} at {place}"
                );
            }
        }
    }

    #[test]
    fn loads_end_with_zeros() {
        assert_eq!(load(b"abc", 0), 0x63_62_61);
        assert_eq!(load(b"abc", 2), 0x63);
        assert_eq!(load(b"abc", 9), 0);
        assert_eq!(load(b"abcdefghi", 0), u64::from_le_bytes(*b"abcdefgh"));
        assert_eq!(first_bytes(u64::MAX, 0), 0);
        assert_eq!(first_bytes(u64::MAX, 3), 0xFF_FFFF);
        assert_eq!(first_bytes(u64::MAX, 8), u64::MAX);
    }
}
