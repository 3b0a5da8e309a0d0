//! `go.mod` and `go.work`, as far as they tell which files make which packages.

use std::fmt;

use super::version::Version;

/// Bytes of a module file that are read; the largest known have a hundred kilobytes.
pub(super) const MAX_MODFILE_BYTES: usize = 4 << 20;

/// A module at a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleVersion {
    /// As `example.com/shop`.
    pub path: String,
    /// As `v1.2.3`; empty where none is meant.
    pub version: String,
}

impl fmt::Display for ModuleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version.as_str() {
            "" => f.write_str(&self.path),
            version => write!(f, "{}@{version}", self.path),
        }
    }
}

/// Another module, or a directory, in place of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replace {
    /// What is replaced; without a version every one.
    pub old: ModuleVersion,
    /// By what; without a version it is a directory.
    pub new: ModuleVersion,
}

/// What a `go.mod` or `go.work` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModFile {
    /// The module's path; none in a `go.work`.
    pub module: Option<String>,
    /// As `1.27` or `1.27.3`.
    pub go: Option<String>,
    /// As `go1.27.3`.
    pub toolchain: Option<String>,
    /// What is needed.
    pub require: Vec<ModuleVersion>,
    /// What stands in for what.
    pub replace: Vec<Replace>,
    /// Versions that are not to be used.
    pub exclude: Vec<ModuleVersion>,
    /// Directories that patterns leave out (Go 1.25).
    pub ignore: Vec<String>,
    /// The modules of a workspace, as directories.
    pub uses: Vec<String>,
}

/// A line of a module file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ModFileError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl ModFile {
    /// Reads a file.
    ///
    /// # Errors
    /// At the first directive that matters here and is not as it should be. Unknown directives are for newer versions of Go and are
    /// passed over.
    pub fn parse(text: &str) -> Result<Self, ModFileError> {
        let mut file = Self::default();
        // The verb of the block that is open.
        let mut block: Option<String> = None;
        for (index, line) in text.lines().enumerate() {
            let fail = |what| ModFileError {
                line: index + 1,
                what,
            };
            let mut words = words(line).map_err(fail)?;
            match (&block, words.as_slice()) {
                (_, []) => {}
                (Some(_), [close]) if close == ")" => block = None,
                (Some(verb), _) => {
                    let verb = verb.clone();
                    file.directive(&verb, &words).map_err(fail)?;
                }
                (None, [verb, open]) if open == "(" => block = Some(verb.clone()),
                (None, _) => {
                    let verb = words.remove(0);
                    file.directive(&verb, &words).map_err(fail)?;
                }
            }
        }
        match block {
            Some(_) => Err(ModFileError {
                line: text.lines().count(),
                what: "a block is not closed: `)` is missing",
            }),
            None => Ok(file),
        }
    }

    fn directive(&mut self, verb: &str, words: &[String]) -> Result<(), &'static str> {
        match (verb, words) {
            ("module", [path]) => self.module = Some(path.clone()),
            ("module", _) => return Err("`module` takes one path"),
            ("go", [version]) => self.go = Some(version.clone()),
            ("go", _) => return Err("`go` takes one version"),
            ("toolchain", [name]) => self.toolchain = Some(name.clone()),
            ("require", [path, version]) => self.require.push(module(path, version)?),
            ("require", _) => return Err("`require` takes a path and a version"),
            ("exclude", [path, version]) => self.exclude.push(module(path, version)?),
            ("exclude", _) => return Err("`exclude` takes a path and a version"),
            ("ignore", [directory]) => self.ignore.push(directory.clone()),
            ("use", [directory]) => self.uses.push(directory.clone()),
            ("use", _) => return Err("`use` takes one directory"),
            ("replace", words) => self.replace.push(replace(words)?),
            _ => {}
        }
        Ok(())
    }

    /// The minor release of the `go` line: 27 for `1.27.3`. Without the line Go takes 1.16.
    pub fn go_minor(&self) -> u32 {
        self.go.as_deref().and_then(minor_of).unwrap_or(16)
    }
}

/// 27 of `1.27`, `1.27.3`, `1.27rc1`, `go1.27.3`.
pub(super) fn minor_of(version: &str) -> Option<u32> {
    let version = version.strip_prefix("go").unwrap_or(version);
    let rest = version.strip_prefix("1.")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

fn module(path: &str, version: &str) -> Result<ModuleVersion, &'static str> {
    if Version::parse(version).is_none() {
        return Err("the version is none: it should be as v1.2.3");
    }
    Ok(ModuleVersion {
        path: path.to_owned(),
        version: version.to_owned(),
    })
}

