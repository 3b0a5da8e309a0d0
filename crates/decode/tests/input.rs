//! What an input is, and how it is unpacked.

mod oracle;

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use gorphan_decode::{Error, Limits, Options, read, read_bytes};
use gorphan_model::Snapshot;
use oracle::Builder;
use proptest::prelude::*;

fn profile() -> Vec<u8> {
    let mut builder = Builder::new("goroutine");
    let here = builder.location(&[("main.f", "m.go", 3)]);
    builder.sample(7, &[here], &[]);
    builder.encode()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory does not fail");
    encoder.finish().expect("memory does not fail")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("memory does not fail")
}

fn decode(bytes: &[u8]) -> Result<Vec<Snapshot>, Error> {
    let streamed = read(bytes, &Options::default());
    let lent = read_bytes(bytes, &Options::default());
    match (&streamed, &lent) {
        (Ok(streamed), Ok(lent)) => assert_eq!(streamed, lent),
        _ => assert_eq!(format!("{streamed:?}"), format!("{lent:?}")),
    }
    streamed
}

/// The input gives the profile's goroutines; returns the problems.
#[track_caller]
fn check(bytes: &[u8]) -> Vec<String> {
    let snapshots = decode(bytes).expect("a profile");
    assert_eq!(snapshots.len(), 1);
    assert_eq!(snapshots[0].goroutines(), 7);
    let problems = &snapshots[0].problems;
    assert_eq!(snapshots[0].truncated, !problems.is_empty());
    problems
        .iter()
        .map(|problem| problem.message.clone())
        .collect()
}

#[test]
fn packed_profiles_are_unpacked_whatever_the_layers() {
    let plain = profile();
    let none: [&str; 0] = [];
    assert_eq!(check(&plain), none);
    assert_eq!(check(&gzip(&plain)), none);
    assert_eq!(check(&zstd(&plain)), none);
    assert_eq!(check(&gzip(&gzip(&plain))), none);
    assert_eq!(check(&zstd(&gzip(&plain))), none);
    let (first, second) = plain.split_at(plain.len() / 2);
    assert_eq!(check(&[gzip(first), gzip(second)].concat()), none);
    let four = (0..4).fold(plain, |bytes, _| gzip(&bytes));
    assert!(matches!(decode(&four), Err(Error::Nested { limit: 3 })));
}

#[test]
fn a_cut_or_damaged_pack_gives_what_came() {
    let mut packed = gzip(&profile());
    packed.truncate(packed.len() - 4);
    assert_eq!(check(&packed).len(), 1);
    let mut packed = gzip(&profile());
    packed.extend_from_slice(b"trailing words");
    assert_eq!(check(&packed).len(), 1);
    let error = decode(&gzip(&profile())[..12]).expect_err("nothing came");
    assert!(
        matches!(error, Error::Unpack { layer: "gzip", .. }),
        "{error}"
    );
    let error = decode(&zstd(&profile())[..9]).expect_err("nothing came");
    assert!(
        matches!(error, Error::Unpack { layer: "zstd", .. }),
        "{error}"
    );
}

#[test]
fn bombs_stop_at_the_limit() {
    let limits = Limits {
        input_bytes: 1 << 20,
        profile_bytes: 1 << 16,
        ..Limits::default()
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    let spaces = gzip(&vec![b' '; 4 << 20]);
    let error = read(&*spaces, &options).expect_err("a bomb");
    assert!(
        matches!(
            error,
            Error::TooLarge {
                limit_bytes: 1_048_576,
                ..
            }
        ),
        "{error}"
    );
    let mut large = profile();
    large.resize(large.len() + (1 << 17), 0);
    let error = read(&*gzip(&large), &options).expect_err("a bomb");
    assert!(
        matches!(
            error,
            Error::TooLarge {
                limit_bytes: 65_536,
                ..
            }
        ),
        "{error}"
    );
    let empty_members = gzip(&gzip(b"").repeat(1 << 17));
    let error = read(&*empty_members, &options).expect_err("a bomb");
    assert!(
        matches!(
            error,
            Error::TooLarge {
                limit_bytes: 1_048_576,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn utf16_and_marked_text_are_read() {
    let dump = "goroutine 7 [chan receive]:\nmain.f()\n\t/m.go:3 +0x1\n";
    let little: Vec<u8> = dump.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = dump.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let texts = [
        [b"\xef\xbb\xbf", dump.as_bytes()].concat(),
        [b"\xff\xfe", &*little].concat(),
        [b"\xfe\xff", &*big].concat(),
        gzip(&[b"\xff\xfe", &*little].concat()),
    ];
    for text in texts {
        let snapshots = decode(&text).expect("a dump");
        assert_eq!((snapshots.len(), snapshots[0].goroutines()), (1, 1));
    }
}

#[test]
fn text_without_goroutines_is_named_by_how_it_starts() {
    let inputs: [&[u8]; 6] = [
        b"one line\nanother\n",
        b"2026-01-01 00:00:00\nFull thread dump OpenJDK 64-Bit Server VM\n",
        b"web | gc 1 @0.007s 16%: 2.2+3.1+0.003 ms clock\n",
        b"heap profile: 1: 2 [3: 4] @ heap/1048576\n",
        b"--- contention:\ncycles/second=1\n",
        b"\x01\x02\0\0\0\x03 words",
    ];
    let messages = inputs.map(|input| decode(input).expect_err("no goroutines").to_string());
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn what_is_not_goroutines_is_named() {
    let mut core = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0".to_vec();
    core.resize(64, 0);
    let mut executable = core.clone();
    executable[16] = 2;
    let inputs: [&[u8]; 11] = [
        b"",
        b" \n\r\n",
        &gzip(b""),
        b"\n<!DOCTYPE html><html><head><title>Sign in\n  to Shop</title></head>",
        b"<HTML><body>no title",
        &core,
        &executable,
        b"PK\x03\x04\x14\0",
        b"\xfd7zXZ\0",
        b"\xcf\xfa\xed\xfe\x07\0\0\x01",
        b"go 1.26 trace\0\0\0\x01",
    ];
    let messages = inputs.map(|input| decode(input).expect_err("no goroutines").to_string());
    insta::assert_snapshot!(messages.join("\n"));
}

/// Fails after its bytes.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the line went dead")),
            read => Ok(read),
        }
    }
}

#[test]
fn a_failing_source_is_an_error_also_under_compression() {
    let packed = gzip(&profile());
    for input in [&profile()[..], &packed[..packed.len() - 9]] {
        let error = read(Broken(input), &Options::default()).expect_err("reading fails");
        assert!(matches!(error, Error::Io(_)), "{error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), pack in 0..3) {
        let bytes = match pack {
            0 => bytes,
            1 => gzip(&bytes),
            _ => zstd(&bytes),
        };
        let _ = decode(&bytes);
    }

    #[test]
    fn any_cut_of_a_pack_never_panics(at in any::<prop::sample::Index>()) {
        for packed in [gzip(&profile()), zstd(&profile())] {
            let _ = decode(&packed[..at.index(packed.len())]);
        }
    }
}
