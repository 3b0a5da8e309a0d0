//! Comments: kept aside, for what they tell tools.

use super::Span;

/// A comment with its delimiters, without the newline that ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comment {
    /// From `//` or `/*` to the end.
    pub span: Span,
    /// What it tells.
    pub kind: CommentKind,
}

/// What a comment tells, as far as its first characters show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommentKind {
    /// For people.
    Plain,
    /// `//go:build EXPRESSION`: which systems the file is for. Holds before the package clause only.
    GoBuild,
    /// `// +build OPTIONS`, the form of before Go 1.17.
    PlusBuild,
    /// `//go:VERB ...`, such as `//go:linkname` and `//go:generate`.
    Go,
    /// `//line FILE:LINE` or `/*line FILE:LINE*/`: the source was generated from that file.
    Line,
    /// `//nolint` or `//nolint:NAME,NAME`: linters keep quiet.
    Nolint,
    /// `//gorphan:VERB ...`.
    Gorphan,
    /// `//export NAME` of cgo.
    Export,
}

impl CommentKind {
    /// The kind of a comment, given with its delimiters.
    pub(super) fn of(text: &[u8]) -> Self {
        let Some(line) = text.strip_prefix(b"//") else {
            let is_line = text.starts_with(b"/*line ");
            return if is_line { Self::Line } else { Self::Plain };
        };
        match line.first() {
            Some(b'g') if line.starts_with(b"go:build ") => Self::GoBuild,
            Some(b'g') if line.starts_with(b"go:") => Self::Go,
            Some(b'g') if line.starts_with(b"gorphan:") => Self::Gorphan,
            Some(b'n') if is_nolint(line) => Self::Nolint,
            Some(b'l') if line.starts_with(b"line ") => Self::Line,
            Some(b'e') if line.starts_with(b"export ") => Self::Export,
            Some(b' ' | b'\t' | b'+') if line.trim_ascii_start().starts_with(b"+build") => {
                Self::PlusBuild
            }
            Some(b' ') if is_nolint(line.trim_ascii_start()) => Self::Nolint,
            _ => Self::Plain,
        }
    }
}

/// `nolint` as a word of its own; golangci-lint takes a space before it as well.
fn is_nolint(line: &[u8]) -> bool {
    let rest = line.strip_prefix(b"nolint");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b':' | b' ' | b'\t' | b'\r')))
}

/// What the text of a directive says, split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive<'s> {
    /// The linters that `//nolint` names; none means all.
    Nolint(Vec<&'s str>),
    /// `//gorphan:ignore CODE reason`. Both are empty where they are missing.
    Ignore {
        /// The code of the findings to leave out.
        code: &'s str,
        /// Why; a suppression must have a reason.
        reason: &'s str,
    },
    /// `//gorphan:VERB rest` with another verb.
    UnknownVerb(&'s str),
}

impl<'s> Directive<'s> {
    /// Reads a comment of kind [`CommentKind::Nolint`] or [`CommentKind::Gorphan`]; `None` for the others.
    pub fn parse(text: &'s str) -> Option<Self> {
        let line = text.strip_prefix("//")?.trim();
        if let Some(rest) = line.strip_prefix("nolint") {
            // What follows a further `//` is an explanation.
            let listed = rest.split("//").next().unwrap_or_default();
            let listed = listed.strip_prefix(':').unwrap_or_default();
            let listed = listed.split_whitespace().next().unwrap_or_default();
            let linters = listed
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            return Some(Self::Nolint(linters.collect()));
        }
        let rest = line.strip_prefix("gorphan:")?;
        let (verb, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if verb != "ignore" {
            return Some(Self::UnknownVerb(verb));
        }
        let rest = rest.trim();
        let (code, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let reason = reason.trim();
        Some(Self::Ignore { code, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, kind: CommentKind) {
        assert_eq!(CommentKind::of(text.as_bytes()), kind, "{text}");
    }

    #[test]
    fn directives_are_told_from_talk() {
        check("//go:build linux && !cgo", CommentKind::GoBuild);
        check("// go:build linux", CommentKind::Plain);
        check("//go:noinline", CommentKind::Go);
        check("// +build linux", CommentKind::PlusBuild);
        check("//+build linux", CommentKind::PlusBuild);
        check("//line foo.y:12", CommentKind::Line);
        check("/*line foo.y:12*/", CommentKind::Line);
        check("//nolint", CommentKind::Nolint);
        check("//nolint:gorphan // why", CommentKind::Nolint);
        check("// nolint:gorphan", CommentKind::Nolint);
        check("//nolinter", CommentKind::Plain);
        check(
            "//gorphan:ignore GL101 fed by a signal handler",
            CommentKind::Gorphan,
        );
        check("// gorphan: a tool", CommentKind::Plain);
        check("//export Callback", CommentKind::Export);
        check("//", CommentKind::Plain);
        check("/**/", CommentKind::Plain);
    }

    #[test]
    fn directives_are_split() {
        let ignore = |code, reason| Some(Directive::Ignore { code, reason });
        assert_eq!(
            Directive::parse("//gorphan:ignore GL101 one reader"),
            ignore("GL101", "one reader")
        );
        assert_eq!(
            Directive::parse("//gorphan:ignore GL101"),
            ignore("GL101", "")
        );
        assert_eq!(Directive::parse("//gorphan:ignore"), ignore("", ""));
        assert_eq!(
            Directive::parse("//gorphan:ignroe X"),
            Some(Directive::UnknownVerb("ignroe"))
        );
        let nolint = |names: &[&'static str]| Some(Directive::Nolint(names.to_vec()));
        assert_eq!(Directive::parse("//nolint"), nolint(&[]));
        assert_eq!(Directive::parse("//nolint // all of them"), nolint(&[]));
        assert_eq!(
            Directive::parse("//nolint:errcheck,gorphan // why"),
            nolint(&["errcheck", "gorphan"])
        );
        assert_eq!(Directive::parse("//go:build linux"), None);
    }
}
