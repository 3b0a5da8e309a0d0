//! What a user does not want to be told of.

use std::fmt;

use crate::{Finding, Group, Operation, Site, symbol};

/// A calendar date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// As 2027.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// Reads `2027-06-30`; `None` for anything else. That a month has the day is not checked: only the order matters.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let year = digits(parts.next()?, 4)?;
        let month = u8::try_from(digits(parts.next()?, 2)?).ok()?;
        let day = u8::try_from(digits(parts.next()?, 2)?).ok()?;
        let valid = parts.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day);
        valid.then_some(Self { year, month, day })
    }
}

fn digits(text: &str, width: usize) -> Option<i32> {
    let plain = text.len() == width && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A rule of the configuration's `ignore` list. All that it asks for must hold.
///
/// Names are compared in canonical form ([`symbol::canonical`]). `*` in a pattern stands for any text, including none;
/// the star of `(*T)` in a Go name thus matches itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IgnoreRule {
    /// The function of the blocked site.
    pub function: Option<String>,
    /// Any function on the stack.
    pub any_function: Option<String>,
    /// The function with the `go` statement.
    pub created_by: Option<String>,
    /// The blocked site: `FUNCTION`, `FUNCTION:LINE` or `FILE:LINE` (an end of the file's path), with the operation and
    /// a space before it where only that is meant, as `chan send main.f`.
    pub site: Option<String>,
    /// Only what the tests of this package left; outside of the test gate such a rule matches nothing.
    pub package: Option<String>,
    /// Only what this test left: its name, with those of its parents. As for `package`.
    pub test: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The last day on which the rule applies.
    pub expires: Option<Date>,
}

impl IgnoreRule {
    /// Whether all that the rule asks for holds of the group; a rule that asks for nothing matches nothing.
    pub fn matches(&self, group: &Group) -> bool {
        let frames = &group.stack.frames;
        let created_by = group.created_by.as_ref();
        !self.is_empty()
            && self.package.is_none()
            && self.test.is_none()
            && holds(&self.function, |p| name_matches(p, &group.site.function))
            && holds(&self.any_function, |p| {
                frames.iter().any(|frame| name_matches(p, &frame.function))
            })
            && holds(&self.created_by, |p| {
                created_by.is_some_and(|frame| name_matches(p, &frame.function))
            })
            && holds(&self.site, |p| site_matches(p, &group.site))
    }

    /// Whether all that the rule asks for holds of a finding in source, which has no stack: any function is that of the
    /// finding, and nothing is known of who created the goroutine or which test did.
    pub fn matches_source(&self, finding: &Finding) -> bool {
        let place = &finding.place;
        let site = Site {
            operation: finding.operation,
            function: place.function.clone(),
            file: place.file.clone(),
            line: place.line,
        };
        !self.is_empty()
            && self.created_by.is_none()
            && self.test.is_none()
            && holds(&self.package, |p| glob(p, symbol::package(&place.function)))
            && holds(&self.function, |p| name_matches(p, &place.function))
            && holds(&self.any_function, |p| name_matches(p, &place.function))
            && holds(&self.site, |p| site_matches(p, &site))
    }

    /// What the rule asks of what a test of a package left; `None` if it is about another.
    pub fn for_test(&self, package: &str, test: Option<&str>) -> Option<Self> {
        let is_about = holds(&self.package, |p| glob(p, package))
            && holds(&self.test, |p| test.is_some_and(|test| glob(p, test)));
        let mut rule = Self {
            package: None,
            test: None,
            ..self.clone()
        };
        if rule.is_empty() && !self.is_empty() {
            // All of the test or package is meant.
            rule.any_function = Some("*".to_owned());
        }
        is_about.then_some(rule)
    }

    /// Whether the rule is in force.
    pub fn applies(&self, today: Option<Date>, strict: bool) -> bool {
        self.problem(today, strict).is_none()
    }

    /// Why the rule is not in force, for people.
    pub fn problem(&self, today: Option<Date>, strict: bool) -> Option<String> {
        if self.is_empty() {
            return Some(
                "an ignore rule names nothing: give it function, any_function, created_by, site, package or test"
                    .to_owned(),
            );
        }
        if let (Some(today), Some(expires)) = (today, self.expires)
            && expires < today
        {
            return Some(format!(
                "the ignore rule for {self} expired on {expires} and no longer applies: fix the leak, or set a new date"
            ));
        }
        let reason = self.reason.as_deref().unwrap_or_default().trim();
        let missing = match (reason.is_empty(), self.expires.is_none()) {
            (false, false) => return None,
            (true, true) => "reason and expires",
            (true, false) => "reason",
            (false, true) => "expires",
        };
        strict.then(|| {
            format!("the ignore rule for {self} has no {missing}, which --strict demands; it does not apply")
        })
    }

    fn is_empty(&self) -> bool {
        self.function.is_none()
            && self.any_function.is_none()
            && self.created_by.is_none()
            && self.site.is_none()
            && self.package.is_none()
            && self.test.is_none()
    }
}

impl fmt::Display for IgnoreRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("function", &self.function),
            ("any_function", &self.any_function),
            ("created_by", &self.created_by),
            ("site", &self.site),
            ("package", &self.package),
            ("test", &self.test),
        ];
        let parts = parts
            .iter()
            .filter_map(|(key, value)| value.as_ref().map(|value| format!("{key} {value:?}")));
        f.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}

fn holds(pattern: &Option<String>, test: impl FnOnce(&str) -> bool) -> bool {
    pattern.as_deref().is_none_or(test)
}

fn name_matches(pattern: &str, name: &str) -> bool {
    glob(pattern, &symbol::canonical(name))
        || pattern == name
        || (!pattern.ends_with('*') && symbol::canonical(pattern) == symbol::canonical(name))
}

