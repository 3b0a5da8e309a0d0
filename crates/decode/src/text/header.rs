//! The line that starts a goroutine in a dump, and its labels.

use memchr::memmem;

use super::quote;

/// A goroutine's header, as far as it can be read without looking at the stack.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub(super) id: u64,
    /// The status or wait reason without the marks that follow it.
    pub(super) words: &'a [u8],
    pub(super) leaked: bool,
    pub(super) durable: bool,
    pub(super) locked: bool,
    pub(super) minutes: u32,
    /// What stands between the braces of the labels; empty without labels.
    pub(super) labels: &'a [u8],
}

/// What a line that starts like a header turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    Header(Header<'a>),
    /// A header, but what is in it cannot be.
    Damaged(&'static str),
    /// A header with something after it that a log put there: a carriage return, colours, an escaped newline.
    Dressed,
    /// Some other line.
    Other,
}

/// What every header starts with.
pub(super) const START: &[u8] = b"goroutine ";

/// Splits a line that starts like a header after the goroutine's number.
#[inline]
pub(super) fn split_number(line: &[u8]) -> Option<(u64, &[u8])> {
    let rest = line.strip_prefix(START)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = rest.split_at(digits);
    Some((number_u64(number)?, rest))
}

/// Reads a line, without its newline, that starts with [`START`].
///
/// Source: `goroutineheader` in `runtime/traceback.go`. Go 1.26 writes labels inside of the brackets as ` labels:{...}`,
/// 1.27 after them.
pub(super) fn parse(line: &[u8]) -> Parsed<'_> {
    let Some(rest) = line.strip_prefix(START) else {
        return Parsed::Other;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = rest.split_at(digits);
    if digits == 0 {
        return Parsed::Other;
    }
    let rest = if rest.starts_with(b" gp=") {
        match memmem::find(rest, b" [") {
            Some(at) => rest.get(at..).unwrap_or_default(),
            None => return Parsed::Other,
        }
    } else {
        rest
    };
    let Some(rest) = rest.strip_prefix(b" [") else {
        return Parsed::Other;
    };
    let Some((bracket, labels, rest)) = split_bracket(rest) else {
        return match rest.contains(&b']') && !rest.contains(&b'{') {
            true => Parsed::Other,
            false => Parsed::Damaged("the brackets of the goroutine's state never close"),
        };
    };
    match rest {
        b"" => {}
        [b'\r' | 0x1b, ..] | [b'\\', b'n' | b'r', ..] | [b'#', b'0', ..] => return Parsed::Dressed,
        _ => return Parsed::Other,
    }
    let Some(id) = number_u64(number) else {
        return Parsed::Damaged("the goroutine's number is too large");
    };
    match parse_bracket(bracket) {
        Some(header) => Parsed::Header(Header {
            id,
            labels,
            ..header
        }),
        None => Parsed::Damaged("the minutes of the goroutine's wait are no number"),
    }
}

/// Splits what follows `[` into the bracket's text, the labels and what follows the colon.
fn split_bracket(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    // Most brackets are short, so that a plain loop beats a vectorised search.
    let close = text.iter().position(|byte| matches!(byte, b']' | b'{'))?;
    let (mut bracket, rest) = text.split_at(close);
    if let Some(rest) = rest.strip_prefix(b"]:") {
        return Some((bracket, b"", rest));
    }
    let (braces, after): (_, &[u8]) = if let Some(braces) = rest.strip_prefix(b"] {") {
        (braces, b"}:")
    } else {
        bracket = bracket.strip_suffix(b" labels:")?;
        (rest.strip_prefix(b"{")?, b"}]:")
    };
    let end = labels_end(braces)?;
    let (labels, rest) = braces.split_at(end);
    Some((bracket, labels, rest.strip_prefix(after)?))
}

/// The offset of the closing brace of labels that start at `text`.
fn labels_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *text.get(at)? {
            b'}' => return Some(at),
            b'"' => at += quote::quoted(text.get(at..)?)?.1,
            _ => at += 1,
        }
    }
}

/// Reads `chan receive (durable), 3 minutes, locked to thread, synctest bubble 1`.
fn parse_bracket(text: &[u8]) -> Option<Header<'_>> {
    let mut header = Header {
        id: 0,
        words: text,
        leaked: false,
        durable: false,
        locked: false,
        minutes: 0,
        labels: b"",
    };
    if let Some(comma) = text.iter().position(|byte| *byte == b',') {
        header.words = text.get(..comma)?;
        for part in text.get(comma + 1..)?.split(|byte| *byte == b',') {
            let part = part.strip_prefix(b" ").unwrap_or(part);
            if let Some(minutes) = part.strip_suffix(b" minutes") {
                header.minutes = u32::try_from(number_u64(minutes)?).ok()?;
            } else if part == b"locked to thread" {
                header.locked = true;
            }
        }
    }
    while header.words.ends_with(b")") {
        let (rest, leaked, durable) = if let Some(rest) = header.words.strip_suffix(b" (leaked)") {
            (rest, true, false)
        } else if let Some(rest) = header.words.strip_suffix(b" (durable)") {
            (rest, false, true)
        } else if let Some(rest) = header.words.strip_suffix(b" (synctest)") {
            (rest, false, true)
        } else if let Some(rest) = header.words.strip_suffix(b" (scan)") {
            (rest, false, false)
        } else {
            break;
        };
        header.words = rest;
        header.leaked |= leaked;
        header.durable |= durable;
    }
    Some(header)
}

