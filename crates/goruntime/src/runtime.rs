//! The Go runtime of an executable: where its variables are, how its structs lie, and copying what they hold.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use gorphan_model::{GoroutineId, Snapshot};

use crate::frozen::{self, Copier, Key};
use crate::goroutine::{Goroutine, Machine, Start};
use crate::image::pclntab::{Code, Table, Work};
use crate::layout::{self, Layout};
use crate::memory::word_at;
use crate::variables::{self, Variables};
use crate::{
    Address, Depth, Error, Frozen, GoVersion, Image, Limits, Memory, Moment, Room, heap, labels,
    snapshot,
};

/// Pointers of the list of goroutines that are read at once.
const POINTERS_PER_READ: u64 = 1 << 20;
/// Goroutines that are looked at before it is asked again whether there is time: some milliseconds.
const GOROUTINES_PER_CHECK: usize = 1 << 14;

/// Bytes that spans of goroutines have, or a multiple of it: a page of the runtime's.
const SPAN_BYTES: u64 = 8192;
/// Bytes of one stack that are copied for a proof: twice what Go allows.
const MAX_STACK_BYTES: u64 = 2 << 30;

/// What the loader added to the addresses of the executable: 0 unless it is position-independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bias(pub u64);

/// An executable whose runtime is understood.
#[derive(Debug)]
pub struct Runtime {
    image: Image,
    /// 26 of `go1.26.8`; the largest number where the version is not a release.
    pub(crate) minor: u32,
    pub(crate) layout: Layout,
    table: Table,
    pub(crate) variables: Variables,
    /// What was odd about the executable; each becomes a problem of every snapshot.
    pub(crate) oddities: Vec<String>,
}

/// What a snapshot's samples have no room for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// In the order of the runtime's list.
    pub goroutines: Vec<Detail>,
    /// Goroutines of the runtime itself, which `debug=2` does not show and the snapshot leaves out.
    pub system: u64,
}

/// One goroutine of [`Details`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// Its number.
    pub id: GoroutineId,
    /// Its `runtime.g`.
    pub g: Address,
    /// Index of its sample in [`Snapshot::samples`].
    pub sample: usize,
    /// The thread that runs it, or that it is locked to, in the target's PID namespace.
    pub tid: Option<u64>,
    /// The number of the goroutine that started it; `None` before Go 1.21.
    pub parent: Option<GoroutineId>,
    /// Where its labels lie; 0 where it has none.
    pub labels: u64,
    /// Bytes of its stack, used and unused.
    pub stack_bytes: u64,
}

impl Runtime {
    /// Finds the runtime's variables and layouts in the executable: by symbols and debug information where it has them.
    ///
    /// # Errors
    /// When the version is not supported, or a variable is not found.
    pub fn of(image: Image) -> Result<Self, Error> {
        let found = layout::of(&image)?;
        let mut oddities = Vec::new();
        if let Some(first) = found.differing.first() {
            oddities.push(format!(
                "the debug information places {} fields of the runtime otherwise than {} does: {first}; it was believed",
                found.differing.len(),
                image.go_version(),
            ));
        }
        Self::with(image, found.layout, oddities)
    }

    /// As [`Runtime::of`], with struct layouts from the debug information of another executable: for unsupported versions.
    ///
    /// # Errors
    /// When the other has no debug information, or a variable is not found.
    pub fn with_layout_of(image: Image, other: &Image) -> Result<Self, Error> {
        let layout = layout::of_other(&image, other)?;
        let mut oddities = Vec::new();
        if image.go_version() != other.go_version() {
            oddities.push(format!(
                "the executable is {}, the layouts are from {}",
                image.go_version(),
                other.go_version()
            ));
        }
        Self::with(image, layout, oddities)
    }

    fn with(image: Image, layout: Layout, oddities: Vec<String>) -> Result<Self, Error> {
        let (table, variables) = variables::find(&image, &layout)?;
        let minor = GoVersion::parse(image.go_version()).map_or(u32::MAX, |version| version.minor);
        Ok(Self {
            image,
            minor,
            layout,
            table,
            variables,
            oddities,
        })
    }

    /// The executable.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The linked address of a function's first instruction; `None` where the program has none of this name.
    pub fn function(&self, name: &str) -> Option<Address> {
        let work = Work::new();
        let [found] = self.code(&work).ok()?.named([name]);
        Some(Address(found?.entry))
    }

    /// The linked address of the instruction by which a function makes its frame: it is executed once in each call, before
    /// anything that the source says.
    pub fn frame(&self, name: &str) -> Option<Address> {
        let work = Work::new();
        let code = self.code(&work).ok()?;
        let [function] = code.named([name]);
        variables::frame(&code, &function?).map(Address)
    }

