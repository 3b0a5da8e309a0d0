//! What each goroutine waits for, and whether somebody is just waking it.
//!
//! A goroutine that is woken still counts as waiting for a moment: whoever wakes it has taken it out of the queue, and what it
//! waited for may already be forgotten. So each is looked for in its queue: one that is in none is being woken.
//!
//! Facts: `runtime/chan.go`, `runtime/select.go`, `runtime/sema.go` and `runtime/coro.go`, Go 1.19 to 1.27.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use gorphan_model::Status;

use super::pointers::{Objects, Special};
use super::{Pointer, Wait};
use crate::goroutine::Goroutine;
use crate::layout::roots::Roots;
use crate::memory::word_at;
use crate::stack::maps::Sites;
use crate::stack::scan::{Plan, Scanner, Stack};
use crate::{Frozen, Runtime};

/// Channels of one `select`: Go allows so many cases.
const MAX_CASES: usize = 1 << 16;
/// Goroutines that wait in one queue; as many as there may be at all.
const MAX_QUEUE: usize = 10_000_000;
/// Roots of the tree of semaphores: `semTabSize` of `runtime/sema.go`.
const SEMAPHORE_ROOTS: u64 = 251;
/// Bytes from one of them to the next: a cache line.
const SEMAPHORE_ROOT_BYTES: u64 = 64;
/// Bytes of a suspended coroutine's stack that are searched: what suspends it is called last.
const COROUTINE_STACK_BYTES: u64 = 16 << 10;
/// Frames from a goroutine's innermost one to `sync.(*Cond).Wait`; there are three.
const CONDITION_FRAMES: usize = 8;
/// `sync.Cond.notify` (sync/cond.go, Go 1.19 to 1.25).
const CONDITION_LIST: u64 = 16;

/// What wait reasons stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Channel,
    Select,
    Nothing,
    /// A mutex, a wait group, and all else that is made of semaphores.
    Semaphore,
    Condition,
    Coroutine,
    /// Time, the network, the collector, or another part of the runtime ends it.
    Runtime,
}

/// By the runtime's words (`waitReasonStrings`), which are the same in all versions that have them.
fn kind(words: &str) -> Option<Kind> {
    let words = words.strip_suffix(" (durable)").unwrap_or(words);
    Some(match words.strip_suffix(" (synctest)").unwrap_or(words) {
        "chan receive" | "chan send" => Kind::Channel,
        "select" => Kind::Select,
        "chan receive (nil chan)" | "chan send (nil chan)" | "select (no cases)" => Kind::Nothing,
        "semacquire"
        | "sync.Mutex.Lock"
        | "sync.RWMutex.RLock"
        | "sync.RWMutex.Lock"
        | "sync.WaitGroup.Wait" => Kind::Semaphore,
        "sync.Cond.Wait" => Kind::Condition,
        "coroutine" => Kind::Coroutine,
        "GC assist marking"
        | "IO wait"
        | "dumping heap"
        | "garbage collection"
        | "garbage collection scan"
        | "panicwait"
        | "GC assist wait"
        | "GC sweep wait"
        | "GC scavenge wait"
        | "finalizer wait"
        | "cleanup wait"
        | "force gc (idle)"
        | "GOMAXPROCS updater (idle)"
        | "sleep"
        | "timer goroutine (idle)"
        | "trace reader (blocked)"
        | "wait for GC cycle"
        | "GC worker (idle)"
        | "GC worker (active)"
        | "preempted"
        | "debug call"
        | "GC mark termination"
        | "stopping the world"
        | "flushing proc caches"
        | "trace goroutine status"
        | "trace proc status"
        | "page trace flush"
        | "GC weak to strong wait"
        | "synctest.Run"
        | "synctest.Wait" => Kind::Runtime,
        _ => return None,
    })
}

/// A goroutine, with what is needed to look into its stack.
pub(super) struct Waiting<'s> {
    pub(super) one: &'s Goroutine,
    /// The bytes of its `g`.
    pub(super) bytes: &'s [u8],
    pub(super) plan: &'s Plan,
    pub(super) stack: &'s Stack<'s>,
}

