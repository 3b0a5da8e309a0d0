//! A goroutine that sends to a function that has stopped receiving.

use gorphan_model::Operation;

use super::context::location;
use super::crowd::{Crowd, Left, LeftBy, crowd};
use super::rounds::latest;
use super::{Context, Rule, verdict};
use crate::finding::{Edit, Finding};
use crate::ir::{Amount, At, FuncId, InstrId, Op, Site};

/// See `GR2001.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2001",
    name: "abandoned-sender",
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for (object, _) in context.own_channels() {
        let Some(crowd) = crowd(context, object) else {
            continue;
        };
        if crowd.has_room(context) {
            continue;
        }
        if let Some(left) = crowd.left(context)
            && !is_too_few(context, &crowd, &left)
        {
            report(context, &crowd, &left, found);
        }
    }
}

/// Whether values are left because the maker never wants more: that is another rule's.
pub(super) fn is_too_few(context: &Context<'_>, crowd: &Crowd, left: &Left) -> bool {
    left.got > 0
        && matches!(left.end, LeftBy::Return(_))
        && !crowd.receives_in_loop(context)
        && crowd.receives.iter().all(|receive| receive.is_naked)
}

fn report(context: &Context<'_>, crowd: &Crowd, left: &Left, found: &mut Vec<Finding>) {
    let name = context.text(crowd.place, "the channel");
    let function = &context.ir()[crowd.func].name;
    let senders = crowd.senders.iter().filter(|sender| sender.spawn == left.spawn);
    for sender in senders {
        let mut guesses = left.trace.guesses;
        if sender.in_loop.is_some() || sender.least == 0 {
            guesses = guesses.max(1);
        }
        for send in &sender.sends {
            // The first ones fit, or are received on every way.
            let fewer = crowd.up_to(latest(context, &sender.sends, send.at));
            if fewer.is_some_and(|fewer| fewer.has_room(context) || fewer.left(context).is_none()) {
                continue;
            }
            let (message, label, at) = told(context, crowd, left, &name, function);
            let mut finding = context
                .finding(&RULE, Operation::ChanSend, send.at, verdict(guesses), message)
                .help("Give the channel room for every value that may be sent, or let the sender give up together with the receiver.")
                .related(at, label)
                .related(location(context.ir()[crowd.object].site), "the channel is made here")
                .related(
                    context.location(At { func: crowd.func, instr: sender.spawn }),
                    "the goroutine is started here",
                );
            if let Some((title, edit)) = room_for(context, crowd) {
                finding = finding.fix(title, vec![edit]);
            }
            finding = finding.fix_by(super::remedy::context_case(context, crowd, send.at));
            found.push(finding);
        }
    }
}

fn told(
    context: &Context<'_>,
    crowd: &Crowd,
    left: &Left,
    name: &str,
    function: &str,
) -> (String, String, crate::finding::Location) {
    match left.end {
        LeftBy::Return(block) => (
            format!("the goroutine waits for {function} to receive from {name}, and {function} may have returned before"),
            format!("{function} returns here without receiving"),
            block_location(context, crowd.func, block),
        ),
        LeftBy::Round(instr) => (
            format!("the goroutine waits for {function} to receive from {name}, and {function} may have gone on to the next round"),
            "the next round has a new channel".to_owned(),
            context.location(At { func: crowd.func, instr }),
        ),
        LeftBy::Wait(instr) => (
            format!("the goroutine waits for {function} to receive from {name}, and {function} waits for the goroutine to be done first"),
            format!("{function} waits here before it receives"),
            context.location(At { func: crowd.func, instr }),
        ),
    }
}

/// Where a block ends.
pub(super) fn block_location(
    context: &Context<'_>,
    func: FuncId,
    block: crate::ir::BlockId,
) -> crate::finding::Location {
    let ir = context.ir();
    location(Site {
        file: ir[func].site.file,
        span: ir[func][block].span,
    })
}

/// Room for what is sent, where that is a small known number and the channel has none.
pub(super) fn room_for(context: &Context<'_>, crowd: &Crowd) -> Option<(String, Edit)> {
    /// Values for which room is offered: more is a matter of taste.
    const MOST: u64 = 4;
    if crowd.room != Amount::Const(0) || crowd.senders.iter().any(|sender| sender.in_loop.is_some()) {
        return None;
    }
    let all: u64 = crowd.senders.iter().map(|sender| u64::from(sender.most)).sum();
    let make = make_span(context, crowd.func, crowd.make)?;
    let file = context.files.get(make.file.0 as usize)?;
    let text = file.bytes(make.span);
    if all > MOST || !text.starts_with(b"make(") || !text.ends_with(b")") || text.contains(&b',') {
        return None;
    }
    let mut at = make;
    at.span.end = at.span.end.checked_sub(1)?;
    at.span.start = at.span.end;
    let title = match all {
        1 => "Give the channel room for one value".to_owned(),
        all => format!("Give the channel room for {all} values"),
    };
    Some((title, Edit { at, text: format!(", {all}") }))
}

fn make_span(context: &Context<'_>, func: FuncId, instr: InstrId) -> Option<crate::finding::Location> {
    matches!(context.ir()[func][instr].op, Op::Make(_)).then(|| context.location(At { func, instr }))
}
