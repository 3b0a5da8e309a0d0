//! A copy as bytes, to be looked at later and elsewhere. `docs/snapshot-files.md` has the format.
//!
//! What is loaded may be anything: every count and length is held against what there is, and nothing is copied but what is
//! small. What the bytes say of the program is as little believed as what a program's memory says.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use super::{Filled, Frozen, Layer, Piece};
use crate::frozen::GENERAL_REGISTERS;
use crate::runtime::Bias;
use crate::{Address, Error, Thread};

/// Words of a thread: number, rip, rsp, rbp, link, general registers, how many words its vector registers have.
const THREAD_WORDS: usize = 6 + GENERAL_REGISTERS;
/// How [`Frozen::gave_up`] is written.
const COMPLETE: u64 = 0;
const OUT_OF_TIME: u64 = 1;
const TOO_MUCH: u64 = 2;

impl Frozen {
    /// Writes everything that [`Frozen::load`] needs.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn save(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut out = Words(out);
        out.words(&[
            self.bias.0,
            self.now_nanos,
            self.stack_bytes,
            self.copied_bytes,
        ])?;
        out.words(&match self.gave_up {
            Some(Error::OutOfTime { copied_bytes }) => [OUT_OF_TIME, copied_bytes],
            Some(Error::TooMuch { limit }) => [TOO_MUCH, limit],
            _ => [COMPLETE, 0],
        })?;
        out.word(self.leaves_out_words.into())?;
        out.word(self.threads.len() as u64)?;
        for thread in &self.threads {
            out.words(&[thread.tid, thread.rip, thread.rsp, thread.rbp, thread.link])?;
            out.words(&thread.registers)?;
            out.word(thread.vectors.len() as u64)?;
            out.words(&thread.vectors)?;
        }
        out.word(self.goroutines.len() as u64)?;
        for goroutine in &self.goroutines {
            out.word(goroutine.0)?;
        }
        out.word(self.small.len() as u64)?;
        for (start, bytes) in &self.small {
            out.words(&[*start, bytes.len() as u64])?;
            out.0.write_all(bytes)?;
        }
        out.word(self.layers.len() as u64)?;
        for layer in &self.layers {
            out.word(layer.pieces.len() as u64)?;
            for piece in &layer.pieces {
                out.words(&[piece.start, piece.length])?;
            }
            let room = self.rooms.get(layer.room).map(Filled::bytes);
            for piece in &layer.pieces {
                let end = piece.at.saturating_add(piece.length as usize);
                let bytes = room.and_then(|room| room.get(piece.at..end));
                out.0.write_all(bytes.ok_or(io::ErrorKind::InvalidData)?)?;
            }
        }
        Ok(())
    }

    /// Reads what [`Frozen::save`] wrote. The bytes are kept, and not copied.
    ///
    /// # Errors
    /// When they are not what was written, or not all of it.
    pub fn load(saved: Vec<u8>) -> Result<Self, Error> {
        let mut frozen = Self::default();
        let mut reader = Reader {
            bytes: &saved,
            at: 0,
        };
        frozen.bias = Bias(reader.word()?);
        frozen.now_nanos = reader.word()?;
        frozen.stack_bytes = reader.word()?;
        frozen.copied_bytes = reader.word()?;
        frozen.gave_up = match (reader.word()?, reader.word()?) {
            (COMPLETE, _) => None,
            (OUT_OF_TIME, copied_bytes) => Some(Error::OutOfTime { copied_bytes }),
            (TOO_MUCH, limit) => Some(Error::TooMuch { limit }),
            _ => return Err(reader.damaged("a reason that is not known")),
        };
        frozen.leaves_out_words = reader.word()? != 0;
        for _ in 0..reader.count(THREAD_WORDS)? {
            frozen.threads.push(reader.thread()?);
        }
        for _ in 0..reader.count(1)? {
            frozen.goroutines.push(Address(reader.word()?));
        }
        frozen.small = reader.small()?;
        for _ in 0..reader.count(1)? {
            frozen.layers.push(reader.layer()?);
        }
        if reader.at != saved.len() {
            return Err(reader.damaged("more than was written"));
        }
        frozen.rooms.push(Filled(Arc::new(Box::new(saved))));
        Ok(frozen)
    }
}

struct Words<'a>(&'a mut dyn Write);

