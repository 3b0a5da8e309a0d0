//! Source to findings, as the command, `go vet` and editors ask for it: the disk, the settings of Go, what is remembered.

pub(crate) mod baseline;
pub(crate) mod cache;
pub(crate) mod disk;
pub(crate) mod fix;
pub(crate) mod lsp;
mod standard;
pub(crate) mod vet;
pub(crate) mod watch;

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use gorphan_lint::load::{self, Environment, Loaded, Request, Wishes, load};
use gorphan_lint::session::{self, Forgetful, Note, Run, Store};
use gorphan_lint::syntax::Names;
use gorphan_model::source::Ledger;
use gorphan_model::{Finding, Problem};

use crate::error::{Failure, Result};
use cache::Cache;
use disk::Disk;

/// Missing imports that are told one by one; more have one cause.
const MAX_MISSING: usize = 5;

/// What to look at, and how.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// As for the go command.
    pub(crate) patterns: Vec<String>,
    /// Take tests along.
    pub(crate) tests: bool,
    /// What is asked for besides the environment.
    pub(crate) wishes: Wishes,
    /// Remember nothing, and do not look at what is remembered.
    pub(crate) no_cache: bool,
    /// Threads; all cores by default.
    pub(crate) threads: Option<usize>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Linted {
    /// By package, file and place.
    pub(crate) findings: Vec<Finding>,
    /// What was looked at and decided.
    pub(crate) ledger: Ledger,
    /// Findings that comments suppressed.
    pub(crate) suppressed: u64,
    /// What could not be read, and comments that are not as they should be.
    pub(crate) problems: Vec<Problem>,
    /// Comments that suppress nothing.
    pub(crate) unused: Vec<Problem>,
    /// As `go1.27.3`: that of the Go tree.
    pub(crate) go_version: Option<String>,
    /// The directories that were read, those of the Go tree and of other modules left out.
    pub(crate) directories: Vec<PathBuf>,
}

/// Looks at packages.
pub(crate) fn lint(options: &Options, files: &Disk) -> Result<Linted> {
    let working = std::env::current_dir()
        .map_err(|error| Failure::new(format!("cannot tell the working directory: {error}")))?;
    let mut settings = settings(options, files, &working, None);
    let built_in;
    let (mut files, has_go) = (files, settings.goroot.is_some());
    if !has_go {
        built_in = files.with_built_in(standard::files());
        files = &built_in;
        settings = self::settings(options, files, &working, standard::root().to_str());
    }
    let threads = options.threads.unwrap_or_else(threads);
    let request = Request {
        patterns: &options.patterns,
        tests: options.tests,
        threads,
    };
    let loaded = load(files, &settings, &request).map_err(failure)?;
    let cache = (!options.no_cache).then(Cache::open).flatten();
    let store: &dyn Store = match &cache {
        Some(cache) => cache,
        None => &Forgetful,
    };
    let names = Names::new();
    let run = Run {
        names: &names,
        store,
        threads,
        salt: &salt(),
    };
    let outcome = session::run(&loaded, run);
    let mut linted = Linted {
        problems: missing(&loaded, has_go),
        go_version: settings.go_version,
        directories: directories(&loaded),
        ..Linted::default()
    };
    for unread in &loaded.unread {
        linted.ledger.files = linted.ledger.files.saturating_add(1);
        linted.ledger.files_unparsed = linted.ledger.files_unparsed.saturating_add(1);
        let text = format!("cannot read {}: {}", unread.path.display(), unread.why);
        linted.problems.push(Problem::new(text));
    }
    for (_, report) in outcome.reports {
        linted.ledger.add(&report.ledger);
        linted.suppressed = linted.suppressed.saturating_add(report.suppressed);
        linted.findings.extend(report.findings);
        linted.problems.extend(report.problems.iter().map(problem));
        linted.unused.extend(report.unused.iter().map(problem));
    }
    Ok(linted)
}

