//! A run over packages: which need to be checked, in which order, on all cores, with what is remembered of earlier runs.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use gorphan_model as model;
use gorphan_model::source::Ledger;
use sha2::{Digest, Sha256};

use crate::check::{Circumstances, Facts, check};
use crate::finding::SourceFile;
use crate::load::{Loaded, PackageInfo, Parsed};
use crate::suppress::Suppressions;
use crate::syntax::{File, Names};

/// Stack of a thread that checks: source nests up to [`MAX_NESTING`](crate::syntax::MAX_NESTING) deep, and each level takes some
/// kilobytes of unoptimised code. Pages that are not touched cost nothing.
const STACK_BYTES: usize = 32 << 20;

/// What a package and all that it imports amount to: equal keys have equal results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

/// What came of a package, ready to be shown. Comments of the source have had their say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PackageReport {
    /// By file and place.
    pub findings: Vec<model::Finding>,
    /// Findings that comments of the source suppressed.
    pub suppressed: u64,
    /// Comments that are not as they should be, and files that could be read in part only.
    pub problems: Vec<Note>,
    /// Comments that suppress nothing.
    pub unused: Vec<Note>,
    /// What was looked at and decided.
    pub ledger: Ledger,
}

/// Something to say of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The file.
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
    /// What.
    pub message: String,
}

/// What is remembered of a package.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kept {
    /// What came of it.
    pub report: PackageReport,
    /// For importers, encoded.
    pub facts: Vec<u8>,
}

/// A memory over runs. It may forget everything at any time.
pub trait Store: Sync {
    /// What is remembered under a key.
    fn get(&self, key: Key) -> Option<Kept>;
    /// Remembers.
    fn put(&self, key: Key, kept: &Kept);
}

/// A memory that forgets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forgetful;

impl Store for Forgetful {
    fn get(&self, _key: Key) -> Option<Kept> {
        None
    }

    fn put(&self, _key: Key, _kept: &Kept) {}
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// By package that was asked for: its place in [`Loaded::packages`], and what came of it.
    pub reports: Vec<(usize, PackageReport)>,
    /// Packages that were checked.
    pub checked: usize,
    /// Packages of which what was remembered was taken.
    pub remembered: usize,
}

/// How to run.
#[derive(Clone, Copy)]
pub struct Run<'r> {
    /// Names of the source.
    pub names: &'r Names,
    /// The memory.
    pub store: &'r dyn Store,
    /// Threads to work on; at least one is used.
    pub threads: usize,
    /// What makes results differ besides the source: the version of the program.
    pub salt: &'r str,
}

/// The keys of packages, in their order.
pub fn keys(loaded: &Loaded, salt: &str) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::with_capacity(loaded.packages.len());
    for package in &loaded.packages {
        keys.push(key(package, &keys, salt));
    }
    keys
}

fn key(package: &PackageInfo, keys: &[Key], salt: &str) -> Key {
    let mut hash = Sha256::new();
    text(&mut hash, salt);
    text(&mut hash, &package.path);
    let how = format!(
        "{:?} {} {}",
        package.variant, package.go_minor, package.plain_files
    );
    text(&mut hash, &how);
    for (file, digest) in package.files.iter().zip(&package.digests) {
        text(&mut hash, file);
        hash.update(digest);
    }
    for (import, imported) in &package.imports {
        text(&mut hash, import);
        if let Some(key) = keys.get(*imported) {
            hash.update(key.0);
        }
    }
    Key(hash.finalize().into())
}

/// With its length, so that two texts are never taken for two others.
fn text(hash: &mut Sha256, text: &str) {
    hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
    hash.update(text.as_bytes());
}

