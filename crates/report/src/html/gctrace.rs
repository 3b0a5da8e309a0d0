//! The page of a collector's log.

use std::fmt::{self, Write};

use gorphan_model::gc::Collection;

use super::CHART;
use super::chart::{Axis, Chart, Line, thin};
use super::escape::Count;
use super::shell::{Page, close_masthead, figure, open_masthead, problems, target_facts};
use crate::GcTraceReport;

/// Writes the page.
pub(super) fn page(report: &GcTraceReport<'_>) -> Result<String, fmt::Error> {
    let mut page = Page::new("gctrace", &report.target.name, &[CHART])?;
    let out = &mut page.out;
    masthead(out, report)?;
    problems(out, &report.trace.problems)?;
    if report.trace.collections.is_empty() {
        out.push_str("<p class=empty>The log has no collections.</p>\n");
    }
    let axis = Abscissa::of(&report.trace.collections);
    for (caption, chart) in charts(&report.trace.collections, &axis) {
        chart.write(out, caption)?;
    }
    page.finish()
}

fn masthead(out: &mut String, report: &GcTraceReport<'_>) -> fmt::Result {
    let collections = &report.trace.collections;
    open_masthead(out, "gctrace", &report.target.name)?;
    out.push_str("<dl class=figures>\n");
    figure(out, collections.len() as u64, "collections", "")?;
    out.push_str("</dl>\n<dl class=target>\n");
    target_facts(out, &report.target)?;
    out.push_str("</dl>\n");
    if report.trace.elided > 0 {
        writeln!(
            out,
            "<p class=warning>{} left out to bound memory.</p>",
            Count(report.trace.elided, "collection")
        )?;
    }
    close_masthead(out);
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
    /// Seconds, where every collection has a time and no process started again; else the place in the log.
    fn of(collections: &[Collection]) -> Self {
        let times: Option<Vec<f64>> = collections.iter().map(|c| c.at_seconds).collect();
        if let Some(x) = times.filter(|times| times.is_sorted()) {
            return Self {
                axis: Axis::Seconds,
                x,
                marks: Vec::new(),
            };
        }
        let x: Vec<f64> = (1..=collections.len()).map(as_float).collect();
        let pairs = collections
            .iter()
            .zip(collections.iter().skip(1))
            .zip(x.iter().skip(1));
        let restarts = pairs.filter(|((before, after), _)| after.number <= before.number);
        let marks = restarts.map(|(_, x)| *x).collect();
        Self {
            axis: Axis::Collections,
            x,
            marks,
        }
    }
}

#[allow(clippy::cast_precision_loss)] // far fewer collections than a float can count
fn as_float(index: usize) -> f64 {
    index as f64
}

fn charts(collections: &[Collection], abscissa: &Abscissa) -> Vec<(&'static str, Chart)> {
    let line = |label, class, y: &dyn Fn(&Collection) -> Option<f64>| {
        let points = collections.iter().zip(&abscissa.x);
        let points: Vec<(f64, f64)> = points.filter_map(|(c, x)| Some((*x, y(c)?))).collect();
        Line {
            label,
            class,
            points: thin(&points),
        }
    };
    let chart = |id, unit, lines: Vec<Line>| Chart {
        id,
        unit,
        axis: abscissa.axis,
        lines: lines
            .into_iter()
            .filter(|line| !line.points.is_empty())
            .collect(),
        band: None,
        marks: abscissa.marks.clone(),
    };
    #[allow(clippy::cast_precision_loss)] // for a plot
    let objects = |c: &Collection| c.objects.map(|objects| objects as f64);
    let charts = [
        (
            "Heap, MB",
            chart(
                "heap",
                "MB",
                vec![
                    line("live heap", "c-live", &|c| Some(c.heap_live_mb)),
                    line("heap at the start of a collection", "c-before", &|c| {
                        Some(c.heap_before_mb)
                    }),
                    line("heap goal", "c-goal", &|c| c.goal_mb),
                ],
            ),
        ),
        (
            "Live objects",
            chart(
                "objects",
                "objects",
                vec![line("live objects", "c-live", &objects)],
            ),
        ),
        (
            "Stacks, MB",
            chart(
                "stacks",
                "MB",
                vec![line("stacks", "c-stacks", &|c| c.stacks_mb)],
            ),
        ),
    ];
    charts
        .into_iter()
        .filter(|(_, chart)| !chart.lines.is_empty())
        .collect()
}
