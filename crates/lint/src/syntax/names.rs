//! Names as numbers: equal names have equal numbers in every file that was read with the same [`Names`].

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::scanner::words::{first_bytes, load};

/// Distinct names kept by one [`Names`]. The whole Go tree has about 300 thousand; more than this is an attack on memory
/// (at some 40 bytes a name 640 MB). Further names become [`Name::OVERFLOW`].
pub const MAX_NAMES: u32 = 1 << 24;

/// A name of Go source as a number. Compare names of one [`Names`] only. The order of the numbers is that of first
/// sight, which differs from run to run when files are read in parallel: sort by text where order shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(NonZeroU32);

/// Names that rules and types look for, with the same number in every [`Names`].
macro_rules! known_names {
    ($($constant:ident = $text:literal,)*) => {
        #[expect(missing_docs, reason = "each constant is the name it spells")]
        impl Name {
            $(pub const $constant: Name = Name::at(Place::$constant as u32);)*
        }

        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "numbers the constants of `Name`")]
        enum Place { $($constant),* }

        const KNOWN: &[&str] = &[$($text),*];
    };
}

known_names! {
    MISSING = "",
    OVERFLOW = "(too many names)",
    BLANK = "_",
    APPEND = "append",
    CAP = "cap",
    CLEAR = "clear",
    CLOSE = "close",
    COMPLEX = "complex",
    COPY = "copy",
    DELETE = "delete",
    IMAG = "imag",
    LEN = "len",
    MAKE = "make",
    MAX = "max",
    MIN = "min",
    NEW = "new",
    PANIC = "panic",
    PRINT = "print",
    PRINTLN = "println",
    REAL = "real",
    RECOVER = "recover",
    TRUE = "true",
    FALSE = "false",
    IOTA = "iota",
    NIL = "nil",
    ANY = "any",
    BOOL = "bool",
    BYTE = "byte",
    COMPARABLE = "comparable",
    COMPLEX64 = "complex64",
    COMPLEX128 = "complex128",
    ERROR = "error",
    FLOAT32 = "float32",
    FLOAT64 = "float64",
    INT = "int",
    INT8 = "int8",
    INT16 = "int16",
    INT32 = "int32",
    INT64 = "int64",
    RUNE = "rune",
    STRING = "string",
    UINT = "uint",
    UINT8 = "uint8",
    UINT16 = "uint16",
    UINT32 = "uint32",
    UINT64 = "uint64",
    UINTPTR = "uintptr",
    INIT = "init",
    MAIN = "main",
    C = "C",
    AFTER = "After",
    BACKGROUND = "Background",
    CONTEXT = "context",
    DONE = "Done",
    NEW_TICKER = "NewTicker",
    NEW_TIMER = "NewTimer",
    TICK = "Tick",
    TICKER = "Ticker",
    TIME = "time",
    TIMER = "Timer",
    TODO = "TODO",
    WITH_CANCEL = "WithCancel",
    WITH_CANCEL_CAUSE = "WithCancelCause",
    WITH_DEADLINE = "WithDeadline",
    WITH_DEADLINE_CAUSE = "WithDeadlineCause",
    WITH_TIMEOUT = "WithTimeout",
    WITH_TIMEOUT_CAUSE = "WithTimeoutCause",
    WITH_VALUE = "WithValue",
    WITHOUT_CANCEL = "WithoutCancel",
}

impl Name {
    const fn at(index: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(index))
    }

    fn index(self) -> u32 {
        self.0.get() - 1
    }

    /// Whether it is `_`, which names nothing.
    pub fn is_blank(self) -> bool {
        self == Self::BLANK
    }
}

/// Names in the first chunk; each further chunk is twice as large as the one before.
const FIRST_CHUNK: u32 = 1024;
/// Chunks enough for [`MAX_NAMES`].
const CHUNKS: usize = 16;

/// The texts of all names, shared by the threads that read files. Reading takes no lock.
pub struct Names {
    chunks: [OnceLock<Chunk>; CHUNKS],
    table: Mutex<Table>,
    /// Keyed, so that no source can be written whose names all fall into one bucket.
    state: RandomState,
}

type Chunk = Box<[OnceLock<Box<str>>]>;

#[derive(Default)]
struct Table {
    /// Names of up to sixteen bytes by their bytes: most, and found without a look at their text elsewhere.
    short: HashTable<(Words, Name)>,
    /// The others by hash.
    long: HashTable<(u64, Name)>,
    count: u32,
}

/// The bytes of a name of up to sixteen, with zeros behind. No name contains NUL, so that they tell its length too.
type Words = (u64, u64);

