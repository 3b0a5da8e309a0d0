//! A file that was read.

use std::sync::OnceLock;

use super::ast::{Ast, DeclId, Ident};
use super::error::{Fault, MAX_ERRORS, SyntaxError};
use super::{Comment, Lines, Name, Position, Span};

/// What to do with the bodies of functions and methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Bodies {
    /// Read them.
    #[default]
    Parse,
    /// Skip them, brace by brace: several times as fast, and [`File::parse_body`] reads one when it is wanted. What is wrong
    /// inside shows only then. Closures of package-level variables are read.
    Skip,
}

/// A source and its tree.
#[derive(Debug)]
pub struct File {
    source: Vec<u8>,
    /// The nodes.
    pub ast: Ast,
    /// The name in the package clause; [`Name::MISSING`] where there is none.
    pub package: Ident,
    /// The declarations in the order of the source, imports first.
    pub decls: Vec<DeclId>,
    /// All comments in the order of the source.
    pub comments: Vec<Comment>,
    /// What is wrong with the source, by place; at most [`MAX_ERRORS`]. A file with errors is read in part.
    pub errors: Vec<SyntaxError>,
    lines: OnceLock<Lines>,
}

impl File {
    pub(super) fn new(
        source: Vec<u8>,
        ast: Ast,
        package: Ident,
        decls: Vec<DeclId>,
        comments: Vec<Comment>,
        errors: Vec<SyntaxError>,
    ) -> Self {
        Self {
            source,
            ast,
            package,
            decls,
            comments,
            errors,
            lines: OnceLock::new(),
        }
    }

    /// A file of which nothing was read.
    pub(super) fn too_large(source: Vec<u8>) -> Self {
        let fault = Fault::TooLarge {
            bytes: source.len(),
        };
        let span = Span::default();
        let package = Ident {
            name: Name::MISSING,
            span,
        };
        let errors = vec![SyntaxError { span, fault }];
        Self::new(
            source,
            Ast::default(),
            package,
            Vec::new(),
            Vec::new(),
            errors,
        )
    }

    pub(super) fn add_errors(&mut self, errors: Vec<SyntaxError>) {
        self.errors.extend(errors);
        self.errors.sort_by_key(|error| error.span);
        self.errors.dedup();
        self.errors.truncate(MAX_ERRORS);
    }

    /// The source as it was given.
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// The source back, without the tree.
    pub fn into_source(self) -> Vec<u8> {
        self.source
    }

    /// The bytes of a span; none where it does not lie in the file.
    pub fn bytes(&self, span: Span) -> &[u8] {
        self.source
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// The text of a span; empty where it is not UTF-8, of which an error tells.
    pub fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes(span)).unwrap_or_default()
    }

    /// The lines of the file.
    pub fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| Lines::new(&self.source))
    }

    /// Line and column of an offset.
    pub fn position(&self, offset: u32) -> Position {
        self.lines().position(offset)
    }

    /// The value of a string literal without its quotes, if it holds no escape. Import paths hold none.
    pub fn plain_string(&self, literal: Span) -> Option<&str> {
        let text = self.text(literal);
        let quote = text
            .chars()
            .next()
            .filter(|quote| matches!(quote, '"' | '`'))?;
        let inside = text.strip_prefix(quote)?.strip_suffix(quote)?;
        let has_escape = quote == '"' && inside.contains('\\') || inside.contains('\r');
        (!has_escape).then_some(inside)
    }
}
