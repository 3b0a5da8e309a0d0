//! What a sweep knows from the ones before: which targets fail, which services were asked for debug=2, and what was shown.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, params};

use super::{Ledger, Result};
use crate::sweep::{Breaker, Dumps};

impl Ledger {
    /// How targets have failed lately, by job and instance.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn breakers(&self) -> Result<HashMap<(String, String), Breaker>> {
        self.read("read which targets fail", |sql| {
            let mut query = sql
                .prepare_cached("SELECT job, instance, failures, left_out, reason FROM breakers")?;
            let rows = query.query_map([], |row| {
                let breaker = Breaker::of(row.get(2)?, row.get(3)?, row.get(4)?);
                Ok(((row.get(0)?, row.get(1)?), breaker))
            })?;
            rows.collect()
        })
    }

    /// Keeps how targets fail, and when services were last asked for debug=2.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn keep(
        &mut self,
        breakers: &HashMap<(String, String), Breaker>,
        dumps: &Dumps,
    ) -> Result<()> {
        self.write("keep which targets fail", |sql| {
            sql.execute("DELETE FROM breakers", [])?;
            let mut insert =
                sql.prepare_cached("INSERT OR REPLACE INTO breakers VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for ((job, instance), breaker) in breakers {
                let (failures, left_out, reason) = breaker.parts();
                if failures > 0 {
                    insert.execute(params![job, instance, failures, left_out, reason])?;
                }
            }
            let mut insert = sql.prepare_cached("INSERT OR REPLACE INTO dumps VALUES (?1, ?2)")?;
            for (service, at) in dumps {
                insert.execute(params![service, at])?;
            }
            Ok(())
        })
    }

    /// When services were last asked for debug=2.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn dumps(&self) -> Result<Dumps> {
        self.read("read which services were looked at closer", |sql| {
            let mut query = sql.prepare_cached("SELECT service, at FROM dumps")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }

    /// Keeps what is shown, for when the program starts again.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn keep_board(&mut self, packed: &[u8]) -> Result<()> {
        self.write("keep what is shown", |sql| {
            let insert = "INSERT OR REPLACE INTO board VALUES (1, ?1)";
            sql.execute(insert, params![packed]).map(drop)
        })
    }

    /// What was last shown, as it was kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn board(&self) -> Result<Option<Vec<u8>>> {
        self.read("read what was shown", |sql| {
            let mut query = sql.prepare_cached("SELECT content FROM board")?;
            query.query_row([], |row| row.get(0)).optional()
        })
    }
}
