//! Goroutines per request: a program before and after rounds of requests, once it has come to rest each time.
//!
//! A leak keeps some goroutines of every round. So the goroutines of each site are fitted by a line over the requests made
//! until then; its slope, in goroutines per request, has a 95 % interval by Student's distribution. A pool grows as well, but
//! not to the end.

use crate::diff::{SiteSeries, series};
use crate::gc::Slope;
use crate::verdict::{Policy, reconsider};
use crate::{Evidence, Finding, Group, Snapshot, Verdict};

/// Goroutines by which a site must have grown before anything is said: connections that linger are fewer.
const MIN_GROWTH: u64 = 3;
/// The part of the whole slope that the later half must still have: a pool has filled up by then.
const STILL_GROWS: f64 = 0.5;
/// 0.975 quantiles of Student's distribution by degrees of freedom from 1; the last is used from there on.
const STUDENT: [f64; 20] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
];

/// A round of requests, and the program at rest after it. The first one has no requests: the program as it was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Round {
    /// Requests that were made.
    pub requests: u64,
    /// Whether they were to fill caches and pools: what they changed says nothing.
    pub warm_up: bool,
    /// Of those, how many failed: no answer, or a status of 500 and above.
    pub failed: u64,
    /// How long they took together.
    pub seconds: f64,
    /// How long the program took to come to rest; `None` if it did not.
    pub settled_seconds: Option<f64>,
    /// Goroutines at rest.
    pub goroutines: u64,
    /// Live heap after a collection, in bytes, where the target tells.
    pub heap_bytes: Option<u64>,
}

/// How something went over the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Course {
    /// Grows with the requests, to the end.
    Grows,
    /// Grew, and stopped: a pool, a cache, idle connections.
    LevelledOff,
    /// Does not follow the requests.
    Steady,
}

/// One number over the rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// Its values, one for each round.
    pub values: Vec<u64>,
    /// Per request; `None` for fewer than three rounds.
    pub slope: Option<Slope>,
    /// What it amounts to.
    pub course: Course,
}

/// A site over the rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteLoad {
    /// Its goroutines.
    pub trend: Trend,
    /// As of the last round that has it, with its verdict.
    pub group: Group,
}

/// What rounds of requests showed.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadTrend {
    /// In order, the one without requests first.
    pub rounds: Vec<Round>,
    /// All goroutines.
    pub goroutines: Trend,
    /// Live heap in bytes, where the target tells.
    pub heap: Option<Trend>,
    /// Growing ones first, then by growth; sites that never changed are left out.
    pub sites: Vec<SiteLoad>,
    /// Worst first.
    pub findings: Vec<Finding>,
}

/// Judges rounds by the snapshots that were taken after them, one for each.
pub fn judge(rounds: Vec<Round>, snapshots: &[Snapshot], policy: &Policy) -> LoadTrend {
    let mut made = 0_u64;
    let requests: Vec<u64> = rounds
        .iter()
        .map(|round| {
            made = made.saturating_add(round.requests);
            made
        })
        .collect();
    let warm_up = rounds.iter().rposition(|round| round.warm_up);
    let requests = Requests {
        made: requests,
        from: warm_up.unwrap_or_default(),
    };
    let mut sites: Vec<SiteLoad> = series(snapshots)
        .into_iter()
        .filter(|site| {
            site.counts
                .windows(2)
                .any(|pair| pair.first() != pair.last())
        })
        .map(|site| SiteLoad::new(site, &requests))
        .collect();
    sites.sort_by(|a, b| {
        let key = |site: &SiteLoad| (site.trend.course, std::cmp::Reverse(site.trend.growth()));
        key(a)
            .cmp(&key(b))
            .then_with(|| a.group.site.cmp(&b.group.site))
    });
    let findings = snapshots.last().map(|last| {
        let growing = sites
            .iter_mut()
            .filter(|site| site.trend.course == Course::Grows);
        let groups = growing.map(|site| (&mut site.group, Verdict::Leak));
        reconsider(last, groups, policy)
    });
    let heap: Option<Vec<u64>> = rounds.iter().map(|round| round.heap_bytes).collect();
    let goroutines = rounds.iter().map(|round| round.goroutines).collect();
    LoadTrend {
        goroutines: Trend::new(goroutines, &requests),
        heap: heap.map(|heap| Trend::new(heap, &requests)),
        sites,
        findings: findings.unwrap_or_default(),
        rounds,
    }
}

/// The requests made until the end of each round.
struct Requests {
    made: Vec<u64>,
    /// The round from which on they count: the one that ended the warm-up.
    from: usize,
}

impl LoadTrend {
    /// Requests of all rounds.
    pub fn requests(&self) -> u64 {
        let requests = self.rounds.iter().map(|round| round.requests);
        requests.fold(0, u64::saturating_add)
    }
}

impl SiteLoad {
    fn new(site: SiteSeries, requests: &Requests) -> Self {
        let trend = Trend::new(site.counts, requests);
        let mut group = site.group;
        group.verdict = Verdict::Normal;
        group.evidence.clear();
        if let Some(per_request) = trend.slope.filter(|_| trend.course == Course::Grows) {
            group.evidence.push(Evidence::PerRequest {
                before: trend.first(),
                after: trend.last(),
                requests: requests.made.last().copied().unwrap_or_default(),
                per_request,
            });
        }
        Self { trend, group }
    }
}

impl Trend {
    fn new(values: Vec<u64>, requests: &Requests) -> Self {
        let points: Vec<(f64, f64)> = requests
            .made
            .iter()
            .zip(&values)
            .skip(requests.from)
            .map(|(x, y)| (*x as f64, *y as f64))
            .collect();
        let slope = line(&points);
        let mut trend = Self {
            values,
            slope,
            course: Course::Steady,
        };
        trend.course = trend.course_of(&points);
        trend
    }

