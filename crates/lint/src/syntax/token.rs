//! The tokens of Go.

use std::fmt;

/// A token's kind; its text is the span of the source it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each is named after what it is, and `text` shows it"
)]
#[repr(u8)]
pub enum Token {
    // Binary operators, so that `precedence` is a look-up.
    OrOr,
    AndAnd,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Plus,
    Minus,
    Or,
    Xor,
    Star,
    Slash,
    Percent,
    And,
    AndNot,
    ShiftLeft,
    ShiftRight,

    // Operators that assign: each stands this far behind the binary one it is made of, from `Plus` on.
    PlusAssign,
    MinusAssign,
    OrAssign,
    XorAssign,
    StarAssign,
    SlashAssign,
    PercentAssign,
    AndAssign,
    AndNotAssign,
    ShiftLeftAssign,
    ShiftRightAssign,
    Assign,
    Define,
    Increment,
    Decrement,

    // Other operators and punctuation.
    Not,
    Tilde,
    Arrow,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    Comma,
    Dot,
    Ellipsis,
    Colon,
    /// Written, or implied by the end of a line; an implied one has an empty span.
    Semicolon,

    // Names and literals.
    Name,
    Int,
    Float,
    Imaginary,
    Rune,
    String,

    // Keywords.
    Break,
    Case,
    Chan,
    Const,
    Continue,
    Default,
    Defer,
    Else,
    Fallthrough,
    For,
    Func,
    Go,
    Goto,
    If,
    Import,
    Interface,
    Map,
    Package,
    Range,
    Return,
    Select,
    Struct,
    Switch,
    Type,
    Var,

    /// A character that belongs to no token.
    Unknown,
    /// The end of the file.
    End,
}

impl Token {
    /// How tightly a binary operator binds, 1 (`||`) to 5 (`*`); 0 for every other token.
    #[inline]
    pub fn precedence(self) -> u8 {
        match self {
            Self::OrOr => 1,
            Self::AndAnd => 2,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessEqual
            | Self::Greater
            | Self::GreaterEqual => 3,
            Self::Plus | Self::Minus | Self::Or | Self::Xor => 4,
            Self::Star
            | Self::Slash
            | Self::Percent
            | Self::And
            | Self::AndNot
            | Self::ShiftLeft
            | Self::ShiftRight => 5,
            _ => 0,
        }
    }

    /// The binary operator inside `+=` and its like.
    pub fn assigned(self) -> Option<Self> {
        Some(match self {
            Self::PlusAssign => Self::Plus,
            Self::MinusAssign => Self::Minus,
            Self::OrAssign => Self::Or,
            Self::XorAssign => Self::Xor,
            Self::StarAssign => Self::Star,
            Self::SlashAssign => Self::Slash,
            Self::PercentAssign => Self::Percent,
            Self::AndAssign => Self::And,
            Self::AndNotAssign => Self::AndNot,
            Self::ShiftLeftAssign => Self::ShiftLeft,
            Self::ShiftRightAssign => Self::ShiftRight,
            _ => return None,
        })
    }

    /// Whether the end of the line after this token ends the statement (the language specification, Semicolons).
    #[inline]
    pub fn ends_statement(self) -> bool {
        matches!(
            self,
            Self::Name
                | Self::Int
                | Self::Float
                | Self::Imaginary
                | Self::Rune
                | Self::String
                | Self::Break
                | Self::Continue
                | Self::Fallthrough
                | Self::Return
                | Self::Increment
                | Self::Decrement
                | Self::RightParen
                | Self::RightBracket
                | Self::RightBrace
        )
    }

    /// The token as it is written; for names and literals what they are.
    pub fn text(self) -> &'static str {
        match self {
            Self::OrOr => "||",
            Self::AndAnd => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Or => "|",
            Self::Xor => "^",
            Self::Star => "*",
            Self::Slash => "/",
            Self::Percent => "%",
            Self::And => "&",
            Self::AndNot => "&^",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
            Self::PlusAssign => "+=",
            Self::MinusAssign => "-=",
            Self::OrAssign => "|=",
            Self::XorAssign => "^=",
            Self::StarAssign => "*=",
            Self::SlashAssign => "/=",
            Self::PercentAssign => "%=",
            Self::AndAssign => "&=",
            Self::AndNotAssign => "&^=",
            Self::ShiftLeftAssign => "<<=",
            Self::ShiftRightAssign => ">>=",
            Self::Assign => "=",
            Self::Define => ":=",
            Self::Increment => "++",
            Self::Decrement => "--",
            Self::Not => "!",
            Self::Tilde => "~",
            Self::Arrow => "<-",
            Self::LeftParen => "(",
            Self::RightParen => ")",
            Self::LeftBracket => "[",
            Self::RightBracket => "]",
            Self::LeftBrace => "{",
            Self::RightBrace => "}",
            Self::Comma => ",",
            Self::Dot => ".",
            Self::Ellipsis => "...",
            Self::Colon => ":",
            Self::Semicolon => ";",
            Self::Name => "name",
            Self::Int => "integer",
            Self::Float => "floating-point number",
            Self::Imaginary => "imaginary number",
            Self::Rune => "rune",
            Self::String => "string",
            Self::Unknown => "character",
            Self::End => "end of file",
            keyword => keyword.keyword_text(),
        }
    }

    fn keyword_text(self) -> &'static str {
        let keyword = KEYWORDS.iter().find(|(_, token)| *token == self);
        keyword.map_or("", |(text, _)| text)
    }
}

