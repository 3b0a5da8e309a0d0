//! A history that is written: one writer, who adds a sweep whole or not at all.
//!
//! A sweep's files are put first; then the next manifest names them. Only what a manifest names is part of the history, and
//! only one writer can create the next number, so that a sweep counts from one moment to the next whatever happens before
//! or after.

mod compact;

use std::collections::VecDeque;
use std::fs::{self, File as OsFile};
use std::path::Path;
use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;

use crate::captures::Capture;
use crate::driver::Driver;
use crate::encode::{self, File, Known};
use crate::engine;
use crate::error::{Result, StoreError};
use crate::manifest::{self, Entry, Manifest};
use crate::names;
use crate::place::Place;
use crate::reader::Reader;
use crate::restore;
use crate::rollup::Memory;
use crate::{History, Location, Options, Point, SiteKey, SweepRecord};

/// The file that one writer holds locked.
const LOCK: &str = "lock";
/// Memory of the engine while a history is opened and files are merged.
const MEMORY_BYTES: usize = 2 << 30;
/// Times that a commit is tried when it turns out that an earlier one had succeeded after all.
const ATTEMPTS: usize = 3;

/// A history that is open for writing.
#[derive(Debug)]
pub struct Store {
    place: Place,
    driver: Driver,
    environment: Arc<RuntimeEnv>,
    options: Options,
    /// Held as long as the store is open; there is none in an object store.
    _lock: Option<OsFile>,
    /// Who commits.
    writer: String,
    manifest: Manifest,
    memory: Memory,
    known: Known,
    waiting: VecDeque<Waiting>,
    lost: u64,
    troubles: Vec<String>,
}

/// A sweep, or captures, that are not committed yet.
#[derive(Debug)]
struct Waiting {
    at: i64,
    /// Captures are not a sweep.
    is_sweep: bool,
    files: Vec<Written>,
}

#[derive(Debug)]
struct Written {
    entry: Entry,
    bytes: bytes::Bytes,
    /// It is in the store, though nothing names it yet.
    is_there: bool,
}

/// What waits for a store that is away, and what was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Sweeps that wait in memory.
    pub sweeps: usize,
    /// Bytes that wait, those of captures included.
    pub bytes: usize,
    /// The time of the oldest of them, in seconds of Unix time.
    pub since: Option<i64>,
    /// Sweeps that were given up since the history was opened, as more bytes would have had to wait than may.
    pub lost: u64,
}

/// A time for a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds of Unix time.
    pub at: i64,
    /// The clock shows less than the time of the last sweep, so that `at` is only the next one free. To be passed on as
    /// [`SweepRecord::clock_behind`].
    pub clock_behind: bool,
}

impl Store {
    /// Opens a history for writing; a folder is made if it is not there. The roll-up is restored from what is stored.
    ///
    /// # Errors
    /// When it cannot be reached or read, or another program has it open for writing.
    pub fn open(location: &Location, options: Options) -> Result<Self> {
        Self::of(Place::open(location, true)?, options)
    }

    pub(crate) fn of(place: Place, options: Options) -> Result<Self> {
        let lock = place.folder.as_deref().map(locked).transpose()?;
        let driver = Driver::new()?;
        let environment = engine::environment(MEMORY_BYTES)?;
        if let Some(folder) = &place.folder {
            sweep_up(folder);
        }
        let (of, with) = (place.clone(), Arc::clone(&environment));
        let raw_seconds = options.raw_seconds;
        let (manifest, restored) = driver.run("open the history", async move {
            let (manifest, torn) = manifest::newest(&of).await?;
            for name in torn {
                of.delete(&name).await?;
            }
            let restored = restore::restore(&of, &manifest, &with, raw_seconds).await?;
            Ok((manifest, restored))
        })?;
        Ok(Self {
            writer: writer(&options),
            place,
            driver,
            environment,
            options,
            _lock: lock,
            manifest,
            memory: restored.memory,
            known: restored.known,
            waiting: VecDeque::new(),
            lost: 0,
            troubles: Vec::new(),
        })
    }

    /// The time of the last sweep.
    pub fn last(&self) -> Option<i64> {
        let waiting = self.waiting.iter().filter(|one| one.is_sweep);
        waiting.map(|one| one.at).max().or(self.manifest.last())
    }

