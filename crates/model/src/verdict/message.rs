//! The sentences of a finding: who waits where for what, how many, how long, started by whom, and why nobody may come.

use crate::gc::Slope;
use crate::verdict::facts::{Census, Starters};
use crate::verdict::proof;
use crate::{Evidence, Group, Operation};

/// One to three sentences, without advice.
pub(super) fn message(census: &Census<'_>, group: &Group) -> String {
    let mut text = what(group, group.found());
    // How long is known of all of them together.
    if group.found() == group.count {
        text.push_str(&age(group));
    }
    text.push_str(&origin(group));
    text.push_str(&why(census, group));
    text
}

/// "1,248 goroutines are blocked in a channel send at main.f.func1 (main.go:41)", "12 of the 40 goroutines blocked ... are
/// leaked".
fn what(group: &Group, count: u64) -> String {
    let site = &group.site;
    let doing = if group.is_iterator() {
        "suspended in an iterator at"
    } else {
        doing(site.operation)
    };
    let place = place(&site.function, &site.file, site.line);
    match (count, group.count) {
        (1, 1) => format!("1 goroutine is {doing} {place}"),
        (count, all) if count >= all => {
            format!("{} goroutines are {doing} {place}", grouped(count))
        }
        (count, all) => {
            let verb = if count == 1 { "is" } else { "are" };
            let (count, all) = (grouped(count), grouped(all));
            format!("{count} of the {all} goroutines {doing} {place} {verb} leaked")
        }
    }
}

pub(super) fn place(function: &str, file: &str, line: u32) -> String {
    let file = file.rsplit(['/', '\\']).next().unwrap_or_default();
    match (file.is_empty(), line) {
        (true, _) => function.to_owned(),
        (false, 0) => format!("{function} ({file})"),
        (false, line) => format!("{function} ({file}:{line})"),
    }
}

/// What goroutines in an operation do, to precede a place.
pub(super) fn doing(operation: Operation) -> &'static str {
    match operation {
        Operation::ChanSend => "blocked in a channel send at",
        Operation::ChanReceive => "blocked in a channel receive at",
        Operation::Select => "blocked in a select at",
        Operation::NilChanSend => "blocked sending to a nil channel at",
        Operation::NilChanReceive => "blocked receiving from a nil channel at",
        Operation::SelectNoCases => "blocked in a select without cases at",
        Operation::MutexLock => "waiting to lock a mutex at",
        Operation::RwMutexLock => "waiting for the write lock of an RWMutex at",
        Operation::RwMutexRLock => "waiting for the read lock of an RWMutex at",
        Operation::WaitGroup => "waiting for a WaitGroup at",
        Operation::CondWait => "waiting for a condition variable at",
        Operation::Semaphore => "waiting for a semaphore at",
        Operation::Sleep => "sleeping at",
        Operation::IoWait => "waiting for I/O at",
        Operation::Syscall => "in a system call at",
        Operation::Running => "running at",
        Operation::Runnable => "ready to run at",
        Operation::Other => "at",
    }
}

fn age(group: &Group) -> String {
    let Some((_, oldest)) = group.waits.as_ref().and_then(crate::Waits::range) else {
        return String::new();
    };
    let oldest_is = if group.count == 1 { "" } else { ", the oldest" };
    match oldest {
        0 => String::new(),
        1 => format!("{oldest_is} for a minute"),
        minutes => format!("{oldest_is} for {} minutes", grouped(u64::from(minutes))),
    }
}

fn origin(group: &Group) -> String {
    match &group.created_by {
        Some(frame) => {
            let function = crate::symbol::canonical(&frame.function);
            format!(", started by {function}")
        }
        None => String::new(),
    }
}

