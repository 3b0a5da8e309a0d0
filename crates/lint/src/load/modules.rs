//! Which module has a package: main modules, the build list, `vendor`, the standard library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Error, Missing};
use super::files::{Files, slashed, tidy};
use super::listing::Listings;
use super::modfile::{MAX_MODFILE_BYTES, ModFile, ModuleVersion};
use super::select::{Replaces, select};
use super::settings::{ModFlag, Settings, Workspace};

/// Modules in a workspace.
const MAX_WORKSPACE: usize = 10_000;
/// Go releases from which `vendor` is used without being asked for.
const GO_WITH_VENDOR: u32 = 14;
/// As above, for a workspace.
const GO_WITH_WORKSPACE_VENDOR: u32 = 22;

/// A module of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its path; `std` and `cmd` for those of the Go tree.
    pub path: String,
    /// Its version; empty for a main module and for a directory in place of one.
    pub version: String,
    /// Where its files are.
    pub directory: PathBuf,
    /// The minor release of Go of its `go.mod`.
    pub go_minor: u32,
    /// Whether it is one whose packages patterns as `./...` mean.
    pub main: bool,
    /// Directories below it that patterns leave out.
    pub ignore: Vec<String>,
}

/// Where a package is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    /// Its import path.
    pub(super) path: String,
    /// Its directory.
    pub(super) directory: PathBuf,
    /// Its module, if it is of one.
    pub(super) module: Option<Arc<Module>>,
    /// Whether it is of the standard library or its commands.
    pub(super) standard: bool,
}

/// The modules that packages come from, seen from one main module, workspace, or directory without either.
#[derive(Debug)]
pub(super) struct Build {
    /// The main modules.
    pub(super) mains: Vec<Arc<Module>>,
    /// The others, by path.
    modules: BTreeMap<String, Arc<Module>>,
    /// The directory of vendored packages, with the modules they are of by import path.
    vendor: Option<(PathBuf, BTreeMap<String, Arc<Module>>)>,
    /// The sources of the standard library.
    standard: Option<PathBuf>,
    /// Directories that hold packages by their whole import path: `src` of GOPATH.
    roots: Vec<PathBuf>,
    go_minor: u32,
}

impl Build {
    /// The build that a directory belongs to.
    pub(super) fn of(
        files: &dyn Files,
        settings: &Settings,
        directory: &Path,
    ) -> Result<Self, Error> {
        let standard = settings.standard();
        let mut build = Self {
            mains: Vec::new(),
            modules: BTreeMap::new(),
            vendor: None,
            standard: standard.clone(),
            roots: settings
                .gopath
                .iter()
                .map(|path| path.join("src"))
                .collect(),
            go_minor: settings.target.go_minor,
        };
        if standard
            .as_ref()
            .is_some_and(|standard| directory.starts_with(standard))
        {
            return Ok(build);
        }
        let main = find_above(files, directory, "go.mod");
        let work = match &settings.workspace {
            Workspace::Off => None,
            Workspace::File(file) => Some(file.clone()),
            Workspace::Find => find_above(files, directory, "go.work"),
        };
        if let Some(work) = work {
            build.workspace(files, settings, &work)?;
            // A module below a workspace that the workspace does not use is on its own.
            let folder = main.as_ref().and_then(|main| main.parent());
            if folder.is_none_or(|folder| build.mains.iter().any(|one| one.directory == folder)) {
                return Ok(build);
            }
            build.mains.clear();
            build.modules.clear();
            build.vendor = None;
        }
        match main {
            Some(main) => build.module(files, settings, &main)?,
            None => build.roots.extend(source_root(directory)),
        }
        Ok(build)
    }

    fn workspace(
        &mut self,
        files: &dyn Files,
        settings: &Settings,
        work: &Path,
    ) -> Result<(), Error> {
        let file = read_mod_file(files, work)?;
        let folder = work.parent().unwrap_or(Path::new("")).to_path_buf();
        let mut mods = Vec::new();
        for used in file.uses.iter().take(MAX_WORKSPACE) {
            let directory = tidy(&folder.join(used));
            let one = read_mod_file(files, &directory.join("go.mod"))?;
            self.mains.push(main_module(&one, &directory));
            mods.push((directory, one));
        }
        let vendor = folder.join("vendor");
        let wants_vendor = file.go_minor() >= GO_WITH_WORKSPACE_VENDOR;
        self.dependencies(files, settings, &folder, &file, &mods, vendor, wants_vendor)
    }

