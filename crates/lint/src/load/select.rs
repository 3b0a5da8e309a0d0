//! Which version of each module a build uses, and where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::files::{Files, tidy};
use super::modfile::{ModFile, ModuleVersion, Replace};
use super::modules::read_mod_file;
use super::settings::Settings;
use super::{cache, version};

/// Modules in a build list; the largest known programs have two thousand.
const MAX_MODULES: usize = 50_000;
/// Go releases from which `go.mod` names all that is needed to build the module's own packages.
const GO_WITH_FULL_LIST: u32 = 17;

/// What stands in for what.
pub(super) struct Replaces {
    /// By path, and by version where the replacement is of one.
    by_module: BTreeMap<(String, String), (PathBuf, ModuleVersion)>,
}

impl Replaces {
    /// Of all modules of the build; those of the workspace file come first.
    pub(super) fn new(folder: &Path, work: &ModFile, mods: &[(PathBuf, ModFile)]) -> Self {
        let mut by_module = BTreeMap::new();
        let all = mods.iter().map(|(folder, file)| (folder.as_path(), file));
        let mut add = |folder: &Path, Replace { old, new }: &Replace| {
            let key = (old.path.clone(), old.version.clone());
            by_module.insert(key, (folder.to_path_buf(), new.clone()));
        };
        for (folder, file) in all {
            file.replace.iter().for_each(|one| add(folder, one));
        }
        work.replace.iter().for_each(|one| add(folder, one));
        Self { by_module }
    }

    fn of(&self, module: &ModuleVersion) -> Option<&(PathBuf, ModuleVersion)> {
        let by = |version: &str| {
            self.by_module
                .get(&(module.path.clone(), version.to_owned()))
        };
        by(&module.version).or_else(|| by(""))
    }

    /// The directory of a module, and the version that it is of.
    pub(super) fn place(
        &self,
        settings: &Settings,
        module: &ModuleVersion,
    ) -> Option<(PathBuf, String)> {
        let modcache = settings.modcache.as_deref().unwrap_or(Path::new(""));
        match self.of(module) {
            Some((folder, new)) if new.version.is_empty() => {
                Some((tidy(&folder.join(&new.path)), String::new()))
            }
            Some((_, new)) => Some((cache::directory(modcache, new)?, new.version.clone())),
            None => Some((cache::directory(modcache, module)?, module.version.clone())),
        }
    }

    /// The `go.mod` of a module, where it is at hand.
    fn mod_file(
        &self,
        files: &dyn Files,
        settings: &Settings,
        module: &ModuleVersion,
    ) -> Option<ModFile> {
        let modcache = settings.modcache.as_deref()?;
        let actual = match self.of(module) {
            Some((folder, new)) if new.version.is_empty() => {
                return read_mod_file(files, &folder.join(&new.path).join("go.mod")).ok();
            }
            Some((_, new)) => new,
            None => module,
        };
        let cached = cache::mod_file(modcache, actual)?;
        read_mod_file(files, &cached).ok()
    }
}

/// The version of each module: the highest that any module asks for (minimal version selection). Where the main module
/// names all that it needs, the requirements of others are not looked at.
pub(super) fn select(
    files: &dyn Files,
    settings: &Settings,
    mods: &[(PathBuf, ModFile)],
    replaces: &Replaces,
) -> Result<BTreeMap<String, String>, Error> {
    let excluded: BTreeSet<&ModuleVersion> =
        mods.iter().flat_map(|(_, file)| &file.exclude).collect();
    let mut selected: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut queue: Vec<ModuleVersion> = Vec::new();
    for (_, file) in mods {
        let descend = file.go_minor() < GO_WITH_FULL_LIST;
        for module in file
            .require
            .iter()
            .filter(|module| !excluded.contains(module))
        {
            raise(&mut selected, module);
            if descend && seen.insert(module.clone()) {
                queue.push(module.clone());
            }
        }
    }
    while let Some(module) = queue.pop() {
        let Some(file) = replaces.mod_file(files, settings, &module) else {
            continue;
        };
        for needed in file.require {
            if excluded.contains(&needed) {
                continue;
            }
            raise(&mut selected, &needed);
            if seen.insert(needed.clone()) {
                queue.push(needed);
            }
            if seen.len() > MAX_MODULES {
                return Err(Error::TooManyModules { limit: MAX_MODULES });
            }
        }
    }
    Ok(selected)
}

fn raise(selected: &mut BTreeMap<String, String>, module: &ModuleVersion) {
    let version = selected.entry(module.path.clone()).or_default();
    if version::compare(version, &module.version).is_lt() {
        version.clone_from(&module.version);
    }
}
