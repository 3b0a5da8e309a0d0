//! All stacks merged into one tree, root first: the data of the flame view.

use std::fmt::{self, Write};

use gorphan_model::{Operation, Stack, symbol};
use serde::Serialize;

/// Keyed hashing that is quick for short keys: half a million look-ups make a large tree.
type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

use super::escape::{Count, Num, json, plain};

/// Nodes that a page carries; more than fit on a screen, and few enough to open at once.
const MAX_NODES: usize = 10_000;
/// Frames per stack counted from the root; the runtime itself prints at most 100.
const MAX_DEPTH: usize = 256;
/// Nodes that the tree holds while it is built: about 100 MB. Past it, stacks end where a new node would start.
const MAX_BUILT: usize = 500_000;
/// A node with fewer goroutines than this part of all is left out: one in ten thousand is no more to be seen.
const MIN_SHARE: u64 = 10_000;
/// Classes of goroutines that a colour can stand for.
pub(super) const MAX_CLASSES: usize = 8;

/// One way to colour the view.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Mode {
    /// What the colours tell.
    pub(super) label: &'static str,
    /// The classes: their words; the style sheet has a colour for each `label-index`.
    pub(super) words: &'static [&'static str],
}

/// Operations in the few classes that colours can tell apart.
pub(super) const OPERATIONS: Mode = Mode {
    label: "operation",
    words: &[
        "channel",
        "select",
        "lock",
        "wait group, cond, semaphore",
        "sleep",
        "IO, system call",
        "running",
        "other",
    ],
};

/// The class of an operation in [`OPERATIONS`].
pub(crate) fn operation_class(operation: Operation) -> usize {
    match operation {
        Operation::ChanSend
        | Operation::ChanReceive
        | Operation::NilChanSend
        | Operation::NilChanReceive => 0,
        Operation::Select | Operation::SelectNoCases => 1,
        Operation::MutexLock | Operation::RwMutexLock | Operation::RwMutexRLock => 2,
        Operation::WaitGroup | Operation::CondWait | Operation::Semaphore => 3,
        Operation::Sleep => 4,
        Operation::IoWait | Operation::Syscall => 5,
        Operation::Running | Operation::Runnable => 6,
        Operation::Other => 7,
    }
}

struct Node {
    name: u32,
    count: u64,
    depth: usize,
    /// Children hang together as a list: its first, and of each the next.
    first_child: Option<usize>,
    next_sibling: Option<usize>,
    /// Goroutines by class, for each of the two modes.
    classes: [[u32; MAX_CLASSES]; 2],
}

/// A tree of stacks under one root that stands for all goroutines.
pub(super) struct Tree {
    modes: [Mode; 2],
    nodes: Vec<Node>,
    /// (parent, name) to node.
    index: HashMap<(usize, u32), usize>,
    names: Vec<String>,
    /// Canonical name to its place in `names`.
    by_name: HashMap<String, u32>,
    /// Name as the source has it to its place in `names`, so that each is made canonical once.
    by_source: HashMap<std::sync::Arc<str>, u32>,
    /// [`MAX_BUILT`] was met.
    cut: bool,
}

/// What the script reads; arrays run over the nodes in depth-first order.
#[derive(Serialize)]
struct Data<'a> {
    modes: [Mode; 2],
    names: Vec<&'a str>,
    depth: Vec<usize>,
    name: Vec<usize>,
    count: Vec<u64>,
    classes: [Vec<usize>; 2],
}

impl Tree {
    /// A tree without stacks under a root of that name, to be coloured in `modes`.
    pub(super) fn new(root: &str, modes: [Mode; 2]) -> Self {
        let mut tree = Self {
            modes,
            nodes: Vec::new(),
            index: HashMap::default(),
            names: Vec::new(),
            by_name: HashMap::default(),
            by_source: HashMap::default(),
            cut: false,
        };
        let name = tree.name(root.to_owned());
        tree.nodes.push(Node::new(name, 0));
        tree
    }

    /// Adds `count` goroutines with `stack`, of one class per mode.
    pub(super) fn add(&mut self, stack: &Stack, count: u64, classes: [usize; 2]) {
        let mut at = 0;
        self.count(at, count, classes);
        let elided = stack.elided.map(|elision| elision.at);
        let frames = stack.frames.iter().enumerate().rev();
        for (index, frame) in frames.take(MAX_DEPTH) {
            if elided == Some(index + 1) {
                let gap = self.name("(frames left out by the runtime)".to_owned());
                let Some(child) = self.child(at, gap) else {
                    return;
                };
                at = child;
                self.count(at, count, classes);
            }
            // Every goroutine starts in it: a row that tells nothing.
            if &*frame.function == "runtime.goexit" {
                continue;
            }
            let name = match self.by_source.get(&frame.function) {
                Some(known) => *known,
                None => {
                    let name = self.name(plain(&symbol::canonical(&frame.function)));
                    self.by_source.insert(frame.function.clone(), name);
                    name
                }
            };
            let Some(child) = self.child(at, name) else {
                return;
            };
            at = child;
            self.count(at, count, classes);
        }
    }