/// The words of the bytes between two offsets, if they are few enough.
#[inline]
fn words_of(source: &[u8], start: usize, end: usize) -> Option<Words> {
    let length = end.saturating_sub(start);
    match length {
        0..=8 => Some((first_bytes(load(source, start), length), 0)),
        9..=16 => {
            let rest = first_bytes(load(source, start + 8), length - 8);
            Some((load(source, start), rest))
        }
        _ => None,
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.table().count;
        f.debug_struct("Names")
            .field("count", &count)
            .finish_non_exhaustive()
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    /// The constants of [`Name`] and nothing else.
    pub fn new() -> Self {
        let names = Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
            table: Mutex::default(),
            state: RandomState::default(),
        };
        for text in KNOWN {
            names.intern(text);
        }
        names
    }

    /// The text of a name; empty for one of another [`Names`] that this one does not have.
    pub fn text(&self, name: Name) -> &str {
        let (chunk, slot) = place(name.index());
        let text = self.chunks.get(chunk).and_then(OnceLock::get);
        let text = text
            .and_then(|chunk| chunk.get(slot))
            .and_then(OnceLock::get);
        text.map_or("", |text| text)
    }

    /// The number of a name, given one where it is new. Takes a lock: the parser goes through an [`Interner`].
    pub fn intern(&self, text: &str) -> Name {
        let mut table = self.table();
        let (bytes, name) = (text.as_bytes(), Name::at(table.count));
        // Text with a NUL is no name; as a long one it cannot be taken for another.
        if let (Some(words), false) = (words_of(bytes, 0, bytes.len()), text.contains('\0')) {
            let hash = self.hash_words(words);
            if let Some((_, name)) = table.short.find(hash, |entry| entry.0 == words) {
                return *name;
            }
            if !self.store(&table, text) {
                return Name::OVERFLOW;
            }
            let rehash = |entry: &(Words, Name)| self.hash_words(entry.0);
            table.short.insert_unique(hash, (words, name), rehash);
        } else {
            let hash = self.hash(bytes);
            let same = |entry: &(u64, Name)| entry.0 == hash && self.text(entry.1) == text;
            if let Some((_, name)) = table.long.find(hash, same) {
                return *name;
            }
            if !self.store(&table, text) {
                return Name::OVERFLOW;
            }
            table
                .long
                .insert_unique(hash, (hash, name), |entry| entry.0);
        }
        table.count += 1;
        name
    }

    /// Puts the text of the next name in its place, if there is room.
    fn store(&self, table: &Table, text: &str) -> bool {
        if table.count >= MAX_NAMES {
            return false;
        }
        let (chunk, slot) = place(table.count);
        let Some(chunk) = self.chunks.get(chunk) else {
            return false;
        };
        let length = chunk_length(slot, table.count);
        let slots = chunk.get_or_init(|| (0..length).map(|_| OnceLock::new()).collect());
        slots
            .get(slot)
            .is_some_and(|slot| slot.set(text.into()).is_ok())
    }

    /// The number of a name, if any file had it.
    pub fn find(&self, text: &str) -> Option<Name> {
        let bytes = text.as_bytes();
        let table = self.table();
        if let (Some(words), false) = (words_of(bytes, 0, bytes.len()), text.contains('\0')) {
            let found = table
                .short
                .find(self.hash_words(words), |entry| entry.0 == words);
            return found.map(|entry| entry.1);
        }
        let hash = self.hash(bytes);
        let same = |entry: &(u64, Name)| entry.0 == hash && self.text(entry.1) == text;
        table.long.find(hash, same).map(|entry| entry.1)
    }

    fn hash_words(&self, words: Words) -> u64 {
        let mut hasher = self.state.build_hasher();
        hasher.write_u64(words.0);
        hasher.write_u64(words.1);
        hasher.finish()
    }

    fn hash(&self, text: &[u8]) -> u64 {
        let mut hasher = self.state.build_hasher();
        hasher.write(text);
        hasher.finish()
    }

    /// A thread that panicked with the lock held left the table whole: it is changed after all that can fail.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The chunk of a number, and its slot there.
fn place(index: u32) -> (usize, usize) {
    let shifted = index / FIRST_CHUNK + 1;
    let chunk = shifted.ilog2();
    let slot = index - ((1 << chunk) - 1) * FIRST_CHUNK;
    (chunk as usize, slot as usize)
}

/// The length of the chunk with this number at this slot: its first number and the numbers of the first chunk.
fn chunk_length(slot: usize, index: u32) -> usize {
    index as usize - slot + FIRST_CHUNK as usize
}

/// Slots of an [`Interner`] for short names: 384 KiB, which stay in a core's second cache. A power of two.
const CACHED: usize = 1 << 14;

/// Slots for long names. A power of two.
const CACHED_LONG: usize = 1 << 12;

/// One thread's way to [`Names`]: remembers names seen of late, so that most need neither a lock nor a look at memory that
/// is shared.
#[derive(Debug)]
pub struct Interner<'n> {
    names: &'n Names,
    /// The words of a name and its number, or zeros.
    recent: Vec<(u64, u64, u32)>,
    /// By the slot that their ends pick; the text is in `names`.
    recent_long: Vec<u32>,
}

