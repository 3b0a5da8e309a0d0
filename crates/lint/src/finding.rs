//! What a rule reports: places as files and spans of the package at hand. [`Finding::resolve`] makes of it what reports show.

use std::borrow::Cow;
use std::sync::Arc;

use gorphan_model as model;
pub use gorphan_model::source::Ledger;
use gorphan_model::source::{Cause, Related as RelatedPlace, Step as ShownStep};
use gorphan_model::{Evidence, Operation, Place, Verdict};

use crate::ir::Site;
use crate::syntax::{File, Scanner, Span, Token};

/// A file of the package that is checked: its number in the package's list of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A place in the package that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// The file.
    pub file: FileId,
    /// The bytes in it.
    pub span: Span,
}

impl From<Site> for Location {
    fn from(site: Site) -> Self {
        Self {
            file: FileId(site.file),
            span: site.span,
        }
    }
}

/// A place anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    /// In the package that is checked.
    Here(Location),
    /// In another package, as its facts tell.
    Elsewhere(Place),
}

impl From<Location> for Where {
    fn from(location: Location) -> Self {
        Self::Here(location)
    }
}

impl From<Site> for Where {
    fn from(site: Site) -> Self {
        Self::Here(site.into())
    }
}

impl From<Place> for Where {
    fn from(place: Place) -> Self {
        Self::Elsewhere(place)
    }
}

/// Another place of the cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub at: Where,
    /// What is there, in a few words that start with a small letter.
    pub label: String,
}

/// One step of the interleaving that blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Who, in words that stay the same through the interleaving.
    pub goroutine: String,
    /// Where.
    pub at: Where,
    /// What it does, in the present: `locks mu`.
    pub action: String,
}

/// A replacement of bytes; an empty span puts text in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edit {
    /// What is replaced.
    pub at: Location,
    /// By what.
    pub text: String,
}

/// A change of the source after which the finding is gone. Offered only where the changed source was checked again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fix {
    /// What it does, as an order: `Give the channel room for one value`.
    pub title: String,
    /// Without overlaps.
    pub edits: Vec<Edit>,
}

/// Something that blocks for ever, or seems to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The code, as in [`model::code::CODES`].
    pub code: &'static str,
    /// The rule's name, as `sender-abandoned`.
    pub rule: &'static str,
    /// `Leak` only where no feasible path was guessed, else `Suspect`.
    pub verdict: Verdict,
    /// What blocks.
    pub operation: Operation,
    /// The function that it stands in, named as in stacks: `example.com/shop/bus.(*Bus).read.func1`.
    pub function: Arc<str>,
    /// The operation that blocks.
    pub at: Location,
    /// One sentence: who waits for whom, and why nobody comes.
    pub message: String,
    /// The usual fix, in whole sentences.
    pub help: String,
    /// Other places of the cause.
    pub related: Vec<Related>,
    /// An interleaving after which it blocks.
    pub witness: Vec<Step>,
    /// Changes, the best first; behind [`crate::check::check`] at most one, which was tried.
    pub fixes: Vec<Fix>,
    /// A hash of the model of the scope, which moves with no line: what baselines go by. Without it they go by code, function
    /// and the text of the operation.
    pub scope: Option<u64>,
}

