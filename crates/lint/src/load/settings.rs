//! Where Go and its modules are, and for which system code is read: what `go env` would say, found without running it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::constraint::Target;
use super::experiment;
use super::files::Files;
use super::modfile::minor_of;

/// The release whose language is known here: taken where no Go is installed that says another.
pub const NEWEST_GO_MINOR: u32 = 27;

/// Bytes of a settings file that are read; they have a few lines.
const MAX_SETTINGS_BYTES: usize = 1 << 20;

/// What a caller knows of the process it runs in.
pub struct Environment<'e> {
    /// Reads a variable.
    pub variable: &'e dyn Fn(&str) -> Option<String>,
    /// The home directory.
    pub home: Option<PathBuf>,
    /// Where Go's settings of this user are: `~/.config` on Linux.
    pub configuration: Option<PathBuf>,
    /// The working directory.
    pub working: PathBuf,
}

/// What the user asks for on top of the environment.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// In place of GOOS.
    pub goos: Option<String>,
    /// In place of GOARCH.
    pub goarch: Option<String>,
    /// Tags besides those of GOFLAGS.
    pub tags: Vec<String>,
    /// In place of CGO_ENABLED.
    pub cgo: Option<bool>,
}

/// Where the packages of dependencies come from (`-mod` of GOFLAGS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModFlag {
    /// `vendor` if there is one and the module is of Go 1.14 or later, else the module cache.
    #[default]
    Auto,
    /// `vendor`.
    Vendor,
    /// The module cache.
    Cache,
}

/// Which workspace holds (GOWORK).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Workspace {
    /// The nearest `go.work` above.
    #[default]
    Find,
    /// None.
    Off,
    /// This file.
    File(PathBuf),
}

/// Where things are, and for which system code is read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The Go tree, with `src` in it.
    pub goroot: Option<PathBuf>,
    /// As `go1.27.3`, of the Go tree.
    pub go_version: Option<String>,
    /// Trees of packages by import path, each with `src` in it.
    pub gopath: Vec<PathBuf>,
    /// Where modules are unpacked.
    pub modcache: Option<PathBuf>,
    /// The system.
    pub target: Target,
    /// Where dependencies come from.
    pub mod_flag: ModFlag,
    /// The workspace.
    pub workspace: Workspace,
    /// Where patterns start.
    pub working: PathBuf,
}

impl Settings {
    /// Finds them.
    pub fn detect(files: &dyn Files, environment: &Environment<'_>, wishes: &Wishes) -> Self {
        let process = |name: &str| (environment.variable)(name).filter(|value| !value.is_empty());
        let user = user_settings(files, environment);
        let path = process("PATH").unwrap_or_default();
        let set = |name: &str| process(name).or_else(|| lookup(&user, name));
        let home = environment.home.clone();
        let goroot = find_goroot(
            files,
            set("GOROOT").map(PathBuf::from),
            &path,
            home.as_deref(),
        );
        let defaults = goroot
            .as_ref()
            .map(|root| read_text(files, &root.join("go.env")));
        let defaults = defaults.flatten().unwrap_or_default();
        let set = |name: &str| set(name).or_else(|| lookup(&defaults, name));
        let go_version = goroot.as_ref().and_then(|root| {
            let text = read_text(files, &root.join("VERSION"))?;
            text.lines().next().map(|line| line.trim().to_owned())
        });

        let gopath: Vec<PathBuf> = match set("GOPATH") {
            Some(list) => split_list(&list).collect(),
            None => home.iter().map(|home| home.join("go")).collect(),
        };
        let modcache = set("GOMODCACHE").map(PathBuf::from);
        let modcache = modcache.or_else(|| gopath.first().map(|path| path.join("pkg").join("mod")));
        let flags = set("GOFLAGS").unwrap_or_default();
        let (flag_tags, mod_flag) = read_flags(&flags);
        let host = (host_system(), host_architecture());
        let goos = wishes
            .goos
            .clone()
            .or_else(|| set("GOOS"))
            .unwrap_or_else(|| host.0.to_owned());
        let goarch = wishes
            .goarch
            .clone()
            .or_else(|| set("GOARCH"))
            .unwrap_or_else(|| host.1.to_owned());
        let native = (goos.as_str(), goarch.as_str()) == host;
        let cgo = wishes.cgo.unwrap_or_else(|| match set("CGO_ENABLED") {
            Some(value) => value == "1",
            None => native && has_compiler(files, set("CC"), &path),
        });
        let go_minor = go_version
            .as_deref()
            .and_then(minor_of)
            .unwrap_or(NEWEST_GO_MINOR);
        let mut tags: BTreeSet<String> = flag_tags
            .chain(wishes.tags.iter().map(String::as_str))
            .flat_map(split_tags)
            .collect();
        let wanted = set("GOEXPERIMENT").unwrap_or_default();
        tags.extend(experiment::tags(
            files,
            goroot.as_deref(),
            &goarch,
            &goos,
            &wanted,
        ));
        tags.extend(level_tags(&goarch, &set));
        Self {
            goroot,
            go_version,
            gopath,
            modcache,
            target: Target {
                goos,
                goarch,
                cgo,
                go_minor,
                tags,
            },
            mod_flag,
            workspace: match set("GOWORK").as_deref() {
                None => Workspace::Find,
                Some("off") => Workspace::Off,
                Some(file) => Workspace::File(PathBuf::from(file)),
            },
            working: environment.working.clone(),
        }
    }

