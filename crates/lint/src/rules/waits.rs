//! What functions wait for with locks held: the edges of the wait graph.

use std::collections::{HashMap, HashSet};

use super::Context;
use crate::ir::{At, Callee, FuncId, Mode, ObjectId, Op, PlaceId, Value, VarKind};
use crate::summary::{Effect, EffectKind, Step, Visit};

/// Locks that are held at once and followed; the rest is left out.
const MAX_HELD: usize = 6;

/// A lock that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Held {
    /// Which, by its first name.
    pub(super) lock: PlaceId,
    /// How.
    pub(super) mode: Mode,
    /// What locked it; where it was held on entry, what unlocks it.
    pub(super) at: At,
    /// Whether it is held for sure, and not only where one of several callees is called.
    pub(super) is_sure: bool,
}

/// Something is waited for with locks held.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wait {
    /// The function that holds the locks.
    pub(super) func: FuncId,
    /// The locks.
    pub(super) held: Vec<Held>,
    /// What is waited for.
    pub(super) place: PlaceId,
    /// The operation that waits, in `func` or below.
    pub(super) at: At,
    /// Its kind.
    pub(super) kind: WaitKind,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum WaitKind {
    Lock(Mode),
    Send,
    Recv,
    Group,
    Cond,
}

/// Everything that is waited for with locks held.
#[derive(Debug, Default)]
pub(super) struct Waits {
    pub(super) all: Vec<Wait>,
    /// Locks that a goroutine unlocks which has not locked them.
    handed: HashSet<(ObjectId, FuncId)>,
    /// Locks that a goroutine takes and leaves to others.
    left: HashSet<ObjectId>,
    /// By call: the locks that are held there, on every way that was looked at.
    calls: HashMap<At, Vec<PlaceId>>,
}

impl Waits {
    /// Of a package.
    pub(super) fn new(context: &Context<'_>) -> Self {
        let mut waits = Self::default();
        let ir = context.ir();
        for (id, _) in ir.funcs() {
            waits.hands_over(context, id);
            if !holds_locks(context, id) || !context.live().is_live(id) || context.is_fake(id) {
                continue;
            }
            let mut collect = Collect {
                context,
                func: id,
                entry: Vec::new(),
                found: HashSet::new(),
                calls: HashMap::new(),
            };
            collect.run(Vec::new());
            // A lock that is unlocked and was not locked here is held by whoever calls.
            let entry = collect.entry.clone();
            if !entry.is_empty() {
                collect.calls.clear();
                collect.run(entry);
            }
            if context.live().is_spawned(id) {
                let locks = collect.entry.iter();
                let objects = locks.flat_map(|held| context.objects(held.lock));
                waits.handed.extend(objects.map(|object| (*object, id)));
            }
            waits.calls.extend(collect.calls);
            let mut found: Vec<Wait> = collect.found.into_iter().collect();
            found.sort_by(|one, two| (one.at, &one.held).cmp(&(two.at, &two.held)));
            waits.all.append(&mut found);
        }
        waits
    }

    /// Notes the locks that a goroutine unlocks, in whatever it calls, and locks nowhere.
    fn hands_over(&mut self, context: &Context<'_>, id: FuncId) {
        if !context.live().is_spawned(id) {
            return;
        }
        let effects = &context.analysis.summary(id).effects;
        let own = || effects.iter().filter(|effect| !effect.spawned);
        for lock in own().filter(|effect| matches!(effect.kind, EffectKind::Lock(_))) {
            let mut unlocks = own().filter(|effect| matches!(effect.kind, EffectKind::Unlock(_)));
            if unlocks.all(|unlock| !context.may_be_same(lock.place, unlock.place)) {
                self.left.extend(context.objects(lock.place));
            }
        }
        for unlock in own().filter(|effect| matches!(effect.kind, EffectKind::Unlock(_))) {
            let mut locks = own().filter(|effect| matches!(effect.kind, EffectKind::Lock(_)));
            if locks.all(|lock| !context.may_be_same(lock.place, unlock.place)) {
                let objects = context.objects(unlock.place).iter();
                self.handed.extend(objects.map(|object| (*object, id)));
            }
        }
    }
}

/// Whether a function locks or unlocks, or calls what does only one of them.
fn holds_locks(context: &Context<'_>, id: FuncId) -> bool {
    let func = &context.ir()[id];
    func.instrs().any(|(instr, found)| match &found.op {
        Op::Lock { .. } | Op::Unlock { .. } => true,
        Op::Call(_) => {
            let effects = context.analysis.effects(At { func: id, instr });
            let of = |lock: PlaceId, wanted: bool| {
                effects.iter().any(|effect| {
                    effect.place == lock
                        && match effect.kind {
                            EffectKind::Lock(_) => wanted,
                            EffectKind::Unlock(_) => !wanted,
                            _ => false,
                        }
                })
            };
            effects.iter().any(|effect| {
                matches!(effect.kind, EffectKind::Lock(_))
                    && !effect.spawned
                    && !of(effect.place, false)
            })
        }
        _ => false,
    })
}

