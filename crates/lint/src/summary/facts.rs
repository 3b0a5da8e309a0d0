//! What importers of a package need to know of its functions, as bytes that outlive a run.

use std::collections::BTreeMap;

use super::{Analysis, Effect, EffectKind, Returns};
use crate::ir::{
    Aliases, Amount, Escape, FieldId, FuncId, FuncKind, Mode, Node, ObjectId, ObjectKind, Place,
    RecvKind, Shape, VarId, VarKind, node_of,
};
use crate::types::Key;

/// The first bytes of encoded facts; the last is the version of the form.
const MAGIC: [u8; 4] = *b"GRF\x02";

/// Functions of one package that are read back: the largest of the Go tree has some ten thousand.
const MAX_FUNCS: u64 = 200_000;

/// Bytes of a name that is read back.
const MAX_NAME_BYTES: u64 = 1024;

/// Effects of one function that are kept for importers.
const MAX_FACT_EFFECTS: usize = 32;

/// Parameters that are told apart, the receiver included; of further ones nothing is known.
pub const MAX_PARAMS: u32 = 63;

/// What importers of a package need to know of its functions. Functions of which there is nothing to say are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// By receiver's type, empty without one, and name.
    pub funcs: BTreeMap<(String, String), FuncFacts>,
}

/// What a call of a function does to what it is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FuncFacts {
    /// Whether it comes back.
    pub returns: Returns,
    /// By parameter whether it may keep what it is given: bit 0 for the receiver, bit 1 for the first parameter.
    pub keeps: u64,
    /// What it does to its parameters themselves.
    pub effects: Vec<FactEffect>,
    /// Whether what its first result points to was made in the call, and nobody else has it.
    pub fresh: bool,
    /// Of one that starts a goroutine for its receiver, or without one for its first result, which ends only when it is told to: how that is
    /// called, as `Stop()`.
    pub stopped_by: Option<String>,
    /// Whether it closes or cancels something of the receiver's, or waits for a goroutine to end.
    pub stops: bool,
}

/// See [`Effect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactEffect {
    /// 0 for the receiver, 1 for the first parameter.
    pub param: u8,
    /// What is done to it.
    pub kind: EffectKind,
    /// On every way.
    pub always: bool,
    /// Perhaps more than once.
    pub many: bool,
    /// By a goroutine that is started.
    pub spawned: bool,
    /// Without waiting long.
    pub passing: bool,
}

impl Facts {
    /// What is known of a function.
    pub fn get(&self, key: &Key) -> Option<&FuncFacts> {
        let receiver = key.receiver.clone().unwrap_or_default();
        self.funcs.get(&(receiver, key.name.clone()))
    }

    /// The facts of a package that importers can make use of.
    pub fn of(analysis: &Analysis) -> Self {
        let mut facts = Self::default();
        for (id, func) in analysis.ir.funcs() {
            let FuncKind::Declared {
                key,
                exported: true,
                ..
            } = &func.kind
            else {
                continue;
            };
            if func.blocks.is_empty() || func.params.len() >= MAX_PARAMS as usize {
                continue;
            }
            let receiver = key.receiver.clone().unwrap_or_default();
            facts
                .funcs
                .insert((receiver, key.name.clone()), of_func(analysis, id));
        }
        facts
    }