    /// A time for a sweep now, by a clock that may have been set back.
    pub fn moment(&self, now: i64) -> Moment {
        match self.last() {
            Some(last) if now <= last => Moment {
                at: last.saturating_add(1),
                clock_behind: true,
            },
            _ => Moment {
                at: now,
                clock_behind: false,
            },
        }
    }

    /// What the sweeps mean.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What did not work since this was last asked, though the sweeps went on. For people.
    pub fn troubles(&mut self) -> Vec<String> {
        std::mem::take(&mut self.troubles)
    }

    /// Sweeps that wait for a store that is away.
    pub fn waiting(&self) -> usize {
        self.waiting.iter().filter(|one| one.is_sweep).count()
    }

    /// What waits for a store that is away, and what was given up.
    pub fn backlog(&self) -> Backlog {
        Backlog {
            sweeps: self.waiting(),
            bytes: self.waiting_bytes(),
            since: self.waiting.front().map(|one| one.at),
            lost: self.lost,
        }
    }

    /// Seconds for which sweeps are kept whole, and captures.
    pub fn raw_seconds(&self) -> i64 {
        self.options.raw_seconds
    }

    /// A view of the same history for questions.
    ///
    /// # Errors
    /// When the engine cannot be started.
    pub fn reader(&self) -> Result<Reader> {
        Reader::of(self.place.clone(), self.driver.clone())
    }

    /// Adds a sweep, whole or not at all, and gives its points by site.
    ///
    /// While the store is away sweeps wait in memory, as many as the options allow; [`Store::troubles`] then says so. Those
    /// that are too many are given up, oldest first, and said as well.
    ///
    /// # Errors
    /// When it is not after the last one, or cannot be stored and must not wait. The store is to be opened anew then.
    pub fn append(&mut self, sweep: &SweepRecord) -> Result<Vec<(Arc<SiteKey>, Point)>> {
        if let Some(last) = self.last().filter(|last| sweep.at <= *last) {
            return Err(StoreError::NotAfter { at: sweep.at, last });
        }
        let Ok(points) = self.memory.append(sweep);
        let (files, new) = encode::sweep(sweep, &points, &self.memory, &self.known)?;
        self.known.extend(new);
        self.wait(sweep.at, true, files);
        if self.store()? {
            self.maintain();
        }
        Ok(points)
    }

    /// Keeps profiles and dumps as they were fetched, for as long as raw sweeps.
    ///
    /// # Errors
    /// When they cannot be stored and must not wait.
    pub fn put_captures(&mut self, captures: &[Capture]) -> Result<()> {
        let Some(file) = Capture::file(captures)? else {
            return Ok(());
        };
        let at = captures.iter().map(|capture| capture.at).max();
        self.wait(at.unwrap_or_default(), false, vec![file]);
        self.store().map(drop)
    }

    fn wait(&mut self, at: i64, is_sweep: bool, files: Vec<File>) {
        // Files of captures have the manifest's number in their names, as there may be several of one second.
        let name = format!(
            "{at}-{}-{}",
            self.writer,
            self.manifest.number + self.waiting.len() as u64
        );
        let files = files.into_iter().map(|file| {
            let entry = Entry {
                kind: file.kind,
                from: at,
                to: at,
                name: names::hourly(file.kind, at, &name),
                rows: file.rows,
                bytes: file.bytes.len() as u64,
            };
            Written {
                entry,
                bytes: file.bytes,
                is_there: false,
            }
        });
        self.waiting.push_back(Waiting {
            at,
            is_sweep,
            files: files.collect(),
        });
    }

    /// Commits what waits; `false` if it still does.
    fn store(&mut self) -> Result<bool> {
        let Err(error) = self.commit_waiting() else {
            return Ok(true);
        };
        let away = matches!(error, StoreError::Object { .. } | StoreError::Folder { .. });
        if self.options.buffer_bytes == 0 || !away {
            self.waiting.pop_back();
            return Err(error);
        }
        let mut given_up = 0;
        while self.waiting_bytes() > self.options.buffer_bytes
            && let Some(oldest) = self.waiting.pop_front()
        {
            given_up += usize::from(oldest.is_sweep);
        }
        if given_up > 0 {
            // Sites that were first seen in them are written once more.
            self.known.clear();
            self.lost += given_up as u64;
            self.troubles.push(format!(
                "{given_up} sweeps are lost to the history, as more than {} bytes would have to wait for it",
                self.options.buffer_bytes
            ));
        }
        let waiting = self.waiting();
        self.troubles.push(format!(
            "{error}; sweeps that wait in memory until it can be written again: {waiting}"
        ));
        Ok(false)
    }

