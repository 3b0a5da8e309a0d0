//! Lines over time as SVG, drawn here so that they are there without scripts. Nothing in it is text from outside but versions,
//! which are escaped.

use std::fmt::Write;

use super::icicle::escaped;
use super::view::{Point, Series};
use super::words::{day, day_minute, short};

/// Pixels of the drawing's height.
const HEIGHT: f64 = 240.0;
/// Pixels above the highest point, for the names of deploys.
const TOP: f64 = 22.0;
/// Pixels below, for times.
const BOTTOM: f64 = 22.0;
/// Units of width that a drawing is stretched from.
const UNITS: f64 = 1000.0;
/// Versions of which each has its colour; further ones begin again.
const COLOURS: usize = 6;
/// Deploys whose names are written; more would lie over each other.
const MAX_NAMES: usize = 6;
const DAY: i64 = 86_400;

/// What the axes cover.
struct Axes {
    from: i64,
    to: i64,
    most: f64,
    step: f64,
}

impl Axes {
    fn of(series: &Series) -> Option<Self> {
        let points = || series.lines.iter().flat_map(|line| &line.points);
        let from = points().map(|point| point.at).min()?;
        let to = points().map(|point| point.at).max()?;
        let most = points().map(|point| point.max).max()? as f64;
        let step = nice(most.max(4.0) / 4.0);
        Some(Self {
            from,
            to: to.max(from + 1),
            most: (most / step).ceil().max(1.0) * step,
            step,
        })
    }

    /// Part of the width, 0 to 1.
    fn x(&self, at: i64) -> f64 {
        (at - self.from) as f64 / (self.to - self.from) as f64
    }

    /// Pixels from the top.
    fn y(&self, count: f64) -> f64 {
        TOP + (1.0 - count / self.most) * (HEIGHT - TOP - BOTTOM)
    }
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn nice(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let fitting = factors.into_iter().find(|step| *step >= least);
    fitting.unwrap_or(least).max(1.0)
}

/// A line without axes: the worst instance of any version.
pub(crate) fn sparkline(series: &Series) -> String {
    let Some(axes) = Axes::of(series) else {
        return String::new();
    };
    let mut points: Vec<Point> = series
        .lines
        .iter()
        .flat_map(|line| line.points.iter().copied())
        .collect();
    points.sort_by_key(|point| point.at);
    let most = points.iter().map(|point| point.max).max().unwrap_or(0);
    // A few dozen are all that it has room for.
    let size = points.len().div_ceil(48).max(1);
    let mut line = String::new();
    for few in points.chunks(size) {
        let max = few.iter().map(|point| point.max).max().unwrap_or(0);
        let at = few.last().map_or(0, |point| point.at);
        let y = 23.0 - 22.0 * max as f64 / most.max(1) as f64;
        let _ = write!(line, "{:.1},{y:.1} ", axes.x(at) * 100.0);
    }
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 100 24\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <polygon points=\"0,24 {line}100,24\"/><polyline points=\"{line}\"/></svg>"
    )
}

/// The course of a site: of each version the worst instance as a line and the mean as a fainter one, deploys as uprights.
pub(crate) fn course(series: &Series) -> String {
    let Some(axes) = Axes::of(series) else {
        return String::new();
    };
    let mut out = String::new();
    ordinate(&mut out, &axes);
    let _ = write!(
        out,
        "<svg class=\"plot\" width=\"100%\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"Goroutines over time\">"
    );
    let mut level = 0.0;
    while level <= axes.most {
        let y = axes.y(level);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
        );
        level += axes.step;
    }
    times(&mut out, &axes);
    deploys(&mut out, series, &axes);
    let _ = write!(
        out,
        "<svg x=\"0\" y=\"0\" width=\"100%\" height=\"{HEIGHT}\" viewBox=\"0 0 {UNITS} {HEIGHT}\" preserveAspectRatio=\"none\">"
    );
    for (number, line) in series.lines.iter().enumerate() {
        let colour = number % COLOURS;
        let drawn = |height: &dyn Fn(&Point) -> f64| {
            let mut points = String::new();
            for point in &line.points {
                let (x, y) = (axes.x(point.at) * UNITS, axes.y(height(point)));
                let _ = write!(points, "{x:.1},{y:.1} ");
            }
            points
        };
        let _ = write!(
            out,
            "<polyline class=\"mean v{colour}\" points=\"{}\"/><polyline class=\"max v{colour}\" points=\"{}\"/>",
            drawn(&|point| point.mean),
            drawn(&|point| point.max as f64)
        );
    }
    out.push_str("</svg></svg>");
    out
}

