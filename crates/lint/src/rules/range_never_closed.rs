//! A goroutine that ranges over a channel that nobody closes.

use gorphan_model::Operation;

use super::context::location;
use super::crowd::made_at;
use super::{Context, Rule};
use crate::finding::Finding;
use crate::ir::{At, End, FuncId, LoopId, LoopKind, Point, Test};
use crate::summary::{Exit, Step, Visit};

/// See `GR2005.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2005",
    name: "range-never-closed",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let ir = context.ir();
    for (object, uses) in context.own_channels() {
        let Some(maker) = ir[object].func else {
            continue;
        };
        let live = |at: &At| context.live().is_live(at.func);
        if uses.closes.iter().any(live)
            || uses.sends.is_empty()
            || context.is_global(object)
            || context.is_main(maker)
            || made_at(context, maker, object).is_none()
        {
            continue;
        }
        let mut ranges = uses.receives.iter().filter(|receive| receive.is_range);
        let Some(range) = ranges.find(|range| {
            context.live().is_spawned(range.at.func) && context.is_only(range.place, object) && is_only_way(context, range.at)
        }) else {
            continue;
        };
        let Some(start) = outlived(context, maker, range.at.func) else {
            continue;
        };
        let name = context.text(range.place, "the channel");
        let guesses = context.guesses_to(range.at).min(1);
        let message = format!("the goroutine ranges over {name} until it is closed, and nothing closes it");
        let finding = context
            .finding(&RULE, Operation::ChanReceive, range.at, super::verdict(guesses), message)
            .help(format!("Call close({name}) when the last value is sent."))
            .related(location(ir[object].site), "the channel is made here")
            .related(context.location(start), "the goroutine is started here");
        let remedy = super::remedy::close_channel(context, object, &uses, range.at);
        found.push(finding.fix_by(remedy));
    }
}

/// Whether nothing but the channel's end leaves the loop of a range.
fn is_only_way(context: &Context<'_>, range: At) -> bool {
    let func = &context.ir()[range.func];
    let Some((block, _)) = context.index().get(range) else {
        return false;
    };
    let of = func.loops.iter().position(|one| one.head == block && matches!(one.kind, LoopKind::Chan(_)));
    let Some(id) = of.map(LoopId::at) else {
        return false;
    };
    func.blocks().all(|(block, one)| {
        if !super::order::is_within(func, block, id) {
            return true;
        }
        match &one.exit {
            End::Return | End::Panic | End::Goexit | End::Exit => false,
            _ => func.successors(block).iter().all(|(to, facts)| {
                super::order::is_within(func, *to, id)
                    || facts.iter().any(|fact| fact.test == Test::Closed && fact.holds)
            }),
        }
    })
}

/// The `go` that starts a goroutine which its starter can leave behind.
fn outlived(context: &Context<'_>, maker: FuncId, goroutine: FuncId) -> Option<At> {
    let ir = context.ir();
    let callers = context.analysis.callers(goroutine).iter();
    let mut starts = callers.filter_map(|at| {
        let (block, _) = context.index().get(*at)?;
        (at.func == maker).then_some((block, *at))
    });
    let (block, at) = starts.next()?;
    let from = Point { block, instr: ir[maker][block].end };
    let answer = context.analysis.search(maker, from, (), |(), step| match step {
        Step::Exit(_, Exit::Return) => Visit::Found,
        _ => Visit::On,
    });
    answer.trace().is_some().then_some(at)
}
