//! Arbitrary bytes as an input of any kind: as they are, streamed and from memory, and gzipped.
#![no_main]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let options = gorphan_fuzz::options();
    let streamed = gorphan_decode::read(data, &options);
    let lent = gorphan_decode::read_bytes(data, &options);
    assert_eq!(format!("{lent:?}"), format!("{streamed:?}"));
    gorphan_fuzz::check(streamed, &options);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("memory does not fail");
    let packed = encoder.finish().expect("memory does not fail");
    gorphan_fuzz::check(gorphan_decode::read(&*packed, &options), &options);
});