fn replace(words: &[String]) -> Result<Replace, &'static str> {
    const SHAPE: &str = "`replace` should be as: old [version] => new [version]";
    let mut sides = words.split(|word| word == "=>");
    let (Some(old), Some(new), None) = (sides.next(), sides.next(), sides.next()) else {
        return Err(SHAPE);
    };
    let one = |side: &[String]| match side {
        [path] => Ok(ModuleVersion {
            path: path.clone(),
            version: String::new(),
        }),
        [path, version] => Ok(ModuleVersion {
            path: path.clone(),
            version: version.clone(),
        }),
        _ => Err(SHAPE),
    };
    Ok(Replace {
        old: one(old)?,
        new: one(new)?,
    })
}

/// The words of a line without its comment; quoted ones without their quotes. A `(` or `)` is a word of its own.
fn words(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            break;
        }
        let end = match first {
            '"' | '`' => {
                let inside = rest.get(1..).unwrap_or_default();
                let length = inside.find(first).ok_or("a quote is not closed")?;
                words.push(inside.get(..length).unwrap_or_default().to_owned());
                length + 2
            }
            '(' | ')' => {
                words.push(first.to_string());
                1
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '`');
                let mut end = rest.find(ends).unwrap_or(rest.len());
                if let Some(comment) = rest.get(..end).and_then(|word| word.find("//")) {
                    // `https://x` is not written in module files; a word that a comment follows without a space is.
                    end = comment;
                }
                words.push(rest.get(..end).unwrap_or_default().to_owned());
                end
            }
        };
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, version: &str) -> ModuleVersion {
        ModuleVersion {
            path: path.into(),
            version: version.into(),
        }
    }

    #[test]
    fn a_module_file_is_read() {
        let file = ModFile::parse(
            "// Deprecated: no\nmodule \"example.com/shop\" // the shop\n\ngo 1.27.1\ntoolchain go1.27.3\n\nrequire a.org/b v1.2.3 // indirect\n\
             require (\n\tc.org/d/v2 v2.0.0+incompatible\n\n\t// none\n\te.org/f v0.0.0-20200101000000-abcdefabcdef\n)\n\
             replace a.org/b => ../b\nreplace (\n\tc.org/d/v2 v2.0.0 => c.org/fork/v2 v2.0.1\n)\nexclude a.org/b v1.2.2\n\
             retract [v1.0.0, v1.1.0]\ngodebug default=go1.21\ntool a.org/b/cmd\nignore ./node_modules\nfrobnicate (\n\tx y z\n)\n",
        )
        .expect("a module file");
        assert_eq!(file.module.as_deref(), Some("example.com/shop"));
        assert_eq!(
            (file.go_minor(), file.toolchain.as_deref()),
            (27, Some("go1.27.3"))
        );
        assert_eq!(file.require.len(), 3);
        assert_eq!(file.require[1], at("c.org/d/v2", "v2.0.0+incompatible"));
        assert_eq!(file.replace[0].new, at("../b", ""));
        assert_eq!(file.replace[1].old, at("c.org/d/v2", "v2.0.0"));
        assert_eq!(file.exclude, [at("a.org/b", "v1.2.2")]);
        assert_eq!(file.ignore, ["./node_modules"]);
    }

    #[test]
    fn a_workspace_is_read() {
        let file = ModFile::parse("go 1.22\nuse ./a\nuse (\n\t./b\n\t../c // far\n)\n")
            .expect("a workspace");
        assert_eq!(file.uses, ["./a", "./b", "../c"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line) in [
            ("module\n", 1),
            ("module a b\n", 1),
            ("module a\nrequire b\n", 2),
            ("module a\nrequire b master\n", 2),
            ("module a\nreplace b\n", 2),
            ("module a\nreplace b => c => d\n", 2),
            ("module \"a\n", 1),
            ("require (\n\tb v1.0.0\n", 2),
        ] {
            assert_eq!(ModFile::parse(text).expect_err(text).line, line, "{text}");
        }
    }

    #[test]
    fn versions_of_go_have_a_minor() {
        for (text, minor) in [
            ("1.27", Some(27)),
            ("1.27rc1", Some(27)),
            ("go1.9.2", Some(9)),
            ("2.0", None),
            ("1.x", None),
        ] {
            assert_eq!(minor_of(text), minor, "{text}");
        }
    }
}