/// As an error message names it: what is written in quotes, what it is without.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name
            | Self::Int
            | Self::Float
            | Self::Imaginary
            | Self::Rune
            | Self::String
            | Self::Unknown
            | Self::End => f.write_str(self.text()),
            _ => write!(f, "`{}`", self.text()),
        }
    }
}

/// Every keyword. No other word is reserved: `min`, `new` and `any` are names.
const KEYWORDS: [(&str, Token); 25] = [
    ("break", Token::Break),
    ("case", Token::Case),
    ("chan", Token::Chan),
    ("const", Token::Const),
    ("continue", Token::Continue),
    ("default", Token::Default),
    ("defer", Token::Defer),
    ("else", Token::Else),
    ("fallthrough", Token::Fallthrough),
    ("for", Token::For),
    ("func", Token::Func),
    ("go", Token::Go),
    ("goto", Token::Goto),
    ("if", Token::If),
    ("import", Token::Import),
    ("interface", Token::Interface),
    ("map", Token::Map),
    ("package", Token::Package),
    ("range", Token::Range),
    ("return", Token::Return),
    ("select", Token::Select),
    ("struct", Token::Struct),
    ("switch", Token::Switch),
    ("type", Token::Type),
    ("var", Token::Var),
];

/// Slots of the keyword table; a power of two in which the keywords do not collide.
const SLOTS: usize = 64;

/// A slot for the first eight bytes of a word.
#[inline]
const fn slot(word: u64) -> usize {
    (word.wrapping_mul(MULTIPLIER) >> 58) as usize
}

/// Found by trial.
const MULTIPLIER: u64 = 0x8392_4F05_F5C7_B9AB;

/// The first eight bytes of a keyword, the first one lowest.
const fn first_bytes(text: &[u8]) -> u64 {
    let mut word = 0;
    let mut place = 0;
    while place < text.len() && place < 8 {
        word |= (text[place] as u64) << (8 * place);
        place += 1;
    }
    word
}

/// Keywords by slot, made by the compiler; it refuses a multiplier under which two collide.
const TABLE: [(u64, &str, Token); SLOTS] = {
    let mut table = [(0, "", Token::Name); SLOTS];
    let mut index = 0;
    while index < KEYWORDS.len() {
        let (text, token) = KEYWORDS[index];
        let word = first_bytes(text.as_bytes());
        assert!(table[slot(word)].0 == 0);
        table[slot(word)] = (word, text, token);
        index += 1;
    }
    table
};

/// The keyword that a word is, else [`Token::Name`]; given are also its first eight bytes.
#[inline]
pub(super) fn keyword(first: u64, word: &[u8]) -> Token {
    match TABLE.get(slot(first)) {
        Some((known, text, token)) if *known == first => {
            // Only `continue`, `interface` and `fallthrough` have eight bytes and more.
            if word.len() < 8 || text.as_bytes() == word {
                *token
            } else {
                Token::Name
            }
        }
        _ => Token::Name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyword_of(word: &str) -> Token {
        keyword(first_bytes(word.as_bytes()), word.as_bytes())
    }

    #[test]
    fn every_keyword_is_known_and_no_neighbour_is() {
        for (text, token) in KEYWORDS {
            assert_eq!(keyword_of(text), token);
            assert_eq!(token.text(), text);
            assert_eq!(keyword_of(&format!("{text}s")), Token::Name);
            assert_eq!(keyword_of(&text[1..]), Token::Name);
        }
        for word in ["", "x", "new", "min", "max", "any", "Func", "iota"] {
            assert_eq!(keyword_of(word), Token::Name);
        }
    }
}
