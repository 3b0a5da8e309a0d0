//! What the rules may know of a group besides the group itself: who started its goroutines, and where those are now.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use crate::{GoroutineId, Group, Operation, Sample, Snapshot, Stack, operation, symbol};

/// A snapshot with the look-ups that the rules share. Each is built when a rule first asks.
pub(super) struct Census<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// All goroutines; at least 1, so that a share can be taken.
    pub(super) total: u64,
    operations: OnceCell<Vec<Operation>>,
    samples_by_id: OnceCell<HashMap<u64, usize>>,
    busy_starts: OnceCell<HashSet<(u64, &'a str)>>,
    functions: OnceCell<HashSet<String>>,
    deserted: OnceCell<bool>,
    holders: OnceCell<u64>,
}

/// What became of the functions that started a group's goroutines: the `go` statement's function and goroutine.
///
/// Each goroutine is counted once. Where the source has no ids all are `unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Starters {
    /// The goroutine that started it has ended.
    pub(super) ended: u64,
    /// The goroutine that started it lives, but has nothing but the standard library on its stack: a connection of the
    /// HTTP server between two requests.
    pub(super) elsewhere: u64,
    /// The goroutine that started it lives and runs other code of the program; the function with the `go` has returned.
    pub(super) returned: u64,
    /// The function with the `go` is still running.
    pub(super) present: u64,
    /// Not told by the source.
    pub(super) unknown: u64,
    /// Of `ended` and `elsewhere`, those without a busy sibling: nothing that the same function of the same goroutine
    /// started waits for I/O, sleeps or runs. A connection's writer is not lost while its reader reads.
    pub(super) alone: u64,
    /// Distinct goroutines that started those in `alone`.
    pub(super) alone_creators: u64,
}

impl Starters {
    /// Whose starting function is known to have returned.
    pub(super) fn gone(&self) -> u64 {
        self.ended
            .saturating_add(self.elsewhere)
            .saturating_add(self.returned)
    }
}

