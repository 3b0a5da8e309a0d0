//! The real heap: that of a copy.

use std::collections::HashMap;
use std::hint::black_box;
use std::ops::Range;
use std::sync::OnceLock;

use gorphan_model::Status;
use gorphan_model::proof::Awaited;

use super::pointers::{Objects, Special};
use super::roots::{self, Roots};
use super::waits::{Waiting, Waits};
use super::what::What;
use super::{Heap, Holder, Located, Object, Pointer, Spot, Subject, Which, work};
use crate::goroutine::{Goroutine, Machine};
use crate::layout::roots::Roots as Layout;
use crate::memory::{self, word_at};
use crate::near::{NearStacks, TOUCHED_AT_ONCE};
use crate::stack::maps::Sites;
use crate::stack::scan::{self, Plan, Scanner, Stack};
use crate::{Address, Error, Frozen, Runtime, Thread, Unreadable};

/// Goroutines whose frames are worked out before several threads look at the others: most stand where one of these stands.
const SAMPLED: usize = 4096;
/// Goroutines that a thread looks at before it asks for more.
const CHUNK: usize = 1024;
/// Bytes of a goroutine's description, and of its stack, that are read ahead of its scan.
const MAX_TOUCHED_BYTES: usize = 1024;
/// Deferred calls of one goroutine.
const MAX_DEFERRED: usize = 1 << 24;

/// A copy, with what was found out about it.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) frozen: &'a Frozen,
    layout: &'a Layout,
    pub(super) objects: Objects<'a>,
    pub(super) sites: Sites<'a>,
    threads: HashMap<u64, Thread>,
    roots: Roots,
    pub(super) subjects: Vec<Subject>,
    /// Of each subject what its scan begins with: looking it up takes longer than the scan.
    copied: Vec<Copied<'a>>,
    /// Where stacks lie, sorted.
    stacks: Vec<(Range<u64>, Which)>,
    /// Variables by address, with their sizes.
    pub(super) variables: OnceLock<Vec<(u64, u64, String)>>,
    /// What variables point to among variables, and where.
    pub(super) pointed: OnceLock<Vec<(u64, u64)>>,
    /// How many wait for the same address.
    pub(super) waiters: OnceLock<HashMap<u64, u64>>,
}

/// As in [`Known`], without what the [`Subject`] has.
#[derive(Debug)]
struct Copied<'f> {
    bytes: &'f [u8],
    plan: Plan,
    stack: &'f [u8],
}

/// A goroutine that was not copied, or is damaged.
struct Unparsed;

/// What [`World`] keeps of a goroutine.
type Looked<'f> = (Subject, Copied<'f>);

/// A goroutine as it was copied.
struct Known<'f> {
    one: Goroutine,
    bytes: &'f [u8],
    plan: Plan,
    stack: Stack<'f>,
}

impl<'a> World<'a> {
    /// Reads a copy that was made with [`crate::Depth::Proof`], on so many threads.
    ///
    /// # Errors
    /// When the heap, or what is needed to find roots, is not known at all: nothing can be proven then.
    pub(crate) fn new(
        runtime: &'a Runtime,
        frozen: &'a Frozen,
        threads: usize,
    ) -> Result<Self, Error> {
        let layout = runtime.layout.roots.as_ref();
        let layout = layout.ok_or(Error::Layout("layout of what goroutines wait for"))?;
        let registers = frozen.threads.iter();
        let registers = registers
            .map(|thread| (thread.tid, thread.clone()))
            .collect();
        let objects = Objects::read(runtime, frozen)?;
        let mut roots = roots::find(runtime, frozen, layout, &objects, &registers);
        roots.doubts.extend(objects.spans.doubts().iter().cloned());
        let mut world = Self {
            runtime,
            frozen,
            layout,
            objects,
            sites: Sites::new(runtime)?,
            threads: registers,
            roots,
            subjects: Vec::new(),
            copied: Vec::new(),
            stacks: Vec::new(),
            variables: OnceLock::new(),
            pointed: OnceLock::new(),
            waiters: OnceLock::new(),
        };
        world.sample();
        world.find_goroutines(threads);
        Ok(world)
    }

