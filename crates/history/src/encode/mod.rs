//! A sweep as files.

mod observations;
mod sheet;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::kind::Kind;
use crate::rollup::Memory;
use crate::{Point, SiteKey, SiteRecord, StackRecord, SweepRecord};

pub(crate) use sheet::{Cell, Sheet, options};

/// A file that is to be written.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) kind: Kind,
    pub(crate) rows: u64,
    pub(crate) bytes: Bytes,
}

/// A site of a service.
pub(crate) type OfService = (Arc<str>, SiteRecord);

/// Sites of services whose stack is stored.
pub(crate) type Known = HashSet<OfService>;

/// A sweep as files, and the sites that it has for the first time. `memory` has taken it in, which gave `points`.
pub(crate) fn sweep(
    sweep: &SweepRecord,
    points: &[(Arc<SiteKey>, Point)],
    memory: &Memory,
    known: &Known,
) -> Result<(Vec<File>, Vec<OfService>)> {
    let observed = observations::file(sweep)?;
    let rows = observed.as_ref().map_or(0, |file| file.rows);
    let mut files: Vec<File> = observed.into_iter().collect();
    let mut add = |kind, sheet: Sheet| -> Result<()> {
        if sheet.rows() > 0 {
            let rows = sheet.rows() as u64;
            let bytes = sheet.file()?;
            files.push(File { kind, rows, bytes });
        }
        Ok(())
    };
    add(Kind::Instances, instances(sweep, memory)?)?;
    add(Kind::Failures, failures(sweep)?)?;
    add(Kind::Points, rolled_up(points)?)?;
    add(Kind::Versions, versions(memory)?)?;
    add(Kind::Sweeps, summary(sweep, rows)?)?;
    let (stacks, new) = stacks(sweep, known)?;
    add(Kind::Stacks, stacks)?;
    Ok((files, new))
}

fn instances(sweep: &SweepRecord, memory: &Memory) -> Result<Sheet> {
    let mut all: Vec<_> = sweep.instances.iter().collect();
    all.sort_by(|a, b| (&a.service, &a.instance).cmp(&(&b.service, &b.instance)));
    let mut sheet = Sheet::new(Kind::Instances);
    for one in all {
        let since = memory.life_since(&one.service, &one.instance);
        sheet.push(&[
            Cell::Time(sweep.at),
            Cell::Text(&one.job),
            Cell::Text(&one.service),
            Cell::Text(&one.instance),
            Cell::Text(&one.version),
            Cell::Text(&one.start),
            Cell::Time(since.unwrap_or(sweep.at)),
            Cell::Count(one.goroutines),
        ])?;
    }
    Ok(sheet)
}

fn failures(sweep: &SweepRecord) -> Result<Sheet> {
    let mut all: Vec<_> = sweep.failures.iter().collect();
    all.sort_by(|a, b| (&a.job, &a.instance).cmp(&(&b.job, &b.instance)));
    let mut sheet = Sheet::new(Kind::Failures);
    for one in all {
        sheet.push(&[
            Cell::Time(sweep.at),
            Cell::Text(&one.job),
            Cell::Text(&one.instance),
            Cell::Text(&one.reason),
            Cell::Count(u64::from(one.attempts)),
        ])?;
    }
    Ok(sheet)
}

/// Points of sites that nobody has are left out: they follow from those of the versions.
fn rolled_up(points: &[(Arc<SiteKey>, Point)]) -> Result<Sheet> {
    let there = |point: &Point| point.sum > 0 || point.delta != 0;
    let mut all: Vec<_> = points.iter().filter(|(_, point)| there(point)).collect();
    all.sort_by(|(a, point), (b, other)| {
        let of_a = (
            &a.service,
            a.operation.as_str(),
            &a.function,
            &point.version,
        );
        let of_b = (
            &b.service,
            b.operation.as_str(),
            &b.function,
            &other.version,
        );
        of_a.cmp(&of_b)
    });
    let mut sheet = Sheet::new(Kind::Points);
    let mut print = (None, String::new());
    for (key, point) in all {
        if print.0 != Some(key) {
            print = (Some(key), key.fingerprint());
        }
        sheet.push(&[
            Cell::Time(point.at),
            Cell::Text(&key.service),
            Cell::Text(&point.version),
            Cell::Text(&print.1),
            Cell::Text(key.operation.as_str()),
            Cell::Text(&key.function),
            Cell::Count(u64::from(point.instances)),
            Cell::Count(point.sum),
            Cell::Count(point.max),
            Cell::Count(u64::from(point.continuing)),
            Cell::Number(point.delta),
            Cell::Real(point.seconds),
            Cell::Count(u64::from(point.starts)),
        ])?;
    }
    Ok(sheet)
}

