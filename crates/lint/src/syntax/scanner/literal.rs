//! Strings and runes.

use super::super::Token;
use super::super::error::Fault;
use super::{Scanner, span, words};

impl Scanner<'_> {
    /// `"..."`, within one line.
    #[inline]
    pub(super) fn string(&mut self) -> Token {
        let start = self.position;
        let mut at = start + 1;
        loop {
            let length = words::plain_length(words::load(self.source, at));
            at += length;
            if length == 8 {
                continue;
            }
            match self.byte(at) {
                b'"' => {
                    self.position = at + 1;
                    return Token::String;
                }
                b'\\' => at = self.escape(at, b'"'),
                0 if at < self.source.len() => at += 1,
                _ => {
                    let fault = Fault::Rule("this string is not closed; `\"` is missing");
                    self.errors.push(span(start, at), fault);
                    self.position = at;
                    return Token::String;
                }
            }
        }
    }

    /// `` `...` ``, over any number of lines.
    #[inline(never)]
    pub(super) fn raw_string(&mut self) -> Token {
        let start = self.position;
        let inside = self.slice(start + 1, self.source.len());
        self.position = match memchr::memchr(b'`', inside) {
            Some(length) => start + length + 2,
            None => {
                let fault = Fault::Rule("this string is not closed; a backquote is missing");
                self.errors.push(span(start, start + 1), fault);
                self.source.len()
            }
        };
        Token::String
    }

    /// `'x'`.
    #[inline(never)]
    pub(super) fn rune(&mut self) -> Token {
        let start = self.position;
        let mut at = start + 1;
        let mut characters = 0_usize;
        let closed = loop {
            match self.byte(at) {
                b'\'' => break true,
                b'\n' => break false,
                0 if at >= self.source.len() => break false,
                b'\\' => at = self.escape(at, b'\''),
                _ => at += self.char_at(at).map_or(1, char::len_utf8),
            }
            characters += 1;
        };
        self.position = at + usize::from(closed);
        let fault = match (closed, characters) {
            (false, _) => "this rune is not closed; `'` is missing",
            (true, 0) => "a rune needs one character between its quotes",
            (true, 1) => return Token::Rune,
            (true, _) => "more than one character in a rune; strings have double quotes",
        };
        self.errors
            .push(span(start, self.position), Fault::Rule(fault));
        Token::Rune
    }

    /// Checks the escape at a backslash and returns the offset behind it, or behind the backslash where it is none.
    #[inline(never)]
    fn escape(&mut self, at: usize, quote: u8) -> usize {
        let (digits, base, limit) = match self.byte(at + 1) {
            b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' => return at + 2,
            byte if byte == quote => return at + 2,
            b'0'..=b'7' => (3, 8, 255),
            b'x' => (2, 16, 255),
            b'u' => (4, 16, 0x10_FFFF),
            b'U' => (8, 16, 0x10_FFFF),
            _ => {
                let fault = Fault::Rule("an unknown escape; a backslash itself is written `\\\\`");
                self.errors.push(span(at, at + 1), fault);
                return at + 1;
            }
        };
        let first = if base == 8 { at + 1 } else { at + 2 };
        let mut value = 0_u64;
        for offset in first..first + digits {
            let Some(digit) = char::from(self.byte(offset)).to_digit(base) else {
                self.errors.push(
                    span(at, offset),
                    Fault::Rule("an escape with too few digits"),
                );
                return offset;
            };
            value = value * u64::from(base) + u64::from(digit);
        }
        let is_surrogate = limit > 255 && (0xD800..0xE000).contains(&value);
        if value > limit || is_surrogate {
            let fault = Fault::Rule("an escape with a value that is no character");
            self.errors.push(span(at, first + digits), fault);
        }
        first + digits
    }
}
