//! What names mean at a place.

use std::sync::LazyLock;

use crate::syntax::ast::Ast;
use crate::syntax::{Bodies, File, Interner, Name, Names, parse};

use super::Map;
use super::object::ObjectId;
use super::program::{FileId, PackageId};

/// Where the checker is: the file and what is declared around. Names of the package and of the universe are not in here.
#[derive(Debug)]
pub(super) struct Env<'p> {
    pub(super) id: FileId,
    pub(super) file: &'p File,
    /// What names mean now, and the depth of the scope that says so.
    bound: Map<Name, (ObjectId, u32)>,
    /// What they meant outside of the scopes that are open.
    undo: Vec<(Name, Option<(ObjectId, u32)>)>,
    scope: u32,
    /// The value of `iota` in a constant declaration.
    pub(super) iota: Option<u32>,
    /// Whether bodies of closures are typed; they are not while the type of a declaration is found out.
    pub(super) bodies: bool,
    /// Whether what is found out is kept.
    pub(super) record: bool,
}

impl<'p> Env<'p> {
    /// The outermost scope of a file.
    pub(super) fn new(id: FileId, file: &'p File, record: bool) -> Self {
        Self {
            id,
            file,
            bound: Map::default(),
            undo: Vec::new(),
            scope: 0,
            iota: None,
            bodies: false,
            record,
        }
    }

    /// A place in no package, before the checker looks at a file.
    pub(super) fn nowhere() -> Self {
        static NOTHING: LazyLock<File> =
            LazyLock::new(|| parse(Vec::new(), &mut Interner::new(&Names::new()), Bodies::Parse));
        Self::new(FileId::new(PackageId::NONE, 0), &NOTHING, false)
    }

    pub(super) fn ast(&self) -> &'p Ast {
        &self.file.ast
    }

    /// Opens a scope; the mark closes it.
    pub(super) fn open(&mut self) -> usize {
        self.scope += 1;
        self.undo.len()
    }

    /// Closes the scope that gave the mark.
    pub(super) fn close(&mut self, mark: usize) {
        self.scope = self.scope.saturating_sub(1);
        for (name, outer) in self.undo.drain(mark.min(self.undo.len())..).rev() {
            match outer {
                Some(outer) => self.bound.insert(name, outer),
                None => self.bound.remove(&name),
            };
        }
    }

    /// Closes the scope that gave the mark and all that were opened inside.
    pub(super) fn close_to(&mut self, scope: u32, mark: usize) {
        self.close(mark);
        self.scope = scope;
    }

    /// How many scopes are open.
    pub(super) fn scopes(&self) -> u32 {
        self.scope
    }

    /// Declares a name in the scope at hand.
    pub(super) fn bind(&mut self, name: Name, object: ObjectId) {
        if name.is_blank() || name == Name::MISSING {
            return;
        }
        let outer = self.bound.insert(name, (object, self.scope));
        self.undo.push((name, outer));
    }

    pub(super) fn find(&self, name: Name) -> Option<ObjectId> {
        self.bound.get(&name).map(|(object, _)| *object)
    }

    /// What the name means if it is declared in the scope at hand itself.
    pub(super) fn find_here(&self, name: Name) -> Option<ObjectId> {
        let (object, scope) = self.bound.get(&name)?;
        (*scope == self.scope).then_some(*object)
    }
}
