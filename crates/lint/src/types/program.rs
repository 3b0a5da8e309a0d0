//! Parsed packages and which imports which.

use std::sync::Arc;

use super::Map;

use crate::syntax::ast::{DeclKind, ExprKind, FunctionId, SpecId, SpecKind, ValueKind};
use crate::syntax::{File, Name, Span};

/// Aliases of aliases that are followed from a receiver to its type; real ones have one or two.
const MAX_ALIASES: u32 = 16;

/// The number of a package in its [`Program`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageId(u32);

impl PackageId {
    /// No package: that of what Go predeclares.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// A file of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// The package.
    pub package: PackageId,
    /// The file's place in [`Package::files`].
    pub index: u32,
}

impl FileId {
    /// A file by its place in its package.
    pub fn new(package: PackageId, index: u32) -> Self {
        Self { package, index }
    }
}

/// All packages that are checked, and those that they import, as far as they are at hand.
#[derive(Debug, Clone, Default)]
pub struct Program {
    packages: Vec<Package>,
}

impl Program {
    /// No packages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a package. What it imports may be added later.
    pub fn add(&mut self, package: Package) -> PackageId {
        let id = PackageId(u32::try_from(self.packages.len()).unwrap_or(u32::MAX));
        self.packages.push(package);
        id
    }

    /// Puts another package in the place of one that has the same path and imports.
    pub fn replace(&mut self, id: PackageId, package: Package) {
        if let Some(slot) = self.packages.get_mut(id.0 as usize) {
            *slot = package;
        }
    }

    /// Says what an import path means in a package; for vendored packages and packages under test it is not what it spells.
    pub fn link(&mut self, package: PackageId, import_path: &str, imported: PackageId) {
        if let Some(package) = self.packages.get_mut(package.0 as usize) {
            package.imports.insert(import_path.to_owned(), imported);
        }
    }

    /// Links every import that has no link yet to the package with that path, if there is one. Of two the first is taken.
    pub fn link_by_path(&mut self) {
        let mut by_path: Map<String, PackageId> = Map::default();
        for (index, package) in (0..).zip(&self.packages) {
            by_path
                .entry_ref(package.path.as_str())
                .or_insert(PackageId(index));
        }
        for package in &mut self.packages {
            for import in package.file_imports.iter().flatten() {
                if let Some(imported) = by_path.get(&import.path) {
                    package
                        .imports
                        .entry_ref(import.path.as_str())
                        .or_insert(*imported);
                }
            }
        }
    }

    /// As [`Program::link_by_path`] for one package.
    pub(super) fn link_package_by_path(&mut self, id: PackageId) {
        let imports = self.package(id).file_imports.iter().flatten();
        let paths: Vec<String> = imports.map(|import| import.path.clone()).collect();
        for path in paths {
            let found = self.packages().find(|(_, package)| package.path == path);
            if let (Some((imported, _)), None) = (found, self.package(id).imported(&path)) {
                self.link(id, &path, imported);
            }
        }
    }

    /// Links an import path to a package wherever it has no link.
    pub(super) fn link_missing(&mut self, path: &str, imported: PackageId) {
        for package in &mut self.packages {
            if package.imports_path(path) {
                package.imports.entry_ref(path).or_insert(imported);
            }
        }
    }

    /// A package of this program.
    ///
    /// # Panics
    ///
    /// With the id of another program that has more packages.
    pub fn package(&self, id: PackageId) -> &Package {
        &self.packages[id.0 as usize]
    }

    /// All packages.
    pub fn packages(&self) -> impl Iterator<Item = (PackageId, &Package)> {
        (0..).map(PackageId).zip(&self.packages)
    }

    /// A file of this program.
    ///
    /// # Panics
    ///
    /// With the id of another program.
    pub fn file(&self, id: FileId) -> &File {
        &self.package(id.package).files[id.index as usize]
    }
}

/// The files that make a package, parsed.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its import path. Types are the same only if their packages' paths are.
    pub path: String,
    /// Its name; [`Name::MISSING`] where it has no file.
    pub name: Name,
    /// Its files. Where it is imported only, they may be without bodies.
    pub files: Vec<Arc<File>>,
    /// How many of its files are no tests: they come first.
    pub plain_files: usize,
    /// What the import paths in its files mean, as far as known.
    imports: Map<String, PackageId>,
    /// The imports of each file.
    file_imports: Vec<Vec<Import>>,
    /// What it declares, by name.
    declared: Map<Name, Declared>,
    /// The methods by the name of the receiver's type.
    methods: Map<Name, Vec<DeclaredMethod>>,
    /// The receivers that have a method of a name.
    receivers: Map<Name, Vec<Name>>,
    /// Of the aliases that are receivers: the types they are.
    aliases: Map<Name, Name>,
}

