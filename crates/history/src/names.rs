//! Names of files: folders by date and hour, as partitioned tables have them.

use crate::kind::Kind;

const DAY: i64 = 86_400;
const HOUR: i64 = 3600;

/// `obs/date=2026-01-31/hour=07/NAME.parquet`.
pub(crate) fn hourly(kind: Kind, at: i64, name: &str) -> String {
    let hour = at.rem_euclid(DAY) / HOUR;
    format!(
        "{}/date={}/hour={hour:02}/{name}.parquet",
        kind.folder(),
        date(at)
    )
}

/// `points/date=2026-01-31/NAME.parquet`.
pub(crate) fn daily(kind: Kind, at: i64, name: &str) -> String {
    format!("{}/date={}/{name}.parquet", kind.folder(), date(at))
}

/// The date in the Gregorian calendar, by the method of counting 400-year cycles from 1 March of the year 0.
fn date(at: i64) -> String {
    let days = at.div_euclid(DAY) + 719_468;
    let cycle = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + cycle * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_hours() {
        for (at, expected) in [
            (0, "obs/date=1970-01-01/hour=00/x.parquet"),
            (951_782_399, "obs/date=2000-02-28/hour=23/x.parquet"),
            (951_782_400, "obs/date=2000-02-29/hour=00/x.parquet"),
            (1_709_164_800, "obs/date=2024-02-29/hour=00/x.parquet"),
            (1_798_761_599, "obs/date=2026-12-31/hour=23/x.parquet"),
            (-1, "obs/date=1969-12-31/hour=23/x.parquet"),
        ] {
            assert_eq!(hourly(Kind::Observations, at, "x"), expected);
        }
        assert_eq!(
            daily(Kind::Points, 0, "x"),
            "points/date=1970-01-01/x.parquet"
        );
    }
}