/// Finds what goroutines wait for, remembering queues that many are in.
pub(super) struct Waits<'w, 'a> {
    runtime: &'a Runtime,
    layout: &'a Roots,
    frozen: &'a Frozen,
    objects: &'w Objects<'a>,
    sites: &'w Sites<'a>,
    /// By goroutine the address of the semaphore that it waits for; up to Go 1.25, `None` until asked for.
    semaphores: Option<Result<HashMap<u64, u64>, String>>,
    /// By list the goroutines in it; `None` where it cannot be read.
    lists: HashMap<u64, Option<HashSet<u64>>>,
    /// By pc whether it is in `sync.(*Cond).Wait`.
    in_condition: HashMap<u64, bool>,
}

impl<'w, 'a> Waits<'w, 'a> {
    pub(super) fn new(
        runtime: &'a Runtime,
        layout: &'a Roots,
        frozen: &'a Frozen,
        objects: &'w Objects<'a>,
        sites: &'w Sites<'a>,
    ) -> Self {
        Self {
            runtime,
            layout,
            frozen,
            objects,
            sites,
            semaphores: None,
            lists: HashMap::new(),
            in_condition: HashMap::new(),
        }
    }

    /// What a goroutine waits for.
    pub(super) fn of(&mut self, waiting: &Waiting<'_>) -> Wait {
        let one = waiting.one;
        match one.status {
            Status::Waiting | Status::Leaked => {}
            Status::Unknown => return Wait::Unknown("its status is not known".to_owned()),
            _ => return Wait::No,
        }
        let Some(words) = self.runtime.wait_reason(one.wait_reason) else {
            let number = one.wait_reason;
            return Wait::Unknown(format!("wait reason {number} has no known meaning"));
        };
        let found = match kind(words) {
            // A program that does all in other goroutines ends its `main` so, and means it.
            Some(Kind::Nothing) if one.id == 1 && words == "select (no cases)" => Ok(Wait::No),
            Some(Kind::Nothing) => Ok(Wait::ForNothing),
            Some(Kind::Runtime) => Ok(Wait::No),
            Some(Kind::Channel) => self.channels(waiting, false),
            Some(Kind::Select) => self.channels(waiting, true),
            Some(Kind::Semaphore) => self.semaphore(waiting),
            Some(Kind::Condition) => self.condition(waiting),
            Some(Kind::Coroutine) => self.coroutine(waiting),
            None => Err(format!("what ends a wait for \"{words}\" is not known")),
        };
        found.unwrap_or_else(Wait::Unknown)
    }

    fn word(&self, base: u64, offset: u32) -> Result<u64, String> {
        let at = base.wrapping_add(offset.into());
        let unread = || format!("what it waits for cannot be read at 0x{at:x}");
        self.objects.word(at).ok_or_else(unread)
    }

    fn of_g(&self, waiting: &Waiting<'_>, offset: u32) -> Result<u64, String> {
        let word = word_at(waiting.bytes, offset.into());
        word.ok_or_else(|| "its goroutine cannot be read".to_owned())
    }

    fn channels(&self, waiting: &Waiting<'_>, is_select: bool) -> Result<Wait, String> {
        let (sudog, g) = (&self.layout.sudog, &self.layout.g);
        let mut entry = self.of_g(waiting, g.waiting)?;
        if entry == 0 && is_select {
            // None of its channels is more than nil: others were put into their queues.
            return Ok(Wait::ForNothing);
        }
        if entry == 0 {
            return Err("its channel is not known".to_owned());
        }
        // Whoever wakes one that selects says so first: only one may.
        if is_select && self.of_g(waiting, g.select_done)? as u32 != 0 {
            return Ok(Wait::No);
        }
        let mut channels = Vec::new();
        while entry != 0 {
            if channels.len() >= MAX_CASES || self.word(entry, sudog.g)? != waiting.one.address.0 {
                return Err("the list of its channels is damaged".to_owned());
            }
            let channel = self.word(entry, sudog.channel)?;
            if channel == 0 || !self.is_queued(entry, channel)? {
                return Ok(Wait::No);
            }
            channels.push(channel);
            entry = self.word(entry, sudog.link)?;
        }
        channels.sort_unstable();
        channels.dedup();
        Ok(Wait::For(channels))
    }

