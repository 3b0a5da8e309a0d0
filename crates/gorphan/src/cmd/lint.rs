//! `gorphan lint`: Go source to findings.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs;
use std::process::ExitCode;
use std::sync::Mutex;

use gorphan_lint::load::Wishes;
use gorphan_model::{Finding, Problem, symbol};
use gorphan_report::{Document, Format, LintReport, TargetInfo};

use super::Outcome;
use crate::args::lint::{Lint, Lsp, SourceArgs};
use crate::config::{self, Config};
use crate::error::{Failure, Result};
use crate::lint::baseline::Baseline;
use crate::lint::disk::Disk;
use crate::lint::{Linted, Options, fix, lint, lsp, watch};
use crate::output::{self, Sink};

/// Bytes of a source file that is shown.
const MAX_SHOWN_BYTES: u64 = 64 << 20;

/// Runs the command.
pub(crate) fn run(args: &Lint) -> Result<ExitCode> {
    let job = Job::new(args)?;
    if args.watch {
        return watch::run(&job.options, |linted| job.report(linted).map(drop));
    }
    let mut linted = lint(&job.options, &Disk::default())?;
    job.judge(&mut linted)?;
    if args.diff || args.fix {
        let changes = fix::plan(&linted.findings)?;
        for refused in &changes.refused {
            anstream::eprintln!("{refused}");
        }
        if args.diff {
            return job.diff(&changes, &linted);
        }
        for change in &changes.files {
            change.write()?;
        }
        if !changes.files.is_empty() {
            anstream::eprintln!(
                "changed {} files for {} findings",
                changes.files.len(),
                changes.mended
            );
            linted = lint(&job.options, &Disk::default())?;
            job.judge(&mut linted)?;
        }
    }
    job.write_baseline(&linted)?;
    job.write(&linted)?;
    Ok(job.status(&linted))
}

/// Runs `gorphan lsp`. Tests are read with the rest: an editor shows them, too.
pub(crate) fn serve(args: &Lsp) -> Result<ExitCode> {
    lsp::run(options(&args.source, Vec::new(), true))?;
    Ok(ExitCode::SUCCESS)
}

fn options(source: &SourceArgs, patterns: Vec<String>, tests: bool) -> Options {
    Options {
        patterns,
        tests,
        wishes: Wishes {
            goos: source.goos.clone(),
            goarch: source.goarch.clone(),
            tags: source.tags.clone(),
            cgo: None,
        },
        no_cache: source.no_cache,
        threads: source.jobs.map(usize::from),
    }
}

/// A run as it was asked for.
struct Job<'j> {
    args: &'j Lint,
    options: Options,
    config: Config,
    baseline: Option<Baseline>,
}

impl<'j> Job<'j> {
    fn new(args: &'j Lint) -> Result<Self> {
        let working = std::env::current_dir()
            .map_err(|error| Failure::new(format!("cannot tell the working directory: {error}")))?;
        let source = &args.source;
        Ok(Self {
            args,
            options: options(source, args.packages.clone(), source.tests),
            config: Config::load(args.judge.config.as_deref(), &working)?,
            baseline: args
                .judge
                .baseline
                .as_deref()
                .map(Baseline::read)
                .transpose()?,
        })
    }