struct Collect<'c, 'a> {
    context: &'c Context<'a>,
    func: FuncId,
    entry: Vec<Held>,
    found: HashSet<Wait>,
    calls: HashMap<At, Vec<PlaceId>>,
}

impl Collect<'_, '_> {
    fn run(&mut self, held: Vec<Held>) {
        let (context, func) = (self.context, self.func);
        let entry = context.ir()[func].entry();
        context
            .analysis
            .search(func, entry, held, |held: &mut Vec<Held>, step| {
                let (Step::Run(instr) | Step::Deferred(instr) | Step::Arm(instr)) = step else {
                    return Visit::On;
                };
                let at = At { func, instr };
                if let Op::Assign { to, .. } = &context.ir().instr(at).op {
                    // The name means something else now.
                    let places = &context.ir().places;
                    let target = *places.get(*to);
                    held.retain(|held| places.steps(held.lock).all(|step| step != target));
                    return Visit::On;
                }
                self.step(held, at);
                Visit::On
            });
    }

    fn step(&mut self, held: &mut Vec<Held>, at: At) {
        let effects = self.context.analysis.effects(at);
        if matches!(self.context.ir().instr(at).op, Op::Call(_)) {
            let now: Vec<PlaceId> = held.iter().map(|held| held.lock).collect();
            let known = self.calls.entry(at).or_insert_with(|| now.clone());
            known.retain(|lock| now.contains(lock));
        }
        let first = |place: PlaceId| self.context.analysis.canonical(place);
        self.hidden(held, at);
        // What is given back before may be among what is left out.
        if self.context.analysis.is_cut(at) {
            return;
        }
        let is_here = |effect: &Effect| !effect.spawned && effect.direct;
        let (effects, vague): (Vec<Effect>, Vec<Effect>) = effects
            .into_iter()
            .filter(|effect| !effect.spawned)
            .partition(is_here);
        vaguely(held, &vague, first, at);
        if effects.is_empty() {
            return;
        }
        let unlocks: Vec<PlaceId> = effects
            .iter()
            .filter(|effect| matches!(effect.kind, EffectKind::Unlock(_)))
            .map(|effect| first(effect.place))
            .collect();
        let is_own = matches!(effects.as_slice(), [only] if only.at == at);
        for effect in &effects {
            let Some(kind) = kind_of(effect) else {
                continue;
            };
            // What is given up on the way may be given up before.
            let meanwhile = held
                .iter()
                .filter(|held| is_own || !unlocks.contains(&held.lock));
            let meanwhile: Vec<Held> = meanwhile.copied().collect();
            if meanwhile.iter().any(|held| held.is_sure) {
                self.found.insert(Wait {
                    func: self.func,
                    held: meanwhile,
                    place: effect.place,
                    at: effect.at,
                    kind,
                });
            }
        }
        for effect in &effects {
            let lock = first(effect.place);
            match effect.kind {
                EffectKind::Lock(mode) if effect.always && !unlocks.contains(&lock) => {
                    let is_new = held.iter().all(|held| held.lock != lock);
                    if is_new && held.len() < MAX_HELD {
                        held.push(Held {
                            lock,
                            mode,
                            at,
                            is_sure: true,
                        });
                    }
                }
                EffectKind::Unlock(mode) if is_own => self.unlock(held, lock, mode, at),
                EffectKind::Unlock(_) => {
                    let is_back = effects.iter().any(|other| {
                        matches!(other.kind, EffectKind::Lock(_)) && first(other.place) == lock
                    });
                    if !is_back {
                        held.retain(|held| held.lock != lock);
                    }
                }
                _ => {}
            }
        }
    }

    /// A lock behind an interface: which one is not seen.
    fn hidden(&self, held: &mut Vec<Held>, at: At) {
        let ir = self.context.ir();
        let Op::Call(call) = ir.instr(at).op else {
            return;
        };
        let call = &ir[call];
        let (Callee::Interface(method), Some(Value::Place(lock))) = (call.callee, call.receiver)
        else {
            return;
        };
        match ir[method].key.name.as_str() {
            "Lock" if held.len() < MAX_HELD => held.push(Held {
                lock,
                mode: Mode::Write,
                at,
                is_sure: false,
            }),
            "Unlock" => held.retain(|held| held.lock != lock),
            _ => {}
        }
    }

