//! What a log puts before each line, learnt from one line and found again on the others.

/// Longest prefix that is learnt; Kubernetes and journald stay under 200 bytes.
const MAX_PREFIX_BYTES: usize = 512;

/// A part of a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// These very bytes.
    Same(Vec<u8>),
    /// Digits, with fractions of any length: part of a time, which differs from line to line.
    Number,
    /// Blanks or tabs, at least one.
    Blanks,
    /// At most so many blanks at the end; what follows is the line's own indentation. Logs cut them from empty lines.
    End(usize),
}

/// A prefix: numbers that belong to a time vary, the rest is the same on each line of one source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Learns from the prefix of one line; `None` where it is too long.
    pub(super) fn learn(prefix: &[u8]) -> Option<Self> {
        if prefix.len() > MAX_PREFIX_BYTES {
            return None;
        }
        let body = prefix.trim_ascii_end();
        let mut parts: Vec<Part> = Vec::new();
        let mut at = 0;
        while let Some(byte) = body.get(at) {
            let rest = body.get(at..)?;
            let (part, taken) = if byte.is_ascii_digit() {
                let taken = number(rest);
                if varies(body, at, at + taken) {
                    (Part::Number, taken)
                } else {
                    (Part::Same(rest.get(..taken)?.to_vec()), taken)
                }
            } else if is_blank(byte) {
                (Part::Blanks, blanks(rest))
            } else {
                (Part::Same(vec![*byte]), 1)
            };
            match (parts.last_mut(), part) {
                (Some(Part::Same(text)), Part::Same(more)) => text.extend_from_slice(&more),
                (_, part) => parts.push(part),
            }
            at += taken;
        }
        let end = prefix.len() - body.len();
        if end > 0 {
            parts.push(Part::End(end));
        }
        Some(Self { parts })
    }

    /// No prefix at all.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The length of this prefix on a line, if the line has it.
    pub(super) fn strip(&self, line: &[u8]) -> Option<usize> {
        let mut at = 0;
        for part in &self.parts {
            let rest = line.get(at..)?;
            at += match part {
                Part::Same(text) => rest.starts_with(text).then_some(text.len())?,
                Part::Number => Some(number(rest)).filter(|len| *len > 0)?,
                Part::Blanks => Some(blanks(rest)).filter(|len| *len > 0)?,
                Part::End(most) => blanks(rest).min(*most),
            };
        }
        Some(at)
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_blank(byte)).count()
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The length of a number with fractions: `12`, `12.345`, `12,345`.
fn number(text: &[u8]) -> usize {
    let mut at = digits(text);
    while at > 0 && matches!(text.get(at), Some(b'.' | b',')) {
        match digits(text.get(at + 1..).unwrap_or_default()) {
            0 => break,
            more => at += 1 + more,
        }
    }
    at
}

/// Whether the number at `start..end` is part of a time rather than of a name such as `web-1`, which tells sources apart.
fn varies(text: &[u8], start: usize, end: usize) -> bool {
    let word_start = text
        .get(..start)
        .and_then(|before| before.iter().rposition(is_blank))
        .map_or(0, |at| at + 1);
    let after = text.get(end..).unwrap_or_default();
    let word_end = end + after.iter().take_while(|byte| !is_blank(byte)).count();
    let word = text.get(word_start..word_end).unwrap_or_default();
    if !word.iter().any(u8::is_ascii_alphabetic) || end - start >= 9 {
        return true;
    }
    let before = text.get(..start).unwrap_or_default();
    let digits_before = |text: &[u8]| {
        text.iter()
            .rev()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let clock = |len: usize| len == 2 || len == 4;
    let left = match before {
        [head @ .., b':' | b'T' | b'.'] => digits_before(head) > 0,
        [head @ .., b'-'] => clock(end - start) && clock(digits_before(head)),
        _ => false,
    };
    let right = match after {
        [b':' | b'T', tail @ ..] => digits(tail) > 0,
        [b'-', tail @ ..] => clock(end - start) && clock(digits(tail)),
        _ => false,
    };
    left || right
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Learns from the first prefix and expects what is left of `line`.
    fn check(prefix: &str, line: &str, rest: Option<&str>) {
        let template = Template::learn(prefix.as_bytes()).expect(prefix);
        let found = template.strip(line.as_bytes()).map(|at| &line[at..]);
        assert_eq!(found, rest, "{prefix:?} on {line:?}: {template:?}");
    }

    #[test]
    fn times_vary_and_the_rest_does_not() {
        let cri = "2024-01-02T03:04:05.123456789Z stderr F ";
        check(
            cri,
            "2024-01-02T03:04:06.12Z stderr F \t/a.go:1",
            Some("\t/a.go:1"),
        );
        check(cri, "2024-01-02T03:04:06Z stderr F ", Some(""));
        check(cri, "2024-01-02T03:04:06Z stdout F x", None);
        check("web-1  | ", "web-1  |     /a.go:1", Some("    /a.go:1"));
        check("web-1  | ", "web-1  |", Some(""));
        check("web-1  | ", "web-2  | x", None);
        check("web-10 | ", "web-1  | x", None);
        check(
            "Jan  2 03:04:05 host app[12]: ",
            "Jan  2 03:04:59 host app[12]: x",
            Some("x"),
        );
        check(
            "Jan  2 03:04:05 host app[12]: ",
            "Jan  2 03:04:59 host app[13]: x",
            None,
        );
        check(
            "[pod/web-7d9f-2/app] ",
            "[pod/web-7d9f-2/app] main.f()",
            Some("main.f()"),
        );
        check("[12345.678] ", "[12346.001] x", Some("x"));
        check("ts=1700000000.5 ", "ts=1700000001.25 x", Some("x"));
        check("", "x", Some("x"));
    }
}
