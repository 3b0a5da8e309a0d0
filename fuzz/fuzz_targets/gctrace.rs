//! Arbitrary text as a gctrace log, and the trend of what was read.
#![no_main]

use gorphan_decode::gctrace;
use gorphan_model::gc;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let options = gorphan_fuzz::options();
    let Ok(trace) = gctrace::read_within(data, &options.limits) else {
        return;
    };
    assert!(trace.problems.len() <= options.limits.problems + 1);
    assert!(trace.collections.len() <= gctrace::MAX_COLLECTIONS);
    let trend = gc::trend(&trace);
    assert!(trend.judged.end <= trace.collections.len());
    assert!(trend.starts.len() <= trace.collections.len());
    for measure in &trend.measures {
        assert!((0.0..=1.0).contains(&measure.p_value));
        let slope = measure.per_collection;
        assert!(slope.low <= slope.estimate && slope.estimate <= slope.high);
    }
});
