//! A pprof profile (gzipped `profile.proto`) that `go tool pprof` opens, made from any snapshot: also the way from a text
//! dump to pprof.
//!
//! One sample per stack, state and wait, its value the number of goroutines. Labels: those that all goroutines of the
//! sample carry, and `operation`, `state`, `wait` (in minutes) and `verdict` (where there is one), so that
//! `-tagfocus=operation='chan send'` or `-tagfocus=wait=5minutes:` narrow it down. A program's own label of the same name
//! wins. Where a proof says what leaks hold, samples have two further values, see [`retained`]. `docs/reports.md` describes
//! this to users.
//!
//! Format: `proto/profile.proto` of github.com/google/pprof.

use std::collections::HashMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use gorphan_model::operation::classify;
use gorphan_model::{Frame, Sample, Verdict};

use crate::clean::clean;
use crate::{Document, Error, Format, Report, TOOL, words};

mod retained;

/// Writes the profile, or that the document has none.
pub(crate) fn render(document: &Document<'_>, out: &mut dyn Write) -> Result<(), Error> {
    let Document::Inspect(report) = document else {
        return Err(document.unsupported(Format::Pprof));
    };
    let mut gzip = GzEncoder::new(out, Compression::default());
    gzip.write_all(&profile(report))?;
    gzip.finish()?;
    Ok(())
}

/// Field numbers of `Profile`.
mod field {
    pub(super) const SAMPLE_TYPE: u64 = 1;
    pub(super) const SAMPLE: u64 = 2;
    pub(super) const MAPPING: u64 = 3;
    pub(super) const LOCATION: u64 = 4;
    pub(super) const FUNCTION: u64 = 5;
    pub(super) const STRING_TABLE: u64 = 6;
    pub(super) const TIME_NANOS: u64 = 9;
    pub(super) const PERIOD_TYPE: u64 = 11;
    pub(super) const PERIOD: u64 = 12;
    pub(super) const COMMENT: u64 = 13;
    pub(super) const DEFAULT_SAMPLE_TYPE: u64 = 14;
}

/// The one mapping: it says that names are resolved, so that pprof looks for no binary.
const MAPPING_ID: u64 = 1;

fn profile(report: &Report<'_>) -> Vec<u8> {
    let mut tables = Tables::default();
    tables.string("");
    let mut verdicts = HashMap::new();
    for group in report.groups {
        let of_group = group.samples.iter().filter_map(|index| {
            let sample = report.snapshot.samples.get(*index)?;
            Some((*index, words::verdict_of(sample, group)))
        });
        verdicts.extend(of_group.filter(|(_, verdict)| *verdict > Verdict::Normal));
    }
    let mut body = Message::default();
    let name = words::profile(report.snapshot.profile);
    let kind = tables.value_type(name, "count");
    body.message(field::SAMPLE_TYPE, &kind);
    let held = retained::of(report.snapshot);
    if held.is_some() {
        for (name, unit) in retained::TYPES {
            body.message(field::SAMPLE_TYPE, &tables.value_type(name, unit));
        }
        // Else the last would be the one that is shown.
        body.number(field::DEFAULT_SAMPLE_TYPE, tables.string(name));
    }
    let zeros = if held.is_some() { &[0, 0][..] } else { &[] };
    for (index, sample) in report.snapshot.samples.iter().enumerate() {
        let verdict = verdicts.get(&index).copied();
        samples(sample, verdict, zeros, &mut tables, &mut body);
    }
    for one in held.into_iter().flatten() {
        let mut labels = Message::default();
        if let Some(sample) = one.sample {
            common_labels(sample, Some(Verdict::Leak), &mut tables, &mut labels);
        }
        let locations: Vec<u64> = one.frames.iter().map(|it| tables.location(it)).collect();
        let values = [0, one.objects, one.bytes];
        let message = sample_message(&locations, &values, &labels);
        body.message(field::SAMPLE, &message);
    }
    let mut mapping = Message::default();
    mapping.number(1, MAPPING_ID);
    for resolved in [7, 8, 9, 10] {
        mapping.number(resolved, 1);
    }
    body.message(field::MAPPING, &mapping);
    let time = report.target.taken_at_unix_nanos.unwrap_or_default();
    body.number(field::TIME_NANOS, u64::try_from(time).unwrap_or_default());
    body.message(field::PERIOD_TYPE, &kind);
    body.number(field::PERIOD, 1);
    let comment = format!(
        "{TOOL} {}: {}",
        env!("CARGO_PKG_VERSION"),
        report.target.name
    );
    body.number(field::COMMENT, tables.string(&comment));
    body.bytes.extend_from_slice(&tables.locations.bytes);
    body.bytes.extend_from_slice(&tables.functions.bytes);
    for string in &tables.strings {
        body.bytes(field::STRING_TABLE, string.as_bytes());
    }
    body.bytes
}

