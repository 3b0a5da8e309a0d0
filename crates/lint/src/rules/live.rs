//! Which functions anything can come to run, and who runs whom.

use std::collections::HashMap;

use crate::ir::{At, Callee, FuncId, FuncKind, ObjectKind, Op, Place, Value};
use crate::summary::Analysis;

/// What runs what.
#[derive(Debug)]
pub struct Live {
    live: Vec<bool>,
    named: Vec<bool>,
    roots: Vec<FuncId>,
    /// By function: all that it calls, defers or starts.
    all: Vec<Vec<FuncId>>,
    /// By function: those it calls or defers, without those it starts.
    calls: Vec<Vec<FuncId>>,
    spawned: Vec<bool>,
}

impl Live {
    /// Of a package: what others can call, what is run before `main`, what escapes as a value, and what these run.
    pub fn new(analysis: &Analysis) -> Self {
        let ir = &analysis.ir;
        let mut calls = vec![Vec::new(); ir.funcs.len()];
        let mut spawned = vec![false; ir.funcs.len()];
        let mut all: Vec<Vec<FuncId>> = vec![Vec::new(); ir.funcs.len()];
        for (id, func) in ir.funcs() {
            for (_, instr) in func.instrs() {
                match &instr.op {
                    Op::Call(call) => {
                        let targets = &analysis.targets(*call).funcs;
                        all[id.index()].extend(targets);
                        calls[id.index()].extend(targets);
                    }
                    Op::Spawn { run, .. } => {
                        if let Op::Call(call) = &func[*run].op {
                            for target in &analysis.targets(*call).funcs {
                                spawned[target.index()] = true;
                            }
                        }
                    }
                    _ => {}
                }
            }
            // What a go runs is not called by the function itself.
            for (_, instr) in func.instrs() {
                if let Op::Spawn { run, .. } = &instr.op
                    && let Op::Call(call) = &func[*run].op
                {
                    for target in &analysis.targets(*call).funcs {
                        let own = &mut calls[id.index()];
                        if let Some(place) = own.iter().position(|known| known == target) {
                            own.remove(place);
                        }
                    }
                }
            }
        }
        let mut work: Vec<FuncId> = Vec::new();
        for (id, func) in ir.funcs() {
            let is_root = match &func.kind {
                FuncKind::Declared { key, exported, .. } => {
                    // A function that nothing calls is there for somebody who is not seen.
                    let is_alone = key.receiver.is_none() && analysis.callers(id).is_empty();
                    *exported || is_alone || (key.receiver.is_none() && is_run_first(&key.name))
                }
                FuncKind::Made => func.parent.is_none(),
                FuncKind::Closure => false,
            };
            if is_root {
                work.push(id);
            }
        }
        let escaped = Types::new(analysis);
        for (id, func) in ir.funcs() {
            if let FuncKind::Declared { key, .. } = &func.kind
                && let Some(receiver) = &key.receiver
                && key.name.starts_with(char::is_uppercase)
                && escaped.may_escape(&format!("{}.{receiver}", ir.path))
            {
                work.push(id);
            }
        }
        for (id, object) in ir.objects() {
            if let ObjectKind::Func(func) = object.kind
                && ir.aliases.escape(id).is_some()
            {
                work.push(func);
            }
        }
        // Whoever gets a function may call it.
        for call in &ir.calls {
            if !matches!(call.callee, Callee::Func(_)) {
                work.extend(call.args.iter().filter_map(|arg| match arg {
                    Value::Func(func) => Some(*func),
                    _ => None,
                }));
            }
        }
        let roots = work;
        let live = reached(&roots, &all, None);
        let mut more = roots.clone();
        for (id, func) in ir.funcs() {
            if let FuncKind::Declared { key, .. } = &func.kind
                && key.receiver.is_some()
                && key.name.starts_with(char::is_uppercase)
            {
                more.push(id);
            }
        }
        let named = reached(&more, &all, None);
        Self {
            live,
            named,
            roots,
            all,
            calls,
            spawned,
        }
    }

    /// Whether something may run it.
    pub fn is_live(&self, func: FuncId) -> bool {
        self.live.get(func.index()).copied().unwrap_or(true)
    }

    /// Whether something may run it, if methods that others can name count as run: through an interface that is not seen, say.
    pub fn may_be_live(&self, func: FuncId) -> bool {
        self.named.get(func.index()).copied().unwrap_or(true)
    }