fn site_matches(pattern: &str, site: &Site) -> bool {
    let operations = Operation::ALL.into_iter();
    let asked = operations
        .filter(|operation| pattern.starts_with(operation.as_str()))
        .max_by_key(|operation| operation.as_str().len());
    let named = asked.and_then(|operation| {
        let rest = pattern
            .strip_prefix(operation.as_str())?
            .strip_prefix(' ')?;
        Some((operation, rest.trim_start()))
    });
    let place = match named {
        Some((operation, _)) if operation != site.operation => return false,
        Some((_, place)) => place,
        None => pattern,
    };
    if name_matches(place, &site.function) {
        return true;
    }
    let Some((name, line)) = place.rsplit_once(':') else {
        return false;
    };
    let same_line = line.parse() == Ok(site.line);
    same_line && (name_matches(name, &site.function) || path_ends_with(&site.file, name))
}

/// Whether `end` is the last part of `path`, cut at a `/`.
fn path_ends_with(path: &str, end: &str) -> bool {
    let rest = path.strip_suffix(end);
    !end.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

/// Whether `text` fits `pattern`, in which `*` stands for any text. Linear space, no recursion.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let fits = [
            ("a.com/m.f", "a.com/m.f"),
            ("a.com/m.(*T).f", "a.com/m.(*T).f"),
            ("a.com/*", "a.com/m.(*T).f.func1"),
            ("*.func1", "a.com/m.f.func1"),
            ("*/m.*.f*", "a.com/m.(*T).f.func1"),
            ("*", ""),
        ];
        for (pattern, text) in fits {
            assert!(glob(pattern, text), "{pattern} should fit {text}");
        }
        let misses = [
            ("a.com/m.f", "a.com/m.f.func1"),
            ("", "x"),
            ("a*a", "a"),
            ("*.func2", "a.func1"),
            ("*b*b", "ab"),
        ];
        for (pattern, text) in misses {
            assert!(!glob(pattern, text), "{pattern} should not fit {text}");
        }
    }

    #[test]
    fn dates() {
        let date = Date::parse("2027-06-30").expect("a date");
        assert_eq!(date.to_string(), "2027-06-30");
        assert!(date < Date::parse("2027-07-01").expect("a date"));
        for bad in [
            "",
            "2027-6-30",
            "2027-13-01",
            "2027-00-01",
            "2027-01-32",
            "2027-01-01-01",
            "+027-01-01",
        ] {
            assert_eq!(Date::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn sites_are_named_by_function_or_place_and_operation() {
        let mut group =
            crate::verdict::tests::one_group("3 chan send | a.com/m.(*Bus).f | a.com/m.g @ended");
        group.site.file = "/src/shop/bus/bus.go".into();
        let matches = |site: &str| {
            let rule = IgnoreRule {
                site: Some(site.to_owned()),
                ..IgnoreRule::default()
            };
            rule.matches(&group)
        };
        let good = [
            "a.com/m.(*Bus).f",
            "a.com/m.(*Bus).f:41",
            "bus.go:41",
            "bus/bus.go:41",
            "chan send a.com/m.(*Bus).f",
            "chan send bus.go:41",
        ];
        for site in good {
            assert!(matches(site), "{site}");
        }
        let bad = [
            "a.com/m.(*Bus).f:42",
            "us.go:41",
            "bus.go",
            "chan receive a.com/m.(*Bus).f",
            "chan send",
        ];
        for site in bad {
            assert!(!matches(site), "{site}");
        }
    }

    #[test]
    fn findings_in_source_match_by_function_site_and_package() {
        let place = crate::Place {
            function: "a.com/m.(*Bus).f".into(),
            file: "/src/shop/bus.go".into(),
            line: 41,
            column: Some(2),
        };
        let finding = Finding {
            code: "GR1001",
            verdict: crate::Verdict::Leak,
            operation: Operation::ChanSend,
            place,
            count: 0,
            retained_bytes: None,
            message: String::new(),
            help: String::new(),
            evidence: Vec::new(),
            pattern: None,
            package: None,
            test: None,
            cause: None,
        };
        let rule = |key: &str, value: &str| {
            let mut rule = IgnoreRule::default();
            let slot = match key {
                "function" => &mut rule.function,
                "site" => &mut rule.site,
                "package" => &mut rule.package,
                "created_by" => &mut rule.created_by,
                _ => &mut rule.test,
            };
            *slot = Some(value.to_owned());
            rule.matches_source(&finding)
        };
        for (key, value) in [
            ("function", "a.com/m.*"),
            ("site", "chan send bus.go:41"),
            ("package", "a.com/*"),
        ] {
            assert!(rule(key, value), "{key} {value}");
        }
        for (key, value) in [
            ("function", "a.com/n.*"),
            ("site", "bus.go:42"),
            ("package", "b.com/m"),
            ("created_by", "*"),
            ("test", "*"),
        ] {
            assert!(!rule(key, value), "{key} {value}");
        }
        assert!(!IgnoreRule::default().matches_source(&finding));
    }

    #[test]
    fn all_that_a_rule_asks_for_must_hold() {
        let group = crate::verdict::tests::one_group(
            "3 chan send | a.com/m.f a.com/m.run | a.com/m.g @ended",
        );
        let rule = IgnoreRule {
            any_function: Some("a.com/m.run".to_owned()),
            created_by: Some("a.com/m.g".to_owned()),
            ..IgnoreRule::default()
        };
        assert!(rule.matches(&group));
        let other = IgnoreRule {
            created_by: Some("a.com/m.other".to_owned()),
            ..rule
        };
        assert!(!other.matches(&group));
    }
}
