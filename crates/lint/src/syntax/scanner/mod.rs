//! Bytes to tokens.

mod literal;
mod number;
pub(super) mod words;

use super::error::{Errors, Fault};
use super::{Comment, CommentKind, Span, Token, token};

/// A token and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lexeme {
    /// What it is.
    pub token: Token,
    /// Its bytes; empty for a semicolon that the end of a line implies and for the end of the file.
    pub span: Span,
}

/// Turns a source into tokens one at a time, with the semicolons that ends of lines imply. Comments and errors are set
/// aside. Never fails: what belongs to no token comes as [`Token::Unknown`] with an error.
#[derive(Debug)]
pub struct Scanner<'s> {
    source: &'s [u8],
    position: usize,
    /// Whether the end of the line ends the statement: the latest token was one after which it does.
    ends_statement: bool,
    pub(super) comments: Vec<Comment>,
    pub(super) errors: Errors,
}

impl<'s> Scanner<'s> {
    /// A scanner at the start of a source, behind its byte order mark. The source is at most
    /// [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES) long; what is beyond offsets of 32 bits would come with wrong spans.
    pub fn new(source: &'s [u8]) -> Self {
        let mut scanner = Self::at(source, 0);
        scanner.check_encoding();
        if source.starts_with(BYTE_ORDER_MARK) {
            scanner.position = BYTE_ORDER_MARK.len();
        }
        scanner
    }

    /// A scanner at the start of a source of which only the start is wanted: nothing is said of what follows.
    pub(crate) fn header(source: &'s [u8]) -> Self {
        let mark = if source.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        Self::at(source, mark)
    }

    /// A scanner in the midst of a source that was looked through before: at the start of a token.
    pub(super) fn at(source: &'s [u8], position: usize) -> Self {
        Self {
            source,
            position,
            ends_statement: false,
            comments: Vec::new(),
            errors: Errors::default(),
        }
    }

