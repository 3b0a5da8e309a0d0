//! How many requests each round makes.

use std::time::Duration;

/// Rounds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Requests of all rounds, the warm-up included.
    pub requests: u64,
    /// Rounds, without the warm-up; at least 2.
    pub rounds: usize,
    /// Requests of the warm-up; none is no warm-up.
    pub warm_up: u64,
    /// How long the target may take to come to rest after a round.
    pub settle: Duration,
}

impl Plan {
    /// Requests by round, each round more than the one before: the n-th has n parts. So growth with requests is told from
    /// growth with time or with rounds. Rounds without any are left out.
    pub(super) fn sizes(&self) -> Vec<u64> {
        let rounds = self.rounds.max(2) as u64;
        let requests = self.requests.saturating_sub(self.warm_up);
        let parts = rounds.saturating_mul(rounds + 1) / 2;
        let until = |round: u64| {
            let done = u128::from(round) * u128::from(round + 1) / 2;
            let share = u128::from(requests) * done / u128::from(parts.max(1));
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        let sizes = (1..=rounds).map(|round| until(round).saturating_sub(until(round - 1)));
        sizes.filter(|size| *size > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(requests: u64, rounds: usize, warm_up: u64, expected: &[u64]) {
        let plan = Plan {
            requests,
            rounds,
            warm_up,
            settle: Duration::ZERO,
        };
        let sizes = plan.sizes();
        assert_eq!(sizes, expected);
        assert_eq!(sizes.iter().sum::<u64>() + warm_up.min(requests), requests);
    }

    #[test]
    fn rounds_grow_and_add_up() {
        check(150, 5, 0, &[10, 20, 30, 40, 50]);
        check(50, 5, 5, &[3, 6, 9, 12, 15]);
        check(50, 5, 0, &[3, 7, 10, 13, 17]);
        check(3, 5, 0, &[1, 1, 1]);
        check(10, 1, 0, &[3, 7]);
        check(10, 3, 10, &[]);
        check(u64::MAX, 2, 0, &[u64::MAX / 3, u64::MAX - u64::MAX / 3]);
    }
}
