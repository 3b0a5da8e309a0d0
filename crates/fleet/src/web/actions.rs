//! What people do about findings, from the pages and from the API: acknowledge, silence, and take it back.

use std::sync::{MutexGuard, PoisonError};

use serde::Deserialize;

use super::{App, People};
use crate::ledger::{Entry, Happening, Ledger, LedgerError, Scope, Who};

/// Seconds of a silence unless it is said.
const SILENCE_SECONDS: i64 = 7 * 86_400;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Acknowledge,
    Unacknowledge,
    Silence,
    Unsilence,
}

impl Action {
    /// All, with their words in addresses.
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("acknowledge", Self::Acknowledge),
        ("unacknowledge", Self::Unacknowledge),
        ("silence", Self::Silence),
        ("unsilence", Self::Unsilence),
    ];

    pub(crate) fn named(word: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == word);
        found.map(|(_, action)| action)
    }
}

/// What is said with it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    /// The secret of our own forms.
    #[serde(default)]
    pub(crate) form: String,
    /// Who does it.
    #[serde(default)]
    pub(crate) by: String,
    /// Why.
    #[serde(default)]
    pub(crate) reason: String,
    /// How long a silence lasts, in days.
    #[serde(default)]
    pub(crate) days: Option<u16>,
}

/// Why it was not done.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no such finding.
    Unknown,
    /// What was said makes no sense.
    Wrong(String),
    /// The ledger does not work, or there is none.
    Broken(String),
}

impl From<LedgerError> for Refused {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Unknown { .. } => Self::Unknown,
            LedgerError::Invalid(_) | LedgerError::Ambiguous { .. } => {
                Self::Wrong(error.to_string())
            }
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// Does it, and gives how the finding stands then.
pub(crate) fn perform(
    app: &App,
    action: Action,
    fingerprint: &str,
    said: &Said,
) -> Result<Entry, Refused> {
    let people = app.people.as_ref();
    let people = people.ok_or_else(|| Refused::Broken("there is no ledger".to_owned()))?;
    let who = Who {
        name: &said.by,
        at: (app.clock)(),
    };
    let mut ledger = open(people);
    // The whole fingerprint alone: addresses are copied, not typed.
    if ledger.finding(fingerprint, who.at)?.notice.fingerprint != fingerprint {
        return Err(Refused::Unknown);
    }
    match action {
        Action::Acknowledge => {
            ledger.acknowledge(fingerprint, who, &said.reason, people.alerting.telling())?;
        }
        Action::Unacknowledge => {
            ledger.unacknowledge(fingerprint, who)?;
        }
        Action::Silence => {
            let seconds = said
                .days
                .map_or(SILENCE_SECONDS, |days| i64::from(days) * 86_400);
            let scope = Scope::Fingerprint(fingerprint.to_owned());
            ledger.silence(scope, who.at.saturating_add(seconds), &said.reason, who)?;
        }
        Action::Unsilence => {
            let silence = ledger.finding(fingerprint, who.at)?.silence;
            let silence = silence
                .ok_or_else(|| Refused::Wrong("no silence holds for this finding".to_owned()))?;
            if !matches!(silence.scope, Scope::Fingerprint(_)) {
                let (kind, value) = (silence.scope.kind(), silence.scope.value());
                let why = format!(
                    "it is silenced with the whole {kind} {value}: gorphan silence --end {} ends that",
                    silence.id
                );
                return Err(Refused::Wrong(why));
            }
            ledger.unsilence(silence.id, who)?;
        }
    }
    let entry = ledger.finding(fingerprint, who.at)?;
    drop(ledger);
    app.restate(fingerprint, entry.status.as_str());
    Ok(entry)
}

/// A finding as the ledger knows it, with what happened to it; `None` where it is not known.
pub(crate) fn known(app: &App, fingerprint: &str) -> Option<(Entry, Vec<Happening>)> {
    let ledger = open(app.people.as_ref()?);
    let entry = ledger.finding(fingerprint, (app.clock)()).ok()?;
    let events = ledger.events(fingerprint).ok()?;
    Some((entry, events))
}

fn open(people: &People) -> MutexGuard<'_, Ledger> {
    people.ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
