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
    numbers: HashTable<(u64, Name)>,
    count: u32,
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
        let hash = self.hash(text.as_bytes());
        let mut table = self.table();
        let same = |entry: &(u64, Name)| entry.0 == hash && self.text(entry.1) == text;
        if let Some((_, name)) = table.numbers.find(hash, same) {
            return *name;
        }
        let name = Name::at(table.count);
        let (chunk, slot) = place(table.count);
        let slots = self.chunks.get(chunk).map(|chunk| {
            chunk.get_or_init(|| {
                (0..chunk_length(slot, table.count))
                    .map(|_| OnceLock::new())
                    .collect()
            })
        });
        let slot = slots.and_then(|slots| slots.get(slot));
        let (Some(slot), true) = (slot, table.count < MAX_NAMES) else {
            return Name::OVERFLOW;
        };
        slot.get_or_init(|| text.into());
        table.count += 1;
        table
            .numbers
            .insert_unique(hash, (hash, name), |entry| entry.0);
        name
    }

    /// The number of a name, if any file had it.
    pub fn find(&self, text: &str) -> Option<Name> {
        let hash = self.hash(text.as_bytes());
        let table = self.table();
        let same = |entry: &(u64, Name)| entry.0 == hash && self.text(entry.1) == text;
        table.numbers.find(hash, same).map(|entry| entry.1)
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

/// The length of the chunk whose first number is at hand: chunks are made when their first slot is needed.
fn chunk_length(slot: usize, index: u32) -> u32 {
    debug_assert_eq!(slot, 0);
    index + FIRST_CHUNK
}

/// Slots of an [`Interner`]: 96 KiB, which stays in a core's own cache. A power of two.
const CACHED: usize = 4096;

/// One thread's way to [`Names`]: remembers short names seen of late with their text, so that most need neither a lock nor a
/// look at memory that is shared.
#[derive(Debug)]
pub struct Interner<'n> {
    names: &'n Names,
    recent: Vec<Recent>,
}

/// A name of up to sixteen bytes. No name contains NUL, so that the words tell its length too.
#[derive(Debug, Clone, Copy)]
struct Recent {
    words: (u64, u64),
    name: Name,
}

impl<'n> Interner<'n> {
    /// An interner with an empty memory. Make one per thread, not per file.
    pub fn new(names: &'n Names) -> Self {
        let nothing = Recent {
            words: (0, 0),
            name: Name::MISSING,
        };
        Self {
            names,
            recent: vec![nothing; CACHED],
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
        let length = end.saturating_sub(start);
        let words = match length {
            0..=8 => (first_bytes(load(source, start), length), 0),
            9..=16 => (
                load(source, start),
                first_bytes(load(source, start + 8), length - 8),
            ),
            _ => return self.look_up(source, start, end),
        };
        let slot = slot_of(words);
        match self.recent.get(slot) {
            Some(recent) if recent.words == words => recent.name,
            _ => {
                let name = self.look_up(source, start, end);
                if let Some(slot) = self.recent.get_mut(slot) {
                    *slot = Recent { words, name };
                }
                name
            }
        }
    }

    #[inline(never)]
    fn look_up(&self, source: &[u8], start: usize, end: usize) -> Name {
        let text = source.get(start..end).unwrap_or_default();
        std::str::from_utf8(text).map_or(Name::MISSING, |text| self.names.intern(text))
    }
}

/// Where a name is remembered. Names made to meet in one slot cost a look-up in the shared table, no more.
fn slot_of(words: (u64, u64)) -> usize {
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    let mixed = (words.0 ^ words.1.rotate_left(29)).wrapping_mul(MULTIPLIER);
    (mixed >> 52) as usize % CACHED
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
