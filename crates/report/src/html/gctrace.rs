//! The page of a collector's log.

use std::fmt::{self, Write};

use gorphan_model::gc::{Collection, Growth, Measure, MeasureTrend, Slope, Trend};

use super::CHART;
use super::chart::{Axis, Band, Chart, Line, thin};
use super::escape::{Count, Text};
use super::shell::{Page, close_masthead, figure, open_masthead, problems, target_facts};
use crate::{GcTraceReport, words};

/// Seconds in the unit of [`MeasureTrend::per_hour`].
const HOUR: f64 = 3600.0;

/// Writes the page.
pub(super) fn page(report: &GcTraceReport<'_>) -> Result<String, fmt::Error> {
    let mut page = Page::new("gctrace", &report.target.name, &[CHART])?;
    let out = &mut page.out;
    masthead(out, report)?;
    problems(out, &report.trace.problems)?;
    if report.trace.collections.is_empty() {
        out.push_str(
            "<p class=empty>No collection found: run the program with GODEBUG=gctrace=1 and give its standard error.</p>\n",
        );
        return page.finish();
    }
    let abscissa = Abscissa::of(&report.trace.collections, report.trend);
    for (caption, measure, chart) in charts(report, &abscissa) {
        chart.write(out, caption)?;
        let trends = &report.trend.measures;
        for trend in trends.iter().filter(|trend| trend.measure == measure) {
            trend_line(out, trend)?;
        }
        out.push_str("</figure>\n");
    }
    page.finish()
}

fn masthead(out: &mut String, report: &GcTraceReport<'_>) -> fmt::Result {
    let (trace, trend) = (report.trace, report.trend);
    open_masthead(out, "gctrace", &report.target.name)?;
    if !trace.collections.is_empty() {
        writeln!(
            out,
            "<p class=verdict-line>{} {}</p>",
            growth_badge(trend.growth),
            Text(&trend.message)
        )?;
    }
    out.push_str("<dl class=figures>\n");
    figure(out, trace.collections.len() as u64, "collections", "")?;
    if trend.starts.len() > 1 {
        figure(out, trend.starts.len() as u64, "processes", "")?;
    }
    out.push_str("</dl>\n<dl class=target>\n");
    target_facts(out, &report.target)?;
    out.push_str("</dl>\n");
    if trace.elided > 0 {
        writeln!(
            out,
            "<p class=warning>{} merged or left out to bound memory.</p>",
            Count(trace.elided, "collection")
        )?;
    }
    close_masthead(out);
    Ok(())
}

fn growth_badge(growth: Growth) -> String {
    let class = match growth {
        Growth::TooShort => "suspect",
        Growth::Steady => "normal",
        Growth::LeakLike => "growing",
    };
    format!(
        "<span class=\"badge {class}\">{}</span>",
        words::growth(growth).1
    )
}

/// What the trend of one measure amounts to, in words.
fn trend_line(out: &mut String, trend: &MeasureTrend) -> fmt::Result {
    let (_, _, unit) = words::measure(trend.measure);
    write!(out, "<p class=trend-line>{} ", growth_badge(trend.growth))?;
    if trend.growth != Growth::TooShort {
        let rate = |slope: &Slope| {
            let Slope {
                estimate,
                low,
                high,
            } = slope;
            format!("{estimate:+.2} {unit} <span class=muted>({low:+.2} to {high:+.2})</span>")
        };
        if let Some(slope) = &trend.per_hour {
            write!(out, "{} per hour, ", rate(slope))?;
        }
        write!(
            out,
            "{} per collection; {:+.1} {unit} in all <span class=muted>(median {:.1} {unit}, {})</span>",
            rate(&trend.per_collection),
            trend.total,
            trend.median,
            Count(trend.points as u64, "point")
        )?;
    }
    out.push_str("</p>\n");
    Ok(())
}

