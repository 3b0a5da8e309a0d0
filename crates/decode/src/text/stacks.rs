//! Every distinct stack once, found again by walking its lines.
//!
//! The lines of a block, without what differs from goroutine to goroutine, are a path through a tree that starts at
//! the leaf frame. A node remembers where the last block went from it, so that a stack met before costs one comparison
//! a line: no search for the line's end, no hash, no copy. Only a line that goes where none did is taken apart.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use gorphan_model::{Ancestor, Elision, Frame, GoroutineId, Stack};
use hashbrown::HashTable;
use memchr::{memchr, memchr2};

use super::header::number_u64;
use super::intern::Names;
use super::lines::{Content, IN_GOROUTINE, Kind, Line, Tail};

/// Bytes of distinct lines and of distinct names kept. A large program's dump has under 2 MB; this bounds what a made-up
/// one can take.
const MAX_TEXT_BYTES: usize = 32 << 20;
/// Nodes of the tree, 48 bytes each and 8 in the table of edges; 200,000 stacks with ten lines of their own each.
const MAX_NODES: usize = 2 << 20;
/// Distinct lines kept, some 150 bytes each with their names; a large program's dump has under 50,000.
const MAX_LINES: usize = 800_000;
/// Frames of all distinct stacks, 40 bytes each.
const MAX_FRAMES: usize = 4 << 20;

/// Known lines that are tried at a node before a line is taken apart. Most nodes have one or two.
const MAX_TRIES: usize = 8;

/// A place in the tree.
pub(super) type NodeId = u32;
/// A distinct stack.
pub(super) type StackId = u32;

const NONE: u32 = u32::MAX;

/// Why a goroutine's stack could not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

struct Node {
    /// Where the last block went from here.
    next: NodeId,
    /// The newest of the places that blocks went from here, and of the places that blocks went from the node before.
    newest: NodeId,
    older: NodeId,
    /// The end of the line's key, which tells lines apart sooner than their beginning.
    key_end: u64,
    /// The line's key in `text`.
    start: u32,
    len: u32,
    tail: Tail,
    kind: Kind,
    parent: NodeId,
    line: u32,
    /// The stack of blocks that end here.
    stack: StackId,
}

/// A line met before.
struct Known {
    start: u32,
    len: u32,
    kind: Kind,
    tail: Tail,
    content: Content,
}

/// How far a block went as blocks before it.
pub(super) struct Walk {
    pub(super) node: NodeId,
    /// Bytes, with the newlines.
    pub(super) taken: usize,
    pub(super) lines: usize,
    /// The creator's goroutine.
    pub(super) parent: Option<GoroutineId>,
}

/// The tree and the stacks.
pub(super) struct Stacks {
    text: Vec<u8>,
    lines: Vec<Known>,
    line_table: HashTable<u32>,
    nodes: Vec<Node>,
    edges: HashTable<NodeId>,
    stacks: Vec<Arc<Stack>>,
    stack_table: HashTable<StackId>,
    names: Names,
    /// Frames by the lines of their name and place, so that equal ones are shared.
    calls: HashMap<(u32, u32), Frame>,
    hasher: foldhash::fast::RandomState,
    frames: usize,
    max_stacks: usize,
}

impl Stacks {
    /// Where the blocks of a dump start.
    pub(super) const DUMP: NodeId = 0;
    /// Where the records of a `debug=1` profile start.
    pub(super) const COUNTED: NodeId = 1;

    /// No stack yet, and room for `max_stacks`.
    pub(super) fn new(max_stacks: usize) -> Self {
        let root = || Node {
            next: NONE,
            newest: NONE,
            older: NONE,
            key_end: 0,
            start: 0,
            len: 0,
            tail: Tail::Nothing,
            kind: Kind::Start,
            parent: NONE,
            line: NONE,
            stack: NONE,
        };
        Self {
            text: Vec::new(),
            lines: Vec::new(),
            line_table: HashTable::new(),
            nodes: vec![root(), root()],
            edges: HashTable::new(),
            stacks: Vec::new(),
            stack_table: HashTable::new(),
            names: Names::default(),
            calls: HashMap::new(),
            hasher: foldhash::fast::RandomState::default(),
            frames: 0,
            max_stacks: max_stacks.min(NONE as usize - 1),
        }
    }