    fn unlock(&mut self, held: &mut Vec<Held>, lock: PlaceId, mode: Mode, at: At) {
        let count = held.len();
        held.retain(|held| held.lock != lock);
        if held.len() < count {
            return;
        }
        // Another name of a lock that is held, perhaps.
        held.retain(|held| !self.context.may_be_same(held.lock, lock));
        // What is the function's own, no caller has locked: something that was called has.
        let ir = self.context.ir();
        let base = &ir[ir.base(lock)];
        let is_own =
            matches!(base.kind, VarKind::Local | VarKind::Temp) && base.func == Some(self.func);
        if is_own || base.assignments > 1 {
            return;
        }
        if held.len() == count && self.entry.iter().all(|held| held.lock != lock) {
            self.entry.push(Held {
                lock,
                mode,
                at,
                is_sure: true,
            });
        }
    }
}

/// What a call through an interface or function value locks or unlocks: held perhaps, which keeps others out but accuses nobody.
fn vaguely(held: &mut Vec<Held>, effects: &[Effect], first: impl Fn(PlaceId) -> PlaceId, at: At) {
    let does = |lock: PlaceId, unlocks: bool| {
        effects.iter().any(|effect| match effect.kind {
            EffectKind::Unlock(_) => unlocks && first(effect.place) == lock,
            EffectKind::Lock(_) => !unlocks && first(effect.place) == lock,
            _ => false,
        })
    };
    for effect in effects {
        let lock = first(effect.place);
        match effect.kind {
            EffectKind::Lock(mode) if !does(lock, true) => {
                let is_new = held.iter().all(|held| held.lock != lock);
                if is_new && held.len() < MAX_HELD {
                    held.push(Held {
                        lock,
                        mode,
                        at,
                        is_sure: false,
                    });
                }
            }
            EffectKind::Unlock(_) if !does(lock, false) => {
                held.retain(|held| held.lock != lock || held.is_sure);
            }
            _ => {}
        }
    }
}

/// What an effect waits for, if it may wait long.
fn kind_of(effect: &Effect) -> Option<WaitKind> {
    if effect.passing {
        return None;
    }
    Some(match effect.kind {
        EffectKind::Lock(mode) => WaitKind::Lock(mode),
        EffectKind::Send if !effect.in_select => WaitKind::Send,
        EffectKind::Recv(_) if !effect.in_select => WaitKind::Recv,
        EffectKind::WgWait => WaitKind::Group,
        EffectKind::CondWait => WaitKind::Cond,
        _ => return None,
    })
}

/// Whether a test holds a lock of what it tests, or asks for it: it does so as no other code does, and sees to it that it ends.
pub(super) fn is_staged(context: &Context<'_>, wait: &Wait, held: &Held, before: At) -> bool {
    let is_test = |func: FuncId| context.is_test(func);
    is_test(wait.func) != is_test(before.func)
        || is_test(wait.func) != is_test(wait.at.func)
        || is_test(held.at.func) != is_test(wait.func)
}

/// The locks that are held for sure during a wait, and that no other goroutine gives back meanwhile.
pub(super) fn accused<'w>(
    context: &'w Context<'_>,
    wait: &'w Wait,
    ends: &'w [At],
) -> impl Iterator<Item = &'w Held> {
    let held = wait.held.iter().filter(|held| held.is_sure);
    held.filter(|held| !context.waits().is_handed(context, held, wait, ends))
}

/// Calls upwards from a function that are asked for the locks held there.
const MAX_GUARDS: u32 = 4;

impl Waits {
    /// Whether a lock may be given back by another goroutine while the one that took it waits.
    fn is_handed(&self, context: &Context<'_>, held: &Held, wait: &Wait, ends: &[At]) -> bool {
        let objects = context.objects(held.lock);
        // That it is held on entry is a guess, which somebody else may make true meanwhile.
        let is_entry = matches!(context.ir().instr(held.at).op, Op::Unlock { .. });
        if is_entry && objects.iter().any(|object| self.left.contains(object)) {
            return true;
        }
        // Not by those who wait themselves, or are waited for.
        let is_free = |func: FuncId| wait.func != func && ends.iter().all(|end| end.func != func);
        let mut handed = self.handed.iter();
        handed.any(|(object, func)| objects.contains(object) && is_free(*func))
    }

    /// The locks that all callers of a function hold when they call it, with theirs.
    pub(super) fn guards(&self, context: &Context<'_>, func: FuncId) -> Vec<ObjectId> {
        self.guards_within(context, func, MAX_GUARDS)
    }

    fn guards_within(&self, context: &Context<'_>, func: FuncId, depth: u32) -> Vec<ObjectId> {
        let callers = context.analysis.callers(func);
        if depth == 0 || context.is_called_from_outside(func) {
            return Vec::new();
        }
        let mut all: Option<Vec<ObjectId>> = None;
        for caller in callers {
            let mut here = self.guards_within(context, caller.func, depth - 1);
            let held = self.calls.get(caller).into_iter().flatten();
            here.extend(held.flat_map(|lock| context.objects(*lock)));
            match &mut all {
                None => all = Some(here),
                Some(all) => all.retain(|object| here.contains(object)),
            }
        }
        all.unwrap_or_default()
    }
}
