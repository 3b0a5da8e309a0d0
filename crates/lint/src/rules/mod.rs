//! What is looked for, one file a rule.
//!
//! A [`Rule`] looks at one package ([`Context`]) and reports [`Finding`]s. What it means for people stands in
//! `crates/model/src/code/GR20xx.md`, whose examples are tests; further cases, and near misses that must stay silent, stand in
//! `crates/lint/tests/rules/<rule>.md`.
//!
//! All of them keep to this: what is not known suppresses. An object whose further operations may lie elsewhere
//! ([`crate::ir::Aliases::escape`]) accuses nobody. [`Verdict::Leak`] is only said of a way on which no condition was guessed.

mod asked;
mod context;
mod crowd;
mod edit;
mod held;
mod index;
mod lifecycle;
mod live;
mod order;
mod remedy;
mod resource;
mod rounds;
mod started_elsewhere;
mod waits;

use gorphan_model::Verdict;

pub use context::{ChanUse, Context, Uses};
pub use index::{Index, Role};
pub(crate) use lifecycle::contracts;
pub use live::Live;

use crate::finding::Finding;

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The code of its findings, as in [`gorphan_model::code::CODES`].
    pub code: &'static str,
    /// Its name: that of its file, with dashes.
    pub name: &'static str,
    /// Looks at a package and adds what it finds.
    pub check: fn(&Context<'_>, &mut Vec<Finding>),
}

macro_rules! rules {
    ($($file:ident,)*) => {
        $(mod $file;)*

        /// All rules, by code.
        pub const RULES: &[Rule] = &[$($file::RULE,)*];
    };
}

rules! {
    abandoned_sender,
    more_sends_than_room,
    never_received,
    never_fed,
    range_never_closed,
    abandoned_receiver,
    nil_channel,
    select_no_cases,
    double_send,
    self_wait,
    stopped_receiver,
    semaphore_kept,
    missing_unlock,
    double_lock,
    recursive_rlock,
    lock_order,
    lock_across_channel,
    lock_across_wait,
    waitgroup_count,
    cond_never_signalled,
    cancel_not_called,
    start_without_stop,
    timed_loop,
    timer_drained_twice,
    body_not_closed,
    pipe_not_closed,
    pull_not_stopped,
}

/// What all rules find in a package, by place; one report for each operation: the first of the surest.
pub fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in RULES {
        (rule.check)(context, &mut found);
    }
    // What a test's fake does is run as the test has it.
    let ir = context.ir();
    let fakes = ir.funcs().filter(|(id, _)| context.is_fake(*id));
    let fakes: Vec<_> = fakes.map(|(_, func)| func.site).collect();
    found.retain(|finding| {
        let is_within = |site: &crate::ir::Site| {
            let (inner, outer) = (finding.at.span, site.span);
            finding.at.file.0 == site.file && outer.start <= inner.start && inner.end <= outer.end
        };
        !fakes.iter().any(is_within)
    });
    let key = |finding: &Finding| (finding.at.file, finding.at.span.start, finding.at.span.end);
    found.sort_by(|one, two| {
        let (first, second) = (one.verdict, two.verdict);
        key(one)
            .cmp(&key(two))
            .then(second.cmp(&first))
            .then(one.code.cmp(two.code))
    });
    found.dedup_by(|later, kept| key(later) == key(kept));
    found
}

/// The verdict on a way with so many guesses.
fn verdict(guesses: u32) -> Verdict {
    match guesses {
        0 => Verdict::Leak,
        _ => Verdict::Suspect,
    }
}
