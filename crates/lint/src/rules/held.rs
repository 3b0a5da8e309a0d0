//! Locks along a way through a function.

use super::Context;
use crate::ir::{Aliases, At, Field, FuncId, InstrId, Mode, ObjectKind, Op, Place, PlaceId, Shape};
use crate::summary::{Effect, EffectKind, Step, Visit};

/// Calls that are looked into for the order of unlocking and locking; deeper ones count as undecided.
const MAX_DEPTH: u32 = 6;

/// What a step does to one lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touch {
    /// It locks, at that operation, in that mode, in every case or perhaps.
    Lock(At, Mode, bool),
    /// It unlocks.
    Unlock(Mode),
    /// It locks and unlocks, and locking comes first.
    Both(At, Mode, bool),
    /// The place means another lock from here on, or nothing is known any more.
    Lost,
}

impl Context<'_> {
    /// Whether a path means one thing: no part of it is some element.
    pub(super) fn is_exact(&self, place: PlaceId) -> bool {
        let ir = self.ir();
        let mut steps = ir.places.steps(place);
        !steps.any(|step| matches!(step, Place::Element(_)))
    }

    /// Whether no part of a path but its end is ever assigned anew.
    pub(super) fn is_settled(&self, place: PlaceId) -> bool {
        let ir = self.ir();
        let is_fixed = |field: &Field| !field.is_reassigned;
        ir.places.steps(place).all(|step| match step {
            Place::Var(var) => ir[var].assignments <= 1 && !ir[var].is_volatile,
            Place::Field(_, field) => is_fixed(&ir[field]),
            Place::Element(_) => false,
        })
    }

    /// The locks that a function locks itself, each once, in order.
    pub(super) fn locks_of(&self, func: FuncId) -> Vec<PlaceId> {
        let instrs = self.ir()[func].instrs();
        let mut all: Vec<PlaceId> = instrs
            .filter_map(|(_, instr)| match instr.op {
                Op::Lock {
                    lock,
                    is_try: false,
                    ..
                } => Some(lock),
                _ => None,
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether two paths of one function surely or probably mean one lock: they are equal; or they end alike, and what they end
    /// alike from is made in one place, and the other one is reached over a way back (`child.parent.mu` for `parent.mu`) or in
    /// a closure that has it.
    pub(super) fn is_same_lock(&self, func: FuncId, lock: PlaceId, other: PlaceId) -> Option<bool> {
        if lock == other {
            return Some(true);
        }
        let ir = self.ir();
        let (mut one, mut two) = (lock, other);
        let mut owner = None;
        while let (Place::Field(of_one, field_one), Place::Field(of_two, field_two)) =
            (ir[one], ir[two])
            && field_one == field_two
        {
            let name = &ir[field_one].owner;
            if owner.is_none() && !name.is_empty() {
                owner = Some(name);
            }
            (one, two) = (of_one, of_two);
        }
        let owner = owner?;
        let ([object], [again]) = (self.objects(one), self.objects(two)) else {
            return None;
        };
        let made = &ir[*object];
        let is_one = object == again
            && *object != Aliases::OUTSIDE
            && matches!(
                made.kind,
                ObjectKind::Value {
                    shape: Shape::Struct,
                    ..
                }
            )
            && !made.in_loop
            && !self.is_made_often(*object);
        // A tree's nodes are all made in one place, too.
        let leads_back = match ir[two] {
            Place::Var(var) => ir[var].func != Some(func) && matches!(ir[one], Place::Var(_)),
            // Two fields of one thing are two things.
            Place::Field(of, _) if matches!(ir[one], Place::Field(other, _) if of == other) => {
                false
            }
            Place::Field(_, field) => !ir[field].owner.is_empty() && ir[field].owner != *owner,
            Place::Element(_) => false,
        };
        (is_one && leads_back).then_some(false)
    }

    /// What a step does to a lock.
    pub(super) fn touch(&self, func: FuncId, step: Step, lock: PlaceId) -> Option<Touch> {
        let (Step::Run(instr) | Step::Deferred(instr) | Step::Arm(instr)) = step else {
            return None;
        };
        let ir = self.ir();
        let at = At { func, instr };
        if let Op::Assign { to, .. } = ir.instr(at).op {
            let is_part = ir.places.steps(lock).any(|step| step == ir[to]) && to != lock;
            return is_part.then_some(Touch::Lost);
        }
        if let Op::Call(call) = ir.instr(at).op {
            let mut results = ir[call].results.iter().flatten();
            if results.any(|result| {
                *result != lock && ir.places.steps(lock).any(|step| step == ir[*result])
            }) {
                return Some(Touch::Lost);
            }
        }
        let mut effects = self.analysis.effects(at);
        effects.retain(|effect| {
            // The path may have meant something else where it was locked; and who is called may lock only if told so.
            effect.at == at || (self.is_unmoved(effect.at) && !effect.switched)
        });
        let own = effects
            .iter()
            .filter(|effect| effect.place == lock && !effect.spawned);
        let (mut locks, mut unlocks, mut tries) = (None, None, false);
        for effect in own {
            match effect.kind {
                // Which of several callees is called is not known.
                EffectKind::Lock(_) if !effect.direct => tries = true,
                EffectKind::Lock(mode) => locks = locks.or(Some((effect.at, mode, effect.always))),
                EffectKind::Unlock(mode) => unlocks = unlocks.or(Some((effect.at, mode))),
                EffectKind::TryLock(_) => tries = true,
                EffectKind::Escape => tries = true,
                _ => {}
            }
        }
        if locks.is_none() && unlocks.is_none() && !tries {
            if self.analysis.is_cut(at) {
                return None;
            }
            return self.touch_again(func, &effects, lock);
        }
        match (locks, unlocks) {
            // What gives the lock back may be among what is left out.
            _ if self.analysis.is_cut(at) => Some(Touch::Lost),
            _ if tries => Some(Touch::Lost),
            (None, None) => None,
            (Some((at, mode, always)), None) => Some(Touch::Lock(at, mode, always)),
            (None, Some((_, mode))) => Some(Touch::Unlock(mode)),
            (Some((lock_at, mode, always)), Some(_)) => {
                let unlocks: Vec<At> = effects
                    .iter()
                    .filter(|effect| {
                        effect.place == lock && matches!(effect.kind, EffectKind::Unlock(_))
                    })
                    .map(|effect| effect.at)
                    .collect();
                match self.comes_before(at, lock_at, &unlocks, MAX_DEPTH) {
                    true => Some(Touch::Both(lock_at, mode, always)),
                    false => Some(Touch::Lost),
                }
            }
        }
    }

    /// Whether the path that an operation works on starts from what its function was given.
    fn is_unmoved(&self, at: At) -> bool {
        let ir = self.ir();
        let place = super::context::place_of(&ir.instr(at).op);
        place.is_none_or(|place| ir[ir.base(place)].assignments <= 1)
    }

    /// What is done to a lock by another path that probably means the same: only that it is locked matters.
    fn touch_again(&self, func: FuncId, effects: &[Effect], lock: PlaceId) -> Option<Touch> {
        effects.iter().find_map(|effect| {
            let EffectKind::Lock(mode) = effect.kind else {
                return None;
            };
            let is_it = effect.direct
                && !effect.spawned
                && self.is_same_lock(func, lock, effect.place) == Some(false);
            is_it.then_some(Touch::Both(effect.at, mode, false))
        })
    }

    /// Whether what an instruction runs can come to an operation before it comes to any of the others.
    pub(super) fn comes_before(&self, at: At, first: At, others: &[At], depth: u32) -> bool {
        let Op::Call(call) = self.ir().instr(at).op else {
            return at == first;
        };
        if depth == 0 {
            return false;
        }
        let targets = &self.analysis.targets(call).funcs;
        targets.iter().any(|func| {
            let entry = self.ir()[*func].entry();
            let answer = self.analysis.search(*func, entry, (), |(), step| {
                let effects = self.effects(*func, step);
                let does = |at: At| effects.iter().any(|effect: &Effect| effect.at == at);
                let other = others.iter().any(|other| does(*other));
                match (does(first), other) {
                    (true, false) => Visit::Found,
                    (true, true) => {
                        let instr = match step {
                            Step::Run(instr) | Step::Deferred(instr) | Step::Arm(instr) => instr,
                            _ => return Visit::On,
                        };
                        let at = At { func: *func, instr };
                        match self.comes_before(at, first, others, depth - 1) {
                            true => Visit::Found,
                            false => Visit::Cut,
                        }
                    }
                    (false, true) => Visit::Cut,
                    (false, false) => Visit::On,
                }
            });
            answer.trace().is_some()
        })
    }

    /// The instruction that unlocks or locks, for what a step runs.
    pub(super) fn step_instr(step: Step) -> Option<InstrId> {
        match step {
            Step::Run(instr) | Step::Deferred(instr) | Step::Arm(instr) => Some(instr),
            _ => None,
        }
    }
}
