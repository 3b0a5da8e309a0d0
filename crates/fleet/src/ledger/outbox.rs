//! What is to be told, until it is told: written with the change that it tells of, taken out by whoever delivers.
//!
//! A row waits, is being sent, and is settled. That it is being sent is on disk before the first byte leaves. One that is
//! found in that state by the next courier was cut off, and nobody knows whether it arrived: the receiver is asked where
//! it can be, and where it cannot the row is given up rather than sent twice.

use rusqlite::{Connection, Row, params};

use super::entry::{json, notice_text};
use super::silences::Silences;
use super::{Courier, Event, Ledger, Notice, Result, entry, take_in};
use crate::alert::Receiver;

/// Seconds after which nobody wants to hear of it any more.
const MAX_AGE_SECONDS: i64 = 3 * 86_400;
/// Seconds to the second attempt, doubled for each further one.
const RETRY_SECONDS: i64 = 30;
/// Seconds between attempts at most.
const MAX_RETRY_SECONDS: i64 = 3600;
/// Notices in one digest; the rest comes with the next.
const MAX_DIGEST: usize = 200;
/// Findings in one state.
const MAX_STATE: usize = 5_000;
/// Characters of an error that are kept.
const MAX_REMARK_CHARS: usize = 300;
/// Deliveries given at once.
const MAX_LISTED: i64 = 1_000;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// For its time, or for another attempt.
    Waiting,
    /// On its way, or cut off.
    Sending,
    /// It arrived.
    Sent,
    /// Whether it arrived is not known; it is not sent again.
    Unsure,
    /// It was refused, or tried for too long.
    Failed,
    /// It was not needed any more.
    Dropped,
}

impl DeliveryState {
    const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Sending,
        Self::Sent,
        Self::Unsure,
        Self::Failed,
        Self::Dropped,
    ];

    /// The word in JSON and in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Unsure => "unsure",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// A message to one receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// The receiver's name.
    pub receiver: String,
    /// What happened.
    pub event: Event,
    /// When it was put in, seconds of Unix time.
    pub created: i64,
    /// Where it stands.
    pub state: DeliveryState,
    /// Times it was sent.
    pub attempts: u32,
    /// When it came to its end, seconds of Unix time.
    pub settled: Option<i64>,
    /// What the receiver said, or why it failed.
    pub remark: String,
}

/// What is sent with one request: one notice, a digest of several, or the state of everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Parcel {
    /// The rows.
    pub ids: Vec<i64>,
    /// What happened; of a digest the first.
    pub event: Event,
    /// It is a digest.
    pub digest: bool,
    /// What to tell.
    pub notices: Vec<Notice>,
    /// It was being sent when the one who did was cut off.
    pub interrupted: bool,
    /// Times it was sent before.
    pub attempts: u32,
    /// When it was put in, seconds of Unix time.
    pub created: i64,
    /// Tells it from every other message of every ledger.
    pub key: String,
    /// What the receiver calls the finding, such as the number of an issue; `None` if it was not asked yet.
    pub mark: Option<String>,
}

/// How sending a parcel ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It arrived. The mark is what the receiver calls the finding.
    Sent {
        /// Such as the number of an issue.
        mark: Option<String>,
    },
    /// It certainly did not arrive and may later.
    Later {
        /// What went wrong.
        why: String,
        /// Seconds that the receiver asks to wait.
        after_seconds: Option<u64>,
    },
    /// Nobody knows, and it must not be sent twice.
    Unsure {
        /// What went wrong.
        why: String,
    },
    /// It will never arrive.
    Failed {
        /// What went wrong.
        why: String,
    },
    /// It was not sent, as there was nothing to send.
    Dropped {
        /// Why.
        why: String,
    },
}

/// Puts a notice into the outbox of a receiver.
pub(super) fn put(sql: &Connection, receiver: &Receiver, notice: &Notice) -> rusqlite::Result<()> {
    let digest = receiver.digest.is_some();
    let due = receiver.digest.map_or(0, |time| time.next(notice.at));
    let mut insert = sql.prepare_cached(
        "INSERT INTO deliveries (receiver, fingerprint, event, digest, created, due, state, notice) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', ?7)",
    )?;
    insert.execute(params![
        receiver.name,
        notice.fingerprint,
        notice.event.as_str(),
        digest,
        notice.at,
        due,
        notice_text(notice)?,
    ])?;
    Ok(())
}

