//! Statements of source, and edits around them.

use super::Context;
use crate::finding::{Edit, FileId, Location};
use crate::syntax::ast::{Node, Stmt, StmtId, StmtKind};
use crate::syntax::{File, Span};

/// A statement in its list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'f> {
    pub(super) file: &'f File,
    id: FileId,
    /// The block or clause that the list is of.
    pub(super) around: Span,
    list: &'f [StmtId],
    place: usize,
}

impl<'a> Context<'a> {
    /// The innermost statement of a list that a place lies in.
    pub(super) fn spot(&self, at: Location) -> Option<Spot<'a>> {
        let file: &'a File = self.files.get(at.file.0 as usize)?;
        let ast = &file.ast;
        let holds = |span: Span| span.start <= at.span.start && at.span.end <= span.end;
        let mut found = None;
        for decl in file.decls.iter().filter(|decl| holds(ast[**decl].span)) {
            let mut walk = ast.walk(Node::Decl(*decl));
            while let Some((_, node)) = walk.next() {
                if !holds(ast.span(node)) {
                    // What lies below lies in it.
                    walk.skip_children();
                    continue;
                }
                let list = match node {
                    Node::Block(id) => &ast[ast[id].stmts],
                    Node::Clause(id) => &ast[ast[id].body],
                    _ => continue,
                };
                if let Some(place) = list.iter().position(|stmt| holds(ast[*stmt].span)) {
                    found = Some(Spot {
                        file,
                        id: at.file,
                        around: ast.span(node),
                        list,
                        place,
                    });
                }
            }
        }
        found
    }
}

impl<'f> Spot<'f> {
    /// The statement.
    pub(super) fn stmt(&self) -> Option<&'f Stmt> {
        let id = self.list.get(self.place)?;
        Some(&self.file.ast[*id])
    }

    /// What kind of statement it is.
    pub(super) fn kind(&self) -> StmtKind {
        self.stmt().map_or(StmtKind::Bad, |stmt| stmt.kind)
    }

    /// Its source.
    pub(super) fn text(&self) -> &'f str {
        self.stmt().map_or("", |stmt| self.file.text(stmt.span))
    }

    /// The statement behind it in its list.
    pub(super) fn next(&self) -> Option<Self> {
        let place = self
            .place
            .checked_add(1)
            .filter(|place| *place < self.list.len())?;
        Some(Self { place, ..*self })
    }

    /// The first statement of its list.
    pub(super) fn first(&self) -> Self {
        Self { place: 0, ..*self }
    }

    /// The white space before it, if nothing else stands before it on its line.
    pub(super) fn indent(&self) -> Option<&'f str> {
        let start = self.stmt()?.span.start as usize;
        let before = self.file.source().get(..start)?;
        let line = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let indent = std::str::from_utf8(before.get(line..)?).ok()?;
        indent
            .chars()
            .all(|one| matches!(one, ' ' | '\t'))
            .then_some(indent)
    }

    /// Where its line ends, if nothing but a comment follows on it.
    fn line_end(&self) -> Option<u32> {
        let end = self.stmt()?.span.end as usize;
        let rest = self.file.source().get(end..)?;
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len());
        let text = std::str::from_utf8(rest.get(..length)?).ok()?.trim();
        let is_free = text.is_empty() || text.starts_with("//");
        let at = end.checked_add(length)?;
        u32::try_from(at).ok().filter(|_| is_free)
    }

    fn edit(&self, start: u32, end: u32, text: String) -> Edit {
        let at = Location {
            file: self.id,
            span: Span::new(start, end),
        };
        Edit { at, text }
    }

    /// Puts a statement before it.
    pub(super) fn before(&self, text: &str) -> Option<Edit> {
        let (indent, start) = (self.indent()?, self.stmt()?.span.start);
        Some(self.edit(start, start, format!("{text}\n{indent}")))
    }

    /// Puts a statement behind it.
    pub(super) fn after(&self, text: &str) -> Option<Edit> {
        let (indent, end) = (self.indent()?, self.line_end()?);
        Some(self.edit(end, end, format!("\n{indent}{text}")))
    }

    /// Takes it away with its line.
    pub(super) fn removed(&self) -> Option<Edit> {
        let (indent, end) = (self.indent()?, self.line_end()?);
        let span = self.stmt()?.span;
        let is_alone = self
            .file
            .bytes(Span::new(span.end, end))
            .iter()
            .all(u8::is_ascii_whitespace);
        let start = span.start.checked_sub(u32::try_from(indent.len()).ok()?)?;
        is_alone.then(|| self.edit(start, end.saturating_add(1), String::new()))
    }

    /// Puts lines in its place, indented as it is.
    pub(super) fn replaced(&self, lines: &[&str]) -> Option<Edit> {
        let (indent, span) = (self.indent()?, self.stmt()?.span);
        let text = lines.join(&format!("\n{indent}"));
        Some(self.edit(span.start, span.end, text))
    }

    /// Other text in the place of part of it.
    pub(super) fn part(&self, span: Span, text: &str) -> Edit {
        self.edit(span.start, span.end, text.to_owned())
    }
}
