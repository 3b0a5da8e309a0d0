//! What a judgement means for the ledger: owners, what is new, and who is told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gorphan_model::Frame;

use crate::alert::{Alerting, rehearsed};
use crate::ledger::{Changed, Ledger, LedgerError, Reached, Seen};
use crate::owners::{Owners, Question};
use crate::rank::Judgement;
use crate::sweep::Swept;

/// Frames of a stack that are kept with a finding.
const MAX_FRAMES: usize = 64;

/// What taking in came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakenIn {
    /// What the sweep means for each finding, those that it resolves included.
    pub changed: Vec<Changed>,
    /// In a rehearsal, what receivers would be sent.
    pub messages: Vec<String>,
}

/// Names the owner of each finding. `path` gives the place of a file, as stacks name it, within the source: relative, with `/`.
pub fn name_owners(
    judgement: &mut Judgement,
    owners: &Owners,
    path: &dyn Fn(&str) -> Option<String>,
) {
    let all = judgement.findings.iter().zip(&mut judgement.facts);
    for ((finding, facts), group) in all.zip(&judgement.groups) {
        // Whose code it is: the blocked line's, or of what is not in the source the next caller's that is.
        let files = std::iter::once(&*finding.place.file);
        let mut files = files.chain(group.stack.frames.iter().map(|frame| &*frame.file));
        let place = files.find_map(path);
        facts.owner = owners.of(Question {
            path: place.as_deref(),
            service: &facts.service,
            function: &finding.place.function,
            label: facts.owner.as_deref(),
        });
    }
}

/// Takes a judged sweep into the ledger, and brings status and age of its findings up to date. With `rehearsal` the ledger
/// stays as it is and the messages are given instead. Findings carry their owners and costs already.
///
/// # Errors
/// When the ledger cannot be read or written.
pub fn take_in(
    ledger: &Mutex<Ledger>,
    alerting: &Alerting,
    at: i64,
    judgement: &mut Judgement,
    swept: &Swept,
    rehearsal: bool,
) -> Result<TakenIn, LedgerError> {
    let stacks: Vec<Vec<Frame>> = judgement
        .groups
        .iter()
        .map(|group| {
            group
                .stack
                .frames
                .iter()
                .take(MAX_FRAMES)
                .cloned()
                .collect()
        })
        .collect();
    let all = judgement.findings.iter().zip(&judgement.facts).zip(&stacks);
    let seen: Vec<Seen<'_>> = all
        .map(|((finding, facts), stack)| Seen {
            finding,
            facts,
            stack,
        })
        .collect();
    let reached = Reached::of(swept);
    let mut taken = TakenIn::default();
    if rehearsal {
        let (changed, parcels) = open(ledger).rehearse(at, &seen, &reached, alerting.telling())?;
        let external = alerting.external_url.as_ref();
        let messages = parcels.iter().filter_map(|(name, parcel)| {
            let mut receivers = alerting.receivers.iter();
            let receiver = receivers.find(|receiver| receiver.name == *name)?;
            Some(rehearsed(receiver, parcel, external))
        });
        taken.messages = messages.collect();
        taken.changed = changed;
    } else {
        taken.changed = open(ledger).take_in(at, &seen, &reached, alerting.telling())?;
    }
    for facts in &mut judgement.facts {
        let mut changed = taken.changed.iter();
        if let Some(one) = changed.find(|one| one.fingerprint == facts.fingerprint) {
            facts.status = one.status;
            facts.first_seen = one.first_seen;
        }
    }
    Ok(taken)
}

fn open(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