/// Checks the packages that were asked for and are not remembered, and what these import.
pub fn run(loaded: &Loaded, run: Run<'_>) -> Outcome {
    let keys = keys(loaded, run.salt);
    let count = loaded.packages.len();
    let mut kept: Vec<Option<Kept>> = vec![None; count];
    let mut needed: Vec<bool> = loaded.packages.iter().map(|package| package.root).collect();
    let mut missed = vec![false; count];
    // What is not remembered needs all that it imports; importers come last.
    for (index, package) in loaded.packages.iter().enumerate().rev() {
        let is_needed = needed.get(index).copied().unwrap_or(false);
        let (Some(key), true) = (keys.get(index), is_needed) else {
            continue;
        };
        let remembered = run.store.get(*key);
        if remembered.is_none() {
            set(&mut missed, index, true);
            for imported in package.imports.values() {
                if asks(loaded, package, *imported) {
                    set(&mut needed, *imported, true);
                }
            }
        }
        set(&mut kept, index, remembered);
    }
    let is_missed = |index: usize| missed.get(index).copied().unwrap_or(false);
    let parsed = loaded.parse(run.names, run.threads, &is_missed);
    let session = Session {
        loaded,
        parsed: &parsed,
        run,
        keys: &keys,
        missed: &missed,
        facts: (0..count).map(|_| OnceLock::new()).collect(),
        state: Mutex::new(State::new(loaded, &missed)),
        changed: Condvar::new(),
    };
    for (index, kept) in kept.iter().enumerate() {
        if let (Some(kept), Some(facts)) = (kept, session.facts.get(index)) {
            let _ = facts.set(Facts::decode(&kept.facts).map(Arc::new));
        }
    }
    std::thread::scope(|scope| {
        let started = (0..run.threads.max(1)).filter(|_| {
            let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
            builder.spawn_scoped(scope, || session.work()).is_ok()
        });
        // A system that starts no thread has this one.
        if started.count() == 0 {
            session.work();
        }
    });
    let state = session
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let checked = state.done.len();
    let remembered = kept.iter().flatten().count();
    let mut reports: Vec<(usize, PackageReport)> = state.done;
    for (index, kept) in kept.into_iter().enumerate() {
        reports.extend(kept.map(|kept| (index, kept.report)));
    }
    reports.retain(|(index, _)| {
        loaded
            .packages
            .get(*index)
            .is_some_and(|package| package.root)
    });
    reports.sort_by_key(|(index, _)| *index);
    Outcome {
        reports,
        checked,
        remembered,
    }
}

fn set<T>(list: &mut [T], index: usize, value: T) {
    if let Some(slot) = list.get_mut(index) {
        *slot = value;
    }
}

/// Whether a package makes use of the facts of one that it imports. Of the standard library the rules know what matters by name, and
/// looking into all of it would cost every small program more than its own source does.
fn asks(loaded: &Loaded, importer: &PackageInfo, imported: usize) -> bool {
    let is_standard = |package: &PackageInfo| package.standard;
    importer.standard || !loaded.packages.get(imported).is_none_or(is_standard)
}

struct State {
    /// Packages whose imports are all done.
    ready: Vec<usize>,
    /// By package: imports that are not done.
    waits_for: Vec<usize>,
    /// By package: who imports it.
    importers: Vec<Vec<usize>>,
    /// Packages not done.
    left: usize,
    done: Vec<(usize, PackageReport)>,
}

impl State {
    fn new(loaded: &Loaded, missed: &[bool]) -> Self {
        let is_missed = |index: usize| missed.get(index).copied().unwrap_or(false);
        let count = loaded.packages.len();
        let mut state = Self {
            ready: Vec::new(),
            waits_for: vec![0; count],
            importers: vec![Vec::new(); count],
            left: missed.iter().filter(|missed| **missed).count(),
            done: Vec::new(),
        };
        for (index, package) in loaded
            .packages
            .iter()
            .enumerate()
            .filter(|(index, _)| is_missed(*index))
        {
            let mut waits_for = 0;
            for import in package
                .imports
                .values()
                .filter(|import| is_missed(**import))
            {
                waits_for += 1;
                if let Some(importers) = state.importers.get_mut(*import) {
                    importers.push(index);
                }
            }
            set(&mut state.waits_for, index, waits_for);
            if waits_for == 0 {
                state.ready.push(index);
            }
        }
        state
    }

    fn finish(&mut self, index: usize, report: PackageReport) {
        self.left -= 1;
        self.done.push((index, report));
        for importer in self
            .importers
            .get_mut(index)
            .map(std::mem::take)
            .unwrap_or_default()
        {
            if let Some(waits_for) = self.waits_for.get_mut(importer) {
                *waits_for -= 1;
                if *waits_for == 0 {
                    self.ready.push(importer);
                }
            }
        }
    }
}

