//! What only findings in source have: places of the cause, flows of goroutines, fixes.

use gorphan_model::source::{Cause, Fix};

use super::{location, uri, wire};
use crate::Style;
use crate::clean::clean;
use crate::place::located;

/// The other places, each with what is there.
pub(super) fn related(cause: &Cause, style: &Style<'_>) -> Vec<wire::Location> {
    let related = cause.related.iter().map(|related| {
        let place = &related.place;
        wire::Location {
            message: Some(text(&related.label)),
            ..location(
                &place.function,
                &place.file,
                place.line,
                place.column,
                style,
            )
        }
    });
    related.collect()
}

/// The witness: one flow, with a thread for each goroutine.
pub(super) fn flows(cause: &Cause, style: &Style<'_>) -> Vec<wire::CodeFlow> {
    let mut threads: Vec<wire::ThreadFlow> = Vec::new();
    for (order, step) in (1..).zip(&cause.witness) {
        let place = &step.place;
        let at = wire::ThreadFlowLocation {
            location: wire::Location {
                message: Some(text(&step.action)),
                ..location(
                    &place.function,
                    &place.file,
                    place.line,
                    place.column,
                    style,
                )
            },
            execution_order: order,
        };
        let id = clean(&step.goroutine);
        match threads.iter_mut().find(|thread| thread.id == id) {
            Some(thread) => thread.locations.push(at),
            None => threads.push(wire::ThreadFlow {
                id: id.into_owned(),
                locations: vec![at],
            }),
        }
    }
    if threads.is_empty() {
        return Vec::new();
    }
    vec![wire::CodeFlow {
        thread_flows: threads,
    }]
}

/// The fix, its edits by file.
pub(super) fn fix(fix: &Fix, style: &Style<'_>) -> wire::Fix {
    let mut changes: Vec<(&str, wire::ArtifactChange)> = Vec::new();
    for edit in &fix.edits {
        let replacement = wire::Replacement {
            deleted_region: wire::Bytes {
                byte_offset: edit.start,
                byte_length: edit.end.saturating_sub(edit.start),
            },
            inserted_content: wire::Text {
                text: edit.text.clone(),
            },
        };
        match changes.iter_mut().find(|(file, _)| *file == &*edit.file) {
            Some((_, change)) => change.replacements.push(replacement),
            None => {
                let change = wire::ArtifactChange {
                    artifact_location: wire::ArtifactLocation {
                        uri: uri(&edit.file, located(&edit.file, style)),
                    },
                    replacements: vec![replacement],
                };
                changes.push((&edit.file, change));
            }
        }
    }
    wire::Fix {
        description: text(&fix.title),
        artifact_changes: changes.into_iter().map(|(_, change)| change).collect(),
    }
}

fn text(text: &str) -> wire::Text {
    wire::Text {
        text: clean(text).into_owned(),
    }
}
