//! Stacks that are copied before the target is stopped, so that it stands still for less: of goroutines that will not have run
//! until then.
//!
//! Whether one has run is told by `g.waitsince`. `execute` of `runtime/proc.go` (Go 1.19 to 1.27), by which every goroutine goes
//! on that was parked, sets it to zero. A collection sets it to the time that it began, once, where it finds it zero
//! (`markroot` of `runtime/mgcmark.go`). So one that was seen to wait after the time was seen, and that waits with the same time
//! when the target stands still, has not run since: not again can the same collection set it. What does not go through `execute`
//! are coroutines, and goroutines that only call themselves waiting while they work for the collector; those are not copied
//! ahead. Who wakes a goroutine may write a value to its stack before: it has that value itself then, and the goroutine is found
//! to be out of its queue.

use super::{Bytes, MAX_BATCH_BYTES, MAX_BATCH_RANGES, Piece, Room};
use crate::goroutine::Goroutine;
use crate::{Address, Memory};
use gorphan_model::Status;

/// What must be the same of a goroutine for its stack to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    g: u64,
    id: u64,
    since: u64,
    low: u64,
    high: u64,
    /// Where its stack is in use from, and how many bytes are wanted from there.
    from: u64,
    length: u64,
}

impl Key {
    /// `None` of a goroutine that may run unnoticed. `parks` says for each wait reason whether goroutines are parked for it.
    pub(crate) fn of(one: &Goroutine, parks: &[bool], (from, length): (u64, u64)) -> Option<Self> {
        let reason = parks.get(usize::from(one.wait_reason)).copied();
        // The collector says so itself of those that it found leaked.
        let waits = matches!(one.status, Status::Waiting | Status::Leaked);
        let waits = waits && !one.is_scanned && one.wait_since != 0;
        (waits && reason == Some(true)).then_some(Self {
            g: one.address.0,
            id: one.id,
            since: one.wait_since,
            low: one.stack_low,
            high: one.stack_high,
            from,
            length,
        })
    }

    /// The time of the collection that first saw it wait, and which goroutine it is.
    pub(crate) fn since(&self) -> (u64, u64, u64) {
        (self.g, self.id, self.since)
    }
}

/// Stacks of goroutines that waited.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// By the place in the runtime's list, to which it only adds: the goroutine as it was, and the number of its piece.
    known: Vec<Option<(Key, usize)>>,
    pieces: Vec<Piece>,
    is_right: Vec<bool>,
    /// Bytes of the room that are in use.
    pub(super) used: usize,
}

impl Ahead {
    /// Whether what was copied of the goroutine at this place in the list is still right; it is kept then.
    pub(crate) fn is_right(&mut self, index: usize, now: Option<Key>) -> bool {
        let Some(Some((then, piece))) = self.known.get(index) else {
            return false;
        };
        match self.is_right.get_mut(*piece) {
            Some(is_right) if now == Some(*then) => {
                *is_right = true;
                true
            }
            _ => false,
        }
    }

    /// The pieces that are right.
    pub(super) fn kept(self) -> Vec<Piece> {
        let all = self.pieces.into_iter().zip(self.is_right);
        all.filter_map(|(piece, is_right)| is_right.then_some(piece))
            .collect()
    }
}

/// Copies the stacks of these goroutines, given by their places in the list, into the room as far as it goes.
pub(crate) fn copy(memory: &dyn Memory, keys: Vec<Option<Key>>, mut room: Room) -> Room {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    let key = |index: &usize| keys.get(*index).copied().flatten();
    order.retain(|index| key(index).is_some());
    order.sort_by_key(|index| key(index).map(|key| key.from));
    let size = (*room.bytes).as_mut().len();
    let mut ahead = Ahead {
        known: vec![None; keys.len()],
        ..Ahead::default()
    };
    let mut end = 0;
    for index in order {
        let Some(key) = key(&index) else { continue };
        let after = usize::try_from(key.length).ok();
        let after = after.and_then(|length| ahead.used.checked_add(length));
        let Some(after) = after.filter(|after| *after <= size) else {
            break;
        };
        // What seems to overlap has changed meanwhile.
        if key.from < end || key.length == 0 {
            continue;
        }
        end = key.from.saturating_add(key.length);
        if let Some(known) = ahead.known.get_mut(index) {
            *known = Some((key, ahead.pieces.len()));
        }
        ahead.pieces.push(Piece {
            start: key.from,
            length: key.length,
            at: ahead.used,
        });
        ahead.used = after;
    }
    ahead.is_right = vec![false; ahead.pieces.len()];
    let unread = read(memory, &ahead.pieces, &mut *room.bytes);
    for known in &mut ahead.known {
        known.take_if(|(_, piece)| unread.binary_search(piece).is_ok());
    }
    room.ahead = Some(ahead);
    room
}