/// Puts the state after a sweep into the outbox, in place of one that was not sent yet. What is resolved is told with it;
/// what is open is looked up when it is sent.
pub(super) fn put_state(
    sql: &Connection,
    receiver: &Receiver,
    at: i64,
    resolved: &[Notice],
) -> rusqlite::Result<()> {
    let mut resolved: Vec<Notice> = resolved
        .iter()
        .filter(|it| receiver.fits(it))
        .cloned()
        .collect();
    let mut query = sql.prepare_cached(
        "SELECT notice FROM deliveries WHERE receiver = ?1 AND event = 'state' AND state = 'waiting'",
    )?;
    let waiting = query.query_map([&receiver.name], |row| json::<Vec<Notice>>(row, 0))?;
    for earlier in waiting {
        for notice in earlier? {
            if !resolved
                .iter()
                .any(|one| one.fingerprint == notice.fingerprint)
            {
                resolved.push(notice);
            }
        }
    }
    // One row is enough: earlier states tell nothing that the last one does not.
    sql.execute(
        "DELETE FROM deliveries WHERE receiver = ?1 AND event = 'state' AND state <> 'sending'",
        [&receiver.name],
    )?;
    resolved.truncate(MAX_STATE);
    sql.execute(
        "INSERT INTO deliveries (receiver, fingerprint, event, digest, created, due, state, notice) \
         VALUES (?1, '', 'state', 0, ?2, 0, 'waiting', ?3)",
        params![receiver.name, at, notice_text(&resolved)?],
    )?;
    Ok(())
}

/// The number of the last row.
pub(super) fn last_id(sql: &Connection) -> rusqlite::Result<i64> {
    sql.query_row("SELECT coalesce(max(id), 0) FROM deliveries", [], |row| {
        row.get(0)
    })
}

/// What was put in for a receiver after a row.
pub(super) fn since(sql: &Connection, receiver: &str, id: i64) -> rusqlite::Result<Vec<Parcel>> {
    let rows = rows(sql, "receiver = ?1 AND id > ?2 ORDER BY id", receiver, id)?;
    let digest: Vec<Pending> = rows.iter().filter(|it| it.digest).cloned().collect();
    let single = rows.into_iter().filter(|it| !it.digest).map(|it| vec![it]);
    let all = single.chain((!digest.is_empty()).then_some(digest));
    all.map(|rows| parcel(sql, receiver, rows, false)).collect()
}

#[derive(Debug, Clone)]
struct Pending {
    id: i64,
    fingerprint: String,
    event: Event,
    digest: bool,
    created: i64,
    attempts: u32,
    notices: Vec<Notice>,
}

fn rows(
    sql: &Connection,
    condition: &str,
    receiver: &str,
    number: i64,
) -> rusqlite::Result<Vec<Pending>> {
    let mut query = sql.prepare_cached(&format!(
        "SELECT id, fingerprint, event, digest, created, attempts, notice FROM deliveries AS one WHERE {condition}"
    ))?;
    let rows = query.query_map(params![receiver, number], pending)?;
    rows.collect()
}

fn pending(row: &Row<'_>) -> rusqlite::Result<Pending> {
    let event = event(row, 2)?;
    let notices = match event {
        Event::State => json(row, 6)?,
        _ => vec![json(row, 6)?],
    };
    Ok(Pending {
        id: row.get(0)?,
        fingerprint: row.get(1)?,
        event,
        digest: row.get(3)?,
        created: row.get(4)?,
        attempts: row.get(5)?,
        notices,
    })
}

fn event(row: &Row<'_>, column: usize) -> rusqlite::Result<Event> {
    let word: String = row.get(column)?;
    let text = rusqlite::types::Type::Text;
    Event::parse(&word).ok_or(rusqlite::Error::InvalidColumnType(column, word, text))
}

