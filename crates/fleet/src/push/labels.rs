//! Labels as senders write them, within bounds.

use super::Refused;
use crate::labels::LabelSet;

/// Labels of one profile.
const MAX_LABELS: usize = 64;
/// Bytes of a name.
const MAX_NAME_BYTES: usize = 1024;
/// Bytes of a value; that of Pyroscope.
const MAX_VALUE_BYTES: usize = 2048;

/// Adds a label, which may hold nothing that acts.
pub(super) fn add(labels: &mut LabelSet, name: &str, value: &str) -> Result<(), Refused> {
    let wrong = |why: &str| {
        let name: String = name.chars().take(40).collect();
        Err(Refused::Wrong(format!("the label {name:?} {why}")))
    };
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return wrong("has no name or one that is too long");
    }
    if value.len() > MAX_VALUE_BYTES {
        return wrong("has a value that is too long");
    }
    if name.chars().chain(value.chars()).any(char::is_control) {
        return wrong("has control characters");
    }
    if labels.len() >= MAX_LABELS && !labels.has(name) {
        return Err(Refused::Wrong(format!(
            "there are more than {MAX_LABELS} labels"
        )));
    }
    labels.set(name, value);
    Ok(())
}

/// The application's name as Pyroscope's clients write it: `shop{region=eu,__session_id__=1f}`.
pub(super) fn of_name(name: &str) -> Result<LabelSet, Refused> {
    let mut labels = LabelSet::default();
    let (application, rest) = match name.split_once('{') {
        None => (name, ""),
        Some((application, rest)) => match rest.trim_end().strip_suffix('}') {
            Some(rest) => (application, rest),
            None => {
                let why = "the application's name has a \"{\" without its \"}\"";
                return Err(Refused::Wrong(why.to_owned()));
            }
        },
    };
    for pair in rest.split(',').filter(|pair| !pair.trim().is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            let why = "a label in the application's name has no \"=\"";
            return Err(Refused::Wrong(why.to_owned()));
        };
        add(&mut labels, name.trim(), value.trim().trim_matches('"'))?;
    }
    let application = application.trim();
    if !application.is_empty() && !labels.has("service_name") {
        add(&mut labels, "service_name", application)?;
    }
    Ok(labels)
}
