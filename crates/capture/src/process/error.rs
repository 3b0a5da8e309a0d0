//! Why a process or core file gave no snapshot.

use std::io;
use std::time::Duration;

use gorphan_goruntime::ImageError;

use super::{CoreError, Pid, SavedError};

/// What was attempted and found. [`ProcessError::advice`] says what to try.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no such process.
    #[error("cannot inspect process {pid}: there is none of this number")]
    NoSuch {
        /// As given.
        pid: Pid,
    },
    /// The kernel forbids it.
    #[error("cannot inspect process {pid}: {why}")]
    Denied {
        /// The process.
        pid: Pid,
        /// What stands in the way.
        why: String,
        /// How the right is got.
        advice: String,
    },
    /// The kernel's own, or ended and not yet waited for.
    #[error("cannot inspect process {pid}: it has no executable: {why}")]
    NoProgram {
        /// The process.
        pid: Pid,
        /// What it is instead.
        why: &'static str,
    },
    /// It ended, or began another program, in the middle.
    #[error("cannot inspect process {pid}: it {what} while it was being read")]
    Gone {
        /// The process.
        pid: Pid,
        /// `ended` or `began another program`.
        what: &'static str,
    },
    /// It was let go before all was copied.
    #[error(
        "process {pid} was let go after {} s: {done}, and the rest would have taken it past the pause budget of {} s",
        seconds(*paused),
        seconds(*budget)
    )]
    PauseBudget {
        /// The process.
        pid: Pid,
        /// How long it stood still.
        paused: Duration,
        /// How long it may.
        budget: Duration,
        /// What was done until then.
        done: String,
    },
    /// The executable cannot be read.
    #[error("cannot read the executable {path}: {source}")]
    Executable {
        /// Its path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The executable is not of Go, or not for this processor.
    #[error("cannot read goroutines of {name}: {source}")]
    Image {
        /// The executable or process.
        name: String,
        /// What was found.
        source: ImageError,
    },
    /// The runtime is not understood, or its memory is damaged.
    #[error("cannot read goroutines of {name}: {source}")]
    Runtime {
        /// The executable, process or core.
        name: String,
        /// What was found.
        source: gorphan_goruntime::Error,
    },
    /// A core file that cannot be used.
    #[error("cannot read the core file {path}: {source}")]
    Core {
        /// The core file.
        path: String,
        /// What was found.
        source: CoreError,
    },
    /// A snapshot file that cannot be read or written.
    #[error("cannot {what} the snapshot file {path}: {source}")]
    Saved {
        /// The file.
        path: String,
        /// `read` or `write`.
        what: &'static str,
        /// What was found.
        source: SavedError,
    },
    /// A core file without its executable.
    #[error(
        "cannot inspect the core file {path} alone: code and constants are in the executable{}",
        wrote(executable.as_deref())
    )]
    NeedsExecutable {
        /// The core file.
        path: String,
        /// The executable that it names.
        executable: Option<String>,
    },
    /// The system refused something else.
    #[error("cannot inspect process {pid}: {what}: {source}")]
    System {
        /// The process.
        pid: Pid,
        /// What was attempted.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Not on this system.
    #[error(
        "cannot inspect processes on {system}: gorphan reads running Go programs on Linux, on 64-bit x86 and arm64"
    )]
    Unsupported {
        /// As `macos on aarch64`.
        system: String,
    },
}

fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}

fn wrote(executable: Option<&str>) -> String {
    executable.map_or_else(String::new, |path| format!(", {path}"))
}

impl ProcessError {
    /// Says that this system is not supported.
    #[cfg_attr(
        all(
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        ),
        expect(dead_code, reason = "only other systems refuse")
    )]
    pub(super) fn unsupported() -> Self {
        Self::Unsupported {
            system: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }

    /// What to try, in one or a few lines; `None` where the error says it all.
    pub fn advice(&self) -> Option<String> {
        Some(match self {
            Self::NoSuch { .. } => "`gorphan ps` lists the Go processes of this machine; in a container only those of the \
                                    container are seen"
                .into(),
            Self::Denied { advice, .. } => advice.clone(),
            Self::NoProgram { .. } | Self::Image { .. } => {
                "`gorphan ps` lists the Go processes of this machine".into()
            }
            Self::Gone { .. } => "if it was started again, `gorphan ps` shows its new number".into(),
            Self::PauseBudget { .. } => "it runs on unharmed; allow more with --pause-budget 5s, or inspect a core file \
                                         (gcore PID, then gorphan inspect CORE --exe BINARY)"
                .into(),
            Self::Executable { .. } => "give the executable that the program was started from with --exe".into(),
            Self::Saved {
                source: SavedError::Version(_),
                ..
            } => "inspect it with the gorphan that wrote it, or a later one".into(),
            Self::Saved { what: "read", .. } => {
                "snapshot files are written by gorphan inspect PID --save FILE".into()
            }
            Self::Saved { .. } => return None,
            Self::Runtime { .. } => return None,
            Self::Core {
                source: CoreError::NotExecutable,
                ..
            } => "give the executable that the core was written of with --exe".into(),
            Self::Core { .. } => "a core file is written by gcore PID, or by the kernel if GOTRACEBACK=crash is set and \
                                  ulimit -c allows"
                .into(),
            Self::NeedsExecutable { path, executable } => {
                let executable = executable.as_deref().unwrap_or("BINARY");
                format!("gorphan inspect {path} --exe {executable}")
            }
            Self::System { .. } => return None,
            Self::Unsupported { .. } => "inspect a core file of it (gorphan inspect CORE --exe BINARY), a goroutine dump \
                                         (kill -QUIT), or its pprof endpoint"
                .into(),
        })
    }
}
