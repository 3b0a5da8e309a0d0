//! The real heap: that of a copy.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use gorphan_model::Status;
use gorphan_model::proof::Awaited;

use super::pointers::Objects;
use super::roots::{self, Roots};
use super::waits::{Waiting, Waits};
use super::{Heap, Holder, Located, Object, Pointer, Spot, Subject, Wait, Which};
use crate::goroutine::{Goroutine, Machine};
use crate::layout::roots::Roots as Layout;
use crate::memory::word_at;
use crate::stack::maps::Sites;
use crate::stack::scan::{self, Plan, Scanner, Stack};
use crate::{Address, Error, Frozen, Runtime, Thread, Unreadable};

/// Goroutines whose frames are worked out before several threads look at the others: most stand where one of these stands.
const SAMPLED: usize = 4096;
/// Deferred calls of one goroutine.
const MAX_DEFERRED: usize = 1 << 24;

/// A copy, with what was found out about it.
#[derive(Debug)]
pub(crate) struct World<'a> {
    runtime: &'a Runtime,
    frozen: &'a Frozen,
    layout: &'a Layout,
    objects: Objects<'a>,
    sites: Sites<'a>,
    threads: HashMap<u64, Thread>,
    roots: Roots,
    subjects: Vec<Subject>,
    /// Of each subject what its scan begins with: looking it up takes longer than the scan.
    copied: Vec<Copied<'a>>,
    /// Where stacks lie, sorted.
    stacks: Vec<(Range<u64>, Which)>,
    /// Variables by address, with their sizes.
    variables: OnceLock<Vec<(u64, u64, String)>>,
    /// How many wait for the same address.
    waiters: OnceLock<HashMap<u64, u64>>,
}

/// As in [`Known`], without what the [`Subject`] has.
#[derive(Debug)]
struct Copied<'f> {
    bytes: &'f [u8],
    plan: Plan,
    stack: &'f [u8],
}

/// A goroutine as it was copied.
struct Known<'f> {
    one: Goroutine,
    bytes: &'f [u8],
    plan: Plan,
    stack: Stack<'f>,
}

impl<'a> World<'a> {
    /// Reads a copy that was made with [`crate::Depth::Proof`].
    ///
    /// # Errors
    /// When the heap, or what is needed to find roots, is not known at all: nothing can be proven then.
    pub(crate) fn new(runtime: &'a Runtime, frozen: &'a Frozen) -> Result<Self, Error> {
        let layout = runtime.layout.roots.as_ref();
        let layout = layout.ok_or(Error::Layout("layout of what goroutines wait for"))?;
        let threads = frozen.threads.iter();
        let threads = threads.map(|thread| (thread.tid, *thread)).collect();
        let objects = Objects::read(runtime, frozen)?;
        let mut roots = roots::find(runtime, frozen, layout, &objects, &threads);
        roots.doubts.extend(objects.spans.doubts().iter().cloned());
        let mut world = Self {
            runtime,
            frozen,
            layout,
            objects,
            sites: Sites::new(runtime)?,
            threads,
            roots,
            subjects: Vec::new(),
            copied: Vec::new(),
            stacks: Vec::new(),
            variables: OnceLock::new(),
            waiters: OnceLock::new(),
        };
        world.sample();
        world.find_goroutines();
        Ok(world)
    }

    fn goroutine(&self, g: u64) -> Option<(Goroutine, &'a [u8])> {
        let layout = &self.runtime.layout.g;
        let bytes = self.frozen.slice(Address(g), layout.bytes.into())?;
        Some((Goroutine::parse(layout, Address(g), bytes)?, bytes))
    }

    /// Works out frames of some goroutines.
    fn sample(&mut self) {
        let all = &self.frozen.goroutines;
        let step = all.len().div_ceil(SAMPLED).max(1);
        for g in all.iter().step_by(step) {
            if let Some(known) = self.known(g.0) {
                // What is missing is found so when it is needed.
                let _ = self.scan_stack(known.bytes, &known.plan, &known.stack, &mut |_| {});
            }
        }
        self.sites.settle();
    }

