//! Finding codes: stable, never reused. `gorphan explain CODE` prints what stands here.

use crate::{Group, Operation};

/// What a code means, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// As `GR1001`.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// Markdown: what it is, why it leaks, an example in Go, the fix.
    pub text: &'static str,
}

const fn code(id: &'static str, title: &'static str, text: &'static str) -> Code {
    Code { id, title, text }
}

/// Every code, by id.
pub const CODES: &[Code] = &[
    code(
        "GR1001",
        "blocked in a channel send",
        include_str!("code/GR1001.md"),
    ),
    code(
        "GR1002",
        "blocked in a channel receive",
        include_str!("code/GR1002.md"),
    ),
    code(
        "GR1003",
        "blocked in a select",
        include_str!("code/GR1003.md"),
    ),
    code(
        "GR1004",
        "sending to a nil channel",
        include_str!("code/GR1004.md"),
    ),
    code(
        "GR1005",
        "receiving from a nil channel",
        include_str!("code/GR1005.md"),
    ),
    code(
        "GR1006",
        "select without cases",
        include_str!("code/GR1006.md"),
    ),
    code(
        "GR1007",
        "waiting for a mutex",
        include_str!("code/GR1007.md"),
    ),
    code(
        "GR1008",
        "waiting for the write lock of an RWMutex",
        include_str!("code/GR1008.md"),
    ),
    code(
        "GR1009",
        "waiting for the read lock of an RWMutex",
        include_str!("code/GR1009.md"),
    ),
    code(
        "GR1010",
        "waiting for a WaitGroup",
        include_str!("code/GR1010.md"),
    ),
    code(
        "GR1011",
        "waiting for a condition variable",
        include_str!("code/GR1011.md"),
    ),
    code(
        "GR1012",
        "waiting for a semaphore",
        include_str!("code/GR1012.md"),
    ),
    code("GR1013", "sleeping", include_str!("code/GR1013.md")),
    code("GR1014", "waiting for I/O", include_str!("code/GR1014.md")),
    code("GR1015", "in a system call", include_str!("code/GR1015.md")),
    code("GR1016", "running", include_str!("code/GR1016.md")),
    code("GR1017", "ready to run", include_str!("code/GR1017.md")),
    code("GR1018", "any other state", include_str!("code/GR1018.md")),
    code(
        "GR1019",
        "suspended in an iterator",
        include_str!("code/GR1019.md"),
    ),
    code(
        "GR1101",
        "the live heap grows",
        include_str!("code/GR1101.md"),
    ),
    code(
        "GR1102",
        "goroutine stacks grow",
        include_str!("code/GR1102.md"),
    ),
    code(
        "GR2001",
        "a sender whose receiver has gone",
        include_str!("code/GR2001.md"),
    ),
    code(
        "GR2002",
        "more values sent than received",
        include_str!("code/GR2002.md"),
    ),
    code(
        "GR2003",
        "a send that nobody ever receives",
        include_str!("code/GR2003.md"),
    ),
    code(
        "GR2004",
        "a receive that nobody ever serves",
        include_str!("code/GR2004.md"),
    ),
    code(
        "GR2005",
        "a range over a channel that nobody closes",
        include_str!("code/GR2005.md"),
    ),
    code(
        "GR2006",
        "a receiver whose sender has gone",
        include_str!("code/GR2006.md"),
    ),
    code("GR2007", "a nil channel", include_str!("code/GR2007.md")),
    code(
        "GR2008",
        "a select without cases in a goroutine",
        include_str!("code/GR2008.md"),
    ),
    code(
        "GR2009",
        "two sends on one way",
        include_str!("code/GR2009.md"),
    ),
    code(
        "GR2010",
        "a wait for oneself",
        include_str!("code/GR2010.md"),
    ),
    code(
        "GR2011",
        "a send to a loop that may have stopped",
        include_str!("code/GR2011.md"),
    ),
    code(
        "GR2012",
        "a place of a semaphore kept",
        include_str!("code/GR2012.md"),
    ),
    code(
        "GR2021",
        "a lock kept on one way out",
        include_str!("code/GR2021.md"),
    ),
    code(
        "GR2022",
        "a lock locked by its holder",
        include_str!("code/GR2022.md"),
    ),
    code(
        "GR2023",
        "a read lock taken twice while a writer may come",
        include_str!("code/GR2023.md"),
    ),
    code(
        "GR2024",
        "two locks in opposite orders",
        include_str!("code/GR2024.md"),
    ),
    code(
        "GR2025",
        "a lock held in a wait for what needs the lock",
        include_str!("code/GR2025.md"),
    ),
    code(
        "GR2026",
        "a lock held in a wait for a group or condition",
        include_str!("code/GR2026.md"),
    ),
    code(
        "GR2031",
        "a wait group that is never complete",
        include_str!("code/GR2031.md"),
    ),
    code(
        "GR2032",
        "a condition that nobody signals",
        include_str!("code/GR2032.md"),
    ),
    code(
        "GR2041",
        "a context that nobody cancels",
        include_str!("code/GR2041.md"),
    ),
    code(
        "GR2042",
        "started and not stopped",
        include_str!("code/GR2042.md"),
    ),
    code(
        "GR2043",
        "a timed loop that nothing ends",
        include_str!("code/GR2043.md"),
    ),
    code(
        "GR2044",
        "a timer drained twice",
        include_str!("code/GR2044.md"),
    ),
    code(
        "GR2051",
        "a response body left open",
        include_str!("code/GR2051.md"),
    ),
    code(
        "GR2052",
        "an end of a pipe left",
        include_str!("code/GR2052.md"),
    ),
    code(
        "GR2053",
        "a pulled iterator never stopped",
        include_str!("code/GR2053.md"),
    ),
];