    /// The stack behind an id.
    pub(super) fn stack(&self, id: StackId) -> Option<&Arc<Stack>> {
        self.stacks.get(id as usize)
    }

    /// The kind of the line that led to `node`.
    pub(super) fn kind(&self, node: NodeId) -> Kind {
        self.nodes
            .get(node as usize)
            .map_or(Kind::Start, |node| node.kind)
    }

    /// The node before `node`.
    pub(super) fn before(&self, node: NodeId) -> NodeId {
        self.nodes
            .get(node as usize)
            .map_or(node, |found| found.parent)
    }

    /// Goes on from `node` through `text`, which ends with a newline, as far as blocks before did; at most `max_lines`.
    #[inline]
    pub(super) fn walk(&mut self, mut node: NodeId, text: &[u8], max_lines: usize) -> Walk {
        let mut taken = 0;
        let mut lines = 0;
        let mut parent = None;
        while lines < max_lines {
            let rest = text.get(taken..).unwrap_or_default();
            let Some(from) = self.nodes.get(node as usize) else {
                break;
            };
            let mut next = from.next;
            let mut line = self.taken(next, rest, &mut parent);
            if line == 0 && rest.first() != Some(&b'\n') {
                (next, line) = self.turn(node, rest, &mut parent);
            }
            if line == 0 {
                break;
            }
            node = next;
            taken += line;
            lines += 1;
        }
        Walk {
            node,
            taken,
            lines,
            parent,
        }
    }

    /// Looks for the line among those that followed `node` before the last block.
    #[inline(never)]
    fn turn(
        &mut self,
        node: NodeId,
        text: &[u8],
        parent: &mut Option<GoroutineId>,
    ) -> (NodeId, usize) {
        let mut id = self
            .nodes
            .get(node as usize)
            .map_or(NONE, |from| from.newest);
        for _ in 1..MAX_TRIES {
            let taken = self.taken(id, text, parent);
            if taken > 0 {
                if let Some(from) = self.nodes.get_mut(node as usize) {
                    from.next = id;
                }
                return (id, taken);
            }
            match self.nodes.get(id as usize) {
                Some(node) => id = node.older,
                None => break,
            }
        }
        (NONE, 0)
    }

    /// The bytes of the first line of `text` with its newline if it is the line of node `next`; else 0.
    #[inline(always)]
    fn taken(&self, next: NodeId, text: &[u8], creator: &mut Option<GoroutineId>) -> usize {
        let Some(next) = self.nodes.get(next as usize) else {
            return 0;
        };
        let len = next.len as usize;
        let Some((head, rest)) = text.split_at_checked(len) else {
            return 0;
        };
        let start = next.start as usize;
        if key_end(head) != next.key_end || self.text.get(start..start + len) != Some(head) {
            return 0;
        }
        let tail = match next.tail {
            Tail::Nothing => (rest.first() == Some(&b'\n')).then_some(1),
            Tail::Arguments => arguments(rest),
            Tail::Registers => registers(rest),
            Tail::Parent => parent(rest, creator),
            Tail::Ancestor => memchr(b'\n', rest).map(|at| at + 1),
        };
        tail.map_or(0, |tail| len + tail)
    }

    /// Goes on from `node` by a line, which may be new.
    pub(super) fn follow(&mut self, node: NodeId, line: &Line<'_>) -> Result<NodeId, Full> {
        let line_id = self.line(line)?;
        let hash = self.hasher.hash_one((node, line_id));
        let nodes = &self.nodes;
        let known = self.edges.find(hash, |id| {
            nodes
                .get(*id as usize)
                .is_some_and(|found| found.parent == node && found.line == line_id)
        });
        let (id, new) = match known {
            Some(id) => (*id, false),
            None => (self.grow(node, line_id, hash)?, true),
        };
        if let Some(from) = self.nodes.get_mut(node as usize) {
            from.next = id;
            if new {
                from.newest = id;
            }
        }
        Ok(id)
    }