fn why(census: &Census<'_>, group: &Group) -> String {
    let of = |kind: &str| group.evidence.iter().any(|one| one.kind() == kind);
    let left = match (of("leftover"), group.count) {
        (false, _) => "",
        (true, 1) => "; it was still there when all tests were over",
        (true, _) => "; they were still there when all tests were over",
    };
    if let Some(proven) = proof::leaked(census, group) {
        return format!("{left}{proven}");
    }
    if of("runtime_reported") {
        return format!(
            "{left}; the Go runtime found that nothing can reach what they wait for any more"
        );
    }
    let reasons = group.evidence.iter().filter_map(|evidence| match evidence {
        Evidence::Threshold { reason, .. } => Some(reason.clone()),
        Evidence::Growth {
            before,
            after,
            stayed,
        } => Some(grown(*before, *after, *stayed)),
        Evidence::PerRequest {
            before,
            after,
            requests,
            per_request,
        } => Some(per_requests(*before, *after, *requests, per_request)),
        Evidence::Leftover { .. }
        | Evidence::RuntimeReported { .. }
        | Evidence::Source { .. }
        | Evidence::Proof { .. } => None,
    });
    let text = reasons.fold(left.to_owned(), |text, reason| text + "; " + &reason);
    if let Some(held) = proof::held(group) {
        return text + &held;
    }
    let told = group.evidence.iter().any(|evidence| {
        matches!(evidence, Evidence::Threshold { rule, .. } if ABOUT_STARTERS.contains(rule))
    });
    if group.site.operation.waits_for_goroutine() && !told {
        text + &lineage(census.starters(group), group.count)
    } else {
        text
    }
}

/// "there were 3 before 50 requests and 53 after: 1.00 for each request".
fn per_requests(before: u64, after: u64, requests: u64, slope: &Slope) -> String {
    format!(
        "there were {} before {} requests and {} after, {:.2} more for each request",
        grouped(before),
        grouped(requests),
        grouped(after),
        slope.estimate
    )
}

/// Rules whose reason tells of the starters already.
const ABOUT_STARTERS: [&str; 3] = ["abandoned-senders", "orphaned-waiters", "lock-convoy"];

/// What is known of those who started the goroutines, when it says something.
fn lineage(starters: Starters, count: u64) -> String {
    let gone = starters.gone();
    let (number, verb) = match (starters.ended, gone) {
        (0, 0) => return String::new(),
        (ended, gone) if ended == gone => (ended, "ended"),
        (_, gone) => (gone, "returned"),
    };
    match (number, count) {
        (1, 1) => format!("; its creator has {verb}"),
        (1, _) => format!("; 1 of their creators has {verb}"),
        (number, count) if number == count => format!("; all of their creators have {verb}"),
        (number, _) => format!("; {} of their creators have {verb}", grouped(number)),
    }
}

/// The pattern's fix, else the operation's.
pub(super) fn help(group: &Group) -> String {
    if let Some(pattern) = group.pattern {
        return format!("Looks like {}. {}", pattern.sentence(), pattern.help());
    }
    if group.is_iterator() {
        return "Call stop on every path, right after iter.Pull: next, stop := iter.Pull(seq); defer stop()."
            .to_owned();
    }
    match group.site.operation {
        Operation::Semaphore => {
            "Release the semaphore on every path, or acquire it with a context that ends."
                .to_owned()
        }
        Operation::Select => {
            "Give the select a case that always comes in the end, such as <-ctx.Done().".to_owned()
        }
        _ => "Make sure that what these goroutines wait for always comes, or give the wait an end."
            .to_owned(),
    }
}

/// Digits in groups of three: 1,248.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "there were 40 before, and all of those are still there".
fn grown(before: u64, after: u64, stayed: Option<u64>) -> String {
    let more = grouped(after.saturating_sub(before));
    match (before, stayed) {
        (0, _) => "there were none before".to_owned(),
        (_, None) => format!("{more} more than the {} before", grouped(before)),
        (_, Some(stayed)) if stayed >= before => {
            format!(
                "{more} more than the {} before, which are all still there",
                grouped(before)
            )
        }
        (_, Some(stayed)) => format!(
            "{more} more than the {} before, of which {} are still there",
            grouped(before),
            grouped(stayed)
        ),
    }
}
