#![expect(
    clippy::disallowed_methods,
    reason = "the test runs another program on a file"
)]
use std::io::Read as _;
use std::process::Command;

use prost::Message as _;

use crate::testing::{Fixture, sample_profile, sample_proof, sample_report};
use crate::{Document, Format, Style};

/// `profile.proto` as an independent implementation reads it.
mod oracle {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub(super) sample_type: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        pub(super) sample: Vec<Sample>,
        #[prost(message, repeated, tag = "4")]
        pub(super) location: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        pub(super) function: Vec<Function>,
        #[prost(string, repeated, tag = "6")]
        pub(super) string_table: Vec<String>,
        #[prost(int64, tag = "9")]
        pub(super) time_nanos: i64,
        #[prost(int64, tag = "14")]
        pub(super) default_sample_type: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ValueType {
        #[prost(int64, tag = "1")]
        pub(super) r#type: i64,
        #[prost(int64, tag = "2")]
        pub(super) unit: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Sample {
        #[prost(uint64, repeated, tag = "1")]
        pub(super) location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub(super) value: Vec<i64>,
        #[prost(message, repeated, tag = "3")]
        pub(super) label: Vec<Label>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Label {
        #[prost(int64, tag = "1")]
        pub(super) key: i64,
        #[prost(int64, tag = "2")]
        pub(super) str: i64,
        #[prost(int64, tag = "3")]
        pub(super) num: i64,
        #[prost(int64, tag = "4")]
        pub(super) num_unit: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Location {
        #[prost(uint64, tag = "1")]
        pub(super) id: u64,
        #[prost(message, repeated, tag = "4")]
        pub(super) line: Vec<Line>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Line {
        #[prost(uint64, tag = "1")]
        pub(super) function_id: u64,
        #[prost(int64, tag = "2")]
        pub(super) line: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Function {
        #[prost(uint64, tag = "1")]
        pub(super) id: u64,
        #[prost(int64, tag = "2")]
        pub(super) name: i64,
        #[prost(int64, tag = "4")]
        pub(super) filename: i64,
    }
}

fn written(document: &Document<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::render(document, Format::Pprof, &Style::default(), &mut bytes).expect("it renders");
    bytes
}

/// The profile as text: a line per sample with its labels, then its frames.
fn check(sample: &Fixture) -> String {
    let bytes = written(&sample.inspect());
    let mut raw = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice())
        .read_to_end(&mut raw)
        .expect("gzip");
    let profile = oracle::Profile::decode(raw.as_slice()).expect("protobuf");
    let string = |index: i64| &profile.string_table[usize::try_from(index).unwrap()];
    let kinds = profile.sample_type.iter();
    let kinds = kinds.map(|kind| format!("{}/{}", string(kind.r#type), string(kind.unit)));
    let mut text = kinds.collect::<Vec<_>>().join(", ");
    if profile.default_sample_type != 0 {
        text.push_str(&format!(" (shows {})", string(profile.default_sample_type)));
    }
    text.push_str(&format!(" at {}\n", profile.time_nanos));
    for sample in &profile.sample {
        text.push_str(&format!("{:?}", sample.value));
        for label in &sample.label {
            let (key, value) = (string(label.key), string(label.str));
            if label.num_unit == 0 {
                text.push_str(&format!(" {key}={value}"));
            } else {
                text.push_str(&format!(" {key}={} {}", label.num, string(label.num_unit)));
            }
        }
        text.push('\n');
        for id in &sample.location_id {
            let location = profile
                .location
                .iter()
                .find(|one| one.id == *id)
                .expect("a location");
            let line = &location.line[0];
            let function = profile
                .function
                .iter()
                .find(|one| one.id == line.function_id)
                .unwrap();
            let (name, file) = (string(function.name), string(function.filename));
            text.push_str(&format!("    {name} {file}:{}\n", line.line));
        }
    }
    assert_eq!(profile.string_table[0], "");
    text
}

#[test]
fn an_independent_reader_sees_the_samples() {
    insta::assert_snapshot!("dump", check(&sample_report()));
    insta::assert_snapshot!("profile", check(&sample_profile()));
    insta::assert_snapshot!("proof", check(&sample_proof()));
}

#[test]
fn the_counts_add_up() {
    let sample = sample_report();
    let text = check(&sample);
    let counts = text
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.split(']').next());
    let sum: u64 = counts.map(|count| count.parse::<u64>().unwrap()).sum();
    assert_eq!(sum, sample.snapshot.goroutines());
}

#[test]
fn the_bytes_add_up() {
    let mut sample = sample_proof();
    let sum = |sample: &Fixture| {
        let text = check(sample);
        let values = text
            .lines()
            .filter_map(|line| line.strip_prefix('[')?.split_once(']'));
        let values = values.map(|(values, _)| values.rsplit(' ').next().unwrap().parse::<u64>());
        values.map(Result::unwrap).sum::<u64>()
    };
    let retention = sample.snapshot.retention.clone().unwrap();
    let sites: u64 = retention.sites.iter().map(|site| site.bytes()).sum();
    assert_eq!(sum(&sample), sites + retention.shared_bytes);
    // Of a site that is not shown whole nothing is known.
    sample.snapshot.samples[0].count -= 1;
    let rest = sites - retention.sites[0].bytes() + retention.shared_bytes;
    assert_eq!(sum(&sample), rest);
}

/// Go's own tool is the judge of what it opens. `PROJECT_GO` names a go command that is not on the path.
fn top(document: &Document<'_>, arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("goroutines.pb.gz");
    std::fs::write(&file, written(document)).expect("written");
    let go = std::env::var("PROJECT_GO").unwrap_or_else(|_| "go".to_owned());
    let output = Command::new(&go)
        .args(["tool", "pprof", "-top", "-nodecount=100"])
        .args(arguments)
        .arg(&file)
        .env("PPROF_TMPDIR", directory.path())
        .output()
        .unwrap_or_else(|error| {
            panic!("cannot run {go}: {error}; install Go (https://go.dev/dl) or set PROJECT_GO to its go command")
        });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "go tool pprof: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn go_tool_pprof_opens_it() {
    let sample = sample_report();
    let top = |arguments: &[&str]| top(&sample.inspect(), arguments);
    let all = top(&[]);
    assert!(all.contains("Type: goroutine"), "{all}");
    assert!(all.contains("1338 total"), "{all}");
    assert!(
        all.contains("example.com/shop.(*Server).quote.func1"),
        "{all}"
    );
    let sends = top(&["-tagfocus=operation=chan send"]);
    assert!(sends.contains("1250, 93.42% of 1338 total"), "{sends}");
    let old = top(&["-tagfocus=wait=5minutes:"]);
    assert!(old.contains("540, 40.36% of 1338 total"), "{old}");
}

#[test]
fn go_tool_pprof_shows_what_leaks_hold() {
    let sample = sample_proof();
    let top = |arguments: &[&str]| top(&sample.inspect(), arguments);
    let all = top(&[]);
    assert!(
        all.contains("Type: goroutine\n") && all.contains("1322 total"),
        "{all}"
    );
    let space = top(&["-sample_index=inuse_space", "-unit=B"]);
    let leaked = crate::proof::leaked_bytes(sample.snapshot.retention.as_deref().unwrap());
    assert!(space.contains(&format!("{leaked}B total")), "{space}");
    let line = |what: &str| {
        let line = space.lines().find(|line| line.ends_with(what));
        let line = line.unwrap_or_else(|| panic!("no {what} in {space}"));
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(line(" type []uint8")[0], "5120000B");
    assert_eq!(line(" (goroutine stacks)")[0], format!("{}B", 1272 * 2048));
    // All that goroutines hold which the function started, under its name.
    assert_eq!(line("example.com/shop.(*Server).quote")[3], "8036104B");
    let objects = top(&["-sample_index=inuse_objects"]);
    assert!(objects.contains("Type: inuse_objects"), "{objects}");
}