    /// Whether an entry is in one of the channel's queues: the first of one, or behind another.
    fn is_queued(&self, entry: u64, channel: u64) -> Result<bool, String> {
        let queues = &self.layout.queues;
        Ok(self.word(entry, self.layout.sudog.previous)? != 0
            || self.word(channel, queues.receivers)? == entry
            || self.word(channel, queues.senders)? == entry)
    }

    fn semaphore(&mut self, waiting: &Waiting<'_>) -> Result<Wait, String> {
        let sudog = &self.layout.sudog;
        if sudog.links_all {
            let entry = self.of_g(waiting, self.layout.g.waiting)?;
            if entry == 0 {
                return Ok(Wait::No);
            }
            let address = self.word(entry, sudog.element)?;
            let is_woken = address == 0 || self.word(entry, sudog.g)? != waiting.one.address.0;
            return Ok(if is_woken {
                Wait::No
            } else {
                Wait::For(vec![address])
            });
        }
        if self.semaphores.is_none() {
            self.semaphores = Some(self.all_semaphores());
        }
        match &self.semaphores {
            Some(Ok(known)) => {
                let address = known.get(&waiting.one.address.0);
                Ok(address.map_or(Wait::No, |address| Wait::For(vec![*address])))
            }
            Some(Err(why)) => Err(why.clone()),
            None => Err("the table of semaphores was not read".to_owned()),
        }
    }

    /// Who waits for which semaphore: trees by address, and in each node the list of those that wait for the same.
    fn all_semaphores(&self) -> Result<HashMap<u64, u64>, String> {
        let (sudog, bias) = (&self.layout.sudog, self.frozen.bias.0);
        let table = self.runtime.variables.roots.semaphores;
        let table = table.ok_or("the runtime's table of semaphores (semtable) was not found")?;
        let mut found = HashMap::new();
        let mut nodes = Vec::new();
        for root in 0..SEMAPHORE_ROOTS {
            let at = table.wrapping_add(bias) + root * SEMAPHORE_ROOT_BYTES;
            nodes.push(self.word(at, self.layout.treap)?);
        }
        let mut seen = HashSet::new();
        while let Some(node) = nodes.pop() {
            if node == 0 || !seen.insert(node) {
                continue;
            }
            if seen.len() > MAX_QUEUE {
                return Err("the table of semaphores has no end".to_owned());
            }
            let address = self.word(node, sudog.element)?;
            nodes.push(self.word(node, sudog.previous)?);
            nodes.push(self.word(node, sudog.next)?);
            let mut entry = node;
            while entry != 0 {
                // In two lists at once it would be damaged.
                if found.insert(self.word(entry, sudog.g)?, address).is_some() {
                    return Err("the table of semaphores is damaged".to_owned());
                }
                entry = self.word(entry, sudog.link)?;
            }
        }
        Ok(found)
    }

    fn condition(&mut self, waiting: &Waiting<'_>) -> Result<Wait, String> {
        let g = waiting.one.address.0;
        let sudog = &self.layout.sudog;
        let (lists, is_certain) = if sudog.links_all {
            let entry = self.of_g(waiting, self.layout.g.waiting)?;
            if entry == 0 {
                return Ok(Wait::No);
            }
            (vec![self.word(entry, sudog.element)?], true)
        } else {
            (self.lists_in_frame(waiting)?, false)
        };
        let mut all_read = true;
        for list in &lists {
            match self.list(*list) {
                Some(members) if members.contains(&g) => return Ok(Wait::For(vec![*list])),
                Some(_) => {}
                None => all_read = false,
            }
        }
        if all_read || (!is_certain && !lists.is_empty()) {
            return Ok(Wait::No);
        }
        Err("who waits for its condition cannot be read".to_owned())
    }

    /// The goroutines in a `notifyList`; `None` where it cannot be read.
    fn list(&mut self, list: u64) -> Option<&HashSet<u64>> {
        if !self.lists.contains_key(&list) {
            let read = self.read_list(list);
            self.lists.insert(list, read);
        }
        self.lists.get(&list)?.as_ref()
    }

