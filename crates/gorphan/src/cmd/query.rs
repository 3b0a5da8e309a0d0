//! `gorphan query`: questions to the history, in SQL.

use std::io::Read;
use std::path::Path;

use gorphan_fleet::FleetConfig;
use gorphan_fleet::history::{Engine, FOLDER, Limits, Location, Reader, StoreError};

use super::{Outcome, table};
use crate::args::history::{PlaceArgs, Query};
use crate::config;
use crate::error::{Failure, Result};
use crate::output;

/// Bytes of a question from standard input.
const MAX_BYTES: u64 = 1 << 20;

/// Runs the command.
pub(crate) fn run(args: &Query) -> Result<Outcome> {
    let sql = if args.sql == "-" {
        let mut sql = String::new();
        let read = std::io::stdin()
            .lock()
            .take(MAX_BYTES)
            .read_to_string(&mut sql);
        read.map_err(|error| Failure::new(format!("cannot read the question: {error}")))?;
        sql
    } else {
        args.sql.clone()
    };
    let limits = Limits {
        rows: args.max_rows as usize,
        time: args.timeout,
        ..Limits::default()
    };
    let answer = open(&args.place)?.query(&sql, limits).map_err(failed)?;
    output::print(&table::render(&answer, args.format)?)?;
    Ok(Outcome::Clean)
}

/// Opens the history that is asked for.
pub(super) fn open(args: &PlaceArgs) -> Result<Reader> {
    let engine = match &args.engine {
        None => Engine::default(),
        Some(given) => Engine::parse(given)
            .map_err(|why| Failure::new(format!("cannot use --engine: {why}")))?,
    };
    let location = location(args)?;
    let reader = Reader::open(&location).map_err(|error| {
        let failure = Failure::new(error.to_string());
        match location {
            Location::Folder(_) => {
                failure.advise("gorphan sweep makes a history; --history names another place")
            }
            Location::Store(_) => failure,
        }
    })?;
    reader.with_engine(engine).map_err(failed)
}

fn location(args: &PlaceArgs) -> Result<Location> {
    let working = std::env::current_dir()
        .map_err(|error| Failure::new(format!("cannot tell the working directory: {error}")))?;
    if let Some(given) = &args.history {
        return Location::parse(given, &working)
            .map_err(|why| Failure::new(format!("cannot use --history: {why}")));
    }
    match config::text(args.config.as_deref(), &working)? {
        None => Ok(Location::Folder(working.join(FOLDER))),
        Some((path, text)) => {
            let folder = path.parent().unwrap_or(Path::new(""));
            let fleet = FleetConfig::parse(&text, &path.display().to_string(), folder);
            Ok(fleet
                .map_err(super::sweep::mistake)?
                .history
                .location(folder))
        }
    }
}

pub(super) fn failed(error: StoreError) -> Failure {
    let failure = Failure::new(error.to_string());
    match (error.advice(), error) {
        (Some(advice), _) => failure.advise(advice),
        (None, StoreError::Query(_)) => failure.advise(
            "gorphan query 'SHOW TABLES' lists the views; docs/history.md tells their columns",
        ),
        (None, _) => failure,
    }
}
