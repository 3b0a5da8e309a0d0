//! The page of two snapshots.

use std::fmt::{self, Write};

use gorphan_model::diff::{Change, SiteChange};

use super::escape::{Count, Function, Num, Position, Share, Text};
use super::finding::{Badge, cards, group_facts, stack};
use super::flame::{Mode, OPERATIONS, Tree, operation_class};
use super::inspect::is_about;
use super::shell::{Page, close_masthead, figure, open_masthead, problems, target_facts};
use super::{FLAME, TABLE};
use crate::{DiffReport, Style, words};

/// Sites in the table; past these a browser's table gets slow, and nobody reads on.
const MAX_ROWS: usize = 2_000;
/// Bytes of markup spent on the stacks inside the table.
const MAX_STACK_BYTES: usize = 1_500_000;

/// Changes as colours.
const CHANGES: Mode = Mode {
    label: "change",
    words: &["same", "gone", "shrunk", "grown", "new"],
};

/// The class of a change in [`CHANGES`].
fn change_class(change: Change) -> usize {
    match change {
        Change::Same => 0,
        Change::Gone => 1,
        Change::Shrunk => 2,
        Change::Grown => 3,
        Change::New => 4,
    }
}

/// Writes the page.
pub(super) fn page(report: &DiffReport<'_>, style: &Style<'_>) -> Result<String, fmt::Error> {
    let title = format!("{} → {}", report.before.name, report.after.name);
    let mut page = Page::new("diff", &title, &[TABLE, FLAME])?;
    let out = &mut page.out;
    masthead(out, report, &title)?;
    problems(out, &report.problems)?;
    cards(out, report.findings, style, |finding| {
        let mut groups = report.changes.iter().map(|change| &change.group);
        groups.find(|group| is_about(finding, group))
    })?;
    table(out, report)?;
    let mut tree = Tree::new("all sites", [CHANGES, OPERATIONS]);
    for change in report.changes {
        let classes = [
            change_class(change.change),
            operation_class(change.group.site.operation),
        ];
        tree.add(
            &change.group.stack,
            change.before.max(change.after),
            classes,
        );
    }
    tree.write(
        out,
        "Stacks",
        "Each site with its most numerous stack, by its count before or after, whichever is larger.",
    )?;
    page.finish()
}

fn masthead(out: &mut String, report: &DiffReport<'_>, title: &str) -> fmt::Result {
    open_masthead(out, "diff", title)?;
    out.push_str("<dl class=figures>\n");
    figure(out, report.goroutines_before, "goroutines before", "")?;
    figure(out, report.goroutines_after, "goroutines after", "")?;
    let of = |change: Change| report.changes.iter().filter(|c| c.change == change).count() as u64;
    figure(out, of(Change::New), "new sites", "")?;
    figure(out, of(Change::Grown), "grown", "")?;
    figure(out, of(Change::Shrunk), "shrunk", "")?;
    figure(out, of(Change::Gone), "gone", "")?;
    let worst = report.findings.iter().map(|finding| finding.verdict).max();
    let class = worst.map_or("normal", gorphan_model::Verdict::as_str);
    figure(out, report.findings.len() as u64, "findings", class)?;
    out.push_str("</dl>\n");
    for (word, target) in [("before", &report.before), ("after", &report.after)] {
        writeln!(
            out,
            "<dl class=target><div><dt>{word}</dt><dd>{}</dd></div>",
            Text(&target.name)
        )?;
        target_facts(out, target)?;
        out.push_str("</dl>\n");
    }
    close_masthead(out);
    Ok(())
}

