//! What makes foreign text safe and honest in a page: every string from a target goes through one of these.

use std::fmt::{self, Display, Formatter, Write};

use crate::clean::acts;

/// Characters of a foreign string that a page shows; real Go names with their type arguments stay well below, and a
/// hostile one must not decide the size of the page.
pub(super) const MAX_TEXT_CHARS: usize = 600;

/// Foreign text, escaped for element content and for quoted attributes alike.
///
/// Control characters, bidirectional overrides and other invisible characters are shown as `\u{202e}`, so that what
/// is read is what is there. Longer texts than [`MAX_TEXT_CHARS`] are cut with an ellipsis.
pub(super) struct Text<'a>(pub(super) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, c) in self.0.chars().enumerate() {
            if index == MAX_TEXT_CHARS {
                return f.write_char('…');
            }
            escape(f, c)?;
        }
        Ok(())
    }
}

fn escape(f: &mut Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '<' => f.write_str("&lt;"),
        '>' => f.write_str("&gt;"),
        '&' => f.write_str("&amp;"),
        '"' => f.write_str("&quot;"),
        '\'' => f.write_str("&#39;"),
        '\n' => f.write_str("\\n"),
        c if misleads(c) => write!(f, "\\u{{{:x}}}", u32::from(c)),
        c => f.write_char(c),
    }
}

/// A tab acts, but not on a page: in source text it is white space like any other.
fn misleads(c: char) -> bool {
    c != '\t' && acts(c)
}

/// Foreign text for JSON data that a script puts into the page as text: cut and made visible as by [`Text`], not escaped.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_TEXT_CHARS));
    for (index, c) in text.chars().enumerate() {
        if index == MAX_TEXT_CHARS {
            out.push('…');
            break;
        }
        if misleads(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Data for a `<script type="application/json">`: no `<` survives, so nothing in it can end the element.
pub(super) fn json(data: &impl serde::Serialize) -> Result<String, fmt::Error> {
    let text = serde_json::to_string(data).map_err(|_| fmt::Error)?;
    Ok(text.replace('<', "\\u003c"))
}

/// A function's name with its import path set back: the part up to the last slash is the less interesting one.
pub(super) struct Function<'a>(pub(super) &'a str);

impl Display for Function<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("<code class=\"fn muted\">unknown function</code>");
        }
        // A slash in type arguments belongs to them, not to the function's path.
        let path = self.0.split('[').next().unwrap_or_default();
        let split = path.rfind('/').map_or(0, |slash| slash + 1);
        let (package, name) = self.0.split_at(split);
        f.write_str("<code class=fn>")?;
        if !package.is_empty() {
            write!(f, "<span class=pkg>{}</span><wbr>", Text(package))?;
        }
        write!(f, "<span>{}</span></code>", Text(name))
    }
}

/// A path or address that may be broken after each slash.
pub(super) struct Name<'a>(pub(super) &'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = Text(self.0).to_string();
        f.write_str(&text.replace('/', "/<wbr>"))
    }
}

/// A file with its line; nothing where the file is unknown.
pub(super) struct Position<'a>(pub(super) &'a str, pub(super) u32);

impl Display for Position<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(file, line) = self;
        if file.is_empty() {
            return Ok(());
        }
        // A long path breaks before the file's own name, which stays in one piece with its line.
        let slash = file.rfind(['/', '\\']).map_or(0, |slash| slash + 1);
        let (directory, name) = file.split_at(slash);
        write!(
            f,
            "<code class=at>{}<wbr><span>{}",
            Text(directory),
            Text(name)
        )?;
        if *line > 0 {
            write!(f, ":{line}")?;
        }
        f.write_str("</span></code>")
    }
}

/// A number with its thousands apart: `12,500`.
pub(super) struct Num(pub(super) u64);

impl Display for Num {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_char(',')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// A number with its noun: `1 goroutine`, `2 goroutines`.
pub(super) struct Count(pub(super) u64, pub(super) &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", Num(self.0), self.1)
    }
}

