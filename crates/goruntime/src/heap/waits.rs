//! What each goroutine waits for, and whether somebody is just waking it.
//!
//! A goroutine that is woken still counts as waiting for a moment: whoever wakes it has taken it out of the queue, and what it
//! waited for may already be forgotten. So each is looked for in its queue: one that is in none is being woken.
//!
//! Facts: `runtime/chan.go`, `runtime/select.go`, `runtime/sema.go` and `runtime/coro.go`, Go 1.19 to 1.27.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use gorphan_model::Status;

use super::pointers::{Objects, Special};
use super::{Pointer, Wait};
use crate::goroutine::Goroutine;
use crate::layout::roots::Roots;
use crate::memory::word_at;
use crate::stack::To;
use crate::stack::maps::{Found, Sites};
use crate::stack::scan::{Plan, Scanner, Stack};
use crate::{Frozen, Runtime};

/// Channels of one `select`: Go allows so many cases.
const MAX_CASES: usize = 1 << 16;
/// Roots of the tree of semaphores: `semTabSize` of `runtime/sema.go`.
const SEMAPHORE_ROOTS: u64 = 251;
/// Bytes of a suspended coroutine's stack that are searched: what suspends it is called last.
const COROUTINE_STACK_BYTES: u64 = 16 << 10;
/// Frames from a goroutine's innermost one to the function that is looked for; there are up to three.
const INNERMOST_FRAMES: usize = 8;
/// `sync.Cond.notify` (sync/cond.go, Go 1.19 to 1.25).
const CONDITION_LIST: u64 = 16;

/// The functions that park for ever.
const BLOCKING: [&str; 3] = ["runtime.chanrecv", "runtime.chansend", "runtime.block"];

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

/// Whether goroutines that wait for this reason are parked, and go on as the scheduler says: not those that switch to each other,
/// nor those that only call themselves waiting.
pub(crate) fn parks(words: &str) -> bool {
    match kind(words) {
        Some(Kind::Channel | Kind::Select | Kind::Nothing | Kind::Semaphore | Kind::Condition) => {
            true
        }
        Some(Kind::Runtime) => words == "IO wait" || words == "sleep",
        Some(Kind::Coroutine) | None => false,
    }
}

/// A `runtime.sudog`: a goroutine in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    g: u64,
    next: u64,
    previous: u64,
    /// What is waited for, where it is no channel.
    element: u64,
    /// The next of the same goroutine, or of those that wait for the same.
    link: u64,
    channel: u64,
}

/// A goroutine, with what is needed to look into its stack.
pub(super) struct Waiting<'s> {
    pub(super) one: &'s Goroutine,
    /// The bytes of its `g`.
    pub(super) bytes: &'s [u8],
    pub(super) plan: &'s Plan,
    pub(super) stack: &'s Stack<'s>,
}

/// Finds what goroutines wait for, remembering queues that many are in. Several threads may ask at once.
pub(super) struct Waits<'w, 'a> {
    runtime: &'a Runtime,
    layout: &'a Roots,
    frozen: &'a Frozen,
    objects: &'w Objects<'a>,
    sites: &'w Sites<'a>,
    /// By goroutine the address of the semaphore that it waits for; up to Go 1.25.
    semaphores: OnceLock<Result<HashMap<u64, u64>, &'static str>>,
    lists: RwLock<HashMap<u64, List>>,
}

/// The goroutines in a list; `None` where it cannot be read.
type List = Option<Arc<HashSet<u64>>>;

