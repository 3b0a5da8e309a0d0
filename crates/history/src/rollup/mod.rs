//! Sweeps rolled up as they come: a point a site, a version and a sweep, whatever the number of instances.
//!
//! What is the same for all sites of a version is kept once, in its slots; of a site only the sweeps are kept in which it had
//! goroutines. [`Memory::series`] puts both together again. Sweeps that are older than whole ones are kept are thinned to hours.

mod restore;
mod thin;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use gorphan_model::group::Site;

use crate::options::DEFAULT_RAW_SECONDS;
use crate::{History, InstanceRecord, Point, SiteKey, SiteRecord, SweepRecord, WARM_UP_SECONDS};

pub(crate) use restore::{Life as RestoredLife, Row as RestoredRow};

/// Seconds for which points are kept: four weeks, of which the test of growth uses some days.
pub(crate) const KEPT_SECONDS: i64 = 28 * 86_400;
/// Seconds after which an instance that was not seen is forgotten.
pub(crate) const FORGOTTEN_SECONDS: i64 = 86_400;
/// Sites followed of one service; more are names that a program makes up.
const MAX_SITES: usize = 10_000;

/// A history that ends with the program.
#[derive(Debug)]
pub struct Memory {
    services: HashMap<Arc<str>, Service>,
    last: Option<i64>,
    /// Seconds after which sweeps are thinned to hours.
    raw_seconds: i64,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(DEFAULT_RAW_SECONDS)
    }
}

#[derive(Debug, Default)]
struct Service {
    since: i64,
    keys: Vec<Arc<SiteKey>>,
    numbers: HashMap<Arc<SiteKey>, usize>,
    lives: HashMap<Arc<str>, Life>,
    /// Oldest first, and by version within a sweep.
    slots: VecDeque<Slot>,
    /// The number of the next slot.
    next: u64,
    /// Slots with smaller numbers are thinned.
    thinned: u64,
    series: Vec<Series>,
}

/// A version at a sweep: what is the same for all its sites.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slot {
    /// Counted from the first one; those that are not kept any more leave gaps.
    pub(crate) id: u64,
    pub(crate) at: i64,
    pub(crate) version: Arc<str>,
    pub(crate) instances: u32,
    pub(crate) continuing: u32,
    pub(crate) seconds: f64,
    pub(crate) starts: u32,
}

/// A site's goroutines.
#[derive(Debug, Default)]
struct Series {
    /// When it was first seen.
    from: i64,
    /// Oldest first; slots that are not there had none, then and before.
    rows: VecDeque<Row>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    /// The number of the slot.
    slot: u64,
    tally: Tally,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Tally {
    sum: u64,
    max: u64,
    delta: i64,
}

/// One process, from its first sight on.
#[derive(Debug)]
struct Life {
    version: Arc<str>,
    start: Arc<str>,
    first: i64,
    last: i64,
    /// Goroutines by the number of the site; what is beyond the end is 0.
    counts: Vec<u64>,
}

/// An instance at this sweep.
struct Now<'a> {
    record: &'a InstanceRecord,
    /// By the number of the site.
    counts: Vec<u64>,
}

impl History for Memory {
    type Error = Infallible;

    fn append(&mut self, sweep: &SweepRecord) -> Result<Vec<(Arc<SiteKey>, Point)>, Infallible> {
        if self.last.is_some_and(|last| sweep.at <= last) {
            return Ok(Vec::new());
        }
        self.last = Some(sweep.at);
        let sites: Vec<_> = sweep.sites.iter().map(SiteRecord::site).collect();
        let mut of_service: BTreeMap<&Arc<str>, Vec<&InstanceRecord>> = BTreeMap::new();
        for instance in &sweep.instances {
            of_service
                .entry(&instance.service)
                .or_default()
                .push(instance);
        }
        let mut points = Vec::new();
        for (name, instances) in of_service {
            let service = self
                .services
                .entry(Arc::clone(name))
                .or_insert_with(|| Service {
                    since: sweep.at,
                    ..Service::default()
                });
            let now = service.count(name, sweep.at, &sites, &instances);
            service.take_in(sweep, now, self.raw_seconds, &mut points);
        }
        Ok(points)
    }

