//! Leaving targets alone that fail again and again.

/// Failed sweeps in a row after which a target is left alone for a while.
const PATIENCE: u32 = 3;
/// Sweeps left out at most: at ten minutes, somewhat more than an hour and a half.
const MAX_SKIPPED: u32 = 10;

/// How a target has failed lately.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Breaker {
    failures: u32,
    left_out: u32,
    reason: String,
}

impl Breaker {
    /// What was kept of one.
    pub(crate) fn of(failures: u32, left_out: u32, reason: String) -> Self {
        Self {
            failures,
            left_out,
            reason,
        }
    }

    /// What is to be kept: failed sweeps in a row, sweeps left out since the last, and why the last failed.
    pub(crate) fn parts(&self) -> (u32, u32, &str) {
        (self.failures, self.left_out, &self.reason)
    }

    /// Another sweep failed.
    pub fn failed(&mut self, reason: &str) {
        self.failures = self.failures.saturating_add(1);
        self.left_out = 0;
        self.reason = reason.to_owned();
    }

    /// Whether the target is left alone this time, and why.
    pub fn holds(&mut self) -> Option<String> {
        let beyond = self.failures.checked_sub(PATIENCE)?;
        // One sweep is left out, then two, four, eight.
        let skip = 1_u32
            .checked_shl(beyond)
            .unwrap_or(MAX_SKIPPED)
            .min(MAX_SKIPPED);
        if self.left_out >= skip {
            return None;
        }
        self.left_out += 1;
        Some(format!(
            "left alone after {} failed sweeps in a row; the last: {}",
            self.failures, self.reason
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_target_is_asked_less_and_less_but_never_given_up() {
        let mut breaker = Breaker::default();
        let mut asked = Vec::new();
        for sweep in 0..60 {
            if breaker.holds().is_none() {
                asked.push(sweep);
                breaker.failed("no");
            }
        }
        assert_eq!(asked, [0, 1, 2, 4, 7, 12, 21, 32, 43, 54]);
        breaker = Breaker::default();
        assert_eq!(breaker.holds(), None);
    }
}
