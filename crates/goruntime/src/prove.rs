//! What can still be woken: asked of a copy.

use std::collections::HashMap;
use std::sync::Arc;

use gorphan_model::proof::Why;
use gorphan_model::{GoroutineId, Proof, Snapshot, State, WaitReason};

use crate::goroutine::Goroutine;
use crate::heap::prove::Proven;
use crate::heap::world::World;
use crate::heap::{Heap, Subject, Wait};
use crate::{Address, Details, Error, Frozen, Runtime, snapshot};

/// What a proof says that was taken back.
const NOT_CONFIRMED: &str = "a second look did not find it in the same wait as the first";

/// What is asked of [`Runtime::prove`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// On how many threads to look for answers, at least one. They do not change them.
    pub threads: usize,
    /// A goroutine of which all is to be said.
    pub why: Option<GoroutineId>,
}

/// What was found out by [`Runtime::prove`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As of [`Runtime::snapshot`], with the proof of every sample whose goroutines wait for others, and what leaks hold.
    pub snapshot: Snapshot,
    /// As of [`Runtime::snapshot`].
    pub details: Details,
    /// All that is known of the goroutine that was asked for; `None` if there is none of that number.
    pub why: Option<Why>,
    /// For [`Runtime::confirm`].
    pub leaks: Leaks,
}

/// Goroutines that were proven leaked, for a second look to confirm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaks(HashMap<u64, Leak>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Leak {
    /// What it waits for.
    objects: Vec<u64>,
    /// Since when, on the program's own clock; 0 where the runtime has not noted it yet.
    since: u64,
}

impl Leaks {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a goroutine that is leaked now was so then, in the same wait.
    fn has(&self, id: u64, now: &Leak) -> bool {
        let then = self.0.get(&id);
        // The collector notes the time of a wait when it first comes by.
        then.is_some_and(|then| {
            then.objects == now.objects && (then.since == now.since || then.since == 0)
        })
    }
}

impl Runtime {
    /// All goroutines of a copy that was made for it ([`crate::Depth::Proof`]), with what can be proven of them: who waits for
    /// ever, and who can be woken. Where the heap cannot be read nothing is decided, and each proof says why.
    ///
    /// # Errors
    /// When the function table is damaged.
    pub fn prove(&self, frozen: &Frozen, question: &Question) -> Result<Answer, Error> {
        self.confirm(frozen, question, None)
    }

    /// As [`Runtime::prove`], of a copy that was made later: a goroutine is only leaked if it was so before as well, in the same
    /// wait.
    ///
    /// # Errors
    /// When the function table is damaged.
    pub fn confirm(
        &self,
        frozen: &Frozen,
        question: &Question,
        before: Option<&Leaks>,
    ) -> Result<Answer, Error> {
        if let Some(error) = frozen.gave_up() {
            return self.undecided(frozen, error);
        }
        match World::new(self, frozen, question.threads.max(1)) {
            Ok(world) => self.decided(frozen, &world, question, before),
            Err(error) => self.undecided(frozen, &error),
        }
    }

    fn decided(
        &self,
        frozen: &Frozen,
        heap: &impl Heap,
        question: &Question,
        before: Option<&Leaks>,
    ) -> Result<Answer, Error> {
        let threads = question.threads.max(1);
        let mut proven = Proven::new(heap, threads);
        let leak = |one: &Subject| Leak {
            objects: match &one.wait {
                Wait::For(objects) => objects.clone(),
                Wait::No | Wait::ForNothing | Wait::Unknown(_) => Vec::new(),
            },
            since: self.wait_since(frozen, one.g),
        };
        if let Some(before) = before {
            proven.confirm(|one| before.has(one.id, &leak(one)), NOT_CONFIRMED);
        }
        let leaks = proven.leaked().map(|one| (one.id, leak(one))).collect();
        let outcomes = proven.outcomes(frozen.goroutines.iter().map(|g| g.0));
        let (mut snapshot, details) = snapshot::build(self, frozen, &outcomes, threads)?;
        proven.fill(&mut snapshot, &details);
        let why = question.why;
        let why = why.and_then(|id| proven.why(id, &snapshot, &details));
        Ok(Answer {
            snapshot,
            details,
            why,
            leaks: Leaks(leaks),
        })
    }

    /// Since when a goroutine waits; 0 where that is not known.
    fn wait_since(&self, frozen: &Frozen, g: u64) -> u64 {
        let layout = &self.layout.g;
        let bytes = frozen.slice(Address(g), layout.bytes.into());
        let one = bytes.and_then(|bytes| Goroutine::parse(layout, Address(g), bytes));
        one.map_or(0, |one| one.wait_since)
    }

    /// The goroutines where nothing is known of what they wait for.
    fn undecided(&self, frozen: &Frozen, error: &Error) -> Result<Answer, Error> {
        let (mut snapshot, details) = snapshot::build(self, frozen, &[], 1)?;
        let proof = Arc::new(Proof::Inconclusive(error.to_string()));
        for sample in &mut snapshot.samples {
            let waits = sample.state.as_ref().is_some_and(waits_for_another);
            sample.proof = waits.then(|| Arc::clone(&proof));
        }
        Ok(Answer {
            snapshot,
            details,
            why: None,
            leaks: Leaks::default(),
        })
    }
}

fn waits_for_another(state: &State) -> bool {
    let State::Waiting(reason) = state else {
        return false;
    };
    matches!(
        reason,
        WaitReason::ChanReceive
            | WaitReason::ChanReceiveNil
            | WaitReason::ChanSend
            | WaitReason::ChanSendNil
            | WaitReason::Select
            | WaitReason::SelectNoCases
            | WaitReason::MutexLock
            | WaitReason::RwMutexLock
            | WaitReason::RwMutexRLock
            | WaitReason::WaitGroupWait
            | WaitReason::CondWait
            | WaitReason::Semacquire
            | WaitReason::Coroutine
    )
}
