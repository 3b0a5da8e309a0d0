//! The states of goroutines, and the headers that say them, each read once.

use std::hash::BuildHasher;

use gorphan_model::{State, Status};
use hashbrown::HashTable;

use super::build::Goroutine;
use super::header::{self, Header};

/// Distinct states kept per input. Go has had under 80; further words become `unknown`.
const MAX_STATES: usize = 256;
/// Distinct headers kept per input, some 100 bytes each; those of a dump differ in state and minutes.
const MAX_HEADERS: usize = 4096;

/// The states met, each parsed once.
#[derive(Default)]
pub(super) struct States {
    known: Vec<(Box<[u8]>, State)>,
    last: usize,
}

impl States {
    /// The number of a state by the runtime's words.
    pub(super) fn get(&mut self, words: &[u8]) -> u16 {
        let hit =
            |slot: Option<&(Box<[u8]>, State)>| slot.is_some_and(|(known, _)| **known == *words);
        if !hit(self.known.get(self.last)) {
            self.last = match self.known.iter().position(|slot| hit(Some(slot))) {
                Some(at) => at,
                None => self.add(words),
            };
        }
        u16::try_from(self.last).unwrap_or_default()
    }

    fn add(&mut self, words: &[u8]) -> usize {
        // The first slot is the one for everything past the limit.
        if self.known.is_empty() {
            self.known
                .push((Box::default(), State::Status(Status::Unknown)));
        }
        if self.known.len() >= MAX_STATES {
            return 0;
        }
        let state = State::parse(&String::from_utf8_lossy(words));
        self.known.push((words.into(), state));
        self.known.len() - 1
    }

    /// The state behind a number.
    pub(super) fn state(&self, id: u16) -> Option<&State> {
        self.known.get(usize::from(id)).map(|(_, state)| state)
    }
}

/// Headers without the goroutines' numbers. In a dump most have been met before.
#[derive(Default)]
pub(super) struct Headers {
    table: HashTable<(Box<[u8]>, Goroutine)>,
    // Seeded at random, so that no input can be made to collide.
    hasher: foldhash::fast::RandomState,
}

impl Headers {
    /// The goroutine of a line that is a header met before.
    #[inline]
    pub(super) fn get(&self, line: &[u8]) -> Option<Goroutine> {
        let (id, rest) = header::split_number(line)?;
        let hash = self.hasher.hash_one(rest);
        let (_, one) = self.table.find(hash, |(known, _)| **known == *rest)?;
        Some(Goroutine { id, ..*one })
    }

    /// Keeps a header for the next of its kind. Labels mostly differ, and are not kept.
    pub(super) fn keep(&mut self, line: &[u8], header: &Header<'_>, one: &Goroutine) {
        if !header.labels.is_empty() || self.table.len() >= MAX_HEADERS {
            return;
        }
        let Some((_, rest)) = header::split_number(line) else {
            return;
        };
        let hasher = &self.hasher;
        let entry = (rest.into(), *one);
        self.table
            .insert_unique(hasher.hash_one(rest), entry, |(rest, _)| {
                hasher.hash_one(&**rest)
            });
    }
}