    fn name(&mut self, name: String) -> u32 {
        if let Some(known) = self.by_name.get(&name) {
            return *known;
        }
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.clone());
        self.by_name.insert(name, index);
        index
    }

    fn child(&mut self, parent: usize, name: u32) -> Option<usize> {
        if let Some(known) = self.index.get(&(parent, name)) {
            return Some(*known);
        }
        if self.nodes.len() >= MAX_BUILT {
            self.cut = true;
            return None;
        }
        let child = self.nodes.len();
        let depth = self.nodes.get(parent).map_or(0, |node| node.depth + 1);
        let mut node = Node::new(name, depth);
        if let Some(parent) = self.nodes.get_mut(parent) {
            node.next_sibling = parent.first_child.replace(child);
        }
        self.nodes.push(node);
        self.index.insert((parent, name), child);
        Some(child)
    }

    fn count(&mut self, node: usize, count: u64, classes: [usize; 2]) {
        let Some(node) = self.nodes.get_mut(node) else {
            return;
        };
        let weight = u32::try_from(count).unwrap_or(u32::MAX);
        node.count = node.count.saturating_add(count);
        for (counts, class) in node.classes.iter_mut().zip(classes) {
            if let Some(slot) = counts.get_mut(class) {
                *slot = slot.saturating_add(weight);
            }
        }
    }

    /// Which nodes a page carries: those of at least the least share, the most numerous first, the shallow before the
    /// deep. A child never has more goroutines than its parent, so what is kept hangs together.
    fn kept(&self) -> Vec<bool> {
        let total = self.nodes.first().map_or(0, |root| root.count);
        let least = total / MIN_SHARE;
        let mut order: Vec<(std::cmp::Reverse<u64>, usize, usize)> =
            (self.nodes.iter().enumerate())
                .filter(|(_, node)| node.count >= least)
                .map(|(index, node)| (std::cmp::Reverse(node.count), node.depth, index))
                .collect();
        if order.len() > MAX_NODES {
            order.select_nth_unstable(MAX_NODES);
            order.truncate(MAX_NODES);
        }
        let mut kept = vec![false; self.nodes.len()];
        for (_, _, index) in order {
            if let Some(slot) = kept.get_mut(index) {
                *slot = true;
            }
        }
        kept
    }

    fn data(&self, kept: &[bool]) -> Data<'_> {
        let mut data = Data {
            modes: self.modes,
            names: Vec::new(),
            depth: Vec::new(),
            name: Vec::new(),
            count: Vec::new(),
            classes: [Vec::new(), Vec::new()],
        };
        let mut places: HashMap<u32, usize> = HashMap::default();
        let mut open = vec![0];
        while let Some(index) = open.pop() {
            let Some(node) = self
                .nodes
                .get(index)
                .filter(|_| kept.get(index) == Some(&true))
            else {
                continue;
            };
            let place = *places.entry(node.name).or_insert_with(|| {
                let name = self.names.get(node.name as usize);
                data.names.push(name.map_or("", String::as_str));
                data.names.len() - 1
            });
            data.depth.push(node.depth);
            data.name.push(place);
            data.count.push(node.count);
            for (column, counts) in data.classes.iter_mut().zip(&node.classes) {
                column.push(most(counts));
            }
            let first = node.first_child;
            let siblings = std::iter::successors(first, |at| self.nodes.get(*at)?.next_sibling);
            let mut children: Vec<usize> = siblings
                .filter(|child| kept.get(*child) == Some(&true))
                .collect();
            // The stack of open nodes turns the order round: the most numerous child comes out first.
            children.sort_by_key(|child| {
                let child = self.nodes.get(*child);
                child.map(|child| {
                    (
                        child.count,
                        std::cmp::Reverse(self.names.get(child.name as usize)),
                    )
                })
            });
            open.append(&mut children);
        }
        data
    }

    /// Writes the section: the view is drawn by its script; what it cannot show without one is said.
    pub(super) fn write(&self, out: &mut String, title: &str, note: &str) -> fmt::Result {
        let kept = self.kept();
        let left_out = kept.iter().filter(|kept| !**kept).count() as u64;
        let data = self.data(&kept);
        write!(
            out,
            "<section id=stacks><h2>{title}</h2><p class=note>{note} A bar is a function; below it are those it called; its width is the \
             number of goroutines in it; its colour is that of most of them."
        )?;
        if left_out > 0 {
            write!(
                out,
                " {} left out: fewer than one goroutine in {}, or past the largest {}.",
                Count(left_out, "bar"),
                Num(MIN_SHARE),
                Num(MAX_NODES as u64)
            )?;
        }
        if self.cut {
            write!(
                out,
                " Stacks past {} were cut short.",
                Count(MAX_BUILT as u64, "bar")
            )?;
        }
        out.push_str(FLAME_MARKUP);
        let data = json(&data)?;
        writeln!(
            out,
            "<script type=\"application/json\" id=flame-data>{data}</script></section>"
        )
    }
}

