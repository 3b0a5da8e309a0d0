//! The bytes of an input, or of one of its layers: those at hand, and a reader of what follows.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

/// Bytes asked of a reader at once. Go's own lines are under 1 KB but for labels and long lists of program counters;
/// this amortises the calls and stays within the second-level cache.
const CHUNK_BYTES: usize = 128 << 10;

/// Bytes that are all in memory are lent and never copied; others are read as they are asked for.
pub(crate) struct Source<'a> {
    bytes: Cow<'a, [u8]>,
    /// The bytes at hand are those of `bytes` from here...
    at: usize,
    /// ...to here.
    end: usize,
    /// What follows; nothing once it has ended.
    rest: Option<Box<dyn Read + 'a>>,
}

impl<'a> Source<'a> {
    pub(super) fn whole(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        let bytes = bytes.into();
        Self {
            at: 0,
            end: bytes.len(),
            bytes,
            rest: None,
        }
    }

    pub(super) fn stream(rest: impl Read + 'a) -> Self {
        Self {
            rest: Some(Box::new(rest)),
            ..Self::whole(Vec::new())
        }
    }

    /// What is at hand once as many bytes as `wanted` are there, or all that follow.
    pub(super) fn fill(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let missing = wanted.saturating_sub(self.end - self.at);
        if let (Some(rest), true) = (&mut self.rest, missing > 0) {
            let bytes = self.bytes.to_mut();
            bytes.truncate(self.end);
            // Room from the start: a decompressor that fails gives nothing of the piece that was asked of it.
            bytes.reserve(missing.min(CHUNK_BYTES));
            let read = rest.take(missing as u64).read_to_end(bytes);
            self.end = bytes.len();
            if read? < missing {
                self.rest = None;
            }
        }
        Ok(self.at_hand())
    }

    /// Whether nothing follows what is at hand.
    pub(super) fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    fn at_hand(&self) -> &[u8] {
        self.bytes.get(self.at..self.end).unwrap_or_default()
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let (Some(rest), true) = (&mut self.rest, self.at >= self.end) {
            (self.at, self.end) = (0, 0);
            let bytes = self.bytes.to_mut();
            bytes.resize(CHUNK_BYTES.max(bytes.len()), 0);
            self.end = rest.read(bytes)?;
            if self.end == 0 {
                self.rest = None;
            }
        }
        Ok(self.at_hand())
    }

    fn consume(&mut self, bytes: usize) {
        self.at = self.end.min(self.at.saturating_add(bytes));
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
