//! Reaching a target: a file, standard input, an HTTP endpoint of a Go program, its process, or its core file. Bytes of a
//! dump are decoded as they arrive, so memory grows with distinct stacks and not with what the target sends.
//!
//! [`capture`] is for one target. A fleet builds one [`http::Client`] and shares it among all of its targets: there is no
//! global state, and each capture has its own deadline.

mod error;
mod file;
pub mod http;
mod pieces;
pub mod process;
mod target;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gorphan_model::proof::Why;
use gorphan_model::{Problem, Snapshot};

pub use error::Error;
pub use file::open;
pub use http::{
    Auth, Client, ClientCertificate, Debug, HttpOptions, HttpTarget, Profile, Secret, Timeouts,
};
pub use process::{Method, ProcessError, ProcessOptions};
pub use target::Target;

/// What was looked at, for the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// `file`, `stdin`, `http`, `process` or `core`.
    pub kind: &'static str,
    /// Path, URL or process number, without credentials.
    pub name: String,
    /// When an endpoint answered, Unix nanoseconds; `None` for files, whose time is not the goroutines' time.
    pub taken_at_unix_nanos: Option<i64>,
    /// How long a process stood still; `None` for what was not stopped.
    pub pause: Option<std::time::Duration>,
    /// How the memory of a process was read: `copy` or `snapshot`.
    pub method: Option<&'static str>,
}

/// What one capture gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Capture {
    /// What was looked at.
    pub info: Info,
    /// In the order of the source, never empty. Of an endpoint that was asked in several formats only the one to report.
    pub snapshots: Vec<Snapshot>,
    /// If the filter asks about single goroutines (state, wait, label): what it lets through, as its own snapshots with
    /// the same [`Snapshot::first_line`]; one that would be empty may be missing. Verdicts need all goroutines.
    pub filtered: Option<Vec<Snapshot>>,
    /// All that is known of the goroutine that was asked for, where memory was read and it is there.
    pub why: Option<Why>,
    /// What went wrong on the way without costing the capture.
    pub problems: Vec<Problem>,
}

/// How far a capture is: bytes that have arrived. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Bytes so far, as they came (compressed where the source is).
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Captures `target`, blocking.
///
/// # Errors
/// When the target cannot be reached or what it gives are not goroutines. [`Error::advice`] says what to try.
pub fn capture(
    target: &Target,
    http: &HttpOptions,
    decode: &gorphan_decode::Options,
) -> Result<Capture, Error> {
    capture_with_progress(target, http, decode, &Progress::default())
}

/// As [`capture`], counting the bytes in `progress` meanwhile.
///
/// # Errors
/// As [`capture`].
pub fn capture_with_progress(
    target: &Target,
    http: &HttpOptions,
    decode: &gorphan_decode::Options,
    progress: &Progress,
) -> Result<Capture, Error> {
    match target {
        Target::Process { pid, options } => Ok(process::capture(*pid, options, &decode.filter)?),
        Target::Core {
            core,
            executable,
            options,
        } => Ok(process::capture_core(
            core,
            executable,
            options,
            &decode.filter,
        )?),
        Target::Saved { path, options } => {
            Ok(process::capture_saved(path, options, &decode.filter)?)
        }
        Target::File(path) if process::is_core(path) => {
            Err(Error::Process(process::ProcessError::NeedsExecutable {
                executable: process::executable_of_core(path),
                path: path.display().to_string(),
            }))
        }
        Target::Stdin => file::read_stdin(decode, progress),
        Target::File(path) => file::read_path(path, decode, progress),
        Target::Http(endpoint) => {
            let client = Client::new(http)?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|source| Error::Runtime { source })?;
            let result = runtime.block_on(client.capture_with_progress(endpoint, decode, progress));
            // A name look-up that hangs must not hold up the exit after its deadline.
            runtime.shutdown_background();
            result
        }
    }
}
