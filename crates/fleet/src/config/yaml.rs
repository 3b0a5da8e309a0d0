//! YAML as a tree that knows its lines, and the reading of sections in which every key must be known.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use granit_parser::{Event, Parser, ScalarStyle};

use super::ConfigError;
use super::duration;

/// Nodes after aliases are resolved; a fleet of a hundred thousand listed targets fits, a bomb does not.
const MAX_NODES: usize = 1_000_000;
/// Nesting; relabel rules go six deep.
const MAX_DEPTH: usize = 64;

/// A value with its place, from 1.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// What is being read, for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
}

impl Source<'_> {
    pub(crate) fn error(&self, at: &Node, message: impl Into<String>) -> ConfigError {
        ConfigError {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column,
            message: message.into(),
            advice: None,
        }
    }

    /// Reads one document; an empty one is null.
    pub(crate) fn parse(&self, text: &str) -> Result<Node, ConfigError> {
        let mut documents = self.parse_all(text)?.into_iter();
        let first = documents.next().unwrap_or_else(|| place(1, 1));
        match documents.next() {
            None => Ok(first),
            Some(second) => Err(self.error(&second, "there is a second document; one is read")),
        }
    }

    /// Reads every document.
    pub(crate) fn parse_all(&self, text: &str) -> Result<Vec<Node>, ConfigError> {
        let mut loader = Loader {
            source: *self,
            parser: Parser::new_from_str(text),
            anchors: HashMap::new(),
            nodes: 0,
        };
        let mut documents = Vec::new();
        while let Some((event, line, column)) = loader.next()? {
            match event {
                Event::StreamStart
                | Event::DocumentStart(..)
                | Event::DocumentEnd
                | Event::StreamEnd => {}
                event => documents.push(loader.node(event, line, column, 0)?),
            }
        }
        Ok(documents)
    }
}

fn place(line: usize, column: usize) -> Node {
    Node {
        line,
        column,
        kind: Kind::Null,
    }
}

struct Loader<'a, 'i> {
    source: Source<'a>,
    parser: Parser<'i, granit_parser::StrInput<'i>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'i> Loader<'_, 'i> {
    fn next(&mut self) -> Result<Option<(Event<'i>, usize, usize)>, ConfigError> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, span.start.line(), span.start.col() + 1))),
            Some(Err(error)) => {
                let at = place(error.marker().line(), error.marker().col() + 1);
                let info = error.info();
                let message = info.lines().next().unwrap_or_default();
                Err(self.source.error(&at, message))
            }
        }
    }

    fn inner(&mut self, at: &Node) -> Result<(Event<'i>, usize, usize), ConfigError> {
        self.next()?
            .ok_or_else(|| self.source.error(at, "the file ends in the middle"))
    }

    fn count(&mut self, at: &Node, nodes: usize) -> Result<(), ConfigError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            let message = format!("it has more than {MAX_NODES} values, aliases resolved");
            return Err(self.source.error(at, message));
        }
        Ok(())
    }

    fn node(
        &mut self,
        event: Event<'i>,
        line: usize,
        column: usize,
        depth: usize,
    ) -> Result<Node, ConfigError> {
        let mut node = place(line, column);
        self.count(&node, 1)?;
        if depth > MAX_DEPTH {
            let message = format!("it is nested more than {MAX_DEPTH} deep");
            return Err(self.source.error(&node, message));
        }
        let anchor = match event {
            Event::Scalar(text, style, anchor, _) => {
                let null = style == ScalarStyle::Plain
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                if !null {
                    node.kind = Kind::Scalar(text.into_owned());
                }
                anchor
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    let (event, line, column) = self.inner(&node)?;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(event, line, column, depth + 1)?);
                }
                node.kind = Kind::List(items);
                anchor
            }
            Event::MappingStart(_, anchor, _) => {
                let mut entries = Vec::new();
                loop {
                    let (event, line, column) = self.inner(&node)?;
                    if matches!(event, Event::MappingEnd) {
                        break;
                    }
                    let key = self.node(event, line, column, depth + 1)?;
                    let (event, line, column) = self.inner(&node)?;
                    entries.push((key, self.node(event, line, column, depth + 1)?));
                }
                node.kind = Kind::Map(entries);
                anchor
            }
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).cloned();
                let target =
                    target.ok_or_else(|| self.source.error(&node, "the alias leads to itself"))?;
                self.count(&node, size(&target))?;
                return Ok(target);
            }
            _ => return Err(self.source.error(&node, "unexpected YAML")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }
}

fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::Null | Kind::Scalar(_) => 1,
        Kind::List(items) => items.iter().map(size).sum::<usize>() + 1,
        Kind::Map(entries) => {
            entries
                .iter()
                .map(|(_, value)| size(value) + 1)
                .sum::<usize>()
                + 1
        }
    }
}

/// A mapping that is being read. Every `get` makes its key known; [`Section::finish`] complains of the others.
pub(crate) struct Section<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) node: &'a Node,
    entries: &'a [(Node, Node)],
    known: RefCell<Vec<&'static str>>,
}

type Read<T> = Result<T, ConfigError>;