/// A decimal number; `None` when empty, not one, or too large.
pub(super) fn number_u64(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The labels of one goroutine, in one buffer that is used again for the next.
#[derive(Debug, Default)]
pub(super) struct LabelList {
    text: String,
    /// Ends of key and value in `text`.
    ends: Vec<(usize, usize)>,
}

impl LabelList {
    /// Forgets all labels.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// (key, value) in the order of the source.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().filter_map(move |(key, value)| {
            let pair = (self.text.get(start..*key)?, self.text.get(*key..*value)?);
            start = *value;
            Some(pair)
        })
    }

    /// Adds the labels of `k: v, "k k": "v"` or `"k":"v", ...`; false where the text is not of that form from some point on.
    pub(super) fn parse(&mut self, mut text: &[u8]) -> bool {
        while !text.is_empty() {
            let Some(rest) = self.parse_one(text) else {
                return false;
            };
            text = rest;
        }
        true
    }

    fn parse_one<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let start = self.text.len();
        let pair = self.push(text).and_then(|rest| {
            let key_end = self.text.len();
            let rest = rest.strip_prefix(b":")?;
            let rest = self.push(rest.strip_prefix(b" ").unwrap_or(rest))?;
            Some((key_end, rest))
        });
        let Some((key_end, rest)) = pair else {
            self.text.truncate(start);
            return None;
        };
        self.ends.push((key_end, self.text.len()));
        match rest {
            b"" => Some(rest),
            _ => rest.strip_prefix(b", "),
        }
    }

    /// Appends the word at the start of `text`, quoted or not, and gives what follows.
    fn push<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        if text.starts_with(b"\"") {
            let (value, taken) = quote::quoted(text)?;
            self.text.push_str(&value);
            return text.get(taken..);
        }
        let bare = |byte: &&u8| byte.is_ascii_alphanumeric() || b"./_".contains(byte);
        let end = text.iter().take_while(bare).count();
        self.text
            .push_str(&String::from_utf8_lossy(text.get(..end)?));
        text.get(end..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (id, words, minutes, marks, labels)
    fn check(line: &str, id: u64, words: &str, minutes: u32, marks: &str, labels: &str) {
        let Parsed::Header(header) = parse(line.as_bytes()) else {
            panic!("no header: {line}: {:?}", parse(line.as_bytes()));
        };
        let mut found = String::new();
        for (on, letter) in [
            (header.leaked, 'L'),
            (header.durable, 'D'),
            (header.locked, 'T'),
        ] {
            if on {
                found.push(letter);
            }
        }
        let mut list = LabelList::default();
        assert!(list.parse(header.labels), "{line}");
        let pairs: Vec<String> = list.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            (
                header.id,
                header.words,
                header.minutes,
                &*found,
                &*pairs.join(";")
            ),
            (id, words.as_bytes(), minutes, marks, labels),
            "{line}"
        );
    }

    #[test]
    fn headers_of_every_version_are_read() {
        check("goroutine 1 [running]:", 1, "running", 0, "", "");
        check("goroutine 7 [select, 9 minutes]:", 7, "select", 9, "", "");
        check(
            "goroutine 17 [syscall, 2 minutes, locked to thread]:",
            17,
            "syscall",
            2,
            "T",
            "",
        );
        check(
            "goroutine 5 [chan receive (nil chan)]:",
            5,
            "chan receive (nil chan)",
            0,
            "",
            "",
        );
        check(
            "goroutine 5 [chan receive (nil chan) (leaked)]:",
            5,
            "chan receive (nil chan)",
            0,
            "L",
            "",
        );
        check(
            "goroutine 5 [select (no cases) (leaked) (scan)]:",
            5,
            "select (no cases)",
            0,
            "L",
            "",
        );
        check(
            "goroutine 9 [sleep (durable), synctest bubble 3]:",
            9,
            "sleep",
            0,
            "D",
            "",
        );
        check(
            "goroutine 9 [chan send (synctest), 1 minutes, synctest group 3]:",
            9,
            "chan send",
            1,
            "D",
            "",
        );
        check(
            "goroutine 1 gp=0xa9be7d261e0 m=2 mp=0xa9be7d60808 [running]:",
            1,
            "running",
            0,
            "",
            "",
        );
        check(
            "goroutine 2 gp=0xa9be7d26780 m=nil [force gc (idle)]:",
            2,
            "force gc (idle)",
            0,
            "",
            "",
        );
    }

    #[test]
    fn labels_may_hold_what_ends_a_header() {
        check(
            r#"goroutine 3 [select] {svc: a.b/c_1}:"#,
            3,
            "select",
            0,
            "",
            "svc=a.b/c_1",
        );
        check(
            r#"goroutine 3 [select, 4 minutes] {"k ]:": "v}\", x]:", b: ""}:"#,
            3,
            "select",
            4,
            "",
            "k ]:=v}\", x]:;b=",
        );
        check(
            r#"goroutine 3 [select, 4 minutes labels:{"a": "x]:", "b": "{"}]:"#,
            3,
            "select",
            4,
            "",
            "a=x]:;b={",
        );
    }

    #[test]
    fn other_lines_are_told_apart() {
        let cases = [
            ("goroutine 5 is stuck", Parsed::Other),
            ("goroutine profile: total 4", Parsed::Other),
            ("goroutine 5 [running]: and more", Parsed::Other),
            ("goroutine 5 [running] was slow", Parsed::Other),
            ("goroutine 5 [running]:\r", Parsed::Dressed),
            ("goroutine 5 [running]:\\nmain.main()", Parsed::Dressed),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line.as_bytes()), expected, "{line}");
        }
        for line in [
            "goroutine 99999999999999999999 [select]:",
            "goroutine 5 [select, 99999999999 minutes]:",
            "goroutine 5 [select",
            r#"goroutine 5 [select] {a: "b}:"#,
        ] {
            assert!(
                matches!(parse(line.as_bytes()), Parsed::Damaged(_)),
                "{line}"
            );
        }
    }
}
