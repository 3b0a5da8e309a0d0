//! Captures that can be looked at: of each service the instance with the most goroutines, every hour at most, as profiles
//! that `go tool pprof` opens. The history keeps them as long as whole sweeps; the last of them are in memory as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gorphan_model::Snapshot;

use super::view;
use super::words;
use crate::discover::Target;
use crate::history::{self, Store};
use crate::pass::Pass;

/// Seconds from one capture of a service to the next.
const SPACING_SECONDS: i64 = 3600;
/// Captures kept of one service; past it, those that are close together are thinned out.
const MAX_OF_SERVICE: usize = 24;
/// Bytes in memory of all services, packed; past it, the oldest are in the history alone.
const MAX_BYTES: u64 = 64 << 20;
/// What the history calls such captures.
const WHAT: &str = "goroutine";

/// A capture.
#[derive(Debug)]
pub struct Capture {
    /// What is told of it.
    pub view: view::Capture,
    /// A packed profile; `None` where it is in the history alone.
    pub profile: Option<Bytes>,
}

/// Captures, oldest first.
#[derive(Debug, Default, Clone)]
pub struct Captures {
    kept: Vec<Arc<Capture>>,
}

impl Captures {
    /// Those that a history has.
    pub(crate) fn stored(history: &Store) -> Result<Self, String> {
        let reader = history.reader().map_err(|error| error.to_string())?;
        let stored = reader.captures(None).map_err(|error| error.to_string())?;
        let mut captures = Self::default();
        for one in stored.into_iter().rev().filter(|one| one.what == WHAT) {
            let service = one.service.clone();
            captures.kept.push(Arc::new(Capture {
                view: view::Capture {
                    id: one.id,
                    service: one.service,
                    instance: one.instance,
                    at: words::rfc3339(one.at),
                    at_seconds: one.at,
                    bytes: one.size,
                },
                profile: None,
            }));
            captures.thin(&service);
        }
        Ok(captures)
    }

    /// Those of a pass, for the history.
    pub(crate) fn of(&self, at: i64) -> Vec<history::Capture> {
        let of_pass = self.kept.iter().filter(|kept| kept.view.at_seconds == at);
        let stored = of_pass.filter_map(|kept| {
            Some(history::Capture {
                service: kept.view.service.clone(),
                instance: kept.view.instance.clone(),
                at,
                what: WHAT.to_owned(),
                content: kept.profile.clone()?,
            })
        });
        stored.collect()
    }

    /// The captures after another pass. What is in the history alone goes when it goes there, after `stored_seconds`.
    pub(crate) fn after(&self, pass: &Pass, stored_seconds: i64) -> Self {
        let mut most: BTreeMap<&str, (&Arc<Target>, &Arc<Snapshot>)> = BTreeMap::new();
        for (service, _, exemplar) in pass.swept.exemplars.iter() {
            let slot = most
                .entry(service)
                .or_insert((&exemplar.target, &exemplar.snapshot));
            if exemplar.snapshot.goroutines() > slot.1.goroutines() {
                *slot = (&exemplar.target, &exemplar.snapshot);
            }
        }
        let mut captures = self.clone();
        captures.kept.retain(|kept| {
            kept.profile.is_some() || pass.at - kept.view.at_seconds < stored_seconds
        });
        for (service, (target, snapshot)) in most {
            let mut newest = captures.kept.iter().rev();
            let newest = newest.find(|kept| kept.view.service == service);
            let is_time = newest.is_none_or(|it| pass.at - it.view.at_seconds >= SPACING_SECONDS);
            if is_time && let Some(capture) = capture(service, target, snapshot, pass.at) {
                captures.kept.push(Arc::new(capture));
                captures.thin(service);
            }
        }
        captures.bound();
        captures
    }

