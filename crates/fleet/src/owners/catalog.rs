//! Backstage's catalog: components with their owners, several documents to a file.

use std::collections::BTreeMap;

use crate::config::yaml::{Kind, Node, Source};

/// Where a component says which repository it is of.
const SLUG: &str = "github.com/project-slug";
/// Components in all.
const MAX_COMPONENTS: usize = 100_000;

/// Owners by component and by repository.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    components: BTreeMap<String, String>,
    /// `None` where components of one repository have different owners.
    repositories: BTreeMap<String, Option<String>>,
}

impl Catalog {
    /// Takes in a file.
    pub(super) fn add(&mut self, text: &str, file: &str, problems: &mut Vec<String>) {
        let documents = match (Source { file }).parse_all(text) {
            Ok(documents) => documents,
            Err(error) => {
                let place = format!("{file}:{}:{}", error.line, error.column);
                problems.push(format!(
                    "owners: {place}: {}; the file is left out",
                    error.message
                ));
                return;
            }
        };
        for document in &documents {
            if scalar(document, &["kind"]) != Some("Component") {
                continue;
            }
            let name = scalar(document, &["metadata", "name"]);
            let owner = scalar(document, &["spec", "owner"]);
            let (Some(name), Some(owner)) = (name, owner) else {
                problems.push(format!(
                    "owners: {file}:{}: the component has no metadata.name or spec.owner; it is left out",
                    document.line
                ));
                continue;
            };
            if self.components.len() >= MAX_COMPONENTS {
                problems.push(format!(
                    "owners: {file}: there are more than {MAX_COMPONENTS} components; the rest is left out"
                ));
                return;
            }
            let owner = plain(owner).to_owned();
            if let Some(slug) = scalar(document, &["metadata", "annotations", SLUG]) {
                self.repositories
                    .entry(slug.to_ascii_lowercase())
                    .and_modify(|known| {
                        if known.as_ref() != Some(&owner) {
                            *known = None;
                        }
                    })
                    .or_insert_with(|| Some(owner.clone()));
            }
            self.components.insert(name.to_owned(), owner);
        }
    }

    /// The owner of the component that the service is, else of the repository that the function is in.
    pub(super) fn owner(&self, service: &str, function: &str) -> Option<String> {
        if let Some(owner) = self.components.get(service) {
            return Some(owner.clone());
        }
        let mut parts = function.strip_prefix("github.com/")?.splitn(3, '/');
        let (organisation, name) = (parts.next()?, parts.next()?);
        // Of a package in the root the function's name follows its dot.
        let name = match parts.next() {
            Some(_) => name,
            None => name.split('.').next()?,
        };
        let slug = format!("{organisation}/{name}").to_ascii_lowercase();
        self.repositories.get(&slug)?.clone()
    }
}

fn scalar<'a>(document: &'a Node, keys: &[&str]) -> Option<&'a str> {
    let node = keys.iter().try_fold(document, |node, key| {
        let Kind::Map(entries) = &node.kind else {
            return None;
        };
        let mut entries = entries.iter();
        let found = entries.find(|(name, _)| matches!(&name.kind, Kind::Scalar(it) if it == key));
        found.map(|(_, value)| value)
    })?;
    match &node.kind {
        Kind::Scalar(text) if !text.trim().is_empty() => Some(text.trim()),
        _ => None,
    }
}

/// `group:default/team-a` is `team-a`: what is usual is left out.
fn plain(owner: &str) -> &str {
    let name = owner.split_once(':').map_or(owner, |(_, name)| name);
    name.strip_prefix("default/").unwrap_or(name)
}