    fn module(&mut self, files: &dyn Files, settings: &Settings, main: &Path) -> Result<(), Error> {
        let file = read_mod_file(files, main)?;
        let folder = main.parent().unwrap_or(Path::new("")).to_path_buf();
        self.mains.push(main_module(&file, &folder));
        // Packages of a distribution: unpacked in a tree by import path, whatever versions `go.mod` asks for.
        if let Some(path) = &file.module {
            self.roots.extend(folder.ends_with(path).then(|| {
                let depth = path.split('/').count();
                folder
                    .ancestors()
                    .nth(depth)
                    .unwrap_or(&folder)
                    .to_path_buf()
            }));
        }
        let wants_vendor = file.go_minor() >= GO_WITH_VENDOR;
        let vendor = folder.join("vendor");
        let mods = vec![(folder.clone(), file)];
        self.dependencies(
            files,
            settings,
            &folder,
            &ModFile::default(),
            &mods,
            vendor,
            wants_vendor,
        )
    }

    #[expect(clippy::too_many_arguments, reason = "two callers, both above")]
    fn dependencies(
        &mut self,
        files: &dyn Files,
        settings: &Settings,
        folder: &Path,
        work: &ModFile,
        mods: &[(PathBuf, ModFile)],
        vendor: PathBuf,
        wants_vendor: bool,
    ) -> Result<(), Error> {
        let list = vendor.join("modules.txt");
        let use_vendor = match settings.mod_flag {
            ModFlag::Auto => wants_vendor && files.is_file(&list),
            ModFlag::Vendor => true,
            ModFlag::Cache => false,
        };
        if use_vendor {
            let packages = vendored(files, &vendor, &list);
            self.vendor = Some((vendor, packages));
            return Ok(());
        }
        let replaces = Replaces::new(folder, work, mods);
        let selected = select(files, settings, mods, &replaces)?;
        for (path, version) in selected {
            if self.mains.iter().any(|main| main.path == path) {
                continue;
            }
            let wanted = ModuleVersion {
                path: path.clone(),
                version,
            };
            let Some((directory, version)) = replaces.place(settings, &wanted) else {
                continue;
            };
            let go_minor =
                read_mod_file(files, &directory.join("go.mod")).map_or(16, |file| file.go_minor());
            let module = Module {
                path: path.clone(),
                version,
                directory,
                go_minor,
                main: false,
                ignore: Vec::new(),
            };
            self.modules.insert(path, Arc::new(module));
        }
        Ok(())
    }

    /// The import path of a directory, as its own packages would be imported.
    pub(super) fn path_of(&self, directory: &Path) -> Option<Location> {
        let location = |path: String, module: Option<Arc<Module>>, standard| Location {
            path,
            directory: directory.to_path_buf(),
            module,
            standard,
        };
        if let Some(rest) = self
            .standard
            .as_ref()
            .and_then(|standard| directory.strip_prefix(standard).ok())
        {
            return Some(location(slashed(rest)?, Some(self.standard_module()), true));
        }
        let main = self
            .mains
            .iter()
            .filter(|main| directory.starts_with(&main.directory));
        if let Some(main) = main.max_by_key(|main| main.directory.as_os_str().len()) {
            let rest = slashed(directory.strip_prefix(&main.directory).ok()?)?;
            return Some(location(
                join(&main.path, &rest),
                Some(Arc::clone(main)),
                false,
            ));
        }
        let in_vendor = self.vendor.as_ref().and_then(|(vendor, packages)| {
            let path = slashed(directory.strip_prefix(vendor).ok()?)?;
            let module = packages.get(&path).cloned();
            Some(location(path, module, false))
        });
        let in_module = || {
            let module = self
                .modules
                .values()
                .filter(|module| directory.starts_with(&module.directory));
            let module = module.max_by_key(|module| module.directory.as_os_str().len())?;
            let rest = slashed(directory.strip_prefix(&module.directory).ok()?)?;
            Some(location(
                join(&module.path, &rest),
                Some(Arc::clone(module)),
                false,
            ))
        };
        in_vendor.or_else(in_module).or_else(|| {
            let of_root = |root: &PathBuf| slashed(directory.strip_prefix(root).ok()?);
            let path = self
                .roots
                .iter()
                .find_map(of_root)
                .filter(|path| !path.is_empty())?;
            Some(location(path, None, false))
        })
    }

    /// Directories that may hold packages whose import paths start so.
    pub(super) fn folders(&self, head: &str) -> Vec<PathBuf> {
        let head = head.trim_end_matches('/');
        let near = |path: &str| {
            relative(path, head).is_some()
                || relative(head, path).is_some()
                || path.starts_with(head)
        };
        let mains = self.mains.iter().filter(|main| near(&main.path));
        let others = self.modules.values().filter(|module| near(&module.path));
        mains
            .chain(others)
            .map(|module| module.directory.clone())
            .collect()
    }

