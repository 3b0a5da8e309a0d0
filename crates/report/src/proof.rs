//! The words for what was proven and for what leaks hold, as more than one renderer uses them.

use gorphan_model::group::outcomes;
use gorphan_model::proof::{Awaited, Retained, Retention, Step, Unreachable, told};
use gorphan_model::{Evidence, Proof, Snapshot};

use crate::words::{bytes, count_of, count_usize};

/// Objects of one wait that are told; a select can have thousands of cases.
const MAX_OBJECTS: usize = 8;
/// Links of a chain and steps of a way; of longer ones the start and the end are told.
const MAX_STEPS: usize = 12;
/// Go types of what is retained.
const MAX_TYPES: usize = 5;

/// What stands for objects whose type is not known.
const UNKNOWN: &str = "(unknown)";

/// One thing to tell: its name, and lines of text.
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) lines: Vec<String>,
}

fn fact(name: &'static str, lines: Vec<String>) -> Fact {
    Fact { name, lines }
}

/// What an entry of evidence tells of a proof; nothing where it is of another kind. `all` is how many goroutines the
/// group has.
pub(crate) fn facts(evidence: &Evidence, all: u64) -> Vec<Fact> {
    let Evidence::Proof { count, proof } = evidence else {
        return Vec::new();
    };
    match &**proof {
        Proof::Unreachable(proof) => {
            let mut facts = vec![fact("proof", vec![whole(*count, all)])];
            if !proof.objects.is_empty() {
                facts.push(fact("waits for", objects(proof, *count)));
            }
            if !proof.cause.is_empty() {
                let links = proof.cause.iter().map(|blame| blame.to_string());
                facts.push(fact("root cause", middle_out(links.collect())));
            }
            facts
        }
        Proof::Reachable(way) => {
            let through = if way.is_empty() { "" } else { ", through" };
            let mut lines = vec![format!("{} may still be woken{through}", of(*count, all))];
            lines.extend(steps(way));
            vec![fact("reachable", lines)]
        }
        Proof::Inconclusive(why) => {
            vec![fact(
                "undecided",
                vec![format!("{}: {why}", of(*count, all))],
            )]
        }
    }
}

/// The way to what is reachable, a line a step.
pub(crate) fn steps(way: &[Step]) -> Vec<String> {
    let steps = told(way).into_iter().enumerate().map(|(depth, step)| {
        let arrow = if depth == 0 { "" } else { "-> " };
        format!("{arrow}{step}")
    });
    middle_out(steps.collect())
}

fn whole(count: u64, all: u64) -> String {
    match (count, all) {
        (1, 1) => "it can never be woken".to_owned(),
        (count, all) if count >= all => format!("none of the {count} can ever be woken"),
        _ => format!("{} can never be woken", of(count, all)),
    }
}

/// "it", "all 40", "12 of 40".
fn of(count: u64, all: u64) -> String {
    match (count, all) {
        (1, 1) => "it".to_owned(),
        (count, all) if count >= all => format!("all {count}"),
        (count, all) => format!("{count} of {all}"),
    }
}

fn objects(proof: &Unreachable, count: u64) -> Vec<String> {
    let shared = proof.objects.iter().all(|one| one.waiters >= count);
    let mut lines: Vec<String> = proof.objects.iter().take(MAX_OBJECTS).map(object).collect();
    let more = proof.objects.len().saturating_sub(MAX_OBJECTS);
    if more > 0 {
        lines.push(format!("... and {more} more"));
    }
    if !shared && let Some(first) = lines.first_mut() {
        first.push_str(" (one of them)");
    }
    lines
}

/// `chan int (cap 4) at 0xc000012345, 4 of 4 values, 12 waiters`.
pub(crate) fn object(object: &Awaited) -> String {
    let buffer = match object.buffer {
        Some((values, room)) if room > 0 => format!(", {values} of {room} values in it"),
        _ => String::new(),
    };
    let waiters = match object.waiters {
        0 | 1 => String::new(),
        many => format!(", {many} goroutines wait for it"),
    };
    format!("{object}{buffer}{waiters}")
}

