//! What objects are, for people: by the type they carry, by what they look like, or by the types of what points to them.
//!
//! Nothing here is needed for a proof, and nothing of a proof depends on it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::RandomState;

use super::Object;
use super::pointers::{Objects, Special, Typed};
use super::types::{Kind, Pointee};
use crate::layout::heap::Channel as Layout;
use crate::memory::word_at;

/// Objects whose types are found out by what points to them; of more, those of the others stay unknown.
const MAX_LEARNED: usize = 1 << 20;

/// Objects whose types are kept together: a page's worth.
const BLOCK_OBJECTS: usize = 512;

/// What words at offsets of types point to.
type Pointees = HashMap<(u64, u64), Option<Pointee>, RandomState>;

/// Nothing lies below: `vm.mmap_min_addr` of Linux.
const FIRST_ADDRESS: u64 = 4096;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum What {
    /// Values of a type, one or more.
    Values(Typed),
    /// A channel of elements of the type at this address.
    Channel(u64),
    /// A function with the variables that it uses; the address of its code.
    Function(u64),
    /// The runtime's own.
    Special(Special),
}

/// Types of objects that do not tell their type: their addresses, by the numbers of the objects.
#[derive(Debug)]
pub(super) struct Learned {
    /// Those that are near each other are kept together, once one of them is known.
    blocks: Vec<OnceLock<Box<[AtomicU64]>>>,
    count: AtomicUsize,
}

impl Learned {
    /// Of objects whose numbers are below this.
    pub(super) fn new(objects: u32) -> Self {
        let blocks = (objects as usize).div_ceil(BLOCK_OBJECTS);
        Self {
            blocks: (0..blocks).map(|_| OnceLock::new()).collect(),
            count: AtomicUsize::new(0),
        }
    }

    fn get(&self, object: Object) -> Option<u64> {
        let block = self.blocks.get(object.0 as usize / BLOCK_OBJECTS)?.get()?;
        let slot = block.get(object.0 as usize % BLOCK_OBJECTS)?;
        Some(slot.load(Ordering::Relaxed)).filter(|of| *of != 0)
    }

    /// Whether it is news.
    fn add(&self, object: Object, of: u64) -> bool {
        if self.count.load(Ordering::Relaxed) >= MAX_LEARNED {
            return false;
        }
        let Some(block) = self.blocks.get(object.0 as usize / BLOCK_OBJECTS) else {
            return false;
        };
        let none = || (0..BLOCK_OBJECTS).map(|_| AtomicU64::new(0)).collect();
        let slot = block
            .get_or_init(none)
            .get(object.0 as usize % BLOCK_OBJECTS);
        let exchanged =
            slot.map(|slot| slot.compare_exchange(0, of, Ordering::Relaxed, Ordering::Relaxed));
        let is_news = matches!(exchanged, Some(Ok(_)));
        if is_news {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        is_news
    }
}

impl Objects<'_> {
    /// What an object is, as far as that can be told.
    pub(crate) fn what(&self, object: Object) -> Option<What> {
        if let Some(typed) = self.type_of(object) {
            return Some(What::Values(typed));
        }
        if let Some(special) = self.special(object) {
            return Some(What::Special(special));
        }
        let extent = self.spans.extent(object);
        if let Some(element) = self.channel(object, &extent) {
            return Some(What::Channel(element));
        }
        if let Some(of) = self.learned.get(object) {
            return Some(What::Values(Typed { of, skip: 0 }));
        }
        self.function(object).map(What::Function)
    }

    /// As Go writes it: `main.Server`, `[]*main.Conn` where there is room for more than one, `chan int`. `None` for functions
    /// and where nothing is known.
    pub(crate) fn type_name(&self, object: Object) -> Option<String> {
        match self.what(object)? {
            What::Values(typed) => {
                let name = self.types.name(typed.of)?;
                let bytes = self.types.get(typed.of)?.size;
                let extent = self.spans.extent(object);
                let room = (extent.end - extent.start).checked_sub(typed.skip)?;
                let is_many = room >= bytes.saturating_mul(2);
                Some(if is_many { format!("[]{name}") } else { name })
            }
            What::Channel(element) => Some(format!("chan {}", self.types.name(element)?)),
            What::Special(Special::Goroutine) => Some("runtime.g".to_owned()),
            What::Special(Special::Sudog) => Some("runtime.sudog".to_owned()),
            What::Function(_) => None,
        }
    }

    /// The element type of the channel that an object is.
    fn channel(&self, object: Object, extent: &Range<u64>) -> Option<u64> {
        let Layout {
            bytes,
            count,
            capacity,
            buffer,
            element_bytes,
            is_closed,
            element,
        } = *self.channel;
        let (address, room) = (extent.start, extent.end - extent.start);
        if u64::from(bytes) > room {
            return None;
        }
        // Those without pointers were copied as well.
        let own = self.spans.bytes(object);
        let own = own.or_else(|| self.view.slice(address, bytes.into()))?;
        let field = |at: u32| word_at(own, at.into());
        let of = self.types.get(field(element)?)?;
        let size = field(element_bytes)? & 0xffff;
        let (count, capacity) = (field(count)?, field(capacity)?);
        let is_possible = of.size == size
            && (self.modules.with_type(of.address).is_some())
            && count <= capacity
            && field(is_closed)? & 0xffff_ffff <= 1;
        // What it holds lies behind it if it has no pointers, else in an object of its own.
        let held = capacity.checked_mul(size)?;
        let buffer = field(buffer)?;
        let is_behind =
            buffer > address && buffer.checked_add(held)? <= address.checked_add(room)?;
        let is_fitting = match self.spans.object(buffer) {
            _ if held == 0 => room <= u64::from(bytes).next_multiple_of(16) + 16,
            _ if of.pointer_bytes == 0 => is_behind,
            Some(other) => self.spans.extent(other).end - buffer >= held,
            None => false,
        };
        (is_possible && is_fitting).then_some(of.address)
    }

