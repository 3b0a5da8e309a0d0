//! The page of rounds of requests.

use std::fmt::{self, Write};

use gorphan_model::load::{Course, SiteLoad, Trend};

use super::CHART;
use super::chart::{Axis, Band, Chart, Line};
use super::escape::{Function, Num, Position, Text};
use super::finding::cards;
use super::inspect::is_about;
use super::shell::{Page, close_masthead, figure, open_masthead, problems, target_facts};
use crate::{LoadReport, Style, words};

/// Sites in the table.
const MAX_ROWS: usize = 500;
/// Sites with a line of their own.
const MAX_CHARTS: usize = 12;

/// Writes the page.
pub(super) fn page(report: &LoadReport<'_>, style: &Style<'_>) -> Result<String, fmt::Error> {
    let mut page = Page::new("load", &report.target.name, &[CHART])?;
    let out = &mut page.out;
    masthead(out, report)?;
    problems(out, &report.problems)?;
    let trend = report.trend;
    cards(out, &trend.findings, style, |finding| {
        let mut groups = trend.sites.iter().map(|site| &site.group);
        groups.find(|group| is_about(finding, group))
    })?;
    let made = requests(report);
    chart(out, "Goroutines", "all", "", &made, &trend.goroutines)?;
    if let Some(heap) = &trend.heap {
        chart(out, "Live heap", "heap", "bytes", &made, heap)?;
    }
    for (index, site) in trend.sites.iter().take(MAX_CHARTS).enumerate() {
        let place = &site.group.site;
        let caption = format!("{} in {}", place.operation, place.function);
        chart(
            out,
            &caption,
            SITES.get(index).unwrap_or(&"site"),
            "",
            &made,
            &site.trend,
        )?;
    }
    table(out, &trend.sites)?;
    page.finish()
}

/// Names of the charts of sites: a page needs each once.
const SITES: [&str; MAX_CHARTS] = [
    "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11",
];

fn masthead(out: &mut String, report: &LoadReport<'_>) -> fmt::Result {
    let trend = report.trend;
    open_masthead(out, "load", &report.target.name)?;
    writeln!(
        out,
        "<p class=verdict-line>{}</p>",
        Text(&words::load(trend))
    )?;
    out.push_str("<dl class=figures>\n");
    figure(out, trend.requests(), "requests", "")?;
    figure(out, trend.goroutines.first(), "goroutines before", "")?;
    figure(out, trend.goroutines.last(), "goroutines after", "")?;
    out.push_str("</dl>\n<dl class=target>\n");
    target_facts(out, &report.target)?;
    out.push_str("</dl>\n");
    close_masthead(out);
    Ok(())
}

/// Requests made until the end of each round.
#[allow(clippy::cast_precision_loss)] // for a plot
fn requests(report: &LoadReport<'_>) -> Vec<f64> {
    let mut made = 0_u64;
    let rounds = report.trend.rounds.iter();
    rounds
        .map(|round| {
            made = made.saturating_add(round.requests);
            made as f64
        })
        .collect()
}

#[allow(clippy::cast_precision_loss)] // for a plot
fn chart(
    out: &mut String,
    caption: &str,
    id: &'static str,
    unit: &'static str,
    made: &[f64],
    trend: &Trend,
) -> fmt::Result {
    let values = trend.values.iter().map(|value| *value as f64);
    let points: Vec<(f64, f64)> = made.iter().copied().zip(values).collect();
    let band = trend.slope.zip(points.first()).zip(points.last());
    let band = band.map(|((slope, first), last)| {
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        Band {
            x: (first.0, last.0),
            pivot: (mean(|point| point.0), mean(|point| point.1)),
            slope: slope.estimate,
            low: slope.low,
            high: slope.high,
        }
    });
    let line = Line {
        label: "at rest after each round",
        class: "c-live",
        points,
    };
    let chart = Chart {
        id,
        unit,
        axis: Axis::Requests,
        lines: vec![line],
        band,
        marks: Vec::new(),
    };
    chart.write(out, &Text(caption).to_string())?;
    write!(out, "<p class=trend-line>{} ", badge(trend.course))?;
    if let Some(slope) = &trend.slope {
        write!(out, "{} for each request", Text(&words::slope(slope)))?;
    }
    out.push_str("</p>\n</figure>\n");
    Ok(())
}

fn badge(course: Course) -> String {
    let class = match course {
        Course::Grows => "leak",
        Course::LevelledOff | Course::Steady => "normal",
    };
    format!(
        "<span class=\"badge {class}\">{}</span>",
        words::course(course)
    )
}

fn table(out: &mut String, sites: &[SiteLoad]) -> fmt::Result {
    if sites.is_empty() {
        return Ok(());
    }
    out.push_str(
        "<section id=sites><h2>Sites</h2>\n<p class=note>Goroutines at one place, before the first request and at rest after \
         the last.</p>\n<div class=scroll><table class=sites>\n<thead><tr><th>Course</th><th class=r>Before</th>\
         <th class=r>After</th><th>Per request</th><th>Operation</th><th class=wide>Where</th></tr></thead>\n<tbody>\n",
    );
    for site in sites.iter().take(MAX_ROWS) {
        let (trend, place) = (&site.trend, &site.group.site);
        writeln!(
            out,
            "<tr><td data-label=Course>{}</td><td class=r data-label=Before>{}</td><td class=r data-label=After>{}</td>\
             <td data-label=\"Per request\">{}</td><td data-label=Operation>{}</td><td data-label=Where>{} {}</td></tr>",
            badge(trend.course),
            Num(trend.first()),
            Num(trend.last()),
            Text(&trend.slope.as_ref().map(words::slope).unwrap_or_default()),
            Text(place.operation.as_str()),
            Function(&place.function),
            Position(&place.file, place.line)
        )?;
    }
    out.push_str("</tbody></table></div>\n</section>\n");
    Ok(())
}
