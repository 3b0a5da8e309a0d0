//! Types in words.

use crate::syntax::ast::ChanDir;

use super::checker::Checker;
use super::object::ObjectId;
use super::typ::{Basic, Signature, TermList, Type, TypeId, TypeList};

/// What stands before the name of a declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qualify {
    /// The name of its package.
    Name,
    /// The import path of its package.
    Path,
}

/// Writes one type. Types are bounded in size, so that going down into them ends soon enough; in depth the parser bounds them,
/// and type arguments can make them deeper.
pub(super) struct Writer<'c, 'p> {
    checker: &'c Checker<'p>,
    qualify: Qualify,
    max_bytes: usize,
    text: String,
    depth: u32,
}

/// Types inside each other that are written; what is deeper is an ellipsis.
const MAX_DEPTH: u32 = 200;

impl<'c, 'p> Writer<'c, 'p> {
    pub(super) fn new(checker: &'c Checker<'p>, qualify: Qualify, max_bytes: usize) -> Self {
        Self {
            checker,
            qualify,
            max_bytes,
            text: String::new(),
            depth: 0,
        }
    }

    pub(super) fn write(mut self, id: TypeId) -> String {
        self.typ(id);
        if self.text.len() > self.max_bytes {
            let mut end = self.max_bytes;
            while !self.text.is_char_boundary(end) {
                end -= 1;
            }
            self.text.truncate(end);
            self.text.push_str("...");
        }
        self.text
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn typ(&mut self, id: TypeId) {
        if self.text.len() > self.max_bytes || self.depth > MAX_DEPTH {
            self.put("...");
            return;
        }
        self.depth += 1;
        self.typ_inside(id);
        self.depth -= 1;
    }

    fn typ_inside(&mut self, id: TypeId) {
        match self.checker.typ(id) {
            Type::Unknown => self.put("?"),
            Type::Basic(basic) => self.put(basic_name(basic)),
            Type::Named { object, args } => {
                self.name(object);
                if args != TypeList::EMPTY {
                    self.put("[");
                    self.list(args);
                    self.put("]");
                }
            }
            Type::TypeParam(object) => {
                let name = self.checker.object(object).name;
                self.put(self.checker.names().text(name));
            }
            Type::Pointer(to) => {
                self.put("*");
                self.typ(to);
            }
            Type::Slice(element) => {
                self.put("[]");
                self.typ(element);
            }
            Type::Array { length, element } => {
                let length = length.map_or_else(|| "?".to_owned(), |length| length.to_string());
                self.put(&format!("[{length}]"));
                self.typ(element);
            }
            Type::Map { key, value } => {
                self.put("map[");
                self.typ(key);
                self.put("]");
                self.typ(value);
            }
            Type::Chan { direction, element } => self.channel(direction, element),
            Type::Struct(fields) => {
                self.put("struct{");
                for (place, field) in self.checker.fields(fields).iter().enumerate() {
                    self.separate(place, "; ");
                    if !field.embedded {
                        self.put(self.checker.names().text(field.name));
                        self.put(" ");
                    }
                    self.typ(field.typ);
                }
                self.put("}");
            }
            Type::Tuple(list) => {
                self.put("(");
                self.list(list);
                self.put(")");
            }
            Type::Func(signature) => {
                self.put("func");
                self.signature(self.checker.signature(signature));
            }
            Type::Interface(_) if id == TypeId::ANY => self.put("any"),
            Type::Interface(interface) => {
                self.put("interface{");
                let interface = self.checker.interface(interface);
                let names = self.checker.names();
                let mut methods = interface.methods.clone();
                methods.sort_by_key(|method| names.text(method.name));
                for (place, method) in methods.iter().enumerate() {
                    self.separate(place, "; ");
                    self.put(names.text(method.name));
                    match self.checker.typ(method.typ) {
                        Type::Func(signature) => self.signature(self.checker.signature(signature)),
                        _ => self.put("?"),
                    }
                }
                for (place, terms) in (methods.len()..).zip(&interface.embedded) {
                    self.separate(place, "; ");
                    self.union(*terms);
                }
                self.put("}");
            }
        }
    }

    fn union(&mut self, terms: TermList) {
        for (place, term) in self.checker.terms(terms).iter().enumerate() {
            self.separate(place, " | ");
            if term.tilde {
                self.put("~");
            }
            self.typ(term.typ);
        }
    }

    fn channel(&mut self, direction: ChanDir, element: TypeId) {
        self.put(match direction {
            ChanDir::Both => "chan ",
            ChanDir::Send => "chan<- ",
            ChanDir::Receive => "<-chan ",
        });
        let inner = self.checker.typ(element);
        let is_receive = matches!(
            inner,
            Type::Chan {
                direction: ChanDir::Receive,
                ..
            }
        );
        if direction == ChanDir::Both && is_receive {
            self.put("(");
            self.typ(element);
            self.put(")");
        } else {
            self.typ(element);
        }
    }

    fn signature(&mut self, signature: Signature) {
        if signature.type_params != TypeList::EMPTY {
            self.put("[");
            self.list(signature.type_params);
            self.put("]");
        }
        self.put("(");
        let params = self.checker.list(signature.params);
        for (place, param) in params.iter().enumerate() {
            self.separate(place, ", ");
            match self.checker.typ(*param) {
                Type::Slice(element) if signature.variadic && place + 1 == params.len() => {
                    self.put("...");
                    self.typ(element);
                }
                _ => self.typ(*param),
            }
        }
        self.put(")");
        match self.checker.list(signature.results) {
            [] => {}
            [result] => {
                self.put(" ");
                self.typ(*result);
            }
            _ => {
                self.put(" (");
                self.list(signature.results);
                self.put(")");
            }
        }
    }

    fn list(&mut self, list: TypeList) {
        for (place, typ) in self.checker.list(list).iter().enumerate() {
            self.separate(place, ", ");
            self.typ(*typ);
        }
    }

    fn separate(&mut self, place: usize, text: &str) {
        if place > 0 {
            self.put(text);
        }
    }

    fn name(&mut self, id: ObjectId) {
        let object = self.checker.object(id);
        let names = self.checker.names();
        if let Some(package) = object.package() {
            let package = self.checker.program().package(package);
            match self.qualify {
                Qualify::Name => self.put(names.text(package.name)),
                Qualify::Path => self.put(&package.path),
            }
            self.put(".");
        }
        self.put(names.text(object.name));
    }
}

fn basic_name(basic: Basic) -> &'static str {
    match basic {
        Basic::Bool => "bool",
        Basic::Int => "int",
        Basic::Int8 => "int8",
        Basic::Int16 => "int16",
        Basic::Int32 => "int32",
        Basic::Int64 => "int64",
        Basic::Uint => "uint",
        Basic::Uint8 => "uint8",
        Basic::Uint16 => "uint16",
        Basic::Uint32 => "uint32",
        Basic::Uint64 => "uint64",
        Basic::Uintptr => "uintptr",
        Basic::Float32 => "float32",
        Basic::Float64 => "float64",
        Basic::Complex64 => "complex64",
        Basic::Complex128 => "complex128",
        Basic::String => "string",
        Basic::UnsafePointer => "unsafe.Pointer",
        Basic::UntypedBool => "untyped bool",
        Basic::UntypedInt => "untyped int",
        Basic::UntypedRune => "untyped rune",
        Basic::UntypedFloat => "untyped float",
        Basic::UntypedComplex => "untyped complex",
        Basic::UntypedString => "untyped string",
        Basic::UntypedNil => "untyped nil",
    }
}
