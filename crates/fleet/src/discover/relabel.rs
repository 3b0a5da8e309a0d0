//! What relabelling does to the labels of a target, as Prometheus does it.

use std::borrow::Cow;

use md5::{Digest, Md5};

use crate::config::{Action, Rule};
use crate::labels::LabelSet;

/// Applies the rules one after the other; `None` when one of them drops the target.
pub fn relabel(mut labels: LabelSet, rules: &[Rule]) -> Option<LabelSet> {
    for rule in rules {
        if !apply(&mut labels, rule) {
            return None;
        }
    }
    Some(labels)
}

/// Whether the target stays.
fn apply(labels: &mut LabelSet, rule: &Rule) -> bool {
    let values: Vec<&str> = rule
        .source_labels
        .iter()
        .map(|name| labels.get(name))
        .collect();
    let value = values.join(&rule.separator);
    match rule.action {
        Action::Drop => return !rule.regex.is_match(&value),
        Action::Keep => return rule.regex.is_match(&value),
        Action::DropEqual => return labels.get(&rule.target_label) != value,
        Action::KeepEqual => return labels.get(&rule.target_label) == value,
        Action::Replace => {
            if let Some(found) = rule.regex.captures(&value) {
                let (mut target, mut replaced) = (String::new(), String::new());
                found.expand(&rule.target_label, &mut target);
                found.expand(&rule.replacement, &mut replaced);
                if !target.is_empty() {
                    labels.set(target, replaced);
                }
            }
        }
        Action::Lowercase => labels.set(rule.target_label.clone(), value.to_lowercase()),
        Action::Uppercase => labels.set(rule.target_label.clone(), value.to_uppercase()),
        Action::HashMod => {
            let hash = hash_mod(&value, rule.modulus);
            labels.set(rule.target_label.clone(), hash.to_string());
        }
        Action::LabelMap => {
            let matching: Vec<(String, String)> = labels
                .iter()
                .filter(|(name, _)| rule.regex.is_match(name))
                .map(|(name, value)| {
                    let renamed: Cow<'_, str> = rule.regex.replace(name, &rule.replacement);
                    (renamed.into_owned(), value.to_owned())
                })
                .collect();
            for (name, value) in matching {
                labels.set(name, value);
            }
        }
        Action::LabelDrop => labels.retain(|name| !rule.regex.is_match(name)),
        Action::LabelKeep => labels.retain(|name| rule.regex.is_match(name)),
    }
    true
}

