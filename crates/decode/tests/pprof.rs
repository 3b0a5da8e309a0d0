//! The protobuf reader against an independent encoder (prost).

mod oracle;

use gorphan_decode::{Error, Limits, Options, pprof};
use gorphan_model::{ProfileKind, Snapshot};
use oracle::{Builder, Label, Location, ValueType};
use proptest::prelude::*;
use prost::Message;

fn read(bytes: &[u8]) -> Result<Snapshot, Error> {
    pprof::read(bytes, &Options::default())
}

/// A snapshot in a few lines: samples with their frames, labels, and problems.
fn show(snapshot: &Snapshot) -> String {
    let mut lines = Vec::new();
    for sample in &snapshot.samples {
        let frames = sample.stack.frames.iter();
        let frames: Vec<_> = frames
            .map(|frame| format!("{}@{}:{}", frame.function, frame.file, frame.line))
            .collect();
        let labels = sample.labels.iter().map(|(key, values)| {
            let values = values
                .counts
                .iter()
                .map(|(value, count)| format!("{value}*{count}"));
            format!(" {key}={}", values.collect::<Vec<_>>().join("|"))
        });
        let labels: String = labels.collect();
        let leaked = if sample.leaked > 0 { " leaked" } else { "" };
        lines.push(format!(
            "{}{leaked}{labels}: {}",
            sample.count,
            frames.join(" < ")
        ));
    }
    lines.extend(
        snapshot
            .problems
            .iter()
            .map(|problem| format!("! {}", problem.message)),
    );
    if snapshot.truncated {
        lines.push(String::from("truncated"));
    }
    lines.join("\n")
}

#[track_caller]
fn check(builder: &Builder, expected: &str) {
    let bytes = builder.encode();
    let snapshot = read(&bytes).expect("a goroutine profile");
    assert_eq!(show(&snapshot), expected);
    assert_eq!(snapshot.bytes_read, bytes.len() as u64);
}

#[test]
fn inlined_frames_come_leaf_first_and_runtime_leaves_stay() {
    let mut profile = Builder::new("goroutine");
    let park = profile.location(&[("runtime.gopark", "proc.go", 9)]);
    let inlined = profile.location(&[("main.inner", "m.go", 3), ("main.outer", "m.go", 7)]);
    profile.sample(4, &[park, inlined], &[]);
    profile.profile.time_nanos = 77;
    check(
        &profile,
        "4: runtime.gopark@proc.go:9 < main.inner@m.go:3 < main.outer@m.go:7",
    );
    let snapshot = read(&profile.encode()).expect("a goroutine profile");
    assert_eq!(snapshot.taken_at_unix_nanos, Some(77));
    let sample = &snapshot.samples[0];
    assert_eq!(sample.identities.elided, 4);
    assert!(sample.state.is_none() && sample.waits.is_none() && sample.stack.created_by.is_none());
}

#[test]
fn equal_stacks_merge_with_their_labels_even_from_other_addresses() {
    let mut profile = Builder::new("goroutine");
    let here = profile.location(&[("main.f", "m.go", 3)]);
    let same_line = profile.location(&[("main.f", "m.go", 3)]);
    let other_line = profile.location(&[("main.f", "m.go", 4)]);
    profile.sample(1, &[here], &[("svc", "a")]);
    profile.sample(2, &[same_line], &[("svc", "b")]);
    profile.sample(3, &[other_line], &[("svc", "b")]);
    check(
        &profile,
        "3 svc=a*1|b*2: main.f@m.go:3\n3 svc=b*3: main.f@m.go:4",
    );
}

