//! Pages as a whole: their markup, that nothing foreign acts in them, that they load nothing and stay bounded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gorphan_model::gc::Collection;
use gorphan_model::{Sample, Stack};
use sha2::{Digest, Sha256};

use super::*;
use crate::clean::acts;
use crate::testing::{Fixture, HOSTILE, frame, sample_proof, sample_quiet, sample_report, source};

/// Elements that have no end tag.
const VOID: [&str; 5] = ["meta", "link", "wbr", "input", "br"];

/// Renders a page and holds what must be true of every page.
fn check(document: &Document<'_>) -> String {
    let style = Style {
        source: &source,
        ..Style::default()
    };
    let mut bytes = Vec::new();
    crate::render(document, Format::Html, &style, &mut bytes).expect("it renders");
    let page = String::from_utf8(bytes).expect("UTF-8");
    let acting = page.chars().find(|c| acts(*c) && !"\n\t".contains(*c));
    assert_eq!(acting, None, "an active character");
    let tags = tags(&page);
    nests(&tags);
    for tag in &tags {
        // Attribute values may hold anything that a target says; attributes' names stand outside of quotes.
        let unquoted: String = tag.split('"').step_by(2).collect();
        for harm in [" style=", " on", " src"] {
            assert!(!unquoted.contains(harm), "{tag}");
        }
        let link = unquoted.contains("href=") && !tag.contains("href=\"data:,\"");
        assert!(!link, "{tag}");
    }
    admitted(&page);
    // The name of SVG's namespace is no address that anything loads from.
    let rest = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!rest.contains("http://") && !rest.contains("https://"));
    assert!(!rest.contains("@import") && !rest.contains("url("));
    page
}

/// All tags of a page, without the contents of scripts and styles.
fn tags(page: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        let tag = &rest[start + 1..];
        let end = tag.find('>').expect("a tag ends");
        let raw = ["script", "style"]
            .into_iter()
            .find(|raw| tag.starts_with(raw));
        tags.push(&tag[..end]);
        rest = &tag[end..];
        if let Some(raw) = raw {
            rest = &rest[rest.find(&format!("</{raw}>")).expect("it ends")..];
        }
    }
    tags
}

/// Every element ends where it should.
fn nests(tags: &[&str]) {
    let mut open = Vec::new();
    for tag in tags {
        let name = tag.split([' ', '\n']).next().unwrap_or_default();
        if let Some(ended) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(ended), "</{ended}>");
        } else if !(tag.starts_with('!') || tag.ends_with('/') || VOID.contains(&name)) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// The content policy admits exactly the page's own style and scripts.
fn admitted(page: &str) {
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1);
    let policy = policy
        .and_then(|rest| rest.split('"').next())
        .expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    let mut admitted = policy.matches("'sha256-").count();
    for (start, end) in [("<style>", "</style>"), ("<script>", "</script>")] {
        for content in page.split(start).skip(1) {
            let content = content.split(end).next().unwrap_or_default();
            let hash = STANDARD.encode(Sha256::digest(content));
            assert!(policy.contains(&format!("'sha256-{hash}'")), "{start}");
            admitted -= 1;
        }
    }
    assert_eq!(admitted, 0);
}

