//! What other packages must know of methods that start something and methods that stop it: the contract of a type.

use super::start_without_stop::{leads_out, lost_without};
use super::{Context, Role};
use crate::ir::{
    Aliases, At, Callee, FuncId, FuncKind, ObjectId, ObjectKind, Op, Parent, Place, RecvKind,
    Shape, VarId,
};
use crate::summary::{Effect, EffectKind, Exit, Facts, Step, Visit};

/// Names that a method which stops something has most often, the best first.
const NAMES: [&str; 5] = ["Stop", "Close", "Shutdown", "Cancel", "Quit"];

/// A method of a type that others can call.
struct Method<'a> {
    name: &'a str,
    takes_nothing: bool,
    func: FuncId,
}

/// Adds to the facts of functions what they start, and which methods stop it.
pub(crate) fn contracts(context: &Context<'_>, facts: &mut Facts) {
    let ir = context.ir();
    for (id, func) in ir.funcs() {
        let FuncKind::Declared {
            key,
            exported: true,
            in_test: false,
        } = &func.kind
        else {
            continue;
        };
        let Some((owner, ends)) = started(context, id) else {
            continue;
        };
        let methods = methods(context, &owner);
        let runners: Vec<Vec<bool>> = ends
            .iter()
            .map(|at| context.live().runners(at.func))
            .collect();
        let serves = |method: &Method<'_>, runners: &Vec<bool>| {
            runners.get(method.func.index()).copied().unwrap_or(false)
        };
        // What somebody else ends as well needs no method.
        if !runners
            .iter()
            .all(|end| methods.iter().any(|method| serves(method, end)))
        {
            continue;
        }
        let mut stops: Vec<&Method<'_>> = methods
            .iter()
            .filter(|method| {
                runners.iter().any(|end| serves(method, end)) && method.name != key.name
            })
            .collect();
        let rank = |name: &str| {
            NAMES
                .iter()
                .position(|known| *known == name)
                .unwrap_or(NAMES.len())
        };
        stops.sort_by_key(|method| (!method.takes_nothing, rank(method.name)));
        let Some(first) = stops.first() else {
            continue;
        };
        let receiver = key.receiver.clone().unwrap_or_default();
        if let Some(known) = facts.funcs.get_mut(&(receiver, key.name.clone())) {
            let takes = if first.takes_nothing { "()" } else { "(...)" };
            known.stopped_by = Some(format!("{}{takes}", first.name));
        }
        for method in &stops {
            if let Some(known) = facts
                .funcs
                .get_mut(&(owner.clone(), method.name.to_owned()))
            {
                known.stops = true;
            }
        }
    }
}

/// The methods of a type with what they run.
fn methods<'a>(context: &Context<'a>, owner: &str) -> Vec<Method<'a>> {
    let mut all = Vec::new();
    for (id, func) in context.ir().funcs() {
        if let FuncKind::Declared {
            key,
            exported: true,
            in_test: false,
        } = &func.kind
            && key.receiver.as_deref() == Some(owner)
        {
            all.push(Method {
                name: &key.name,
                takes_nothing: func.params.is_empty(),
                func: id,
            });
        }
    }
    all
}

/// What a function starts that ends only when it is told to: the type it belongs to, and what tells it.
fn started(context: &Context<'_>, func: FuncId) -> Option<(String, Vec<At>)> {
    let ir = context.ir();
    let holder = holder(context, func)?;
    for (instr, _, role) in context.index().instrs(func) {
        let Op::Spawn { run, .. } = ir[func][instr].op else {
            continue;
        };
        let Op::Call(call) = ir[func][run].op else {
            continue;
        };
        let start = At { func, instr };
        let targets = &context.analysis.targets(call).funcs;
        let ([goroutine], true) = (
            targets.as_slice(),
            role == Role::Plain && context.analysis.is_sure(call),
        ) else {
            continue;
        };
        if !matches!(ir[call].callee, Callee::Func(_)) || !is_always(context, start) {
            continue;
        }
        let effects = context.analysis.effects(start);
        let ways: Vec<&Effect> = effects
            .iter()
            .filter(|effect| {
                matches!(effect.kind, EffectKind::Recv(_))
                    && effect.at.func == *goroutine
                    && !effect.passing
            })
            .filter(|effect| ir.base(effect.place) == holder || is_done(context, effect))
            .filter(|effect| leads_out(context, effect.at))
            .collect();
        if ways.is_empty() || lost_without(context, *goroutine, &ways) {
            continue;
        }
        let ends = ends(context, *goroutine, &ways)?;
        let owner = owner(context, &ways, &ends)?;
        return Some((owner, ends));
    }
    None
}