impl Words<'_> {
    fn word(&mut self, word: u64) -> io::Result<()> {
        self.0.write_all(&word.to_le_bytes())
    }

    fn words(&mut self, words: &[u64]) -> io::Result<()> {
        words.iter().try_for_each(|word| self.word(*word))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn damaged(&self, found: &str) -> Error {
        Error::Damaged {
            what: "the snapshot file",
            found: format!("{found}, at byte {} of the copy", self.at),
        }
    }

    /// The place of so many bytes, which are skipped.
    fn skip(&mut self, length: u64) -> Result<usize, Error> {
        let length = usize::try_from(length).ok();
        let end = length.and_then(|length| self.at.checked_add(length));
        match end.filter(|end| *end <= self.bytes.len()) {
            Some(end) => Ok(std::mem::replace(&mut self.at, end)),
            None => Err(self.damaged("its end")),
        }
    }

    fn word(&mut self) -> Result<u64, Error> {
        let at = self.skip(8)?;
        let word = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
        let word = word.ok_or_else(|| self.damaged("its end"))?;
        Ok(u64::from_le_bytes(*word))
    }

    /// A number of things that take at least so many words each: no more than there is room for.
    fn count(&mut self, words: usize) -> Result<u64, Error> {
        let count = self.word()?;
        let left = (self.bytes.len() - self.at) / (words * 8);
        if count > left as u64 {
            return Err(self.damaged("a number that is too large"));
        }
        Ok(count)
    }

    fn thread(&mut self) -> Result<Thread, Error> {
        let mut thread = Thread {
            tid: self.word()?,
            rip: self.word()?,
            rsp: self.word()?,
            rbp: self.word()?,
            link: self.word()?,
            ..Thread::default()
        };
        for register in &mut thread.registers {
            *register = self.word()?;
        }
        for _ in 0..self.count(1)? {
            thread.vectors.push(self.word()?);
        }
        Ok(thread)
    }

    fn small(&mut self) -> Result<BTreeMap<u64, Box<[u8]>>, Error> {
        let mut small = BTreeMap::new();
        for _ in 0..self.count(2)? {
            let (start, length) = (self.word()?, self.word()?);
            let at = self.skip(length)?;
            let bytes = self.bytes.get(at..self.at).unwrap_or_default();
            small.insert(start, bytes.into());
        }
        Ok(small)
    }

    /// A layer of the room that all bytes are.
    fn layer(&mut self) -> Result<Layer, Error> {
        let mut pieces = Vec::new();
        for _ in 0..self.count(2)? {
            let (start, length) = (self.word()?, self.word()?);
            pieces.push(Piece {
                start,
                length,
                at: 0,
            });
        }
        if !pieces.is_sorted_by_key(|piece| piece.start) {
            return Err(self.damaged("pieces out of order"));
        }
        for piece in &mut pieces {
            piece.at = self.skip(piece.length)?;
        }
        Ok(Layer { room: 0, pieces })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frozen::{Copier, Depth, Limits, Moment, Room};
    use crate::{Memory, Unreadable};

    /// Bytes that say where they are, everywhere.
    struct Everywhere;

    impl Memory for Everywhere {
        fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
            for (slot, at) in buffer.iter_mut().zip(address.0..) {
                *slot = at as u8 ^ (at >> 8) as u8;
            }
            Ok(())
        }
    }

    fn copied() -> Frozen {
        let thread = Thread {
            tid: 7,
            rip: 1,
            rsp: 2,
            rbp: 3,
            link: 4,
            registers: [9; GENERAL_REGISTERS],
            vectors: vec![0x10_0000, 0x20_0000],
        };
        let threads = [thread];
        let moment = Moment {
            threads: &threads,
            now_nanos: 5,
            depth: Depth::Proof,
            limits: Limits::default(),
            may_go_on: &|| true,
        };
        let mut copier = Copier::new(&Everywhere, &moment, Room::new(vec![0; 300]));
        let layers = [vec![(0x1000, 100), (0x3000, 200)], vec![(0x8000, 5000)]];
        for layer in layers {
            copier.layer(layer).expect("within limits");
        }
        copier.read(Address(0x77), &mut [0; 3]).expect("readable");
        copier.leave_out_words();
        copier.finish(Bias(0x40), vec![Address(0x1000), Address(0x1010)])
    }

    fn saved() -> Vec<u8> {
        let mut saved = Vec::new();
        copied().save(&mut saved).expect("a vector");
        saved
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let (before, after) = (copied(), Frozen::load(saved()).expect("whole"));
        for (at, length) in [(0x1000, 100), (0x3001, 199), (0x8fff, 9), (0x78, 2)] {
            let found = after.slice(Address(at), length);
            assert!(found.is_some());
            assert_eq!(found, before.slice(Address(at), length), "{at:x}");
        }
        for (at, length) in [(0x1000, 101), (0x2fff, 2), (0x79, 2)] {
            assert_eq!(after.slice(Address(at), length), None, "{at:x}");
        }
        assert_eq!(after.threads, before.threads);
        assert_eq!(after.goroutines, before.goroutines);
        assert!(after.leaves_out_words && before.leaves_out_words);
        let numbers = |frozen: &Frozen| {
            let bias = frozen.bias;
            (
                bias,
                frozen.now_nanos,
                frozen.stack_bytes,
                frozen.copied_bytes(),
            )
        };
        assert_eq!(numbers(&after), numbers(&before));
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_refused() {
        let saved = saved();
        for length in (0..saved.len()).step_by(7) {
            let error = Frozen::load(saved[..length].to_vec()).expect_err("cut off");
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
        }
        let mut more = saved;
        more.push(0);
        Frozen::load(more).expect_err("too long");
    }

    #[test]
    fn a_count_of_more_than_there_is_allocates_nothing() {
        let mut saved = saved();
        // The number of threads follows seven words.
        saved[56..64].copy_from_slice(&u64::MAX.to_le_bytes());
        let error = Frozen::load(saved).expect_err("too many");
        assert!(error.to_string().contains("too large"), "{error}");
    }
}