fn table(out: &mut String, report: &DiffReport<'_>) -> fmt::Result {
    out.push_str(
        "<section id=sites><h2>Sites</h2>\n<p class=note>Goroutines that do the same at the same place, before and after.",
    );
    if report.changes.len() > MAX_ROWS {
        write!(
            out,
            " The first {} of {} are shown.",
            Num(MAX_ROWS as u64),
            Num(report.changes.len() as u64)
        )?;
    }
    out.push_str(
        "</p>\n<div class=tools data-filter=site-table hidden></div>\n<div class=scroll><table id=site-table class=sites>\n<thead><tr>\
         <th data-sort=text data-filter=change>Change</th><th data-sort=number data-filter=verdict>Verdict</th>\
         <th data-sort=number class=r>Before</th><th data-sort=number class=r>After</th><th data-sort=number class=r>Delta</th>\
         <th data-sort=text data-filter=operation>Operation</th><th data-sort=text class=wide>Where</th></tr></thead>\n<tbody>\n",
    );
    let largest = report
        .changes
        .iter()
        .map(|change| change.before.max(change.after))
        .max();
    let mut budget = MAX_STACK_BYTES;
    for change in report.changes.iter().take(MAX_ROWS) {
        row(out, change, largest.unwrap_or(0), &mut budget)?;
    }
    out.push_str("</tbody></table></div>\n</section>\n");
    Ok(())
}

fn row(out: &mut String, change: &SiteChange, largest: u64, budget: &mut usize) -> fmt::Result {
    let word = words::change(change.change);
    let site = &change.group.site;
    let (before, after) = (change.before, change.after);
    let sign = match after.cmp(&before) {
        std::cmp::Ordering::Greater => "+",
        std::cmp::Ordering::Equal => "±",
        std::cmp::Ordering::Less => "−",
    };
    let minus = if after < before { "-" } else { "" };
    let width_before = Share(before, largest).ratio() * 100.0;
    let width_after = Share(after, largest).ratio() * 100.0;
    let delta = after.abs_diff(before);
    write!(
        out,
        "<tr><td data-label=Change><span class=\"badge change-{word}\">{word}</span></td>\
         <td data-label=Verdict data-v={}>{}</td><td class=r data-label=Before data-v={before}>{}</td>\
         <td class=r data-label=After data-v={after}>{}</td><td class=r data-label=Delta data-v={minus}{delta}>{sign}{}\
         <svg class=share width=\"100%\" height=7 aria-hidden=true><rect x=\"{:.1}%\" width=\"{:.1}%\" height=3 class=\"fill-before\" />\
         <rect x=\"{:.1}%\" y=4 width=\"{:.1}%\" height=3 class=\"fill-change-{word}\" /></svg></td><td data-label=Operation>{}</td>",
        change.verdict as u8,
        Badge(change.verdict),
        Num(before),
        Num(after),
        Num(delta),
        100.0 - width_before,
        width_before,
        100.0 - width_after,
        width_after,
        Text(site.operation.as_str())
    )?;
    write!(
        out,
        "<td data-label=Where data-v=\"{}\">{} {}",
        Text(&site.function),
        Function(&site.function),
        Position(&site.file, site.line)
    )?;
    details(out, change, budget)?;
    out.push_str("</td></tr>\n");
    Ok(())
}

/// Where it stood before, who stayed, came and went, and the stack, as long as there is room for them.
fn details(out: &mut String, change: &SiteChange, budget: &mut usize) -> fmt::Result {
    if let Some(site) = &change.moved_from {
        write!(
            out,
            "<p class=note>before at {}</p>",
            Position(&site.file, site.line)
        )?;
    }
    if let Some(identity) = &change.identity {
        let appeared = identity.appeared.len() as u64;
        let vanished = identity.vanished.len() as u64;
        let least = if identity.elided > 0 { "at least " } else { "" };
        write!(
            out,
            "<p class=note>{least}{} stayed, {} came, {} went</p>",
            Num(identity.stayed),
            Num(appeared),
            Num(vanished)
        )?;
    }
    let start = out.len();
    let group = &change.group;
    write!(
        out,
        "<details><summary>stack <span class=muted>{}</span></summary><dl class=facts>",
        Count(group.stack.frames.len() as u64, "frame")
    )?;
    group_facts(out, group)?;
    out.push_str("</dl>");
    stack(out, &group.stack)?;
    out.push_str("</details>");
    match budget.checked_sub(out.len() - start) {
        Some(left) => *budget = left,
        None => {
            *budget = 0;
            out.truncate(start);
            out.push_str("<p class=note>stack left out to keep the page small</p>");
        }
    }
    Ok(())
}
