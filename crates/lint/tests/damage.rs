//! Damaged sources: nothing panics, and what holds of every tree and of all types holds.

use gorphan_lint::syntax::verify::verify_source;
use gorphan_lint::syntax::{Interner, Names};
use gorphan_lint::types;
use proptest::prelude::*;

/// Every construct of the language, real code of Go's tree being too tame.
const SOURCE: &str = include_str!("data/everything.go");

#[track_caller]
fn check(source: &[u8]) {
    let names = Names::new();
    let mut interner = Interner::new(&names);
    let outcome = verify_source(source, &mut interner);
    assert_eq!(outcome, Ok(()), "{}", String::from_utf8_lossy(source));
    let outcome = types::verify::verify_source(source, &mut interner);
    assert_eq!(outcome, Ok(()), "{}", String::from_utf8_lossy(source));
}

#[test]
fn the_source_itself_is_sound() {
    let names = Names::new();
    let mut interner = Interner::new(&names);
    let bodies = gorphan_lint::syntax::Bodies::Parse;
    let file = gorphan_lint::syntax::parse(SOURCE.as_bytes().to_vec(), &mut interner, bodies);
    assert_eq!(file.errors, []);
    check(SOURCE.as_bytes());
}

/// Tokens and pieces that a parser stumbles over.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ";",
    "\n",
    ",",
    ":",
    ":=",
    "=",
    "<-",
    "chan ",
    "func ",
    "func() {",
    "\nfunc f() {",
    "go ",
    "defer ",
    "select {",
    "case ",
    "default:",
    "switch ",
    ".(type)",
    "if ",
    "else ",
    "for ",
    "range ",
    "struct {",
    "interface {",
    "map[",
    "type T[P *C",
    "...",
    "~",
    "`",
    "\"",
    "'",
    "/*",
    "L:",
    "import ",
];

/// A source cut into words and what stands between.
fn words(source: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut words = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|c| is_word(c) != is_word(first))
            .unwrap_or(rest.len());
        words.push(&rest[..end]);
        rest = &rest[end..];
    }
    words
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut(from in 0..SOURCE.len(), to in 0..SOURCE.len()) {
        let source = SOURCE.as_bytes();
        check(&source[..to]);
        check(&[&source[..from], &source[to..]].concat());
    }

    #[test]
    fn any_bytes_changed(changes in proptest::collection::vec((0..SOURCE.len(), any::<u8>()), 1..8)) {
        let mut source = SOURCE.as_bytes().to_vec();
        for (at, byte) in changes {
            source[at] = byte;
        }
        check(&source);
    }

    #[test]
    fn any_pieces_put_in(pieces in proptest::collection::vec((0..SOURCE.len(), 0..PIECES.len()), 1..6)) {
        let mut source = SOURCE.as_bytes().to_vec();
        for (at, piece) in pieces {
            let piece = PIECES[piece].bytes();
            source.splice(at..at, piece);
        }
        check(&source);
    }

    #[test]
    fn any_names_exchanged(exchanges in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..40)) {
        let words = words(SOURCE);
        let mut source: Vec<&str> = words.clone();
        for (at, with) in exchanges {
            let is_name = |word: &&str| word.starts_with(|c: char| c.is_alphabetic());
            let names: Vec<usize> = (0..words.len()).filter(|place| is_name(&words[*place])).collect();
            source[*at.get(&names)] = words[*with.get(&names)];
        }
        check(source.concat().as_bytes());
    }

    #[test]
    fn any_pieces_alone(pieces in proptest::collection::vec(0..PIECES.len(), 0..60)) {
        let source: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        check(source.as_bytes());
        check(format!("package p\nfunc f() {{ {source}").as_bytes());
    }
}
