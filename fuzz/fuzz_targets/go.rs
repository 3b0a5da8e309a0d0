//! Arbitrary bytes as a Go file.
#![no_main]

use gorphan_lint::syntax::verify::verify_source;
use gorphan_lint::syntax::{Interner, Names};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let names = Names::new();
    let outcome = verify_source(data, &mut Interner::new(&names));
    assert_eq!(outcome, Ok(()));
});
