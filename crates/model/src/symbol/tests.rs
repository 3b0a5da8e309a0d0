use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(name: &str, expected: &str) {
    assert_eq!(canonical(name), expected, "canonical of {name}");
    assert_eq!(
        canonical(expected),
        expected,
        "canonical of a canonical name"
    );
}

#[test]
fn names_from_real_toolchains_get_the_name_of_the_source_function() {
    for (name, expected) in [
        // Escapes: Go 1.19 on once, Go 1.27 twice for closures inlined elsewhere.
        (
            "example.com/my.app/exp/in%2ener.(*T).Ptr",
            "example.com/my.app/exp/in.ner.(*T).Ptr",
        ),
        (
            "example.com/my.app/exp/in%252ener.Inl.func1",
            "example.com/my.app/exp/in.ner.Inl.func1",
        ),
        (
            "gopkg.in/yaml%2ev2.(*decoder).unmarshal",
            "gopkg.in/yaml.v2.(*decoder).unmarshal",
        ),
        // Generics: dumps and debug=1, then protobuf.
        ("main.(*G[...]).Recv", "main.(*G[...]).Recv"),
        (
            "in%252ener.(*G[go.shape.string,go.shape.map[string]struct { X int }]).Recv.1",
            "in.ner.(*G[...]).Recv.func1",
        ),
        (
            "main.loc[go.shape.struct {}].m.func1.1",
            "main.loc[...].m.func1.1",
        ),
        // Wrappers of `go` and `defer`: 1.22 on, 1.17, 1.18.
        ("runtime.gcenable.gowrap1", "runtime.gcenable"),
        ("main.main.func2.deferwrap1", "main.main.func2"),
        ("main.main·dwrap·3", "main.main"),
        ("main.main.dwrap.3", "main.main"),
        (
            "main.main.gowrap8.(*G[...]).Recv.1",
            "main.main.(*G[...]).Recv.func1",
        ),
        // Method values, now and before Go 1.5.
        ("main.(*T).M-fm", "main.(*T).M"),
        ("main.T.M·fm", "main.T.M"),
        // Range over functions: 1.23, 1.24 to 1.26, 1.27.
        ("main.extra.func1-range2", "main.extra.func1"),
        ("main.extra.func1-range1-range1", "main.extra.func1"),
        ("main.extra-range1", "main.extra"),
        ("main.extra-range1.1", "main.extra.func1"),
        ("main.extra.func1-range1-range1.1", "main.extra.func1.1"),
        // Closures of package variables: to 1.21, and from 1.22.
        ("main.glob..func2.1", "main.init.func2.1"),
        ("main.init.func2.1", "main.init.func2.1"),
        ("main.init.0", "main.init.0"),
        ("main.init.0.func1", "main.init.0.func1"),
        ("net/http.init·2", "net/http.init.2"),
        // Vendoring.
        (
            "vendor/golang.org/x/net/http2/hpack.Encode",
            "golang.org/x/net/http2/hpack.Encode",
        ),
        (
            "example.com/a/vendor/github.com/x/y.(*T).M",
            "github.com/x/y.(*T).M",
        ),
        ("a/Godeps/_workspace/src/b/c.F", "b/c.F"),
        // The builtin.
        ("panic", "runtime.gopanic"),
    ] {
        check(name, expected);
    }
}

#[test]
fn names_that_mean_different_functions_stay_as_they_are() {
    for name in [
        "main.main",
        "net/http.(*Server).Serve",
        "main.T.M",
        "main.(*T).M",
        "main.func1",
        "main.gowrap1",
        "main.main.func1",
        "main.main.func20",
        "main.main.Inl.func20",
        "main._Cfunc_sleep",
        "main.func·001",
        "go.(*struct { sync.Mutex; a/vendor/b.T }).Lock",
        "github.com/x/vendored.F",
        "main.F[unbalanced",
        "100%zz",
        "a%00b.F",
        "",
    ] {
        check(name, name);
    }
}

#[track_caller]
fn check_closure(name: &str, expected: Option<(&str, usize)>) {
    let canonical = canonical(name);
    let found = closure(&canonical).map(|it| (it.within, it.depth));
    assert_eq!(found, expected, "{name}");
}

