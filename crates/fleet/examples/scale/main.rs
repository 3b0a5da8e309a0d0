//! How much a fleet may have: `cargo xtask bench fleet` runs this.
//!
//! ```text
//! scale serve PROFILE                  answers every instance of 127.0.0.0/8 with one profile; prints its port
//! scale sweep PORT INSTANCES ROUNDS    sweeps over so many instances, stores and judges; prints a row a round
//! scale rows SWEEPS FOLDER             stores made-up sweeps of 50,000 instances, and asks the history questions
//! ```

mod rows;
mod serve;
mod sweep;

/// What the parts end with: the reason of a failure, for people.
type Outcome = Result<(), String>;

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["serve", profile] => serve::run(profile),
        ["sweep", port, instances, rounds] => {
            number(port).and_then(|port| sweep::run(port, number(instances)?, number(rounds)?))
        }
        ["rows", sweeps, folder] => number(sweeps).and_then(|sweeps| rows::run(sweeps, folder)),
        _ => Err(
            "usage: scale serve PROFILE | sweep PORT INSTANCES ROUNDS | rows SWEEPS FOLDER"
                .to_owned(),
        ),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}

/// Clock ticks a second, in which Linux tells processors' time (`USER_HZ`).
const TICKS: f64 = 100.0;

/// Seconds of processors that this program has taken.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may have blanks in it.
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    let fields: Vec<f64> = after
        .split(' ')
        .filter_map(|field| field.parse().ok())
        .collect();
    // The letter of the state is no number, so that utime and stime are the 11th and 12th that are.
    let ticks = fields.get(10).unwrap_or(&0.0) + fields.get(11).unwrap_or(&0.0);
    ticks / TICKS
}

/// The most memory that this program has had resident, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