    pub(super) fn goroutine(&self, g: u64) -> Option<(Goroutine, &'a [u8])> {
        let layout = &self.runtime.layout.g;
        let bytes = self.frozen.slice(Address(g), layout.bytes.into())?;
        Some((Goroutine::parse(layout, Address(g), bytes)?, bytes))
    }

    /// Works out frames of some goroutines.
    fn sample(&mut self) {
        let all = &self.frozen.goroutines;
        let step = all.len().div_ceil(SAMPLED).max(1);
        for g in all.iter().step_by(step) {
            if let Some(known) = self.known(g.0, &NearStacks::default()) {
                // What is missing is found so when it is needed.
                let _ = self.scan_stack(known.bytes, &known.plan, &known.stack, &mut |_| {});
            }
        }
        self.sites.settle();
    }

    fn find_goroutines(&mut self, threads: usize) {
        let all = &self.frozen.goroutines;
        let chunks: Vec<&[Address]> = all.chunks(CHUNK).collect();
        let waits = Waits::new(
            self.runtime,
            self.layout,
            self.frozen,
            &self.objects,
            &self.sites,
        );
        let found = work::each(threads, chunks.len(), |found: &mut Vec<_>, index| {
            let chunk = chunks.get(index).copied().unwrap_or_default();
            let near = NearStacks::default();
            let mut subjects = Vec::with_capacity(chunk.len());
            for few in chunk.chunks(TOUCHED_AT_ONCE) {
                self.runtime.touch(self.frozen, few, &near);
                subjects.extend(few.iter().map(|g| self.subject(&waits, g.0, &near)));
            }
            found.push((index, subjects));
        });
        drop(waits);
        let mut found: Vec<_> = found.into_iter().flatten().collect();
        found.sort_unstable_by_key(|(index, _)| *index);
        let mut subjects = Vec::with_capacity(all.len());
        let mut copied = Vec::with_capacity(all.len());
        let mut unknown = 0_u64;
        for subject in found.into_iter().flat_map(|(_, subjects)| subjects) {
            match subject {
                Ok(None) => {}
                Ok(Some((subject, copy))) => {
                    subjects.push(subject);
                    copied.push(copy);
                }
                Err(Unparsed) => unknown += 1,
            }
        }
        if unknown > 0 {
            let doubt = format!("{unknown} goroutines could not be read");
            self.roots.doubts.push(doubt);
        }
        let stacks = (0_u32..).map(Which).zip(&subjects);
        let stacks = stacks.map(|(which, one)| (one.stack.clone(), which));
        self.stacks = stacks.filter(|(stack, _)| !stack.is_empty()).collect();
        self.stacks.sort_unstable_by_key(|(stack, _)| stack.start);
        self.subjects = subjects;
        self.copied = copied;
    }

