//! Growth: whether a site has more goroutines day after day than restarts, deploys and the daily round of load can explain.
//!
//! `docs/fleet-judgement.md` has the mathematics. In short: the growth of the instances within their lives, averaged, is
//! summed to a path that no restart interrupts. Its days are compared: a day counts as growth only by the lesser of what its
//! floor and its ceiling rose, in units of what the site's level may vary. An e-detector (Shiryaev and Roberts' sum of
//! likelihood ratios) turns the days into evidence; when healthy sites do not drift, the mean time to a false alarm of one
//! site is at least [`DAYS_TO_FALSE_ALARM`] days, however long it is watched.

use std::collections::{BTreeSet, VecDeque};

use super::path::{Path, Step};
use crate::history::Point;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Mean days to a false alarm of one site that is healthy as the test takes it: a service with a hundred such sites raises
/// one in a million days. Real sites are not always so well-behaved; the simulator tells what is left of it.
pub const DAYS_TO_FALSE_ALARM: f64 = 1e8;

/// Days begin at four hours of the day, each watched on its own, so that a leak need not wait for the next midnight.
const PHASES: usize = 4;

/// What the sum must reach in any of the phases, so that all of them together keep the promise.
const ALARM: f64 = DAYS_TO_FALSE_ALARM * PHASES as f64;

/// Steepnesses of the likelihood ratios, which are averaged: the small ones find slow leaks in noisy sites, the large ones
/// make clear leaks quick.
const STEEPNESSES: [f64; 3] = [1.0, 2.0, 3.5];

/// Units of growth that one day may count at most. It takes four days of clear
/// growth: a step is no leak, nor are two or three on days in a row.
const MOST_UNITS: f64 = 3.5;
/// Units that one day may count at least.
const LEAST_UNITS: f64 = -5.0;

/// Goroutines an instance that are never more than one unit: what moves less in a day is not worth telling.
const LEAST_UNIT: f64 = 20.0;
/// The part of a site's level that its floor and ceiling vary by from day to day, on average over many instances; of a lone
/// one it is twice as much.
const VARIATION: f64 = 0.10;
/// The part of a level that has grown meanwhile that still counts as level: what leaked does not vary.
const GROWN_LEVEL: f64 = 0.5;
/// The part of a site's largest fall that one restart a day may hide: it happened while nobody was watched.
const HIDDEN_FALL: f64 = 0.5;
/// Days for which a site's falls are remembered.
const FALL_DAYS: usize = 7;
/// Standard deviations of a count that is independent from sweep to sweep.
const COUNT_DEVIATIONS: f64 = 2.0;

/// Restarts of an instance and day that are reckoned with; more leave nothing to judge.
const MOST_RESTARTS: f64 = 10.0;

/// Hours of a day that must have been seen.
const HOURS_SEEN: usize = 20;
/// Evidence is held below this, so that it can fall when the growth ends.
const MOST_EVIDENCE: f64 = 1e11;
/// Sweeps of a day kept, evenly: enough for its tenths.
const MAX_KEPT: usize = 300;

/// Growth that cannot be chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// Seconds of Unix time when it was first sure.
    pub alarmed: i64,
    /// Seconds of Unix time from which on it grew.
    pub since: i64,
    /// Goroutines an instance and day, over the last days.
    pub per_day: f64,
    /// The evidence, in units of which one in [`DAYS_TO_FALSE_ALARM`] days has as much.
    pub evidence: f64,
}

/// Watches one site of one service.
#[derive(Debug, Clone)]
pub struct Detector {
    path: Path,
    phases: Vec<Phase>,
    growth: Option<Growth>,
}

#[derive(Debug, Clone, Default)]
struct Phase {
    /// When its current day ends.
    end: i64,
    today: Today,
    yesterday: Option<Day>,
    /// One sum for each steepness.
    sums: [f64; STEEPNESSES.len()],
    /// When the current sums began to rise.
    since: i64,
    /// Growth of the days since.
    grown: Vec<f64>,
    /// The level before.
    base: f64,
    /// The largest fall of each of the last days.
    falls: VecDeque<f64>,
}

/// A day that is being seen.
#[derive(Debug, Clone, Default)]
struct Today {
    heights: Vec<f64>,
    levels: f64,
    starts: f64,
    instances: f64,
    sweeps: f64,
    hours: BTreeSet<i64>,
    highest: Option<f64>,
    fall: f64,
}

