//! What `./...`, directories, files and import paths stand for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::{Error, Missing};
use super::files::{EntryKind, slashed, tidy};
use super::listing::{Listings, is_go};
use super::modules::{Build, Location, has_domain};
use super::settings::Settings;

/// Directories that one pattern may search; the largest known trees have a hundred thousand.
const MAX_DIRECTORIES: usize = 1_000_000;

/// A package to be checked.
#[derive(Debug, Clone)]
pub(super) struct Root {
    /// Which build it is of.
    pub(super) build: usize,
    /// Where it is.
    pub(super) location: Location,
    /// The files that were named; all where none was.
    pub(super) named: Option<BTreeSet<String>>,
}

/// Patterns being expanded.
pub(super) struct Expansion<'x> {
    pub(super) settings: &'x Settings,
    pub(super) listings: &'x Listings<'x>,
    /// The builds that directories were found to be of.
    pub(super) builds: Vec<Build>,
    pub(super) roots: Vec<Root>,
    /// Whether everything that the roots import is to be checked as well.
    pub(super) all: bool,
}

impl Expansion<'_> {
    /// Adds the packages that a pattern stands for.
    pub(super) fn add(&mut self, pattern: &str) -> Result<(), Error> {
        let before = self.roots.len();
        match pattern {
            "std" | "cmd" => self.standard(pattern)?,
            "all" => {
                self.all = true;
                self.mains(pattern)?;
            }
            _ if pattern.ends_with(".go") && self.is_file(pattern) => {
                self.file(pattern)?;
                return Ok(());
            }
            _ if is_local(pattern) => self.local(pattern)?,
            _ if pattern.contains("...") => self.matching(pattern)?,
            _ => self.one(pattern)?,
        }
        if self.roots.len() == before {
            return Err(Error::Empty {
                pattern: pattern.to_owned(),
            });
        }
        Ok(())
    }

    fn absolute(&self, path: &str) -> PathBuf {
        let path = tidy(&self.settings.working.join(path));
        // The Go tree by its usual name, however it was reached.
        let standard = self.settings.standard().and_then(|standard| {
            let files = self.listings.files;
            let rest = files.canonical(&path).ok()?;
            let rest = rest
                .strip_prefix(files.canonical(&standard).ok()?)
                .ok()?
                .to_path_buf();
            Some(standard.join(rest))
        });
        standard.unwrap_or(path)
    }

    fn is_file(&self, pattern: &str) -> bool {
        self.listings
            .files
            .is_file(&self.settings.working.join(pattern))
    }

    /// The build that a directory is of.
    fn build_of(&mut self, directory: &Path) -> Result<usize, Error> {
        let same = |build: &Build| {
            let standard = self.settings.standard();
            match standard.filter(|standard| directory.starts_with(standard)) {
                Some(_) => build.mains.is_empty(),
                None => false,
            }
        };
        if let Some(index) = self.builds.iter().position(same) {
            return Ok(index);
        }
        let build = Build::of(self.listings.files, self.settings, directory)?;
        let mains = |build: &Build| {
            build
                .mains
                .iter()
                .map(|main| main.directory.clone())
                .collect::<Vec<_>>()
        };
        let known = self
            .builds
            .iter()
            .position(|one| !build.mains.is_empty() && mains(one) == mains(&build));
        Ok(known.unwrap_or_else(|| {
            self.builds.push(build);
            self.builds.len() - 1
        }))
    }

    fn push(&mut self, build: usize, directory: &Path) {
        if !self.listings.has_go(directory)
            || self
                .roots
                .iter()
                .any(|root| root.location.directory == directory)
        {
            return;
        }
        let location = self.locate(build, directory);
        self.roots.push(Root {
            build,
            location,
            named: None,
        });
    }

    /// A directory that no module and no tree of packages has is its own package, under its whole name.
    fn locate(&self, build: usize, directory: &Path) -> Location {
        let located = self
            .builds
            .get(build)
            .and_then(|build| build.path_of(directory));
        located.unwrap_or_else(|| Location {
            path: match directory
                .strip_prefix(&self.settings.working)
                .ok()
                .and_then(slashed)
            {
                Some(path) if !path.is_empty() => path,
                _ => directory.file_name().map_or_else(
                    || "main".to_owned(),
                    |name| name.to_string_lossy().into_owned(),
                ),
            },
            directory: directory.to_path_buf(),
            module: None,
            standard: false,
        })
    }

    /// One file: with others of its directory it makes a package, whatever they say of systems.
    fn file(&mut self, pattern: &str) -> Result<(), Error> {
        let path = self.absolute(pattern);
        let (Some(directory), Some(name)) = (
            path.parent(),
            path.file_name().and_then(|name| name.to_str()),
        ) else {
            return Err(Error::Empty {
                pattern: pattern.to_owned(),
            });
        };
        let build = self.build_of(directory)?;
        let same = |root: &&mut Root| root.location.directory == directory;
        if let Some(root) = self.roots.iter_mut().find(same) {
            if let Some(named) = &mut root.named {
                named.insert(name.to_owned());
            }
            return Ok(());
        }
        let location = self.locate(build, directory);
        let named = Some(BTreeSet::from([name.to_owned()]));
        self.roots.push(Root {
            build,
            location,
            named,
        });
        Ok(())
    }

    fn local(&mut self, pattern: &str) -> Result<(), Error> {
        let Some(dots) = pattern.find("...") else {
            let directory = self.absolute(pattern);
            if !self.listings.exists(&directory) {
                return Err(Error::NoSuchPath {
                    pattern: pattern.to_owned(),
                    path: directory,
                });
            }
            let build = self.build_of(&directory)?;
            self.push(build, &directory);
            return Ok(());
        };
        let head = pattern.get(..dots).unwrap_or_default();
        let (folder, tail) = pattern.split_at(head.rfind('/').map_or(0, |slash| slash + 1));
        let base = self.absolute(if folder.is_empty() { "." } else { folder });
        if !self.listings.exists(&base) {
            return Err(Error::NoSuchPath {
                pattern: pattern.to_owned(),
                path: base,
            });
        }
        let whole = format!("{}/{tail}", base.to_string_lossy().trim_end_matches('/'));
        let build = self.build_of(&base)?;
        self.walk(pattern, build, &base, &|directory, _| {
            matches(&whole, &directory.to_string_lossy())
        })
    }

    fn mains(&mut self, pattern: &str) -> Result<(), Error> {
        let working = self.settings.working.clone();
        let build = self.build_of(&working)?;
        let mains: Vec<PathBuf> = self
            .builds
            .get(build)
            .map(|build| {
                build
                    .mains
                    .iter()
                    .map(|main| main.directory.clone())
                    .collect()
            })
            .unwrap_or_default();
        mains
            .iter()
            .try_for_each(|main| self.walk(pattern, build, main, &|_, _| true))
    }

    fn standard(&mut self, pattern: &str) -> Result<(), Error> {
        let source = self.settings.standard().ok_or_else(|| Error::NoGoroot {
            pattern: pattern.to_owned(),
        })?;
        let build = self.build_of(&source)?;
        let is_command = |path: &str| path == "cmd" || path.starts_with("cmd/");
        if pattern == "cmd" {
            return self.walk(pattern, build, &source.join("cmd"), &|_, _| true);
        }
        // As cmd/go/internal/modload (`MatchPackages`) has it.
        let cgo = self.settings.target.cgo;
        self.walk(pattern, build, &source, &|_, path| {
            !is_command(path) && path != "builtin" && (cgo || path != "runtime/cgo")
        })
    }

    /// Import paths with dots: of the main modules, the modules they need, and the standard library.
    fn matching(&mut self, pattern: &str) -> Result<(), Error> {
        let working = self.settings.working.clone();
        let build = self.build_of(&working)?;
        let head = pattern.split("...").next().unwrap_or_default().to_owned();
        let mut folders: Vec<PathBuf> = Vec::new();
        if let Some(build) = self.builds.get(build) {
            folders.extend(build.folders(&head));
        }
        for folder in folders {
            self.walk(pattern, build, &folder, &|_, path| matches(pattern, path))?;
        }
        if let Some(source) = self.settings.standard().filter(|_| !has_domain(&head)) {
            let build = self.build_of(&source)?;
            self.walk(pattern, build, &source, &|_, path| matches(pattern, path))?;
        }
        Ok(())
    }

    /// One import path, or a directory without `./` before it.
    fn one(&mut self, pattern: &str) -> Result<(), Error> {
        let working = self.settings.working.clone();
        let build = self.build_of(&working)?;
        let from = self.locate(build, &working);
        let from = Location {
            standard: false,
            ..from
        };
        let found = match self.builds.get(build) {
            Some(build) => build.import(self.listings, &from, pattern),
            None => Err(Missing::NotRequired),
        };
        match found {
            Ok(location) => {
                let known = self
                    .roots
                    .iter()
                    .any(|root| root.location.directory == location.directory);
                if !known {
                    self.roots.push(Root {
                        build,
                        location,
                        named: None,
                    });
                }
                Ok(())
            }
            Err(why) => {
                let directory = self.absolute(pattern);
                if !self.listings.exists(&directory) {
                    return Err(Error::NoSuchPackage {
                        pattern: pattern.to_owned(),
                        why,
                    });
                }
                let build = self.build_of(&directory)?;
                self.push(build, &directory);
                Ok(())
            }
        }
    }

    /// Adds the packages below a directory that are wanted, by directory and import path.
    fn walk(
        &mut self,
        pattern: &str,
        build: usize,
        base: &Path,
        wanted: &dyn Fn(&Path, &str) -> bool,
    ) -> Result<(), Error> {
        let mut stack = vec![(base.to_path_buf(), build)];
        let mut count = 0_usize;
        while let Some((directory, build)) = stack.pop() {
            count += 1;
            if count > MAX_DIRECTORIES {
                return Err(Error::TooManyDirectories {
                    pattern: pattern.to_owned(),
                    limit: MAX_DIRECTORIES,
                });
            }
            let Some(entries) = self.listings.of(&directory) else {
                continue;
            };
            if entries.iter().any(is_go) {
                let location = self.locate(build, &directory);
                if wanted(&directory, &location.path) {
                    self.push(build, &directory);
                }
            }
            for entry in entries.iter().rev() {
                let skipped = entry.name.starts_with(['_', '.']) || entry.name == "testdata";
                if entry.kind != EntryKind::Directory || skipped {
                    continue;
                }
                let below = directory.join(&entry.name);
                if let Some(build) = self.enter(build, &below, &entry.name)? {
                    stack.push((below, build));
                }
            }
        }
        Ok(())
    }

    /// The build of a directory below one of a build; none where patterns do not go there.
    fn enter(&mut self, build: usize, below: &Path, name: &str) -> Result<Option<usize>, Error> {
        let Some(current) = self.builds.get(build) else {
            return Ok(None);
        };
        let in_tree = self
            .settings
            .standard()
            .is_some_and(|standard| below.starts_with(standard));
        // The Go tree vendors for itself, and `std` means that, too.
        if name == "vendor" && !in_tree {
            return Ok(None);
        }
        if in_tree || !self.listings.files.is_file(&below.join("go.mod")) {
            let ignored = current.mains.iter().any(|main| {
                let rest = below.strip_prefix(&main.directory).ok().and_then(slashed);
                rest.is_some_and(|rest| {
                    main.ignore.iter().any(|ignored| is_ignored(ignored, &rest))
                })
            });
            return Ok((!ignored).then_some(build));
        }
        let has_mains = !current.mains.is_empty();
        let is_main = current.mains.iter().any(|main| main.directory == below);
        match (is_main, has_mains) {
            (true, _) => Ok(Some(build)),
            // Another module, which `./...` does not mean.
            (false, true) => Ok(None),
            (false, false) => self.build_of(below).map(Some),
        }
    }
}

