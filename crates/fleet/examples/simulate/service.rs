//! One service: its instances, their lives, its load, and its sites.

use std::sync::Arc;

use gorphan_fleet::history::{InstanceRecord, SiteCount, SiteRecord, SweepRecord};

use crate::chance::Chance;

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;

/// What a site really is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Truth {
    Healthy,
    Leak(Leak),
}

/// A leak that was put there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leak {
    /// Goroutines a minute and instance.
    pub(crate) rate: f64,
    /// When the version with it was deployed.
    pub(crate) start: f64,
    /// Healthy goroutines at the same site.
    pub(crate) level: f64,
    /// It leaks as the load is.
    pub(crate) by_load: bool,
    /// From one deploy to the next; 0 where there is none.
    pub(crate) deploy_days: f64,
    /// Of the daily load.
    pub(crate) amplitude: f64,
    /// The load of weekends.
    pub(crate) weekend: f64,
}

/// How the goroutines of a site come and go.
#[derive(Debug, Clone, Copy)]
enum Course {
    /// Workers: always as many.
    Flat(f64),
    /// As many as there is work.
    Load(f64),
    /// A pool that is filled by load and shrinks slowly.
    Pool(f64),
    /// Fills with the age of the process, within this many hours.
    Cache(f64, f64),
    /// Every night, for some hours.
    Batch(f64, f64),
    /// Sessions that stay for about a day, more or fewer by chance.
    Sessions(f64),
    /// Another level from some moment on, one to three steps a day apart.
    Steps(f64, f64, f64, f64),
    /// A healthy level, and a leak.
    Leaking {
        level: f64,
        rate: f64,
        start: f64,
        by_load: bool,
    },
}

#[derive(Debug)]
struct Site {
    place: SiteRecord,
    course: Course,
    truth: Truth,
}

#[derive(Debug)]
struct Instance {
    name: Arc<str>,
    start: f64,
    version: u32,
    /// What each site keeps from sweep to sweep.
    memory: Vec<f64>,
    /// Its share of the load.
    share: f64,
}

/// A service.
#[derive(Debug)]
pub(crate) struct Service {
    chance: Chance,
    sites: Vec<Site>,
    instances: Vec<Instance>,
    /// Mean seconds from one deploy to the next; none is ever made at 0.
    deploys: f64,
    next_deploy: f64,
    version: u32,
    /// Crashes an instance and second.
    crashes: f64,
    /// New pods get new names; a process on a machine keeps its name.
    renames: bool,
    amplitude: f64,
    peak: f64,
    weekend: f64,
    growth_a_week: f64,
    variation: f64,
    today: (i64, f64),
    named: u32,
    last: f64,
}

