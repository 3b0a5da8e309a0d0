//! Decoding a protobuf profile, packed as a server sends it and unpacked.
//!
//! `cargo bench -p gorphan-decode --bench pprof`; `GORPHAN_BENCH_PROFILE=FILE.pb.gz` measures a real one beside the
//! generated one.

#![expect(clippy::disallowed_methods, reason = "benchmarks read captured dumps")]

#[path = "../tests/oracle/mod.rs"]
mod oracle;

use std::io::{Read, Write};

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use gorphan_decode::{Options, pprof, read};

/// Distinct stacks of the generated profile; its gzipped size is near that of a profile of a large service (a quarter
/// of a megabyte).
const STACKS: u64 = 7000;

fn main() {
    divan::main();
}

/// The profile under test, gzipped.
fn packed() -> Vec<u8> {
    if let Some(path) = std::env::var_os("GORPHAN_BENCH_PROFILE") {
        return std::fs::read(path).expect("the profile named by GORPHAN_BENCH_PROFILE");
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder
        .write_all(&oracle::service(STACKS))
        .expect("memory does not fail");
    encoder.finish().expect("memory does not fail")
}

fn unpacked() -> Vec<u8> {
    let mut bytes = Vec::new();
    let packed = packed();
    flate2::bufread::MultiGzDecoder::new(&*packed)
        .read_to_end(&mut bytes)
        .expect("a gzipped profile");
    bytes
}

/// What `gorphan inspect` does: detect, unpack, decode.
#[divan::bench]
fn gzipped(bencher: Bencher) {
    let bytes = packed();
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench(|| read(black_box(&*bytes), &Options::default()).expect("a goroutine profile"));
}

/// Decoding alone.
#[divan::bench]
fn plain(bencher: Bencher) {
    let bytes = unpacked();
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        pprof::read(black_box(&bytes), &Options::default()).expect("a goroutine profile")
    });
}

/// Unpacking alone.
#[divan::bench]
fn gunzip(bencher: Bencher) {
    let bytes = packed();
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        let mut plain = Vec::new();
        flate2::bufread::MultiGzDecoder::new(black_box(&*bytes))
            .read_to_end(&mut plain)
            .expect("a gzipped profile");
        plain
    });
}
