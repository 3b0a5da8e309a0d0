//! A receiver whose only sender can end, or give up, without sending or closing.

use gorphan_model::{Operation, Verdict};

use super::abandoned_sender::block_location;
use super::context::location;
use super::crowd::made_at;
use super::{ChanUse, Context, Role, Rule, Uses};
use crate::finding::Finding;
use crate::ir::{At, BlockId, End, FuncId, InstrId, ObjectId, Op, PlaceId};
use crate::summary::{EffectKind, Exit, Step, Visit};

/// See `GR2006.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2006",
    name: "abandoned-receiver",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for (object, uses) in context.own_channels() {
        if context.is_global(object) {
            continue;
        }
        if let Some(finding) = skipped(context, object, &uses).or_else(|| gives_up(context, object, &uses)) {
            found.push(finding);
        }
    }
}

/// The goroutine that should send or close can return without.
fn skipped(context: &Context<'_>, object: ObjectId, uses: &Uses) -> Option<Finding> {
    let ir = context.ir();
    let maker = ir[object].func?;
    let (_, place) = made_at(context, maker, object)?;
    let mut waits = uses.receives.iter().filter(|receive| receive.is_naked && receive.at.func == maker);
    let wait = waits.next()?;
    if !wait.is_range && context.index().is_in_loop(ir, wait.at) {
        return None;
    }
    let (spawn, goroutine) = only_feeder(context, maker, uses)?;
    if context.index().is_in_loop(ir, At { func: maker, instr: spawn }) {
        return None;
    }
    // A range ends with a close alone; any other receive with a value too.
    let is_feed = |at: At| uses.closes.contains(&at) || (!wait.is_range && uses.sends.iter().any(|send| send.at == at));
    let answer = context.analysis.search(goroutine, ir[goroutine].entry(), (), |(), step| {
        let effects = context.effects(goroutine, step);
        let feeds = effects.iter().any(|effect| is_feed(effect.at) || effect.kind == EffectKind::Escape);
        match step {
            _ if feeds => Visit::Cut,
                // Whoever tells it to stop may well have received before.
                Step::Arm(_) => Visit::Cut,
                Step::Exit(_, Exit::Return) => Visit::Found,
            _ => Visit::On,
        }
    });
    let trace = answer.trace()?;
    let Step::Exit(end, _) = trace.last else {
        return None;
    };
    // The wait must be what follows.
    let mut started = false;
    let answer = context.analysis.search(maker, ir[maker].entry(), false, |has, step| {
        match Context::step_instr(step) {
            Some(instr) if instr == spawn => *has = true,
            Some(instr) if *has && instr == wait.at.instr => {
                started = true;
                return Visit::Found;
            }
            _ => {}
        }
        Visit::On
    });
    answer.trace()?;
    let name = context.text(place, "the channel");
    let function = &ir[goroutine].name;
    let message = format!("this waits for {name}, and the goroutine that should serve it can return without doing so");
    let finding = context
        .finding(&RULE, Operation::ChanReceive, wait.at, Verdict::Suspect, message)
        .help("Send or close on every way out of the goroutine, best with defer.")
        .related(block_location(context, goroutine, end), format!("{function} returns here, and {name} gets nothing"))
        .related(context.location(At { func: maker, instr: spawn }), "the goroutine is started here")
        .related(location(ir[object].site), "the channel is made here");
    Some(finding)
}

/// The one `go` of a function whose goroutine does all that is ever sent or closed, and the function it runs.
fn only_feeder(context: &Context<'_>, maker: FuncId, uses: &Uses) -> Option<(InstrId, FuncId)> {
    let ir = context.ir();
    let feeds: Vec<At> = uses.sends.iter().map(|send| send.at).chain(uses.closes.iter().copied()).collect();
    let mut spawns = context.index().instrs(maker).filter_map(|(instr, _, role)| {
        let Op::Spawn { run, .. } = ir[maker][instr].op else {
            return None;
        };
        let effects = context.analysis.effects(At { func: maker, instr });
        let all = feeds.iter().all(|feed| effects.iter().any(|effect| effect.at == *feed));
        let any = feeds.iter().any(|feed| effects.iter().any(|effect| effect.at == *feed));
        (role == Role::Plain && any).then_some((instr, run, all))
    });
    let (spawn, run, all) = spawns.next()?;
    if !all || feeds.is_empty() || spawns.next().is_some() {
        return None;
    }
    let Op::Call(call) = ir[maker][run].op else {
        return None;
    };
    let targets = context.analysis.targets(call);
    match (targets.funcs.as_slice(), targets.is_open) {
        ([only], false) => Some((spawn, *only)),
        _ => None,
    }
}