/// All lines, or the first and last of many.
fn middle_out(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(MAX_STEPS);
    if more > 0 {
        let half = MAX_STEPS / 2;
        lines.splice(half..half + more, [format!("... {more} more")]);
    }
    lines
}

/// One sentence, without a full stop, of a proof's count and result.
pub(crate) fn sentence(count: u64, proof: &Proof) -> String {
    let goroutines = count_of(count, "goroutine");
    match proof {
        Proof::Unreachable(proof) => {
            let example = proof.objects.first();
            let example = example.map_or(String::new(), |it| format!(", waiting for {it}"));
            format!("proven that {goroutines} can never be woken{example}")
        }
        Proof::Reachable(way) => {
            let by = middle_out(told(way)).join(" -> ");
            let by = if by.is_empty() {
                by
            } else {
                format!(", held by {by}")
            };
            format!("{goroutines} may still be woken{by}")
        }
        Proof::Inconclusive(why) => {
            format!("not decided whether {goroutines} can be woken: {why}")
        }
    }
}

/// `4.9 MiB: 2.4 MiB of stacks, 2.5 MiB of heap`, then the types.
pub(crate) fn retained(retained: &Retained) -> Vec<String> {
    let stacks = bytes(retained.stack_bytes);
    let mut lines = vec![match retained.heap_bytes {
        0 => format!("{stacks} of stacks"),
        heap => format!(
            "{}: {stacks} of stacks, {} of heap",
            bytes(retained.bytes()),
            bytes(heap)
        ),
    }];
    if retained.types.iter().all(|(name, ..)| name == UNKNOWN) {
        return lines;
    }
    for (name, objects, size) in retained.types.iter().take(MAX_TYPES) {
        lines.push(format!("{} in {objects} × {name}", bytes(*size)));
    }
    if let Some(more) = retained.types.get(MAX_TYPES..).filter(|it| !it.is_empty()) {
        let size = more
            .iter()
            .fold(0_u64, |sum, one| sum.saturating_add(one.2));
        let types = count_usize(more.len(), "more type");
        lines.push(format!("{} in {types}", bytes(size)));
    }
    lines
}

/// What all proven leaks of a program hold, stacks and shared heap included.
pub(crate) fn leaked_bytes(retention: &Retention) -> u64 {
    let sites = retention.sites.iter().map(Retained::bytes);
    sites.fold(retention.shared_bytes, u64::saturating_add)
}

/// What was proven of the whole program, in one line; `None` where nothing was tried.
pub(crate) fn summary(snapshot: &Snapshot) -> Option<String> {
    let (mut never, mut may, mut unknown) = (0_u64, 0_u64, 0_u64);
    for one in outcomes(snapshot) {
        let slot = match &*one.proof {
            Proof::Unreachable(_) => &mut never,
            Proof::Reachable(_) => &mut may,
            Proof::Inconclusive(_) => &mut unknown,
        };
        *slot = one.count;
    }
    let all = never.saturating_add(may).saturating_add(unknown);
    let (first, rest) = match (never, may, unknown) {
        (0, 0, 0) => return None,
        (0, 1, 0) => {
            return Some("the one that waits for another goroutine may still be woken".to_owned());
        }
        (0, all, 0) => {
            return Some(format!(
                "all {all} that wait for another goroutine may still be woken"
            ));
        }
        (1, 0, 0) => {
            return Some("the one that waits for another goroutine can never be woken".to_owned());
        }
        (all, 0, 0) => {
            return Some(format!(
                "none of the {all} that wait for another goroutine can ever be woken"
            ));
        }
        (0, 0, unknown) => (format!("{unknown} are not decided"), Vec::new()),
        (0, may, unknown) => (
            format!("{may} may still be woken"),
            vec![(unknown, "are not decided")],
        ),
        (never, may, unknown) => (
            format!("{never} can never be woken"),
            vec![(may, "may"), (unknown, "are not decided")],
        ),
    };
    let rest = rest.into_iter().filter(|(count, _)| *count > 0);
    let rest: String = rest
        .map(|(count, words)| format!(", {count} {words}"))
        .collect();
    Some(format!(
        "of {all} that wait for another goroutine {first}{rest}"
    ))
}

