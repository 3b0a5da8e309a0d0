//! What one capture saw.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::{GoroutineId, Stack, State};

/// The format that a snapshot was read from; it decides which fields can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `debug=2`, a panic, SIGQUIT, `runtime.Stack`: ids, states, waits, creators.
    Dump,
    /// `debug=1` text: counts, labels, stacks without the leading runtime frames.
    CountText,
    /// `debug=0` protobuf: counts, labels, whole stacks.
    Protobuf,
    /// Read from a process's memory.
    Memory,
}

impl Format {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dump => "debug=2",
            Self::CountText => "debug=1",
            Self::Protobuf => "debug=0",
            Self::Memory => "memory",
        }
    }
}

/// Which of the runtime's profiles a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProfileKind {
    /// All goroutines.
    Goroutine,
    /// The runtime's own leak detector (Go 1.27; 1.26 as an experiment). As protobuf or `debug=1` every sample is a
    /// leaked goroutine; as `debug=2` only those marked `(leaked)` are.
    GoroutineLeak,
}

/// One goroutine of a sample, where the source tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The goroutine's number.
    pub id: GoroutineId,
    /// The number of the goroutine that created it, where printed (Go 1.21 on).
    pub parent: Option<GoroutineId>,
}

/// The goroutines of a sample by number. Bounded: a decoder keeps the first ones and counts the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identities {
    /// Known ones, in the order of the source.
    pub known: Vec<Identity>,
    /// How many more there are whose numbers were not kept, or are not in the source.
    pub elided: u64,
}

/// How long the goroutines of a sample have waited, in whole minutes as the runtime prints them.
///
/// The runtime stamps the start of a wait at a collection, so a wait is at least what is said here. A dump prints
/// nothing below a minute; such goroutines count as 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waits {
    /// Minutes to goroutines. At most [`Waits::MAX_DISTINCT`] keys; see [`Waits::add`].
    minutes: BTreeMap<u32, u64>,
}

impl Waits {
    /// Distinct minutes kept apart. Past this, a wait is counted at the nearest shorter one that is kept, so that memory
    /// stays bounded and no wait is overstated (but for the shortest).
    pub const MAX_DISTINCT: usize = 4096;

    /// Counts `count` goroutines that have waited for `minutes`.
    pub fn add(&mut self, minutes: u32, count: u64) {
        let full = self.minutes.len() >= Self::MAX_DISTINCT;
        let key = if full && !self.minutes.contains_key(&minutes) {
            let below = self.minutes.range(..=minutes).next_back();
            let nearest = below.or_else(|| self.minutes.iter().next());
            nearest.map_or(minutes, |(kept, _)| *kept)
        } else {
            minutes
        };
        let slot = self.minutes.entry(key).or_default();
        *slot = slot.saturating_add(count);
    }

    /// Adds the waits of another sample.
    pub fn merge(&mut self, other: &Self) {
        for (minutes, count) in other.iter() {
            self.add(minutes, count);
        }
    }

    /// (minutes, goroutines), ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.minutes
            .iter()
            .map(|(minutes, count)| (*minutes, *count))
    }

    /// Shortest and longest wait in minutes; `None` when nothing was counted.
    pub fn range(&self) -> Option<(u32, u32)> {
        let (min, _) = self.minutes.first_key_value()?;
        let (max, _) = self.minutes.last_key_value()?;
        Some((*min, *max))
    }

    /// Goroutines that have waited at least `minutes`.
    pub fn at_least(&self, minutes: u32) -> u64 {
        self.minutes
            .range(minutes..)
            .fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

/// The pprof labels of a sample's goroutines, summarised: per key the values met with their counts.
///
/// Bounded, because services put request ids into labels: past [`Labels::MAX_VALUES`] values a key only counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// Sorted by key. A sample has a handful of keys, which a list holds in far less memory than a tree; it is shared by
    /// clones until one changes, as very many samples of a profile have equal labels.
    keys: Option<Arc<Vec<Label>>>,
    /// Goroutines (not keys) that carried a key that was dropped because [`Labels::MAX_KEYS`] were known.
    pub dropped: u64,
}

/// A key with its values.
type Label = (Arc<str>, LabelValues);

/// The values of one label key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelValues {
    /// Value to goroutines, for the first [`Labels::MAX_VALUES`] values met.
    pub counts: ValueCounts,
    /// Goroutines with further values.
    pub others: u64,
}

