//! Text from a target, made harmless: function names, labels and file names come from programs we do not trust.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters that act on a terminal or reorder the text around them, instead of showing themselves: C0 and C1
/// controls, line and paragraph separators, marks and overrides of direction, invisible characters.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text on one line, with what acts written as an escape (`\n`, `\u{1b}`). A backslash stays as it is: this is for
/// people to read, not to be read back.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if acts(c) => {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_and_what_shows_itself_stays() {
        for (text, shown) in [
            ("main.f", "main.f"),
            ("main.größe·func1", "main.größe·func1"),
            ("a\x1b[31mb", "a\\u{1b}[31mb"),
            ("a\r\n\tb", "a\\r\\n\\tb"),
            ("x\u{202e}gnp.exe", "x\\u{202e}gnp.exe"),
            ("\u{9b}31m\u{7f}\0", "\\u{9b}31m\\u{7f}\\u{0}"),
            (
                "\u{feff}a\u{2028}b\u{200b}",
                "\\u{feff}a\\u{2028}b\\u{200b}",
            ),
        ] {
            assert_eq!(clean(text), shown);
        }
    }
}
