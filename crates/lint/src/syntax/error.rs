//! What is wrong with a source.

use thiserror::Error;

use super::{Span, Token};

/// Errors kept of one file: past this many, whoever wrote the file has no use for more.
pub const MAX_ERRORS: usize = 50;

/// One fault of a source, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{fault}")]
pub struct SyntaxError {
    /// What is wrong, or an empty span where something is missing.
    pub span: Span,
    /// What is wrong with it.
    pub fault: Fault,
}

/// The ways in which a source can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// Something else was to stand here.
    #[error("expected {wanted}, found {found}")]
    Expected {
        /// What was to stand here, for people.
        wanted: &'static str,
        /// What does.
        found: Token,
    },
    /// A statement ended where something was to follow on the same line.
    #[error("expected {wanted}, found the end of the line")]
    LineEnds {
        /// What was to follow, for people.
        wanted: &'static str,
    },
    /// A rule of the language is broken; the text says which.
    #[error("{0}")]
    Rule(&'static str),
    /// The file is larger than [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES); nothing of it was read.
    #[error(
        "the file has {bytes} bytes; at most {} are read",
        super::MAX_FILE_BYTES
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Nested deeper than [`MAX_NESTING`](super::MAX_NESTING); the rest of the file was skipped.
    #[error(
        "nested more than {} levels deep; the rest of the file is not read",
        super::MAX_NESTING
    )]
    TooDeep,
    /// More links than [`MAX_CHAIN`](super::MAX_CHAIN); the rest of the file was skipped.
    #[error(
        "more than {} operators, calls or `else if` in a row; the rest of the file is not read",
        super::MAX_CHAIN
    )]
    TooLong,
}

/// Errors of one file, at most [`MAX_ERRORS`] and in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Errors {
    list: Vec<SyntaxError>,
    /// Offset of the latest error of the parser: a second one at the same place is a consequence of the first.
    latest: Option<u32>,
    /// The rest of the file is not read, so that nothing more is known of it.
    closed: bool,
}

impl Errors {
    /// An error of the scanner: always kept.
    #[cold]
    pub(super) fn push(&mut self, span: Span, fault: Fault) {
        if !self.closed && self.list.len() < MAX_ERRORS {
            self.list.push(SyntaxError { span, fault });
        }
    }

    /// An error of the parser: kept if it is further on than the one before.
    #[cold]
    pub(super) fn push_first(&mut self, span: Span, fault: Fault) {
        if self.latest.is_none_or(|latest| latest < span.start) {
            self.latest = Some(span.start);
            self.push(span, fault);
        }
    }

    /// How many were kept.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Forgets those past this many.
    pub(super) fn truncate(&mut self, length: usize) {
        self.list.truncate(length);
    }

    /// Takes no more errors.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether a further error would be kept.
    pub(super) fn has_room(&self) -> bool {
        self.list.len() < MAX_ERRORS
    }

    /// Sorted by place.
    pub(super) fn into_list(mut self) -> Vec<SyntaxError> {
        self.list.sort_by_key(|error| error.span);
        self.list
    }
}