/// The variable of a function that holds what the goroutine works for: its receiver, or what it makes and returns.
fn holder(context: &Context<'_>, func: FuncId) -> Option<VarId> {
    let ir = context.ir();
    let body = &ir[func];
    if body.receiver.is_some() {
        return body.receiver;
    }
    let result = *body.results.first()?;
    let [object] = ir.aliases.at_node(crate::ir::Node::Var(result)) else {
        return None;
    };
    if ir[*object].func != Some(func) || *object == Aliases::OUTSIDE {
        return None;
    }
    let mut vars = body.instrs().filter_map(|(_, instr)| match instr.op {
        Op::Assign {
            to,
            value: crate::ir::Value::Object(made),
        } if made == *object => match ir[to] {
            Place::Var(var) => Some(var),
            _ => None,
        },
        _ => None,
    });
    vars.next()
}

/// Whether a receive waits for the end of a context.
fn is_done(context: &Context<'_>, effect: &Effect) -> bool {
    let objects = context.objects(effect.place);
    !objects.is_empty()
        && objects
            .iter()
            .all(|object| matches!(context.ir()[*object].kind, ObjectKind::Done { .. }))
}

/// Whether a function that returns has come to an instruction, or has failed before.
fn is_always(context: &Context<'_>, at: At) -> bool {
    let ir = context.ir();
    let body = &ir[at.func];
    let may_fail = body
        .results
        .last()
        .is_some_and(|result| ir[*result].shape == Shape::Error);
    let answer = context
        .analysis
        .search(at.func, body.entry(), (), |(), step| match step {
            Step::Exit(_, Exit::Return) => Visit::Found,
            _ if Context::step_instr(step) == Some(at.instr) => Visit::Cut,
            _ => Visit::On,
        });
    may_fail || answer.trace().is_none()
}

/// What ends a goroutine over its ways out; none where that may be anybody.
fn ends(context: &Context<'_>, goroutine: FuncId, ways: &[&Effect]) -> Option<Vec<At>> {
    let ir = context.ir();
    let own = context.live().runs(goroutine);
    /// Places that end something; more than these are no contract that can be told.
    const MAX_ENDS: usize = 32;
    let mut all = Vec::new();
    for way in ways {
        if !ir.aliases.is_known(&ir.places, way.place) {
            return None;
        }
        for object in context.objects(way.place) {
            if ir.aliases.escape(*object).is_some() {
                return None;
            }
            match ir[*object].kind {
                ObjectKind::Chan { .. } => {
                    let uses = context.uses(*object);
                    all.extend(&uses.closes);
                    if way.kind != EffectKind::Recv(RecvKind::Range) {
                        all.extend(uses.sends.iter().map(|send| send.at));
                    }
                }
                ObjectKind::Done { context: place } => all.extend(cancels(context, place)?),
                _ => return None,
            }
        }
    }
    all.retain(|at| context.live().may_be_live(at.func));
    let ends_itself = all.iter().any(|at| own.contains(&at.func));
    (!all.is_empty() && all.len() <= MAX_ENDS && !ends_itself).then_some(all)
}

/// Where contexts are cancelled that nothing else ends.
fn cancels(context: &Context<'_>, place: crate::ir::PlaceId) -> Option<Vec<At>> {
    let ir = context.ir();
    let objects: &[ObjectId] = context.objects(place);
    if !ir.aliases.is_known(&ir.places, place) {
        return None;
    }
    let mut all = Vec::new();
    for object in objects {
        let ObjectKind::Context {
            parent: Some(Parent::Never),
            has_deadline: false,
            has_cancel: true,
        } = ir[*object].kind
        else {
            return None;
        };
        for (cancel, _) in ir
            .objects()
            .filter(|(_, other)| other.kind == ObjectKind::Cancel { context: *object })
        {
            if ir.aliases.escape(cancel).is_some() {
                return None;
            }
            all.extend(
                context
                    .analysis
                    .operations(cancel)
                    .iter()
                    .filter(|at| matches!(ir.instr(**at).op, Op::Cancel { .. })),
            );
        }
    }
    Some(all)
}

/// The type whose methods end it: that of the fields through which that is done.
fn owner(context: &Context<'_>, ways: &[&Effect], ends: &[At]) -> Option<String> {
    let ir = context.ir();
    let places = ends
        .iter()
        .filter_map(|at| super::context::place_of(&ir.instr(*at).op));
    let places = ways.iter().map(|way| way.place).chain(places);
    let mut owners = places.filter_map(|place| match ir[place] {
        Place::Field(_, field) => ir[field]
            .owner
            .strip_prefix(ir.path.as_str())?
            .strip_prefix('.'),
        _ => None,
    });
    let first = owners.next()?.to_owned();
    owners.all(|owner| owner == first).then_some(first)
}