    fn find_goroutines(&mut self) {
        let mut subjects = Vec::with_capacity(self.frozen.goroutines.len());
        let mut copied = Vec::with_capacity(self.frozen.goroutines.len());
        let mut unknown = 0_u64;
        let mut waits = Waits::new(
            self.runtime,
            self.layout,
            self.frozen,
            &self.objects,
            &self.sites,
        );
        for g in &self.frozen.goroutines {
            let Some(known) = self.known(g.0) else {
                unknown += 1;
                continue;
            };
            let one = &known.one;
            if one.is_dead() {
                continue;
            }
            let wait = waits.of(&Waiting {
                one,
                bytes: known.bytes,
                plan: &known.plan,
                stack: &known.stack,
            });
            subjects.push(Subject {
                g: g.0,
                id: one.id,
                wait,
                stack: known.stack.whole.clone(),
            });
            copied.push(Copied {
                bytes: known.bytes,
                plan: known.plan,
                stack: known.stack.bytes,
            });
        }
        drop(waits);
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

    /// A goroutine with its stack; bytes that were not copied are missing there.
    fn known(&self, g: u64) -> Option<Known<'a>> {
        let (one, bytes) = self.goroutine(g)?;
        let has_thread = matches!(one.status, Status::Running | Status::Syscall);
        let machine = has_thread
            .then(|| self.runtime.machine(self.frozen, &one))
            .flatten();
        let plan = self.plan(&one, bytes, machine.as_ref());
        let range = plan.range(one.stack_high);
        let length = range.end.saturating_sub(range.start);
        let copied = self.frozen.slice(Address(range.start), length);
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
            Plan::Frames(start) => scanner.frames(*start, &mut sure)?,
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

    fn variables(&self) -> &[(u64, u64, String)] {
        self.variables
            .get_or_init(|| self.runtime.image().variables())
    }

    /// The variable at an address of the target.
    fn variable(&self, address: u64) -> Option<String> {
        let linked = address.wrapping_sub(self.frozen.bias.0);
        let all = self.variables();
        let after = all.partition_point(|(start, _, _)| *start <= linked);
        let (start, size, name) = all.get(after.checked_sub(1)?)?;
        (linked - start < (*size).max(8)).then(|| name.clone())
    }

    fn waiters(&self) -> &HashMap<u64, u64> {
        self.waiters.get_or_init(|| {
            let mut waiters = HashMap::new();
            for subject in &self.subjects {
                if let Wait::For(addresses) = &subject.wait {
                    for address in addresses {
                        *waiters.entry(*address).or_default() += 1;
                    }
                }
            }
            waiters
        })
    }

    /// What the goroutine waits for, by the runtime's words.
    fn awaited_kind(&self, which: Which) -> Option<&'a str> {
        let subject = self.subjects.get(which.0 as usize)?;
        let (one, _) = self.goroutine(subject.g)?;
        self.runtime.wait_reason(one.wait_reason)
    }

    fn channel(&self, address: u64) -> Option<(String, (u64, u64))> {
        let layout = &self.runtime.layout.heap.as_ref()?.channel;
        let field = |offset: u32| self.objects.word(address.checked_add(offset.into())?);
        let (count, capacity) = (field(layout.count)?, field(layout.capacity)?);
        let element = field(layout.element)?;
        let name = self.objects.types.name(element);
        let name = name.unwrap_or_else(|| "(unknown)".to_owned());
        Some((format!("chan {name} (cap {capacity})"), (count, capacity)))
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

    fn type_id(&self, object: Object) -> Option<u64> {
        self.objects.type_of(object).map(|typed| typed.of)
    }

    fn type_name(&self, object: Object) -> Option<String> {
        let typed = self.objects.type_of(object)?;
        self.objects.types.name(typed.of)
    }

    fn describe(&self, holder: Holder, pointer: Pointer) -> String {
        let id = |which: Which| {
            let subject = self.subjects.get(which.0 as usize);
            subject.map_or(0, |subject| subject.id)
        };
        match (holder, pointer.at) {
            (_, Spot::Global(address)) => match self.variable(address) {
                Some(name) => format!("global {name}"),
                None => format!("global at 0x{address:x}"),
            },
            (Holder::Object(object), Spot::Field(offset)) => self.field(object, offset),
            (Holder::Goroutine(which), Spot::Frame(pc)) => match self.sites.function(pc) {
                Some(name) => format!("goroutine {} in {name}", id(which)),
                None => format!("goroutine {}", id(which)),
            },
            (Holder::Goroutine(which), Spot::Deferred) => {
                format!("a call deferred by goroutine {}", id(which))
            }
            (Holder::Goroutine(which), Spot::Word(_)) => {
                format!("the stack of goroutine {}", id(which))
            }
            (Holder::Goroutine(which), _) => format!("goroutine {}", id(which)),
            (_, Spot::Thread(tid)) => format!("running thread {tid}"),
            (_, Spot::Runtime(what)) => format!("{what} (Go runtime)"),
            (_, Spot::Field(offset)) => format!("offset {offset}"),
            (_, Spot::Frame(_) | Spot::Word(_) | Spot::Deferred) => "a goroutine".to_owned(),
        }
    }

    fn awaited(&self, which: Which, address: u64) -> Awaited {
        let words = self.awaited_kind(which).unwrap_or_default();
        let bare = words.split(" (").next().unwrap_or(words);
        let waiters = self.waiters().get(&address).copied().unwrap_or(1);
        let found = matches!(bare, "chan receive" | "chan send" | "select")
            .then(|| self.channel(address))
            .flatten();
        let (description, buffer) = match found {
            Some((description, buffer)) => (description, Some(buffer)),
            None => (of_words(bare).to_owned(), None),
        };
        Awaited {
            description,
            address,
            buffer,
            waiters,
        }
    }
}

impl World<'_> {
    fn field(&self, object: Object, offset: u64) -> String {
        let extent = self.extent(object);
        let path = self.objects.field(object, offset);
        let path = path.filter(|path| !path.is_empty());
        match (self.type_name(object), path) {
            (Some(name), Some(path)) => format!("field {path} of {name}"),
            (Some(name), None) => format!("offset {offset} of {name}"),
            (None, _) => {
                let bytes = extent.end - extent.start;
                format!("offset {offset} of an object of {bytes} bytes")
            }
        }
    }
}

/// The kind of thing that a wait reason speaks of.
fn of_words(words: &str) -> &str {
    match words {
        "sync.Mutex.Lock" => "sync.Mutex",
        "sync.RWMutex.RLock" | "sync.RWMutex.Lock" => "sync.RWMutex",
        "sync.WaitGroup.Wait" => "sync.WaitGroup",
        "sync.Cond.Wait" => "sync.Cond",
        "semacquire" => "semaphore",
        "coroutine" => "coroutine of iter.Pull",
        "chan receive" | "chan send" | "select" => "chan",
        other => other,
    }
}