/// The values of a label with their goroutines, sorted by value. Most keys have one value per stack, which a list holds
/// in far less memory than a tree.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ValueCounts(Vec<(Arc<str>, u64)>);

impl fmt::Debug for ValueCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(value, count)| (value, count)))
            .finish()
    }
}

impl ValueCounts {
    /// (value, goroutines), by value.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.0.iter().map(|(value, count)| (value, *count))
    }

    /// The goroutines of each value, by value.
    pub fn values(&self) -> impl Iterator<Item = &u64> {
        self.0.iter().map(|(_, count)| count)
    }

    /// The goroutines with a value.
    pub fn get(&self, value: &str) -> Option<u64> {
        let at = self.find(value).ok()?;
        self.0.get(at).map(|(_, count)| *count)
    }

    /// How many values are kept.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// No value is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The goroutines of all kept values.
    pub fn sum(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Where a value is, or where it would be inserted.
    fn find(&self, value: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(value))
    }
}

impl Labels {
    /// Keys kept per sample; real programs use a handful.
    pub const MAX_KEYS: usize = 32;
    /// Values kept per key.
    pub const MAX_VALUES: usize = 16;

    /// Counts `count` goroutines labelled `key: value`.
    pub fn add(&mut self, key: &str, value: &str, count: u64) {
        self.add_made(key, value, count, || key.into(), || value.into());
    }

    /// The keys with their values, by key.
    fn known(&self) -> &[Label] {
        self.keys.as_deref().map_or(&[], Vec::as_slice)
    }

    /// As [`Labels::add`], keeping the given texts rather than copies. Says whether a key or value was new and kept, so
    /// that a decoder can bound what all its samples keep.
    pub fn add_shared(&mut self, key: &Arc<str>, value: &Arc<str>, count: u64) -> bool {
        self.add_made(key, value, count, || Arc::clone(key), || Arc::clone(value))
    }

    fn add_made(
        &mut self,
        key: &str,
        value: &str,
        count: u64,
        make_key: impl FnOnce() -> Arc<str>,
        make_value: impl FnOnce() -> Arc<str>,
    ) -> bool {
        let found = self.find(key);
        if found.is_err() && self.known().len() >= Self::MAX_KEYS {
            self.dropped = self.dropped.saturating_add(count);
            return false;
        }
        let keys = Arc::make_mut(self.keys.get_or_insert_default());
        let at = found.unwrap_or_else(|at| {
            keys.reserve_exact(1);
            keys.insert(at, (make_key(), LabelValues::default()));
            at
        });
        let Some((_, values)) = keys.get_mut(at) else {
            return false;
        };
        match values.counts.find(value) {
            Ok(known) => {
                if let Some((_, known)) = values.counts.0.get_mut(known) {
                    *known = known.saturating_add(count);
                }
                false
            }
            Err(at) if values.counts.len() < Self::MAX_VALUES => {
                values.counts.0.reserve_exact(1);
                values.counts.0.insert(at, (make_value(), count));
                true
            }
            Err(_) => {
                values.others = values.others.saturating_add(count);
                false
            }
        }
    }

    /// Where a key is, or where it would be inserted.
    fn find(&self, key: &str) -> Result<usize, usize> {
        self.known()
            .binary_search_by(|(known, _)| (**known).cmp(key))
    }

    /// Adds the labels of another sample.
    pub fn merge(&mut self, other: &Self) {
        for (key, values) in other.known() {
            for (value, count) in values.counts.iter() {
                self.add(key, value, count);
            }
            if values.others == 0 {
                continue;
            }
            let at = self.find(key).ok();
            let keys = Arc::make_mut(self.keys.get_or_insert_default());
            match at.and_then(|at| keys.get_mut(at)) {
                Some((_, mine)) => mine.others = mine.others.saturating_add(values.others),
                None => self.dropped = self.dropped.saturating_add(values.others),
            }
        }
        self.dropped = self.dropped.saturating_add(other.dropped);
    }

    /// The keys with their values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &LabelValues)> {
        self.known().iter().map(|(key, values)| (&**key, values))
    }

    /// No label was met.
    pub fn is_empty(&self) -> bool {
        self.known().is_empty()
    }

    /// Labels that all of `total` goroutines carry with one and the same value.
    pub fn common(&self, total: u64) -> impl Iterator<Item = (&str, &str)> {
        self.known().iter().filter_map(move |(key, values)| {
            let (value, count) = values.counts.iter().next()?;
            let only = values.counts.len() == 1 && values.others == 0 && count == total;
            only.then_some((&**key, &**value))
        })
    }
}

