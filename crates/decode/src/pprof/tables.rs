//! What samples refer to: strings, functions, locations.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use gorphan_model::Frame;

use super::wire::{Damage, Fields, Value};
use super::{field, signed};

/// Entries kept of each table (strings, functions, locations, mappings). A profile of a large service has some ten
/// thousand; an entry can take two bytes of input and 40 of memory, so a cap bounds memory.
pub(crate) const MAX_ENTRIES: usize = 4 << 20;

/// Bytes kept of a label's key or value; longer ones are cut. Labels are short words.
const MAX_LABEL_BYTES: usize = 1024;

/// Ids to indices. Writers number entries from 1, so that most ids are an index plus one.
#[derive(Default)]
struct Ids {
    dense: u32,
    next: u32,
    sparse: HashMap<u64, u32, foldhash::fast::RandomState>,
}

impl Ids {
    fn push(&mut self, id: u64) {
        if self.sparse.is_empty() && id == u64::from(self.dense) + 1 {
            self.dense += 1;
        } else {
            // Of two entries with one id the first counts.
            self.sparse.entry(id).or_insert(self.next);
        }
        self.next += 1;
    }

    #[inline]
    fn get(&self, id: u64) -> Option<usize> {
        if id.wrapping_sub(1) < u64::from(self.dense) {
            return usize::try_from(id - 1).ok();
        }
        self.sparse.get(&id).map(|index| *index as usize)
    }
}

/// A function's name and file, as indices of strings.
#[derive(Default)]
struct Function {
    name: u64,
    file: u64,
}

/// Why a location cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The profile has no such location.
    Missing,
    /// Its encoding is damaged.
    Damaged(&'static str),
}

/// No frame has this number: there is no room for as many.
const NOT_ONE: u32 = u32::MAX;

/// The tables, and the frames made from them as samples ask for them.
pub(crate) struct Tables<'a> {
    strings: Vec<&'a [u8]>,
    functions: Vec<Function>,
    function_ids: Ids,
    locations: Vec<Location<'a>>,
    location_ids: Ids,
    mapping_files: Vec<u64>,
    mapping_ids: Ids,
    /// Strings made for frames, by content: tables may hold a text twice.
    texts: HashMap<&'a [u8], Arc<str>, foldhash::fast::RandomState>,
    /// Texts made for labels, by index of the string.
    labels: Vec<Option<Arc<str>>>,
    /// Texts of addresses without a function.
    addresses: HashMap<u64, Arc<str>, foldhash::fast::RandomState>,
    /// Distinct frames.
    pub(crate) frames: Vec<Frame>,
    frame_ids: HashMap<FrameKey, u32, foldhash::fast::RandomState>,
    /// Frames of the resolved locations, one location's after the other.
    location_frames: Vec<u32>,
    /// By id of the location, for ids up to [`MAX_ENTRIES`]: its frame, if it is resolved and has one alone, else
    /// [`NOT_ONE`].
    only_frames: Vec<u32>,
    max_frames: usize,
    /// (type, unit) as indices of strings.
    pub(crate) sample_types: Vec<(u64, u64)>,
    pub(crate) period_type: Option<u64>,
    /// Samples in the profile.
    pub(crate) sample_count: usize,
    /// Bytes of all samples.
    pub(crate) sample_bytes: usize,
    pub(crate) time_nanos: Option<i64>,
    /// Offset and kind of the damage at which the profile ends early.
    pub(crate) damage: Option<(u64, &'static str)>,
    /// A table has more than [`MAX_ENTRIES`].
    pub(crate) full: bool,
}

/// Addresses of the texts of function and file (texts are unique), and the line.
type FrameKey = (usize, usize, u32);

