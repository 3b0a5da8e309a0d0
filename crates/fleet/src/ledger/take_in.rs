//! One sweep taken in: what is new, what grew, what is gone, and who is to be told.

use std::collections::{BTreeMap, BTreeSet};

use gorphan_model::fleet::{FleetFacts, Status};
use gorphan_model::{Finding, Frame};
use rusqlite::{Connection, OptionalExtension, params};

use super::entry::{Known, known, notice_text, open_findings};
use super::silences::Silences;
use super::{Event, Ledger, Notice, Result, Telling, outbox};
use crate::sweep::Swept;

/// Goroutines are told of again when they are this many times what they were when they were told.
const GROWN_TIMES: u64 = 2;
/// And at least so many more: from 1 to 2 is no news.
const GROWN_BY: u64 = 10;
/// Versions remembered as told of one finding; a service that is deployed hourly has some hundred in a week.
const MAX_VERSIONS: usize = 200;
/// Seconds after which a service that is not there any more has no leaks either.
const GONE_SECONDS: i64 = 7 * 86_400;
/// Seconds for which events and deliveries are kept: as long as the roll-ups of the history.
const KEPT_SECONDS: i64 = 400 * 86_400;

/// A finding of this sweep.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The finding.
    pub finding: &'a Finding,
    /// What it has besides.
    pub facts: &'a FleetFacts,
    /// A stack of it, innermost first.
    pub stack: &'a [Frame],
}

/// How much of a service a sweep reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// Instances that were reached.
    pub reached: u64,
    /// Instances that were not.
    pub missed: BTreeSet<String>,
}

/// How much of each service a sweep reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reached(pub BTreeMap<String, Reach>);

impl Reached {
    /// What a sweep reached.
    pub fn of(swept: &Swept) -> Self {
        let mut services: BTreeMap<String, Reach> = BTreeMap::new();
        for look in &swept.looks {
            let service = look.target.service().to_owned();
            services.entry(service).or_default().reached += 1;
        }
        for failure in &swept.failures {
            let service = failure.target.service().to_owned();
            let instance = failure.target.instance().to_owned();
            services.entry(service).or_default().missed.insert(instance);
        }
        Self(services)
    }

    /// Whether a finding that was not seen would have been: most instances were reached, and the worst is not among
    /// those that were missed. An instance that leaks is the likeliest not to answer.
    fn would_show(&self, finding: &Notice) -> bool {
        self.0.get(&finding.service).is_some_and(|reach| {
            reach.reached > 0
                && reach.reached >= reach.missed.len() as u64
                && !reach.missed.contains(&finding.worst)
        })
    }
}

/// What a sweep means for a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was never found before, or never told because it was silenced.
    New,
    /// It was resolved, and is there again.
    Reopened,
    /// It has doubled since it was told.
    Grown {
        /// Goroutines in the worst instance when it was told.
        from: u64,
    },
    /// It is in a version that it was not told of.
    NewVersion,
    /// It is gone.
    Resolved {
        /// Why that is known.
        why: String,
    },
    /// Nothing to tell.
    Ongoing,
}

/// A finding after a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Which.
    pub fingerprint: String,
    /// What the sweep means for it.
    pub change: Change,
    /// How it stands.
    pub status: Status,
    /// When it was first found, seconds of Unix time.
    pub first_seen: i64,
}

/// What a sweep would mean, and what each receiver, by name, would get.
pub type Rehearsal = (Vec<Changed>, Vec<(String, super::Parcel)>);