    /// Whether an instruction runs in a loop, of its function or of those that call it up to the maker of what it works on.
    pub fn is_repeated(&self, context: &super::Context<'_>, at: At, maker: Option<FuncId>) -> bool {
        /// Callers of callers that are looked at.
        const MAX_LEVELS: u32 = 4;
        let mut work = vec![(at, 0_u32)];
        while let Some((at, level)) = work.pop() {
            if context.index().is_in_loop(context.ir(), at) {
                return true;
            }
            // Behind its maker every call has a channel of its own.
            if level < MAX_LEVELS && maker != Some(at.func) {
                let callers = context.analysis.callers(at.func).iter();
                work.extend(callers.map(|caller| (*caller, level + 1)));
            }
        }
        false
    }

    /// Whether something may run it that another function has not started or called.
    pub fn is_live_without(&self, func: FuncId, without: FuncId) -> bool {
        let live = reached(&self.roots, &self.all, Some(without));
        func != without && live.get(func.index()).copied().unwrap_or(true)
    }

    /// Whether some `go` runs it.
    pub fn is_spawned(&self, func: FuncId) -> bool {
        self.spawned.get(func.index()).copied().unwrap_or(false)
    }

    /// Whether it runs in a goroutine that the package starts: a `go` runs it or one of its callers. Not said of what others
    /// may call.
    pub fn callees(&self, func: FuncId) -> &[FuncId] {
        self.calls.get(func.index()).map_or(&[], Vec::as_slice)
    }

    /// Everything that a call of a function runs in the same goroutine, itself included.
    pub fn runs(&self, func: FuncId) -> Vec<FuncId> {
        let mut all = vec![func];
        let mut seen = vec![false; self.calls.len()];
        let mut see = |func: FuncId| {
            seen.get_mut(func.index())
                .is_some_and(|seen| !std::mem::replace(seen, true))
        };
        see(func);
        let mut next = 0;
        while let Some(func) = all.get(next).copied() {
            next += 1;
            all.extend(
                self.callees(func)
                    .iter()
                    .copied()
                    .filter(|callee| see(*callee)),
            );
        }
        all
    }

    /// By function: whether a call of it runs a function in the same goroutine.
    pub fn runners(&self, of: FuncId) -> Vec<bool> {
        let mut callers: Vec<Vec<FuncId>> = vec![Vec::new(); self.calls.len()];
        for (caller, callees) in self.calls.iter().enumerate() {
            for callee in callees {
                if let Some(callers) = callers.get_mut(callee.index()) {
                    callers.push(FuncId::at(caller));
                }
            }
        }
        reached(&[of], &callers, None)
    }
}

/// Which struct types have values that others get hold of: through an interface these can call any method with an exported name.
struct Types<'a> {
    known: HashMap<&'a str, bool>,
}

impl<'a> Types<'a> {
    /// By the fields that are used of the values.
    fn new(analysis: &'a Analysis) -> Self {
        let ir = &analysis.ir;
        let mut known = HashMap::new();
        for place in ir.places.all() {
            let Place::Field(of, field) = *place else {
                continue;
            };
            let owner = ir[field].owner.as_str();
            let objects = ir.aliases.objects(&ir.places, of).iter();
            let structs =
                objects.filter(|object| matches!(ir[**object].kind, ObjectKind::Value { .. }));
            for object in structs {
                let escapes = ir.aliases.escape(*object).is_some();
                *known.entry(owner).or_insert(false) |= escapes;
            }
        }
        Self { known }
    }

    /// Whether a value of a type may be with others; where none is seen, it may.
    fn may_escape(&self, owner: &str) -> bool {
        self.known.get(owner).copied().unwrap_or(true)
    }
}

/// What some functions run, themselves included, where one runs nothing.
fn reached(roots: &[FuncId], all: &[Vec<FuncId>], without: Option<FuncId>) -> Vec<bool> {
    let mut live = vec![false; all.len()];
    let mut work = roots.to_vec();
    while let Some(func) = work.pop() {
        if std::mem::replace(&mut live[func.index()], true) || Some(func) == without {
            continue;
        }
        work.extend(all[func.index()].iter().copied());
    }
    live
}

/// Whether Go runs a function of that name by itself.
fn is_run_first(name: &str) -> bool {
    let tests = ["Test", "Benchmark", "Fuzz", "Example"];
    name == "main" || name == "init" || tests.iter().any(|start| name.starts_with(start))
}
