//! Who is asked when: hosts are spread over time by a hash, the same at every sweep.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Way;
use super::effects::mix;
use crate::discover::Target;

/// The targets of one host, one after the other.
pub(super) struct Turn {
    /// When, from the start of the sweep.
    pub(super) start: Duration,
    pub(super) targets: Vec<(Arc<Target>, Way)>,
}

/// The hosts in the order of their turns.
pub(super) fn turns(targets: Vec<(Arc<Target>, Way)>, spread: Option<Duration>) -> Vec<Turn> {
    let mut hosts: BTreeMap<String, Vec<(Arc<Target>, Way)>> = BTreeMap::new();
    for (target, way) in targets {
        hosts.entry(target.host()).or_default().push((target, way));
    }
    let spread = spread.unwrap_or(Duration::ZERO);
    let turns = hosts.into_iter().map(|(host, targets)| {
        let hash = hash(&host);
        (
            hash,
            Turn {
                start: share(spread, hash),
                targets,
            },
        )
    });
    let mut turns: Vec<(u64, Turn)> = turns.collect();
    turns.sort_by_key(|(hash, _)| *hash);
    turns.into_iter().map(|(_, turn)| turn).collect()
}

fn share(spread: Duration, hash: u64) -> Duration {
    spread.mul_f64((hash >> 11) as f64 / (1_u64 << 53) as f64)
}

/// FNV-1a, mixed: the same on every machine and in every version.
fn hash(text: &str) -> u64 {
    let hashed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(hashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_spread_evenly_and_stay() {
        let spread = Duration::from_secs(600);
        let mut minutes = [0; 10];
        for number in 0..10_000 {
            let start = share(
                spread,
                hash(&format!("10.0.{}.{}:6060", number / 250, number % 250)),
            );
            minutes[(start.as_secs() / 60) as usize] += 1;
        }
        assert!(
            minutes.iter().all(|count| (900..1100).contains(count)),
            "{minutes:?}"
        );
        assert_eq!(hash("10.0.0.1:6060"), hash("10.0.0.1:6060"));
    }
}
