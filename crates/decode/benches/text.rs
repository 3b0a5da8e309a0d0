//! Text at full speed: `cargo bench -p gorphan-decode --bench text`.
//!
//! Inputs are made in memory, in the shapes and sizes that Go 1.27 gives for 100,000 goroutines.

use std::fmt::Write as _;

use divan::Bencher;
use divan::counter::BytesCount;
use gorphan_decode::{Options, text};

const GOROUTINES: u64 = 100_000;

/// Words that differ from goroutine to goroutine, as arguments do.
fn word(id: u64) -> u64 {
    0xc000_0000_0000 + id.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 0xff_ffff_fff0
}

/// `debug=2`: five sites, distinct numbers and arguments, about 570 bytes a goroutine.
fn dump() -> String {
    const STATES: [&str; 5] = [
        "chan receive",
        "chan send",
        "select",
        "sync.Mutex.Lock",
        "IO wait, 12 minutes",
    ];
    let mut out = String::new();
    for id in 0..GOROUTINES {
        let site = id % 5;
        let _ = writeln!(out, "goroutine {} [{}]:", id + 1, STATES[site as usize]);
        for depth in 0..5 {
            let (a, b) = (word(id * 7 + depth), word(id * 11 + depth));
            let _ = writeln!(
                out,
                "example.com/shop/orders.(*W{site}).step{depth}({a:#x}, {{{b:#x}?, {id:#x}}})\n\
                 \t/src/example.com/shop/orders.go:{} +{:#x}",
                100 + depth * 17 + site,
                depth * 57 + 19,
            );
        }
        let _ = writeln!(
            out,
            "created by example.com/shop/orders.Start in goroutine 1\n\t/src/shop/start.go:{} +0xf8\n",
            30 + site
        );
    }
    out
}

/// `debug=1`: one record for each goroutine because each has a label of its own, about 2.4 KB a record.
fn counted() -> String {
    const DEPTH: u64 = 18;
    let mut out = format!("goroutine profile: total {GOROUTINES}\n");
    for id in 0..GOROUTINES {
        let site = id % 5;
        out.push_str("1 @");
        for depth in 0..DEPTH {
            let _ = write!(out, " {:#x}", 0x47_f1ae + depth * 0x5313 + site);
        }
        let _ = writeln!(
            out,
            "\n# labels: {{\"request\":\"req-{id}\", \"svc\":\"checkout\"}}"
        );
        for depth in 0..DEPTH {
            let _ = writeln!(
                out,
                "#\t{:#x}\texample.com/shop/internal/orders.(*Worker{site}).step{depth}+{:#x}\t\t\t\
                 /src/example.com/shop/internal/orders/worker.go:{}",
                0x47_f1ae + depth * 0x5313 + site,
                depth * 57 + 19,
                100 + depth * 17,
            );
        }
        out.push('\n');
    }
    out
}

fn run(bencher: Bencher<'_, '_>, input: &str) {
    bencher.counter(BytesCount::of_str(input)).bench(|| {
        let input = divan::black_box(input.as_bytes());
        let snapshots = text::read(input, &Options::default()).expect("goroutines");
        assert_eq!(snapshots[0].goroutines(), GOROUTINES);
        snapshots
    });
}

#[divan::bench(sample_count = 20)]
fn dump_of_100_000(bencher: Bencher<'_, '_>) {
    run(bencher, &dump());
}

#[divan::bench(sample_count = 10)]
fn labelled_counts_of_100_000(bencher: Bencher<'_, '_>) {
    run(bencher, &counted());
}

/// The same dump with a container's prefix on each line.
#[divan::bench(sample_count = 10)]
fn dump_in_a_log(bencher: Bencher<'_, '_>) {
    let lines = dump();
    let lines = lines
        .lines()
        .map(|line| format!("2026-01-02T03:04:05.123456789Z stderr F {line}\n"));
    run(bencher, &lines.collect::<String>());
}

fn main() {
    divan::main();
}
