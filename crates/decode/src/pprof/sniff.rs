//! Whether bytes are the beginning of a profile.

use super::wire::{Fields, Value};

/// Fields looked at; a handful tells a profile from text, and a profile may be large.
const FIELDS: usize = 8;

/// Whether `head`, the first bytes of an input, can be a profile: its first fields are a profile's, with the right wire
/// types, down into the messages that are wholly there. Writers differ in their first field: Go's starts with the
/// period type, others with the sample types.
pub(crate) fn looks_like_profile(head: &[u8]) -> bool {
    let mut fields = Fields::new(head);
    let mut messages = 0;
    for _ in 0..FIELDS {
        let before = fields.left();
        match fields.next() {
            Ok(Some((number, value))) => match (number, value) {
                (1..=5 | 11, Value::Bytes(message)) if is_message(number, message) => messages += 1,
                (6, Value::Bytes(_)) | (7..=10 | 12..=15, Value::Varint(_)) => {}
                (13, Value::Bytes(_)) => {}
                // Unknown fields may follow known ones.
                (16..=1000, _) if messages > 0 => {}
                _ => return false,
            },
            Ok(None) => break,
            // The head ends in the middle of a field, or the file does; what came before decides.
            Err(_) => return messages > 0 && before < head.len(),
        }
    }
    messages > 0
}

/// Whether a nested message of the profile's field `number` holds only what the format allows there.
fn is_message(number: u64, message: &[u8]) -> bool {
    let mut fields = Fields::new(message);
    loop {
        match fields.next() {
            Ok(None) => return true,
            Ok(Some((inner, value))) => {
                let varint = matches!(value, Value::Varint(_));
                let bytes = matches!(value, Value::Bytes(_));
                let fits = match (number, inner) {
                    // ValueType: type, unit.
                    (1 | 11, 1 | 2) => varint,
                    // Sample: location ids, values; labels.
                    (2, 1 | 2) => varint || bytes,
                    (2, 3) => bytes,
                    // Mapping, Location, Function.
                    (3, 1..=10) => varint,
                    (4, 1 | 2 | 3 | 5) => varint,
                    (4, 4) => bytes,
                    (5, 1..=5) => varint,
                    _ => false,
                };
                if !fits {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &[u8], expected: bool) {
        assert_eq!(looks_like_profile(head), expected, "{head:?}");
    }

    #[test]
    fn profiles_are_told_from_text_that_starts_alike() {
        // Go's own: period type, period, sample type.
        check(
            b"\x5a\x04\x08\x01\x10\x02\x60\x01\x0a\x04\x08\x01\x10\x02",
            true,
        );
        // Others: sample type first, cut in the next field.
        check(b"\x0a\x04\x08\x01\x10\x02\x12\x40\x0a", true);
        check(b"\ngoroutine 1 [running]:\nmain.main()\n", false);
        check(b"\n\n\n\n\n\n\n\n\n\n\n\n", false);
        check(b"Zgoroutine 1 [running]:", false);
        check(b"HTTP/1.1 200 OK", false);
        check(b"goroutine profile: total 3\n", false);
        check(b"", false);
        check(b"\x0a", false);
    }
}
