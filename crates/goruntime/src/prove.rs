//! What can still be woken: asked of a copy.

use std::sync::Arc;

use gorphan_model::proof::Why;
use gorphan_model::{GoroutineId, Proof, Snapshot, State, WaitReason};

use crate::heap::Heap;
use crate::heap::prove::{Outcome, Proven};
use crate::heap::world::World;
use crate::{Details, Error, Frozen, Runtime, snapshot};

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
}

impl Runtime {
    /// All goroutines of a copy that was made for it ([`crate::Depth::Proof`]), with what can be proven of them: who waits for
    /// ever, and who can be woken. Where the heap cannot be read nothing is decided, and each proof says why.
    ///
    /// # Errors
    /// When the function table is damaged.
    pub fn prove(&self, frozen: &Frozen, question: &Question) -> Result<Answer, Error> {
        if let Some(error) = frozen.gave_up() {
            return self.undecided(frozen, error);
        }
        match World::new(self, frozen, question.threads.max(1)) {
            Ok(world) => self.decided(frozen, &world, question),
            Err(error) => self.undecided(frozen, &error),
        }
    }

    fn decided(
        &self,
        frozen: &Frozen,
        heap: &impl Heap,
        question: &Question,
    ) -> Result<Answer, Error> {
        let threads = question.threads.max(1);
        let proven = Proven::new(heap, threads);
        let outcome = |g: crate::Address| proven.outcome(g.0);
        let (mut snapshot, details) = snapshot::build(self, frozen, &outcome, threads)?;
        proven.fill(&mut snapshot, &details);
        let why = question.why;
        let why = why.and_then(|id| proven.why(id, &snapshot, &details));
        Ok(Answer {
            snapshot,
            details,
            why,
        })
    }

    /// The goroutines where nothing is known of what they wait for.
    fn undecided(&self, frozen: &Frozen, error: &Error) -> Result<Answer, Error> {
        let (mut snapshot, details) = snapshot::build(self, frozen, &|_| Outcome::default(), 1)?;
        let proof = Arc::new(Proof::Inconclusive(error.to_string()));
        for sample in &mut snapshot.samples {
            let waits = sample.state.as_ref().is_some_and(waits_for_another);
            sample.proof = waits.then(|| Arc::clone(&proof));
        }
        Ok(Answer {
            snapshot,
            details,
            why: None,
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
