//! One `runtime.g` as it was copied.

use std::collections::HashMap;

use gorphan_model::Status;

use crate::layout::{G, M};
use crate::memory::word_at;
use crate::{Address, Memory, Thread, Unreadable};

/// `_Gscan` of `runtime/runtime2.go` (Go 1.19 to 1.27): the collector holds the goroutine's stack.
const SCAN: u32 = 0x1000;

/// A goroutine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goroutine {
    pub(crate) address: Address,
    pub(crate) id: u64,
    pub(crate) parent: Option<u64>,
    pub(crate) status: Status,
    pub(crate) wait_reason: u8,
    pub(crate) wait_since: u64,
    pub(crate) stack_low: u64,
    pub(crate) stack_high: u64,
    saved: Place,
    /// The saved link register, of a goroutine that has not run yet.
    saved_link: u64,
    syscall: Place,
    pub(crate) m: u64,
    pub(crate) locked_m: u64,
    pub(crate) labels: u64,
    pub(crate) created_at: u64,
    pub(crate) start: u64,
    pub(crate) in_bubble: bool,
    /// The collector is at its stack, and may be moving it.
    pub(crate) is_scanned: bool,
}

/// Where code runs or will go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pc: u64,
    pub(crate) sp: u64,
}

/// Where the unwinding of a stack begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) place: Place,
    /// The instruction itself was interrupted; otherwise it follows a call.
    pub(crate) interrupted: bool,
    /// Saved by `entersyscall`.
    pub(crate) syscall: bool,
    /// The link register, where the processor has one and it is known; else 0.
    pub(crate) link: u64,
}

/// What is known of a thread of the runtime.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) thread: u64,
    vdso: Place,
}

impl Machine {
    /// Reads the `runtime.m` at an address.
    pub(crate) fn read(memory: &dyn Memory, layout: &M, m: u64) -> Result<Self, Unreadable> {
        let mut bytes = vec![0; layout.bytes as usize];
        memory.read(Address(m), &mut bytes)?;
        let word = |at: u32| word_at(&bytes, at.into()).unwrap_or_default();
        let vdso = Place {
            pc: word(layout.vdso_pc),
            sp: word(layout.vdso_sp),
        };
        Ok(Self {
            thread: word(layout.thread),
            vdso,
        })
    }
}

impl Goroutine {
    /// Reads the bytes of a `runtime.g`; `None` where there are too few.
    pub(crate) fn parse(layout: &G, address: Address, bytes: &[u8]) -> Option<Self> {
        let word = |at: u32| word_at(bytes, at.into());
        let status = bytes.get(layout.status as usize..)?.get(..4)?;
        let status = u32::from_le_bytes(status.try_into().ok()?);
        let place = |pc, sp| {
            Some(Place {
                pc: word(pc)?,
                sp: word(sp)?,
            })
        };
        Some(Self {
            address,
            id: word(layout.id)?,
            parent: layout.parent.and_then(word).filter(|parent| *parent != 0),
            status: known_status(status & !SCAN),
            wait_reason: *bytes.get(layout.wait_reason as usize)?,
            wait_since: word(layout.wait_since)?,
            stack_low: word(layout.stack_low)?,
            stack_high: word(layout.stack_high)?,
            saved: place(layout.saved_pc, layout.saved_sp)?,
            saved_link: layout.saved_link.and_then(word).unwrap_or_default(),
            syscall: place(layout.syscall_pc, layout.syscall_sp)?,
            m: word(layout.m)?,
            locked_m: word(layout.locked_m)?,
            labels: word(layout.labels)?,
            created_at: word(layout.created_at)?,
            start: word(layout.start)?,
            in_bubble: layout.bubble.and_then(word).is_some_and(|at| at != 0),
            is_scanned: status & SCAN != 0,
        })
    }