    /// Takes out what is not to be told, and puts the worst first.
    fn judge(&self, linted: &mut Linted) -> Result<()> {
        let judge = &self.args.judge;
        let today = Some(config::date(jiff::Zoned::now().date()));
        let own = if judge.own.is_empty() {
            &self.config.own_code
        } else {
            &judge.own
        };
        if !own.is_empty() {
            linted.findings.retain(|finding| {
                own.iter()
                    .any(|module| symbol::belongs_to(&finding.place.function, module))
            });
        }
        let rules: Vec<_> = self
            .config
            .ignore
            .iter()
            .filter(|rule| rule.applies(today, judge.strict))
            .collect();
        linted.problems.extend(
            self.config
                .ignore
                .iter()
                .filter_map(|rule| rule.problem(today, judge.strict))
                .map(Problem::new),
        );
        let before = linted.findings.len();
        linted
            .findings
            .retain(|finding| !rules.iter().any(|rule| rule.matches_source(finding)));
        let mut suppressed = u64::try_from(before - linted.findings.len()).unwrap_or(u64::MAX);
        if let Some(baseline) = &self.baseline {
            suppressed = suppressed.saturating_add(baseline.apply(&mut linted.findings));
        }
        linted.suppressed = linted.suppressed.saturating_add(suppressed);
        if judge.strict {
            linted.problems.append(&mut linted.unused);
        }
        linted
            .findings
            .sort_by_key(|finding| Reverse(finding.verdict));
        Ok(())
    }

    /// Judges and writes.
    fn report(&self, mut linted: Linted) -> Result<ExitCode> {
        self.judge(&mut linted)?;
        self.write(&linted)?;
        Ok(self.status(&linted))
    }

    fn write_baseline(&self, linted: &Linted) -> Result<()> {
        match &self.args.judge.write_baseline {
            Some(path) => Baseline::of(&linted.findings).write(path),
            None => Ok(()),
        }
    }

    fn write(&self, linted: &Linted) -> Result<()> {
        let patterns = &self.args.packages;
        let name = if patterns.is_empty() {
            ".".to_owned()
        } else {
            patterns.join(" ")
        };
        let document = Document::Lint(LintReport {
            target: TargetInfo {
                kind: "source",
                name,
                go_version: linted.go_version.clone(),
                taken_at_unix_nanos: None,
                pause_seconds: None,
                method: None,
                bytes_read: None,
            },
            ledger: &linted.ledger,
            findings: &linted.findings,
            suppressed: linted.suppressed,
            problems: linted.problems.clone(),
        });
        let report = &self.args.report;
        let format = Format::from(report.format);
        // What stands in no line of these formats is told beside them.
        if matches!(format, Format::Plain | Format::Github) {
            for problem in &linted.problems {
                anstream::eprintln!("warning: {}", problem.message);
            }
        }
        let sink = Sink {
            format,
            output: report.output.as_deref(),
            colour: report.colour,
            stacks: false,
        };
        let texts = Mutex::new(HashMap::new());
        let lookup = |file: &str| shown(file, &linted.findings, &texts);
        output::write_to(&document, sink, &lookup, &|_| None)
    }

    fn diff(&self, changes: &fix::Changes, linted: &Linted) -> Result<ExitCode> {
        let working = std::env::current_dir().ok();
        for change in &changes.files {
            output::print(&change.diff(working.as_deref()))?;
        }
        Ok(self.status(linted))
    }

    /// 2 where files were not read, for then "nothing found" is not known.
    fn status(&self, linted: &Linted) -> ExitCode {
        if linted.ledger.files_unparsed > 0 {
            return ExitCode::from(crate::FAILED);
        }
        match Outcome::of(&linted.findings, self.args.report.fail_on) {
            Outcome::Clean => ExitCode::SUCCESS,
            Outcome::Findings => ExitCode::from(crate::FINDINGS),
        }
    }
}

/// The text of a file that a finding names; no other is read.
fn shown(
    file: &str,
    findings: &[Finding],
    texts: &Mutex<HashMap<String, Option<String>>>,
) -> Option<String> {
    let mut texts = texts
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(text) = texts.get(file) {
        return text.clone();
    }
    let is_named = findings.iter().any(|finding| {
        let related = finding.cause.iter().flat_map(|cause| &cause.related);
        *finding.place.file == *file
            || related
                .into_iter()
                .any(|related| *related.place.file == *file)
    });
    let is_small = fs::metadata(file)
        .is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_SHOWN_BYTES);
    let text = if is_named && is_small {
        fs::read_to_string(file).ok()
    } else {
        None
    };
    texts.insert(file.to_owned(), text.clone());
    text
}
