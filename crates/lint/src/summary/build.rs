//! Summaries from the bottom of the call graph up.

use hashbrown::HashMap;

use super::canon::{MAX_STEPS, canonical, names};
use super::effect;
use super::flow::{How, avoids, work};
use super::given::{self, Given};
use super::{Analysis, Effect, EffectKind, Returns, Summary, Targets};
use crate::ir::{
    At, BlockId, Call, CallId, Callee, End, FuncId, Graph, Op, Place, PlaceId, Value, VarKind,
};
use crate::lower::Lowered;

/// Effects kept of one function. A function with more does about everything to somebody; the rest is left out and the summary
/// says so.
pub const MAX_EFFECTS: usize = 96;

/// Blocks of a function times its effects up to which it is found out which are on every way.
const MAX_ALWAYS: usize = 1 << 16;

/// Fields that one function assigns and that are kept.
const MAX_ASSIGNS: usize = 128;

/// Functions that one call may call and that are followed.
const MAX_TARGETS: usize = 12;

/// Finds out what all functions of a package do.
pub fn analyse(lowered: Lowered) -> Analysis {
    let Lowered { mut ir, targets } = lowered;
    let names = names(&mut ir);
    let count = ir.funcs.len();
    let mut build = Build {
        analysis: Analysis {
            call_effects: vec![Vec::new(); ir.calls.len()],
            cuts: vec![false; ir.calls.len()],
            summaries: vec![Summary::default(); count],
            callers: vec![Vec::new(); count],
            operations: vec![Vec::new(); ir.objects.len()],
            calls: vec![None; ir.calls.len()],
            assigns: vec![Some(Vec::new()); count],
            names,
            ir,
            targets,
        },
        special: HashMap::default(),
        done: vec![false; count],
    };
    build.index();
    for round in build.order() {
        // What calls itself is looked at twice, so that each knows of the others.
        let times = if round.is_cycle { 2 } else { 1 };
        for _ in 0..times {
            for func in &round.funcs {
                build.func(*func, round.is_cycle);
                build.assigns(*func);
            }
        }
        for func in round.funcs.iter().filter(|_| !round.is_cycle) {
            if let Some(done) = build.done.get_mut(func.index()) {
                *done = true;
            }
        }
    }
    build.analysis
}

struct Build {
    analysis: Analysis,
    /// What functions do with what they are given, where that decides something.
    special: HashMap<(FuncId, Given), Option<Vec<Effect>>, foldhash::fast::RandomState>,
    /// Functions whose effects are known for good: those below of the one at hand.
    done: Vec<bool>,
}

/// Functions that call each other.
struct Round {
    funcs: Vec<FuncId>,
    is_cycle: bool,
}

impl Build {
    /// Who calls whom, and who operates on what.
    fn index(&mut self) {
        let analysis = &mut self.analysis;
        let ir = &analysis.ir;
        for (id, func) in ir.funcs() {
            for (instr, _) in func
                .instrs()
                .filter(|(instr, _)| func.block_of(*instr).is_some())
            {
                let at = At { func: id, instr };
                if let Op::Call(call) = &func[instr].op
                    && let Some(slot) = analysis.calls.get_mut(call.index())
                {
                    *slot = Some(at);
                }
                let Some((_, place)) = effect::kind_of(&func[instr].op) else {
                    continue;
                };
                for object in ir.aliases.objects(&ir.places, place) {
                    if let Some(list) = analysis.operations.get_mut(object.index()) {
                        list.push(at);
                    }
                }
            }
            for block in &func.blocks {
                for instr in block.instrs() {
                    let call = match &func[instr].op {
                        Op::Call(call) => Some(*call),
                        Op::Spawn { run, .. } | Op::Defer { run } => match &func[*run].op {
                            Op::Call(call) => Some(*call),
                            _ => None,
                        },
                        _ => None,
                    };
                    let funcs = call.and_then(|call| analysis.targets.get(call.index()));
                    for target in funcs.iter().flat_map(|targets| &targets.funcs) {
                        if let Some(callers) = analysis.callers.get_mut(target.index()) {
                            callers.push(At { func: id, instr });
                        }
                    }
                }
            }
        }
    }

    /// The functions, callees before callers.
    fn order(&self) -> Vec<Round> {
        let analysis = &self.analysis;
        let mut edges: Vec<(usize, usize)> = Vec::new();
        for (target, callers) in analysis.callers.iter().enumerate() {
            edges.extend(callers.iter().map(|at| (at.func.index(), target)));
        }
        edges.sort_unstable();
        edges.dedup();
        let count = analysis.ir.funcs.len();
        let (component, components) = Graph::new(count, edges.iter().copied()).components();
        let mut rounds: Vec<Round> = (0..components)
            .map(|_| Round {
                funcs: Vec::new(),
                is_cycle: false,
            })
            .collect();
        for (func, component) in component.iter().enumerate() {
            if let Some(round) = rounds.get_mut(*component as usize) {
                round.is_cycle = !round.funcs.is_empty();
                round.funcs.push(FuncId::at(func));
            }
        }
        for (from, to) in edges {
            if from == to
                && let Some(round) = component
                    .get(from)
                    .and_then(|place| rounds.get_mut(*place as usize))
            {
                round.is_cycle = true;
            }
        }
        rounds
    }