    /// Bytes that this version of the program reads again. Caches and `go vet` keep them.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(MAGIC.to_vec());
        out.number(self.funcs.len() as u64);
        for ((receiver, name), func) in &self.funcs {
            out.text(receiver);
            out.text(name);
            let returns = match func.returns {
                Returns::Maybe => 0,
                Returns::Panics => 1,
                Returns::Exits => 2,
                Returns::Hangs => 3,
            };
            let flags = returns | u8::from(func.fresh) << 2 | u8::from(func.stops) << 3;
            out.0.push(flags);
            out.text(func.stopped_by.as_deref().unwrap_or_default());
            out.number(func.keeps);
            out.number(func.effects.len() as u64);
            for effect in &func.effects {
                out.effect(effect);
            }
        }
        out.0
    }

    /// What was encoded; `None` for bytes that are no facts, or those of another version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Reader(bytes.strip_prefix(&MAGIC)?);
        let count = input.number().filter(|count| *count <= MAX_FUNCS)?;
        let mut funcs = BTreeMap::new();
        for _ in 0..count {
            let receiver = input.text()?;
            let name = input.text()?;
            let flags = input.byte()?;
            let returns = match flags & 3 {
                0 => Returns::Maybe,
                1 => Returns::Panics,
                2 => Returns::Exits,
                _ => Returns::Hangs,
            };
            let (fresh, stops) = (flags & 4 != 0, flags & 8 != 0);
            let stopped_by = Some(input.text()?).filter(|name| !name.is_empty());
            let keeps = input.number()?;
            let count = input.number()?;
            let count = usize::try_from(count)
                .ok()
                .filter(|count| *count <= MAX_FACT_EFFECTS)?;
            let mut effects = Vec::with_capacity(count);
            for _ in 0..count {
                effects.push(input.effect()?);
            }
            let func = FuncFacts {
                returns,
                keeps,
                effects,
                fresh,
                stopped_by,
                stops,
            };
            funcs.insert((receiver, name), func);
        }
        input.0.is_empty().then_some(Self { funcs })
    }
}

fn of_func(analysis: &Analysis, id: FuncId) -> FuncFacts {
    let (ir, summary) = (&analysis.ir, analysis.summary(id));
    let func = &ir[id];
    let mut facts = FuncFacts {
        returns: summary.returns,
        fresh: is_fresh(analysis, id),
        ..FuncFacts::default()
    };
    let vars: Vec<VarId> = func
        .receiver
        .into_iter()
        .chain(func.params.iter().copied())
        .collect();
    for var in &vars {
        // Who gets a function or a value with methods may call them, of which nothing is told; and what was left out may be
        // anything.
        let is_called = matches!(
            ir[*var].shape,
            Shape::Func | Shape::Interface | Shape::Unknown
        );
        if summary.is_cut || is_called || ir.keeps(*var) {
            keep(&mut facts, ir[*var].kind);
        }
    }
    for effect in &summary.effects {
        lifecycle(analysis, func.receiver, effect, &mut facts);
        let base = ir.base(effect.place);
        if !vars.contains(&base) {
            by_other_name(analysis, effect, &vars, &mut facts);
            continue;
        }
        let Place::Var(_) = ir[effect.place] else {
            // Importers see the fields of a struct for themselves, but no elements.
            if ir[base].shape != Shape::Struct {
                keep(&mut facts, ir[base].kind);
            }
            continue;
        };
        let Some(param) = number_of(ir[base].kind) else {
            continue;
        };
        let fact = FactEffect {
            param,
            kind: for_importers(effect.kind),
            always: effect.always,
            many: effect.many,
            spawned: effect.spawned,
            passing: effect.passing,
        };
        if effect.kind == EffectKind::Escape || facts.effects.len() >= MAX_FACT_EFFECTS {
            keep(&mut facts, ir[base].kind);
        } else if !facts.effects.contains(&fact) {
            facts.effects.push(fact);
        }
    }
    // Arguments behind the last parameter belong to it.
    let last = func.params.len().min(MAX_PARAMS as usize);
    if last > 0 && facts.keeps >> last & 1 != 0 {
        facts.keeps |= u64::MAX << last;
    }
    facts
}

/// Notes that a parameter may be kept.
fn keep(facts: &mut FuncFacts, kind: VarKind) {
    facts.keeps |= number_of(kind).map_or(0, |number| 1 << number);
}

/// Something is done to what a variable of the function holds, which may be what a parameter was given.
fn by_other_name(analysis: &Analysis, effect: &Effect, vars: &[VarId], facts: &mut FuncFacts) {
    let ir = &analysis.ir;
    let objects = ir.aliases.objects(&ir.places, effect.place);
    if effect.kind == EffectKind::Escape || !objects.contains(&Aliases::OUTSIDE) {
        return;
    }
    let shape = match node_of(&ir.places, effect.place) {
        Node::Var(var) => ir[var].shape,
        Node::Field(field) => ir[field].shape,
    };
    for var in vars {
        if ir[*var].shape == shape || ir[*var].shape == Shape::Locker {
            keep(facts, ir[*var].kind);
        }
    }
}