/// A day that was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Day {
    floor: f64,
    ceiling: f64,
    level: f64,
    instances: f64,
    /// Restarts an instance.
    restarts: f64,
    /// How far the path came down from where it was highest.
    fall: f64,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            path: Path::default(),
            phases: vec![Phase::default(); PHASES],
            growth: None,
        }
    }
}

impl Detector {
    /// Takes in a sweep, later than those before. Steps of all versions of the site are one.
    pub fn push(&mut self, step: &Step) {
        let height = self.path.push(step);
        for (number, phase) in self.phases.iter_mut().enumerate() {
            if phase.end == 0 {
                phase.end =
                    step.at + DAY + i64::try_from(number).unwrap_or(0) * DAY / PHASES as i64;
            }
            if step.at >= phase.end {
                phase.close();
                while phase.end <= step.at {
                    phase.end += DAY;
                }
            }
            phase.today.add(step, height);
        }
        self.judge(step.at);
    }

    /// The detector of a site after all its points, oldest first.
    pub fn of(points: &[Point]) -> Self {
        let mut detector = Self::default();
        for sweep in points.chunk_by(|a, b| a.at == b.at) {
            if let Some(step) = Step::of(sweep) {
                detector.push(&step);
            }
        }
        detector
    }

    /// What is sure now.
    pub fn growth(&self) -> Option<Growth> {
        self.growth
    }

    fn judge(&mut self, at: i64) {
        let strongest = self
            .phases
            .iter()
            .max_by(|a, b| a.evidence().total_cmp(&b.evidence()));
        let alarming = strongest.filter(|phase| phase.evidence() >= ALARM);
        self.growth = alarming.map(|phase| {
            let days = phase.grown.iter().rev().take(3);
            let count = days.clone().count().max(1) as f64;
            Growth {
                alarmed: self.growth.map_or(at, |growth| growth.alarmed),
                since: phase.since,
                per_day: days.sum::<f64>() / count,
                evidence: phase.evidence() / PHASES as f64,
            }
        });
    }
}

impl Phase {
    fn evidence(&self) -> f64 {
        self.sums.iter().sum::<f64>() / STEEPNESSES.len() as f64
    }

    /// Ends the day.
    fn close(&mut self) {
        let Some(day) = std::mem::take(&mut self.today).end() else {
            // A day that was not seen compares with nothing; neither does the next with the one before.
            self.yesterday = None;
            return;
        };
        let before = self.yesterday.replace(day);
        let Some(before) = before else {
            return;
        };
        let growth = (day.floor - before.floor).min(day.ceiling - before.ceiling);
        let units = (growth - self.hidden(&before, &day)) / self.unit(&before, &day);
        let units = units.clamp(LEAST_UNITS, MOST_UNITS);
        self.falls.push_back(day.fall);
        if self.falls.len() > FALL_DAYS {
            self.falls.pop_front();
        }
        for (sum, steepness) in self.sums.iter_mut().zip(STEEPNESSES) {
            let ratio = (steepness * units - steepness * steepness / 2.0).exp();
            *sum = ((*sum + 1.0) * ratio).min(MOST_EVIDENCE);
        }
        if units <= 0.0 || self.grown.is_empty() {
            self.grown.clear();
            self.since = self.end - 2 * DAY;
            self.base = before.level;
        }
        self.grown.push(growth);
    }

    /// What varies of a day's level.
    fn level(&self, before: &Day) -> f64 {
        let level = before.level.max(0.0);
        let base = if self.grown.is_empty() {
            level
        } else {
            self.base
        };
        level.min(base.max(GROWN_LEVEL * level))
    }

    /// Growth that would be no wonder. Around each restart the path is guessed, which makes it more.
    fn unit(&self, before: &Day, day: &Day) -> f64 {
        let level = self.level(before);
        let restarts = day.restarts.clamp(0.0, MOST_RESTARTS);
        let few = 1.0 + 1.0 / before.instances.max(1.0);
        let fall = self
            .falls
            .iter()
            .copied()
            .fold(day.fall.max(before.fall), f64::max);
        (VARIATION * few * level * (1.0 + restarts))
            .max(fall * (HIDDEN_FALL * restarts).min(1.0))
            .max(COUNT_DEVIATIONS * before.level.max(0.0).sqrt())
            .max(LEAST_UNIT)
    }