#[test]
fn a_closure_is_the_same_wherever_it_was_inlined() {
    // Each row: the names of one closure in Go 1.21 to 1.27.
    for (names, expected) in [
        (
            &[
                "main.main.Inl.func20",
                "main.main.func2.Inl.func1",
                "main.main.func2.Inl.1",
                "example.com/my.app/exp/in%252ener.Inl.1",
                "example.com/my.app/exp/in%252ener.Inl.func1",
            ][..],
            ("Inl", 1),
        ),
        (
            &[
                "example.com/my.app/exp/in%2ener.InlGo2.func1.1",
                "main.main.InlGo2.func21.1",
                "example.com/my.app/exp/in%252ener.InlGo2.func1.1",
            ],
            ("InlGo2", 2),
        ),
        (
            &[
                "example.com/my.app/exp/in%2ener.(*G[...]).Recv.func1",
                "main.main.gowrap8.(*G[...]).Recv.1",
                "example.com/my.app/exp/in%252ener.(*G[...]).Recv.1",
            ],
            ("Recv", 1),
        ),
        (
            &[
                "main.main.func3.callInl.main.func3.1.func2",
                "main.main.func3.callInl.main.func3.1.2",
                "main.main.func3.1.1",
            ],
            ("main", 3),
        ),
        (
            &[
                "main.extra.func1-range2",
                "main.extra.func1.three.extra.func1-range1-range3",
                "main.extra.func1-range1-range1",
            ],
            ("extra", 1),
        ),
        (
            &[
                "main.extra.func1.1",
                "main.extra.func1.2",
                "main.extra.func1-range1-range1.1",
            ],
            ("extra", 2),
        ),
        (&["main.extra.func2", "main.extra-range1.1"], ("extra", 1)),
        (&["a/b.glob..func1", "a/b.init.func1"], ("init", 1)),
    ] {
        for name in names {
            check_closure(name, Some(expected));
        }
    }
}

#[test]
fn named_functions_are_no_closures() {
    for name in [
        "main.main",
        "main.init.0",
        "main.func1",
        "net/http.(*Server).Serve",
        "main.f-range1",
        "main.f.gowrap1",
        "x",
        "",
    ] {
        check_closure(name, None);
    }
    check_closure("main.init.0.func1", Some(("init", 1)));
    check_closure("main.func·001", None);
}

#[test]
fn packages_and_short_forms() {
    for (name, path, brief) in [
        (
            "net/http.(*Server).Serve",
            "net/http",
            "http.(*Server).Serve",
        ),
        ("main.main", "main", "main.main"),
        (
            "gopkg.in/yaml.v2.(*d).f",
            "gopkg.in/yaml.v2",
            "yaml.v2.(*d).f",
        ),
        ("gopkg.in/yaml%2ev2.F", "gopkg.in/yaml%2ev2", "yaml%2ev2.F"),
        ("main.G[a/b.T].M", "main", "main.G[a/b.T].M"),
        (
            "a/b.(*struct { c/d.T }).M",
            "a/b",
            "b.(*struct { c/d.T }).M",
        ),
        ("panic", "", "panic"),
        ("", "", ""),
        ("a/b", "", "a/b"),
    ] {
        assert_eq!(package(name), path, "package of {name}");
        assert_eq!(short(name), brief, "short form of {name}");
    }
}

#[test]
fn modules_end_at_a_slash() {
    for (name, module, expected) in [
        ("example.com/shop.F", "example.com/shop", true),
        ("example.com/shop/bus.F", "example.com/shop", true),
        ("example.com/shop/bus.F", "example.com/shop/", true),
        ("example.com/shop_test.TestF", "example.com/shop", true),
        ("example.com/shopping.F", "example.com/shop", false),
        ("example.com/shop.v2.F", "example.com/shop", false),
        ("gopkg.in/yaml%2ev2.F", "gopkg.in/yaml.v2", true),
        ("example.com/in%2ener.F", "example.com/in.ner", true),
        ("x/vendor/github.com/a/b.F", "github.com/a/b", true),
        ("main.main", "example.com/shop", true),
        ("net/http.Get", "net/http", true),
        ("net/http.Get", "", false),
        ("panic", "example.com/shop", false),
    ] {
        assert_eq!(belongs_to(name, module), expected, "{name} of {module}");
    }
}