/// Why it is not known what a goroutine waits for. Few different ones: goroutines are told apart by it.
type Unknown = &'static str;

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
            semaphores: OnceLock::new(),
            lists: RwLock::default(),
        }
    }

    /// What a goroutine waits for.
    pub(super) fn of(&self, waiting: &Waiting<'_>) -> Wait {
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
            Some(Kind::Nothing) => self.nothing(waiting, &BLOCKING),
            Some(Kind::Runtime) => Ok(Wait::No),
            Some(Kind::Channel) => self.channels(waiting, false),
            Some(Kind::Select) => self.channels(waiting, true),
            Some(Kind::Semaphore) => self.semaphore(waiting),
            Some(Kind::Condition) => self.condition(waiting),
            Some(Kind::Coroutine) => self.coroutine(waiting),
            None => return Wait::Unknown(format!("what ends a wait for \"{words}\" is not known")),
        };
        found.unwrap_or_else(|why| Wait::Unknown(why.to_owned()))
    }

    fn word(&self, base: u64, offset: u32) -> Result<u64, Unknown> {
        let word = self.objects.word(base.wrapping_add(offset.into()));
        word.ok_or("what it waits for cannot be read")
    }

    /// The bytes at an address: of the object there, which is quicker, or of anything else that was copied.
    fn bytes(&self, at: u64, length: u32) -> Result<&'a [u8], Unknown> {
        let spans = &self.objects.spans;
        let object = spans.object(at);
        let object = object.filter(|object| spans.extent(*object).start == at);
        let bytes = object.and_then(|object| spans.bytes(object));
        let bytes = bytes.or_else(|| self.objects.view.slice(at, length.into()));
        bytes.ok_or("what it waits for cannot be read")
    }

    /// An entry of a queue.
    fn entry(&self, at: u64) -> Result<Entry, Unknown> {
        let layout = &self.layout.sudog;
        let bytes = self.bytes(at, layout.bytes)?;
        let field = |offset: u32| {
            let field = word_at(bytes, offset.into());
            field.ok_or("a queue that it waits in is damaged")
        };
        Ok(Entry {
            g: field(layout.g)?,
            next: field(layout.next)?,
            previous: field(layout.previous)?,
            element: field(layout.element)?,
            link: field(layout.link)?,
            channel: field(layout.channel)?,
        })
    }

    fn of_g(&self, waiting: &Waiting<'_>, offset: u32) -> Result<u64, Unknown> {
        word_at(waiting.bytes, offset.into()).ok_or("its goroutine cannot be read")
    }

    fn channels(&self, waiting: &Waiting<'_>, is_select: bool) -> Result<Wait, Unknown> {
        let g = &self.layout.g;
        let mut at = self.of_g(waiting, g.waiting)?;
        if at == 0 && is_select {
            // None of its channels is more than nil: others were put into their queues.
            return self.nothing(waiting, &["runtime.selectgo"]);
        }
        if at == 0 {
            return Err("its channel is not known");
        }
        // Whoever wakes one that selects says so first: only one may.
        if is_select && self.of_g(waiting, g.select_done)? as u32 != 0 {
            return Ok(Wait::No);
        }
        let mut channels = Vec::new();
        while at != 0 {
            let entry = self.entry(at)?;
            if channels.len() >= MAX_CASES || entry.g != waiting.one.address.0 {
                return Err("the list of its channels is damaged");
            }
            if entry.channel == 0 || !self.is_queued(at, &entry)? {
                return Ok(Wait::No);
            }
            channels.push(entry.channel);
            at = entry.link;
        }
        channels.sort_unstable();
        channels.dedup();
        Ok(Wait::For(channels))
    }

    /// Whether an entry is in one of its channel's queues: the first of one, or behind another.
    fn is_queued(&self, at: u64, entry: &Entry) -> Result<bool, Unknown> {
        let queues = &self.layout.queues;
        if entry.previous != 0 {
            return Ok(true);
        }
        let channel = self.bytes(entry.channel, queues.bytes)?;
        let firsts = [queues.receivers, queues.senders];
        Ok(firsts
            .iter()
            .any(|first| word_at(channel, (*first).into()) == Some(at)))
    }

    fn semaphore(&self, waiting: &Waiting<'_>) -> Result<Wait, Unknown> {
        let g = waiting.one.address.0;
        let address = if self.layout.sudog.links_all {
            let at = self.of_g(waiting, self.layout.g.waiting)?;
            if at == 0 {
                return Ok(Wait::No);
            }
            let entry = self.entry(at)?;
            // Out of the queue neither is known any more.
            (entry.g == g && entry.element != 0).then_some(entry.element)
        } else {
            let known = self.semaphores.get_or_init(|| self.all_semaphores());
            known.as_ref().map_err(|why| *why)?.get(&g).copied()
        };
        Ok(address.map_or(Wait::No, |address| Wait::For(vec![address])))
    }

    /// Who waits for which semaphore: trees by address, and in each node the list of those that wait for the same.
    fn all_semaphores(&self) -> Result<HashMap<u64, u64>, Unknown> {
        let table = self.runtime.variables.roots.semaphores;
        let table = table.ok_or("the runtime's table of semaphores (semtable) was not found")?;
        let table = table.wrapping_add(self.frozen.bias.0);
        // Each has a cache line of its own.
        let root_bytes = self.runtime.image().processor().cache_line_bytes();
        let mut found = HashMap::new();
        let mut nodes = Vec::new();
        for root in 0..SEMAPHORE_ROOTS {
            let at = table.wrapping_add(root * root_bytes);
            nodes.push(self.word(at, self.layout.treap)?);
        }
        // A tree that is being changed may lead to the same twice.
        let mut seen = HashSet::new();
        while let Some(node) = nodes.pop() {
            let mut at = node;
            let mut address = None;
            while at != 0 && seen.insert(at) {
                let entry = self.entry(at)?;
                if at == node {
                    nodes.extend([entry.previous, entry.next]);
                }
                let address = *address.get_or_insert(entry.element);
                let other = found.insert(entry.g, address);
                if other.is_some_and(|other| other != address) {
                    return Err("the runtime's table of semaphores (semtable) is damaged");
                }
                at = entry.link;
            }
        }
        Ok(found)
    }

    fn condition(&self, waiting: &Waiting<'_>) -> Result<Wait, Unknown> {
        let g = waiting.one.address.0;
        let lists = if self.layout.sudog.links_all {
            let at = self.of_g(waiting, self.layout.g.waiting)?;
            if at == 0 {
                return Ok(Wait::No);
            }
            vec![self.entry(at)?.element]
        } else {
            self.lists_in_frame(waiting)?
        };
        let mut is_any_known = false;
        for list in lists {
            if let Some(members) = self.list(list) {
                is_any_known = true;
                if members.contains(&g) {
                    return Ok(Wait::For(vec![list]));
                }
            }
        }
        match is_any_known {
            // Taken out of the list.
            true => Ok(Wait::No),
            false => Err("who waits for its condition cannot be read"),
        }
    }

    /// The goroutines in a `notifyList`; `None` where there is none.
    fn list(&self, list: u64) -> List {
        let known = self.lists.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&list) {
            return known.clone();
        }
        drop(known);
        let read = self.read_list(list).map(Arc::new);
        let mut known = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(list, read.clone());
        read
    }

    fn read_list(&self, list: u64) -> Option<HashSet<u64>> {
        let mut members = HashSet::new();
        let mut at = self.word(list, self.layout.notify_head?).ok()?;
        while at != 0 {
            // What looks like a list may be none.
            let object = self.objects.spans.object(at)?;
            if self.objects.special(object) != Some(Special::Sudog) {
                return None;
            }
            let entry = self.entry(at).ok()?;
            if !members.insert(entry.g) {
                return None;
            }
            at = entry.next;
        }
        Some(members)
    }

    /// The lists of the conditions that the frame of `(*Cond).Wait` has pointers to.
    fn lists_in_frame(&self, waiting: &Waiting<'_>) -> Result<Vec<u64>, Unknown> {
        let found = self.frame_of(waiting, &["sync.(*Cond).Wait"]);
        let missing = "the condition that it waits for was not found in its stack";
        let (sp, site) = found.ok_or(missing)?;
        let words = site.pointers.iter();
        let words = words.filter_map(|at| waiting.stack.word(sp.saturating_add((*at).into())));
        let lists = words.filter(|word| *word != 0);
        Ok(lists
            .map(|word| word.wrapping_add(CONDITION_LIST))
            .collect())
    }

    /// Nobody can wake it, if it is the runtime that parked it: packages that park goroutines by themselves, as gVisor does, give
    /// these reasons as well, and have ways of their own to go on.
    fn nothing(&self, waiting: &Waiting<'_>, by: &[&str]) -> Result<Wait, Unknown> {
        match self.frame_of(waiting, by) {
            Some(_) => Ok(Wait::ForNothing),
            None => Err("what parked it is not known"),
        }
    }

    /// The frame of one of some functions among the innermost: its stack pointer, and what is known of it.
    fn frame_of(&self, waiting: &Waiting<'_>, names: &[&str]) -> Option<(u64, Found<'w>)> {
        let Plan::Frames { start, .. } = waiting.plan else {
            return None;
        };
        let (mut pc, mut sp, mut link) = (start.place.pc, start.place.sp, start.link);
        for _ in 0..INNERMOST_FRAMES {
            let site = self.sites.get(pc.wrapping_sub(waiting.stack.bias))?;
            if names.iter().any(|name| self.sites.is_in(site.pc, name)) {
                return Some((sp, site));
            }
            let returns = self.sites.frame().returns(sp, site.bytes?, link)?;
            pc = match returns.to {
                To::Linked(to) => to,
                To::At(at) => waiting.stack.word(at)?,
            };
            (sp, link) = (returns.next_sp, 0);
        }
        None
    }

    /// The `coro` that a goroutine is suspended in: the one that its frames point to, and that has the goroutine as its own.
    fn coroutine(&self, waiting: &Waiting<'_>) -> Result<Wait, Unknown> {
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
            return Err("the coroutine that it is suspended in was not found");
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