/// `rows` is not empty.
fn parcel(
    sql: &Connection,
    receiver: &str,
    rows: Vec<Pending>,
    interrupted: bool,
) -> rusqlite::Result<Parcel> {
    let first = rows.first().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let (event, digest, created, id) = (first.event, first.digest, first.created, first.id);
    let mark = take_in::mark(sql, receiver, &first.fingerprint)?;
    let identity: String = sql.query_row("SELECT id FROM identity", [], |row| row.get(0))?;
    let attempts = rows.iter().map(|row| row.attempts).max().unwrap_or(0);
    let ids = rows.iter().map(|row| row.id).collect();
    let mut notices: Vec<Notice> = rows.into_iter().flat_map(|row| row.notices).collect();
    if event == Event::State {
        notices = state(sql, created, notices)?;
    }
    Ok(Parcel {
        ids,
        event,
        digest,
        notices,
        interrupted,
        attempts,
        created,
        key: format!("{identity}-{id}"),
        mark,
    })
}

/// Everything that is open, and what is resolved.
fn state(sql: &Connection, at: i64, resolved: Vec<Notice>) -> rusqlite::Result<Vec<Notice>> {
    let silences = Silences::at(sql, at)?;
    let open = entry::open_findings(sql)?.into_iter();
    let mut notices: Vec<Notice> = open
        .map(|known| known.notice)
        .filter(|notice| silences.find(notice).is_none())
        .collect();
    notices.truncate(MAX_STATE);
    let again = |one: &Notice| notices.iter().any(|it| it.fingerprint == one.fingerprint);
    let resolved: Vec<Notice> = resolved.into_iter().filter(|one| !again(one)).collect();
    notices.extend(resolved);
    Ok(notices)
}

