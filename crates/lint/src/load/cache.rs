//! Where the module cache keeps a module: the layout of GOMODCACHE (<https://go.dev/ref/mod#module-cache>).

use std::path::{Path, PathBuf};

use super::modfile::ModuleVersion;

/// Where the files of a module are; `None` for a path or version that no module has.
pub(super) fn directory(modcache: &Path, module: &ModuleVersion) -> Option<PathBuf> {
    let path = escape(&module.path)?;
    let version = escape(&module.version)?;
    Some(modcache.join(format!("{path}@{version}")))
}

/// Where its `go.mod` is, which the cache has also of modules that are not unpacked.
pub(super) fn mod_file(modcache: &Path, module: &ModuleVersion) -> Option<PathBuf> {
    let path = escape(&module.path)?;
    let version = escape(&module.version)?;
    Some(modcache.join(format!("cache/download/{path}/@v/{version}.mod")))
}

/// Capitals as `!` and the small letter, for file systems that do not tell them apart. Whatever could leave the cache is refused.
fn escape(text: &str) -> Option<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._~/+".contains(c);
    let leaves = text
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..");
    if leaves || !text.chars().all(fine) {
        return None;
    }
    let mut escaped = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        if c.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(c.to_ascii_lowercase());
    }
    Some(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str, version: &str) -> Option<PathBuf> {
        let module = ModuleVersion {
            path: path.into(),
            version: version.into(),
        };
        directory(Path::new("/c"), &module)
    }

    #[test]
    fn capitals_are_escaped() {
        assert_eq!(
            place("github.com/Azure/azure-sdk", "v1.0.0-RC1+incompatible"),
            Some("/c/github.com/!azure/azure-sdk@v1.0.0-!r!c1+incompatible".into())
        );
    }

    #[test]
    fn no_path_leaves_the_cache() {
        for path in [
            "../etc",
            "a/../../b",
            "/etc",
            "a//b",
            "a/",
            "",
            "a\0b",
            "a\\..\\b",
        ] {
            assert_eq!(place(path, "v1.0.0"), None, "{path}");
        }
        assert_eq!(place("a.org/b", "../v1"), None);
    }
}
