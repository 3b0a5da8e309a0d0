//! Findings as they are asked for.

use gorphan_model::fleet::Status;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::silences::{Silence, Silences};
use super::{Ledger, LedgerError, Notice, Result};

/// Findings given at once.
const MAX_ENTRIES: usize = 10_000;
/// Characters of a fingerprint that a person must give at least.
const MIN_PREFIX: usize = 4;

/// Somebody looks after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Since when.
    pub at: i64,
    /// Who.
    pub by: String,
    /// What they say.
    pub note: String,
}

/// A finding with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// As it was last seen.
    pub notice: Notice,
    /// How it stands.
    pub status: Status,
    /// When it was first found, seconds of Unix time.
    pub first_seen: i64,
    /// When it was found after it had not been there, seconds of Unix time.
    pub opened: i64,
    /// When it was last found, seconds of Unix time.
    pub last_seen: i64,
    /// Clean sweeps in a row.
    pub clean_sweeps: u32,
    /// When it was resolved, seconds of Unix time.
    pub resolved: Option<i64>,
    /// Who looks after it.
    pub acknowledged: Option<Acknowledgement>,
    /// What silences it now.
    pub silence: Option<Silence>,
    /// When somebody was last told, seconds of Unix time.
    pub told: Option<i64>,
}

/// Which findings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Those of a service.
    pub service: Option<String>,
    /// Those of an owner.
    pub owner: Option<String>,
    /// Those that stand so.
    pub status: Option<Status>,
    /// Also those that are resolved.
    pub resolved: bool,
}

/// Something that happened to a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When, seconds of Unix time.
    pub at: i64,
    /// `new`, `reopened`, `grown`, `new_version`, `resolved`, `acknowledged`, `unacknowledged`, `silenced`, `unsilenced`.
    pub kind: String,
    /// Who did it; `None` where a sweep did.
    pub who: Option<String>,
    /// In words.
    pub text: String,
}

/// A row of the table.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) notice: Notice,
    pub(super) first_seen: i64,
    pub(super) opened: i64,
    pub(super) last_seen: i64,
    /// When the service was last there at all.
    pub(super) present: i64,
    pub(super) clean: u32,
    pub(super) resolved: Option<i64>,
    pub(super) acknowledged: Option<Acknowledgement>,
    pub(super) told: Option<i64>,
    pub(super) told_max: u64,
    pub(super) told_versions: Vec<String>,
}

impl Known {
    pub(super) fn fresh(notice: Notice, at: i64) -> Self {
        Self {
            notice,
            first_seen: at,
            opened: at,
            last_seen: at,
            present: at,
            clean: 0,
            resolved: None,
            acknowledged: None,
            told: None,
            told_max: 0,
            told_versions: Vec::new(),
        }
    }

    /// It begins anew but for when it was first seen.
    pub(super) fn reopened(self, at: i64) -> Self {
        let first_seen = self.first_seen;
        Self {
            first_seen,
            ..Self::fresh(self.notice, at)
        }
    }

    pub(super) fn status(&self, silences: &Silences, usual: Status) -> Status {
        if self.resolved.is_some() {
            Status::Resolved
        } else if silences.find(&self.notice).is_some() {
            Status::Silenced
        } else if self.acknowledged.is_some() {
            Status::Acknowledged
        } else {
            usual
        }
    }

    fn entry(self, silences: &Silences, last: Option<i64>) -> Entry {
        let usual = if Some(self.opened) == last {
            Status::New
        } else {
            Status::Ongoing
        };
        Entry {
            status: self.status(silences, usual),
            silence: silences.find(&self.notice).cloned(),
            notice: self.notice,
            first_seen: self.first_seen,
            opened: self.opened,
            last_seen: self.last_seen,
            clean_sweeps: self.clean,
            resolved: self.resolved,
            acknowledged: self.acknowledged,
            told: self.told,
        }
    }
}

const COLUMNS: &str = "SELECT notice, first_seen, opened, last_seen, present, clean, resolved, acknowledged, \
                       acknowledged_by, acknowledged_note, told, told_max, told_versions FROM findings";

fn row(row: &Row<'_>) -> rusqlite::Result<Known> {
    let acknowledged = match row.get::<_, Option<i64>>(7)? {
        None => None,
        Some(at) => Some(Acknowledgement {
            at,
            by: row.get::<_, Option<String>>(8)?.unwrap_or_default(),
            note: row.get::<_, Option<String>>(9)?.unwrap_or_default(),
        }),
    };
    Ok(Known {
        notice: notice(row, 0)?,
        first_seen: row.get(1)?,
        opened: row.get(2)?,
        last_seen: row.get(3)?,
        present: row.get(4)?,
        clean: row.get(5)?,
        resolved: row.get(6)?,
        acknowledged,
        told: row.get(10)?,
        told_max: u64::try_from(row.get::<_, i64>(11)?).unwrap_or(0),
        told_versions: json(row, 12)?,
    })
}