impl Finding {
    /// A finding of verdict `Suspect` with nothing but what each must have.
    pub fn new(
        rule: &'static str,
        code: &'static str,
        operation: Operation,
        function: impl Into<Arc<str>>,
        at: Location,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            rule,
            verdict: Verdict::Suspect,
            operation,
            function: function.into(),
            at,
            message: message.into(),
            help: String::new(),
            related: Vec::new(),
            witness: Vec::new(),
            fixes: Vec::new(),
            scope: None,
        }
    }

    /// Says it for sure: no feasible path was guessed.
    #[must_use]
    pub fn leak(mut self) -> Self {
        self.verdict = Verdict::Leak;
        self
    }

    /// Adds the usual fix.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Adds a place of the cause.
    #[must_use]
    pub fn related(mut self, at: impl Into<Where>, label: impl Into<String>) -> Self {
        self.related.push(Related {
            at: at.into(),
            label: label.into(),
        });
        self
    }

    /// Adds a step of the interleaving.
    #[must_use]
    pub fn step(
        mut self,
        goroutine: impl Into<String>,
        at: impl Into<Where>,
        action: impl Into<String>,
    ) -> Self {
        self.witness.push(Step {
            goroutine: goroutine.into(),
            at: at.into(),
            action: action.into(),
        });
        self
    }

    /// Adds a change that mends it.
    #[must_use]
    pub fn fix(mut self, title: impl Into<String>, edits: Vec<Edit>) -> Self {
        self.fixes.push(Fix {
            title: title.into(),
            edits,
        });
        self
    }

    /// Adds a change if there is one.
    #[must_use]
    pub fn fix_by(mut self, fix: Option<Fix>) -> Self {
        self.fixes.extend(fix);
        self
    }

    /// With names, lines and columns in place of numbers. `files` are those of the package, in its order.
    pub fn resolve(&self, files: &[SourceFile<'_>]) -> model::Finding {
        let resolver = Resolver {
            files,
            function: &self.function,
        };
        let cause = Cause {
            related: self
                .related
                .iter()
                .map(|related| RelatedPlace {
                    place: resolver.place(&related.at),
                    label: related.label.clone(),
                })
                .collect(),
            witness: self
                .witness
                .iter()
                .map(|step| ShownStep {
                    goroutine: step.goroutine.clone(),
                    place: resolver.place(&step.at),
                    action: step.action.clone(),
                })
                .collect(),
            fix: self.fixes.first().and_then(|fix| resolver.fix(fix)),
            end: resolver.file(self.at.file).map(|file| {
                let end = file.file.position(self.at.span.end);
                (end.line, end.column)
            }),
            fingerprint: self.fingerprint(resolver.file(self.at.file)),
        };
        model::Finding {
            code: self.code,
            verdict: self.verdict,
            operation: self.operation,
            place: resolver.here(self.at),
            count: 0,
            retained_bytes: None,
            message: self.message.clone(),
            help: self.help.clone(),
            evidence: vec![Evidence::Source {
                rule: Cow::Borrowed(self.rule),
            }],
            pattern: None,
            package: None,
            test: None,
            cause: Some(Arc::new(cause)),
        }
    }

    /// Of the code, the function, and the model or else the text of the operation; never of a line.
    fn fingerprint(&self, file: Option<&SourceFile<'_>>) -> String {
        let mut hash = Fnv::new();
        hash.text(self.code);
        hash.text(&self.function);
        match (self.scope, file) {
            (Some(scope), _) => hash.bytes(&scope.to_le_bytes()),
            (None, Some(file)) => {
                let text = file.file.bytes(self.at.span);
                for token in tokens(text) {
                    hash.bytes(token);
                    hash.bytes(&[0]);
                }
            }
            (None, None) => {}
        }
        format!("{:016x}", hash.0)
    }
}

/// The tokens of some source, without what the scanner adds at line ends.
fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut scanner = Scanner::new(text);
    std::iter::from_fn(move || {
        let lexeme = scanner.next_token();
        (lexeme.token != Token::End).then_some(lexeme)
    })
    .filter(|lexeme| lexeme.token != Token::Semicolon)
    .filter_map(|lexeme| text.get(lexeme.span.start as usize..lexeme.span.end as usize))
}

/// FNV-1a, 64 bits: kept in files of users, so it must never change, as a standard hasher may.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(&[0]);
    }
}

/// A file with its name.
#[derive(Debug, Clone, Copy)]
pub struct SourceFile<'a> {
    /// As reports are to name it.
    pub name: &'a Arc<str>,
    /// The file.
    pub file: &'a File,
}

struct Resolver<'r> {
    files: &'r [SourceFile<'r>],
    function: &'r Arc<str>,
}

