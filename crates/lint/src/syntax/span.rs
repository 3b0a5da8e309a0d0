//! Where something stands in a file.

/// A range of bytes of one file: from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte; never below `start`.
    pub end: u32,
}

impl Span {
    /// A span from one offset to another. An end before the start gives an empty span.
    pub fn new(start: u32, end: u32) -> Self {
        Self {
            start,
            end: end.max(start),
        }
    }

    /// The smallest span that covers both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Whether the other span lies within this one; an empty span at an edge does.
    pub fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Length in bytes.
    pub fn len(self) -> u32 {
        self.end - self.start
    }

    /// Whether it covers no byte: something that is missing from the source has such a span.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Line and column, both counted from 1; the column counts bytes, as the Go tools do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Byte in the line, from 1.
    pub column: u32,
}

/// Where each line of a file starts.
#[derive(Debug, Clone)]
pub struct Lines {
    /// Offsets of the first byte of each line but the first, rising.
    starts: Vec<u32>,
    /// Length of the file in bytes.
    length: u32,
}

impl Lines {
    /// Finds the lines of a source. Bytes past 4 GiB are not looked at; the parser takes no such file.
    pub fn new(source: &[u8]) -> Self {
        let length = u32::try_from(source.len()).unwrap_or(u32::MAX);
        let starts = memchr::memchr_iter(b'\n', source)
            .filter_map(|newline| u32::try_from(newline.checked_add(1)?).ok())
            .collect();
        Self { starts, length }
    }

    /// How many lines there are; an empty file has one.
    pub fn count(&self) -> u32 {
        u32::try_from(self.starts.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    }

    /// The position of an offset. `//line` directives are not followed: findings point into the file at hand.
    pub fn position(&self, offset: u32) -> Position {
        let before = self.starts.partition_point(|start| *start <= offset);
        let start = before.checked_sub(1).and_then(|line| self.starts.get(line));
        Position {
            line: u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1),
            column: offset
                .saturating_sub(start.copied().unwrap_or(0))
                .saturating_add(1),
        }
    }

    /// The bytes of a line, with its newline; lines count from 1. `None` where the file has no such line.
    pub fn span(&self, line: u32) -> Option<Span> {
        let index = usize::try_from(line.checked_sub(1)?).ok()?;
        let start = match index.checked_sub(1) {
            None => 0,
            Some(before) => *self.starts.get(before)?,
        };
        let end = self.starts.get(index).copied().unwrap_or(self.length);
        Some(Span::new(start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, offset: u32, line: u32, column: u32) {
        let lines = Lines::new(source.as_bytes());
        let position = lines.position(offset);
        assert_eq!(position, Position { line, column });
        let span = lines.span(line).unwrap();
        assert!(span.start <= offset && offset <= span.end);
    }

    #[test]
    fn offsets_become_lines_and_columns() {
        check("", 0, 1, 1);
        check("ab\ncd\n", 0, 1, 1);
        check("ab\ncd\n", 2, 1, 3);
        check("ab\ncd\n", 3, 2, 1);
        check("ab\ncd\n", 6, 3, 1);
        check("ab\r\ncd", 4, 2, 1);
    }

    #[test]
    fn lines_have_their_bytes() {
        let lines = Lines::new(b"ab\n\ncd");
        assert_eq!(lines.count(), 3);
        assert_eq!(lines.span(1), Some(Span::new(0, 3)));
        assert_eq!(lines.span(2), Some(Span::new(3, 4)));
        assert_eq!(lines.span(3), Some(Span::new(4, 6)));
        assert_eq!(lines.span(4), None);
        assert_eq!(lines.span(0), None);
    }
}
