//! A heap drawn by hand, for tests.
//!
//! ```text
//! global main.x -> a     a root; `global -> a` has no name; `runtime -> a` is one of the runtime's lists
//! a -> b c               object a has pointers to b and c
//! a : main.T 64          its type and bytes; otherwise not known and 16
//! d is plain             it has no pointers; `d is broken`: its contents cannot be read; so for goroutines
//! g1 runs holds b        a goroutine that has b on its stack
//! g2 waits a b holds c   one that waits for a or b; `@g1` is a variable on the stack of g1, `outside` one outside the heap,
//!                        `nothing` a nil channel, `mystery` what is not known
//! doubt some words       nothing may be called unreachable
//! ```
//!
//! What is named exists; objects are numbered in the order of their names' first appearance.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use gorphan_model::proof::Awaited;

use super::{Heap, Holder, Located, Object, Pointer, Spot, Subject, Wait, Which};
use crate::{Address, Unreadable};

const FIRST_OBJECT: u64 = 0x10_0000;
const FIRST_STACK: u64 = 0x7f00_0000_0000;
const STACK_BYTES: u64 = 2048;
const OUTSIDE: u64 = 0x100;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Toy {
    objects: Vec<Drawn>,
    by_name: HashMap<String, u32>,
    subjects: Vec<Subject>,
    held: Vec<Vec<u64>>,
    broken: Vec<bool>,
    by_id: HashMap<u64, u32>,
    roots: Vec<(Spot, u64)>,
    global_names: Vec<String>,
    doubts: Vec<String>,
    /// How often an object or a goroutine was scanned.
    pub(crate) scans: AtomicU64,
}

#[derive(Debug, Default)]
struct Drawn {
    name: String,
    type_name: Option<String>,
    extent: Range<u64>,
    to: Vec<u64>,
    plain: bool,
    broken: bool,
}

impl Toy {
    /// Reads a drawing; panics on what it does not understand.
    pub(crate) fn parse(text: &str) -> Self {
        let mut toy = Self::default();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<Vec<&str>> = lines
            .map(|line| line.split_whitespace().collect())
            .collect();
        for line in &lines {
            toy.declare(line);
        }
        let mut at = FIRST_OBJECT;
        for line in &lines {
            if let [name, ":", type_name, bytes] = line[..] {
                let bytes: u64 = bytes.parse().expect("bytes");
                let object = toy.drawn(name);
                object.type_name = (type_name != "?").then(|| type_name.to_owned());
                object.extent = 0..bytes;
            }
        }
        for object in &mut toy.objects {
            let bytes = object.extent.end.max(16);
            object.extent = at..at + bytes;
            at += bytes.next_multiple_of(16);
        }
        for line in &lines {
            toy.connect(line);
        }
        toy
    }

    fn declare(&mut self, line: &[&str]) {
        if line[0] == "doubt" {
            return;
        }
        let keywords = [
            "global", "runtime", "->", ":", "is", "plain", "broken", "runs", "waits", "holds",
            "nothing", "mystery", "outside",
        ];
        let names = match line {
            ["global", _, "->", names @ ..] => names,
            [_, ":", ..] => &line[..1],
            all => all,
        };
        for name in names {
            let goroutine = name.strip_prefix('@').unwrap_or(name).strip_prefix('g');
            if keywords.contains(name) {
            } else if let Some(id) = goroutine.and_then(|id| id.parse().ok()) {
                self.declare_goroutine(id);
            } else if !self.by_name.contains_key(*name) {
                let number = self.objects.len() as u32;
                self.by_name.insert((*name).to_owned(), number);
                let name = (*name).to_owned();
                self.objects.push(Drawn {
                    name,
                    ..Drawn::default()
                });
            }
        }
    }

    fn declare_goroutine(&mut self, id: u64) {
        let index = self.subjects.len() as u32;
        if *self.by_id.entry(id).or_insert(index) != index {
            return;
        }
        let low = FIRST_STACK + u64::from(index) * STACK_BYTES;
        self.subjects.push(Subject {
            g: 0x1000_0000_0000 + id * 512,
            id,
            wait: Wait::No,
            stack: low..low + STACK_BYTES,
        });
        self.held.push(Vec::new());
        self.broken.push(false);
    }

    fn connect(&mut self, line: &[&str]) {
        match line {
            ["doubt", words @ ..] => self.doubts.push(words.join(" ")),
            ["global", "->", to @ ..] => self.global("main.unnamed", to),
            ["global", name, "->", to @ ..] => self.global(name, to),
            ["runtime", "->", to @ ..] => {
                let to: Vec<u64> = to.iter().map(|name| self.address(name)).collect();
                let spot = Spot::Runtime("list of finalizers");
                self.roots.extend(to.into_iter().map(|to| (spot, to)));
            }
            [name, "->", to @ ..] => {
                let to = to.iter().map(|name| self.address(name)).collect();
                self.drawn(name).to = to;
            }
            [_, ":", ..] => {}
            [name, "is", "broken"] if self.which_of(name).is_some() => {
                let index = self.which(name).0 as usize;
                self.broken[index] = true;
            }
            [name, "is", "broken"] => self.drawn(name).broken = true,
            [name, "is", "plain"] => self.drawn(name).plain = true,
            [name, does @ ..] => self.goroutine(name, does),
            [] => {}
        }
    }

    fn global(&mut self, name: &str, to: &[&str]) {
        for to in to {
            let at = Spot::Global(self.global_names.len() as u64);
            self.global_names.push(name.to_owned());
            let to = self.address(to);
            self.roots.push((at, to));
        }
    }

