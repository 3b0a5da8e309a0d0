//! Captures that can be looked at: of each service the instance with the most goroutines, every hour at most, as profiles
//! that `go tool pprof` opens.

use std::collections::BTreeMap;
use std::sync::Arc;

use gorphan_model::Snapshot;
use gorphan_report::{Document, Format, Report, Style, TargetInfo};
use sha2::{Digest, Sha256};

use super::view;
use super::words;
use crate::discover::Target;
use crate::pass::Pass;

/// Seconds from one capture of a service to the next.
const SPACING_SECONDS: i64 = 3600;
/// Captures kept of one service; past it, those that are close together are thinned out.
const MAX_OF_SERVICE: usize = 24;
/// Bytes kept of all services, packed; past it, the oldest go.
const MAX_BYTES: u64 = 64 << 20;
/// Bytes of a name: 64 bits.
const ID_BYTES: usize = 8;

/// A capture.
#[derive(Debug)]
pub struct Capture {
    /// What is told of it.
    pub view: view::Capture,
    /// A packed profile.
    pub profile: Vec<u8>,
}

/// Captures, oldest first.
#[derive(Debug, Default, Clone)]
pub struct Captures {
    kept: Vec<Arc<Capture>>,
}

impl Captures {
    /// The captures after another pass.
    pub(crate) fn after(&self, pass: &Pass) -> Self {
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
        let mut bytes: u64 = self.kept.iter().map(|kept| kept.view.bytes).sum();
        while bytes > MAX_BYTES && !self.kept.is_empty() {
            bytes -= self.kept.remove(0).view.bytes;
        }
    }
}

fn capture(service: &str, target: &Target, snapshot: &Snapshot, at: i64) -> Option<Capture> {
    let profile = profile(snapshot, &target.shown(), at)?;
    let text = format!("{service}\0{}\0{at}", target.instance());
    let sum = Sha256::digest(text.as_bytes());
    let id = sum.iter().take(ID_BYTES).map(|it| format!("{it:02x}"));
    Some(Capture {
        view: view::Capture {
            id: id.collect(),
            service: service.to_owned(),
            instance: target.instance().to_owned(),
            at: words::rfc3339(at),
            at_seconds: at,
            bytes: profile.len() as u64,
        },
        profile,
    })
}

/// A snapshot as a packed profile; `None` if it cannot be written.
fn profile(snapshot: &Snapshot, name: &str, at: i64) -> Option<Vec<u8>> {
    let document = Document::Inspect(Report {
        target: TargetInfo {
            kind: "http",
            name: name.to_owned(),
            go_version: None,
            taken_at_unix_nanos: at.checked_mul(1_000_000_000),
            pause_seconds: None,
            method: None,
            bytes_read: None,
        },
        snapshot,
        groups: &[],
        groups_total: 0,
        findings: &[],
        problems: Vec::new(),
        tests: &[],
    });
    let mut bytes = Vec::new();
    let written = gorphan_report::render(&document, Format::Pprof, &Style::default(), &mut bytes);
    written.ok().map(|()| bytes)
}

impl Capture {
    /// Reads the profile.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn snapshot(&self) -> Result<Snapshot, String> {
        let options = gorphan_decode::Options::default();
        let read = gorphan_decode::read_bytes(&self.profile, &options);
        let mut snapshots = read.map_err(|error| error.to_string())?;
        snapshots
            .pop()
            .ok_or_else(|| "the capture has no goroutines".to_owned())
    }
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
            profile: Vec::new(),
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
    fn what_is_kept_is_bounded_in_bytes() {
        let mut captures = Captures::default();
        captures.kept.extend((0..100).map(|at| kept("a", at)));
        captures.bound();
        assert_eq!(times(&captures), (36..100).collect::<Vec<_>>());
    }
}
