//! Stacks: from one frame to its caller by the frame sizes of the function table, and which frames a dump shows.
//!
//! The rules are those of `runtime/traceback.go`; the unwinder was rewritten in Go 1.21 and the differences are noted.

pub(crate) mod maps;
pub(crate) mod scan;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::Address;
use crate::goroutine::Start;
use crate::image::Processor;
use crate::image::pclntab::{Call, Code, TOP_FRAME, WRITES_SP};
use crate::memory::word_at;

/// A frame as it lies on the stack: calls that were inlined share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Physical {
    /// The linked address that stands for the frame: within the calling instruction, or the interrupted one.
    pub(crate) pc: u64,
}

/// What is known of the code at a pc.
struct Site {
    /// Bytes of the frame, without a return address above it; `None` for code without frame information.
    frame_bytes: Option<i32>,
    top: bool,
    writes_sp: bool,
    /// The runtime put the call there: the caller was interrupted in place.
    injected: bool,
    /// It is `sigpanic`, the one injected call that Go before 1.21 knew as such.
    panics: bool,
    entry: u64,
}

/// How frames lie on a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The return address is at the low end of the frame of a function that calls others, else in a register.
    pub(crate) links: bool,
    /// Bytes of the return address above the frame, where it is not in it.
    pub(crate) above: u64,
}

/// How a frame is left.
pub(crate) struct Returns {
    pub(crate) to: To,
    /// The caller's stack pointer.
    pub(crate) next_sp: u64,
}

/// Where a frame returns to.
pub(crate) enum To {
    /// It is in the link register.
    Linked(u64),
    /// It lies at this address.
    At(u64),
}

/// Bytes below an interrupted frame where the link register was saved, when the runtime put a call there: `sigctxt.pushCall` of
/// `runtime/signal_arm64.go`.
pub(crate) const INJECTED_BYTES: u64 = 16;

impl Frame {
    pub(crate) fn of(processor: Processor) -> Self {
        let links = processor.links();
        Self {
            links,
            above: if links { 0 } else { 8 },
        }
    }

    /// Where a frame of so many bytes returns to; `link` is the link register, or 0. `None` where it cannot have that size.
    pub(crate) fn returns(self, sp: u64, bytes: u64, link: u64) -> Option<Returns> {
        let end = sp.checked_add(bytes)?;
        let next_sp = end.checked_add(self.above)?;
        let to = match self.links {
            false => To::At(end),
            true if bytes > 0 => To::At(sp),
            true => To::Linked(Some(link).filter(|link| *link != 0)?),
        };
        Some(Returns { to, next_sp })
    }
}

/// Why unwinding ended before the bottom of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// There is no Go function at this address: C code, a plugin, or damage.
    UnknownCode(Address),
    /// The stack at this address was not copied.
    NotCopied(Address),
    /// The frame of this function cannot have the size that the table says.
    FrameSize(Address),
}

/// Unwinds stacks, remembering what it learned of each pc.
pub(crate) struct Unwinder<'a> {
    code: Code<'a>,
    frame: Frame,
    bias: u64,
    minor: u32,
    wrapper: Option<u8>,
    sites: HashMap<u64, Option<Site>, RandomState>,
    calls: HashMap<u64, Arc<[Call<'a>]>>,
}

impl<'a> Unwinder<'a> {
    pub(crate) fn new(code: Code<'a>, bias: u64, minor: u32) -> Self {
        // `FuncIDWrapper` follows `FuncID_systemstack_switch` in all versions (internal/abi/symtab.go).
        let [switch] = code.named(["runtime.systemstack_switch"]);
        Self {
            code,
            frame: Frame::of(code.image.processor()),
            bias,
            minor,
            wrapper: switch.and_then(|function| function.id.checked_add(1)),
            sites: HashMap::default(),
            calls: HashMap::new(),
        }
    }

    /// The linked address of an address in the target.
    fn linked(&self, pc: u64) -> u64 {
        pc.wrapping_sub(self.bias)
    }

