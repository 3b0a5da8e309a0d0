//! Arbitrary bytes as a protobuf profile: as they are, and behind a sample type that says goroutine.
#![no_main]

use gorphan_decode::pprof;

/// Strings 0 to 2 ("", "goroutine", "count") and the sample type made of them.
const GOROUTINE: &[u8] = b"\x32\x00\x32\x09goroutine\x32\x05count\x0a\x04\x08\x01\x10\x02";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let options = gorphan_fuzz::options();
    let read = |bytes: &[u8]| pprof::read(bytes, &options).map(|snapshot| vec![snapshot]);
    gorphan_fuzz::check(read(data), &options);
    gorphan_fuzz::check(read(&[GOROUTINE, data].concat()), &options);
});