impl Ledger {
    /// Takes in a sweep: findings in rank order, and what the sweep reached. What is worth telling is in the outbox when
    /// this returns. A sweep that is not after the last one changes nothing.
    ///
    /// Gives one entry for each fingerprint seen, in their order, then those that are resolved by this sweep.
    ///
    /// # Errors
    /// When it cannot be stored; then it is as if it had not been.
    pub fn take_in(
        &mut self,
        at: i64,
        seen: &[Seen<'_>],
        reached: &Reached,
        telling: Telling<'_>,
    ) -> Result<Vec<Changed>> {
        self.write("take in a sweep", |sql| {
            take_in(sql, at, seen, reached, telling)
        })
    }

    /// What [`Ledger::take_in`] would do, and what each receiver would get by name: the ledger stays as it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn rehearse(
        &mut self,
        at: i64,
        seen: &[Seen<'_>],
        reached: &Reached,
        telling: Telling<'_>,
    ) -> Result<Rehearsal> {
        let path = self.path.clone();
        let attempt = |connection: &mut rusqlite::Connection| {
            // Rolled back when it is dropped.
            let sql = connection.transaction()?;
            let before = outbox::last_id(&sql)?;
            let changed = take_in(&sql, at, seen, reached, telling)?;
            let mut parcels = Vec::new();
            for receiver in telling.receivers {
                let name = &receiver.name;
                let put = outbox::since(&sql, name, before)?.into_iter();
                parcels.extend(put.map(|parcel| (name.clone(), parcel)));
            }
            Ok((changed, parcels))
        };
        attempt(&mut self.connection).map_err(|source| super::LedgerError::Sql {
            what: "try a sweep",
            path,
            source,
        })
    }
}

fn take_in(
    sql: &Connection,
    at: i64,
    seen: &[Seen<'_>],
    reached: &Reached,
    telling: Telling<'_>,
) -> rusqlite::Result<Vec<Changed>> {
    let stale = super::last_sweep(sql)?.is_some_and(|last| at <= last);
    let silences = Silences::at(sql, at)?;
    let mut changed: Vec<Changed> = Vec::new();
    let mut prints: BTreeSet<&str> = BTreeSet::new();
    for one in seen {
        let print = &one.facts.fingerprint;
        // Lines of one function are one finding: the worst comes first and speaks for them.
        if !prints.insert(print) {
            continue;
        }
        let before = known(sql, print)?;
        if stale {
            changed.push(unchanged(one, before.as_ref(), &silences));
            continue;
        }
        changed.push(see(sql, at, one, before, &silences, telling)?);
    }
    if stale {
        return Ok(changed);
    }
    let mut gone = Vec::new();
    for one in open_findings(sql)? {
        let is_seen = prints.contains(one.notice.fingerprint.as_str());
        if !is_seen && let Some(resolved) = miss(sql, at, one, reached, telling)? {
            gone.push(resolved);
        }
    }
    let resolved: Vec<Notice> = gone.iter().map(|(notice, _)| notice.clone()).collect();
    changed.extend(gone.into_iter().map(|(_, changed)| changed));
    for receiver in telling.receivers.iter().filter(|it| it.holds_states()) {
        outbox::put_state(sql, receiver, at, &resolved)?;
    }
    sql.execute("DELETE FROM sweeps", [])?;
    sql.execute("INSERT INTO sweeps VALUES (?1)", [at])?;
    forget(sql, at)?;
    Ok(changed)
}

/// How a finding stood before, for a sweep that does not count.
fn unchanged(one: &Seen<'_>, before: Option<&Known>, silences: &Silences) -> Changed {
    let status = match before {
        Some(known) if known.resolved.is_none() => known.status(silences, Status::Ongoing),
        _ => Status::New,
    };
    Changed {
        fingerprint: one.facts.fingerprint.clone(),
        change: Change::Ongoing,
        status,
        first_seen: before.map_or(one.facts.first_seen, |known| known.first_seen),
    }
}

/// A finding is there.
fn see(
    sql: &Connection,
    at: i64,
    one: &Seen<'_>,
    before: Option<Known>,
    silences: &Silences,
    telling: Telling<'_>,
) -> rusqlite::Result<Changed> {
    let mut notice = Notice::of(one.finding, one.facts, one.stack, at);
    let silenced = silences.find(&notice).is_some();
    let (change, mut now) = match before {
        None => (Change::New, Known::fresh(notice.clone(), at)),
        Some(known) if known.resolved.is_some() => (Change::Reopened, known.reopened(at)),
        Some(known) => (change(&known, &notice), known),
    };
    notice.first_seen = now.first_seen;
    let is_new = now.opened == at;
    now.notice = notice;
    now.last_seen = at;
    now.present = at;
    now.clean = 0;
    // What is silenced or looked after is remembered as not told, so that it is told when the silence ends.
    let quiet = silenced || now.acknowledged.is_some();
    let event = match &change {
        Change::New => Some(Event::New),
        Change::Reopened => Some(Event::Reopened),
        Change::Grown { .. } => Some(Event::Grown),
        Change::NewVersion => Some(Event::NewVersion),
        Change::Resolved { .. } | Change::Ongoing => None,
    };
    let mut changed = Change::Ongoing;
    if let Some(event) = event {
        let remark = remark(&change, &now);
        if is_new || !quiet {
            happened(sql, &now.notice.fingerprint, at, event, &remark)?;
        }
        if !quiet {
            now.notice.event = event;
            now.notice.remark = remark;
            now.tell(at);
            tell(sql, &now.notice, telling)?;
        }
        if is_new || !quiet {
            changed = change;
        }
    }
    let usual = if is_new { Status::New } else { Status::Ongoing };
    let status = now.status(silences, usual);
    store(sql, &now)?;
    Ok(Changed {
        fingerprint: now.notice.fingerprint,
        change: changed,
        status,
        first_seen: now.first_seen,
    })
}

/// What is worth telling of a finding that was open already.
fn change(known: &Known, notice: &Notice) -> Change {
    let Some(_) = known.told else {
        return Change::New;
    };
    let version = &notice.version;
    if !version.is_empty() && !known.told_versions.contains(version) {
        return Change::NewVersion;
    }
    let from = known.told_max;
    if notice.max >= from.saturating_mul(GROWN_TIMES) && notice.max - from >= GROWN_BY {
        return Change::Grown { from };
    }
    Change::Ongoing
}

fn remark(change: &Change, now: &Known) -> String {
    let max = now.notice.max;
    match change {
        Change::New | Change::Ongoing => String::new(),
        Change::Reopened => "it was resolved, and is there again".to_owned(),
        Change::Grown { from } => {
            format!("{max} goroutines in one instance, {from} when it was last told")
        }
        Change::NewVersion => format!("version {} has it as well", now.notice.version),
        Change::Resolved { why } => why.clone(),
    }
}

impl Known {
    fn tell(&mut self, at: i64) {
        self.told = Some(at);
        self.told_max = self.notice.max;
        let version = self.notice.version.clone();
        if !version.is_empty() && !self.told_versions.contains(&version) {
            self.told_versions.push(version);
            let over = self.told_versions.len().saturating_sub(MAX_VERSIONS);
            self.told_versions.drain(..over);
        }
    }
}

/// A finding is not there. Gives its last notice if that resolves it.
fn miss(
    sql: &Connection,
    at: i64,
    mut one: Known,
    reached: &Reached,
    telling: Telling<'_>,
) -> rusqlite::Result<Option<(Notice, Changed)>> {
    let is_there = reached.0.contains_key(&one.notice.service);
    if is_there {
        one.present = at;
    }
    let why = if reached.would_show(&one.notice) {
        one.clean = one.clean.saturating_add(1);
        (one.clean >= telling.clean_sweeps.max(1))
            .then(|| format!("{} sweeps in a row did not find it", one.clean))
    } else {
        let days = GONE_SECONDS / 86_400;
        (!is_there && at.saturating_sub(one.present) >= GONE_SECONDS)
            .then(|| format!("the service has not been there for {days} days"))
    };
    let Some(why) = why else {
        store(sql, &one)?;
        return Ok(None);
    };
    one.resolved = Some(at);
    one.notice.event = Event::Resolved;
    one.notice.at = at;
    one.notice.remark.clone_from(&why);
    happened(sql, &one.notice.fingerprint, at, Event::Resolved, &why)?;
    // Who was told that it is there is told that it is gone, silence or not.
    if one.told.is_some() {
        tell(sql, &one.notice, telling)?;
    }
    store(sql, &one)?;
    let changed = Changed {
        fingerprint: one.notice.fingerprint.clone(),
        change: Change::Resolved { why },
        status: Status::Resolved,
        first_seen: one.first_seen,
    };
    Ok(Some((one.notice, changed)))
}

pub(super) fn tell(
    sql: &Connection,
    notice: &Notice,
    telling: Telling<'_>,
) -> rusqlite::Result<()> {
    for receiver in telling.receivers.iter().filter(|it| it.wants(notice)) {
        outbox::put(sql, receiver, notice)?;
    }
    Ok(())
}

pub(super) fn happened(
    sql: &Connection,
    fingerprint: &str,
    at: i64,
    event: Event,
    text: &str,
) -> rusqlite::Result<()> {
    let mut insert = sql.prepare_cached(
        "INSERT INTO events (fingerprint, at, kind, text) VALUES (?1, ?2, ?3, ?4)",
    )?;
    insert.execute(params![fingerprint, at, event.as_str(), text])?;
    Ok(())
}

fn store(sql: &Connection, one: &Known) -> rusqlite::Result<()> {
    let versions = serde_json::to_string(&one.told_versions).unwrap_or_else(|_| "[]".to_owned());
    let told_max = i64::try_from(one.told_max).unwrap_or(i64::MAX);
    let mut insert = sql.prepare_cached(
        "INSERT OR REPLACE INTO findings (fingerprint, service, function, owner, verdict, notice, first_seen, opened, \
         last_seen, present, clean, resolved, acknowledged, acknowledged_by, acknowledged_note, told, told_max, \
         told_versions) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    )?;
    let acknowledged = one.acknowledged.as_ref();
    insert.execute(params![
        one.notice.fingerprint,
        one.notice.service,
        one.notice.function,
        one.notice.owner,
        one.notice.verdict() as i64,
        notice_text(&one.notice)?,
        one.first_seen,
        one.opened,
        one.last_seen,
        one.present,
        one.clean,
        one.resolved,
        acknowledged.map(|it| it.at),
        acknowledged.map(|it| &it.by),
        acknowledged.map(|it| &it.note),
        one.told,
        told_max,
        versions,
    ])?;
    Ok(())
}

/// Takes away what is older than anybody asks for.
fn forget(sql: &Connection, at: i64) -> rusqlite::Result<()> {
    let before = at.saturating_sub(KEPT_SECONDS);
    sql.execute("DELETE FROM events WHERE at < ?1", [before])?;
    sql.execute(
        "DELETE FROM deliveries WHERE created < ?1 AND state NOT IN ('waiting', 'sending')",
        [before],
    )?;
    sql.execute("DELETE FROM silences WHERE until < ?1", [before])?;
    sql.execute("DELETE FROM findings WHERE resolved < ?1", [before])?;
    Ok(())
}

/// The stored notice is the latest one; the row of a mark goes with its finding.
pub(super) fn mark(
    sql: &Connection,
    receiver: &str,
    fingerprint: &str,
) -> rusqlite::Result<Option<String>> {
    let mut query =
        sql.prepare_cached("SELECT mark FROM marks WHERE receiver = ?1 AND fingerprint = ?2")?;
    query
        .query_row([receiver, fingerprint], |row| row.get(0))
        .optional()
}