/// Places that the script fills; hidden until it runs.
const FLAME_MARKUP: &str = "</p>
<noscript><p class=note>This view is drawn by a script. Without scripts, the stacks are in the table of groups.</p></noscript>
<div id=flame-tools class=tools hidden>
<label>Colour <select id=flame-mode></select></label>
<label class=grow>Highlight <input id=flame-search type=search placeholder=\"part of a function's name\" autocomplete=off spellcheck=false></label>
<button type=button id=flame-reset disabled>Show all</button>
</div>
<p id=flame-legend class=legend hidden></p>
<nav id=flame-path class=path aria-label=\"Zoomed into\" hidden></nav>
<p id=flame-detail class=detail aria-live=polite hidden></p>
<div id=flame class=flame role=tree aria-label=\"Stacks, root first\" hidden></div>
<p id=flame-keys class=\"note screen\" hidden>Click or Enter zooms in, Escape zooms out, the arrow keys walk.</p>
";

impl Node {
    fn new(name: u32, depth: usize) -> Self {
        Self {
            name,
            count: 0,
            depth,
            first_child: None,
            next_sibling: None,
            classes: [[0; MAX_CLASSES]; 2],
        }
    }
}

/// The class with the most goroutines; of equals the last, which for verdicts is the worse one.
fn most(counts: &[u32]) -> usize {
    let best = counts.iter().enumerate().max_by_key(|(_, count)| **count);
    best.map_or(0, |(class, _)| class)
}

#[cfg(test)]
mod tests {
    use gorphan_model::Frame;

    use super::*;

    const MODE: Mode = Mode {
        label: "verdict",
        words: &["normal", "leak"],
    };

    fn stack(leaf_first: &[&str]) -> Stack {
        let frame = |name: &&str| Frame::new(*name, "", 0);
        Stack {
            frames: leaf_first.iter().map(frame).collect(),
            ..Stack::default()
        }
    }

    /// Lines of `depth name count classes`.
    fn check(tree: &Tree, expected: &[&str]) {
        let data = tree.data(&tree.kept());
        let lines: Vec<String> = (0..data.depth.len())
            .map(|i| {
                let (name, classes) = (
                    data.names[data.name[i]],
                    [data.classes[0][i], data.classes[1][i]],
                );
                format!("{} {name} {} {classes:?}", data.depth[i], data.count[i])
            })
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn stacks_merge_from_the_root_and_the_most_numerous_branch_comes_first() {
        let mut tree = Tree::new("all", [MODE, OPERATIONS]);
        tree.add(&stack(&["b", "main.main", "runtime.goexit"]), 2, [0, 5]);
        tree.add(&stack(&["c", "main.main"]), 5, [1, 0]);
        tree.add(&stack(&["main.other"]), 1, [0, 4]);
        tree.add(&Stack::default(), 1, [0, 7]);
        check(
            &tree,
            &[
                "0 all 9 [1, 0]",
                "1 main.main 7 [1, 0]",
                "2 c 5 [1, 0]",
                "2 b 2 [0, 5]",
                "1 main.other 1 [0, 4]",
            ],
        );
    }

    #[test]
    fn frames_that_the_runtime_left_out_stand_in_their_place() {
        let mut tree = Tree::new("all", [MODE, OPERATIONS]);
        let mut deep = stack(&["leaf", "root"]);
        deep.elided = Some(gorphan_model::Elision {
            at: 1,
            count: Some(7),
        });
        tree.add(&deep, 1, [0, 0]);
        check(
            &tree,
            &[
                "0 all 1 [0, 0]",
                "1 root 1 [0, 0]",
                "2 (frames left out by the runtime) 1 [0, 0]",
                "3 leaf 1 [0, 0]",
            ],
        );
    }

    #[test]
    fn a_page_carries_a_bounded_tree_that_hangs_together() {
        let mut tree = Tree::new("all", [MODE, OPERATIONS]);
        for i in 0..MAX_NODES {
            let (leaf, middle) = (format!("leaf{i}"), format!("middle{i}"));
            tree.add(&stack(&[&leaf, &middle, "root"]), 1, [0, 0]);
        }
        let kept = tree.kept();
        let data = tree.data(&kept);
        assert_eq!(data.depth.len(), MAX_NODES);
        assert!(!data.depth.contains(&3), "the shallow come before the deep");
    }

    #[test]
    fn a_stack_deeper_than_the_limit_keeps_its_root() {
        let names: Vec<String> = (0..1000).map(|i| format!("f{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut tree = Tree::new("all", [MODE, OPERATIONS]);
        tree.add(&stack(&names), 1, [0, 0]);
        assert_eq!(tree.nodes.len(), MAX_DEPTH + 1);
        assert_eq!(tree.names.get(1).map(String::as_str), Some("f999"));
    }
}