    /// The linked address of the first instruction of a function that calls another directly.
    pub fn call(&self, within: &str, to: &str) -> Option<Address> {
        let work = Work::new();
        let code = self.code(&work).ok()?;
        let [within, to] = code.named([within, to]);
        variables::call(&code, &within?, &to?).map(Address)
    }

    /// Where the `runtime.g` at an address has its number.
    pub fn id_field(&self, g: Address) -> Option<Address> {
        g.plus(self.layout.g.id.into())
    }

    /// Where the `runtime.g` at an address says where its labels are.
    pub fn labels_field(&self, g: Address) -> Option<Address> {
        g.plus(self.layout.g.labels.into())
    }

    /// How many goroutines a process has, counted without stopping it, as `runtime.NumGoroutine` counts.
    ///
    /// # Errors
    /// When the list of goroutines cannot be read.
    pub fn count(&self, bias: Bias, memory: &dyn Memory) -> Result<u64, Error> {
        let moment = Moment {
            threads: &[],
            now_nanos: 0,
            depth: Depth::Goroutines,
            limits: Limits::default(),
            may_go_on: &|| true,
        };
        let mut copier = Copier::new(memory, &moment, Room::default());
        let pointers = self.goroutines(bias, &mut copier, &moment)?;
        let work = Work::new();
        let code = self.code(&work)?;
        let mut system: HashMap<u64, bool> = HashMap::new();
        let count = pointers.iter().filter(|pointer| {
            let Some(one) = self.goroutine(&copier, **pointer) else {
                return false;
            };
            let is_system = system.entry(one.start).or_insert_with(|| {
                let function = code.find(one.start.wrapping_sub(bias.0));
                function.is_some_and(|function| snapshot::is_system(function.name, true))
            });
            !one.is_dead() && !*is_system
        });
        Ok(count.count() as u64)
    }

    /// The stacks on which the runtime's threads handle signals, each with the thread's number in the target's PID namespace.
    /// Empty where they are not known.
    pub fn signal_stacks(&self, bias: Bias, memory: &dyn Memory) -> Vec<(u64, Range<u64>)> {
        heap::machines::signal_stacks(self, bias, memory)
    }

    /// Copies what must be consistent, while the target is stopped. Where a limit is passed or the time is up only after the
    /// goroutines were copied, they are what the copy has, and [`Frozen::gave_up`] says why.
    ///
    /// # Errors
    /// When the list of goroutines cannot be read, a limit is passed, or the time is up.
    pub fn copy(
        &self,
        bias: Bias,
        memory: &dyn Memory,
        moment: &Moment<'_>,
    ) -> Result<Frozen, Error> {
        self.copy_into(bias, memory, moment, Room::default())
    }

    /// As [`Runtime::copy`], into room that was made before the target was stopped.
    ///
    /// # Errors
    /// As [`Runtime::copy`].
    pub fn copy_into(
        &self,
        bias: Bias,
        memory: &dyn Memory,
        moment: &Moment<'_>,
        room: Room,
    ) -> Result<Frozen, Error> {
        let mut copier = Copier::new(memory, moment, room);
        let pointers = self.collect(bias, &mut copier, moment)?;
        Ok(copier.finish(bias, pointers))
    }

    /// Copies stacks while the target still runs, of goroutines that wait and will most likely still do so when it is stopped.
    /// What has changed by then is found out, and copied again.
    pub fn copy_ahead(
        &self,
        bias: Bias,
        memory: &dyn Memory,
        moment: &Moment<'_>,
        room: Room,
    ) -> Room {
        match self.waiting(bias, memory, moment) {
            Ok(keys) => frozen::ahead(memory, keys, room),
            // Whatever it is, it is told when the target stands still.
            Err(_) => room,
        }
    }

    /// The goroutines that wait, by their places in the list.
    fn waiting(
        &self,
        bias: Bias,
        memory: &dyn Memory,
        moment: &Moment<'_>,
    ) -> Result<Vec<Option<Key>>, Error> {
        let parks = self.parks();
        let look = || {
            let mut copier = Copier::new(memory, moment, Room::default());
            let pointers = self.goroutines(bias, &mut copier, moment)?;
            let keys = pointers.iter().map(|pointer| {
                let one = self.goroutine(&copier, *pointer)?;
                let (stack, _) = self.wanted(moment, &[], &one, one.begin(None, &HashMap::new()));
                Key::of(&one, &parks, stack?)
            });
            Ok(keys.collect::<Vec<Option<Key>>>())
        };
        // Seen to wait after the time of the wait was seen.
        let (first, mut second) = (look()?, look()?);
        let since = |keys: &[Option<Key>], index: usize| {
            let key = keys.get(index).copied().flatten();
            key.map(|key| key.since())
        };
        for index in 0..second.len() {
            if since(&first, index) != since(&second, index)
                && let Some(key) = second.get_mut(index)
            {
                *key = None;
            }
        }
        Ok(second)
    }

