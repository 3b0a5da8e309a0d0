//! Colours, and text that fits a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Ansi};
use gorphan_model::Verdict;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

pub(super) const PLAIN: Ansi = Ansi::new();
pub(super) const BOLD: Ansi = Ansi::new().bold();
pub(super) const DIM: Ansi = Ansi::new().dimmed();
pub(super) const RED: Ansi = AnsiColor::BrightRed.on_default().bold();
pub(super) const YELLOW: Ansi = AnsiColor::Yellow.on_default().bold();
pub(super) const GREEN: Ansi = AnsiColor::BrightGreen.on_default().bold();
pub(super) const CYAN: Ansi = AnsiColor::Cyan.on_default();

/// The colour of a verdict.
pub(super) fn verdict(verdict: Verdict) -> Ansi {
    match verdict {
        Verdict::Leak => RED,
        Verdict::Growing | Verdict::Suspect => YELLOW,
        Verdict::Normal => PLAIN,
    }
}

/// The text in a style, or as it is without colour.
pub(super) fn paint(colour: bool, style: Ansi, text: &str) -> String {
    if colour && style != PLAIN && !text.is_empty() {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// Columns that text takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// Cuts the middle out of what is wider than `width`: the end of a name tells most, then its start.
pub(super) fn cut_middle(text: &str, width: usize, ascii: bool) -> Cow<'_, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let mark = if ascii { ".." } else { "…" };
    let room = width.saturating_sub(columns(mark));
    let tail_room = room - room / 3;
    let head = fitting(text.chars(), room - tail_room);
    let mut tail: Vec<char> = fitting(text.chars().rev(), tail_room).chars().collect();
    tail.reverse();
    let mut shown = head;
    shown.push_str(mark);
    shown.extend(tail);
    Cow::Owned(shown)
}

fn fitting(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut taken = 0;
    chars
        .take_while(|c| {
            taken += c.width().unwrap_or(0);
            taken <= width
        })
        .collect()
}

/// Breaks text between words into lines of at most `width`; a longer word stays whole. `None` does not break.
pub(super) fn wrap(text: &str, width: Option<usize>) -> String {
    fill(text.split(' '), width)
}

/// Puts pieces on lines of at most `width`, with a space between two on one line.
pub(super) fn fill<'a>(pieces: impl Iterator<Item = &'a str>, width: Option<usize>) -> String {
    let width = width.unwrap_or(usize::MAX);
    let mut wrapped = String::new();
    let mut at = 0;
    for word in pieces {
        let wide = columns(word);
        if at > 0 && at + 1 + wide > width {
            wrapped.push('\n');
            at = 0;
        } else if at > 0 {
            wrapped.push(' ');
            at += 1;
        }
        wrapped.push_str(word);
        at += wide;
    }
    wrapped
}

/// Starts every line but the first with `indent` spaces.
pub(super) fn hang(text: &str, indent: usize) -> String {
    let mut hung = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            // Writing to a String cannot fail.
            let _ = write!(hung, "\n{:indent$}", "");
        }
        hung.push_str(line);
    }
    hung
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_cut_to_the_column() {
        for (text, width, cut) in [
            ("main.f", 6, "main.f"),
            ("example.com/shop.(*Server).quote", 16, "examp…rver).quote"),
            ("日本語日本語日本語", 9, "日…本語"),
        ] {
            let shown = cut_middle(text, width, false);
            assert!(columns(&shown) <= width.max(columns(cut)), "{shown}");
            if columns(text) > width {
                assert!(columns(&shown) <= width, "{shown} is wider than {width}");
                assert!(text.ends_with(shown.chars().last().unwrap()), "{shown}");
            } else {
                assert_eq!(shown, text);
            }
        }
        assert_eq!(cut_middle("abcdefghij", 7, false), "ab…ghij");
        assert_eq!(cut_middle("abcdefghij", 7, true), "a..ghij");
    }

    #[test]
    fn words_wrap_and_stay_whole() {
        assert_eq!(
            wrap("a bb ccc dddddddd e", Some(6)),
            "a bb\nccc\ndddddddd\ne"
        );
        assert_eq!(wrap("a bb ccc", None), "a bb ccc");
        assert_eq!(hang("a\nb", 2), "a\n  b");
    }
}