/// What a proof means: no code, as it stands beside every code of a goroutine.
pub const PROOF: &str = include_str!("code/proof.md");

/// The code of a live heap that grows from collection to collection.
pub const HEAP_GROWS: &str = "GR1101";
/// The code of goroutine stacks that grow from collection to collection.
pub const STACKS_GROW: &str = "GR1102";

/// The code of goroutines that `iter.Pull` suspended and nobody resumes or stops.
pub const SUSPENDED: &str = "GR1019";

/// The code of findings about goroutines blocked in `operation`.
pub fn for_operation(operation: Operation) -> &'static str {
    match operation {
        Operation::ChanSend => "GR1001",
        Operation::ChanReceive => "GR1002",
        Operation::Select => "GR1003",
        Operation::NilChanSend => "GR1004",
        Operation::NilChanReceive => "GR1005",
        Operation::SelectNoCases => "GR1006",
        Operation::MutexLock => "GR1007",
        Operation::RwMutexLock => "GR1008",
        Operation::RwMutexRLock => "GR1009",
        Operation::WaitGroup => "GR1010",
        Operation::CondWait => "GR1011",
        Operation::Semaphore => "GR1012",
        Operation::Sleep => "GR1013",
        Operation::IoWait => "GR1014",
        Operation::Syscall => "GR1015",
        Operation::Running => "GR1016",
        Operation::Runnable => "GR1017",
        Operation::Other => "GR1018",
    }
}

/// The code of findings about a group: its operation's, but for iterators, which are no operation of their own.
pub fn for_group(group: &Group) -> &'static str {
    if group.is_iterator() {
        SUSPENDED
    } else {
        for_operation(group.site.operation)
    }
}

/// The code by its id, in any case.
pub fn find(id: &str) -> Option<&'static Code> {
    CODES
        .iter()
        .find(|code| code.id.eq_ignore_ascii_case(id.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_code_of_its_own_with_a_text() {
        let mut seen = std::collections::BTreeSet::new();
        for operation in Operation::ALL {
            let id = for_operation(operation);
            assert!(find(id).is_some(), "{id} has no entry");
            assert!(seen.insert(id), "{id} is used twice");
        }
        assert!(CODES.is_sorted_by_key(|code| code.id));
        assert!(find("gr1101 ").is_some() && find("GR9999").is_none());
    }

    #[test]
    fn texts_have_the_sections_that_explain_promises() {
        for code in CODES {
            assert!(
                code.text.starts_with(&format!("# {}: ", code.id)),
                "{} does not begin with its code",
                code.id
            );
            for section in [
                "## What it means",
                "## Why it leaks",
                "## Fix",
                "## Dismiss",
            ] {
                assert!(code.text.contains(section), "{} lacks {section}", code.id);
            }
            assert!(code.text.ends_with('\n'));
        }
    }
}