/// The markup without what is the same in every page.
fn markup(page: &str) -> String {
    let mut page = page.to_owned();
    for (content, name) in [
        (include_str!("page.css"), "page.css"),
        (TABLE, "table.js"),
        (FLAME, "flame.js"),
        (CHART, "chart.js"),
    ] {
        page = page.replace(content, name);
        let hash = STANDARD.encode(Sha256::digest(content));
        page = page.replace(&hash, name);
    }
    page.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn inspect() {
    insta::assert_snapshot!(markup(&check(&sample_report().inspect())));
}

#[test]
fn what_was_proven_stands_with_each_finding() {
    let page = markup(&check(&sample_proof().inspect()));
    let start = page.find("<section id=findings>").expect("findings");
    let end = page.find("<section id=stacks>").expect("stacks");
    insta::assert_snapshot!("proof", page[start..end]);
}

#[test]
fn diff() {
    insta::assert_snapshot!(markup(&check(&sample_report().diff())));
}

#[test]
fn gctrace() {
    insta::assert_snapshot!(markup(&check(&sample_report().gctrace())));
}

#[test]
fn a_page_about_nothing_is_whole() {
    let quiet = sample_quiet();
    let page = check(&quiet.inspect());
    assert!(page.contains("Nothing here looks like a leak."));
    check(&quiet.diff());
    let page = check(&quiet.gctrace());
    assert!(page.contains("No collection found"));
}

#[test]
fn what_a_target_says_is_text_wherever_it_stands() {
    let mut sample = sample_report();
    let hostile = format!("{HOSTILE}</script></style></title>--><img src=x onerror=alert(1)>'\"");
    for group in &mut sample.groups {
        group.site.function = hostile.as_str().into();
        group.site.file = hostile.as_str().into();
        group.created_by = Some(frame(&hostile, &hostile, 1));
        group.labels.add(&hostile, &hostile, group.count);
        group.stack = Stack {
            frames: vec![frame(&hostile, &hostile, 1)].into(),
            created_by: Some(frame(&hostile, &hostile, 2)),
            ..Stack::default()
        }
        .into();
    }
    for finding in &mut sample.findings {
        finding.message.clone_from(&hostile);
        finding.help.clone_from(&hostile);
    }
    for change in &mut sample.changes {
        change.group = sample.groups[0].clone();
    }
    for sample in &mut sample.snapshot.samples {
        sample.stack = Stack {
            frames: vec![frame(&hostile, &hostile, 1)].into(),
            ..Stack::default()
        }
        .into();
    }
    sample.snapshot.go_version = Some(hostile.clone());
    let hostile_target = |document| match document {
        Document::Inspect(mut report) => {
            report.target.name.clone_from(&hostile);
            report.target.go_version = Some(hostile.clone());
            Document::Inspect(report)
        }
        Document::Diff(mut report) => {
            report.before.name.clone_from(&hostile);
            report.after.name.clone_from(&hostile);
            Document::Diff(report)
        }
        Document::GcTrace(mut report) => {
            report.target.name.clone_from(&hostile);
            Document::GcTrace(report)
        }
        Document::Load(mut report) => {
            report.target.name.clone_from(&hostile);
            Document::Load(report)
        }
        Document::Fleet(mut report) => {
            report.target.name.clone_from(&hostile);
            Document::Fleet(report)
        }
        Document::Lint(mut report) => {
            report.target.name.clone_from(&hostile);
            Document::Lint(report)
        }
        Document::Why(_) => panic!("it has no page"),
    };
    let trend = crate::testing::sample_load();
    let lint = crate::testing::sample_lint();
    // A plot has its values in one.
    for (document, scripts) in [
        (sample.inspect(), 3),
        (sample.diff(), 3),
        (sample.gctrace(), 3),
        (crate::testing::load(&trend), 8),
        (lint.document(), 0),
    ] {
        let page = check(&hostile_target(document));
        assert_eq!(
            page.matches("<script").count(),
            scripts,
            "no script but ours"
        );
        assert!(!page.contains("<img") && !page.contains("<b>evil"));
        assert_eq!(page.matches("</title>").count(), 1);
        assert_eq!(page.matches("</style>").count(), 1);
        assert!(
            page.contains("&lt;img src=x onerror=alert(1)&gt;"),
            "it is shown"
        );
    }
}

/// A report with `count` groups, each with a stack of its own.
fn many(count: usize) -> Fixture {
    let mut fixture = sample_quiet();
    let (sample, group) = (fixture.snapshot.samples.remove(0), fixture.groups.remove(0));
    for index in 0..count {
        let frames = (0..30).map(|depth| {
            let function = format!(
                "example.com/shop/internal/layer{depth}.(*Handler{}).Serve",
                index % (depth + 1)
            );
            frame(&function, "/src/shop/internal/layer/handler.go", 10)
        });
        let leaf = frame(
            &format!("example.com/shop/leaf.f{index}"),
            "/src/shop/leaf.go",
            7,
        );
        let stack = std::sync::Arc::new(Stack {
            frames: std::iter::once(leaf).chain(frames).collect(),
            ..Stack::default()
        });
        fixture.snapshot.samples.push(Sample {
            stack: stack.clone(),
            ..sample.clone()
        });
        let mut group = group.clone();
        group.site.function = format!("example.com/shop/leaf.f{index}").into();
        group.stack = stack;
        group.samples = vec![index];
        fixture.groups.push(group);
    }
    fixture
}

#[test]
fn a_page_about_very_much_stays_small_and_says_what_it_leaves_out() {
    /// Bytes; a browser opens it at once.
    const MOST: usize = 5_000_000;
    let page = check(&many(12_000).inspect());
    assert!(page.len() < MOST, "{} bytes", page.len());
    assert!(page.contains("The first 2,000 of 12,000 are shown."));
    assert_eq!(page.matches("<tr><td").count(), 2000);
    assert!(page.contains("stack left out to keep the page small"));
    assert!(page.contains("past the largest 10,000"));
}

#[test]
fn a_page_about_little_leaves_nothing_out() {
    let page = check(&many(20).inspect());
    assert_eq!(page.matches("<tr><td").count(), 20);
    assert!(!page.contains("left out"));
}

#[test]
fn a_long_log_is_thinned() {
    let mut sample = sample_report();
    sample.trace.collections = (0..100_000_u32)
        .map(|index| Collection {
            number: u64::from(index) + 1,
            at_seconds: Some(f64::from(index)),
            heap_live_mb: f64::from(index % 97),
            ..Collection::default()
        })
        .collect();
    let page = check(&sample.gctrace());
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.contains(">24 h<"), "the axis spans the whole log");
}

#[test]
fn load() {
    let trend = crate::testing::sample_load();
    insta::assert_snapshot!(markup(&check(&crate::testing::load(&trend))));
}
