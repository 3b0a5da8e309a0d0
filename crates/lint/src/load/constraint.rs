//! Which files a system takes: names as `x_linux_arm64.go`, `//go:build` lines and their older form `// +build`.
//!
//! Source of the rules: go/build (`matchFile`, `goodOSArchFile`, `shouldBuild`), Go 1.27.

use std::collections::BTreeSet;

/// Bytes of a constraint that are looked at: the longest in the Go tree has 500.
const MAX_CONSTRAINT_BYTES: usize = 16 << 10;
/// Nesting of a constraint; people write three levels.
const MAX_CONSTRAINT_DEPTH: u32 = 64;
/// The oldest release tag is `go1.1`; a version past this is a slip of the pen.
const MAX_GO_MINOR: u32 = 999;

const KNOWN_SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
    "zos",
];
const UNIX_SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "linux",
    "netbsd",
    "openbsd",
    "solaris",
];
const KNOWN_ARCHITECTURES: &[&str] = &[
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "arm64",
    "arm64be",
    "armbe",
    "loong64",
    "mips",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "mipsle",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

/// The system that code is read for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As `linux`.
    pub goos: String,
    /// As `amd64`.
    pub goarch: String,
    /// Whether files that `import "C"` belong to it.
    pub cgo: bool,
    /// The release of Go: 27 is go1.27, and all tags up to `go1.27` hold.
    pub go_minor: u32,
    /// Further tags that hold: those of `-tags`, `goexperiment.` ones, `amd64.v1`.
    pub tags: BTreeSet<String>,
}

impl Target {
    /// Whether a tag holds.
    pub fn holds(&self, tag: &str) -> bool {
        let goos = self.goos.as_str();
        if tag == goos || tag == self.goarch || tag == "gc" || self.tags.contains(tag) {
            return true;
        }
        match tag {
            "cgo" => self.cgo,
            "unix" => UNIX_SYSTEMS.contains(&goos),
            "linux" => goos == "android",
            "solaris" => goos == "illumos",
            "darwin" => goos == "ios",
            _ => {
                let minor = tag
                    .strip_prefix("go1.")
                    .and_then(|rest| rest.parse::<u32>().ok());
                let canonical = minor.filter(|minor| format!("go1.{minor}") == tag);
                canonical
                    .is_some_and(|minor| (1..=self.go_minor.min(MAX_GO_MINOR)).contains(&minor))
            }
        }
    }

    /// Whether a file of this name can belong to the system.
    pub fn takes_name(&self, name: &str) -> bool {
        let name = name.split('.').next().unwrap_or_default();
        // What stands before the first underscore is never a system: `linux.go` is for all.
        let Some((_, rest)) = name.split_once('_') else {
            return true;
        };
        let mut words: Vec<&str> = rest.split('_').collect();
        if words.last() == Some(&"test") {
            words.pop();
        }
        let is_arch = |word: &str| KNOWN_ARCHITECTURES.contains(&word);
        let is_system = |word: &str| KNOWN_SYSTEMS.contains(&word);
        match words.as_slice() {
            [.., system, arch] if is_system(system) && is_arch(arch) => {
                self.holds(system) && self.holds(arch)
            }
            [.., word] if is_system(word) || is_arch(word) => self.holds(word),
            _ => true,
        }
    }

    /// Whether the lines before the package clause let the system have the file. A constraint that cannot be read does not
    /// hold, as Go refuses the file.
    pub fn takes_source(&self, source: &[u8]) -> bool {
        let header = Header::of(source);
        if let Some(line) = header.go_build {
            return Expression::new(line).holds(self).unwrap_or(false);
        }
        header
            .plus_build
            .iter()
            .all(|line| self.holds_options(line))
    }

    /// `linux,cgo darwin !windows`: one of the options, each with all of its terms.
    fn holds_options(&self, line: &str) -> bool {
        line.split_whitespace().any(|option| {
            option.split(',').all(|term| match term.strip_prefix('!') {
                Some(tag) => !tag.starts_with('!') && !self.holds(tag),
                None => self.holds(term),
            })
        })
    }
}

/// The constraints before a package clause.
#[derive(Debug, Default)]
struct Header<'s> {
    /// What follows `//go:build`.
    go_build: Option<&'s str>,
    /// What follows each `+build` that counts.
    plus_build: Vec<&'s str>,
}

impl<'s> Header<'s> {
    fn of(source: &'s [u8]) -> Self {
        let mut header = Self::default();
        let source = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
        // Lines that count only if an empty line follows, so that the package's documentation has none.
        let mut pending: Vec<&str> = Vec::new();
        let mut in_comment = false;
        for line in source.split(|byte| *byte == b'\n') {
            let mut line = line.trim_ascii();
            if line.is_empty() && !in_comment {
                header.plus_build.append(&mut pending);
                continue;
            }
            if !in_comment && line.starts_with(b"//") {
                header.comment(line, &mut pending);
                continue;
            }
            // What remains is blank, or block comments, or else the package clause.
            loop {
                if in_comment {
                    let Some(end) = memchr::memmem::find(line, b"*/") else {
                        break;
                    };
                    line = line.get(end + 2..).unwrap_or_default().trim_ascii_start();
                    in_comment = false;
                }
                match line.strip_prefix(b"/*") {
                    Some(rest) => {
                        line = rest;
                        in_comment = true;
                    }
                    None if line.is_empty() || line.starts_with(b"//") => break,
                    None => return header,
                }
            }
        }
        header
    }