impl<'a> Section<'a> {
    /// `node` as a mapping; null is an empty one.
    pub(crate) fn of(source: Source<'a>, node: &'a Node) -> Read<Self> {
        let entries: &[(Node, Node)] = match &node.kind {
            Kind::Map(entries) => entries,
            Kind::Null => &[],
            _ => return Err(source.error(node, "expected keys with values")),
        };
        for (index, (key, _)) in entries.iter().enumerate() {
            let Kind::Scalar(name) = &key.kind else {
                return Err(source.error(key, "a key must be a name"));
            };
            let mut earlier = entries.iter().take(index);
            if earlier.any(|(other, _)| matches!(&other.kind, Kind::Scalar(o) if o == name)) {
                return Err(source.error(key, format!("the key {name:?} is there twice")));
            }
        }
        Ok(Self {
            source,
            node,
            entries,
            known: RefCell::new(Vec::new()),
        })
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> ConfigError {
        self.source.error(self.node, message)
    }

    /// The value of a key; null is no value.
    pub(crate) fn get(&self, key: &'static str) -> Option<&'a Node> {
        self.known.borrow_mut().push(key);
        let mut entries = self.entries.iter();
        let (_, value) =
            entries.find(|(name, _)| matches!(&name.kind, Kind::Scalar(it) if it == key))?;
        (!matches!(value.kind, Kind::Null)).then_some(value)
    }

    pub(crate) fn text(&self, key: &'static str) -> Read<Option<String>> {
        self.get(key)
            .map(|node| text(self.source, node))
            .transpose()
    }

    pub(crate) fn flag(&self, key: &'static str) -> Read<Option<bool>> {
        let parse = |node: &Node, text: &str| match text {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            _ => Err(self
                .source
                .error(node, format!("{key} must be true or false"))),
        };
        self.scalar(key, parse)
    }

    pub(crate) fn number(&self, key: &'static str) -> Read<Option<u64>> {
        let parse = |node: &Node, text: &str| {
            text.parse().map_err(|_| {
                self.source
                    .error(node, format!("{key} must be a whole number"))
            })
        };
        self.scalar(key, parse)
    }

    pub(crate) fn duration(&self, key: &'static str) -> Read<Option<Duration>> {
        let parse = |node: &Node, text: &str| {
            duration::parse(text).map_err(|why| {
                self.source
                    .error(node, format!("{key} is no duration: {why}"))
            })
        };
        self.scalar(key, parse)
    }

    fn scalar<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&Node, &str) -> Read<T>,
    ) -> Read<Option<T>> {
        let Some(node) = self.get(key) else {
            return Ok(None);
        };
        let text = text(self.source, node)?;
        parse(node, &text).map(Some)
    }

    pub(crate) fn list(&self, key: &'static str) -> Read<&'a [Node]> {
        match self.get(key) {
            None => Ok(&[]),
            Some(node) => match &node.kind {
                Kind::List(items) => Ok(items),
                _ => Err(self.source.error(node, format!("{key} must be a list"))),
            },
        }
    }

    pub(crate) fn texts(&self, key: &'static str) -> Read<Vec<String>> {
        let items = self.list(key)?.iter();
        items.map(|item| text(self.source, item)).collect()
    }

    pub(crate) fn section(&self, key: &'static str) -> Read<Option<Section<'a>>> {
        self.get(key)
            .map(|node| Section::of(self.source, node))
            .transpose()
    }

    /// A mapping with keys of the user's own, to texts.
    pub(crate) fn pairs(&self, key: &'static str) -> Read<Vec<(String, String)>> {
        let Some(section) = self.section(key)? else {
            return Ok(Vec::new());
        };
        let pairs = section.free().map(|(name, node)| {
            let value = match node.kind {
                Kind::Null => String::new(),
                _ => text(self.source, node)?,
            };
            Ok((name.to_owned(), value))
        });
        pairs.collect()
    }

    /// All entries, for keys of the user's own.
    pub(crate) fn free(&self) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        self.entries
            .iter()
            .filter_map(|(key, value)| match &key.kind {
                Kind::Scalar(name) => Some((name.as_str(), value)),
                _ => None,
            })
    }

    /// Lets keys be that other parts of the program read.
    pub(crate) fn allow(&self, keys: &[&'static str]) {
        self.known.borrow_mut().extend(keys);
    }

    /// Complains of the first key that nobody asked for.
    pub(crate) fn finish(self) -> Read<()> {
        let known = self.known.borrow();
        for (key, _) in self.entries {
            let Kind::Scalar(name) = &key.kind else {
                continue;
            };
            if known.contains(&name.as_str()) {
                continue;
            }
            let mut error = self.source.error(key, format!("unknown key {name:?}"));
            error.advice = Some(match nearest(name, &known) {
                Some(key) => format!("did you mean {key:?}?"),
                None => format!("known here: {}", known.join(", ")),
            });
            return Err(error);
        }
        Ok(())
    }
}

/// A scalar's text as it is written: `1.10` stays `1.10`.
pub(crate) fn text(source: Source<'_>, node: &Node) -> Read<String> {
    match &node.kind {
        Kind::Scalar(text) => Ok(text.clone()),
        _ => Err(source.error(node, "expected a text or number")),
    }
}

/// The candidate that is most like `word`, if any is like it at all.
fn nearest(word: &str, candidates: &[&'static str]) -> Option<&'static str> {
    /// Jaro-Winkler similarity from which a misspelling is likelier than another word.
    const LIKE: f64 = 0.75;
    let rated = candidates
        .iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), *candidate))
        .filter(|(likeness, _)| *likeness >= LIKE);
    rated
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