    /// Finds the fields that a function assigns.
    fn assigns(&mut self, id: FuncId) {
        let (analysis, mut fields) = (&self.analysis, Vec::new());
        let ir = &analysis.ir;
        let mut is_all = true;
        for (_, instr) in ir[id].instrs() {
            match &instr.op {
                Op::Assign { to, .. } => {
                    // An element that is set may be a new one.
                    let mut steps = ir.places.steps(*to);
                    if let Some(Place::Field(_, field)) =
                        steps.find(|step| !matches!(step, Place::Element(_)))
                    {
                        fields.push(field);
                    }
                }
                Op::Call(call) => {
                    for func in &analysis.targets(*call).funcs {
                        match analysis.assigns.get(func.index()) {
                            Some(Some(of_callee)) => fields.extend(of_callee),
                            _ => is_all = false,
                        }
                    }
                }
                _ => {}
            }
        }
        fields.sort_unstable();
        fields.dedup();
        let is_all = is_all && fields.len() <= MAX_ASSIGNS;
        if let Some(slot) = self.analysis.assigns.get_mut(id.index()) {
            *slot = is_all.then_some(fields);
        }
    }

    fn func(&mut self, id: FuncId, is_cycle: bool) {
        let mut found: Vec<(Effect, BlockId)> = Vec::new();
        let func = &self.analysis.ir[id];
        if func.blocks.is_empty() {
            if let Some(summary) = self.analysis.summaries.get_mut(id.index()) {
                summary.is_partial = true;
                summary.is_cut = true;
            }
            return;
        }
        let mut work = work(func, None);
        // What it does itself is never left out for what callees do.
        work.sort_by_key(|(instr, ..)| matches!(func[*instr].op, Op::Call(_)));
        let mut left_out = LeftOut {
            is_partial: !func.unknowns.is_empty(),
            is_cut: !func.unknowns.is_empty(),
        };
        for (instr, block, how) in work {
            let at = At { func: id, instr };
            // Of an arm the block behind it tells.
            let in_loop = self.analysis.ir[id][block].in_loop.is_some();
            let effects = match &self.analysis.ir.instr(at).op {
                Op::Call(call) => {
                    let call = *call;
                    left_out |= self.call(call);
                    self.analysis.call_effects[call.index()].clone()
                }
                _ => effect::own(&self.analysis.ir, at).into_iter().collect(),
            };
            for mut effect in effects {
                effect.many |= in_loop;
                effect.spawned |= how == How::Spawned;
                if found.len() >= MAX_EFFECTS {
                    left_out |= LeftOut::CUT;
                    break;
                }
                if let Some(effect) = self.visible(id, effect) {
                    found.push((effect, block));
                }
            }
        }
        let returns = self.returns_of(id);
        let effects = self.decided(id, found, is_cycle, None);
        if let Some(summary) = self.analysis.summaries.get_mut(id.index()) {
            *summary = Summary {
                returns,
                effects,
                is_partial: left_out.is_partial,
                is_cut: left_out.is_cut,
            };
        }
    }

    /// An effect as callers see it: in terms of what they share with the function. What happens to things of the function's own
    /// they do not see.
    fn visible(&mut self, id: FuncId, mut effect: Effect) -> Option<Effect> {
        let analysis = &mut self.analysis;
        effect.place = canonical(&mut analysis.ir, &analysis.names, effect.place);
        let ir = &analysis.ir;
        let base = &ir[ir.base(effect.place)];
        let is_shared = match base.kind {
            VarKind::Package { .. } | VarKind::Foreign => true,
            VarKind::Param(_) | VarKind::Receiver | VarKind::Result(_) => true,
            VarKind::Local | VarKind::Temp => base.func != Some(id) && base.is_captured,
        };
        if is_shared {
            return Some(effect);
        }
        // What it is, is known even where no name for it is.
        let objects = ir.aliases.objects(&ir.places, effect.place);
        let others = objects.iter().any(|object| ir[*object].func != Some(id));
        others.then_some(effect)
    }

