//! Where the other side of a wait asks for a lock before it comes to what would end the wait.

use super::Context;
use crate::ir::{
    Aliases, Amount, At, End, FuncId, Mode, Node, ObjectId, ObjectKind, Op, Place, PlaceId, Shape,
    TermKind, Value, node_of,
};
use crate::summary::{Effect, EffectKind, Step, Visit};

/// Calls upwards from an operation that are looked at.
const MAX_CALLERS: usize = 64;

/// Waits for each other that are followed from the end of a wait to who asks for the lock.
pub(super) const MAX_WAITS: u32 = 1;

impl Context<'_> {
    /// Whether two places may be the same thing.
    pub(super) fn may_be_same(&self, one: PlaceId, two: PlaceId) -> bool {
        let ir = self.ir();
        ir.aliases.may_be_same(&ir.places, one, two)
    }

    /// The objects that a place may be, if these are all.
    pub(super) fn known_objects(&self, place: PlaceId) -> Option<&[ObjectId]> {
        let objects = self.objects(place);
        (!objects.is_empty() && !objects.contains(&Aliases::OUTSIDE)).then_some(objects)
    }

    /// Whether two places may be the same object of this package.
    pub(super) fn shares(&self, one: &[ObjectId], two: PlaceId) -> bool {
        let two = self.objects(two);
        one.iter()
            .any(|object| *object != Aliases::OUTSIDE && two.contains(object))
    }

    /// Where the goroutine of an operation asks for a lock before it comes to the operation: in the function at hand, or in all
    /// that call it. `None` where one does not, or where not all callers are known. With `again` it is asked where that is so
    /// between the operation and its next time.
    pub(super) fn lock_before(
        &self,
        at: At,
        lock: &[ObjectId],
        mode: Mode,
        (again, depth): (bool, u32),
    ) -> Option<At> {
        let mut first = None;
        let mut funcs = vec![at.func];
        let mut next = 0;
        while let Some(func) = funcs.get(next).copied() {
            next += 1;
            if let Some(found) = self.lock_before_in(func, at, lock, mode, again, depth) {
                first = first.or(Some(found));
                continue;
            }
            let callers = self.analysis.callers(func);
            if callers.is_empty() || self.is_called_from_outside(func) {
                return None;
            }
            for caller in callers {
                if !self.calls_only(*caller) || funcs.len() >= MAX_CALLERS {
                    return None;
                }
                if !funcs.contains(&caller.func) {
                    funcs.push(caller.func);
                }
            }
        }
        first
    }

    /// Whether an instruction is a call, and of one function only.
    fn calls_only(&self, at: At) -> bool {
        let ir = self.ir();
        let call = match ir.instr(at).op {
            Op::Call(call) => call,
            Op::Defer { run } => match ir[at.func][run].op {
                Op::Call(call) => call,
                _ => return false,
            },
            _ => return false,
        };
        self.analysis.is_sure(call)
    }

    fn lock_before_in(
        &self,
        func: FuncId,
        wanted: At,
        lock: &[ObjectId],
        mode: Mode,
        again: bool,
        depth: u32,
    ) -> Option<At> {
        let entry = self.ir()[func].entry();
        let mut found = None;
        // Whether the operation was come by where that is asked, and the lock behind it.
        let own = self.made_in(func, wanted);
        let state = (!again && own.is_empty(), None);
        let group = match self.ir().instr(wanted).op {
            Op::WgAdd { group, .. } => Some(group),
            _ => None,
        };
        self.analysis.search(
            func,
            entry,
            state,
            |state: &mut (bool, Option<At>), step| {
                let (is_past, seen) = state;
                let effects = self.effects(func, step);
                let is_here = |effect: &&Effect| !effect.spawned && effect.direct;
                // A call that does both is looked into when its callee is.
                if let Step::Run(instr) = step
                    && let Op::Make(object) = self.ir()[func][instr].op
                    && own.contains(&object)
                {
                    // The next one: nobody has it yet.
                    (*is_past, *seen) = (false, None);
                }
                let is_there = effects
                    .iter()
                    .filter(is_here)
                    .any(|effect| effect.at == wanted);
                if is_there && seen.is_some() {
                    found = *seen;
                    return Visit::Found;
                }
                // What is added to a group is not there to be done before.
                let adds = |effect: &&Effect| {
                    matches!(effect.kind, EffectKind::WgAdd(Amount::Const(1..)))
                        && group.is_some_and(|group| self.may_be_same(group, effect.place))
                };
                if effects.iter().filter(is_here).any(|effect| adds(&effect)) {
                    *seen = None;
                    return Visit::On;
                }
                // Readers do not keep readers out.
                let asks = |kind: EffectKind| match kind {
                    EffectKind::Lock(asked) => mode == Mode::Write || asked == Mode::Write,
                    _ => false,
                };
                let mut locks = effects
                    .iter()
                    .filter(is_here)
                    .filter(|effect| asks(effect.kind) && self.shares(lock, effect.place));
                if *is_past && seen.is_none() {
                    *seen = locks.next().map(|effect| effect.at);
                    // Or it waits for somebody who asks for it.
                    if depth > 0 {
                        let mut waits = effects.iter().filter(is_here);
                        let asks = |effect: &Effect| {
                            effect.at.func == func
                                && self.is_fed_under(effect, lock, mode, depth - 1)
                        };
                        *seen = seen.or_else(|| waits.find(|one| asks(one)).map(|one| one.at));
                    }
                }
                *is_past |= match own.is_empty() || again {
                    true => is_there,
                    // Nobody waits for it as long as nobody else has it.
                    false => self.publishes(func, step, &own),
                };
                Visit::On
            },
        );
        found
    }

    /// Whether an operation receives from a channel, and whoever sends to it or closes it asks for a lock first.
    fn is_fed_under(&self, effect: &Effect, lock: &[ObjectId], mode: Mode, depth: u32) -> bool {
        let is_wait = matches!(effect.kind, EffectKind::Recv(_)) && !effect.in_select;
        let Some(objects) = self.known_objects(effect.place).filter(|_| is_wait) else {
            return false;
        };
        let mut feeds = Vec::new();
        for object in objects {
            let uses = self.uses(*object);
            feeds.extend(uses.sends.iter().map(|send| send.at));
            feeds.extend(&uses.closes);
            if self.ir().aliases.escape(*object).is_some() {
                return false;
            }
        }
        let asks = |at: &At| {
            self.lock_before_in(at.func, *at, lock, mode, false, depth)
                .is_some()
        };
        !feeds.is_empty() && feeds.iter().all(asks)
    }

    /// What an operation works on, as far as the function has just made it.
    fn made_in(&self, func: FuncId, wanted: At) -> Vec<ObjectId> {
        let ir = self.ir();
        let place = super::context::place_of(&ir.instr(wanted).op);
        let objects = place.map_or(&[][..], |place| self.objects(place));
        let is_own = |object: &ObjectId| ir[*object].func == Some(func);
        match objects.iter().all(is_own) {
            true => objects.to_vec(),
            false => Vec::new(),
        }
    }

    /// Whether a step lets others have an object: it starts a goroutine, calls with it, or stores it.
    fn publishes(&self, func: FuncId, step: Step, objects: &[ObjectId]) -> bool {
        let ir = self.ir();
        let Step::Run(instr) = step else {
            return matches!(step, Step::Arm(_));
        };
        let has = |value: &Value| match value {
            Value::Place(place) => self.shares(objects, *place),
            _ => false,
        };
        match &ir[func][instr].op {
            Op::Spawn { .. } => true,
            Op::Assign { to, value } => !matches!(ir[*to], Place::Var(_)) && has(value),
            Op::Call(call) => {
                let call = &ir[*call];
                call.receiver.iter().chain(&call.args).any(has)
            }
            _ => false,
        }
    }

    /// Whether the way to an operation depends on a variable or field that another function sets: `if !stopping { mu.Lock() }`,
    /// where who holds the lock says so first.
    pub(super) fn is_told_by(&self, at: At, setter: FuncId) -> bool {
        let ir = self.ir();
        let Some((block, _)) = self.index().get(at) else {
            return false;
        };
        let mut tested = Vec::new();
        for (_, before) in ir[at.func].blocks() {
            if let End::Branch(edges) = &before.exit {
                let edges = edges.iter().filter(|edge| edge.to == block);
                tested.extend(edges.flat_map(|edge| edge.facts.iter().map(|fact| fact.term)));
            }
        }
        let is_tested = |to: PlaceId| {
            tested.iter().any(|term| match (ir[*term].kind, ir[to]) {
                (TermKind::Place(place), Place::Field(_, set)) => {
                    matches!(ir[place], Place::Field(_, field) if field == set)
                }
                (TermKind::Var(var), Place::Var(set)) => {
                    var == set && ir[var].func != Some(at.func)
                }
                _ => false,
            })
        };
        let mut instrs = ir[setter].instrs();
        instrs.any(|(_, instr)| matches!(instr.op, Op::Assign { to, .. } if is_tested(to)))
    }

    /// What a place holds.
    pub(super) fn shape(&self, place: PlaceId) -> Shape {
        let ir = self.ir();
        match node_of(&ir.places, place) {
            Node::Var(var) => ir[var].shape,
            Node::Field(field) => ir[field].shape,
        }
    }

    /// The lock of a condition.
    pub(super) fn cond_locks(&self, cond: PlaceId) -> Vec<ObjectId> {
        let ir = self.ir();
        let objects = self.objects(cond).iter();
        let locks = objects.filter_map(|object| match ir[*object].kind {
            ObjectKind::Cond { lock } => lock,
            _ => None,
        });
        locks.flat_map(|lock| self.objects(lock).to_vec()).collect()
    }
}
