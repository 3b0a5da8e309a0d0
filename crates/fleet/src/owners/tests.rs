use std::fs;

use proptest::prelude::*;
use regex::Regex;

use super::*;
use codeowners::Pattern;

fn question<'a>(path: Option<&'a str>, service: &'a str, function: &'a str) -> Question<'a> {
    Question {
        path,
        service,
        function,
        label: Some("by-label"),
    }
}

fn check(pattern: &str, yes: &[&str], no: &[&str]) {
    let parsed = Pattern::parse(pattern).expect(pattern);
    for path in yes {
        assert!(parsed.fits(path), "{pattern} should fit {path}");
    }
    for path in no {
        assert!(!parsed.fits(path), "{pattern} should not fit {path}");
    }
}

#[test]
fn patterns_mean_what_they_mean_at_github() {
    check("*", &["a.go", "a/b/c.go", ".github/x"], &[]);
    check("*.go", &["a.go", "a/b.go"], &["a.rs", "go", "a.go.txt"]);
    check("/*.go", &["a.go"], &["a/b.go"]);
    check("/docs/", &["docs/a", "docs/a/b"], &["docs", "a/docs/b"]);
    check("docs/", &["docs/a", "a/docs/b/c"], &["docs", "adocs/b"]);
    check(
        "docs",
        &["docs", "docs/a", "a/docs", "a/docs/b"],
        &["docs2", "a/docs2/b"],
    );
    check("docs/*", &["docs/a.md"], &["docs/a/b.md", "a/docs/b"]);
    check(
        "/apps/github",
        &["apps/github", "apps/github/a/b"],
        &["apps/gitlab", "x/apps/github"],
    );
    check(
        "**/logs",
        &["logs/a", "build/logs/a", "a/b/logs"],
        &["log/a", "mylogs/a"],
    );
    check("/a/**", &["a/b", "a/b/c"], &["a", "b/a/c"]);
    check(
        "a/**/z.go",
        &["a/z.go", "a/b/z.go", "a/b/c/z.go"],
        &["z.go", "b/a/z.go"],
    );
    check(
        "/build/l?gs/",
        &["build/logs/a", "build/lags/a"],
        &["build/lgs/a", "build/l/gs/a"],
    );
    check("/", &["a", "a/b"], &[]);
    check(r"/my\ dir/", &["my dir/a"], &["my/a"]);
    check(r"\*.go", &["*.go"], &["a.go"]);
    // Names are not folded.
    check("Docs/", &["Docs/a"], &["docs/a"]);
}

#[test]
fn the_last_line_that_fits_decides() {
    let text = "\
# everything
*       @acme/all
*.go    @acme/go jane@example.com   # and a word on it
/shop/  @acme/shop
/shop/generated/
   # indented
";
    let mut problems = Vec::new();
    let owners = CodeOwners::parse(text, "CODEOWNERS", &mut problems);
    assert_eq!(problems, [""; 0]);
    for (path, owner) in [
        ("README.md", Some("@acme/all")),
        ("bus/bus.go", Some("@acme/go jane@example.com")),
        ("shop/bus.go", Some("@acme/shop")),
        ("shop/generated/bus.go", None),
    ] {
        assert_eq!(owners.owner(path).as_deref(), owner, "{path}");
    }
}

#[test]
fn lines_that_are_wrong_are_said_and_left_out() {
    let text = "*.go @acme/go\n!*.go @x\n[a-z].go @x\n*.rs team-a\n*.md a@\nb @\n/ok @y\nc x\n";
    let mut problems = Vec::new();
    let owners = CodeOwners::parse(text, "f", &mut problems);
    assert_eq!(problems.len(), 6, "{problems:?}");
    assert!(problems[0].starts_with("owners: f:2: "), "{problems:?}");
    assert_eq!(problems[5], "owners: f: 1 further lines are left out");
    assert_eq!(owners.owner("a.go").as_deref(), Some("@acme/go"));
    assert_eq!(owners.owner("ok").as_deref(), Some("@y"));
    assert_eq!(owners.owner("a.rs"), None);
}

