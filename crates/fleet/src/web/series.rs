//! From the points of a site to lines that fit on a screen.

use super::view::{Deploy, Line, Point, Series};
use crate::history;

/// Points of a line: more than a screen has columns for them would not be seen.
const MAX_POINTS: usize = 400;
/// Versions that have a line of their own; of more the last.
const MAX_LINES: usize = 12;

/// The course of a site; `points` are oldest first.
pub(crate) fn of(points: &[history::Point]) -> Series {
    let mut series = Series::default();
    let first = points.first().map_or(0, |point| point.at);
    for point in points {
        let version = (!point.version.is_empty()).then(|| point.version.to_string());
        let known = series.lines.iter_mut().find(|line| line.version == version);
        let line = match known {
            Some(line) => line,
            None => {
                if let (true, Some(version)) = (point.at > first, &version) {
                    series.deploys.push(Deploy {
                        at: point.at,
                        version: version.clone(),
                    });
                }
                series.lines.push(Line {
                    version,
                    points: Vec::new(),
                });
                match series.lines.last_mut() {
                    Some(line) => line,
                    None => continue,
                }
            }
        };
        line.points.push(Point {
            at: point.at,
            max: point.max,
            mean: point.sum as f64 / f64::from(point.instances.max(1)),
            instances: point.instances,
        });
    }
    for line in &mut series.lines {
        line.points = thinned(&line.points);
    }
    let surplus = series.lines.len().saturating_sub(MAX_LINES);
    series.lines.drain(..surplus);
    series
}

/// At most [`MAX_POINTS`] of the points: of neighbours the one with the most.
fn thinned(points: &[Point]) -> Vec<Point> {
    let size = points.len().div_ceil(MAX_POINTS).max(1);
    let most = |few: &[Point]| few.iter().max_by_key(|point| point.max).copied();
    let mut kept: Vec<Point> = points.chunks(size).filter_map(most).collect();
    // Where it stands now is never left out.
    if let (Some(last), Some(kept)) = (points.last(), kept.last_mut()) {
        *kept = *last;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: i64, version: &str, max: u64) -> history::Point {
        history::Point {
            at,
            version: version.into(),
            instances: 2,
            sum: max + 1,
            max,
            continuing: 0,
            delta: 0,
            seconds: 0.0,
            starts: 0,
        }
    }

    #[test]
    fn a_version_that_comes_later_is_a_deploy() {
        let points = [
            point(0, "v1", 5),
            point(60, "v1", 6),
            point(60, "v2", 1),
            point(120, "v2", 9),
        ];
        let series = of(&points);
        let deploys: Vec<_> = series
            .deploys
            .iter()
            .map(|it| (it.at, &*it.version))
            .collect();
        assert_eq!(deploys, [(60, "v2")]);
        let lengths: Vec<_> = series.lines.iter().map(|line| line.points.len()).collect();
        assert_eq!(lengths, [2, 2]);
        assert_eq!(series.lines[1].points[1].mean, 5.0);
    }

    #[test]
    fn long_courses_keep_their_peaks_and_their_end() {
        let points: Vec<_> = (0..10_000)
            .map(|at| point(at, "v1", if at == 5_000 { 77 } else { 3 }))
            .collect();
        let line = &of(&points).lines[0];
        assert!(line.points.len() <= MAX_POINTS, "{}", line.points.len());
        assert!(line.points.iter().any(|point| point.max == 77));
        assert_eq!(line.points.last().map(|point| point.at), Some(9_999));
    }
}
