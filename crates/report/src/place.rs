//! File names as reports show them.

use crate::Style;

/// The file relative to `root`, with `/` between its parts, when it stands under `root`; `None` when it does not.
pub(crate) fn under_root(file: &str, root: Option<&str>) -> Option<String> {
    let root = slashes(root?);
    let root = root.strip_suffix('/').unwrap_or(&root);
    let file = slashes(file);
    let rest = file.strip_prefix(root)?.strip_prefix('/')?;
    let climbs = rest.split('/').any(|part| part == "..");
    (!rest.is_empty() && !climbs).then(|| rest.to_owned())
}

/// The path by which a file is found in the working directory: relative where it can be. Asks for each file, so that it is
/// for findings, not for every frame.
pub(crate) fn located(file: &str, style: &Style<'_>) -> Option<String> {
    match (style.locate)(file) {
        Some(path) => under_root(&path, style.root).or(Some(path)),
        None => under_root(file, style.root),
    }
}

/// `file:line`, relative to `root` where it can be; the file alone where the line is unknown, `?` where the file is.
pub(crate) fn place(file: &str, line: u32, root: Option<&str>) -> String {
    if file.is_empty() {
        return "?".to_owned();
    }
    let file = under_root(file, root).unwrap_or_else(|| file.to_owned());
    match line {
        0 => file,
        line => format!("{file}:{line}"),
    }
}

/// The last part of a place: the function beside it already tells the package.
pub(crate) fn short_place(file: &str, line: u32) -> String {
    let file = slashes(file);
    place(file.rsplit('/').next().unwrap_or(&file), line, None)
}

/// Whether a path starts with a drive of Windows (`C:\`, `C:/`).
pub(crate) fn is_drive(path: &str) -> bool {
    let mut start = path.chars();
    start.next().is_some_and(|c| c.is_ascii_alphabetic())
        && start.next() == Some(':')
        && matches!(start.next(), Some('/' | '\\'))
}

/// Backslashes become slashes in a Windows path (`C:\a`), and only there: elsewhere a backslash is part of a name.
pub(crate) fn slashes(path: &str) -> String {
    if is_drive(path) || path.starts_with("\\\\") {
        path.replace('\\', "/")
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_under_the_root_become_relative() {
        for (file, root, shown) in [
            ("/src/a/b.go", Some("/src"), Some("a/b.go")),
            ("/src/a/b.go", Some("/src/"), Some("a/b.go")),
            ("/src/a.go", Some("/"), Some("src/a.go")),
            (r"C:\src\a\b.go", Some(r"C:\src"), Some("a/b.go")),
            ("C:/src/a/b.go", Some(r"C:\src"), Some("a/b.go")),
            ("/srcs/a.go", Some("/src"), None),
            ("/src/../etc/a.go", Some("/src"), None),
            ("/src", Some("/src"), None),
            ("/src/a.go", None, None),
            ("", Some("/src"), None),
        ] {
            assert_eq!(under_root(file, root).as_deref(), shown, "{file} {root:?}");
        }
    }

    #[test]
    fn a_file_is_found_under_another_name() {
        let locate = |file: &str| (file == "example.com/shop/a.go").then(|| "/src/a.go".to_owned());
        let style = Style {
            locate: &locate,
            root: Some("/src"),
            ..Style::default()
        };
        assert_eq!(
            located("example.com/shop/a.go", &style).as_deref(),
            Some("a.go")
        );
        assert_eq!(located("/src/b.go", &style).as_deref(), Some("b.go"));
        assert_eq!(located("/app/b.go", &style), None);
    }

    #[test]
    fn a_place_says_what_is_known() {
        assert_eq!(place("/src/a.go", 7, Some("/src")), "a.go:7");
        assert_eq!(place("/src/a.go", 0, None), "/src/a.go");
        assert_eq!(place("", 7, None), "?");
    }
}
