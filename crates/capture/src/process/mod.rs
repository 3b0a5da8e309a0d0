//! Processes and core files: goroutines read from memory. Nothing is put into the target: it stands still for as long as
//! the copy takes, and runs on.
//!
//! The only unsafe code of the project is in this folder, one call that no safe wrapper offers.

mod core;
mod elf;
mod error;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod fork;
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
#[path = "no_fork.rs"]
mod fork;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod freeze;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod inject;
#[cfg(target_os = "linux")]
mod list;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod live;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(unix)]
pub mod outlive;
#[cfg(target_os = "linux")]
mod permission;
#[cfg(target_os = "linux")]
mod procfs;
mod query;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod registers;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod room;
mod saved;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod watch;

#[cfg(target_os = "linux")]
mod buildinfo;

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use gorphan_goruntime::{Bias, Depth, Frozen, Image, Leaks, Limits, Moment, Question, Runtime};
use gorphan_model::query::Filter;
use gorphan_model::{GoroutineId, Problem};

pub use core::CoreError;
pub use error::ProcessError;
pub use saved::SavedError;

use crate::{Capture, Info};

/// The number of a process or thread.
pub type Pid = u32;

/// Bytes of an executable that are read. The largest Go programs, with debug information, have some 500 MB.
const MAX_EXECUTABLE_BYTES: u64 = 2 << 30;

/// How to look into a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessOptions {
    /// How long the target may stand still. When it would be longer it is let go, and there is no capture.
    pub pause_budget: Duration,
    /// Whether to find out which goroutines can still be woken. Much more is copied for it.
    pub proof: bool,
    /// How its memory is read.
    pub method: Method,
    /// An executable with debug information, built by the same Go version: says how the runtime's structs lie. For versions
    /// that are not known.
    pub layout_from: Option<PathBuf>,
    /// With `proof`, whether to look a second time: only what is leaked both times is called so. Of processes alone.
    pub confirm: bool,
    /// Where to write what was copied, for [`crate::Target::Saved`].
    pub save: Option<PathBuf>,
    /// With `proof`, a goroutine of which all is to be said.
    pub why: Option<GoroutineId>,
}

/// How the memory of a process is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// It stands still while what matters is copied. Nothing is done to it besides.
    #[default]
    Copy,
    /// It stands still while the kernel makes a twin of it that shares its memory; that is read while it runs on. It is made
    /// to call the system for this. Where that cannot be done, as [`Method::Copy`].
    Snapshot,
}

impl Method {
    /// As reports call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Snapshot => "snapshot",
        }
    }
}

impl ProcessOptions {
    /// How much to copy.
    fn depth(&self) -> Depth {
        if self.proof {
            Depth::Proof
        } else {
            Depth::Goroutines
        }
    }
}

/// What is asked of a process or core file.
#[derive(Clone, Copy)]
struct Asked<'a> {
    options: &'a ProcessOptions,
    filter: &'a Filter,
    /// What a first look found leaked.
    before: Option<&'a Leaks>,
}

impl<'a> Asked<'a> {
    fn once(options: &'a ProcessOptions, filter: &'a Filter) -> Self {
        Self {
            options,
            filter,
            before: None,
        }
    }
}

impl Default for ProcessOptions {
    fn default() -> Self {
        Self {
            // What most health checks and clients forgive.
            pause_budget: Duration::from_secs(1),
            proof: false,
            method: Method::Copy,
            layout_from: None,
            confirm: false,
            save: None,
            why: None,
        }
    }
}

/// A Go process, as [`processes`] sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoProcess {
    /// Its number.
    pub pid: Pid,
    /// The name it gave itself, of at most 15 bytes.
    pub name: String,
    /// The user it runs as.
    pub uid: u32,
    /// That user's name, where this system knows it.
    pub user: Option<String>,
    /// The path of its executable, in its own file system.
    pub executable: PathBuf,
    /// As `go1.26.8`; `None` before Go 1.18.
    pub go_version: Option<String>,
    /// The main module, or main package.
    pub module: Option<String>,
    /// The container it runs in, as the container runtimes' tools abbreviate it.
    pub container: Option<String>,
    /// How many goroutines, where that can be read.
    pub goroutines: Option<u64>,
    /// Why its goroutines cannot be read; `None` if they can.
    pub obstacle: Option<String>,
}

