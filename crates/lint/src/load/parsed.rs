//! Sources to packages of a program, parsed once and on all cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Loaded;
use super::unit::Source;
use crate::syntax::{Bodies, File, Interner, Names, parse};
use crate::types::{Package, PackageId, Program};

/// The files of a directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) sources: Vec<Parsable>,
}

/// A file that is parsed when it is first wanted.
#[derive(Debug)]
pub(super) struct Parsable {
    text: Mutex<Vec<u8>>,
    file: OnceLock<Arc<File>>,
}

impl Parsable {
    pub(super) fn new(source: Source) -> Self {
        Self {
            text: Mutex::new(source.text),
            file: OnceLock::new(),
        }
    }

    fn parse(&self, interner: &mut Interner<'_>, bodies: Bodies) {
        self.file.get_or_init(|| {
            let text =
                std::mem::take(&mut *self.text.lock().unwrap_or_else(PoisonError::into_inner));
            Arc::new(parse(text, interner, bodies))
        });
    }
}

/// Packages that were parsed.
#[derive(Debug)]
pub struct Parsed {
    /// They, and what imports lead to.
    pub program: Program,
    /// The number of each of [`Loaded::packages`] in the program. Those that were not wanted have no files there.
    pub ids: Vec<PackageId>,
}

impl Loaded {
    /// Parses packages and all that they import. `wanted` says of which packages, by their places, bodies are wanted, too; of what
    /// they import only declarations are read.
    pub fn parse(&self, names: &Names, threads: usize, wanted: &dyn Fn(usize) -> bool) -> Parsed {
        let whole: Vec<bool> = (0..self.packages.len()).map(wanted).collect();
        let mut needed = whole.clone();
        // Importers come after what they import.
        for (index, package) in self.packages.iter().enumerate().rev() {
            if needed.get(index).copied().unwrap_or(false) {
                for import in package.imports.values() {
                    if let Some(needed) = needed.get_mut(*import) {
                        *needed = true;
                    }
                }
            }
        }
        let bodies = self.bodies(&whole, &needed);
        self.parse_all(names, threads, &bodies);
        let mut program = Program::new();
        let mut ids: Vec<PackageId> = Vec::with_capacity(self.packages.len());
        for (package, needed) in self.packages.iter().zip(&needed) {
            let sources = if *needed { self.sources(package) } else { &[] };
            let files = sources
                .iter()
                .filter_map(|source| source.file.get().map(Arc::clone));
            let files = Package::new(&package.path, files.collect());
            let id = program.add(files.with_plain_files(package.plain_files));
            for (import, imported) in &package.imports {
                if let Some(imported) = ids.get(*imported) {
                    program.link(id, import, *imported);
                }
            }
            ids.push(id);
        }
        program.supply(names);
        Parsed { program, ids }
    }

    /// The files of a package.
    fn sources(&self, package: &super::PackageInfo) -> &[Parsable] {
        let (directory, range) = &package.read;
        let directory = self.directories.get(*directory);
        directory
            .and_then(|directory| directory.sources.get(range.clone()))
            .unwrap_or_default()
    }

    /// How each file of each directory is to be read; with bodies if any package that has it wants them.
    fn bodies(&self, whole: &[bool], needed: &[bool]) -> Vec<Vec<Option<Bodies>>> {
        let mut bodies: Vec<Vec<Option<Bodies>>> = self
            .directories
            .iter()
            .map(|directory| vec![None; directory.sources.len()])
            .collect();
        for ((package, whole), needed) in self.packages.iter().zip(whole).zip(needed) {
            let (directory, range) = &package.read;
            let files = bodies
                .get_mut(*directory)
                .and_then(|files| files.get_mut(range.clone()));
            for file in files.into_iter().flatten() {
                match (whole, needed) {
                    (true, _) => *file = Some(Bodies::Parse),
                    (false, true) if file.is_none() => *file = Some(Bodies::Skip),
                    _ => {}
                }
            }
        }
        bodies
    }

    fn parse_all(&self, names: &Names, threads: usize, bodies: &[Vec<Option<Bodies>>]) {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut interner = Interner::new(names);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((directory, bodies)) = self.directories.get(index).zip(bodies.get(index))
                else {
                    return;
                };
                for (source, bodies) in directory.sources.iter().zip(bodies) {
                    if let Some(bodies) = bodies {
                        source.parse(&mut interner, *bodies);
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.max(1) {
                scope.spawn(work);
            }
            work();
        });
    }
}
