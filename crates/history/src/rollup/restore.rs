//! A memory made again from what is stored of it, to the same state as if every sweep had been taken in.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Memory, Service, Slot, Tally};
use crate::SiteKey;

/// An instance as it was last seen.
pub(crate) struct Life {
    pub(crate) instance: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) start: Arc<str>,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// A site in one version at a sweep.
pub(crate) struct Row {
    pub(crate) at: i64,
    pub(crate) version: Arc<str>,
    pub(crate) sum: u64,
    pub(crate) max: u64,
    pub(crate) delta: i64,
}

impl Memory {
    /// The time of the last sweep.
    pub(crate) fn restore_last(&mut self, last: Option<i64>) {
        self.last = last;
    }

    /// A service, and the first sweep in which it was seen. Comes before all else of it.
    pub(crate) fn restore_service(&mut self, name: Arc<str>, since: i64) {
        self.services.insert(
            name,
            Service {
                since,
                ..Service::default()
            },
        );
    }

    /// A version at a sweep; they come by time and version.
    pub(crate) fn restore_slot(&mut self, service: &str, mut slot: Slot) {
        if let Some(service) = self.services.get_mut(service) {
            slot.id = service.next;
            service.next += 1;
            service.slots.push_back(slot);
        }
    }

    /// A site, and when it was first seen; the earliest counts.
    pub(crate) fn restore_site(&mut self, key: SiteKey, from: i64) {
        let Some(service) = self.services.get_mut(&key.service) else {
            return;
        };
        if let Some(number) = service.number_of(key, from)
            && let Some(series) = service.series.get_mut(number)
        {
            series.from = series.from.min(from);
        }
    }

    /// What a site had; comes after the slots and the sites, in any order. One that fits nowhere is left out.
    pub(crate) fn restore_row(&mut self, key: &SiteKey, row: &Row) {
        let Some(service) = self.services.get_mut(&key.service) else {
            return;
        };
        let slots = &service.slots;
        let found =
            slots.binary_search_by(|slot| (slot.at, &*slot.version).cmp(&(row.at, &*row.version)));
        let number = service.numbers.get(key).copied();
        if let Some(slot) = found
            .ok()
            .and_then(|found| slots.get(found))
            .map(|slot| slot.id)
            && let Some(series) = number.and_then(|number| service.series.get_mut(number))
        {
            series.rows.push_back(super::Row {
                slot,
                tally: Tally {
                    sum: row.sum,
                    max: row.max,
                    delta: row.delta,
                },
            });
        }
    }

    /// An instance, without its goroutines.
    pub(crate) fn restore_life(&mut self, service: &str, life: Life) {
        if let Some(service) = self.services.get_mut(service) {
            let known = super::Life {
                version: life.version,
                start: life.start,
                first: life.first,
                last: life.last,
                counts: Vec::new(),
            };
            service.lives.insert(life.instance, known);
        }
    }

    /// Goroutines of an instance at a site when it was last seen. Those of several lines add up.
    pub(crate) fn restore_count(&mut self, key: &SiteKey, instance: &str, at: i64, count: u64) {
        let Some(service) = self.services.get_mut(&key.service) else {
            return;
        };
        let Some(number) = service.numbers.get(key).copied() else {
            return;
        };
        let life = service.lives.get_mut(instance);
        if let Some(life) = life.filter(|life| life.last == at) {
            if life.counts.len() <= number {
                life.counts.resize(number + 1, 0);
            }
            if let Some(sum) = life.counts.get_mut(number) {
                *sum = sum.saturating_add(count);
            }
        }
    }

    /// To be called when all is in.
    pub(crate) fn restored(&mut self) {
        for service in self.services.values_mut() {
            for series in &mut service.series {
                let mut rows: Vec<_> = std::mem::take(&mut series.rows).into();
                rows.sort_by_key(|row| row.slot);
                series.rows = VecDeque::from(rows);
            }
            if let Some(last) = service.slots.back().map(|slot| slot.at) {
                service.thin(last, self.raw_seconds);
            }
            service.slots.shrink_to_fit();
            for series in &mut service.series {
                series.rows.shrink_to_fit();
            }
        }
    }
}