fn ordinate(out: &mut String, axes: &Axes) {
    let _ = write!(
        out,
        "<svg class=\"ordinate\" width=\"44\" height=\"{HEIGHT}\" aria-hidden=\"true\">"
    );
    let mut level = 0.0;
    while level <= axes.most {
        let y = axes.y(level) + 4.0;
        let _ = write!(
            out,
            "<text x=\"38\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>",
            short(level)
        );
        level += axes.step;
    }
    out.push_str("</svg>");
}

/// Midnights where there are some, else begin and end.
fn times(out: &mut String, axes: &Axes) {
    let span = axes.to - axes.from;
    let y = HEIGHT - 6.0;
    if span < 2 * DAY {
        for (at, anchor, x) in [(axes.from, "start", 0), (axes.to, "end", 100)] {
            let text = day_minute(at);
            let _ = write!(
                out,
                "<text class=\"time\" x=\"{x}%\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>"
            );
        }
        return;
    }
    // At most seven.
    let step = (span / DAY / 7 + 1) * DAY;
    let mut at = axes.from.div_euclid(DAY) * DAY + DAY;
    while at < axes.to {
        let x = axes.x(at);
        let _ = write!(
            out,
            "<line class=\"tick\" x1=\"{x:.4}%\" x2=\"{x:.4}%\" y1=\"{0:.1}\" y2=\"{1:.1}\"/>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 4.0,
            x = x * 100.0
        );
        // Those at the ends would be cut off.
        if (0.04..0.96).contains(&x) {
            let _ = write!(
                out,
                "<text class=\"time\" x=\"{:.4}%\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
                x * 100.0,
                day(at)
            );
        }
        at += step;
    }
}

fn deploys(out: &mut String, series: &Series, axes: &Axes) {
    let unnamed = series.deploys.len().saturating_sub(MAX_NAMES);
    for (number, deploy) in series.deploys.iter().enumerate() {
        let x = axes.x(deploy.at) * 100.0;
        if !(0.0..=100.0).contains(&x) {
            continue;
        }
        let _ = write!(
            out,
            "<line class=\"deploy\" x1=\"{x:.3}%\" x2=\"{x:.3}%\" y1=\"{TOP}\" y2=\"{:.1}\"><title>{} at {}</title></line>",
            HEIGHT - BOTTOM,
            escaped(&deploy.version),
            day_minute(deploy.at)
        );
        if number >= unnamed {
            let anchor = match x {
                x if x < 8.0 => "start",
                x if x > 92.0 => "end",
                _ => "middle",
            };
            let _ = write!(
                out,
                "<text class=\"deploy\" x=\"{x:.3}%\" y=\"14\" text-anchor=\"{anchor}\">{}</text>",
                escaped(&deploy.version)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::{Deploy, Line};
    use super::*;

    fn series(version: &str) -> Series {
        let point = |at, max| Point {
            at,
            max,
            mean: max as f64 / 2.0,
            instances: 2,
        };
        Series {
            lines: vec![Line {
                version: Some(version.to_owned()),
                points: vec![point(0, 0), point(3 * DAY, 730)],
            }],
            deploys: vec![Deploy {
                at: DAY,
                version: version.to_owned(),
            }],
        }
    }

    #[test]
    fn axes_have_round_numbers_and_days() {
        let svg = course(&series("v2"));
        for part in [
            ">0</text>",
            ">200</text>",
            ">800</text>",
            ">Jan 2</text>",
            ">v2</text>",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert_eq!(
            [0.3, 1.0, 3.0, 60.0, 2500.0].map(nice),
            [1.0, 1.0, 5.0, 100.0, 5000.0]
        );
    }

    #[test]
    fn nothing_seen_draws_nothing_and_versions_are_text() {
        assert_eq!(course(&Series::default()), "");
        assert_eq!(sparkline(&Series::default()), "");
        let svg = course(&series("<script>"));
        assert!(
            !svg.contains("<script>") && svg.contains("&lt;script&gt;"),
            "{svg}"
        );
    }
}