/// Whether a function makes the struct that its first result points to, anew in each call, and gives it to nobody else.
fn is_fresh(analysis: &Analysis, id: FuncId) -> bool {
    let ir = &analysis.ir;
    let Some(result) = ir[id].results.first() else {
        return false;
    };
    let objects = ir.aliases.at_node(Node::Var(*result));
    let is_made_here = |object: &ObjectId| {
        let made = &ir[*object];
        let is_struct = matches!(
            made.kind,
            ObjectKind::Value {
                shape: Shape::Struct,
                ..
            }
        );
        let escapes = !matches!(ir.aliases.escape(*object), None | Some(Escape::Result(_)));
        is_struct && made.func == Some(id) && !escapes && !is_stored(analysis, *object)
    };
    !objects.is_empty() && objects.iter().all(is_made_here)
}

/// Whether something lies in a field or in a variable of the package.
fn is_stored(analysis: &Analysis, object: ObjectId) -> bool {
    let ir = &analysis.ir;
    let holds = |node| ir.aliases.at_node(node).contains(&object);
    let vars = ir
        .vars
        .iter()
        .enumerate()
        .filter(|(_, var)| matches!(var.kind, VarKind::Package { .. } | VarKind::Foreign));
    vars.map(|(place, _)| VarId::at(place))
        .any(|var| holds(Node::Var(var)))
        || (0..ir.fields.len()).any(|place| holds(Node::Field(FieldId::at(place))))
}

/// A number in terms of the callee means nothing outside.
fn for_importers(kind: EffectKind) -> EffectKind {
    match kind {
        EffectKind::WgAdd(Amount::Term(_)) => EffectKind::WgAdd(Amount::Unknown),
        _ => kind,
    }
}

fn number_of(kind: VarKind) -> Option<u8> {
    match kind {
        VarKind::Receiver => Some(0),
        VarKind::Param(place) if place < MAX_PARAMS => u8::try_from(place + 1).ok(),
        _ => None,
    }
}

/// Notes what an effect says of starting and stopping.
fn lifecycle(analysis: &Analysis, receiver: Option<VarId>, effect: &Effect, facts: &mut FuncFacts) {
    let ir = &analysis.ir;
    let is_field = matches!(ir[effect.place], Place::Field(..));
    if !is_field || Some(ir.base(effect.place)) != receiver {
        return;
    }
    match effect.kind {
        EffectKind::Close | EffectKind::Cancel if !effect.spawned => facts.stops = true,
        EffectKind::Send | EffectKind::WgWait if !effect.spawned && effect.always => {
            facts.stops = true;
        }
        _ => {}
    }
}

struct Writer(Vec<u8>);

impl Writer {
    /// Seven bits a byte, lowest first; the highest bit says that more follow.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn effect(&mut self, effect: &FactEffect) {
        let flags = [effect.always, effect.many, effect.spawned, effect.passing];
        let flags = flags
            .iter()
            .rev()
            .fold(0_u8, |bits, flag| bits << 1 | u8::from(*flag));
        self.0.extend([effect.param, flags]);
        let (kind, detail) = match effect.kind {
            EffectKind::Send => (0, 0),
            EffectKind::Recv(RecvKind::Plain) => (1, 0),
            EffectKind::Recv(RecvKind::Ok) => (1, 1),
            EffectKind::Recv(RecvKind::Range) => (1, 2),
            EffectKind::Close => (2, 0),
            EffectKind::Lock(mode) => (3, mode_number(mode)),
            EffectKind::TryLock(mode) => (4, mode_number(mode)),
            EffectKind::Unlock(mode) => (5, mode_number(mode)),
            EffectKind::WgAdd(Amount::Const(delta)) => (6, zigzag(delta)),
            EffectKind::WgAdd(_) => (7, 0),
            EffectKind::WgWait => (8, 0),
            EffectKind::CondWait => (9, 0),
            EffectKind::CondWake { all } => (10, u64::from(all)),
            EffectKind::OnceBegin => (11, 0),
            EffectKind::OnceEnd => (12, 0),
            EffectKind::Cancel => (13, 0),
            EffectKind::Stop { reset } => (14, u64::from(reset)),
            EffectKind::Release => (15, 0),
            EffectKind::Escape => (16, 0),
        };
        self.0.push(kind);
        self.number(detail);
    }
}

