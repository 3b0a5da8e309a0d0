//! The board as it is kept for when the program starts again: JSON with a version, packed. What the history has is not in it:
//! courses over time and captures are taken from there.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use gorphan_model::code::CODES;
use gorphan_model::finding::Pattern;
use gorphan_model::{Operation, Verdict};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::board::{Board, MAX_SERIES};
use super::captures::Captures;
use super::series;
use super::view::{Backlog, Word};
use crate::history::{History, SiteKey, Store};
use crate::ledger::Ledger;
use crate::pass::Fleet;

/// The version of the form. Another one is left alone: the next sweep makes a board.
const VERSION: u32 = 1;
/// Bytes of a board, unpacked: a hundred thousand targets have some hundred each.
const MAX_BYTES: u64 = 256 << 20;
/// Words that no list of the model has: kinds of evidence, and states of targets.
const WORDS: [&str; 9] = [
    "threshold",
    "growth",
    "leftover",
    "runtime_reported",
    "source",
    "proof",
    "up",
    "down",
    "paused",
];
const VERDICTS: [Verdict; 4] = [
    Verdict::Normal,
    Verdict::Suspect,
    Verdict::Growing,
    Verdict::Leak,
];

#[derive(Serialize, Deserialize)]
struct Kept<B> {
    version: u32,
    board: B,
}

impl Board {
    /// Keeps what is shown, for when the program starts again: captures in the history, the rest in the ledger. What does not work
    /// is for people.
    pub fn keep(&mut self, fleet: &mut Fleet, troubles: &mut Vec<String>) {
        let captures = self.captures.of(self.at.unwrap_or_default());
        let history = fleet.history_mut();
        if let Err(error) = history.put_captures(&captures) {
            troubles.push(format!("captures are not kept: {error}"));
        }
        troubles.extend(history.troubles());
        self.history = Backlog::of(history.backlog());
        let kept = self.pack().and_then(|packed| {
            let done = open(fleet.ledger()).keep_board(&packed);
            done.map_err(|error| error.to_string())
        });
        if let Err(why) = kept {
            troubles.push(format!("what is shown is not kept for a restart: {why}"));
        }
    }

    /// What the program showed when it last ended, as findings stand at `now`; `None` if nothing is known of it.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub fn kept(fleet: &Fleet, now: i64) -> Result<Option<Self>, String> {
        let ledger = open(fleet.ledger());
        let packed = ledger.board().map_err(|error| error.to_string())?;
        let Some(packed) = packed else {
            return Ok(None);
        };
        let mut board = Self::unpack(&packed, fleet.history())?;
        for finding in board.iter_mut().flat_map(|board| &mut board.findings) {
            // People may have said something meanwhile.
            if let Ok(entry) = ledger.finding(&finding.fingerprint, now) {
                finding.status = entry.status.as_str().to_owned();
            }
        }
        Ok(board)
    }

    /// The board as it is kept.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    fn pack(&self) -> Result<Vec<u8>, String> {
        let kept = Kept {
            version: VERSION,
            board: self,
        };
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        let text = serde_json::to_vec(&kept).map_err(|error| error.to_string())?;
        packed.write_all(&text).map_err(|error| error.to_string())?;
        packed.finish().map_err(|error| error.to_string())
    }

    /// A board that was kept, with what the history has; `None` if a gorphan of another version kept it.
    ///
    /// # Errors
    /// When it is damaged, or the history cannot be read.
    fn unpack(packed: &[u8], history: &Store) -> Result<Option<Self>, String> {
        let mut text = Vec::new();
        let mut unpacked = GzDecoder::new(packed).take(MAX_BYTES);
        let read = unpacked.read_to_end(&mut text);
        read.map_err(|error| error.to_string())?;
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let versioned: Versioned =
            serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        if versioned.version != VERSION {
            return Ok(None);
        }
        let kept: Kept<Self> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let mut board = kept.board;
        board.series = courses(&board, history)?;
        board.captures = Captures::stored(history)?;
        Ok(Some(board))
    }
}

fn open(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

fn courses(board: &Board, history: &Store) -> Result<HashMap<String, super::view::Series>, String> {
    let mut courses = HashMap::new();
    for finding in board.findings.iter().take(MAX_SERIES) {
        let key = SiteKey {
            service: finding.service.as_str().into(),
            operation: Operation::parse(finding.operation).unwrap_or(Operation::Other),
            function: finding.function.as_str().into(),
        };
        let points = history.series(&key).map_err(|error| error.to_string())?;
        courses.insert(finding.fingerprint.clone(), series::of(&points));
    }
    Ok(courses)
}

/// Reads a word that the program has.
pub(crate) fn word<'de, D: Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
    let text = String::deserialize(from)?;
    let operations = Operation::ALL.iter().map(|it| it.as_str());
    let verdicts = VERDICTS.iter().map(|it| it.as_str());
    let codes = CODES.iter().map(|code| code.id);
    let patterns = Pattern::ALL.iter().map(|it| it.name());
    let sentences = Pattern::ALL.iter().map(|it| it.sentence());
    let words = WORDS.into_iter().chain(operations).chain(verdicts);
    let mut words = words.chain(codes).chain(patterns).chain(sentences);
    let known = words.find(|word| *word == text);
    known.ok_or_else(|| D::Error::custom(format!("{text:?} is no word of this version")))
}
