//! What was found, how soon, and what falsely.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::service::{Leak, Truth};

/// Seconds within which the test of growth promises to find a leak of at least one goroutine a minute and instance.
const PROMISED: f64 = 8.0 * 86_400.0;

/// Counts of one or many services.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Detector and site of this service, with the time of the first alarm.
    alarms: BTreeMap<(&'static str, String), f64>,
    /// False alarms by detector, with what they were at.
    false_alarms: BTreeMap<(&'static str, String), u64>,
    leaks: Vec<Outcome>,
    /// What false alarms were already counted.
    seen: BTreeSet<(&'static str, String)>,
}

#[derive(Debug, Clone)]
struct Outcome {
    leak: Leak,
    rate: f64,
    /// Seconds to the alarm of each detector.
    found: BTreeMap<&'static str, f64>,
    /// The fleet was watched for as long as the promise after the leak began.
    in_time: bool,
}

impl Tally {
    /// A detector says that a site leaks.
    pub(crate) fn alarm(&mut self, detector: &'static str, site: &str, truth: Truth, at: i64) {
        let at = at as f64;
        let is_true = matches!(truth, Truth::Leak(leak) if leak.start <= at);
        let key = (detector, site.to_owned());
        if is_true {
            self.alarms.entry(key).or_insert(at);
        } else {
            // Of the same course, whatever their numbers.
            let kind = site.trim_end_matches(|c: char| c.is_ascii_digit());
            if self.seen.insert(key) {
                *self
                    .false_alarms
                    .entry((detector, kind.to_owned()))
                    .or_default() += 1;
            }
        }
    }

    /// A leak that was put there.
    pub(crate) fn leak(&mut self, site: &str, leak: Leak, end: i64) {
        let mut found = BTreeMap::new();
        for detector in ["growth", "threshold"] {
            if let Some(at) = self.alarms.get(&(detector, site.to_owned())) {
                found.insert(detector, at - leak.start);
            }
        }
        self.leaks.push(Outcome {
            leak,
            rate: leak.rate,
            found,
            in_time: end as f64 - leak.start >= PROMISED,
        });
    }

    /// Takes in another service.
    pub(crate) fn add(&mut self, other: Self) {
        for (key, count) in other.false_alarms {
            *self.false_alarms.entry(key).or_default() += count;
        }
        self.leaks.extend(other.leaks);
    }

    fn false_alarms_of(&self, detector: &str) -> u64 {
        let of = self
            .false_alarms
            .iter()
            .filter(|((name, _), _)| *name == detector);
        of.map(|(_, count)| count).sum()
    }

    /// Leaks that could be found in time, and how many any of the detectors did.
    fn recall(&self, detectors: &[&str], rate: Option<f64>) -> (usize, usize, Vec<f64>) {
        let leaks = self
            .leaks
            .iter()
            .filter(|one| one.in_time && rate.is_none_or(|rate| one.rate == rate));
        let leaks: Vec<&Outcome> = leaks.collect();
        let soonest = |one: &&Outcome| {
            let times = detectors
                .iter()
                .filter_map(|name| one.found.get(name).copied());
            times.min_by(f64::total_cmp)
        };
        let mut times: Vec<f64> = leaks
            .iter()
            .filter_map(soonest)
            .filter(|time| *time <= PROMISED)
            .collect();
        times.sort_by(f64::total_cmp);
        (times.len(), leaks.len(), times)
    }

    /// Whether the targets are met: 95 % found in time, at most one false alarm in 1,000 service-weeks.
    pub(crate) fn holds(&self, service_weeks: u64) -> bool {
        let (found, all, _) = self.recall(&["growth", "threshold"], None);
        let allowed = (service_weeks / 1000).max(1);
        let false_alarms: u64 = self.false_alarms.values().sum();
        found as f64 >= 0.95 * all as f64 && false_alarms <= allowed
    }

    pub(crate) fn report(&self, services: u64, weeks: u64, seed: u64) -> String {
        let service_weeks = services * weeks;
        let mut text = format!(
            "{services} services for {weeks} weeks ({service_weeks} service-weeks), seed {seed}; {} leaks, {} of them watched for 8 days or more\n\n",
            self.leaks.len(),
            self.recall(&[], None).1
        );
        let _ = writeln!(
            text,
            "{:<12}{:>12}{:>10}{:>12}{:>10}{:>10}{:>14}{:>22}",
            "detector",
            "found in 8 d",
            "recall",
            "precision",
            "median h",
            "95 % h",
            "false alarms",
            "per 1000 service-weeks"
        );
        for (name, detectors) in [
            ("growth", vec!["growth"]),
            ("threshold", vec!["threshold"]),
            ("either", vec!["growth", "threshold"]),
        ] {
            let (found, all, times) = self.recall(&detectors, None);
            let wrong: u64 = detectors
                .iter()
                .map(|name| self.false_alarms_of(name))
                .sum();
            let true_alarms = self
                .leaks
                .iter()
                .filter(|one| detectors.iter().any(|name| one.found.contains_key(name)))
                .count();
            let precision = true_alarms as f64 / (true_alarms as f64 + wrong as f64).max(1.0);
            let _ = writeln!(
                text,
                "{name:<12}{:>12}{:>9.1}%{:>11.1}%{:>10}{:>10}{wrong:>14}{:>22.2}",
                format!("{found}/{all}"),
                100.0 * found as f64 / all.max(1) as f64,
                100.0 * precision,
                hours(&times, 0.5),
                hours(&times, 0.95),
                wrong as f64 * 1000.0 / service_weeks as f64,
            );
        }
        text.push_str("\ngoroutines a minute   found in 8 d by either   median h   95 % h\n");
        for rate in [1.0, 2.0, 5.0, 20.0, 100.0] {
            let (found, all, times) = self.recall(&["growth", "threshold"], Some(rate));
            let _ = writeln!(
                text,
                "{rate:>19}{:>25}{:>11}{:>9}",
                format!("{found}/{all}"),
                hours(&times, 0.5),
                hours(&times, 0.95)
            );
        }
        let missed = self
            .leaks
            .iter()
            .filter(|one| one.in_time && !one.found.values().any(|time| *time <= PROMISED));
        for one in missed {
            let late = one.found.values().copied().fold(f64::INFINITY, f64::min);
            let _ = writeln!(
                text,
                "not in time ({:.1} days): {} a minute beside {} healthy, by load {}, a deploy every {:.1} days, load {:.0} % up and down, {:.0} % on weekends",
                late / 86_400.0,
                one.leak.rate,
                one.leak.level,
                one.leak.by_load,
                one.leak.deploy_days,
                100.0 * one.leak.amplitude,
                100.0 * one.leak.weekend
            );
        }
        for ((detector, site), count) in &self.false_alarms {
            let _ = writeln!(text, "false alarm: {detector} at {site}: {count}");
        }
        text
    }
}

fn hours(sorted: &[f64], part: f64) -> String {
    let last = sorted.len().checked_sub(1);
    let time = last.and_then(|last| sorted.get((last as f64 * part).round() as usize));
    time.map_or("-".to_owned(), |seconds| format!("{:.0}", seconds / 3600.0))
}
