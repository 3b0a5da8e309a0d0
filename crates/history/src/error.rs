//! Why the history cannot be used.

use std::path::PathBuf;

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It is not said well where the history is.
    #[error("cannot use the history {place}: {why}")]
    Place {
        /// As it was given.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A folder or a file beside the objects cannot be used.
    #[error("cannot {what} {}: {source}", .path.display())]
    Folder {
        /// What was attempted.
        what: &'static str,
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The object store refuses or is away.
    #[error("cannot {what} {object} of the history: {source}")]
    Object {
        /// What was attempted.
        what: &'static str,
        /// The object, below the place of the history.
        object: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// Another gorphan has it open.
    #[error("cannot write the history {0}: another gorphan does")]
    Locked(String),
    /// Another gorphan has written meanwhile.
    #[error("cannot write the history {0}: another gorphan has written to it since it was opened")]
    Conflict(String),
    /// Something in it cannot be read.
    #[error("cannot read {object} of the history: {why}")]
    Damaged {
        /// The object, below the place of the history.
        object: String,
        /// What is wrong with it.
        why: String,
    },
    /// A later gorphan wrote it.
    #[error("cannot read the history: it has version {found}, and this program reads {known}")]
    Later {
        /// Its version.
        found: u32,
        /// The version that this program writes.
        known: u32,
    },
    /// Time must go forward.
    #[error("cannot keep a sweep of {at} seconds of Unix time: the last one is of {last}")]
    NotAfter {
        /// The sweep's time.
        at: i64,
        /// That of the last one.
        last: i64,
    },
    /// A sweep cannot be put into columns.
    #[error("cannot encode a sweep: {0}")]
    Encode(String),
    /// A query is wrong, or asks for too much.
    #[error("cannot answer the query: {0}")]
    Query(String),
    /// A cluster's scheduler is away.
    #[error("cannot reach the scheduler {scheduler}: {why}")]
    Scheduler {
        /// Its address.
        scheduler: String,
        /// What the system said.
        why: String,
    },
    /// The engine ended otherwise than with an answer.
    #[error("cannot {0}: the history's engine stopped")]
    Stopped(&'static str),
}

/// What the crate's functions return.
pub(crate) type Result<T> = std::result::Result<T, StoreError>;

impl StoreError {
    /// What to try; `None` where the message says all.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Locked(_) => Some("wait until it has ended, or give another history.path"),
            Self::Conflict(_) => Some("let only one gorphan sweep into a history at a time"),
            Self::NotAfter { .. } => Some("give a later time, or another history.path"),
            Self::Scheduler { .. } => Some(
                "start ballista-scheduler and its executors there; without --engine gorphan answers by itself",
            ),
            Self::Later { .. } => Some("use a later gorphan"),
            _ => None,
        }
    }
}
