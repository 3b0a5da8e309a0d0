//! What proven leaks hold, as samples of a heap profile: `inuse_objects` and `inuse_space`.
//!
//! Each sample is the stack of a leaking site with the function of the `go` statement as its root, and with one more frame
//! at its leaf: the Go type of what is held, or the goroutines' own stacks. What several sites hold together has a sample
//! without a stack. A site's figures stand at the stack of most of its goroutines.

use std::collections::HashMap;

use gorphan_model::proof::Retained;
use gorphan_model::{Frame, Proof, Sample, Snapshot};

/// The values that samples have besides the number of goroutines, with their units.
pub(super) const TYPES: [(&str, &str); 2] = [("inuse_objects", "count"), ("inuse_space", "bytes")];

/// Types of one site; what others hold is added up.
const MAX_TYPES: usize = 1000;

/// One sample to write.
pub(super) struct Held<'a> {
    /// The goroutines that hold it; none for what several sites hold.
    pub(super) sample: Option<&'a Sample>,
    /// Leaf first.
    pub(super) frames: Vec<Frame>,
    pub(super) objects: u64,
    pub(super) bytes: u64,
}

/// What is held; `None` where nothing was proven. A site of which only a part is in the snapshot is left out: what a part
/// holds is not known.
pub(super) fn of(snapshot: &Snapshot) -> Option<Vec<Held<'_>>> {
    let retention = snapshot.retention.as_deref()?;
    // Goroutines of each site, and the sample with most of them.
    let mut shown: HashMap<usize, (u64, &Sample)> = HashMap::new();
    for sample in &snapshot.samples {
        let Some(Proof::Unreachable(proof)) = sample.proof.as_deref() else {
            continue;
        };
        let (count, most) = shown.entry(proof.site).or_insert((0, sample));
        *count = count.saturating_add(sample.count);
        if sample.count > most.count {
            *most = sample;
        }
    }
    let mut held = Vec::new();
    for (index, site) in retention.sites.iter().enumerate() {
        match shown.get(&index) {
            Some((count, sample)) if *count == site.goroutines => of_site(site, sample, &mut held),
            _ => {}
        }
    }
    if retention.shared_bytes > 0 {
        held.push(Held {
            sample: None,
            frames: vec![pseudo("(held by several leaking sites)")],
            objects: 0,
            bytes: retention.shared_bytes,
        });
    }
    Some(held)
}

fn of_site<'a>(site: &Retained, sample: &'a Sample, held: &mut Vec<Held<'a>>) {
    let calls = sample.stack.frames.iter();
    let calls = calls.filter(|frame| &*frame.function != "runtime.goexit");
    let root = sample.stack.created_by.iter();
    let stack: Vec<Frame> = calls.chain(root).cloned().collect();
    let mut add = |leaf: &str, objects: u64, bytes: u64| {
        if objects > 0 || bytes > 0 {
            let leaf = std::iter::once(pseudo(leaf));
            held.push(Held {
                sample: Some(sample),
                frames: leaf.chain(stack.iter().cloned()).collect(),
                objects,
                bytes,
            });
        }
    };
    add("(goroutine stacks)", site.goroutines, site.stack_bytes);
    let (mut objects_left, mut bytes_left) = (0_u64, site.heap_bytes);
    for (index, (name, objects, bytes)) in site.types.iter().enumerate() {
        if index >= MAX_TYPES {
            objects_left = objects_left.saturating_add(*objects);
            continue;
        }
        add(&format!("type {name}"), *objects, *bytes);
        bytes_left = bytes_left.saturating_sub(*bytes);
    }
    add("(other types)", objects_left, bytes_left);
}

/// A frame that is no call.
fn pseudo(name: &str) -> Frame {
    Frame::new(name, "", 0)
}
