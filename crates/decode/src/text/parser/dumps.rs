//! Where one dump ends and the next starts.
//!
//! The text does not mark it. The rules:
//!
//! 1. A line `... profile: total N` starts a snapshot, always.
//! 2. A goroutine number that this snapshot has already starts the next one: within one dump numbers are unique.
//! 3. A goroutine that is running *and* shows its stack is the one that wrote the dump, and stands first in it. After
//!    other text, or right under another block without an empty line, it starts the next snapshot.
//! 4. `panic:`, `fatal error:` and `SIGQUIT:` announce a dump. A signal with its `PC=` line, a deadlock, and a running
//!    goroutine after any of these start the next snapshot. Other goroutines do not: the line came from elsewhere.
//! 5. With `GOTRACEBACK=crash` each thread adds its goroutine after a line of dashes; that still is the same dump.

use gorphan_model::{Format, ProfileKind, State, Status};

use super::block::Block;
use super::{Cue, Held, Parser, Phase, Shared, wanted};
use crate::text::build::Builder;
use crate::text::lines::Kind;
use crate::text::stacks::Full;

/// Snapshots kept of one input. Past this, a log is better cut by time; further dumps are counted into the last one.
const MAX_SNAPSHOTS: usize = 4096;
/// Bytes at which `runtime/pprof` stops writing a dump (`writeGoroutineStacks` in `runtime/pprof/pprof.go`).
const RUNTIME_LIMIT_BYTES: u64 = 64 << 20;

impl Parser {
    /// A goroutine is complete.
    pub(super) fn finish(&mut self, shared: &mut Shared<'_>, block: Block) {
        self.pending.clear();
        let kind = shared.stacks.kind(block.node);
        if kind.wants_place() && !block.full {
            self.damaged(shared, &block, "a function has no place in a file");
            self.state = Phase::Outside;
            return;
        }
        let available = !matches!(kind, Kind::Start | Kind::Unavailable)
            && !self.is_unavailable(shared, &block);
        let running = block.one.state.and_then(|id| shared.states.state(id))
            == Some(&State::Status(Status::Running));
        let runner = running && available;
        if block.one.id == 0 {
            // The scheduler's own stack of a thread (g0): no goroutine, but the first thing in a signal's dump.
            if self.cue != Cue::None {
                self.cue = Cue::Certain;
            }
            return;
        }
        let cue = std::mem::replace(&mut self.cue, Cue::None);
        let again = self
            .builder
            .as_ref()
            .is_some_and(|builder| builder.has(block.one.id));
        if again && self.relay {
            let taken = self
                .builder
                .as_mut()
                .is_some_and(|builder| available && builder.take_unavailable(block.one.id));
            if !taken {
                return;
            }
        } else if again
            || self.counted()
            || cue == Cue::Certain
            || runner && (cue == Cue::Perhaps || block.apart && !self.relay)
        {
            if !again {
                self.release(shared);
            }
            self.split(shared, Format::Dump, ProfileKind::Goroutine, block.line);
        }
        if kind == Kind::Start && !block.full {
            self.builder(shared).problem(
                block.line,
                format!("goroutine {} has no stack", block.one.id),
            );
        }
        self.count(shared, &block, runner, available);
    }

    pub(super) fn is_unavailable(&self, shared: &Shared<'_>, block: &Block) -> bool {
        // `created by` may follow the mark.
        let mut node = block.node;
        for _ in 0..3 {
            if shared.stacks.kind(node) == Kind::Unavailable {
                return true;
            }
            node = shared.stacks.before(node);
        }
        false
    }

    pub(super) fn count(
        &mut self,
        shared: &mut Shared<'_>,
        block: &Block,
        runner: bool,
        available: bool,
    ) {
        let stack = if block.full {
            Err(Full)
        } else {
            shared.stacks.end(block.node)
        };
        let first_line = block.line;
        if self.builder.is_none() {
            let line = std::mem::replace(&mut self.line, first_line);
            self.builder(shared);
            self.line = line;
        }
        self.release(shared);
        let Some(builder) = &mut self.builder else {
            return;
        };
        builder.met(block.one.id);
        if !wanted(shared, &block.one, &self.labels) {
            return;
        }
        let Ok(stack) = stack else {
            return builder.drop_goroutines(1, block.line);
        };
        if runner && builder.runner {
            // A second one cannot be of this dump. If the next number is known already, it opened the next dump.
            self.held = Some(Held {
                stack,
                one: block.one,
                labels: std::mem::take(&mut self.labels),
                line: block.line,
            });
            return;
        }
        builder.runner |= runner;
        builder.add(
            stack,
            &block.one,
            &self.labels,
            &shared.stacks,
            &shared.states,
        );
        if !available {
            builder.unavailable(block.one.id);
        }
    }

    /// Counts the goroutine that was held back.
    pub(in crate::text) fn release(&mut self, shared: &Shared<'_>) {
        if let (Some(held), Some(builder)) = (self.held.take(), &mut self.builder) {
            builder.met(held.one.id);
            builder.add(
                held.stack,
                &held.one,
                &held.labels,
                &shared.stacks,
                &shared.states,
            );
        }
    }

    /// Ends the snapshot being read and starts the next.
    pub(in crate::text) fn split(
        &mut self,
        shared: &mut Shared<'_>,
        format: Format,
        profile: ProfileKind,
        line: u64,
    ) {
        if shared.snapshots >= MAX_SNAPSHOTS {
            return;
        }
        let mut first_line = line;
        if self.builder.is_some() {
            let held = self.held.take();
            self.close(shared);
            if let Some(held) = &held {
                first_line = held.line;
            }
            self.held = held;
        }
        shared.snapshots += 1;
        self.relay = false;
        self.builder = Some(Builder::new(
            format,
            profile,
            first_line,
            &shared.options.limits,
        ));
    }

    pub(super) fn close(&mut self, shared: &mut Shared<'_>) {
        self.release(shared);
        let Some(mut builder) = self.builder.take() else {
            return;
        };
        self.check_total(&mut builder, shared);
        let bytes = std::mem::take(&mut self.bytes);
        self.done
            .push(builder.finish(bytes, &shared.options.limits));
    }

    /// The input is at its end.
    pub(in crate::text) fn end(&mut self, shared: &mut Shared<'_>) {
        let dump = self
            .builder
            .as_ref()
            .is_none_or(|builder| builder.format() == Format::Dump);
        // The mark of a missing newline was added by the reader.
        let bytes = self.bytes - u64::from(shared.partial && self.bytes > 0);
        let limit = dump && bytes == RUNTIME_LIMIT_BYTES;
        match std::mem::replace(&mut self.state, Phase::Outside) {
            Phase::Goroutine(block) => {
                let kind = shared.stacks.kind(block.node);
                let cut = (kind.wants_place() || kind == Kind::Start) && !block.full;
                if cut && !limit {
                    let id = block.one.id;
                    self.truncated(
                        shared,
                        format!(
                            "the text ends in the middle of goroutine {id}, which was left out"
                        ),
                    );
                } else if !limit {
                    self.finish(shared, block);
                }
            }
            Phase::Record(block) => self.finish_record(shared, block),
            Phase::Outside | Phase::Skip => {}
        }
        if limit {
            self.truncated(
                shared,
                "the dump is exactly 67,108,864 bytes: the Go runtime stops there (runtime/pprof, writeGoroutineStacks), \
                 so goroutines are missing and the last one was left out; use debug=0, which has no such limit",
            );
        }
        self.close(shared);
    }
}
