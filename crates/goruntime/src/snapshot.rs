//! From a copy to a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use gorphan_model::{
    Elision, Format, Frame, GoroutineId, Identities, Identity, Labels, Problem, ProfileKind,
    Sample, Snapshot, Stack, State, Status, WaitReason, Waits,
};

use crate::goroutine::{Goroutine, Machine};
use crate::heap::prove::Outcome;
use crate::heap::work::each;
use crate::image::pclntab::{Call, Code, Work};
use crate::labels::{self, Label};
use crate::near::{NearStacks, TOUCHED_AT_ONCE};
use crate::stack::{Cut, Physical, Unwinder};
use crate::{Address, Detail, Details, Error, Frozen, Runtime, Thread};

/// Goroutines of one part of a snapshot, which a thread makes alone. Their number says which of very many label values are kept,
/// so it does not depend on threads.
const GOROUTINES_PER_PART: usize = 8192;
/// Problems that are kept; more are only counted.
const MAX_PROBLEMS: usize = 1000;
/// Nanoseconds of the unit that the runtime prints waits in.
const MINUTE_NANOS: u64 = 60_000_000_000;

/// Reasons of waits that only the goroutine's own bubble can end, besides those whose words say so: `isIdleInSynctest` of
/// `runtime/runtime2.go` (Go 1.25 to 1.27).
const IDLE_IN_BUBBLE: [&str; 8] = [
    "chan receive (nil chan)",
    "chan send (nil chan)",
    "select (no cases)",
    "sleep",
    "sync.Cond.Wait",
    "coroutine",
    "synctest.Run",
    "synctest.Wait",
];

/// `isSystemGoroutine` of `runtime/traceback.go`, by the function that the goroutine started with. One that runs finalizers or
/// cleanups is the user's as long as it is in the user's code.
pub(crate) fn is_system(start: &str, only_runtime: bool) -> bool {
    match start {
        "runtime.main" | "runtime.corostart" | "runtime.handleAsyncEvent" => false,
        "runtime.runfinq" | "runtime.runFinalizers" | "runtime.runCleanups" => only_runtime,
        _ => start.starts_with("runtime."),
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    frames: Vec<Physical>,
    created_at: u64,
    status: Status,
    wait_reason: u8,
    durable: bool,
    cut: bool,
    outcome: Outcome,
}

struct Builder<'a> {
    runtime: &'a Runtime,
    /// That of the goroutine that is looked at.
    outcome: Outcome,
    frozen: &'a Frozen,
    near: NearStacks,
    unwinder: Unwinder<'a>,
    threads: HashMap<u64, Thread>,
    samples: HashMap<Key, usize, RandomState>,
    labels: HashMap<u64, Vec<Label>, RandomState>,
    names: HashMap<&'a str, Arc<str>>,
    /// By address the function that a goroutine started with.
    starts: HashMap<u64, Option<&'a str>, RandomState>,
    /// States by status, wait reason, and whether it is in a bubble.
    states: HashMap<(Status, u8, bool), (State, bool), RandomState>,
    frames: HashMap<Call<'a>, Frame>,
    /// Room for the frames of a goroutine: most have a sample already.
    spare: Vec<Physical>,
    snapshot: Snapshot,
    details: Details,
    problems_elided: u64,
}

/// What was made of some goroutines that follow each other.
struct Part {
    /// In the order of the samples.
    keys: Vec<Key>,
    samples: Vec<Sample>,
    problems: Vec<Problem>,
    problems_elided: u64,
    details: Details,
}

/// What one thread works with, and has made: parts by their numbers.
#[derive(Default)]
struct Hand<'a> {
    builder: Option<Builder<'a>>,
    parts: Vec<(usize, Part)>,
}

