//! What frames hold: which of their words are pointers, by the stack maps that the compiler made for every call.
//!
//! The rules are those of `getStackMap` in `runtime/stkframe.go` (up to Go 1.19 in `runtime/stack.go`) and of
//! `scanframeworker` in `runtime/mgcmark.go`.

use std::collections::HashMap;
use std::ops::{Deref, Range};
use std::sync::{Arc, RwLock};

use foldhash::fast::RandomState;

use super::Frame;
use crate::image::pclntab::{
    ARGUMENT_MAPS, Code, Function, LOCAL_MAPS, STACK_OBJECTS, TOP_FRAME, WRITES_SP, Work,
};
use crate::{Error, Runtime};

/// Words that one stack map speaks of: of frames of 64 MiB, more than the compiler allows.
const MAX_WORDS: u32 = 8 << 20;
/// Variables of one function whose address is taken.
const MAX_OBJECTS: u64 = 1 << 16;
/// Places that are remembered; the largest programs have some million calls, and block in few of them.
const MAX_SITES: usize = 1 << 20;
/// Bytes of a `runtime.stackObjectRecord`: offset, size, bytes with pointers, where the mask lies.
const OBJECT_BYTES: u64 = 16;

/// A frame whose function is at one pc. Offsets are in bytes from the stack pointer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Site {
    /// The linked pc that stands for the frame.
    pub(crate) pc: u64,
    /// Bytes of the frame, without a return address above it. `None` where the frames of the caller, and so all that follows,
    /// cannot be told apart.
    pub(crate) bytes: Option<u64>,
    /// There is no caller.
    pub(crate) is_top: bool,
    /// The function changes the stack pointer in ways that the tables do not follow: only a system call's saved place is right.
    pub(crate) writes_sp: bool,
    /// Words that are pointers.
    pub(crate) pointers: Box<[u32]>,
    /// Words that may be pointers.
    pub(crate) loose: Box<[Range<u64>]>,
    /// Variables whose address is taken: their pointers count once a pointer to them is found.
    pub(crate) objects: Box<[Variable]>,
    /// The caller's words are only guessed to be pointers as well: it was interrupted in place, or its share of the arguments is
    /// not known.
    pub(crate) loosens_caller: bool,
    /// The runtime put the call between two instructions of the caller.
    pub(crate) is_injected: bool,
    /// The function is of package `runtime`, which keeps addresses in numbers for as long as it is not interrupted.
    pub(crate) is_runtime: bool,
    /// Bytes of the arguments, which lie behind the return address.
    argument_bytes: u64,
}

/// A variable on the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// From the stack pointer.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    /// Offsets in the variable of words that are pointers.
    pub(crate) pointers: Box<[u32]>,
}

impl Site {
    /// All that the frame has, its arguments and the caller's share of them included.
    pub(crate) fn whole(&self) -> Range<u64> {
        let arguments = self.bytes.map(arguments_at);
        let end = arguments.and_then(|at| at.checked_add(self.argument_bytes));
        0..end.unwrap_or(u64::MAX)
    }
}

/// The sites of a program, each worked out once.
#[derive(Debug)]
pub(crate) struct Sites<'a> {
    runtime: &'a Runtime,
    rodata: Option<u64>,
    pub(crate) work: Work,
    /// Worked out while one thread had it alone; read without locks.
    known: HashMap<u64, Site, RandomState>,
    more: RwLock<HashMap<u64, Arc<Site>>>,
}

/// A site, wherever it is kept.
pub(crate) enum Found<'s> {
    Known(&'s Site),
    More(Arc<Site>),
}

impl Deref for Found<'_> {
    type Target = Site;

    fn deref(&self) -> &Site {
        match self {
            Self::Known(site) => site,
            Self::More(site) => site,
        }
    }
}

impl<'a> Sites<'a> {
    /// # Errors
    /// When the function table is damaged.
    pub(crate) fn new(runtime: &'a Runtime) -> Result<Self, Error> {
        let work = Work::new();
        runtime.code(&work)?;
        let module = runtime.layout.heap.as_ref().map(|heap| heap.module.rodata);
        let rodata = module.and_then(|rodata| {
            let at = runtime.variables.module.checked_add(rodata.into())?;
            runtime.image().word(at)
        });
        Ok(Self {
            runtime,
            rodata,
            work,
            known: HashMap::default(),
            more: RwLock::default(),
        })
    }

    /// How frames lie.
    pub(crate) fn frame(&self) -> Frame {
        Frame::of(self.runtime.image().processor())
    }

