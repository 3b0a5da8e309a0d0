//! Whether a log shows growth that a leak would explain.
//!
//! # The rule
//!
//! Of the log's processes (a restart counts from the start) the one with the most collections is judged. Its first fifth
//! is left out as warm-up. The rest is cut into [`WINDOWS`] windows of equal time (of equally many collections where the
//! log has no times). The *floor* of a window is its smallest value: what is still there when everything that can go has
//! gone, which a sawtooth or a busy hour does not raise. A measure grows as a leak does if all of these hold:
//!
//! 1. **Significant**: the slope's 95 % interval excludes zero from below, and the Mann-Kendall p-value is at most
//!    [`MAX_P_VALUE`].
//! 2. **Material**: the slope adds up to at least [`MIN_SHARE`] of the median, and to the measure's least amount; and so
//!    much has the floor risen, too.
//! 3. **Steady**: no floor falls below the one before by more than [`MAX_DIP`] of the whole rise (a daily cycle falls),
//!    at least three floors rise, and none makes up more than [`MAX_STEP_SHARE`] of the rise (a step up does).
//! 4. **Lasting**: at least [`MIN_LATE_SHARE`] of the rise comes after the middle window. The rise of a cache that
//!    fills comes early.
//!
//! Whole MB are what a log prints, so that shares of a rise are granted [`ROUNDING`].
//!
//! What no rule can tell apart from a leak is growth that has not ended when the log ends: a cache that fills for the
//! whole log, or a log that shows only the rising half of a cycle. Longer logs tell.

use std::ops::Range;

use super::statistics;
use super::{Collection, GcTrace, Growth, Measure, MeasureTrend, Slope, Trend};

/// Collections that a process must have after its warm-up: four in each window.
pub const MIN_COLLECTIONS: usize = 20;
/// Seconds below which a verdict comes with a caution: a program that works on one task for some seconds grows while it
/// does.
pub const SHORT_SECONDS: f64 = 60.0;
/// The part of a process that is its warm-up: one in this many collections or seconds.
pub const WARM_UP_PART: usize = 5;
/// Windows whose floors are compared.
pub const WINDOWS: usize = 5;
/// Highest p-value. Stricter than usual, as neighbouring collections depend on each other.
pub const MAX_P_VALUE: f64 = 0.001;
/// Least growth as a share of the median.
pub const MIN_SHARE: f64 = 0.1;
/// Least growth in MB: the log has whole MB, so that one may be rounding.
pub const MIN_MB: f64 = 2.0;
/// Least growth in objects.
pub const MIN_OBJECTS: f64 = 10_000.0;
/// Least growth in goroutines.
pub const MIN_GOROUTINES: f64 = 100.0;
/// How far a floor may fall below the one before, as a share of the whole rise.
pub const MAX_DIP: f64 = 0.15;
/// Least share of the rise that comes from the middle window on; a steady leak has one half.
pub const MIN_LATE_SHARE: f64 = 0.35;
/// Most of the rise that one window may bring; a steady leak has a quarter.
pub const MAX_STEP_SHARE: f64 = 0.6;
/// What rounding may take from a difference, in the measure's unit.
pub const ROUNDING: f64 = 0.5;
/// Points that slopes are estimated from; their pairs are compared, so that time grows with the square.
pub const MAX_POINTS: usize = 300;

/// Judges a log.
pub fn trend(trace: &GcTrace) -> Trend {
    let processes = processes(&trace.collections);
    let longest = processes
        .iter()
        .max_by_key(|process| process.len())
        .cloned();
    let starts = processes.into_iter().map(|process| process.start).collect();
    let judged = longest.map_or(0..0, |process| without_warm_up(&trace.collections, process));
    let collections = trace.collections.get(judged.clone()).unwrap_or_default();
    let mut trend = Trend {
        growth: Growth::TooShort,
        message: String::new(),
        measures: Vec::new(),
        starts,
        judged,
    };
    let seconds = span_seconds(collections);
    if collections.len() < MIN_COLLECTIONS {
        trend.message = too_short(collections.len());
        return trend;
    }
    let windows = windows(collections, seconds.is_some());
    trend.measures = Measure::ALL
        .into_iter()
        .filter_map(|measure| judge(measure, collections, &windows))
        .collect();
    let worst = trend.measures.iter().map(|measure| measure.growth).max();
    trend.growth = worst.unwrap_or(Growth::TooShort);
    trend.message = message(&trend.measures, seconds);
    trend
}

/// The collections of each process.
fn processes(collections: &[Collection]) -> Vec<Range<usize>> {
    let mut start = 0;
    let same = |a: &Collection, b: &Collection| a.process == b.process && a.number < b.number;
    collections
        .chunk_by(same)
        .map(|process| {
            let range = start..start + process.len();
            start = range.end;
            range
        })
        .collect()
}

