//! `gorphan test`: `go test`, and what the tests leave behind. The two hidden commands are what `go test` starts for each
//! test binary, and what becomes the test binary.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use gorphan_gate::test::{self, ExecOptions, Judged, Options};
use gorphan_model::Problem;
use gorphan_report::{Document, Format, Report, TargetInfo};

use super::Outcome;
use crate::args::{BecomeTest, ExecTest, Test};
use crate::error::{Failure, Result};
use crate::output;
use crate::settings::{Settings, write_baseline};

/// What a shell reports for a program that a signal ended, less the signal.
const KILLED: i32 = 128;

/// Runs the tests. The status is that of `go test` if it failed, else it tells of findings.
pub(crate) fn run(args: &Test) -> Result<ExitCode> {
    let settings = Settings::load(&args.judge, args.report.source_root.as_deref())?;
    let outcome = test::run(&options(args)?).map_err(|error| {
        let advice =
            "install Go (https://go.dev/dl) so that `go` is on the path, or name it with --go";
        match error {
            test::Error::Go { .. } => Failure::new(error.to_string()).advise(advice),
            _ => Failure::new(error.to_string()),
        }
    })?;
    let judged = test::judge(&outcome, &settings.policy);
    write_baseline(&args.judge, &judged.groups)?;
    let checked = match &outcome.self_check {
        Some(Err(_)) if outcome.interrupted.is_some() => {
            "interrupted before a planted leak was seen"
        }
        Some(Err(why)) => {
            return Err(Failure::new(format!(
                "the leak that was planted to check this run was not seen, so its silence means nothing: {why}"
            ))
            .advise("report this with the output of `go version`, or run with --no-self-check"));
        }
        Some(Ok(())) => "a planted leak was seen",
        None => "no leak was planted to check it",
    };
    write(args, &settings, &judged)?;
    eprintln!("gorphan: {}; {checked}", summary(&judged));
    let found = Outcome::of(&judged.findings, args.report.fail_on);
    Ok(end_as(match (ending(outcome.status), found) {
        (test::Ending::Exited(0), Outcome::Findings) => test::Ending::Exited(1),
        (ending, _) => ending,
    }))
}

fn ending(status: ExitStatus) -> test::Ending {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return test::Ending::Killed(signal);
    }
    test::Ending::Exited(status.code().unwrap_or(1))
}

/// Ends by the signal that ended another program, or gives its status.
fn end_as(ending: test::Ending) -> ExitCode {
    let status = match ending {
        test::Ending::Exited(status) => status,
        test::Ending::Killed(signal) => {
            test::end_by(signal);
            KILLED + signal
        }
    };
    ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX))
}

fn options(args: &Test) -> Result<Options> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::new(format!(
            "cannot find this program's own executable: {error}"
        ))
    })?;
    let mut wrapper_options: Vec<OsString> =
        vec![format!("--grace-millis={}", args.grace.as_millis()).into()];
    if args.run_on_failure {
        wrapper_options.push("--run-on-failure".into());
    }
    if let Some(config) = &args.judge.config {
        let config = config.canonicalize().unwrap_or_else(|_| config.clone());
        let mut word = OsString::from("--config=");
        word.push(config);
        wrapper_options.push(word);
    }
    wrapper_options.push("--".into());
    let format = Format::from(args.report.format);
    Ok(Options {
        go: args.go.clone(),
        wrapper: vec![program.clone().into(), "exec-test".into()],
        wrapper_options,
        packages: args.packages.clone(),
        rest: args.go_flags.clone(),
        unwatched: unwatched(args, &program),
        grace: args.grace,
        on_failure: args.run_on_failure,
        self_check: !args.no_self_check,
        // It has a suite for each package.
        name_all: format == Format::Junit,
        // A report for programs must be all there is on standard output.
        output_to_stderr: args.report.output.is_none() && format != Format::Terminal,
    })
}

/// Why test binaries are not watched; `None` if they can be.
fn unwatched(args: &Test, program: &Path) -> Option<String> {
    if args.no_ptrace {
        return Some("--no-ptrace".to_owned());
    }
    let mut launcher = Command::new(program);
    test::can_watch(launcher.args(["become-test", "-"])).err()
}

fn write(args: &Test, settings: &Settings, judged: &Judged) -> Result<()> {
    let mut problems: Vec<Problem> = judged.problems.clone();
    problems.extend(settings.problems.iter().cloned());
    let quiet = judged.findings.is_empty() && problems.is_empty();
    let format = Format::from(args.report.format);
    if quiet && format == Format::Terminal && args.report.output.is_none() {
        return Ok(());
    }
    let packages = args.packages.iter().map(|it| it.to_string_lossy());
    let document = Document::Inspect(Report {
        target: TargetInfo {
            kind: "tests",
            name: packages.collect::<Vec<_>>().join(" "),
            go_version: judged.snapshot.go_version.clone(),
            taken_at_unix_nanos: None,
            pause_seconds: None,
            method: None,
            bytes_read: None,
        },
        snapshot: &judged.snapshot,
        groups: &judged.groups,
        groups_total: judged.groups.len(),
        findings: &judged.findings,
        problems,
        tests: &judged.packages,
    });
    output::write(&document, &args.report, settings.source.as_ref())
}

/// One line for standard error, so that a green run says what it has seen.
fn summary(judged: &Judged) -> String {
    let left: u64 = judged.findings.iter().map(|finding| finding.count).sum();
    let mut text = match left {
        0 => "no goroutine left behind".to_owned(),
        1 => "1 goroutine left behind".to_owned(),
        left => format!("{left} goroutines left behind"),
    };
    let binaries = plural(judged.checked, "test binary", "test binaries");
    text.push_str(&match judged.tests {
        // Without watching them they are not counted.
        0 => format!(" in {binaries}"),
        tests => format!(" by {} in {binaries}", plural(tests, "test", "tests")),
    });
    if judged.failed > 0 {
        let failed = plural(judged.failed, "test binary", "test binaries");
        text.push_str(&format!(
            "; {failed} failed and not looked at (--run-on-failure)"
        ));
    }
    text
}

fn plural(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Runs one test binary under watch and ends as it ended.
pub(crate) fn exec(args: &ExecTest) -> Result<ExitCode> {
    let failed = |error: std::io::Error| {
        let binary = args.command.first().cloned().unwrap_or_default();
        Failure::new(format!("cannot run {}: {error}", binary.display()))
    };
    let program = std::env::current_exe().map_err(failed)?;
    let options = ExecOptions {
        records: args.records.clone(),
        grace: std::time::Duration::from_millis(args.grace_millis),
        on_failure: args.run_on_failure,
        ignore: Settings::ignored(args.config.as_deref())?,
    };
    let mut launcher = Command::new(program);
    let ending =
        test::exec(launcher.arg("become-test"), &args.command, &options).map_err(failed)?;
    Ok(end_as(ending))
}

/// Waits to be watched, and then becomes a test binary.
pub(crate) fn become_test(args: &BecomeTest) -> Result<ExitCode> {
    let error = test::become_test(&args.command);
    let binary = args.command.first().cloned().unwrap_or_default();
    Err(Failure::new(format!(
        "cannot run {}: {error}",
        binary.display()
    )))
}
