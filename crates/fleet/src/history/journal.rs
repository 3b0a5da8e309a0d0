//! Sweeps in a file of JSON lines, one a sweep. Small fleets and tests need no more.
//!
//! A sweep is written with one call and synced before it counts. A last line without its end is what a crash left of a
//! sweep that never counted: it is cut off.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::VERSION;
use super::{History, Memory, Point, SiteKey, SweepRecord};
use crate::sweep::{Breaker, Dumps};

/// The name of the file in its folder.
const FILE: &str = "sweeps.jsonl";
/// Bytes of one line: a sweep of fifty thousand instances has some 150 MB.
const MAX_LINE_BYTES: usize = 1 << 30;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refuses.
    #[error("cannot {what} the history {}: {source}", .path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not a sweep.
    #[error("cannot read the history {}: line {line}: {why}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Another gorphan writes it.
    #[error("cannot write the history {}: another gorphan does", .0.display())]
    Locked(PathBuf),
}

/// A journal that is open.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    memory: Memory,
    breakers: HashMap<(String, String), Breaker>,
    dumps: Dumps,
    found: HashMap<String, i64>,
    last: Option<i64>,
}

impl Journal {
    /// Opens the journal of a folder, which is made if it is not there, and rolls up what is in it.
    ///
    /// # Errors
    /// When it cannot be read, a line in it is damaged, or another program has it open.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(FILE);
        let failed = |what| {
            let path = path.clone();
            move |source| JournalError::Io { what, path, source }
        };
        fs::create_dir_all(folder).map_err(failed("make"))?;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = options.open(&path).map_err(failed("open"))?;
        if file.try_lock().is_err() {
            return Err(JournalError::Locked(path));
        }
        let mut journal = Self {
            path: path.clone(),
            file,
            memory: Memory::default(),
            breakers: HashMap::new(),
            dumps: Dumps::new(),
            found: HashMap::new(),
            last: None,
        };
        journal.replay()?;
        Ok(journal)
    }

    fn replay(&mut self) -> Result<(), JournalError> {
        let path = self.path.clone();
        let failed = |what| {
            let path = path.clone();
            move |source| JournalError::Io { what, path, source }
        };
        let mut reader = BufReader::new(self.file.try_clone().map_err(failed("read"))?);
        reader.seek(SeekFrom::Start(0)).map_err(failed("read"))?;
        let (mut line, mut whole, mut number) = (Vec::new(), 0_u64, 0);
        loop {
            line.clear();
            let read = reader
                .read_until(b'\n', &mut line)
                .map_err(failed("read"))?;
            if read == 0 {
                return Ok(());
            }
            if line.last() != Some(&b'\n') || line.len() > MAX_LINE_BYTES {
                return self.file.set_len(whole).map_err(failed("mend"));
            }
            number += 1;
            let wrong = |why: String| JournalError::Line {
                path: path.clone(),
                line: number,
                why,
            };
            let record: SweepRecord =
                serde_json::from_slice(&line).map_err(|error| wrong(error.to_string()))?;
            if record.version > VERSION {
                let why = format!(
                    "it has version {}, and this program reads {VERSION}",
                    record.version
                );
                return Err(wrong(why));
            }
            whole += read as u64;
            self.take_in(&record);
        }
    }

    fn take_in(&mut self, record: &SweepRecord) -> Vec<(Arc<SiteKey>, Point)> {
        for instance in &record.instances {
            let key = (instance.job.clone(), instance.instance.to_string());
            self.breakers.remove(&key);
        }
        for failure in &record.failures {
            let key = (failure.job.clone(), failure.instance.clone());
            let breaker = self.breakers.entry(key).or_default();
            if failure.attempts > 0 {
                breaker.failed(&failure.reason);
            } else {
                // It was left alone then, which counts now.
                let _ = breaker.holds();
            }
        }
        for service in &record.dumped {
            self.dumps.insert(service.clone(), record.at);
        }
        for fingerprint in &record.found {
            self.found.entry(fingerprint.clone()).or_insert(record.at);
        }
        self.last = self.last.max(Some(record.at));
        match self.memory.append(record) {
            Ok(points) => points,
            Err(never) => match never {},
        }
    }

    /// Adds to the last sweep what was found in it, and which services were asked for debug=2.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn note(&mut self, found: Vec<String>, dumped: Vec<String>) -> Result<(), JournalError> {
        let mut record = SweepRecord::new(self.last.unwrap_or_default());
        record.found = found;
        record.dumped = dumped;
        self.append(&record).map(drop)
    }

    /// How targets have failed lately, for the next sweep.
    pub fn breakers(&self) -> HashMap<(String, String), Breaker> {
        self.breakers.clone()
    }

    /// When services were asked for debug=2.
    pub fn dumps(&self) -> Dumps {
        self.dumps.clone()
    }

    /// When a finding was first there; `None` if it never was.
    pub fn first_found(&self, fingerprint: &str) -> Option<i64> {
        self.found.get(fingerprint).copied()
    }

    /// The time of the last sweep.
    pub fn last(&self) -> Option<i64> {
        self.last
    }

    /// What the sweeps mean.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl History for Journal {
    type Error = JournalError;

    fn append(&mut self, sweep: &SweepRecord) -> Result<Vec<(Arc<SiteKey>, Point)>, JournalError> {
        let failed = |source| JournalError::Io {
            what: "write",
            path: self.path.clone(),
            source,
        };
        let before = self.file.metadata().map_err(failed)?.len();
        let mut line = serde_json::to_vec(sweep).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        let written = self
            .file
            .write_all(&line)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Of a full disk a part of the line may be there; what cannot be cut off now is cut off when it is opened.
            let _ = self.file.set_len(before);
            return Err(failed(error));
        }
        Ok(self.take_in(sweep))
    }

    fn series(&self, key: &SiteKey) -> Result<Vec<Point>, JournalError> {
        self.memory.series(key).map_err(|never| match never {})
    }

    fn sites(&self) -> Result<Vec<Arc<SiteKey>>, JournalError> {
        self.memory.sites().map_err(|never| match never {})
    }

    fn since(&self, service: &str) -> Result<Option<i64>, JournalError> {
        self.memory.since(service).map_err(|never| match never {})
    }
}
