//! Questions to a history. Asking needs no lock: every question sees the history as of one commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionContext;
use futures_util::StreamExt;
use gorphan_model::Operation;

use crate::answer::{Answer, Table};
use crate::captures::CaptureInfo;
use crate::cluster::Engine;
use crate::driver::Driver;
use crate::engine::{self, CONTENTS, each, moment, quoted, wrong};
use crate::error::{Result, StoreError};
use crate::manifest::{self, Manifest};
use crate::place::Place;
use crate::{Location, Point, SiteKey};

/// What one question may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows of an answer; further ones are left out, and said so.
    pub rows: usize,
    /// Bytes of an answer's texts.
    pub bytes: usize,
    /// Time.
    pub time: Duration,
}

impl Default for Limits {
    /// What a person reads, and waits for.
    fn default() -> Self {
        Self {
            rows: 10_000,
            bytes: 64 << 20,
            time: Duration::from_secs(60),
        }
    }
}

/// Memory of the engine for all questions that are asked at the same time.
const MEMORY_BYTES: usize = 512 << 20;
/// Times that a question is asked again whose files were removed meanwhile.
const ATTEMPTS: usize = 2;

/// A history that is asked. Clones share threads and memory. Its functions wait for the answer: in an asynchronous program
/// they belong on a thread for blocking work.
#[derive(Debug, Clone)]
pub struct Reader {
    place: Place,
    driver: Driver,
    environment: Arc<RuntimeEnv>,
    engine: Engine,
}

/// A site that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSite {
    /// What is followed over time of it.
    pub key: SiteKey,
    /// As the source names it; empty where unknown.
    pub file: String,
    /// From 1; 0 where unknown.
    pub line: u32,
    /// Seconds of Unix time of the first sweep in which it was seen.
    pub first_seen: i64,
    /// The instance at which it was first seen; empty where no stack is known.
    pub instance: String,
    /// Its stack then, a line a frame: the function, a space, file and line. Empty where none is known.
    pub stack: String,
}

/// An instance over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceSeries {
    /// The instance.
    pub instance: String,
    /// The version that it had last.
    pub version: String,
    /// Seconds of Unix time and goroutines at the site; 0 where the instance was seen without it.
    pub points: Vec<(i64, u64)>,
}

impl Reader {
    /// Opens a history for questions.
    ///
    /// # Errors
    /// When it is not there or cannot be reached.
    pub fn open(location: &Location) -> Result<Self> {
        Self::of(Place::open(location, false)?, Driver::new()?)
    }

    pub(crate) fn of(place: Place, driver: Driver) -> Result<Self> {
        Ok(Self {
            place,
            driver,
            environment: engine::environment(MEMORY_BYTES)?,
            engine: Engine::default(),
        })
    }

    /// The same, with another engine to answer.
    ///
    /// # Errors
    /// When the engine cannot read where the history is.
    pub fn with_engine(self, engine: Engine) -> Result<Self> {
        engine.check(&self.place)?;
        Ok(Self { engine, ..self })
    }

    /// Answers a question in SQL over the views that `docs/history.md` describes. Nothing can be changed, and no files be
    /// read but those of the history.
    ///
    /// # Errors
    /// When the question is wrong or takes more than it may, or the history cannot be read.
    pub fn query(&self, sql: &str, limits: Limits) -> Result<Table> {
        let (sql, engine) = (sql.to_owned(), self.engine.clone());
        self.ask("answer a query", i64::MIN, i64::MAX, move |context| {
            let sql = sql.clone();
            let engine = engine.clone();
            async move { within(limits.time, answer(&engine, &context, &sql, limits)).await }
        })
    }

