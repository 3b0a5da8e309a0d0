//! Line plots as inline SVG: readable as they are, with values to read off where scripts run.
//!
//! Lines live in a stretched coordinate system of their own, labels outside of it in percent, so that a plot fits any
//! width while its text keeps its size, and no inline style is needed (the content policy admits none).

use std::fmt::{self, Write};

use serde::Serialize;

use super::escape::json;

/// Points of one line; more than a screen has columns.
pub(super) const MAX_POINTS: usize = 2_000;
/// Side of the square in which lines are drawn before they are stretched.
const SIDE: f64 = 1000.0;
/// Distance wanted between two labels: about this many intervals per axis.
const TICKS: f64 = 5.0;

/// One line: its name, the class that colours it, and its points by rising x.
pub(super) struct Line {
    pub(super) label: &'static str,
    pub(super) class: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// A straight trend from `x.0` to `x.1` with the slopes of its confidence interval, all through `pivot`.
pub(super) struct Band {
    pub(super) x: (f64, f64),
    pub(super) pivot: (f64, f64),
    pub(super) slope: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// What the x axis counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// Seconds since the program started.
    Seconds,
    /// Collections in the log.
    Collections,
    /// Requests made until then.
    Requests,
}

/// A plot.
pub(super) struct Chart {
    pub(super) id: &'static str,
    pub(super) unit: &'static str,
    pub(super) axis: Axis,
    pub(super) lines: Vec<Line>,
    pub(super) band: Option<Band>,
    /// x of vertical marks, as where the process started again.
    pub(super) marks: Vec<f64>,
}

#[derive(Serialize)]
struct Data<'a> {
    axis: &'static str,
    unit: &'a str,
    x: (f64, f64),
    y: (f64, f64),
    lines: Vec<(&'a str, &'a [(f64, f64)])>,
}

/// Fewer points that look the same: of each stretch its lowest and its highest, in their order.
pub(super) fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MAX_POINTS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(MAX_POINTS / 2);
    let mut kept = Vec::with_capacity(MAX_POINTS);
    for chunk in points.chunks(stretch) {
        let by_y = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (Some(low), Some(high)) = (chunk.iter().min_by(by_y), chunk.iter().max_by(by_y)) else {
            continue;
        };
        if low.0 <= high.0 {
            kept.extend([*low, *high]);
        } else {
            kept.extend([*high, *low]);
        }
    }
    kept
}

/// A round distance between labels that gives about [`TICKS`] intervals: 1, 2 or 5 times a power of ten.
fn step(span: f64) -> f64 {
    let rough = span / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = rough / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|round| factor <= *round);
    power * round.unwrap_or(10.0)
}

/// As [`step`], in the units in which people count time.
fn time_step(span: f64) -> f64 {
    const ROUND_SECONDS: [f64; 14] = [
        1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0,
        43_200.0,
    ];
    let rough = span / TICKS;
    if rough < 1.0 {
        return step(span);
    }
    let round = ROUND_SECONDS.into_iter().find(|round| rough <= *round);
    round.unwrap_or_else(|| (rough / 86_400.0).ceil() * 86_400.0)
}

/// Seconds as an axis says them.
fn time(seconds: f64) -> String {
    if seconds < 1.0 && seconds > 0.0 {
        return format!("{seconds:.2} s");
    }
    let (unit, name) = match seconds {
        s if s < 120.0 => (1.0, "s"),
        s if s < 7200.0 => (60.0, "min"),
        s if s < 172_800.0 => (3600.0, "h"),
        _ => (86_400.0, "d"),
    };
    let value = (seconds / unit * 10.0).round() / 10.0;
    format!("{value} {name}")
}

/// A number without needless decimals, thousands apart from 10,000 on.
fn number(value: f64) -> String {
    if value.abs() >= 1e6 {
        return format!("{}M", (value / 1e4).round() / 100.0);
    }
    if value.abs() >= 1e4 {
        return format!("{}k", (value / 10.0).round() / 100.0);
    }
    format!("{}", (value * 100.0).round() / 100.0)
}

impl Chart {
    fn points(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.lines.iter().flat_map(|line| &line.points)
    }

    /// Lowest and highest x, and 0 to the highest y, with some width even where all is equal.
    fn bounds(&self) -> Option<((f64, f64), (f64, f64))> {
        let finite = || {
            self.points()
                .filter(|(x, y)| x.is_finite() && y.is_finite())
        };
        let first = finite().next()?;
        let low = finite().fold(first.0, |low, (x, _)| low.min(*x));
        let high = finite().fold(first.0, |high, (x, _)| high.max(*x));
        let top = finite().fold(0.0_f64, |top, (_, y)| top.max(*y));
        // A log from early on is shown from the start of the program.
        let early = self.axis == Axis::Seconds && low > 0.0 && low < (high - low) * 0.2;
        let low = if early { 0.0 } else { low };
        let top = if top > 0.0 { top * 1.05 } else { 1.0 };
        Some(((low, if high > low { high } else { low + 1.0 }), (0.0, top)))
    }

