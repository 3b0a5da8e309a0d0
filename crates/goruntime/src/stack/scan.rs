//! What a stack holds, from the stack pointer to its end: precisely where stack maps say it, else every word.

use std::collections::HashMap;
use std::ops::Range;

use gorphan_model::Status;

use super::maps::{Found, Site, Sites};
use super::{INJECTED_BYTES, Returns, To};
use crate::goroutine::{Goroutine, Machine, Start};
use crate::heap::{Pointer, Spot};
use crate::layout::roots::Waiter;
use crate::memory::word_at;
use crate::{Address, Thread, Unreadable};

/// Frames of one stack; Go ends programs whose stacks have 1 GB.
const MAX_FRAMES: usize = 1 << 25;

/// What is scanned of a stack, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// There is none.
    Nothing,
    /// Frame by frame from here on; while it runs, those of the runtime word by word.
    Frames {
        /// The innermost frame.
        start: Start,
        /// A thread runs it.
        runs: bool,
    },
    /// Every word from here on: frames are being changed, or panics left some of them dead.
    Words(u64),
}

/// How to scan the stack of a goroutine whose `g` has these bytes. `is_elsewhere` says that its thread runs on a stack that is
/// neither the goroutine's nor the one that system calls and the scheduler use: then nothing says where its own ends.
pub(crate) fn plan(
    layout: &Waiter,
    one: &Goroutine,
    bytes: &[u8],
    machine: Option<&Machine>,
    threads: &HashMap<u64, Thread>,
    is_elsewhere: bool,
) -> Plan {
    if one.is_dead() || one.stack_high == 0 {
        return Plan::Nothing;
    }
    let start = one.begin(machine, threads);
    let is_running = one.status == Status::Running;
    let Some(start) = start.filter(|start| !(is_running && is_elsewhere && !start.interrupted))
    else {
        return Plan::Words(one.stack_low);
    };
    let panics = word_at(bytes, layout.panicking.into()) != Some(0);
    // The collector moves the stacks that it looks at, but none in a system call (`isShrinkStackSafe` of runtime/stack.go).
    let may_move = one.is_scanned && one.status != Status::Syscall;
    let changes = one.status == Status::CopyStack || may_move;
    if panics || changes || matches!(one.status, Status::Unknown) {
        return Plan::Words(start.place.sp);
    }
    Plan::Frames {
        start,
        runs: is_running,
    }
}

impl Plan {
    /// The addresses that are read for it, of a stack that ends at `high`.
    pub(crate) fn range(&self, high: u64) -> Range<u64> {
        match self {
            Self::Nothing => 0..0,
            Self::Frames { start, .. } => start.place.sp..high,
            Self::Words(low) => *low..high,
        }
    }
}

/// A stack to scan.
pub(crate) struct Stack<'a> {
    /// All of it, used and unused.
    pub(crate) whole: Range<u64>,
    /// Its bytes from `at` on.
    pub(crate) bytes: &'a [u8],
    pub(crate) at: u64,
    pub(crate) bias: u64,
}

impl Stack<'_> {
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        word_at(self.bytes, address.checked_sub(self.at)?)
    }

    /// Gives every word from an address on.
    fn words(&self, from: Range<u64>, visit: &mut impl FnMut(Pointer)) {
        let start = from.start.max(self.at).checked_next_multiple_of(8);
        let end = from.end.min(self.whole.end);
        for at in (start.unwrap_or(end)..end).step_by(8) {
            match self.word(at) {
                Some(0) => {}
                Some(to) => visit(Pointer {
                    at: Spot::Word(at),
                    to,
                }),
                None => return,
            }
        }
    }
}

/// Follows the frames of a stack. Pointers into the stack itself are not given but followed: to variables whose address is taken.
pub(crate) struct Scanner<'s, 'a> {
    sites: &'s Sites<'a>,
    stack: &'s Stack<'s>,
    /// Frames that have variables whose address is taken.
    with_variables: Vec<(u64, Found<'s>)>,
    /// Pointers into the stack, with the frame they were found in.
    inner: Vec<(u64, Spot)>,
}

impl<'s, 'a> Scanner<'s, 'a> {
    pub(crate) fn new(sites: &'s Sites<'a>, stack: &'s Stack<'s>) -> Self {
        Self {
            sites,
            stack,
            with_variables: Vec::new(),
            inner: Vec::new(),
        }
    }

    /// Gives a pointer, or follows it later.
    pub(crate) fn found(&mut self, pointer: Pointer, visit: &mut impl FnMut(Pointer)) {
        if self.stack.whole.contains(&pointer.to) {
            self.inner.push((pointer.to, pointer.at));
        } else if pointer.to != 0 {
            visit(pointer);
        }
    }