impl Service {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let deploys = chance.choose(&[0.0, 7.0 * DAY, 3.0 * DAY, DAY, DAY, 8.0 * HOUR]);
        let mut service = Self {
            sites: Vec::new(),
            instances: Vec::new(),
            deploys,
            next_deploy: f64::INFINITY,
            version: 1,
            crashes: chance.choose(&[0.0, 0.0, 1.0, 3.0]) / (14.0 * DAY),
            renames: chance.happens(0.7),
            amplitude: chance.between(0.0, 0.9),
            peak: chance.between(9.0, 21.0),
            weekend: chance.choose(&[1.0, 0.9, 0.6, 0.3, 0.05, 1.3]),
            growth_a_week: chance.choose(&[0.0, 0.0, 0.02, 0.05, -0.05]),
            variation: chance.between(0.02, 0.15),
            today: (-1, 1.0),
            named: 0,
            last: 0.0,
            chance,
        };
        let wanted = service.chance.magnitude(1.0, 13.0) as usize;
        service.populate();
        for _ in 0..wanted {
            let instance = service.launch(None, 0.0);
            service.instances.push(instance);
        }
        service.plan(0.0);
        service
    }

    fn populate(&mut self) {
        let chance = &mut self.chance;
        let mut courses = Vec::new();
        // What is not full within three hours, and is restarted often, never shows that it ends.
        let is_restarted = self.crashes > 0.0 || self.deploys > 0.0 && self.deploys <= DAY;
        let slowest = if is_restarted { 1.3 } else { 12.0 };
        for _ in 0..(chance.between(6.0, 15.0) as usize) {
            let level = chance.magnitude(1.0, 3000.0);
            courses.push(match (chance.unit() * 7.0) as u32 {
                0 => Course::Flat(level),
                1 | 2 => Course::Load(level),
                3 => Course::Pool(level),
                4 => Course::Cache(level, chance.magnitude(0.2, slowest)),
                5 => Course::Batch(level, chance.between(0.5, 6.0)),
                _ => Course::Sessions(level / 4.0),
            });
        }
        if chance.happens(0.25) {
            let (low, times) = (chance.magnitude(5.0, 300.0), chance.between(1.5, 4.0));
            let (moment, steps) = (
                chance.between(3.0, 24.0) * DAY,
                chance.choose(&[1.0, 1.0, 2.0]),
            );
            courses.push(Course::Steps(low, times, moment, steps));
        }
        let operations = [
            "chan send",
            "chan receive",
            "select",
            "wait group",
            "mutex lock",
        ];
        for (index, course) in courses.into_iter().enumerate() {
            let operation = operations[index % operations.len()];
            let kind = format!("{course:?}").to_lowercase();
            let kind = kind.split('(').next().unwrap_or_default();
            self.add(operation, &format!("{kind}{index}"), course, Truth::Healthy);
        }
        // Connections wait for I/O, which is no wait for a goroutine and not judged.
        self.add(
            "IO wait",
            "connections",
            Course::Load(30_000.0),
            Truth::Healthy,
        );
        if self.chance.happens(0.5) {
            let rate = self.chance.choose(&[1.0, 1.0, 2.0, 5.0, 20.0, 100.0]);
            let level = self.chance.choose(&[0.0, 0.0, 10.0, 100.0, 500.0, 1000.0]);
            let start = self.chance.between(2.0, 20.0) * DAY;
            let by_load = self.chance.happens(0.5);
            let course = Course::Leaking {
                level,
                rate,
                start,
                by_load,
            };
            let leak = Leak {
                rate,
                start,
                level,
                by_load,
                deploy_days: self.deploys / DAY,
                amplitude: self.amplitude,
                weekend: self.weekend,
            };
            self.add("chan send", "leaking", course, Truth::Leak(leak));
        }
    }

    fn add(&mut self, operation: &str, name: &str, course: Course, truth: Truth) {
        self.sites.push(Site {
            place: SiteRecord {
                operation: operation.to_owned(),
                function: name.into(),
                file: "main.go".into(),
                line: 1,
            },
            course,
            truth,
        });
    }

    pub(crate) fn truth(&self, function: &str) -> Truth {
        let site = self
            .sites
            .iter()
            .find(|site| &*site.place.function == function);
        site.map_or(Truth::Healthy, |site| site.truth)
    }

    pub(crate) fn truths(&self) -> impl Iterator<Item = (&str, &Truth)> {
        self.sites
            .iter()
            .map(|site| (&*site.place.function, &site.truth))
    }

    fn launch(&mut self, name: Option<Arc<str>>, at: f64) -> Instance {
        self.named += 1;
        let fresh = format!("i{}", self.named);
        let keeps = name.filter(|_| !self.renames);
        Instance {
            name: keeps.unwrap_or_else(|| fresh.into()),
            start: at,
            version: self.version,
            memory: self.sites.iter().map(|_| -1.0).collect(),
            share: self.chance.between(0.8, 1.2),
        }
    }

    /// The next deploy: in working hours, more or less as often as usual.
    fn plan(&mut self, at: f64) {
        if self.deploys > 0.0 {
            let day = ((at + self.deploys * self.chance.between(0.7, 1.3)) / DAY).floor();
            let hour = if self.deploys < DAY {
                (at + self.deploys * self.chance.between(0.7, 1.3)).rem_euclid(DAY) / HOUR
            } else {
                self.chance.between(8.0, 18.0)
            };
            self.next_deploy = (day * DAY + hour * HOUR).max(at + HOUR);
        }
    }

    /// The load at a moment, around 1.
    fn load(&mut self, at: f64) -> f64 {
        let day = (at / DAY).floor() as i64;
        if self.today.0 != day {
            self.today = (day, (self.variation * self.chance.normal()).exp());
        }
        let hour = at.rem_euclid(DAY) / HOUR;
        let round = ((hour - self.peak) / 24.0 * std::f64::consts::TAU).cos();
        let weekend = if day.rem_euclid(7) >= 5 {
            self.weekend
        } else {
            1.0
        };
        let growth = (1.0 + self.growth_a_week).powf(at / (7.0 * DAY));
        (1.0 + self.amplitude * round) * weekend * growth * self.today.1
    }

    /// What a sweep at this moment sees.
    pub(crate) fn sweep(&mut self, at: i64) -> SweepRecord {
        let now = at as f64;
        let passed = now - self.last;
        self.last = now;
        self.live(now, passed);
        let load = self.load(now);
        let mut record = SweepRecord::new(at);
        record.sites = self.sites.iter().map(|site| site.place.clone()).collect();
        for instance in &mut self.instances {
            // Now and then one does not answer.
            if self.chance.happens(0.005) {
                continue;
            }
            let mut sites = Vec::with_capacity(self.sites.len());
            let mut goroutines = 0;
            for (number, (site, memory)) in self.sites.iter().zip(&mut instance.memory).enumerate()
            {
                let mine = load * instance.share;
                let moment = Moment {
                    now,
                    passed,
                    age: now - instance.start,
                    load: mine,
                };
                let count = count(site.course, &moment, memory, &mut self.chance) as u64;
                goroutines += count;
                if count > 0 {
                    sites.push(SiteCount(number as u32, count, 0));
                }
            }
            record.instances.push(InstanceRecord {
                job: "simulated".to_owned(),
                service: "service".into(),
                instance: Arc::clone(&instance.name),
                version: format!("v{}", instance.version).into(),
                start: "".into(),
                goroutines,
                sites,
            });
        }
        record
    }

    /// Deploys and crashes.
    fn live(&mut self, now: f64, passed: f64) {
        if now >= self.next_deploy {
            self.version += 1;
            self.plan(now);
        }
        for index in 0..self.instances.len() {
            // A deploy goes over the instances one after the other, within about half an hour.
            let old = self.instances[index].version != self.version;
            let rolled = old && self.chance.happens(0.5);
            let crashed = self.chance.happens(self.crashes * passed);
            if rolled || crashed {
                let name = Arc::clone(&self.instances[index].name);
                let version = self.instances[index].version;
                let mut fresh = self.launch(Some(name), now - passed * 0.5);
                if !rolled {
                    fresh.version = version;
                }
                self.instances[index] = fresh;
            }
        }
    }
}

