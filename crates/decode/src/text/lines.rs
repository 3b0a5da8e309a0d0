//! The kinds of lines inside of a goroutine's block and of a counted record, and what is in each.

use std::sync::Arc;

use gorphan_model::Frame;

use memchr::{memchr, memmem, memrchr};

use super::header::number_u64;

/// What may follow the part of a line that is the same in every goroutine at that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing.
    Nothing,
    /// A function's arguments and `)`.
    Arguments,
    /// ` fp=... sp=... pc=...` or ` pc=...`, or nothing.
    Registers,
    /// ` in goroutine N`, or nothing.
    Parent,
    /// The number and `]:` of an ancestor.
    Ancestor,
}

/// The kind of a line; it decides what may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No line yet.
    Start,
    /// A function, which wants its place.
    Function,
    /// A function's place: the end of a frame.
    Place,
    /// `created by`, which wants its place.
    Creator,
    /// The creator's place: the end of a stack.
    CreatorPlace,
    /// `[originating from goroutine N]:`
    Origin,
    /// `...N frames elided...`
    Elided,
    /// `goroutine running on other thread; stack unavailable`
    Unavailable,
    /// A whole frame of `debug=1`.
    Counted,
}

impl Kind {
    /// Whether a place must follow.
    pub(super) fn wants_place(self) -> bool {
        matches!(self, Self::Function | Self::Creator)
    }
}

/// What is in a line, decoded once, when the line is first met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// The name of a function, or of a creator.
    Name(Arc<str>),
    /// A place.
    Place(Arc<str>, u32),
    /// A whole frame.
    Frame(Frame),
    /// How many frames are missing, where said.
    Elided(Option<u32>),
    /// Nothing but the kind.
    Mark,
}

/// A line of a block, taken apart but not yet interned.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) kind: Kind,
    pub(super) tail: Tail,
    /// What identifies the line: all of it up to the tail.
    pub(super) key: &'a [u8],
    /// Function, file, line number, elided count; as far as the kind has them.
    pub(super) name: &'a [u8],
    pub(super) file: &'a [u8],
    pub(super) number: Option<u32>,
}

impl<'a> Line<'a> {
    fn mark(kind: Kind, key: &'a [u8]) -> Self {
        Self {
            kind,
            tail: Tail::Nothing,
            key,
            name: b"",
            file: b"",
            number: None,
        }
    }
}

pub(super) const CREATED_BY: &[u8] = b"created by ";
pub(super) const IN_GOROUTINE: &[u8] = b" in goroutine ";
pub(super) const ORIGINATING: &[u8] = b"[originating from goroutine ";
const UNAVAILABLE: &[u8] = b"goroutine running on other thread; stack unavailable";

/// How sure a line without indentation is to be a function's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Guess<'a> {
    /// The shape is right.
    Sure(Line<'a>),
    /// Only a place after it makes it one: names without arguments (C functions) or with blanks (struct types), and
    /// lines of a log.
    Perhaps(Line<'a>),
}

/// Reads a line of a block that is neither empty nor a place.
pub(super) fn parse_outer(line: &[u8]) -> Guess<'_> {
    if let Some(name) = line.strip_prefix(CREATED_BY) {
        let (name, tail) = match memmem::rfind(name, IN_GOROUTINE) {
            Some(at) => (name.get(..at).unwrap_or(name), Tail::Parent),
            None => (name, Tail::Parent),
        };
        let key = line.get(..CREATED_BY.len() + name.len()).unwrap_or(line);
        let kind = Kind::Creator;
        return Guess::Sure(Line {
            tail,
            name,
            ..Line::mark(kind, key)
        });
    }
    if line.starts_with(ORIGINATING) {
        let key = line.get(..ORIGINATING.len()).unwrap_or(line);
        let tail = Tail::Ancestor;
        return Guess::Sure(Line {
            tail,
            ..Line::mark(Kind::Origin, key)
        });
    }
    if let Some(number) = parse_elided(line) {
        return Guess::Sure(Line {
            number,
            ..Line::mark(Kind::Elided, line)
        });
    }
    if is_unavailable(line) {
        return Guess::Sure(Line::mark(Kind::Unavailable, line));
    }
    let kind = Kind::Function;
    match memrchr(b'(', line).filter(|at| *at > 0 && line.ends_with(b")")) {
        Some(at) => {
            let name = line.get(..at).unwrap_or(line);
            let key = line.get(..=at).unwrap_or(line);
            let function = Line {
                tail: Tail::Arguments,
                name,
                ..Line::mark(kind, key)
            };
            let arguments = line.get(at + 1..line.len() - 1).unwrap_or_default();
            if memchr(b' ', name).is_none() && arguments.iter().all(in_arguments) {
                Guess::Sure(function)
            } else {
                Guess::Perhaps(function)
            }
        }
        None => Guess::Perhaps(Line {
            name: line,
            ..Line::mark(kind, line)
        }),
    }
}

