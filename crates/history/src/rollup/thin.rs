//! Old sweeps thinned to points an hour, so that weeks fit into memory. What judgement sums over time stays what it was.

use std::collections::BTreeMap;

use super::{Row, Service, Slot, Tally};

const HOUR: i64 = 3600;

impl Service {
    /// Puts the sweeps of each hour together that was over `raw` seconds before `at`. Where a version comes or goes within an
    /// hour there are more points than one, so that versions keep their order.
    pub(super) fn thin(&mut self, at: i64, raw: i64) {
        let until = at.saturating_sub(raw);
        let until = until.saturating_sub(until.rem_euclid(HOUR));
        let from = self.slots.partition_point(|slot| slot.id < self.thinned);
        let to = self.slots.partition_point(|slot| slot.at < until);
        if from >= to {
            return;
        }
        let newer = self.slots.split_off(to);
        let old: Vec<Slot> = self.slots.drain(from..).collect();
        let (Some(first), Some(last)) = (old.first(), old.last()) else {
            return;
        };
        let ids = first.id..=last.id;
        let mut become_one = BTreeMap::new();
        let sweeps: Vec<&[Slot]> = old.chunk_by(|a, b| a.at == b.at).collect();
        for group in sweeps.chunk_by(|a, b| are_alike(a, b)) {
            self.slots.extend(together(group, &mut become_one));
        }
        self.thinned = last.id + 1;
        self.slots.extend(newer);
        for series in &mut self.series {
            let from = series.rows.partition_point(|row| row.slot < *ids.start());
            let to = series.rows.partition_point(|row| row.slot <= *ids.end());
            let newer = series.rows.split_off(to);
            let old = series.rows.drain(from..);
            let mut tallies: BTreeMap<u64, Tally> = BTreeMap::new();
            for row in old {
                let slot = become_one.get(&row.slot).copied().unwrap_or(row.slot);
                let tally = tallies.entry(slot).or_default();
                tally.max = tally.max.max(row.tally.max);
                tally.delta = tally.delta.saturating_add(row.tally.delta);
                if slot == row.slot {
                    tally.sum = row.tally.sum;
                }
            }
            let thinned = tallies.into_iter();
            series
                .rows
                .extend(thinned.map(|(slot, tally)| Row { slot, tally }));
            series.rows.extend(newer);
        }
    }
}

/// Whether two sweeps are of one hour and saw the same versions.
fn are_alike(a: &[Slot], b: &[Slot]) -> bool {
    let hour = |sweep: &[Slot]| sweep.first().map(|slot| slot.at.div_euclid(HOUR));
    let versions = |sweep: &[Slot], other: &[Slot]| {
        sweep.len() == other.len()
            && std::iter::zip(sweep, other).all(|(a, b)| a.version == b.version)
    };
    hour(a) == hour(b) && versions(a, b)
}

/// The slots of like sweeps as those of the last one, and which becomes which. Instances are as they were at its end; what
/// is counted from sweep to sweep adds up.
fn together(sweeps: &[&[Slot]], become_one: &mut BTreeMap<u64, u64>) -> Vec<Slot> {
    let Some(last) = sweeps.last() else {
        return Vec::new();
    };
    let mut slots: Vec<Slot> = last.to_vec();
    for (number, slot) in slots.iter_mut().enumerate() {
        let all = sweeps.iter().filter_map(|sweep| sweep.get(number));
        let (mut continuing, mut watched) = (0_u64, 0_u64);
        (slot.seconds, slot.starts) = (0.0, 0);
        for one in all {
            become_one.insert(one.id, slot.id);
            slot.seconds += one.seconds;
            slot.starts = slot.starts.saturating_add(one.starts);
            continuing += u64::from(one.continuing);
            watched += u64::from(one.continuing > 0);
        }
        // Growth is told an instance: of so many instances on average it is the sum of the hour.
        let average = (continuing + watched / 2).checked_div(watched);
        slot.continuing = u32::try_from(average.unwrap_or(0)).unwrap_or(u32::MAX);
    }
    slots
}