    /// The time of the last sweep.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn last(&self) -> Result<Option<i64>> {
        let place = self.place.clone();
        self.driver.run("read the history", async move {
            Ok(manifest::newest(&place).await?.0.last())
        })
    }

    /// Every site of a service, or of all, whose function has `function` in its name, by service, operation, function and
    /// line. An empty text is in every name.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn known_sites(&self, service: Option<&str>, function: &str) -> Result<Vec<KnownSite>> {
        let mut filter = format!("strpos(function, {}) > 0", quoted(function));
        if function.is_empty() {
            "true".clone_into(&mut filter);
        }
        if let Some(service) = service {
            filter += &format!(" AND service = {}", quoted(service));
        }
        self.sites(filter)
    }

    /// The sites with a fingerprint: one, at several lines perhaps.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn sites_of(&self, fingerprint: &str) -> Result<Vec<KnownSite>> {
        self.sites(format!("fingerprint = {}", quoted(fingerprint)))
    }

    fn sites(&self, filter: String) -> Result<Vec<KnownSite>> {
        let sql = format!(
            "SELECT service, operation, function, file, line, first_seen, instance, stack FROM stacks WHERE {filter} \
             ORDER BY service, operation, function, file, line, first_seen"
        );
        let mut sites = self.collect(sql, (i64::MIN, i64::MAX), |batch, row| KnownSite {
            key: SiteKey {
                service: batch.text(0, row).into(),
                operation: Operation::parse(batch.text(1, row)).unwrap_or(Operation::Other),
                function: batch.text(2, row).into(),
            },
            file: batch.text(3, row).to_owned(),
            line: batch.small(4, row),
            first_seen: batch.time(5, row),
            instance: batch.text(6, row).to_owned(),
            stack: batch.text(7, row).to_owned(),
        })?;
        // A site is stored again where it is not sure that it was; a stack is better than none.
        sites.dedup_by(|next, kept| {
            let same = kept.key == next.key && kept.file == next.file && kept.line == next.line;
            if same && kept.stack.is_empty() {
                kept.stack = std::mem::take(&mut next.stack);
                kept.instance = std::mem::take(&mut next.instance);
            }
            same
        });
        Ok(sites)
    }

    /// The stack of a site, a line a frame; `None` where none is known.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn stack(&self, key: &SiteKey) -> Result<Option<String>> {
        let sites = self.sites(of_site(key))?;
        let stacks = sites.into_iter().map(|site| site.stack);
        Ok(stacks.into_iter().find(|stack| !stack.is_empty()))
    }

    /// The points of a site from one time to another, both included, oldest first: also where only the version was there.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn series(&self, key: &SiteKey, from: i64, to: i64) -> Result<Vec<Point>> {
        let filter = format!(
            "service = {} AND at >= {} AND at <= {}",
            quoted(&key.service),
            moment(from),
            moment(to)
        );
        let sql = format!(
            "SELECT at, version, instances, continuing, growth_seconds, starts FROM versions WHERE {filter} \
             ORDER BY at, version"
        );
        let slots = self.collect(sql, (from, to), |batch, row| Point {
            at: batch.time(0, row),
            version: batch.text(1, row).into(),
            instances: batch.small(2, row),
            sum: 0,
            max: 0,
            continuing: batch.small(3, row),
            delta: 0,
            seconds: batch.real(4, row),
            starts: batch.small(5, row),
        })?;
        let sql = format!(
            "SELECT at, version, goroutines, most, growth FROM points WHERE {} AND {filter}",
            of_site(key)
        );
        let rows = self.collect(sql, (from, to), |batch, row| {
            let key = (batch.time(0, row), batch.text(1, row).to_owned());
            (
                key,
                (
                    batch.count(2, row),
                    batch.count(3, row),
                    batch.number(4, row),
                ),
            )
        })?;
        let rows: BTreeMap<_, _> = rows.into_iter().collect();
        let mut points = slots;
        for point in &mut points {
            if let Some((sum, max, delta)) = rows.get(&(point.at, point.version.to_string())) {
                (point.sum, point.max, point.delta) = (*sum, *max, *delta);
            }
        }
        Ok(points)
    }

    /// Goroutines at a site in each instance of its service, from one time to another, both included; the `most` instances
    /// with the largest counts, largest first. It goes back as far as raw sweeps are kept.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn instance_series(
        &self,
        key: &SiteKey,
        from: i64,
        to: i64,
        most: usize,
    ) -> Result<Vec<InstanceSeries>> {
        let times = format!("at >= {} AND at <= {}", moment(from), moment(to));
        let sql = format!(
            "SELECT instance, at, sum(goroutines) FROM observations WHERE {} AND {times} GROUP BY instance, at",
            of_site(key)
        );
        let counts = self.collect(sql, (from, to), |batch, row| {
            (
                batch.text(0, row).to_owned(),
                batch.time(1, row),
                batch.count(2, row),
            )
        })?;
        let mut largest: BTreeMap<String, u64> = BTreeMap::new();
        let mut counted: BTreeMap<(String, i64), u64> = BTreeMap::new();
        for (instance, at, count) in counts {
            let slot = largest.entry(instance.clone()).or_default();
            *slot = (*slot).max(count);
            counted.insert((instance, at), count);
        }
        let mut order: Vec<(String, u64)> = largest.into_iter().collect();
        order.sort_by(|(a, count), (b, other)| (other, a).cmp(&(count, b)));
        order.truncate(most);
        let service = quoted(&key.service);
        let sql = format!(
            "SELECT instance, at, version FROM instances WHERE service = {service} AND {times} ORDER BY instance, at"
        );
        let seen = self.collect(sql, (from, to), |batch, row| {
            (
                batch.text(0, row).to_owned(),
                batch.time(1, row),
                batch.text(2, row).to_owned(),
            )
        })?;
        let mut of_instance: BTreeMap<String, InstanceSeries> = BTreeMap::new();
        for (instance, at, version) in seen {
            let series = of_instance
                .entry(instance.clone())
                .or_insert_with(|| InstanceSeries {
                    instance: instance.clone(),
                    version: String::new(),
                    points: Vec::new(),
                });
            series.version = version;
            let count = counted.get(&(instance, at)).copied().unwrap_or(0);
            if series.points.last().is_none_or(|(last, _)| *last < at) {
                series.points.push((at, count));
            }
        }
        let series = order
            .iter()
            .filter_map(|(name, _)| of_instance.remove(name));
        Ok(series.collect())
    }

    /// The captures of a service, or of all, newest first.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn captures(&self, service: Option<&str>) -> Result<Vec<CaptureInfo>> {
        let filter = service.map(|service| format!("WHERE service = {}", quoted(service)));
        let sql = format!(
            "SELECT DISTINCT id, service, instance, at, what, size FROM captures {} ORDER BY at DESC, id",
            filter.unwrap_or_default()
        );
        self.collect(sql, (i64::MIN, i64::MAX), |batch, row| CaptureInfo {
            id: batch.text(0, row).to_owned(),
            service: batch.text(1, row).to_owned(),
            instance: batch.text(2, row).to_owned(),
            at: batch.time(3, row),
            what: batch.text(4, row).to_owned(),
            size: batch.count(5, row),
        })
    }

    /// What was fetched; `None` if there is no such capture any more.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn capture(&self, id: &str) -> Result<Option<Bytes>> {
        let sql = format!(
            "SELECT content FROM {CONTENTS} WHERE id = {} LIMIT 1",
            quoted(id)
        );
        let found = self.collect(sql, (i64::MIN, i64::MAX), |batch, row| {
            Bytes::copy_from_slice(batch.bytes(0, row))
        })?;
        Ok(found.into_iter().next())
    }

    /// The rows of a question of gorphan's own, whose files reach into a time.
    fn collect<T: Send + 'static>(
        &self,
        sql: String,
        (from, to): (i64, i64),
        row: impl Fn(&engine::Batch, usize) -> T + Copy + Send + Sync + 'static,
    ) -> Result<Vec<T>> {
        let embedded = self.engine == Engine::Embedded;
        self.ask("read the history", from, to, move |context| {
            let sql = sql.clone();
            async move {
                let mut rows = Vec::new();
                let all = each(&context, &sql, |batch| {
                    rows.extend(batch.rows().map(|place| row(batch, place)));
                    Ok(())
                });
                if embedded {
                    all.await?;
                } else {
                    // A cluster waits for executors that may never come.
                    within(Limits::default().time, all).await?;
                }
                Ok(rows)
            }
        })
    }

    /// Asks something of the newest manifest; once more if files have gone meanwhile.
    fn ask<T, F>(
        &self,
        what: &'static str,
        from: i64,
        to: i64,
        question: impl Fn(SessionContext) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (place, environment) = (self.place.clone(), Arc::clone(&self.environment));
        let engine = self.engine.clone();
        self.driver.run(what, async move {
            let mut attempts = 1;
            loop {
                let (manifest, _): (Manifest, _) = manifest::newest(&place).await?;
                let context = engine
                    .session(&place, &manifest, &environment, from, to)
                    .await?;
                let answer = question(context).await;
                if answer.is_ok() || attempts == ATTEMPTS {
                    return answer;
                }
                let (now, _) = manifest::newest(&place).await?;
                if now.number == manifest.number {
                    return answer;
                }
                attempts += 1;
            }
        })
    }
}

/// What selects a site's rows.
fn of_site(key: &SiteKey) -> String {
    format!(
        "service = {} AND operation = {} AND function = {}",
        quoted(&key.service),
        quoted(key.operation.as_str()),
        quoted(&key.function)
    )
}

/// What an engine answers, if it does so in time.
async fn within<T>(time: Duration, answer: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(time, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(StoreError::Query(format!(
            "it takes longer than {} seconds",
            time.as_secs()
        ))),
    }
}

/// Answers what a user asks: one statement that reads.
async fn answer(
    engine: &Engine,
    context: &SessionContext,
    sql: &str,
    limits: Limits,
) -> Result<Table> {
    let reads = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    let frame = context.sql_with_options(sql, reads).await.map_err(wrong)?;
    engine.check_plan(frame.logical_plan())?;
    let mut answer = Answer::new(frame.schema().as_arrow());
    let mut stream = frame.execute_stream().await.map_err(wrong)?;
    while let Some(batch) = stream.next().await {
        if !answer.take(&batch.map_err(wrong)?, limits)? {
            break;
        }
    }
    Ok(answer.table())
}

#[cfg(test)]
mod tests;