/// `./x` is that directory; `x` one of this name wherever it is.
fn is_ignored(ignored: &str, directory: &str) -> bool {
    match ignored.strip_prefix("./") {
        Some(from_root) => directory == from_root.trim_end_matches('/'),
        None => {
            let ignored = ignored.trim_end_matches('/');
            directory == ignored || directory.ends_with(&format!("/{ignored}"))
        }
    }
}

/// Whether a pattern is a path, as Go sees it.
fn is_local(pattern: &str) -> bool {
    matches!(pattern, "." | ".." | "")
        || pattern.starts_with("./")
        || pattern.starts_with("../")
        || Path::new(pattern).is_absolute()
        || cfg!(windows) && (pattern.starts_with(".\\") || pattern.starts_with("..\\"))
}

/// Whether a pattern with `...`, which stands for any text, matches; `x/...` matches `x` as well.
fn matches(pattern: &str, name: &str) -> bool {
    if pattern
        .strip_suffix("/...")
        .is_some_and(|head| matches_whole(head, name))
    {
        return true;
    }
    matches_whole(pattern, name)
}

fn matches_whole(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_stand_for_any_text() {
        for (pattern, name, expected) in [
            ("net/...", "net", true),
            ("net/...", "net/http", true),
            ("net/...", "netx", false),
            ("net...", "netx", true),
            ("...", "any/thing", true),
            ("a/.../b", "a/x/y/b", true),
            ("a/.../b", "a/b", false),
            ("a/.../b/...", "a/x/b", true),
            ("a/.../b/...", "a/x/b/c", true),
            ("a...a", "a", false),
            ("x", "x", true),
            ("x", "xy", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn ignored_directories_are_from_the_root_or_anywhere() {
        assert!(
            is_ignored("./node_modules", "node_modules")
                && !is_ignored("./node_modules", "a/node_modules")
        );
        assert!(
            is_ignored("node_modules", "a/node_modules")
                && !is_ignored("node_modules", "a/my_node_modules")
        );
    }
}
