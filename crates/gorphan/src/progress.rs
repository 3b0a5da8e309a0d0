//! A line on the terminal while something takes long.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use gorphan_capture::Progress;

/// Nothing is shown of work that is done within this time.
const PATIENCE: Duration = Duration::from_millis(700);
/// Between two updates.
const INTERVAL: Duration = Duration::from_millis(200);

/// Shows progress until it is dropped; only on a terminal.
pub(crate) struct ProgressLine {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ProgressLine {
    /// Starts to watch `progress` of reading `name`.
    pub(crate) fn start(name: &str, progress: &Progress) -> Self {
        if !io::stderr().is_terminal() {
            return Self {
                stop: None,
                thread: None,
            };
        }
        let (stop, stopped) = mpsc::channel();
        let (name, progress) = (name.to_owned(), progress.clone());
        let thread = std::thread::spawn(move || {
            let mut wait = PATIENCE;
            let mut shown = false;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let megabytes = progress.bytes() / 1_000_000;
                // A terminal that cannot be written to only costs the line.
                let _ = write!(io::stderr(), "\r\x1b[Kreading {name}: {megabytes} MB");
                shown = true;
                wait = INTERVAL;
            }
            if shown {
                let _ = write!(io::stderr(), "\r\x1b[K");
            }
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The line is cosmetic; its failure is not worth a word.
            let _ = thread.join();
        }
    }
}