fn versions(memory: &Memory) -> Result<Sheet> {
    let mut sheet = Sheet::new(Kind::Versions);
    for (service, slot) in memory.slots_of_last() {
        sheet.push(&[
            Cell::Time(slot.at),
            Cell::Text(service),
            Cell::Text(&slot.version),
            Cell::Count(u64::from(slot.instances)),
            Cell::Count(u64::from(slot.continuing)),
            Cell::Real(slot.seconds),
            Cell::Count(u64::from(slot.starts)),
        ])?;
    }
    Ok(sheet)
}

fn summary(sweep: &SweepRecord, observations: u64) -> Result<Sheet> {
    let services: HashSet<&str> = sweep.instances.iter().map(|one| &*one.service).collect();
    let goroutines = sweep.instances.iter().map(|one| one.goroutines);
    let mut sheet = Sheet::new(Kind::Sweeps);
    sheet.push(&[
        Cell::Time(sweep.at),
        Cell::Count(services.len() as u64),
        Cell::Count(sweep.instances.len() as u64),
        Cell::Count(sweep.failures.len() as u64),
        Cell::Count(sweep.sites.len() as u64),
        Cell::Count(observations),
        Cell::Count(goroutines.fold(0, u64::saturating_add)),
    ])?;
    Ok(sheet)
}

/// The sites that are new, with a stack where the sweep has one.
fn stacks(sweep: &SweepRecord, known: &Known) -> Result<(Sheet, Vec<OfService>)> {
    let mut seen: HashSet<(&Arc<str>, u32)> = HashSet::new();
    for instance in &sweep.instances {
        seen.extend(
            instance
                .sites
                .iter()
                .map(|count| (&instance.service, count.0)),
        );
    }
    let mut new: Vec<(Arc<str>, SiteRecord, u32)> = Vec::new();
    for (service, number) in seen {
        if let Some(site) = sweep.sites.get(number as usize) {
            let key = (Arc::clone(service), site.clone());
            if !known.contains(&key) {
                new.push((key.0, key.1, number));
            }
        }
    }
    new.sort_by(|(a, site, _), (b, other, _)| (a, site.order()).cmp(&(b, other.order())));
    // Two numbers of a sweep may be the same site.
    new.dedup_by(|(a, site, _), (b, other, _)| (a, site) == (b, other));
    let stacks = sweep.stacks.iter();
    let stacks: std::collections::HashMap<(&str, u32), &StackRecord> =
        stacks.map(|it| ((&*it.service, it.site), it)).collect();
    let mut sheet = Sheet::new(Kind::Stacks);
    for (service, site, number) in &new {
        let stack = stacks.get(&(&**service, *number));
        let text = stack.map(|stack| shown(stack)).unwrap_or_default();
        sheet.push(&[
            Cell::Time(sweep.at),
            Cell::Text(service),
            Cell::Text(&site.key(service).fingerprint()),
            Cell::Text(&site.operation),
            Cell::Text(&site.function),
            Cell::Text(&site.file),
            Cell::Count(u64::from(site.line)),
            Cell::Text(stack.map_or("", |stack| &stack.instance)),
            Cell::Text(&text),
        ])?;
    }
    let new = new.into_iter().map(|(service, site, _)| (service, site));
    Ok((sheet, new.collect()))
}

/// A line a frame, innermost first: the function, a space, the file and the line.
fn shown(stack: &StackRecord) -> String {
    let lines = stack.stack.frames.iter().map(|frame| {
        if frame.file.is_empty() {
            return frame.function.to_string();
        }
        format!("{} {}:{}", frame.function, frame.file, frame.line)
    });
    lines.collect::<Vec<_>>().join("\n")
}