    /// The name of the function at an address in the target.
    pub(crate) fn function(&self, pc: u64) -> Option<&'a str> {
        Some(self.code.find(self.linked(pc))?.name)
    }

    /// The name of the function at a linked address.
    pub(crate) fn linked_function(&self, pc: u64) -> Option<&'a str> {
        Some(self.code.find(pc)?.name)
    }

    /// Puts the frames of a stack whose bytes from the stack pointer on are `stack` into `frames`, innermost first.
    pub(crate) fn unwind(
        &mut self,
        start: Start,
        stack: &[u8],
        frames: &mut Vec<Physical>,
    ) -> Option<Cut> {
        frames.clear();
        let base = start.place.sp;
        let word = |at: u64| word_at(stack, at.checked_sub(base)?);
        let (mut pc, mut sp, mut link) = (start.place.pc, base, start.link);
        let (mut interrupted, mut first) = (start.interrupted, true);
        let frame = self.frame;
        if pc == 0 {
            // A call of a nil function: the caller's frame begins behind the return address.
            let Some(caller) = word(sp) else {
                return Some(Cut::NotCopied(Address(sp)));
            };
            (pc, sp, link) = (caller, sp.saturating_add(frame.above), 0);
        }
        loop {
            let minor = self.minor;
            let linked = self.linked(pc);
            let Some(site) = self.site(linked) else {
                return Some(Cut::UnknownCode(Address(pc)));
            };
            let within = !interrupted && linked > site.entry;
            frames.push(Physical {
                pc: if within { linked - 1 } else { linked },
            });
            let lost = site.writes_sp && !(first && start.syscall);
            let frame_bytes = site.frame_bytes?;
            if site.top || lost {
                return None;
            }
            let bytes = u64::try_from(frame_bytes).ok();
            let returns = bytes.and_then(|bytes| frame.returns(sp, bytes, link));
            let Some(Returns { to, next_sp }) = returns else {
                return Some(Cut::FrameSize(Address(pc)));
            };
            let caller = match to {
                To::Linked(caller) => caller,
                To::At(at) => match word(at) {
                    Some(caller) => caller,
                    None => return Some(Cut::NotCopied(Address(at))),
                },
            };
            if caller == 0 {
                return None;
            }
            interrupted = site.injected && (minor >= 21 || site.panics);
            // The stack pointer grows with each frame, so this ends within the copied bytes.
            (pc, sp, first, link) = (caller, next_sp, false, 0);
            if site.injected && frame.links {
                let Some(saved) = word(sp) else {
                    return Some(Cut::NotCopied(Address(sp)));
                };
                (link, sp) = (saved, sp.saturating_add(INJECTED_BYTES));
            }
        }
    }

    fn site(&mut self, pc: u64) -> Option<&Site> {
        let slot = match self.sites.entry(pc) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let code = self.code;
                let site = code.find(pc).map(|function| Site {
                    frame_bytes: code.frame_bytes(&function, pc),
                    top: function.flags & TOP_FRAME != 0,
                    // It switches stacks, but keeps both unwindable.
                    writes_sp: function.flags & WRITES_SP != 0
                        && function.name != "runtime.cgocallback",
                    injected: is_injected(function.name),
                    panics: function.name == "runtime.sigpanic",
                    entry: function.entry,
                });
                vacant.insert(site)
            }
        };
        slot.as_ref()
    }

    /// The calls of a stack that a dump shows: without the runtime's own and those that the compiler made. All of them
    /// where that would be none.
    pub(crate) fn shown(&mut self, frames: &[Physical]) -> Vec<Call<'a>> {
        let mut all = Vec::new();
        for frame in frames {
            let code = self.code;
            let calls = self.calls.entry(frame.pc).or_insert_with(|| {
                let function = code.find(frame.pc);
                let calls = function.map(|function| code.calls(&function, frame.pc));
                calls.unwrap_or_default().into()
            });
            all.extend_from_slice(calls);
        }
        let mut shown = Vec::new();
        let mut callee = "";
        for call in &all {
            if self.is_shown(call, shown.is_empty(), callee) {
                shown.push(*call);
            }
            callee = call.name;
        }
        if shown.is_empty() { all } else { shown }
    }

    /// The `go` statement that made a goroutine, if a dump shows it.
    pub(crate) fn creator(&self, pc: u64) -> Option<Call<'a>> {
        let pc = self.linked(pc);
        let function = self.code.find(pc)?;
        let before = if pc > function.entry { pc - 1 } else { pc };
        let (file, line) = self.code.place(&function, before);
        let call = Call {
            name: function.name,
            id: function.id,
            file,
            line,
        };
        self.is_shown(&call, false, "").then_some(call)
    }

    /// `showfuncinfo` of `runtime/traceback.go`.
    fn is_shown(&self, call: &Call<'_>, first: bool, callee: &str) -> bool {
        let panics = ["runtime.gopanic", "runtime.sigpanic", "runtime.panicwrap"];
        if Some(call.id) == self.wrapper && !panics.contains(&callee) {
            return false;
        }
        let calls_users = ["runtime.runFinalizers", "runtime.runCleanups"];
        if self.minor >= 25 && calls_users.contains(&call.name) {
            return true;
        }
        if call.name == "runtime.gopanic" && !first {
            return true;
        }
        match call.name.strip_prefix("runtime.") {
            Some(rest) => self.is_exported(rest),
            None => call.name.contains('.'),
        }
    }

    /// Whether a name of package `runtime` is exported. From Go 1.23 a method's receiver must be so too.
    fn is_exported(&self, name: &str) -> bool {
        let upper = |text: &str| text.starts_with(|first: char| first.is_ascii_uppercase());
        if self.minor < 23 {
            return upper(name);
        }
        match name.rsplit_once('.') {
            Some((receiver, method)) => {
                let pointer = receiver.strip_prefix("(*");
                let bare = pointer.and_then(|rest| rest.strip_suffix(')'));
                upper(method) && upper(bare.unwrap_or(receiver))
            }
            None => upper(name),
        }
    }
}

/// `isInjectedCall` of `runtime/traceback.go`.
fn is_injected(name: &str) -> bool {
    matches!(
        name,
        "runtime.sigpanic" | "runtime.asyncPreempt" | "runtime.debugCallV2"
    )
}
