//! Which site before is which site after.
//!
//! 1. Operation, canonical function, file (see [`symbol::file_key`]) and line are the same.
//! 2. A closure that the compiler inlined elsewhere has another name: innermost function, depth, base name of the file
//!    and line are the same, and no other site left is like that.
//! 3. Any function that was inlined elsewhere: operation, base name of the file and line are the same, its directory or the
//!    package too, and no other site left is like that.
//! 4. One source hides the operation (`debug=1`): function, file and line are the same, and no other site left is so.
//! 5. The source was edited: operation and function are the same, each snapshot has just one such site, and no
//!    frame that both snapshots have at the same line of that file stands below; a line cannot move past one that did not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use crate::symbol::{canonical, closure, file_key, file_tail, package};
use crate::{Group, Operation};

pub(super) struct Pair {
    pub(super) before: Option<usize>,
    pub(super) after: Option<usize>,
    /// By rule 5.
    pub(super) moved: bool,
}

pub(super) fn pair(before: &[Group], after: &[Group]) -> Vec<Pair> {
    let mut matching = Matching {
        before: before.iter().map(Key::new).collect(),
        after: after.iter().map(Key::new).collect(),
        of_before: vec![None; before.len()],
        of_after: vec![None; after.len()],
    };
    matching.join(|key| Some((key.operation, &*key.function, &*key.file, key.line)));
    matching.join_where(
        |key| {
            let (within, depth) = key.closure.as_ref()?;
            Some((key.operation, &**within, *depth, &*key.base, key.line))
        },
        |_, _| true,
    );
    matching.join_where(
        |key| {
            (key.line > 0 && !key.base.is_empty()).then_some((key.operation, &*key.base, key.line))
        },
        |old, new| {
            old.directory == new.directory || package(&old.function) == package(&new.function)
        },
    );
    matching.join_where(
        |key| Some((&*key.function, &*key.file, key.line)),
        |old, new| {
            [old, new]
                .iter()
                .any(|key| key.operation == Operation::Other)
        },
    );
    let exact = matching.of_after.clone();
    matching.join_moved(&anchors(before, after));
    let gone = matching
        .of_before
        .iter()
        .enumerate()
        .filter(|(_, other)| other.is_none());
    let gone = gone.map(|(at, _)| Pair {
        before: Some(at),
        after: None,
        moved: false,
    });
    let rest = matching
        .of_after
        .iter()
        .enumerate()
        .map(|(at, other)| Pair {
            before: *other,
            after: Some(at),
            moved: other.is_some() && exact.get(at) == Some(&None),
        });
    rest.chain(gone).collect()
}

/// A site in the form that is compared.
struct Key {
    operation: Operation,
    function: String,
    file: String,
    base: String,
    directory: String,
    line: u32,
    closure: Option<(String, usize)>,
}

impl Key {
    fn new(group: &Group) -> Self {
        let site = &group.site;
        let tail = file_tail(&site.file);
        let mut elements = tail.rsplit('/');
        let placed = site.line > 0 && !site.file.is_empty();
        let closure = closure(&site.function).filter(|_| placed);
        Self {
            operation: site.operation,
            function: site.function.to_string(),
            file: file_key(&site.function, &site.file),
            base: elements.next().unwrap_or_default().to_owned(),
            directory: elements.next().unwrap_or_default().to_owned(),
            line: site.line,
            closure: closure.map(|closure| (closure.within.to_owned(), closure.depth)),
        }
    }
}

struct Matching {
    before: Vec<Key>,
    after: Vec<Key>,
    of_before: Vec<Option<usize>>,
    of_after: Vec<Option<usize>>,
}

impl Matching {
    /// Matches what is left and has equal keys, in order.
    fn join<'a, K: Eq + Hash>(&'a mut self, key: impl Fn(&'a Key) -> Option<K>) {
        let left = by_key(&self.before, &self.of_before, &key);
        let right = by_key(&self.after, &self.of_after, &key);
        for (key, old) in &left {
            for (old, new) in old.iter().zip(right.get(key).into_iter().flatten()) {
                link(&mut self.of_before, &mut self.of_after, *old, *new);
            }
        }
    }

