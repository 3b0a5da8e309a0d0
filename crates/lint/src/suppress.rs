//! What comments in the source say is not to be told: `//nolint:gorphan` and `//gorphan:ignore CODE reason`.
//!
//! A comment behind code is about its line. A comment on its own is about the statement or declaration that follows it
//! directly; before the package clause about the whole file.

use std::cell::Cell;

use gorphan_model::code;

use crate::finding::{FileId, Finding};
use crate::syntax::{CommentKind, Directive, File, Span};

/// The names of this linter in `//nolint:`.
const NAMES: [&str; 2] = ["gorphan", "all"];

/// A comment that is not as it should be, or does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The file.
    pub file: FileId,
    /// The line of the comment, from 1.
    pub line: u32,
    /// What is wrong, and what to try.
    pub message: String,
}

/// What the comments of a file suppress.
#[derive(Debug, Default)]
pub struct Suppressions {
    scopes: Vec<Scope>,
    /// Comments that are not as they should be; they suppress nothing.
    pub complaints: Vec<Complaint>,
}

#[derive(Debug)]
struct Scope {
    file: FileId,
    /// The bytes that it is about.
    span: Span,
    /// The code; all where there is none.
    code: Option<String>,
    line: u32,
    used: Cell<bool>,
}

impl Suppressions {
    /// Reads the comments of a package's files.
    pub fn of<'f>(files: impl IntoIterator<Item = &'f File>) -> Self {
        let mut suppressions = Self::default();
        for (index, file) in (0..).zip(files) {
            for (place, comment) in file.comments.iter().enumerate() {
                if matches!(comment.kind, CommentKind::Nolint | CommentKind::Gorphan) {
                    suppressions.add(FileId(index), file, place, comment.span);
                }
            }
        }
        suppressions
    }

    fn add(&mut self, id: FileId, file: &File, place: usize, span: Span) {
        let line = file.position(span.start).line;
        let mut complain = |message: String| {
            self.complaints.push(Complaint {
                file: id,
                line,
                message,
            });
        };
        let code = match Directive::parse(file.text(span)) {
            Some(Directive::Nolint(names)) => {
                if !names.is_empty() && !names.iter().any(|name| NAMES.contains(name)) {
                    return;
                }
                None
            }
            Some(Directive::Ignore { code: "", .. }) => {
                return complain(
                    "`//gorphan:ignore` names no finding, and suppresses nothing: write `//gorphan:ignore CODE reason`".to_owned(),
                );
            }
            Some(Directive::Ignore { code, .. }) if code::find(code).is_none() => {
                return complain(format!(
                    "`//gorphan:ignore {code}` suppresses nothing: there is no such code; `gorphan explain` lists them"
                ));
            }
            Some(Directive::Ignore { code, reason: "" }) => {
                return complain(format!(
                    "`//gorphan:ignore {code}` has no reason, and suppresses nothing: say behind the code why it is no leak"
                ));
            }
            Some(Directive::Ignore { code, .. }) => Some(code.to_ascii_uppercase()),
            Some(Directive::UnknownVerb(verb)) => {
                return complain(format!(
                    "`//gorphan:{verb}` is not known: write `//gorphan:ignore CODE reason`"
                ));
            }
            None => return,
        };
        if let Some(span) = scope(file, place, span) {
            self.scopes.push(Scope {
                file: id,
                span,
                code,
                line,
                used: Cell::new(false),
            });
        }
    }

    /// Whether a finding is not to be told.
    pub fn hides(&self, finding: &Finding) -> bool {
        let mut hides = false;
        for scope in &self.scopes {
            let at = finding.at;
            let meant = scope.code.as_ref().is_none_or(|code| code == finding.code);
            if meant
                && scope.file == at.file
                && scope.span.start <= at.span.start
                && at.span.start < scope.span.end
            {
                scope.used.set(true);
                hides = true;
            }
        }
        hides
    }

    /// The `//gorphan:ignore` comments that no finding was asked of.
    pub fn unused(&self) -> impl Iterator<Item = Complaint> {
        let scopes = self.scopes.iter().filter(|scope| !scope.used.get());
        scopes.filter_map(|scope| {
            let code = scope.code.as_ref()?;
            Some(Complaint {
                file: scope.file,
                line: scope.line,
                message: format!("`//gorphan:ignore {code}` suppresses nothing: there is no such finding here any more"),
            })
        })
    }
}

/// The bytes that a comment is about; `None` where nothing follows it.
fn scope(file: &File, place: usize, comment: Span) -> Option<Span> {
    let source = file.source();
    let before = source.get(..comment.start as usize)?;
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    let is_behind_code = before
        .get(line_start..)
        .is_some_and(|head| !head.trim_ascii().is_empty());
    if is_behind_code {
        let line = file.position(comment.start).line;
        return file.lines().span(line);
    }
    let next = following(file, place, comment)?;
    if next <= file.package.span.start {
        return Some(Span::new(0, u32::try_from(source.len()).ok()?));
    }
    let line = file.position(next).line;
    let starts_there = |span: &Span| span.start >= next && file.position(span.start).line == line;
    let stmts = file.ast.stmts().map(|(_, stmt)| stmt.span);
    let decls = file.decls.iter().map(|decl| file.ast[*decl].span);
    let clauses = file.ast.clauses().map(|(_, clause)| clause.span);
    let nodes = stmts.chain(decls).chain(clauses).filter(starts_there);
    // The outermost.
    let whole = nodes.max_by_key(|span| span.end);
    let line = file.lines().span(line);
    match (whole, line) {
        (Some(whole), Some(line)) => Some(whole.to(line)),
        (whole, line) => whole.or(line),
    }
}