    fn standard_module(&self) -> Arc<Module> {
        Arc::new(Module {
            path: "std".to_owned(),
            version: String::new(),
            directory: self.standard.clone().unwrap_or_default(),
            go_minor: self.go_minor,
            main: false,
            ignore: Vec::new(),
        })
    }

    /// Where the package of an import is, seen from a package.
    pub(super) fn import(
        &self,
        listings: &Listings<'_>,
        from: &Location,
        import: &str,
    ) -> Result<Location, Missing> {
        if !is_import_path(import) {
            return Err(Missing::NotAPath);
        }
        if let Some(standard) = &self.standard {
            if let Some(found) = self.standard_import(listings, standard, from, import) {
                return Ok(found);
            }
            if from.standard {
                return Err(Missing::NotStandard);
            }
        } else if from.standard
            || !has_domain(import)
                && !self
                    .mains
                    .iter()
                    .any(|main| relative(&main.path, import).is_some())
        {
            return Err(Missing::NoGo);
        }
        let mut absent = None;
        for main in &self.mains {
            if let Some(rest) = relative(&main.path, import) {
                let directory = main.directory.join(rest);
                if listings.has_go(&directory) {
                    return Ok(self.found(import, directory, Some(main)));
                }
            }
        }
        if let Some((vendor, packages)) = &self.vendor {
            let directory = vendor.join(import);
            if listings.has_go(&directory) {
                return Ok(self.found(import, directory, packages.get(import)));
            }
        }
        // The longest module path that has the package.
        for prefix in prefixes(import) {
            let Some(module) = self.modules.get(prefix) else {
                continue;
            };
            let rest = relative(prefix, import).unwrap_or_default();
            let directory = module.directory.join(rest);
            if listings.has_go(&directory) {
                return Ok(self.found(import, directory, Some(module)));
            }
            if absent.is_none() && !listings.exists(&module.directory) {
                absent = Some(Missing::NotInCache {
                    module: ModuleVersion {
                        path: module.path.clone(),
                        version: module.version.clone(),
                    },
                    directory: module.directory.clone(),
                });
            }
        }
        self.in_roots(listings, from, import).ok_or_else(|| {
            absent.unwrap_or(if self.vendor.is_some() {
                Missing::NotVendored
            } else if self.mains.is_empty() {
                Missing::NoModule
            } else {
                Missing::NotRequired
            })
        })
    }

    fn found(&self, import: &str, directory: PathBuf, module: Option<&Arc<Module>>) -> Location {
        Location {
            path: import.to_owned(),
            directory,
            module: module.cloned(),
            standard: false,
        }
    }

    /// In the standard library, or for that among what it vendors.
    fn standard_import(
        &self,
        listings: &Listings<'_>,
        standard: &Path,
        from: &Location,
        import: &str,
    ) -> Option<Location> {
        let of_command = from.standard && (from.path == "cmd" || from.path.starts_with("cmd/"));
        let path = if !has_domain(import) {
            import.to_owned()
        } else if of_command {
            format!("cmd/vendor/{import}")
        } else if from.standard {
            format!("vendor/{import}")
        } else {
            return None;
        };
        let directory = standard.join(&path);
        listings.has_go(&directory).then(|| Location {
            path,
            directory,
            module: Some(self.standard_module()),
            standard: true,
        })
    }

    /// As before modules: in `vendor` of the directories above, then by the whole path.
    fn in_roots(&self, listings: &Listings<'_>, from: &Location, import: &str) -> Option<Location> {
        let root = self
            .roots
            .iter()
            .find(|root| from.directory.starts_with(root));
        let above = root.into_iter().flat_map(|root| {
            let folders = from.directory.ancestors();
            let inside = folders.take_while(move |folder| folder.starts_with(root));
            inside.map(|folder| folder.join("vendor").join(import))
        });
        let whole = self.roots.iter().map(|root| root.join(import));
        // Trees of before modules have `example.com/shop/v2` where `example.com/shop` would be.
        let unversioned = without_major(import);
        let older = unversioned
            .iter()
            .flat_map(|import| self.roots.iter().map(move |root| root.join(import)));
        let mut candidates = above.chain(whole).chain(older);
        let directory = candidates.find(|directory| listings.has_go(directory))?;
        let path = root.and_then(|root| slashed(directory.strip_prefix(root).ok()?));
        Some(self.found(path.as_deref().unwrap_or(import), directory, None))
    }
}

