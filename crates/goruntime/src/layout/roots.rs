//! Where the fields lie that say who waits for what, and what may still wake a goroutine.
//!
//! Struct names and fields as in `runtime/runtime2.go`, `runtime/chan.go`, `runtime/sema.go`, `runtime/mheap.go`,
//! `runtime/mfinal.go` and `runtime/mcleanup.go` (Go 1.19 to 1.27).

/// Bytes into a struct; the largest looked at is `m` with some 2,000.
const MAX_OFFSET: u32 = 1 << 16;

/// What is used of the layout to find roots and waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Roots {
    pub(crate) g: Waiter,
    pub(crate) machine: Machine,
    pub(crate) sudog: Sudog,
    pub(crate) queues: Queues,
    /// `notifyList.head`.
    /// Missing from the debug information of programs without `sync.Cond`, which need none.
    pub(crate) notify_head: Option<u32>,
    /// `semaRoot.treap`.
    pub(crate) treap: u32,
    pub(crate) special: Special,
    pub(crate) finalizers: Blocks,
    /// From Go 1.25; before, they are with the finalizers.
    pub(crate) cleanups: Option<Cleanups>,
}

/// More offsets in `runtime.g`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiter {
    /// The sudogs of a channel operation; from Go 1.26 of locks and conditions as well.
    pub(crate) waiting: u32,
    pub(crate) deferred: u32,
    pub(crate) panicking: u32,
    pub(crate) select_done: u32,
    /// `sched.ctxt`.
    pub(crate) context: u32,
    /// `coroarg`, from Go 1.22.
    pub(crate) coroutine: Option<u32>,
    /// `xRegs`, from Go 1.26: where the vector registers are kept of one that was interrupted.
    pub(crate) vectors: Option<u32>,
    /// Offsets in `_defer`.
    pub(crate) defer_call: u32,
    pub(crate) defer_next: u32,
}

/// More offsets in `runtime.m`, and the bytes up to the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) bytes: u32,
    pub(crate) thread: u32,
    /// `g0`, whose stack is the thread's own.
    pub(crate) system: u32,
    /// `gsignal`, on whose stack signals are handled.
    pub(crate) signal: u32,
    /// `curg`.
    pub(crate) current: u32,
    /// `p`.
    pub(crate) processor: u32,
    /// `alllink`.
    pub(crate) next: u32,
}

/// Offsets in `runtime.sudog`, and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sudog {
    pub(crate) bytes: u32,
    pub(crate) g: u32,
    pub(crate) next: u32,
    pub(crate) previous: u32,
    /// The address that is waited for, where it is no channel.
    pub(crate) element: u32,
    /// `waitlink`.
    pub(crate) link: u32,
    pub(crate) channel: u32,
    /// Whether `g.waiting` leads to those of locks and conditions as well: from Go 1.26.
    pub(crate) links_all: bool,
}

/// Offsets in `runtime.hchan`, and its size: of the first in each queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queues {
    pub(crate) bytes: u32,
    pub(crate) receivers: u32,
    pub(crate) senders: u32,
}

/// Offsets in `runtime.special`, its size, and the kinds that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Special {
    pub(crate) bytes: u32,
    pub(crate) next: u32,
    pub(crate) offset: u32,
    /// Bytes of `offset`: 2 up to Go 1.23, then 8.
    pub(crate) offset_bytes: u32,
    pub(crate) kind: u32,
    /// Bytes of the largest kind that matters.
    pub(crate) most_bytes: u32,
    pub(crate) finalizer: u8,
    /// From Go 1.23.
    pub(crate) weak: Option<u8>,
    /// From Go 1.24.
    pub(crate) cleanup: Option<u8>,
    /// Words of a cleanup that are pointers: what to call; from Go 1.26 also how to call it, and with what.
    pub(crate) cleanup_words: u64,
}

/// A linked list of blocks of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) bytes: u32,
    /// The next of all blocks.
    pub(crate) next: u32,
    /// The first entry.
    pub(crate) entries: u32,
}

/// Offsets in `runtime.cleanupQueue`, and of its blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cleanups {
    /// The list of all blocks.
    pub(crate) all: u32,
    pub(crate) blocks: Blocks,
}

