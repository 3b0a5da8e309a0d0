//! Packages and what they import, read on all cores, in an order in which imports come first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::error::{Error, Missing};
use super::listing::Listings;
use super::modules::Build;
use super::parsed::{Directory, Parsable};
use super::pattern::{Expansion, Root};
use super::settings::Settings;
use super::unit::{self, How, Source, Unit};
use super::{Loaded, MissingImport, PackageInfo, Request, Variant};

/// Packages that are read; the largest known programs have ten thousand.
const MAX_PACKAGES: usize = 200_000;

/// Reads the roots and all that they import.
pub(super) fn build(
    settings: &Settings,
    listings: &Listings<'_>,
    request: &Request<'_>,
    expansion: Expansion<'_>,
) -> Result<Loaded, Error> {
    let Expansion {
        builds, roots, all, ..
    } = expansion;
    let reader = Reader {
        settings,
        listings,
        request,
        builds: &builds,
        all,
        state: Mutex::default(),
        changed: Condvar::new(),
    };
    reader.start(roots);
    std::thread::scope(|scope| {
        for _ in 1..request.threads.max(1) {
            scope.spawn(|| reader.work());
        }
        reader.work();
    });
    let state = reader
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    if state.too_many {
        return Err(Error::TooManyPackages {
            limit: MAX_PACKAGES,
        });
    }
    let mut done = state.done;
    done.sort_by(|one, two| one.root.location.path.cmp(&two.root.location.path));
    Ok(link(settings, done))
}

/// A directory to read.
#[derive(Debug)]
struct Job {
    root: Root,
    asked_for: bool,
}

/// A directory that was read, and where its imports lead.
#[derive(Debug)]
struct Read {
    root: Root,
    asked_for: bool,
    unit: Unit,
    imports: BTreeMap<String, Result<PathBuf, Missing>>,
}

#[derive(Default)]
struct State {
    queue: Vec<Job>,
    seen: HashSet<PathBuf>,
    done: Vec<Read>,
    running: usize,
    too_many: bool,
}

struct Reader<'r> {
    settings: &'r Settings,
    listings: &'r Listings<'r>,
    request: &'r Request<'r>,
    builds: &'r [Build],
    all: bool,
    state: Mutex<State>,
    changed: Condvar,
}

impl Reader<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, roots: Vec<Root>) {
        let mut state = self.state();
        for root in roots {
            state.seen.insert(root.location.directory.clone());
            state.queue.push(Job {
                root,
                asked_for: true,
            });
        }
    }

    /// Reads directories until none is left and no thread can find further ones.
    fn work(&self) {
        let mut state = self.state();
        loop {
            if let Some(job) = state.queue.pop() {
                state.running += 1;
                drop(state);
                let (read, found) = self.read(job);
                state = self.state();
                state.running -= 1;
                state.done.push(read);
                for location in found {
                    if state.seen.len() >= MAX_PACKAGES {
                        state.too_many = true;
                        state.queue.clear();
                        break;
                    }
                    if state.seen.insert(location.root.location.directory.clone()) {
                        state.queue.push(location);
                    }
                }
                self.changed.notify_all();
            } else if state.running == 0 {
                return;
            } else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn read(&self, job: Job) -> (Read, Vec<Job>) {
        let Job { root, asked_for } = job;
        let how = How {
            target: &self.settings.target,
            tests: asked_for && self.request.tests,
            named: root.named.as_ref(),
        };
        let unit = unit::read(self.listings, &root.location, how);
        let mut imports = BTreeMap::new();
        let mut found = Vec::new();
        let sources = unit.plain.iter().chain(&unit.tests).chain(&unit.external);
        for import in sources.flat_map(|source| &source.header.imports) {
            if import == "C" || imports.contains_key(import) {
                continue;
            }
            let location = match self.builds.get(root.build) {
                Some(build) => build.import(self.listings, &root.location, import),
                None => Err(Missing::NotRequired),
            };
            let directory = location.map(|location| {
                let directory = location.directory.clone();
                let root = Root {
                    build: root.build,
                    location,
                    named: None,
                };
                found.push(Job {
                    root,
                    asked_for: self.all,
                });
                directory
            });
            imports.insert(import.clone(), directory);
        }
        let read = Read {
            root,
            asked_for,
            unit,
            imports,
        };
        (read, found)
    }
}

/// A package to be: some files of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Node {
    read: usize,
    variant: Variant,
}