enum Location<'a> {
    Unread(&'a [u8]),
    Frames(Range<u32>),
    Damaged(&'static str),
}

impl<'a> Tables<'a> {
    /// Collects the tables; never fails, see [`Tables::damage`].
    pub(crate) fn read(profile: &'a [u8], max_frames: usize) -> Self {
        let mut tables = Self {
            strings: Vec::new(),
            functions: Vec::new(),
            function_ids: Ids::default(),
            locations: Vec::new(),
            location_ids: Ids::default(),
            mapping_files: Vec::new(),
            mapping_ids: Ids::default(),
            texts: HashMap::default(),
            labels: Vec::new(),
            addresses: HashMap::default(),
            frames: Vec::new(),
            frame_ids: HashMap::default(),
            location_frames: Vec::new(),
            only_frames: Vec::new(),
            max_frames,
            sample_types: Vec::new(),
            period_type: None,
            sample_count: 0,
            sample_bytes: 0,
            time_nanos: None,
            damage: None,
            full: false,
        };
        let mut fields = Fields::new(profile);
        loop {
            let offset = (profile.len() - fields.left()) as u64;
            match fields.next() {
                Ok(None) => break,
                Ok(Some((number, value))) => tables.field(number, value),
                Err(Damage(what)) => {
                    tables.damage = Some((offset, what));
                    break;
                }
            }
        }
        tables
    }

    fn field(&mut self, number: u64, value: Value<'a>) {
        match (number, value) {
            (field::SAMPLE, Value::Bytes(message)) => {
                self.sample_count = self.sample_count.saturating_add(1);
                self.sample_bytes = self.sample_bytes.saturating_add(message.len());
            }
            (field::STRING_TABLE, Value::Bytes(text)) => {
                push(&mut self.full, &mut self.strings, text);
            }
            (field::LOCATION, Value::Bytes(message)) => {
                let id = id_of(message);
                if push(
                    &mut self.full,
                    &mut self.locations,
                    Location::Unread(message),
                ) {
                    self.location_ids.push(id);
                }
            }
            (field::FUNCTION, Value::Bytes(message)) => {
                let [id, name, file] = varints(message, [1, 2, 4]);
                if push(&mut self.full, &mut self.functions, Function { name, file }) {
                    self.function_ids.push(id);
                }
            }
            (field::MAPPING, Value::Bytes(message)) => {
                let [id, file] = varints(message, [1, 5]);
                if push(&mut self.full, &mut self.mapping_files, file) {
                    self.mapping_ids.push(id);
                }
            }
            (field::SAMPLE_TYPE, Value::Bytes(message)) => {
                let [name, unit] = varints(message, [1, 2]);
                push(&mut self.full, &mut self.sample_types, (name, unit));
            }
            (field::PERIOD_TYPE, Value::Bytes(message)) => {
                let [name] = varints(message, [1]);
                self.period_type = Some(name);
            }
            (field::TIME_NANOS, value) => {
                self.time_nanos = signed(value).filter(|nanos| *nanos != 0);
            }
            _ => {}
        }
    }

    /// A string of the table; `None` for an index past its end.
    pub(crate) fn string(&self, index: u64) -> Option<&'a [u8]> {
        self.strings.get(usize::try_from(index).ok()?).copied()
    }

    /// A string of the table as a label's key or value.
    pub(crate) fn label(&mut self, index: u64) -> Option<Arc<str>> {
        let at = usize::try_from(index).ok()?;
        if let Some(Some(known)) = self.labels.get(at) {
            return Some(Arc::clone(known));
        }
        let bytes = self.string(index)?;
        let bytes = bytes.get(..MAX_LABEL_BYTES).unwrap_or(bytes);
        let text = Arc::from(String::from_utf8_lossy(bytes));
        self.labels.resize(self.strings.len(), None);
        if let Some(slot) = self.labels.get_mut(at) {
            *slot = Some(Arc::clone(&text));
        }
        Some(text)
    }

    /// The frame of a location that has one alone and was asked for before.
    #[inline]
    pub(crate) fn only_frame(&self, id: u64) -> Option<u32> {
        let only = self.only_frames.get(usize::try_from(id).ok()?).copied();
        only.filter(|frame| *frame != NOT_ONE)
    }

    /// The frames of a location, leaf first, as indices into [`Tables::frames`].
    #[inline]
    pub(crate) fn location(&mut self, id: u64) -> Result<&[u32], Unusable> {
        let index = self.location_ids.get(id).ok_or(Unusable::Missing)?;
        let location = self.locations.get(index).ok_or(Unusable::Missing)?;
        let range = match location {
            Location::Frames(range) => range.clone(),
            Location::Damaged(what) => return Err(Unusable::Damaged(what)),
            Location::Unread(message) => {
                let message = *message;
                let resolved = self.resolve(message);
                let Some(slot) = self.locations.get_mut(index) else {
                    return Err(Unusable::Missing);
                };
                match resolved {
                    Ok(range) => {
                        *slot = Location::Frames(range.clone());
                        self.note_only_frame(id, &range);
                        range
                    }
                    Err(Damage(what)) => {
                        *slot = Location::Damaged(what);
                        return Err(Unusable::Damaged(what));
                    }
                }
            }
        };
        Ok(self
            .location_frames
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default())
    }

    fn note_only_frame(&mut self, id: u64, range: &Range<u32>) {
        let frames = self
            .location_frames
            .get(range.start as usize..range.end as usize);
        let (Some([only]), Ok(id)) = (frames, usize::try_from(id)) else {
            return;
        };
        if id >= self.only_frames.len() && id <= MAX_ENTRIES {
            let room = (id + 1).max(self.locations.len() + 1);
            self.only_frames.resize(room, NOT_ONE);
        }
        if let Some(slot) = self.only_frames.get_mut(id) {
            *slot = *only;
        }
    }

    /// Makes the frames of a location.
    fn resolve(&mut self, message: &'a [u8]) -> Result<Range<u32>, Damage> {
        let start = self.location_frames.len();
        let made = self.resolve_lines(message);
        if made.is_err() {
            self.location_frames.truncate(start);
        }
        made?;
        let end = u32::try_from(self.location_frames.len());
        let start = u32::try_from(start);
        start
            .ok()
            .zip(end.ok())
            .map(|(start, end)| start..end)
            .ok_or(TOO_MANY)
    }

    fn resolve_lines(&mut self, message: &'a [u8]) -> Result<(), Damage> {
        let start = self.location_frames.len();
        let [mapping, address] = varints(message, [2, 3]);
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            let (4, Value::Bytes(line)) = (number, value) else {
                continue;
            };
            let [function, line] = checked_varints(line, [1, 2])?;
            let frame = self.line_frame(function, line, mapping, address)?;
            self.push_frame(frame)?;
        }
        if self.location_frames.len() == start {
            let frame = self.address_frame(mapping, address);
            self.push_frame(frame)?;
        }
        Ok(())
    }

    fn push_frame(&mut self, frame: Frame) -> Result<(), Damage> {
        if self.location_frames.len() >= self.max_frames {
            return Err(TOO_MANY);
        }
        // The texts are unique, so that their addresses identify them.
        let key = (
            frame.function.as_ptr().addr(),
            frame.file.as_ptr().addr(),
            frame.line,
        );
        let next = u32::try_from(self.frames.len()).map_err(|_| TOO_MANY)?;
        let id = *self.frame_ids.entry(key).or_insert(next);
        if id == next {
            self.frames.push(frame);
        }
        self.location_frames.push(id);
        Ok(())
    }

    fn line_frame(
        &mut self,
        function: u64,
        line: u64,
        mapping: u64,
        address: u64,
    ) -> Result<Frame, Damage> {
        if function == 0 {
            return Ok(self.address_frame(mapping, address));
        }
        let found = self
            .function_ids
            .get(function)
            .and_then(|at| self.functions.get(at));
        let Some(&Function { name, file }) = found else {
            return Err(Damage("it names a function that the profile does not have"));
        };
        let no_string = Damage("its function names a string that the profile does not have");
        let name = self.string(name).ok_or(no_string)?;
        let file = self.string(file).ok_or(no_string)?;
        if name.is_empty() {
            return Ok(self.address_frame(mapping, address));
        }
        Ok(Frame::new(
            self.text(name),
            self.text(file),
            u32::try_from(line).unwrap_or(0),
        ))
    }

    /// A frame for code without a name: its address, and the file mapped there where known.
    fn address_frame(&mut self, mapping: u64, address: u64) -> Frame {
        let file = self
            .mapping_ids
            .get(mapping)
            .and_then(|at| self.mapping_files.get(at));
        let file = file.and_then(|file| self.string(*file)).unwrap_or_default();
        let make = || format!("{address:#x}").into();
        Frame::new(
            Arc::clone(self.addresses.entry(address).or_insert_with(make)),
            self.text(file),
            0,
        )
    }

    fn text(&mut self, bytes: &'a [u8]) -> Arc<str> {
        let make = || Arc::from(String::from_utf8_lossy(bytes));
        Arc::clone(self.texts.entry(bytes).or_insert_with(make))
    }
}