/// The layout, by a lookup of `struct.field`. `None` when something that is used is missing.
pub(super) fn build(get: &dyn Fn(&str) -> Option<u32>, minor: u32) -> Option<Roots> {
    let need = |name: &str| get(name).filter(|at| *at < MAX_OFFSET);
    Some(Roots {
        g: waiter(&need)?,
        machine: machine(&need)?,
        sudog: sudog(&need)?,
        queues: Queues {
            bytes: need("runtime.hchan")?,
            receivers: need("runtime.hchan.recvq")? + need("runtime.waitq.first")?,
            senders: need("runtime.hchan.sendq")? + need("runtime.waitq.first")?,
        },
        notify_head: need("runtime.notifyList.head"),
        treap: need("runtime.semaRoot.treap")?,
        special: special(&need, minor)?,
        finalizers: blocks(&need, "runtime.finBlock", "fin")
            .or_else(|| blocks(&need, "runtime.finblock", "fin"))?,
        cleanups: cleanups(&need),
    })
}

fn waiter(need: &dyn Fn(&str) -> Option<u32>) -> Option<Waiter> {
    Some(Waiter {
        waiting: need("runtime.g.waiting")?,
        deferred: need("runtime.g._defer")?,
        panicking: need("runtime.g._panic")?,
        select_done: need("runtime.g.selectDone")?,
        context: need("runtime.g.sched")? + need("runtime.gobuf.ctxt")?,
        coroutine: need("runtime.g.coroarg"),
        vectors: need("runtime.g.xRegs"),
        defer_call: need("runtime._defer.fn")?,
        defer_next: need("runtime._defer.link")?,
    })
}

fn machine(need: &dyn Fn(&str) -> Option<u32>) -> Option<Machine> {
    let field = |name: &str| need(&format!("runtime.m.{name}"));
    let (thread, system, signal) = (field("procid")?, field("g0")?, field("gsignal")?);
    let (current, processor, next) = (field("curg")?, field("p")?, field("alllink")?);
    let last = [thread, system, signal, current, processor, next];
    Some(Machine {
        bytes: last.into_iter().max()? + 8,
        thread,
        system,
        signal,
        current,
        processor,
        next,
    })
}

fn sudog(need: &dyn Fn(&str) -> Option<u32>) -> Option<Sudog> {
    let field = |name: &str| need(&format!("runtime.sudog.{name}"));
    // From Go 1.26 the collector can be kept from seeing these two; a second word always has the address.
    let hidden = need("runtime.maybeTraceablePtr.vu");
    Some(Sudog {
        bytes: need("runtime.sudog")?,
        g: field("g")?,
        next: field("next")?,
        previous: field("prev")?,
        element: field("elem")? + hidden.unwrap_or_default(),
        link: field("waitlink")?,
        channel: field("c")? + hidden.unwrap_or_default(),
        links_all: hidden.is_some(),
    })
}

fn special(need: &dyn Fn(&str) -> Option<u32>, minor: u32) -> Option<Special> {
    let bytes = need("runtime.special")?;
    let (offset, kind) = (
        need("runtime.special.offset")?,
        need("runtime.special.kind")?,
    );
    // `_KindSpecialFinalizer`, `_KindSpecialWeakHandle`, `_KindSpecialCleanup` of runtime/mheap.go.
    let (finalizer, weak, cleanup) = match minor {
        ..=22 => (1, None, None),
        23 => (1, Some(2), None),
        24 => (1, Some(2), Some(6)),
        25.. => (2, Some(3), Some(7)),
    };
    Some(Special {
        bytes,
        next: need("runtime.special.next")?,
        offset,
        offset_bytes: kind.checked_sub(offset)?.min(8),
        kind,
        // The fields of a finalizer: 4 words. A cleanup has as many.
        most_bytes: need("runtime.specialfinalizer")?.max(bytes + 32),
        finalizer,
        weak,
        cleanup,
        cleanup_words: u64::from(need("runtime.cleanupFn").unwrap_or(8) / 8),
    })
}

fn blocks(need: &dyn Fn(&str) -> Option<u32>, name: &str, entries: &str) -> Option<Blocks> {
    Some(Blocks {
        bytes: need(name)?,
        next: need(&format!("{name}.alllink"))?,
        entries: need(&format!("{name}.{entries}"))?,
    })
}

fn cleanups(need: &dyn Fn(&str) -> Option<u32>) -> Option<Cleanups> {
    Some(Cleanups {
        all: need("runtime.cleanupQueue.all")?,
        blocks: Blocks {
            bytes: need("runtime.cleanupBlock")?,
            next: need("runtime.cleanupBlockHeader.alllink")?,
            entries: need("runtime.cleanupBlock.cleanups")?,
        },
    })
}
