//! What a proof says of a group: evidence, and the sentences of a finding's message.

use crate::operation::{classify, site_frame};
use crate::proof::{Awaited, Blame, Step, told};
use crate::verdict::facts::Census;
use crate::verdict::message::{doing, grouped, place};
use crate::{Group, Operation, Proof, Sample, symbol};

/// Steps of a way that a message names; of a longer one its start and its end.
const MAX_STEPS: usize = 6;
/// Objects of a select that a message names.
const MAX_OBJECTS: usize = 3;

/// Why nobody comes: of groups with goroutines that are proven leaked.
pub(super) fn leaked(census: &Census<'_>, group: &Group) -> Option<String> {
    let (count, proof) = group.proven.iter().find_map(|one| match &*one.proof {
        Proof::Unreachable(proof) => Some((one.count, proof)),
        Proof::Reachable(_) | Proof::Inconclusive(_) => None,
    })?;
    if group.is_iterator() {
        let them = if count == 1 { "it" } else { "them" };
        return Some(format!("; nothing that runs can resume or stop {them}"));
    }
    if proof.objects.is_empty() {
        let never = match group.site.operation {
            Operation::NilChanSend => "a nil channel never accepts",
            Operation::NilChanReceive => "a nil channel never delivers",
            Operation::SelectNoCases => "a select without cases never ends",
            _ if count == 1 => "nothing that runs can reach what it waits for",
            _ => "nothing that runs can reach what they wait for",
        };
        return Some(format!("; {never}"));
    }
    let verb = match group.site.operation {
        Operation::ChanSend => "to send on",
        Operation::ChanReceive => "to receive from",
        Operation::Select => "in a select for",
        _ => "for",
    };
    let objects = objects(&proof.objects);
    let same = proof.objects.iter().all(|one| one.waiters >= count);
    let wait = match count {
        1 => format!("it waits {verb} {objects}"),
        _ if same => format!("they all wait {verb} {objects}"),
        _ if proof.cause.is_empty() => {
            return Some(format!(
                "; each waits for what nothing that runs can reach, one of them {verb} {objects}"
            ));
        }
        _ => format!("one of them waits {verb} {objects}"),
    };
    let nobody = match proof.cause.as_slice() {
        [] if proof.objects.len() > 1 => "nothing that runs can reach any of these".to_owned(),
        [] => "nothing that runs can reach it".to_owned(),
        cause => chain(census, group, cause),
    };
    Some(format!("; {wait}, and {nobody}"))
}

fn objects(objects: &[Awaited]) -> String {
    let mut shown: Vec<String> = objects
        .iter()
        .take(MAX_OBJECTS)
        .map(Awaited::to_string)
        .collect();
    let more = objects.len().saturating_sub(MAX_OBJECTS);
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    match shown.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => shown.concat(),
    }
}

/// "goroutine 12 has the lock on its stack, itself blocked in a channel send at main.f (main.go:41)". The first link is told,
/// and of a chain its end, unless that is where it began.
fn chain(census: &Census<'_>, group: &Group, cause: &[Blame]) -> String {
    let is_there = |blame: &Blame| {
        let sample = census.sample_of(blame.goroutine);
        sample.map_or_else(|| "waiting".to_owned(), whereabouts)
    };
    let (Some(first), Some(root)) = (cause.first(), cause.last()) else {
        return String::new();
    };
    let told = format!("{first}, itself {}", is_there(first));
    let is_circle = || {
        let mut samples = census.samples(group);
        let number = |sample: &Sample| {
            let mut known = sample.identities.known.iter();
            known.any(|one| one.id == root.goroutine)
        };
        samples.any(number)
    };
    match cause.len() {
        1 => told,
        _ if is_circle() => format!("{told}, and these waits go in a circle"),
        length => format!(
            "{told}; the chain of {} ends with goroutine {}, {}",
            grouped(length as u64),
            root.goroutine,
            is_there(root)
        ),
    }
}

/// "blocked in a channel send at main.f (main.go:41)".
fn whereabouts(sample: &Sample) -> String {
    let doing = doing(classify(sample.state.as_ref(), &sample.stack));
    match site_frame(&sample.stack) {
        Some(frame) => {
            let function = symbol::canonical(&frame.function);
            format!("{doing} {}", place(&function, &frame.file, frame.line))
        }
        None => format!("{doing} an unknown place"),
    }
}

/// Who holds what goroutines wait for that are suspect and not leaked.
pub(super) fn held(group: &Group) -> Option<String> {
    let (count, way) = group.proven.iter().find_map(|one| match &*one.proof {
        Proof::Reachable(way) => Some((one.count, way)),
        Proof::Unreachable(_) | Proof::Inconclusive(_) => None,
    })?;
    if way.is_empty() {
        return None;
    }
    let whose = match (count, group.count) {
        (1, 1) => "what it waits for is".to_owned(),
        (count, all) if count == all => "what they wait for is".to_owned(),
        (count, _) => format!("what {} of them wait for is", grouped(count)),
    };
    Some(format!("; {whose} held by {}", path(way)))
}

/// The steps of a way, root first; of a long one the middle is left out.
fn path(way: &[Step]) -> String {
    let arrow = " -> ";
    let mut steps = told(way);
    let left_out = steps.len().saturating_sub(MAX_STEPS);
    if left_out > 0 {
        let half = MAX_STEPS / 2;
        steps.splice(half..half + left_out, [format!("({left_out} more)")]);
    }
    steps.join(arrow)
}
