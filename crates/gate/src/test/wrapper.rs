//! What `go test` starts in place of each test binary, on every system.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gorphan_model::verdict::IgnoreRule;

use super::record::{Record, VERSION};

/// How to run a test binary.
#[derive(Debug, Clone)]
pub struct ExecOptions {
    /// The folder of the records.
    pub records: PathBuf,
    /// How long goroutines may take to end.
    pub grace: Duration,
    /// Look also if the tests failed.
    pub on_failure: bool,
    /// What needs not be waited for, because it is ignored anyway.
    pub ignore: Vec<IgnoreRule>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// Runs a test binary to its end and writes its record. `launcher` is this program with the arguments that make it call
/// [`become_test`]; the binary and its arguments are added.
///
/// # Errors
/// When the binary cannot be started, or the record not be written.
pub fn exec(
    launcher: &mut Command,
    command: &[OsString],
    options: &ExecOptions,
) -> io::Result<Ending> {
    let binary = command.first().map(PathBuf::from).unwrap_or_default();
    let mut record = Record {
        version: VERSION,
        folder: std::env::current_dir()?.display().to_string(),
        binary: binary.display().to_string(),
        go_version: None,
        unwatched: None,
        tests: Vec::new(),
        left: Vec::new(),
        grace_millis: u64::try_from(options.grace.as_millis()).unwrap_or(u64::MAX),
        problems: Vec::new(),
    };
    let ending = run(launcher, command, options, &mut record)?;
    write(&options.records, &record)?;
    Ok(ending)
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn run(
    launcher: &mut Command,
    command: &[OsString],
    options: &ExecOptions,
    record: &mut Record,
) -> io::Result<Ending> {
    super::exec::watched(launcher.args(command), options, record)
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn run(
    _launcher: &mut Command,
    command: &[OsString],
    _options: &ExecOptions,
    record: &mut Record,
) -> io::Result<Ending> {
    let why = "test binaries are watched on Linux on 64-bit x86 alone".to_owned();
    record.unwatched = Some(super::record::Unwatched::Failed(why));
    let (binary, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let status = Command::new(binary).args(arguments).status()?;
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Ok(Ending::Killed(signal));
    }
    Ok(Ending::Exited(status.code().unwrap_or(1)))
}

/// Whether test binaries can be watched here; else why not. `launcher` is as for [`exec`].
///
/// # Errors
/// What stands in the way.
pub fn can_watch(launcher: &mut Command) -> Result<(), String> {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    return gorphan_capture::process::watch::probe(launcher).map_err(|error| error.to_string());
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    {
        let _ = launcher;
        Err("test binaries are watched on Linux on 64-bit x86 alone".to_owned())
    }
}

/// Writes a record whole or not at all, under a name of its own.
fn write(folder: &Path, record: &Record) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix("record-")
        .suffix(".part")
        .tempfile_in(folder)?;
    // One call of the system, not one for each word.
    file.write_all(&serde_json::to_vec(record)?)?;
    let name = file.path().with_extension("json");
    file.persist(name).map(drop).map_err(|error| error.error)
}

/// Ends this program by a signal, as the one that it ran was ended. Returns if the signal does not end it.
pub fn end_by(signal: i32) {
    #[cfg(unix)]
    gorphan_capture::process::outlive::end_by(signal);
    #[cfg(not(unix))]
    let _ = signal;
}

/// Waits until [`exec`] watches this program, then becomes a test binary. Returns only if that fails.
pub fn become_test(command: &[OsString]) -> io::Error {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    if let Some((binary, arguments)) = command.split_first() {
        return gorphan_capture::process::watch::stop_and_become(binary, arguments);
    }
    let _ = command;
    io::Error::from(io::ErrorKind::Unsupported)
}