fn mode_number(mode: Mode) -> u64 {
    match mode {
        Mode::Write => 0,
        Mode::Read => 1,
    }
}

fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number().filter(|length| *length <= MAX_NAME_BYTES)?;
        let (text, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn effect(&mut self) -> Option<FactEffect> {
        let param = self
            .byte()
            .filter(|param| u32::from(*param) <= MAX_PARAMS)?;
        let flags = self.byte()?;
        let (kind, detail) = (self.byte()?, self.number()?);
        let mode = || if detail == 0 { Mode::Write } else { Mode::Read };
        let kind = match kind {
            0 => EffectKind::Send,
            1 => EffectKind::Recv(match detail {
                0 => RecvKind::Plain,
                1 => RecvKind::Ok,
                _ => RecvKind::Range,
            }),
            2 => EffectKind::Close,
            3 => EffectKind::Lock(mode()),
            4 => EffectKind::TryLock(mode()),
            5 => EffectKind::Unlock(mode()),
            6 => {
                let delta = (detail >> 1).cast_signed() ^ -(detail & 1).cast_signed();
                EffectKind::WgAdd(Amount::Const(delta))
            }
            7 => EffectKind::WgAdd(Amount::Unknown),
            8 => EffectKind::WgWait,
            9 => EffectKind::CondWait,
            10 => EffectKind::CondWake { all: detail != 0 },
            11 => EffectKind::OnceBegin,
            12 => EffectKind::OnceEnd,
            13 => EffectKind::Cancel,
            14 => EffectKind::Stop { reset: detail != 0 },
            15 => EffectKind::Release,
            16 => EffectKind::Escape,
            _ => return None,
        };
        Some(FactEffect {
            param,
            kind,
            always: flags & 1 != 0,
            many: flags & 2 != 0,
            spawned: flags & 4 != 0,
            passing: flags & 8 != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Facts {
        let kinds = [
            EffectKind::Send,
            EffectKind::Recv(RecvKind::Range),
            EffectKind::Lock(Mode::Read),
            EffectKind::WgAdd(Amount::Const(-1)),
            EffectKind::WgAdd(Amount::Const(i64::MIN)),
            EffectKind::WgAdd(Amount::Unknown),
            EffectKind::CondWake { all: true },
            EffectKind::Stop { reset: true },
            EffectKind::Release,
        ];
        let effects = kinds.iter().zip(0..).map(|(kind, param)| FactEffect {
            param,
            kind: *kind,
            always: param % 2 == 0,
            many: param % 3 == 0,
            spawned: param % 5 == 0,
            passing: param % 7 == 0,
        });
        let one = FuncFacts {
            returns: Returns::Hangs,
            keeps: u64::MAX,
            effects: effects.collect(),
            fresh: true,
            stopped_by: Some("Close".to_owned()),
            stops: false,
        };
        let two = FuncFacts {
            stops: true,
            ..FuncFacts::default()
        };
        let name = |receiver: &str, name: &str| (receiver.to_owned(), name.to_owned());
        Facts {
            funcs: [(name("T", "Run"), one), (name("", "Stop"), two)]
                .into_iter()
                .collect(),
        }
    }

    #[test]
    fn facts_come_back() {
        for facts in [Facts::default(), sample()] {
            assert_eq!(Facts::decode(&facts.encode()), Some(facts));
        }
    }

    #[test]
    fn what_is_cut_or_longer_is_no_facts() {
        let bytes = sample().encode();
        for length in 0..bytes.len() {
            assert_eq!(Facts::decode(&bytes[..length]), None, "{length}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(Facts::decode(&longer), None);
        let mut newer = bytes;
        newer[3] += 1;
        assert_eq!(Facts::decode(&newer), None);
    }

    proptest! {
        #[test]
        fn damage_is_survived(place in 4_usize..120, value: u8) {
            let mut bytes = sample().encode();
            let place = place % bytes.len();
            bytes[place] = value;
            if let Some(facts) = Facts::decode(&bytes) {
                prop_assert_eq!(Facts::decode(&facts.encode()), Some(facts));
            }
        }
    }
}
