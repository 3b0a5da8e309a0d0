//! What only source tells of a finding: the places of its cause, an interleaving that shows it, a fix; and the account of
//! what a run over source decided.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Place;

/// Why a place in the source blocks for ever.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cause {
    /// Other places of the cause: the make, the lock, the go statement, the counterpart that does not come.
    pub related: Vec<Related>,
    /// An interleaving after which the operation blocks for ever, in the order of time. Empty where one is plain to see.
    pub witness: Vec<Step>,
    /// A change of the source after which the finding is gone.
    pub fix: Option<Fix>,
    /// The last byte of the operation, behind it: line and column as in [`Place`].
    pub end: Option<(u32, u32)>,
    /// What stays the same when lines move, as hexadecimal digits. Baselines and fingerprints go by it.
    pub fingerprint: String,
}

/// Another place of a cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is there, in a few words that start with a small letter: `the channel is made here, without room`.
    pub label: String,
}

/// One step of an interleaving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Who: a few words that stay the same through the interleaving, as `main` or `worker (line 12)`.
    pub goroutine: String,
    /// Where.
    pub place: Place,
    /// What it does, in the present: `locks mu`.
    pub action: String,
}

/// A change of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an order: `Give the channel room for one value`.
    pub title: String,
    /// In order of file and place, without overlaps.
    pub edits: Vec<Edit>,
}

/// A replacement of some bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    /// The file, as in [`Place`].
    pub file: Arc<str>,
    /// Offset of the first byte replaced.
    pub start: u32,
    /// Offset behind the last byte replaced; equal to `start` where text is put in.
    pub end: u32,
    /// What stands there afterwards.
    pub text: String,
}

/// What a run over source looked at and decided. Ledgers of packages add up with [`Ledger::add`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Packages checked.
    pub packages: u64,
    /// Files of these packages, those that could not be read included.
    pub files: u64,
    /// Lines of these files.
    pub lines: u64,
    /// Files that could not be read, or only in part.
    pub files_unparsed: u64,
    /// Scopes (a channel or lock with what it waits on) of which it is known that nothing blocks for ever.
    pub scopes_proved: u64,
    /// Scopes with a finding.
    pub scopes_leaking: u64,
    /// Scopes of which it is not known, by reason: a few words without names, so that equal reasons add up.
    pub unknown: BTreeMap<Cow<'static, str>, u64>,
}

impl Ledger {
    /// Counts a scope that was not decided.
    pub fn undecided(&mut self, reason: &'static str) {
        let count = self.unknown.entry(Cow::Borrowed(reason)).or_default();
        *count = count.saturating_add(1);
    }

    /// Scopes that were not decided.
    pub fn scopes_unknown(&self) -> u64 {
        self.unknown.values().copied().fold(0, u64::saturating_add)
    }

    /// Adds the account of other packages.
    pub fn add(&mut self, other: &Self) {
        let Self {
            packages,
            files,
            lines,
            files_unparsed,
            scopes_proved,
            scopes_leaking,
            unknown,
        } = other;
        self.packages = self.packages.saturating_add(*packages);
        self.files = self.files.saturating_add(*files);
        self.lines = self.lines.saturating_add(*lines);
        self.files_unparsed = self.files_unparsed.saturating_add(*files_unparsed);
        self.scopes_proved = self.scopes_proved.saturating_add(*scopes_proved);
        self.scopes_leaking = self.scopes_leaking.saturating_add(*scopes_leaking);
        for (reason, more) in unknown {
            let count = self.unknown.entry(reason.clone()).or_default();
            *count = count.saturating_add(*more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ledgers_add_up_reason_by_reason() {
        let mut first = Ledger {
            packages: 1,
            scopes_proved: 4,
            ..Ledger::default()
        };
        first.undecided("calls what is not known");
        let mut second = Ledger {
            packages: 2,
            files_unparsed: 1,
            ..Ledger::default()
        };
        second.undecided("calls what is not known");
        second.undecided("too many states");
        first.add(&second);
        assert_eq!((first.packages, first.files_unparsed), (3, 1));
        assert_eq!((first.scopes_proved, first.scopes_unknown()), (4, 3));
        assert_eq!(first.unknown["calls what is not known"], 2);
    }
}
