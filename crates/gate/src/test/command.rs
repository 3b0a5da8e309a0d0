//! The `go test` command with a wrapper for its test binaries.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

/// Why the command cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The user has a wrapper already.
    #[error("the flags for go test hold -exec, which gorphan test needs for itself")]
    Exec,
    /// The user has an overlay already.
    #[error(
        "the flags for go test hold -overlay, which gorphan test needs for itself where ptrace is not used"
    )]
    Overlay,
    /// A path that no quoting of Go's expresses.
    #[error("{0} holds both kinds of quotation marks, which -exec of go test cannot take")]
    Quotes(String),
}

/// `go test -exec=WRAPPER PACKAGES REST`, or with another flag in that place.
pub(super) fn go_test(
    go: &OsStr,
    with: &With<'_>,
    packages: &[OsString],
    rest: &[OsString],
) -> Result<Command, Refused> {
    // What follows -args is for the test binary.
    let mut own = rest.iter().take_while(|word| !is_flag(word, "args"));
    let flag = match with {
        With::Wrapper(wrapper) => {
            if own.any(|word| is_flag(word, "exec")) {
                return Err(Refused::Exec);
            }
            let words = wrapper.iter().map(|word| quote(word));
            let words: Vec<String> = words.collect::<Result<_, _>>()?;
            format!("-exec={}", words.join(" ")).into()
        }
        With::Overlay(flag) => {
            if own.any(|word| is_flag(word, "overlay")) {
                return Err(Refused::Overlay);
            }
            flag.to_os_string()
        }
    };
    let mut command = Command::new(go);
    command.arg("test").arg(flag).args(packages).args(rest);
    Ok(command)
}

/// How the test binaries are looked at.
pub(super) enum With<'a> {
    /// A program that runs them.
    Wrapper(&'a [OsString]),
    /// A file that is compiled into them: the flag that names it.
    Overlay(&'a OsStr),
}

/// Whether a word is `-name`, `--name`, `-name=value` or `--name=value`.
fn is_flag(word: &OsStr, name: &str) -> bool {
    let text = word.to_string_lossy();
    let Some(flag) = text.strip_prefix("--").or_else(|| text.strip_prefix('-')) else {
        return false;
    };
    flag.split('=').next() == Some(name)
}

/// A word as the go command splits it: quoted by one kind of marks, without escapes.
fn quote(word: &OsStr) -> Result<String, Refused> {
    let text = word.to_string_lossy();
    let plain = !text.is_empty() && !text.contains([' ', '\t', '\n', '\r', '\'', '"']);
    match (plain, text.contains('\''), text.contains('"')) {
        (true, ..) => Ok(text.into_owned()),
        (_, false, _) => Ok(format!("'{text}'")),
        (_, true, false) => Ok(format!("\"{text}\"")),
        (_, true, true) => Err(Refused::Quotes(text.into_owned())),
    }
}

/// The import paths of folders, asked of the go command at once; a folder that it cannot name is left out.
pub(super) fn import_paths(go: &OsStr, folders: &[&str]) -> Vec<(String, String)> {
    let mut command = Command::new(go);
    command.args(["list", "-e", "-f", "{{.Dir}}\t{{.ImportPath}}"]);
    if folders.is_empty() {
        return Vec::new();
    }
    // From within the first, so that its module is the one in force.
    let first = folders
        .first()
        .map_or(Path::new("."), |first| Path::new(first));
    let Ok(output) = command.args(folders).current_dir(first).output() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let pairs = text.lines().filter_map(|line| line.split_once('\t'));
    pairs
        .map(|(dir, path)| (dir.to_owned(), path.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        wrapper: &[&str],
        packages: &[&str],
        rest: &[&str],
        expected: Result<&[&str], Refused>,
    ) {
        let os = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let wrapper = os(wrapper);
        let with = With::Wrapper(&wrapper);
        let made = go_test(OsStr::new("go"), &with, &os(packages), &os(rest));
        let words = made.map(|command| {
            let words = command
                .get_args()
                .map(|word| word.to_string_lossy().into_owned());
            words.collect::<Vec<_>>()
        });
        let expected = expected.map(|words| words.iter().map(ToString::to_string).collect());
        assert_eq!(words, expected);
    }

    #[test]
    fn packages_come_first_and_flags_are_left_as_they_are() {
        check(
            &["/bin/g", "x"],
            &["./..."],
            &["-race", "-run", "A", "-args", "-exec", "y"],
            Ok(&[
                "test",
                "-exec=/bin/g x",
                "./...",
                "-race",
                "-run",
                "A",
                "-args",
                "-exec",
                "y",
            ]),
        );
    }

    #[test]
    fn paths_with_spaces_are_quoted() {
        check(&["/a b/g"], &[], &[], Ok(&["test", "-exec='/a b/g'"]));
        check(&["/a'b/g"], &[], &[], Ok(&["test", "-exec=\"/a'b/g\""]));
        let both = "/a'\"b".to_owned();
        check(&["/a'\"b"], &[], &[], Err(Refused::Quotes(both)));
    }

    #[test]
    fn another_wrapper_is_refused() {
        for flag in ["-exec", "--exec", "-exec=sudo"] {
            check(&["/g"], &[], &[flag, "sudo"], Err(Refused::Exec));
        }
    }
}
