//! Foreign text made fit for a message.

/// At most `limit` characters in one line, without control characters.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let mut shown = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
            shown += 1;
        }
        for c in word.chars() {
            if shown >= limit {
                line.push('…');
                return line;
            }
            line.push(c);
            shown += 1;
        }
    }
    line
}

/// Whether bytes start a web page.
pub(super) fn is_web_page(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    ["<!doctype html", "<html", "<head", "<body", "<script"]
        .iter()
        .any(|start| text.starts_with(start))
}

/// What to quote of an answer: the title of a web page, else how the text starts; nothing of binary.
pub(super) fn excerpt(head: &[u8]) -> String {
    /// Characters quoted; enough for an error message of a proxy.
    const LIMIT: usize = 160;
    if head.iter().take(64).any(|&byte| byte == 0 || byte >= 0xf8) {
        return String::new();
    }
    let text = String::from_utf8_lossy(head);
    one_line(title(&text).unwrap_or(&text), LIMIT)
}

fn title(text: &str) -> Option<&str> {
    // Lower case changes no offsets in ASCII.
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let open = lower
        .get(start..)?
        .find('>')?
        .checked_add(start)?
        .checked_add(1)?;
    let end = lower.get(open..)?.find('<')?.checked_add(open)?;
    let title = text.get(open..end)?.trim();
    (!title.is_empty()).then_some(title)
}

/// Decodes `%XX`; what is not UTF-8 then is replaced.
pub(super) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(decoded) => {
                bytes.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_quoted_by_title_and_binary_not_at_all() {
        assert_eq!(excerpt(b"<html><head><TITLE>Sign\n in</title>"), "Sign in");
        assert_eq!(
            excerpt(b"404 page\x1b[31m not found\r\n"),
            "404 page [31m not found"
        );
        assert_eq!(excerpt(b"\x7fELF\0\0"), "");
        assert_eq!(one_line("abcdef", 3), "abc…");
    }

    #[test]
    fn percent_decoding_leaves_what_is_no_code() {
        assert_eq!(percent_decode("a%40b%zz%4"), "a@b%zz%4");
    }
}
