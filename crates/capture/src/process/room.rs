//! Room for what is copied from a stopped process, in memory before it is stopped: a page that is touched for the first
//! time costs more than copying it.

use gorphan_goruntime::Room;
use memmap2::{Advice, MmapMut, MmapOptions};

/// The smallest page of the machines that are supported.
const PAGE_BYTES: usize = 4096;
/// Bytes besides those that were measured; a running target changes. They are touched only if they are needed.
const SPARE_BYTES: u64 = 4 << 20;

/// Room for so many bytes and some more.
pub(super) fn prepare(bytes: u64) -> Room {
    let whole = bytes.saturating_add(bytes / 8).saturating_add(SPARE_BYTES);
    let whole = usize::try_from(whole).ok();
    let room = whole.and_then(|whole| MmapOptions::new().len(whole).map_anon().ok());
    let Some(mut room) = room else {
        // What is missing is allocated while copying.
        return Room::default();
    };
    let measured = usize::try_from(bytes).unwrap_or(usize::MAX);
    // Before Linux 5.14 there is no such advice.
    if room
        .advise_range(Advice::PopulateWrite, 0, measured.min(room.len()))
        .is_err()
    {
        touch(&mut room, measured);
    }
    Room::new(room)
}

fn touch(room: &mut MmapMut, bytes: usize) {
    for byte in room.iter_mut().take(bytes).step_by(PAGE_BYTES) {
        *byte = 0;
    }
}