/// The part of a process after its first fifth, in time where the log has times.
fn without_warm_up(collections: &[Collection], process: Range<usize>) -> Range<usize> {
    let of_process = collections.get(process.clone()).unwrap_or_default();
    let skipped = match (times(of_process), span_seconds(of_process)) {
        (Some(times), Some(span)) => {
            let first = times.first().copied().unwrap_or_default();
            let end = first + span / WARM_UP_PART as f64;
            times.iter().take_while(|at| **at < end).count()
        }
        _ => of_process.len() / WARM_UP_PART,
    };
    process.start + skipped..process.end
}

/// The times of all collections, if they all have one.
fn times(collections: &[Collection]) -> Option<Vec<f64>> {
    collections
        .iter()
        .map(|collection| collection.at_seconds)
        .collect()
}

fn span_seconds(collections: &[Collection]) -> Option<f64> {
    let first = collections.first()?.at_seconds?;
    Some(collections.last()?.at_seconds? - first)
}

/// Indices of the collections of each window.
fn windows(collections: &[Collection], by_time: bool) -> Vec<Range<usize>> {
    let count = collections.len();
    let by_count = || (0..WINDOWS).map(|at| at * count / WINDOWS..(at + 1) * count / WINDOWS);
    let times = times(collections).filter(|_| by_time).unwrap_or_default();
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return by_count().collect();
    };
    let bounds: Vec<usize> = (0..=WINDOWS)
        .map(|at| {
            let bound = first + (last - first) * at as f64 / WINDOWS as f64;
            if at == WINDOWS {
                count
            } else {
                times.partition_point(|time| *time < bound)
            }
        })
        .collect();
    let windows: Vec<_> = bounds
        .iter()
        .zip(bounds.iter().skip(1))
        .map(|(a, b)| *a..*b)
        .collect();
    // The more a heap grows the rarer its collections; a window of one or two says little.
    if windows.iter().any(|window| window.len() < 3) {
        return by_count().collect();
    }
    windows
}

/// The trend of one measure; `None` if the log does not have it.
fn judge(
    measure: Measure,
    collections: &[Collection],
    windows: &[Range<usize>],
) -> Option<MeasureTrend> {
    let values: Option<Vec<f64>> = collections.iter().map(|one| measure.of(one)).collect();
    let values = values?;
    let thin = |values: &[f64]| -> Vec<f64> {
        let count = values.len();
        let points = count.min(MAX_POINTS);
        let indices = (0..points).map(|at| at * (count - 1) / (points - 1).max(1));
        indices
            .filter_map(|index| values.get(index).copied())
            .collect()
    };
    let points = thin(&values);
    let numbers: Vec<f64> = collections.iter().map(|one| one.number as f64).collect();
    let (per_collection, p_value) = statistics::trend(&thin(&numbers), &points)?;
    let hours: Option<Vec<f64>> =
        times(collections).map(|times| times.iter().map(|seconds| seconds / 3600.0).collect());
    let per_hour = hours
        .as_ref()
        .and_then(|hours| statistics::trend(&thin(hours), &points));
    let per_hour = per_hour.map(|(slope, _)| slope);
    // Leaks follow time and load; collections become rarer as the heap grows.
    let (slope, axis) = per_hour.zip(hours).unwrap_or((per_collection, numbers));
    let median = statistics::median(&values)?;
    let total = slope.estimate * (axis.last()? - axis.first()?);
    let grows = slope.low > 0.0
        && p_value <= MAX_P_VALUE
        && floors_rise(measure, median, total, &floors(&values, windows));
    Some(MeasureTrend {
        measure,
        growth: if grows {
            Growth::LeakLike
        } else {
            Growth::Steady
        },
        per_collection,
        per_hour,
        median,
        total,
        p_value,
        points: points.len(),
    })
}

/// The smallest value of each window.
fn floors(values: &[f64], windows: &[Range<usize>]) -> Vec<f64> {
    windows
        .iter()
        .filter_map(|window| values.get(window.clone()))
        .filter_map(|window| window.iter().copied().min_by(f64::total_cmp))
        .collect()
}

