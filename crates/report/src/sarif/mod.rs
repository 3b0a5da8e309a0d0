//! SARIF 2.1.0, for code scanning: one result a finding.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use gorphan_model::code::CODES;
use gorphan_model::{Finding, Group, Problem, Verdict, symbol};

use crate::clean::clean;
use crate::json::ascii_escapes;
use crate::place::{is_drive, located, slashes};
use crate::{Document, Error, Format, Style, TOOL, words};

mod cause;
mod wire;

/// Results written: GitHub shows the first 5000 of a run, in order, and findings come worst first.
const MAX_RESULTS: usize = 5000;
/// Problems written as notifications; the JSON report has all.
const MAX_NOTIFICATIONS: usize = 100;

/// Writes one log with one run.
pub(crate) fn render(
    document: &Document<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let log = match document {
        Document::Inspect(report) => {
            let groups = report.groups.iter().collect();
            log(report.findings, groups, &report.problems, style)
        }
        Document::Diff(report) => {
            let groups = report.changes.iter().map(|change| &change.group).collect();
            log(report.findings, groups, &report.problems, style)
        }
        Document::Load(report) => {
            let groups = report.trend.sites.iter().map(|site| &site.group).collect();
            log(&report.trend.findings, groups, &report.problems, style)
        }
        Document::Fleet(report) => {
            let groups = report.groups.iter().collect();
            log(report.findings, groups, &report.problems, style)
        }
        Document::Lint(report) => log(report.findings, Vec::new(), &report.problems, style),
        Document::GcTrace(_) | Document::Why(_) => return Err(document.unsupported(Format::Sarif)),
    };
    let text = serde_json::to_string_pretty(&log).map_err(std::io::Error::from)?;
    writeln!(out, "{}", ascii_escapes(&text))?;
    Ok(())
}

fn log<'a>(
    findings: &'a [Finding],
    groups: Vec<&Group>,
    problems: &[Problem],
    style: &Style<'_>,
) -> wire::Log<'a> {
    let shown = findings.get(..MAX_RESULTS).unwrap_or(findings);
    let mut codes: Vec<&'static str> = shown.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let mut seen = HashMap::new();
    let results = shown.iter().map(|finding| {
        let group = words::group_of(finding, groups.iter().copied());
        outcome(finding, group, &codes, &mut seen, style)
    });
    wire::Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [wire::Run {
            results: results.collect(),
            tool: wire::Tool {
                driver: wire::Driver {
                    name: TOOL,
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules: codes.iter().map(|code| rule(code)).collect(),
                },
            },
            invocations: [wire::Invocation {
                execution_successful: true,
                tool_execution_notifications: notifications(findings.len(), problems),
            }],
        }],
    }
}

fn rule(id: &'static str) -> wire::Rule {
    let code = CODES.iter().find(|code| code.id == id);
    wire::Rule {
        id,
        short_description: wire::Text {
            text: code.map_or(id, |code| code.title).to_owned(),
        },
        help: code.map(|code| wire::Help {
            text: code.text,
            markdown: code.text,
        }),
    }
}

fn notifications(findings: usize, problems: &[Problem]) -> Vec<wire::Notification> {
    let left_out = findings.saturating_sub(MAX_RESULTS);
    let cut = (left_out > 0)
        .then(|| format!("{left_out} findings are left out: a run shows at most {MAX_RESULTS}"));
    let problems = problems.iter().take(MAX_NOTIFICATIONS);
    let problems = problems.map(|problem| clean(&words::problem(problem)).into_owned());
    cut.into_iter()
        .chain(problems)
        .filter(|text| !text.is_empty())
        .map(|text| wire::Notification {
            level: "warning",
            message: wire::Text { text },
        })
        .collect()
}

