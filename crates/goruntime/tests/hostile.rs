//! Damaged executables and memory: no panic, no endless loop, no memory out of proportion, whatever the bytes.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(
    clippy::disallowed_methods,
    reason = "tests read programs and their memory"
)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::sync::OnceLock;

use gorphan_goruntime::{Address, Depth, Image, Limits, Memory, Moment, Runtime, Unreadable};
use proptest::prelude::*;
use support::{Target, build};

/// Small limits, as damage makes everything as large as it may be.
const LIMITS: Limits = Limits {
    goroutines: 10_000,
    copied_bytes: 16 << 20,
    stack_bytes: 64 << 10,
};

struct Prepared {
    target: Target,
    bytes: Vec<u8>,
    runtime: Runtime,
}

fn prepared() -> &'static Prepared {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let path = build("mixed-service", "hostile", &["-ldflags=-s -w"]);
        let target = Target::start(&path, &["leak"]);
        Prepared {
            bytes: std::fs::read(&path).expect("the executable"),
            runtime: target.runtime(),
            target,
        }
    })
}

/// Memory in which some words are others.
struct Damaged<'a> {
    memory: &'a dyn Memory,
    seed: u64,
    /// One of so many words is damaged.
    one_in: u64,
}

impl Memory for Damaged<'_> {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        self.memory.read(address, buffer)?;
        for (word, at) in buffer.chunks_mut(8).zip((address.0..).step_by(8)) {
            let hash = (at ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            if (hash >> 32).is_multiple_of(self.one_in) {
                let kind = hash >> 61;
                for (byte, new) in word.iter_mut().zip(hash.to_le_bytes()) {
                    *byte = match kind {
                        0 => 0xff,
                        1 => 0,
                        2 => byte.wrapping_add(8),
                        _ => new,
                    };
                }
            }
        }
        Ok(())
    }
}

fn read(runtime: &Runtime, memory: &dyn Memory) {
    let moment = Moment {
        threads: &[],
        now_nanos: 0,
        depth: Depth::Goroutines,
        limits: LIMITS,
        may_go_on: &|| true,
    };
    let bias = prepared().target.bias(runtime);
    // What can be made of damage is not the point here; that it ends is.
    let _ = runtime.count(bias, memory);
    if let Ok(frozen) = runtime.copy(bias, memory, &moment) {
        assert!(frozen.copied_bytes() <= LIMITS.copied_bytes + (4 << 20));
        if let Ok((snapshot, details)) = runtime.snapshot(&frozen) {
            assert_eq!(snapshot.goroutines(), details.goroutines.len() as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_memory_is_survived(seed in any::<u64>(), one_in in 2_u64..2000) {
        let memory = prepared().target.memory();
        let memory = Damaged { memory: &memory, seed, one_in };
        read(&prepared().runtime, &memory);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Flips bytes anywhere, in the headers, and about the function table, which is where most is read.
    #[test]
    fn damaged_executables_are_survived(
        flips in prop::collection::vec((0_u8..4, any::<u32>(), any::<u8>()), 1..400),
        cut in prop::option::weighted(0.1, any::<u32>()),
    ) {
        let prepared = prepared();
        let mut bytes = prepared.bytes.clone();
        let table = bytes.windows(8).position(|w| w == b"\xf1\xff\xff\xff\x00\x00\x01\x08" || w == b"\xf0\xff\xff\xff\x00\x00\x01\x08");
        let table = table.unwrap_or(0);
        for (place, at, byte) in flips {
            let at = at as usize;
            let at = match place {
                0 => at % bytes.len(),
                1 => at % 1024,
                2 => table + 8 + at % 64,
                _ => table + at % (bytes.len() - table),
            };
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut as usize % prepared.bytes.len());
        }
        if let Ok(runtime) = Image::parse(bytes).map_err(drop).and_then(|image| Runtime::of(image).map_err(drop)) {
            let memory = prepared.target.memory();
            read(&runtime, &memory);
        }
    }
}

/// A program with debug information that is not packed, so that damage reaches what reads it.
fn debuggable() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let path = build(
            "mixed-service",
            "debuggable",
            &["-ldflags=-compressdwarf=false"],
        );
        std::fs::read(path).expect("the executable")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_debug_information_is_survived(
        flips in prop::collection::vec((any::<u32>(), any::<u8>()), 1..4000),
    ) {
        let mut bytes = debuggable().to_vec();
        // It is the last part of the file.
        let (half, length) = (bytes.len() / 2, bytes.len());
        for (at, byte) in flips {
            bytes[half + at as usize % (length - half)] = byte;
        }
        if let Ok(image) = Image::parse(bytes) {
            let offsets = image.struct_offsets();
            prop_assert!(offsets.is_sorted());
            prop_assert!(offsets.len() <= 10_000);
        }
    }
}
