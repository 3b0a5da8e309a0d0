//! What is stored: the kinds of files, their columns and how long they are kept.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

/// A kind of file, which is a table of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Goroutines of an instance at a site.
    Observations,
    /// Targets that were reached.
    Instances,
    /// Targets that were not.
    Failures,
    /// Sites rolled up over the instances of a version.
    Points,
    /// Versions of services, whatever their sites.
    Versions,
    /// One row a sweep.
    Sweeps,
    /// Sites when they were first seen, with a stack.
    Stacks,
    /// Profiles and dumps as they were fetched.
    Captures,
}

/// How long files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// As raw data.
    Raw,
    /// As roll-ups.
    RolledUp,
    /// For good: it grows with the sites that there are, not with time.
    Always,
}

/// Columns in order; the first ones of a list of names are what its files are sorted by.
type Columns = &'static [(&'static str, Form)];

/// The form of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A moment, in milliseconds since 1970, UTC.
    Time,
    /// A text that is never null.
    Text,
    /// A number from 0.
    Count,
    /// A number.
    Number,
    /// A number with a fraction.
    Real,
    /// Bytes.
    Bytes,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Observations,
        Self::Instances,
        Self::Failures,
        Self::Points,
        Self::Versions,
        Self::Sweeps,
        Self::Stacks,
        Self::Captures,
    ];

    /// The folder of its files.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Observations => "obs",
            other => other.table(),
        }
    }

    /// Its name in queries.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Observations => "observations",
            Self::Instances => "instances",
            Self::Failures => "failures",
            Self::Points => "points",
            Self::Versions => "versions",
            Self::Sweeps => "sweeps",
            Self::Stacks => "stacks",
            Self::Captures => "captures",
        }
    }

    pub(crate) fn kept(self) -> Kept {
        match self {
            Self::Observations | Self::Instances | Self::Failures | Self::Captures => Kept::Raw,
            Self::Points | Self::Versions | Self::Sweeps => Kept::RolledUp,
            Self::Stacks => Kept::Always,
        }
    }

    /// What its files are sorted by.
    pub(crate) fn sorted_by(self) -> &'static [&'static str] {
        match self {
            Self::Observations => &[
                "service",
                "operation",
                "function",
                "file",
                "line",
                "instance",
                "at",
            ],
            Self::Instances => &["service", "instance", "at"],
            Self::Failures => &["job", "instance", "at"],
            Self::Points => &["service", "operation", "function", "at", "version"],
            Self::Versions => &["service", "at", "version"],
            Self::Sweeps => &["at"],
            Self::Stacks => &["service", "operation", "function", "file", "line"],
            Self::Captures => &["id"],
        }
    }

    pub(crate) fn columns(self) -> Columns {
        use Form::{Bytes, Count, Number, Real, Text, Time};
        match self {
            Self::Observations => &[
                ("at", Time),
                ("service", Text),
                ("instance", Text),
                ("version", Text),
                ("fingerprint", Text),
                ("operation", Text),
                ("function", Text),
                ("file", Text),
                ("line", Count),
                ("goroutines", Count),
                ("leaked", Count),
            ],
            Self::Instances => &[
                ("at", Time),
                ("job", Text),
                ("service", Text),
                ("instance", Text),
                ("version", Text),
                ("process", Text),
                ("since", Time),
                ("goroutines", Count),
            ],
            Self::Failures => &[
                ("at", Time),
                ("job", Text),
                ("instance", Text),
                ("reason", Text),
                ("attempts", Count),
            ],
            Self::Points => &[
                ("at", Time),
                ("service", Text),
                ("version", Text),
                ("fingerprint", Text),
                ("operation", Text),
                ("function", Text),
                ("instances", Count),
                ("goroutines", Count),
                ("most", Count),
                ("continuing", Count),
                ("growth", Number),
                ("growth_seconds", Real),
                ("starts", Count),
            ],
            Self::Versions => &[
                ("at", Time),
                ("service", Text),
                ("version", Text),
                ("instances", Count),
                ("continuing", Count),
                ("growth_seconds", Real),
                ("starts", Count),
            ],
            Self::Sweeps => &[
                ("at", Time),
                ("services", Count),
                ("instances", Count),
                ("failures", Count),
                ("sites", Count),
                ("observations", Count),
                ("goroutines", Count),
            ],
            Self::Stacks => &[
                ("first_seen", Time),
                ("service", Text),
                ("fingerprint", Text),
                ("operation", Text),
                ("function", Text),
                ("file", Text),
                ("line", Count),
                ("instance", Text),
                ("stack", Text),
            ],
            Self::Captures => &[
                ("id", Text),
                ("at", Time),
                ("service", Text),
                ("instance", Text),
                ("what", Text),
                ("size", Count),
                ("content", Bytes),
            ],
        }
    }

    /// Its columns as the engine has them.
    pub(crate) fn schema(self) -> SchemaRef {
        let fields = self.columns().iter().map(|(name, form)| {
            let of = match form {
                Form::Time => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
                Form::Text => DataType::Utf8View,
                Form::Count => DataType::UInt64,
                Form::Number => DataType::Int64,
                Form::Real => DataType::Float64,
                Form::Bytes => DataType::BinaryView,
            };
            Field::new(*name, of, false)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}
