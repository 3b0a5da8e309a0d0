//! Background goroutines of the standard library and of well-known modules, from `benign.toml`.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::verdict::ignore::glob;
use crate::{Group, Operation, symbol};

/// The data file. Its tests hold it readable, so that the list is never empty by mistake.
const LIST: &str = include_str!("benign.toml");

static ENTRIES: LazyLock<Vec<Entry>> =
    LazyLock::new(|| toml::from_str::<List>(LIST).map_or_else(|_| Vec::new(), |list| list.benign));

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    benign: Vec<Entry>,
}

/// One kind of background goroutine. Everything given must hold. Names are canonical; `*` stands for any text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Whose goroutine it is: an import path, or `std`.
    pub module: String,
    /// Any of these operations, in the words of the report; none means any.
    #[serde(default)]
    pub operation: Vec<String>,
    /// Any function on the stack is one of these.
    #[serde(default)]
    pub function: Vec<String>,
    /// The site's function is one of these.
    #[serde(default)]
    pub site: Vec<String>,
    /// The function with the `go` statement is one of these.
    #[serde(default)]
    pub created_by: Vec<String>,
    /// Goroutines up to which it is normal; none where there is one for each connection or request.
    pub max_count: Option<u64>,
    /// Why it waits there, for people.
    pub reason: String,
}

impl Entry {
    fn matches(&self, names: &Names<'_>) -> bool {
        let group = names.group;
        let operation = group.site.operation;
        let any = |patterns: &[String], name: &str| patterns.iter().any(|it| glob(it, name));
        self.max_count.is_none_or(|max| group.count <= max)
            && (self.operation.is_empty()
                || self
                    .operation
                    .iter()
                    .any(|word| Operation::parse(word) == Some(operation)))
            && (self.site.is_empty() || any(&self.site, &group.site.function))
            && (self.function.is_empty()
                || names.stack.iter().any(|name| any(&self.function, name)))
            && (self.created_by.is_empty()
                || names
                    .created_by
                    .as_ref()
                    .is_some_and(|name| any(&self.created_by, name)))
    }
}

/// A group with its canonical names, worked out once for all entries.
struct Names<'a> {
    group: &'a Group,
    stack: Vec<Cow<'a, str>>,
    created_by: Option<Cow<'a, str>>,
}

/// The whole list, in the order of the file.
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// Why such goroutines are there in a healthy program; `None` for goroutines that the list does not know.
pub fn reason(group: &Group) -> Option<&'static str> {
    let frames = group.stack.frames.iter();
    let created_by = group.created_by.as_ref();
    let names = Names {
        group,
        stack: frames.map(|it| symbol::canonical(&it.function)).collect(),
        created_by: created_by.map(|it| symbol::canonical(&it.function)),
    };
    let known = entries().iter().find(|entry| entry.matches(&names))?;
    Some(&known.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read_and_every_entry_can_match() {
        let list: List = toml::from_str(LIST).expect("benign.toml");
        assert_eq!(list.benign.len(), entries().len());
        for entry in entries() {
            let names = entry
                .function
                .iter()
                .chain(&entry.site)
                .chain(&entry.created_by);
            assert!(names.clone().count() > 0, "{} names nothing", entry.reason);
            for name in names {
                assert_eq!(symbol::canonical(name), *name, "not canonical");
                assert!(
                    name.contains('.') && !name.starts_with('*'),
                    "{name} is too wide"
                );
            }
            for word in &entry.operation {
                assert!(Operation::parse(word).is_some(), "{word} is no operation");
            }
            assert!(!entry.reason.is_empty() && !entry.module.is_empty());
        }
    }
}