#[test]
fn labels_met_before_are_those_of_their_own_sample() {
    let mut profile = Builder::new("goroutine");
    profile.location(&[("main.f", "m.go", 3)]);
    profile.location(&[("main.g", "m.go", 5)]);
    let (key, value) = (profile.string("k"), profile.string("v"));
    let (key, value) = (key as u8, value as u8);
    let mut bytes = profile.encode();
    let label = [0x1a, 4, 0x08, key, 0x10, value];
    let mut sample = |parts: &[&[u8]]| {
        let message = parts.concat();
        bytes.extend_from_slice(&[0x12, message.len() as u8]);
        bytes.extend_from_slice(&message);
    };
    // location_id: 1, value: 2, label; the same again; and for location 2, twice, with a value after the label.
    sample(&[&[0x08, 1, 0x10, 2], &label]);
    sample(&[&[0x08, 1, 0x10, 2], &label]);
    sample(&[&[0x08, 2], &label, &[0x10, 7]]);
    sample(&[&[0x08, 2], &label, &[0x10, 7]]);
    // Nothing but the label.
    sample(&[&label]);
    let snapshot = read(&bytes).expect("a goroutine profile");
    insta::assert_snapshot!(show(&snapshot), @r"
    4 k=v*4: main.f@m.go:3
    14 k=v*14: main.g@m.go:5
    ! sample 5 at byte 164: it has no count; it is left out
    ");
}

#[test]
fn numeric_labels_become_text_with_their_unit() {
    let mut profile = Builder::new("goroutine");
    let here = profile.location(&[("main.f", "m.go", 3)]);
    profile.sample(1, &[here], &[]);
    let [goid, wait, ns] = ["goid", "wait", "nanoseconds"].map(|text| profile.string(text));
    profile.profile.sample[0].label = vec![
        Label {
            key: goid,
            num: 17,
            ..Label::default()
        },
        Label {
            key: wait,
            num: -5,
            num_unit: ns,
            ..Label::default()
        },
    ];
    check(&profile, "1 goid=17*1 wait=-5 nanoseconds*1: main.f@m.go:3");
}

#[test]
fn a_leak_profile_says_leaked_and_may_be_empty() {
    let mut profile = Builder::new("goroutineleak");
    check(&profile, "");
    let here = profile.location(&[("main.f", "m.go", 3)]);
    profile.sample(2, &[here], &[]);
    check(&profile, "2 leaked: main.f@m.go:3");
    let snapshot = read(&profile.encode()).expect("a goroutine profile");
    assert_eq!(snapshot.profile, ProfileKind::GoroutineLeak);
}

#[test]
fn a_location_without_function_keeps_its_address_and_binary() {
    let mut profile = Builder::new("goroutine");
    let file = profile.string("/bin/shop");
    profile.profile.mapping.push(oracle::Mapping {
        id: 1,
        filename: file,
        has_functions: false,
    });
    let nameless = profile.location(&[]);
    profile.sample(1, &[nameless], &[]);
    check(&profile, "1: 0x400010@/bin/shop:0");
}

#[test]
fn sparse_ids_unknown_fields_comments_and_other_value_columns_are_no_obstacle() {
    let mut profile = Builder::new("waitduration");
    let goroutines = ValueType {
        r#type: profile.string("goroutine"),
        unit: 2,
    };
    profile.profile.sample_type.push(goroutines);
    profile.location(&[("main.f", "m.go", 3)]);
    profile.location(&[("main.g", "m.go", 5)]);
    profile.profile.location[0].id = 1 << 40;
    profile.profile.location[1].id = 7;
    profile.sample(900, &[7, 1 << 40], &[]);
    profile.profile.sample[0].value = vec![900, 6];
    profile.profile.comment = vec![1];
    profile.profile.doc_url = 1;
    profile.profile.unknown = String::from("later");
    check(&profile, "6: main.g@m.go:5 < main.f@m.go:3");
}

#[test]
fn unpacked_numbers_are_read_like_packed_ones() {
    let mut profile = Builder::new("goroutine");
    profile.location(&[("main.f", "m.go", 3)]);
    profile.location(&[("main.g", "m.go", 5)]);
    let mut bytes = profile.encode();
    // Sample { location_id: 1, location_id: 2, value: 9 }, each number a field of its own.
    bytes.extend_from_slice(&[0x12, 6, 0x08, 1, 0x08, 2, 0x10, 9]);
    let snapshot = read(&bytes).expect("a goroutine profile");
    assert_eq!(show(&snapshot), "9: main.f@m.go:3 < main.g@m.go:5");
}

#[test]
fn a_damaged_sample_costs_that_sample() {
    let mut profile = Builder::new("goroutine");
    let good = profile.location(&[("main.f", "m.go", 3)]);
    let lost_function = Location {
        id: 2,
        line: vec![oracle::Line {
            function_id: 44,
            line: 1,
        }],
        ..Location::default()
    };
    profile.profile.location.push(lost_function);
    let lost_string = profile.location(&[("main.g", "m.go", 3)]);
    profile.profile.function[1].name = 1_000_000;
    profile.sample(1, &[good], &[]);
    profile.sample(1, &[good, 99], &[]);
    profile.sample(1, &[2], &[]);
    profile.sample(1, &[lost_string], &[]);
    profile.sample(0, &[good], &[]);
    profile.sample(-3, &[good], &[]);
    profile.sample(1, &[good], &[]);
    profile.profile.sample[6].label = vec![Label {
        key: 12345,
        ..Label::default()
    }];
    profile.sample(1, &[good], &[]);
    profile.profile.sample[7].value.clear();
    profile.sample(5, &[good], &[]);
    insta::assert_snapshot!(show(&read(&profile.encode()).expect("a goroutine profile")));
}

#[test]
fn profiles_of_other_things_are_named() {
    let kinds: [&[(&str, &str)]; 5] = [
        &[
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
        ],
        &[("samples", "count"), ("cpu", "nanoseconds")],
        &[("contentions", "count"), ("delay", "nanoseconds")],
        &[("threadcreate", "count")],
        &[("goroutinesque\n", "count")],
    ];
    let messages = kinds.map(|kind| {
        let mut profile = Builder::default();
        profile.string("");
        for (name, unit) in kind {
            let value = ValueType {
                r#type: profile.string(name),
                unit: profile.string(unit),
            };
            profile.profile.sample_type.push(value);
        }
        read(&profile.encode())
            .expect_err("not goroutines")
            .to_string()
    });
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn limits_are_kept_and_told() {
    let mut profile = Builder::new("goroutine");
    let ids: Vec<u64> = (0..6)
        .map(|line| profile.location(&[("main.f", "m.go", line)]))
        .collect();
    profile.sample(1, &ids, &[]);
    profile.sample(2, &ids[..2], &[]);
    profile.sample(3, &ids[..1], &[]);
    profile.sample(4, &ids[..2], &[]);
    let limits = Limits {
        stacks: 2,
        frames: 3,
        ..Limits::default()
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    let snapshot = pprof::read(&profile.encode(), &options).expect("a goroutine profile");
    insta::assert_snapshot!(show(&snapshot));
    let limits = Limits {
        profile_bytes: 10,
        ..Limits::default()
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    let error = pprof::read(&profile.encode(), &options).expect_err("too large");
    assert!(
        matches!(
            error,
            Error::TooLarge {
                limit_bytes: 10,
                ..
            }
        ),
        "{error}"
    );
}

/// What a generated sample is: its count, frames as (function, line), label value.
type Plain = (i64, Vec<(u8, u8)>, Option<u8>);

fn build(samples: &[Plain]) -> Builder {
    let mut builder = Builder::new("goroutine");
    for (count, frames, label) in samples {
        let ids: Vec<u64> = frames
            .iter()
            .map(|(function, line)| {
                builder.location(&[(&format!("main.f{function}"), "m.go", i64::from(*line))])
            })
            .collect();
        let value = label.map(|label| format!("v{label}"));
        let labels: Vec<_> = value.iter().map(|value| ("key", value.as_str())).collect();
        builder.sample(*count, &ids, &labels);
    }
    builder
}

/// What the reader should make of it, computed on plain data.
fn expected(samples: &[Plain]) -> Vec<(u64, Vec<(String, u32)>)> {
    let mut merged: Vec<(u64, Vec<(String, u32)>)> = Vec::new();
    for (count, frames, _) in samples {
        let frames: Vec<_> = frames
            .iter()
            .map(|(function, line)| (format!("main.f{function}"), u32::from(*line)))
            .collect();
        let count = count.unsigned_abs();
        match merged.iter_mut().find(|(_, known)| *known == frames) {
            Some((sum, _)) => *sum += count,
            None => merged.push((count, frames)),
        }
    }
    merged
}

proptest! {
    #[test]
    fn a_generated_profile_is_read_as_it_was_meant(
        samples in prop::collection::vec(
            (1..1000_i64, prop::collection::vec((0..6_u8, 0..4_u8), 0..5), prop::option::of(0..30_u8)),
            0..20,
        )
    ) {
        let snapshot = read(&build(&samples).encode()).expect("a goroutine profile");
        let found: Vec<_> = snapshot.samples.iter().map(|sample| {
            let frames = sample.stack.frames.iter();
            (sample.count, frames.map(|frame| (frame.function.to_string(), frame.line)).collect::<Vec<_>>())
        }).collect();
        prop_assert_eq!(found, expected(&samples));
        let labelled: u64 = samples.iter().filter(|sample| sample.2.is_some()).map(|sample| sample.0.unsigned_abs()).sum();
        let counted: u64 = snapshot.samples.iter().flat_map(|sample| sample.labels.iter()).map(|(_, values)| {
            values.counts.sum() + values.others
        }).sum();
        prop_assert_eq!(counted, labelled);
        prop_assert!(snapshot.problems.is_empty());
    }

    #[test]
    fn any_cut_is_told_and_loses_no_sample_before_it(cut in 0.0..1.0_f64) {
        let bytes = build(&[(3, vec![(0, 1), (1, 2)], None), (4, vec![(2, 2)], Some(1))]).encode();
        let cut = (bytes.len() as f64 * cut) as usize;
        match read(&bytes[..cut]) {
            Ok(snapshot) => {
                // A cut between two fields cannot be seen as such, but a sample without strings is reported.
                let told = !snapshot.problems.is_empty() || snapshot.truncated;
                prop_assert!(told || snapshot.goroutines() == 7, "{}", show(&snapshot));
            }
            Err(error) => {
                let named = matches!(
                    error,
                    Error::Empty | Error::Damaged { .. } | Error::NotGoroutines { .. }
                );
                prop_assert!(named, "{error}");
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
    }

    #[test]
    fn a_flipped_byte_never_panics_and_never_adds_much(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = build(&[(3, vec![(0, 1), (1, 2)], None), (4, vec![(2, 2)], Some(1))]).encode();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(snapshot) = read(&bytes) {
            prop_assert!(snapshot.samples.len() <= bytes.len() / 2);
        }
    }
}

#[test]
fn the_benchmark_profile_is_a_profile() {
    let bytes = oracle::service(50);
    assert_eq!(
        oracle::Profile::decode(&*bytes)
            .expect("prost reads it")
            .sample
            .len(),
        50
    );
    let snapshot = read(&bytes).expect("a goroutine profile");
    assert_eq!((snapshot.samples.len(), snapshot.problems.len()), (50, 0));
}
