//! Strings kept once.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;

/// Names of functions and files, each kept once however many frames show it.
#[derive(Default)]
pub(super) struct Names {
    table: HashTable<Arc<str>>,
    // Seeded at random, so that no input can be made to collide.
    hasher: foldhash::fast::RandomState,
    bytes: usize,
}

impl Names {
    /// The one copy of `text`; what is not UTF-8 is replaced as usual.
    pub(super) fn get(&mut self, text: &[u8]) -> Arc<str> {
        let text = String::from_utf8_lossy(text);
        let hash = self.hasher.hash_one(text.as_bytes());
        if let Some(known) = self.table.find(hash, |known| **known == *text) {
            return Arc::clone(known);
        }
        let name: Arc<str> = text.as_ref().into();
        self.bytes = self.bytes.saturating_add(name.len());
        let hasher = &self.hasher;
        self.table.insert_unique(hash, Arc::clone(&name), |name| {
            hasher.hash_one(name.as_bytes())
        });
        name
    }

    /// Bytes of all names.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
