//! What was proven, and what leaks hold.

use gorphan_model::group::outcomes;
use gorphan_model::proof::{self, Awaited, Blame};
use gorphan_model::{Proof, Snapshot};

use super::wire;

/// Objects of a select, links of a chain and steps of a way that are listed: more than a program written by hand has.
const MAX_LISTED: usize = 100;
/// Go types listed with what is retained, most bytes first.
const MAX_TYPES: usize = 100;

pub(super) fn evidence(count: u64, proof: &Proof) -> wire::Proof<'_> {
    let empty = wire::Proof {
        result: proof.result(),
        count,
        ..wire::Proof::default()
    };
    match proof {
        Proof::Unreachable(proof) => wire::Proof {
            object: proof.objects.first().map(ToString::to_string),
            objects: proof.objects.iter().take(MAX_LISTED).map(awaited).collect(),
            cause: proof.cause.iter().take(MAX_LISTED).map(blame).collect(),
            ..empty
        },
        Proof::Reachable(way) => {
            let steps = way.iter().take(MAX_LISTED);
            wire::Proof {
                path: Some(steps.map(|step| step.description.as_str()).collect()),
                ..empty
            }
        }
        Proof::Inconclusive(why) => wire::Proof {
            why: Some(why),
            ..empty
        },
    }
}

pub(super) fn awaited(object: &Awaited) -> wire::Awaited<'_> {
    wire::Awaited {
        description: &object.description,
        address: object.address,
        buffer: object
            .buffer
            .map(|(values, capacity)| wire::Buffer { values, capacity }),
        waiters: object.waiters,
    }
}

pub(super) fn blame(blame: &Blame) -> wire::Blame<'_> {
    wire::Blame {
        goroutine: blame.goroutine.0,
        why: &blame.why,
    }
}

/// `None` where nothing was tried.
pub(super) fn counts(snapshot: &Snapshot) -> Option<wire::ProofCounts> {
    let outcomes = outcomes(snapshot);
    let mut counts = wire::ProofCounts::default();
    for one in &outcomes {
        let slot = match &*one.proof {
            Proof::Unreachable(_) => &mut counts.unreachable,
            Proof::Reachable(_) => &mut counts.reachable,
            Proof::Inconclusive(_) => &mut counts.inconclusive,
        };
        *slot = one.count;
    }
    (!outcomes.is_empty() || snapshot.retention.is_some()).then_some(counts)
}

pub(super) fn retention(retention: &proof::Retention) -> wire::Retention {
    wire::Retention {
        leaked_bytes: crate::proof::leaked_bytes(retention),
        shared_bytes: retention.shared_bytes,
        live_bytes: retention.live_bytes,
    }
}

pub(super) fn retained(retained: &proof::Retained) -> wire::Retained<'_> {
    let types = retained.types.iter().take(MAX_TYPES);
    wire::Retained {
        goroutines: retained.goroutines,
        stack_bytes: retained.stack_bytes,
        heap_bytes: retained.heap_bytes,
        types: types
            .map(|(name, objects, bytes)| wire::RetainedType {
                name,
                objects: *objects,
                bytes: *bytes,
            })
            .collect(),
        types_elided: retained.types.len().saturating_sub(MAX_TYPES),
    }
}
