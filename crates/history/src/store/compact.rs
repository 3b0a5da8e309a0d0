//! Housekeeping: files of an hour or a day put together, what is too old let go, and what nobody names removed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use datafusion::prelude::{SessionConfig, SessionContext, col};
use futures_util::StreamExt;
use object_store::buffered::BufWriter;
use parquet::arrow::async_writer::AsyncArrowWriter;

use super::Store;
use crate::encode::options;
use crate::engine::{self, wrong};
use crate::error::{Result, StoreError};
use crate::kind::{Kept, Kind};
use crate::manifest::{self, Entry, Manifest};
use crate::names;

const HOUR: i64 = 3600;
const DAY: i64 = 86_400;
/// Manifests that stay, whatever their age: who lists them while the next one is made finds one.
const MANIFESTS: usize = 3;
/// Files of sites' stacks from which on they are put together.
const STACK_FILES: usize = 32;

/// Files of one kind that are to become one.
#[derive(Debug, PartialEq, Eq)]
struct Merge {
    kind: Kind,
    entries: Vec<Entry>,
    /// A day's; else an hour's.
    is_daily: bool,
}

impl Store {
    /// Keeps house after a sweep was committed. What does not work is told and tried again after the next sweep.
    pub(super) fn maintain(&mut self) {
        for merge in merges(&self.manifest) {
            if let Err(error) = self.merge(&merge) {
                let kind = merge.kind.table();
                self.troubles
                    .push(format!("files of {kind} are not put together: {error}"));
            }
        }
        if let Err(error) = self.let_go() {
            self.troubles
                .push(format!("old sweeps are not let go: {error}"));
        }
    }

    fn merge(&mut self, merge: &Merge) -> Result<()> {
        let (Some(first), Some(last)) = (merge.entries.first(), merge.entries.last()) else {
            return Ok(());
        };
        let name = format!(
            "{}-{}-{}-{}",
            first.from, last.to, self.writer, self.manifest.number
        );
        let name = if merge.is_daily {
            names::daily(merge.kind, first.from, &name)
        } else {
            names::hourly(merge.kind, first.from, &name)
        };
        let (place, environment) = (self.place.clone(), Arc::clone(&self.environment));
        let (kind, entries, object) = (merge.kind, merge.entries.clone(), name.clone());
        let (rows, bytes) = self.driver.run("put files together", async move {
            put_together(&place, &environment, kind, &entries, &object).await
        })?;
        let expected: u64 = merge.entries.iter().map(|entry| entry.rows).sum();
        if rows != expected {
            return Err(StoreError::Damaged {
                object: name,
                why: format!("{rows} rows were put together of {expected}"),
            });
        }
        let entry = Entry {
            kind: merge.kind,
            from: first.from,
            to: merge
                .entries
                .iter()
                .map(|entry| entry.to)
                .max()
                .unwrap_or(last.to),
            name,
            rows,
            bytes,
        };
        let gone: HashSet<&str> = merge
            .entries
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        self.commit(|manifest| {
            manifest
                .files
                .retain(|file| !gone.contains(file.name.as_str()));
            manifest.add(std::slice::from_ref(&entry));
        })
    }

    /// Lets go of what is too old, and removes what nobody names.
    fn let_go(&mut self) -> Result<()> {
        let Some(settled) = self.manifest.settled() else {
            return Ok(());
        };
        let (raw, rolled_up) = (self.options.raw_seconds, self.options.rolled_up_seconds);
        let before = self.manifest.files.len();
        self.commit(|manifest| {
            manifest.files.retain(|file| match file.kind.kept() {
                Kept::Raw => file.to > settled.saturating_sub(raw),
                Kept::RolledUp => file.to > settled.saturating_sub(rolled_up),
                Kept::Always => true,
            });
        })?;
        let hour = |at: i64| at.div_euclid(HOUR);
        let recent = self.manifest.recent.iter().rev();
        let hours: Vec<i64> = recent.take(2).map(|at| hour(*at)).collect();
        let is_new_hour = hours.first() != hours.last();
        if is_new_hour || self.manifest.files.len() < before {
            self.remove_unnamed()?;
        }
        Ok(())
    }

    /// Removes files that no manifest names since longer than readers may take.
    fn remove_unnamed(&self) -> Result<()> {
        let place = self.place.clone();
        let named: HashSet<String> = self
            .manifest
            .files
            .iter()
            .map(|file| file.name.clone())
            .collect();
        let waiting = self.waiting.iter().flat_map(|one| &one.files);
        let waiting: HashSet<String> = waiting.map(|file| file.entry.name.clone()).collect();
        let before = (self.options.now)().saturating_sub(self.options.grace_seconds);
        self.driver.run("remove old files", async move {
            let mut manifests: Vec<_> = place.list(manifest::FOLDER).await?;
            manifests.sort_by(|a, b| b.name.cmp(&a.name));
            let mut named = named;
            let mut old = Vec::new();
            for (place_from_newest, listed) in manifests.iter().enumerate() {
                if place_from_newest < MANIFESTS || listed.modified > before {
                    continue;
                }
                old.push(listed.name.clone());
            }
            named.extend(waiting);
            for kind in Kind::ALL {
                for listed in place.list(kind.folder()).await? {
                    if listed.modified <= before && !named.contains(&listed.name) {
                        old.push(listed.name);
                    }
                }
            }
            for name in old {
                place.delete(&name).await?;
            }
            Ok(())
        })
    }
}