fn outcome<'a>(
    finding: &'a Finding,
    group: Option<&Group>,
    codes: &[&str],
    seen: &mut HashMap<String, u32>,
    style: &Style<'_>,
) -> wire::Outcome<'a> {
    let place = &finding.place;
    let mut text = clean(&finding.message).into_owned();
    if !finding.help.is_empty() {
        text.push_str("\n\nHelp: ");
        text.push_str(&clean(&finding.help));
    }
    let cause = finding.cause.as_deref();
    let mut at = location(
        &place.function,
        &place.file,
        place.line,
        place.column,
        style,
    );
    if let (Some(physical), Some((line, column))) =
        (&mut at.physical_location, cause.and_then(|cause| cause.end))
        && let Some(region) = &mut physical.region
    {
        region.end_line = Some(line);
        region.end_column = Some(column);
    }
    let created = group.and_then(|group| group.created_by.as_ref());
    let created = created.filter(|frame| !frame.file.is_empty());
    let created = created.map(|frame| wire::Location {
        message: Some(wire::Text {
            text: "created here".to_owned(),
        }),
        ..location(&frame.function, &frame.file, frame.line, None, style)
    });
    wire::Outcome {
        rule_id: finding.code,
        rule_index: codes.binary_search(&finding.code).unwrap_or_default(),
        level: match finding.verdict {
            Verdict::Leak => "error",
            Verdict::Growing => "warning",
            Verdict::Suspect => "note",
            Verdict::Normal => "none",
        },
        message: wire::Text { text },
        locations: [at],
        related_locations: cause.map_or_else(
            || created.into_iter().collect(),
            |cause| cause::related(cause, style),
        ),
        code_flows: cause
            .map(|cause| cause::flows(cause, style))
            .unwrap_or_default(),
        fixes: cause
            .and_then(|cause| cause.fix.as_ref())
            .map(|fix| cause::fix(fix, style))
            .into_iter()
            .collect(),
        partial_fingerprints: fingerprints(finding, seen),
        properties: wire::Properties {
            verdict: finding.verdict.as_str(),
            operation: finding.operation.as_str(),
            goroutines: cause.is_none().then_some(finding.count),
            retained_bytes: finding.retained_bytes,
            pattern: finding.pattern.map(gorphan_model::Pattern::name),
            evidence: finding
                .evidence
                .iter()
                .map(|evidence| clean(&words::evidence(evidence)).into_owned())
                .collect(),
        },
    }
}

fn location(
    function: &str,
    file: &str,
    line: u32,
    column: Option<u32>,
    style: &Style<'_>,
) -> wire::Location {
    let physical_location = (!file.is_empty()).then(|| wire::PhysicalLocation {
        artifact_location: wire::ArtifactLocation {
            uri: uri(file, located(file, style)),
        },
        region: (line > 0).then_some(wire::Region {
            start_line: line,
            start_column: column.filter(|column| *column > 0),
            end_line: None,
            end_column: None,
        }),
    });
    wire::Location {
        physical_location,
        logical_locations: [wire::LogicalLocation {
            fully_qualified_name: clean(function).into_owned(),
            kind: "function",
        }],
        message: None,
    }
}

/// A relative URI for a relative path (found under the root, or named by `-trimpath`), else a `file:` URI.
fn uri(file: &str, located: Option<String>) -> String {
    let file = located.unwrap_or_else(|| file.to_owned());
    let file = slashes(&file);
    if is_drive(&file) {
        let (drive, rest) = file.split_at(2);
        format!("file:///{drive}{}", percent(rest))
    } else if file.starts_with("//") {
        format!("file:{}", percent(&file))
    } else if file.starts_with('/') {
        format!("file://{}", percent(&file))
    } else {
        percent(&file)
    }
}

/// Percent-encodes all but unreserved characters and slashes (RFC 3986).
fn percent(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// What stays the same when lines move: what the source analysis says does, or else the operation and the canonical function, with a number where a function blocks
/// in one operation at several lines. GitHub goes by `primaryLocationLineHash`.
fn fingerprints(
    finding: &Finding,
    seen: &mut HashMap<String, u32>,
) -> BTreeMap<&'static str, String> {
    let function = symbol::canonical(&finding.place.function);
    let hash = match &finding.cause {
        Some(cause) => cause.fingerprint.clone(),
        None => fnv1a(&format!("{}\0{function}", finding.operation)),
    };
    let nth = seen.entry(hash.clone()).or_default();
    *nth = nth.saturating_add(1);
    let value = format!("{hash}:{nth}");
    BTreeMap::from([
        ("gorphanSite/v1", value.clone()),
        ("primaryLocationLineHash", value),
    ])
}

