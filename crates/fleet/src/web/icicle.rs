//! Stacks merged into a tree, root first, as rows of bars: drawn here, so that it works without scripts. A bar is a link that
//! makes it the whole width.

use std::collections::HashMap;
use std::fmt::Write;

use gorphan_model::operation::classify;
use gorphan_model::{Snapshot, symbol};
use gorphan_report::{OPERATION_CLASSES, operation_class};

use super::words::grouped;

/// Frames of a stack, counted from the root.
const MAX_DEPTH: usize = 128;
/// Functions in the tree; past it, stacks end where a new one would start.
const MAX_NODES: usize = 100_000;
/// Bars that are drawn, the widest of each row first.
const MAX_BARS: usize = 3_000;
/// A bar that is narrower than this part of the width is not to be seen.
const MIN_SHARE: f64 = 0.0008;
/// Pixels of a row.
const ROW: usize = 20;

#[derive(Debug, Default)]
struct Node {
    name: String,
    /// Goroutines in the first and in the second snapshot.
    counts: [u64; 2],
    /// Goroutines by class of operation, in the second.
    classes: [u64; CLASSES],
    children: Vec<usize>,
    parent: usize,
    depth: usize,
}

const CLASSES: usize = OPERATION_CLASSES.len();

/// The stacks of one snapshot, or of two side by side.
#[derive(Debug)]
pub(crate) struct Icicle {
    nodes: Vec<Node>,
    index: HashMap<(usize, String), usize>,
    compares: bool,
}

impl Icicle {
    /// Of one snapshot.
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let mut tree = Self::empty(false);
        tree.add(snapshot, 1);
        tree.order();
        tree
    }

    /// Of two: widths are those of the larger one, colours tell the difference.
    pub(crate) fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let mut tree = Self::empty(true);
        tree.add(before, 0);
        tree.add(after, 1);
        tree.order();
        tree
    }

    fn empty(compares: bool) -> Self {
        let root = Node {
            name: "all goroutines".to_owned(),
            ..Node::default()
        };
        Self {
            nodes: vec![root],
            index: HashMap::new(),
            compares,
        }
    }

    fn add(&mut self, snapshot: &Snapshot, side: usize) {
        let mut names: HashMap<std::sync::Arc<str>, String> = HashMap::new();
        for sample in &snapshot.samples {
            let class = operation_class(classify(sample.state.as_ref(), &sample.stack));
            let mut at = 0;
            self.count(at, side, sample.count, class);
            let frames: Vec<_> = sample.stack.frames.iter().collect();
            for frame in frames.iter().rev().take(MAX_DEPTH) {
                // Every goroutine starts in it: a row that tells nothing.
                if &*frame.function == "runtime.goexit" {
                    continue;
                }
                let name = names
                    .entry(frame.function.clone())
                    .or_insert_with(|| symbol::canonical(&frame.function).into_owned());
                let Some(child) = child(&mut self.nodes, &mut self.index, at, name) else {
                    break;
                };
                at = child;
                self.count(at, side, sample.count, class);
            }
        }
    }

    fn count(&mut self, at: usize, side: usize, count: u64, class: usize) {
        let Some(node) = self.nodes.get_mut(at) else {
            return;
        };
        if let Some(slot) = node.counts.get_mut(side) {
            *slot = slot.saturating_add(count);
        }
        if let Some(slot) = node.classes.get_mut(class) {
            *slot = slot.saturating_add(count);
        }
    }

    /// The most numerous child first; of equals by name, so that the picture is the same each time.
    fn order(&mut self) {
        for at in 0..self.nodes.len() {
            let mut children = std::mem::take(&mut self.nodes[at].children);
            children.sort_by(|a, b| {
                let (a, b) = (&self.nodes[*a], &self.nodes[*b]);
                width(b).cmp(&width(a)).then_with(|| a.name.cmp(&b.name))
            });
            self.nodes[at].children = children;
        }
    }

    /// Goroutines of both sides.
    pub(crate) fn totals(&self) -> [u64; 2] {
        self.nodes.first().map_or([0; 2], |root| root.counts)
    }

    /// The bars below `focus`, a node's number. Every bar links to `href` with its number.
    pub(crate) fn svg(&self, focus: usize, href: &str) -> Drawn {
        let focus = if focus < self.nodes.len() { focus } else { 0 };
        let mut path = Vec::new();
        let mut at = focus;
        while let Some(node) = self.nodes.get(at) {
            path.push((at, node.name.clone()));
            if at == 0 {
                break;
            }
            at = node.parent;
        }
        path.reverse();
        let all = self.nodes.get(focus).map_or(0, width).max(1) as f64;
        let base = self.nodes.get(focus).map_or(0, |node| node.depth);
        let (mut bars, mut rows, mut cut) = (String::new(), 1, 0);
        let mut drawn = 0;
        // Rows from the top, so that a bound leaves out the deep.
        let mut row = vec![(focus, 0.0)];
        while !row.is_empty() {
            let mut below = Vec::new();
            for (at, left) in row {
                let Some(node) = self.nodes.get(at) else {
                    continue;
                };
                let share = width(node) as f64 / all;
                if share < MIN_SHARE || drawn >= MAX_BARS {
                    cut += 1;
                    continue;
                }
                drawn += 1;
                rows = rows.max(node.depth - base + 1);
                self.bar(&mut bars, at, node, left, share, node.depth - base, href);
                let mut left = left;
                for child in &node.children {
                    below.push((*child, left));
                    left += self.nodes.get(*child).map_or(0, width) as f64 / all;
                }
            }
            row = below;
        }
        let height = rows * ROW;
        Drawn {
            svg: format!(
                "<svg class=\"icicle\" width=\"100%\" height=\"{height}\" role=\"img\" aria-label=\"Stacks, root first\">{bars}</svg>"
            ),
            path,
            cut,
        }
    }

    #[allow(clippy::too_many_arguments)] // where a bar is, what it is, where it leads
    fn bar(
        &self,
        out: &mut String,
        at: usize,
        node: &Node,
        left: f64,
        share: f64,
        row: usize,
        href: &str,
    ) {
        let [before, after] = node.counts;
        let colour = if self.compares {
            difference(before, after).to_owned()
        } else {
            format!("op-{}", most(&node.classes))
        };
        let [_, total] = self.totals();
        let told = if self.compares {
            format!("{} before, {} after", grouped(before), grouped(after))
        } else {
            let part = after as f64 * 100.0 / total.max(1) as f64;
            format!("{} goroutines, {part:.1} %", grouped(after))
        };
        let name = escaped(&node.name);
        // The last part of a path tells most where there is little room.
        let label = escaped(node.name.rsplit('/').next().unwrap_or(&node.name));
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "<a href=\"{}{at}\"><svg x=\"{:.3}%\" y=\"{}\" width=\"{:.3}%\" height=\"{ROW}\"><title>{name}: {told}</title>\
             <rect class=\"{colour}\" width=\"100%\" height=\"19\" rx=\"2\"/><text x=\"5\" y=\"14\">{label}</text></svg></a>",
            escaped(href),
            left * 100.0,
            row * ROW,
            share * 100.0,
        );
    }
}

