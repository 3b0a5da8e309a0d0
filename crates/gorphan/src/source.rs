//! The program's source, for snippets. Nothing outside of the root is ever read.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// Bytes of a source file; generated Go files of a few megabytes exist.
const MAX_BYTES: u64 = 8 << 20;
/// Bytes of a go.mod of which the module line is read.
const MAX_GO_MOD_BYTES: u64 = 1 << 20;

/// A directory with Go source.
pub(crate) struct SourceRoot {
    /// Canonical.
    root: PathBuf,
    /// From its go.mod.
    module: Option<String>,
}

impl SourceRoot {
    /// Looks at a directory; `None` if it is none.
    pub(crate) fn open(root: &Path) -> Option<Self> {
        let root = root.canonicalize().ok().filter(|root| root.is_dir())?;
        let module = read(&root.join("go.mod"), MAX_GO_MOD_BYTES).and_then(|text| module(&text));
        Some(Self { root, module })
    }

    /// The text of a file as a stack names it: by its path, by its module's path (`-trimpath`), or by the longest end of
    /// its path that exists under the root.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let path = self.find(name)?;
        read(&path, MAX_BYTES)
    }

    /// Where that file is on this machine.
    pub(crate) fn path(&self, name: &str) -> Option<String> {
        self.find(name)?.to_str().map(str::to_owned)
    }

    /// Where that file is within the root, with `/` between its parts.
    #[cfg(feature = "fleet")]
    pub(crate) fn relative(&self, name: &str) -> Option<String> {
        let path = self.find(name)?;
        let parts = path.strip_prefix(&self.root).ok()?.iter();
        let parts: Option<Vec<&str>> = parts.map(|part| part.to_str()).collect();
        Some(parts?.join("/"))
    }

    /// The directory.
    #[cfg(feature = "fleet")]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        let path = Path::new(name);
        let climbs = path.components().any(|part| part == Component::ParentDir);
        if climbs || path.extension().is_none_or(|extension| extension != "go") {
            return None;
        }
        if path.is_absolute()
            && let Some(inside) = self.inside(path)
        {
            return Some(inside);
        }
        if let Some(rest) = self.module.as_ref().and_then(|module| under(name, module)) {
            return self.inside(&self.root.join(rest));
        }
        if self.is_foreign(name) {
            return None;
        }
        // Windows programs name their files with a drive and either slash.
        let parts: Vec<&str> = name
            .split(['/', '\\'])
            .filter(|part| !part.is_empty())
            .collect();
        let folder = self.root.file_name().and_then(|name| name.to_str());
        (0..parts.len()).find_map(|start| {
            let (end, above) = (parts.get(start..)?, start.checked_sub(1));
            let above = above.and_then(|index| parts.get(index).copied());
            // A lone `main.go` fits many a directory; it counts if nothing is above it, or the root's own name is.
            let sure = end.len() > 1 || above.is_none() || above == folder;
            let end: PathBuf = end.iter().collect();
            sure.then(|| self.inside(&self.root.join(end))).flatten()
        })
    }

    /// A name as `-trimpath` writes it, of another module than the root's: `net/http/server.go` is not our
    /// `http/server.go`. The package of `go run FILE` has no path of its own.
    fn is_foreign(&self, name: &str) -> bool {
        let first = name.split_once('/').map(|(first, _)| first);
        self.module.is_some()
            && first.is_some_and(|first| {
                !first.is_empty()
                    && !first.ends_with(':')
                    && ![".", "command-line-arguments"].contains(&first)
            })
    }

    /// The file, if it is one and lies under the root with all links followed.
    fn inside(&self, path: &Path) -> Option<PathBuf> {
        let path = path.canonicalize().ok()?;
        (path.starts_with(&self.root) && path.is_file()).then_some(path)
    }
}

/// What follows `module/` in a name.
fn under<'a>(name: &'a str, module: &str) -> Option<&'a str> {
    name.strip_prefix(module)?.strip_prefix('/')
}

fn module(go_mod: &str) -> Option<String> {
    let line = go_mod
        .lines()
        .find_map(|line| line.trim().strip_prefix("module "))?;
    let name = line.split("//").next()?.trim().trim_matches('"');
    (!name.is_empty()).then(|| name.to_owned())
}

fn read(path: &Path, limit: u64) -> Option<String> {
    let file = File::open(path).ok()?;
    if file.metadata().ok()?.len() > limit {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Tree {
        _folder: tempfile::TempDir,
        root: SourceRoot,
    }

    fn tree() -> Tree {
        let folder = tempfile::tempdir().unwrap();
        let shop = folder.path().join("shop");
        fs::create_dir_all(shop.join("bus")).unwrap();
        fs::write(
            shop.join("go.mod"),
            "// ours\nmodule example.com/shop // v1\n",
        )
        .unwrap();
        fs::write(shop.join("main.go"), "main").unwrap();
        fs::write(shop.join("bus/bus.go"), "bus").unwrap();
        fs::write(folder.path().join("secret.go"), "secret").unwrap();
        Tree {
            root: SourceRoot::open(&shop).unwrap(),
            _folder: folder,
        }
    }

    #[test]
    fn files_are_found_however_a_stack_names_them() {
        let tree = tree();
        let own = tree.root.root.join("bus/bus.go");
        for (name, text) in [
            (own.to_str().unwrap(), "bus"),
            ("example.com/shop/bus/bus.go", "bus"),
            ("/build/shop/bus/bus.go", "bus"),
            ("C:/build/shop/bus/bus.go", "bus"),
            ("/build/shop/main.go", "main"),
            ("main.go", "main"),
        ] {
            assert_eq!(tree.root.text(name).as_deref(), Some(text), "{name}");
        }
    }

    #[cfg(feature = "fleet")]
    #[test]
    fn a_file_has_its_place_within_the_root() {
        let tree = tree();
        let place = tree.root.relative("example.com/shop/bus/bus.go");
        assert_eq!(place.as_deref(), Some("bus/bus.go"));
        assert_eq!(tree.root.relative("example.com/other/bus/bus.go"), None);
    }

    #[test]
    fn a_file_of_another_module_is_not_taken_for_ours() {
        let tree = tree();
        assert_eq!(tree.root.text("net/bus/bus.go"), None);
        assert_eq!(tree.root.text("example.com/other@v1.2.3/bus/bus.go"), None);
    }

    #[test]
    fn nothing_else_is_read() {
        let tree = tree();
        let secret = tree.root.root.parent().unwrap().join("secret.go");
        for name in [
            secret.to_str().unwrap(),
            "../secret.go",
            "/build/../secret.go",
            "/usr/local/go/src/net/http/main.go",
            "go.mod",
            "bus",
            "",
        ] {
            assert_eq!(tree.root.text(name), None, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_outside() {
        let tree = tree();
        let outside = tree.root.root.parent().unwrap().join("secret.go");
        std::os::unix::fs::symlink(outside, tree.root.root.join("link.go")).unwrap();
        assert_eq!(tree.root.text("link.go"), None);
    }
}
