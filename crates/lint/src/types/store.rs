//! Where the types of a checker lie, each once.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::typ::{
    Basic, FieldList, Interface, InterfaceId, Member, Signature, SignatureId, Term, TermList, Type,
    TypeId, TypeList,
};

/// Nodes of the largest type that is kept; a type that would be larger is unknown. Written types have some hundred at most, but
/// aliases and type arguments can double a type with every line.
pub(super) const MAX_TYPE_NODES: u32 = 10_000;

/// Types that one checker keeps; further ones are unknown. The largest packages have some ten thousand.
pub(super) const MAX_TYPES: usize = 4_000_000;

/// Slices of items, each kept once.
#[derive(Debug)]
struct Lists<T> {
    items: Vec<T>,
    /// Start and end.
    ranges: Vec<(u32, u32)>,
    table: HashTable<u32>,
}

impl<T: Copy + Eq + Hash> Lists<T> {
    /// With the empty list as number 0.
    fn new() -> Self {
        let mut lists = Self {
            items: Vec::new(),
            ranges: Vec::new(),
            table: HashTable::new(),
        };
        lists.intern(&RandomState::default(), &[]);
        lists.table.clear();
        lists
    }

    #[inline]
    fn get(&self, id: u32) -> &[T] {
        let range = self.ranges.get(id as usize).copied().unwrap_or_default();
        self.items
            .get(range.0 as usize..range.1 as usize)
            .unwrap_or_default()
    }

    fn intern(&mut self, state: &RandomState, list: &[T]) -> u32 {
        if list.is_empty() && !self.ranges.is_empty() {
            return 0;
        }
        let hash = state.hash_one(list);
        if let Some(id) = self.table.find(hash, |id| self.get(*id) == list) {
            return *id;
        }
        let place = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let id = place(self.ranges.len());
        let start = place(self.items.len());
        self.items.extend_from_slice(list);
        self.ranges.push((start, place(self.items.len())));
        let (items, ranges) = (&self.items, &self.ranges);
        let rehash = |id: &u32| {
            let range = ranges.get(*id as usize).copied().unwrap_or_default();
            state.hash_one(
                items
                    .get(range.0 as usize..range.1 as usize)
                    .unwrap_or_default(),
            )
        };
        self.table.insert_unique(hash, id, rehash);
        id
    }
}

/// What is known of each type besides what it is.
#[derive(Debug, Clone, Copy)]
struct Info {
    /// Nodes, written out; of a named type with its arguments.
    nodes: u32,
    /// Whether a type parameter occurs.
    has_params: bool,
    underlying: Underlying,
}

/// What is behind the name of a named type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Underlying {
    /// Not asked for yet.
    Open,
    /// Being found out: asking again is a cycle.
    Busy,
    Known(TypeId),
}

/// All types of a checker.
#[derive(Debug)]
pub(super) struct Store {
    state: RandomState,
    types: Vec<Type>,
    infos: Vec<Info>,
    table: HashTable<TypeId>,
    lists: Lists<TypeId>,
    fields: Lists<Member>,
    terms: Lists<Term>,
    signatures: Vec<Signature>,
    signature_table: HashTable<u32>,
    interfaces: Vec<Interface>,
    interface_table: HashTable<u32>,
}

impl Store {
    /// The types that have constants. Those of `error` and `comparable` are named: their objects have the numbers given.
    pub(super) fn new(error: Type, comparable: Type) -> Self {
        let mut store = Self {
            state: RandomState::default(),
            types: Vec::new(),
            infos: Vec::new(),
            table: HashTable::new(),
            lists: Lists::new(),
            fields: Lists::new(),
            terms: Lists::new(),
            signatures: Vec::new(),
            signature_table: HashTable::new(),
            interfaces: Vec::new(),
            interface_table: HashTable::new(),
        };
        store.add(Type::Unknown);
        for basic in Basic::ALL {
            store.add(Type::Basic(basic));
        }
        store.add(Type::Tuple(TypeList::EMPTY));
        let any = store.add_interface(Interface::default());
        store.add(Type::Interface(any));
        store.add(error);
        store.add(comparable);
        store
    }

    #[inline]
    pub(super) fn typ(&self, id: TypeId) -> Type {
        self.types.get(id.index()).copied().unwrap_or(Type::Unknown)
    }

    #[inline]
    pub(super) fn list(&self, list: TypeList) -> &[TypeId] {
        self.lists.get(list.0)
    }

    #[inline]
    pub(super) fn fields(&self, list: FieldList) -> &[Member] {
        self.fields.get(list.0)
    }

    #[inline]
    pub(super) fn terms(&self, list: TermList) -> &[Term] {
        self.terms.get(list.0)
    }

    /// # Panics
    ///
    /// With the id of another store.
    #[inline]
    pub(super) fn signature(&self, id: SignatureId) -> Signature {
        self.signatures[id.0 as usize]
    }