    fn series(&self, key: &SiteKey) -> Result<Vec<Point>, Infallible> {
        let service = self.services.get(&key.service);
        let series = service.and_then(|it| Some((it, it.series.get(*it.numbers.get(key)?)?)));
        Ok(series
            .map(|(service, series)| service.points(series))
            .unwrap_or_default())
    }

    fn sites(&self) -> Result<Vec<Arc<SiteKey>>, Infallible> {
        let mut sites: Vec<_> = self
            .services
            .values()
            .flat_map(|it| it.keys.clone())
            .collect();
        sites.sort();
        Ok(sites)
    }

    fn since(&self, service: &str) -> Result<Option<i64>, Infallible> {
        Ok(self.services.get(service).map(|service| service.since))
    }
}

impl Memory {
    /// Nothing is known yet. Sweeps older than `raw_seconds` become points an hour.
    pub fn new(raw_seconds: i64) -> Self {
        Self {
            services: HashMap::new(),
            last: None,
            raw_seconds,
        }
    }

    /// Rows of all sites, which are most of what is in memory.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> usize {
        let series = self.services.values().flat_map(|it| &it.series);
        series.map(|series| series.rows.len()).sum()
    }

    /// The versions of each service at the last sweep, by service and version.
    pub(crate) fn slots_of_last(&self) -> Vec<(&Arc<str>, &Slot)> {
        let mut slots = Vec::new();
        for (name, service) in &self.services {
            let newest = service.slots.iter().rev();
            let of_last = newest.take_while(|slot| Some(slot.at) == self.last);
            slots.extend(of_last.map(|slot| (name, slot)));
        }
        slots.sort_by(|(a, slot), (b, other)| (a, &slot.version).cmp(&(b, &other.version)));
        slots
    }

    /// When the present life of an instance was first seen.
    pub(crate) fn life_since(&self, service: &str, instance: &str) -> Option<i64> {
        let life = self.services.get(service)?.lives.get(instance)?;
        Some(life.first)
    }
}

impl Service {
    fn number(&mut self, name: &Arc<str>, at: i64, site: &Site) -> Option<usize> {
        let key = SiteKey {
            service: Arc::clone(name),
            operation: site.operation,
            function: Arc::clone(&site.function),
        };
        self.number_of(key, at)
    }

    /// The number of a site, which is given one if it is new.
    fn number_of(&mut self, key: SiteKey, from: i64) -> Option<usize> {
        if let Some(number) = self.numbers.get(&key) {
            return Some(*number);
        }
        if self.keys.len() >= MAX_SITES {
            return None;
        }
        let key = Arc::new(key);
        self.keys.push(Arc::clone(&key));
        self.series.push(Series {
            from,
            rows: VecDeque::new(),
        });
        self.numbers.insert(key, self.keys.len() - 1);
        Some(self.keys.len() - 1)
    }

