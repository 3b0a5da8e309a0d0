//! JUnit XML, as CI systems read it: one suite a package, one case a test; what a test left behind fails it.
//!
//! There is no schema that all agree on; these are the elements and attributes that Jenkins, GitLab and GitHub's actions for
//! it use.

use std::collections::BTreeMap;
use std::io::Write;

use gorphan_model::Finding;

use crate::place::place;
use crate::{Document, Error, Format, Report, Style, TOOL, words};

/// The case of goroutines that no test started.
const NO_TEST: &str = "(outside of the tests)";

/// Writes the suites of a test run.
pub(crate) fn render(
    document: &Document<'_>,
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let Document::Inspect(report) = document else {
        return Err(document.unsupported(Format::Junit));
    };
    if report.target.kind != "tests" {
        return Err(document.unsupported(Format::Junit));
    }
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    let suites = suites(report);
    let tests: usize = suites.values().map(BTreeMap::len).sum();
    let failures = |cases: &BTreeMap<&str, Vec<&Finding>>| {
        cases
            .values()
            .filter(|findings| !findings.is_empty())
            .count()
    };
    let failed: usize = suites.values().map(failures).sum();
    writeln!(
        out,
        "<testsuites name=\"{TOOL}\" tests=\"{tests}\" failures=\"{failed}\">"
    )?;
    for (package, cases) in &suites {
        writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">",
            escape(package),
            cases.len(),
            failures(cases)
        )?;
        for (test, findings) in cases {
            case(package, test, findings, style, out)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")?;
    Ok(())
}

/// What each test left, by package; tests that left nothing are there as well.
fn suites<'a>(report: &'a Report<'_>) -> BTreeMap<&'a str, BTreeMap<&'a str, Vec<&'a Finding>>> {
    let mut suites: BTreeMap<&str, BTreeMap<&str, Vec<&Finding>>> = BTreeMap::new();
    for (package, tests) in report.tests {
        let suite = suites.entry(package).or_default();
        for test in tests {
            suite.entry(test).or_default();
        }
    }
    for finding in report.findings {
        let package = finding.package.as_deref().unwrap_or_default();
        let test = finding.test.as_deref().unwrap_or(NO_TEST);
        let suite = suites.entry(package).or_default();
        suite.entry(test).or_default().push(finding);
    }
    suites
}

fn case(
    package: &str,
    test: &str,
    findings: &[&Finding],
    style: &Style<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let (class, name) = (escape(package), escape(test));
    let Some(first) = findings.first() else {
        writeln!(out, "    <testcase classname=\"{class}\" name=\"{name}\"/>")?;
        return Ok(());
    };
    let count: u64 = findings.iter().map(|finding| finding.count).sum();
    writeln!(out, "    <testcase classname=\"{class}\" name=\"{name}\">")?;
    writeln!(
        out,
        "      <failure type=\"{}\" message=\"{} left behind\">",
        escape(first.code),
        words::count_of(count, "goroutine")
    )?;
    for finding in findings {
        let at = place(&finding.place.file, finding.place.line, style.root);
        writeln!(out, "{}: {}", escape(&at), escape(&finding.message))?;
        for evidence in &finding.evidence {
            writeln!(out, "  {}", escape(&words::evidence(evidence)))?;
        }
        if !finding.help.is_empty() {
            writeln!(out, "  {}", escape(&finding.help))?;
        }
    }
    writeln!(out, "      </failure>\n    </testcase>")?;
    Ok(())
}

/// Text for content and attributes. Characters that XML 1.0 has no way to write, and those that act on a terminal, become
/// question marks.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push(' '),
            '\u{fffe}' | '\u{ffff}' => safe.push('?'),
            c if crate::clean::acts(c) => safe.push('?'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, sample_report};

    #[test]
    fn tests_that_left_something_fail_and_others_pass() {
        let mut sample = sample_report();
        let tests = [
            "TestPay",
            "TestRefund",
            "TestSearch/<empty> & \"odd\"\u{1b}[1m",
        ];
        for (finding, test) in sample.findings.iter_mut().zip([Some(tests[0]), None]) {
            finding.package = Some("example.com/shop/pay".into());
            finding.test = test.map(Into::into);
        }
        sample.findings.truncate(2);
        let packages = vec![
            (
                "example.com/shop/pay".to_owned(),
                tests.map(String::from).to_vec(),
            ),
            (
                "example.com/shop/search".to_owned(),
                vec!["TestClean".to_owned()],
            ),
        ];
        let Document::Inspect(mut report) = sample.inspect() else {
            panic!("it is an inspection");
        };
        report.target.kind = "tests";
        report.tests = &packages;
        let style = Style::default();
        insta::assert_snapshot!(check(&Document::Inspect(report), Format::Junit, &style));
    }

    #[test]
    fn what_is_no_test_run_has_no_suites() {
        let sample = sample_report();
        for document in [sample.inspect(), sample.diff()] {
            let error = render(&document, &Style::default(), &mut Vec::new());
            assert!(error.is_err_and(|error| error.to_string().contains("no junit format")));
        }
    }
}
