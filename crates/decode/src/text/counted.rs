//! `debug=1`: records of `COUNT @ 0xpc 0xpc ...`, labels, and frames.

use gorphan_model::{Format, ProfileKind};

use super::build::Builder;
use super::header::number_u64;
use super::lines;
use super::parser::{Block, Parser, Shared, wanted};

/// Reads `goroutine profile: total 12`: which profile and how many goroutines.
pub(super) fn total(line: &[u8]) -> Option<(ProfileKind, u64)> {
    const PROFILES: [(&[u8], ProfileKind); 2] = [
        (b"goroutine profile: total ", ProfileKind::Goroutine),
        (b"goroutineleak profile: total ", ProfileKind::GoroutineLeak),
    ];
    PROFILES.iter().find_map(|(start, kind)| {
        let number = line.strip_prefix(*start)?;
        Some((*kind, number_u64(number.trim_ascii_end())?))
    })
}

/// Reads the count of `12 @ 0x1 0x2`.
fn count(line: &[u8]) -> Option<u64> {
    let at = memchr::memchr(b' ', line)?;
    let rest = line.get(at..)?;
    if line.ends_with(b"\r") || !rest.starts_with(b" @ 0x") && rest != b" @" && rest != b" @ " {
        return None;
    }
    number_u64(line.get(..at)?).filter(|count| *count > 0)
}

impl Parser {
    /// A profile starts.
    pub(super) fn open_counted(
        &mut self,
        shared: &mut Shared<'_>,
        profile: ProfileKind,
        total: u64,
    ) {
        let line = self.line;
        self.release(shared);
        self.split(shared, Format::CountText, profile, line);
        if let Some(builder) = &mut self.builder {
            builder.total = Some(total);
        }
    }

    /// Starts a record if the line is the first of one.
    pub(super) fn open_record(&mut self, line: &[u8]) -> bool {
        let Some(count) = count(line) else {
            return false;
        };
        let block = Block::record(count, self.line);
        self.start_record(block);
        true
    }

    /// Reads the labels of a record; false where the line is something else.
    pub(super) fn labels_line(&mut self, line: &[u8]) -> bool {
        let inner = line.strip_prefix(b"# labels: {");
        let Some(inner) = inner.and_then(|rest| rest.strip_suffix(b"}")) else {
            return false;
        };
        let good = self.labels.parse(inner);
        if !good {
            self.labels.clear();
        }
        good
    }

    /// A line of a record that the walk did not expect.
    pub(super) fn record_line(&mut self, shared: &mut Shared<'_>, mut block: Block, line: &[u8]) {
        if line.is_empty() {
            return self.finish_record(shared, block);
        }
        if let Some(labels) = line.strip_prefix(b"# labels: ") {
            let inner = labels
                .strip_prefix(b"{")
                .and_then(|rest| rest.trim_ascii_end().strip_suffix(b"}"));
            if !inner.is_some_and(|inner| self.labels.parse(inner)) {
                if shared.partial {
                    return self.damaged(shared, &block, "");
                }
                let line = self.line;
                self.builder(shared).problem(
                    line,
                    "labels could not be read; their goroutines are counted without them",
                );
            }
        } else if line.starts_with(b"#") {
            match lines::parse_counted(line) {
                Some(frame) if !block.is_cut() => self.follow(shared, &mut block, &frame),
                Some(_) => {}
                None => return self.damaged(shared, &block, "a frame could not be read"),
            }
        } else {
            self.finish_record(shared, block);
            return self.outside_line(shared, line);
        }
        self.resume_record(block);
    }

    /// A record is complete.
    pub(super) fn finish_record(&mut self, shared: &mut Shared<'_>, mut block: Block) {
        let Some(builder) = &mut self.builder else {
            return;
        };
        block.one.leaked = builder.leak_profile();
        if !wanted(shared, &block.one, &self.labels) {
            return;
        }
        let stack = match block.is_full() {
            true => None,
            false => shared.stacks.end(block.node).ok(),
        };
        match stack {
            Some(stack) => builder.add(
                stack,
                &block.one,
                &self.labels,
                &shared.stacks,
                &shared.states,
            ),
            None => builder.drop_goroutines(block.one.count, block.line),
        }
    }

    /// Compares what was found with what the first line says.
    pub(super) fn check_total(&self, builder: &mut Builder, shared: &Shared<'_>) {
        let all = shared.options.filter.admits_all();
        let found = builder.goroutines.saturating_add(builder.dropped());
        if let Some(total) = builder.total.filter(|total| all && *total > found) {
            let message = format!(
                "the profile says it has {total} goroutines, {found} were found; the rest is missing or damaged"
            );
            builder.truncated(self.line, message);
        }
    }
}
