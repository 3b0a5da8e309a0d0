//! Numbers: decimal, binary, octal, hexadecimal, floating-point, imaginary, with underscores.

use super::super::Token;
use super::super::error::Fault;
use super::{Scanner, span};

/// What the digits of one part of a number were.
#[derive(Default, Clone, Copy)]
struct Digits {
    /// There were some.
    any: bool,
    /// An underscore stands where no digit precedes or follows.
    stray_underscore: bool,
    /// The largest digit.
    largest: u8,
}

impl Scanner<'_> {
    /// A number, from a digit or from a dot before one.
    #[inline]
    pub(super) fn number(&mut self) -> Token {
        let start = self.position;
        let mut at = start;
        while self.byte(at).is_ascii_digit() {
            at += 1;
        }
        // Short decimal integers are nearly all numbers.
        let plain = !matches!(self.byte(at), b'.' | b'_' | b'a'..=b'z' | b'A'..=b'Z');
        if plain && (at == start + 1 || self.byte(start) != b'0') {
            self.position = at;
            return Token::Int;
        }
        self.any_number(start)
    }

    #[inline(never)]
    fn any_number(&mut self, start: usize) -> Token {
        let base = match (self.byte(start), self.byte(start + 1) | 0x20) {
            (b'0', b'x') => 16,
            (b'0', b'o') => 8,
            (b'0', b'b') => 2,
            _ => 10,
        };
        let has_prefix = base != 10;
        self.position = if has_prefix { start + 2 } else { start };
        let whole = self.digits(base, has_prefix);
        let mut token = Token::Int;
        let mut part = Digits::default();
        let mut fault = None;
        if self.byte(self.position) == b'.' {
            token = Token::Float;
            self.position += 1;
            part = self.digits(base, false);
            if base == 2 || base == 8 {
                fault = Some("a binary or octal number has no fraction");
            }
        }
        if !whole.any && !part.any {
            fault = fault.or(Some("a number without digits"));
        }
        let mut exponent = Digits::default();
        let letter = self.byte(self.position) | 0x20;
        if letter == b'p' || letter == b'e' && base != 16 {
            token = Token::Float;
            exponent = self.exponent();
            if (letter == b'p') != (base == 16) {
                fault = fault.or(Some(
                    "`p` is the exponent of hexadecimal numbers, `e` of decimal ones",
                ));
            }
            if !exponent.any {
                fault = fault.or(Some("an exponent without digits"));
            }
        } else if base == 16 && token == Token::Float {
            fault = fault.or(Some(
                "a hexadecimal fraction needs an exponent such as `p0`",
            ));
        }
        let is_imaginary = self.byte(self.position) == b'i';
        if is_imaginary {
            self.position += 1;
        }
        // A leading 0 makes an integer octal, but neither a fraction nor an imaginary number.
        let old_octal =
            base == 10 && token == Token::Int && !is_imaginary && self.byte(start) == b'0';
        let base = if old_octal { 8 } else { base };
        if (has_prefix || token == Token::Int) && whole.largest >= base {
            fault = fault.or(Some(if has_prefix {
                "a digit that the base of the number does not have"
            } else {
                "a digit above 7 in a number that is octal for its leading 0"
            }));
        }
        if whole.stray_underscore || part.stray_underscore || exponent.stray_underscore {
            fault = fault.or(Some("`_` in a number must stand between digits"));
        }
        if let Some(fault) = fault {
            self.errors
                .push(span(start, self.position), Fault::Rule(fault));
        }
        if is_imaginary {
            Token::Imaginary
        } else {
            token
        }
    }

    fn exponent(&mut self) -> Digits {
        self.position += 1;
        if matches!(self.byte(self.position), b'+' | b'-') {
            self.position += 1;
        }
        self.digits(10, false)
    }

    /// Digits and underscores; decimal ones also in lower bases, so that `0b2` is one wrong number and not two tokens.
    fn digits(&mut self, base: u8, after_prefix: bool) -> Digits {
        let mut digits = Digits::default();
        let mut after_digit = after_prefix;
        loop {
            let byte = self.byte(self.position);
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' if base == 16 => byte - b'a' + 10,
                b'A'..=b'F' if base == 16 => byte - b'A' + 10,
                b'_' => {
                    digits.stray_underscore |= !after_digit;
                    after_digit = false;
                    self.position += 1;
                    continue;
                }
                _ => break,
            };
            digits.any = true;
            digits.largest = digits.largest.max(digit);
            after_digit = true;
            self.position += 1;
        }
        let ended_on_underscore = self.byte(self.position.saturating_sub(1)) == b'_';
        digits.stray_underscore |= ended_on_underscore;
        digits
    }
}
