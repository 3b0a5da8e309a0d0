//! The concurrency IR of a package: what its functions do to channels, locks and their like, and which ways lead there.
//!
//! It knows neither syntax nor types; [`crate::lower`] makes it. Everything lies in tables and is named by number.
//!
//! - A [`Package`] has [`Func`]s: functions, methods, closures, and small ones made for `wg.Go` and package variables.
//! - A [`Func`] has [`Block`]s of [`Instr`]s; each block ends in an [`End`] that says where it goes on and what is then
//!   known ([`Fact`]).
//! - An instruction's [`Op`] works on *places* ([`PlaceId`]): access paths such as `s.mu` or `ch`. Two equal places of one
//!   function are the same thing as long as no variable in them is assigned in between. A captured variable is the same
//!   [`VarId`] in the closure and around it, so that this holds across closures too.
//! - An [`Object`] is a `make(chan)`, a lock's declaration, a context... [`Aliases`] says which objects a place may be. It is
//!   the same for every instance that one line makes: two of one object may differ, two places without a common object
//!   never are the same thing.
//!
//! What could not be lowered is an [`Op::Unknown`] with its reason, and suppresses.

mod alias;
mod components;
mod dump;
mod fact;
mod func;
mod ids;
mod object;
mod op;
mod place;

pub use alias::{Aliases, Escape, Flow, MAX_OBJECTS, Node, node_of};
pub use components::Graph;
pub use dump::{dump, dump_func};
pub use fact::{Amount, Compare, Const, Fact, Term, TermKind, Test};
pub use func::{Block, Edge, End, Func, FuncKind, Loop, LoopKind, Point};
pub use ids::{
    BlockId, CallId, ExternId, FieldId, FuncId, InstrId, LoopId, ObjectId, PlaceId, TermId, VarId,
};
pub use object::{Declared, Object, ObjectKind, Parent};
pub use op::{
    Arg, Arm, Call, Callee, Extern, Instr, Mode, Op, RecvKind, SpawnKind, Unknown, Value,
};
pub use place::{Field, Place, Places, Shape, Var, VarKind};

use crate::syntax::Span;
pub use crate::types::Key;

/// Where something stands: a file of the package by its place there, and a range of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// Place in the package's list of files.
    pub file: u32,
    /// The bytes.
    pub span: Span,
}

/// A package as the rules see it.
#[derive(Debug, Default)]
pub struct Package {
    /// The import path.
    pub path: String,
    /// Functions, methods and closures; closures come after what they stand in.
    pub funcs: Vec<Func>,
    /// Variables that matter: tracked primitives and what conditions test.
    pub vars: Vec<Var>,
    /// Fields of struct types that places go through.
    pub fields: Vec<Field>,
    /// Access paths.
    pub places: Places,
    /// What is made.
    pub objects: Vec<Object>,
    /// Calls.
    pub calls: Vec<Call>,
    /// What branches test.
    pub terms: Vec<Term>,
    /// Functions of other packages that are called.
    pub externs: Vec<Extern>,
    /// By variable: the terms that it is part of.
    pub terms_of: Vec<Vec<TermId>>,
    /// Which objects places may be.
    pub aliases: Aliases,
    /// Parameters of exported functions that may be kept, sorted.
    pub(crate) kept: Vec<VarId>,
}

macro_rules! tables {
    ($($id:ty => $table:ident: $item:ty,)*) => {
        $(impl std::ops::Index<$id> for Package {
            type Output = $item;
            /// Ids come from this package; with one of another it panics or answers nonsense.
            fn index(&self, id: $id) -> &$item {
                &self.$table[id.index()]
            }
        })*
    };
}

tables! {
    FuncId => funcs: Func,
    VarId => vars: Var,
    FieldId => fields: Field,
    ObjectId => objects: Object,
    CallId => calls: Call,
    TermId => terms: Term,
    ExternId => externs: Extern,
}