/// Goroutines with the same stack in the same state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Where they are.
    pub stack: Arc<Stack>,
    /// The runtime's word for what they do; profiles do not know it.
    pub state: Option<State>,
    /// How many goroutines; at least 1.
    pub count: u64,
    /// How many of them the runtime itself says are leaked: `(leaked)` in a dump, all of a `goroutineleak` profile.
    pub leaked: u64,
    /// In a synctest bubble, waiting for something inside of it.
    pub durable: bool,
    /// How many are locked to a thread; `None` where the source does not tell.
    pub locked_to_thread: Option<u64>,
    /// Their pprof labels.
    pub labels: Labels,
    /// How long they wait; `None` where the source does not tell.
    pub waits: Option<Waits>,
    /// Which goroutines; for a profile all are elided.
    pub identities: Identities,
    /// What was proven of them, the same for all; `None` where nothing was, or where they do not wait for another goroutine.
    pub proof: Option<Arc<crate::Proof>>,
}

/// Something in the input that could not be used, and where. What was around it is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What was found and what was done about it.
    pub message: String,
    /// The line of the input, from 1.
    pub line: Option<u64>,
    /// The address in the target's memory.
    pub address: Option<u64>,
}

impl Problem {
    /// A problem at a line of text.
    pub fn at_line(line: u64, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            line: Some(line),
            address: None,
        }
    }

    /// A problem of the whole input.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            line: None,
            address: None,
        }
    }
}

/// What one capture saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The format it was read from.
    pub format: Format,
    /// All goroutines, or those that the runtime says are leaked.
    pub profile: ProfileKind,
    /// As `go1.26.8`, where the source tells.
    pub go_version: Option<String>,
    /// Nanoseconds since the Unix epoch, where the source tells.
    pub taken_at_unix_nanos: Option<i64>,
    /// In the order in which they were first met.
    pub samples: Vec<Sample>,
    /// What could not be read, bounded by the decoder.
    pub problems: Vec<Problem>,
    /// The source ended in the middle, for example at the runtime's 64 MiB limit.
    pub truncated: bool,
    /// The line of the input at which this snapshot starts, from 1; 0 for binary formats.
    pub first_line: u64,
    /// Bytes of input, decompressed, that it was read from.
    pub bytes_read: u64,
    /// What the proven leaks hold; `None` where nothing was proven or disproven.
    pub retention: Option<Box<crate::proof::Retention>>,
}

impl Snapshot {
    /// A snapshot of nothing.
    pub fn new(format: Format, profile: ProfileKind) -> Self {
        Self {
            format,
            profile,
            go_version: None,
            taken_at_unix_nanos: None,
            samples: Vec::new(),
            problems: Vec::new(),
            truncated: false,
            first_line: 0,
            bytes_read: 0,
            retention: None,
        }
    }

    /// Goroutines in all samples.
    pub fn goroutines(&self) -> u64 {
        self.samples
            .iter()
            .fold(0, |sum, sample| sum.saturating_add(sample.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_past_the_limit_are_counted_and_never_overstated() {
        let mut waits = Waits::default();
        let distinct = Waits::MAX_DISTINCT as u32;
        for minutes in 0..distinct {
            waits.add(minutes * 2, 1);
        }
        waits.add(7, 5);
        assert_eq!(waits.at_least(0), u64::from(distinct) + 5);
        assert_eq!(waits.at_least(7), u64::from(distinct) - 4);
        assert_eq!(waits.range(), Some((0, (distinct - 1) * 2)));
    }

    #[test]
    fn labels_are_common_only_when_every_goroutine_agrees() {
        let mut labels = Labels::default();
        labels.add("svc", "checkout", 2);
        labels.add("req", "1", 1);
        labels.add("req", "2", 1);
        labels.add("rare", "x", 1);
        assert_eq!(labels.common(2).collect::<Vec<_>>(), [("svc", "checkout")]);
    }

    #[test]
    fn label_values_past_the_limit_are_only_counted() {
        let mut labels = Labels::default();
        for request in 0..1000 {
            labels.add("req", &request.to_string(), 1);
        }
        let (_, values) = labels.iter().next().expect("one key");
        assert_eq!(values.counts.len(), Labels::MAX_VALUES);
        assert_eq!(values.others, 1000 - Labels::MAX_VALUES as u64);
    }
}
