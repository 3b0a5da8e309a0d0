//! The front end: Go source to a tree, complete for Go 1.27.
//!
//! ```
//! use gorphan_lint::syntax::{Bodies, Interner, Names, parse};
//!
//! let names = Names::new();
//! let mut interner = Interner::new(&names);
//! let file = parse(b"package p\n\nfunc f(c chan int) { c <- 1 }\n".to_vec(), &mut interner, Bodies::Parse);
//! assert!(file.errors.is_empty());
//! assert_eq!(names.text(file.package.name), "p");
//! let (_, function) = file.ast.functions().next().expect("one function");
//! assert_eq!(names.text(function.name.name), "f");
//! assert_eq!(file.position(function.span.start).line, 3);
//! ```
//!
//! - [`parse`] reads one file. It never fails: a [`File`] with errors holds what could be read. Files are independent; read
//!   them on as many threads as there are cores, each with an [`Interner`] of its own over one shared [`Names`].
//! - [`ast`] is the tree. [`ast::Walk`] goes through it without recursion.
//! - [`Bodies::Skip`] leaves out the bodies of functions, for packages of which only the declarations matter;
//!   [`File::parse_body`] reads one later.
//!
//! Time and memory are in proportion to the source; [`MAX_FILE_BYTES`], [`MAX_NESTING`] and [`MAX_CHAIN`] bound what is
//! read, and hitting one is an error of the file.

pub mod ast;
mod comment;
pub mod dump;
mod error;
mod file;
mod names;
mod parser;
mod scanner;
mod span;
mod token;
pub mod transient;
pub mod verify;

pub use comment::{Comment, CommentKind, Directive};
pub use error::{Fault, MAX_ERRORS, SyntaxError};
pub use file::{Bodies, File};
pub use names::{Interner, MAX_NAMES, Name, Names};
pub use parser::{MAX_CHAIN, MAX_FILE_BYTES, MAX_NESTING, parse};
pub use scanner::{Lexeme, Scanner};
pub use span::{Lines, Position, Span};
pub use token::Token;