/// Reads pieces, which lie one after the other from the beginning of the room on, and gives the numbers of those that cannot be.
fn read(memory: &dyn Memory, pieces: &[Piece], room: &mut dyn Bytes) -> Vec<usize> {
    let mut unread = Vec::new();
    let (mut first, mut rest) = (0, pieces);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |piece: &&Piece| {
            bytes += piece.length;
            bytes <= MAX_BATCH_BYTES
        };
        let count = rest.iter().take(MAX_BATCH_RANGES).take_while(fits).count();
        let (batch, others) = rest.split_at(count.max(1));
        let ranges: Vec<(Address, u64)> = batch
            .iter()
            .map(|piece| (Address(piece.start), piece.length))
            .collect();
        let start = batch.first().map_or(0, |piece| piece.at);
        let end = batch
            .last()
            .map_or(0, |piece| piece.at.saturating_add(piece.length as usize));
        match room.as_mut().get_mut(start..end) {
            Some(part) => {
                let failed = memory.read_batch(&ranges, part);
                unread.extend(failed.into_iter().map(|index| first + index));
            }
            None => unread.extend(first..first + batch.len()),
        }
        first += batch.len();
        rest = others;
    }
    unread
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::Unreadable;
    use crate::frozen::{Copier, Depth, Limits, Moment};
    use crate::runtime::Bias;

    /// Memory from 0x1000 on, which changes.
    struct Changing(RefCell<Vec<u8>>);

    impl Memory for Changing {
        fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
            let length = buffer.len() as u64;
            let error = Unreadable { address, length };
            let at = address.0.checked_sub(0x1000).ok_or(error)? as usize;
            let all = self.0.borrow();
            buffer.copy_from_slice(all.get(at..at + buffer.len()).ok_or(error)?);
            Ok(())
        }
    }

    /// Goroutine `g`, which has waited since a collection at `since`, on a stack that is in use from `from` on.
    fn key(g: u64, since: u64, from: u64) -> Option<Key> {
        Some(Key {
            g,
            id: g,
            since,
            low: from & !0xff,
            high: from + 0x40,
            from,
            length: 0x40,
        })
    }

    /// Copies ahead, changes everything, and says of each goroutine whether what it is then counts as what it was.
    fn check(room: usize, before: &[Option<Key>], after: &[Option<Key>], expected: &[bool]) {
        let memory = Changing(RefCell::new(vec![1; 0x1000]));
        let room = copy(&memory, before.to_vec(), Room::new(vec![0; room]));
        memory.0.borrow_mut().fill(2);
        let moment = Moment {
            threads: &[],
            now_nanos: 0,
            depth: Depth::Proof,
            limits: Limits::default(),
            may_go_on: &|| true,
        };
        let mut copier = Copier::new(&memory, &moment, room);
        let mut ahead = copier.take_ahead();
        let right = (0..)
            .zip(after)
            .map(|(index, now)| ahead.is_right(index, *now));
        assert_eq!(right.collect::<Vec<_>>(), expected);
        copier.keep(ahead);
        copier.layer(vec![(0x1800, 0x40)]).expect("within limits");
        let frozen = copier.finish(Bias(0), Vec::new());
        for (key, is_right) in after.iter().zip(expected) {
            let Some(key) = key else { continue };
            let found = frozen.slice(Address(key.from), key.length);
            assert_eq!(
                found.map(|bytes| bytes[0]),
                is_right.then_some(1),
                "{key:?}"
            );
        }
        // The later copy has not gone over the earlier one.
        let later = frozen.slice(Address(0x1800), 0x40);
        assert_eq!(later, Some(&[2; 0x40][..]));
        let kept = expected.iter().filter(|is_right| **is_right).count() as u64;
        assert_eq!(frozen.copied_bytes(), (kept + 1) * 0x40);
    }

    #[test]
    fn only_stacks_of_those_that_did_not_run_are_kept() {
        let before = [
            key(1, 7, 0x1010),
            key(2, 7, 0x1110),
            None,
            key(4, 7, 0x1310),
        ];
        check(0x1000, &before, &before, &[true, true, false, true]);
        // One ran and waits again, one went deeper, one has begun to wait, and one is new.
        let after = [
            key(1, 9, 0x1010),
            key(2, 7, 0x1108),
            key(3, 7, 0x1210),
            key(4, 7, 0x1310),
            key(5, 7, 0x1410),
        ];
        check(0x1000, &before, &after, &[false, false, false, true, false]);
        // One runs, and one's place has another.
        let after = [None, key(9, 7, 0x1110), None, key(4, 7, 0x1310)];
        check(0x1000, &before, &after, &[false, false, false, true]);
    }

    #[test]
    fn what_cannot_be_copied_ahead_is_not_taken_for_copied() {
        // Not mapped, overlapping, and more than there is room for.
        let all = [
            key(1, 7, 0x9010),
            key(2, 7, 0x1110),
            key(3, 7, 0x1120),
            key(4, 7, 0x1310),
        ];
        check(0x1000, &all, &all, &[false, true, false, true]);
        check(0x40, &all, &all, &[false, true, false, false]);
        check(0, &all, &all, &[false; 4]);
    }
}