    fn waiting_bytes(&self) -> usize {
        let files = self.waiting.iter().flat_map(|one| &one.files);
        files.map(|file| file.bytes.len()).sum()
    }

    fn commit_waiting(&mut self) -> Result<()> {
        let mut entries = Vec::new();
        for file in self.waiting.iter_mut().flat_map(|one| &mut one.files) {
            entries.push(file.entry.clone());
            if !file.is_there {
                let (place, name) = (self.place.clone(), file.entry.name.clone());
                let bytes = file.bytes.clone();
                let put = async move { place.put(&name, bytes, false).await };
                self.driver.run("write a sweep", put)?;
                file.is_there = true;
            }
        }
        let sweeps: Vec<i64> = self
            .waiting
            .iter()
            .filter(|one| one.is_sweep)
            .map(|one| one.at)
            .collect();
        self.commit(|manifest| {
            manifest.add(&entries);
            for at in &sweeps {
                manifest.swept(*at);
            }
        })?;
        self.waiting.clear();
        Ok(())
    }

    /// Makes a change to the manifest and commits it. The change may be made twice, and must then be the same.
    fn commit(&mut self, change: impl Fn(&mut Manifest)) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let mut next = self.manifest.clone();
            change(&mut next);
            if next == self.manifest {
                return Ok(());
            }
            next.version = manifest::VERSION;
            next.number += 1;
            next.writer.clone_from(&self.writer);
            let place = self.place.clone();
            let number = self.manifest.number;
            let committed = self.driver.run("commit a sweep", async move {
                // A writer that slept for long must not take a number that was used and has been cleaned away.
                let (newest, _) = manifest::newest(&place).await?;
                if newest.number != number {
                    return Ok(Err(newest));
                }
                match manifest::create(&place, &next).await {
                    Ok(()) => Ok(Ok(next)),
                    Err(error) if manifest::taken(&error) => {
                        Ok(Err(manifest::newest(&place).await?.0))
                    }
                    Err(error) => Err(error),
                }
            })?;
            match committed {
                Ok(next) => {
                    self.manifest = next;
                    return Ok(());
                }
                // An earlier attempt of ours whose answer was lost.
                Err(newest) if newest.writer == self.writer => self.manifest = newest,
                Err(_) => break,
            }
        }
        Err(StoreError::Conflict(self.place.to_string()))
    }
}

impl History for Store {
    type Error = StoreError;

    fn append(&mut self, sweep: &SweepRecord) -> Result<Vec<(Arc<SiteKey>, Point)>> {
        Self::append(self, sweep)
    }

    fn series(&self, key: &SiteKey) -> Result<Vec<Point>> {
        self.memory.series(key).map_err(|never| match never {})
    }

    fn sites(&self) -> Result<Vec<Arc<SiteKey>>> {
        self.memory.sites().map_err(|never| match never {})
    }

    fn since(&self, service: &str) -> Result<Option<i64>> {
        self.memory.since(service).map_err(|never| match never {})
    }
}

/// A name that no other opening of a history has.
fn writer(options: &Options) -> String {
    use std::hash::{BuildHasher, RandomState};
    let now = (options.now)();
    // Every such state has keys of its own.
    let number = RandomState::new().hash_one((now, std::process::id()));
    format!("{number:016x}")
}

fn locked(folder: &Path) -> Result<OsFile> {
    let path = folder.join(LOCK);
    let failed = |source| StoreError::Folder {
        what: "open",
        path: path.clone(),
        source,
    };
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::Locked(folder.display().to_string())),
        Err(fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Removes what writers left that were ended in the middle of a file. Only whoever has the lock may. What cannot be removed
/// does no harm.
fn sweep_up(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sweep_up(&path);
        } else if is_unfinished(&path) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// `NAME#1` is what a local object store calls `NAME` until it is whole.
fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let number = name.and_then(|name| name.rsplit_once('#'));
    number.is_some_and(|(whole, number)| {
        let whole_is_ours = whole.ends_with(".parquet") || whole.ends_with(".json");
        whole_is_ours && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests;
