//! What is read of a real program's heap against what the program itself says of its objects.

#![expect(
    clippy::disallowed_methods,
    reason = "tests read programs and their memory"
)]

use std::sync::OnceLock;

use proptest::prelude::*;

use super::Object;
use super::pointers::Objects;
use crate::{Address, Depth, Error, Frozen, Limits, Memory, Moment, Runtime, Unreadable};

#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
pub(super) mod support;

use support::{Target, build_in};

/// What the program says of an object.
struct Said<'a> {
    address: u64,
    bytes: u64,
    of: String,
    /// `P` and `N`, repeated as often as it fits; or how it can be known what it is.
    words: &'a [u8],
}

fn parse(text: &str) -> Option<Said<'_>> {
    let mut parts = text.split(',');
    let mut next = || parts.next();
    Some(Said {
        address: u64::from_str_radix(next()?, 16).ok()?,
        bytes: next()?.parse().ok()?,
        of: next()?.replace('_', " "),
        words: next()?.as_bytes(),
    })
}

fn copy(
    target: &Target,
    runtime: &Runtime,
    memory: &dyn Memory,
    limits: Limits,
) -> Result<Frozen, Error> {
    let moment = Moment {
        threads: &[],
        now_nanos: 0,
        depth: Depth::Proof,
        limits,
        may_go_on: &|| true,
    };
    runtime.copy(target.bias(runtime), memory, &moment)
}

fn check(mode: &str, build: &[&str], arguments: &[&str]) {
    let path = build_in("tests/go", "shapes", mode, build);
    let target = Target::start(&path, arguments);
    let runtime = target.runtime();
    let frozen = copy(&target, &runtime, &target.memory(), Limits::default()).expect("a copy");
    let objects = Objects::read(&runtime, &frozen).expect("a heap");
    assert_eq!(objects.spans.doubts(), &[] as &[String], "{mode}");
    let said: Vec<Said<'_>> = target
        .said
        .split(' ')
        .map(|text| parse(text).expect("an object"))
        .collect();
    let (named, said): (Vec<_>, Vec<_>) = said
        .into_iter()
        .partition(|said| b"TIC".contains(&said.words[0]));
    let all = named.iter();
    let all = all.filter_map(|one| objects.spans.object(one.address));
    objects.learn(&all.collect::<Vec<_>>());
    assert!(named.len() > 4);
    for one in named {
        let object = objects.spans.object(one.address).expect("an object");
        // Before, no object tells its type.
        if one.words == b"T" && runtime.minor < 22 {
            continue;
        }
        assert_eq!(objects.type_name(object), Some(one.of), "{mode}");
    }
    let mut typed = 0;
    for said in said {
        typed += u32::from(check_object(&objects, &said, mode));
    }
    // Bits without types are all that there is before.
    assert_eq!(typed > 0, runtime.minor >= 22, "{mode}");
    let mut globals = 0;
    objects
        .scan_variables(&mut |_, _| globals += 1)
        .expect("variables");
    assert!(globals > 100, "{mode}: {globals}");
}

/// Whether its type was known.
fn check_object(objects: &Objects<'_>, said: &Said<'_>, mode: &str) -> bool {
    let about = format!(
        "{mode} {} of {} bytes at {:x}",
        said.of, said.bytes, said.address
    );
    let object = objects.spans.object(said.address).expect(&about);
    assert!(!objects.spans.is_plain(object), "{about}");
    let last = said.address + said.bytes - 1;
    assert_eq!(objects.spans.object(last), Some(object), "{about}");
    assert_eq!(objects.spans.taken_object(last), Some(object), "{about}");
    let extent = objects.spans.extent(object);
    assert!(
        extent.contains(&said.address) && extent.contains(&last),
        "{about}"
    );
    let words = said.words.iter().cycle().take(said.bytes as usize / 8);
    let mut expected = (0_u64..)
        .zip(words)
        .filter(|(_, word)| **word == b'P')
        .map(|(index, _)| said.address + index * 8);
    let scanned = objects.scan(object, &mut |offset, value| {
        let at = extent.start + offset;
        if (said.address..=last).contains(&at) {
            assert_ne!(value, 0, "{about}");
            assert_eq!(Some(at), expected.next(), "{about}");
        }
    });
    scanned.expect(&about);
    assert_eq!(expected.next(), None, "{about}");
    let Some(typed) = objects.type_of(object) else {
        return false;
    };
    assert_eq!(said.address - extent.start, typed.skip, "{about}");
    let name = objects.types.name(typed.of);
    // Types made while the program ran have names for what they are made of alone.
    if !said.of.contains("struct {") {
        assert_eq!(name, Some(said.of.clone()), "{about}");
    }
    true
}

#[test]
fn the_pointers_of_all_kinds_of_objects_are_found() {
    check("shapes", &[], &["huge"]);
}

#[test]
fn the_pointers_are_found_in_a_stripped_program_that_lies_anywhere() {
    check("shapes-pie", &["-buildmode=pie", "-ldflags=-s -w"], &[]);
}

/// Memory in which some words are others.
pub(super) struct Damaged<'a> {
    pub(super) memory: &'a dyn Memory,
    pub(super) seed: u64,
    /// One of so many words is damaged.
    pub(super) one_in: u64,
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
                        3 => byte.wrapping_shl(1),
                        _ => new,
                    };
                }
            }
        }
        Ok(())
    }
}

/// Asks everything of every object: it ends, and what it says is within bounds.
fn survey(objects: &Objects<'_>, limit: u64) {
    let mut given = 0_u64;
    for object in (0..objects.spans.objects()).map(Object) {
        let extent = objects.spans.extent(object);
        assert_eq!(objects.spans.object(extent.start), Some(object));
        assert_eq!(objects.spans.object(extent.end - 1), Some(object));
        let bytes = extent.end - extent.start;
        // What is missing is an error, and no matter here.
        let _ = objects.scan_any(object, &mut |offset, _| {
            assert!(offset < bytes && offset.is_multiple_of(8));
            given += 1;
        });
        if given.is_multiple_of(16) {
            let _ = (objects.type_name(object), objects.field(object, 16));
        }
    }
    let some = (0..objects.spans.objects()).step_by(50).map(Object);
    objects.learn(&some.take(500).collect::<Vec<_>>());
    assert!(given <= limit / 8, "{given} words of {limit} bytes");
    let _ = objects.scan_variables(&mut |_, _| {});
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_heaps_are_survived(seed in any::<u64>(), one_in in 2_u64..20_000) {
        let (target, runtime) = prepared();
        let memory = target.memory();
        let memory = Damaged { memory: &memory, seed, one_in };
        let limits = Limits { copied_bytes: 64 << 20, ..Limits::default() };
        // What can be made of damage is not the point here; that it ends is.
        let Ok(frozen) = copy(target, runtime, &memory, limits) else {
            return Ok(());
        };
        if let Ok(objects) = Objects::read(runtime, &frozen) {
            survey(&objects, frozen.copied_bytes());
        }
    }
}

fn prepared() -> &'static (Target, Runtime) {
    static PREPARED: OnceLock<(Target, Runtime)> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let path = build_in("tests/go", "shapes", "shapes-hostile", &["-ldflags=-s -w"]);
        let target = Target::start(&path, &[]);
        let runtime = target.runtime();
        (target, runtime)
    })
}