/// `goroutine running on other thread; stack unavailable`, indented or not.
pub(super) fn is_unavailable(line: &[u8]) -> bool {
    line.trim_ascii_start() == UNAVAILABLE
}

/// `...56 frames elided...`, `...additional frames elided...`, and the former in parentheses.
fn parse_elided(line: &[u8]) -> Option<Option<u32>> {
    let text = line.strip_prefix(b"...")?;
    let text = text.strip_prefix(b"(").unwrap_or(text);
    if text.starts_with(b"additional frames elided") {
        return Some(None);
    }
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    if !rest.starts_with(b" frames elided") && !rest.starts_with(b" frame elided") {
        return None;
    }
    Some(number_u64(number).and_then(|number| u32::try_from(number).ok()))
}

/// Go prints arguments as hexadecimal words, aggregates in braces, and `...`, `_`, `?` for what it does not show.
fn in_arguments(byte: &u8) -> bool {
    byte.is_ascii_hexdigit() || b"x{}., ?_+-".contains(byte)
}

/// Reads a place: `\t/path with blanks/x.go:12 +0x1f fp=0x1 sp=0x2 pc=0x3`. The indentation may be blanks, or have been
/// lost in a log. `creator` says whose place it is.
pub(super) fn parse_place(line: &[u8], creator: bool) -> Option<Line<'_>> {
    let indent = line.len() - line.trim_ascii_start().len();
    let mut end = line.len();
    // Both stand at the end and hold no blank but those between them.
    for mark in [&b" fp=0x"[..], b" pc=0x"] {
        if let Some(at) = memmem::rfind(line.get(..end)?, mark) {
            end = at;
        }
    }
    let kind = if creator {
        Kind::CreatorPlace
    } else {
        Kind::Place
    };
    let text = line.get(indent..end)?;
    let base = Line {
        tail: Tail::Registers,
        ..Line::mark(kind, line.get(..end)?)
    };
    if text.starts_with(b"pc=0x") {
        // A C function without symbols: the whole place is an address, which differs from build to build.
        return Some(Line {
            tail: Tail::Nothing,
            ..Line::mark(kind, line)
        });
    }
    let text = strip_offset(text);
    let colon = memrchr(b':', text)?;
    let number = u32::try_from(number_u64(text.get(colon + 1..)?)?).ok()?;
    let file = text.get(..colon).filter(|file| !file.is_empty())?;
    // Without indentation only what looks like a path is a place.
    if indent == 0
        && memchr(b'/', file).is_none()
        && memchr(b'.', file).is_none()
        && !file.starts_with(b"<")
    {
        return None;
    }
    Some(Line {
        file,
        number: Some(number),
        ..base
    })
}

/// Drops ` +0x1f` at the end.
fn strip_offset(text: &[u8]) -> &[u8] {
    match memmem::rfind(text, b" +0x") {
        Some(at) if text.iter().skip(at + 4).all(u8::is_ascii_hexdigit) => {
            text.get(..at).unwrap_or(text)
        }
        _ => text,
    }
}

/// Reads `#\t0x47d6e5\tmain.main.func1+0x25\t\t/path/x.go:12`, a frame of `debug=1`. Where the function is unknown only
/// the address is there.
pub(super) fn parse_counted(line: &[u8]) -> Option<Line<'_>> {
    let rest = line.strip_prefix(b"#")?.trim_ascii();
    let (address, rest) = split_cell(rest);
    if !address.starts_with(b"0x") {
        return None;
    }
    let base = Line::mark(Kind::Counted, line);
    let (function, place) = split_cell(rest);
    if function.is_empty() {
        return Some(Line {
            name: address,
            ..base
        });
    }
    let name = match memmem::rfind(function, b"+0x") {
        Some(at) => function.get(..at)?,
        None => function,
    };
    if place.is_empty() {
        return Some(Line { name, ..base });
    }
    let colon = memrchr(b':', place)?;
    let number = u32::try_from(number_u64(place.get(colon + 1..)?)?).ok()?;
    let file = place.get(..colon)?;
    Some(Line {
        name,
        file,
        number: Some(number),
        ..base
    })
}