/// An import of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The name it is given in the file, if it is.
    pub name: Option<Name>,
    /// The path as written; empty where the literal is wrong.
    pub path: String,
    /// Where the import stands.
    pub span: Span,
}

/// A declaration at the level of the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Declared {
    /// The place of the file in the package.
    pub(super) file: u32,
    pub(super) kind: DeclaredKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeclaredKind {
    Type(SpecId),
    /// The name at a place of a spec.
    Var(SpecId, u32),
    /// As above.
    Const(SpecId, u32),
    Function(FunctionId),
}

/// A method of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeclaredMethod {
    pub(super) name: Name,
    /// The place of the file in the package.
    pub(super) file: u32,
    pub(super) function: FunctionId,
}

impl Package {
    /// A package of these files, all with the same package clause. Its imports are linked later.
    pub fn new(path: &str, files: Vec<Arc<File>>) -> Self {
        let name = files
            .first()
            .map_or(Name::MISSING, |file| file.package.name);
        let mut package = Self {
            path: path.to_owned(),
            name,
            files: Vec::new(),
            plain_files: files.len(),
            imports: Map::default(),
            file_imports: Vec::with_capacity(files.len()),
            declared: Map::default(),
            methods: Map::default(),
            receivers: Map::default(),
            aliases: Map::default(),
        };
        for (index, file) in (0..).zip(&files) {
            package.file_imports.push(Vec::new());
            for decl in &file.decls {
                package.declare(index, file, file.ast[*decl].kind);
            }
        }
        package.files = files;
        package.follow_aliases();
        for (receiver, methods) in &package.methods {
            for method in methods {
                package
                    .receivers
                    .entry(method.name)
                    .or_default()
                    .push(*receiver);
            }
        }
        package
    }

    /// Says how many of its files, the first ones, are no tests.
    #[must_use]
    pub fn with_plain_files(mut self, plain_files: usize) -> Self {
        self.plain_files = plain_files;
        self
    }

    /// The same package with another file at a place; what it imports stays linked.
    #[must_use]
    pub fn with_file(&self, place: usize, file: Arc<File>) -> Self {
        let mut files = self.files.clone();
        if let Some(slot) = files.get_mut(place) {
            *slot = file;
        }
        let mut package = Self::new(&self.path, files).with_plain_files(self.plain_files);
        package.imports = self.imports.clone();
        package
    }

    /// The ids of its files, given its own.
    pub fn file_ids(&self, id: PackageId) -> impl Iterator<Item = FileId> + use<> {
        let count = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        (0..count).map(move |index| FileId::new(id, index))
    }

    /// The package that an import path means in its files, if it is at hand.
    pub fn imported(&self, import_path: &str) -> Option<PackageId> {
        self.imports.get(import_path).copied()
    }

    /// Whether any of its files has an import path.
    pub(super) fn imports_path(&self, path: &str) -> bool {
        self.file_imports
            .iter()
            .flatten()
            .any(|import| import.path == path)
    }

    /// The imports of a file, in the order of the source.
    pub fn file_imports(&self, index: u32) -> &[Import] {
        self.file_imports
            .get(index as usize)
            .map_or(&[], Vec::as_slice)
    }

    pub(super) fn declared(&self, name: Name) -> Option<Declared> {
        self.declared.get(&name).copied()
    }

    /// All declarations but methods, in no order.
    pub(super) fn all_declared(&self) -> impl Iterator<Item = (Name, Declared)> {
        self.declared
            .iter()
            .map(|(name, declared)| (*name, *declared))
    }

    /// The names of the types it declares, in no order.
    pub(super) fn type_names(&self) -> impl Iterator<Item = Name> {
        let types = self
            .all_declared()
            .filter(|(_, declared)| matches!(declared.kind, DeclaredKind::Type(_)));
        types.map(|(name, _)| name)
    }

    /// The names of the types that have a method of this name themselves, in no order.
    pub(super) fn receivers_of(&self, method: Name) -> &[Name] {
        self.receivers.get(&method).map_or(&[], Vec::as_slice)
    }

    /// The packages that its files import, as far as they are at hand.
    pub(super) fn direct_imports(&self) -> impl Iterator<Item = PackageId> {
        let imports = self.file_imports.iter().flatten();
        imports.filter_map(|import| self.imported(&import.path))
    }

