//! What a wrapper tells the runner of one test binary: a file of JSON.

use gorphan_model::Proof;
use gorphan_model::proof::Awaited;
use serde::{Deserialize, Serialize};

/// Version of the form; runner and wrapper are one program, so others are refused.
pub(super) const VERSION: u32 = 1;

/// One run of a test binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Of this form.
    pub version: u32,
    /// The folder it ran in: that of the package.
    pub folder: String,
    /// The executable, as `go test` named it.
    pub binary: String,
    /// As `go1.26.8`, if it was watched.
    pub go_version: Option<String>,
    /// Why its goroutines are not known; `None` if they are.
    pub unwatched: Option<Unwatched>,
    /// Tests, benchmarks and fuzz targets that were started, in order, each once.
    pub tests: Vec<String>,
    /// What was left.
    pub left: Vec<Left>,
    /// Milliseconds that the goroutines were given to end.
    pub grace_millis: u64,
    /// What went wrong without costing the record.
    pub problems: Vec<String>,
}

impl Record {
    /// Whether a report names its package.
    pub(super) fn is_told_of(&self) -> bool {
        !self.left.is_empty() || !self.problems.is_empty() || self.unwatched.is_some()
    }
}

/// Why the goroutines of a test binary are not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unwatched {
    /// It ended without `os.Exit`: a panic, a fatal signal, a time limit. `go test` shows why.
    Crashed,
    /// Its tests failed, and failing tests often leave goroutines that passing ones do not.
    TestsFailed,
    /// It exited in the middle of a test.
    MidTest,
    /// It became another program.
    Replaced,
    /// It could not be watched or read.
    Failed(String),
}

/// Goroutines of one test with one stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The test that started them, or that started who started them; `None` where no test did.
    pub test: Option<String>,
    /// A test may have started them, and cannot be told.
    pub hidden: bool,
    /// How many.
    pub count: u64,
    /// Their numbers, the first thousand.
    pub ids: Vec<u64>,
    /// The runtime's words for what they do.
    pub state: String,
    /// Innermost first.
    pub stack: Vec<Frame>,
    /// The `go` statement.
    pub created_by: Option<Frame>,
    /// What was proven of them.
    pub proof: Option<ProofRecord>,
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// As the runtime names it.
    pub function: String,
    /// As the runtime names it.
    pub file: String,
    /// From 1; 0 where unknown.
    pub line: u32,
}

impl From<&gorphan_model::Frame> for Frame {
    fn from(frame: &gorphan_model::Frame) -> Self {
        Self {
            function: frame.function.to_string(),
            file: frame.file.to_string(),
            line: frame.line,
        }
    }
}

/// What goroutines wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// For people: `chan int (cap 0)`.
    pub description: String,
    /// Where it was.
    pub address: u64,
    /// Values in a channel's buffer, and its capacity.
    pub buffer: Option<(u64, u64)>,
    /// Goroutines that wait for it.
    pub waiters: u64,
}

impl From<&Awaited> for Object {
    fn from(object: &Awaited) -> Self {
        Self {
            description: object.description.clone(),
            address: object.address,
            buffer: object.buffer,
            waiters: object.waiters,
        }
    }
}

/// What was proven of goroutines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ProofRecord {
    /// Nobody can wake them.
    Unreachable {
        /// What they wait for.
        objects: Vec<Object>,
    },
    /// Somebody could: the way there, root first.
    Reachable {
        /// What each step is, for people, and where the object is that it leads to.
        path: Vec<(String, u64)>,
    },
    /// Not decided.
    Inconclusive {
        /// Why.
        why: String,
    },
}

impl From<&Proof> for ProofRecord {
    fn from(proof: &Proof) -> Self {
        match proof {
            Proof::Unreachable(leak) => Self::Unreachable {
                objects: leak.objects.iter().map(Object::from).collect(),
            },
            Proof::Reachable(path) => Self::Reachable {
                path: path
                    .iter()
                    .map(|step| (step.description.clone(), step.address))
                    .collect(),
            },
            Proof::Inconclusive(why) => Self::Inconclusive { why: why.clone() },
        }
    }
}
