//! Whether fixes hold: each is made on a copy of the source, and the package is checked again. What has the finding still then, or
//! another one, is not offered.

use std::collections::HashMap;
use std::sync::Arc;

use crate::finding::{Edit, FileId, Finding, Fix, Location};
use crate::syntax::{Bodies, Interner, Names, parse};
use crate::types::{PackageId, Program};

/// Fixes of one package that are tried; each costs about what the check of the package does. Packages have a handful.
const MAX_TRIED: usize = 48;

/// Leaves of the fixes of each finding the first that holds. `find` tells what is found in the package of a program.
pub(crate) fn keep_sound(
    program: &Program,
    names: &Names,
    package: PackageId,
    findings: &mut [Finding],
    find: &dyn Fn(&Program) -> Vec<Finding>,
) {
    if findings.iter().all(|finding| finding.fixes.is_empty()) {
        return;
    }
    let mut changed = program.clone();
    // Several findings may have one fix; what is left of the others with each.
    let mut tried: HashMap<Fix, Option<Vec<Finding>>> = HashMap::new();
    let before = findings.to_vec();
    for (place, finding) in findings.iter_mut().enumerate() {
        let fixes = std::mem::take(&mut finding.fixes);
        let sound = fixes.into_iter().find(|fix| {
            if !tried.contains_key(fix) {
                if tried.len() >= MAX_TRIED {
                    return false;
                }
                let after = with(program, names, package, &mut changed, fix, find);
                tried.insert(fix.clone(), after);
            }
            let after = tried.get(fix).and_then(Option::as_ref);
            after.is_some_and(|after| is_gone(&before, place, after, fix))
        });
        finding.fixes.extend(sound);
    }
}

/// What is found with a fix; none where the source would not be Go any more.
fn with(
    program: &Program,
    names: &Names,
    package: PackageId,
    changed: &mut Program,
    fix: &Fix,
    find: &dyn Fn(&Program) -> Vec<Finding>,
) -> Option<Vec<Finding>> {
    let original = program.package(package);
    let mut with_fix = original.clone();
    for (place, file) in original.files.iter().enumerate() {
        let mut edits: Vec<&Edit> = fix
            .edits
            .iter()
            .filter(|edit| edit.at.file.0 as usize == place)
            .collect();
        if edits.is_empty() {
            continue;
        }
        edits.sort_by_key(|edit| edit.at.span);
        let text = apply(file.source(), &edits)?;
        let parsed = parse(text, &mut Interner::new(names), Bodies::Parse);
        if parsed.errors.len() > file.errors.len() {
            return None;
        }
        with_fix = with_fix.with_file(place, Arc::new(parsed));
    }
    changed.replace(package, with_fix);
    Some(find(changed))
}

/// A text with edits in order; none where they overlap or lie outside.
fn apply(text: &[u8], edits: &[&Edit]) -> Option<Vec<u8>> {
    let mut after = Vec::with_capacity(text.len().saturating_add(64));
    let mut at = 0;
    for edit in edits {
        let (start, end) = (edit.at.span.start as usize, edit.at.span.end as usize);
        after.extend_from_slice(text.get(at..start)?);
        text.get(start..end)?;
        after.extend_from_slice(edit.text.as_bytes());
        at = end;
    }
    after.extend_from_slice(text.get(at..)?);
    Some(after)
}

/// Whether of all that was found before only some is found after, and not the finding at a place.
fn is_gone(before: &[Finding], place: usize, after: &[Finding], fix: &Fix) -> bool {
    let others = before
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != place);
    let mut known: Vec<(&str, Location)> = others
        .filter_map(|(_, finding)| Some((finding.code, moved(finding.at, &fix.edits)?)))
        .collect();
    after.iter().all(|finding| {
        let same = known.iter().position(|(code, at)| {
            *code == finding.code
                && (at.file, at.span.start) == (finding.at.file, finding.at.span.start)
        });
        same.map(|same| known.swap_remove(same)).is_some()
    })
}

/// Where something is after edits; none where they change the thing itself.
fn moved(at: Location, edits: &[Edit]) -> Option<Location> {
    let mut moved = i64::from(at.span.start);
    for edit in edits.iter().filter(|edit| is_in(edit, at.file)) {
        if edit.at.span.end <= at.span.start {
            let length = i64::try_from(edit.text.len()).ok()?;
            moved += length - i64::from(edit.at.span.end - edit.at.span.start);
        } else if edit.at.span.start <= at.span.start {
            return None;
        }
    }
    let start = u32::try_from(moved).ok()?;
    let mut after = at;
    after.span.end = start.checked_add(at.span.end.checked_sub(at.span.start)?)?;
    after.span.start = start;
    Some(after)
}

fn is_in(edit: &Edit, file: FileId) -> bool {
    edit.at.file == file
}