/// All Go processes of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Processes {
    /// By number.
    pub found: Vec<GoProcess>,
    /// Processes of which not even the executable can be read, so that they may be of Go or not.
    pub hidden: u64,
}

/// Finds the Go processes of this machine. None of them is stopped.
///
/// # Errors
/// When this system has no `/proc`.
pub fn processes() -> Result<Processes, ProcessError> {
    #[cfg(target_os = "linux")]
    return list::processes();
    #[cfg(not(target_os = "linux"))]
    Err(ProcessError::unsupported())
}

/// Reads the goroutines of a running process.
pub(crate) fn capture(
    pid: Pid,
    options: &ProcessOptions,
    filter: &Filter,
) -> Result<Capture, ProcessError> {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    return live::capture(pid, options, filter);
    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    {
        let _ = (pid, options, filter);
        Err(ProcessError::unsupported())
    }
}

/// Whether a file is a core file.
pub(crate) fn is_core(path: &Path) -> bool {
    let file = path.is_file().then(|| File::open(path).ok()).flatten();
    let header = file.and_then(|file| elf::header(&file).ok().flatten());
    header.is_some_and(|header| header.kind == elf::ET_CORE)
}

/// The executable that a core file was written of, as it says itself.
pub(crate) fn executable_of_core(path: &Path) -> Option<String> {
    core::executable_of(&File::open(path).ok()?)
}

/// Reads the goroutines of a core file.
pub(crate) fn capture_core(
    path: &Path,
    executable: &Path,
    options: &ProcessOptions,
    filter: &Filter,
) -> Result<Capture, ProcessError> {
    let name = path.display().to_string();
    let program = File::open(executable).map_err(|source| ProcessError::Executable {
        path: executable.display().to_string(),
        source,
    })?;
    let layout_from = options.layout_from.as_deref();
    let runtime = runtime_with(&program, &executable.display().to_string(), layout_from)?;
    let failed = |source| ProcessError::Core {
        path: name.clone(),
        source,
    };
    let file = File::open(path).map_err(|source| failed(CoreError::Io(source)))?;
    let kept = program.try_clone();
    let kept = kept.map_err(|source| failed(CoreError::Io(source)))?;
    let core = core::open(file, program).map_err(failed)?;
    let moment = Moment {
        threads: &core.threads,
        // Not in the file; waits, which it is for, are dropped below.
        now_nanos: 0,
        depth: options.depth(),
        limits: Limits::default(),
        may_go_on: &|| true,
    };
    let frozen = runtime
        .copy(Bias(core.bias), &core.memory, &moment)
        .map_err(|source| ProcessError::Runtime {
            name: name.clone(),
            source,
        })?;
    let mut problems = Vec::new();
    if core.missing_bytes > 0 {
        let missing = core.missing_bytes;
        problems.push(Problem::new(format!(
            "the core file is cut off: {missing} bytes of memory are missing (a limit on core files, or a full disk?)"
        )));
    }
    if filter.min_wait_minutes.is_some() || filter.max_wait_minutes.is_some() {
        problems.push(Problem::new(
            "a core file does not tell when it was written on the program's own clock, so how long goroutines waited is not \
             known, and --min-wait and --max-wait find nothing",
        ));
    }
    let info = Info {
        kind: "core",
        name,
        taken_at_unix_nanos: None,
        pause: None,
        method: None,
    };
    save(&info, options, &kept, &frozen, false)?;
    let bytes = core.memory.bytes();
    let asked = Asked::once(options, filter);
    finish(info, &runtime, &frozen, bytes, asked, false, problems)
}

/// Whether a file was written by `--save`.
pub fn is_saved(path: &Path) -> bool {
    saved::is_saved(path)
}

/// Inspects what was saved.
pub(crate) fn capture_saved(
    path: &Path,
    options: &ProcessOptions,
    filter: &Filter,
) -> Result<Capture, ProcessError> {
    let name = path.display().to_string();
    let (about, runtime, frozen) = saved::load(path).map_err(|source| ProcessError::Saved {
        path: name.clone(),
        what: "read",
        source,
    })?;
    let info = Info {
        kind: "snapshot",
        name,
        taken_at_unix_nanos: about.taken_at_unix_nanos,
        pause: about.pause_nanos.map(Duration::from_nanos),
        method: [Method::Copy, Method::Snapshot]
            .map(Method::as_str)
            .into_iter()
            .find(|method| *method == about.method),
    };
    let asked = Asked::once(options, filter);
    let bytes = frozen.copied_bytes();
    finish(
        info,
        &runtime,
        &frozen,
        bytes,
        asked,
        about.knows_now,
        Vec::new(),
    )
}

