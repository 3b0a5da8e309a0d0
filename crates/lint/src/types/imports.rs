//! The imports of files.

use std::rc::Rc;

use crate::syntax::Name;

use super::Map;
use super::checker::Checker;
use super::declare::{Source, State};
use super::object::{Object, ObjectId, ObjectKind};
use super::program::{FileId, PackageId};
use super::typ::TypeId;

/// What the imports of a file declare.
#[derive(Debug, Default)]
pub(super) struct Imports {
    pub(super) by_name: Map<Name, ObjectId>,
    /// Packages imported with a dot.
    pub(super) dots: Vec<PackageId>,
}

impl Checker<'_> {
    pub(super) fn imports(&mut self, file: FileId) -> Rc<Imports> {
        if let Some(imports) = self.declarations.imports.get(&file) {
            return Rc::clone(imports);
        }
        let package = self.program.package(file.package);
        let mut imports = Imports::default();
        for import in package.file_imports(file.index) {
            let imported = package.imported(&import.path);
            if import.name.is_some_and(|name| self.names.text(name) == ".") {
                imports.dots.extend(imported);
                continue;
            }
            let name = import.name.or_else(|| match imported {
                Some(imported) => Some(self.program.package(imported).name),
                None => self.names.find(guessed_name(&import.path)),
            });
            let Some(name) = name else { continue };
            let is_unsafe = import.path == "unsafe";
            let source = if is_unsafe {
                Source::Unsafe
            } else {
                Source::None
            };
            let kind = ObjectKind::Package(imported.filter(|_| !is_unsafe));
            let object = Object {
                kind,
                name,
                file: Some(file),
                span: import.span,
            };
            let object = self.add_entity(object, source, State::Done, TypeId::UNKNOWN);
            imports.by_name.insert(name, object);
        }
        let imports = Rc::new(imports);
        self.declarations.imports.insert(file, Rc::clone(&imports));
        imports
    }
}

/// The name that a package with this path most likely has.
fn guessed_name(path: &str) -> &str {
    let mut parts = path.rsplit('/');
    let last = parts.next().unwrap_or_default();
    let is_version = |part: &str| {
        let digits = part.strip_prefix('v').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if is_version(last) {
        return parts.next().unwrap_or(last);
    }
    match last.rsplit_once('.') {
        Some((name, version)) if is_version(version) => name,
        _ => last,
    }
}