    /// The site at a linked pc; `None` where there is no function.
    pub(crate) fn get(&self, pc: u64) -> Option<Found<'_>> {
        if let Some(known) = self.known.get(&pc) {
            return Some(Found::Known(known));
        }
        if let Some(more) = self
            .more
            .read()
            .ok()
            .and_then(|more| more.get(&pc).cloned())
        {
            return Some(Found::More(more));
        }
        let site = Arc::new(self.make(pc)?);
        if let Ok(mut more) = self.more.write()
            && more.len() < MAX_SITES
        {
            more.insert(pc, Arc::clone(&site));
        }
        Some(Found::More(site))
    }

    /// Moves what was worked out until now to where it is read without locks.
    pub(crate) fn settle(&mut self) {
        let more = self.more.get_mut().map(std::mem::take).unwrap_or_default();
        let more = more.into_iter();
        self.known
            .extend(more.map(|(pc, site)| (pc, Arc::unwrap_or_clone(site))));
    }

    fn make(&self, pc: u64) -> Option<Site> {
        let code = self.runtime.code(&self.work).ok()?;
        let function = code.find(pc)?;
        Some(site(&code, &function, self.rodata, pc))
    }

    /// Whether a linked pc is in the function of this name.
    pub(crate) fn is_in(&self, pc: u64, name: &str) -> bool {
        let code = self.runtime.code(&self.work).ok();
        let function = code.as_ref().and_then(|code| code.find(pc));
        function.is_some_and(|function| function.name == name)
    }

    /// The name of the function at a linked pc.
    pub(crate) fn function(&self, pc: u64) -> Option<String> {
        let code = self.runtime.code(&self.work).ok()?;
        Some(code.find(pc)?.name.to_owned())
    }
}

/// Calls that the runtime put between two instructions of their callers.
fn is_injected(name: &str) -> bool {
    matches!(
        name,
        "runtime.asyncPreempt" | "runtime.debugCallV2" | "runtime.sigpanic"
    )
}

fn site(code: &Code<'_>, function: &Function<'_>, rodata: Option<u64>, pc: u64) -> Site {
    let mut site = Site {
        pc: if pc > function.entry { pc - 1 } else { pc },
        is_top: function.flags & TOP_FRAME != 0,
        is_runtime: function.name.starts_with("runtime."),
        writes_sp: function.flags & WRITES_SP != 0 && function.name != "runtime.cgocallback",
        ..Site::default()
    };
    let frame_bytes = code.frame_bytes(function, pc);
    let Some(bytes) = frame_bytes.and_then(|bytes| u64::try_from(bytes).ok()) else {
        return site;
    };
    site.bytes = Some(bytes);
    let arguments = code.argument_bytes(function);
    site.argument_bytes = arguments.unwrap_or_default().into();
    site.is_injected = is_injected(function.name);
    if site.is_injected || arguments.is_none() {
        site.loosens_caller = true;
        site.loose = [site.whole()].into();
        return site;
    }
    match Maps::of(code, function, pc) {
        Some(maps) => maps.fill(&mut site, bytes, rodata),
        None => site.loose = [site.whole()].into(),
    }
    site
}

/// Where arguments begin, above a frame of so many bytes: the return address is between on amd64, and on arm64 there is room
/// for the one that the callee saves.
fn arguments_at(bytes: u64) -> u64 {
    bytes.saturating_add(8)
}

/// The maps of a function at one pc.
struct Maps<'c, 'a> {
    code: &'c Code<'a>,
    function: &'c Function<'a>,
    index: u32,
}

impl<'c, 'a> Maps<'c, 'a> {
    /// `None` where the tables are damaged.
    fn of(code: &'c Code<'a>, function: &'c Function<'a>, pc: u64) -> Option<Self> {
        let index = match pc == function.entry {
            true => 0,
            // Within the call that the frame is in.
            false => code.stack_map(function, pc - 1)?,
        };
        Some(Self {
            code,
            function,
            index,
        })
    }