    /// For each wait reason, whether goroutines are parked for it.
    fn parks(&self) -> Vec<bool> {
        let all = 0..=u8::MAX;
        let reason = |number| self.wait_reason(number);
        all.map(|number| reason(number).is_some_and(heap::waits::parks))
            .collect()
    }

    /// How many bytes [`Runtime::copy`] would copy now. The target need not be stopped: it is an estimate then.
    ///
    /// # Errors
    /// As [`Runtime::copy`].
    pub fn measure(
        &self,
        bias: Bias,
        memory: &dyn Memory,
        moment: &Moment<'_>,
    ) -> Result<u64, Error> {
        let mut copier = Copier::measuring(memory, moment);
        self.collect(bias, &mut copier, moment)?;
        Ok(copier.copied_bytes())
    }

    /// Copies everything and gives the pointers of the list of goroutines.
    fn collect(
        &self,
        bias: Bias,
        copier: &mut Copier<'_>,
        moment: &Moment<'_>,
    ) -> Result<Vec<Address>, Error> {
        let pointers = self.goroutines(bias, copier, moment)?;
        let threads = moment.threads.iter();
        let threads = threads.map(|thread| (thread.tid, thread.clone())).collect();
        let mut stacks = Vec::with_capacity(pointers.len());
        let waiting = self.layout.heap.as_ref().map(|heap| heap.waiting.first);
        let mut waits = Vec::with_capacity(pointers.len());
        let (parks, mut ahead) = (self.parks(), copier.take_ahead());
        let (mut labelled, mut last_labels) = (HashSet::new(), 0);
        let length = u64::from(self.layout.g.bytes);
        for (index, pointer) in pointers.iter().enumerate() {
            if index.is_multiple_of(GOROUTINES_PER_CHECK) {
                copier.check()?;
            }
            let bytes = copier.latest(*pointer, length);
            let bytes = bytes.or_else(|| copier.slice(*pointer, length));
            let one = bytes.and_then(|bytes| Goroutine::parse(&self.layout.g, *pointer, bytes));
            let Some((one, bytes)) = one.zip(bytes) else {
                continue;
            };
            if one.is_dead() {
                continue;
            }
            let machine = self.machine(copier, &one);
            if one.locked_m != 0 {
                // Kept for its thread; unreadable it is a problem of the snapshot.
                let _ = Machine::read(copier, &self.layout.m, one.locked_m);
            }
            if one.labels != 0 && one.labels != last_labels {
                labelled.insert(one.labels);
                last_labels = one.labels;
            }
            let start = one.begin(machine.as_ref(), &threads);
            let (stack, vectors) = self.wanted(moment, bytes, &one, start);
            let now = stack.and_then(|stack| Key::of(&one, &parks, stack));
            if !ahead.is_right(index, now) {
                stacks.extend(stack);
            }
            stacks.extend(vectors);
            if moment.depth == Depth::Proof {
                let first = waiting.and_then(|at| word_at(bytes, at.into()));
                waits.extend(first.filter(|first| *first != 0));
            }
        }
        copier.keep(ahead);
        copier.bulk(stacks)?;
        let labelled: Vec<u64> = labelled.into_iter().collect();
        copier.follow(&labelled, |memory, labels| {
            // Unreadable ones are a problem of the snapshot.
            let _ = labels::read(memory, labels, self.layout.labels_are_map);
        })?;
        if moment.depth == Depth::Proof {
            let before = copier.layers();
            match heap::copy::copy(self, bias, copier, waits) {
                // The goroutines are there: what is not must not be waited for any longer.
                Err(error @ (Error::OutOfTime { .. } | Error::TooMuch { .. })) => {
                    copier.give_up(before, error);
                }
                other => other?,
            }
        }
        Ok(pointers)
    }

