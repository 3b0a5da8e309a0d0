//! Room for what is copied from a stopped process, in memory before it is stopped: a page that is touched for the first
//! time costs more than copying it.

use std::sync::mpsc::{self, Receiver, SyncSender};

use gorphan_goruntime::Room;
use memmap2::{Advice, MmapMut, MmapOptions};

/// The smallest page of the machines that are supported.
const PAGE_BYTES: usize = 4096;
/// Bytes besides those that were measured; a running target changes. They are touched only if they are needed.
const SPARE_BYTES: u64 = 4 << 20;

/// Keeps room that is given up while the process stands still: to give back gigabytes takes the kernel long. Dropped once
/// the process runs again.
pub(super) type Kept = Receiver<MmapMut>;

/// Room that does not end with who used it.
struct Lent {
    /// Only missing while it is dropped.
    room: Option<MmapMut>,
    back: SyncSender<MmapMut>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.room.as_deref().unwrap_or_default()
    }
}

impl AsMut<[u8]> for Lent {
    fn as_mut(&mut self) -> &mut [u8] {
        self.room.as_deref_mut().unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Where nobody keeps it any more it ends here.
        if let Some(room) = self.room.take() {
            let _ = self.back.try_send(room);
        }
    }
}

/// Room for so many bytes and some more.
pub(super) fn prepare(bytes: u64) -> (Room, Option<Kept>) {
    let whole = bytes.saturating_add(bytes / 8).saturating_add(SPARE_BYTES);
    let whole = usize::try_from(whole).ok();
    let room = whole.and_then(|whole| MmapOptions::new().len(whole).map_anon().ok());
    let Some(mut room) = room else {
        // What is missing is allocated while copying.
        return (Room::default(), None);
    };
    let measured = usize::try_from(bytes).unwrap_or(usize::MAX);
    // Large pages are faster to copy into and to give back; a kernel that has none says so, and is not asked again.
    let _ = room.advise(Advice::HugePage);
    // Before Linux 5.14 there is no such advice.
    if room
        .advise_range(Advice::PopulateWrite, 0, measured.min(room.len()))
        .is_err()
    {
        touch(&mut room, measured);
    }
    let (back, kept) = mpsc::sync_channel(1);
    let room = Some(room);
    (Room::new(Lent { room, back }), Some(kept))
}

fn touch(room: &mut MmapMut, bytes: usize) {
    for byte in room.iter_mut().take(bytes).step_by(PAGE_BYTES) {
        *byte = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back_while_somebody_keeps_it() {
        let (room, kept) = prepare(10_000);
        let kept = kept.expect("room");
        assert!(kept.try_recv().is_err(), "in use");
        drop(room);
        let back = kept.try_recv().expect("not in use any more");
        assert!(back.len() as u64 >= 10_000 + SPARE_BYTES);
        let (room, kept) = prepare(10_000);
        drop(kept);
        drop(room);
    }
}
