//! Arbitrary bytes as a Go file.
#![no_main]

use gorphan_lint::syntax::verify::verify_source;
use gorphan_lint::syntax::{Bodies, Interner, Names, parse, transient::waits};
use gorphan_lint::types;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let names = Names::new();
    let mut interner = Interner::new(&names);
    assert_eq!(verify_source(data, &mut interner), Ok(()));
    assert_eq!(types::verify::verify_source(data, &mut interner), Ok(()));
    let file = parse(data.to_vec(), &mut interner, Bodies::Parse);
    for line in 0..file.lines().count().min(64) {
        let _ = waits(&file, &names, line);
    }
});
