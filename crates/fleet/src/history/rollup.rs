//! Sweeps rolled up as they come: a point a site, a version and a sweep, whatever the number of instances.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use super::record::{InstanceRecord, SweepRecord};
use super::{History, Point, SiteKey, WARM_UP_SECONDS};

/// Seconds for which points are kept: four weeks, of which the test of growth uses some days.
const KEPT_SECONDS: i64 = 28 * 86_400;
/// Seconds after which an instance that was not seen is forgotten.
const FORGOTTEN_SECONDS: i64 = 86_400;
/// Sites followed of one service; more are names that a program makes up.
const MAX_SITES: usize = 10_000;

/// A history that ends with the program.
#[derive(Debug, Default)]
pub struct Memory {
    services: HashMap<Arc<str>, Service>,
    last: Option<i64>,
}

#[derive(Debug, Default)]
struct Service {
    since: i64,
    keys: Vec<Arc<SiteKey>>,
    numbers: HashMap<Arc<SiteKey>, usize>,
    lives: HashMap<Arc<str>, Life>,
    series: Vec<VecDeque<Point>>,
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
        let sites: Vec<_> = sweep
            .sites
            .iter()
            .map(super::record::SiteRecord::site)
            .collect();
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
            // Places to numbers, once for all instances.
            let numbers: Vec<Option<usize>> = sites.iter().map(|_| None).collect();
            let mut numbers = numbers;
            let mut now = Vec::with_capacity(instances.len());
            for record in instances {
                let mut counts = vec![0; service.keys.len()];
                for count in &record.sites {
                    let place = count.0 as usize;
                    let (Some(slot), Some(site)) = (numbers.get_mut(place), sites.get(place))
                    else {
                        continue;
                    };
                    let number = match *slot {
                        Some(number) => number,
                        None => match service.number(name, site) {
                            Some(number) => *slot.insert(number),
                            None => continue,
                        },
                    };
                    if counts.len() <= number {
                        counts.resize(number + 1, 0);
                    }
                    if let Some(sum) = counts.get_mut(number) {
                        *sum += count.1;
                    }
                }
                now.push(Now { record, counts });
            }
            service.take_in(sweep.at, now, &mut points);
        }
        Ok(points)
    }

    fn series(&self, key: &SiteKey) -> Result<Vec<Point>, Infallible> {
        let service = self.services.get(&key.service);
        let series = service.and_then(|it| it.series.get(*it.numbers.get(key)?));
        Ok(series
            .map(|points| points.iter().cloned().collect())
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

impl Service {
    fn number(&mut self, name: &Arc<str>, site: &gorphan_model::group::Site) -> Option<usize> {
        let key = SiteKey {
            service: Arc::clone(name),
            operation: site.operation,
            function: Arc::clone(&site.function),
        };
        if let Some(number) = self.numbers.get(&key) {
            return Some(*number);
        }
        if self.keys.len() >= MAX_SITES {
            return None;
        }
        let key = Arc::new(key);
        self.keys.push(Arc::clone(&key));
        self.series.push(VecDeque::new());
        self.numbers.insert(key, self.keys.len() - 1);
        Some(self.keys.len() - 1)
    }

    fn take_in(&mut self, at: i64, now: Vec<Now<'_>>, points: &mut Vec<(Arc<SiteKey>, Point)>) {
        // Per version, a point of every site; also of those that nobody has any more.
        let mut versions: Vec<(Arc<str>, Vec<Point>)> = Vec::new();
        for instance in now {
            let record = instance.record;
            let known = self.lives.get(&record.instance);
            let same =
                known.filter(|life| life.version == record.version && life.start == record.start);
            let index = versions
                .iter()
                .position(|(version, _)| *version == record.version);
            let index = index.unwrap_or_else(|| {
                let empty = |_: &Arc<SiteKey>| blank(at, &record.version);
                let sites = self.keys.iter().map(empty).collect();
                versions.push((Arc::clone(&record.version), sites));
                versions.len() - 1
            });
            let Some((_, sites)) = versions.get_mut(index) else {
                continue;
            };
            let warm = same.filter(|life| life.last - life.first >= WARM_UP_SECONDS);
            for (number, point) in sites.iter_mut().enumerate() {
                let count = instance.counts.get(number).copied().unwrap_or(0);
                add(point, count, same, warm, number, at);
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
        for (_, sites) in versions {
            for ((key, series), point) in self.keys.iter().zip(&mut self.series).zip(sites) {
                while series.front().is_some_and(|old| at - old.at > KEPT_SECONDS) {
                    series.pop_front();
                }
                series.push_back(point.clone());
                points.push((Arc::clone(key), point));
            }
        }
    }
}

fn blank(at: i64, version: &Arc<str>) -> Point {
    Point {
        at,
        version: Arc::clone(version),
        instances: 0,
        sum: 0,
        max: 0,
        continuing: 0,
        delta: 0,
        seconds: 0.0,
        starts: 0,
    }
}

fn add(
    point: &mut Point,
    count: u64,
    same: Option<&Life>,
    warm: Option<&Life>,
    number: usize,
    at: i64,
) {
    point.instances += 1;
    point.sum = point.sum.saturating_add(count);
    point.max = point.max.max(count);
    point.starts += u32::from(same.is_none());
    if let Some(life) = warm {
        let before = life.counts.get(number).copied().unwrap_or(0);
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        point.continuing += 1;
        point.delta = point.delta.saturating_add(signed(count) - signed(before));
        point.seconds += (at - life.last) as f64;
    }
}
