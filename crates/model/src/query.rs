//! What a user asks to see: which goroutines, grouped how, in what order.

use crate::{Operation, State};

/// One goroutine (or `count` equal ones of a profile) as a decoder meets it, before it is merged into a sample.
pub struct Candidate<'a> {
    /// The state, where the source knows it.
    pub state: Option<&'a State>,
    /// Minutes waited, where the source knows them.
    pub wait_minutes: Option<u32>,
    /// Labels as (key, value).
    pub labels: &'a [(&'a str, &'a str)],
}

/// Which goroutines to look at. Everything here must hold; an empty filter admits all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Any of these states or operations, in the words of the dump or of the report.
    pub states: Vec<String>,
    /// Waited at least this long, in minutes. A source without waits admits nothing then.
    pub min_wait_minutes: Option<u32>,
    /// Waited at most this long, in minutes.
    pub max_wait_minutes: Option<u32>,
    /// Carries all of these labels; a value of `None` asks only for the key.
    pub labels: Vec<(String, Option<String>)>,
    /// Any frame's canonical function matches one of these.
    pub functions: Vec<regex_lite::Regex>,
}

/// What makes goroutines one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupBy {
    /// Operation and first frame outside the runtime and sync packages.
    #[default]
    Site,
    /// The whole stack.
    Stack,
    /// The `go` statement.
    Creator,
    /// The state, or operation where the state is unknown.
    State,
}

/// The order of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Worst verdict first, then count.
    #[default]
    Verdict,
    /// Most goroutines first.
    Count,
    /// Longest wait first.
    Wait,
    /// By function name.
    Function,
}

impl Filter {
    /// Whether nothing is asked of single goroutines, so that a decoder need not show them.
    pub fn admits_all(&self) -> bool {
        self.states.is_empty()
            && self.min_wait_minutes.is_none()
            && self.max_wait_minutes.is_none()
            && self.labels.is_empty()
    }

    /// Whether a goroutine is wanted, by everything but its stack; decoders ask this for each goroutine.
    pub fn admits(&self, _candidate: &Candidate<'_>) -> bool {
        true
    }

    /// Whether a group's operation is among the asked ones.
    pub fn admits_operation(&self, _operation: Operation) -> bool {
        true
    }
}