/// Splits at the first run of tabs, or of at least two blanks where tabs were expanded; a file's name may hold single
/// blanks.
fn split_cell(text: &[u8]) -> (&[u8], &[u8]) {
    let tab = memchr(b'\t', text);
    let at = match tab {
        Some(at) => at,
        // A single blank can only be a border where a tab ended just there.
        None => match memmem::find(text, b"  ").or_else(|| memchr(b' ', text)) {
            Some(at) => at,
            None => return (text, b""),
        },
    };
    let (cell, rest) = text.split_at(at);
    (cell.trim_ascii_end(), rest.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_place(line: &str, file: &str, number: Option<u32>, key: &str) {
        let place = parse_place(line.as_bytes(), false).expect(line);
        assert_eq!(
            (place.file, place.number, place.key),
            (file.as_bytes(), number, key.as_bytes())
        );
    }

    #[test]
    fn places_of_every_kind_are_read() {
        check_place(
            "\t/src/a.go:12 +0x1f",
            "/src/a.go",
            Some(12),
            "\t/src/a.go:12 +0x1f",
        );
        check_place(
            "\t/src/a b/ü.go:12",
            "/src/a b/ü.go",
            Some(12),
            "\t/src/a b/ü.go:12",
        );
        check_place(
            "\tC:/src/a.go:12 +0x1f",
            "C:/src/a.go",
            Some(12),
            "\tC:/src/a.go:12 +0x1f",
        );
        check_place(
            "\t/a.go:1 +0x2 fp=0x3 sp=0x4 pc=0x5",
            "/a.go",
            Some(1),
            "\t/a.go:1 +0x2",
        );
        check_place("\t/a.c:100 pc=0x4567", "/a.c", Some(100), "\t/a.c:100");
        check_place("\tpc=0x4567", "", None, "\tpc=0x4567");
        check_place(
            "\t_cgo_gotypes.go:57 +0x4d",
            "_cgo_gotypes.go",
            Some(57),
            "\t_cgo_gotypes.go:57 +0x4d",
        );
        check_place(
            "\t<autogenerated>:1 +0x28",
            "<autogenerated>",
            Some(1),
            "\t<autogenerated>:1 +0x28",
        );
        check_place(
            "        /a.go:1 +0x2",
            "/a.go",
            Some(1),
            "        /a.go:1 +0x2",
        );
        check_place("/a.go:1 +0x2", "/a.go", Some(1), "/a.go:1 +0x2");
    }

    #[test]
    fn other_lines_are_no_places() {
        for line in [
            "",
            "\t",
            "\tnothing",
            "\t/a.go",
            "\t/a.go:",
            "\t/a.go:x",
            "\t:12",
            "\t/a.go:99999999999",
            "took: 12",
            "\t/a.go:1 +0xzz",
        ] {
            assert_eq!(parse_place(line.as_bytes(), false), None, "{line:?}");
        }
    }

    fn check_name(line: &str, sure: bool, kind: Kind, name: &str) {
        let (found, line) = match parse_outer(line.as_bytes()) {
            Guess::Sure(line) => (true, line),
            Guess::Perhaps(line) => (false, line),
        };
        assert_eq!((found, line.kind, line.name), (sure, kind, name.as_bytes()));
    }

    #[test]
    fn functions_and_creators_are_read() {
        check_name("main.main()", true, Kind::Function, "main.main");
        check_name(
            "main.(*G[...]).Recv(...)",
            true,
            Kind::Function,
            "main.(*G[...]).Recv",
        );
        check_name(
            "main.f({0x5e?, 0x1}, _, 0x40?, ...)",
            true,
            Kind::Function,
            "main.f",
        );
        check_name("main.func·001(0x1)", true, Kind::Function, "main.func·001");
        check_name(
            "gopkg.in/x%2ev3.F(0x1)",
            true,
            Kind::Function,
            "gopkg.in/x%2ev3.F",
        );
        check_name(
            "main.(*struct { sync.Mutex; x int }).Lock(0x1)",
            false,
            Kind::Function,
            "main.(*struct { sync.Mutex; x int }).Lock",
        );
        check_name("non-Go function", false, Kind::Function, "non-Go function");
        check_name("served (GET)", false, Kind::Function, "served ");
        check_name("created by main.main", true, Kind::Creator, "main.main");
        check_name(
            "created by main.(*T[...]).f in goroutine 12",
            true,
            Kind::Creator,
            "main.(*T[...]).f",
        );
        check_name("...56 frames elided...", true, Kind::Elided, "");
        check_name("...additional frames elided...", true, Kind::Elided, "");
        check_name("...and so on", false, Kind::Function, "...and so on");
    }

    fn check_counted(line: &str, name: &str, file: &str, number: Option<u32>) {
        let frame = parse_counted(line.as_bytes()).expect(line);
        assert_eq!(
            (frame.name, frame.file, frame.number),
            (name.as_bytes(), file.as_bytes(), number)
        );
    }

    #[test]
    fn counted_frames_are_read() {
        check_counted(
            "#\t0x47d6e5\tmain.main.func1+0x25\t\t/src/a b.go:12",
            "main.main.func1",
            "/src/a b.go",
            Some(12),
        );
        check_counted(
            "#       0x47d6e5        main.f+0x25     C:/src/a.go:12",
            "main.f",
            "C:/src/a.go",
            Some(12),
        );
        check_counted("#\t0x47d6e5", "0x47d6e5", "", None);
        assert_eq!(parse_counted(b"# labels: {}"), None);
        assert_eq!(parse_counted(b"#\t0x1\tmain.f+0x2\t/a.go:x"), None);
    }
}