struct Moment {
    now: f64,
    passed: f64,
    age: f64,
    load: f64,
}

/// Goroutines at a site of an instance; `memory` is what it had, or below 0 at its start.
fn count(course: Course, at: &Moment, memory: &mut f64, chance: &mut Chance) -> f64 {
    let first = *memory < 0.0;
    match course {
        Course::Flat(level) => level.round(),
        Course::Load(level) => chance.count(level * at.load),
        Course::Pool(level) => {
            let wanted = chance.count(level * at.load);
            let kept = if first {
                0.0
            } else {
                *memory * (-at.passed / (3.0 * HOUR)).exp()
            };
            *memory = wanted.max(kept);
            memory.round()
        }
        Course::Cache(level, hours) => (level * (1.0 - (-at.age / (hours * HOUR)).exp())).round(),
        Course::Batch(level, hours) => {
            let hour = at.now.rem_euclid(DAY) / HOUR;
            let busy = hour >= 2.0 && hour < 2.0 + hours;
            if busy { chance.count(level) } else { 0.0 }
        }
        Course::Sessions(level) => {
            let stays = (-at.passed / DAY).exp();
            let before = if first { level * at.load } else { *memory };
            let noise = 0.25 * level * (1.0 - stays * stays).sqrt() * chance.normal();
            *memory = (level + (before - level) * stays + noise).max(0.0);
            memory.round()
        }
        Course::Steps(low, times, moment, steps) => {
            let done = ((at.now - moment) / DAY).ceil().clamp(0.0, steps);
            chance.count(low * times.powf(done) * at.load)
        }
        Course::Leaking {
            level,
            rate,
            start,
            by_load,
        } => {
            let since = at.passed.min(at.age).min((at.now - start).max(0.0));
            let load = if by_load { at.load } else { 1.0 };
            let leaked = if first { 0.0 } else { *memory };
            *memory = leaked + chance.count(rate * since / 60.0 * load);
            *memory + chance.count(level * at.load)
        }
    }
}