/// Makes packages of directories, imports before importers.
fn link(settings: &Settings, done: Vec<Read>) -> Loaded {
    let by_directory: HashMap<&Path, usize> = done
        .iter()
        .enumerate()
        .map(|(index, read)| (read.root.location.directory.as_path(), index))
        .collect();
    let mut order = Order {
        done: &done,
        by_directory: &by_directory,
        state: HashMap::new(),
        order: Vec::new(),
        cycles: HashSet::new(),
    };
    for (index, read) in done.iter().enumerate() {
        for variant in [Variant::Plain, Variant::WithTests, Variant::External] {
            if has(read, variant) {
                order.visit(Node {
                    read: index,
                    variant,
                });
            }
        }
    }
    let Order { order, cycles, .. } = order;
    let mut linker = Linker {
        settings,
        done: &done,
        by_directory: &by_directory,
        cycles: &cycles,
        ids: HashMap::new(),
        packages: Vec::with_capacity(order.len()),
        missing: BTreeMap::new(),
    };
    for node in order {
        linker.add(node);
    }
    let Linker {
        packages, missing, ..
    } = linker;
    let missing = missing
        .into_iter()
        .map(|((import, why), importers)| MissingImport {
            import,
            why,
            importers,
        })
        .collect();
    let mut unread = Vec::new();
    let mut directories = Vec::with_capacity(done.len());
    for read in done {
        let Unit {
            plain,
            tests,
            external,
            unread: failed,
            ..
        } = read.unit;
        if read.asked_for {
            unread.extend(failed);
        }
        directories.push(Directory {
            sources: plain
                .into_iter()
                .chain(tests)
                .chain(external)
                .map(Parsable::new)
                .collect(),
        });
    }
    Loaded {
        packages,
        directories,
        missing,
        unread,
    }
}

/// Whether a directory has a package of this kind.
fn has(read: &Read, variant: Variant) -> bool {
    let unit = &read.unit;
    match variant {
        Variant::Plain => !unit.plain.is_empty(),
        Variant::WithTests => !unit.tests.is_empty(),
        Variant::External => !unit.external.is_empty(),
    }
}

fn sources(unit: &Unit, variant: Variant) -> Vec<&Source> {
    match variant {
        Variant::Plain => unit.plain.iter().collect(),
        Variant::WithTests => unit.plain.iter().chain(&unit.tests).collect(),
        Variant::External => unit.external.iter().collect(),
    }
}

/// The package that an import leads to.
fn target(
    done: &[Read],
    by_directory: &HashMap<&Path, usize>,
    from: Node,
    directory: &Path,
) -> Option<Node> {
    let read = *by_directory.get(directory)?;
    let of = done.get(read)?;
    // External tests see what the tests inside the package declare.
    let variant =
        if from.variant == Variant::External && from.read == read && has(of, Variant::WithTests) {
            Variant::WithTests
        } else {
            Variant::Plain
        };
    has(of, variant).then_some(Node { read, variant })
}

/// An order in which imports come first.
struct Order<'o> {
    done: &'o [Read],
    by_directory: &'o HashMap<&'o Path, usize>,
    /// Whether a package is being visited (`false`) or was.
    state: HashMap<Node, bool>,
    order: Vec<Node>,
    /// Imports that lead back.
    cycles: HashSet<(Node, Node)>,
}