/// Builds the snapshot of a copy, on so many threads. Goroutines of different outcomes never share a sample; they are given in
/// the order of the copy's list of goroutines, and those that are missing count as none.
pub(crate) fn build(
    runtime: &Runtime,
    frozen: &Frozen,
    outcomes: &[Outcome],
    threads: usize,
) -> Result<(Snapshot, Details), Error> {
    let work = Work::new();
    let code = runtime.code(&work)?;
    let chunks: Vec<&[Address]> = frozen.goroutines.chunks(GOROUTINES_PER_PART).collect();
    let hands = each(threads, chunks.len(), |hand: &mut Hand<'_>, number| {
        let builder = hand
            .builder
            .get_or_insert_with(|| Builder::new(runtime, frozen, code));
        let pointers = chunks.get(number).copied().unwrap_or_default();
        let first = number * GOROUTINES_PER_PART;
        for (few, first) in pointers
            .chunks(TOUCHED_AT_ONCE)
            .zip((first..).step_by(TOUCHED_AT_ONCE))
        {
            runtime.touch(frozen, few, &builder.near);
            for (pointer, index) in few.iter().zip(first..) {
                builder.outcome = outcomes.get(index).copied().unwrap_or_default();
                builder.goroutine(*pointer);
            }
        }
        hand.parts.push((number, builder.take()));
    });
    let mut parts: Vec<(usize, Part)> = hands.into_iter().flat_map(|hand| hand.parts).collect();
    parts.sort_by_key(|(number, _)| *number);
    let mut snapshot = Snapshot::new(Format::Memory, ProfileKind::Goroutine);
    snapshot.go_version = Some(runtime.image().go_version().to_owned());
    snapshot.bytes_read = frozen.copied_bytes();
    let oddities = runtime.oddities.iter();
    snapshot
        .problems
        .extend(oddities.map(|oddity| Problem::new(oddity.clone())));
    let mut details = Details::default();
    let mut elided = 0;
    let mut known = HashMap::default();
    for (_, part) in parts {
        elided += join(part, &mut known, &mut snapshot, &mut details);
    }
    if work.is_exhausted() {
        let message = "the function table takes longer to read than it should; some names, lines and frames are missing";
        snapshot.problems.push(Problem::new(message));
    }
    if elided > 0 {
        let more = format!("{elided} further problems are not shown");
        snapshot.problems.push(Problem::new(more));
    }
    Ok((snapshot, details))
}

/// Adds a part to what those before it made, and says how many problems were left out.
fn join(
    part: Part,
    known: &mut HashMap<Key, usize, RandomState>,
    snapshot: &mut Snapshot,
    details: &mut Details,
) -> u64 {
    let mut places = Vec::with_capacity(part.keys.len());
    for (key, sample) in part.keys.into_iter().zip(part.samples) {
        let next = snapshot.samples.len();
        let at = *known.entry(key).or_insert(next);
        places.push(at);
        match snapshot.samples.get_mut(at) {
            Some(same) => add(same, sample),
            None => snapshot.samples.push(sample),
        }
    }
    details.system += part.details.system;
    for mut one in part.details.goroutines {
        one.sample = places.get(one.sample).copied().unwrap_or_default();
        details.goroutines.push(one);
    }
    let room = MAX_PROBLEMS.saturating_sub(snapshot.problems.len());
    let left_out = part.problems.len().saturating_sub(room) as u64;
    snapshot
        .problems
        .extend(part.problems.into_iter().take(room));
    left_out + part.problems_elided
}

/// Counts goroutines of the same key as others.
fn add(same: &mut Sample, sample: Sample) {
    same.count += sample.count;
    same.leaked += sample.leaked;
    if let Some((all, more)) = same.locked_to_thread.as_mut().zip(sample.locked_to_thread) {
        *all += more;
    }
    same.labels.merge(&sample.labels);
    if let Some((all, more)) = same.waits.as_mut().zip(sample.waits) {
        all.merge(&more);
    }
    same.identities.known.extend(sample.identities.known);
}

impl<'a> Builder<'a> {
    fn new(runtime: &'a Runtime, frozen: &'a Frozen, code: Code<'a>) -> Self {
        let threads = frozen.threads.iter();
        Self {
            runtime,
            outcome: Outcome::default(),
            frozen,
            near: NearStacks::default(),
            unwinder: Unwinder::new(code, frozen.bias.0, runtime.minor),
            threads: threads.map(|thread| (thread.tid, thread.clone())).collect(),
            samples: HashMap::default(),
            labels: HashMap::default(),
            names: HashMap::new(),
            starts: HashMap::default(),
            states: HashMap::default(),
            frames: HashMap::new(),
            spare: Vec::new(),
            snapshot: Snapshot::new(Format::Memory, ProfileKind::Goroutine),
            details: Details::default(),
            problems_elided: 0,
        }
    }

    /// Gives what was made since the last time.
    fn take(&mut self) -> Part {
        let mut keys: Vec<(Key, usize)> = self.samples.drain().collect();
        keys.sort_unstable_by_key(|(_, at)| *at);
        Part {
            keys: keys.into_iter().map(|(key, _)| key).collect(),
            samples: std::mem::take(&mut self.snapshot.samples),
            problems: std::mem::take(&mut self.snapshot.problems),
            problems_elided: std::mem::take(&mut self.problems_elided),
            details: std::mem::take(&mut self.details),
        }
    }