#[test]
fn files_lose_what_only_their_machine_knows() {
    for (file, expected) in [
        (
            "/go/pkg/mod/github.com/x/y@v1.2.3/z.go",
            "github.com/x/y/z.go",
        ),
        (
            "/home/ci/go/pkg/mod/github.com/!burnt!sushi/y@v1.2.3/a/z.go",
            "github.com/BurntSushi/y/a/z.go",
        ),
        (
            "github.com/BurntSushi/y@v1.2.3/a/z.go",
            "github.com/BurntSushi/y/a/z.go",
        ),
        ("/src/app/vendor/github.com/x/y/z.go", "github.com/x/y/z.go"),
        ("/usr/local/go/src/net/http/server.go", "net/http/server.go"),
        ("/usr/lib/go-1.19/src/sync/once.go", "sync/once.go"),
        (
            "/opt/hostedtoolcache/go/1.22.10/x64/src/sync/once.go",
            "sync/once.go",
        ),
        (
            "/home/ci/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64/src/net/http/server.go",
            "net/http/server.go",
        ),
        ("/home/u/go/src/github.com/x/y/z.go", "github.com/x/y/z.go"),
        ("C:\\Program Files\\Go\\src\\net\\dial.go", "net/dial.go"),
        ("net/http/server.go", "net/http/server.go"),
        ("/src/main.go", "/src/main.go"),
        ("/home/a@b/src/main.go", "/home/a@b/src/main.go"),
        ("", ""),
    ] {
        assert_eq!(file_tail(file), expected, "tail of {file}");
    }
}

#[test]
fn a_file_is_known_by_its_package() {
    for (function, file, expected) in [
        (
            "example.com/shop/bus.F",
            "/home/u/shop/bus/bus.go",
            "example.com/shop/bus/bus.go",
        ),
        (
            "example.com/shop/bus.F",
            "example.com/shop/bus/bus.go",
            "example.com/shop/bus/bus.go",
        ),
        (
            "example.com/shop/v2.F",
            "/build/shop/f.go",
            "example.com/shop/v2/f.go",
        ),
        ("example.com/shop.F.func1", "/build/f.go", "build/f.go"),
        ("main.f", "/build/main.go", "main.go"),
        ("main.f", "example.com/shop/main.go", "main.go"),
        ("a/b.Handle.Inl.func2", "/src/c/inl.go", "c/inl.go"),
        (
            "net/http.(*Server).Serve",
            "/usr/local/go/src/net/http/server.go",
            "net/http/server.go",
        ),
        ("main.f", "", ""),
    ] {
        assert_eq!(file_key(function, file), expected, "{function} {file}");
    }
}

proptest! {
    #[test]
    fn canonical_is_idempotent_on_names_that_look_real(
        parts in prop::collection::vec(prop::sample::select(vec![
            ".", "/", "-", "·", "[", "]", "(*T)", "main", "a%2eb", "%25", "2e", "vendor/", "glob.", "init", "func1", "1",
            "0", "-range1", "gowrap2", "dwrap", ".dwrap.1", "-fm", "·fm", "[...]", "[go.shape.int]", "v2", "panic", "x",
            "Godeps/_workspace/src/", "é", "{", "}", "(", ")",
        ]), 0..14),
    ) {
        let name = parts.concat();
        let once = canonical(&name).into_owned();
        prop_assert_eq!(canonical(&once), once.as_str(), "of {}", name);
        closure(&once);
        belongs_to(&name, &once);
        file_key(&once, &name);
    }

    #[test]
    fn canonical_takes_any_text(name in ".{0,60}") {
        let once = canonical(&name).into_owned();
        prop_assert_eq!(canonical(&once), once.as_str());
        short(&name);
        file_tail(&name);
    }
}