/// What is to be put together: files of hours that are over, and of roll-ups those of days that are.
fn merges(manifest: &Manifest) -> Vec<Merge> {
    let Some(last) = manifest.last() else {
        return Vec::new();
    };
    let mut merges = Vec::new();
    for kind in Kind::ALL {
        let mut groups: BTreeMap<(i64, bool), Vec<Entry>> = BTreeMap::new();
        for entry in manifest.of(kind) {
            let group = match kind {
                // Few, and large: reading them again to write them again gains nothing.
                Kind::Captures => continue,
                Kind::Stacks => (0, true),
                _ => {
                    let day = (entry.to.div_euclid(DAY) + 1) * DAY;
                    let hour = (entry.to.div_euclid(HOUR) + 1) * HOUR;
                    let is_daily = kind.kept() == Kept::RolledUp && day <= last;
                    if !is_daily && hour > last {
                        continue;
                    }
                    (if is_daily { day } else { hour }, is_daily)
                }
            };
            groups.entry(group).or_default().push(entry.clone());
        }
        for ((_, is_daily), entries) in groups {
            let enough = if kind == Kind::Stacks { STACK_FILES } else { 2 };
            if entries.len() >= enough {
                merges.push(Merge {
                    kind,
                    entries,
                    is_daily,
                });
            }
        }
    }
    merges
}

/// Merges sorted files into one that is sorted, and gives its rows and bytes. It holds a batch of each file in memory.
async fn put_together(
    place: &crate::place::Place,
    environment: &Arc<datafusion::execution::runtime_env::RuntimeEnv>,
    kind: Kind,
    entries: &[Entry],
    name: &str,
) -> Result<(u64, u64)> {
    // A file a partition, so that the order in each is known to the engine.
    let config = SessionConfig::new()
        .with_target_partitions(entries.len())
        .with_repartition_file_scans(false)
        .with_batch_size(4096);
    let context = SessionContext::new_with_config_rt(config, Arc::clone(environment));
    context.register_object_store(&place.root()?, Arc::clone(&place.store));
    let entries: Vec<&Entry> = entries.iter().collect();
    let table = engine::table(place, kind, &entries, true)?;
    let order = kind
        .sorted_by()
        .iter()
        .map(|name| col(*name).sort(true, false));
    let frame = context.read_table(table).map_err(wrong)?;
    let frame = frame.sort(order.collect()).map_err(wrong)?;
    let mut stream = frame.execute_stream().await.map_err(wrong)?;
    let object = BufWriter::new(Arc::clone(&place.store), place.path(name));
    let failed = |error: parquet::errors::ParquetError| StoreError::Damaged {
        object: name.to_owned(),
        why: error.to_string(),
    };
    let mut writer = AsyncArrowWriter::try_new_with_options(object, kind.schema(), options()?)
        .map_err(failed)?;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(wrong)?;
        rows += batch.num_rows() as u64;
        writer.write(&batch).await.map_err(failed)?;
    }
    writer.finish().await.map_err(failed)?;
    let bytes = writer.bytes_written() as u64;
    place.sync(name).await?;
    Ok((rows, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, hour: i64, minute: i64) -> Entry {
        let at = hour * HOUR + minute * 60;
        Entry {
            kind,
            from: at,
            to: at,
            name: format!("{kind:?}-{hour}-{minute}"),
            rows: 1,
            bytes: 1,
        }
    }

    /// What is put together, as `KIND MERGED...`.
    #[track_caller]
    fn check(files: &[Entry], last_hour: i64, expected: &[&str]) {
        let mut manifest = Manifest::default();
        manifest.add(files);
        manifest.swept(last_hour * HOUR + 5 * 60);
        let merges = merges(&manifest);
        let shown = merges.iter().map(|merge| {
            let names: Vec<&str> = merge
                .entries
                .iter()
                .map(|entry| entry.name.as_str())
                .collect();
            format!(
                "{} {}",
                if merge.is_daily { "day" } else { "hour" },
                names.join(" ")
            )
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn hours_and_days_that_are_over_are_put_together() {
        use Kind::{Captures, Observations, Points};
        let raw = [
            entry(Observations, 1, 0),
            entry(Observations, 1, 10),
            entry(Observations, 2, 0),
            entry(Observations, 3, 0),
            entry(Observations, 3, 1),
            entry(Captures, 1, 0),
            entry(Captures, 1, 1),
        ];
        check(&raw, 3, &["hour Observations-1-0 Observations-1-10"]);
        let points = [
            entry(Points, 1, 0),
            entry(Points, 2, 0),
            entry(Points, 24, 0),
            entry(Points, 24, 1),
            entry(Points, 25, 0),
        ];
        check(
            &points,
            25,
            &["day Points-1-0 Points-2-0", "hour Points-24-0 Points-24-1"],
        );
        check(&points, 1, &[]);
    }

    #[test]
    fn stacks_are_put_together_when_there_are_many_files() {
        let few: Vec<Entry> = (0..31)
            .map(|minute| entry(Kind::Stacks, 0, minute))
            .collect();
        check(&few, 0, &[]);
        let many: Vec<Entry> = (0..32)
            .map(|minute| entry(Kind::Stacks, 0, minute))
            .collect();
        let names: Vec<&str> = many.iter().map(|entry| entry.name.as_str()).collect();
        check(&many, 0, &[&format!("day {}", names.join(" "))]);
    }
}
