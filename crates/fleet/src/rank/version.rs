//! The first bad version: the earliest from which on a site is as it is now.

use std::collections::BTreeMap;

use crate::history::Point;

/// Instance hours within which growth tells something.
const ENOUGH_SECONDS: f64 = 6.0 * 3600.0;
/// The part of today's growth that a version must have to be as bad.
const AS_BAD: f64 = 0.5;

/// What one version did at a site.
#[derive(Debug, Default)]
struct Seen {
    first: i64,
    max: u64,
    delta: f64,
    seconds: f64,
}

/// The earliest version that has the site, or, if it grows (`per_day`, goroutines an instance), that grows as it does now.
/// `None` where versions are not known, or only one is.
pub fn first_bad(points: &[Point], per_day: Option<f64>) -> Option<String> {
    let mut versions: BTreeMap<&str, Seen> = BTreeMap::new();
    for point in points.iter().filter(|point| !point.version.is_empty()) {
        let seen = versions.entry(&point.version).or_insert_with(|| Seen {
            first: point.at,
            ..Seen::default()
        });
        seen.max = seen.max.max(point.max);
        seen.delta += point.delta as f64;
        seen.seconds += point.seconds;
    }
    let mut ordered: Vec<(&str, Seen)> = versions.into_iter().collect();
    ordered.sort_by_key(|(_, seen)| seen.first);
    if ordered.len() < 2 {
        return None;
    }
    let is_good = |seen: &Seen| match per_day {
        Some(per_day) if seen.seconds >= ENOUGH_SECONDS => {
            seen.delta / seen.seconds * 86_400.0 < AS_BAD * per_day
        }
        // It was not there for long enough to tell.
        Some(_) => false,
        None => seen.max == 0,
    };
    let last_good = ordered.iter().rposition(|(_, seen)| is_good(seen));
    let first_bad = last_good.map_or(0, |index| index + 1);
    ordered
        .get(first_bad)
        .map(|(version, _)| (*version).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Versions as (name, goroutines in the worst instance, growth in ten instance hours).
    #[track_caller]
    fn check(versions: &[(&str, u64, i64)], per_day: Option<f64>, expected: Option<&str>) {
        let points: Vec<Point> = versions
            .iter()
            .zip(0..)
            .map(|((version, max, delta), at)| Point {
                at,
                version: (*version).into(),
                instances: 1,
                sum: *max,
                max: *max,
                continuing: 1,
                delta: *delta,
                seconds: 36_000.0,
                starts: 0,
            })
            .collect();
        assert_eq!(first_bad(&points, per_day).as_deref(), expected);
    }

    #[test]
    fn a_version_brings_a_site_or_its_growth() {
        check(
            &[
                ("v1", 0, 0),
                ("v2", 0, 0),
                ("v3", 12_000, 0),
                ("v4", 15_000, 0),
            ],
            None,
            Some("v3"),
        );
        check(
            &[("v1", 50, 3), ("v2", 600, 600), ("v3", 600, 500)],
            Some(1440.0),
            Some("v2"),
        );
        // It was there before anybody looked.
        check(
            &[("v1", 900, 600), ("v2", 600, 600)],
            Some(1440.0),
            Some("v1"),
        );
        check(&[("v1", 900, 600)], Some(1440.0), None);
        check(&[("", 900, 600)], None, None);
    }
}