    /// Scans all frames.
    ///
    /// # Errors
    /// When a word was not copied.
    pub(crate) fn frames(
        &mut self,
        start: Start,
        runs: bool,
        visit: &mut impl FnMut(Pointer),
    ) -> Result<(), Unreadable> {
        let (mut pc, mut sp, mut link) = (start.place.pc, start.place.sp, start.link);
        let mut loose = start.interrupted;
        let frame = self.sites.frame();
        if pc == 0 {
            // A call of a nil function: the caller's frame begins behind the return address.
            (pc, sp, link) = (self.word(sp)?, sp.saturating_add(frame.above), 0);
        }
        for index in 0..MAX_FRAMES {
            let site = self.sites.get(pc.wrapping_sub(self.stack.bias));
            let known = site.filter(|site| {
                let lost = site.writes_sp && !(index == 0 && start.syscall);
                site.is_top || (!lost && site.bytes.is_some())
            });
            let Some(site) = known else {
                self.stack.words(sp..u64::MAX, visit);
                return Ok(());
            };
            if site.is_top {
                return Ok(());
            }
            let returns = frame.returns(sp, site.bytes.unwrap_or_default(), link);
            let returns = returns.filter(|returns| returns.next_sp <= self.stack.whole.end);
            let Some(Returns { to, next_sp }) = returns else {
                self.stack.words(sp..u64::MAX, visit);
                return Ok(());
            };
            let loose_here = loose || (runs && site.is_runtime);
            self.frame(&site, sp, loose_here, visit)?;
            loose = site.loosens_caller;
            let is_injected = site.is_injected;
            if !site.objects.is_empty() {
                self.with_variables.push((sp, site));
            }
            pc = match to {
                To::Linked(to) => to,
                To::At(at) => self.word(at)?,
            };
            (sp, link) = (next_sp, 0);
            if pc == 0 {
                return Ok(());
            }
            if is_injected && frame.links {
                (link, sp) = (self.word(sp)?, sp.saturating_add(INJECTED_BYTES));
            }
        }
        Ok(())
    }

    fn word(&self, address: u64) -> Result<u64, Unreadable> {
        self.stack.word(address).ok_or(Unreadable {
            address: Address(address),
            length: 8,
        })
    }

    fn frame(
        &mut self,
        site: &Site,
        sp: u64,
        is_loose: bool,
        visit: &mut impl FnMut(Pointer),
    ) -> Result<(), Unreadable> {
        let place = |part: Range<u64>| sp.saturating_add(part.start)..sp.saturating_add(part.end);
        let (stack, spot) = (self.stack, Spot::Frame(site.pc));
        if is_loose {
            stack.words(place(site.whole()), &mut |pointer| {
                self.found(pointer, visit)
            });
            return Ok(());
        }
        for offset in &site.pointers {
            let to = self.word(sp.saturating_add((*offset).into()))?;
            self.found(Pointer { at: spot, to }, visit);
        }
        for part in &site.loose {
            stack.words(place(part.clone()), &mut |pointer| {
                self.found(pointer, visit)
            });
        }
        Ok(())
    }

    /// Follows the pointers into the stack, and those that the variables there have.
    ///
    /// # Errors
    /// When a variable was not copied.
    pub(crate) fn finish(mut self, visit: &mut impl FnMut(Pointer)) -> Result<(), Unreadable> {
        if self.inner.is_empty() || self.with_variables.is_empty() {
            return Ok(());
        }
        let mut variables: Vec<(Range<u64>, usize, usize)> = Vec::new();
        for (frame, (sp, site)) in self.with_variables.iter().enumerate() {
            for (index, variable) in site.objects.iter().enumerate() {
                let start = sp.saturating_add(variable.at);
                variables.push((start..start.saturating_add(variable.bytes), frame, index));
            }
        }
        variables.sort_unstable_by_key(|(place, _, _)| place.start);
        let mut done = vec![false; variables.len()];
        let frames = std::mem::take(&mut self.with_variables);
        while let Some((to, _)) = self.inner.pop() {
            let after = variables.partition_point(|(place, _, _)| place.start <= to);
            let Some(at) = after.checked_sub(1) else {
                continue;
            };
            let (Some((place, frame, index)), Some(done)) = (variables.get(at), done.get_mut(at))
            else {
                continue;
            };
            if !place.contains(&to) || std::mem::replace(done, true) {
                continue;
            }
            let Some((_, site)) = frames.get(*frame) else {
                continue;
            };
            let pointers = site.objects.get(*index).map(|variable| &variable.pointers);
            for offset in pointers.into_iter().flatten() {
                let to = self.word(place.start.saturating_add((*offset).into()))?;
                let at = Spot::Frame(site.pc);
                self.found(Pointer { at, to }, visit);
            }
        }
        Ok(())
    }

    /// Scans every word from an address on.
    pub(crate) fn words(&mut self, from: u64, visit: &mut impl FnMut(Pointer)) {
        let stack = self.stack;
        stack.words(from..u64::MAX, visit);
    }
}
