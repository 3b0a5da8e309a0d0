//! What reading a program's memory proves about goroutines that wait.

use std::fmt;

use crate::GoroutineId;

/// Whether anything could still wake a goroutine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nothing that runs, or can come to run, reaches what it waits for: it waits for ever.
    Unreachable(Unreachable),
    /// Something reaches what it waits for: the way there, root first.
    Reachable(Vec<Step>),
    /// Not decided, and why.
    Inconclusive(String),
}

impl Proof {
    /// The word in reports.
    pub fn result(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Reachable(_) => "reachable",
            Self::Inconclusive(_) => "inconclusive",
        }
    }
}

/// A proven leak.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unreachable {
    /// Its site, as an index into [`Retention::sites`].
    pub site: usize,
    /// What it waits for; none for a nil channel or a select without cases. A select waits for several.
    pub objects: Vec<Awaited>,
    /// From it to the root of its wait: who would have had to act, what that one waits for, and so on. Empty where nobody
    /// holds or references what it waits for.
    pub cause: Vec<Blame>,
}

/// What a goroutine waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// For people: `chan int (cap 0)`, `sync.Mutex`, `sync.WaitGroup`.
    pub description: String,
    /// Where it is in the target.
    pub address: u64,
    /// Values in a channel's buffer, and its capacity; `None` for what is no channel.
    pub buffer: Option<(u64, u64)>,
    /// Goroutines that wait for the same, itself included.
    pub waiters: u64,
}

impl fmt::Display for Awaited {
    /// As `chan int (cap 0) at 0xc000012345`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#x}", self.description, self.address)
    }
}

/// One link of a chain of waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame {
    /// The goroutine that would have to act.
    pub goroutine: GoroutineId,
    /// Why it is to blame, to follow its number: `holds the lock`, `has the channel on its stack`.
    pub why: String,
}

impl fmt::Display for Blame {
    /// As `goroutine 12 holds the lock`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "goroutine {} {}", self.goroutine, self.why)
    }
}

/// One step of a way from a root to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// For people: `global main.registry`, `goroutine 7 in main.serve`, `field conns of *main.Server`.
    pub description: String,
    /// Where the object reached by it lies in the target.
    pub address: u64,
}

impl Step {
    /// Neither a field's name nor its object's type is told: `offset 16 of an object of 48 bytes`.
    fn is_unnamed(&self) -> bool {
        let rest = self.description.strip_prefix("offset ");
        rest.is_some_and(|rest| rest.contains(" of an object of "))
    }
}

/// The steps of a way for people, root first: several in a row that have no name are only counted, but for the last.
pub fn told(way: &[Step]) -> Vec<String> {
    let mut told = Vec::new();
    let last = way.len().saturating_sub(1);
    let runs = way.iter().enumerate();
    let runs: Vec<(usize, &Step)> = runs.collect();
    let is_hidden = |(index, step): &(usize, &Step)| step.is_unnamed() && *index < last;
    for run in runs.chunk_by(|a, b| is_hidden(a) == is_hidden(b)) {
        match run {
            [first, _, ..] if is_hidden(first) => {
                told.push(format!("{} objects without names", run.len()));
            }
            steps => told.extend(steps.iter().map(|(_, step)| step.to_string())),
        }
    }
    told
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}

/// What proven leaks hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retention {
    /// One per site that has proven leaks.
    pub sites: Vec<Retained>,
    /// Heap bytes that leaks of more than one site hold together.
    pub shared_bytes: u64,
    /// Heap bytes that are not held by leaks alone.
    pub live_bytes: u64,
}

/// What the proven leaks of one site hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retained {
    /// Goroutines proven leaked.
    pub goroutines: u64,
    /// Bytes of their stacks, used and unused.
    pub stack_bytes: u64,
    /// Bytes of heap that only these goroutines reach.
    pub heap_bytes: u64,
    /// (type, objects, bytes) of the heap bytes, most bytes first; objects whose type is not known are `(unknown)`.
    pub types: Vec<(String, u64, u64)>,
}

impl Retained {
    /// Stack and heap.
    pub fn bytes(&self) -> u64 {
        self.stack_bytes.saturating_add(self.heap_bytes)
    }
}

/// What is known of one goroutine when it is asked about alone. Its stack, state and labels are those of its sample.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Why {
    /// Which.
    pub goroutine: GoroutineId,
    /// What it waits for; empty where it does not wait, or waits for nothing that exists, such as a nil channel.
    pub objects: Vec<Awaited>,
    /// Others that wait for one of these, by number; at most [`Why::MAX_OTHERS`].
    pub others: Vec<GoroutineId>,
    /// What was proven; `None` where it does not wait for another goroutine.
    pub proof: Option<Proof>,
    /// Who waits for whom, from this goroutine on, nearest first and itself first; at most [`Why::MAX_WAITS`].
    pub waits: Vec<Waiting>,
    /// What would be given back if this goroutine alone ended: its stack, and the heap that nothing else reaches.
    pub retained: Option<Retained>,
}

impl Why {
    /// Goroutines listed that wait for the same: enough to look at, and a channel can have a million.
    pub const MAX_OTHERS: usize = 100;
    /// Goroutines of a wait-for graph: longer chains are not read by anyone.
    pub const MAX_WAITS: usize = 100;
}

/// One goroutine of a wait-for graph.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Which.
    pub goroutine: GoroutineId,
    /// What it waits for; empty where it does not wait for another goroutine.
    pub objects: Vec<Awaited>,
    /// Who would have to act for it to go on.
    pub blames: Vec<Blame>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_without_names_are_counted_but_for_the_last() {
        let told = |words: &[&str]| {
            let step = |word: &&str| Step {
                description: match *word {
                    "-" => "offset 8 of an object of 16 bytes".to_owned(),
                    named => named.to_owned(),
                },
                address: 0,
            };
            let way: Vec<Step> = words.iter().map(step).collect();
            super::told(&way).join("; ")
        };
        let unnamed = "offset 8 of an object of 16 bytes";
        assert_eq!(told(&[]), "");
        assert_eq!(
            told(&["global main.x", "field a"]),
            "global main.x; field a"
        );
        assert_eq!(
            told(&["global main.x", "-", "-", "-", "field a", "-", "-"]),
            format!("global main.x; 3 objects without names; field a; {unnamed}; {unnamed}")
        );
        assert_eq!(
            told(&["global main.x", "-", "-", "-"]),
            format!("global main.x; 2 objects without names; {unnamed}")
        );
    }
}