    /// The value before the first request.
    pub fn first(&self) -> u64 {
        self.values.first().copied().unwrap_or_default()
    }

    /// The value after the last request.
    pub fn last(&self) -> u64 {
        self.values.last().copied().unwrap_or_default()
    }

    /// By how much it grew.
    pub fn growth(&self) -> u64 {
        self.last().saturating_sub(self.first())
    }

    fn course_of(&self, points: &[(f64, f64)]) -> Course {
        let Some(slope) = self.slope else {
            return Course::Steady;
        };
        if self.growth() < MIN_GROWTH {
            return Course::Steady;
        }
        let later = points.get(points.len() / 2..).unwrap_or_default();
        let (Some(middle), Some(last)) = (later.first(), later.last()) else {
            return Course::Steady;
        };
        let before_last = points.len().checked_sub(2).and_then(|at| points.get(at));
        let rises = before_last.is_some_and(|before| last.1 > before.1);
        let later = (last.1 - middle.1) / (last.0 - middle.0).max(1.0);
        let still = rises && later >= STILL_GROWS * slope.estimate;
        match (slope.low > 0.0, still) {
            (true, true) => Course::Grows,
            (_, false) => Course::LevelledOff,
            (false, true) => Course::Steady,
        }
    }
}

/// The least-squares line through points: its slope with a 95 % interval. `None` for fewer than three points, or where x
/// never changes.
fn line(points: &[(f64, f64)]) -> Option<Slope> {
    let count = points.len();
    let freedom = count.checked_sub(2).filter(|freedom| *freedom > 0)?;
    let n = count as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if spread <= 0.0 {
        return None;
    }
    let together: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let estimate = together / spread;
    let missed: f64 = points
        .iter()
        .map(|point| (point.1 - y - estimate * (point.0 - x)).powi(2))
        .sum();
    let quantile = STUDENT.get(freedom - 1).or(STUDENT.last()).copied()?;
    let reach = quantile * (missed / freedom as f64 / spread).sqrt();
    Some(Slope {
        estimate,
        low: estimate - reach,
        high: estimate + reach,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(made: &[u64], values: &[u64]) -> Trend {
        let made = made.to_vec();
        Trend::new(values.to_vec(), &Requests { made, from: 0 })
    }

    fn check(values: &[u64], expected: Course) {
        let requests: Vec<u64> = (0..values.len() as u64).map(|round| round * 10).collect();
        assert_eq!(trend(&requests, values).course, expected, "{values:?}");
    }

    #[test]
    fn what_every_round_adds_to_grows() {
        check(&[3, 13, 23, 33, 43, 53], Course::Grows);
        // One request in ten, and noise.
        check(&[4, 5, 6, 6, 8, 9], Course::Grows);
        check(&[0, 9, 22, 28, 41, 50], Course::Grows);
        check(&[0, 0, 100, 200, 310, 390], Course::Grows);
    }

    #[test]
    fn a_pool_levels_off() {
        check(&[1, 9, 10, 10, 10, 10], Course::LevelledOff);
        check(&[0, 4, 7, 8, 8, 8], Course::LevelledOff);
        check(&[0, 8, 16, 16, 16, 16], Course::LevelledOff);
    }

    #[test]
    fn what_comes_and_goes_is_steady_or_levels_off_but_never_grows() {
        for values in [
            &[5, 5, 5, 5, 5, 5][..],
            &[5, 7, 4, 6, 5, 6],
            &[9, 2, 8, 3, 9, 4],
            &[0, 1, 1, 2, 2, 2],
            &[50, 40, 30, 20, 10, 0],
            &[0, 0, 0, 0, 0, 30],
            &[7, 19, 5, 30, 11, 24],
        ] {
            let requests: Vec<u64> = (0..values.len() as u64).map(|round| round * 10).collect();
            let course = trend(&requests, values).course;
            assert_ne!(course, Course::Grows, "{values:?}");
        }
    }

    #[test]
    fn the_interval_is_that_of_the_textbook() {
        // Anscombe's first set: slope 0.500 with a standard error of 0.1179, 9 degrees of freedom.
        let x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
        let y = [
            8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68,
        ];
        let points: Vec<(f64, f64)> = x.into_iter().zip(y).collect();
        let slope = line(&points).expect("a line");
        assert!((slope.estimate - 0.500_09).abs() < 1e-4, "{slope:?}");
        assert!(
            (slope.high - slope.low - 2.0 * 2.262 * 0.1179).abs() < 1e-3,
            "{slope:?}"
        );
        assert_eq!(line(&points[..2]), None);
        assert_eq!(line(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None);
    }

    #[test]
    fn a_warm_up_does_not_count() {
        let made = vec![0, 100, 110, 120, 130, 140];
        let values = vec![3, 40, 40, 41, 40, 40];
        let trend = Trend::new(values, &Requests { made, from: 1 });
        assert_ne!(trend.course, Course::Grows);
        assert!(
            trend.slope.is_some_and(|slope| slope.low < 0.0),
            "{trend:?}"
        );
    }

    #[test]
    fn an_exact_line_has_no_doubt() {
        let exact = trend(&[0, 10, 30, 60], &[3, 13, 33, 63]);
        let slope = exact.slope.expect("a line");
        assert!(
            (slope.estimate - 1.0).abs() < 1e-12 && slope.high - slope.low < 1e-9,
            "{slope:?}"
        );
    }
}