impl<'a> Census<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            total: snapshot.goroutines().max(1),
            operations: OnceCell::new(),
            samples_by_id: OnceCell::new(),
            busy_starts: OnceCell::new(),
            functions: OnceCell::new(),
            deserted: OnceCell::new(),
            holders: OnceCell::new(),
        }
    }

    /// The part of all goroutines that `count` is, 0 to 1.
    pub(super) fn share(&self, count: u64) -> f64 {
        (count as f64 / self.total as f64).min(1.0)
    }

    pub(super) fn samples<'g>(
        &self,
        group: &'g Group,
    ) -> impl Iterator<Item = &'a Sample> + use<'a, 'g> {
        let snapshot = self.snapshot;
        group
            .samples
            .iter()
            .filter_map(move |index| snapshot.samples.get(*index))
    }

    /// Goroutines of the group without the program's main goroutine, which may idle as it likes.
    pub(super) fn without_main(&self, group: &Group) -> u64 {
        let mains = self
            .samples(group)
            .filter(|sample| is_main(&sample.stack))
            .fold(0_u64, |sum, sample| sum.saturating_add(sample.count));
        group.count.saturating_sub(mains)
    }

    fn operations(&self) -> &[Operation] {
        self.operations.get_or_init(|| {
            let samples = self.snapshot.samples.iter();
            samples
                .map(|sample| operation::classify(sample.state.as_ref(), &sample.stack))
                .collect()
        })
    }

    fn samples_by_id(&self) -> &HashMap<u64, usize> {
        self.samples_by_id.get_or_init(|| {
            let mut by_id = HashMap::new();
            for (index, sample) in self.snapshot.samples.iter().enumerate() {
                for identity in &sample.identities.known {
                    by_id.insert(identity.id.0, index);
                }
            }
            by_id
        })
    }

    /// The sample of a goroutine by number.
    pub(super) fn sample_of(&self, goroutine: GoroutineId) -> Option<&'a Sample> {
        let index = self.samples_by_id().get(&goroutine.0)?;
        self.snapshot.samples.get(*index)
    }

    /// (goroutine, package of the `go` statement) that started something which is not waiting for another goroutine.
    fn busy_starts(&self) -> &HashSet<(u64, &'a str)> {
        self.busy_starts.get_or_init(|| {
            let snapshot = self.snapshot;
            let mut busy = HashSet::new();
            for (sample, operation) in snapshot.samples.iter().zip(self.operations()) {
                let Some(created_by) = &sample.stack.created_by else {
                    continue;
                };
                if operation.waits_for_goroutine() {
                    continue;
                }
                let package = symbol::package(&created_by.function);
                let parents = sample.identities.known.iter().filter_map(|one| one.parent);
                busy.extend(parents.map(|parent| (parent.0, package)));
            }
            busy
        })
    }

    /// Whether nobody is left who could come to receive, or to unlock: no goroutine of the program runs, sleeps, waits for
    /// I/O, or waits in a receive or select, which a timer can end. Goroutines with nothing but the standard library on
    /// their stacks are not the program's.
    ///
    /// The main goroutine is not asked, as it often waits for a signal or for standard input; nor are goroutines that
    /// take a profile.
    pub(super) fn is_deserted(&self) -> bool {
        *self.deserted.get_or_init(|| {
            let mut samples = self.snapshot.samples.iter().zip(self.operations());
            samples.all(|(sample, operation)| {
                let stuck = operation.waits_for_goroutine()
                    && !matches!(operation, Operation::ChanReceive | Operation::Select);
                stuck
                    || is_main(&sample.stack)
                    || is_standard_only(&sample.stack)
                    || takes_profile(&sample.stack)
            })
        })
    }

    /// Goroutines that can hold what a library gave them, such as a response: those of the program, and those in which the
    /// standard library handles a request or copies a stream by itself.
    pub(super) fn holders(&self) -> u64 {
        *self.holders.get_or_init(|| {
            let samples = self.snapshot.samples.iter();
            samples
                .filter(|sample| {
                    !is_standard_only(&sample.stack) || handles_or_copies(&sample.stack)
                })
                .fold(0, |sum, sample| sum.saturating_add(sample.count))
        })
    }

    /// Whether a function, by canonical name, is on any stack of the snapshot.
    pub(super) fn runs_anywhere(&self, function: &str) -> bool {
        let functions = self.functions.get_or_init(|| {
            let frames = self.snapshot.samples.iter().flat_map(|s| &s.stack.frames);
            let raw: HashSet<&str> = frames.map(|frame| &*frame.function).collect();
            raw.into_iter()
                .map(|name| symbol::canonical(name).into_owned())
                .collect()
        });
        functions.contains(function)
    }

    /// What became of those who started the goroutines of `group`.
    pub(super) fn starters(&self, group: &Group) -> Starters {
        let mut starters = Starters::default();
        let mut creators = HashSet::new();
        // Known only where every goroutine's number is, so that an unknown number is that of one which has ended.
        let complete = group.orphans.is_some();
        for sample in self.samples(group) {
            let known = sample.identities.known.len() as u64;
            starters.unknown = starters
                .unknown
                .saturating_add(sample.count.saturating_sub(known));
            let Some(created_by) = &sample.stack.created_by else {
                starters.unknown = starters.unknown.saturating_add(known);
                continue;
            };
            let package = symbol::package(&created_by.function);
            let mut seen: HashMap<usize, Whereabouts> = HashMap::new();
            for identity in &sample.identities.known {
                let Some(parent) = identity.parent else {
                    starters.unknown = starters.unknown.saturating_add(1);
                    continue;
                };
                let whereabouts = match self.samples_by_id().get(&parent.0) {
                    None if !complete => Whereabouts::Unknown,
                    None => Whereabouts::Ended,
                    Some(index) => *seen
                        .entry(*index)
                        .or_insert_with(|| self.whereabouts(*index, &created_by.function)),
                };
                starters.count(whereabouts);
                let lost = matches!(whereabouts, Whereabouts::Ended | Whereabouts::Elsewhere);
                if lost && !self.busy_starts().contains(&(parent.0, package)) {
                    starters.alone = starters.alone.saturating_add(1);
                    creators.insert(parent.0);
                }
            }
        }
        starters.alone_creators = creators.len() as u64;
        starters
    }

    /// Where a living goroutine is, seen from the function in which it once said `go`.
    fn whereabouts(&self, sample: usize, starter: &str) -> Whereabouts {
        let Some(sample) = self.snapshot.samples.get(sample) else {
            return Whereabouts::Unknown;
        };
        if sample.stack.elided.is_some() || sample.stack.frames.is_empty() {
            return Whereabouts::Unknown;
        }
        let starter = symbol::canonical(starter);
        let frames = &sample.stack.frames;
        if frames
            .iter()
            .any(|frame| symbol::canonical(&frame.function) == starter)
        {
            Whereabouts::Present
        } else if is_standard_only(&sample.stack) {
            Whereabouts::Elsewhere
        } else {
            Whereabouts::Returned
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whereabouts {
    Ended,
    Elsewhere,
    Returned,
    Present,
    Unknown,
}

impl Starters {
    fn count(&mut self, whereabouts: Whereabouts) {
        let slot = match whereabouts {
            Whereabouts::Ended => &mut self.ended,
            Whereabouts::Elsewhere => &mut self.elsewhere,
            Whereabouts::Returned => &mut self.returned,
            Whereabouts::Present => &mut self.present,
            Whereabouts::Unknown => &mut self.unknown,
        };
        *slot = slot.saturating_add(1);
    }
}

/// The first path elements of the standard library's packages, Go 1.2 to 1.27.
const STANDARD: [&str; 46] = [
    "archive",
    "bufio",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "strconv",
    "strings",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
];

/// No frame of the program or of a module.
fn is_standard_only(stack: &Stack) -> bool {
    let mut written = stack
        .frames
        .iter()
        .filter(|frame| !frame.is_made_by_toolchain());
    written.all(|frame| {
        let package = symbol::package(&frame.function);
        let first = package.split('/').next().unwrap_or_default();
        STANDARD.contains(&first) || package.starts_with("golang.org/x/")
    })
}

fn handles_or_copies(stack: &Stack) -> bool {
    stack.frames.iter().any(|frame| {
        &*frame.function == "net/http.serverHandler.ServeHTTP"
            || matches!(symbol::package(&frame.function), "io" | "net/http/httputil")
    })
}

fn takes_profile(stack: &Stack) -> bool {
    stack.frames.iter().any(|frame| {
        matches!(
            symbol::package(&frame.function),
            "runtime/pprof" | "net/http/pprof"
        )
    })
}

/// The main goroutine: nobody created it, and `main.main` or an `init` started by `runtime.main` is on its stack.
pub(crate) fn is_main(stack: &Stack) -> bool {
    let outermost = stack.frames.iter().rev();
    stack.created_by.is_none()
        && outermost
            .take(2)
            .any(|frame| matches!(&*frame.function, "main.main" | "runtime.main"))
}

/// The function that wrote the `go` statement: the creator where the source has it, else the function around the
/// outermost closure (`main.f` of `main.f.func1`). `None` where a profile shows a named function: anyone may start it.
pub(super) fn starting_function(group: &Group) -> Option<String> {
    if let Some(created_by) = &group.created_by {
        return Some(symbol::canonical(&created_by.function).into_owned());
    }
    let outermost = group
        .stack
        .frames
        .iter()
        .rev()
        .map(|frame| symbol::canonical(&frame.function))
        .find(|name| symbol::package(name) != "runtime")?;
    let (around, closure) = outermost.rsplit_once(".func")?;
    let numbered = !closure.is_empty() && closure.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    numbered.then(|| around.to_owned())
}
