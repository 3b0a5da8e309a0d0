//! The start of a file: which package it is of, and what it imports. A small part of what the parser reads, so that packages can
//! be told apart before they are parsed.

use crate::syntax::{Lexeme, Scanner, Token};

/// What the start of a file tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Header {
    /// The name of the package; empty where the file has no package clause.
    pub(super) package: String,
    /// The paths that it imports.
    pub(super) imports: Vec<String>,
}

impl Header {
    /// Reads the start of a source, up to the first declaration that is no import.
    pub(super) fn scan(source: &[u8]) -> Self {
        let mut header = Self::default();
        let mut scanner = Scanner::header(source);
        let text = |lexeme: Lexeme| {
            let bytes = source.get(lexeme.span.start as usize..lexeme.span.end as usize);
            std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
        };
        let package = scanner.next_token();
        let name = scanner.next_token();
        if package.token != Token::Package || name.token != Token::Name {
            return header;
        }
        header.package = text(name).to_owned();
        let mut in_block = false;
        let mut in_import = false;
        loop {
            let lexeme = scanner.next_token();
            match lexeme.token {
                Token::Semicolon => in_import = in_block,
                Token::Import => in_import = true,
                Token::LeftParen if in_import && !in_block => in_block = true,
                Token::RightParen if in_block => {
                    in_block = false;
                    in_import = false;
                }
                Token::Name | Token::Dot if in_import => {}
                Token::String if in_import => {
                    let path = text(lexeme).trim_matches(['"', '`']);
                    header.imports.push(path.to_owned());
                }
                _ => return header,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, package: &str, imports: &[&str]) {
        let header = Header::scan(source.as_bytes());
        assert_eq!(
            (header.package.as_str(), header.imports),
            (
                package,
                imports.iter().map(|path| (*path).to_owned()).collect()
            )
        );
    }

    #[test]
    fn package_and_imports_are_read() {
        check(
            "// Talk.\npackage p // more\n\nimport \"fmt\"\nimport . `os`\nimport (\n\t_ \"a/b\" // why\n\tx \"c\"; \"d\"\n)\nimport ()\nvar s = \"e\"\n",
            "p",
            &["fmt", "os", "a/b", "c", "d"],
        );
        check(
            "package p; import \"a\"; func f() {}\nimport \"b\"\n",
            "p",
            &["a"],
        );
        check("\u{feff}package p\n", "p", &[]);
        check("import \"a\"\n", "", &[]);
        check("package p\nimport (\n\t\"a\"\n", "p", &["a"]);
        check("", "", &[]);
    }
}
