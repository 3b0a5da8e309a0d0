//! `relabel_configs`: what they may say. What they do is in [`crate::discover::relabel`].

use regex::Regex;

use super::ConfigError;
use super::yaml::{Node, Section};

/// Bytes that a compiled pattern may take; patterns of relabelling are short.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // named after the actions
pub enum Action {
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

const ACTIONS: [(&str, Action); 11] = [
    ("replace", Action::Replace),
    ("keep", Action::Keep),
    ("drop", Action::Drop),
    ("keepequal", Action::KeepEqual),
    ("dropequal", Action::DropEqual),
    ("hashmod", Action::HashMod),
    ("labelmap", Action::LabelMap),
    ("labeldrop", Action::LabelDrop),
    ("labelkeep", Action::LabelKeep),
    ("lowercase", Action::Lowercase),
    ("uppercase", Action::Uppercase),
];

/// One rule, with Prometheus' defaults filled in.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// Labels whose values are joined.
    pub source_labels: Vec<String>,
    /// By what.
    pub separator: String,
    /// What the joined value must be, from its start to its end.
    pub regex: Regex,
    /// What a match becomes; `$1` is the first group.
    pub replacement: String,
    /// Which label is set.
    pub target_label: String,
    /// Of a hash.
    pub modulus: u64,
}

/// Why a rule cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleError(pub String);

impl Rule {
    /// A rule with the defaults: `replace`, `;`, `(.*)`, `$1`.
    pub fn new(action: Action) -> Self {
        Self {
            action,
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: anchored("(.*)").unwrap_or_else(|_| never()),
            replacement: "$1".to_owned(),
            target_label: String::new(),
            modulus: 0,
        }
    }

    /// The rule with this pattern.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn with_regex(mut self, pattern: &str) -> Result<Self, RuleError> {
        self.regex = anchored(pattern)?;
        Ok(self)
    }
}

/// A pattern that matches whole values, `.` any character: as Prometheus 3 has it.
fn anchored(pattern: &str) -> Result<Regex, RuleError> {
    let compile = |text: &str| {
        regex::RegexBuilder::new(text)
            .size_limit(MAX_PATTERN_BYTES)
            .build()
            .map_err(|error| {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                RuleError(format!(
                    "the pattern {pattern:?} cannot be read: {}",
                    last.trim()
                ))
            })
    };
    // Alone first, so that a parenthesis too many does not end the group around it.
    compile(pattern)?;
    compile(&format!("^(?s:{pattern})$"))
}

/// Patterns that are constants of ours are held valid by tests; this one matches nothing.
#[allow(clippy::unwrap_used)] // an empty class is valid, and a test compiles it
fn never() -> Regex {
    Regex::new("[^\\s\\S]").unwrap()
}

/// The rules of a section, in their order.
pub(super) fn read(section: &Section<'_>, key: &'static str) -> Result<Vec<Rule>, ConfigError> {
    let rules = section.list(key)?.iter();
    rules
        .map(|node| rule(&Section::of(section.source, node)?))
        .collect()
}

fn rule(section: &Section<'_>) -> Result<Rule, ConfigError> {
    let source = section.source;
    let action = match section.text("action")? {
        None => Action::Replace,
        Some(word) => {
            let lower = word.to_lowercase();
            let known = ACTIONS.iter().find(|(name, _)| *name == lower);
            let (_, action) = known.ok_or_else(|| {
                let node = section.get("action").unwrap_or(section.node);
                let mut error = source.error(node, format!("unknown action {word:?}"));
                let names: Vec<&str> = ACTIONS.iter().map(|(name, _)| *name).collect();
                error.advice = Some(format!("known: {}", names.join(", ")));
                error
            })?;
            *action
        }
    };
    let mut rule = Rule::new(action);
    rule.source_labels = section.texts("source_labels")?;
    let given = |key| section.get(key);
    if let Some(separator) = section.text("separator")? {
        rule.separator = separator;
    }
    if let Some(pattern) = section.text("regex")? {
        let node = given("regex").unwrap_or(section.node);
        rule = rule
            .with_regex(&pattern)
            .map_err(|error| source.error(node, error.to_string()))?;
    }
    if let Some(replacement) = section.get("replacement") {
        rule.replacement = super::yaml::text(source, replacement)?;
    }
    rule.target_label = section.text("target_label")?.unwrap_or_default();
    rule.modulus = section.number("modulus")?.unwrap_or(0);
    needs(section, &rule)?;
    check_keys(section)?;
    Ok(rule)
}

/// Keys besides those of rules are mistakes; the section is borrowed, so that they are known by now.
fn check_keys(section: &Section<'_>) -> Result<(), ConfigError> {
    let again = Section::of(section.source, section.node)?;
    again.allow(&[
        "action",
        "source_labels",
        "separator",
        "regex",
        "replacement",
        "target_label",
        "modulus",
    ]);
    again.finish()
}

/// What each action must have and must not have.
fn needs(section: &Section<'_>, rule: &Rule) -> Result<(), ConfigError> {
    let name = ACTIONS.iter().find(|(_, action)| *action == rule.action);
    let name = name.map_or("", |(name, _)| name);
    let must = |what: &str| Err(section.error(format!("{name} needs {what}")));
    let must_not = |keys: &[&'static str]| {
        let present: Vec<(&str, &Node)> = keys
            .iter()
            .filter_map(|key| Some((*key, section.get(key)?)))
            .collect();
        match present.first() {
            Some((key, node)) => Err(section.source.error(node, format!("{name} has no {key}"))),
            None => Ok(()),
        }
    };
    match rule.action {
        Action::Replace | Action::Lowercase | Action::Uppercase if rule.target_label.is_empty() => {
            must("target_label")
        }
        Action::HashMod if rule.modulus == 0 => must("a modulus of at least 1"),
        Action::HashMod if rule.target_label.is_empty() => must("target_label"),
        Action::LabelDrop | Action::LabelKeep => must_not(&[
            "source_labels",
            "target_label",
            "modulus",
            "separator",
            "replacement",
        ]),
        Action::KeepEqual | Action::DropEqual => {
            if rule.target_label.is_empty() {
                return must("target_label");
            }
            must_not(&["regex", "modulus", "separator", "replacement"])
        }
        Action::Keep | Action::Drop
            if rule.source_labels.is_empty() && section.get("regex").is_none() =>
        {
            must("source_labels")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_values() {
        let rule = Rule::new(Action::Keep)
            .with_regex("a|b.c")
            .expect("a pattern");
        assert!(rule.regex.is_match("a") && rule.regex.is_match("b\nc"));
        assert!(!rule.regex.is_match("ab\u{e9}") && !rule.regex.is_match("xa"));
        assert!(!never().is_match("") && !never().is_match("a\n"));
        assert!(Rule::new(Action::Keep).with_regex("a)(b").is_err());
    }
}