/// A part of a whole: `12.5 %`; nothing of nothing is 0 %.
pub(super) struct Share(pub(super) u64, pub(super) u64);

impl Share {
    /// 0 to 1.
    #[allow(clippy::cast_precision_loss)] // shown with one decimal
    pub(super) fn ratio(&self) -> f64 {
        if self.1 == 0 {
            0.0
        } else {
            self.0 as f64 / self.1 as f64
        }
    }
}

impl Display for Share {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let percent = self.ratio() * 100.0;
        if percent > 0.0 && percent < 0.1 {
            f.write_str("&lt; 0.1 %")
        } else {
            write!(f, "{percent:.1} %")
        }
    }
}

/// A wait in whole minutes as people say it: `45 min`, `3 h 5 min`, `2 d 4 h`.
pub(super) struct Minutes(pub(super) u32);

impl Display for Minutes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (days, hours, minutes) = (self.0 / 1440, self.0 / 60 % 24, self.0 % 60);
        match (days, hours) {
            (0, 0) => write!(f, "{minutes} min"),
            (0, _) if minutes == 0 => write!(f, "{hours} h"),
            (0, _) => write!(f, "{hours} h {minutes} min"),
            _ if hours == 0 => write!(f, "{days} d"),
            _ => write!(f, "{days} d {hours} h"),
        }
    }
}

/// A time in UTC to the second: `2026-01-01 00:00:00 UTC`.
pub(super) struct Time(pub(super) i64);

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => write!(f, "{}", time.strftime("%Y-%m-%d %H:%M:%S UTC")),
            Err(_) => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_invisible_characters_become_visible_text() {
        let hostile = "</script><b a=\"1\" b='2'>&\u{202e}\u{0}\u{1b}[31m\u{200b}é";
        assert_eq!(
            Text(hostile).to_string(),
            "&lt;/script&gt;&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;\\u{202e}\\u{0}\\u{1b}[31m\\u{200b}é"
        );
        assert_eq!(
            plain("a\u{202e}b</script>"),
            "a\\u{202e}b</script>",
            "json() escapes the rest"
        );
        assert_eq!(
            json(&plain("</script><!--")).as_deref(),
            Ok("\"\\u003c/script>\\u003c!--\"")
        );
    }

    #[test]
    fn long_texts_are_cut_and_texts_at_the_limit_are_not() {
        let whole = "x".repeat(MAX_TEXT_CHARS);
        assert_eq!(Text(&whole).to_string(), whole);
        assert_eq!(plain(&whole), whole);
        let cut = format!("{whole}…");
        assert_eq!(Text(&format!("{whole}y")).to_string(), cut);
        assert_eq!(plain(&format!("{whole}y")), cut);
    }

    #[test]
    fn numbers_read_well() {
        let shown = [Num(0), Num(999), Num(1000), Num(1_234_567)].map(|n| n.to_string());
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        let shown = [0, 59, 60, 185, 1440, 3130].map(|n| Minutes(n).to_string());
        let expected = ["0 min", "59 min", "1 h", "3 h 5 min", "1 d", "2 d 4 h"];
        assert_eq!(shown, expected);
        let shown = [(0, 0), (1, 8), (1, 100_000)].map(|(n, of)| Share(n, of).to_string());
        assert_eq!(shown, ["0.0 %", "12.5 %", "&lt; 0.1 %"]);
    }

    #[test]
    fn the_path_of_a_function_is_set_back_but_not_that_of_its_type_arguments() {
        let function =
            Function("example.com/a/bus.(*Bus[go.shape.struct{x/y.Z}]).Send").to_string();
        let expected = "<code class=fn><span class=pkg>example.com/a/</span><wbr><span>bus.(*Bus[go.shape.struct{x/y.Z}]).Send</span></code>";
        assert_eq!(function, expected);
        assert_eq!(
            Function("main.main").to_string(),
            "<code class=fn><span>main.main</span></code>"
        );
    }
}