    /// Opens the figure and writes all but its end, so that more can be said in it.
    pub(super) fn write(&self, out: &mut String, caption: &str) -> fmt::Result {
        let unit = self.unit;
        writeln!(
            out,
            "<figure class=chart><figcaption>{caption} <span class=muted>{unit}</span></figcaption>"
        )?;
        let Some((xs, ys)) = self.bounds() else {
            return Ok(());
        };
        let at_x = |x: f64| (x - xs.0) / (xs.1 - xs.0);
        let at_y = |y: f64| 1.0 - (y - ys.0) / (ys.1 - ys.0);
        let id = self.id;
        out.push_str("<p class=legend>");
        for line in &self.lines {
            write!(
                out,
                "<span><i class=\"swatch {}\"></i>{}</span> ",
                line.class, line.label
            )?;
        }
        if self.band.is_some() {
            out.push_str(
                "<span><i class=\"swatch band\"></i>trend with its 95 % confidence</span>",
            );
        }
        write!(
            out,
            "</p>\n<p class=readout id={id}-readout aria-live=polite></p>\n\
             <svg id={id} class=chart width=\"100%\" height=250 role=img tabindex=0 aria-label=\"{caption} in {unit}\">\
             <svg class=plot y=10 width=\"100%\" height=210 overflow=visible>"
        )?;
        self.axes(out, xs, ys, at_x, at_y)?;
        writeln!(
            out,
            "<svg width=\"100%\" height=\"100%\" viewBox=\"0 0 {SIDE} {SIDE}\" preserveAspectRatio=none>"
        )?;
        for mark in &self.marks {
            let x = at_x(*mark) * SIDE;
            writeln!(out, "<path class=mark d=\"M{x:.1} 0V{SIDE}\" />")?;
        }
        let place = |(x, y): (f64, f64)| format!("{:.1} {:.1}", at_x(x) * SIDE, at_y(y) * SIDE);
        if let Some(band) = &self.band {
            let at = |x: f64, slope: f64| place((x, band.pivot.1 + (x - band.pivot.0) * slope));
            let (left, right) = band.x;
            writeln!(
                out,
                "<path class=band d=\"M{}L{}L{}L{}Z\" /><path class=trend d=\"M{}L{}\" />",
                at(left, band.low),
                at(right, band.low),
                at(right, band.high),
                at(left, band.high),
                at(left, band.slope),
                at(right, band.slope)
            )?;
        }
        for line in &self.lines {
            write!(out, "<path class=\"line {}\" d=\"", line.class)?;
            for (index, point) in line.points.iter().enumerate() {
                let letter = if index == 0 { 'M' } else { 'L' };
                write!(out, "{letter}{}", place(*point))?;
            }
            out.push_str("\" />\n");
        }
        let data = Data {
            axis: match self.axis {
                Axis::Seconds => "seconds",
                Axis::Collections => "collection",
                Axis::Requests => "requests",
            },
            unit: self.unit,
            x: xs,
            y: ys,
            lines: self
                .lines
                .iter()
                .map(|line| (line.label, line.points.as_slice()))
                .collect(),
        };
        writeln!(
            out,
            "</svg></svg></svg>\n<script type=\"application/json\" data-chart={id}>{}</script>",
            json(&data)?
        )
    }

    fn axes(
        &self,
        out: &mut String,
        xs: (f64, f64),
        ys: (f64, f64),
        at_x: impl Fn(f64) -> f64,
        at_y: impl Fn(f64) -> f64,
    ) -> fmt::Result {
        for value in ticks(ys, step(ys.1 - ys.0)) {
            let y = at_y(value) * 100.0;
            writeln!(
                out,
                "<line class=grid x2=\"100%\" y1=\"{y:.2}%\" y2=\"{y:.2}%\" /><text x=-6 y=\"{y:.2}%\" dy=4 text-anchor=end>{}</text>",
                number(value)
            )?;
        }
        let span = xs.1 - xs.0;
        let distance = match self.axis {
            Axis::Seconds => time_step(span),
            Axis::Collections | Axis::Requests => step(span).max(1.0),
        };
        for value in ticks(xs, distance) {
            let x = at_x(value) * 100.0;
            let label = match self.axis {
                Axis::Seconds => time(value),
                Axis::Collections | Axis::Requests => number(value),
            };
            let anchor = if x > 96.0 { "end" } else { "middle" };
            writeln!(
                out,
                "<text x=\"{x:.2}%\" y=\"100%\" dy=18 text-anchor={anchor}>{label}</text>"
            )?;
        }
        Ok(())
    }
}

/// Multiples of `step` within the bounds.
fn ticks((low, high): (f64, f64), step: f64) -> Vec<f64> {
    // Both steps give about five; the limit holds whatever the numbers were.
    const MAX_TICKS: u32 = 20;
    let first = (low / step).ceil() * step;
    (0..MAX_TICKS)
        .map(|index| first + f64::from(index) * step)
        .take_while(|value| *value <= high)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks((0.0, 103.0), step(103.0)), [0.0, 50.0, 100.0]);
        assert_eq!(ticks((3.0, 11.0), step(8.0)), [4.0, 6.0, 8.0, 10.0]);
        assert_eq!(time_step(600.0), 120.0);
        assert_eq!(time_step(5.0 * 86_400.0), 86_400.0);
        let shown = [0.0, 90.0, 600.0, 5400.0, 10_800.0, 259_200.0].map(time);
        assert_eq!(shown, ["0 s", "90 s", "10 min", "90 min", "3 h", "3 d"]);
        let shown = [0.1 + 0.2, 1500.0, 21_971.0, 3.5e6].map(number);
        assert_eq!(shown, ["0.3", "1500", "21.97k", "3.5M"]);
    }

    #[test]
    fn thinning_keeps_peaks_and_the_order() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|x| (f64::from(x), 1.0)).collect();
        points[54_321].1 = 9.0;
        let thinned = thin(&points);
        assert!(thinned.len() <= MAX_POINTS);
        assert!(thinned.contains(&(54_321.0, 9.0)));
        assert!(thinned.is_sorted_by(|a, b| a.0 <= b.0));
    }
}
