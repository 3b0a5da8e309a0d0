//! `gorphan gctrace`: the trend of the heap.

use std::io;
use std::path::Path;

use gorphan_decode::gctrace;
use gorphan_model::Verdict;
use gorphan_model::gc::{Growth, trend};
use gorphan_report::{Document, GcTraceReport, TargetInfo};

use super::Outcome;
use crate::args::Gctrace;
use crate::capture::say_if_typed;
use crate::error::{Failure, Result};
use crate::output;

/// Runs the command.
pub(crate) fn run(args: &Gctrace) -> Result<Outcome> {
    let from_stdin = args.file == "-";
    let read = if from_stdin {
        say_if_typed("a log");
        gctrace::read(io::stdin().lock())
    } else {
        gctrace::read(gorphan_capture::open(Path::new(&args.file))?)
    };
    let name = if from_stdin {
        "standard input"
    } else {
        &args.file
    };
    let trace = read
        .map_err(|error| Failure::new(format!("cannot read collections from {name}: {error}")))?;
    let trend = trend(&trace);
    let document = Document::GcTrace(GcTraceReport {
        target: TargetInfo {
            kind: if from_stdin { "stdin" } else { "file" },
            name: args.file.clone(),
            go_version: None,
            taken_at_unix_nanos: None,
            pause_seconds: None,
            method: None,
            bytes_read: None,
        },
        trace: &trace,
        trend: &trend,
    });
    output::write(&document, &args.report, None)?;
    // A trend is no proof, so it never is more than growing.
    let verdict = match trend.growth {
        Growth::LeakLike => Verdict::Growing,
        Growth::Steady | Growth::TooShort => Verdict::Normal,
    };
    let fails = verdict > Verdict::Normal && args.report.fail_on.fails(verdict);
    Ok(if fails {
        Outcome::Findings
    } else {
        Outcome::Clean
    })
}