    /// Which effects are on every way to the function's return; the same twice counts once.
    fn decided(
        &self,
        id: FuncId,
        found: Vec<(Effect, BlockId)>,
        is_cycle: bool,
        reached: Option<&[bool]>,
    ) -> Vec<Effect> {
        let func = &self.analysis.ir[id];
        let is_small = func.blocks.len().saturating_mul(found.len()) <= MAX_ALWAYS;
        let mut effects: Vec<Effect> = Vec::with_capacity(found.len());
        let mut decided: Vec<(EffectKind, PlaceId, bool, bool)> = Vec::new();
        for (mut effect, _) in found.iter().copied() {
            let key = (effect.kind, effect.place, effect.spawned);
            let known = decided
                .iter()
                .find(|known| (known.0, known.1, known.2) == key);
            effect.always = match known {
                Some(known) => known.3,
                None => {
                    let mut blocks = match reached {
                        Some(reached) => reached.iter().map(|reached| !reached).collect(),
                        None => vec![false; func.blocks.len()],
                    };
                    for (other, block) in &found {
                        if (other.kind, other.place, other.spawned) == key
                            && other.always
                            && let Some(slot) = blocks.get_mut(block.index())
                        {
                            *slot = true;
                        }
                    }
                    let always = !is_cycle && is_small && !avoids(func, &blocks);
                    decided.push((key.0, key.1, key.2, always));
                    always
                }
            };
            let same = |other: &&mut Effect| {
                (other.kind, other.place, other.at, other.spawned)
                    == (effect.kind, effect.place, effect.at, effect.spawned)
            };
            match effects.iter_mut().find(same) {
                Some(other) => other.many = true,
                None => effects.push(effect),
            }
        }
        effects
    }

    /// Finds what a call does. Gives what of it is not known.
    fn call(&mut self, id: CallId) -> LeftOut {
        let targets: Targets = self.analysis.targets(id).clone();
        let call = self.analysis.ir[id].clone();
        let is_many = targets.funcs.len() > MAX_TARGETS;
        let mut left_out = LeftOut {
            is_partial: targets.is_open || is_many,
            is_cut: is_many,
        };
        let is_sure = self.analysis.is_sure(id);
        let is_switch = self.analysis.passes_bool(id);
        let mut effects = Vec::new();
        for target in targets.funcs.iter().take(MAX_TARGETS) {
            let summary = self.analysis.summary(*target);
            left_out |= LeftOut {
                is_partial: summary.is_partial,
                is_cut: summary.is_cut,
            };
            for mut effect in self.effects_given(*target, &call) {
                if let EffectKind::WgAdd(delta) = effect.kind {
                    let delta = given::amount(&self.analysis.ir, *target, &call, delta);
                    effect.kind = EffectKind::WgAdd(delta);
                }
                effect.always &= is_sure;
                effect.direct &= is_sure;
                effect.switched |= is_switch && !effect.always;
                let Some(place) = self.in_caller(*target, &call, effect.place) else {
                    continue;
                };
                effect.place = place;
                if effects.len() < MAX_EFFECTS {
                    effects.push(effect);
                } else {
                    left_out |= LeftOut::CUT;
                }
            }
        }
        if targets.is_open || matches!(call.callee, Callee::Extern(_)) {
            self.told(&call, id, &mut effects);
            self.escapes(&call, id, &mut effects);
        }
        self.analysis.call_effects[id.index()] = effects;
        self.analysis.cuts[id.index()] = left_out.is_cut;
        left_out
    }

    /// What a function does when it is called so, in its own terms.
    fn effects_given(&mut self, target: FuncId, call: &Call) -> Vec<Effect> {
        let is_done = self.done.get(target.index()).copied().unwrap_or(false);
        let given = match is_done && !self.analysis.summary(target).effects.is_empty() {
            true => given::given(&self.analysis.ir, target, call),
            false => Given::new(),
        };
        if !given.is_empty() {
            let key = (target, given);
            if !self.special.contains_key(&key) {
                let effects = self.specialised(target, &key.1);
                self.special.insert(key.clone(), effects);
            }
            if let Some(Some(effects)) = self.special.get(&key) {
                return effects.clone();
            }
        }
        self.analysis.summary(target).effects.clone()
    }

    /// What a function does on the ways that what it is given leaves open.
    fn specialised(&mut self, id: FuncId, given: &Given) -> Option<Vec<Effect>> {
        let reached = given::reached(&self.analysis.ir[id], given)?;
        let mut found: Vec<(Effect, BlockId)> = Vec::new();
        for (instr, block, how) in work(&self.analysis.ir[id], Some(&reached)) {
            let in_loop = self.analysis.ir[id][block].in_loop.is_some();
            let effects = self.analysis.effects(At { func: id, instr });
            for mut effect in effects {
                effect.many |= in_loop;
                effect.spawned |= how == How::Spawned;
                if let Some(effect) = self.visible(id, effect) {
                    found.push((effect, block));
                }
            }
        }
        found.truncate(MAX_EFFECTS);
        Some(self.decided(id, found, false, Some(&reached)))
    }

