//! UTF-16 to UTF-8, as Windows shells write what is redirected into a file.

use std::io::{self, ErrorKind, Read};

/// Bytes read at once.
const CHUNK_BYTES: usize = 16 << 10;

/// A reader of the UTF-8 form of UTF-16 without its mark. What is not valid becomes U+FFFD.
pub(super) struct Utf16<R> {
    inner: R,
    big_endian: bool,
    /// Bytes not decoded yet: at most the first half of a unit and of a pair between reads.
    raw: Vec<u8>,
    /// The first half of a surrogate pair, whose second half has not come yet.
    high: Option<u16>,
    ready: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Utf16<R> {
    pub(super) fn new(inner: R, big_endian: bool) -> Self {
        Self {
            inner,
            big_endian,
            raw: Vec::new(),
            high: None,
            ready: Vec::new(),
            given: 0,
            ended: false,
        }
    }

    /// Reads and decodes the next piece into `ready`.
    fn refill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.given = 0;
        let mut chunk = [0; CHUNK_BYTES];
        let read = loop {
            match self.inner.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.raw
            .extend_from_slice(chunk.get(..read).unwrap_or_default());
        self.ended = read == 0;
        let whole = self.raw.len() / 2 * 2;
        let high = self.high.take();
        let big_endian = self.big_endian;
        let units = self.raw.chunks_exact(2).map(|pair| {
            let pair = [pair.first(), pair.last()].map(|byte| byte.copied().unwrap_or_default());
            if big_endian {
                u16::from_be_bytes(pair)
            } else {
                u16::from_le_bytes(pair)
            }
        });
        let mut units: Vec<u16> = high.into_iter().chain(units).collect();
        if !self.ended {
            self.high = units.pop_if(|unit| (0xd800..0xdc00).contains(unit));
        }
        let decoded =
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
        self.ready
            .extend_from_slice(decoded.collect::<String>().as_bytes());
        self.raw.drain(..whole);
        if self.ended && !self.raw.is_empty() {
            self.raw.clear();
            self.ready.extend_from_slice("\u{fffd}".as_bytes());
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given >= self.ready.len() && !self.ended {
            self.refill()?;
        }
        let read = self
            .ready
            .get(self.given..)
            .unwrap_or_default()
            .read(buffer)?;
        self.given += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, so that every unit and pair is split.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let one = buffer.len().min(1);
            self.0.read(&mut buffer[..one])
        }
    }

    #[track_caller]
    fn check(bytes: &[u8], big_endian: bool, expected: &str) {
        let mut text = String::new();
        let mut reader = Utf16::new(Drops(bytes), big_endian);
        reader
            .read_to_string(&mut text)
            .expect("memory does not fail");
        assert_eq!(text, expected);
        let mut text = String::new();
        let mut reader = Utf16::new(bytes, big_endian);
        reader
            .read_to_string(&mut text)
            .expect("memory does not fail");
        assert_eq!(text, expected);
    }

    #[test]
    fn both_orders_and_pairs_are_read_and_damage_is_marked() {
        check(b"g\0o\0", false, "go");
        check(b"\0g\0o", true, "go");
        check(&[0x3d, 0xd8, 0x00, 0xde], false, "\u{1f600}");
        check(&[0x3d, 0xd8, b'x', 0], false, "\u{fffd}x");
        check(b"g\0o", false, "g\u{fffd}");
        check(&[0x3d, 0xd8], false, "\u{fffd}");
    }
}