    /// A goroutine with what it waits for; none if it is dead.
    fn subject(
        &self,
        waits: &Waits<'_, '_>,
        g: u64,
        near: &NearStacks,
    ) -> Result<Option<Looked<'a>>, Unparsed> {
        let known = self.known(g, near).ok_or(Unparsed)?;
        let one = &known.one;
        if one.is_dead() {
            return Ok(None);
        }
        let wait = waits.of(&Waiting {
            one,
            bytes: known.bytes,
            plan: &known.plan,
            stack: &known.stack,
        });
        let subject = Subject {
            g,
            id: one.id,
            wait,
            stack: known.stack.whole.clone(),
        };
        let copied = Copied {
            bytes: known.bytes,
            plan: known.plan,
            stack: known.stack.bytes,
        };
        Ok(Some((subject, copied)))
    }

    /// A goroutine with its stack; bytes that were not copied are missing there.
    fn known(&self, g: u64, near: &NearStacks) -> Option<Known<'a>> {
        let layout = &self.runtime.layout.g;
        let bytes = self
            .frozen
            .slice_near(&near.goroutine, Address(g), layout.bytes.into())?;
        let one = Goroutine::parse(layout, Address(g), bytes)?;
        let has_thread = matches!(one.status, Status::Running | Status::Syscall);
        let machine = has_thread
            .then(|| self.runtime.machine(self.frozen, &one))
            .flatten();
        let plan = self.plan(&one, bytes, machine.as_ref());
        let range = plan.range(one.stack_high);
        let length = range.end.saturating_sub(range.start);
        let start = Address(range.start);
        let copied = self.frozen.slice_near(&near.stack, start, length);
        let stack = Stack {
            whole: one.stack_low..one.stack_high.max(one.stack_low),
            bytes: copied.unwrap_or_default(),
            at: range.start,
            bias: self.frozen.bias.0,
        };
        Some(Known {
            one,
            bytes,
            plan,
            stack,
        })
    }

    fn plan(&self, one: &Goroutine, bytes: &[u8], machine: Option<&Machine>) -> Plan {
        let is_elsewhere = self.roots.running.elsewhere.contains(&one.address.0);
        scan::plan(
            &self.layout.g,
            one,
            bytes,
            machine,
            &self.threads,
            is_elsewhere,
        )
    }

    /// What the stack holds, deferred calls included.
    fn scan_stack(
        &self,
        bytes: &[u8],
        plan: &Plan,
        stack: &Stack<'_>,
        visit: &mut impl FnMut(Pointer),
    ) -> Result<(), Unreadable> {
        let range = plan.range(stack.whole.end);
        if stack.bytes.is_empty() && !range.is_empty() {
            return Err(Unreadable {
                address: Address(range.start),
                length: range.end - range.start,
            });
        }
        // Words that are only guessed to be pointers may be anything.
        let mut sure = |pointer: Pointer| {
            let is_guessed = matches!(pointer.at, Spot::Word(_));
            if !is_guessed || self.objects.spans.taken_object(pointer.to).is_some() {
                visit(pointer);
            }
        };
        let mut scanner = Scanner::new(&self.sites, stack);
        self.scan_saved(bytes, stack, &mut scanner, &mut sure)?;
        match plan {
            Plan::Nothing => {}
            Plan::Frames { start, runs } => scanner.frames(*start, *runs, &mut sure)?,
            Plan::Words(from) => scanner.words(*from, &mut sure),
        }
        scanner.finish(&mut sure)
    }

    /// What a goroutine's `g` saved for later: the closure it goes on in, and deferred calls.
    fn scan_saved(
        &self,
        bytes: &[u8],
        stack: &Stack<'_>,
        scanner: &mut Scanner<'_, '_>,
        visit: &mut impl FnMut(Pointer),
    ) -> Result<(), Unreadable> {
        let layout = &self.layout.g;
        let field = |offset: u32| word_at(bytes, offset.into()).unwrap_or_default();
        let at = Spot::Deferred;
        let to = field(layout.context);
        scanner.found(Pointer { at, to }, visit);
        let vectors = layout.vectors.map(field).filter(|vectors| *vectors != 0);
        if let Some(vectors) = vectors {
            let length = self.runtime.image().processor().vector_bytes();
            let bytes = self.frozen.slice(Address(vectors), length);
            let bytes = bytes.ok_or(Unreadable {
                address: Address(vectors),
                length,
            })?;
            for to in bytes.chunks_exact(8).filter_map(|word| word_at(word, 0)) {
                let at = Spot::Word(vectors);
                scanner.found(Pointer { at, to }, visit);
            }
        }
        let mut record = field(layout.deferred);
        for _ in 0..MAX_DEFERRED {
            if record == 0 {
                break;
            }
            scanner.found(Pointer { at, to: record }, visit);
            let word = |offset: u32| {
                let at = record.wrapping_add(offset.into());
                let word = stack.word(at).or_else(|| self.objects.word(at));
                word.ok_or(Unreadable {
                    address: Address(at),
                    length: 8,
                })
            };
            let (call, next) = (word(layout.defer_call)?, word(layout.defer_next)?);
            scanner.found(Pointer { at, to: call }, visit);
            record = next;
        }
        Ok(())
    }
}

