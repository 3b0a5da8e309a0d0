//! What a user asks to see: which goroutines, grouped how, in what order.

use std::cmp::Reverse;

use regex_lite::Regex;
use thiserror::Error;

use crate::operation::classify;
use crate::symbol::canonical;
use crate::{Frame, Group, Operation, Sample, Snapshot, State};

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
    /// Waited at most this long, in minutes. A source without waits admits nothing then.
    pub max_wait_minutes: Option<u32>,
    /// Carries all of these labels; a value of `None` asks only for the key.
    pub labels: Vec<(String, Option<String>)>,
    /// Any frame's canonical function matches one of these.
    pub functions: Vec<Regex>,
    /// The canonical function of the `go` statement matches one of these. A source without creators admits nothing then.
    pub created_by: Vec<Regex>,
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
    ///
    /// A state that several operations can hide behind (`semacquire`, or none at all) passes here if one of the asked
    /// ones is among them; [`Filter::admits_sample`] then decides with the stack.
    pub fn admits(&self, candidate: &Candidate<'_>) -> bool {
        let waited = |holds: &dyn Fn(u32) -> bool| candidate.wait_minutes.is_some_and(holds);
        self.may_admit_state(candidate.state)
            && self
                .min_wait_minutes
                .is_none_or(|min| waited(&|minutes| minutes >= min))
            && self
                .max_wait_minutes
                .is_none_or(|max| waited(&|minutes| minutes <= max))
            && self.labels.iter().all(|(key, value)| {
                let carries = |(k, v): &(&str, &str)| {
                    k == key && value.as_ref().is_none_or(|value| v == value)
                };
                candidate.labels.iter().any(carries)
            })
    }

    fn may_admit_state(&self, state: Option<&State>) -> bool {
        let possible = state.map_or(&Operation::ALL[..], Operation::possible_in);
        self.states.is_empty()
            || self.states.iter().any(|word| {
                state.is_some_and(|state| same_word(word, state.as_str()))
                    || possible
                        .iter()
                        .any(|operation| same_word(word, operation.as_str()))
            })
    }

    /// Whether the goroutines of a sample are wanted, by state and stack; all of them have the same, so counts stay right.
    pub fn admits_sample(&self, sample: &Sample) -> bool {
        let state = sample.state.as_ref();
        let admits_state = || {
            let operation = classify(state, &sample.stack);
            self.states.iter().any(|word| {
                same_word(word, operation.as_str())
                    || state.is_some_and(|state| same_word(word, state.as_str()))
            })
        };
        (self.states.is_empty() || admits_state())
            && (self.functions.is_empty()
                || sample
                    .stack
                    .frames
                    .iter()
                    .any(|frame| matches_any(&self.functions, frame)))
            && (self.created_by.is_empty()
                || sample
                    .stack
                    .created_by
                    .as_ref()
                    .is_some_and(|frame| matches_any(&self.created_by, frame)))
    }

    /// Drops the samples that [`Filter::admits_sample`] does not want. What goroutines themselves decide (waits, labels)
    /// is up to the decoder, which asks [`Filter::admits`] before it merges them into samples.
    pub fn apply(&self, snapshot: &mut Snapshot) {
        snapshot.samples.retain(|sample| self.admits_sample(sample));
    }

    /// Whether a group's operation can be among the asked ones.
    pub fn admits_operation(&self, operation: Operation) -> bool {
        self.states.is_empty()
            || self.states.iter().any(|word| {
                same_word(word, operation.as_str())
                    || Operation::possible_in(&State::parse(&word.to_lowercase()))
                        .contains(&operation)
                    || Operation::possible_in(&State::parse(word)).contains(&operation)
            })
    }
}

/// Words are compared without regard to case: dumps write `IO wait` and `sync.Mutex.Lock`, people do not.
fn same_word(word: &str, other: &str) -> bool {
    word.trim().eq_ignore_ascii_case(other)
}

fn matches_any(patterns: &[Regex], frame: &Frame) -> bool {
    let name = canonical(&frame.function);
    patterns.iter().any(|pattern| pattern.is_match(&name))
}

/// Why a query of the command line cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// Not a wait.
    #[error(
        "cannot read the wait {text:?}: {found}; give whole minutes, hours or days, as 10m, 2h, 1h30m or 1d"
    )]
    Wait {
        /// As given.
        text: String,
        /// What is wrong with it.
        found: &'static str,
    },
    /// Neither a dump's nor the report's word for a state.
    #[error(
        "no goroutine is ever in the state {text:?}{hint}; give a dump's or the report's word, as one of: {known}"
    )]
    State {
        /// As given.
        text: String,
        /// `, did you mean ...`, or empty.
        hint: String,
        /// The report's words.
        known: String,
    },
    /// Not a label.
    #[error("cannot read the label {text:?}: the key is empty; give KEY or KEY=VALUE")]
    Label {
        /// As given.
        text: String,
    },
    /// Not a regular expression.
    #[error(
        "cannot read the function pattern {text:?}: {found}; give a regular expression, as ^net/http\\."
    )]
    Pattern {
        /// As given.
        text: String,
        /// What is wrong with it.
        found: String,
    },
}

