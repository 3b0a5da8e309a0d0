//! The roll-up made again when a history is opened, from roll-ups and the last observations of each instance.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use gorphan_model::Operation;

use crate::SiteKey;
use crate::SiteRecord;
use crate::encode::Known;
use crate::engine::{Batch, each, moment, session};
use crate::error::Result;
use crate::manifest::Manifest;
use crate::place::Place;
use crate::rollup::{FORGOTTEN_SECONDS, KEPT_SECONDS, Memory, RestoredLife, RestoredRow, Slot};

/// What opening finds.
pub(crate) struct Restored {
    pub(crate) memory: Memory,
    pub(crate) known: Known,
}

/// Texts that come very many times, kept once.
#[derive(Default)]
struct Texts(std::collections::HashSet<Arc<str>>);

impl Texts {
    fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.0.insert(Arc::clone(&text));
        text
    }

    fn key(&mut self, batch: &Batch, columns: [usize; 3], row: usize) -> SiteKey {
        let [service, operation, function] = columns;
        SiteKey {
            service: self.get(batch.text(service, row)),
            operation: Operation::parse(batch.text(operation, row)).unwrap_or(Operation::Other),
            function: self.get(batch.text(function, row)),
        }
    }
}

/// Restores what the manifest's files tell.
pub(crate) async fn restore(
    place: &Place,
    manifest: &Manifest,
    environment: &Arc<RuntimeEnv>,
    raw_seconds: i64,
) -> Result<Restored> {
    let mut memory = Memory::new(raw_seconds);
    let mut known = Known::new();
    let Some(last) = manifest.last() else {
        return Ok(Restored { memory, known });
    };
    memory.restore_last(Some(last));
    let mut texts = Texts::default();
    let all = session(place, manifest, environment, i64::MIN, i64::MAX)?;
    let services = "SELECT service, min(at) FROM versions GROUP BY service";
    each(&all, services, |batch| {
        for row in batch.rows() {
            memory.restore_service(texts.get(batch.text(0, row)), batch.time(1, row));
        }
        Ok(())
    })
    .await?;
    let kept = session(place, manifest, environment, last - KEPT_SECONDS, last)?;
    slots(&kept, last - KEPT_SECONDS, &mut memory, &mut texts).await?;
    let sites = "SELECT service, operation, function, file, line, first_seen FROM stacks";
    each(&all, sites, |batch| {
        for row in batch.rows() {
            let key = texts.key(batch, [0, 1, 2], row);
            let site = SiteRecord {
                operation: batch.text(1, row).to_owned(),
                function: Arc::clone(&key.function),
                file: texts.get(batch.text(3, row)),
                line: batch.small(4, row),
            };
            known.insert((Arc::clone(&key.service), site));
            memory.restore_site(key, batch.time(5, row));
        }
        Ok(())
    })
    .await?;
    rows(&kept, last - KEPT_SECONDS, &mut memory, &mut texts).await?;
    let lately = session(place, manifest, environment, last - FORGOTTEN_SECONDS, last)?;
    let seen = lives(&lately, last - FORGOTTEN_SECONDS, &mut memory, &mut texts).await?;
    for at in seen {
        // A sweep at a time: most instances are in the last one.
        let of_sweep = session(place, manifest, environment, at, at)?;
        counts(&of_sweep, at, &mut memory, &mut texts).await?;
    }
    memory.restored();
    Ok(Restored { memory, known })
}

async fn slots(
    session: &datafusion::prelude::SessionContext,
    from: i64,
    memory: &mut Memory,
    texts: &mut Texts,
) -> Result<()> {
    let sql = format!(
        "SELECT service, at, version, instances, continuing, growth_seconds, starts FROM versions \
         WHERE at >= {} ORDER BY service, at, version",
        moment(from)
    );
    each(session, &sql, |batch| {
        for row in batch.rows() {
            let slot = Slot {
                id: 0,
                at: batch.time(1, row),
                version: texts.get(batch.text(2, row)),
                instances: batch.small(3, row),
                continuing: batch.small(4, row),
                seconds: batch.real(5, row),
                starts: batch.small(6, row),
            };
            memory.restore_slot(batch.text(0, row), slot);
        }
        Ok(())
    })
    .await
}

async fn rows(
    session: &datafusion::prelude::SessionContext,
    from: i64,
    memory: &mut Memory,
    texts: &mut Texts,
) -> Result<()> {
    let sql = format!(
        "SELECT service, operation, function, at, version, goroutines, most, growth FROM points WHERE at >= {}",
        moment(from)
    );
    each(session, &sql, |batch| {
        for row in batch.rows() {
            let key = texts.key(batch, [0, 1, 2], row);
            let point = RestoredRow {
                at: batch.time(3, row),
                version: texts.get(batch.text(4, row)),
                sum: batch.count(5, row),
                max: batch.count(6, row),
                delta: batch.number(7, row),
            };
            memory.restore_row(&key, &point);
        }
        Ok(())
    })
    .await
}

/// The instances that were seen lately, and the sweeps in which they were last.
async fn lives(
    session: &datafusion::prelude::SessionContext,
    after: i64,
    memory: &mut Memory,
    texts: &mut Texts,
) -> Result<BTreeSet<i64>> {
    let mut newest: HashMap<(Arc<str>, Arc<str>), RestoredLife> = HashMap::new();
    let sql = format!(
        "SELECT service, instance, version, process, since, at FROM instances WHERE at > {}",
        moment(after)
    );
    each(session, &sql, |batch| {
        for row in batch.rows() {
            let key = (texts.get(batch.text(0, row)), texts.get(batch.text(1, row)));
            let last = batch.time(5, row);
            // Of several of one name in a sweep, any: files keep their order, and the last one counted.
            if newest.get(&key).is_none_or(|life| life.last <= last) {
                let life = RestoredLife {
                    instance: Arc::clone(&key.1),
                    version: texts.get(batch.text(2, row)),
                    start: texts.get(batch.text(3, row)),
                    first: batch.time(4, row),
                    last,
                };
                newest.insert(key, life);
            }
        }
        Ok(())
    })
    .await?;
    let seen = newest.values().map(|life| life.last).collect();
    for ((service, _), life) in newest {
        memory.restore_life(&service, life);
    }
    Ok(seen)
}

/// What the instances had that were last seen at `at`.
async fn counts(
    session: &datafusion::prelude::SessionContext,
    at: i64,
    memory: &mut Memory,
    texts: &mut Texts,
) -> Result<()> {
    let sql = format!(
        "SELECT service, operation, function, instance, goroutines FROM observations WHERE at = {}",
        moment(at)
    );
    each(session, &sql, |batch| {
        for row in batch.rows() {
            let key = texts.key(batch, [0, 1, 2], row);
            memory.restore_count(&key, batch.text(3, row), at, batch.count(4, row));
        }
        Ok(())
    })
    .await
}
