//! The runner: `go test` with wrappers, a planted leak beside it, and the records of both.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use super::command::{self, Refused, With};
use super::generated::{self, Prepared};
use super::programs::Programs;
use super::record::{Record, VERSION};

/// Bytes of a record; one of a million goroutines with different stacks would have more.
const MAX_RECORD_BYTES: u64 = 256 << 20;
/// The test of the planted leak.
const PLANTED: &str = "TestPlanted";

/// Why there is no result at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command cannot be made.
    #[error("cannot run go test: {0}")]
    Refused(#[from] Refused),
    /// It cannot be started.
    #[error("cannot run {go}: {source}")]
    Go {
        /// The command.
        go: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is no place for the records.
    #[error("cannot make a folder for the results of the tests: {0}")]
    Folder(io::Error),
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `go` command.
    pub go: OsString,
    /// The wrapper, to which the folder of the records is added: program and arguments.
    pub wrapper: Vec<OsString>,
    /// Further arguments of the wrapper, after the folder.
    pub wrapper_options: Vec<OsString>,
    /// Packages, as `go test` takes them.
    pub packages: Vec<OsString>,
    /// Flags of `go test`.
    pub rest: Vec<OsString>,
    /// Why test binaries are not watched but compiled with a `TestMain`; `None` if they are.
    pub unwatched: Option<String>,
    /// How long goroutines may take to end.
    pub grace: Duration,
    /// Look also if the tests failed.
    pub on_failure: bool,
    /// Whether to plant a leak in a scratch process.
    pub self_check: bool,
    /// Whether the import paths of packages that left nothing are needed, too: asking the go command takes a while.
    pub name_all: bool,
    /// Whether the tests' standard output goes to standard error, because something else needs it.
    pub output_to_stderr: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// How `go test` ended.
    pub status: ExitStatus,
    /// One for each test binary that ran.
    pub records: Vec<Record>,
    /// Import paths by folder, of those that there is something to tell of; of all if so asked.
    pub packages: Vec<(String, String)>,
    /// Whether the planted leak was seen; `None` if none was planted, else what was found in its place.
    pub self_check: Option<Result<(), String>>,
    /// The first signal that this program got meanwhile: it was passed on, and the tests may not have come to their end.
    pub interrupted: Option<i32>,
    /// Records that could not be read.
    pub problems: Vec<String>,
}

/// Runs `go test`, with its standard streams, and reads the records.
///
/// # Errors
/// When it cannot be started.
pub fn run(options: &Options) -> Result<Outcome, Error> {
    let folder = tempfile::Builder::new().prefix("gorphan-test-").tempdir();
    let folder = folder.map_err(Error::Folder)?;
    let (tests, planted) = (folder.path().join("tests"), folder.path().join("planted"));
    for folder in [&tests, &planted] {
        fs::create_dir(folder).map_err(Error::Folder)?;
    }
    let prepared = match &options.unwatched {
        None => None,
        Some(_) => Some(
            prepare(options, &options.packages, &options.rest, None, &tests).map_err(|source| {
                Error::Go {
                    go: options.go.to_string_lossy().into_owned(),
                    source,
                }
            })?,
        ),
    };
    let wrapped = wrapper(options, &tests);
    let with = match &prepared {
        None => With::Wrapper(&wrapped),
        Some(prepared) => With::Overlay(&prepared.flag),
    };
    let mut go = command::go_test(&options.go, &with, &options.packages, &options.rest)?;
    if options.output_to_stderr {
        go.stdout(io::stderr());
    }
    let programs = Programs::begin();
    let (status, self_check) = thread::scope(|scope| {
        let check = options
            .self_check
            .then(|| scope.spawn(|| plant(options, &planted, &programs)));
        let status = programs.run(&mut go).map_err(|source| Error::Go {
            go: options.go.to_string_lossy().into_owned(),
            source,
        });
        let failed = || Err("the self-check itself failed".to_owned());
        (
            status,
            check.map(|check| check.join().unwrap_or_else(|_| failed())),
        )
    });
    let interrupted = programs.interrupted();
    // From here on a signal ends this program, too.
    drop(programs);
    let mut problems = Vec::new();
    let (records, packages) = match &prepared {
        Some(prepared) => {
            let why = options.unwatched.as_deref().unwrap_or_default();
            problems.push(format!(
                "the test binaries were not watched but compiled with a TestMain that writes a dump ({why}): nothing is proven, \
                 and subtests are not told apart"
            ));
            let records = prepared.records().map_err(Error::Folder)?;
            (records, prepared.paths())
        }
        None => {
            let records = records(&tests, &mut problems).map_err(Error::Folder)?;
            let named = records
                .iter()
                .filter(|it| options.name_all || it.is_told_of());
            let folders: Vec<&str> = named.map(|it| it.folder.as_str()).collect();
            let packages = command::import_paths(&options.go, &folders);
            (records, packages)
        }
    };
    Ok(Outcome {
        status: status?,
        packages,
        records,
        self_check,
        interrupted,
        problems,
    })
}

fn prepare(
    options: &Options,
    packages: &[OsString],
    rest: &[OsString],
    within: Option<&Path>,
    folder: &Path,
) -> io::Result<Prepared> {
    let (grace, on_failure) = (options.grace, options.on_failure);
    generated::prepare(
        &options.go,
        packages,
        rest,
        within,
        folder,
        grace,
        on_failure,
    )
}

fn wrapper(options: &Options, folder: &Path) -> Vec<OsString> {
    let mut words = options.wrapper.clone();
    words.push(folder.into());
    words.extend(options.wrapper_options.iter().cloned());
    words
}

/// Runs a test that leaks one goroutine in a module of its own, and says whether that was seen.
fn plant(options: &Options, folder: &Path, programs: &Programs) -> Result<(), String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let (source, records_folder) = (folder.join("source"), folder.join("records"));
    for folder in [&source, &records_folder] {
        fs::create_dir(folder).map_err(failed("cannot make its folder"))?;
    }
    let files = [
        ("go.mod", "module gorphan.invalid/planted\n\ngo 1.19\n"),
        ("planted_test.go", include_str!("planted_test.go.txt")),
    ];
    for (name, text) in files {
        fs::write(source.join(name), text).map_err(failed("cannot write it"))?;
    }
    let here = [OsString::from(".")];
    let prepared = match &options.unwatched {
        None => None,
        Some(_) => Some(
            prepare(options, &here, &[], Some(&source), &records_folder)
                .map_err(failed("cannot prepare it"))?,
        ),
    };
    let wrapped = wrapper(options, &records_folder);
    let with = match &prepared {
        None => With::Wrapper(&wrapped),
        Some(prepared) => With::Overlay(&prepared.flag),
    };
    let go = command::go_test(&options.go, &with, &here, &[]);
    let mut go: Command = go.map_err(|error| error.to_string())?;
    go.current_dir(&source).stdin(Stdio::null());
    go.envs([("GOFLAGS", ""), ("GOWORK", "off"), ("GO111MODULE", "on")]);
    let said = folder.join("output");
    let output = File::create(&said).and_then(|file| Ok((file.try_clone()?, file)));
    let (out, err) = output.map_err(failed("cannot write its output"))?;
    let status = programs.run(go.stdout(out).stderr(err));
    if !status.map_err(failed("cannot run go test"))?.success() {
        let said = fs::read(&said).map_err(failed("cannot read its output"))?;
        let said = String::from_utf8_lossy(&said);
        return Err(format!("its test did not pass: {}", said.trim()));
    }
    let mut problems = Vec::new();
    let seen = match &prepared {
        Some(prepared) => prepared.records(),
        None => records(&records_folder, &mut problems),
    };
    let seen = seen.map_err(failed("cannot read its record"))?;
    let left = seen.iter().flat_map(|record| &record.left);
    let found: Vec<_> = left
        .map(|left| (left.test.as_deref(), left.count))
        .collect();
    if found == [(Some(PLANTED), 1)] {
        return Ok(());
    }
    let why = seen.iter().filter_map(|record| record.unwatched.as_ref());
    let why: Vec<String> = why.map(|why| format!("{why:?}")).chain(problems).collect();
    Err(format!(
        "one goroutine of {PLANTED} was planted, and {found:?} was seen {}",
        why.join("; ")
    ))
}

/// Reads all records of a folder, in the order of the packages' folders.
fn records(folder: &Path, problems: &mut Vec<String>) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match read(&path) {
            Ok(record) => records.push(record),
            Err(why) => problems.push(format!("the result of one test binary is lost: {why}")),
        }
    }
    records.sort_by(|a, b| (&a.folder, &a.binary).cmp(&(&b.folder, &b.binary)));
    Ok(records)
}

fn read(path: &Path) -> Result<Record, String> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_RECORD_BYTES)
        .read_to_end(&mut text)
        .map_err(|error| error.to_string())?;
    let record: Record = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if record.version != VERSION {
        return Err(format!("it has version {}, not {VERSION}", record.version));
    }
    Ok(record)
}