    fn goroutine(&mut self, name: &str, does: &[&str]) {
        let index = self.which(name).0 as usize;
        let mut parts = does.split(|word| *word == "holds");
        let wait = parts.next().expect("runs or waits");
        let held = parts.next().unwrap_or_default();
        self.held[index] = held.iter().map(|name| self.address(name)).collect();
        self.subjects[index].wait = match wait {
            ["runs"] => Wait::No,
            ["waits", "nothing"] => Wait::ForNothing,
            ["waits", "mystery"] => Wait::Unknown("what it waits for is a mystery".to_owned()),
            ["waits", names @ ..] => {
                Wait::For(names.iter().map(|name| self.address(name)).collect())
            }
            other => panic!("{name} {other:?}"),
        };
    }

    fn drawn(&mut self, name: &str) -> &mut Drawn {
        let number = self.by_name[name];
        &mut self.objects[number as usize]
    }

    /// The address of an object, or what stands for one.
    pub(crate) fn address(&self, name: &str) -> u64 {
        if name == "outside" {
            return OUTSIDE;
        }
        if let Some(goroutine) = name.strip_prefix('@') {
            return self.subjects[self.which(goroutine).0 as usize].stack.start + 64;
        }
        self.objects[self.by_name[name] as usize].extent.start
    }

    /// The object of a name.
    pub(crate) fn named(&self, name: &str) -> Object {
        Object(self.by_name[name])
    }

    /// The goroutine of a name such as `g1`.
    pub(crate) fn which(&self, name: &str) -> Which {
        self.which_of(name).expect("a goroutine")
    }

    fn which_of(&self, name: &str) -> Option<Which> {
        let id = name.strip_prefix('g')?.parse().ok()?;
        self.by_id.get(&id).copied().map(Which)
    }

    fn at(&self, object: Object) -> &Drawn {
        &self.objects[object.0 as usize]
    }

    fn unreadable(&self, at: u64) -> Unreadable {
        Unreadable {
            address: Address(at),
            length: 16,
        }
    }
}

impl Heap for Toy {
    fn objects(&self) -> u32 {
        self.objects.len() as u32
    }

    fn locate(&self, address: u64) -> Located {
        let stack = self
            .subjects
            .iter()
            .position(|one| one.stack.contains(&address));
        match (self.object(address), stack) {
            (Some(object), _) => Located::Object(object),
            (None, Some(index)) => Located::Stack(Which(index as u32)),
            (None, None) => Located::Outside,
        }
    }

    fn object(&self, address: u64) -> Option<Object> {
        let after = self
            .objects
            .partition_point(|object| object.extent.start <= address);
        let number = after.checked_sub(1)?;
        let inside = self.objects[number].extent.contains(&address);
        inside.then_some(Object(number as u32))
    }

    fn extent(&self, object: Object) -> Range<u64> {
        self.at(object).extent.clone()
    }

    fn runs(&self, give: &mut impl FnMut(Range<u32>, u64)) {
        for (number, object) in (0..).zip(&self.objects) {
            give(number..number + 1, object.extent.end - object.extent.start);
        }
    }

    fn is_plain(&self, object: Object) -> bool {
        self.at(object).plain
    }

    fn scan(&self, object: Object, visit: &mut impl FnMut(Pointer)) -> Result<(), Unreadable> {
        let object = self.at(object);
        assert!(!object.plain, "{} has no pointers", object.name);
        self.scans.fetch_add(1, Ordering::Relaxed);
        if object.broken {
            return Err(self.unreadable(object.extent.start));
        }
        for (index, to) in (0..).zip(&object.to) {
            visit(Pointer {
                at: Spot::Field(index * 8),
                to: *to,
            });
        }
        Ok(())
    }

    fn roots(&self, visit: &mut impl FnMut(Pointer)) -> Result<(), Unreadable> {
        self.roots
            .iter()
            .for_each(|(at, to)| visit(Pointer { at: *at, to: *to }));
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
        self.scans.fetch_add(1, Ordering::Relaxed);
        let index = which.0 as usize;
        for to in &self.held[index] {
            let at = Spot::Frame(self.subjects[index].id);
            visit(Pointer { at, to: *to });
        }
        if self.broken[index] {
            return Err(self.unreadable(self.subjects[index].stack.start));
        }
        Ok(())
    }

    fn doubts(&self) -> Vec<String> {
        self.doubts.clone()
    }

    fn type_id(&self, object: Object) -> Option<u64> {
        let name = self.at(object).type_name.as_ref()?;
        let same = |other: &Drawn| other.type_name.as_ref() == Some(name);
        self.objects.iter().position(same).map(|first| first as u64)
    }

    fn type_name(&self, object: Object) -> Option<String> {
        self.at(object).type_name.clone()
    }

    fn describe(&self, holder: Holder, pointer: Pointer) -> String {
        match (holder, pointer.at) {
            (Holder::Object(object), Spot::Field(at)) => {
                let object = self.at(object);
                format!(
                    "field {} of {}",
                    at / 8,
                    object.type_name.as_ref().unwrap_or(&object.name)
                )
            }
            (Holder::Goroutine(which), _) => {
                format!("goroutine {} in main.f", self.subjects[which.0 as usize].id)
            }
            (_, Spot::Global(index)) => match self.global_names.get(index as usize) {
                Some(name) => format!("global {name}"),
                None => format!("global at 0x{index:x}"),
            },
            (_, spot) => format!("{spot:?}"),
        }
    }

    fn awaited(&self, _: Which, address: u64) -> Awaited {
        let waits = |one: &&Subject| matches!(&one.wait, Wait::For(all) if all.contains(&address));
        let object = self.object(address).map(|object| self.at(object));
        let known = object.and_then(|object| object.type_name.clone());
        Awaited {
            description: known.unwrap_or_else(|| "chan int (cap 0)".to_owned()),
            address,
            buffer: None,
            waiters: self.subjects.iter().filter(waits).count() as u64,
        }
    }
}
