//! Without ptrace: a `TestMain` that is laid over each package that has none, and the goroutine dump that it writes.
//!
//! `go test -overlay` compiles files that are not in the package's folder, so nothing is written there. What it cannot do is
//! said: packages with a `TestMain` of their own are not looked at, subtests are not told apart, nothing is proven.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gorphan_decode::Options;
use gorphan_model::{Snapshot, symbol};

use super::left::{self, Kind};
use super::record::{Frame, Left, Record, Unwatched, VERSION};

/// The file that is laid over a package; Go compiles what ends in `_test.go` for its tests alone.
const FILE_NAME: &str = "gorphan_generated_main_test.go";

/// A package with tests.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    folder: String,
    name: String,
    path: String,
    own_files: Vec<String>,
    outer_files: Vec<String>,
}

/// What was prepared for a run.
pub(super) struct Prepared {
    /// For `go test`.
    pub(super) flag: OsString,
    packages: Vec<Package>,
    /// Indexes of those with a `TestMain` of their own.
    with_own: Vec<usize>,
    dumps: PathBuf,
    grace: Duration,
}

/// Writes the overlay of the packages into `folder`.
pub(super) fn prepare(
    go: &OsStr,
    packages: &[OsString],
    rest: &[OsString],
    within: Option<&Path>,
    folder: &Path,
    grace: Duration,
    on_failure: bool,
) -> io::Result<Prepared> {
    let packages = list(go, packages, rest, within)?;
    let dumps = folder.join("dumps");
    fs::create_dir(&dumps)?;
    let mut replaced = serde_json::Map::new();
    let mut with_own = Vec::new();
    for (index, package) in packages.iter().enumerate() {
        if package.has_test_main() {
            with_own.push(index);
            continue;
        }
        let source = folder.join(format!("main_{index}.go"));
        fs::write(&source, text(package, index, &dumps, grace, on_failure))?;
        let place = Path::new(&package.folder).join(FILE_NAME);
        let source = source.display().to_string();
        replaced.insert(place.display().to_string(), source.into());
    }
    let overlay = folder.join("overlay.json");
    let whole = serde_json::json!({ "Replace": replaced });
    fs::write(&overlay, whole.to_string())?;
    let mut flag = OsString::from("-overlay=");
    flag.push(&overlay);
    Ok(Prepared {
        flag,
        packages,
        with_own,
        dumps,
        grace,
    })
}

/// The packages that have tests, as the go command lists them.
fn list(
    go: &OsStr,
    packages: &[OsString],
    rest: &[OsString],
    within: Option<&Path>,
) -> io::Result<Vec<Package>> {
    let form = "{{.Dir}}\t{{.Name}}\t{{.ImportPath}}\t{{join .TestGoFiles \"/\"}}\t{{join .XTestGoFiles \"/\"}}";
    let mut command = Command::new(go);
    command.args(["list", "-e", "-f", form]);
    let tags = rest.iter().filter(|word| {
        word.to_string_lossy()
            .trim_start_matches('-')
            .starts_with("tags=")
    });
    command.args(tags).args(packages);
    if let Some(within) = within {
        command
            .current_dir(within)
            .envs([("GOFLAGS", ""), ("GOWORK", "off")]);
    }
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let files = |names: &str| {
        names
            .split('/')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let listed = text.lines().filter_map(|line| {
        let mut parts = line.split('\t');
        Some(Package {
            folder: parts.next()?.to_owned(),
            name: parts.next()?.to_owned(),
            path: parts.next()?.to_owned(),
            own_files: files(parts.next()?),
            outer_files: files(parts.next()?),
        })
    });
    Ok(listed.filter(Package::has_tests).collect())
}

impl Package {
    fn has_tests(&self) -> bool {
        !self.own_files.is_empty() || !self.outer_files.is_empty()
    }

    /// Whether a file declares a `TestMain`. A file that cannot be read fails to compile as well, which `go test` tells.
    fn has_test_main(&self) -> bool {
        let files = self.own_files.iter().chain(&self.outer_files);
        files
            .map(|name| Path::new(&self.folder).join(name))
            .any(|path| {
                let text = fs::read(path).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                text.lines().any(|line| line.starts_with("func TestMain("))
            })
    }
}

/// The generated file.
fn text(
    package: &Package,
    index: usize,
    dumps: &Path,
    grace: Duration,
    on_failure: bool,
) -> String {
    let suffix = if package.own_files.is_empty() {
        "_test"
    } else {
        ""
    };
    include_str!("generated_main.go.txt")
        .replace("PACKAGE", &format!("{}{suffix}", package.name))
        .replace("FOLDER", &format!("{:?}", dumps.display().to_string()))
        .replace("INDEX", &index.to_string())
        .replace("GRACE", &grace.as_millis().to_string())
        .replace("ON_FAILURE", &on_failure.to_string())
}

impl Prepared {
    /// What the test binaries wrote, as records; and one for each package that could not be looked at.
    pub(super) fn records(&self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.dumps)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let index = name
                .split('-')
                .next()
                .and_then(|index| index.parse::<usize>().ok());
            let Some(package) = index.and_then(|index| self.packages.get(index)) else {
                continue;
            };
            let mut record = self.record(package);
            if name.ends_with(".failed") {
                record.unwatched = Some(Unwatched::TestsFailed);
            } else {
                match gorphan_decode::read(File::open(&path)?, &Options::default()) {
                    Ok(snapshots) => {
                        let snapshots = snapshots.iter();
                        record.left = snapshots
                            .flat_map(|snapshot| left_in(snapshot, &package.path))
                            .collect();
                    }
                    Err(error) => record.unwatched = Some(Unwatched::Failed(error.to_string())),
                }
            }
            records.push(record);
        }
        for package in self
            .with_own
            .iter()
            .filter_map(|index| self.packages.get(*index))
        {
            let mut record = self.record(package);
            let why = "the package has a TestMain of its own, and ptrace is not used";
            record.unwatched = Some(Unwatched::Failed(why.to_owned()));
            records.push(record);
        }
        records.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok(records)
    }

    fn record(&self, package: &Package) -> Record {
        Record {
            version: VERSION,
            folder: package.folder.clone(),
            binary: package.path.clone(),
            go_version: None,
            unwatched: None,
            tests: Vec::new(),
            left: Vec::new(),
            grace_millis: u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX),
            problems: Vec::new(),
        }
    }

    /// Import paths by folder.
    pub(super) fn paths(&self) -> Vec<(String, String)> {
        let packages = self.packages.iter();
        packages
            .map(|package| (package.folder.clone(), package.path.clone()))
            .collect()
    }
}