    /// The sources of the standard library.
    pub fn standard(&self) -> Option<PathBuf> {
        self.goroot.as_ref().map(|root| root.join("src"))
    }
}

fn split_list(list: &str) -> impl Iterator<Item = PathBuf> {
    let separator = if cfg!(windows) { ';' } else { ':' };
    list.split(separator)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

fn split_tags(list: &str) -> Vec<String> {
    let words = list.split([',', ' ']).filter(|tag| !tag.is_empty());
    words.map(str::to_owned).collect()
}

fn read_flags(flags: &str) -> (std::vec::IntoIter<&str>, ModFlag) {
    let mut tags = Vec::new();
    let mut mod_flag = ModFlag::Auto;
    for flag in flags.split_whitespace() {
        let flag = flag.trim_start_matches('-');
        match flag.split_once('=') {
            Some(("tags", list)) => tags.push(list),
            Some(("mod", "vendor")) => mod_flag = ModFlag::Vendor,
            Some(("mod", _)) => mod_flag = ModFlag::Cache,
            _ => {}
        }
    }
    (tags.into_iter(), mod_flag)
}

/// The tags of the instruction set's level, as `amd64.v1`; see internal/buildcfg (`gogoarchTags`), Go 1.27.
fn level_tags(goarch: &str, set: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let upto = |prefix: &str, values: &[&str], wanted: &str| {
        let end = values
            .iter()
            .position(|value| *value == wanted)
            .unwrap_or(0);
        let held = values.iter().take(end + 1);
        held.map(|value| format!("{prefix}.{value}")).collect()
    };
    let value = |name: &str, default: &str| set(name).unwrap_or_else(|| default.to_owned());
    match goarch {
        "386" => vec![format!("386.{}", value("GO386", "sse2"))],
        "amd64" => upto("amd64", &["v1", "v2", "v3", "v4"], &value("GOAMD64", "v1")),
        "arm" => {
            let value = value("GOARM", "7");
            let level = value.split(',').next().unwrap_or_default().to_owned();
            upto("arm", &["5", "6", "7"], &level)
        }
        "arm64" => {
            let value = value("GOARM64", "v8.0");
            vec![format!(
                "arm64.{}",
                value.split(',').next().unwrap_or_default()
            )]
        }
        "mips" | "mipsle" => vec![format!("{goarch}.{}", value("GOMIPS", "hardfloat"))],
        "mips64" | "mips64le" => vec![format!("{goarch}.{}", value("GOMIPS64", "hardfloat"))],
        "ppc64" | "ppc64le" => upto(
            goarch,
            &["power8", "power9", "power10"],
            &value("GOPPC64", "power8"),
        ),
        "riscv64" => upto(
            "riscv64",
            &["rva20u64", "rva22u64", "rva23u64"],
            &value("GORISCV64", "rva20u64"),
        ),
        _ => Vec::new(),
    }
}

fn user_settings(files: &dyn Files, environment: &Environment<'_>) -> String {
    let file = match (environment.variable)("GOENV").filter(|value| !value.is_empty()) {
        Some(off) if off == "off" => None,
        Some(file) => Some(PathBuf::from(file)),
        None => environment
            .configuration
            .as_ref()
            .map(|folder| folder.join("go").join("env")),
    };
    file.and_then(|file| read_text(files, &file))
        .unwrap_or_default()
}

/// The value of `NAME=value` in a settings file.
fn lookup(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name && !value.trim().is_empty()).then(|| value.trim().to_owned())
    })
}

