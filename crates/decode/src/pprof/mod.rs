//! The protobuf format (`debug=0`, `goroutineleak`), decompressed.
//!
//! Source: `proto/profile.proto` of github.com/google/pprof; field numbers below are its own. The reader borrows from
//! the bytes and goes over them twice: once for the tables (strings, functions, locations, mappings), which writers put
//! in any order, and once for the samples.

mod labels;
mod samples;
mod sniff;
mod tables;
mod wire;

use gorphan_model::{Format, Problem, ProfileKind, Snapshot};

use crate::{Error, Options};

pub(crate) use sniff::looks_like_profile;
use tables::Tables;
use wire::Value;

/// Fields of the message `Profile`.
mod field {
    pub(super) const SAMPLE_TYPE: u64 = 1;
    pub(super) const SAMPLE: u64 = 2;
    pub(super) const MAPPING: u64 = 3;
    pub(super) const LOCATION: u64 = 4;
    pub(super) const FUNCTION: u64 = 5;
    pub(super) const STRING_TABLE: u64 = 6;
    pub(super) const TIME_NANOS: u64 = 9;
    pub(super) const PERIOD_TYPE: u64 = 11;
}

/// Sample types named in an error; profiles of other kinds have at most four.
const SHOWN_SAMPLE_TYPES: usize = 8;

/// Reads one profile.
///
/// The snapshot has one sample per distinct stack, in the order of the profile, with its labels summarised. The format
/// knows neither states nor waits, creators or goroutine numbers, so those are `None`, and every identity is elided. A
/// sample that is damaged costs that sample, with a problem; a profile that ends in the middle gives what came before.
///
/// # Errors
/// [`Error::NotGoroutines`] for a profile of something else, [`Error::Damaged`] when damage leaves nothing to say what
/// the profile is, [`Error::TooLarge`] past [`crate::Limits::profile_bytes`], and [`Error::Empty`] for no bytes.
pub fn read(profile: &[u8], options: &Options) -> Result<Snapshot, Error> {
    if profile.is_empty() {
        return Err(Error::Empty);
    }
    let limit_bytes = options.limits.profile_bytes;
    if profile.len() as u64 > limit_bytes {
        return Err(Error::TooLarge {
            what: "the profile",
            limit_bytes,
        });
    }
    let tables = Tables::read(profile, options.limits.total_frames);
    let (kind, value_index) = kind(&tables)?;
    let mut snapshot = Snapshot::new(Format::Protobuf, kind);
    snapshot.taken_at_unix_nanos = tables.time_nanos;
    snapshot.bytes_read = profile.len() as u64;
    let mut problems = Problems::new(options.limits.problems);
    if let Some((offset, what)) = tables.damage {
        snapshot.truncated = true;
        problems.add(|| {
            format!("the profile is damaged at byte {offset}: {what}; what follows is lost")
        });
    }
    if tables.full {
        problems.add(|| {
            format!(
                "the profile has more than {} strings, functions or locations; the samples that use further ones are \
                 left out",
                tables::MAX_ENTRIES
            )
        });
    }
    samples::read(
        profile,
        tables,
        value_index,
        options,
        &mut snapshot,
        &mut problems,
    );
    snapshot.problems = problems.finish();
    Ok(snapshot)
}

/// Which profile it is, and which of a sample's values counts goroutines.
fn kind(tables: &Tables<'_>) -> Result<(ProfileKind, usize), Error> {
    let named = |name: &[u8]| match name {
        b"goroutine" | b"goroutines" => Some(ProfileKind::Goroutine),
        b"goroutineleak" => Some(ProfileKind::GoroutineLeak),
        _ => None,
    };
    let types = &tables.sample_types;
    for (index, (name, _)) in types.iter().enumerate() {
        if let Some(kind) = tables.string(*name).and_then(named) {
            return Ok((kind, index));
        }
    }
    if types.is_empty()
        && let Some(kind) = tables
            .period_type
            .and_then(|name| tables.string(name))
            .and_then(named)
    {
        return Ok((kind, 0));
    }
    let nameless = types.iter().all(|(name, _)| tables.string(*name).is_none());
    match tables.damage {
        Some((offset, what)) if nameless => Err(Error::Damaged {
            offset,
            what: what.to_owned(),
        }),
        _ => Err(Error::NotGoroutines {
            found: describe(tables),
        }),
    }
}

/// The profile's name, where its sample types tell, and the sample types.
fn describe(tables: &Tables<'_>) -> String {
    let text = |index: u64| match tables.string(index) {
        Some(name) => String::from_utf8_lossy(name).chars().take(40).collect(),
        None => String::from("?"),
    };
    let types: Vec<String> = tables
        .sample_types
        .iter()
        .take(SHOWN_SAMPLE_TYPES)
        .map(|(name, unit)| {
            format!("{}/{}", text(*name), text(*unit))
                .escape_debug()
                .to_string()
        })
        .collect();
    if types.is_empty() {
        return String::from("nothing that it names");
    }
    let has = |name: &str| types.iter().any(|shown| shown.starts_with(name));
    let name = if has("inuse_") || has("alloc_") {
        "the heap "
    } else if has("cpu/") {
        "the CPU "
    } else if has("contentions/") || has("delay/") {
        "contention (mutex or block) "
    } else if has("threadcreate/") {
        "thread creation "
    } else {
        ""
    };
    format!("{name}({})", types.join(", "))
}

/// Problems up to a limit; past it they are only counted.
pub(crate) struct Problems {
    kept: Vec<Problem>,
    limit: usize,
    more: u64,
}

impl Problems {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            kept: Vec::new(),
            limit,
            more: 0,
        }
    }

    /// Keeps a problem; the message is made only if it is kept.
    pub(crate) fn add(&mut self, message: impl FnOnce() -> String) {
        self.add_problem(|| Problem::new(message()));
    }

    /// Keeps a problem; it is made only if it is kept.
    pub(crate) fn add_problem(&mut self, problem: impl FnOnce() -> Problem) {
        // One place is left for the count of the rest.
        if self.kept.len() + 1 < self.limit {
            self.kept.push(problem());
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// The problems, the last of which counts those not kept.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        if self.more > 0 && self.limit > 0 {
            self.kept.push(Problem::new(format!(
                "{} more problems are not shown",
                self.more
            )));
        }
        self.kept
    }
}

/// The text of a field that is a number in two's complement.
fn signed(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Varint(number) => Some(number.cast_signed()),
        _ => None,
    }
}
