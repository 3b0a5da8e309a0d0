//! What people do: acknowledge, silence, and take it back.

use rusqlite::{Connection, params};

use super::entry::known;
use super::silences::{Scope, Silence, Silences};
use super::take_in::tell;
use super::{Entry, Event, Ledger, LedgerError, Result, Telling};

/// Characters of a name or a reason.
const MAX_TEXT_CHARS: usize = 500;
/// Seconds that a silence lasts at most: what is quiet for longer belongs into the configuration, with its reason.
const MAX_SILENCE_SECONDS: i64 = 366 * 86_400;
/// Silences that hold at the same time.
const MAX_SILENCES: usize = 10_000;

/// Who does something, and when.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The name.
    pub name: &'a str,
    /// Seconds of Unix time.
    pub at: i64,
}

impl Ledger {
    /// Somebody looks after a finding: nobody is told of its growth any more, only that it is gone.
    /// `fingerprint` may be the start of one.
    ///
    /// # Errors
    /// When there is no such open finding, or it cannot be stored.
    pub fn acknowledge(
        &mut self,
        fingerprint: &str,
        who: Who<'_>,
        note: &str,
        telling: Telling<'_>,
    ) -> Result<Entry> {
        let (name, note) = (checked("a name", who.name)?, note_of(note)?);
        let fingerprint = self.still_open(fingerprint)?;
        self.write("acknowledge a finding", |sql| {
            sql.execute(
                "UPDATE findings SET acknowledged = ?2, acknowledged_by = ?3, acknowledged_note = ?4 \
                 WHERE fingerprint = ?1",
                params![fingerprint, who.at, name, note],
            )?;
            did(sql, &fingerprint, who.at, "acknowledged", &name, &note)?;
            if let Some(mut known) = known(sql, &fingerprint)?.filter(|known| known.told.is_some()) {
                known.notice.event = Event::Acknowledged;
                known.notice.at = who.at;
                known.notice.remark = match note.as_str() {
                    "" => format!("by {name}"),
                    note => format!("by {name}: {note}"),
                };
                tell(sql, &known.notice, telling)?;
            }
            Ok(())
        })?;
        self.finding(&fingerprint, who.at)
    }

    /// Nobody looks after it after all.
    ///
    /// # Errors
    /// When there is no such open finding, or it cannot be stored.
    pub fn unacknowledge(&mut self, fingerprint: &str, who: Who<'_>) -> Result<Entry> {
        let name = checked("a name", who.name)?;
        let fingerprint = self.still_open(fingerprint)?;
        self.write("take back an acknowledgement", |sql| {
            sql.execute(
                "UPDATE findings SET acknowledged = NULL, acknowledged_by = NULL, acknowledged_note = NULL \
                 WHERE fingerprint = ?1",
                [&fingerprint],
            )?;
            did(sql, &fingerprint, who.at, "unacknowledged", &name, "")
        })?;
        self.finding(&fingerprint, who.at)
    }

    /// Nobody is told of what `scope` fits until the second `until` of Unix time. Gives the number of the silence.
    /// The fingerprint in a scope may be the start of one.
    ///
    /// # Errors
    /// When the time is over already or more than a year away, a reason is missing, or it cannot be stored.
    pub fn silence(&mut self, scope: Scope, until: i64, reason: &str, who: Who<'_>) -> Result<i64> {
        let (name, reason) = (checked("a name", who.name)?, checked("a reason", reason)?);
        let scope = match scope {
            Scope::Fingerprint(given) => Scope::Fingerprint(self.fingerprint(&given)?),
            Scope::Service(value) => Scope::Service(checked("a service", &value)?),
            Scope::Function(value) => Scope::Function(checked("a function", &value)?),
        };
        let lasts = until.saturating_sub(who.at);
        if lasts <= 0 || lasts > MAX_SILENCE_SECONDS {
            let why =
                "a silence must end after now and within a year: for longer, write an ignore rule";
            return Err(LedgerError::Invalid(why.to_owned()));
        }
        if self.silences(who.at)?.len() >= MAX_SILENCES {
            let why = format!("there are {MAX_SILENCES} silences already: end some");
            return Err(LedgerError::Invalid(why));
        }
        self.write("silence", |sql| {
            sql.execute(
                "INSERT INTO silences (kind, value, at, until, reason, who) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![scope.kind(), scope.value(), who.at, until, reason, name],
            )?;
            let id = sql.last_insert_rowid();
            for fingerprint in Silences::fitting(sql, &scope)? {
                did(sql, &fingerprint, who.at, "silenced", &name, &reason)?;
            }
            Ok(id)
        })
    }

    /// Ends a silence now.
    ///
    /// # Errors
    /// When there is none with this number that still holds, or it cannot be stored.
    pub fn unsilence(&mut self, id: i64, who: Who<'_>) -> Result<Silence> {
        let name = checked("a name", who.name)?;
        let silence = self.silences(who.at)?.into_iter().find(|one| one.id == id);
        let silence = silence
            .ok_or_else(|| LedgerError::Invalid(format!("there is no silence {id} that holds")))?;
        self.write("end a silence", |sql| {
            // It was there, as the events tell; no sweep of whatever time is to be silent for it.
            sql.execute("DELETE FROM silences WHERE id = ?1", [id])?;
            for fingerprint in Silences::fitting(sql, &silence.scope)? {
                did(sql, &fingerprint, who.at, "unsilenced", &name, "")?;
            }
            Ok(())
        })?;
        Ok(silence)
    }

    /// The silences that hold, those that last longest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn silences(&self, now: i64) -> Result<Vec<Silence>> {
        self.read("list silences", |sql| Ok(Silences::at(sql, now)?.all()))
    }

    /// The whole fingerprint of a finding that is not resolved.
    fn still_open(&self, given: &str) -> Result<String> {
        let fingerprint = self.fingerprint(given)?;
        let known = self.read("read a finding", |sql| known(sql, &fingerprint))?;
        match known {
            Some(known) if known.resolved.is_none() => Ok(fingerprint),
            _ => Err(LedgerError::Invalid(format!(
                "the finding {fingerprint} is resolved: there is nothing to acknowledge"
            ))),
        }
    }
}

fn did(
    sql: &Connection,
    fingerprint: &str,
    at: i64,
    kind: &str,
    who: &str,
    text: &str,
) -> rusqlite::Result<()> {
    sql.execute(
        "INSERT INTO events (fingerprint, at, kind, who, text) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![fingerprint, at, kind, who, text],
    )?;
    Ok(())
}

fn checked(what: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(LedgerError::Invalid(format!("{what} is missing")));
    }
    note_of(text)
}

fn note_of(text: &str) -> Result<String> {
    let text = text.trim();
    if text.chars().count() > MAX_TEXT_CHARS {
        let why = format!("a text has more than {MAX_TEXT_CHARS} characters");
        return Err(LedgerError::Invalid(why));
    }
    Ok(text.replace(|c: char| c.is_control(), " "))
}