/// What is drawn.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// Markup, escaped.
    pub(crate) svg: String,
    /// From the root to what has the whole width: numbers and names.
    pub(crate) path: Vec<(usize, String)>,
    /// Bars that were left out.
    pub(crate) cut: usize,
}

fn child(
    nodes: &mut Vec<Node>,
    index: &mut HashMap<(usize, String), usize>,
    parent: usize,
    name: &str,
) -> Option<usize> {
    let key = (parent, name.to_owned());
    if let Some(known) = index.get(&key) {
        return Some(*known);
    }
    if nodes.len() >= MAX_NODES {
        return None;
    }
    let number = nodes.len();
    let depth = nodes.get(parent)?.depth + 1;
    nodes.push(Node {
        name: name.to_owned(),
        parent,
        depth,
        ..Node::default()
    });
    nodes.get_mut(parent)?.children.push(number);
    index.insert(key, number);
    Some(number)
}

/// What a bar's width stands for.
fn width(node: &Node) -> u64 {
    node.counts.into_iter().max().unwrap_or(0)
}

fn most(classes: &[u64; CLASSES]) -> usize {
    let best = classes.iter().enumerate().max_by_key(|(_, count)| **count);
    best.map_or(CLASSES - 1, |(class, _)| class)
}

/// The class of a difference.
fn difference(before: u64, after: u64) -> &'static str {
    match (before, after) {
        (0, _) => "diff-new",
        (_, 0) => "diff-gone",
        (before, after) if after > before + before / 10 => "diff-grown",
        (before, after) if before > after + after / 10 => "diff-shrunk",
        _ => "diff-same",
    }
}

/// Text as it may stand in markup.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Not allowed in XML, and nothing to see.
            control if control.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stacks as functions, innermost first, with their goroutines.
    fn snapshot(stacks: &[(&str, u64)]) -> Snapshot {
        let total: u64 = stacks.iter().map(|(_, count)| count).sum();
        let mut text = format!("goroutine profile: total {total}\n");
        for (names, count) in stacks {
            let _ = writeln!(text, "{count} @ 0x1");
            for name in names.split(' ') {
                let _ = writeln!(text, "#\t0x1\t{name}+0x1\t/src/main.go:1");
            }
            text.push('\n');
        }
        let read = gorphan_decode::read_bytes(text.as_bytes(), &Default::default());
        read.expect("goroutines").remove(0)
    }

    #[test]
    fn bars_have_their_share_and_lead_to_themselves() {
        let tree = Icicle::of(&snapshot(&[
            ("main.a main.main", 3),
            ("main.b main.main", 1),
        ]));
        let drawn = tree.svg(0, "/captures/x?focus=");
        for part in [
            "width=\"75.000%\"",
            "x=\"75.000%\"",
            "main.b: 1 goroutines, 25.0 %",
            "href=\"/captures/x?focus=1\"",
        ] {
            assert!(drawn.svg.contains(part), "{part}: {}", drawn.svg);
        }
        let zoomed = tree.svg(3, "?focus=");
        let names: Vec<_> = zoomed.path.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["all goroutines", "main.main", "main.b"]);
        assert!(zoomed.svg.contains("width=\"100.000%\""), "{}", zoomed.svg);
    }

    #[test]
    fn a_comparison_tells_what_grew() {
        let before = snapshot(&[("main.a main.main", 10), ("main.b main.main", 5)]);
        let after = snapshot(&[("main.a main.main", 20), ("main.c main.main", 1)]);
        let svg = Icicle::between(&before, &after).svg(0, "?focus=").svg;
        for part in ["diff-grown", "diff-gone", "diff-new", "10 before, 20 after"] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
    }

    #[test]
    fn names_are_text() {
        let tree = Icicle::of(&snapshot(&[("<script>alert(1)</script>", 3)]));
        let svg = tree.svg(0, "?focus=").svg;
        assert!(!svg.contains("<script>"), "{svg}");
        assert!(svg.contains("&lt;script&gt;"), "{svg}");
    }
}
