use super::*;

/// The tokens of a source as text, `;` in angle brackets where a line's end implies it, and its errors.
fn scan(source: &[u8]) -> (String, Vec<String>) {
    let mut scanner = Scanner::new(source);
    let mut tokens = Vec::new();
    loop {
        let Lexeme { token, span } = scanner.next_token();
        match token {
            Token::End => break,
            Token::Semicolon if span.is_empty() => tokens.push("<;>".to_owned()),
            _ => {
                let text = &source[span.start as usize..span.end as usize];
                tokens.push(String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    let errors = scanner.errors.into_list();
    let errors = errors
        .iter()
        .map(|error| format!("{}: {error}", error.span.start));
    (tokens.join(" "), errors.collect())
}

#[track_caller]
fn check(source: &str, tokens: &str) {
    let (found, errors) = scan(source.as_bytes());
    assert_eq!(found, tokens);
    assert!(errors.is_empty(), "{source}: {errors:?}");
}

#[track_caller]
fn check_kind(source: &str, token: Token) {
    let mut scanner = Scanner::new(source.as_bytes());
    let first = scanner.next_token();
    assert_eq!(first.token, token, "{source}");
    assert_eq!(first.span.end as usize, source.len(), "{source}");
    assert!(scanner.errors.into_list().is_empty(), "{source}");
}

#[track_caller]
fn check_error(source: &[u8], at: u32, part: &str) {
    let (_, errors) = scan(source);
    let found = errors
        .iter()
        .any(|error| error.starts_with(&format!("{at}: ")) && error.contains(part));
    assert!(found, "{:?}: {errors:?}", String::from_utf8_lossy(source));
}

#[test]
fn operators_take_the_longest() {
    let all = "+ - * / % & | ^ << >> &^ += -= *= /= %= &= |= ^= <<= >>= &^= && || <- ++ -- == < > = ! ~ != <= >= := ... ( ) [ ] { } , ; . :";
    check(all, all);
    check("a<-b<<=c&^=d", "a <- b <<= c &^= d <;>");
    check("x...y..z", "x ... y . . z <;>");
    check("a---b", "a -- - b <;>");
}

#[test]
fn line_ends_become_semicolons_after_what_can_end_a_statement() {
    check("a\nb", "a <;> b <;>");
    check("a +\nb\n", "a + b <;>");
    check(
        "return\nbreak\n)\n]\n}\nx++\n1\n'a'\n\"s\"\n",
        "return <;> break <;> ) <;> ] <;> } <;> x ++ <;> 1 <;> 'a' <;> \"s\" <;>",
    );
    check("if\n(\n,\n", "if ( ,");
    check("a // comment\nb", "a <;> b <;>");
    check("a /* one line */ b", "a b <;>");
    check("a /* two\nlines */ b", "a <;> b <;>");
    check("a /* to the end */", "a <;>");
    check("\n\n", "");
}

#[test]
fn names_and_keywords() {
    check_kind("x", Token::Name);
    check_kind("_a1", Token::Name);
    check_kind("été", Token::Name);
    check_kind("a本b", Token::Name);
    check_kind("abcdefgh", Token::Name);
    check_kind("abcdefghijklmnopqrstuvwxyz", Token::Name);
    check_kind("fallthrough", Token::Fallthrough);
    check_kind("fallthrougx", Token::Name);
    check_kind("interface", Token::Interface);
    check_kind("interfacex", Token::Name);
    check_kind("continue", Token::Continue);
    check_kind("min", Token::Name);
}

#[test]
fn numbers() {
    for int in [
        "0",
        "42",
        "4_2",
        "0600",
        "0_600",
        "0o600",
        "0O6",
        "0xBad_Face",
        "0x_67",
        "0b101",
        "0B_1",
    ] {
        check_kind(int, Token::Int);
    }
    let floats = [
        "0.",
        "72.40",
        "072.40",
        "2.71828",
        "1.e+0",
        "6.67428e-11",
        "1E6",
        ".25",
        ".1_2E+5",
        "1_5.",
        "0x1p-2",
        "0x2.p10",
        "0x1.Fp+0",
        "0X.8p-0",
        "0X_1FFFP-16",
    ];
    for float in floats {
        check_kind(float, Token::Float);
    }
    for imaginary in [
        "0i", "0123i", "0o123i", "0xabci", "0.i", "2.71828i", "1.e+0i", "08i", "0x1p-2i",
    ] {
        check_kind(imaginary, Token::Imaginary);
    }
    check("0x15e-2", "0x15e - 2 <;>");
    check_error(b"08", 0, "octal");
    check_error(b"0b12", 0, "digit");
    check_error(b"0o8", 0, "digit");
    check_error(b"0x", 0, "without digits");
    check_error(b"1__2", 0, "`_`");
    check_error(b"12_", 0, "`_`");
    check_error(b"1_.5", 0, "`_`");
    check_error(b"0x.p1", 0, "without digits");
    check_error(b"1p-2", 0, "exponent");
    check_error(b"0x1.5", 0, "needs an exponent");
    check_error(b"1e", 0, "without digits");
    check_error(b"0b1.0", 0, "fraction");
}

#[test]
fn runes_and_strings() {
    for rune in [
        "'a'",
        "'本'",
        r"'\n'",
        r"'\''",
        r"'\000'",
        r"'\x07'",
        r"'\u12e4'",
        r"'\U00101234'",
        r"'\\'",
    ] {
        check_kind(rune, Token::Rune);
    }
    for string in [
        r#""""#,
        r#""a\"b""#,
        r#""\u65e5本\U00008a9e\xff\377""#,
        "`a\\n\n\"'`",
        "``",
    ] {
        check_kind(string, Token::String);
    }
    check_error(b"''", 0, "needs one");
    check_error(b"'ab'", 0, "more than one");
    check_error(b"'a\n", 0, "not closed");
    check_error(b"'", 0, "not closed");
    check_error(br"'\x1'", 1, "too few");
    check_error(br#""\400""#, 1, "no character");
    check_error(br#""\uD800""#, 1, "no character");
    check_error(br#""\U00110000""#, 1, "no character");
    check_error(br#""\q""#, 1, "unknown escape");
    check_error(br#""\'""#, 1, "unknown escape");
    check_error(b"\"a\nb\"", 0, "not closed");
    check_error(b"\"a\\", 2, "unknown escape");
    check_error(b"`a", 0, "not closed");
    check_error(b"x /* a", 2, "not closed");
}

#[test]
fn bytes_that_are_no_text() {
    check("\u{FEFF}a", "a <;>");
    check_error(b"a\xEF\xBB\xBFb", 1, "byte order mark");
    check_error(b"\"\xEF\xBB\xBF\"", 1, "byte order mark");
    check_error(b"a\0b", 1, "NUL");
    check_error(b"// \0", 3, "NUL");
    check_error(b"\"\xFF\"", 1, "UTF-8");
    check_error(b"a \xC3", 2, "UTF-8");
    check_error("a ۶ b".as_bytes(), 2, "no meaning");
    check_error(b"a # b", 2, "no meaning");
    check_error("a € b".as_bytes(), 2, "no meaning");
    let (tokens, errors) = scan(b"a \xFF # ? b");
    assert_eq!(tokens, "a \u{FFFD} # ? b <;>");
    assert_eq!(errors.len(), 3);
}

#[test]
fn comments_are_kept_aside_once() {
    let source = b"//go:build linux\r\n\npackage p // why\n/* a\nb */ x /* y */\n";
    let mut scanner = Scanner::new(source);
    while scanner.next_token().token != Token::End {}
    let texts = scanner.comments.iter().map(|comment| {
        let span = comment.span;
        std::str::from_utf8(&source[span.start as usize..span.end as usize]).unwrap()
    });
    assert_eq!(
        texts.collect::<Vec<_>>(),
        ["//go:build linux", "// why", "/* a\nb */", "/* y */"]
    );
    assert_eq!(scanner.comments[0].kind, CommentKind::GoBuild);
}

#[test]
fn errors_are_bounded() {
    let many = vec![0xFF; 10_000];
    let (_, errors) = scan(&many);
    assert_eq!(errors.len(), super::super::MAX_ERRORS);
    let (_, errors) = scan(&[0; 10_000]);
    assert_eq!(errors.len(), super::super::MAX_ERRORS);
}