    fn grow(&mut self, parent: NodeId, line: u32, hash: u64) -> Result<NodeId, Full> {
        if self.nodes.len() >= MAX_NODES {
            return Err(Full);
        }
        let id = u32::try_from(self.nodes.len()).map_err(|_| Full)?;
        let known = self.lines.get(line as usize).ok_or(Full)?;
        let older = self
            .nodes
            .get(parent as usize)
            .map_or(NONE, |node| node.newest);
        self.nodes.push(Node {
            next: NONE,
            newest: NONE,
            older,
            key_end: key_end(slice(&self.text, known)),
            start: known.start,
            len: known.len,
            tail: known.tail,
            kind: known.kind,
            parent,
            line,
            stack: NONE,
        });
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.edges.insert_unique(hash, id, |id| {
            let node = nodes.get(*id as usize);
            hasher.hash_one(node.map_or((NONE, NONE), |node| (node.parent, node.line)))
        });
        Ok(id)
    }

    /// The number of a line, decoded and kept if it is new.
    fn line(&mut self, line: &Line<'_>) -> Result<u32, Full> {
        let hash = hash_line(&self.hasher, line.kind, line.key);
        let (lines, text) = (&self.lines, &self.text);
        let known = self.line_table.find(hash, |id| {
            lines.get(*id as usize).is_some_and(|known| {
                known.kind == line.kind && known.tail == line.tail && slice(text, known) == line.key
            })
        });
        if let Some(id) = known {
            return Ok(*id);
        }
        let bytes = self.text.len().saturating_add(self.names.bytes());
        let added = line.key.len().saturating_mul(2);
        if bytes.saturating_add(added) > MAX_TEXT_BYTES || self.lines.len() >= MAX_LINES {
            return Err(Full);
        }
        let id = u32::try_from(self.lines.len()).map_err(|_| Full)?;
        let start = u32::try_from(self.text.len()).map_err(|_| Full)?;
        let len = u32::try_from(line.key.len()).map_err(|_| Full)?;
        self.text.extend_from_slice(line.key);
        let content = self.content(line);
        self.lines.push(Known {
            start,
            len,
            kind: line.kind,
            tail: line.tail,
            content,
        });
        let (lines, text, hasher) = (&self.lines, &self.text, &self.hasher);
        self.line_table.insert_unique(hash, id, |id| {
            lines
                .get(*id as usize)
                .map_or(0, |known| hash_line(hasher, known.kind, slice(text, known)))
        });
        Ok(id)
    }

    fn content(&mut self, line: &Line<'_>) -> Content {
        let number = line.number;
        match line.kind {
            Kind::Function | Kind::Creator => Content::Name(self.names.get(line.name)),
            Kind::Place | Kind::CreatorPlace => {
                Content::Place(self.names.get(line.file), number.unwrap_or(0))
            }
            Kind::Counted => {
                let (function, file) = (self.names.get(line.name), self.names.get(line.file));
                Content::Frame(Frame::new(function, file, number.unwrap_or(0)))
            }
            Kind::Elided => Content::Elided(number),
            Kind::Start | Kind::Origin | Kind::Unavailable => Content::Mark,
        }
    }

    /// The stack of a block that ends at `node`.
    pub(super) fn end(&mut self, node: NodeId) -> Result<StackId, Full> {
        let known = self.nodes.get(node as usize).ok_or(Full)?.stack;
        if known != NONE {
            return Ok(known);
        }
        let stack = self.decode(node);
        let hash = self.hasher.hash_one(&stack);
        let stacks = &self.stacks;
        // Blocks may differ in what a stack does not keep: program counters, inlining marks.
        let same = self.stack_table.find(hash, |id| {
            stacks
                .get(*id as usize)
                .is_some_and(|known| **known == stack)
        });
        let id = match same {
            Some(id) => *id,
            None => self.keep(stack, hash)?,
        };
        if let Some(node) = self.nodes.get_mut(node as usize) {
            node.stack = id;
        }
        Ok(id)
    }