struct Session<'s> {
    loaded: &'s Loaded,
    parsed: &'s Parsed,
    run: Run<'s>,
    keys: &'s [Key],
    missed: &'s [bool],
    facts: Vec<OnceLock<Option<Arc<Facts>>>>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Session<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.state();
        loop {
            if let Some(index) = state.ready.pop() {
                drop(state);
                let report = self.check(index);
                state = self.state();
                state.finish(index, report);
                self.changed.notify_all();
            } else if state.left == 0 {
                return;
            } else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn check(&self, index: usize) -> PackageReport {
        let (Some(info), Some(id)) = (self.loaded.packages.get(index), self.parsed.ids.get(index))
        else {
            return PackageReport::default();
        };
        let facts_of = |id| {
            let place = self.parsed.ids.binary_search(&id).ok()?;
            let is_imported = info.imports.values().any(|import| *import == place);
            if !is_imported || !asks(self.loaded, info, place) {
                return None;
            }
            self.facts.get(place)?.get()?.clone()
        };
        let circumstances = Circumstances {
            go_minor: info.go_minor,
        };
        let program = &self.parsed.program;
        // A fault of a rule costs the package, not the run.
        let checked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            check(program, self.run.names, *id, circumstances, &facts_of)
        }));
        let failed = checked.is_err();
        let checked = checked.unwrap_or_default();
        let files: Vec<&File> = program
            .package(*id)
            .files
            .iter()
            .map(AsRef::as_ref)
            .collect();
        let mut report = report(info, &files, checked.findings, checked.ledger);
        if failed {
            report.problems.push(Note {
                file: info.files.first().cloned().unwrap_or_default(),
                line: 1,
                message: format!(
                    "package {} was not checked: the check failed, which is a fault of gorphan",
                    info.path
                ),
            });
            report.ledger.undecided("the check failed");
        }
        report
            .findings
            .sort_by(|one, two| place(one).cmp(&place(two)));
        let facts = checked.facts;
        let kept = Kept {
            report,
            facts: facts.encode(),
        };
        if let Some(key) = self.keys.get(index).filter(|_| !failed) {
            self.run.store.put(*key, &kept);
        }
        if let Some(slot) = self.facts.get(index) {
            let _ = slot.set(Some(Arc::new(facts)));
        }
        debug_assert!(self.missed.get(index).copied().unwrap_or(false));
        kept.report
    }
}

fn place(finding: &model::Finding) -> (&str, u32, Option<u32>, &str) {
    let place = &finding.place;
    (&place.file, place.line, place.column, finding.code)
}

/// What is shown of what was found.
fn report(
    info: &PackageInfo,
    files: &[&File],
    findings: Vec<crate::finding::Finding>,
    ledger: Ledger,
) -> PackageReport {
    let suppressions = Suppressions::of(files.iter().copied());
    let sources: Vec<SourceFile<'_>> = info
        .files
        .iter()
        .zip(files)
        .map(|(name, file)| SourceFile { name, file })
        .collect();
    let total = findings.len();
    let kept: Vec<_> = findings
        .iter()
        .filter(|finding| !suppressions.hides(finding))
        .collect();
    let note = |complaint: crate::suppress::Complaint| Note {
        file: info
            .files
            .get(complaint.file.0 as usize)
            .cloned()
            .unwrap_or_default(),
        line: complaint.line,
        message: complaint.message,
    };
    let mut problems: Vec<Note> = suppressions.complaints.iter().cloned().map(note).collect();
    let mut unparsed = 0_u64;
    for source in &sources {
        if let Some(error) = source.file.errors.first() {
            unparsed = unparsed.saturating_add(1);
            problems.push(Note {
                file: Arc::clone(source.name),
                line: source.file.position(error.span.start).line,
                message: format!("read in part only: {error}"),
            });
        }
    }
    PackageReport {
        findings: kept
            .iter()
            .map(|finding| finding.resolve(&sources))
            .collect(),
        suppressed: u64::try_from(total - kept.len()).unwrap_or(u64::MAX),
        problems,
        unused: suppressions.unused().map(note).collect(),
        ledger: Ledger {
            packages: 1,
            files: u64::try_from(files.len()).unwrap_or(u64::MAX),
            lines: files
                .iter()
                .map(|file| u64::from(file.lines().count()))
                .sum(),
            files_unparsed: unparsed,
            ..ledger
        },
    }
}
