//! `gorphan history`: one site over time.

use std::collections::BTreeMap;
use std::fmt::Write;

use gorphan_fleet::history::{KnownSite, Point, Reader, SiteKey, Table, Value};

use super::query::{failed, open};
use super::{Outcome, table};
use crate::args::history::{History, TableFormat};
use crate::error::{Failure, Result};
use crate::output;

/// Columns of the curve.
const WIDTH: usize = 60;
/// Heights of a column.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Sites that are listed when a name means several.
const MAX_LISTED: usize = 20;

/// A sweep: all versions together.
struct Total {
    at: i64,
    goroutines: u64,
    most: u64,
    instances: u32,
}

/// Runs the command.
pub(crate) fn run(args: &History) -> Result<Outcome> {
    let reader = open(&args.place)?;
    let sites = found(args, &reader)?;
    let Some(first) = sites.first() else {
        return Err(
            Failure::new(format!("the history knows no site {:?}", args.site))
                .advise("gorphan query 'SELECT DISTINCT service, function FROM stacks' lists all"),
        );
    };
    let key = first.key.clone();
    let until = reader.last().map_err(failed)?.unwrap_or_default();
    let back = i64::try_from(args.since.as_secs()).unwrap_or(i64::MAX);
    let points = reader
        .series(&key, until.saturating_sub(back), until)
        .map_err(failed)?;
    let text = match args.format {
        TableFormat::Terminal => terminal(&key, &sites, &points),
        other => table::render(&listed(&key, &points), other)?,
    };
    output::print(&text)?;
    Ok(Outcome::Clean)
}

/// The one site that is meant, at each of its lines.
fn found(args: &History, reader: &Reader) -> Result<Vec<KnownSite>> {
    let of_service = |site: &KnownSite| {
        args.service
            .as_deref()
            .is_none_or(|it| *site.key.service == *it)
    };
    let mut sites = reader.sites_of(&args.site).map_err(failed)?;
    sites.retain(of_service);
    if sites.is_empty() {
        sites = reader
            .known_sites(args.service.as_deref(), &args.site)
            .map_err(failed)?;
        // A name that is whole means itself, though others have it as a part.
        if sites.iter().any(|site| *site.key.function == *args.site) {
            sites.retain(|site| *site.key.function == *args.site);
        }
    }
    let mut keys: Vec<&SiteKey> = sites.iter().map(|site| &site.key).collect();
    keys.dedup();
    if keys.len() <= 1 {
        return Ok(sites);
    }
    let mut text = format!("{:?} means {} sites:", args.site, keys.len());
    for key in keys.iter().take(MAX_LISTED) {
        let _ = write!(
            text,
            "\n  {}  {}: {} in {}",
            key.fingerprint(),
            key.service,
            key.operation.as_str(),
            key.function
        );
    }
    Err(Failure::new(text).advise("give one of these fingerprints"))
}

