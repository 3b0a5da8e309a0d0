//! Something that is started and not stopped before its only holder returns.

use gorphan_model::{Operation, Verdict};

use super::context::location;
use super::{Context, Role, Rule, verdict};
use crate::finding::Finding;
use crate::ir::{At, FuncId, FuncKind, InstrId, Node, ObjectId, ObjectKind, Op, Place, PlaceId, Point, VarId, VarKind};
use crate::summary::{Effect, EffectKind, Exit, Step, Trace, Visit};

/// See `GR2042.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2042",
    name: "start-without-stop",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    super::started_elsewhere::check(context, found);
    let ir = context.ir();
    for (func, _) in ir.funcs() {
        if context.is_main(func) || !context.live().is_live(func) {
            continue;
        }
        for (instr, _, role) in context.index().instrs(func) {
            let Op::Call(call) = ir[func][instr].op else {
                continue;
            };
            let Some(crate::ir::Value::Place(holder)) = ir[call].receiver else {
                continue;
            };
            if role != Role::Plain || !is_held_here(context, func, holder) {
                continue;
            }
            if let Some(finding) = started(context, func, instr, holder) {
                found.push(finding);
            }
        }
    }
}

/// Whether a variable of a function holds something that nobody else will hold when the function has returned.
fn is_held_here(context: &Context<'_>, func: FuncId, holder: PlaceId) -> bool {
    let ir = context.ir();
    let Place::Var(var) = ir[holder] else {
        return false;
    };
    let objects = context.objects(holder);
    let is_struct = |object: &ObjectId| {
        matches!(ir[*object].kind, ObjectKind::Value { .. })
            && ir[*object].func == Some(func)
            && ir.aliases.escape(*object).is_none()
    };
    let [object] = objects else {
        return false;
    };
    ir[var].kind == VarKind::Local && ir[var].func == Some(func) && is_struct(object) && !is_kept(context, *object)
}

/// Whether something lies where it outlives the function that made it.
fn is_kept(context: &Context<'_>, object: ObjectId) -> bool {
    let ir = context.ir();
    let holds = |node: Node| ir.aliases.at_node(node).contains(&object);
    let by_var = ir.vars.iter().enumerate().any(|(place, var)| {
        let outlives = matches!(var.kind, VarKind::Package { .. } | VarKind::Result(_) | VarKind::Foreign);
        outlives && holds(Node::Var(VarId::at(place)))
    });
    by_var || (0..ir.fields.len()).any(|place| holds(Node::Field(crate::ir::FieldId::at(place))))
}

/// A call that starts a goroutine which waits for the holder's channels, with a way on which nothing ends that wait.
fn started(context: &Context<'_>, func: FuncId, instr: InstrId, holder: PlaceId) -> Option<Finding> {
    let ir = context.ir();
    let at = At { func, instr };
    let effects = context.analysis.effects(at);
    let waits: Vec<&Effect> = effects
        .iter()
        .filter(|effect| {
            effect.spawned && matches!(effect.kind, EffectKind::Recv(_)) && ir.base(effect.place) == ir.base(holder)
        })
        .collect();
    let wait = waits.first()?;
    let goroutine = wait.at.func;
    // Which of several implementations waits is not known.
    if waits.iter().any(|other| other.at.func != goroutine || !other.direct) {
        return None;
    }
    // The ways out of the goroutine that lead over these receives alone.
    let ways: Vec<&Effect> = waits.iter().copied().filter(|wait| leads_out(context, wait.at)).collect();
    let is_lost = lost_without(context, goroutine, &ways);
    // The function may serve what it made by another name.
    let is_here = |at: At| at.func == func || ir[at.func].parent == Some(func);
    let by_other_name = ways.iter().flat_map(|way| context.objects(way.place)).any(|object| {
        let uses = context.uses(*object);
        let mut feeds = uses.sends.iter().map(|send| send.at).chain(uses.closes);
        feeds.any(|at| is_here(at) && super::context::place_of(&ir.instr(at).op).is_some_and(|place| ir.base(place) != ir.base(holder)))
    });
    if by_other_name {
        return None;
    }
    // What others make is not there: this one is used without.
    let runs = context.live().runs(func);
    let is_made = |object: &ObjectId| ir[*object].func.is_some_and(|maker| runs.contains(&maker));
    if !ways.iter().flat_map(|way| context.objects(way.place)).any(is_made) {
        return None;
    }
    // It may end itself.
    let own = context.live().runs(goroutine);
    let ends_itself = ways.iter().flat_map(|way| context.objects(way.place)).any(|object| {
        let uses = context.uses(*object);
        uses.closes.iter().any(|at| own.contains(&at.func))
    });
    if ends_itself || ways.is_empty() || is_lost {
        return None;
    }
    let trace = left(context, func, instr, holder, &ways)?;
    let name = context.text(holder, "it");
    let function = &ir[func].name;
    let way = ways.first()?;
    let awaited = context.text(way.place, "the channel");
    let message = format!(
        "this starts a goroutine that ends when {awaited} is served, and {function} returns without that: nobody else holds {name}"
    );
    let verdict = match wait.always {
        true => verdict(trace.guesses),
        false => Verdict::Suspect,
    };
    let object = context.objects(holder).first().copied()?;
    let finding = context
        .finding(&RULE, Operation::Select, at, verdict, message)
        .help("Stop what was started when it is no longer needed, best with defer.")
        .related(context.location(way.at), "the goroutine waits here")
        .related(location(ir[object].site), "it is made here");
    let remedy = stop_of(context, call_of(context, at)?, way).and_then(|stop| super::remedy::defer_call(context, at, &format!("{name}.{stop}")));
    Some(finding.fix_by(remedy))
}