    /// The code of a function with variables: its first word, which is no pointer to an object.
    fn function(&self, object: Object) -> Option<u64> {
        let bytes = self.spans.bytes(object)?;
        let code = word_at(bytes, 0)?;
        let is_code = self
            .modules
            .all()
            .iter()
            .any(|module| module.text.contains(&code));
        let mut first = None;
        self.scan(object, &mut |offset, _| {
            first.get_or_insert(offset);
        })
        .ok()?;
        (is_code && first.is_some_and(|offset| offset > 0)).then_some(code)
    }

    /// Finds out the types of objects from each other: of all that those given point to by words whose types are known.
    pub(crate) fn learn(&self, objects: &[Object]) {
        let mut pointees = Pointees::default();
        let mut rest: Vec<Object> = objects.to_vec();
        while let Some(object) = rest.pop() {
            let typed = self.typed(object);
            // What is missing is not learnt.
            let _ = self.scan(object, &mut |offset, to| {
                let found = self.pointee(object, typed, offset, &mut pointees);
                let target = self.spans.object(to).filter(|_| found.is_some());
                if let (Some(pointee), Some(target)) = (found, target)
                    && self.learn_one(target, to, pointee)
                {
                    rest.push(target);
                }
            });
        }
    }

    /// Finds out the type of what a word of an object points to.
    pub(crate) fn learn_from(&self, holder: Object, offset: u64, to: u64) {
        let pointee = self.pointee(holder, self.typed(holder), offset, &mut Pointees::default());
        if let (Some(pointee), Some(target)) = (pointee, self.spans.object(to)) {
            self.learn_one(target, to, pointee);
        }
    }

    /// The type of an object as far as it is known by now.
    fn typed(&self, object: Object) -> Option<Typed> {
        let learned = || self.learned.get(object).map(|of| Typed { of, skip: 0 });
        self.type_of(object).or_else(learned)
    }

    /// Whether it is news.
    fn learn_one(&self, target: Object, to: u64, pointee: Pointee) -> bool {
        let extent = self.spans.extent(target);
        let room = extent.end - extent.start;
        let (of, is_many) = match pointee {
            Pointee::One(of) => (of, false),
            Pointee::Many(of) => (of, true),
            Pointee::Dynamic => return false,
        };
        let Some(of) = self.types.get(of) else {
            return false;
        };
        // A pointer to a part says nothing of the whole. One to the first part looks as one to the whole, but then the slot is
        // larger than what is allocated for such a part: slots grow by half at most.
        let fits =
            of.size > 0 && of.size <= room && (is_many || of.size.saturating_mul(3) > room * 2);
        let is_whole = extent.start == to && fits;
        let is_untold = is_whole && self.type_of(target).is_none();
        is_untold && self.learned.add(target, of.address)
    }

    /// What a word of an object points to.
    fn pointee(
        &self,
        holder: Object,
        typed: Option<Typed>,
        offset: u64,
        known: &mut Pointees,
    ) -> Option<Pointee> {
        let found = match typed {
            Some(Typed { of, skip }) => {
                let size = self.types.get(of)?.size;
                let offset = offset.checked_sub(skip)?.checked_rem(size)?;
                let of = (of, offset);
                *known
                    .entry(of)
                    .or_insert_with(|| self.types.pointee(of.0, of.1))
            }
            // An interface looks like one wherever it is.
            None => Some(Pointee::Dynamic),
        };
        if found != Some(Pointee::Dynamic) {
            return found;
        }
        let before = usize::try_from(offset.checked_sub(8)?).ok()?;
        let word = word_at(self.spans.bytes(holder)?, before as u64)?;
        self.dynamic(word)
    }

    /// What an interface points to, by its first word: a type, or a table of methods that begins with the interface's type and
    /// the value's.
    fn dynamic(&self, word: u64) -> Option<Pointee> {
        // Neither lies in the heap: most words can be told so without looking at what is there.
        if !word.is_multiple_of(8) || word < FIRST_ADDRESS || self.spans.object(word).is_some() {
            return None;
        }
        let is_type = |at: &u64| self.modules.with_type(*at).is_some();
        let interface = self.view.word(word).filter(is_type);
        let of = match interface.and_then(|at| self.types.get(at)) {
            Some(interface) if interface.kind == Kind::Interface => {
                self.view.word(word.checked_add(8)?).filter(is_type)?
            }
            _ => Some(word).filter(is_type)?,
        };
        let of = self.types.get(of)?;
        // A pointer is in the interface itself, other values lie where it points to.
        match of.kind {
            Kind::Pointer => self.types.element(&of).map(Pointee::One),
            Kind::Channel | Kind::Map | Kind::Function | Kind::UnsafePointer => None,
            _ if of.size == 8 && of.pointer_bytes == 8 => None,
            _ => Some(Pointee::One(of.address)),
        }
    }
}
