//! Values of constants.

use std::rc::Rc;

use crate::syntax::Token;

use super::typ::Basic;

/// Bytes of the longest string constant that is kept; a longer one is constant with an unknown value.
const MAX_TEXT_BYTES: usize = 4096;

/// The value of a constant expression, as far as it is kept. Capacities, indices, flags and keys are all known; what does
/// not fit and what is neither whole, text nor truth is not.
#[derive(Debug, Clone, PartialEq)]
pub enum Const {
    /// Constant, but the value is not known.
    Unknown,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number, of an integer, rune or whole floating-point constant.
    Int(i128),
    /// A floating-point constant that is not whole, to the precision of a `float64`.
    Float(f64),
    /// A string, of at most some kilobytes.
    Text(Rc<[u8]>),
}

impl Const {
    /// The whole number, if it is one.
    pub fn int(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A string, if it is short enough to keep.
    pub(super) fn text(bytes: &[u8]) -> Self {
        if bytes.len() > MAX_TEXT_BYTES {
            return Self::Unknown;
        }
        Self::Text(bytes.into())
    }

    fn float(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "compared to the precision kept")]
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// A number that is kept as whole if it is.
    fn number(value: f64) -> Self {
        /// Below this the nearest whole number of a sum of few roundings is the exact one.
        const EXACT: f64 = (1_u64 << 40) as f64;
        let whole = value.round();
        if !value.is_finite() {
            return Self::Unknown;
        }
        if whole.abs() < EXACT && (whole - value).abs() < 1e-9 && (whole != 0.0 || value == 0.0) {
            #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
            return Self::Int(whole as i128);
        }
        Self::Float(value)
    }

    /// The value of a literal number.
    pub(super) fn of_int(text: &str) -> Self {
        let digits: String = text.chars().filter(|c| *c != '_').collect();
        let lower = digits.to_ascii_lowercase();
        let parse = |digits: &str, radix| i128::from_str_radix(digits, radix).ok();
        let value = if let Some(rest) = lower.strip_prefix("0x") {
            parse(rest, 16)
        } else if let Some(rest) = lower.strip_prefix("0b") {
            parse(rest, 2)
        } else if let Some(rest) = lower.strip_prefix("0o") {
            parse(rest, 8)
        } else if lower.len() > 1 && lower.starts_with('0') {
            parse(&lower, 8)
        } else {
            parse(&lower, 10)
        };
        value.map_or(Self::Unknown, Self::Int)
    }

    /// The value of a literal with a point or exponent; a hexadecimal one is not read.
    pub(super) fn of_float(text: &str) -> Self {
        let digits: String = text.chars().filter(|c| *c != '_').collect();
        let value: Option<f64> = digits.parse().ok();
        value.map_or(Self::Unknown, Self::number)
    }