    fn fill(&self, site: &mut Site, bytes: u64, rodata: Option<u64>) {
        // The caller's frame pointer is kept at the frame's end, where there is a frame at all.
        let locals_end = bytes.saturating_sub(8);
        let arguments_at = arguments_at(bytes);
        // The return address, and what keeps the stack aligned, where they are in the frame.
        let least = if self.code.image.processor().links() {
            16
        } else {
            0
        };
        let (mut pointers, mut loose) = (Vec::new(), Vec::new());
        if locals_end > least {
            match self.locals(locals_end) {
                Some(locals) => pointers.extend(locals),
                None => loose.push(0..locals_end),
            }
        }
        if site.argument_bytes > 0 {
            match self.arguments(arguments_at) {
                Some(arguments) => pointers.extend(arguments),
                None => loose.push(arguments_at..arguments_at + site.argument_bytes),
            }
        }
        match self.variables(locals_end, arguments_at, rodata) {
            Some(objects) => site.objects = objects.into(),
            None => loose.push(0..locals_end),
        }
        site.pointers = pointers.into();
        site.loose = loose.into();
    }

    fn locals(&self, end: u64) -> Option<Vec<u32>> {
        let bits = self.bits(LOCAL_MAPS)?;
        let start = end.checked_sub(u64::from(bits.count) * 8)?;
        Some(bits.offsets(start))
    }

    fn arguments(&self, start: u64) -> Option<Vec<u32>> {
        Some(self.bits(ARGUMENT_MAPS)?.offsets(start))
    }

    /// A `runtime.stackmap`: how many maps, bits of each, and the maps.
    fn bits(&self, which: usize) -> Option<Bits<'a>> {
        let at = self.code.data(self.function, which)?;
        let (maps, count) = (u32_at(self.code, at)?, u32_at(self.code, at + 4)?);
        if count == 0 {
            return Some(Bits { bytes: &[], count });
        }
        if self.index >= maps || count > MAX_WORDS {
            return None;
        }
        let bytes = u64::from(count.div_ceil(8));
        let start = at.checked_add(8 + bytes * u64::from(self.index))?;
        Some(Bits {
            bytes: self.code.image.at(start, bytes)?,
            count,
        })
    }

    /// The function's stack objects, sorted. Empty where it has none, `None` where they are damaged.
    fn variables(&self, locals: u64, arguments: u64, rodata: Option<u64>) -> Option<Vec<Variable>> {
        let Some(at) = self.code.data(self.function, STACK_OBJECTS) else {
            return Some(Vec::new());
        };
        let count = u64::from_le_bytes(self.code.image.at(at, 8)?.try_into().ok()?);
        if count > MAX_OBJECTS {
            return None;
        }
        let records = self
            .code
            .image
            .at(at.checked_add(8)?, count * OBJECT_BYTES)?;
        let mut found = Vec::new();
        for record in records.chunks_exact(OBJECT_BYTES as usize) {
            let field = |at: usize| {
                record
                    .get(at..at + 4)?
                    .try_into()
                    .ok()
                    .map(i32::from_le_bytes)
            };
            let (offset, bytes, with_pointers) = (field(0)?, field(4)?, field(8)?);
            let base = if offset < 0 { locals } else { arguments };
            let Some(at) = base.checked_add_signed(offset.into()) else {
                // Not there yet: the function still makes room for its frame.
                continue;
            };
            let mask = rodata?.checked_add(u64::from(field(12)? as u32))?;
            found.push(Variable {
                at,
                bytes: u64::try_from(bytes).ok()?,
                pointers: self.pointers_of(with_pointers, mask, bytes)?.into(),
            });
        }
        found.sort_unstable_by_key(|variable| variable.at);
        Some(found)
    }

    fn pointers_of(&self, with_pointers: i32, mask: u64, bytes: i32) -> Option<Vec<u32>> {
        // Up to Go 1.23 a negative number says that a program writes the mask: then any word may be a pointer.
        let Ok(with_pointers) = u32::try_from(with_pointers) else {
            let words = u32::try_from(bytes).ok()? / 8;
            return (words <= MAX_WORDS).then(|| (0..words).map(|word| word * 8).collect());
        };
        let count = with_pointers / 8;
        if count > MAX_WORDS {
            return None;
        }
        let bytes = self.code.image.at(mask, count.div_ceil(8).into())?;
        Some(Bits { bytes, count }.offsets(0))
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    count: u32,
}

impl Bits<'_> {
    /// The offsets of the words that are set, from a first one.
    fn offsets(&self, start: u64) -> Vec<u32> {
        let is_set = |word: &u32| {
            let byte = self.bytes.get((*word / 8) as usize);
            byte.is_some_and(|byte| byte >> (word % 8) & 1 == 1)
        };
        let set = (0..self.count).filter(is_set);
        set.filter_map(|word| u32::try_from(start + u64::from(word) * 8).ok())
            .collect()
    }
}

fn u32_at(code: &Code<'_>, at: u64) -> Option<u32> {
    let bytes = code.image.at(at, 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}
