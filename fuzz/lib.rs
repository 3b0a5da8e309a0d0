//! What every fuzz target asserts: no panic, and what is kept stays within the limits and in proportion to the input.

pub mod saved;

use gorphan_decode::{Error, Limits, Options};
use gorphan_model::{Format, Labels, Snapshot};

/// Problems that come on top of the limit, because each sums up: further problems, stacks past a limit, the end of the
/// runtime's buffer, and what the unpacker has to say.
const SUMMARIES: usize = 4;

/// Limits low enough for small inputs to reach them.
pub fn options() -> Options {
    let limits = Limits {
        input_bytes: 1 << 20,
        profile_bytes: 1 << 18,
        stacks: 64,
        frames: 32,
        total_frames: 512,
        identities: 64,
        problems: 8,
    };
    Options {
        limits,
        ..Options::default()
    }
}

/// Asserts the bounds on everything that was decoded.
pub fn check(decoded: Result<Vec<Snapshot>, Error>, options: &Options) {
    let snapshots = match decoded {
        Ok(snapshots) => snapshots,
        Err(error) => {
            // Messages are for people: one line of bounded length.
            let message = error.to_string();
            assert!(message.len() < 4096, "{message}");
            return;
        }
    };
    assert!(!snapshots.is_empty());
    let limits = &options.limits;
    for snapshot in &snapshots {
        assert!(snapshot.bytes_read <= limits.input_bytes);
        assert!(snapshot.samples.len() <= limits.stacks);
        assert!(snapshot.problems.len() <= limits.problems + SUMMARIES);
        let identities: usize = snapshot
            .samples
            .iter()
            .map(|sample| sample.identities.known.len())
            .sum();
        assert!(identities <= limits.identities);
        let mut frames = 0;
        for sample in &snapshot.samples {
            assert!(sample.count > 0);
            assert!(sample.leaked <= sample.count);
            assert!(sample.labels.iter().count() <= Labels::MAX_KEYS);
            for (_, values) in sample.labels.iter() {
                assert!(values.counts.len() <= Labels::MAX_VALUES);
            }
            assert!(sample.stack.frames.len() <= limits.frames);
            frames += sample.stack.frames.len();
            if snapshot.format == Format::Protobuf {
                assert!(sample.state.is_none() && sample.waits.is_none());
                assert_eq!(sample.identities.elided, sample.count);
            } else {
                let known = sample.identities.known.len() as u64;
                assert!(known <= sample.count);
            }
        }
        if snapshot.format == Format::Protobuf {
            assert!(frames <= limits.total_frames);
        }
    }
}
