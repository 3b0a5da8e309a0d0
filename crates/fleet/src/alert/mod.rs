//! Telling: who gets which message, in what form, and how it is brought there once.
//!
//! A receiver is configured; the ledger's outbox holds what it is to get; [`deliver`] brings it. Each kind has a file that
//! turns a parcel into requests. How sure each kind is that nothing arrives twice stands in `docs/alerts.md`.

mod alertmanager;
mod deliver;
mod github;
mod pagerduty;
mod slack;
mod webhook;
mod words;

use std::time::Duration;

use gorphan_model::Verdict;
use url::Url;

use crate::config::{Credential, HttpConfig};
use crate::ledger::{Event, Notice};
use crate::owners::wildcard;

pub use deliver::{Delivered, deliver, rehearsed};

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// A time of the day, UTC, at which a digest is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    /// From midnight, below 1440.
    minutes: u16,
}

impl TimeOfDay {
    /// Reads `09:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let two_digits = |text: &str| text.len() == 2 && text.bytes().all(|it| it.is_ascii_digit());
        if !two_digits(hours) || !two_digits(minutes) {
            return None;
        }
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 24 && minutes < 60).then_some(Self {
            minutes: hours * 60 + minutes,
        })
    }

    /// The first second after `at` at which it is this time.
    pub fn next(self, at: i64) -> i64 {
        let midnight = at.saturating_sub(at.rem_euclid(DAY_SECONDS));
        let today = midnight.saturating_add(i64::from(self.minutes) * 60);
        if today > at {
            today
        } else {
            today.saturating_add(DAY_SECONDS)
        }
    }
}

/// Somebody to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    /// Tells it from the others, in the outbox too.
    pub name: String,
    /// Owners whose findings it gets; empty for all. `*` stands for any text.
    pub owners: Vec<String>,
    /// Services whose findings it gets; empty for all. `*` stands for any text.
    pub services: Vec<String>,
    /// The least sure findings that it gets.
    pub verdict: Verdict,
    /// It gets one message a day.
    pub digest: Option<TimeOfDay>,
    /// How it is reached.
    pub http: HttpConfig,
    /// For one request.
    pub timeout: Duration,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of receivers.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// An Alertmanager, API version 2.
    Alertmanager {
        /// The addresses of `/api/v2/alerts`; each gets everything, as instances of one cluster do.
        urls: Vec<Url>,
        /// Seconds that an alert lasts unless it is told again.
        lasts_seconds: i64,
    },
    /// Any program that takes JSON.
    Webhook {
        /// The address.
        url: Credential,
        /// What the body is signed with.
        secret: Option<Credential>,
    },
    /// An incoming webhook of Slack.
    Slack {
        /// The address.
        url: Credential,
    },
    /// PagerDuty's events, version 2.
    PagerDuty {
        /// The address.
        url: Url,
        /// The integration's key.
        key: Credential,
    },
    /// Issues of a repository.
    Github {
        /// The address of the API.
        api: Url,
        /// `owner/name`.
        repository: String,
        /// What it is let in with.
        token: Credential,
        /// Labels of new issues, besides `gorphan`.
        labels: Vec<String>,
    },
}

impl Kind {
    /// The word in names.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Alertmanager { .. } => "alertmanager",
            Self::Webhook { .. } => "webhook",
            Self::Slack { .. } => "slack",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Github { .. } => "github",
        }
    }
}

impl Receiver {
    /// Whether the finding is one of those that it gets.
    pub fn fits(&self, notice: &Notice) -> bool {
        let among = |patterns: &[String], text: &str| {
            patterns.is_empty() || patterns.iter().any(|it| wildcard(it, text))
        };
        notice.verdict() >= self.verdict
            && among(&self.owners, notice.owner.as_deref().unwrap_or_default())
            && among(&self.services, &notice.service)
    }

    /// Whether it gets a message about what happened.
    pub fn wants(&self, notice: &Notice) -> bool {
        let of_kind = match (&self.kind, notice.event) {
            (Kind::Alertmanager { .. }, _) | (_, Event::State) => false,
            (Kind::Slack { .. } | Kind::Github { .. }, Event::Acknowledged) => false,
            (_, Event::Acknowledged) => self.digest.is_none(),
            _ => true,
        };
        of_kind && self.fits(notice)
    }

    /// Whether it is told the state of everything after each sweep instead of what happened.
    pub fn holds_states(&self) -> bool {
        matches!(self.kind, Kind::Alertmanager { .. })
    }
}

/// What is configured about telling.
#[derive(Debug, Clone, PartialEq)]
pub struct Alerting {
    /// In the order of the configuration.
    pub receivers: Vec<Receiver>,
    /// Clean sweeps in a row after which a finding is resolved.
    pub clean_sweeps: u32,
    /// Where people find the pages of `gorphan watch`, for links in messages.
    pub external_url: Option<Url>,
}

impl Default for Alerting {
    fn default() -> Self {
        Self {
            receivers: Vec::new(),
            clean_sweeps: crate::ledger::Telling::CLEAN_SWEEPS,
            external_url: None,
        }
    }
}

impl Alerting {
    /// For the ledger.
    pub fn telling(&self) -> crate::ledger::Telling<'_> {
        crate::ledger::Telling {
            receivers: &self.receivers,
            clean_sweeps: self.clean_sweeps,
        }
    }
}

/// The page of a finding, where there are pages.
fn link(external: Option<&Url>, notice: &Notice) -> Option<String> {
    let mut url = external?.clone();
    url.path_segments_mut()
        .ok()?
        .pop_if_empty()
        .extend(["findings", &notice.fingerprint]);
    Some(url.to_string())
}

#[cfg(test)]
mod tests;
