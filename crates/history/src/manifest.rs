//! The manifest: which files are the history. Whoever creates the next number has committed; everything else in the place of
//! a history is leftovers, or not yet there.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::{Result, StoreError};
use crate::kind::Kind;
use crate::place::Place;

/// The version of the form.
pub(crate) const VERSION: u32 = 1;
/// The folder of the manifests.
pub(crate) const FOLDER: &str = "manifest";
/// Times of the last sweeps that are kept in it.
const RECENT: usize = 6;
/// Bytes of a manifest: some hundred for each of some thousands of files.
const MAX_BYTES: usize = 64 << 20;
/// Times that a manifest is looked for again that was removed while it was to be read.
const ATTEMPTS: usize = 3;

/// What is in a history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The version of the form.
    pub(crate) version: u32,
    /// From 1; 0 before the first.
    pub(crate) number: u64,
    /// Who wrote it: differs from one opening to the next.
    pub(crate) writer: String,
    /// Seconds of Unix time of the last sweeps, oldest first.
    pub(crate) recent: Vec<i64>,
    /// The files, by kind and time.
    pub(crate) files: Vec<Entry>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// The earliest time in it, in seconds of Unix time.
    pub(crate) from: i64,
    /// The latest.
    pub(crate) to: i64,
    /// The object.
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl Manifest {
    /// The time of the last sweep.
    pub(crate) fn last(&self) -> Option<i64> {
        self.recent.last().copied()
    }

    /// Notes the time of a sweep.
    pub(crate) fn swept(&mut self, at: i64) {
        if self.last().is_none_or(|last| at > last) {
            self.recent.push(at);
        }
        let surplus = self.recent.len().saturating_sub(RECENT);
        self.recent.drain(..surplus);
    }

    /// The time that retention counts from: a clock that jumps ahead once must not age everything. It takes as many
    /// sweeps as are remembered to make it believed.
    pub(crate) fn settled(&self) -> Option<i64> {
        (self.recent.len() >= RECENT).then(|| self.recent.first().copied())?
    }

    /// Adds files that are not in it yet.
    pub(crate) fn add(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Err(place) = self.files.binary_search(entry) {
                self.files.insert(place, entry.clone());
            }
        }
    }

    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.files.iter().filter(move |entry| entry.kind == kind)
    }

    fn read(name: &str, bytes: &[u8]) -> Result<Self> {
        let damaged = |why: String| StoreError::Damaged {
            object: name.to_owned(),
            why,
        };
        if bytes.len() > MAX_BYTES {
            return Err(damaged(format!("it has more than {MAX_BYTES} bytes")));
        }
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let versioned: Versioned =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if versioned.version > VERSION {
            return Err(StoreError::Later {
                found: versioned.version,
                known: VERSION,
            });
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if name_of(manifest.number) != name {
            return Err(damaged(format!(
                "it says that it is number {}",
                manifest.number
            )));
        }
        Ok(manifest)
    }
}

/// The object of a manifest. Names sort as numbers do.
pub(crate) fn name_of(number: u64) -> String {
    format!("{FOLDER}/{number:020}.json")
}

/// The newest manifest, and the names of those that a power cut left torn: they were never committed.
pub(crate) async fn newest(place: &Place) -> Result<(Manifest, Vec<String>)> {
    for _ in 0..ATTEMPTS {
        if let Some(found) = attempt(place).await? {
            return Ok(found);
        }
    }
    Err(StoreError::Damaged {
        object: FOLDER.to_owned(),
        why: "manifests vanish while they are looked for".to_owned(),
    })
}

/// `None` if one was removed between listing and reading.
async fn attempt(place: &Place) -> Result<Option<(Manifest, Vec<String>)>> {
    let mut names: Vec<String> = place
        .list(FOLDER)
        .await?
        .into_iter()
        .map(|listed| listed.name)
        .collect();
    names.sort();
    let mut torn = Vec::new();
    while let Some(name) = names.pop() {
        let Some(bytes) = place.get(&name).await? else {
            return Ok(None);
        };
        // An object store's objects are whole; a file's end may be missing after a power cut, as long as it was not synced.
        if place.folder.is_some() && is_torn(&bytes) {
            torn.push(name);
            continue;
        }
        return Manifest::read(&name, &bytes).map(|manifest| Some((manifest, torn)));
    }
    Ok(Some((Manifest::default(), torn)))
}

fn is_torn(bytes: &[u8]) -> bool {
    // Blocks that were not written out read as zeros.
    let written = bytes.iter().position(|byte| *byte == 0);
    let written = bytes.get(..written.unwrap_or(bytes.len())).unwrap_or(bytes);
    let ends = serde_json::from_slice::<serde::de::IgnoredAny>(written);
    ends.is_err_and(|error| error.is_eof())
}

/// Creates the next manifest. Whether another one has the number already is for the caller to look at.
pub(crate) async fn create(place: &Place, manifest: &Manifest) -> Result<()> {
    let name = name_of(manifest.number);
    let bytes =
        serde_json::to_vec(manifest).map_err(|error| StoreError::Encode(error.to_string()))?;
    place.put(&name, Bytes::from(bytes), true).await
}

/// Whether a commit failed as there is another manifest of that number.
pub(crate) fn taken(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Object {
            source: object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ..
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_power_cut_leaves_is_torn_and_what_is_wrong_is_not() {
        for (bytes, expected) in [
            (&b""[..], true),
            (b"{\"version\":1,\"num", true),
            (b"{\"version\":1,\"num\0\0\0", true),
            (b"\0\0\0\0", true),
            (b"{\"version\":1}", false),
            (b"{\"version\":1}}", false),
            (b"<html>", false),
        ] {
            assert_eq!(
                is_torn(bytes),
                expected,
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn one_jump_of_the_clock_ages_nothing() {
        let mut manifest = Manifest::default();
        for at in 1..=6 {
            assert_eq!(manifest.settled(), None);
            manifest.swept(at * 600);
        }
        manifest.swept(9_999_999_999);
        assert_eq!(manifest.settled(), Some(1200));
        // Not after the last one: it is not noted twice.
        manifest.swept(9_999_999_999);
        assert_eq!(manifest.settled(), Some(1200));
    }

    #[test]
    fn a_later_form_and_another_number_are_refused() {
        let later = br#"{"version":2,"strange":[]}"#;
        let error = Manifest::read(&name_of(1), later).expect_err("later");
        assert!(matches!(error, StoreError::Later { found: 2, known: 1 }));
        let manifest = Manifest {
            version: 1,
            number: 7,
            ..Manifest::default()
        };
        let bytes = serde_json::to_vec(&manifest).expect("written");
        let error = Manifest::read(&name_of(8), &bytes).expect_err("of another number");
        assert!(error.to_string().contains("number 7"), "{error}");
        assert_eq!(Manifest::read(&name_of(7), &bytes).expect("read"), manifest);
    }
}