    /// There is no such goroutine (any more, or yet): its `g` waits to be used again.
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.status, Status::Dead | Status::CgoCallback)
    }

    /// Whether the thread that runs it matters.
    pub(crate) fn has_thread(&self) -> bool {
        matches!(self.status, Status::Running | Status::Syscall) && self.m != 0
    }

    fn on_stack(&self, sp: u64) -> bool {
        self.stack_low <= sp && sp < self.stack_high
    }

    /// The lowest address of its stack that may be in use while its thread's stack pointer is `rsp`.
    pub(crate) fn lowest_in_use(&self, rsp: u64) -> u64 {
        match (self.on_stack(rsp), self.on_stack(self.saved.sp)) {
            (true, _) => rsp,
            (false, true) => self.saved.sp,
            (false, false) => self.stack_low,
        }
    }

    /// Where its stack begins, by the rules of `traceback1` and `initAt` in `runtime/traceback.go` (Go 1.27); a running one's
    /// by its thread's registers. `None` where it is not known.
    pub(crate) fn begin(
        &self,
        machine: Option<&Machine>,
        threads: &HashMap<u64, Thread>,
    ) -> Option<Start> {
        let at = |place: Place, syscall, link| {
            self.on_stack(place.sp).then_some(Start {
                place,
                interrupted: false,
                syscall,
                link,
            })
        };
        if let Some(start) = machine.and_then(|machine| at(machine.vdso, false, 0)) {
            return Some(start);
        }
        if self.syscall.sp != 0 {
            return at(self.syscall, true, 0);
        }
        if self.status != Status::Running {
            return at(self.saved, false, self.saved_link);
        }
        let thread = threads.get(&machine?.thread)?;
        if self.on_stack(thread.rsp) {
            let place = Place {
                pc: thread.rip,
                sp: thread.rsp,
            };
            return Some(Start {
                place,
                interrupted: true,
                syscall: false,
                link: thread.link,
            });
        }
        // On the thread's own stack: what switched there saved where the goroutine goes on, and `gogo` clears it.
        at(self.saved, false, self.saved_link)
    }
}

/// The statuses of `runtime/runtime2.go`, Go 1.19 to 1.27.
fn known_status(number: u32) -> Status {
    match number {
        0 => Status::Idle,
        1 => Status::Runnable,
        2 => Status::Running,
        3 => Status::Syscall,
        4 => Status::Waiting,
        6 => Status::Dead,
        8 => Status::CopyStack,
        9 => Status::Preempted,
        10 => Status::Leaked,
        11 => Status::CgoCallback,
        _ => Status::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: Place = Place {
        pc: 0x10,
        sp: 0x1100,
    };
    const SYSCALL: Place = Place {
        pc: 0x20,
        sp: 0x1200,
    };
    const VDSO: Place = Place {
        pc: 0x30,
        sp: 0x1300,
    };
    const NOWHERE: Place = Place { pc: 0, sp: 0 };

    /// Where a goroutine with a stack from 0x1000 to 0x2000 begins, whose thread's stack pointer is `rsp`.
    fn check(status: Status, syscall: Place, vdso: Place, rsp: u64, expected: Option<u64>) {
        let one = Goroutine {
            address: Address(0),
            id: 7,
            parent: None,
            status,
            wait_reason: 0,
            wait_since: 0,
            stack_low: 0x1000,
            stack_high: 0x2000,
            saved: SAVED,
            saved_link: 0,
            syscall,
            m: 0x500,
            locked_m: 0,
            labels: 0,
            created_at: 0,
            start: 0,
            in_bubble: false,
            is_scanned: false,
        };
        let machine = Machine { thread: 42, vdso };
        let thread = Thread {
            tid: 42,
            rip: 0x40,
            rsp,
            ..Thread::default()
        };
        let threads = HashMap::from([(42, thread)]);
        let machine = one.has_thread().then_some(&machine);
        let start = one.begin(machine, &threads);
        assert_eq!(start.map(|start| start.place.pc), expected, "{status:?}");
        let interrupted = start.is_some_and(|start| start.interrupted);
        assert_eq!(interrupted, expected == Some(0x40), "{status:?}");
    }

    #[test]
    fn a_stack_begins_where_the_goroutine_goes_on() {
        check(Status::Waiting, NOWHERE, NOWHERE, 0x1800, Some(0x10));
        check(Status::Runnable, NOWHERE, VDSO, 0x1800, Some(0x10));
        check(Status::Syscall, SYSCALL, NOWHERE, 0x1800, Some(0x20));
        check(Status::Running, NOWHERE, NOWHERE, 0x1800, Some(0x40));
    }

    #[test]
    fn a_running_goroutine_may_be_elsewhere_for_a_while() {
        // On the stack of its thread; in the kernel's code for clocks, which runs there too; leaving a system call.
        check(Status::Running, NOWHERE, NOWHERE, 0x9000, Some(0x10));
        check(Status::Running, NOWHERE, VDSO, 0x9000, Some(0x30));
        check(Status::Running, SYSCALL, NOWHERE, 0x9000, Some(0x20));
    }

    #[test]
    fn what_is_not_on_its_stack_is_not_believed() {
        let elsewhere = Place {
            pc: 0x20,
            sp: 0x9000,
        };
        check(Status::Syscall, elsewhere, NOWHERE, 0x1800, None);
        check(Status::Running, NOWHERE, elsewhere, 0x1800, Some(0x40));
    }
}