    /// The methods declared for a type.
    pub(super) fn methods(&self, receiver: Name) -> &[DeclaredMethod] {
        self.methods.get(&receiver).map_or(&[], Vec::as_slice)
    }

    /// The type that a receiver's name means.
    pub(super) fn alias_target(&self, receiver: Name) -> Name {
        self.aliases.get(&receiver).copied().unwrap_or(receiver)
    }

    /// Gives methods that are declared for an alias to the type that it is.
    fn follow_aliases(&mut self) {
        let mut receivers: Vec<Name> = self.methods.keys().copied().collect();
        receivers.sort();
        for receiver in receivers {
            let mut target = receiver;
            for _ in 0..MAX_ALIASES {
                let Some(next) = self.alias_of(target) else {
                    break;
                };
                target = next;
            }
            if target != receiver {
                self.aliases.insert(receiver, target);
                let methods = self.methods.remove(&receiver).unwrap_or_default();
                self.methods.entry(target).or_default().extend(methods);
            }
        }
    }

    /// The name on the right of an alias of a type of this package.
    fn alias_of(&self, name: Name) -> Option<Name> {
        let declared = self.declared(name)?;
        let DeclaredKind::Type(spec) = declared.kind else {
            return None;
        };
        let ast = &self.files.get(declared.file as usize)?.ast;
        let SpecKind::Type {
            alias: true,
            mut typ,
            ..
        } = ast[spec].kind
        else {
            return None;
        };
        loop {
            typ = match ast[typ].kind {
                ExprKind::Paren(inner) | ExprKind::Star(inner) => inner,
                ExprKind::Index { operand, .. } => operand,
                ExprKind::Name(name) => return Some(name),
                _ => return None,
            };
        }
    }

    fn declare(&mut self, index: u32, file: &File, decl: DeclKind) {
        match decl {
            DeclKind::Bad => {}
            DeclKind::Import(specs)
            | DeclKind::Const(specs)
            | DeclKind::Var(specs)
            | DeclKind::Type(specs) => {
                for spec in &file.ast[specs] {
                    self.declare_spec(index, file, *spec);
                }
            }
            DeclKind::Function(id) => {
                let function = &file.ast[id];
                let name = function.name.name;
                match function.receiver {
                    Some(_) => {
                        if let Some(receiver) = receiver_name(file, id) {
                            let method = DeclaredMethod {
                                name,
                                file: index,
                                function: id,
                            };
                            self.methods.entry(receiver).or_default().push(method);
                        }
                    }
                    None if name == Name::INIT => {}
                    None => self.declare_name(name, index, DeclaredKind::Function(id)),
                }
            }
        }
    }

    fn declare_spec(&mut self, index: u32, file: &File, spec: SpecId) {
        match file.ast[spec].kind {
            SpecKind::Import { name, path } => {
                let path = file.plain_string(file.ast[path].span).unwrap_or_default();
                let import = Import {
                    name: name.map(|name| name.name),
                    path: path.to_owned(),
                    span: file.ast[spec].span,
                };
                if let Some(imports) = self.file_imports.last_mut() {
                    imports.push(import);
                }
            }
            SpecKind::Value { of, names, .. } => {
                for (place, name) in (0..).zip(&file.ast[names]) {
                    let kind = match of {
                        ValueKind::Var => DeclaredKind::Var(spec, place),
                        ValueKind::Const { .. } => DeclaredKind::Const(spec, place),
                    };
                    self.declare_name(name.name, index, kind);
                }
            }
            SpecKind::Type { name, .. } => {
                self.declare_name(name.name, index, DeclaredKind::Type(spec));
            }
        }
    }

    /// The first of two declarations of a name holds.
    fn declare_name(&mut self, name: Name, file: u32, kind: DeclaredKind) {
        if !name.is_blank() && name != Name::MISSING && name != Name::OVERFLOW {
            self.declared.entry(name).or_insert(Declared { file, kind });
        }
    }
}

/// The name of the type that a method is declared for.
pub(super) fn receiver_name(file: &File, function: FunctionId) -> Option<Name> {
    let receiver = file.ast[function].receiver?;
    let field = *file.ast[receiver].first()?;
    let mut typ = file.ast[field].typ;
    loop {
        typ = match file.ast[typ].kind {
            ExprKind::Paren(inner) | ExprKind::Star(inner) => inner,
            ExprKind::Index { operand, .. } => operand,
            ExprKind::Name(name) => return Some(name),
            _ => return None,
        };
    }
}
