//! Fixes as changes of files: all edits of a file at once, and only where the outcome is still Go.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use gorphan_lint::syntax::{Bodies, Interner, Names, parse};
use gorphan_model::Finding;
use gorphan_model::source::{Edit, Fix};

use crate::error::{Failure, Result};

/// Lines around a change that a diff shows.
const CONTEXT: usize = 3;
/// Bytes of a file that is changed.
const MAX_BYTES: u64 = 64 << 20;

/// A file before and after.
#[derive(Debug)]
pub(crate) struct Change {
    /// The file.
    pub(crate) file: Arc<str>,
    before: String,
    edits: Vec<Edit>,
    after: String,
}

/// What can be changed, and why the rest cannot.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// By file.
    pub(crate) files: Vec<Change>,
    /// Findings that they mend.
    pub(crate) mended: usize,
    /// Fixes that are left out, each with the reason.
    pub(crate) refused: Vec<String>,
}

/// Puts together the fixes of findings. Of two that touch each other the first is taken.
pub(crate) fn plan(findings: &[Finding]) -> Result<Changes> {
    let mut changes = Changes::default();
    let mut by_file: BTreeMap<Arc<str>, Vec<Edit>> = BTreeMap::new();
    let mut texts: BTreeMap<Arc<str>, String> = BTreeMap::new();
    let mut seen: Vec<&Fix> = Vec::new();
    for finding in findings {
        let Some(fix) = finding.cause.as_ref().and_then(|cause| cause.fix.as_ref()) else {
            continue;
        };
        // Two findings may have one fix.
        if seen.iter().any(|one| one.edits == fix.edits) {
            changes.mended += 1;
            continue;
        }
        let at = format!("{}:{}", finding.place.file, finding.place.line);
        let mut tried = by_file.clone();
        for edit in &fix.edits {
            tried
                .entry(edit.file.clone())
                .or_default()
                .push(edit.clone());
        }
        match fits(&mut tried, fix, &mut texts)? {
            None => {
                by_file = tried;
                seen.push(fix);
                changes.mended += 1;
            }
            Some(why) => changes
                .refused
                .push(format!("the fix of {at} is left out: {why}")),
        }
    }
    for (file, edits) in by_file {
        let before = texts.get(&file).cloned().unwrap_or_default();
        let after = apply(&before, &edits).unwrap_or_else(|| before.clone());
        changes.files.push(Change {
            file,
            before,
            edits,
            after,
        });
    }
    Ok(changes)
}

/// Why the edits cannot all be made; `None` if they can.
fn fits(
    by_file: &mut BTreeMap<Arc<str>, Vec<Edit>>,
    fix: &Fix,
    texts: &mut BTreeMap<Arc<str>, String>,
) -> Result<Option<String>> {
    for (file, edits) in by_file.iter_mut() {
        if !fix.edits.iter().any(|edit| edit.file == *file) {
            continue;
        }
        edits.sort();
        let touch = |pair: &[Edit]| match pair {
            [one, two] => two.start < one.end || two.start == one.start,
            _ => false,
        };
        if edits.windows(2).any(touch) {
            return Ok(Some(
                "another fix changes the same place; run again".to_owned(),
            ));
        }
        if !texts.contains_key(file) {
            texts.insert(file.clone(), read(file)?);
        }
        let before = texts.get(file).map_or("", String::as_str);
        let Some(after) = apply(before, edits) else {
            return Ok(Some("the file is not the one that was checked".to_owned()));
        };
        if errors(&after) > errors(before) {
            return Ok(Some("the file would not be Go any more".to_owned()));
        }
    }
    Ok(None)
}

fn errors(text: &str) -> usize {
    let names = Names::new();
    let file = parse(
        text.as_bytes().to_vec(),
        &mut Interner::new(&names),
        Bodies::Parse,
    );
    file.errors.len()
}

