//! Where the fields lie that say what is on the heap.
//!
//! Struct names and fields as in `runtime/mheap.go`, `runtime/symtab.go`, `runtime/chan.go` and `internal/abi/type.go`
//! (Go 1.21 to 1.27; `runtime/type.go` in Go 1.19).

use crate::image::Processor;

/// Bytes into a struct; the largest looked at is `mheap` with some 90,000.
const MAX_OFFSET: u32 = 1 << 22;

/// What is used of the heap's layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heap {
    /// `mheap.allspans`, a slice of pointers.
    pub(crate) all_spans: u32,
    /// `mheap.arenas`, a pointer to the table of arenas.
    pub(crate) arenas: u32,
    /// `mheap.sweepgen`.
    pub(crate) sweep: u32,
    pub(crate) span: Span,
    /// Up to Go 1.21 arenas say which words are pointers, for all that lies in them.
    pub(crate) bitmap: Option<Bitmap>,
    pub(crate) module: Module,
    pub(crate) types: Types,
    pub(crate) channel: Channel,
    pub(crate) waiting: Waiting,
}

/// Offsets that lead from a goroutine to the channels it waits for, and the size of a `runtime.sudog`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// `g.waiting`.
    pub(crate) first: u32,
    /// `sudog.waitlink`.
    pub(crate) next: u32,
    /// `sudog.c`.
    pub(crate) channel: u32,
    pub(crate) sudog_bytes: u32,
}

/// Offsets in `runtime.mspan`, and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) bytes: u32,
    pub(crate) start: u32,
    pub(crate) pages: u32,
    pub(crate) free_index: u32,
    pub(crate) count: u32,
    /// Whether the two before are of 2 bytes (from Go 1.22) or of 8.
    pub(crate) is_narrow: bool,
    /// The end of what a process can have mapped.
    pub(crate) address_end: u64,
    pub(crate) allocated: u32,
    pub(crate) element_bytes: u32,
    pub(crate) class: u32,
    pub(crate) state: u32,
    pub(crate) limit: u32,
    pub(crate) specials: u32,
    /// `sweepgen`.
    pub(crate) sweep: u32,
    /// From Go 1.21.
    pub(crate) pinned: Option<u32>,
    /// From Go 1.22.
    pub(crate) large_type: Option<u32>,
    /// From Go 1.20.
    pub(crate) is_user_arena: Option<u32>,
}

/// Offsets in `runtime.heapArena`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bitmap {
    pub(crate) bits: u32,
    /// From Go 1.20 a word has one bit. Before, a byte has 4 words: their pointer bits low, their scan bits high.
    pub(crate) is_flat: bool,
}

/// Offsets in `runtime.moduledata`, and the bytes up to the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) bytes: u32,
    pub(crate) text: u32,
    pub(crate) text_end: u32,
    /// `noptrdata`, where what is written to begins.
    pub(crate) plain_data: u32,
    pub(crate) data: u32,
    pub(crate) data_end: u32,
    pub(crate) bss: u32,
    pub(crate) bss_end: u32,
    /// `enoptrbss`, where it ends.
    pub(crate) plain_bss_end: u32,
    pub(crate) types: u32,
    pub(crate) types_end: u32,
    /// Bit vectors: how many bits, and where.
    pub(crate) data_mask: u32,
    pub(crate) bss_mask: u32,
    pub(crate) rodata: u32,
    pub(crate) next: u32,
}

/// Offsets in a type and in what follows it, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Types {
    pub(crate) bytes: u32,
    pub(crate) size: u32,
    pub(crate) pointer_bytes: u32,
    pub(crate) flags: u32,
    pub(crate) kind: u32,
    pub(crate) mask: u32,
    pub(crate) name: u32,
}

/// Offsets in `runtime.hchan`, and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) bytes: u32,
    pub(crate) count: u32,
    pub(crate) capacity: u32,
    pub(crate) buffer: u32,
    pub(crate) element_bytes: u32,
    pub(crate) is_closed: u32,
    pub(crate) element: u32,
}