    /// The source.
    pub(super) fn source(&self) -> &'s [u8] {
        self.source
    }

    /// Goes to the end of the source.
    pub(super) fn skip_to_end(&mut self) {
        self.position = self.source.len();
        self.ends_statement = false;
    }

    /// Whether the next token is this one. Takes nothing.
    pub(super) fn comes(&self, token: Token) -> bool {
        let mut ahead = Self::at(self.source, self.position);
        ahead.next_token().token == token
    }

    /// Behind `{`: goes behind the `}` that closes it and returns the offset there. Where there is none before the next
    /// declaration at the left edge, goes nowhere.
    pub(super) fn skip_block(&mut self) -> Option<u32> {
        let (position, ends_statement) = (self.position, self.ends_statement);
        let (comments, errors) = (self.comments.len(), self.errors.len());
        let mut depth = 1_u32;
        loop {
            let Lexeme { token, span } = self.next_token();
            let is_at_edge = || self.byte((span.start as usize).saturating_sub(1)) == b'\n';
            match token {
                Token::LeftBrace => depth += 1,
                Token::RightBrace => depth -= 1,
                Token::Func if is_at_edge() && self.byte(self.position) == b' ' => break,
                Token::End => break,
                _ => {}
            }
            if depth == 0 {
                return Some(span.end);
            }
        }
        (self.position, self.ends_statement) = (position, ends_statement);
        self.comments.truncate(comments);
        self.errors.truncate(errors);
        None
    }

    /// The byte at an offset; 0 past the end, which no token contains.
    #[inline]
    fn byte(&self, at: usize) -> u8 {
        self.source.get(at).copied().unwrap_or(0)
    }

    fn slice(&self, start: usize, end: usize) -> &'s [u8] {
        self.source.get(start..end).unwrap_or_default()
    }

    /// The next token; at the end [`Token::End`], again and again.
    #[inline]
    pub fn next_token(&mut self) -> Lexeme {
        // One space is the rule between tokens, and every other token is a word.
        self.position += usize::from(self.byte(self.position) == b' ');
        let start = self.position;
        if matches!(self.byte(start), b'a'..=b'z' | b'A'..=b'Z' | b'_') {
            let token = self.word(start);
            self.ends_statement = token.ends_statement();
            return lexeme(token, start, self.position);
        }
        self.any_token()
    }

    #[inline(never)]
    fn any_token(&mut self) -> Lexeme {
        loop {
            let start = self.position;
            let token = match self.byte(start) {
                b' ' | b'\t' | b'\r' => {
                    self.position += 1;
                    continue;
                }
                b'\n' => {
                    if self.ends_statement {
                        return self.implied_semicolon(start);
                    }
                    let indent = words::load(self.source, start + 1);
                    self.position += 1 + words::run_length(indent, b'\t');
                    continue;
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => {
                    let token = self.word(start);
                    if self.position == start {
                        self.unknown(start)
                    } else {
                        token
                    }
                }
                b'0'..=b'9' => self.number(),
                b'.' if self.byte(start + 1).is_ascii_digit() => self.number(),
                b'"' => self.string(),
                b'`' => self.raw_string(),
                b'\'' => self.rune(),
                b'/' if matches!(self.byte(start + 1), b'/' | b'*') => {
                    if let Some(semicolon) = self.comment(start) {
                        return semicolon;
                    }
                    continue;
                }
                0 if start >= self.source.len() => {
                    if self.ends_statement {
                        return self.implied_semicolon(start);
                    }
                    return lexeme(Token::End, start, start);
                }
                0 => {
                    // Told when the source was looked through.
                    self.position += 1;
                    continue;
                }
                first => match self.operator(first) {
                    Some((token, length)) => {
                        self.position += length;
                        token
                    }
                    None => self.unknown(start),
                },
            };
            self.ends_statement = token.ends_statement();
            return lexeme(token, start, self.position);
        }
    }

    fn implied_semicolon(&mut self, at: usize) -> Lexeme {
        self.ends_statement = false;
        lexeme(Token::Semicolon, at, at)
    }

    /// A name or keyword.
    #[inline]
    fn word(&mut self, start: usize) -> Token {
        let word = words::load(self.source, start);
        let length = words::name_length(word);
        let mut end = start + length;
        if length == 8 {
            // Long names are read on eight bytes at a time, too.
            loop {
                let length = words::name_length(words::load(self.source, end));
                end += length;
                if length < 8 {
                    break;
                }
            }
        }
        if self.byte(end) >= 0x80 {
            let starts_wide = end == start;
            if !starts_wide || self.char_at(start).is_some_and(char::is_alphabetic) {
                self.position = self.wide_name(end);
            }
            return Token::Name;
        }
        self.position = end;
        token::keyword(words::first_bytes(word, length), self.slice(start, end))
    }

    /// The end of a name that goes on with a letter or digit outside of ASCII. Rust's alphabetic and numeric characters
    /// contain all that Go's letters (category L) and digits (Nd) are, and a few more, which do no harm here.
    #[cold]
    fn wide_name(&self, mut end: usize) -> usize {
        loop {
            match self.char_at(end) {
                Some(letter) if letter == '_' || letter.is_alphanumeric() => {
                    end += letter.len_utf8()
                }
                _ => return end,
            }
        }
    }

    /// The character at an offset; `None` at the end and where the bytes are not UTF-8.
    fn char_at(&self, at: usize) -> Option<char> {
        let bytes = self.source.get(at..self.source.len().min(at + 4))?;
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?,
        };
        text.chars().next()
    }

    /// The longest operator here, and its length in bytes.
    #[inline]
    fn operator(&self, first: u8) -> Option<(Token, usize)> {
        let at = self.position;
        let second = self.byte(at + 1);
        let with_assign = |plain, assigning| match second {
            b'=' => (assigning, 2),
            _ => (plain, 1),
        };
        Some(match first {
            b'(' => (Token::LeftParen, 1),
            b')' => (Token::RightParen, 1),
            b'[' => (Token::LeftBracket, 1),
            b']' => (Token::RightBracket, 1),
            b'{' => (Token::LeftBrace, 1),
            b'}' => (Token::RightBrace, 1),
            b',' => (Token::Comma, 1),
            b';' => (Token::Semicolon, 1),
            b'~' => (Token::Tilde, 1),
            b'.' if second == b'.' && self.byte(at + 2) == b'.' => (Token::Ellipsis, 3),
            b'.' => (Token::Dot, 1),
            b':' => with_assign(Token::Colon, Token::Define),
            b'=' => with_assign(Token::Assign, Token::Equal),
            b'!' => with_assign(Token::Not, Token::NotEqual),
            b'*' => with_assign(Token::Star, Token::StarAssign),
            b'/' => with_assign(Token::Slash, Token::SlashAssign),
            b'%' => with_assign(Token::Percent, Token::PercentAssign),
            b'^' => with_assign(Token::Xor, Token::XorAssign),
            b'+' if second == b'+' => (Token::Increment, 2),
            b'+' => with_assign(Token::Plus, Token::PlusAssign),
            b'-' if second == b'-' => (Token::Decrement, 2),
            b'-' => with_assign(Token::Minus, Token::MinusAssign),
            b'|' if second == b'|' => (Token::OrOr, 2),
            b'|' => with_assign(Token::Or, Token::OrAssign),
            b'&' => match (second, self.byte(at + 2)) {
                (b'&', _) => (Token::AndAnd, 2),
                (b'^', b'=') => (Token::AndNotAssign, 3),
                (b'^', _) => (Token::AndNot, 2),
                _ => with_assign(Token::And, Token::AndAssign),
            },
            b'<' => match (second, self.byte(at + 2)) {
                (b'-', _) => (Token::Arrow, 2),
                (b'<', b'=') => (Token::ShiftLeftAssign, 3),
                (b'<', _) => (Token::ShiftLeft, 2),
                _ => with_assign(Token::Less, Token::LessEqual),
            },
            b'>' => match (second, self.byte(at + 2)) {
                (b'>', b'=') => (Token::ShiftRightAssign, 3),
                (b'>', _) => (Token::ShiftRight, 2),
                _ => with_assign(Token::Greater, Token::GreaterEqual),
            },
            _ => return None,
        })
    }

    /// A comment, kept aside. Where it holds the end of a line that ends a statement, the semicolon comes before it; the
    /// comment is then read at the next call.
    #[inline(never)]
    fn comment(&mut self, start: usize) -> Option<Lexeme> {
        let rest = self.slice(start, self.source.len());
        let is_line = rest.get(1) == Some(&b'/');
        let length = if is_line {
            memchr::memchr(b'\n', rest).unwrap_or(rest.len())
        } else {
            let inside = rest.get(2..).unwrap_or_default();
            let close = memchr::memmem::find(inside, b"*/");
            if close.is_none() && !self.ends_statement {
                let span = span(start, start + 2);
                self.errors.push(
                    span,
                    Fault::Rule("this comment is not closed; `*/` is missing"),
                );
            }
            close.map_or(rest.len(), |close| close + 4)
        };
        let mut text = rest.get(..length).unwrap_or_default();
        if self.ends_statement
            && (is_line || memchr::memchr(b'\n', text).is_some() || length == rest.len())
        {
            return Some(self.implied_semicolon(start));
        }
        self.position = start + length;
        if let (true, Some(line)) = (is_line, text.strip_suffix(b"\r")) {
            text = line;
        }
        self.comments.push(Comment {
            span: span(start, start + text.len()),
            kind: CommentKind::of(text),
        });
        None
    }

    /// Skips a character that belongs to no token, with an error.
    #[cold]
    fn unknown(&mut self, start: usize) -> Token {
        let length = self.char_at(start).map(char::len_utf8);
        self.position = start + length.unwrap_or(1);
        // Bytes that are no character were told when the source was looked through.
        let is_mark = self.slice(start, self.position) == BYTE_ORDER_MARK;
        if length.is_some() && !is_mark {
            let fault =
                Fault::Rule("this character has no meaning in Go outside of strings and comments");
            self.errors.push(span(start, self.position), fault);
        }
        Token::Unknown
    }

    /// Looks through the whole source for what may stand nowhere in it, comments and strings included: bytes that are not
    /// UTF-8, NUL, and byte order marks but at the very start.
    fn check_encoding(&mut self) {
        let mut from = 0;
        while let Some(rest) = self.source.get(from..)
            && let Err(error) = std::str::from_utf8(rest)
            && self.errors.has_room()
        {
            let at = from + error.valid_up_to();
            let length = error.error_len().unwrap_or(1);
            self.errors.push(
                span(at, at + length),
                Fault::Rule("these bytes are not UTF-8; save the file as UTF-8"),
            );
            from = at + length;
        }
        for at in memchr::memchr_iter(0, self.source) {
            self.errors
                .push(span(at, at + 1), Fault::Rule("a NUL byte; remove it"));
            if !self.errors.has_room() {
                return;
            }
        }
        for at in memchr::memmem::find_iter(self.source, BYTE_ORDER_MARK) {
            if at > 0 {
                let fault = Fault::Rule("a byte order mark in the midst of the file; remove it");
                self.errors
                    .push(span(at, at + BYTE_ORDER_MARK.len()), fault);
            }
            if !self.errors.has_room() {
                return;
            }
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

#[inline]
fn lexeme(token: Token, start: usize, end: usize) -> Lexeme {
    let span = span(start, end);
    Lexeme { token, span }
}

/// Offsets fit: [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES) is far below 4 GiB.
#[inline]
fn span(start: usize, end: usize) -> Span {
    #[expect(clippy::cast_possible_truncation, reason = "files are bounded")]
    let (start, end) = (start as u32, end as u32);
    Span { start, end }
}

#[cfg(test)]
mod tests;
