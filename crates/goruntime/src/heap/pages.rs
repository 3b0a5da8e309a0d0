//! From an address to the span it lies in, in two steps: the heap grows by regions of 64 MiB, that may lie anywhere.

use std::ops::Range;

use super::spans::PAGE_BYTES;

/// Bytes of a region: `heapArenaBytes` in `runtime/malloc.go`.
pub(super) const REGION_BYTES: u64 = 64 << 20;
const REGION_PAGES: usize = (REGION_BYTES / PAGE_BYTES) as usize;
/// Regions that get a table of their pages, of 32 KiB each: as many as half a terabyte of small spans has.
const MAX_TABLES: usize = 8192;
/// Set in the entry of a region that lies in one span as a whole; the rest is the number of the span.
const WHOLE: u32 = 1 << 31;

/// The table. Spans are numbered in the order of their addresses.
#[derive(Debug)]
pub(super) struct Pages {
    /// The number of the first region.
    first: u64,
    /// For each region 0, the number of its table plus 1, or [`WHOLE`].
    regions: Vec<u32>,
    /// For each page of a region with a table, the number of the span plus 1, or 0.
    tables: Vec<u32>,
    /// Where the spans lie, should the tables be too large.
    sorted: Vec<Range<u64>>,
}

impl Pages {
    /// `spans` are sorted, do not overlap, begin and end with pages, and lie below 2^48.
    pub(super) fn of(spans: impl ExactSizeIterator<Item = Range<u64>> + Clone) -> Self {
        let mut pages = Self {
            first: 0,
            regions: Vec::new(),
            tables: Vec::new(),
            sorted: Vec::new(),
        };
        // Twice a span can begin or end within a region, so this is enough for whatever the spans are.
        let limit = MAX_TABLES.min(spans.len().saturating_mul(2));
        if pages.fill(spans.clone(), limit).is_none() {
            pages.regions = Vec::new();
            pages.tables = Vec::new();
            pages.sorted = spans.collect();
        }
        pages
    }

    fn fill(&mut self, spans: impl Iterator<Item = Range<u64>>, max_tables: usize) -> Option<()> {
        let mut spans = spans.peekable();
        self.first = spans.peek().map_or(0, |span| span.start / REGION_BYTES);
        for (index, span) in (0_u32..).zip(spans) {
            let mut start = span.start;
            while start < span.end {
                let region =
                    usize::try_from((start / REGION_BYTES).checked_sub(self.first)?).ok()?;
                let next = (start / REGION_BYTES + 1) * REGION_BYTES;
                let end = next.min(span.end);
                if region >= self.regions.len() {
                    self.regions.resize(region + 1, 0);
                }
                let entry = self.regions.get_mut(region)?;
                if end - start == REGION_BYTES {
                    *entry = WHOLE | index;
                } else {
                    let count = self.tables.len() / REGION_PAGES;
                    if *entry == 0 {
                        if count >= max_tables {
                            return None;
                        }
                        self.tables.resize(self.tables.len() + REGION_PAGES, 0);
                        *entry = u32::try_from(count + 1).ok()?;
                    }
                    let table = (*entry as usize - 1) * REGION_PAGES;
                    let page = |at: u64| table + (at % REGION_BYTES / PAGE_BYTES) as usize;
                    let last = page(end - 1);
                    self.tables.get_mut(page(start)..=last)?.fill(index + 1);
                }
                start = end;
            }
        }
        Some(())
    }

    /// The number of the span that an address lies in.
    pub(super) fn find(&self, address: u64) -> Option<u32> {
        let region = (address / REGION_BYTES).wrapping_sub(self.first);
        let Some(entry) = self.regions.get(region as usize) else {
            return self.search(address);
        };
        if *entry & WHOLE != 0 {
            return Some(entry & !WHOLE);
        }
        let table = (*entry as usize).checked_sub(1)? * REGION_PAGES;
        let page = table + (address % REGION_BYTES / PAGE_BYTES) as usize;
        self.tables.get(page)?.checked_sub(1)
    }

    #[cold]
    fn search(&self, address: u64) -> Option<u32> {
        let after = self.sorted.partition_point(|span| span.start <= address);
        let index = after.checked_sub(1)?;
        let found = self.sorted.get(index)?.contains(&address);
        found.then(|| u32::try_from(index).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spans: &[(u64, u64)], is_sparse: bool) {
        let spans: Vec<Range<u64>> = spans.iter().map(|(start, end)| *start..*end).collect();
        let pages = Pages::of(spans.iter().cloned());
        assert_eq!(pages.tables.is_empty(), is_sparse);
        let edges = spans.iter().flat_map(|span| {
            let (low, high) = (span.start, span.end);
            [low.saturating_sub(1), low, low + 1, high - 1, high]
        });
        for address in edges.chain([0, u64::MAX, 1 << 46]) {
            let expected = spans.iter().position(|span| span.contains(&address));
            let found = pages.find(address).map(|index| index as usize);
            assert_eq!(found, expected, "0x{address:x}");
        }
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn spans_are_found_wherever_they_lie() {
        check(&[], true);
        let first = 0xc0_0000_0000;
        check(&[(first, first + 8192)], false);
        // A hole of a page, one that ends with its region, and one over the edge.
        check(
            &[
                (first + 8192, first + 16384),
                (first + 24576, first + 64 * MIB),
                (first + 127 * MIB, first + 129 * MIB),
            ],
            false,
        );
        // Whole regions, with parts at both ends.
        check(
            &[
                (first + MIB, first + 200 * MIB),
                (first + 200 * MIB, first + 900 * MIB),
                (0x7f00_0000_0000, 0x7f00_0000_2000),
            ],
            false,
        );
    }

    #[test]
    fn spans_far_from_each_other_are_searched() {
        let spans: Vec<_> = (1..=9000_u64)
            .map(|at| (at * 64 * MIB, at * 64 * MIB + 8192))
            .collect();
        check(&spans, true);
    }
}