impl<'n> Interner<'n> {
    /// An interner with an empty memory. Make one per thread, not per file.
    pub fn new(names: &'n Names) -> Self {
        Self {
            names,
            recent: vec![(0, 0, 0); CACHED],
            recent_long: vec![0; CACHED_LONG],
        }
    }

    /// The table behind it.
    pub fn names(&self) -> &'n Names {
        self.names
    }

    /// The number of a name, given one where it is new.
    pub fn intern(&mut self, text: &str) -> Name {
        self.names.intern(text)
    }

    /// The number of the name that these bytes of a source are. Bytes that are not UTF-8 have none and give
    /// [`Name::MISSING`]; the scanner makes no name of such.
    #[inline]
    pub(super) fn intern_at(&mut self, source: &[u8], start: usize, end: usize) -> Name {
        let Some(words) = words_of(source, start, end) else {
            return self.intern_long(source, start, end);
        };
        let slot = slot_of(words) % CACHED;
        if let Some((first, second, number)) = self.recent.get(slot)
            && (*first, *second) == words
            && let Some(number) = NonZeroU32::new(*number)
        {
            return Name(number);
        }
        let name = self.look_up(source, start, end);
        if let Some(slot) = self.recent.get_mut(slot) {
            *slot = (words.0, words.1, name.0.get());
        }
        name
    }

    fn intern_long(&mut self, source: &[u8], start: usize, end: usize) -> Name {
        let ends = (load(source, start), load(source, end.saturating_sub(8)));
        let slot = slot_of(ends) % CACHED_LONG;
        let text = source.get(start..end).unwrap_or_default();
        let known = self
            .recent_long
            .get(slot)
            .copied()
            .and_then(NonZeroU32::new);
        if let Some(name) = known.map(Name)
            && self.names.text(name).as_bytes() == text
        {
            return name;
        }
        let name = self.look_up(source, start, end);
        if let Some(slot) = self.recent_long.get_mut(slot) {
            *slot = name.0.get();
        }
        name
    }

    #[inline(never)]
    fn look_up(&self, source: &[u8], start: usize, end: usize) -> Name {
        let text = source.get(start..end).unwrap_or_default();
        std::str::from_utf8(text).map_or(Name::MISSING, |text| self.names.intern(text))
    }
}

/// Where a name is remembered. Names made to meet in one slot cost a look-up in the shared table, no more.
fn slot_of(words: Words) -> usize {
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    let mixed = (words.0 ^ words.1.rotate_left(29)).wrapping_mul(MULTIPLIER);
    (mixed >> 40) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intern(interner: &mut Interner<'_>, text: &str) -> Name {
        let source = format!("({text})");
        interner.intern_at(source.as_bytes(), 1, 1 + text.len())
    }

    #[test]
    fn constants_are_what_they_spell() {
        let names = Names::new();
        for text in KNOWN {
            assert_eq!(names.text(names.find(text).unwrap()), *text);
        }
        assert_eq!(names.text(Name::CLOSE), "close");
        assert_eq!(names.text(Name::WITHOUT_CANCEL), "WithoutCancel");
        assert_eq!(names.text(Name::MISSING), "");
        assert!(Name::BLANK.is_blank() && !Name::CLOSE.is_blank());
    }

    #[test]
    fn many_names_keep_their_numbers() {
        let names = Names::new();
        let mut interner = Interner::new(&names);
        let text = |number: u32| format!("{}{number}", "n".repeat(number as usize % 20 + 1));
        let given: Vec<Name> = (0..20_000)
            .map(|n| intern(&mut interner, &text(n)))
            .collect();
        for (number, name) in (0..).zip(&given) {
            assert_eq!(names.text(*name), text(number));
            assert_eq!(intern(&mut interner, &text(number)), *name);
            assert_eq!(names.find(&text(number)), Some(*name));
        }
        assert_eq!(names.find("never seen"), None);
    }

    #[test]
    fn threads_agree() {
        let names = Names::new();
        let read = || {
            let mut interner = Interner::new(&names);
            let all = (0..5_000).map(|n| intern(&mut interner, &format!("name{}", n % 3_000)));
            all.collect::<Vec<Name>>()
        };
        std::thread::scope(|scope| {
            let threads = [scope.spawn(read), scope.spawn(read)];
            let [one, two] = threads.map(|thread| thread.join().unwrap());
            assert_eq!(one, two);
        });
    }
}
