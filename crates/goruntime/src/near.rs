//! Going through very many goroutines: most of the time is spent waiting for memory, so what the next few need is fetched
//! together.

use crate::frozen::Near;
use crate::memory::{touch, word_at};
use crate::{Address, Frozen, Runtime};

/// Goroutines whose memory is waited for together.
pub(crate) const TOUCHED_AT_ONCE: usize = 8;
/// Bytes of each's stack that are read so, its innermost frames.
const TOUCHED_STACK_BYTES: u64 = 1024;

/// Where the last goroutine and its stack were found.
#[derive(Debug, Default)]
pub(crate) struct NearStacks {
    pub(crate) goroutine: Near,
    pub(crate) stack: Near,
}

impl Runtime {
    /// Reads a little of some goroutines and of their stacks, which will be looked at next: the processor waits for the memory of
    /// all at once.
    pub(crate) fn touch(&self, frozen: &Frozen, goroutines: &[Address], near: &NearStacks) {
        let layout = &self.layout.g;
        let length = layout.bytes.into();
        let slices = goroutines
            .iter()
            .map(|g| frozen.slice_near(&near.goroutine, *g, length));
        let mut found = [&[][..]; TOUCHED_AT_ONCE];
        for (slot, bytes) in found.iter_mut().zip(slices) {
            *slot = bytes.unwrap_or_default();
        }
        let described = found.iter().map(|bytes| touch(bytes, bytes.len()));
        let mut sum = described.fold(0, u64::wrapping_add);
        for bytes in found {
            let field = |offset: u32| word_at(bytes, offset.into());
            let Some((sp, high)) = field(layout.saved_sp).zip(field(layout.stack_high)) else {
                continue;
            };
            let length = high.saturating_sub(sp).min(TOUCHED_STACK_BYTES);
            let stack = frozen.slice_near(&near.stack, Address(sp), length);
            let stack = stack.unwrap_or_default();
            sum = sum.wrapping_add(touch(stack, stack.len()));
        }
        std::hint::black_box(sum);
    }
}