/// All that send may take another way, after which nobody sends; a goroutine that receives takes no other way.
fn gives_up(context: &Context<'_>, object: ObjectId, uses: &Uses) -> Option<Finding> {
    let ir = context.ir();
    let live = |send: &&ChanUse| context.live().is_live(send.at.func);
    if !uses.closes.is_empty() || uses.sends.is_empty() {
        return None;
    }
    let mut arm = None;
    for send in uses.sends.iter().filter(live) {
        if send.is_naked || !send.waits {
            return None;
        }
        arm = Some(other_way(context, send.at)?);
    }
    let (sender, end, by) = arm?;
    let mut waits = uses.receives.iter().filter(|receive| {
        receive.is_naked
            && !receive.is_range
            && !context.is_test(receive.at.func)
            && context.live().is_spawned(receive.at.func)
            && is_all_own(context, receive.place)
    });
    let wait = waits.find(|receive| {
        let own = context.live().runs(receive.at.func);
        // What the receiver itself does later ends no wait of its own.
        let is_own = |object: &ObjectId| {
            let uses = context.uses(*object);
            let sends = uses.sends.iter().map(|send| send.at);
            let mut feeds = sends.chain(uses.closes).peekable();
            feeds.peek().is_some() && feeds.all(|at| own.contains(&at.func))
        };
        ends(context, receive.at.func) && !by.iter().any(is_own)
    })?;
    let name = context.text(wait.place, "the channel");
    let message = format!("the goroutine waits for a value on {name}, and who sends may give up");
    let finding = context
        .finding(&RULE, Operation::ChanReceive, wait.at, Verdict::Suspect, message)
        .help("Let the receiver select on what makes the sender give up, or close the channel when it does.")
        .related(context.location(sender), "this sends, unless another case comes first")
        .related(block_location(context, sender.func, end), "and then it returns here")
        .related(location(ir[object].site), "the channel is made here");
    Some(finding)
}

/// Whether all that a place may be are channels of the package's own.
fn is_all_own(context: &Context<'_>, place: PlaceId) -> bool {
    let ir = context.ir();
    let is_own = |object: &ObjectId| ir.aliases.escape(*object).is_none();
    ir.aliases.is_known(&ir.places, place) && context.objects(place).iter().all(is_own)
}

/// Where a function returns after another arm of a send's select, without coming to the send again.
fn other_way(context: &Context<'_>, send: At) -> Option<(At, BlockId, Vec<ObjectId>)> {
    let func = &context.ir()[send.func];
    let (block, _) = context.index().get(send)?;
    let End::Select { arms, default: None } = &func[block].exit else {
        return None;
    };
    arms.iter().filter(|arm| arm.instr != send.instr).find_map(|arm| {
        let Op::Recv { channel, .. } = func[arm.instr].op else {
                return None;
            };
            let by = context.objects(channel).to_vec();
            let from = func.start_of(arm.to);
            let answer = context.analysis.search(send.func, from, (), |(), step| match step {
            Step::Enter(other) if other == block => Visit::Cut,
            Step::Exit(_, Exit::Return) => Visit::Found,
            _ => Visit::On,
        });
        match answer.trace()?.last {
            Step::Exit(end, _) => Some((send, end, by)),
            _ => None,
        }
    })
}

/// Whether a function can return: one that loops for ever is meant to wait.
fn ends(context: &Context<'_>, func: FuncId) -> bool {
    let entry = context.ir()[func].entry();
    let answer = context.analysis.search(func, entry, (), |(), step| match step {
        Step::Exit(_, Exit::Return) => Visit::Found,
        _ => Visit::On,
    });
    answer.trace().is_some()
}
