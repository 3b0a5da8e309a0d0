//! What is read of a real program's heap against what the program itself says of its objects.

#![expect(
    clippy::disallowed_methods,
    reason = "tests read programs and their memory"
)]

use super::pointers::Objects;
use crate::{Depth, Frozen, Limits, Moment, Runtime};

#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use support::{Target, build_in};

/// What the program says of an object.
struct Said<'a> {
    address: u64,
    bytes: u64,
    of: String,
    /// `P` and `N`, repeated as often as it fits.
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

pub(super) fn freeze(target: &Target, runtime: &Runtime) -> Frozen {
    let moment = Moment {
        threads: &[],
        now_nanos: 0,
        depth: Depth::Proof,
        limits: Limits::default(),
        may_go_on: &|| true,
    };
    let copy = runtime.copy(target.bias(runtime), &target.memory(), &moment);
    copy.expect("a copy")
}

fn check(mode: &str, build: &[&str], arguments: &[&str]) {
    let path = build_in("tests/go", "shapes", mode, build);
    let target = Target::start(&path, arguments);
    let runtime = target.runtime();
    let frozen = freeze(&target, &runtime);
    let objects = Objects::read(&runtime, &frozen).expect("a heap");
    assert_eq!(objects.spans.doubts(), &[] as &[String], "{mode}");
    let mut typed = 0;
    for said in target.said.split(' ') {
        let said = parse(said).expect("an object");
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
    let mut found = Vec::new();
    let scanned = objects.scan(object, &mut |offset, value| {
        let at = extent.start + offset;
        if (said.address..=last).contains(&at) {
            assert_ne!(value, 0, "{about}");
            found.push((at - said.address) / 8);
        }
    });
    scanned.expect(&about);
    let words = said.words.iter().cycle().take(said.bytes as usize / 8);
    let expected: Vec<u64> = (0_u64..)
        .zip(words)
        .filter(|(_, word)| **word == b'P')
        .map(|(index, _)| index)
        .collect();
    assert!(found == expected, "{about}: {found:?}, not {expected:?}");
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
    check("shapes", &[], &[]);
}

#[test]
fn the_pointers_are_found_in_a_stripped_program_that_lies_anywhere() {
    check("shapes-pie", &["-buildmode=pie", "-ldflags=-s -w"], &[]);
}