fn call_of(context: &Context<'_>, at: At) -> Option<crate::ir::CallId> {
    match context.ir().instr(at).op {
        Op::Call(call) => Some(call),
        _ => None,
    }
}

/// The method that ends the goroutine over a receive: of the type whose method is called, without parameters.
fn stop_of(context: &Context<'_>, call: crate::ir::CallId, way: &Effect) -> Option<String> {
    let ir = context.ir();
    let receiver = |func: FuncId| match &ir[func].kind {
        FuncKind::Declared { key, .. } => key.receiver.as_deref().map(|receiver| (receiver, key.name.as_str())),
        _ => None,
    };
    let start = *context.analysis.targets(call).funcs.first()?;
    let (owner, _) = receiver(start)?;
    let objects = context.objects(way.place);
    let serves = |func: FuncId| {
        context.analysis.summary(func).effects.iter().any(|effect| {
            effect.kind == EffectKind::Close
                && !effect.spawned
                && context.objects(effect.place).iter().any(|object| objects.contains(object))
        })
    };
    let mut stops = ir.funcs().filter_map(|(id, func)| {
        let (other, name) = receiver(id)?;
        (other == owner && id != start && func.params.is_empty() && serves(id)).then(|| format!("{name}()"))
    });
    stops.next()
}

/// Whether a goroutine can end on a way that leads over none of some receives.
pub(super) fn lost_without(context: &Context<'_>, goroutine: FuncId, ways: &[&Effect]) -> bool {
    let is_wait = |instr: InstrId| ways.iter().any(|way| way.at == At { func: goroutine, instr });
    let entry = context.ir()[goroutine].entry();
    let answer = context.analysis.search(goroutine, entry, (), |(), step| match step {
        Step::Exit(_, Exit::Return | Exit::Panic) => Visit::Found,
        _ if Context::step_instr(step).is_some_and(is_wait) => Visit::Cut,
        _ => Visit::On,
    });
    answer.trace().is_some()
}

/// Whether behind a receive its function can return before it waits again.
pub(super) fn leads_out(context: &Context<'_>, receive: At) -> bool {
    let func = &context.ir()[receive.func];
    let Some((block, role)) = context.index().get(receive) else {
        return false;
    };
    let from = match (&func[block].exit, role) {
        (crate::ir::End::Select { arms, .. }, Role::Arm { .. }) => {
            let arm = arms.iter().find(|arm| arm.instr == receive.instr);
            arm.map(|arm| func.start_of(arm.to))
        }
        _ => Some(Point { block, instr: receive.instr }),
    };
    let Some(from) = from else {
        return false;
    };
    let mut first = true;
    let answer = context.analysis.search(receive.func, from, (), |(), step| match step {
        Step::Exit(_, Exit::Return) => Visit::Found,
        Step::Enter(other) if other == block && !std::mem::take(&mut first) => Visit::Cut,
        _ => Visit::On,
    });
    answer.trace().is_some()
}

/// A way from the start to a return on which none of the awaited channels is served.
fn left(context: &Context<'_>, func: FuncId, start: InstrId, holder: PlaceId, ways: &[&Effect]) -> Option<Trace> {
    let ir = context.ir();
    let base = ir.base(holder);
    let (block, _) = context.index().get(At { func, instr: start })?;
    let answer = context.analysis.search(func, ir[func].entry(), false, |has, step| {
        if Context::step_instr(step) == Some(start) {
            *has = true;
            return Visit::On;
        }
        for effect in context.effects(func, step) {
            let own = ir.base(effect.place) == base;
            match effect.kind {
                EffectKind::Close | EffectKind::Send if ways.iter().any(|way| way.place == effect.place) => return Visit::Cut,
                EffectKind::Cancel | EffectKind::Escape if own => return Visit::Cut,
                _ => {}
            }
        }
        match step {
            Step::Exit(_, Exit::Return) if *has => Visit::Found,
            _ => Visit::On,
        }
    });
    let _ = block;
    answer.trace()
}