impl Order<'_> {
    fn imports(&self, node: Node) -> Vec<Node> {
        let Some(read) = self.done.get(node.read) else {
            return Vec::new();
        };
        let imports = sources(&read.unit, node.variant)
            .into_iter()
            .flat_map(|source| &source.header.imports);
        let directories = imports.filter_map(|import| read.imports.get(import)?.as_ref().ok());
        directories
            .filter_map(|directory| target(self.done, self.by_directory, node, directory))
            .collect()
    }

    fn visit(&mut self, node: Node) {
        if self.state.contains_key(&node) {
            return;
        }
        self.state.insert(node, false);
        let mut stack = vec![(node, self.imports(node))];
        while let Some((node, imports)) = stack.last_mut() {
            let node = *node;
            match imports.pop() {
                None => {
                    self.state.insert(node, true);
                    self.order.push(node);
                    stack.pop();
                }
                Some(next) => match self.state.get(&next) {
                    Some(true) => {}
                    Some(false) => {
                        self.cycles.insert((node, next));
                    }
                    None => {
                        self.state.insert(next, false);
                        let imports = self.imports(next);
                        stack.push((next, imports));
                    }
                },
            }
        }
    }
}

struct Linker<'l> {
    settings: &'l Settings,
    done: &'l [Read],
    by_directory: &'l HashMap<&'l Path, usize>,
    cycles: &'l HashSet<(Node, Node)>,
    ids: HashMap<Node, usize>,
    packages: Vec<PackageInfo>,
    missing: BTreeMap<(String, Missing), usize>,
}

impl Linker<'_> {
    fn add(&mut self, node: Node) {
        let Some(read) = self.done.get(node.read) else {
            return;
        };
        let location = &read.root.location;
        let sources = sources(&read.unit, node.variant);
        let path = match node.variant {
            Variant::External => format!("{}_test", location.path),
            Variant::Plain | Variant::WithTests => location.path.clone(),
        };
        let index = self.packages.len();
        self.ids.insert(node, index);
        let (plain, tests) = (read.unit.plain.len(), read.unit.tests.len());
        let range = match node.variant {
            Variant::Plain => 0..plain,
            Variant::WithTests => 0..plain + tests,
            Variant::External => plain + tests..plain + tests + read.unit.external.len(),
        };
        let mut imports = BTreeMap::new();
        for import in sources.iter().flat_map(|source| &source.header.imports) {
            if import == "C" || imports.contains_key(import) {
                continue;
            }
            match self.imported(node, read, import) {
                Ok(imported) => {
                    imports.insert(import.clone(), imported);
                }
                Err(why) => {
                    let importers = self.missing.entry((import.clone(), why)).or_default();
                    *importers = importers.saturating_add(1);
                }
            }
        }
        let tested = has(read, Variant::WithTests);
        self.packages.push(PackageInfo {
            read: (node.read, range),
            path,
            unit: None,
            directory: location.directory.clone(),
            files: sources.iter().map(|source| source.path.clone()).collect(),
            digests: sources.iter().map(|source| source.digest).collect(),
            variant: node.variant,
            plain_files: match node.variant {
                Variant::External => 0,
                Variant::Plain | Variant::WithTests => read.unit.plain.len(),
            },
            root: read.asked_for && !(tested && node.variant == Variant::Plain),
            standard: location.standard,
            go_minor: location
                .module
                .as_ref()
                .map_or(self.settings.target.go_minor, |module| module.go_minor),
            module: location.module.clone(),
            ignored: read.unit.ignored,
            imports,
        });
    }

    fn imported(&self, node: Node, read: &Read, import: &str) -> Result<usize, Missing> {
        let directory = match read.imports.get(import) {
            Some(Ok(directory)) => directory,
            Some(Err(why)) => return Err(why.clone()),
            None => return Err(Missing::NotRequired),
        };
        let target =
            target(self.done, self.by_directory, node, directory).ok_or(Missing::OtherSystems)?;
        if self.cycles.contains(&(node, target)) {
            return Err(Missing::Cycle);
        }
        self.ids.get(&target).copied().ok_or(Missing::Cycle)
    }
}