impl Ledger {
    /// The next thing to send to a receiver, which is noted as being sent before this returns. What was cut off comes
    /// first. Of one finding nothing overtakes what happened before.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub fn claim(&mut self, _: &Courier, receiver: &str, now: i64) -> Result<Option<Parcel>> {
        self.write("take a message out", |sql| {
            let cut_off = rows(
                sql,
                "receiver = ?1 AND state = 'sending' AND id >= ?2 ORDER BY id",
                receiver,
                0,
            )?;
            let interrupted = !cut_off.is_empty();
            let rows = match cut_off.first() {
                Some(row) if row.digest => cut_off.into_iter().filter(|it| it.digest).collect(),
                Some(row) => vec![row.clone()],
                None => due(sql, receiver, now)?,
            };
            if rows.is_empty() {
                return Ok(None);
            }
            let parcel = parcel(sql, receiver, rows, interrupted)?;
            for id in &parcel.ids {
                sql.execute(
                    "UPDATE deliveries SET state = 'sending', attempts = attempts + 1 WHERE id = ?1",
                    [id],
                )?;
            }
            Ok(Some(parcel))
        })
    }

    /// How sending a parcel ended.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn settle(
        &mut self,
        receiver: &str,
        parcel: &Parcel,
        how: &Settled,
        now: i64,
    ) -> Result<()> {
        let too_old = now.saturating_sub(parcel.created) > MAX_AGE_SECONDS;
        let (state, remark, due) = match how {
            Settled::Sent { .. } => (DeliveryState::Sent, String::new(), 0),
            Settled::Unsure { why } => (DeliveryState::Unsure, why.clone(), 0),
            Settled::Failed { why } => (DeliveryState::Failed, why.clone(), 0),
            Settled::Dropped { why } => (DeliveryState::Dropped, why.clone(), 0),
            Settled::Later { why, .. } if too_old => {
                let days = MAX_AGE_SECONDS / 86_400;
                let why = format!("given up after {days} days: {why}");
                (DeliveryState::Failed, why, 0)
            }
            Settled::Later { why, after_seconds } => {
                let wait = back_off(parcel.attempts, *after_seconds);
                (
                    DeliveryState::Waiting,
                    why.clone(),
                    now.saturating_add(wait),
                )
            }
        };
        let remark: String = remark.chars().take(MAX_REMARK_CHARS).collect();
        let settled = (state != DeliveryState::Waiting).then_some(now);
        self.write("note what became of a message", |sql| {
            for id in &parcel.ids {
                sql.execute(
                    "UPDATE deliveries SET state = ?2, remark = ?3, due = ?4, settled = ?5 WHERE id = ?1",
                    params![id, state.as_str(), remark, due, settled],
                )?;
            }
            if let (Settled::Sent { mark: Some(mark) }, Some(notice)) = (how, parcel.notices.first()) {
                sql.execute(
                    "INSERT OR REPLACE INTO marks VALUES (?1, ?2, ?3)",
                    params![receiver, notice.fingerprint, mark],
                )?;
            }
            Ok(())
        })
    }

    /// Takes out what waits for receivers that are not configured any more.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn drop_others(&mut self, _: &Courier, receivers: &[Receiver], now: i64) -> Result<()> {
        self.write("take out messages to nobody", |sql| {
            let mut query = sql.prepare_cached(
                "SELECT DISTINCT receiver FROM deliveries WHERE state IN ('waiting', 'sending')",
            )?;
            let names = query.query_map([], |row| row.get::<_, String>(0))?;
            for name in names.collect::<rusqlite::Result<Vec<_>>>()? {
                if receivers.iter().any(|receiver| receiver.name == name) {
                    continue;
                }
                sql.execute(
                    "UPDATE deliveries SET state = 'dropped', settled = ?2, remark = 'the receiver is not configured any more' \
                     WHERE receiver = ?1 AND state IN ('waiting', 'sending')",
                    params![name, now],
                )?;
            }
            Ok(())
        })
    }

    /// What was and is to be told of a finding, newest first, at most a thousand. An empty fingerprint is the state of all.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn deliveries(&self, fingerprint: &str) -> Result<Vec<Delivery>> {
        self.read("list messages", |sql| {
            let mut query = sql.prepare_cached(&format!(
                "SELECT id, receiver, event, created, state, attempts, settled, remark FROM deliveries \
                 WHERE fingerprint = ?1 ORDER BY id DESC LIMIT {MAX_LISTED}"
            ))?;
            let rows = query.query_map([fingerprint], delivery)?;
            rows.collect()
        })
    }

    /// Messages that were given up, are unsure or wait for another attempt, newest first, at most a thousand.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn troubled(&self) -> Result<Vec<Delivery>> {
        self.read("list messages", |sql| {
            let mut query = sql.prepare_cached(&format!(
                "SELECT id, receiver, event, created, state, attempts, settled, remark FROM deliveries \
                 WHERE state IN ('failed', 'unsure') OR (state = 'waiting' AND attempts > 0) \
                 ORDER BY id DESC LIMIT {MAX_LISTED}"
            ))?;
            let rows = query.query_map([], delivery)?;
            rows.collect()
        })
    }
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let word: String = row.get(4)?;
    let mut states = DeliveryState::ALL.into_iter();
    let text = rusqlite::types::Type::Text;
    let state = states
        .find(|state| state.as_str() == word)
        .ok_or(rusqlite::Error::InvalidColumnType(4, word, text))?;
    Ok(Delivery {
        id: row.get(0)?,
        receiver: row.get(1)?,
        event: event(row, 2)?,
        created: row.get(3)?,
        state,
        attempts: row.get(5)?,
        settled: row.get(6)?,
        remark: row.get(7)?,
    })
}

/// The next row whose time has come, or all rows of a digest whose time has come.
fn due(sql: &Connection, receiver: &str, now: i64) -> rusqlite::Result<Vec<Pending>> {
    let single = rows(
        sql,
        "receiver = ?1 AND state = 'waiting' AND digest = 0 AND due <= ?2 AND NOT EXISTS (SELECT 1 FROM deliveries AS \
         other WHERE other.receiver = one.receiver AND other.fingerprint = one.fingerprint AND other.id < one.id AND \
         other.state IN ('waiting', 'sending')) ORDER BY id LIMIT 1",
        receiver,
        now,
    )?;
    if !single.is_empty() {
        return Ok(single);
    }
    let mut digest = rows(
        sql,
        "receiver = ?1 AND state = 'waiting' AND digest = 1 AND due <= ?2 ORDER BY id",
        receiver,
        now,
    )?;
    digest.truncate(MAX_DIGEST);
    Ok(digest)
}

pub(super) fn back_off(attempts: u32, asked: Option<u64>) -> i64 {
    let doubled = RETRY_SECONDS
        .checked_shl(attempts.min(20))
        .unwrap_or(MAX_RETRY_SECONDS);
    let asked = asked.and_then(|seconds| i64::try_from(seconds).ok());
    doubled.max(asked.unwrap_or(0)).min(MAX_RETRY_SECONDS)
}