/// Writes what was copied where it is asked for.
fn save(
    info: &Info,
    options: &ProcessOptions,
    executable: &File,
    frozen: &Frozen,
    knows_now: bool,
) -> Result<(), ProcessError> {
    let Some(path) = &options.save else {
        return Ok(());
    };
    let about = saved::About {
        name: info.name.clone(),
        method: info.method.unwrap_or_default().to_owned(),
        taken_at_unix_nanos: info.taken_at_unix_nanos,
        pause_nanos: info
            .pause
            .and_then(|pause| u64::try_from(pause.as_nanos()).ok()),
        knows_now,
    };
    let layout_from = options.layout_from.as_deref();
    let saved = saved::save(path, &about, executable, layout_from, frozen);
    saved.map_err(|source| ProcessError::Saved {
        path: path.display().to_string(),
        what: "write",
        source: source.into(),
    })
}

/// The Go runtime of an executable that is open.
#[cfg(target_os = "linux")]
fn runtime_of(executable: &File, name: &str) -> Result<Runtime, ProcessError> {
    runtime_with(executable, name, None)
}

/// As [`runtime_of`], with the layouts of another executable if one is given.
fn runtime_with(
    executable: &File,
    name: &str,
    layout_from: Option<&Path>,
) -> Result<Runtime, ProcessError> {
    let image = image_of(executable, name)?;
    let runtime = match layout_from {
        None => Runtime::of(image),
        Some(path) => {
            let name = path.display().to_string();
            let other = File::open(path).map_err(|source| ProcessError::Executable {
                path: name.clone(),
                source,
            })?;
            Runtime::with_layout_of(image, &image_of(&other, &name)?)
        }
    };
    runtime.map_err(|source| ProcessError::Runtime {
        name: name.to_owned(),
        source,
    })
}

fn image_of(executable: &File, name: &str) -> Result<Image, ProcessError> {
    let bytes = read_executable(executable).map_err(|source| ProcessError::Executable {
        path: name.to_owned(),
        source,
    })?;
    Image::parse(bytes).map_err(|source| ProcessError::Image {
        name: name.to_owned(),
        source,
    })
}

fn read_executable(file: &File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > MAX_EXECUTABLE_BYTES {
        let why = format!("it has {length} bytes, more than the limit of {MAX_EXECUTABLE_BYTES}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(MAX_EXECUTABLE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What is asked of a copy: on all processors.
fn question(why: Option<GoroutineId>) -> Question {
    Question {
        threads: thread::available_parallelism().map_or(1, NonZero::get),
        why,
    }
}

/// Makes the capture of a copy. Without knowing when it was taken on the target's own clock, waits are not known either.
fn finish(
    info: Info,
    runtime: &Runtime,
    frozen: &Frozen,
    bytes_read: u64,
    asked: Asked<'_>,
    knows_now: bool,
    problems: Vec<Problem>,
) -> Result<Capture, ProcessError> {
    let Asked {
        options,
        filter,
        before,
    } = asked;
    let mut problems = problems;
    if let Some(why) = frozen.gave_up() {
        problems.push(Problem::new(format!(
            "which goroutines can still be woken was not found out: {why}; allow more with --pause-budget 5s, or read a twin \
             with --snapshot"
        )));
    }
    let seen = if options.proof && frozen.gave_up().is_none() {
        let answer = runtime.confirm(frozen, &question(options.why), before);
        answer.map(|answer| (answer.snapshot, answer.why))
    } else {
        let seen = runtime.snapshot(frozen);
        seen.map(|(snapshot, _)| (snapshot, None))
    };
    let (mut snapshot, why) = seen.map_err(|source| ProcessError::Runtime {
        name: info.name.clone(),
        source,
    })?;
    snapshot.taken_at_unix_nanos = snapshot.taken_at_unix_nanos.or(info.taken_at_unix_nanos);
    snapshot.bytes_read = bytes_read;
    if !knows_now {
        for sample in &mut snapshot.samples {
            sample.waits = None;
        }
    }
    let filtered = (!filter.admits_all()).then(|| vec![query::wanted(&snapshot, filter)]);
    Ok(Capture {
        info,
        snapshots: vec![snapshot],
        filtered,
        why,
        problems,
    })
}