/// `a.org/b/c` of `a.org/b/v2/c`; `None` where no element is a major version.
fn without_major(import: &str) -> Option<String> {
    let is_major = |part: &str| {
        let digits = part.strip_prefix('v').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let parts: Vec<&str> = import.split('/').collect();
    let at = parts.iter().skip(1).position(|part| is_major(part))? + 1;
    let kept = parts.iter().enumerate().filter(|(index, _)| *index != at);
    Some(kept.map(|(_, part)| *part).collect::<Vec<_>>().join("/"))
}

/// Whether the first element has a dot, as all but the standard library's have (and modules of private names).
pub(super) fn has_domain(import: &str) -> bool {
    import
        .split('/')
        .next()
        .is_some_and(|first| first.contains('.'))
}

/// No path that leaves its directory, nor one of another kind of file system.
pub(super) fn is_import_path(import: &str) -> bool {
    let wrong = |c: char| c.is_control() || c.is_whitespace() || "\\:*?\"<>|`".contains(c);
    !import.is_empty()
        && !import.contains(wrong)
        && import
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
}

fn join(path: &str, rest: &str) -> String {
    match (path, rest) {
        (path, "") => path.to_owned(),
        ("", rest) => rest.to_owned(),
        (path, rest) => format!("{path}/{rest}"),
    }
}

/// What follows a module's path in an import path.
fn relative<'i>(module: &str, import: &'i str) -> Option<&'i str> {
    match import.strip_prefix(module)? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

/// An import path and all paths above it, longest first.
fn prefixes(import: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(import), |path| {
        path.rsplit_once('/').map(|(above, _)| above)
    })
}

/// The `src` above a directory that stands before a domain: `/x/src/example.com/shop` gives `/x/src`.
fn source_root(directory: &Path) -> Option<PathBuf> {
    let mut below: Option<&std::ffi::OsStr> = None;
    for folder in directory.ancestors() {
        if folder.ends_with("src")
            && below
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.contains('.'))
        {
            return Some(folder.to_path_buf());
        }
        below = folder.file_name();
    }
    None
}

fn find_above(files: &dyn Files, directory: &Path, name: &str) -> Option<PathBuf> {
    let mut candidates = directory.ancestors().map(|folder| folder.join(name));
    candidates.find(|file| files.is_file(file))
}

pub(super) fn read_mod_file(files: &dyn Files, path: &Path) -> Result<ModFile, Error> {
    let bytes = files
        .read(path, MAX_MODFILE_BYTES)
        .map_err(|source| Error::Read {
            path: path.to_path_buf(),
            source,
        })?;
    ModFile::parse(&String::from_utf8_lossy(&bytes)).map_err(|source| Error::ModFile {
        path: path.to_path_buf(),
        source,
    })
}

fn main_module(file: &ModFile, directory: &Path) -> Arc<Module> {
    Arc::new(Module {
        path: file.module.clone().unwrap_or_default(),
        version: String::new(),
        directory: directory.to_path_buf(),
        go_minor: file.go_minor(),
        main: true,
        ignore: file.ignore.clone(),
    })
}

/// The packages of a `vendor` directory and their modules; see cmd/go/internal/modload (`readVendorList`), Go 1.27.
fn vendored(files: &dyn Files, vendor: &Path, list: &Path) -> BTreeMap<String, Arc<Module>> {
    let bytes = files.read(list, MAX_MODFILE_BYTES).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut packages = BTreeMap::new();
    let mut current: Option<Module> = None;
    let mut shared: Option<Arc<Module>> = None;
    for line in text.lines() {
        if let Some(notes) = line.strip_prefix("## ") {
            let mut notes = notes.split(';').map(str::trim);
            let go = notes.find_map(|note| note.strip_prefix("go "));
            if let (Some(module), Some(minor)) =
                (&mut current, go.and_then(super::modfile::minor_of))
            {
                module.go_minor = minor;
            }
        } else if let Some(module) = line.strip_prefix("# ") {
            let mut words = module.split_whitespace();
            let path = words.next().unwrap_or_default();
            current = Some(Module {
                path: path.to_owned(),
                version: words
                    .next()
                    .filter(|word| *word != "=>")
                    .unwrap_or_default()
                    .to_owned(),
                directory: vendor.join(path),
                go_minor: 16,
                main: false,
                ignore: Vec::new(),
            });
            shared = None;
        } else if let Some(module) = &current
            && is_import_path(line.trim())
        {
            let module = shared.get_or_insert_with(|| Arc::new(module.clone()));
            packages.insert(line.trim().to_owned(), Arc::clone(module));
        }
    }
    packages
}
