//! Variables, fields and access paths.

use hashbrown::HashMap;

use super::{FieldId, FuncId, PlaceId, Site, VarId};
use crate::syntax::Name;

/// What a value is, as far as the rules care. Pointers are seen through: a `*sync.Mutex` is a [`Shape::Mutex`]. A slice, array
/// or map has the shape of its elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the type it is named after")]
pub enum Shape {
    Chan,
    Mutex,
    RwMutex,
    /// `sync.Locker`, which may be any lock.
    Locker,
    WaitGroup,
    ErrGroup,
    Cond,
    Once,
    Context,
    /// `context.CancelFunc` and `context.CancelCauseFunc`.
    Cancel,
    Timer,
    Ticker,
    /// What must be closed: an HTTP response, an end of a pipe.
    Resource,
    Func,
    /// A struct, or a type declared from one.
    Struct,
    Interface,
    Error,
    Bool,
    Int,
    String,
    /// Something that holds nothing of these.
    Other,
    /// It could not be told.
    Unknown,
}

/// A variable of the source, or one made for a value between instructions.
#[derive(Debug, Clone)]
pub struct Var {
    /// Its name; missing for one that was made.
    pub name: Name,
    /// What declares it.
    pub kind: VarKind,
    /// The function it belongs to; none for a package variable.
    pub func: Option<FuncId>,
    /// Where it is declared.
    pub site: Site,
    /// What it holds.
    pub shape: Shape,
    /// How often source assigns it, its declaration with a value and being a parameter included.
    pub assignments: u32,
    /// Whether a closure inside its function uses it.
    pub is_captured: bool,
    /// Whether a closure assigns it or its address is taken: a call may change it.
    pub is_volatile: bool,
    /// The innermost loop of its function in which it is declared: every round has its own.
    pub in_loop: bool,
}

/// What declares a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VarKind {
    /// A variable of the package.
    Package {
        /// Whether other packages can reach it.
        exported: bool,
    },
    /// A variable of a function.
    Local,
    /// A parameter, from 0.
    Param(u32),
    /// The receiver.
    Receiver,
    /// A result, from 0, named or not.
    Result(u32),
    /// Made for a value between instructions.
    Temp,
    /// A variable of another package.
    Foreign,
}

/// A field of a struct type, the same for all its instances.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// The named struct type that declares it, `path.Type`; empty for a struct without a name.
    pub owner: String,
    /// Whether other packages can name it: an exported name in an importable type, or a type of another package.
    pub exported: bool,
    /// Whether its type is one of this package.
    pub is_own: bool,
    /// What it holds.
    pub shape: Shape,
    /// Whether some code assigns it after its struct was made (outside composite literals and constructors' first
    /// assignment).
    pub is_reassigned: bool,
}

/// One step of an access path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// A variable.
    Var(VarId),
    /// A field of what lies at a place. Embedded fields on the way are steps of their own.
    Field(PlaceId, FieldId),
    /// Some element of what lies at a place.
    Element(PlaceId),
}

/// The access paths of a package, each stored once: equal paths have equal ids.
#[derive(Debug, Default)]
pub struct Places {
    all: Vec<Place>,
    known: HashMap<Place, PlaceId, foldhash::fast::RandomState>,
}

impl Places {
    /// The number of a path, given one where it is new.
    pub fn intern(&mut self, place: Place) -> PlaceId {
        *self.known.entry(place).or_insert_with(|| {
            self.all.push(place);
            PlaceId::at(self.all.len() - 1)
        })
    }

    /// The number of a path, if it has one.
    pub fn find(&self, place: Place) -> Option<PlaceId> {
        self.known.get(&place).copied()
    }

    /// The last step of a path.
    pub fn get(&self, id: PlaceId) -> &Place {
        &self.all[id.index()]
    }

    /// All paths, each as its last step.
    pub fn all(&self) -> &[Place] {
        &self.all
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The steps of a path, last first.
    pub fn steps(&self, id: PlaceId) -> impl Iterator<Item = Place> {
        std::iter::successors(Some(*self.get(id)), |place| match place {
            Place::Var(_) => None,
            Place::Field(of, _) | Place::Element(of) => Some(*self.get(*of)),
        })
    }

    /// The variable that a path starts from.
    pub fn base(&self, mut id: PlaceId) -> VarId {
        loop {
            match self.get(id) {
                Place::Var(var) => return *var,
                Place::Field(of, _) | Place::Element(of) => id = *of,
            }
        }
    }

    /// As [`Places::rebase`], if the outcome has a number already.
    pub fn rebased(&self, id: PlaceId, from: VarId, to: PlaceId) -> Option<PlaceId> {
        match *self.get(id) {
            Place::Var(var) if var == from => Some(to),
            Place::Var(_) => Some(id),
            Place::Field(of, field) => {
                let of = self.rebased(of, from, to)?;
                self.find(Place::Field(of, field))
            }
            Place::Element(of) => {
                let of = self.rebased(of, from, to)?;
                self.find(Place::Element(of))
            }
        }
    }

    /// The path with another start: `s.mu` from `s` to `x.y` is `x.y.mu`. A path that does not start there stays.
    pub fn rebase(&mut self, id: PlaceId, from: VarId, to: PlaceId) -> PlaceId {
        match *self.get(id) {
            Place::Var(var) if var == from => to,
            Place::Var(_) => id,
            Place::Field(of, field) => {
                let of = self.rebase(of, from, to);
                self.intern(Place::Field(of, field))
            }
            Place::Element(of) => {
                let of = self.rebase(of, from, to);
                self.intern(Place::Element(of))
            }
        }
    }
}
