//! A load generator of the user's own: wrk, hey, k6, ab, vegeta, oha, or anything that says how many requests it made.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use regex_lite::Regex;

use super::generate::Made;

/// What stands in the command for the number of requests of a round.
const PLACE: &str = "{requests}";

/// Where known tools, and the plain word, say how many requests they made: the first group of each match, added up.
const COUNTS: [&str; 7] = [
    // wrk: "  12345 requests in 10.00s, 1.2MB read"
    r"(?m)^\s*(\d+) requests in ",
    // hey: "  [200]	50 responses"
    r"(?m)^\s*\[\d{3}\]\s+(\d+) responses",
    // k6: "http_reqs......................: 50     12.3/s"
    r"(?m)\bhttp_reqs\.*:\s+(\d+)\b",
    // ab: "Complete requests:      50"
    r"(?m)^Complete requests:\s+(\d+)",
    // vegeta: "Requests      [total, rate, throughput]         50, 10.20, 10.19"
    r"(?m)^Requests\s+\[total, rate[^\]]*\]\s+(\d+)",
    // oha: "  [200] 50 responses"; and any script: "requests: 50"
    r"(?mi)^\s*(?:total )?requests\s*[:=]\s*(\d+)\s*$",
    // A script that prints the number alone.
    r"(?m)\A\s*(\d+)\s*\z",
];

/// A command that makes requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLoad {
    /// For the shell; `{requests}` in it is the number of a round, which is in `GORPHAN_REQUESTS` as well.
    pub command: String,
}

impl CommandLoad {
    /// Runs the command once.
    pub(super) fn make(&self, requests: u64) -> Result<Made, String> {
        let count = requests.to_string();
        let text = self.command.replace(PLACE, &count);
        let (shell, flag) = if cfg!(windows) {
            ("cmd", "/C")
        } else {
            ("sh", "-c")
        };
        let output = Command::new(shell)
            .args([flag, &text])
            .env("GORPHAN_REQUESTS", &count)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run {shell}: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            let last: Vec<&str> = said.lines().rev().take(3).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            return Err(format!(
                "`{text}` failed ({}): {}",
                output.status,
                last.join(" / ")
            ));
        }
        let asked = self.command.contains(PLACE) || self.command.contains("GORPHAN_REQUESTS");
        match counted(&said) {
            Some(made) => Ok(made_all(made)),
            None if asked => Ok(made_all(requests)),
            None => Err(format!(
                "`{text}` does not say how many requests it made; wrk, hey, k6, ab, vegeta, a line `requests: 50` or a number \
                 alone are understood, or put {{requests}} where the command takes the number"
            )),
        }
    }
}

fn made_all(requests: u64) -> Made {
    Made {
        requests,
        ..Made::default()
    }
}

/// The number of requests that a tool's output tells.
fn counted(text: &str) -> Option<u64> {
    static PATTERNS: OnceLock<Vec<Regex>> = OnceLock::new();
    let patterns =
        PATTERNS.get_or_init(|| COUNTS.iter().filter_map(|it| Regex::new(it).ok()).collect());
    patterns.iter().find_map(|pattern| {
        let counts = pattern
            .captures_iter(text)
            .filter_map(|found| found.get(1)?.as_str().parse().ok());
        let sum = counts.fold(0_u64, u64::saturating_add);
        (sum > 0).then_some(sum)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(counted(text), expected, "{text}");
    }

    #[test]
    fn known_tools_tell_how_many_requests_they_made() {
        assert_eq!(
            COUNTS.iter().filter_map(|it| Regex::new(it).ok()).count(),
            COUNTS.len()
        );
        check(
            "Running 10s test @ http://x\n  2 threads\n  12345 requests in 10.00s, 1.2MB read\nRequests/sec:   1234.5\n",
            Some(12_345),
        );
        check(
            "Status code distribution:\n  [200]\t40 responses\n  [500]\t10 responses\n",
            Some(50),
        );
        check(
            "     http_reqs......................: 77     12.3/s\n",
            Some(77),
        );
        check(
            "Concurrency Level:      2\nComplete requests:      50\nFailed requests:        0\n",
            Some(50),
        );
        check(
            "Requests      [total, rate, throughput]         50, 10.20, 10.19\n",
            Some(50),
        );
        check("done\nrequests: 8\n", Some(8));
        check(" 9\n", Some(9));
    }

    #[test]
    fn other_numbers_are_not_taken_for_requests() {
        check("", None);
        check("Requests/sec:   1234.5\n", None);
        check("took 3 seconds\n", None);
        check("Failed requests:        12\n", None);
    }

    #[test]
    #[cfg(unix)]
    fn the_command_gets_the_number_and_its_failure_is_told() {
        let make = |command: &str| {
            CommandLoad {
                command: command.into(),
            }
            .make(12)
        };
        let made = |requests| Ok(made_all(requests));
        assert_eq!(make("echo requests: {requests}"), made(12));
        assert_eq!(make("echo $GORPHAN_REQUESTS"), made(12));
        assert_eq!(make("true {requests}"), made(12));
        assert!(make("echo fine").is_err_and(|why| why.contains("{requests}")));
        assert!(
            make("echo no >&2; exit 3").is_err_and(|why| why.contains("no") && why.contains('3'))
        );
    }
}
