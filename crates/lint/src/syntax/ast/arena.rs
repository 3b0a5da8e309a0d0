//! Where the nodes of a file lie: one vector per kind, and numbers in place of pointers.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ops::Index;

use super::{Ast, Block, Clause, Decl, Expr, Field, Function, Ident, Signature, Spec, Stmt};

/// The number of a node of one kind. It belongs to one [`Ast`]: with another one it names another node, or none, and then
/// indexing panics. Children have lower numbers than their parents of the same kind. Takes 4 bytes, also as an `Option`.
pub struct Id<T> {
    number: NonZeroU32,
    node: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The id of the node at a place of its arena.
    #[inline]
    fn at(place: usize) -> Self {
        // Files are bounded far below the number of nodes that would not fit.
        #[expect(clippy::cast_possible_truncation, reason = "files are bounded")]
        let number = NonZeroU32::MIN.saturating_add(place as u32);
        let node = PhantomData;
        Self { number, node }
    }

    /// The place of the node in its arena, from 0: rises by one from node to node, for tables beside the tree.
    #[inline]
    pub fn index(self) -> usize {
        self.number.get() as usize - 1
    }
}

// Derived, these would demand the same of `T`.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.number.cmp(&other.number)
    }
}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number)
    }
}

/// A run of items of one kind; `&ast[list]` is a slice of them.
pub struct List<T> {
    start: u32,
    length: u32,
    item: PhantomData<fn() -> T>,
}

impl<T> List<T> {
    /// No items.
    pub const EMPTY: Self = Self {
        start: 0,
        length: 0,
        item: PhantomData,
    };

    /// How many items there are.
    #[inline]
    pub fn len(self) -> usize {
        self.length as usize
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.length == 0
    }

    fn range(self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start + self.length as usize
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for List<T> {}
impl<T> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.start, self.length) == (other.start, other.length)
    }
}
impl<T> Eq for List<T> {}
impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}; {}]", self.start, self.length)
    }
}

/// A kind of node, and where an [`Ast`] keeps it.
pub(crate) trait Node: Sized {
    fn arena(ast: &Ast) -> &Vec<Self>;
    fn arena_mut(ast: &mut Ast) -> &mut Vec<Self>;
}

/// A kind of item that stands in lists, and where an [`Ast`] keeps those.
pub(crate) trait Item: Sized {
    fn lists_mut(ast: &mut Ast) -> &mut Vec<Self>;
}

macro_rules! nodes {
    ($($node:ty => $arena:ident,)*) => {
        $(impl Node for $node {
            #[inline]
            fn arena(ast: &Ast) -> &Vec<Self> {
                &ast.$arena
            }
            #[inline]
            fn arena_mut(ast: &mut Ast) -> &mut Vec<Self> {
                &mut ast.$arena
            }
        }

        impl Index<Id<$node>> for Ast {
            type Output = $node;
            #[inline]
            fn index(&self, id: Id<$node>) -> &$node {
                &self.$arena[id.index()]
            }
        })*
    };
}

macro_rules! items {
    ($($item:ty => $lists:ident,)*) => {
        $(impl Item for $item {
            #[inline]
            fn lists_mut(ast: &mut Ast) -> &mut Vec<Self> {
                &mut ast.$lists
            }
        }

        impl Index<List<$item>> for Ast {
            type Output = [$item];
            #[inline]
            fn index(&self, list: List<$item>) -> &[$item] {
                &self.$lists[list.range()]
            }
        })*
    };
}

nodes! {
    Expr => exprs,
    Stmt => stmts,
    Block => blocks,
    Clause => clauses,
    Field => fields,
    Signature => signatures,
    Spec => specs,
    Decl => decls,
    Function => functions,
}

items! {
    Id<Expr> => expr_lists,
    Id<Stmt> => stmt_lists,
    Id<Clause> => clause_lists,
    Id<Field> => field_lists,
    Id<Spec> => spec_lists,
    Ident => ident_lists,
}

impl Ast {
    /// Adds a node.
    #[inline]
    pub(crate) fn add<T: Node>(&mut self, node: T) -> Id<T> {
        let arena = T::arena_mut(self);
        let id = Id::at(arena.len());
        arena.push(node);
        id
    }

    /// Makes a list of what lies on a stack above a mark, and takes it off.
    #[inline]
    pub(crate) fn list_from<T: Item>(&mut self, stack: &mut Vec<T>, mark: usize) -> List<T> {
        let lists = T::lists_mut(self);
        let start = lists.len();
        lists.extend(stack.drain(mark.min(stack.len())..));
        #[expect(clippy::cast_possible_truncation, reason = "files are bounded")]
        let (start, length) = (start as u32, (lists.len() - start) as u32);
        let item = PhantomData;
        List {
            start,
            length,
            item,
        }
    }

    /// A list of one item.
    #[inline]
    pub(crate) fn list_of<T: Item>(&mut self, only: T) -> List<T> {
        let lists = T::lists_mut(self);
        #[expect(clippy::cast_possible_truncation, reason = "files are bounded")]
        let start = lists.len() as u32;
        lists.push(only);
        let item = PhantomData;
        List {
            start,
            length: 1,
            item,
        }
    }

    /// All nodes of a kind with their ids, children before their parents.
    pub(crate) fn all<'a, T: Node + 'a>(&'a self) -> impl Iterator<Item = (Id<T>, &'a T)> {
        let places = 0_usize..;
        places.map(Id::at).zip(T::arena(self))
    }
}