    /// What is copied of the stack of a goroutine whose `g` has these bytes: from the stack pointer on, or for a proof all where
    /// that is not known. And for a proof the vector registers that it was interrupted with.
    #[expect(clippy::type_complexity, reason = "two ranges, where they are")]
    fn wanted(
        &self,
        moment: &Moment<'_>,
        bytes: &[u8],
        one: &Goroutine,
        start: Option<Start>,
    ) -> (Option<(u64, u64)>, Option<(u64, u64)>) {
        let from = start.map(|start| start.place.sp);
        let stack = |from: u64| (from, one.stack_high.saturating_sub(from));
        if moment.depth == Depth::Goroutines {
            let most = moment.limits.stack_bytes;
            let wanted = from.map(stack);
            return (wanted.map(|(from, length)| (from, length.min(most))), None);
        }
        let (from, length) = stack(from.unwrap_or(one.stack_low));
        let vectors = self
            .layout
            .roots
            .as_ref()
            .and_then(|roots| word_at(bytes, roots.g.vectors?.into()).filter(|at| *at != 0));
        let vectors = vectors.map(|at| (at, self.image.processor().vector_bytes()));
        (Some((from, length.min(MAX_STACK_BYTES))), vectors)
    }

    /// All goroutines of a copy. One that cannot be read wholly keeps what is known of it, and a `Problem` says so.
    ///
    /// # Errors
    /// When the function table is damaged.
    pub fn snapshot(&self, frozen: &Frozen) -> Result<(Snapshot, Details), Error> {
        snapshot::build(self, frozen, &[], 1)
    }

    pub(crate) fn code<'a>(&'a self, work: &'a Work) -> Result<Code<'a>, Error> {
        let code = self.table.code(&self.image, work);
        code.ok_or(Error::Variable("function table (pclntab)"))
    }

    /// The runtime's words for a wait reason; `None` where it has none of that number.
    pub(crate) fn wait_reason(&self, number: u8) -> Option<&str> {
        variables::reason(&self.image, self.variables.wait_reasons?, number)
    }

    /// Reads the list of goroutines, and copies what it points to as the first layer.
    fn goroutines(
        &self,
        bias: Bias,
        copier: &mut Copier<'_>,
        moment: &Moment<'_>,
    ) -> Result<Vec<Address>, Error> {
        let what = "the list of goroutines (allgs)";
        let unreadable = |error| Error::Unreadable { what, error };
        let mut header = [0; 16];
        let list = Address(self.variables.goroutines.wrapping_add(bias.0));
        copier.read(list, &mut header).map_err(unreadable)?;
        let first = word_at(&header, 0).unwrap_or_default();
        let found = word_at(&header, 8).unwrap_or_default();
        let limit = moment.limits.goroutines;
        if found == 0 || !first.is_multiple_of(8) {
            let found = format!("{found} goroutines at {}", Address(first));
            return Err(Error::Damaged { what, found });
        }
        if found > limit {
            return Err(Error::TooMany { found, limit });
        }
        let mut pointers = Vec::new();
        while (pointers.len() as u64) < found {
            copier.check()?;
            let done = pointers.len() as u64;
            let count = (found - done).min(POINTERS_PER_READ);
            let mut bytes = vec![0; count as usize * 8];
            let at = Address(first.wrapping_add(done * 8));
            copier.uncopied().read(at, &mut bytes).map_err(unreadable)?;
            let words = bytes.chunks_exact(8).filter_map(|word| word_at(word, 0));
            pointers.extend(words.map(Address));
        }
        let length = u64::from(self.layout.g.bytes);
        let exact = pointers.iter().map(|pointer| (pointer.0, length));
        if moment.depth == Depth::Goroutines {
            copier.layer(exact.collect())?;
            return Ok(pointers);
        }
        // Their spans are wanted as well, and read once so.
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for pointer in &pointers {
            let start = pointer.0 & !(SPAN_BYTES - 1);
            let end = pointer.0.saturating_add(length).div_ceil(SPAN_BYTES);
            let span = (start, end.saturating_mul(SPAN_BYTES) - start);
            if spans.last() != Some(&span) {
                spans.push(span);
            }
        }
        if !copier.layer(spans)? {
            let missing =
                exact.filter(|(at, length)| copier.latest(Address(*at), *length).is_none());
            let missing = missing.collect();
            copier.layer(missing)?;
        }
        Ok(pointers)
    }

    pub(crate) fn goroutine(&self, copier: &Copier<'_>, pointer: Address) -> Option<Goroutine> {
        let bytes = copier.slice(pointer, self.layout.g.bytes.into())?;
        Goroutine::parse(&self.layout.g, pointer, bytes)
    }

    /// The thread of a goroutine that has one.
    pub(crate) fn machine(&self, memory: &dyn Memory, one: &Goroutine) -> Option<Machine> {
        if !one.has_thread() {
            return None;
        }
        Machine::read(memory, &self.layout.m, one.m).ok()
    }
}