/// FNV-1a, 64 bits, in hexadecimal: stored by others, so it must never change, as a standard hasher may.
fn fnv1a(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testing::{check, sample_lint, sample_proof, sample_quiet, sample_report};

    fn sarif(document: &Document<'_>) -> Value {
        let style = Style {
            root: Some("/src/shop"),
            ..Style::default()
        };
        let text = check(document, Format::Sarif, &style);
        let value: Value = serde_json::from_str(&text).expect("JSON");
        // From the crate serde-sarif 0.8 (MIT), which has it from OASIS.
        let schema = include_str!("../../tests/data/sarif-2.1.0.json");
        let mut schema: Value = serde_json::from_str(schema).expect("the schema");
        // The schema's pattern for a language, which we do not write, has a stray bracket.
        for object in ["run", "toolComponent"] {
            schema["definitions"][object]["properties"]["language"]["pattern"] = ".*".into();
        }
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .expect("a valid schema");
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        value
    }

    #[test]
    fn reports_follow_the_official_schema() {
        let sample = sample_report();
        let mut value = sarif(&sample.inspect());
        // The rules' texts are the code table's own business.
        for rule in value["runs"][0]["tool"]["driver"]["rules"]
            .as_array_mut()
            .unwrap()
        {
            assert_ne!(rule["help"]["text"], "");
            rule["help"] = Value::Null;
        }
        insta::assert_json_snapshot!("inspect", value);
        assert_eq!(
            sarif(&sample.diff())["runs"][0]["results"][0]["level"],
            "error"
        );
        let proof = sarif(&sample_proof().inspect());
        insta::assert_json_snapshot!("proof", proof["runs"][0]["results"]);
        let lint = sarif(&sample_lint().document());
        insta::assert_json_snapshot!("lint", lint["runs"][0]["results"]);
        let quiet = sarif(&sample_quiet().inspect());
        assert_eq!(quiet["runs"][0]["results"], Value::Array(Vec::new()));
    }

    #[test]
    fn past_the_limit_results_are_left_out_and_it_is_said() {
        let mut sample = sample_report();
        let one = sample.findings[0].clone();
        sample.findings = vec![one; MAX_RESULTS + 3];
        let text = check(&sample.inspect(), Format::Sarif, &Style::default());
        let value: Value = serde_json::from_str(&text).expect("JSON");
        let run = &value["runs"][0];
        assert_eq!(run["results"].as_array().unwrap().len(), MAX_RESULTS);
        let said = &run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
        assert!(
            said.as_str()
                .unwrap()
                .starts_with("3 findings are left out"),
            "{said}"
        );
        let hashes: std::collections::HashSet<&str> = run["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| {
                result["partialFingerprints"]["gorphanSite/v1"]
                    .as_str()
                    .unwrap()
            })
            .collect();
        assert_eq!(hashes.len(), MAX_RESULTS);
    }

    #[test]
    fn file_names_become_uris() {
        for (file, root, expected) in [
            ("/src/a b/ü%.go", Some("/src"), "a%20b/%C3%BC%25.go"),
            ("/src/a:b.go", Some("/src"), "a%3Ab.go"),
            ("/src/a.go", Some("/other"), "file:///src/a.go"),
            (r"C:\src\a b.go", None, "file:///C:/src/a%20b.go"),
            (r"\\host\share\a.go", None, "file://host/share/a.go"),
            (
                "example.com/shop@v1/a.go",
                None,
                "example.com/shop%40v1/a.go",
            ),
        ] {
            let style = Style {
                root,
                ..Style::default()
            };
            assert_eq!(uri(file, located(file, &style)), expected);
        }
    }

    #[test]
    fn a_fingerprint_does_not_change_with_the_line() {
        let sample = sample_report();
        let mut moved = sample.findings[0].clone();
        moved.place.line += 7;
        let print = |finding| fingerprints(finding, &mut HashMap::new());
        assert_eq!(print(&sample.findings[0]), print(&moved));
        assert_ne!(print(&sample.findings[0]), print(&sample.findings[2]));
        assert_eq!(fnv1a("a"), "af63dc4c8601ec8c");
    }
}
