//! The labels of samples.

use std::collections::HashMap;
use std::sync::Arc;

use gorphan_model::Labels;

use super::samples::Skip;
use super::signed;
use super::tables::Tables;
use super::wire::{Fields, Value};

/// Labels kept of one sample; [`Labels`] keeps fewer keys, and real programs use a handful.
pub(super) const MAX_LABELS: usize = 256;

/// Label values kept in one profile, over all its stacks; each takes some 300 bytes of memory.
pub(super) const MAX_KEPT_VALUES: usize = 2 << 20;

/// Lists of labels, and sets made of them, that samples may share; further ones are each read and made anew.
const MAX_SHARED: usize = 65_536;

/// Labels of a list that is shared, 32 bytes each.
const MAX_SHARED_LABELS: usize = 16;

/// A label as its message has it: strings by index.
#[derive(Clone, Copy)]
struct RawLabel {
    key: u64,
    /// The value, if it is text.
    text: u64,
    number: i64,
    unit: u64,
}

/// Reads labels sample by sample. A profile of ten thousand samples has some hundred lists of labels.
pub(super) struct LabelReader<'a> {
    /// Those of the sample being read.
    labels: Vec<RawLabel>,
    /// Their number in `lists`, if they are there.
    list: Option<u32>,
    /// The labels of samples, by the bytes that say them.
    lists: HashMap<&'a [u8], (u32, Vec<RawLabel>), foldhash::fast::RandomState>,
    /// What the labels of a list are for so many goroutines.
    sets: HashMap<(u32, u64), Labels, foldhash::fast::RandomState>,
    values_left: usize,
    /// Labels left out because a limit was reached.
    pub(super) left_out: u64,
}

impl Default for LabelReader<'_> {
    fn default() -> Self {
        Self {
            labels: Vec::new(),
            list: None,
            lists: HashMap::default(),
            sets: HashMap::default(),
            values_left: MAX_KEPT_VALUES,
            left_out: 0,
        }
    }
}

impl<'a> LabelReader<'a> {
    /// A new sample starts.
    pub(super) fn clear(&mut self) {
        self.labels.clear();
        self.list = None;
    }

    /// Takes the labels that `bytes` say as the sample's; false where they are not known.
    pub(super) fn take_known(&mut self, bytes: &[u8]) -> bool {
        let Some((list, labels)) = self.lists.get(bytes) else {
            return false;
        };
        self.labels.extend_from_slice(labels);
        self.list = Some(*list);
        true
    }

    /// Adds a label to the sample.
    pub(super) fn add(&mut self, tables: &Tables<'_>, label: Value<'_>) -> Result<(), Skip> {
        let Value::Bytes(message) = label else {
            return Err(Skip::Damaged("a label is not a message"));
        };
        let label = read_label(tables, message)?;
        if self.labels.len() < MAX_LABELS {
            self.labels.push(label);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
        Ok(())
    }

    /// Remembers that `bytes` say the sample's labels, if these are few.
    pub(super) fn remember(&mut self, bytes: &'a [u8]) {
        let lists = self.lists.len();
        if lists >= MAX_SHARED || self.labels.len() > MAX_SHARED_LABELS {
            return;
        }
        if let Ok(list) = u32::try_from(lists) {
            self.lists.insert(bytes, (list, self.labels.clone()));
            self.list = Some(list);
        }
    }

    /// Key and value of the sample's labels.
    pub(super) fn texts(&self, tables: &mut Tables<'_>) -> Vec<(Arc<str>, Arc<str>)> {
        let labels = self.labels.iter();
        labels.filter_map(|label| label.texts(tables)).collect()
    }

    /// Counts the sample's labels in `kept`.
    pub(super) fn keep(&mut self, kept: &mut Labels, tables: &mut Tables<'_>, goroutines: u64) {
        if self.labels.is_empty() {
            return;
        }
        let list = self.list.filter(|_| kept.is_empty());
        let set = list.map(|list| (list, goroutines));
        if let Some(known) = set.and_then(|set| self.sets.get(&set)) {
            *kept = known.clone();
            return;
        }
        for label in &self.labels {
            let Some((key, value)) = label.texts(tables) else {
                continue;
            };
            if self.values_left == 0 {
                self.left_out = self.left_out.saturating_add(1);
            } else if kept.add_shared(&key, &value, goroutines) {
                self.values_left -= 1;
            }
        }
        if let Some(set) = set
            && self.sets.len() < MAX_SHARED
        {
            self.sets.insert(set, kept.clone());
        }
    }
}

/// Reads a label's message; its strings exist.
fn read_label(tables: &Tables<'_>, message: &[u8]) -> Result<RawLabel, Skip> {
    let mut label = RawLabel {
        key: 0,
        text: 0,
        number: 0,
        unit: 0,
    };
    let mut fields = Fields::new(message);
    while let Some((field, value)) = fields.next()? {
        let (Value::Varint(varint), 1..=4) = (value, field) else {
            continue;
        };
        match field {
            1 => label.key = varint,
            2 => label.text = varint,
            3 => label.number = signed(value).unwrap_or_default(),
            _ => label.unit = varint,
        }
    }
    let strings = [label.key, label.text, label.unit];
    if strings.iter().any(|index| tables.string(*index).is_none()) {
        return Err(Skip::LabelString);
    }
    Ok(label)
}

impl RawLabel {
    /// Key and value; a number becomes text, with its unit.
    fn texts(&self, tables: &mut Tables<'_>) -> Option<(Arc<str>, Arc<str>)> {
        let value = match (self.text, self.unit) {
            (0, 0) if self.number == 0 => tables.label(0)?,
            (0, 0) => self.number.to_string().into(),
            (0, unit) => format!("{} {}", self.number, tables.label(unit)?).into(),
            (text, _) => tables.label(text)?,
        };
        Some((tables.label(self.key)?, value))
    }
}
