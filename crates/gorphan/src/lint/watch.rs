//! `--watch`: again whenever a file changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use super::disk::Disk;
use super::{Linted, Options, lint};
use crate::error::{self, Result};

/// How often it is looked for changes: asking after the files of a thousand directories takes some milliseconds.
const INTERVAL: Duration = Duration::from_millis(300);
/// Files that are watched.
const MAX_FILES: usize = 200_000;

/// What is known of the files: when each was changed, and its size.
type Stamps = BTreeMap<PathBuf, (SystemTime, u64)>;

/// Reports, and again after each change, until the process is told to end.
pub(crate) fn run(options: &Options, report: impl Fn(Linted) -> Result<()>) -> Result<ExitCode> {
    let mut directories: Vec<PathBuf> = Vec::new();
    let mut seen = None;
    loop {
        let stamps = stamps(&directories);
        if seen.as_ref() == Some(&stamps) {
            std::thread::sleep(INTERVAL);
            continue;
        }
        match lint(options, &Disk::default()) {
            Ok(linted) => {
                directories.clone_from(&linted.directories);
                report(linted)?;
            }
            // Source is often not sound while it is written; the next change may mend it.
            Err(failure) if seen.is_some() => error::report(&failure),
            Err(failure) => return Err(failure),
        }
        // What changed meanwhile is seen in the next round.
        seen = Some(if seen.is_some() {
            stamps
        } else {
            self::stamps(&directories)
        });
        anstream::eprintln!(
            "watching {} directories; ends with Ctrl-C",
            directories.len()
        );
    }
}

fn stamps(directories: &[PathBuf]) -> Stamps {
    let mut stamps = Stamps::new();
    for directory in directories {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        for entry in entries {
            let path = entry.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let watched =
                name.ends_with(".go") || matches!(name, "go.mod" | "go.work" | "modules.txt");
            if !watched || stamps.len() >= MAX_FILES {
                continue;
            }
            if let Ok(metadata) = entry.metadata()
                && let Ok(modified) = metadata.modified()
            {
                stamps.insert(path, (modified, metadata.len()));
            }
        }
    }
    stamps
}