/// Points 2 to 4 of the rule.
fn floors_rise(measure: Measure, median: f64, total: f64, floors: &[f64]) -> bool {
    let least = (median * MIN_SHARE).max(measure.least());
    let (Some(first), Some(last)) = (floors.first(), floors.last()) else {
        return false;
    };
    let Some(middle) = floors.get(floors.len() / 2) else {
        return false;
    };
    let rise = last - first;
    // Floors stand for their windows' starts at best: of a steady rise they show all but a part in `WINDOWS`.
    let material = total >= least && rise >= least * (WINDOWS - 1) as f64 / WINDOWS as f64;
    let pairs = floors.iter().zip(floors.iter().skip(1));
    let steps: Vec<f64> = pairs.map(|(before, after)| after - before).collect();
    let rising = steps.iter().filter(|step| **step > 0.0).count() as f64;
    let steady = rising >= rise.round().min(3.0)
        && steps.iter().all(|step| *step >= -MAX_DIP * rise)
        && steps
            .iter()
            .all(|step| *step <= MAX_STEP_SHARE * rise + ROUNDING);
    material && steady && last - middle + ROUNDING >= MIN_LATE_SHARE * rise
}

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 4] = [
        Self::LiveHeap,
        Self::Objects,
        Self::Goroutines,
        Self::Stacks,
    ];

    /// Its value in a collection, where the log has it.
    pub fn of(self, collection: &Collection) -> Option<f64> {
        match self {
            Self::LiveHeap => Some(collection.heap_live_mb),
            Self::Objects => collection.objects.map(|count| count as f64),
            Self::Goroutines => collection.goroutines.map(|count| count as f64),
            Self::Stacks => collection.stacks_mb,
        }
    }

    /// Growth below this is never material.
    fn least(self) -> f64 {
        match self {
            Self::LiveHeap | Self::Stacks => MIN_MB,
            Self::Objects => MIN_OBJECTS,
            Self::Goroutines => MIN_GOROUTINES,
        }
    }

    /// The measure at the start of a sentence, and its unit.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::LiveHeap => ("The live heap grows", "MB"),
            Self::Objects => ("The number of live objects grows", "objects"),
            Self::Goroutines => ("The number of goroutines grows", "goroutines"),
            Self::Stacks => ("Stacks grow", "MB"),
        }
    }
}

fn too_short(collections: usize) -> String {
    format!(
        "Too short to judge: the longest process has {collections} collections after its warm-up; at least \
         {MIN_COLLECTIONS} are needed."
    )
}

/// What the measures say, in sentences.
fn message(measures: &[MeasureTrend], seconds: Option<f64>) -> String {
    let short = seconds.filter(|seconds| *seconds < SHORT_SECONDS);
    let rises = |wanted: Measure| {
        let found = measures.iter().find(|trend| trend.measure == wanted);
        found.map(|trend| trend.per_hour.unwrap_or(trend.per_collection).low > 0.0)
    };
    let mut sentences: Vec<String> = measures
        .iter()
        .filter(|trend| trend.growth == Growth::LeakLike)
        .map(|trend| growth_sentence(trend, short.is_some()))
        .collect();
    if sentences.is_empty() {
        return String::from("No growth that a leak would explain.");
    }
    let stacks = rises(Measure::Goroutines).or(rises(Measure::Stacks));
    sentences.push(String::from(match stacks {
        Some(true) => {
            "Goroutines accumulate, which is the sign of a goroutine leak."
        }
        Some(false) => {
            "Stacks, which are printed in whole MB, do not show it: a goroutine profile tells whether goroutines hold the memory."
        }
        None => {
        "This log has no stacks: a goroutine profile tells whether goroutines hold the memory."
        }
    }));
    if let Some(seconds) = short {
        sentences.push(format!(
            "The judged part spans only {seconds:.1} s; a longer log tells a leak from a program at work."
        ));
    }
    sentences.join(" ")
}

fn growth_sentence(trend: &MeasureTrend, short: bool) -> String {
    let (grows, unit) = trend.measure.words();
    // Per hour would be far from what a log of seconds shows.
    let (slope, per) = match trend.per_hour.filter(|_| !short) {
        Some(slope) => (slope, "hour"),
        None => (trend.per_collection, "collection"),
    };
    let Slope {
        estimate,
        low,
        high,
    } = slope;
    format!(
        "{grows} by {} {unit} per {per} (95 % interval {} to {}).",
        figure(estimate),
        figure(low),
        figure(high)
    )
}

