//! Arbitrary text behind the first line of a `debug=1` profile.
#![no_main]

use std::io::Read;

use gorphan_decode::text;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let options = gorphan_fuzz::options();
    let first_line = b"goroutine profile: total 7\n".as_slice();
    gorphan_fuzz::check(text::read(first_line.chain(data), &options), &options);
});
