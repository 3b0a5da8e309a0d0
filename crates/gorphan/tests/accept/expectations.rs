//! What a scene says of itself, and whether it was seen.

use crate::seen::{Group, Seen};

/// Bytes of the smallest stack; others are twice as large, and so on.
const SMALLEST_STACK: u64 = 2048;
/// How a difference begins that is a leak which is none.
pub(crate) const UNEXPECTED: &str = "not expected";
/// In place of a function: the stack cannot be shown.
const UNNAMED: &str = "-";

/// Goroutines that wait for ever at one place.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// Whether it must be found, or only may be.
    must: bool,
    count: u64,
    operation: String,
    function: String,
    /// Bytes of heap that only they reach, where it is said.
    heap: Option<u64>,
}

impl Expected {
    /// Reads a line as `leak 3<tab>chan send<tab>worker<tab>0`.
    ///
    /// # Errors
    /// The line, if it is none.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let parse = || {
            let mut words = line.split('\t');
            let (kind, count) = words.next()?.split_once(' ')?;
            let expected = Self {
                must: kind == "leak",
                count: count.parse().ok()?,
                operation: words.next()?.to_owned(),
                function: words.next()?.to_owned(),
                heap: words.next()?.parse().ok().filter(|heap| *heap > 0),
            };
            Some(expected)
        };
        parse().ok_or_else(|| format!("{line:?} says no leak"))
    }

    /// The goroutine that leaks in every scene.
    pub(crate) fn is_canary(&self) -> bool {
        self.function == "canary"
    }

    fn is_seen_in(&self, group: &Group) -> bool {
        let named = |function: &String| {
            let mut parts = function.split(['.', '[']);
            parts.any(|part| part == self.function)
        };
        let is_there = match self.function.as_str() {
            UNNAMED => group.functions.is_empty(),
            _ => group.functions.iter().any(named),
        };
        group.operation == self.operation && is_there
    }
}

/// In what the report differs from what is expected: nothing, if all is well.
pub(crate) fn differences(expected: &[Expected], seen: &Seen) -> Vec<String> {
    let mut differences = Vec::new();
    let mut found = vec![(0, 0); expected.len()];
    for group in seen.leaks() {
        match expected.iter().position(|one| one.is_seen_in(group)) {
            Some(index) => {
                let (count, heap) = &mut found[index];
                *count += group.leaked;
                *heap += group.heap.unwrap_or_default();
            }
            None => differences.push(format!("{UNEXPECTED}: {}", group.summary())),
        }
        // A group that is a part of a site has no figures.
        if let Some(stacks) = group.stack
            && (stacks < group.leaked * SMALLEST_STACK || stacks % SMALLEST_STACK != 0)
        {
            differences.push(format!("{stacks} bytes of stacks: {}", group.summary()));
        }
        if group.verdict != "leak" {
            differences.push(format!("proven, and no leak: {}", group.summary()));
        }
    }
    for (one, (count, heap)) in expected.iter().zip(found) {
        if count > one.count || (one.must && count < one.count) {
            let why = seen.groups.iter().filter(|group| one.is_seen_in(group));
            let why: Vec<String> = why.map(Group::summary).collect();
            differences.push(format!(
                "{} of {} found in {} {}: {} {}",
                count,
                one.count,
                one.operation,
                one.function,
                why.join(" / "),
                seen.problems.join("; ")
            ));
        } else if let Some(bytes) = one.heap
            && bytes != heap
        {
            differences.push(format!(
                "{} {} retains {heap} bytes of heap, and should {bytes}",
                one.operation, one.function
            ));
        }
    }
    differences
}