/// The last eight bytes of the MD5 sum, as a big-endian number, modulo `modulus`: targets go to the same shard as with
/// Prometheus. A modulus of 0, which no configuration can have, gives 0.
fn hash_mod(value: &str, modulus: u64) -> u64 {
    let sum = Md5::digest(value.as_bytes());
    let half = sum.iter().skip(8);
    let number = half.fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number.checked_rem(modulus).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FleetConfig;
    use std::path::Path;

    fn set(labels: &str) -> LabelSet {
        let pairs = labels.split(' ').filter(|pair| !pair.is_empty());
        pairs.filter_map(|pair| pair.split_once('=')).collect()
    }

    /// Labels before, rules as they stand in a file, labels after or "dropped".
    #[track_caller]
    fn check(before: &str, rules: &str, after: &str) {
        let yaml = format!("scrape_configs: [{{job_name: a, relabel_configs: [{rules}]}}]");
        let config = FleetConfig::parse(&yaml, "x", Path::new("")).expect(rules);
        let got = relabel(set(before), &config.jobs[0].relabel);
        let shown = got.map_or("dropped".to_owned(), |labels| {
            let pairs: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
            pairs.join(" ")
        });
        assert_eq!(shown, after, "{before} under {rules}");
    }

    #[test]
    fn replacing() {
        check(
            "a=foo b=bar",
            "{source_labels: [a], regex: 'f(.*)', target_label: d, replacement: 'ch${1}-ch${1}'}",
            "a=foo b=bar d=choo-choo",
        );
        check(
            "a=foo b=bar c=baz",
            "{source_labels: [a, b], regex: 'f(.*);(.*)r', target_label: a, replacement: 'b${1}${2}m'}, {source_labels: [c, a], regex: '(b).*b(.*)ba(.*)', target_label: d, replacement: '$1$2$2$3'}",
            "a=boobam b=bar c=baz d=boooom",
        );
        // No match, no replacement; and a match in the middle is none.
        check(
            "a=boo",
            "{source_labels: [a], regex: 'f', target_label: b, replacement: bar}",
            "a=boo",
        );
        check(
            "a=foo",
            "{source_labels: [a], regex: 'o', target_label: b, replacement: bar}",
            "a=foo",
        );
        // An empty result takes the label away.
        check(
            "a=foo b=bar",
            "{source_labels: [a], regex: '.*', target_label: b, replacement: ''}",
            "a=foo",
        );
        // The target may come from the match.
        check(
            "a=some-name-value",
            "{source_labels: [a], regex: 'some-([^-]+)-([^,]+)', target_label: '${1}', replacement: '${2}'}",
            "a=some-name-value name=value",
        );
        check(
            "a=some-name-value",
            "{source_labels: [a], regex: 'some-([^-]+)-([^,]+)', target_label: '${3}', replacement: '${2}'}",
            "a=some-name-value",
        );
        // A label that is not there is empty text between the separators.
        check(
            "a=1 c=3",
            "{source_labels: [a, b, c], separator: '-', target_label: d}",
            "a=1 c=3 d=1--3",
        );
    }

    #[test]
    fn keeping_and_dropping() {
        check(
            "a=foo b=bar",
            "{source_labels: [a], regex: '.*o.*', action: drop}, {source_labels: [a], target_label: d}",
            "dropped",
        );
        check(
            "a=foo",
            "{source_labels: [a], regex: 'no-match', action: drop}",
            "a=foo",
        );
        check(
            "a=foo",
            "{source_labels: [a], regex: 'f|o', action: drop}",
            "a=foo",
        );
        check(
            "a=foo",
            "{source_labels: [a], regex: no-match, action: keep}",
            "dropped",
        );
        check(
            "a=foo",
            "{source_labels: [a], regex: 'f.*', action: keep}",
            "a=foo",
        );
        check(
            "p=1234 q=1234",
            "{source_labels: [p], target_label: q, action: keepequal}",
            "p=1234 q=1234",
        );
        check(
            "p=1234 q=5678",
            "{source_labels: [p], target_label: q, action: keepequal}",
            "dropped",
        );
        check(
            "p=main q=main",
            "{source_labels: [p], target_label: q, action: dropequal}",
            "dropped",
        );
        check(
            "p=main q=other",
            "{source_labels: [p], target_label: q, action: dropequal}",
            "p=main q=other",
        );
    }

    #[test]
    fn shards_are_those_of_prometheus() {
        check(
            "a=foo b=bar c=baz",
            "{source_labels: [c], target_label: d, action: hashmod, modulus: 1000}",
            "a=foo b=bar c=baz d=976",
        );
        check(
            "a=foo\nbar",
            "{source_labels: [a], target_label: b, action: hashmod, modulus: 1000}",
            "a=foo\nbar b=734",
        );
    }

    #[test]
    fn names_of_labels() {
        check(
            "a=foo b1=bar b2=baz",
            "{regex: '(b.*)', replacement: 'bar_${1}', action: labelmap}",
            "a=foo b1=bar b2=baz bar_b1=bar bar_b2=baz",
        );
        check(
            "__meta_my_bar=aaa __meta_my_baz=bbb",
            "{regex: '__meta_(my.*)', replacement: '${1}', action: labelmap}",
            "__meta_my_bar=aaa __meta_my_baz=bbb my_bar=aaa my_baz=bbb",
        );
        check(
            "a=foo b1=bar b2=baz",
            "{regex: '(b.*)', action: labeldrop}",
            "a=foo",
        );
        check(
            "a=foo b1=bar b2=baz",
            "{regex: '(b.*)', action: labelkeep}",
            "b1=bar b2=baz",
        );
        check(
            "f=bAr123Foo",
            "{source_labels: [f], target_label: u, action: uppercase}, {source_labels: [f], target_label: l, action: lowercase}",
            "f=bAr123Foo l=bar123foo u=BAR123FOO",
        );
    }
}
