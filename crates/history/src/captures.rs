//! Profiles and dumps as they were fetched.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::encode::{Cell, File, Sheet};
use crate::error::{Result, StoreError};
use crate::kind::Kind;

/// Bytes of one capture: what a dump has at most.
pub const MAX_CAPTURE_BYTES: usize = 64 << 20;
/// Bytes of an id.
const ID_BYTES: usize = 12;

/// A profile or dump as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The service.
    pub service: String,
    /// The instance.
    pub instance: String,
    /// When, in seconds of Unix time.
    pub at: i64,
    /// What it is: `goroutine`, `goroutineleak`, `heap`.
    pub what: String,
    /// What was fetched, compressed with gzip or not.
    pub content: Bytes,
}

/// A stored capture without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureInfo {
    /// Names it.
    pub id: String,
    /// The service.
    pub service: String,
    /// The instance.
    pub instance: String,
    /// When, in seconds of Unix time.
    pub at: i64,
    /// What it is.
    pub what: String,
    /// Bytes of its content.
    pub size: u64,
}

impl Capture {
    /// Names it: the same for the same capture.
    pub fn id(&self) -> String {
        let Self {
            service,
            instance,
            at,
            what,
            content,
        } = self;
        let mut sum = Sha256::new();
        sum.update(format!("{service}\0{instance}\0{at}\0{what}\0").as_bytes());
        sum.update(content);
        let sum = sum.finalize();
        let shown = sum.iter().take(ID_BYTES);
        shown.map(|byte| format!("{byte:02x}")).collect()
    }

    /// A file of captures; `None` if there are none.
    pub(crate) fn file(captures: &[Self]) -> Result<Option<File>> {
        let mut sheet = Sheet::new(Kind::Captures);
        let mut all: Vec<(String, &Self)> = captures.iter().map(|one| (one.id(), one)).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (id, one) in all {
            if one.content.len() > MAX_CAPTURE_BYTES {
                let size = one.content.len();
                return Err(StoreError::Encode(format!(
                    "a capture of {} has {size} bytes, and at most {MAX_CAPTURE_BYTES} are kept",
                    one.service
                )));
            }
            sheet.push(&[
                Cell::Text(&id),
                Cell::Time(one.at),
                Cell::Text(&one.service),
                Cell::Text(&one.instance),
                Cell::Text(&one.what),
                Cell::Count(one.content.len() as u64),
                Cell::Bytes(&one.content),
            ])?;
        }
        if sheet.rows() == 0 {
            return Ok(None);
        }
        Ok(Some(File {
            kind: Kind::Captures,
            rows: sheet.rows() as u64,
            bytes: sheet.file()?,
        }))
    }
}
