//! `gorphan explain`: what a code means.

use gorphan_model::code::{CODES, Code, PROOF, for_operation};
use gorphan_model::{Operation, Pattern};

use super::Outcome;
use crate::args::Explain;
use crate::config::nearest;
use crate::error::{Failure, Result};
use crate::output;

/// What asks for the text about proofs: the word, and the results that reports name.
const PROOF_WORDS: [&str; 4] = ["proof", "unreachable", "reachable", "inconclusive"];

/// Runs the command.
pub(crate) fn run(args: &Explain) -> Result<Outcome> {
    let asked = args.code.join(" ");
    let asked = asked.trim();
    let text = if asked.is_empty() {
        list()
    } else {
        explain(asked).ok_or_else(|| unknown(asked))?
    };
    output::print(&text)?;
    Ok(Outcome::Clean)
}

/// The text of a code, a pattern or an operation, in any case.
fn explain(asked: &str) -> Option<String> {
    let same = |word: &str| word.eq_ignore_ascii_case(asked);
    if let Some(code) = CODES.iter().find(|code| same(code.id)) {
        return Some(with_newline(code.text));
    }
    if PROOF_WORDS.iter().any(|word| same(word)) {
        return Some(with_newline(PROOF));
    }
    let dashed = asked.replace([' ', '_'], "-");
    let mut patterns = Pattern::ALL.into_iter();
    if let Some(pattern) = patterns.find(|it| it.name().eq_ignore_ascii_case(&dashed)) {
        return Some(pattern_text(pattern));
    }
    let spaced = asked.replace(['-', '_'], " ");
    let mut operations = Operation::ALL.into_iter();
    let operation = operations.find(|operation| {
        let word = operation.as_str();
        same(word) || word.eq_ignore_ascii_case(&spaced)
    })?;
    let id = for_operation(operation);
    let code = CODES.iter().find(|code| code.id == id)?;
    Some(with_newline(code.text))
}

/// A pattern has no page of its own: its sentence and fix, and the codes that speak of it.
fn pattern_text(pattern: Pattern) -> String {
    let name = pattern.name();
    let quoted = format!("`{name}`");
    let seen: Vec<&str> = CODES
        .iter()
        .filter(|code| code.text.contains(&quoted))
        .map(|code| code.id)
        .collect();
    let mut text = format!(
        "# {name}\n\nLooks like {}.\n\n## Fix\n\n{}\n",
        pattern.sentence(),
        pattern.help()
    );
    if !seen.is_empty() {
        text.push_str(&format!(
            "\nSeen in: {} (gorphan explain CODE)\n",
            seen.join(", ")
        ));
    }
    text
}

fn with_newline(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

fn list() -> String {
    let mut text = String::from(
        "proof   what it means that nothing can wake a goroutine, and what that cannot see\n\nCodes:\n",
    );
    for Code { id, title, .. } in CODES {
        text.push_str(&format!("  {id}  {title}\n"));
    }
    text.push_str("\nPatterns:\n");
    let width = Pattern::ALL.map(|it| it.name().len()).into_iter().max();
    let width = width.unwrap_or_default();
    for pattern in Pattern::ALL {
        text.push_str(&format!(
            "  {:width$}  {}\n",
            pattern.name(),
            pattern.sentence()
        ));
    }
    text.push_str(
        "\n`gorphan explain` takes any of these, and operations such as \"chan send\".\n",
    );
    text
}

fn unknown(asked: &str) -> Failure {
    let words = CODES
        .iter()
        .map(|code| code.id)
        .chain(Pattern::ALL.map(Pattern::name))
        .chain(Operation::ALL.map(Operation::as_str))
        .chain(PROOF_WORDS);
    let failure = Failure::new(format!("there is nothing to explain about {asked:?}"));
    match nearest(asked, words) {
        Some(word) => failure.advise(format!(
            "did you mean {word:?}? `gorphan explain` lists all"
        )),
        None => failure.advise("`gorphan explain` lists what there is"),
    }
}