impl Resolver<'_> {
    fn file(&self, id: FileId) -> Option<&SourceFile<'_>> {
        self.files.get(id.0 as usize)
    }

    fn place(&self, at: &Where) -> Place {
        match at {
            Where::Here(location) => self.here(*location),
            Where::Elsewhere(place) => place.clone(),
        }
    }

    /// A place of a file that is not there has no line: better than another file's.
    fn here(&self, location: Location) -> Place {
        let file = self.file(location.file);
        let position = file.map(|file| file.file.position(location.span.start));
        Place {
            function: Arc::clone(self.function),
            file: file.map_or_else(|| Arc::from(""), |file| Arc::clone(file.name)),
            line: position.map_or(0, |position| position.line),
            column: position.map(|position| position.column),
        }
    }

    /// In order; none where a file is not there or edits overlap: half a fix is worse than none.
    fn fix(&self, fix: &Fix) -> Option<model::source::Fix> {
        let edits: Option<Vec<model::source::Edit>> = fix
            .edits
            .iter()
            .map(|edit| {
                Some(model::source::Edit {
                    file: Arc::clone(self.file(edit.at.file)?.name),
                    start: edit.at.span.start,
                    end: edit.at.span.end,
                    text: edit.text.clone(),
                })
            })
            .collect();
        let mut edits = edits?;
        edits.sort();
        let overlap = edits.windows(2).any(|pair| match pair {
            [one, two] => one.file == two.file && two.start < one.end,
            _ => false,
        });
        (!overlap && !edits.is_empty()).then(|| model::source::Fix {
            title: fix.title.clone(),
            edits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::{Bodies, Interner, Names, parse};

    const SOURCE: &str = "package p\n\nfunc f(c chan int) {\n\tc <- g(1, 2)\n}\n";

    fn resolved(source: &str, change: impl Fn(Finding, Location) -> Finding) -> model::Finding {
        let names = Names::new();
        let file = parse(
            source.as_bytes().to_vec(),
            &mut Interner::new(&names),
            Bodies::Parse,
        );
        let start = u32::try_from(source.find("\tc ").expect("a send") + 1).unwrap();
        let end = u32::try_from(source.find(")\n}").expect("its end") + 1).unwrap();
        let at = Location {
            file: FileId(0),
            span: Span::new(start, end),
        };
        let finding = Finding::new(
            "sender-abandoned",
            "GR1001",
            Operation::ChanSend,
            "p.f",
            at,
            "m",
        );
        let name = Arc::from("p.go");
        let files = [SourceFile {
            name: &name,
            file: &file,
        }];
        change(finding, at).resolve(&files)
    }

    #[test]
    fn places_have_lines_and_columns() {
        let finding = resolved(SOURCE, |finding, at| {
            let elsewhere = Place {
                function: Arc::from("q.g"),
                file: Arc::from("q.go"),
                line: 7,
                column: None,
            };
            finding
                .leak()
                .related(elsewhere, "started here")
                .step("main", at, "sends")
        });
        assert_eq!(finding.verdict, Verdict::Leak);
        assert_eq!((finding.place.line, finding.place.column), (4, Some(2)));
        let cause = finding.cause.expect("a cause");
        assert_eq!(cause.end, Some((4, 14)));
        assert_eq!(cause.related[0].place.line, 7);
        assert_eq!(cause.witness[0].place, finding.place);
    }

    #[test]
    fn a_fingerprint_moves_with_no_line_and_no_spaces() {
        let print = |source: &str, scope| {
            let finding = resolved(source, |mut finding, _| {
                finding.scope = scope;
                finding
            });
            finding.cause.expect("a cause").fingerprint.clone()
        };
        let moved = SOURCE.replace("\tc <- g(1, 2)", "\n\n\tc  <-  g(1, // one\n\t\t2)");
        let other = SOURCE.replace("1, 2", "1, 3");
        assert_eq!(print(SOURCE, None), print(&moved, None));
        assert_ne!(print(SOURCE, None), print(&other, None));
        assert_eq!(print(SOURCE, Some(1)), print(&other, Some(1)));
        assert_ne!(print(SOURCE, Some(1)), print(SOURCE, Some(2)));
        // Baselines on disk hold it.
        assert_eq!(print(SOURCE, None), "ff5b97a67a5981cb");
    }

    #[test]
    fn a_fix_whose_edits_overlap_is_none() {
        let fix = |spans: &[(u32, u32)]| {
            let finding = resolved(SOURCE, |finding, at| {
                let edits = spans.iter().map(|(start, end)| Edit {
                    at: Location {
                        file: at.file,
                        span: Span::new(*start, *end),
                    },
                    text: "x".to_owned(),
                });
                finding.fix("Do it", edits.collect())
            });
            finding.cause.expect("a cause").fix.clone()
        };
        let edits = fix(&[(20, 22), (5, 5)]).expect("a fix").edits;
        assert_eq!(
            edits.iter().map(|edit| edit.start).collect::<Vec<_>>(),
            [5, 20]
        );
        assert_eq!(fix(&[(5, 9), (8, 10)]), None);
        assert_eq!(fix(&[]), None);
    }
}