pub(super) fn notice(row: &Row<'_>, column: usize) -> rusqlite::Result<Notice> {
    json(row, column)
}

pub(super) fn json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        let text = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, text, Box::new(error))
    })
}

pub(super) fn notice_text(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

pub(super) fn known(sql: &Connection, fingerprint: &str) -> rusqlite::Result<Option<Known>> {
    let mut query = sql.prepare_cached(&format!("{COLUMNS} WHERE fingerprint = ?1"))?;
    query.query_row([fingerprint], row).optional()
}

pub(super) fn open_findings(sql: &Connection) -> rusqlite::Result<Vec<Known>> {
    let mut query = sql.prepare_cached(&format!("{COLUMNS} WHERE resolved IS NULL"))?;
    let rows = query.query_map([], row)?;
    rows.collect()
}

impl Ledger {
    /// Findings, the surest first, then those with the most goroutines; at most ten thousand. `now` decides about silences.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn findings(&self, filter: &Filter, now: i64) -> Result<Vec<Entry>> {
        let mut entries = self.read("list findings", |sql| {
            let silences = Silences::at(sql, now)?;
            let last = super::last_sweep(sql)?;
            let mut query = sql.prepare_cached(&format!(
                "{COLUMNS} WHERE (?1 IS NULL OR service = ?1) AND (?2 IS NULL OR owner = ?2) \
                 AND (?3 OR resolved IS NULL)"
            ))?;
            let resolved = filter.resolved || filter.status == Some(Status::Resolved);
            let rows = query.query_map(params![filter.service, filter.owner, resolved], row)?;
            let entries = rows.map(|known| Ok(known?.entry(&silences, last)));
            entries.collect::<rusqlite::Result<Vec<Entry>>>()
        })?;
        entries.retain(|entry| filter.status.is_none_or(|status| entry.status == status));
        entries.sort_by(|a, b| {
            let (x, y) = (&a.notice, &b.notice);
            let open = a.resolved.is_some().cmp(&b.resolved.is_some());
            open.then_with(|| y.verdict().cmp(&x.verdict()))
                .then_with(|| y.total.cmp(&x.total))
                .then_with(|| x.fingerprint.cmp(&y.fingerprint))
        });
        entries.truncate(MAX_ENTRIES);
        Ok(entries)
    }

    /// The finding whose fingerprint begins with `given`.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn finding(&self, given: &str, now: i64) -> Result<Entry> {
        let fingerprint = self.fingerprint(given)?;
        let entry = self.read("read a finding", |sql| {
            let silences = Silences::at(sql, now)?;
            let last = super::last_sweep(sql)?;
            Ok(known(sql, &fingerprint)?.map(|known| known.entry(&silences, last)))
        })?;
        entry.ok_or(LedgerError::Unknown { given: fingerprint })
    }

    /// The whole fingerprint that begins with `given`.
    pub(super) fn fingerprint(&self, given: &str) -> Result<String> {
        let unknown = || LedgerError::Unknown {
            given: given.to_owned(),
        };
        let is_hex = given.bytes().all(|byte| byte.is_ascii_hexdigit());
        if given.len() < MIN_PREFIX || !is_hex {
            return Err(unknown());
        }
        let prefix = given.to_ascii_lowercase();
        let mut found: Vec<String> = self.read("look up a finding", |sql| {
            let mut query = sql.prepare_cached(
                "SELECT fingerprint FROM findings WHERE fingerprint >= ?1 AND fingerprint < ?1 || 'g'",
            )?;
            let rows = query.query_map([&prefix], |row| row.get(0))?;
            rows.collect()
        })?;
        match found.len() {
            0 => Err(unknown()),
            1 => found.pop().ok_or_else(unknown),
            count => Err(LedgerError::Ambiguous {
                given: given.to_owned(),
                count,
            }),
        }
    }

    /// What happened to a finding, oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn events(&self, fingerprint: &str) -> Result<Vec<Happening>> {
        self.read("read what happened", |sql| {
            let mut query = sql.prepare_cached(
                "SELECT at, kind, who, text FROM events WHERE fingerprint = ?1 ORDER BY id",
            )?;
            let rows = query.query_map([fingerprint], |row| {
                Ok(Happening {
                    at: row.get(0)?,
                    kind: row.get(1)?,
                    who: row.get(2)?,
                    text: row.get(3)?,
                })
            })?;
            rows.collect()
        })
    }
}