impl std::ops::Index<PlaceId> for Package {
    type Output = Place;
    fn index(&self, id: PlaceId) -> &Place {
        self.places.get(id)
    }
}

/// An instruction of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct At {
    /// Its function.
    pub func: FuncId,
    /// Its number there.
    pub instr: InstrId,
}

impl Package {
    /// The instruction at a place.
    pub fn instr(&self, at: At) -> &Instr {
        &self[at.func][at.instr]
    }

    /// Where an instruction stands.
    pub fn site(&self, at: At) -> Site {
        let file = self[at.func].site.file;
        let span = self.instr(at).span;
        Site { file, span }
    }

    /// All functions with their numbers.
    pub fn funcs(&self) -> impl Iterator<Item = (FuncId, &Func)> {
        self.funcs
            .iter()
            .enumerate()
            .map(|(place, func)| (FuncId::at(place), func))
    }

    /// All objects with their numbers.
    pub fn objects(&self) -> impl Iterator<Item = (ObjectId, &Object)> {
        let objects = self.objects.iter().enumerate();
        objects.map(|(place, object)| (ObjectId::at(place), object))
    }

    /// The closures that stand directly in a function, and the functions made for it.
    pub fn children(&self, of: FuncId) -> impl Iterator<Item = FuncId> {
        let all = self.funcs();
        all.filter(move |(_, func)| func.parent == Some(of))
            .map(|(id, _)| id)
    }

    /// The variable that a place starts from.
    pub fn base(&self, place: PlaceId) -> VarId {
        self.places.base(place)
    }

    /// The terms that a variable is part of.
    pub fn terms_of(&self, var: VarId) -> &[TermId] {
        self.terms_of.get(var.index()).map_or(&[], Vec::as_slice)
    }

    /// The term that a variable's value is by itself, if some branch tests it.
    pub fn term_of(&self, var: VarId) -> Option<TermId> {
        let mut terms = self.terms_of(var).iter().copied();
        terms.find(|term| self[*term].kind == TermKind::Var(var))
    }

    /// Whether a place means the same thing wherever it is used in one call of the function that owns its base: the base is
    /// assigned once and no part of the path is an element or may change.
    pub fn is_stable(&self, place: PlaceId) -> bool {
        self.places.steps(place).all(|step| match step {
            Place::Var(var) => self[var].assignments <= 1,
            Place::Field(_, field) => !self[field].is_reassigned,
            Place::Element(_) => false,
        })
    }

    /// Whether a callee may keep what it is given for a parameter; the receiver is number 0, and arguments behind the last
    /// parameter, of which the callee may have fewer, share its bit. Where nothing is known of it, it may.
    pub(crate) fn may_keep(&self, callee: Callee, number: usize, value: Value) -> bool {
        let Callee::Extern(id) = callee else {
            return true;
        };
        let callee = &self[id];
        let is_resource = || match value {
            Value::Place(place) => {
                let shape = match node_of(&self.places, place) {
                    Node::Var(var) => self[var].shape,
                    Node::Field(field) => self[field].shape,
                };
                shape == Shape::Resource
            }
            _ => false,
        };
        let keeps = callee.facts.as_ref().map_or(u64::MAX, |facts| facts.keeps);
        keeps >> number.min(63) & 1 != 0 && !(callee.leaves_open && is_resource())
    }

    /// Whether a function that others can call may keep what it is given for this parameter, or hand it on to where it is not
    /// followed.
    pub fn keeps(&self, param: VarId) -> bool {
        self.kept.binary_search(&param).is_ok()
    }

    /// A place as it is written in source, for messages: `s.mu`, `chans[...]`.
    pub fn place_text(&self, names: &crate::syntax::Names, place: PlaceId) -> String {
        match self[place] {
            Place::Var(var) => names.text(self[var].name).to_owned(),
            Place::Field(of, field) => {
                let of = self.place_text(names, of);
                format!("{of}.{}", names.text(self[field].name))
            }
            Place::Element(of) => format!("{}[...]", self.place_text(names, of)),
        }
    }
}