/// Writes one pprof sample per wait; goroutines whose wait is unknown come last, without one. `zeros` are its further values.
fn samples(
    sample: &Sample,
    verdict: Option<Verdict>,
    zeros: &[u64],
    tables: &mut Tables,
    body: &mut Message,
) {
    let frames = &sample.stack.frames;
    let locations: Vec<u64> = frames.iter().map(|frame| tables.location(frame)).collect();
    let mut labels = Message::default();
    let waits_taken = common_labels(sample, verdict, tables, &mut labels);
    let mut rest = sample.count;
    let values = |count: u64| [&[count], zeros].concat();
    let waits = sample.waits.as_ref().filter(|_| !waits_taken);
    for (minutes, count) in waits.into_iter().flat_map(|waits| waits.iter()) {
        let count = count.min(rest);
        if count == 0 {
            continue;
        }
        rest -= count;
        let mut wait = Message::default();
        wait.number(1, tables.string("wait"));
        wait.number(3, u64::from(minutes));
        wait.number(4, tables.string("minutes"));
        let mut one = labels.clone();
        one.message(3, &wait);
        let message = sample_message(&locations, &values(count), &one);
        body.message(field::SAMPLE, &message);
    }
    if rest > 0 {
        let message = sample_message(&locations, &values(rest), &labels);
        body.message(field::SAMPLE, &message);
    }
}

/// The labels that all goroutines of a sample have, and ours; whether the program has a label `wait` of its own.
fn common_labels(
    sample: &Sample,
    verdict: Option<Verdict>,
    tables: &mut Tables,
    labels: &mut Message,
) -> bool {
    let mut taken: Vec<&str> = Vec::new();
    for (key, value) in sample.labels.common(sample.count) {
        taken.push(key);
        tables.label(key, value, labels);
    }
    let operation = classify(sample.state.as_ref(), &sample.stack);
    let state = sample.state.as_ref().map(gorphan_model::State::as_str);
    for (key, value) in [
        ("operation", Some(operation.as_str())),
        ("state", state),
        ("verdict", verdict.map(Verdict::as_str)),
    ] {
        if let Some(value) = value.filter(|_| !taken.contains(&key)) {
            tables.label(key, value, labels);
        }
    }
    taken.contains(&"wait")
}

fn sample_message(locations: &[u64], values: &[u64], labels: &Message) -> Message {
    let mut message = Message::default();
    message.packed(1, locations);
    // Values are signed; nothing is so large.
    let values = values
        .iter()
        .map(|value| *value.min(&i64::MAX.unsigned_abs()));
    message.packed(2, &values.collect::<Vec<_>>());
    message.bytes.extend_from_slice(&labels.bytes);
    message
}

/// What the samples refer to, each thing written once.
#[derive(Default)]
struct Tables {
    strings: Vec<String>,
    string_ids: HashMap<String, u64>,
    function_ids: HashMap<(u64, u64), u64>,
    location_ids: HashMap<(u64, u32), u64>,
    functions: Message,
    locations: Message,
}

impl Tables {
    fn string(&mut self, text: &str) -> u64 {
        let text = clean(text);
        if let Some(id) = self.string_ids.get(&*text) {
            return *id;
        }
        let id = index(self.strings.len());
        self.strings.push(text.clone().into_owned());
        self.string_ids.insert(text.into_owned(), id);
        id
    }

    fn value_type(&mut self, name: &str, unit: &str) -> Message {
        let mut message = Message::default();
        message.number(1, self.string(name));
        message.number(2, self.string(unit));
        message
    }

    fn location(&mut self, frame: &Frame) -> u64 {
        let (name, file) = (self.string(&frame.function), self.string(&frame.file));
        let next = index(self.function_ids.len()).saturating_add(1);
        let function = *self.function_ids.entry((name, file)).or_insert_with(|| {
            let mut message = Message::default();
            message.number(1, next);
            message.number(2, name);
            message.number(3, name);
            message.number(4, file);
            self.functions.message(field::FUNCTION, &message);
            next
        });
        let next = index(self.location_ids.len()).saturating_add(1);
        *self
            .location_ids
            .entry((function, frame.line))
            .or_insert_with(|| {
                let mut line = Message::default();
                line.number(1, function);
                line.number(2, u64::from(frame.line));
                let mut message = Message::default();
                message.number(1, next);
                message.number(2, MAPPING_ID);
                message.message(4, &line);
                self.locations.message(field::LOCATION, &message);
                next
            })
    }

    fn label(&mut self, key: &str, value: &str, labels: &mut Message) {
        let mut label = Message::default();
        label.number(1, self.string(key));
        label.number(2, self.string(value));
        labels.message(3, &label);
    }
}

fn index(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// A protobuf message being written. Encoding: <https://protobuf.dev/programming-guides/encoding/>.
#[derive(Default, Clone)]
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    const VARINT: u64 = 0;
    const LENGTH: u64 = 2;

    /// A number; 0 is the default and is not written.
    fn number(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.varint((field << 3) | Self::VARINT);
            self.varint(value);
        }
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint((field << 3) | Self::LENGTH);
        self.varint(index(bytes.len()));
        self.bytes.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.bytes);
    }

    fn packed(&mut self, field: u64, values: &[u64]) {
        let mut packed = Self::default();
        for value in values {
            packed.varint(*value);
        }
        self.message(field, &packed);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[cfg(test)]
mod tests;
