//! Strings as Go quotes them: `strconv.Quote` in `debug=1` labels, the runtime's own quoting in 1.27's headers.

use std::borrow::Cow;

/// Reads a quoted string at the start of `text`. Gives its value and the bytes it took with both quotes; `None` where
/// it does not start with a quote or never ends. Escapes that Go does not know are kept as they stand.
pub(super) fn quoted(text: &[u8]) -> Option<(Cow<'_, str>, usize)> {
    let inner = text.strip_prefix(b"\"")?;
    let stop = memchr::memchr2(b'"', b'\\', inner)?;
    if inner.get(stop) == Some(&b'"') {
        return Some((String::from_utf8_lossy(inner.get(..stop)?), stop + 2));
    }
    let mut value = inner.get(..stop)?.to_vec();
    let mut at = stop;
    loop {
        match *inner.get(at)? {
            b'"' => {
                let value = String::from_utf8_lossy(&value).into_owned();
                return Some((Cow::Owned(value), at + 2));
            }
            b'\\' => at += escape(inner.get(at..)?, &mut value)?,
            byte => {
                value.push(byte);
                at += 1;
            }
        }
    }
}

/// Appends what the escape at the start of `text` stands for; gives the bytes it took.
fn escape(text: &[u8], value: &mut Vec<u8>) -> Option<usize> {
    let digits = match *text.get(1)? {
        b'x' => 2,
        b'u' => 4,
        b'U' => 8,
        plain => {
            value.push(match plain {
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                other => other,
            });
            return Some(2);
        }
    };
    let hex = std::str::from_utf8(text.get(2..2 + digits)?).ok();
    let Some(code) = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok()) else {
        value.push(b'\\');
        return Some(1);
    };
    match u8::try_from(code) {
        // `\x` stands for one byte, also where that alone is not UTF-8.
        Ok(byte) if digits == 2 => value.push(byte),
        _ => {
            let shown = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            value.extend_from_slice(shown.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Some(2 + digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, value: &str, rest: &str) {
        let (found, taken) = quoted(text.as_bytes()).expect(text);
        assert_eq!((&*found, &text[taken..]), (value, rest));
    }

    #[test]
    fn quoted_strings_are_read_as_go_writes_them() {
        check(r#""plain": 1"#, "plain", ": 1");
        check(r#""a\"b\\c"x"#, "a\"b\\c", "x");
        check(r#""\n\t\x41\u00e9\U0001f600""#, "\n\tAé😀", "");
        check(r#""\xc3\xa9""#, "é", "");
        check(r#""\xzz\ud800""#, "\\xzz\u{fffd}", "");
    }

    #[test]
    fn what_never_ends_is_no_string() {
        for text in [
            "",
            "plain",
            "\"",
            "\"abc",
            "\"abc\\",
            "\"abc\\\"",
            "\"\\u00",
        ] {
            assert_eq!(quoted(text.as_bytes()), None, "{text}");
        }
    }
}
