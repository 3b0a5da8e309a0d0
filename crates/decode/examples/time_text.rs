//! Decodes a file a few times and says how fast: `cargo run --release -p gorphan-decode --example time_text FILE`.

use std::fs::File;
use std::time::Instant;

use gorphan_decode::{Options, text};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name a file")?;
    let rounds: usize = match std::env::args().nth(2) {
        Some(rounds) => rounds.parse()?,
        None => 9,
    };
    let bytes = std::fs::metadata(&path)?.len();
    let mut seconds = Vec::new();
    for round in 0..rounds {
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        let snapshots = text::read(File::open(&path)?, &Options::default())?;
        seconds.push(start.elapsed().as_secs_f64());
        if round == 0 {
            for one in &snapshots {
                let goroutines = one.goroutines();
                println!(
                    "{goroutines} goroutines, {} samples, problems {:?}",
                    one.samples.len(),
                    one.problems
                );
            }
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2).copied().unwrap_or(1.0);
    let best = seconds.first().copied().unwrap_or(1.0);
    let rate = |seconds: f64| bytes as f64 / seconds / 1e9;
    println!(
        "median {:.2} GB/s, best {:.2} GB/s",
        rate(median),
        rate(best)
    );
    Ok(())
}