/// Where each collection stands on the x axis.
struct Abscissa {
    axis: Axis,
    /// One per collection.
    x: Vec<f64>,
    /// Where a process started again.
    marks: Vec<f64>,
}

impl Abscissa {
    /// Seconds, where every collection has a time and there is one process; else the place in the log.
    fn of(collections: &[Collection], trend: &Trend) -> Self {
        let times: Option<Vec<f64>> = collections.iter().map(|c| c.at_seconds).collect();
        let alone = trend.starts.len() <= 1;
        if let Some(x) = times.filter(|times| alone && times.is_sorted()) {
            return Self {
                axis: Axis::Seconds,
                x,
                marks: Vec::new(),
            };
        }
        let x: Vec<f64> = (1..=collections.len()).map(as_float).collect();
        let restarts = trend.starts.iter().skip(1);
        let marks = restarts
            .filter_map(|start| x.get(*start).copied())
            .collect();
        Self {
            axis: Axis::Collections,
            x,
            marks,
        }
    }

    /// The trend as a line through the medians of the judged part, as Theil and Sen have it.
    fn band(&self, trend: &Trend, measure: Measure) -> Option<Band> {
        let trend_of = trend.measures.iter().find(|t| t.measure == measure)?;
        if trend_of.growth == Growth::TooShort {
            return None;
        }
        let judged = self.x.get(trend.judged.clone())?;
        let (first, last) = (*judged.first()?, *judged.last()?);
        let middle = *judged.get(judged.len() / 2)?;
        let (slope, scale) = match self.axis {
            Axis::Seconds => (trend_of.per_hour?, 1.0 / HOUR),
            Axis::Collections | Axis::Requests => (trend_of.per_collection, 1.0),
        };
        Some(Band {
            x: (first, last),
            pivot: (middle, trend_of.median),
            slope: slope.estimate * scale,
            low: slope.low * scale,
            high: slope.high * scale,
        })
    }
}

#[allow(clippy::cast_precision_loss)] // far fewer collections than a float can count
fn as_float(index: usize) -> f64 {
    index as f64
}

fn charts(report: &GcTraceReport<'_>, abscissa: &Abscissa) -> Vec<(&'static str, Measure, Chart)> {
    let collections = &report.trace.collections;
    let line = |label, class, y: &dyn Fn(&Collection) -> Option<f64>| {
        let points = collections.iter().zip(&abscissa.x);
        let points: Vec<(f64, f64)> = points.filter_map(|(c, x)| Some((*x, y(c)?))).collect();
        Line {
            label,
            class,
            points: thin(&points),
        }
    };
    let chart = |id, measure, lines: Vec<Line>| Chart {
        id,
        unit: words::measure(measure).2,
        axis: abscissa.axis,
        lines: lines
            .into_iter()
            .filter(|line| !line.points.is_empty())
            .collect(),
        band: abscissa.band(report.trend, measure),
        marks: abscissa.marks.clone(),
    };
    #[allow(clippy::cast_precision_loss)] // for a plot
    let objects = |c: &Collection| c.objects.map(|objects| objects as f64);
    let heap = vec![
        line("live heap", "c-live", &|c| Some(c.heap_live_mb)),
        line("heap at the start of a collection", "c-before", &|c| {
            Some(c.heap_before_mb)
        }),
        line("heap goal", "c-goal", &|c| c.goal_mb),
    ];
    let objects = vec![line("live objects", "c-live", &objects)];
    let stacks = vec![line("stacks", "c-stacks", &|c| c.stacks_mb)];
    let charts = [
        (
            "Heap",
            Measure::LiveHeap,
            chart("heap", Measure::LiveHeap, heap),
        ),
        (
            "Live objects",
            Measure::Objects,
            chart("objects", Measure::Objects, objects),
        ),
        (
            "Stacks",
            Measure::Stacks,
            chart("stacks", Measure::Stacks, stacks),
        ),
    ];
    charts
        .into_iter()
        .filter(|(_, _, chart)| !chart.lines.is_empty())
        .collect()
}
