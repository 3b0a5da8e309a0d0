//! `shape FILE` prints the shape of a Go file and its errors.

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own: it reads files"
)]

use std::error::Error;

use gorphan_lint::syntax::{Bodies, Interner, Names, dump, parse};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: shape FILE")?;
    let names = Names::new();
    let file = parse(
        std::fs::read(&path)?,
        &mut Interner::new(&names),
        Bodies::Parse,
    );
    for error in &file.errors {
        let position = file.position(error.span.start);
        eprintln!("{path}:{}:{}: {error}", position.line, position.column);
    }
    print!("{}", dump::dump(&file));
    Ok(())
}
