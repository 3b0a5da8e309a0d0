//! Silences: nobody is told of what they fit, until they end.

use rusqlite::{Connection, params};

use super::{Notice, entry};

/// What a silence fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One finding.
    Fingerprint(String),
    /// Every finding of a service.
    Service(String),
    /// Every finding at a function, in whatever service; `*` stands for any text.
    Function(String),
}

impl Scope {
    /// The word for what kind it is: `fingerprint`, `service` or `function`.
    pub fn kind(&self) -> &'static str {
        self.parts().0
    }

    /// What it fits.
    pub fn value(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Fingerprint(value) => ("fingerprint", value),
            Self::Service(value) => ("service", value),
            Self::Function(value) => ("function", value),
        }
    }

    /// The opposite of [`Scope::kind`] and [`Scope::value`].
    pub fn parse(kind: &str, value: String) -> Option<Self> {
        match kind {
            "fingerprint" => Some(Self::Fingerprint(value)),
            "service" => Some(Self::Service(value)),
            "function" => Some(Self::Function(value)),
            _ => None,
        }
    }

    fn fits(&self, notice: &Notice) -> bool {
        match self {
            Self::Fingerprint(value) => *value == notice.fingerprint,
            Self::Service(value) => *value == notice.service,
            Self::Function(pattern) => crate::owners::wildcard(pattern, &notice.function),
        }
    }
}

/// A silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Its number.
    pub id: i64,
    /// What it fits.
    pub scope: Scope,
    /// From when on, seconds of Unix time.
    pub at: i64,
    /// Until when, seconds of Unix time.
    pub until: i64,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
}

/// The silences that hold at one time.
pub(super) struct Silences(Vec<Silence>);

impl Silences {
    pub(super) fn at(sql: &Connection, now: i64) -> rusqlite::Result<Self> {
        let mut query = sql.prepare_cached(
            "SELECT id, kind, value, at, until, reason, who FROM silences WHERE until > ?1 ORDER BY until DESC, id",
        )?;
        let rows = query.query_map(params![now], |row| {
            let kind: String = row.get(1)?;
            let scope = Scope::parse(&kind, row.get(2)?);
            let scope = scope.ok_or_else(|| {
                let text = rusqlite::types::Type::Text;
                rusqlite::Error::InvalidColumnType(1, kind, text)
            })?;
            Ok(Silence {
                id: row.get(0)?,
                scope,
                at: row.get(3)?,
                until: row.get(4)?,
                reason: row.get(5)?,
                by: row.get(6)?,
            })
        })?;
        Ok(Self(rows.collect::<rusqlite::Result<_>>()?))
    }

    /// The one that lasts longest of those that fit.
    pub(super) fn find(&self, notice: &Notice) -> Option<&Silence> {
        self.0.iter().find(|silence| silence.scope.fits(notice))
    }

    pub(super) fn all(self) -> Vec<Silence> {
        self.0
    }

    /// The fingerprints of open findings that a scope fits.
    pub(super) fn fitting(sql: &Connection, scope: &Scope) -> rusqlite::Result<Vec<String>> {
        let open = entry::open_findings(sql)?.into_iter();
        Ok(open
            .filter(|known| scope.fits(&known.notice))
            .map(|known| known.notice.fingerprint)
            .collect())
    }
}
