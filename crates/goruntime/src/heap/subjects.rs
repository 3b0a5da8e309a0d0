//! What is found out about goroutines of a real program against what they do.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use gorphan_model::Proof;
use proptest::prelude::*;

use super::shapes::Damaged;
use super::shapes::support::{Target, build_in};
use super::world::World;
use super::{Heap, Located, Wait, Which};
use crate::image::pclntab::Work;
use crate::{Address, Depth, Frozen, Limits, Memory, Moment, Question, Runtime, Unreadable};

/// Memory of which some pages cannot be read.
struct Holes<'a> {
    memory: &'a dyn Memory,
    seed: u64,
    /// Of so many pages one is missing; 0 for none.
    one_in: u64,
}

impl Memory for Holes<'_> {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let length = buffer.len() as u64;
        let pages = address.0 >> 12..=address.0.saturating_add(length) >> 12;
        let is_missing = |page: u64| {
            let mixed = (page ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed >> 32).checked_rem(self.one_in) == Some(0)
        };
        if pages.clone().any(is_missing) {
            return Err(Unreadable { address, length });
        }
        self.memory.read(address, buffer)
    }
}

fn freeze(target: &Target, runtime: &Runtime, memory: &dyn Memory) -> Option<Frozen> {
    let moment = Moment {
        threads: &[],
        now_nanos: 0,
        depth: Depth::Proof,
        limits: Limits::default(),
        may_go_on: &|| true,
    };
    runtime.copy(target.bias(runtime), memory, &moment).ok()
}

/// How many addresses goroutines wait for, by the function that they started with; `None` for those that wait for none.
fn waits(runtime: &Runtime, world: &World<'_>, bias: u64) -> BTreeMap<String, Option<usize>> {
    let work = Work::new();
    let code = runtime.code(&work).expect("functions");
    let mut found = BTreeMap::new();
    for (number, subject) in (0..).zip(world.goroutines()) {
        let (one, _) = world.goroutine(subject.g).expect("a goroutine");
        let start = code.find(one.start.wrapping_sub(bias)).expect("a function");
        let count = match &subject.wait {
            Wait::No => None,
            Wait::ForNothing => Some(0),
            Wait::For(addresses) => {
                for address in addresses {
                    let at = world.locate(*address);
                    assert!(matches!(at, Located::Object(_)), "{}", start.name);
                }
                Some(addresses.len())
            }
            Wait::Unknown(why) => panic!("{}: {why}", start.name),
        };
        let scanned = world.scan_goroutine(Which(number), &mut |_| {});
        assert_eq!(scanned, Ok(()), "{}", start.name);
        let name = start.name.split('.').find(|part| is_named(part));
        let name = name.unwrap_or(start.name).to_owned();
        let other = found.insert(name, count);
        assert!(other.is_none_or(|other| other == count), "{}", start.name);
    }
    found
}

/// As the program names its functions.
fn is_named(part: &str) -> bool {
    let kinds = ["one", "two", "nothing", "no"];
    kinds.iter().any(|kind| {
        let rest = part.strip_prefix(kind);
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    })
}

fn check(mode: &str, build: &[&str]) -> Runtime {
    let path = build_in("tests/go", "waits", mode, build);
    let target = Target::start(&path, &[]);
    let runtime = target.runtime();
    let frozen = freeze(&target, &runtime, &target.memory()).expect("a copy");
    let world = World::new(&runtime, &frozen, 2).expect("a heap");
    assert_eq!(world.doubts(), [] as [String; 0], "{mode}");
    assert_eq!(world.roots(&mut |_| {}), Ok(()), "{mode}");
    let found = waits(&runtime, &world, frozen.bias.0);
    let expected = [
        ("oneReceive", Some(1)),
        ("oneSend", Some(1)),
        ("oneMutex", Some(1)),
        ("oneRead", Some(1)),
        ("oneGroup", Some(1)),
        ("oneCond", Some(1)),
        ("twoSelect", Some(2)),
        ("nothingReceive", Some(0)),
        ("nothingSelect", Some(0)),
        ("nothingAtAll", Some(0)),
        ("noSleep", None),
        ("noPipe", None),
        ("runtime.main", None),
        ("runtime.forcegchelper", None),
    ];
    for (name, count) in expected {
        assert_eq!(found.get(name), Some(&count), "{mode} {name}");
    }
    if runtime.minor >= 23 {
        assert_eq!(found.get("runtime.corostart"), Some(&Some(1)), "{mode}");
    }
    runtime
}

#[test]
fn all_waits_are_understood_with_symbols_and_without() {
    let with = check("waits", &[]);
    let without = check("waits-stripped", &["-ldflags=-s -w"]);
    // The same code, with its variables at the same places.
    assert_eq!(with.variables, without.variables);
}

#[test]
fn all_waits_are_understood_in_a_program_that_lies_anywhere() {
    check("waits-pie", &["-buildmode=pie"]);
}

/// By the goroutine's number what was proven of it.
fn proofs(runtime: &Runtime, frozen: &Frozen) -> BTreeMap<u64, &'static str> {
    let question = Question {
        threads: 1,
        why: None,
    };
    let Ok(answer) = runtime.prove(frozen, &question) else {
        return BTreeMap::new();
    };
    let mut found = BTreeMap::new();
    for sample in &answer.snapshot.samples {
        for one in &sample.identities.known {
            let result = sample.proof.as_deref().map_or("none", Proof::result);
            found.insert(one.id.0, result);
        }
    }
    found
}

fn prepared() -> &'static (Target, Runtime, BTreeMap<u64, &'static str>) {
    static PREPARED: OnceLock<(Target, Runtime, BTreeMap<u64, &'static str>)> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let path = build_in("tests/go", "waits", "waits-holes", &[]);
        let target = Target::start(&path, &[]);
        let runtime = target.runtime();
        let frozen = freeze(&target, &runtime, &target.memory()).expect("a copy");
        let whole = proofs(&runtime, &frozen);
        let count = |result: &str| whole.values().filter(|one| **one == result).count();
        assert!(
            count("unreachable") > 5 && count("reachable") > 5,
            "{whole:?}"
        );
        (target, runtime, whole)
    })
}

#[test]
fn words_that_were_left_out_leave_everything_undecided() {
    let (target, runtime, _) = prepared();
    let mut frozen = freeze(target, runtime, &target.memory()).expect("a copy");
    frozen.leaves_out_words = true;
    let found = proofs(runtime, &frozen);
    let is_leak = |result: &&str| *result == "unreachable";
    assert!(!found.values().any(is_leak), "{found:?}");
    let undecided = found.values().filter(|result| **result == "inconclusive");
    assert!(undecided.count() > 5, "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_missing_never_makes_a_leak(seed in any::<u64>(), one_in in 2_u64..2_000) {
        let (target, runtime, whole) = prepared();
        let memory = target.memory();
        let memory = Holes { memory: &memory, seed, one_in };
        let Some(frozen) = freeze(target, runtime, &memory) else {
            return Ok(());
        };
        for (id, result) in proofs(runtime, &frozen) {
            let is_leak = result == "unreachable";
            prop_assert!(!is_leak || whole.get(&id) == Some(&"unreachable"), "goroutine {id}");
        }
    }

    #[test]
    fn damage_is_survived(seed in any::<u64>(), one_in in 2_u64..20_000) {
        let (target, runtime, _) = prepared();
        let memory = target.memory();
        let memory = Damaged { memory: &memory, seed, one_in };
        // What can be made of damage is not the point here; that it ends is.
        if let Some(frozen) = freeze(target, runtime, &memory) {
            proofs(runtime, &frozen);
        }
    }
}
