//! What to call the places of a copy when people read of them.

use std::collections::HashMap;

use gorphan_model::proof::Awaited;

use super::world::World;
use super::{Heap, Holder, Object, Spot, Wait, Which};

impl<'a> World<'a> {
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

    /// The variable that points to a part of the data at an address: what `var name = &T{}` makes has no name of its own.
    fn pointed_from(&self, address: u64) -> Option<String> {
        let all = self.pointed.get_or_init(|| {
            let modules = self.objects.modules.all();
            let is_variable = |at: u64| modules.iter().any(|one| one.variables.contains(&at));
            let mut all = Vec::new();
            // What is missing cannot be named.
            let _ = self.objects.scan_variables(&mut |holder, to| {
                if is_variable(to) {
                    all.push((to, holder));
                }
            });
            all.sort_unstable();
            all
        });
        let after = all.partition_point(|(to, _)| *to <= address);
        let (to, holder) = all.get(after.checked_sub(1)?)?;
        let linked = |at: u64| at.wrapping_sub(self.frozen.bias.0);
        // Another variable in between would be what is pointed to.
        let names = self.variables();
        let before = names.partition_point(|(start, _, _)| *start <= linked(address));
        let (start, _, _) = names.get(before.checked_sub(1)?)?;
        (*start < linked(*to)).then(|| self.variable(*holder))?
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

    /// Where a pointer was found.
    pub(super) fn describe_pointer(&self, holder: Holder, at: Spot) -> String {
        let id = |which: Which| {
            let subject = self.subjects.get(which.0 as usize);
            subject.map_or(0, |subject| subject.id)
        };
        match (holder, at) {
            (_, Spot::Global(address)) => match self.variable(address) {
                Some(name) => format!("global {name}"),
                None => match self.pointed_from(address) {
                    Some(name) => format!("data that global {name} points to"),
                    None => format!("global at 0x{address:x}"),
                },
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

    /// What lies at an address that a goroutine waits for.
    pub(super) fn describe_awaited(&self, which: Which, address: u64) -> Awaited {
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