/// Three significant digits.
fn figure(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude >= 100.0 {
        format!("{number:.0}")
    } else if magnitude >= 10.0 {
        format!("{number:.1}")
    } else if magnitude >= 1.0 || magnitude == 0.0 {
        format!("{number:.2}")
    } else {
        format!("{number:.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A collection each second, with this live heap.
    fn log(seconds: u32, live_mb: impl Fn(f64) -> f64) -> GcTrace {
        let collections = (0..seconds).map(|second| Collection {
            number: u64::from(second) + 1,
            at_seconds: Some(f64::from(second)),
            heap_live_mb: live_mb(f64::from(second)).floor(),
            stacks_mb: Some(1.0),
            ..Collection::default()
        });
        GcTrace {
            collections: collections.collect(),
            ..GcTrace::default()
        }
    }

    /// Noise that is the same in every run, from 0 to 1.
    fn noise(at: f64) -> f64 {
        (at * 12.989_8)
            .sin()
            .mul_add(43_758.545_3, 0.0)
            .fract()
            .abs()
    }

    #[track_caller]
    fn check(live_mb: impl Fn(f64) -> f64, expected: Growth) {
        let trend = trend(&log(1000, live_mb));
        assert_eq!(trend.growth, expected, "{trend:#?}");
    }

    #[test]
    fn leaks_are_found_under_noise_waves_and_curvature() {
        check(|at| 50.0 + at / 20.0, Growth::LeakLike);
        check(|at| 50.0 + at / 20.0 + 40.0 * noise(at), Growth::LeakLike);
        // A sawtooth of 30 MB on a leak of 50.
        check(|at| 50.0 + at / 20.0 + (at % 40.0) * 0.75, Growth::LeakLike);
        check(|at| 50.0 + (at / 300.0).exp(), Growth::LeakLike);
        check(|at| 3.0 + at / 200.0, Growth::LeakLike);
    }

    #[test]
    fn healthy_logs_stay_silent() {
        check(|_| 50.0, Growth::Steady);
        check(|at| 50.0 + 40.0 * noise(at), Growth::Steady);
        check(|at| 50.0 + (at % 170.0), Growth::Steady);
        // A cache that fills.
        check(
            |at| 50.0 + 100.0 * (1.0 - (-at / 250.0).exp()),
            Growth::Steady,
        );
        check(|at| 50.0 + at.min(350.0), Growth::Steady);
        // Daily cycles: whole ones, and one that ends at its top.
        check(|at| 50.0 + 40.0 * (at / 80.0).sin(), Growth::Steady);
        check(|at| 50.0 - 40.0 * (at / 1000.0 * 7.8).sin(), Growth::Steady);
        // One step up, wherever it comes.
        for step in [100.0, 300.0, 500.0, 600.0, 700.0, 900.0] {
            check(|at| if at > step { 80.0 } else { 50.0 }, Growth::Steady);
        }
        // Growth that does not matter: 5 % and 1 MB.
        check(|at| 500.0 + at / 40.0, Growth::Steady);
        check(|at| 5.0 + at / 1000.0, Growth::Steady);
        // Falling.
        check(|at| 500.0 - at / 4.0, Growth::Steady);
    }

    #[test]
    fn a_slope_is_that_of_the_data_per_hour_and_per_collection() {
        let trend = trend(&log(1000, |at| 50.0 + at));
        let heap = &trend.measures[0];
        let per_hour = heap.per_hour.expect("a log with times");
        assert_eq!(heap.measure, Measure::LiveHeap);
        assert!((per_hour.estimate - 3600.0).abs() < 1.0, "{per_hour:?}");
        assert!((heap.per_collection.estimate - 1.0).abs() < 1e-3);
        assert_eq!((heap.points, trend.judged), (MAX_POINTS, 200..1000));
    }

    #[test]
    fn restarts_are_kept_apart_and_the_longest_run_is_judged() {
        let mut trace = log(300, |at| 50.0 + at);
        let mut second = log(200, |_| 50.0).collections;
        second
            .iter_mut()
            .for_each(|collection| collection.process = 1);
        trace.collections.extend(second);
        let whole = trend(&trace);
        assert_eq!((whole.starts, whole.judged), (vec![0, 300], 60..300));
        // Six short lives, each growing from the start, are no trend.
        let lives = (0..6).flat_map(|_| log(24, |at| 50.0 + at).collections);
        trace.collections = lives.collect();
        assert_eq!(trend(&trace).growth, Growth::TooShort);
    }

    #[test]
    fn logs_without_times_are_judged_by_collection() {
        let mut trace = log(300, |at| 50.0 + at);
        for collection in &mut trace.collections {
            collection.at_seconds = None;
            collection.goroutines = Some(collection.number * 7);
            collection.stacks_mb = None;
        }
        let trend = trend(&trace);
        assert_eq!(trend.growth, Growth::LeakLike);
        assert!(
            trend
                .measures
                .iter()
                .all(|measure| measure.per_hour.is_none())
        );
        insta::assert_snapshot!(trend.message);
    }

    #[test]
    fn too_little_is_said_to_be_too_little() {
        for (seconds, at_most) in [(0, 0), (10, 10), (24, 24)] {
            let trend = trend(&log(seconds, |at| 50.0 + at));
            assert_eq!(trend.growth, Growth::TooShort);
            assert!(trend.judged.end <= at_most && trend.measures.is_empty());
            assert!(trend.message.starts_with("Too short"), "{}", trend.message);
        }
    }
}
