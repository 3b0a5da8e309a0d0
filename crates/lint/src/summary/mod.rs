//! What functions do, callees included, and which ways through them there are.
//!
//! - [`Summary`] says of one function, in terms of its parameters, receiver, captured and package variables, what a call of it
//!   does ([`Effect`]).
//! - [`Analysis`] holds a package with all of it; [`Analysis::effects`] says what one instruction does, a call's effects in terms
//!   of the caller.
//! - [`Analysis::search`] looks for a way through a function on which no branch contradicts what is known.

mod build;
mod canon;
mod effect;
mod facts;
mod flow;
mod given;
mod known;
mod path;

pub use build::{MAX_EFFECTS, analyse};
pub use effect::{Effect, EffectKind, Returns, Summary};
pub use facts::{FactEffect, Facts, FuncFacts, MAX_PARAMS};
pub use path::{Answer, Exit, Limit, MAX_STATES, Step, Trace, Visit};

use crate::ir::{
    At, CallId, Callee, Const, FieldId, FuncId, ObjectId, Op, Package, Place, PlaceId, Shape, Value,
};

/// Who a call may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    /// Functions of this package.
    pub funcs: Vec<FuncId>,
    /// Whether it may also call something that is not known.
    pub is_open: bool,
}

/// A package with all that is known of it.
#[derive(Debug, Default)]
pub struct Analysis {
    /// Its functions.
    pub ir: Package,
    /// By call.
    pub targets: Vec<Targets>,
    /// By function.
    pub summaries: Vec<Summary>,
    /// By call: what it does, in terms of its function.
    pub call_effects: Vec<Vec<Effect>>,
    /// By call: whether effects are left out of it because there are too many.
    cuts: Vec<bool>,
    /// By function: the instructions that call, spawn or defer it, in this package.
    pub callers: Vec<Vec<At>>,
    /// By call: the instruction that makes it, if anything leads there.
    pub calls: Vec<Option<At>>,
    /// By function: the fields that it assigns, callees included, sorted; `None` where these are too many.
    assigns: Vec<Option<Vec<FieldId>>>,
    /// By variable: the place that it is another name for.
    names: Vec<Option<PlaceId>>,
    /// By object: the operations on a place that may be the object; arms of selects, and what is spawned or deferred, included.
    pub operations: Vec<Vec<At>>,
}

impl Analysis {
    /// The summary of a function.
    pub fn summary(&self, func: FuncId) -> &Summary {
        &self.summaries[func.index()]
    }

    /// Who a call may call.
    pub fn targets(&self, call: CallId) -> &Targets {
        &self.targets[call.index()]
    }

    /// A place by its first name: where a variable is assigned once, from a place that does not change, it is that place.
    /// Two places with the same first name in one function are the same thing. It stays where the first name was never
    /// written.
    pub fn canonical(&self, place: PlaceId) -> PlaceId {
        let places = &self.ir.places;
        let mut place = place;
        for _ in 0..8 {
            let base = places.base(place);
            let Some(name) = self.names.get(base.index()).copied().flatten() else {
                break;
            };
            match places.rebased(place, base, name) {
                Some(first) => place = first,
                None => break,
            }
        }
        place
    }

    /// What an instruction does, a call's callees included. Of a `go` it is what the goroutine does, `spawned`; of a `defer`
    /// nothing: that is done at [`Step::Deferred`], ask for the instruction that it runs.
    pub fn effects(&self, at: At) -> Vec<Effect> {
        match &self.ir.instr(at).op {
            Op::Call(call) => self
                .call_effects
                .get(call.index())
                .cloned()
                .unwrap_or_default(),
            Op::Spawn { run, .. } => {
                let mut effects = self.effects(At { instr: *run, ..at });
                effects.iter_mut().for_each(|effect| effect.spawned = true);
                effects
            }
            _ => effect::own(&self.ir, at).into_iter().collect(),
        }
    }

    /// Whether a call has an argument that is true or false.
    pub fn passes_bool(&self, call: CallId) -> bool {
        let ir = &self.ir;
        ir[call].args.iter().any(|arg| match *arg {
            Value::Const(Const::Bool(_)) | Value::Term(_) => true,
            Value::Place(place) => match ir[place] {
                Place::Var(var) => ir[var].shape == Shape::Bool,
                Place::Field(_, field) => ir[field].shape == Shape::Bool,
                Place::Element(_) => false,
            },
            _ => false,
        })
    }

    /// Whether an instruction is a call of which not all is kept that it does.
    pub fn is_cut(&self, at: At) -> bool {
        match self.ir.instr(at).op {
            Op::Call(call) => self.cuts.get(call.index()).copied().unwrap_or(true),
            _ => false,
        }
    }

    /// Whether a call comes back, whoever it calls.
    pub fn returns(&self, call: CallId) -> Returns {
        if let Callee::Extern(id) = self.ir[call].callee {
            return self.ir[id]
                .facts
                .as_ref()
                .map_or(Returns::Maybe, |facts| facts.returns);
        }
        let targets = self.targets(call);
        let mut all = targets.funcs.iter().map(|func| self.summary(*func).returns);
        match all.next() {
            Some(first) if !targets.is_open && all.all(|other| other == first) => first,
            _ => Returns::Maybe,
        }
    }

    /// Whether a call may assign one of these fields. Code that is not known cannot name fields of this package's own.
    fn may_assign(&self, call: CallId, fields: &[FieldId]) -> bool {
        let funcs = self.targets(call).funcs.iter();
        let mut assigns = funcs.map(|func| self.assigns.get(func.index()));
        assigns.any(|assigns| match assigns {
            Some(Some(all)) => fields.iter().any(|field| all.binary_search(field).is_ok()),
            _ => true,
        })
    }

    /// Whether a call calls one function of this package and never another one.
    pub fn is_sure(&self, call: CallId) -> bool {
        let targets = self.targets(call);
        let is_all = match self.ir[call].callee {
            Callee::Interface(method) => self.ir[method].is_complete,
            _ => true,
        };
        targets.funcs.len() == 1 && !targets.is_open && is_all
    }

    /// The instructions that call, spawn or defer a function.
    pub fn callers(&self, func: FuncId) -> &[At] {
        self.callers.get(func.index()).map_or(&[], Vec::as_slice)
    }

    /// All operations in the package on places that may be an object.
    pub fn operations(&self, object: ObjectId) -> &[At] {
        self.operations
            .get(object.index())
            .map_or(&[], Vec::as_slice)
    }
}