/// What leaks hold in all, and what several sites hold together.
pub(crate) fn holdings(snapshot: &Snapshot) -> Option<String> {
    let retention = snapshot.retention.as_deref()?;
    let all = leaked_bytes(retention);
    if all == 0 {
        return None;
    }
    let shared = match retention.shared_bytes {
        0 => String::new(),
        shared => format!(
            ", {} of it held by several sites together and counted at none",
            bytes(shared)
        ),
    };
    let live = bytes(retention.live_bytes);
    // A query may show only some of them.
    let leaked = retention.sites.iter().map(|site| site.goroutines);
    let leaked = leaked.fold(0_u64, u64::saturating_add);
    let shown = outcomes(snapshot);
    let is_part = !shown
        .iter()
        .any(|one| one.count >= leaked && matches!(*one.proof, Proof::Unreachable(_)));
    let whose = if is_part {
        "The proven leaks of the whole program"
    } else {
        "Proven leaks"
    };
    Some(format!(
        "{whose} hold {}{shared}; {live} of heap are held otherwise.",
        bytes(all)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_proof;

    /// The summary of `never` leaked, `may` reachable and `unknown` undecided goroutines.
    fn check(never: u64, may: u64, unknown: u64, expected: Option<&str>) {
        let mut snapshot = sample_proof().snapshot;
        let of = |count: u64, result: &str| {
            let mut samples = snapshot.samples.iter();
            let is = |sample: &&gorphan_model::Sample| {
                sample
                    .proof
                    .as_ref()
                    .is_some_and(|it| it.result() == result)
            };
            let mut sample = samples.find(is).expect("one of each").clone();
            sample.count = count;
            (count > 0).then_some(sample)
        };
        let samples = [
            of(never, "unreachable"),
            of(may, "reachable"),
            of(unknown, "inconclusive"),
        ];
        snapshot.samples = samples.into_iter().flatten().collect();
        assert_eq!(summary(&snapshot).as_deref(), expected);
    }

    #[test]
    fn a_summary_is_a_sentence_whatever_was_proven() {
        let of = "that wait for another goroutine";
        check(0, 0, 0, None);
        check(0, 9, 0, Some(&format!("all 9 {of} may still be woken")));
        check(
            9,
            0,
            0,
            Some(&format!("none of the 9 {of} can ever be woken")),
        );
        check(0, 0, 9, Some(&format!("of 9 {of} 9 are not decided")));
        check(
            0,
            4,
            5,
            Some(&format!(
                "of 9 {of} 4 may still be woken, 5 are not decided"
            )),
        );
        check(
            2,
            3,
            4,
            Some(&format!(
                "of 9 {of} 2 can never be woken, 3 may, 4 are not decided"
            )),
        );
        check(
            2,
            0,
            4,
            Some(&format!(
                "of 6 {of} 2 can never be woken, 4 are not decided"
            )),
        );
    }

    #[test]
    fn what_a_query_hides_is_held_all_the_same() {
        let mut snapshot = sample_proof().snapshot;
        let told = |snapshot: &Snapshot| holdings(snapshot).expect("leaks hold something");
        assert!(told(&snapshot).starts_with("Proven leaks hold"));
        snapshot.samples.remove(0);
        assert!(told(&snapshot).starts_with("The proven leaks of the whole program hold"));
        snapshot.samples.clear();
        assert!(told(&snapshot).starts_with("The proven leaks of the whole program hold"));
    }
}