    /// All, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Arc<Capture>> {
        self.kept.iter().rev()
    }

    /// The one of that name.
    pub fn get(&self, id: &str) -> Option<&Arc<Capture>> {
        self.kept.iter().find(|capture| capture.view.id == id)
    }

    /// With one more, for tests.
    #[cfg(test)]
    pub(crate) fn with(mut self, service: &str, snapshot: &Snapshot, at: i64) -> Self {
        let mut labels = crate::LabelSet::default();
        labels.set("instance", service);
        let target = Target {
            labels,
            address: crate::discover::Address::Process(1),
            start: String::new(),
        };
        let kept = capture(service, &target, snapshot, at).expect("it can be written");
        self.kept.push(Arc::new(kept));
        self
    }

    /// Takes out of a service's captures the one whose neighbours are closest; the first and the last stay.
    fn thin(&mut self, service: &str) {
        let times: Vec<(usize, i64)> = self
            .kept
            .iter()
            .enumerate()
            .filter(|(_, kept)| kept.view.service == service)
            .map(|(index, kept)| (index, kept.view.at_seconds))
            .collect();
        if times.len() <= MAX_OF_SERVICE {
            return;
        }
        let closest = times
            .windows(3)
            .filter_map(|three| match three {
                [before, it, after] => Some((after.1 - before.1, it.0)),
                _ => None,
            })
            .min();
        if let Some((_, index)) = closest {
            self.kept.remove(index);
        }
    }

    fn bound(&mut self) {
        let held = |kept: &Arc<Capture>| kept.profile.as_ref().map_or(0, |it| it.len() as u64);
        let mut bytes: u64 = self.kept.iter().map(held).sum();
        for kept in &mut self.kept {
            if bytes <= MAX_BYTES {
                break;
            }
            if kept.profile.is_some() {
                bytes -= held(kept);
                *kept = Arc::new(Capture {
                    view: kept.view.clone(),
                    profile: None,
                });
            }
        }
    }
}

fn capture(service: &str, target: &Target, snapshot: &Snapshot, at: i64) -> Option<Capture> {
    let taken_at = at.checked_mul(1_000_000_000);
    let profile = gorphan_report::profile(snapshot, &target.shown(), taken_at);
    let stored = history::Capture {
        service: service.to_owned(),
        instance: target.instance().to_owned(),
        at,
        what: WHAT.to_owned(),
        content: profile.ok()?.into(),
    };
    Some(Capture {
        view: view::Capture {
            id: stored.id(),
            service: stored.service,
            instance: stored.instance,
            at: words::rfc3339(at),
            at_seconds: at,
            bytes: stored.content.len() as u64,
        },
        profile: Some(stored.content),
    })
}

/// Reads a profile that was captured.
///
/// # Errors
/// When it is damaged.
pub(crate) fn read(profile: &[u8]) -> Result<Snapshot, String> {
    let options = gorphan_decode::Options::default();
    let read = gorphan_decode::read_bytes(profile, &options);
    let mut snapshots = read.map_err(|error| error.to_string())?;
    snapshots
        .pop()
        .ok_or_else(|| "the capture has no goroutines".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(service: &str, at: i64) -> Arc<Capture> {
        Arc::new(Capture {
            view: view::Capture {
                id: at.to_string(),
                service: service.to_owned(),
                instance: "i".to_owned(),
                at: String::new(),
                at_seconds: at,
                bytes: 1 << 20,
            },
            profile: Some(vec![0; 1 << 20].into()),
        })
    }

    fn times(captures: &Captures) -> Vec<i64> {
        captures.kept.iter().map(|it| it.view.at_seconds).collect()
    }

    #[test]
    fn captures_are_thinned_where_they_are_dense_and_their_ends_stay() {
        let mut captures = Captures::default();
        let all: Vec<i64> = (0..24).map(|n| n * 10).chain([231]).collect();
        captures.kept.extend(all.iter().map(|at| kept("a", *at)));
        captures.kept.push(kept("b", 5));
        captures.thin("a");
        // 230 stands between 220 and 231, which are closest.
        let expected = all.iter().copied().filter(|at| *at != 220 && *at != 230);
        let left = times(&captures);
        assert_eq!(left.len(), 25, "24 of a and the one of b");
        assert!(left.contains(&0) && left.contains(&231) && left.contains(&5));
        assert!(expected.filter(|at| !left.contains(at)).count() <= 1);
    }

    #[test]
    fn what_is_in_memory_is_bounded_in_bytes() {
        let mut captures = Captures::default();
        captures.kept.extend((0..100).map(|at| kept("a", at)));
        captures.bound();
        assert_eq!(times(&captures), (0..100).collect::<Vec<_>>());
        let in_memory = captures.kept.iter().filter(|kept| kept.profile.is_some());
        let in_memory: Vec<i64> = in_memory.map(|kept| kept.view.at_seconds).collect();
        assert_eq!(in_memory, (36..100).collect::<Vec<_>>());
    }
}
