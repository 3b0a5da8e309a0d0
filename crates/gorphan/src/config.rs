//! `gorphan.yaml`: where it is found, and what may stand in it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use gorphan_model::verdict::{Date, IgnoreRule};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Error;

use crate::error::{Failure, Result};

/// The name that is looked for in the working directory and above.
const FILE_NAME: &str = "gorphan.yaml";
/// Bytes of a configuration; a fleet's list of targets has some tens of kilobytes.
const MAX_BYTES: u64 = 4 << 20;
/// YAML nodes and events, anchors resolved: far above any configuration, far below what would be felt.
const MAX_NODES: usize = 200_000;
/// Nesting; relabel rules go six deep.
const MAX_DEPTH: usize = 64;

/// A configuration with where it was found.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// Where snippets come from, relative to the file resolved against its directory.
    pub(crate) source_root: Option<PathBuf>,
    /// Modules whose code is flagged.
    pub(crate) own_code: Vec<String>,
    /// LeakProf's threshold.
    pub(crate) threshold: Option<u64>,
    /// What is not reported.
    pub(crate) ignore: Vec<IgnoreRule>,
}

/// The file. Sections of other parts of the program are known here and not looked into.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wire {
    source: Source,
    own_code: Vec<String>,
    detection: Detection,
    ignore: Vec<Ignore>,
    #[serde(rename = "global")]
    _global: IgnoredAny,
    #[serde(rename = "scrape_configs")]
    _scrape_configs: IgnoredAny,
    #[serde(rename = "history")]
    _history: IgnoredAny,
    #[serde(rename = "sweep")]
    _sweep: IgnoredAny,
    #[serde(rename = "alerting")]
    _alerting: IgnoredAny,
    #[serde(rename = "owners")]
    _owners: IgnoredAny,
    #[serde(rename = "web")]
    _web: IgnoredAny,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Source {
    root: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Detection {
    threshold: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ignore {
    #[serde(default)]
    function: Option<String>,
    #[serde(default)]
    any_function: Option<String>,
    #[serde(default)]
    created_by: Option<String>,
    #[serde(default)]
    site: Option<String>,
    #[serde(default)]
    package: Option<String>,
    #[serde(default)]
    test: Option<String>,
    /// Always demanded: a rule that nobody can explain is never taken out again.
    reason: String,
    #[serde(default)]
    expires: Option<jiff::civil::Date>,
}

impl Config {
    /// Reads `given`, or else `gorphan.yaml` from `directory` or the nearest directory above that has one. Without
    /// either it is empty.
    pub(crate) fn load(given: Option<&Path>, directory: &Path) -> Result<Self> {
        let found = given.map(Path::to_path_buf).or_else(|| find(directory));
        let Some(path) = found else {
            return Ok(Self::default());
        };
        let shown = path.display().to_string();
        let text = read(&path, &shown)?;
        let wire = parse(&text, &shown)?;
        let base = path.parent().unwrap_or(Path::new("")).to_path_buf();
        check(wire, &base, &shown)
    }
}

/// The file that [`Config::load`] reads, with its text.
#[cfg(feature = "fleet")]
pub(crate) fn text(given: Option<&Path>, directory: &Path) -> Result<Option<(PathBuf, String)>> {
    let Some(path) = given.map(Path::to_path_buf).or_else(|| find(directory)) else {
        return Ok(None);
    };
    let text = read(&path, &path.display().to_string())?;
    Ok(Some((path, text)))
}

fn find(directory: &Path) -> Option<PathBuf> {
    let mut candidates = directory.ancestors().map(|folder| folder.join(FILE_NAME));
    candidates.find(|path| path.is_file())
}

fn read(path: &Path, shown: &str) -> Result<String> {
    let failed = |why: String| {
        Failure::new(format!("cannot read the configuration {shown}: {why}"))
            .advise("give another file with -c, or none")
    };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(failed(format!("it has more than {MAX_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8 text".into()))
}

fn parse(text: &str, shown: &str) -> Result<Wire> {
    if text.trim().is_empty() {
        return Ok(Wire::default());
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_events: MAX_NODES,
            max_depth: MAX_DEPTH,
            max_documents: 1,
        },
        with_snippet: false,
    };
    let parsed: std::result::Result<Option<Wire>, Error> =
        serde_saphyr::from_str_with_options(text, options);
    parsed
        .map(Option::unwrap_or_default)
        .map_err(|error| explain(&error, shown))
}

/// A YAML error with place and, for a misspelt key, the nearest one.
fn explain(error: &Error, shown: &str) -> Failure {
    let error = error.without_snippet();
    let place = match error.location() {
        Some(at) if at.line() > 0 => format!("{shown}:{}:{}", at.line(), at.column()),
        _ => shown.to_owned(),
    };
    if let Error::SerdeUnknownField {
        field, expected, ..
    } = error
    {
        let message = format!("cannot use the configuration: {place}: unknown key {field:?}");
        let advice = match nearest(field, expected.iter().copied()) {
            Some(key) => format!("did you mean {key:?}?"),
            None => format!("known here: {}", expected.join(", ")),
        };
        return Failure::new(message).advise(advice);
    }
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    Failure::new(format!("cannot use the configuration: {place}: {text}"))
}

/// The candidate that is most like `word`, if any is like it at all.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    /// Jaro-Winkler similarity from which a misspelling is likelier than another word.
    const LIKE: f64 = 0.75;
    let word = word.to_lowercase();
    candidates
        .map(|candidate| {
            (
                strsim::jaro_winkler(&word, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= LIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn check(wire: Wire, base: &Path, shown: &str) -> Result<Config> {
    let invalid =
        |what: String| Failure::new(format!("cannot use the configuration: {shown}: {what}"));
    if wire.detection.threshold == Some(0) {
        return Err(invalid(
            "detection.threshold is 0; it counts goroutines, from 1".into(),
        ));
    }
    let mut ignore = Vec::new();
    for (index, rule) in wire.ignore.into_iter().enumerate() {
        let number = index.saturating_add(1);
        if rule.reason.trim().is_empty() {
            return Err(
                invalid(format!("the reason of ignore rule {number} is empty"))
                    .advise("say why these goroutines are meant to be there"),
            );
        }
        let patterns = [
            &rule.function,
            &rule.any_function,
            &rule.created_by,
            &rule.site,
            &rule.package,
            &rule.test,
        ];
        if patterns.iter().all(|pattern| pattern.is_none()) {
            return Err(invalid(format!("ignore rule {number} names nothing"))
                .advise("give it function, any_function, created_by, site, package or test"));
        }
        ignore.push(IgnoreRule {
            function: rule.function,
            any_function: rule.any_function,
            created_by: rule.created_by,
            site: rule.site,
            package: rule.package,
            test: rule.test,
            reason: Some(rule.reason),
            expires: rule.expires.map(date),
        });
    }
    Ok(Config {
        source_root: wire.source.root.map(|root| base.join(root)),
        own_code: wire.own_code,
        threshold: wire.detection.threshold,
        ignore,
    })
}

/// A calendar date as the model has it.
pub(crate) fn date(date: jiff::civil::Date) -> Date {
    Date {
        year: i32::from(date.year()),
        month: date.month().unsigned_abs(),
        day: date.day().unsigned_abs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_error(yaml: &str, message: &str, advice: Option<&str>) {
        let error = parse(yaml, "gorphan.yaml")
            .and_then(|wire| check(wire, Path::new("/etc"), "gorphan.yaml"))
            .expect_err(yaml);
        assert_eq!(error.message, message);
        assert_eq!(error.advice.as_deref(), advice);
    }

    #[test]
    fn the_documented_example_is_read() {
        let yaml = r#"
global: {scrape_interval: 10m, scrape_timeout: 10s}
scrape_configs: []
history: {path: ./history}
source: {root: .}
own_code: [example.com/shop]
detection: {threshold: 10000}
ignore: [{function: "example.com/shop/bus.(*Bus).read", reason: "readers are meant to wait", expires: 2027-06-30}]
alerting: {alertmanagers: [{static_configs: [{targets: ["127.0.0.1:9093"]}]}], webhooks: [{url: "http://..."}]}
web: {listen: "127.0.0.1:7475"}
"#;
        let wire = parse(yaml, "gorphan.yaml").unwrap();
        let config = check(wire, Path::new("/etc/shop"), "gorphan.yaml").unwrap();
        assert_eq!(
            config.source_root.as_deref(),
            Some(Path::new("/etc/shop/."))
        );
        assert_eq!(config.own_code, ["example.com/shop"]);
        assert_eq!(config.threshold, Some(10_000));
        let expires = Date {
            year: 2027,
            month: 6,
            day: 30,
        };
        assert_eq!(config.ignore[0].expires, Some(expires));
    }

    #[test]
    fn an_empty_file_is_an_empty_configuration() {
        for yaml in ["", "  \n", "# nothing yet\n", "---\n"] {
            assert!(
                parse(yaml, "gorphan.yaml").unwrap().own_code.is_empty(),
                "{yaml:?}"
            );
        }
    }

    #[test]
    fn a_misspelt_key_names_its_place_and_the_nearest() {
        check_error(
            "web: {}\ndetecton:\n  threshold: 3\n",
            "cannot use the configuration: gorphan.yaml:2:1: unknown key \"detecton\"",
            Some("did you mean \"detection\"?"),
        );
        check_error(
            "source: {root: .}\ndetection:\n  treshold: 3\n",
            "cannot use the configuration: gorphan.yaml:3:3: unknown key \"treshold\"",
            Some("did you mean \"threshold\"?"),
        );
        check_error(
            "detection: {zzz: 3}\n",
            "cannot use the configuration: gorphan.yaml:1:13: unknown key \"zzz\"",
            Some("known here: threshold"),
        );
    }

    #[test]
    fn an_ignore_rule_needs_a_reason_and_something_to_ignore() {
        check_error(
            "ignore:\n  - function: main.f\n    reason: ' '\n",
            "cannot use the configuration: gorphan.yaml: the reason of ignore rule 1 is empty",
            Some("say why these goroutines are meant to be there"),
        );
        check_error(
            "ignore: [{reason: because}]\n",
            "cannot use the configuration: gorphan.yaml: ignore rule 1 names nothing",
            Some("give it function, any_function, created_by, site, package or test"),
        );
        let missing = parse("ignore:\n  - function: main.f\n", "gorphan.yaml").unwrap_err();
        assert!(missing.message.contains("gorphan.yaml:2:"), "{missing}");
        assert!(missing.message.contains("reason"), "{missing}");
    }

    #[test]
    fn bombs_are_refused() {
        let mut yaml = String::from("web:\n  a: &a [x,x,x,x,x,x,x,x,x]\n");
        for (this, last) in ["b", "c", "d", "e", "f", "g", "h"]
            .iter()
            .zip(["a", "b", "c", "d", "e", "f", "g"])
        {
            let aliases = vec![format!("*{last}"); 9].join(",");
            yaml.push_str(&format!("  {this}: &{this} [{aliases}]\n"));
        }
        parse(&yaml, "gorphan.yaml").unwrap_err();
        let deep = format!("web: {}{}", "[".repeat(1000), "]".repeat(1000));
        parse(&deep, "gorphan.yaml").unwrap_err();
    }
}