#[test]
fn the_first_that_knows_the_owner_decides() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let write = |name: &str, text: &str| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    };
    write("docs/CODEOWNERS", "* @third\n");
    write("CODEOWNERS", "* @second\n");
    write(".github/CODEOWNERS", "/shop/ @acme/shop\n");
    let component = |name: &str, slug: &str, owner: &str| {
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\n  annotations:\n    \
             github.com/project-slug: {slug}\nspec:\n  type: service\n  owner: {owner}\n"
        )
    };
    let catalog = [
        "kind: System\nmetadata: {name: cart}\nspec: {owner: nobody}\n".to_owned(),
        component("cart", "acme/cart", "group:default/team-cart"),
        component("pay", "Acme/Mono", "user:jane"),
        component("ledger", "acme/mono", "group:finance/books"),
    ];
    write("services/a/catalog-info.yaml", &catalog.join("---\n"));
    write("services/b/catalog-info.yaml", "kind: [\n");
    write("services/c/other.yaml", "not a catalog");
    let config = OwnersConfig {
        catalogs: vec![
            root.join("services/*/catalog-*.yaml"),
            root.join("none/*.yaml"),
        ],
        default: Some("everybody".to_owned()),
        ..OwnersConfig::default()
    };
    let (owners, problems) = Owners::load(&config, Some(root));
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("none/*.yaml") || problems[1].contains("none/*.yaml"));
    let of = |path, service, function| owners.of(question(path, service, function));
    let is = |found: Option<String>, expected: &str| assert_eq!(found.as_deref(), Some(expected));
    is(of(Some("shop/a.go"), "cart", "main.f"), "@acme/shop");
    is(of(Some("cart/a.go"), "cart", "main.f"), "team-cart");
    is(
        of(None, "x", "github.com/acme/cart/bus.(*Bus).read"),
        "team-cart",
    );
    is(of(None, "x", "github.com/acme/cart.Serve"), "team-cart");
    is(of(None, "ledger", "main.f"), "finance/books");
    // Two components of one repository with different owners: the repository tells nothing.
    is(of(None, "x", "github.com/acme/mono/a.f"), "by-label");
    let unlabelled = Question {
        label: None,
        ..question(None, "x", "main.f")
    };
    is(owners.of(unlabelled), "everybody");
    let (none, problems) = Owners::load(&OwnersConfig::default(), None);
    assert_eq!((none.of(unlabelled), problems.len()), (None, 0));
}

#[test]
fn files_that_cannot_be_used_are_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = OwnersConfig {
        codeowners: Some(folder.path().join("missing")),
        ..OwnersConfig::default()
    };
    let (_, problems) = Owners::load(&config, None);
    assert!(
        problems[0].contains("cannot read") && problems[0].contains("missing"),
        "{problems:?}"
    );
    let large = folder.path().join("CODEOWNERS");
    fs::write(&large, vec![b'#'; (MAX_CODEOWNERS_BYTES + 1) as usize]).expect("written");
    let (_, problems) = Owners::load(&OwnersConfig::default(), Some(folder.path()));
    assert!(problems[0].contains("more than"), "{problems:?}");
    fs::write(&large, [0xff, 0xfe]).expect("written");
    let (_, problems) = Owners::load(&OwnersConfig::default(), Some(folder.path()));
    assert!(problems[0].contains("not UTF-8"), "{problems:?}");
}

/// The same by regular expressions, which is another way to the same answer.
fn oracle(pattern: &str) -> Regex {
    let folder = pattern.ends_with('/');
    let inner = pattern.trim_end_matches('/');
    let anchored = inner.contains('/');
    let inner = inner.strip_prefix('/').unwrap_or(inner);
    let parts: Vec<&str> = inner.split('/').collect();
    let last = parts.len() - 1;
    let mut text = String::from(if anchored { "^" } else { "^(?:.*/)?" });
    for (index, part) in parts.iter().enumerate() {
        match (*part, index == last) {
            ("**", true) => text.push_str(".+"),
            ("**", false) => text.push_str("(?:.+/)?"),
            (part, is_last) => {
                for c in part.chars() {
                    match c {
                        '*' => text.push_str("[^/]*"),
                        '?' => text.push_str("[^/]"),
                        c => text.push_str(&regex::escape(&c.to_string())),
                    }
                }
                if !is_last {
                    text.push('/');
                }
            }
        }
    }
    let all_of_one = anchored && parts[last].chars().all(|c| c == '*') && parts[last] != "**";
    text.push_str(match (folder, all_of_one) {
        (true, _) => "/.+$",
        (false, true) => "$",
        (false, false) => "(?:/.+)?$",
    });
    Regex::new(&text).expect("a regular expression")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn patterns_agree_with_regular_expressions(
        parts in prop::collection::vec("[ab*?]{1,3}|\\*\\*", 1..5),
        front in any::<bool>(),
        back in any::<bool>(),
        paths in prop::collection::vec(prop::collection::vec("[abc]{1,2}", 1..6), 1..20),
    ) {
        // Three stars are two and one, which nobody defines.
        prop_assume!(parts.iter().all(|part| !part.contains("**") || part == "**"));
        let text = format!("{}{}{}", if front { "/" } else { "" }, parts.join("/"), if back { "/" } else { "" });
        let pattern = Pattern::parse(&text).expect("a pattern");
        let oracle = oracle(&text);
        for path in paths {
            let path = path.join("/");
            prop_assert_eq!(pattern.fits(&path), oracle.is_match(&path), "{} {} {}", text, path, oracle);
        }
    }

    #[test]
    fn wildcards_agree_with_regular_expressions(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
        let expression = regex::escape(&pattern).replace("\\*", ".*");
        let oracle = Regex::new(&format!("^{expression}$")).expect("a regular expression");
        prop_assert_eq!(wildcard(&pattern, &text), oracle.is_match(&text));
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,200}", path in "\\PC{0,50}") {
        let mut problems = Vec::new();
        CodeOwners::parse(&text, "f", &mut problems).owner(&path);
        Catalog::default().add(&text, "f", &mut problems);
    }
}
