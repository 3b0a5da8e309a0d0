//! Go toolchains, and what is built with them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::support;

/// `go` commands for the long tests, separated by colons; without it the Go on the path.
const CHOSEN: &str = "GORPHAN_ACCEPT_GO";

/// A toolchain.
#[derive(Debug, Clone)]
pub(crate) struct Go {
    command: PathBuf,
    /// As `1.27.3`.
    pub(crate) version: String,
    /// As 27.
    pub(crate) minor: u32,
    /// Its library and tests.
    pub(crate) root: PathBuf,
}

/// One way to build one program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build<'a> {
    /// The folder of the module.
    pub(crate) module: &'a Path,
    /// The package, from there.
    pub(crate) package: &'a str,
    /// What the program is called; it differs between ways to build one package.
    pub(crate) name: &'a str,
    /// More flags for `go build`.
    pub(crate) flags: &'a [&'a str],
    /// Environment variables.
    pub(crate) environment: &'a [(&'a str, &'a str)],
}

impl Go {
    fn at(command: &Path) -> Self {
        let output = Command::new(command)
            .args(["env", "GOVERSION", "GOROOT"])
            .env("GOTOOLCHAIN", "local")
            .output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", command.display()));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = said.lines();
        let version = lines.next().and_then(|line| line.strip_prefix("go"));
        let version = version.unwrap_or_else(|| panic!("{}: {said}", command.display()));
        let minor = version.split('.').nth(1).and_then(|it| it.parse().ok());
        Self {
            command: command.to_owned(),
            version: version.to_owned(),
            minor: minor.unwrap_or_else(|| panic!("go{version} is no go1.N")),
            root: lines.next().unwrap_or_default().into(),
        }
    }

    /// The one on the path.
    pub(crate) fn on_path() -> Self {
        Self::at(support::go())
    }

    /// Those that were asked for.
    pub(crate) fn chosen() -> Vec<Self> {
        match std::env::var(CHOSEN) {
            Ok(list) if !list.is_empty() => {
                list.split(':').map(|it| Self::at(it.as_ref())).collect()
            }
            _ => vec![Self::on_path()],
        }
    }

    /// A folder for what is made with this version.
    pub(crate) fn folder(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("accept")
            .join(&self.version);
        fs::create_dir_all(&folder).expect("a folder for programs");
        folder
    }

    /// Builds a program. The language, and what the runtime does by default, is that of this version.
    ///
    /// # Errors
    /// What the compiler said.
    pub(crate) fn build(&self, build: Build<'_>) -> Result<PathBuf, String> {
        // Once in a run, and one at a time: tests that run side by side share programs.
        static BUILT: Mutex<BTreeMap<PathBuf, Result<PathBuf, String>>> =
            Mutex::new(BTreeMap::new());
        let out = self.folder().join(build.name);
        let mut built = BUILT.lock().expect("not poisoned");
        let result = built
            .entry(out)
            .or_insert_with_key(|out| self.build_at(build, out));
        result.clone()
    }

    fn build_at(&self, build: Build<'_>, out: &Path) -> Result<PathBuf, String> {
        let folder = self.folder();
        let modules = folder.join(format!("{}.mod", build.name));
        let text = format!("module example.com/proof\n\ngo 1.{}\n", self.minor);
        fs::write(&modules, text).expect("a file");
        let output = Command::new(&self.command)
            .arg("build")
            .args(build.flags)
            .arg(format!("-modfile={}", modules.display()))
            .arg("-o")
            .arg(out)
            .arg(build.package)
            .current_dir(build.module)
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "")
            .env("GOWORK", "off")
            .env("CGO_ENABLED", "0")
            .envs(build.environment.iter().copied())
            .output();
        let output = output.map_err(|error| format!("{}: {error}", self.command.display()))?;
        if output.status.success() {
            return Ok(out.to_owned());
        }
        Err(format!(
            "go{} does not build {}: {}",
            self.version,
            build.name,
            String::from_utf8_lossy(&output.stderr)
        ))
    }

    /// Builds a program of `fixtures/proof`.
    ///
    /// # Errors
    /// As [`Go::build`].
    pub(crate) fn fixture(&self, package: &str) -> Result<PathBuf, String> {
        let (flags, environment): (&[&str], &[(&str, &str)]) = match package {
            "cgo" | "plugged" => (&[], &[("CGO_ENABLED", "1")]),
            "arenas" => (&[], &[("GOEXPERIMENT", "arenas")]),
            _ => (&[], &[]),
        };
        self.build(Build {
            module: &fixtures(),
            package: &format!("./{package}"),
            name: package,
            flags,
            environment,
        })
    }

    /// Builds the plugin that `plugged` loads.
    ///
    /// # Errors
    /// As [`Go::build`].
    pub(crate) fn plugin(&self) -> Result<PathBuf, String> {
        self.build(Build {
            module: &fixtures(),
            package: "./plugged/plug",
            name: "plug.so",
            flags: &["-buildmode=plugin"],
            environment: &[("CGO_ENABLED", "1")],
        })
    }

    /// The packages of `fixtures/proof` that this version can build.
    pub(crate) fn packages<'a>(&self, packages: &[&'a str]) -> Vec<&'a str> {
        // User arenas came with Go 1.20.
        let possible = |package: &&&str| **package != "arenas" || self.minor >= 20;
        packages.iter().filter(possible).copied().collect()
    }
}

/// The module of programs whose leaks are known.
pub(crate) fn fixtures() -> PathBuf {
    support::root().join("fixtures/proof")
}