/// The layout, by a lookup of `struct.field`. `None` when something that is used is missing.
pub(super) fn build(get: &dyn Fn(&str) -> Option<u32>, processor: Processor) -> Option<Heap> {
    let need = |name: &str| get(name).filter(|at| *at < MAX_OFFSET);
    let own = |at: &str| {
        let name = format!("internal/abi.Type{}", at.split('|').next()?);
        let old = format!("runtime._type{}", at.split('|').next_back()?);
        need(&name).or_else(|| need(&old))
    };
    let (free_index, count) = (
        need("runtime.mspan.freeindex")?,
        need("runtime.mspan.nelems")?,
    );
    let large_type = need("runtime.mspan.largeType");
    let span = Span {
        bytes: need("runtime.mspan")?,
        start: need("runtime.mspan.startAddr")?,
        pages: need("runtime.mspan.npages")?,
        free_index,
        count,
        is_narrow: count.abs_diff(free_index) < 8,
        address_end: processor.address_end(),
        allocated: need("runtime.mspan.allocBits")?,
        element_bytes: need("runtime.mspan.elemsize")?,
        class: need("runtime.mspan.spanclass")?,
        state: need("runtime.mspan.state")?,
        limit: need("runtime.mspan.limit")?,
        specials: need("runtime.mspan.specials")?,
        sweep: need("runtime.mspan.sweepgen")?,
        pinned: need("runtime.mspan.pinnerBits"),
        large_type,
        is_user_arena: need("runtime.mspan.isUserArenaChunk"),
    };
    let bitmap = match large_type {
        Some(_) => None,
        None => Some(Bitmap {
            bits: need("runtime.heapArena.bitmap")?,
            is_flat: need("runtime.heapArena.noMorePtrs").is_some(),
        }),
    };
    let types = Types {
        bytes: own("")?,
        size: own(".Size_|.size")?,
        pointer_bytes: own(".PtrBytes|.ptrdata")?,
        flags: own(".TFlag|.tflag")?,
        kind: own(".Kind_|.kind")?,
        mask: own(".GCData|.gcdata")?,
        name: own(".Str|.str")?,
    };
    Some(Heap {
        all_spans: need("runtime.mheap.allspans")?,
        arenas: need("runtime.mheap.arenas")?,
        sweep: need("runtime.mheap.sweepgen")?,
        span,
        bitmap,
        module: module(&need)?,
        types,
        channel: channel(&need)?,
        waiting: Waiting {
            first: need("runtime.g.waiting")?,
            next: need("runtime.sudog.waitlink")?,
            // From Go 1.26 the second of two words is there whether the collector may see it or not.
            channel: need("runtime.sudog.c")?
                + need("runtime.maybeTraceablePtr.vu").unwrap_or_default(),
            sudog_bytes: need("runtime.sudog")?,
        },
    })
}

fn module(need: &dyn Fn(&str) -> Option<u32>) -> Option<Module> {
    let field = |name: &str| need(&format!("runtime.moduledata.{name}"));
    Some(Module {
        bytes: need("runtime.moduledata")?,
        text: field("text")?,
        text_end: field("etext")?,
        plain_data: field("noptrdata")?,
        data: field("data")?,
        data_end: field("edata")?,
        bss: field("bss")?,
        bss_end: field("ebss")?,
        plain_bss_end: field("enoptrbss")?,
        types: field("types")?,
        types_end: field("etypes")?,
        data_mask: field("gcdatamask")?,
        bss_mask: field("gcbssmask")?,
        rodata: field("rodata")?,
        next: field("next")?,
    })
}

fn channel(need: &dyn Fn(&str) -> Option<u32>) -> Option<Channel> {
    let field = |name: &str| need(&format!("runtime.hchan.{name}"));
    Some(Channel {
        bytes: need("runtime.hchan")?,
        count: field("qcount")?,
        capacity: field("dataqsiz")?,
        buffer: field("buf")?,
        element_bytes: field("elemsize")?,
        is_closed: field("closed")?,
        element: field("elemtype")?,
    })
}