    fn problem(&mut self, address: Address, message: String) {
        if self.snapshot.problems.len() >= MAX_PROBLEMS {
            self.problems_elided += 1;
            return;
        }
        self.snapshot.problems.push(Problem {
            message,
            line: None,
            address: Some(address.0),
        });
    }

    fn goroutine(&mut self, pointer: Address) {
        let layout = &self.runtime.layout.g;
        let bytes = self
            .frozen
            .slice_near(&self.near.goroutine, pointer, layout.bytes.into());
        let parsed = bytes.and_then(|bytes| Goroutine::parse(layout, pointer, bytes));
        let Some(one) = parsed else {
            self.problem(
                pointer,
                "a goroutine cannot be read; it is left out".to_owned(),
            );
            return;
        };
        if one.is_dead() {
            return;
        }
        let machine = self.runtime.machine(self.frozen, &one);
        let (frames, cut) = self.stack(&one, machine.as_ref());
        let unwinder = &self.unwinder;
        let start = self.starts.entry(one.start);
        let start = *start.or_insert_with(|| unwinder.function(one.start));
        if start.is_some_and(|start| is_system(start, self.only_runtime(&frames))) {
            self.details.system += 1;
            return;
        }
        let at = self.sample(&one, frames, cut);
        self.count(&one, at);
        let locked = (one.locked_m != 0)
            .then(|| Machine::read(self.frozen, &self.runtime.layout.m, one.locked_m).ok());
        let thread = machine.or(locked.flatten()).map(|machine| machine.thread);
        self.details.goroutines.push(Detail {
            id: GoroutineId(one.id),
            g: pointer,
            sample: at,
            tid: thread,
            parent: one.parent.map(GoroutineId),
            labels: one.labels,
            stack_bytes: one.stack_high.saturating_sub(one.stack_low),
        });
    }

    /// Whether no frame is the user's.
    fn only_runtime(&self, frames: &[Physical]) -> bool {
        frames
            .iter()
            .filter_map(|frame| self.unwinder.linked_function(frame.pc))
            .all(|name| name.starts_with("runtime.") || name.starts_with("reflect."))
    }

    /// The frames, and whether they end too early.
    fn stack(&mut self, one: &Goroutine, machine: Option<&Machine>) -> (Vec<Physical>, bool) {
        let Some(start) = one.begin(machine, &self.threads) else {
            // A dump says of these as well that the stack is unavailable; others have none yet.
            if !matches!(one.status, Status::Running | Status::Idle) {
                let message = format!("goroutine {} has no stack that is known", one.id);
                self.problem(one.address, message);
            }
            return (Vec::new(), false);
        };
        let sp = Address(start.place.sp);
        let whole = one.stack_high.saturating_sub(sp.0);
        let length = whole.min(self.frozen.stack_bytes);
        let bytes = self.frozen.slice_near(&self.near.stack, sp, length);
        let bytes = bytes.unwrap_or_default();
        let mut frames = std::mem::take(&mut self.spare);
        let Some(cut) = self.unwinder.unwind(start, bytes, &mut frames) else {
            return (frames, false);
        };
        let (address, what) = match cut {
            Cut::UnknownCode(at) => (at, "there is no Go function at this address".to_owned()),
            Cut::FrameSize(at) => (at, "the size of this frame is not known".to_owned()),
            Cut::NotCopied(at) if length < whole && !bytes.is_empty() => {
                let limit = self.frozen.stack_bytes;
                (
                    at,
                    format!("of {whole} bytes of stack the first {limit} were copied"),
                )
            }
            Cut::NotCopied(at) => (at, "its stack cannot be read there".to_owned()),
        };
        let message = format!("the stack of goroutine {} is cut off: {what}", one.id);
        self.problem(address, message);
        (frames, true)
    }

