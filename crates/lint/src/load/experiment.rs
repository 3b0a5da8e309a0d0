//! Which experiments of a Go release are on: they choose between files, even of encoding/json.
//!
//! A release says so in src/internal/buildcfg/exp.go (`ParseGOEXPERIMENT`): a literal `goexperiment.Flags{Name: value}` whose
//! values are constants, or variables that a `switch goarch` or a comparison with `goos` sets. That much is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::files::Files;

/// Bytes of the file that are read; it has eight thousand.
const MAX_EXPERIMENT_BYTES: usize = 1 << 20;

/// The tags, as `goexperiment.jsonv2`, of the release in `goroot`, with what GOEXPERIMENT asks for.
pub(super) fn tags(
    files: &dyn Files,
    goroot: Option<&Path>,
    goarch: &str,
    goos: &str,
    wanted: &str,
) -> BTreeSet<String> {
    let file = goroot.map(|root| root.join("src/internal/buildcfg/exp.go"));
    let bytes = file.and_then(|file| files.read(&file, MAX_EXPERIMENT_BYTES).ok());
    let text = bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default();
    let mut on = baseline(&text, goarch, goos);
    for word in wanted.split(',').filter(|word| !word.is_empty()) {
        match (word, word.strip_prefix("no")) {
            ("none", _) => on.clear(),
            ("regabi", _) => on.extend(["regabiwrappers".to_owned(), "regabiargs".to_owned()]),
            (_, Some(off)) if on.contains(off) => {
                on.remove(off);
            }
            (_, Some(_)) => {}
            (word, None) => {
                on.insert(word.to_owned());
            }
        }
    }
    on.iter()
        .map(|name| format!("goexperiment.{name}"))
        .collect()
}

fn baseline(text: &str, goarch: &str, goos: &str) -> BTreeSet<String> {
    let mut variables: BTreeMap<&str, bool> = BTreeMap::new();
    let mut on = BTreeSet::new();
    // Whether the innermost `case` names the architecture.
    let mut in_case = false;
    let mut in_literal = false;
    for line in text.lines().map(str::trim) {
        if let Some(list) = line
            .strip_prefix("case ")
            .and_then(|list| list.strip_suffix(':'))
        {
            in_case = list
                .split(',')
                .any(|one| one.trim().trim_matches('"') == goarch);
        } else if line.contains("goexperiment.Flags{") && line.ends_with('{') {
            in_literal = true;
        } else if in_literal && line.starts_with('}') {
            break;
        } else if in_literal {
            let Some((name, value)) = line.trim_end_matches(',').split_once(':') else {
                continue;
            };
            let value = value.trim();
            if value == "true" || variables.get(value).copied().unwrap_or(false) {
                on.insert(name.trim().to_ascii_lowercase());
            }
        } else if let Some((name, "true")) = line.split_once(" = ") {
            let known = variables.entry(name.trim()).or_default();
            *known |= in_case;
        } else if let Some((name, condition)) = line.split_once(" := ")
            && condition.contains("goos != ")
        {
            let excluded = condition.contains(&format!("goos != \"{goos}\""));
            variables.insert(name.trim(), !excluded);
        }
    }
    on
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str = "
	var regabiSupported, regabiAlwaysOn bool
	switch goarch {
	case \"amd64\", \"arm64\":
		regabiAlwaysOn = true
		regabiSupported = true
	case \"s390x\":
		regabiSupported = true
	}
	dwarf5Supported := (goos != \"darwin\" && goos != \"aix\")

	baseline := goexperiment.Flags{
		RegabiArgs: regabiSupported,
		Dwarf5:     dwarf5Supported,
		JSONv2:     true,
		Other:      unheardOf,
	}
	later = true
";

    #[test]
    fn the_experiments_of_a_system_are_on() {
        let on = |goarch, goos| {
            baseline(RELEASE, goarch, goos)
                .into_iter()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(on("amd64", "linux"), "dwarf5 jsonv2 regabiargs");
        assert_eq!(on("s390x", "linux"), "dwarf5 jsonv2 regabiargs");
        assert_eq!(on("386", "darwin"), "jsonv2");
        assert_eq!(baseline("", "amd64", "linux").len(), 0);
    }
}
