//! The IR as text, for tests and for whoever looks into it. One line an instruction.

use std::fmt::Write as _;

use super::{
    Amount, Callee, Compare, Const, End, Fact, Func, FuncId, InstrId, Key, Loop, LoopKind, Mode,
    ObjectKind, Op, Package, PlaceId, RecvKind, TermId, TermKind, Test, Value,
};
use crate::syntax::Names;

/// All functions of a package.
pub fn dump(package: &Package, names: &Names) -> String {
    let mut text = String::new();
    for (id, _) in package.funcs() {
        text.push_str(&dump_func(package, names, id));
    }
    text
}

/// One function.
pub fn dump_func(package: &Package, names: &Names, id: FuncId) -> String {
    let mut dump = Dump {
        package,
        names,
        text: String::new(),
    };
    dump.func(&package[id]);
    dump.text
}

struct Dump<'p> {
    package: &'p Package,
    names: &'p Names,
    text: String,
}

impl Dump<'_> {
    fn func(&mut self, func: &Func) {
        let vars = func.receiver.iter().chain(&func.params);
        let params: Vec<&str> = vars
            .map(|var| self.names.text(self.package[*var].name))
            .collect();
        let _ = writeln!(self.text, "func {}({})", func.name, params.join(", "));
        let mut is_alive = vec![false; func.blocks.len()];
        let mut work = vec![super::BlockId(0)];
        while let Some(block) = work.pop() {
            if let Some(alive) = is_alive.get_mut(block.index())
                && !std::mem::replace(alive, true)
            {
                work.extend(func.successors(block).into_iter().map(|(to, _)| to));
            }
        }
        let alive = func.blocks().zip(is_alive);
        for (id, block) in alive.filter(|(_, alive)| *alive).map(|(block, _)| block) {
            let head = match block.in_loop.map(|inner| &func[inner]) {
                Some(inner) if inner.head == id => self.head(inner),
                _ => String::new(),
            };
            let _ = writeln!(self.text, " {id:?}:{head}");
            for instr in block.instrs() {
                let line = self.instr(func, instr);
                let _ = writeln!(self.text, "  {line}");
            }
            let exit = self.exit(func, &block.exit);
            let _ = writeln!(self.text, "  {exit}");
        }
    }

    fn head(&self, inner: &Loop) -> String {
        let kind = match inner.kind {
            LoopKind::Forever => "forever".to_owned(),
            LoopKind::While(_) => "while".to_owned(),
            LoopKind::Counted => format!("{} times", self.amount(inner.rounds)),
            LoopKind::Chan(channel) => format!("range {}", self.place(channel)),
            LoopKind::Func => "range function".to_owned(),
        };
        format!(" loop {kind}, then {:?}", inner.after)
    }

    fn instr(&self, func: &Func, id: InstrId) -> String {
        let place = |place: &PlaceId| self.place(*place);
        match &func[id].op {
            Op::Assign { to, value } => format!("{} = {}", place(to), self.value(*value)),
            Op::Make(object) => {
                format!(
                    "make {object:?} {}",
                    self.object(&self.package[*object].kind)
                )
            }
            Op::Send { channel } => format!("send {}", place(channel)),
            Op::Recv { channel, kind, ok } => {
                let ok = ok.map(|ok| format!(" ok {}", self.names.text(self.package[ok].name)));
                let range = if *kind == RecvKind::Range {
                    " range"
                } else {
                    ""
                };
                format!("recv {}{range}{}", place(channel), ok.unwrap_or_default())
            }
            Op::Close { channel } => format!("close {}", place(channel)),
            Op::Lock {
                lock, mode, is_try, ..
            } => {
                let verb = if *is_try { "trylock" } else { "lock" };
                format!("{verb} {}{}", place(lock), mode_text(*mode))
            }
            Op::Unlock { lock, mode } => format!("unlock {}{}", place(lock), mode_text(*mode)),
            Op::WgAdd { group, delta } => format!("add {} {}", place(group), self.amount(*delta)),
            Op::WgWait { group } => format!("wait {}", place(group)),
            Op::CondWait { cond } => format!("cond-wait {}", place(cond)),
            Op::CondWake { cond, all } => {
                format!(
                    "{} {}",
                    if *all { "broadcast" } else { "signal" },
                    place(cond)
                )
            }
            Op::OnceBegin { once } => format!("once {}", place(once)),
            Op::OnceEnd { once } => format!("once-end {}", place(once)),
            Op::Cancel { cancel } => format!("cancel {}", place(cancel)),
            Op::Stop { timer, reset } => {
                format!("{} {}", if *reset { "reset" } else { "stop" }, place(timer))
            }
            Op::Sleep => "sleep".to_owned(),
            Op::Release { resource } => format!("release {}", place(resource)),
            Op::Call(call) => {
                let call = &self.package[*call];
                let mut text = format!("call {}", self.callee(call.callee));
                let args = call.receiver.iter().chain(&call.args);
                let args: Vec<String> = args.map(|arg| self.value(*arg)).collect();
                let _ = write!(text, "({})", args.join(", "));
                let results = call.results.iter();
                let results: Vec<String> = results
                    .map(|to| to.map_or("_".to_owned(), |to| self.place(to)))
                    .collect();
                if !results.is_empty() {
                    let _ = write!(text, " -> {}", results.join(", "));
                }
                text
            }
            Op::Spawn { run, kind } => format!("go[{kind:?}] {}", self.instr(func, *run)),
            Op::Defer { run } => format!("defer {}", self.instr(func, *run)),
            Op::Unknown(why) => format!("unknown {why:?}"),
        }
    }

    fn exit(&self, func: &Func, exit: &End) -> String {
        match exit {
            End::Jump(to) => format!("-> {to:?}"),
            End::Branch(edges) => {
                let edges: Vec<String> = edges
                    .iter()
                    .map(|edge| {
                        let facts = edge.facts.iter().map(|fact| self.fact(fact));
                        let facts = facts.collect::<Vec<String>>().join(" & ");
                        let facts = if facts.is_empty() {
                            "?".to_owned()
                        } else {
                            facts
                        };
                        format!("[{facts}] -> {:?}", edge.to)
                    })
                    .collect();
                edges.join(" | ")
            }
            End::Select { arms, default } => {
                let mut text = "select".to_owned();
                for arm in arms {
                    let _ = write!(text, " [{}] -> {:?}", self.instr(func, arm.instr), arm.to);
                }
                if let Some(to) = default {
                    let _ = write!(text, " [default] -> {to:?}");
                }
                text
            }
            End::Return => "return".to_owned(),
            End::Panic => "panic".to_owned(),
            End::Goexit => "goexit".to_owned(),
            End::Exit => "exit".to_owned(),
        }
    }

    fn place(&self, place: PlaceId) -> String {
        let base = self.package.base(place);
        let text = self.package.place_text(self.names, place);
        // A variable without a name goes by its number.
        if self.names.text(self.package[base].name).is_empty() {
            return format!("{base:?}{text}");
        }
        text
    }

    fn value(&self, value: Value) -> String {
        match value {
            Value::Place(place) => self.place(place),
            Value::Object(object) => format!("{object:?}"),
            Value::Func(func) => self.package[func].name.clone(),
            Value::Const(Const::Bool(value)) => value.to_string(),
            Value::Const(Const::Int(value)) => value.to_string(),
            Value::Const(Const::Nil) => "nil".to_owned(),
            Value::Const(Const::NonNil) => "non-nil".to_owned(),
            Value::Const(Const::Other(_)) => "const".to_owned(),
            Value::Term(term) => self.term(term),
            Value::Unknown => "?".to_owned(),
        }
    }

    fn object(&self, kind: &ObjectKind) -> String {
        match kind {
            ObjectKind::Chan { capacity } => format!("chan {}", self.amount(*capacity)),
            ObjectKind::Value { shape, .. } => format!("{shape:?}"),
            ObjectKind::Cond { lock } => match lock {
                Some(lock) => format!("cond of {}", self.place(*lock)),
                None => "cond".to_owned(),
            },
            ObjectKind::Context {
                has_deadline,
                has_cancel,
                ..
            } => {
                let deadline = if *has_deadline { " deadline" } else { "" };
                let cancel = if *has_cancel { " cancel" } else { "" };
                format!("context{deadline}{cancel}")
            }
            ObjectKind::Cancel { context } => format!("cancel of {context:?}"),
            ObjectKind::Timer { repeats } => if *repeats { "ticker" } else { "timer" }.to_owned(),
            ObjectKind::Done { context } => format!("done of {}", self.place(*context)),
            ObjectKind::Func(func) => self.package[*func].name.clone(),
            ObjectKind::Resource(what) => (*what).to_owned(),
            ObjectKind::Outside => "outside".to_owned(),
        }
    }

    fn amount(&self, amount: Amount) -> String {
        match amount {
            Amount::Const(value) => value.to_string(),
            Amount::Term(term) => self.term(term),
            Amount::Unknown => "?".to_owned(),
        }
    }

    fn term(&self, term: TermId) -> String {
        match self.package[term].kind {
            TermKind::Var(var) => {
                let text = self.names.text(self.package[var].name);
                if text.is_empty() {
                    format!("{var:?}")
                } else {
                    text.to_owned()
                }
            }
            TermKind::Place(place) => self.place(place),
            TermKind::Len(place) => format!("len({})", self.place(place)),
            TermKind::Expr(_) => format!("{term:?}"),
        }
    }

    fn fact(&self, fact: &Fact) -> String {
        let term = self.term(fact.term);
        let not = if fact.holds { "" } else { "!" };
        match fact.test {
            Test::True => format!("{not}{term}"),
            Test::Nil => format!("{not}({term} == nil)"),
            Test::Int(compare, number) => {
                let operator = match compare {
                    Compare::Equal => "==",
                    Compare::Less => "<",
                    Compare::LessEqual => "<=",
                };
                format!("{not}({term} {operator} {number})")
            }
            Test::Equals(_) => format!("{not}({term} == const)"),
            Test::Closed => format!("{not}closed {term}"),
        }
    }

    fn callee(&self, callee: Callee) -> String {
        let key = |key: &Key| key.to_string();
        match callee {
            Callee::Func(func) => self.package[func].name.clone(),
            Callee::Extern(id) => key(&self.package[id].key),
            Callee::Value(place) => format!("*{}", self.place(place)),
            Callee::Interface(id) => format!("interface {}", key(&self.package[id].key)),
            Callee::Unknown(why) => format!("unknown {why:?}"),
        }
    }
}

fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::Write => "",
        Mode::Read => " for reading",
    }
}
