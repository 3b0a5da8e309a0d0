//! The path of a site: the growth of its instances within their lives, averaged and summed, as if nothing was ever restarted.

use std::collections::VecDeque;

use crate::history::Point;

/// Seconds on both sides of a gap that tell how steep the path is in it.
const NEIGHBOURHOOD: i64 = 3600;

/// One sweep of a site, over all instances and versions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Seconds of Unix time.
    pub at: i64,
    /// Instances.
    pub instances: f64,
    /// Goroutines an instance.
    pub level: f64,
    /// Goroutines more than at the last sweep, an instance that is past its warm-up; `None` where too few are.
    pub growth: Option<f64>,
    /// Instances that started.
    pub starts: f64,
}

/// The part of the instances that must be past their warm-up; fewer do not speak for all.
const ENOUGH: f64 = 0.25;

impl Step {
    /// The points of all versions at one sweep.
    pub fn of<'a>(points: impl IntoIterator<Item = &'a Point>) -> Option<Self> {
        let (mut at, mut instances, mut sum) = (None, 0.0, 0.0);
        let (mut continuing, mut delta, mut starts) = (0.0, 0.0, 0.0);
        for point in points {
            at = Some(point.at);
            instances += f64::from(point.instances);
            sum += point.sum as f64;
            continuing += f64::from(point.continuing);
            delta += point.delta as f64;
            starts += f64::from(point.starts);
        }
        let enough = continuing > 0.0 && continuing >= ENOUGH * instances;
        Some(Self {
            at: at?,
            instances,
            level: if instances > 0.0 {
                sum / instances
            } else {
                0.0
            },
            growth: enough.then(|| delta / continuing),
            starts,
        })
    }
}

/// The height so far, with what is needed to bridge gaps.
#[derive(Debug, Clone, Default)]
pub(super) struct Path {
    height: f64,
    last: Option<i64>,
    /// (time, growth, seconds) of the last hour.
    recent: VecDeque<(i64, f64, i64)>,
    gap: Option<Gap>,
}

#[derive(Debug, Clone)]
struct Gap {
    seconds: i64,
    /// Growth a second before it; `None` at the start, where there is nothing to bridge.
    before: Option<f64>,
    /// What came after it.
    after: f64,
    after_seconds: i64,
}

impl Path {
    /// Takes in a sweep and gives the height at it.
    ///
    /// Where all instances were restarted at once nobody was watched for an hour. Then the path is taken to have been as
    /// steep as in the hours before and after, on average: load that falls in the evening falls in the gap as well.
    pub(super) fn push(&mut self, step: &Step) -> f64 {
        let seconds = self.last.map_or(0, |last| step.at - last);
        self.last = Some(step.at);
        match step.growth {
            Some(growth) => {
                self.height += growth;
                self.recent.push_back((step.at, growth, seconds));
                while self
                    .recent
                    .front()
                    .is_some_and(|old| step.at - old.0 >= NEIGHBOURHOOD)
                {
                    self.recent.pop_front();
                }
                if let Some(gap) = &mut self.gap {
                    gap.after += growth;
                    gap.after_seconds += seconds;
                    if gap.after_seconds >= NEIGHBOURHOOD {
                        self.height += bridge(gap);
                        self.gap = None;
                    }
                }
            }
            None => self.widen(seconds),
        }
        self.height
    }

    fn widen(&mut self, seconds: i64) {
        let before = slope(&self.recent);
        self.recent.clear();
        match &mut self.gap {
            Some(gap) if gap.after_seconds == 0 => gap.seconds += seconds,
            _ => {
                self.gap = Some(Gap {
                    seconds,
                    before,
                    after: 0.0,
                    after_seconds: 0,
                });
            }
        }
    }
}

fn slope(recent: &VecDeque<(i64, f64, i64)>) -> Option<f64> {
    let seconds: i64 = recent.iter().map(|one| one.2).sum();
    let growth: f64 = recent.iter().map(|one| one.1).sum();
    (seconds > 0).then(|| growth / seconds as f64)
}

fn bridge(gap: &Gap) -> f64 {
    let after = gap.after / gap.after_seconds.max(1) as f64;
    gap.before
        .map_or(0.0, |before| (before + after) / 2.0 * gap.seconds as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_bridged_as_steeply_as_their_surroundings() {
        let mut path = Path::default();
        let mut height = 0.0;
        for sweep in 0..60 {
            let seen = !(20..26).contains(&sweep);
            let step = Step {
                at: sweep * 600,
                instances: 1.0,
                level: 0.0,
                growth: (sweep > 0 && seen).then_some(-2.0),
                starts: 0.0,
            };
            height = path.push(&step);
        }
        // The first sweep has nothing to compare with.
        assert!((height + 2.0 * 59.0).abs() < 1e-9, "{height}");
    }

    #[test]
    fn a_few_instances_do_not_speak_for_all() {
        let point = |instances, continuing, delta| Point {
            at: 600,
            version: "v".into(),
            instances,
            sum: 10 * u64::from(instances),
            max: 10,
            continuing,
            delta,
            seconds: 600.0,
            starts: 0,
        };
        let growth = |points: &[Point]| Step::of(points).and_then(|step| step.growth);
        assert_eq!(growth(&[point(8, 2, 6)]), Some(3.0));
        assert_eq!(growth(&[point(8, 1, 6)]), None);
        assert_eq!(growth(&[point(1, 1, 6), point(7, 1, -2)]), Some(2.0));
        assert_eq!(Step::of([]), None);
    }
}