    /// What the package of a callee says that it does.
    fn told(&self, call: &Call, id: CallId, effects: &mut Vec<Effect>) {
        let ir = &self.analysis.ir;
        let Callee::Extern(callee) = call.callee else {
            return;
        };
        let (Some(facts), Some(at)) = (&ir[callee].facts, self.analysis.calls[id.index()]) else {
            return;
        };
        for fact in &facts.effects {
            let value = match fact.param.checked_sub(1) {
                None => call.receiver,
                Some(place) => call.args.get(usize::from(place)).copied(),
            };
            if let Some(Value::Place(place)) = value {
                effects.push(Effect {
                    kind: fact.kind,
                    place,
                    at,
                    always: fact.always,
                    many: fact.many,
                    spawned: fact.spawned,
                    passing: fact.passing,
                    in_select: false,
                    direct: true,
                    switched: false,
                });
            }
        }
    }

    /// Arguments that somebody not known gets.
    fn escapes(&self, call: &Call, id: CallId, effects: &mut Vec<Effect>) {
        let ir = &self.analysis.ir;
        let Some(at) = self.analysis.calls[id.index()] else {
            return;
        };
        let receiver = call.receiver.iter().map(|value| (0, value));
        let args = (1_usize..).zip(&call.args);
        for (number, value) in receiver.chain(args) {
            let (Value::Place(place), true) = (value, ir.may_keep(call.callee, number, *value))
            else {
                continue;
            };
            if ir.aliases.objects(&ir.places, *place).is_empty() {
                continue;
            }
            effects.push(Effect {
                kind: EffectKind::Escape,
                place: *place,
                at,
                always: false,
                many: true,
                spawned: false,
                passing: true,
                in_select: false,
                direct: true,
                switched: false,
            });
        }
    }

    /// A place of a callee in terms of its caller.
    fn in_caller(&mut self, target: FuncId, call: &Call, place: PlaceId) -> Option<PlaceId> {
        let ir = &mut self.analysis.ir;
        let base = ir.base(place);
        let var = &ir[base];
        if var.func != Some(target) {
            return Some(place);
        }
        let value = match var.kind {
            VarKind::Receiver => call.receiver,
            VarKind::Param(index) => {
                let args = call.args.get(index as usize);
                args.copied()
            }
            // Known by its objects only.
            _ => return Some(place),
        };
        match value {
            Some(Value::Place(to)) => {
                let steps = ir.places.steps(place).count() + ir.places.steps(to).count();
                if steps > MAX_STEPS + 1 {
                    return Some(place);
                }
                Some(ir.places.rebase(place, base, to))
            }
            Some(Value::Const(_) | Value::Func(_)) => None,
            // Which it is, is known by its objects.
            _ => Some(place),
        }
    }

    /// Whether a function comes back, as far as its callees are known.
    fn returns_of(&self, id: FuncId) -> Returns {
        let func = &self.analysis.ir[id];
        if func.recovers || !func.unknowns.is_empty() {
            return Returns::Maybe;
        }
        let mut seen = vec![false; func.blocks.len()];
        let mut work = vec![BlockId(0)];
        let (mut panics, mut exits) = (false, false);
        while let Some(block) = work.pop() {
            let Some(seen) = seen.get_mut(block.index()) else {
                continue;
            };
            if std::mem::replace(seen, true) {
                continue;
            }
            let end = func[block]
                .instrs()
                .find_map(|instr| match &func[instr].op {
                    Op::Call(call) => match self.analysis.returns(*call) {
                        Returns::Maybe => None,
                        end => Some(end),
                    },
                    _ => None,
                });
            match (end, &func[block].exit) {
                (Some(Returns::Panics), _) => panics = true,
                (Some(Returns::Exits), _) => exits = true,
                (Some(_), _) => {}
                (None, End::Return) => return Returns::Maybe,
                (None, End::Panic | End::Goexit) => panics = true,
                (None, End::Exit) => exits = true,
                (None, _) => {
                    work.extend(func.successors(block).into_iter().map(|(to, _)| to));
                }
            }
        }
        match (panics, exits) {
            (true, _) => Returns::Panics,
            (false, true) => Returns::Exits,
            (false, false) => Returns::Hangs,
        }
    }
}

/// See [`Summary`].
#[derive(Clone, Copy)]
struct LeftOut {
    is_partial: bool,
    is_cut: bool,
}

impl LeftOut {
    const CUT: Self = Self {
        is_partial: true,
        is_cut: true,
    };
}

impl std::ops::BitOrAssign for LeftOut {
    fn bitor_assign(&mut self, other: Self) {
        self.is_partial |= other.is_partial;
        self.is_cut |= other.is_cut;
    }
}