    fn keep(&mut self, mut stack: Stack, hash: u64) -> Result<StackId, Full> {
        let ancestors = stack
            .ancestors
            .iter()
            .map(|ancestor| ancestor.frames.len() + 1);
        let frames = self.frames + stack.frames.len() + ancestors.sum::<usize>();
        if self.stacks.len() >= self.max_stacks || frames > MAX_FRAMES {
            return Err(Full);
        }
        self.frames = frames;
        stack.frames.shrink_to_fit();
        let id = u32::try_from(self.stacks.len()).map_err(|_| Full)?;
        self.stacks.push(Arc::new(stack));
        let (stacks, hasher) = (&self.stacks, &self.hasher);
        self.stack_table.insert_unique(hash, id, |id| {
            stacks
                .get(*id as usize)
                .map_or(0, |stack| hasher.hash_one(&**stack))
        });
        Ok(id)
    }

    /// Puts the lines that lead to `node` together.
    fn decode(&mut self, node: NodeId) -> Stack {
        let mut path = Vec::new();
        let mut at = node;
        while let Some(node) = self.nodes.get(at as usize) {
            path.push(node.line);
            at = node.parent;
        }
        let mut stack = Stack::default();
        let mut name: Option<(u32, &Arc<str>)> = None;
        for id in path.into_iter().rev() {
            let Some(line) = self.lines.get(id as usize) else {
                continue;
            };
            match &line.content {
                Content::Name(function) => name = Some((id, function)),
                Content::Place(file, number) => {
                    let Some((name, function)) = name.take() else {
                        continue;
                    };
                    let make = || Frame::new(Arc::clone(function), Arc::clone(file), *number);
                    let frame = self.calls.entry((name, id)).or_insert_with(make).clone();
                    let creator = line.kind == Kind::CreatorPlace;
                    match (stack.ancestors.last_mut(), creator) {
                        (None, false) => stack.frames.push(frame),
                        (None, true) => stack.created_by = Some(frame),
                        (Some(ancestor), false) => ancestor.frames.push(frame),
                        (Some(ancestor), true) => ancestor.created_by = Some(frame),
                    }
                }
                Content::Frame(frame) => stack.frames.push(frame.clone()),
                Content::Elided(count) => {
                    if stack.ancestors.is_empty() && stack.elided.is_none() {
                        stack.elided = Some(Elision {
                            at: stack.frames.len(),
                            count: *count,
                        });
                    }
                }
                Content::Mark => {
                    if line.kind == Kind::Origin {
                        stack.ancestors.push(Ancestor {
                            frames: Vec::new(),
                            created_by: None,
                        });
                    }
                }
            }
        }
        stack
    }
}

/// The last eight bytes of a key; 0 for shorter ones, which are few.
#[inline]
fn key_end(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |end| u64::from_le_bytes(*end))
}

fn slice<'a>(text: &'a [u8], known: &Known) -> &'a [u8] {
    let start = known.start as usize;
    text.get(start..start + known.len as usize)
        .unwrap_or_default()
}

fn hash_line(hasher: &foldhash::fast::RandomState, kind: Kind, key: &[u8]) -> u64 {
    hasher.hash_one((kind as u8, key))
}

/// Bytes up to and with the newline, if these are arguments: no parenthesis but the last.
#[inline]
fn arguments(rest: &[u8]) -> Option<usize> {
    let at = memchr2(b'(', b'\n', rest)?;
    let last = rest.get(at.checked_sub(1)?)?;
    (rest.get(at) == Some(&b'\n') && *last == b')').then_some(at + 1)
}

/// Bytes up to and with the newline, if this is nothing or frame and stack pointers.
#[inline]
fn registers(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'\n', ..] => Some(1),
        [b' ', b'f' | b'p', b'p' | b'c', b'=', b'0', b'x', ..] => Some(memchr(b'\n', rest)? + 1),
        _ => None,
    }
}

/// Bytes up to and with the newline, if this is nothing or the creator's goroutine.
#[inline]
fn parent(rest: &[u8], creator: &mut Option<GoroutineId>) -> Option<usize> {
    if rest.first() == Some(&b'\n') {
        return Some(1);
    }
    let digits = rest.strip_prefix(IN_GOROUTINE)?;
    let end = digits.iter().position(|byte| *byte == b'\n')?;
    let id = number_u64(digits.get(..end)?)?;
    *creator = Some(GoroutineId(id));
    Some(IN_GOROUTINE.len() + end + 1)
}
