//! Arbitrary text as a goroutine dump.
#![no_main]

use gorphan_decode::text;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let options = gorphan_fuzz::options();
    gorphan_fuzz::check(text::read(data, &options), &options);
});