fn read_text(files: &dyn Files, path: &Path) -> Option<String> {
    let bytes = files.read(path, MAX_SETTINGS_BYTES).ok()?;
    String::from_utf8(bytes).ok()
}

/// The Go tree: that of GOROOT, of the `go` on PATH, or one in a usual place.
fn find_goroot(
    files: &dyn Files,
    given: Option<PathBuf>,
    path: &str,
    home: Option<&Path>,
) -> Option<PathBuf> {
    // What is given is taken, and no other in its place.
    if let Some(given) = given {
        return is_goroot(files, &given).then_some(given);
    }
    let binary = if cfg!(windows) { "go.exe" } else { "go" };
    let on_path = split_list(path).find_map(|folder| {
        let binary = files.canonical(&folder.join(binary)).ok()?;
        Some(binary.parent()?.parent()?.to_path_buf())
    });
    let fixed = [
        "/usr/local/go",
        "/usr/lib/go",
        "/usr/lib/golang",
        "/usr/share/go",
        "/snap/go/current",
        "/opt/homebrew/opt/go/libexec",
        "/usr/local/opt/go/libexec",
        "/opt/go",
        r"C:\Program Files\Go",
    ];
    let numbered = ["/usr/lib", "/opt"].map(PathBuf::from);
    let sdk = home.map(|home| home.join("sdk"));
    let numbered = numbered
        .into_iter()
        .chain(sdk)
        .flat_map(|folder| newest_go(files, &folder));
    let candidates = on_path
        .into_iter()
        .chain(fixed.map(PathBuf::from))
        .chain(numbered);
    candidates.into_iter().find(|root| is_goroot(files, root))
}

fn is_goroot(files: &dyn Files, root: &Path) -> bool {
    files.is_file(&root.join("src").join("runtime").join("proc.go"))
}

/// Directories as `go-1.22` and `go1.22.3`, newest first.
fn newest_go(files: &dyn Files, folder: &Path) -> Vec<PathBuf> {
    let entries = files.list(folder).unwrap_or_default();
    let mut found: Vec<(u32, PathBuf)> = entries
        .iter()
        .filter_map(|entry| {
            let version = entry.name.strip_prefix("go")?.trim_start_matches('-');
            Some((minor_of(version)?, folder.join(&entry.name)))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

/// Go has cgo on by default only where it finds a C compiler (since 1.20).
fn has_compiler(files: &dyn Files, given: Option<String>, path: &str) -> bool {
    let default = if cfg!(target_os = "macos") {
        "clang"
    } else {
        "gcc"
    };
    let command = given.unwrap_or_else(|| default.to_owned());
    let command = command.split_whitespace().next().unwrap_or_default();
    if Path::new(command).is_absolute() {
        return files.is_file(Path::new(command));
    }
    split_list(path).any(|folder| files.is_file(&folder.join(command)))
}

fn host_system() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "loongarch64" => "loong64",
        "powerpc64" => "ppc64le",
        other => other,
    }
}