const TOO_MANY: Damage = Damage("there are more frames than are kept");

/// Adds an entry to a table if it has room for it.
fn push<T>(full: &mut bool, table: &mut Vec<T>, entry: T) -> bool {
    let room = table.len() < MAX_ENTRIES;
    if room {
        table.push(entry);
    }
    *full |= !room;
    room
}

/// The varint fields of a message with these numbers, 0 where missing, as far as the message can be read.
fn varints<const N: usize>(message: &[u8], numbers: [u64; N]) -> [u64; N] {
    let mut found = [0; N];
    let mut fields = Fields::new(message);
    while let Ok(Some((number, value))) = fields.next() {
        fill(&mut found, &numbers, number, value);
    }
    found
}

/// As [`varints`], for a message that must be whole.
fn checked_varints<const N: usize>(message: &[u8], numbers: [u64; N]) -> Result<[u64; N], Damage> {
    let mut found = [0; N];
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        fill(&mut found, &numbers, number, value);
    }
    Ok(found)
}

fn fill<const N: usize>(found: &mut [u64; N], numbers: &[u64; N], number: u64, value: Value<'_>) {
    if let Value::Varint(varint) = value {
        for (slot, wanted) in found.iter_mut().zip(numbers) {
            if *wanted == number {
                *slot = varint;
            }
        }
    }
}

fn id_of(message: &[u8]) -> u64 {
    // The id is the first field in what every writer writes; then the rest need not be looked at.
    let mut fields = Fields::new(message);
    match fields.next() {
        Ok(Some((1, Value::Varint(id)))) => id,
        _ => varints(message, [1])[0],
    }
}
