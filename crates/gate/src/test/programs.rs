//! The programs that the runner starts, and the signals that it gets while they run.

use std::io;
use std::process::{Command, ExitStatus};

#[cfg(unix)]
use gorphan_capture::process::outlive::Outliving;

/// While it lives, what would end this program is passed on to those that it runs: they decide, and this one has their
/// results to report.
pub(super) struct Programs {
    #[cfg(unix)]
    held: Outliving,
}

impl Programs {
    pub(super) fn begin() -> Self {
        Self {
            #[cfg(unix)]
            held: Outliving::begin(),
        }
    }

    /// Runs one to its end.
    pub(super) fn run(&self, command: &mut Command) -> io::Result<ExitStatus> {
        #[cfg(unix)]
        return self.held.run(command);
        #[cfg(not(unix))]
        command.status()
    }

    /// The first signal that came.
    pub(super) fn interrupted(&self) -> Option<i32> {
        #[cfg(unix)]
        return self.held.taken();
        #[cfg(not(unix))]
        None
    }
}