    /// The instances of a sweep with their goroutines by the service's own numbers of sites.
    fn count<'a>(
        &mut self,
        name: &Arc<str>,
        at: i64,
        sites: &[Site],
        instances: &[&'a InstanceRecord],
    ) -> Vec<Now<'a>> {
        // Places to numbers, once for all instances.
        let mut numbers: Vec<Option<usize>> = vec![None; sites.len()];
        let mut now = Vec::with_capacity(instances.len());
        for record in instances {
            let mut counts = vec![0_u64; self.keys.len()];
            for count in &record.sites {
                let place = count.0 as usize;
                let (Some(slot), Some(site)) = (numbers.get_mut(place), sites.get(place)) else {
                    continue;
                };
                let number = match *slot {
                    Some(number) => number,
                    None => match self.number(name, at, site) {
                        Some(number) => *slot.insert(number),
                        None => continue,
                    },
                };
                if counts.len() <= number {
                    counts.resize(number + 1, 0);
                }
                if let Some(sum) = counts.get_mut(number) {
                    *sum = sum.saturating_add(count.1);
                }
            }
            now.push(Now { record, counts });
        }
        now
    }

    fn take_in(
        &mut self,
        sweep: &SweepRecord,
        now: Vec<Now<'_>>,
        raw_seconds: i64,
        points: &mut Vec<(Arc<SiteKey>, Point)>,
    ) {
        let at = sweep.at;
        // Per version, a tally of every site; also of those that nobody has any more.
        let mut versions: BTreeMap<Arc<str>, (Slot, Vec<Tally>)> = BTreeMap::new();
        for instance in now {
            let record = instance.record;
            let known = self.lives.get(&record.instance);
            let same = known.filter(|life| {
                !sweep.clock_behind
                    && at - life.last < FORGOTTEN_SECONDS
                    && life.version == record.version
                    && life.start == record.start
            });
            let (slot, tallies) = versions
                .entry(Arc::clone(&record.version))
                .or_insert_with_key(|version| {
                    let tallies = vec![Tally::default(); self.keys.len()];
                    (Slot::empty(at, version), tallies)
                });
            let warm = same.filter(|life| life.last - life.first >= WARM_UP_SECONDS);
            slot.add(same, warm, at);
            for (number, tally) in tallies.iter_mut().enumerate() {
                let count = instance.counts.get(number).copied().unwrap_or(0);
                tally.add(count, warm, number);
            }
            let first = same.map_or(at, |life| life.first);
            let life = Life {
                version: Arc::clone(&record.version),
                start: Arc::clone(&record.start),
                first,
                last: at,
                counts: instance.counts,
            };
            self.lives.insert(Arc::clone(&record.instance), life);
        }
        self.lives
            .retain(|_, life| at - life.last < FORGOTTEN_SECONDS);
        self.forget(at);
        self.thin(at, raw_seconds);
        for (mut slot, tallies) in versions.into_values() {
            slot.id = self.next;
            self.next += 1;
            for ((key, series), tally) in self.keys.iter().zip(&mut self.series).zip(tallies) {
                points.push((Arc::clone(key), slot.point(tally)));
                if tally != Tally::default() {
                    let slot = slot.id;
                    series.rows.push_back(Row { slot, tally });
                }
            }
            self.slots.push_back(slot);
        }
    }

    /// Lets go of what is too old.
    fn forget(&mut self, at: i64) {
        let before = self.slots.len();
        while self
            .slots
            .front()
            .is_some_and(|slot| at - slot.at > KEPT_SECONDS)
        {
            self.slots.pop_front();
        }
        if self.slots.len() < before {
            let first = self.slots.front().map_or(self.next, |slot| slot.id);
            for series in &mut self.series {
                while series.rows.front().is_some_and(|row| row.slot < first) {
                    series.rows.pop_front();
                }
            }
        }
    }

    fn points(&self, series: &Series) -> Vec<Point> {
        let mut rows = series.rows.iter().peekable();
        let since = self.slots.iter().filter(|slot| slot.at >= series.from);
        let points = since.map(|slot| {
            let row = rows.next_if(|row| row.slot == slot.id);
            slot.point(row.map(|row| row.tally).unwrap_or_default())
        });
        points.collect()
    }
}

impl Slot {
    fn empty(at: i64, version: &Arc<str>) -> Self {
        Self {
            id: 0,
            at,
            version: Arc::clone(version),
            instances: 0,
            continuing: 0,
            seconds: 0.0,
            starts: 0,
        }
    }

    fn add(&mut self, same: Option<&Life>, warm: Option<&Life>, at: i64) {
        self.instances += 1;
        self.starts += u32::from(same.is_none());
        if let Some(life) = warm {
            self.continuing += 1;
            self.seconds += (at - life.last) as f64;
        }
    }

    fn point(&self, tally: Tally) -> Point {
        Point {
            at: self.at,
            version: Arc::clone(&self.version),
            instances: self.instances,
            sum: tally.sum,
            max: tally.max,
            continuing: self.continuing,
            delta: tally.delta,
            seconds: self.seconds,
            starts: self.starts,
        }
    }
}

impl Tally {
    fn add(&mut self, count: u64, warm: Option<&Life>, number: usize) {
        self.sum = self.sum.saturating_add(count);
        self.max = self.max.max(count);
        if let Some(life) = warm {
            let before = life.counts.get(number).copied().unwrap_or(0);
            let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            self.delta = self.delta.saturating_add(signed(count) - signed(before));
        }
    }
}
