//! Two locks that are taken in both orders.

use gorphan_model::{Operation, Verdict};

use super::waits::{Held, Wait, WaitKind, Waits};
use super::{Context, Rule};
use crate::finding::Finding;
use crate::ir::{Mode, ObjectId, Place, PlaceId, Shape};

/// See `GR2024.md`.
pub(super) const RULE: Rule = Rule {
    code: "GR2024",
    name: "lock-order",
    check,
};

/// One lock is asked for with another one held.
struct Edge<'w> {
    held: Held,
    wait: &'w Wait,
    mode: Mode,
    from: &'w [ObjectId],
    to: &'w [ObjectId],
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    let waits = context.waits();
    let edges = edges(context, waits);
    let mut told: Vec<(ObjectId, ObjectId)> = Vec::new();
    for (place, one) in edges.iter().enumerate() {
        for two in edges.iter().skip(place + 1) {
            if !meets(one.from, two.to) || !meets(one.to, two.from) || !blocks(one, two) {
                continue;
            }
            if guarded(context, one, two) {
                continue;
            }
            let (Some(first), Some(second)) = (one.from.first(), one.to.first()) else {
                continue;
            };
            let pair = (*first.min(second), *first.max(second));
            if !told.contains(&pair) {
                told.push(pair);
                found.push(finding(context, one, two));
            }
        }
    }
}

fn edges<'w>(context: &'w Context<'_>, waits: &'w Waits) -> Vec<Edge<'w>> {
    let mut edges = Vec::new();
    for wait in &waits.all {
        let (WaitKind::Lock(mode), Some(to)) = (wait.kind, only(context, wait.place)) else {
            continue;
        };
        // A test takes locks of what it tests as no other code does.
        if context.is_test(wait.func) {
            continue;
        }
        for held in wait.held.iter().filter(|held| held.is_sure) {
            // Two of one kind, as parent and child: no order can be told.
            if let Some(from) = only(context, held.lock)
                && !meets(from, to)
                && !is_new(context, wait)
                && is_of_one(context, held.lock, wait.place, from, to)
            {
                edges.push(Edge { held: *held, wait, mode, from, to });
            }
        }
    }
    edges
}

/// Whether the lock that is asked for is that of something which the function has just made: it gets it at once.
fn is_new(context: &Context<'_>, wait: &Wait) -> bool {
    let ir = context.ir();
    let Place::Field(of, _) = ir[wait.place] else {
        return false;
    };
    let is_own = |object: &ObjectId| ir[*object].func == Some(wait.func);
    let objects = context.objects(of);
    matches!(ir[of], Place::Var(_)) && wait.at.func == wait.func && !objects.is_empty() && objects.iter().all(is_own)
}

/// Whether two locks belong to one thing, as far as there are several of them: some connection's lock and some server's tell
/// nothing, a connection's and that of its own server do.
fn is_of_one(
    context: &Context<'_>,
    held: PlaceId,
    asked: PlaceId,
    from: &[ObjectId],
    to: &[ObjectId],
) -> bool {
    let ir = context.ir();
    let base = |place: PlaceId| ir.base(context.analysis.canonical(place));
    let is_some = |place: PlaceId| {
        let place = context.analysis.canonical(place);
        let mut steps = ir.places.steps(place);
        steps.any(|step| matches!(step, Place::Element(_)))
    };
    let has_roles = |objects: &[ObjectId]| objects.iter().any(|object| context.has_roles(*object));
    let is_one = base(held) == base(asked) && !is_some(held) && !is_some(asked);
    is_one || !(has_roles(from) || has_roles(to))
}

/// The object that a lock is, if it is one alone.
fn only<'w>(context: &'w Context<'_>, lock: PlaceId) -> Option<&'w [ObjectId]> {
    context
        .known_objects(lock)
        .filter(|objects| objects.len() == 1)
}

fn meets(one: &[ObjectId], two: &[ObjectId]) -> bool {
    one.iter().any(|object| two.contains(object))
}

/// Whether the two wait for each other: readers do not.
fn blocks(one: &Edge<'_>, two: &Edge<'_>) -> bool {
    let writes = |held: Mode, asked: Mode| held == Mode::Write || asked == Mode::Write;
    writes(one.held.mode, two.mode) && writes(two.held.mode, one.mode)
}

/// Whether a third lock, held in both by the function or all its callers, keeps the two apart.
fn guarded(context: &Context<'_>, one: &Edge<'_>, two: &Edge<'_>) -> bool {
    let guards = |edge: &Edge<'_>| {
        let held = edge.wait.held.iter();
        let held = held.filter(|held| held.lock != edge.held.lock && held.mode == Mode::Write);
        let mut all: Vec<ObjectId> = held
            .flat_map(|held| context.objects(held.lock).to_vec())
            .collect();
        all.extend(context.waits().guards(context, edge.wait.func));
        all.retain(|object| !edge.from.contains(object) && !edge.to.contains(object));
        all
    };
    // Which lock an interface hides is not known.
    let is_hidden = |edge: &Edge<'_>| {
        let mut vague = edge.wait.held.iter().filter(|held| !held.is_sure);
        vague.any(|held| context.shape(held.lock) == Shape::Interface)
    };
    is_hidden(one) || is_hidden(two) || meets(&guards(one), &guards(two))
}

fn finding(context: &Context<'_>, one: &Edge<'_>, two: &Edge<'_>) -> Finding {
    let (first, second) = (
        context.text(one.held.lock, "a lock"),
        context.text(one.wait.place, "another lock"),
    );
    let other = context.function(two.wait.func);
    let message = format!(
        "{second} is asked for here with {first} held, and {other} asks for them the other way round: if both have one, \
         each waits for the other for ever"
    );
    let operation = match one.mode {
        Mode::Write => Operation::MutexLock,
        Mode::Read => Operation::RwMutexRLock,
    };
    let line = context.location(two.wait.at);
    context
        .finding(&RULE, operation, one.wait.at, Verdict::Suspect, message)
        .help("Take the two locks in the same order everywhere, or give up the first before asking for the second.")
        .related(context.location(one.held.at), format!("{first} is held from here"))
        .related(context.location(two.held.at), "the other side holds one from here")
        .related(line, "and asks for the other here")
}