fn read(file: &str) -> Result<String> {
    let failed = |why: String| Failure::new(format!("cannot read {file} to mend it: {why}"));
    let length = fs::metadata(file)
        .map_err(|error| failed(error.to_string()))?
        .len();
    if length > MAX_BYTES {
        return Err(failed(format!("it has more than {MAX_BYTES} bytes")));
    }
    fs::read_to_string(file).map_err(|error| failed(error.to_string()))
}

/// The text with edits, which are in order and do not overlap; `None` where they are not within it.
fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut after = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for edit in edits {
        let (start, end) = (
            usize::try_from(edit.start).ok()?,
            usize::try_from(edit.end).ok()?,
        );
        after.push_str(text.get(at..start)?);
        text.get(start..end)?;
        after.push_str(&edit.text);
        at = end;
    }
    after.push_str(text.get(at..)?);
    Some(after)
}

impl Change {
    /// As a unified diff.
    pub(crate) fn diff(&self, root: Option<&Path>) -> String {
        let name = root.and_then(|root| Path::new(&*self.file).strip_prefix(root).ok());
        let name = name.map_or_else(|| self.file.to_string(), |name| name.display().to_string());
        let mut diff = format!("--- a/{name}\n+++ b/{name}\n");
        let lines: Vec<&str> = self.before.split_inclusive('\n').collect();
        let mut starts = vec![0];
        for line in &lines {
            starts.push(starts.last().copied().unwrap_or(0) + line.len());
        }
        let line_of = |offset: u32| {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            starts
                .partition_point(|start| *start <= offset)
                .saturating_sub(1)
                .min(lines.len().saturating_sub(1))
        };
        // Whole lines that change, each with the edits in them.
        let mut blocks: Vec<(usize, usize, Vec<&Edit>)> = Vec::new();
        for edit in &self.edits {
            let first = line_of(edit.start);
            let last =
                line_of(edit.end.saturating_sub(u32::from(edit.end > edit.start))).max(first);
            match blocks.last_mut() {
                Some((_, end, edits)) if first <= *end => {
                    *end = (*end).max(last);
                    edits.push(edit);
                }
                _ => blocks.push((first, last, vec![edit])),
            }
        }
        let mut moved = 0_isize;
        let mut rest = blocks.as_slice();
        while let Some((first, _)) = rest.split_first() {
            let mut count = 1;
            let mut end = first.1;
            while let Some(next) = rest.get(count).filter(|next| next.0 <= end + 2 * CONTEXT) {
                end = next.1;
                count += 1;
            }
            let (hunk, others) = rest.split_at(count);
            moved += self.hunk(&mut diff, &lines, &starts, hunk, moved);
            rest = others;
        }
        diff
    }