    /// The value of a literal character.
    pub(super) fn of_rune(text: &str) -> Self {
        let inside = text
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''));
        let Some(inside) = inside else {
            return Self::Unknown;
        };
        let mut chars = inside.chars();
        match (chars.next(), chars.next()) {
            (Some('\\'), Some(escape)) => {
                let rest = chars.as_str();
                let value = match escape {
                    'x' | 'u' | 'U' => i128::from_str_radix(rest, 16).ok(),
                    '0'..='7' => i128::from_str_radix(inside.get(1..).unwrap_or_default(), 8).ok(),
                    _ => simple_escape(escape).map(i128::from),
                };
                value.map_or(Self::Unknown, Self::Int)
            }
            (Some(c), None) => Self::Int(i128::from(u32::from(c))),
            _ => Self::Unknown,
        }
    }

    /// The value of a literal string.
    pub(super) fn of_string(text: &str) -> Self {
        if text.len() > MAX_TEXT_BYTES {
            return Self::Unknown;
        }
        if let Some(raw) = text
            .strip_prefix('`')
            .and_then(|rest| rest.strip_suffix('`'))
        {
            return Self::text(raw.replace('\r', "").as_bytes());
        }
        let inside = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let Some(inside) = inside else {
            return Self::Unknown;
        };
        if !inside.contains('\\') {
            return Self::text(inside.as_bytes());
        }
        unescape(inside).map_or(Self::Unknown, |bytes| Self::text(&bytes))
    }

    /// `x op y` of two constants. A division of whole numbers is one of whole numbers if `whole` says so.
    pub(super) fn binary(operator: Token, left: &Self, right: &Self, whole: bool) -> Self {
        match (left, right) {
            (Self::Bool(a), Self::Bool(b)) => match operator {
                Token::AndAnd => Self::Bool(*a && *b),
                Token::OrOr => Self::Bool(*a || *b),
                Token::Equal => Self::Bool(a == b),
                Token::NotEqual => Self::Bool(a != b),
                _ => Self::Unknown,
            },
            // One side decides.
            (Self::Bool(false), _) | (_, Self::Bool(false)) if operator == Token::AndAnd => {
                Self::Bool(false)
            }
            (Self::Bool(true), _) | (_, Self::Bool(true)) if operator == Token::OrOr => {
                Self::Bool(true)
            }
            (Self::Int(a), Self::Int(b)) => {
                if operator == Token::Slash && !whole {
                    return Self::floats(operator, left, right);
                }
                Self::ints(operator, *a, *b)
            }
            (Self::Text(a), Self::Text(b)) => match operator {
                Token::Plus => Self::text(&[a.as_ref(), b.as_ref()].concat()),
                _ => compare(operator, a, b),
            },
            _ => Self::floats(operator, left, right),
        }
    }

    fn floats(operator: Token, left: &Self, right: &Self) -> Self {
        let (Some(a), Some(b)) = (left.float(), right.float()) else {
            return Self::Unknown;
        };
        match operator {
            Token::Plus => Self::number(a + b),
            Token::Minus => Self::number(a - b),
            Token::Star => Self::number(a * b),
            Token::Slash if b != 0.0 => Self::number(a / b),
            Token::Less | Token::LessEqual | Token::Greater | Token::GreaterEqual => {
                compare(operator, &a, &b)
            }
            _ => Self::Unknown,
        }
    }

    fn ints(operator: Token, a: i128, b: i128) -> Self {
        let shift = u32::try_from(b).ok().filter(|shift| *shift < 127);
        let value = match operator {
            Token::Plus => a.checked_add(b),
            Token::Minus => a.checked_sub(b),
            Token::Star => a.checked_mul(b),
            Token::Slash => a.checked_div(b),
            Token::Percent => a.checked_rem(b),
            Token::And => Some(a & b),
            Token::Or => Some(a | b),
            Token::Xor => Some(a ^ b),
            Token::AndNot => Some(a & !b),
            Token::ShiftLeft => shift.and_then(|shift| {
                let shifted = a.checked_shl(shift)?;
                (shifted >> shift == a).then_some(shifted)
            }),
            Token::ShiftRight => match shift {
                Some(shift) => Some(a >> shift),
                None if b > 0 => Some(if a < 0 { -1 } else { 0 }),
                None => None,
            },
            _ => return compare(operator, &a, &b),
        };
        value.map_or(Self::Unknown, Self::Int)
    }

    /// `op x` of a constant of a type.
    pub(super) fn unary(operator: Token, operand: &Self, basic: Option<Basic>) -> Self {
        match (operator, operand) {
            (Token::Not, Self::Bool(value)) => Self::Bool(!value),
            (Token::Plus, Self::Int(_) | Self::Float(_)) => operand.clone(),
            (Token::Minus, Self::Int(value)) => {
                value.checked_neg().map_or(Self::Unknown, Self::Int)
            }
            (Token::Minus, Self::Float(value)) => Self::Float(-value),
            (Token::Xor, Self::Int(value)) => match basic.and_then(integer_range) {
                // Of an unsigned type only the bits that it has.
                Some((0, max)) => Self::Int(!value & max),
                _ => Self::Int(!value),
            },
            _ => Self::Unknown,
        }
    }

    /// The value converted to a basic type.
    pub(super) fn convert(&self, basic: Basic) -> Self {
        let is_number = matches!(self, Self::Int(_) | Self::Float(_));
        if let Some((min, max)) = integer_range(basic) {
            let in_range = matches!(self, Self::Int(value) if (min..=max).contains(value));
            return if in_range {
                self.clone()
            } else {
                Self::Unknown
            };
        }
        match basic {
            Basic::UntypedInt | Basic::UntypedRune if matches!(self, Self::Int(_)) => self.clone(),
            Basic::Float64 | Basic::UntypedFloat | Basic::Float32 if is_number => self.clone(),
            Basic::Bool | Basic::UntypedBool if matches!(self, Self::Bool(_)) => self.clone(),
            Basic::String if matches!(self, Self::Int(_)) => {
                // A string of a number is that character.
                let c = self
                    .int()
                    .and_then(|value| char::from_u32(u32::try_from(value).ok()?));
                Self::text(
                    c.unwrap_or(char::REPLACEMENT_CHARACTER)
                        .encode_utf8(&mut [0; 4])
                        .as_bytes(),
                )
            }
            Basic::String | Basic::UntypedString if matches!(self, Self::Text(_)) => self.clone(),
            _ => Self::Unknown,
        }
    }
}

/// The least and largest value of an integer type. `int`, `uint` and `uintptr` are taken to have 64 bits.
fn integer_range(basic: Basic) -> Option<(i128, i128)> {
    Some(match basic {
        Basic::Int8 => (i8::MIN.into(), i8::MAX.into()),
        Basic::Int16 => (i16::MIN.into(), i16::MAX.into()),
        Basic::Int32 => (i32::MIN.into(), i32::MAX.into()),
        Basic::Int | Basic::Int64 => (i64::MIN.into(), i64::MAX.into()),
        Basic::Uint8 => (0, u8::MAX.into()),
        Basic::Uint16 => (0, u16::MAX.into()),
        Basic::Uint32 => (0, u32::MAX.into()),
        Basic::Uint | Basic::Uint64 | Basic::Uintptr => (0, u64::MAX.into()),
        _ => return None,
    })
}

fn compare<T: PartialOrd>(operator: Token, a: &T, b: &T) -> Const {
    Const::Bool(match operator {
        Token::Equal => a == b,
        Token::NotEqual => a != b,
        Token::Less => a < b,
        Token::LessEqual => a <= b,
        Token::Greater => a > b,
        Token::GreaterEqual => a >= b,
        _ => return Const::Unknown,
    })
}

fn simple_escape(escape: char) -> Option<u8> {
    Some(match escape {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '\'' | '"' => u8::try_from(escape).ok()?,
        _ => return None,
    })
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..)?;
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escape = rest.chars().next()?;
        let (digits, radix) = match escape {
            'x' => (rest.get(1..3)?, 16),
            'u' => (rest.get(1..5)?, 16),
            'U' => (rest.get(1..9)?, 16),
            '0'..='7' => (rest.get(..3)?, 8),
            _ => {
                bytes.push(simple_escape(escape)?);
                rest = rest.get(1..)?;
                continue;
            }
        };
        let value = u32::from_str_radix(digits, radix).ok()?;
        match escape {
            'u' | 'U' => {
                bytes.extend_from_slice(char::from_u32(value)?.encode_utf8(&mut [0; 4]).as_bytes())
            }
            _ => bytes.push(u8::try_from(value).ok()?),
        }
        rest = rest.get(digits.len() + usize::from(radix == 16)..)?;
    }
    Some(bytes)
}
