//! Versions of modules: semantic versions with a `v` before, as in <https://semver.org>, and their order.

use std::cmp::Ordering;

/// A version, parsed: compare two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version<'v> {
    numbers: [&'v str; 3],
    /// What follows `-`; empty in a release.
    pre: &'v str,
}

impl<'v> Version<'v> {
    /// Reads `v1.2.3-pre+build`; `None` for anything else. What follows `+` does not count.
    pub(super) fn parse(text: &'v str) -> Option<Self> {
        let text = text.strip_prefix('v')?;
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let (numbers, pre) = text.split_once('-').unwrap_or((text, ""));
        let mut parts = numbers.split('.');
        let numbers = [parts.next()?, parts.next()?, parts.next()?];
        let is_number = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'))
        };
        let sound = parts.next().is_none() && numbers.iter().all(|part| is_number(part));
        sound.then_some(Self { numbers, pre })
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let pairs = self.numbers.iter().zip(&other.numbers);
        let numbers = pairs
            .map(|(one, two)| by_number(one, two))
            .find(|order| order.is_ne());
        numbers.unwrap_or_else(|| match (self.pre, other.pre) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (one, two) => by_parts(one, two),
        })
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Numbers of any length, without leading zeros.
fn by_number(one: &str, two: &str) -> Ordering {
    one.len().cmp(&two.len()).then_with(|| one.cmp(two))
}

fn by_parts(one: &str, two: &str) -> Ordering {
    let (mut ones, mut twos) = (one.split('.'), two.split('.'));
    loop {
        let order = match (ones.next(), twos.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(two)) => {
                let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
                match (is_number(one), is_number(two)) {
                    (true, true) => by_number(one, two),
                    (true, false) => Ordering::Less,
                    (false, true) => Ordering::Greater,
                    (false, false) => one.cmp(two),
                }
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// The order of two versions as texts; one that is none comes before all.
pub(super) fn compare(one: &str, two: &str) -> Ordering {
    Version::parse(one).cmp(&Version::parse(two))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_order() {
        let rising = [
            "master",
            "v0.0.0-20200101000000-abc",
            "v0.0.0",
            "v1.0.0-alpha",
            "v1.0.0-alpha.1",
            "v1.0.0-alpha.beta",
            "v1.0.0-beta.2",
            "v1.0.0-beta.11",
            "v1.0.0-rc.1",
            "v1.0.0",
            "v1.9.0",
            "v1.10.0",
            "v1.10.1-0.20200101000000-abc",
            "v1.10.1",
            "v18446744073709551616.0.0",
        ];
        for pair in rising.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare("v2.0.0+incompatible", "v2.0.0"), Ordering::Equal);
        for none in ["1.0.0", "v1", "v1.0", "v1.0.0.0", "v01.0.0", "v1.a.0", ""] {
            assert_eq!(Version::parse(none), None, "{none}");
        }
    }
}