    /// Growth that restarts may feign, as what falls in the hours after them is not seen.
    fn hidden(&self, before: &Day, day: &Day) -> f64 {
        VARIATION * self.level(before) * day.restarts.clamp(0.0, MOST_RESTARTS)
    }
}

impl Today {
    fn add(&mut self, step: &Step, height: f64) {
        self.sweeps += 1.0;
        self.instances += step.instances;
        self.levels += step.level;
        self.starts += step.starts;
        self.hours.insert(step.at.div_euclid(HOUR));
        self.heights.push(height);
        let highest = self.highest.map_or(height, |highest| highest.max(height));
        self.highest = Some(highest);
        self.fall = self.fall.max(highest - height);
        if self.heights.len() >= 2 * MAX_KEPT {
            let mut index = 0;
            self.heights.retain(|_| {
                index += 1;
                index % 2 == 0
            });
        }
    }

    /// `None` where too little of it was seen.
    fn end(mut self) -> Option<Day> {
        if self.hours.len() < HOURS_SEEN {
            return None;
        }
        self.heights.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let last = self.heights.len().checked_sub(1)?;
            self.heights
                .get((last as f64 * part).round() as usize)
                .copied()
        };
        let instances = self.instances / self.sweeps;
        Some(Day {
            // The lowest and highest tenths, so that a single odd sweep says nothing.
            floor: at(0.1)?,
            ceiling: at(0.9)?,
            level: self.levels / self.sweeps,
            instances,
            fall: self.fall,
            restarts: if instances > 0.0 {
                self.starts / instances
            } else {
                0.0
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The day of the alarm, if any, of a site that is seen every ten minutes for 30 days.
    fn alarm(count: impl Fn(f64) -> f64, restarted_daily: bool) -> Option<f64> {
        let mut detector = Detector::default();
        let mut before = None;
        for sweep in 0..30 * 144 {
            let day = f64::from(sweep) / 144.0;
            let age = if restarted_daily { day.fract() } else { day };
            let level = count(age);
            let warm = age > 3.0 / 24.0;
            let step = Step {
                at: i64::from(sweep) * 600,
                instances: 4.0,
                level,
                growth: before.filter(|_| warm).map(|before: f64| level - before),
                starts: if restarted_daily && age == 0.0 {
                    4.0
                } else {
                    0.0
                },
            };
            before = Some(level);
            detector.push(&step);
            if detector.growth().is_some() {
                return Some(day);
            }
        }
        None
    }

    fn round(day: f64, amplitude: f64) -> f64 {
        amplitude * (1.0 - (day * std::f64::consts::TAU).cos()) / 2.0
    }

    /// Load of every Saturday and Sunday is a third.
    fn weekly(day: f64) -> f64 {
        if (day.floor() as i64).rem_euclid(7) >= 5 {
            0.33
        } else {
            1.0
        }
    }

    #[test]
    fn one_goroutine_a_minute_is_found_within_a_week() {
        for level in [0.0, 200.0, 1000.0] {
            let found = alarm(|day| level + 1440.0 * day, false);
            assert!(found.is_some_and(|day| day <= 7.0), "{level}: {found:?}");
            let found = alarm(|day| level + round(day, 300.0) + 1440.0 * day, false);
            assert!(found.is_some_and(|day| day <= 7.0), "{level}: {found:?}");
        }
    }

    #[test]
    fn what_ends_with_every_deploy_is_found_all_the_same() {
        let found = alarm(|age| 50.0 + 1440.0 * age, true);
        assert!(found.is_some_and(|day| day <= 7.0), "{found:?}");
        assert_eq!(alarm(|age| 50.0 + round(age, 500.0), true), None);
    }

    #[test]
    fn what_comes_and_goes_is_no_growth() {
        assert_eq!(alarm(|_| 5000.0, false), None);
        assert_eq!(alarm(|day| 100.0 + round(day, 5000.0), false), None);
        assert_eq!(
            alarm(|day| (100.0 + round(day, 5000.0)) * weekly(day), false),
            None
        );
        assert_eq!(alarm(|day| weekly(day) * 1000.0, false), None);
        // A pool that is made larger, and one that is made larger the next day again.
        assert_eq!(
            alarm(|day| if day > 6.3 { 9000.0 } else { 100.0 }, false),
            None
        );
        let twice = |day: f64| 100.0 * 10_f64.powf((day - 6.3).ceil().clamp(0.0, 2.0));
        assert_eq!(alarm(twice, false), None);
        // A cache that fills within a day.
        assert_eq!(
            alarm(|day| 5000.0 * (1.0 - (-3.0 * day).exp()), false),
            None
        );
    }

    /// What is sure, and the first bad version, after three weeks of sweeps of ten minutes, with sweeps thinned to hours or not.
    fn after_weeks(
        raw_seconds: i64,
        count: &dyn Fn(f64) -> f64,
        daily: bool,
    ) -> (Option<Growth>, Option<String>) {
        use crate::history::SweepRecord;
        use crate::history::{History, InstanceRecord, Memory, SiteCount, SiteKey, SiteRecord};
        let mut memory = Memory::new(raw_seconds);
        for sweep in 0..21 * 144 {
            let day = f64::from(sweep) / 144.0;
            let mut record = SweepRecord::new(i64::from(sweep) * 600);
            record.sites.push(SiteRecord {
                operation: "chan send".to_owned(),
                function: "main.f".into(),
                file: "main.go".into(),
                line: 3,
            });
            for instance in 0..4 {
                let life = if daily { day.floor() } else { 0.0 };
                // It leaks from the tenth day on.
                let leak = if day < 10.0 {
                    0.0
                } else {
                    count(day - life.max(10.0))
                };
                let noise = f64::from((sweep * 7 + instance * 3) % 11);
                record.instances.push(InstanceRecord {
                    job: "j".to_owned(),
                    service: "s".into(),
                    instance: instance.to_string().into(),
                    version: if day < 10.0 { "v9" } else { "v10" }.into(),
                    start: life.to_string().into(),
                    goroutines: 1,
                    sites: vec![SiteCount(0, (100.0 + noise + leak) as u64, 0)],
                });
            }
            memory.append(&record).expect("never fails");
        }
        let key = SiteKey {
            service: "s".into(),
            operation: gorphan_model::Operation::ChanSend,
            function: "main.f".into(),
        };
        let points = memory.series(&key).expect("never fails");
        let growth = Detector::of(&points).growth();
        let first = crate::rank::first_bad(&points, growth.map(|growth| growth.per_day));
        (growth, first)
    }

    #[test]
    fn thinning_to_hours_changes_no_judgement() {
        const RAW: i64 = 48 * 3600;
        type Count<'a> = &'a dyn Fn(f64) -> f64;
        let leaks: [(Count<'_>, bool); 3] = [
            (&|age| 1440.0 * age, false),
            (&|age| 1440.0 * age, true),
            (&|age| 600.0 * age + round(age, 200.0), false),
        ];
        for (number, (count, daily)) in leaks.into_iter().enumerate() {
            let (thinned, version) = after_weeks(RAW, count, daily);
            let (whole, whole_version) = after_weeks(i64::MAX, count, daily);
            let (thinned, whole) = (thinned.expect("it grows"), whole.expect("it grows"));
            let apart = (thinned.alarmed - whole.alarmed).abs();
            assert!(apart <= DAY / 4, "{number}: {thinned:?} {whole:?}");
            let ratio = thinned.per_day / whole.per_day;
            assert!(
                (0.95..1.05).contains(&ratio),
                "{number}: {thinned:?} {whole:?}"
            );
            assert_eq!(version.as_deref(), Some("v10"), "{number}");
            assert_eq!(version, whole_version, "{number}");
        }
        let healthy: [(Count<'_>, bool); 3] = [
            (&|_| 0.0, false),
            (&|age| round(age, 2000.0), false),
            (&|age| round(age, 500.0), true),
        ];
        for (number, (count, daily)) in healthy.into_iter().enumerate() {
            assert_eq!(after_weeks(RAW, count, daily).0, None, "{number}");
            assert_eq!(after_weeks(i64::MAX, count, daily).0, None, "{number}");
        }
    }

    #[test]
    fn growth_that_ends_is_forgotten() {
        let mut detector = Detector::default();
        let mut alarmed = 0;
        for sweep in 0..60 * 144_i32 {
            let rising = sweep < 8 * 144;
            let step = Step {
                at: i64::from(sweep) * 600,
                instances: 1.0,
                level: 10.0 * f64::from(sweep.min(8 * 144)),
                growth: Some(if rising { 10.0 } else { 0.0 }),
                starts: 0.0,
            };
            detector.push(&step);
            alarmed += i32::from(detector.growth().is_some());
        }
        assert!(alarmed > 144 && detector.growth().is_none(), "{alarmed}");
    }
}