/// Reads a wait: `10m`, `2h`, `1d`, `1h30m`, or plain minutes. The runtime counts whole minutes, so seconds are refused.
///
/// # Errors
///
/// For anything else, and for what does not fit 32 bits of minutes.
pub fn parse_wait_minutes(text: &str) -> Result<u32, QueryError> {
    let fail = |found| QueryError::Wait {
        text: text.to_owned(),
        found,
    };
    let mut total = 0u32;
    let mut number: Option<u32> = None;
    let trimmed = text.trim();
    for letter in trimmed.chars() {
        if let Some(digit) = letter.to_digit(10) {
            let shifted = number.unwrap_or(0).checked_mul(10);
            let grown = shifted.and_then(|shifted| shifted.checked_add(digit));
            number = Some(grown.ok_or_else(|| fail("it is too long"))?);
            continue;
        }
        let minutes = match letter {
            'm' => 1,
            'h' => 60,
            'd' => 24 * 60,
            's' => return Err(fail("the runtime does not count seconds")),
            _ => return Err(fail("it has a unit that is not known")),
        };
        let count = number
            .take()
            .ok_or_else(|| fail("a unit has no number before it"))?;
        let sum = count
            .checked_mul(minutes)
            .and_then(|minutes| total.checked_add(minutes));
        total = sum.ok_or_else(|| fail("it is too long"))?;
    }
    match number {
        Some(minutes) if trimmed.bytes().all(|byte| byte.is_ascii_digit()) => Ok(minutes),
        Some(_) => Err(fail("the last number has no unit")),
        None if trimmed.is_empty() => Err(fail("it is empty")),
        None => Ok(total),
    }
}

/// Reads `KEY` or `KEY=VALUE`; the value may hold further equals signs and may be empty.
///
/// # Errors
///
/// If the key is empty.
pub fn parse_label(text: &str) -> Result<(String, Option<String>), QueryError> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (text, None),
    };
    if key.is_empty() {
        return Err(QueryError::Label {
            text: text.to_owned(),
        });
    }
    Ok((key.to_owned(), value))
}

/// Reads a pattern that is searched for in canonical function names.
///
/// # Errors
///
/// If it is not a regular expression.
pub fn parse_pattern(text: &str) -> Result<Regex, QueryError> {
    Regex::new(text).map_err(|error| QueryError::Pattern {
        text: text.to_owned(),
        found: error.to_string(),
    })
}

/// Checks a word for a state: a dump's (`semacquire`, `sync.Mutex.Lock`) or the report's (`mutex lock`), in any case.
///
/// # Errors
///
/// For a word that neither knows, so that a slip of the pen does not silently show nothing.
pub fn parse_state(text: &str) -> Result<String, QueryError> {
    let word = text.trim();
    let mut known = Operation::ALL
        .iter()
        .map(|operation| operation.as_str())
        .chain(State::words());
    if let Some(found) = known.find(|known| same_word(word, known)) {
        return Ok(found.to_owned());
    }
    let words = Operation::ALL.map(Operation::as_str);
    let lower = word.to_lowercase();
    let near = words.iter().find(|known| {
        let known = known.to_lowercase();
        !lower.is_empty() && (known.contains(&lower) || lower.contains(&known))
    });
    Err(QueryError::State {
        text: text.to_owned(),
        hint: near.map_or(String::new(), |near| format!(", did you mean {near:?}?")),
        known: words.join(", "),
    })
}

impl Sort {
    /// Sorts groups. The order is total: what is equal by the asked measure goes by count, then site, then first sample.
    pub fn apply(self, groups: &mut [Group]) {
        groups.sort_by(|a, b| {
            let asked = match self {
                Self::Verdict => b.verdict.cmp(&a.verdict),
                Self::Count => b.count.cmp(&a.count),
                Self::Wait => longest_wait(a).cmp(&longest_wait(b)),
                Self::Function => a.site.function.cmp(&b.site.function),
            };
            asked
                .then_with(|| b.count.cmp(&a.count))
                .then_with(|| a.site.cmp(&b.site))
                .then_with(|| a.samples.cmp(&b.samples))
        });
    }
}

/// Longest first; unknown last.
fn longest_wait(group: &Group) -> Reverse<Option<u32>> {
    let range = group.waits.as_ref().and_then(|waits| waits.range());
    Reverse(range.map(|(_, longest)| longest))
}

#[cfg(test)]
mod tests;
