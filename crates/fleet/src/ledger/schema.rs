//! The tables, their versions, and whether a file is what it should be.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{LedgerError, Result};

/// Tells a ledger from the databases of other programs: "gorp".
const APPLICATION: i32 = 0x676f_7270;
/// Time for another program to finish what it writes; that takes milliseconds.
const BUSY: Duration = Duration::from_secs(10);

/// What brings a ledger from each version to the next. Never changed once released, only added to.
const MIGRATIONS: [&str; 2] = [
    "
    CREATE TABLE sweeps (at INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE findings (
        fingerprint TEXT PRIMARY KEY,
        service TEXT NOT NULL,
        function TEXT NOT NULL,
        owner TEXT,
        verdict INTEGER NOT NULL,
        notice TEXT NOT NULL,
        first_seen INTEGER NOT NULL,
        opened INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        present INTEGER NOT NULL,
        clean INTEGER NOT NULL DEFAULT 0,
        resolved INTEGER,
        acknowledged INTEGER,
        acknowledged_by TEXT,
        acknowledged_note TEXT,
        told INTEGER,
        told_max INTEGER NOT NULL DEFAULT 0,
        told_versions TEXT NOT NULL DEFAULT '[]'
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX findings_open ON findings (service) WHERE resolved IS NULL;
    CREATE TABLE silences (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        at INTEGER NOT NULL,
        until INTEGER NOT NULL,
        reason TEXT NOT NULL,
        who TEXT NOT NULL
    ) STRICT;
    CREATE INDEX silences_until ON silences (until);
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        fingerprint TEXT NOT NULL,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        who TEXT,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_of ON events (fingerprint, id);
    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        receiver TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        event TEXT NOT NULL,
        digest INTEGER NOT NULL,
        created INTEGER NOT NULL,
        due INTEGER NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        settled INTEGER,
        remark TEXT NOT NULL DEFAULT '',
        notice TEXT NOT NULL
    ) STRICT;
    CREATE INDEX deliveries_pending ON deliveries (receiver, id) WHERE state IN ('waiting', 'sending');
    CREATE INDEX deliveries_of ON deliveries (fingerprint, id);
    CREATE TABLE marks (
        receiver TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        mark TEXT NOT NULL,
        PRIMARY KEY (receiver, fingerprint)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE identity (id TEXT NOT NULL) STRICT;
    INSERT INTO identity VALUES (lower(hex(randomblob(6))));
    CREATE TABLE breakers (
        job TEXT NOT NULL,
        instance TEXT NOT NULL,
        failures INTEGER NOT NULL,
        left_out INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (job, instance)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE dumps (service TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
",
    "CREATE TABLE board (id INTEGER PRIMARY KEY CHECK (id = 1), content BLOB NOT NULL) STRICT;",
];

/// Checks a file and brings it to the present version.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<()> {
    let sql = |source: rusqlite::Error| refusal(path, source);
    connection.busy_timeout(BUSY).map_err(sql)?;
    // Set before anything is read: a file from elsewhere must not run anything.
    connection
        .execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")
        .map_err(sql)?;
    let application: i32 = pragma(connection, "application_id").map_err(sql)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sql)?;
    if application != APPLICATION && (application != 0 || tables > 0) {
        return Err(refused(path, "it is a database of another program"));
    }
    let version = version(connection).map_err(sql)?;
    if version > MIGRATIONS.len() {
        let known = MIGRATIONS.len();
        let why = format!(
            "it has version {version}, and this program knows {known}: use a later gorphan"
        );
        return Err(refused(path, why));
    }
    let sound: String = pragma(connection, "quick_check(1)").map_err(sql)?;
    if sound != "ok" {
        let first = sound.lines().next().unwrap_or_default();
        return Err(refused(path, format!("it is damaged: {first}")));
    }
    // Every commit waits for the disk: what was sent must be known after a loss of power.
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
        )
        .map_err(sql)?;
    migrate(connection).map_err(sql)?;
    if shape(connection).map_err(sql)? != expected().map_err(sql)? {
        return Err(refused(path, "its tables are not those of a ledger"));
    }
    Ok(())
}

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> rusqlite::Result<T> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = pragma(connection, "user_version")?;
    // A negative one is no version of ours either.
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read anew: another program may have come first.
    let version = version(&transaction)?;
    for step in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(step)?;
    }
    if version < MIGRATIONS.len() {
        transaction.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {};",
            MIGRATIONS.len()
        ))?;
    }
    transaction.commit()
}

/// Everything that the schema defines, so that a trigger or a view that somebody put in is seen.
fn shape(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut query = connection.prepare(
        "SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*' ORDER BY name",
    )?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn expected() -> rusqlite::Result<Vec<(String, String)>> {
    let mut fresh = Connection::open_in_memory()?;
    migrate(&mut fresh)?;
    shape(&fresh)
}

fn refused(path: &Path, why: impl Into<String>) -> LedgerError {
    LedgerError::Refused {
        path: path.to_owned(),
        why: why.into(),
    }
}

/// What SQLite says of a file that is none of its own, in words.
pub(super) fn refusal(path: &Path, source: rusqlite::Error) -> LedgerError {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => refused(path, "it is no SQLite database"),
        Some(ErrorCode::DatabaseCorrupt) => refused(path, format!("it is damaged: {source}")),
        _ => LedgerError::Sql {
            what: "open what is",
            path: path.to_owned(),
            source,
        },
    }
}