    /// Matches what is left, has equal keys, is alone with them on its side, and is allowed to.
    fn join_where<'a, K: Eq + Hash>(
        &'a mut self,
        key: impl Fn(&'a Key) -> Option<K>,
        allowed: impl Fn(&Key, &Key) -> bool,
    ) {
        let left = by_key(&self.before, &self.of_before, &key);
        let right = by_key(&self.after, &self.of_after, &key);
        for (key, old) in &left {
            let (&[old], Some(&[new])) = (&**old, right.get(key).map(Vec::as_slice)) else {
                continue;
            };
            let pair = self.before.get(old).zip(self.after.get(new));
            if pair.is_some_and(|(old, new)| allowed(old, new)) {
                link(&mut self.of_before, &mut self.of_after, old, new);
            }
        }
    }

    /// Rule 5, given the last line of each file that both snapshots have in common.
    fn join_moved(&mut self, anchors: &BTreeMap<String, u32>) {
        let by_name = |keys: &[Key]| {
            let mut places: HashMap<(Operation, String), Vec<usize>> = HashMap::new();
            for (at, key) in keys.iter().enumerate() {
                let name = (key.operation, key.function.clone());
                places.entry(name).or_default().push(at);
            }
            places
        };
        let (left, right) = (by_name(&self.before), by_name(&self.after));
        for (name, old) in &left {
            let (&[old], Some(&[new])) = (&**old, right.get(name).map(Vec::as_slice)) else {
                continue;
            };
            let (Some(from), Some(to)) = (self.before.get(old), self.after.get(new)) else {
                continue;
            };
            let last = anchors.get(&from.file);
            let is_pinned =
                from.file == to.file && last.is_some_and(|line| *line >= from.line.max(to.line));
            let is_placed = from.line > 0 && to.line > 0;
            let is_free = self.of_before.get(old) == Some(&None);
            if is_free && is_placed && !is_pinned {
                link(&mut self.of_before, &mut self.of_after, old, new);
            }
        }
    }
}

fn link(of_before: &mut [Option<usize>], of_after: &mut [Option<usize>], old: usize, new: usize) {
    if let (Some(a), Some(b)) = (of_before.get_mut(old), of_after.get_mut(new)) {
        *a = Some(new);
        *b = Some(old);
    }
}

/// The keys that are not matched yet, with where they stand.
fn by_key<'a, K: Eq + Hash>(
    keys: &'a [Key],
    matched: &[Option<usize>],
    key: impl Fn(&'a Key) -> Option<K>,
) -> HashMap<K, Vec<usize>> {
    let mut map: HashMap<K, Vec<usize>> = HashMap::new();
    let left = keys.iter().zip(matched).enumerate();
    for (at, (it, _)) in left.filter(|(_, (_, matched))| matched.is_none()) {
        if let Some(key) = key(it) {
            map.entry(key).or_default().push(at);
        }
    }
    map
}

/// Per file the last line at which both snapshots have a frame of the same function.
fn anchors(before: &[Group], after: &[Group]) -> BTreeMap<String, u32> {
    let mut names = Places::default();
    let before = names.of(before);
    let after = names.of(after);
    let mut last = BTreeMap::new();
    for (place, line) in before.intersection(&after) {
        let Some((_, file)) = names.known.get(*place) else {
            continue;
        };
        let slot = last.entry(file.clone()).or_insert(0);
        *slot = (*slot).max(*line);
    }
    last
}

/// Functions with their files by number: stacks hold many frames of few functions.
#[derive(Default)]
struct Places<'a> {
    /// By the names in the source.
    numbers: HashMap<(&'a str, &'a str), usize>,
    /// By canonical function and file key.
    canonical: HashMap<(String, String), usize>,
    known: Vec<(String, String)>,
}

impl<'a> Places<'a> {
    /// (place, line) of every frame.
    fn of(&mut self, groups: &'a [Group]) -> HashSet<(usize, u32)> {
        let frames = groups
            .iter()
            .flat_map(|group| group.stack.frames.iter().chain(&group.stack.created_by));
        let placed = frames.filter(|frame| frame.line > 0 && !frame.file.is_empty());
        placed
            .map(|frame| (self.number(&frame.function, &frame.file), frame.line))
            .collect()
    }

    fn number(&mut self, function: &'a str, file: &'a str) -> usize {
        if let Some(number) = self.numbers.get(&(function, file)) {
            return *number;
        }
        let name = canonical(function).into_owned();
        let key = file_key(&name, file);
        let number = *self
            .canonical
            .entry((name, key))
            .or_insert_with_key(|place| {
                self.known.push(place.clone());
                self.known.len() - 1
            });
        self.numbers.insert((function, file), number);
        number
    }
}