    /// The sample of a goroutine: the one of others with the same stack and state.
    fn sample(&mut self, one: &Goroutine, frames: Vec<Physical>, cut: bool) -> usize {
        let waits = matches!(one.status, Status::Waiting | Status::Leaked);
        let reason = if waits { one.wait_reason } else { 0 };
        let kind = (one.status, reason, one.in_bubble);
        let durable = match self.states.get(&kind) {
            Some((_, durable)) => *durable,
            None => {
                let made = self.state(one, reason);
                self.states.entry(kind).or_insert(made).1
            }
        };
        let key = Key {
            frames,
            created_at: if one.id == 1 { 0 } else { one.created_at },
            status: one.status,
            wait_reason: reason,
            durable,
            cut,
            outcome: self.outcome,
        };
        if let Some(known) = self.samples.get(&key) {
            self.spare = key.frames;
            return *known;
        }
        let calls = self.unwinder.shown(&key.frames);
        let frames: Vec<Frame> = calls.iter().map(|call| self.frame(call)).collect();
        let creator = self.unwinder.creator(key.created_at);
        let elided = cut.then_some(Elision {
            at: frames.len(),
            count: None,
        });
        let stack = Stack {
            created_by: creator.map(|call| self.frame(&call)),
            frames: frames.into(),
            elided,
            ancestors: Vec::new(),
        };
        let at = self.snapshot.samples.len();
        self.snapshot.samples.push(Sample {
            stack: Arc::new(stack),
            state: self.states.get(&kind).map(|(state, _)| state.clone()),
            count: 0,
            leaked: 0,
            durable,
            locked_to_thread: Some(0),
            proof: None,
            labels: Labels::default(),
            waits: Some(Waits::default()),
            identities: Identities::default(),
        });
        self.samples.insert(key, at);
        at
    }

    /// The state in the runtime's words, and whether only the goroutine's bubble can end it.
    fn state(&self, one: &Goroutine, reason: u8) -> (State, bool) {
        if reason == 0 {
            return (State::Status(one.status), false);
        }
        let Some(words) = self.runtime.wait_reason(reason) else {
            let unknown = format!("unknown wait reason {reason}").into();
            return (State::Waiting(WaitReason::Other(unknown)), false);
        };
        let bare = words.strip_suffix(" (durable)");
        let bare = bare.or_else(|| words.strip_suffix(" (synctest)"));
        let idle = self.runtime.minor >= 25 && IDLE_IN_BUBBLE.contains(&words);
        let durable = bare.is_some() || (one.in_bubble && idle && one.status == Status::Waiting);
        (State::parse(bare.unwrap_or(words)), durable)
    }

    /// The frame of a call; equal ones are one.
    fn frame(&mut self, call: &Call<'a>) -> Frame {
        if let Some(known) = self.frames.get(call) {
            return known.clone();
        }
        // Dumps print it so (`printFuncName` of runtime/traceback.go).
        let name = match call.name {
            "runtime.gopanic" => "panic",
            name => name,
        };
        let mut shared = |text: &'a str| {
            let known = self.names.entry(text).or_insert_with(|| text.into());
            Arc::clone(known)
        };
        let frame = Frame::new(shared(name), shared(call.file), call.line);
        self.frames.insert(*call, frame.clone());
        frame
    }

    /// Counts a goroutine in its sample.
    fn count(&mut self, one: &Goroutine, at: usize) {
        if one.labels != 0 && !self.labels.contains_key(&one.labels) {
            let are_map = self.runtime.layout.labels_are_map;
            let read = labels::read(self.frozen, one.labels, are_map);
            if let Err(error) = &read {
                let message = format!("the labels of goroutine {}: {error}", one.id);
                self.problem(Address(one.labels), message);
            }
            self.labels.insert(one.labels, read.unwrap_or_default());
        }
        let Some(sample) = self.snapshot.samples.get_mut(at) else {
            return;
        };
        sample.count += 1;
        sample.leaked += u64::from(one.status == Status::Leaked);
        if let (true, Some(locked)) = (one.locked_m != 0, &mut sample.locked_to_thread) {
            *locked += 1;
        }
        for (key, value) in self.labels.get(&one.labels).into_iter().flatten() {
            sample.labels.add(key, value, 1);
        }
        let timed = matches!(
            one.status,
            Status::Waiting | Status::Syscall | Status::Leaked
        );
        let minutes = if timed && one.wait_since != 0 {
            self.frozen.now_nanos.saturating_sub(one.wait_since) / MINUTE_NANOS
        } else {
            0
        };
        if let Some(waits) = &mut sample.waits {
            waits.add(u32::try_from(minutes).unwrap_or(u32::MAX), 1);
        }
        sample.identities.known.push(Identity {
            id: GoroutineId(one.id),
            parent: one.parent.map(GoroutineId),
        });
    }
}
