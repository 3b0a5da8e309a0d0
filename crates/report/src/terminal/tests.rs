use super::*;
use crate::Format;
use crate::terminal::ink::columns;
use crate::testing::{
    check, sample_profile, sample_proof, sample_quiet, sample_report, sample_why,
    sample_why_reachable, sample_why_unknown, source,
};

fn style(colour: bool, width: Option<usize>) -> Style<'static> {
    Style {
        colour,
        width,
        source: &source,
        root: Some("/src/shop"),
        ..Style::default()
    }
}

/// Colours as names, so that a snapshot can be read.
fn readable(text: &str) -> String {
    text.replace('\x1b', "␛")
}

#[test]
fn inspect() {
    let sample = sample_report();
    for (name, colour, width) in [
        ("inspect-pipe", false, None),
        ("inspect-80", false, Some(80)),
        ("inspect-120", false, Some(120)),
        ("inspect-120-colour", true, Some(120)),
    ] {
        let text = check(&sample.inspect(), Format::Terminal, &style(colour, width));
        insta::assert_snapshot!(name, readable(&text));
    }
}

#[test]
fn inspect_what_was_proven() {
    let sample = sample_proof();
    for (name, width) in [("proof-pipe", None), ("proof-80", Some(80))] {
        let text = check(&sample.inspect(), Format::Terminal, &style(false, width));
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn why_of_one_goroutine() {
    for (name, sample) in [
        ("why-80", sample_why()),
        ("why-reachable-80", sample_why_reachable()),
        ("why-unknown-80", sample_why_unknown()),
    ] {
        let text = check(
            &sample.document(),
            Format::Terminal,
            &style(false, Some(80)),
        );
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn inspect_with_stacks() {
    let sample = sample_report();
    let style = Style {
        stacks: true,
        ascii: true,
        ..style(false, Some(100))
    };
    insta::assert_snapshot!(
        "inspect-stacks",
        check(&sample.inspect(), Format::Terminal, &style)
    );
}

#[test]
fn diff() {
    let sample = sample_report();
    for (name, width) in [
        ("diff-pipe", None),
        ("diff-80", Some(80)),
        ("diff-120", Some(120)),
    ] {
        let text = check(&sample.diff(), Format::Terminal, &style(false, width));
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn gctrace() {
    let sample = sample_report();
    for (name, ascii) in [("gctrace-80", false), ("gctrace-80-ascii", true)] {
        let style = Style {
            ascii,
            ..style(false, Some(80))
        };
        insta::assert_snapshot!(name, check(&sample.gctrace(), Format::Terminal, &style));
    }
}

#[test]
fn a_profile_says_nothing_of_what_it_cannot_know() {
    let sample = sample_profile();
    let text = check(
        &sample.inspect(),
        Format::Terminal,
        &style(false, Some(100)),
    );
    assert!(
        !text.contains("created by") && !text.contains("waiting"),
        "{text}"
    );
    assert!(text.contains("goroutineleak profile (debug=0)"), "{text}");
}

#[test]
fn nothing_found_says_what_was_looked_at() {
    let sample = sample_quiet();
    let text = check(&sample.inspect(), Format::Terminal, &style(false, Some(80)));
    insta::assert_snapshot!("quiet-80", text);
}

#[test]
fn no_line_of_a_table_is_wider_than_the_terminal() {
    let (sample, proof) = (sample_report(), sample_proof());
    for width in [80, 100, 120, 160, 200] {
        for document in [
            sample.inspect(),
            sample.diff(),
            sample.gctrace(),
            proof.inspect(),
        ] {
            let text = check(&document, Format::Terminal, &style(false, Some(width)));
            for line in text.lines() {
                // A name that a message quotes, and source, have no place to break at.
                let whole = line.contains("evil.") || line.contains("goroutines blocked in");
                assert!(columns(line) <= width || whole, "{width}: {line}");
            }
        }
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let (sample, proof) = (sample_report(), sample_proof());
    for document in [
        sample.inspect(),
        sample.diff(),
        sample.gctrace(),
        proof.inspect(),
    ] {
        let plain = check(&document, Format::Terminal, &style(false, Some(100)));
        let mut stripped = check(&document, Format::Terminal, &style(true, Some(100)));
        while let Some(start) = stripped.find('\x1b') {
            let end = stripped[start..].find('m').expect("a colour ends") + start;
            stripped.replace_range(start..=end, "");
        }
        assert_eq!(stripped, plain);
    }
}

#[test]
fn load() {
    let trend = crate::testing::sample_load();
    for (name, width, ascii) in [("load", None, false), ("load_narrow_ascii", Some(80), true)] {
        let style = Style {
            width,
            ascii,
            ..Style::default()
        };
        insta::assert_snapshot!(
            name,
            check(&crate::testing::load(&trend), Format::Terminal, &style)
        );
    }
}