    fn read_list(&self, list: u64) -> Option<HashSet<u64>> {
        let mut members = HashSet::new();
        let mut entry = self.word(list, self.layout.notify_head).ok()?;
        while entry != 0 && members.len() < MAX_QUEUE {
            let object = self.objects.spans.object(entry)?;
            // What looks like a list may be none.
            if self.objects.special(object) != Some(Special::Sudog) {
                return None;
            }
            let is_new = members.insert(self.word(entry, self.layout.sudog.g).ok()?);
            if !is_new {
                return None;
            }
            entry = self.word(entry, self.layout.sudog.next).ok()?;
        }
        Some(members)
    }

    /// The lists of the conditions that the frame of `(*Cond).Wait` has pointers to.
    fn lists_in_frame(&mut self, waiting: &Waiting<'_>) -> Result<Vec<u64>, String> {
        let missing = || "the condition that it waits for was not found in its stack".to_owned();
        let Plan::Frames(start) = waiting.plan else {
            return Err(missing());
        };
        let (mut pc, mut sp) = (start.place.pc, start.place.sp);
        for _ in 0..CONDITION_FRAMES {
            let site = self.sites.get(pc.wrapping_sub(waiting.stack.bias));
            let site = site.ok_or_else(missing)?;
            let sites = self.sites;
            let is_wait = self
                .in_condition
                .entry(site.pc)
                .or_insert_with(|| sites.function(site.pc).as_deref() == Some("sync.(*Cond).Wait"));
            if *is_wait {
                let words = site.pointers.iter();
                let words = words.filter_map(|at| waiting.stack.word(sp + u64::from(*at)));
                let lists = words.filter(|word| *word != 0);
                return Ok(lists
                    .map(|word| word.wrapping_add(CONDITION_LIST))
                    .collect());
            }
            let return_at = sp.saturating_add(site.return_at.ok_or_else(missing)?);
            pc = waiting.stack.word(return_at).ok_or_else(missing)?;
            sp = return_at.saturating_add(8);
        }
        Err(missing())
    }

    /// The `coro` that a goroutine is suspended in: the one that its frames point to, and that has the goroutine as its own.
    fn coroutine(&self, waiting: &Waiting<'_>) -> Result<Wait, String> {
        let g = waiting.one.address.0;
        let mut found = Vec::new();
        let mut visit = |pointer: Pointer| {
            let object = self.objects.spans.object(pointer.to);
            let is_coroutine = object.is_some_and(|object| {
                self.objects.special(object).is_none()
                    && self.objects.spans.extent(object).start == pointer.to
                    && self.objects.word(pointer.to) == Some(g)
            });
            if is_coroutine && !found.contains(&pointer.to) {
                found.push(pointer.to);
            }
        };
        if let Some(offset) = self.layout.g.coroutine {
            let to = self.of_g(waiting, offset)?;
            let at = super::Spot::Runtime("coroutine");
            visit(Pointer { at, to });
        }
        let low = waiting.plan.range(waiting.stack.whole.end).start;
        let searched = low..low.saturating_add(COROUTINE_STACK_BYTES);
        words(waiting.stack, searched, self.sites, &mut visit);
        if found.is_empty() {
            return Err("the coroutine that it is suspended in was not found".to_owned());
        }
        Ok(Wait::For(found))
    }
}

fn words(stack: &Stack<'_>, range: Range<u64>, sites: &Sites<'_>, visit: &mut impl FnMut(Pointer)) {
    let part = Stack {
        whole: stack.whole.start..range.end.min(stack.whole.end),
        ..*stack
    };
    Scanner::new(sites, &part).words(range.start, visit);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &str, expected: Option<Kind>) {
        assert_eq!(kind(words), expected, "{words}");
    }

    #[test]
    fn bubbles_change_nothing() {
        check("chan receive", Some(Kind::Channel));
        check("chan send (durable)", Some(Kind::Channel));
        check("select (synctest)", Some(Kind::Select));
        check("sync.WaitGroup.Wait (durable)", Some(Kind::Semaphore));
    }

    #[test]
    fn what_is_not_known_is_not_decided() {
        check("select (no cases)", Some(Kind::Nothing));
        check("waiting for Godot", None);
        check("", None);
    }
}
