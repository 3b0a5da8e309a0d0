//! In place of twins, on processors for which making a thread call the system is not written: programs are read while they
//! stand still.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use gorphan_goruntime::Runtime;

use super::freeze::Frozen;
use super::live::Opened;
use super::memory::LiveMemory;
use super::procfs::Process;

/// There is none.
pub(super) struct Plan(Infallible);

/// There is none.
pub(super) struct Twin {
    never: Infallible,
    pub(super) memory: LiveMemory,
}

impl Plan {
    pub(super) fn make(_: &Opened, _: &Runtime) -> Result<Self, &'static str> {
        Err("it is done on 64-bit x86 alone")
    }

    pub(super) fn twin(&self, _: &Frozen, _: &LiveMemory) -> Result<Twin, String> {
        match self.0 {}
    }

    pub(super) fn end(
        &self,
        twin: Twin,
        _: &Process,
        _: &LiveMemory,
        _: Instant,
    ) -> Result<Duration, String> {
        match twin.never {}
    }
}
