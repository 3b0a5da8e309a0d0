//! What is known of findings beyond one sweep: since when, told to whom, acknowledged, silenced, resolved.
//!
//! One SQLite file. A sweep is taken in with one transaction, which also puts what is to be told into the outbox: a crash
//! loses both or neither. Several programs may have the file open: the watch, a sweep, a person's `gorphan findings`.
//! Nothing here reads a clock; times are seconds of Unix time.

mod actions;
mod entry;
mod kept;
mod notice;
mod outbox;
mod schema;
mod silences;
mod take_in;

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use actions::Who;
pub use entry::{Acknowledgement, Entry, Filter, Happening};
pub use notice::{Event, Notice, StackLine};
pub use outbox::{Delivery, DeliveryState, Parcel, Settled};
pub use silences::{Scope, Silence};
pub use take_in::{Change, Changed, Reach, Reached, Rehearsal, Seen};

use crate::alert::Receiver;

/// The name of the file in the folder of the history.
pub const FILE: &str = "ledger.sqlite";

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The system refuses.
    #[error("cannot {what} {}: {source}", .path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite refuses.
    #[error("cannot {what} in the ledger {}: {source}", .path.display())]
    Sql {
        /// What was attempted.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file is no ledger, or a damaged one.
    #[error("cannot use the ledger {}: {why}; nothing in it was changed", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is no such finding.
    #[error("there is no finding {given:?} in the ledger")]
    Unknown {
        /// As it was given.
        given: String,
    },
    /// The start of a fingerprint fits several.
    #[error("{given:?} is the start of {count} fingerprints; give more of it")]
    Ambiguous {
        /// As it was given.
        given: String,
        /// How many.
        count: usize,
    },
    /// What is asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
}

type Result<T> = std::result::Result<T, LedgerError>;

/// Who is to be told, and when a finding counts as gone.
#[derive(Debug, Clone, Copy)]
pub struct Telling<'a> {
    /// In the order of the configuration.
    pub receivers: &'a [Receiver],
    /// Clean sweeps in a row after which a finding is resolved.
    pub clean_sweeps: u32,
}

impl Telling<'_> {
    /// Sweeps without a finding before it is resolved: one may have missed it, and growth may have paused.
    pub const CLEAN_SWEEPS: u32 = 3;
    /// Nobody is told.
    pub const NOBODY: Telling<'static> = Telling {
        receivers: &[],
        clean_sweeps: Self::CLEAN_SWEEPS,
    };
}

/// A ledger that is open.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
}

/// The right to deliver. Whoever holds it is the only one; it ends with its holder, even one that is killed.
#[derive(Debug)]
pub struct Courier {
    _lock: File,
}

impl Ledger {
    /// Opens the ledger in a file, which is made with its folder if it is not there.
    ///
    /// # Errors
    /// When it cannot be opened, is damaged, of a later version, or no ledger.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new(""));
        if !folder.as_os_str().is_empty() {
            fs::create_dir_all(folder).map_err(|source| LedgerError::Io {
                what: "make the folder",
                path: folder.to_owned(),
                source,
            })?;
        }
        let mut connection =
            Connection::open(path).map_err(|source| schema::refusal(path, source))?;
        schema::prepare(&mut connection, path)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// The right to deliver; `None` while another program has it.
    ///
    /// # Errors
    /// When the file of the lock cannot be made.
    pub fn courier(&self) -> Result<Option<Courier>> {
        let path = self.path.with_extension("courier");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(|source| LedgerError::Io {
            what: "open",
            path: path.clone(),
            source,
        })?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Courier { _lock: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(source)) => Err(LedgerError::Io {
                what: "lock",
                path,
                source,
            }),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The time of the last sweep that was taken in.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn last_sweep(&self) -> Result<Option<i64>> {
        self.read("read the last sweep", last_sweep)
    }

    fn read<T>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        work(&self.connection).map_err(|source| LedgerError::Sql {
            what,
            path: self.path.clone(),
            source,
        })
    }

    /// All of it or nothing, on disk when it returns.
    fn write<T>(
        &mut self,
        what: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let path = self.path.clone();
        let attempt = |connection: &mut Connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        attempt(&mut self.connection).map_err(|source| LedgerError::Sql { what, path, source })
    }
}

fn last_sweep(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let mut query = connection.prepare_cached("SELECT max(at) FROM sweeps")?;
    query.query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::found;
