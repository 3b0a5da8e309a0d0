//! A log of collections: whether memory grows like a leak, by how much, and how it looks over time.

use std::io::Write;

use gorphan_model::gc::{Collection, Growth, Measure, MeasureTrend, Slope};

use super::ink::{BOLD, GREEN, PLAIN, RED, YELLOW, hang, paint, wrap};
use super::plot::{Plot, plot};
use super::{head, problems};
use crate::clean::clean;
use crate::{Error, GcTraceReport, Style, words};

/// Columns of a plot in a pipe, and the most in a terminal.
const PLOT_WIDTH: usize = 100;
/// Rows of a plot.
const PLOT_HEIGHT: usize = 8;

pub(super) fn render(
    report: &GcTraceReport<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let (trace, trend) = (report.trace, report.trend);
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let mut facts = vec![words::count_of(
        count(trace.collections.len()),
        "collection",
    )];
    if trace.elided > 0 {
        facts.push(format!("{} more merged or left out", trace.elided));
    }
    if trend.starts.len() > 1 {
        facts.push(format!("{} processes", trend.starts.len()));
    }
    if trace.other_lines > 0 {
        facts.push(words::count_of(trace.other_lines, "other line"));
    }
    head(&report.target.name, &facts, style, out)?;
    let verdict = paint(
        style.colour,
        colour(trend.growth),
        words::growth(trend.growth).1,
    );
    let message = wrap(&clean(&trend.message), style.width);
    writeln!(out, "{verdict}\n{}\n", hang(&message, 0))?;
    let judged = trace
        .collections
        .get(trend.judged.clone())
        .unwrap_or_default();
    let hourly = words::tells_hourly(trace, trend);
    for trend in &trend.measures {
        measure(trend, hourly, style, out)?;
    }
    if judged.len() < trace.collections.len() && !judged.is_empty() {
        let left_out = trace.collections.len() - judged.len();
        writeln!(
            out,
            "judged: collections {} to {} of the log, without {left_out} of warm-up or other runs",
            trend.judged.start + 1,
            trend.judged.end
        )?;
    }
    writeln!(out)?;
    let run = longest_run(report);
    for (name, value) in SERIES {
        series(name, value, run, style, out)?;
    }
    problems(&trace.problems, style, out)?;
    if trace.collections.is_empty() {
        writeln!(
            out,
            "No collection found: run the program with GODEBUG=gctrace=1 and give its standard error."
        )?;
    }
    Ok(())
}

fn colour(growth: Growth) -> anstyle::Style {
    match growth {
        Growth::LeakLike => RED,
        Growth::TooShort => YELLOW,
        Growth::Steady => GREEN,
    }
}

/// `live heap  grows like a leak: +3 MB per collection (2.7 to 3.3) ...`
fn measure(
    trend: &MeasureTrend,
    hourly: bool,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let (_, name, unit) = words::measure(trend.measure);
    let ansi = match trend.growth {
        Growth::Steady => PLAIN,
        growth => colour(growth),
    };
    let growth = paint(style.colour, ansi, words::growth(trend.growth).1);
    writeln!(
        out,
        "{} {growth}",
        paint(style.colour, BOLD, &format!("{name}:"))
    )?;
    match trend.growth {
        Growth::TooShort => return Ok(()),
        Growth::Steady => {
            let (median, points) = (number(trend.median, false), trend.points);
            writeln!(out, "  median {median} {unit}, {points} points")?;
            return Ok(());
        }
        Growth::LeakLike => {}
    }
    let hourly = trend
        .per_hour
        .filter(|_| hourly)
        .map(|slope| format!(", {} per hour", rate(slope, unit)))
        .unwrap_or_default();
    let text = format!(
        "{} per collection{hourly}; {} {unit} in all (median {} {unit}), {}, {} points",
        rate(trend.per_collection, unit),
        number(trend.total, true),
        number(trend.median, false),
        words::p_value(trend.p_value),
        trend.points
    );
    let text = wrap(
        &text,
        style.width.map(|width| width.saturating_sub(2).max(20)),
    );
    writeln!(out, "  {}", hang(&text, 2))?;
    Ok(())
}

fn rate(slope: Slope, unit: &str) -> String {
    let [estimate, low, high] =
        [slope.estimate, slope.low, slope.high].map(|value| number(value, true));
    format!("{estimate} {unit} ({low} to {high})")
}

/// Three digits or so, more of a large number.
fn number(value: f64, sign: bool) -> String {
    let digits = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    match sign {
        true => format!("{value:+.digits$}"),
        false => format!("{value:.digits$}"),
    }
}

/// A column of the log that can be drawn.
type Series = (Measure, fn(&Collection) -> Option<f64>);

const SERIES: [Series; 3] = [
    (Measure::LiveHeap, |collection| {
        Some(collection.heap_live_mb)
    }),
    (Measure::Objects, |collection| {
        collection.objects.map(|objects| objects as f64)
    }),
    (Measure::Stacks, |collection| collection.stacks_mb),
];

/// The process of the judged part from its start to its end: what comes before the judged part is worth seeing.
fn longest_run<'a>(report: &GcTraceReport<'a>) -> &'a [Collection] {
    let (trace, trend) = (report.trace, report.trend);
    let starts = &trend.starts;
    let start = starts
        .iter()
        .rev()
        .find(|start| **start <= trend.judged.start);
    let end = starts.iter().find(|start| **start > trend.judged.start);
    let start = start.copied().unwrap_or(0);
    let end = end.copied().unwrap_or(trace.collections.len());
    trace.collections.get(start..end).unwrap_or_default()
}

fn series(
    measure: Measure,
    value: fn(&Collection) -> Option<f64>,
    run: &[Collection],
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let timed = run.iter().all(|collection| collection.at_seconds.is_some());
    let x = |collection: &Collection| match collection.at_seconds {
        Some(seconds) if timed => seconds,
        _ => collection.number as f64,
    };
    let points: Vec<(f64, f64)> = run
        .iter()
        .filter_map(|collection| Some((x(collection), value(collection)?)))
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .collect();
    let name = |x: f64| match timed {
        true => duration(x),
        false => format!("gc {x:.0}"),
    };
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Ok(());
    };
    let (_, words, unit) = words::measure(measure);
    let title = if words.ends_with(unit) {
        words.to_owned()
    } else {
        format!("{words}, {unit}")
    };
    let drawing = plot(&Plot {
        title: &paint(style.colour, BOLD, &title),
        points: &points,
        ends: (name(first.0), name(last.0)),
        width: style.width.unwrap_or(PLOT_WIDTH).min(PLOT_WIDTH),
        height: PLOT_HEIGHT,
        ascii: style.ascii,
    });
    if !drawing.is_empty() {
        writeln!(out, "{drawing}")?;
    }
    Ok(())
}

/// `0s`, `0.4s`, `9m45s`, `3h05m`.
fn duration(seconds: f64) -> String {
    if seconds > 0.0 && seconds < 9.95 {
        return format!("{seconds:.1}s");
    }
    // A cast of a float saturates.
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        whole if whole < 60 => format!("{whole}s"),
        whole if whole < 3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        whole => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
    }
}