/// Where Go is: that of the first path given, if that lies in a Go tree of its own, else the usual one.
fn settings(
    options: &Options,
    files: &Disk,
    working: &Path,
    goroot: Option<&str>,
) -> load::Settings {
    let variable = |name: &str| std::env::var_os(name)?.into_string().ok();
    let mut tree = None;
    let first = options.patterns.first().map_or(".", String::as_str);
    let first = first.split("...").next().unwrap_or_default();
    if let Ok(path) = working.join(first).canonicalize() {
        let is_tree = |folder: &&Path| {
            folder.join("src/runtime/proc.go").is_file() && path.starts_with(folder.join("src"))
        };
        tree = path
            .ancestors()
            .find(is_tree)
            .and_then(Path::to_str)
            .map(str::to_owned);
    }
    let environment = Environment {
        variable: &|name| match (name, goroot.or(tree.as_deref())) {
            ("GOROOT", Some(tree)) => Some(tree.to_owned()),
            _ => variable(name),
        },
        home: std::env::home_dir(),
        configuration: configuration(),
        working: working.to_path_buf(),
    };
    load::Settings::detect(files, &environment, &options.wishes)
}

/// The folder of a user's settings, as Go's os.UserConfigDir has it.
fn configuration() -> Option<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if cfg!(windows) {
        return set("AppData");
    }
    let home = std::env::home_dir();
    if cfg!(target_os = "macos") {
        return home.map(|home| home.join("Library/Application Support"));
    }
    set("XDG_CONFIG_HOME").or_else(|| home.map(|home| home.join(".config")))
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The version of the program, to the build: another may find other things.
pub(crate) fn salt() -> String {
    let build = std::env::current_exe()
        .and_then(std::fs::metadata)
        .and_then(|metadata| {
            let modified = metadata.modified()?.duration_since(UNIX_EPOCH);
            let nanos = modified.map_or(0, |since| since.as_nanos());
            Ok(format!("{} {nanos}", metadata.len()))
        });
    format!(
        "{} {}",
        env!("CARGO_PKG_VERSION"),
        build.unwrap_or_default()
    )
}

fn failure(error: load::Error) -> Failure {
    let advice = error.advice();
    let failure = Failure::new(error.to_string());
    match advice {
        Some(advice) => failure.advise(advice),
        None => failure,
    }
}

fn problem(note: &Note) -> Problem {
    Problem::new(format!("{}:{}: {}", note.file, note.line, note.message))
}

/// Imports without a package: what comes from them is not known.
fn missing(loaded: &Loaded, has_go: bool) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    let is_standard = |import: &str| {
        !import
            .split('/')
            .next()
            .is_some_and(|first| first.contains('.'))
    };
    // One cause, however many packages.
    if !has_go {
        problems.push(Problem::new(
            "no Go tree was found: of the standard library only what goroutines wait by is known, which hides findings; set \
             GOROOT to an unpacked Go tree, which need not run",
        ));
    }
    let missing = loaded
        .missing
        .iter()
        .filter(|missing| has_go || !is_standard(&missing.import));
    let missing: Vec<_> = missing.collect();
    for missing in missing.iter().take(MAX_MISSING) {
        let advice = missing
            .why
            .advice()
            .map_or_else(String::new, |advice| format!("; {advice}"));
        problems.push(Problem::new(format!(
            "nothing is known of package {}: {}{advice}",
            missing.import, missing.why
        )));
    }
    if let Some(more) = missing
        .len()
        .checked_sub(MAX_MISSING)
        .filter(|more| *more > 0)
    {
        problems.push(Problem::new(format!(
            "nothing is known of {more} further packages, either"
        )));
    }
    problems
}

fn directories(loaded: &Loaded) -> Vec<PathBuf> {
    let own = loaded.packages.iter().filter(|package| {
        !package.standard && package.module.as_ref().is_none_or(|module| module.main)
    });
    let mut directories: Vec<PathBuf> = own.map(|package| package.directory.clone()).collect();
    directories.sort();
    directories.dedup();
    directories
}