    /// # Panics
    ///
    /// With the id of another store.
    #[inline]
    pub(super) fn interface(&self, id: InterfaceId) -> &Interface {
        &self.interfaces[id.0 as usize]
    }

    #[inline]
    pub(super) fn has_params(&self, id: TypeId) -> bool {
        self.infos
            .get(id.index())
            .is_some_and(|info| info.has_params)
    }

    pub(super) fn underlying(&self, id: TypeId) -> Underlying {
        self.infos
            .get(id.index())
            .map_or(Underlying::Known(TypeId::UNKNOWN), |info| info.underlying)
    }

    pub(super) fn set_underlying(&mut self, id: TypeId, underlying: Underlying) {
        if let Some(info) = self.infos.get_mut(id.index()) {
            info.underlying = underlying;
        }
    }

    pub(super) fn add_list(&mut self, list: &[TypeId]) -> TypeList {
        TypeList(self.lists.intern(&self.state, list))
    }

    pub(super) fn add_fields(&mut self, list: &[Member]) -> FieldList {
        FieldList(self.fields.intern(&self.state, list))
    }

    pub(super) fn add_terms(&mut self, list: &[Term]) -> TermList {
        TermList(self.terms.intern(&self.state, list))
    }

    pub(super) fn add_signature(&mut self, signature: Signature) -> SignatureId {
        let hash = self.state.hash_one(Some(signature));
        let (state, signatures) = (&self.state, &mut self.signatures);
        let same = |id: &u32| signatures.get(*id as usize) == Some(&signature);
        if let Some(id) = self.signature_table.find(hash, same) {
            return SignatureId(*id);
        }
        let id = u32::try_from(signatures.len()).unwrap_or(u32::MAX);
        signatures.push(signature);
        self.signature_table
            .insert_unique(hash, id, |id| state.hash_one(signatures.get(*id as usize)));
        SignatureId(id)
    }

    pub(super) fn add_interface(&mut self, interface: Interface) -> InterfaceId {
        let hash = self.state.hash_one(Some(&interface));
        let (state, interfaces) = (&self.state, &mut self.interfaces);
        let same = |id: &u32| interfaces.get(*id as usize) == Some(&interface);
        if let Some(id) = self.interface_table.find(hash, same) {
            return InterfaceId(*id);
        }
        let id = u32::try_from(interfaces.len()).unwrap_or(u32::MAX);
        interfaces.push(interface);
        self.interface_table
            .insert_unique(hash, id, |id| state.hash_one(interfaces.get(*id as usize)));
        InterfaceId(id)
    }

    /// The number of a type.
    pub(super) fn add(&mut self, typ: Type) -> TypeId {
        let hash = self.state.hash_one(typ);
        let types = &self.types;
        let same = |id: &TypeId| types.get(id.index()) == Some(&typ);
        if let Some(id) = self.table.find(hash, same) {
            return *id;
        }
        let (nodes, has_params) = self.measure(typ);
        if nodes > MAX_TYPE_NODES || self.types.len() >= MAX_TYPES {
            return TypeId::UNKNOWN;
        }
        let id = TypeId(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
        self.types.push(typ);
        let underlying = match typ {
            Type::Named { .. } => Underlying::Open,
            _ => Underlying::Known(id),
        };
        self.infos.push(Info {
            nodes,
            has_params,
            underlying,
        });
        let (state, types) = (&self.state, &self.types);
        self.table.insert_unique(hash, id, |id| {
            state.hash_one(types.get(id.index()).copied().unwrap_or(Type::Unknown))
        });
        id
    }

    /// Nodes of a type, and whether a type parameter occurs.
    fn measure(&self, typ: Type) -> (u32, bool) {
        let mut sum = (1_u32, false);
        let mut more = |id: TypeId| {
            if let Some(info) = self.infos.get(id.index()) {
                sum = (sum.0.saturating_add(info.nodes), sum.1 || info.has_params);
            }
        };
        match typ {
            Type::Unknown | Type::Basic(_) => {}
            Type::TypeParam(_) => return (1, true),
            Type::Pointer(inner)
            | Type::Slice(inner)
            | Type::Array { element: inner, .. }
            | Type::Chan { element: inner, .. } => more(inner),
            Type::Map { key, value } => {
                more(key);
                more(value);
            }
            Type::Named { args: list, .. } | Type::Tuple(list) => {
                self.list(list).iter().for_each(|id| more(*id))
            }
            Type::Struct(list) => self.fields(list).iter().for_each(|field| more(field.typ)),
            Type::Func(id) => {
                let signature = self.signature(id);
                for list in [signature.type_params, signature.params, signature.results] {
                    self.list(list).iter().for_each(|id| more(*id));
                }
            }
            Type::Interface(id) => {
                let interface = self.interface(id);
                interface.methods.iter().for_each(|method| more(method.typ));
                for terms in &interface.embedded {
                    self.terms(*terms).iter().for_each(|term| more(term.typ));
                }
            }
        }
        sum
    }
}
