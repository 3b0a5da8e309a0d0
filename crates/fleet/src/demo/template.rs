//! Profiles that differ in their counts alone: the stacks are written once, and for each answer the counts.
//!
//! A profile is a list of fields (`proto/profile.proto` of github.com/google/pprof); the second kind of field is a sample:
//! its stack as numbers of locations, and its count.

use gorphan_model::{Sample, Snapshot};
use std::io::Read;

const SAMPLE: u64 = 2;
const LOCATIONS: u64 = 1;
const BYTES: u8 = 2;

/// A profile without its counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Template {
    /// Everything but the samples.
    rest: Vec<u8>,
    /// The field of locations of each sample.
    stacks: Vec<Vec<u8>>,
}

impl Template {
    /// A template of those samples, in their order.
    ///
    /// # Errors
    /// When the profile cannot be written.
    pub(super) fn of(like: &Snapshot, samples: Vec<Sample>) -> Result<Self, String> {
        let mut snapshot = like.clone();
        snapshot.samples = samples;
        for sample in &mut snapshot.samples {
            sample.labels = gorphan_model::Labels::default();
        }
        let packed = written(&snapshot)?;
        let mut bytes = Vec::new();
        let unpacked = flate2::read::MultiGzDecoder::new(&*packed).read_to_end(&mut bytes);
        unpacked.map_err(|error| error.to_string())?;
        let mut template = Self::default();
        let mut left = &*bytes;
        while !left.is_empty() {
            let (number, whole, content) = field(&mut left).ok_or("a damaged profile")?;
            match content {
                Some(mut sample) if number == SAMPLE => {
                    let mut stack = Vec::new();
                    while !sample.is_empty() {
                        let (number, whole, _) = field(&mut sample).ok_or("a damaged sample")?;
                        if number == LOCATIONS {
                            stack.extend_from_slice(whole);
                        }
                    }
                    template.stacks.push(stack);
                }
                _ => template.rest.extend_from_slice(whole),
            }
        }
        if template.stacks.len() != snapshot.samples.len() {
            return Err("a sample got lost".to_owned());
        }
        Ok(template)
    }

    /// The profile with those counts; samples of none are left out.
    pub(super) fn filled(&self, counts: &[u64]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.rest.len() + self.stacks.len() * 40);
        out.extend_from_slice(&self.rest);
        for (stack, count) in self.stacks.iter().zip(counts).filter(|(_, it)| **it > 0) {
            let mut value = Vec::new();
            varint(&mut value, *count);
            // Field 2 of a sample: its values, one number.
            let mut sample = stack.clone();
            sample.push(2 << 3 | BYTES);
            varint(&mut sample, value.len() as u64);
            sample.extend_from_slice(&value);
            out.push((SAMPLE as u8) << 3 | BYTES);
            varint(&mut out, sample.len() as u64);
            out.extend_from_slice(&sample);
        }
        out
    }
}

fn written(snapshot: &Snapshot) -> Result<Vec<u8>, String> {
    gorphan_report::profile(snapshot, "", None).map_err(|error| error.to_string())
}

/// Takes one field off: its number, all of it, and its content where it has a length.
#[allow(clippy::type_complexity)] // three things that belong together for one line
fn field<'a>(left: &mut &'a [u8]) -> Option<(u64, &'a [u8], Option<&'a [u8]>)> {
    let start = *left;
    let tag = number(left)?;
    let content = match tag & 7 {
        0 => {
            number(left)?;
            None
        }
        2 => {
            let length = usize::try_from(number(left)?).ok()?;
            let (content, rest) = left.split_at_checked(length)?;
            *left = rest;
            Some(content)
        }
        _ => return None,
    };
    let whole = start.get(..start.len() - left.len())?;
    Some((tag >> 3, whole, content))
}

fn number(left: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = left.split_first()?;
        *left = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::captures;

    #[test]
    fn the_decoder_reads_the_counts_that_were_filled_in() {
        let like = captures::named("n-cast").expect("there").snapshot();
        let like = like.expect("a profile");
        let template = Template::of(&like, like.samples.clone()).expect("a template");
        let counts: Vec<u64> = (0..like.samples.len() as u64).map(|it| it * 300).collect();
        let read = gorphan_decode::read_bytes(&template.filled(&counts), &Default::default());
        let snapshot = read.expect("a profile").remove(0);
        assert_eq!(snapshot.goroutines(), counts.iter().sum::<u64>());
        assert_eq!(snapshot.samples.len(), counts.len() - 1);
        assert_eq!(
            snapshot.samples[0].stack.frames,
            like.samples[1].stack.frames
        );
        assert!(!snapshot.truncated && snapshot.problems.is_empty());
    }
}
