//! Figures and times as people read them.

pub(crate) use gorphan_report::bytes;

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `950`, `12.3k`, `4.56M`: three digits that tell the size.
pub(crate) fn short(number: f64) -> String {
    const UNITS: [&str; 5] = ["", "k", "M", "G", "T"];
    let mut scaled = number;
    let mut unit = UNITS[0];
    for larger in UNITS.iter().skip(1) {
        if scaled.abs() < 999.5 {
            break;
        }
        scaled /= 1000.0;
        unit = larger;
    }
    let digits = match scaled.abs() {
        _ if unit.is_empty() && scaled.fract() == 0.0 => 0,
        it if it < 9.995 => 2,
        it if it < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{scaled:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{unit}")
}

/// Seconds as `40 s`, `12 min`, `5 h`, `3 d`.
pub(crate) fn span(seconds: f64) -> String {
    match seconds {
        it if it < 1.0 => format!("{:.0} ms", it * 1000.0),
        it if it < 90.0 => format!("{it:.0} s"),
        it if it < 90.0 * 60.0 => format!("{:.0} min", it / 60.0),
        it if it < 48.0 * 3600.0 => format!("{:.0} h", it / 3600.0),
        it => format!("{:.0} d", it / 86_400.0),
    }
}

/// `12 min ago`, from seconds of Unix time.
pub(crate) fn ago(at: i64, now: i64) -> String {
    match now.saturating_sub(at) {
        seconds if seconds < 5 => "just now".to_owned(),
        seconds => format!("{} ago", span(seconds as f64)),
    }
}

/// RFC 3339, in UTC.
pub(crate) fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "?".to_owned(), |time| time.to_string())
}

/// `2026-11-30 14:05` in UTC.
pub(crate) fn minute(seconds: i64) -> String {
    strftime(seconds, "%Y-%m-%d %H:%M")
}

/// `Nov 30`.
pub(crate) fn day(seconds: i64) -> String {
    strftime(seconds, "%b %-d")
}

/// `Nov 30 14:05`.
pub(crate) fn day_minute(seconds: i64) -> String {
    strftime(seconds, "%b %-d %H:%M")
}

fn strftime(seconds: i64, format: &str) -> String {
    let time = jiff::Timestamp::from_second(seconds);
    time.map_or_else(|_| "?".to_owned(), |time| time.strftime(format).to_string())
}

/// `handlers.go:24`.
pub(crate) fn place(file: &str, line: Option<u32>) -> String {
    let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
    match line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    }
}

/// `1 goroutine`, `2,000 goroutines`.
pub(crate) fn count_of(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_tell_their_size() {
        let grouped: Vec<String> = [0, 999, 1000, 1_234_567].map(grouped).to_vec();
        assert_eq!(grouped, ["0", "999", "1,000", "1,234,567"]);
        let shown = [0.0, 7.0, 1.25, 999.4, 999.6, 12_345.0, 1e6, 4_560_000.0].map(short);
        assert_eq!(
            shown.to_vec(),
            ["0", "7", "1.25", "999", "1k", "12.3k", "1M", "4.56M"]
        );
        let shown = [1023, 1024, 150 << 20, 3 << 29].map(bytes);
        assert_eq!(
            shown.to_vec(),
            ["1023 B", "1.0 KiB", "150.0 MiB", "1.5 GiB"]
        );
        let shown = [0.25, 40.0, 720.0, 18_000.0, 260_000.0].map(span);
        assert_eq!(shown.to_vec(), ["250 ms", "40 s", "12 min", "5 h", "3 d"]);
        assert_eq!(ago(100, 103), "just now");
        assert_eq!(ago(100, 220), "2 min ago");
        assert_eq!(minute(0), "1970-01-01 00:00");
        assert_eq!(place("/a/b.go", Some(3)), "b.go:3");
    }
}