impl Heap for World<'_> {
    fn objects(&self) -> u32 {
        self.objects.spans.objects()
    }

    fn locate(&self, address: u64) -> Located {
        if let Some(object) = self.object(address) {
            return Located::Object(object);
        }
        let after = self
            .stacks
            .partition_point(|(stack, _)| stack.start <= address);
        let stack = after.checked_sub(1).and_then(|at| self.stacks.get(at));
        match stack.filter(|(stack, _)| stack.contains(&address)) {
            Some((_, which)) => Located::Stack(*which),
            None => Located::Outside,
        }
    }

    fn object(&self, address: u64) -> Option<Object> {
        self.objects.spans.object(address)
    }

    fn reached(&self, address: u64) -> Option<(Object, bool)> {
        self.objects.spans.reached(address)
    }

    fn reached_all(
        &self,
        addresses: &[u64],
        places: &mut Vec<u32>,
        into: &mut Vec<(Object, bool)>,
    ) {
        self.objects.spans.reached_all(addresses, places, into);
    }

    fn touch(&self, objects: &[Object]) {
        let words = objects.iter().map(|object| self.objects.touch(*object));
        black_box(words.fold(0, u64::wrapping_add));
    }

    fn touch_goroutines(&self, goroutines: &[Which]) {
        let copied = goroutines
            .iter()
            .filter_map(|which| self.copied.get(which.0 as usize));
        let words = copied.map(|copied| {
            memory::touch(copied.bytes, MAX_TOUCHED_BYTES)
                .wrapping_add(memory::touch(copied.stack, MAX_TOUCHED_BYTES))
        });
        black_box(words.fold(0, u64::wrapping_add));
    }

    fn extent(&self, object: Object) -> Range<u64> {
        self.objects.spans.extent(object)
    }

    fn runs(&self, give: &mut impl FnMut(Range<u32>, u64)) {
        for span in self.objects.spans.all() {
            give(span.first..span.first + span.slots, span.slot_bytes);
        }
    }

    fn is_plain(&self, object: Object) -> bool {
        self.objects.spans.is_plain(object)
    }

    fn scan(&self, object: Object, visit: &mut impl FnMut(Pointer)) -> Result<(), Unreadable> {
        self.objects.scan(object, &mut |offset, to| {
            let at = Spot::Field(offset);
            visit(Pointer { at, to });
        })
    }

    fn roots(&self, visit: &mut impl FnMut(Pointer)) -> Result<(), Unreadable> {
        self.objects.scan_variables(&mut |address, to| {
            let at = Spot::Global(address);
            visit(Pointer { at, to });
        })?;
        self.roots
            .pointers
            .iter()
            .for_each(|pointer| visit(*pointer));
        Ok(())
    }

    fn goroutines(&self) -> &[Subject] {
        &self.subjects
    }

    fn scan_goroutine(
        &self,
        which: Which,
        visit: &mut impl FnMut(Pointer),
    ) -> Result<(), Unreadable> {
        let Some(subject) = self.subjects.get(which.0 as usize) else {
            return Ok(());
        };
        let Some(copied) = self.copied.get(which.0 as usize) else {
            return Ok(());
        };
        let stack = Stack {
            whole: subject.stack.clone(),
            bytes: copied.stack,
            at: copied.plan.range(subject.stack.end).start,
            bias: self.frozen.bias.0,
        };
        if let Some(object) = self.object(subject.g) {
            self.objects.scan_any(object, &mut |_, to| {
                let at = Spot::Runtime("its own description");
                if !subject.stack.contains(&to) {
                    visit(Pointer { at, to });
                }
            })?;
        }
        self.scan_stack(copied.bytes, &copied.plan, &stack, visit)
    }

    fn doubts(&self) -> Vec<String> {
        self.roots.doubts.clone()
    }

    fn learn(&self, objects: &[Object]) {
        self.objects.learn(objects);
    }

    fn type_id(&self, object: Object) -> Option<u64> {
        // Addresses are below 2^48.
        self.objects.what(object).map(|what| match what {
            What::Values(typed) => typed.of,
            What::Channel(element) => element | 1 << 62,
            What::Function(code) => code | 1 << 63,
            What::Special(Special::Goroutine) => 1,
            What::Special(Special::Sudog) => 2,
        })
    }

    fn type_name(&self, object: Object) -> Option<String> {
        match self.objects.what(object)? {
            What::Function(code) => {
                let pc = code.wrapping_sub(self.frozen.bias.0);
                self.sites.function(pc).map(|name| format!("func {name}"))
            }
            _ => self.objects.type_name(object),
        }
    }

    fn describe(&self, holder: Holder, pointer: Pointer) -> String {
        if let (Holder::Object(object), Spot::Field(offset)) = (holder, pointer.at) {
            // The way goes on with what this points to.
            self.objects.learn_from(object, offset, pointer.to);
        }
        self.describe_pointer(holder, pointer.at)
    }

    fn awaited(&self, which: Which, address: u64) -> Awaited {
        self.describe_awaited(which, address)
    }
}