/// The offset of the code that follows a comment on its own, other comments passed over; `None` behind an empty line.
fn following(file: &File, place: usize, comment: Span) -> Option<u32> {
    let mut comments = file.comments.get(place + 1..)?.iter().peekable();
    let mut at = comment.end;
    loop {
        let rest = file.source().get(at as usize..)?;
        let blank = rest
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        let newlines = rest
            .get(..blank)?
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        if newlines > 1 || blank == rest.len() {
            return None;
        }
        at = at.checked_add(u32::try_from(blank).ok()?)?;
        match comments.next_if(|next| next.span.start == at) {
            Some(next) => at = next.span.end,
            None => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use gorphan_model::Operation;

    use super::*;
    use crate::finding::Location;
    use crate::syntax::{Bodies, Interner, Names, parse};

    /// A finding at each `<-`; says which lines are told, and what is complained of.
    #[track_caller]
    fn check(source: &str, told: &[u32], complaints: &[&str]) {
        let names = Names::new();
        let file = parse(
            source.as_bytes().to_vec(),
            &mut Interner::new(&names),
            Bodies::Parse,
        );
        assert_eq!(file.errors, []);
        let suppressions = Suppressions::of([&file]);
        let lines: Vec<u32> = source
            .match_indices("<-")
            .map(|(at, _)| {
                let start = u32::try_from(at).expect("small");
                let at = Location {
                    file: FileId(0),
                    span: Span::new(start, start + 2),
                };
                Finding::new("rule", "GR1002", Operation::ChanReceive, "p.f", at, "m")
            })
            .filter(|finding| !suppressions.hides(finding))
            .map(|finding| file.position(finding.at.span.start).line)
            .collect();
        assert_eq!(lines, told, "{source}");
        let said = suppressions
            .complaints
            .iter()
            .cloned()
            .chain(suppressions.unused());
        let said: Vec<String> = said
            .map(|one| format!("{}: {}", one.line, one.message))
            .collect();
        assert_eq!(said.len(), complaints.len(), "{said:?}");
        for (said, part) in said.iter().zip(complaints) {
            assert!(said.contains(part), "{said} lacks {part}");
        }
    }

    #[test]
    fn a_comment_behind_code_is_about_its_line() {
        check(
            "package p\n\nfunc f(c chan int) {\n\t<-c //nolint:gorphan\n\t<-c // nolint\n\t<-c\n}\n",
            &[6],
            &[],
        );
        check(
            "package p\n\nfunc f(c chan int) {\n\t<-c //nolint:errcheck\n\t<-c //nolint:errcheck,all // why\n}\n",
            &[4],
            &[],
        );
        check(
            "package p\n\nfunc f(c chan int) {\n\t<-c //gorphan:ignore GR1002 fed by a signal\n\t<-c //gorphan:ignore gr1002 so\n}\n",
            &[],
            &[],
        );
    }

    #[test]
    fn a_comment_alone_is_about_what_follows() {
        check(
            "package p\n\n//nolint:gorphan\nfunc f(c chan int) {\n\t<-c\n}\n\nfunc g(c chan int) { <-c }\n",
            &[8],
            &[],
        );
        check(
            "package p\n\nfunc f(c chan int) {\n\t//nolint:gorphan\n\t// and why\n\tfor {\n\t\t<-c\n\t}\n\t<-c\n}\n",
            &[9],
            &[],
        );
        check(
            "package p\n\nfunc f(c chan int) {\n\t//nolint:gorphan\n\n\t<-c\n}\n",
            &[6],
            &[],
        );
        check(
            "package p\n\nfunc f(c chan int) {\n\tselect {\n\t//nolint:gorphan\n\tcase <-c:\n\tcase <-c:\n\t}\n}\n",
            &[7],
            &[],
        );
        check(
            "//nolint:gorphan\npackage p\n\nfunc f(c chan int) { <-c }\n",
            &[],
            &[],
        );
    }

    #[test]
    fn a_suppression_needs_a_code_and_a_reason() {
        check(
            "package p\n\nfunc f(c chan int) {\n\t<-c //gorphan:ignore GR1002\n}\n",
            &[4],
            &["4: `//gorphan:ignore GR1002` has no reason"],
        );
        check(
            "package p\n\nfunc f(c chan int) {\n\t<-c //gorphan:ignore\n}\n",
            &[4],
            &["names no finding"],
        );
        check(
            "package p\n\nfunc f(c chan int) {\n\t<-c //gorphan:ignore because I say so\n}\n",
            &[4],
            &["no such code"],
        );
        check(
            "package p\n\nfunc f(c chan int) {\n\t<-c //gorphan:ignroe GR1002 x\n}\n",
            &[4],
            &["`//gorphan:ignroe` is not known"],
        );
        check(
            "package p\n\nfunc f(c chan int) {\n\t<-c //gorphan:ignore GR1001 another\n}\n",
            &[4],
            &["suppresses nothing"],
        );
    }
}
