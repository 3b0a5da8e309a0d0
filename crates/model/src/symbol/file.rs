//! Names of source files, the same on every machine.

use std::borrow::Cow;

use super::package;

/// The part of a file's name that does not depend on the machine, as far as the name alone tells.
///
/// | what | for example | becomes |
/// |---|---|---|
/// | module cache | `/go/pkg/mod/github.com/!burnt!sushi/y@v1.2.3/z.go` | `github.com/BurntSushi/y/z.go` |
/// | `-trimpath` | `github.com/x/y@v1.2.3/z.go` | `github.com/x/y/z.go` |
/// | vendoring | `/src/app/vendor/github.com/x/y/z.go` | `github.com/x/y/z.go` |
/// | toolchain | `/usr/local/go/src/net/http/server.go`, `.../toolchain@v0.0.1-go1.26.8.linux-amd64/src/net/http/server.go` | `net/http/server.go` |
///
/// Everything else keeps its name; [`file_key`] does better where the function is known.
pub fn file_tail(file: &str) -> Cow<'_, str> {
    let file = if file.contains('\\') {
        Cow::Owned(file.replace('\\', "/"))
    } else {
        Cow::Borrowed(file)
    };
    match tail(&file) {
        Some(tail) => Cow::Owned(tail),
        None => file,
    }
}

fn tail(file: &str) -> Option<String> {
    if let Some(at) = file.rfind("/vendor/") {
        return Some(file.get(at + "/vendor/".len()..)?.to_owned());
    }
    let in_cache = file.rsplit_once("/pkg/mod/");
    let name = in_cache.map_or(file, |(_, name)| name);
    let is_trimmed = in_cache.is_none() && !name.starts_with('/') && !name.contains(":/");
    if in_cache.is_some() || is_trimmed {
        let (module, rest) = name.split_once('@')?;
        let (version, rest) = rest.split_once('/')?;
        if module == "golang.org/toolchain" {
            return Some(rest.strip_prefix("src/").unwrap_or(rest).to_owned());
        }
        // `y@v1.2.3`: a version starts with v; anything else is a directory with an @ in its name.
        return version.starts_with('v').then(|| {
            let module = if in_cache.is_some() {
                unescape(module)
            } else {
                module.to_owned()
            };
            format!("{module}/{rest}")
        });
    }
    toolchain(file).map(str::to_owned)
}

/// The module cache writes an upper-case letter as `!` and the lower-case one (`module.EscapePath`).
fn unescape(module: &str) -> String {
    let mut out = String::with_capacity(module.len());
    let mut upper = false;
    for letter in module.chars() {
        if letter == '!' && !upper {
            upper = true;
            continue;
        }
        out.push(if upper {
            letter.to_ascii_uppercase()
        } else {
            letter
        });
        upper = false;
    }
    out
}

/// The part below the `src` of a Go installation or of a GOPATH. Installations are found in a directory named `go`,
/// `go1.22`, `go-1.19`, `libexec` (Homebrew), or `1.22.10/x64` (GitHub's runners).
fn toolchain(file: &str) -> Option<&str> {
    for (at, mark) in file.match_indices("/src/") {
        let mut parents = file.get(..at)?.rsplit('/');
        let mut root = parents.next()?;
        if matches!(root, "x64" | "x86" | "arm64") {
            root = parents.next()?;
        }
        let below = file.get(at + mark.len()..)?;
        if is_installation(root) && below.contains('/') {
            return Some(below);
        }
    }
    None
}

fn is_installation(directory: &str) -> bool {
    let version = directory.strip_prefix("go").unwrap_or(directory);
    let version = version.trim_start_matches('-');
    let is_version = version.starts_with("1.")
        && version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    directory.eq_ignore_ascii_case("go") || directory == "libexec" || is_version
}

/// What identifies the file of a function's frame on every machine: the package with the file's base name.
///
/// `function` is a canonical name. The base name is unique within a package, so nothing is lost. A program has one `main`
/// package, whose path the name does not tell: the base name alone stands for it. Where the file is plainly in another
/// package's directory (a closure that was inlined there), the directory's name is kept in place of the package.
pub fn file_key(function: &str, file: &str) -> String {
    let tail = file_tail(file);
    let mut parts = tail.rsplit('/');
    let base = parts.next().unwrap_or("");
    let directory = parts.next().unwrap_or("");
    let path = package(function);
    if base.is_empty() || path.is_empty() || path == "main" {
        return base.to_owned();
    }
    let path = path.strip_suffix("_test").unwrap_or(path);
    let mut elements = path.rsplit('/');
    let last = elements.next().unwrap_or("");
    let is_major = last
        .strip_prefix('v')
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let before = elements.next().unwrap_or("");
    let at_home = directory.is_empty()
        || directory == last
        || (is_major && directory == before)
        // A package may be built in a directory of any name only at its module's root, which the name does not tell.
        || super::closure(function).is_none();
    let home = if at_home { path } else { directory };
    format!("{home}/{base}")
}