    /// One hunk; returns how many lines it adds.
    fn hunk(
        &self,
        diff: &mut String,
        lines: &[&str],
        starts: &[usize],
        blocks: &[(usize, usize, Vec<&Edit>)],
        moved: isize,
    ) -> isize {
        let first = blocks
            .first()
            .map_or(0, |block| block.0)
            .saturating_sub(CONTEXT);
        let last = blocks
            .last()
            .map_or(0, |block| block.1)
            .saturating_add(CONTEXT + 1)
            .min(lines.len());
        let mut body = String::new();
        let (mut old, mut new) = (0_usize, 0_usize);
        let mut at = first;
        let mut put = |sign: char, text: &str| {
            for line in text.split_inclusive('\n') {
                let _ = write!(body, "{sign}{line}");
                if !line.ends_with('\n') {
                    body.push_str("\n\\ No newline at end of file\n");
                }
                old += usize::from(sign != '+');
                new += usize::from(sign != '-');
            }
        };
        for (from, to, edits) in blocks {
            put(' ', &lines.get(at..*from).unwrap_or_default().concat());
            let text = lines.get(*from..=*to).unwrap_or_default().concat();
            let base = u32::try_from(starts.get(*from).copied().unwrap_or(0)).unwrap_or(u32::MAX);
            let within: Vec<Edit> = edits
                .iter()
                .map(|edit| Edit {
                    start: edit.start.saturating_sub(base),
                    end: edit.end.saturating_sub(base),
                    ..(*edit).clone()
                })
                .collect();
            let after = apply(&text, &within).unwrap_or_default();
            // Lines that stay at either end are no part of the change.
            let (old_lines, new_lines): (Vec<&str>, Vec<&str>) = (
                text.split_inclusive('\n').collect(),
                after.split_inclusive('\n').collect(),
            );
            let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
            let head = old_lines.iter().zip(&new_lines).take_while(same).count();
            let most = old_lines.len().min(new_lines.len()) - head;
            let tail = old_lines
                .iter()
                .rev()
                .zip(new_lines.iter().rev())
                .take(most)
                .take_while(same)
                .count();
            let middle = |lines: &[&str]| {
                lines
                    .get(head..lines.len() - tail)
                    .unwrap_or_default()
                    .concat()
            };
            put(' ', &old_lines.get(..head).unwrap_or_default().concat());
            put('-', &middle(&old_lines));
            put('+', &middle(&new_lines));
            put(
                ' ',
                &old_lines
                    .get(old_lines.len() - tail..)
                    .unwrap_or_default()
                    .concat(),
            );
            at = to + 1;
        }
        put(' ', &lines.get(at..last).unwrap_or_default().concat());
        let start = isize::try_from(first + 1).unwrap_or(isize::MAX);
        let _ = write!(
            diff,
            "@@ -{},{old} +{},{new} @@\n{body}",
            start,
            start.saturating_add(moved)
        );
        isize::try_from(new).unwrap_or(0) - isize::try_from(old).unwrap_or(0)
    }

    /// Puts the new text in place of the old, whole or not at all, with the file's permissions.
    pub(crate) fn write(&self) -> Result<()> {
        let failed =
            |error: std::io::Error| Failure::new(format!("cannot change {}: {error}", self.file));
        let path = fs::canonicalize(&*self.file).map_err(failed)?;
        if read(&self.file)? != self.before {
            return Err(
                Failure::new(format!("{} was changed meanwhile", self.file)).advise("run again")
            );
        }
        let permissions = fs::metadata(&path).map_err(failed)?.permissions();
        if permissions.readonly() {
            return Err(Failure::new(format!(
                "cannot change {}: it may only be read",
                self.file
            )));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".gorphan-")
            .tempfile_in(folder)
            .map_err(failed)?;
        file.write_all(self.after.as_bytes()).map_err(failed)?;
        file.as_file()
            .set_permissions(permissions)
            .map_err(failed)?;
        file.persist(&path)
            .map(drop)
            .map_err(|error| failed(error.error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(start: u32, end: u32, text: &str) -> Edit {
        Edit {
            file: "/p.go".into(),
            start,
            end,
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_diff_has_hunks_with_context() {
        let before: String = (1..=20).map(|line| format!("line {line}\n")).collect();
        let offset = |text: &str| u32::try_from(before.find(text).unwrap()).unwrap();
        let edits = vec![
            edit(offset("line 2\n"), offset("line 2\n"), "new\n"),
            edit(offset("line 15"), offset("line 15") + 7, "changed"),
        ];
        let after = apply(&before, &edits).unwrap();
        let change = Change {
            file: "/src/p.go".into(),
            before,
            edits,
            after,
        };
        insta::assert_snapshot!(change.diff(Some(Path::new("/src"))), @r"
        --- a/p.go
        +++ b/p.go
        @@ -1,5 +1,6 @@
         line 1
        +new
         line 2
         line 3
         line 4
         line 5
        @@ -12,7 +13,7 @@
         line 12
         line 13
         line 14
        -line 15
        +changed
         line 16
         line 17
         line 18
        ");
    }

    #[test]
    fn edits_must_lie_in_the_text() {
        assert_eq!(
            apply("abc", &[edit(1, 2, "x"), edit(3, 3, "y")]).as_deref(),
            Some("axcy")
        );
        assert_eq!(apply("abc", &[edit(2, 9, "x")]), None);
        assert_eq!(apply("äb", &[edit(1, 2, "x")]), None);
    }
}
