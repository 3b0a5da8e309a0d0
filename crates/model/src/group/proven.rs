//! What reading memory proved of a group's goroutines, and what the leaked ones hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::operation::classify;
use crate::proof::{Retained, Retention};
use crate::verdict::is_main;
use crate::{Evidence, Operation, Proof, Sample, Snapshot};

/// One of the three results of a proof, for the goroutines of a group that have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Goroutines with this result.
    pub count: u64,
    /// That of one of them: of the sample with the most goroutines.
    pub proof: Arc<Proof>,
}

impl Outcome {
    /// As evidence.
    pub fn evidence(&self) -> Evidence {
        Evidence::Proof {
            count: self.count,
            proof: Arc::clone(&self.proof),
        }
    }
}

/// The results of a group: at most one each of unreachable, reachable and inconclusive, in this order.
#[derive(Debug, Default)]
pub(super) struct Outcomes([Option<Outcome>; 3]);

impl Outcomes {
    /// Counts a sample; the first with a result becomes its exemplar.
    pub(super) fn add(&mut self, sample: &Sample) {
        let Some(proof) = &sample.proof else {
            return;
        };
        let result = match &**proof {
            Proof::Unreachable(_) if !counts_as_leaked(sample) => return,
            Proof::Unreachable(_) => 0,
            Proof::Reachable(_) => 1,
            Proof::Inconclusive(_) => 2,
        };
        let Some(slot) = self.0.get_mut(result) else {
            return;
        };
        let known = slot.get_or_insert_with(|| Outcome {
            count: 0,
            proof: Arc::clone(proof),
        });
        known.count = known.count.saturating_add(sample.count);
    }

    pub(super) fn list(self) -> Vec<Outcome> {
        self.0.into_iter().flatten().collect()
    }
}

/// What was proven of all goroutines of a snapshot, as [`crate::Group::proven`] tells it of a group's.
pub fn outcomes(snapshot: &Snapshot) -> Vec<Outcome> {
    let mut outcomes = Outcomes::default();
    for sample in &snapshot.samples {
        outcomes.add(sample);
    }
    outcomes.list()
}

/// Whether goroutines that nothing can wake are leaked. The main goroutine is not when it merely keeps the program alive: it
/// waits for what nobody else ever had (`select {}`, a nil channel, `<-make(chan int)`), and nobody is to blame.
fn counts_as_leaked(sample: &Sample) -> bool {
    let Some(Proof::Unreachable(unreachable)) = sample.proof.as_deref() else {
        return false;
    };
    let shared = unreachable.objects.iter().any(|object| object.waiters > 1);
    let parks = unreachable.cause.is_empty() && !shared;
    !(parks && is_main(&sample.stack) && waits_in_channel(sample))
}

fn waits_in_channel(sample: &Sample) -> bool {
    matches!(
        classify(sample.state.as_ref(), &sample.stack),
        Operation::ChanSend
            | Operation::ChanReceive
            | Operation::Select
            | Operation::NilChanSend
            | Operation::NilChanReceive
            | Operation::SelectNoCases
    )
}

/// What the leaked goroutines of a group hold, by the sites of the snapshot that they are of.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// Site to goroutines of the group.
    sites: HashMap<usize, u64>,
}

impl Holdings {
    pub(super) fn add(&mut self, sample: &Sample) {
        if let Some(Proof::Unreachable(unreachable)) = sample.proof.as_deref()
            && counts_as_leaked(sample)
        {
            let count = self.sites.entry(unreachable.site).or_default();
            *count = count.saturating_add(sample.count);
        }
    }

    /// The sum over the group's sites; `None` where nothing is leaked, or the group has only a part of a site's
    /// goroutines: what a part holds is not known.
    pub(super) fn sum(&self, retention: Option<&Retention>) -> Option<Retained> {
        let retention = retention?;
        let mut sum = Retained::default();
        let mut types: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (site, count) in &self.sites {
            let of_site = retention.sites.get(*site)?;
            if of_site.goroutines != *count {
                return None;
            }
            let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
            add(&mut sum.goroutines, of_site.goroutines);
            add(&mut sum.stack_bytes, of_site.stack_bytes);
            add(&mut sum.heap_bytes, of_site.heap_bytes);
            for (name, objects, bytes) in &of_site.types {
                let known = types.entry(name).or_default();
                add(&mut known.0, *objects);
                add(&mut known.1, *bytes);
            }
        }
        let types = types.into_iter();
        sum.types = types
            .map(|(name, (objects, bytes))| (name.to_owned(), objects, bytes))
            .collect();
        sum.types
            .sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
        (sum.goroutines > 0).then_some(sum)
    }
}