/// The goroutines of a dump that were left behind.
fn left_in(snapshot: &Snapshot, package: &str) -> Vec<Left> {
    let samples = snapshot
        .samples
        .iter()
        .filter(|sample| left::kind(sample) == Kind::Left);
    let samples = samples.filter(|sample| {
        // The one that wrote the dump.
        let mut frames = sample.stack.frames.iter();
        !frames.any(|frame| frame.function.ends_with(".gorphanDump"))
    });
    samples
        .map(|sample| {
            let created = sample.stack.created_by.iter();
            let mut names = sample
                .stack
                .frames
                .iter()
                .chain(created)
                .map(|frame| &*frame.function);
            let test = names.find_map(|name| test_in(name, package));
            Left {
                hidden: test.is_none(),
                test,
                count: sample.count,
                ids: sample.identities.known.iter().map(|one| one.id.0).collect(),
                state: sample
                    .state
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                stack: sample.stack.frames.iter().map(Frame::from).collect(),
                created_by: sample.stack.created_by.as_ref().map(Frame::from),
                proof: None,
            }
        })
        .collect()
}

/// The test that a function is, or is a closure of: `TestA` for `example.com/shop.TestA.func1`.
fn test_in(function: &str, package: &str) -> Option<String> {
    let name = symbol::canonical(function);
    let rest = name.strip_prefix(package)?;
    let rest = rest
        .strip_prefix("_test")
        .unwrap_or(rest)
        .strip_prefix('.')?;
    let first = rest.split('.').next()?;
    ["Test", "Benchmark", "Fuzz", "Example"]
        .iter()
        .any(|prefix| first.starts_with(prefix))
        .then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_is_told_by_the_functions_of_its_package() {
        for (function, expected) in [
            ("example.com/shop.TestA.func1", Some("TestA")),
            ("example.com/shop.TestA.func1.2", Some("TestA")),
            ("example.com/shop_test.FuzzB", Some("FuzzB")),
            ("example.com/shop.serve", None),
            ("example.com/shop.(*T).TestA", None),
            ("example.com/shopping.TestA", None),
        ] {
            assert_eq!(
                test_in(function, "example.com/shop").as_deref(),
                expected,
                "{function}"
            );
        }
    }

    #[test]
    fn the_generated_file_names_package_and_folder() {
        let package = Package {
            folder: "/src/shop".into(),
            name: "shop".into(),
            path: "example.com/shop".into(),
            own_files: Vec::new(),
            outer_files: vec!["a_test.go".into()],
        };
        let text = text(
            &package,
            7,
            Path::new("/a \"b\""),
            Duration::from_millis(430),
            false,
        );
        assert!(text.contains("\npackage shop_test\n"), "{text}");
        assert!(
            text.contains("\"/a \\\"b\\\"\"") && text.contains("430"),
            "{text}"
        );
        for placeholder in ["PACKAGE", "FOLDER", "INDEX", "GRACE", "ON_FAILURE"] {
            assert!(!text.contains(placeholder), "{placeholder}");
        }
    }
}