    fn comment(&mut self, line: &'s [u8], pending: &mut Vec<&'s str>) {
        let Some(text) = line.get(..line.len().min(MAX_CONSTRAINT_BYTES)) else {
            return;
        };
        let Ok(text) = std::str::from_utf8(text) else {
            return;
        };
        if let Some(rest) = text.strip_prefix("//go:build") {
            if (rest.is_empty() || rest.starts_with([' ', '\t'])) && self.go_build.is_none() {
                self.go_build = Some(rest);
            }
        } else if let Some(rest) = text
            .trim_start_matches('/')
            .trim_start()
            .strip_prefix("+build")
            && (rest.is_empty() || rest.starts_with([' ', '\t']))
            && text.get(2..3) != Some("/")
        {
            pending.push(rest);
        }
    }
}

/// A `//go:build` expression being read.
struct Expression<'s> {
    rest: &'s str,
    depth: u32,
}

impl<'s> Expression<'s> {
    fn new(text: &'s str) -> Self {
        Self {
            rest: text,
            depth: 0,
        }
    }

    /// Whether it holds; `None` where it cannot be read.
    fn holds(mut self, target: &Target) -> Option<bool> {
        let value = self.or(target)?;
        self.rest.trim_start().is_empty().then_some(value)
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        let taken = rest.strip_prefix(token);
        self.rest = taken.unwrap_or(rest);
        taken.is_some()
    }

    fn or(&mut self, target: &Target) -> Option<bool> {
        let mut value = self.and(target)?;
        while self.take("||") {
            value |= self.and(target)?;
        }
        Some(value)
    }

    fn and(&mut self, target: &Target) -> Option<bool> {
        let mut value = self.not(target)?;
        while self.take("&&") {
            value &= self.not(target)?;
        }
        Some(value)
    }

    fn not(&mut self, target: &Target) -> Option<bool> {
        if self.take("!") {
            // Go has no double negation.
            return if self.take("!") {
                None
            } else {
                Some(!self.atom(target)?)
            };
        }
        self.atom(target)
    }

    fn atom(&mut self, target: &Target) -> Option<bool> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > MAX_CONSTRAINT_DEPTH {
                return None;
            }
            let value = self.or(target)?;
            self.depth -= 1;
            return self.take(")").then_some(value);
        }
        let rest = self.rest.trim_start();
        let is_tag = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let end = rest.find(|c| !is_tag(c)).unwrap_or(rest.len());
        let (tag, rest) = rest.split_at(end);
        self.rest = rest;
        (!tag.is_empty()).then(|| target.holds(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux() -> Target {
        Target {
            goos: "linux".into(),
            goarch: "amd64".into(),
            cgo: true,
            go_minor: 27,
            tags: BTreeSet::from(["integration".to_owned()]),
        }
    }

    #[track_caller]
    fn check(source: &str, taken: bool) {
        assert_eq!(linux().takes_source(source.as_bytes()), taken, "{source}");
    }

    #[test]
    fn names_tell_systems() {
        for (name, taken) in [
            ("a.go", true),
            ("linux.go", true),
            ("a_linux.go", true),
            ("a_windows.go", false),
            ("a_windows_test.go", false),
            ("a_linux_amd64.go", true),
            ("a_linux_arm64.go", false),
            ("a_darwin_amd64.go", false),
            ("a_amd64.go", true),
            ("a_unix.go", true),
            ("a_unix_windows.go", false),
            ("windows_amd64.go", true),
            ("_windows.go", false),
            ("a_windows.x_linux.go", false),
            ("a_test.go", true),
        ] {
            assert_eq!(linux().takes_name(name), taken, "{name}");
        }
        let android = Target {
            goos: "android".into(),
            ..linux()
        };
        assert!(android.takes_name("a_linux.go") && !linux().takes_name("a_android.go"));
    }

    #[test]
    fn expressions_are_evaluated() {
        for (expression, taken) in [
            ("linux", true),
            ("!linux", false),
            ("unix && !windows", true),
            ("(windows || darwin) && cgo", false),
            ("windows || (linux && amd64)", true),
            ("go1.27 && !go1.28", true),
            ("go1.01", false),
            ("integration", true),
            ("ignore", false),
            ("gc", true),
            // What cannot be read does not hold.
            ("", false),
            ("!!linux", false),
            ("linux &&", false),
            ("(linux", false),
            ("linux)", false),
            ("linux amd64", false),
            ("linux,amd64", false),
        ] {
            check(&format!("//go:build {expression}\n\npackage p\n"), taken);
        }
        let deep = "(".repeat(100_000);
        check(&format!("//go:build {deep}\n\npackage p\n"), false);
    }

    #[test]
    fn constraints_count_before_the_package_clause_alone() {
        check("package p\n\n//go:build windows\n", true);
        check(
            "/* one */ /* two\n*/\n// three\n\n//go:build windows\npackage p\n",
            false,
        );
        check("/*\n//go:build windows\n*/\npackage p\n", true);
        check("\u{feff}//go:build windows\npackage p\n", false);
        check("//go:build linux\n//go:build windows\n\npackage p\n", true);
        check("//go:builds windows\n\npackage p\n", true);
    }

    #[test]
    fn old_constraints_need_an_empty_line_after() {
        check("// +build windows\n\npackage p\n", false);
        check("// +build windows\npackage p\n", true);
        check("//+build windows,amd64 linux\n\npackage p\n", true);
        check("// +build linux\n// +build !amd64\n\npackage p\n", false);
        check("// +build windows\n//go:build linux\n\npackage p\n", true);
        check("// +building windows\n\npackage p\n", true);
    }
}