fn terminal(key: &SiteKey, sites: &[KnownSite], points: &[Point]) -> String {
    let mut text = format!(
        "{}: {} in {}\n",
        key.service,
        key.operation.as_str(),
        key.function
    );
    let _ = writeln!(text, "  fingerprint  {}", key.fingerprint());
    for site in sites.iter().filter(|site| !site.file.is_empty()) {
        let _ = writeln!(text, "  at           {}:{}", site.file, site.line);
    }
    if let Some(first) = sites.iter().map(|site| site.first_seen).min() {
        let _ = writeln!(text, "  first seen   {}", shown(first));
    }
    let totals = totals(points);
    let (Some(from), Some(to)) = (totals.first(), totals.last()) else {
        text.push_str("\nno sweep of that time is in the history\n");
        return text;
    };
    let most = totals
        .iter()
        .map(|total| total.goroutines)
        .max()
        .unwrap_or(0);
    let _ = writeln!(text, "\n  {}  0 to {most} goroutines", curve(&totals));
    let _ = writeln!(text, "  {} to {}", shown(from.at), shown(to.at));
    let _ = writeln!(
        text,
        "  now {} in {} instances, at most {} in one\n",
        to.goroutines, to.instances, to.most
    );
    let head = ["FROM", "VERSION", "FIRST", "LAST", "MOST"]
        .map(str::to_owned)
        .to_vec();
    let rows = versions(points).into_iter().map(|one| {
        let version = if one.version.is_empty() {
            "(unknown)"
        } else {
            one.version
        };
        vec![
            Value::Text(shown(one.from)),
            Value::Text(version.to_owned()),
            Value::Count(one.first),
            Value::Count(one.last),
            Value::Count(one.most),
        ]
    });
    let table = Table {
        columns: head,
        rows: rows.collect(),
        truncated: false,
    };
    // A table of constant form cannot fail.
    text.push_str(&table::render(&table, TableFormat::Terminal).unwrap_or_default());
    if let Some(site) = sites.iter().find(|site| !site.stack.is_empty()) {
        let _ = writeln!(text, "\nstack in {}:", site.instance);
        for line in site.stack.lines() {
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// Goroutines of each sweep over all versions.
fn totals(points: &[Point]) -> Vec<Total> {
    let mut totals: Vec<Total> = Vec::new();
    for point in points {
        match totals.last_mut().filter(|last| last.at == point.at) {
            Some(last) => {
                last.goroutines = last.goroutines.saturating_add(point.sum);
                last.most = last.most.max(point.max);
                last.instances += point.instances;
            }
            None => totals.push(Total {
                at: point.at,
                goroutines: point.sum,
                most: point.max,
                instances: point.instances,
            }),
        }
    }
    totals
}

/// A curve of as many columns as fit: the most of each part of the time; a blank where there was no sweep.
fn curve(totals: &[Total]) -> String {
    let (Some(from), Some(to)) = (totals.first(), totals.last()) else {
        return String::new();
    };
    let width = WIDTH.min(totals.len());
    let span = (to.at - from.at).max(1);
    let mut columns: Vec<Option<u64>> = vec![None; width];
    for total in totals {
        let part = (total.at - from.at) as f64 / span as f64;
        let column = ((part * width as f64) as usize).min(width - 1);
        if let Some(slot) = columns.get_mut(column) {
            *slot = Some(slot.unwrap_or(0).max(total.goroutines));
        }
    }
    let most = columns.iter().flatten().copied().max().unwrap_or(0).max(1);
    let bars = columns.into_iter().map(|count| {
        let Some(count) = count else {
            return ' ';
        };
        let height = (count as f64 / most as f64 * (BARS.len() - 1) as f64).round() as usize;
        BARS.get(height).copied().unwrap_or('█')
    });
    bars.collect()
}

/// What a version had.
struct Version<'a> {
    version: &'a str,
    from: i64,
    first: u64,
    last: u64,
    most: u64,
}

fn versions(points: &[Point]) -> Vec<Version<'_>> {
    let mut versions: BTreeMap<&str, Version<'_>> = BTreeMap::new();
    for point in points {
        let one = versions.entry(&point.version).or_insert_with(|| Version {
            version: &point.version,
            from: point.at,
            first: point.sum,
            last: 0,
            most: 0,
        });
        one.last = point.sum;
        one.most = one.most.max(point.sum);
    }
    let mut versions: Vec<_> = versions.into_values().collect();
    versions.sort_by_key(|one| one.from);
    versions
}

/// The points as a table, for programs.
fn listed(key: &SiteKey, points: &[Point]) -> Table {
    let columns = [
        "at",
        "service",
        "fingerprint",
        "version",
        "instances",
        "goroutines",
        "most",
    ];
    let print = key.fingerprint();
    let rows = points.iter().map(|point| {
        vec![
            Value::Time(point.at.saturating_mul(1000)),
            Value::Text(key.service.to_string()),
            Value::Text(print.clone()),
            Value::Text(point.version.to_string()),
            Value::Count(u64::from(point.instances)),
            Value::Count(point.sum),
            Value::Count(point.max),
        ]
    });
    Table {
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        truncated: false,
    }
}

fn shown(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or("?".to_owned(), |time| time.to_string())
}
