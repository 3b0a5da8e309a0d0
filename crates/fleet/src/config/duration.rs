//! Durations as Prometheus writes them: `1h30m`, `15s`, `500ms`, `1d`.

use std::time::Duration;

/// Milliseconds of each unit, in the only order in which they may come.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a duration: numbers with units, largest first, each at most once; or `0`.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let wrong = || format!("{text:?}; write it as 30s, 10m or 1h30m");
    let mut rest = text;
    let mut millis: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, size) = units.find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let part = number.checked_mul(*size).ok_or_else(wrong)?;
        millis = millis.checked_add(part).ok_or_else(wrong)?;
        rest = after;
    }
    if text.is_empty() {
        return Err(wrong());
    }
    Ok(Duration::from_millis(millis))
}

/// The same in the shortest form.
pub fn show(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    // Weeks and years are written in days, as nobody counts them otherwise.
    for (unit, size) in UNITS.iter().skip(2) {
        if millis / size > 0 {
            text.push_str(&format!("{}{unit}", millis / size));
            millis %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, millis: Option<u64>) {
        assert_eq!(
            parse(text).ok().map(|it| it.as_millis()),
            millis.map(u128::from),
            "{text}"
        );
    }

    #[test]
    fn durations_are_prometheus_s() {
        check("0", Some(0));
        check("324ms", Some(324));
        check("3s", Some(3_000));
        check("1h30m", Some(5_400_000));
        check("1d", Some(86_400_000));
        check("4d1h", Some(349_200_000));
        check("3w2d1h", Some(1_990_800_000));
        check("8w5d", Some(5_270_400_000));
        check("1y2m3s4ms", Some(31_536_000_000 + 123_004));
        for wrong in [
            "", "1", "1y1m1d", "-1w", "1.5d", "d", "294y", "10S", "1m1m", " 1s",
        ] {
            check(
                wrong,
                if wrong == "294y" {
                    Some(294 * 31_536_000_000)
                } else {
                    None
                },
            );
        }
        check("99999999999999999999y", None);
    }

    #[test]
    fn durations_are_shown_as_they_are_written() {
        for text in ["0s", "10s", "1h30m", "1d", "1m500ms", "30d"] {
            let duration = parse(if text == "0s" { "0" } else { text });
            assert_eq!(duration.map(show).as_deref(), Ok(text));
        }
    }
}
