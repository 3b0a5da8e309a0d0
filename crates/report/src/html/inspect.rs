//! The page of one snapshot.

use std::fmt::{self, Write};

use gorphan_model::operation::classify;
use gorphan_model::{Finding, Group, Snapshot, Verdict, symbol};

use super::escape::{Count, Function, Minutes, Num, Position, Share, Text};
use super::finding::{Badge, cards, group_facts, stack};
use super::flame::{Mode, OPERATIONS, Tree, operation_class};
use super::shell::{Page, close_masthead, figure, open_masthead, problems, target_facts};
use super::{FLAME, TABLE};
use crate::{Report, Style, proof, words};

/// Groups in the table; past these a browser's table gets slow, and nobody reads on.
const MAX_ROWS: usize = 2_000;
/// Bytes of markup spent on the stacks inside the table, so that a page stays a few megabytes.
const MAX_STACK_BYTES: usize = 1_500_000;

/// Verdicts as colours.
const VERDICTS: Mode = Mode {
    label: "verdict",
    words: &["normal", "suspect", "growing", "leak"],
};

/// The class of a verdict in [`VERDICTS`].
fn verdict_class(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Normal => 0,
        Verdict::Suspect => 1,
        Verdict::Growing => 2,
        Verdict::Leak => 3,
    }
}

/// Writes the page.
pub(super) fn page(report: &Report<'_>, style: &Style<'_>) -> Result<String, fmt::Error> {
    let mut page = Page::new("inspect", &report.target.name, &[TABLE, FLAME])?;
    let out = &mut page.out;
    masthead(out, report)?;
    problems(out, &report.problems)?;
    cards(out, report.findings, style, |finding| {
        report.groups.iter().find(|group| is_about(finding, group))
    })?;
    flame(report).write(out, "Stacks", "")?;
    table(out, report)?;
    page.finish()
}

/// Whether a finding is about this group.
pub(super) fn is_about(finding: &Finding, group: &Group) -> bool {
    let (place, site) = (&finding.place, &group.site);
    finding.operation == site.operation
        && place.function == site.function
        && place.file == site.file
        && place.line == site.line
}

fn masthead(out: &mut String, report: &Report<'_>) -> fmt::Result {
    let snapshot = report.snapshot;
    let total = snapshot.goroutines();
    open_masthead(out, "inspect", &report.target.name)?;
    out.push_str("<dl class=figures>\n");
    figure(out, total, "goroutines", "")?;
    figure(out, report.groups_total as u64, "groups", "")?;
    let worst = report.findings.iter().map(|finding| finding.verdict).max();
    let class = worst.map_or("normal", Verdict::as_str);
    figure(out, report.findings.len() as u64, "findings", class)?;
    out.push_str("</dl>\n");
    verdict_bar(out, report.groups)?;
    out.push_str("<dl class=target>\n");
    target_facts(out, &report.target)?;
    writeln!(
        out,
        "<div><dt>format</dt><dd>{}</dd></div>\n</dl>",
        snapshot.format.as_str()
    )?;
    for told in proof::summary(snapshot)
        .into_iter()
        .chain(proof::holdings(snapshot))
    {
        writeln!(out, "<p class=note>{}</p>", Text(&told))?;
    }
    if snapshot.truncated {
        out.push_str("<p class=warning>The source ends in the middle: there were more goroutines than are shown here.</p>\n");
    }
    close_masthead(out);
    Ok(())
}

/// How the goroutines of the groups part into verdicts, as a bar and in words.
fn verdict_bar(out: &mut String, groups: &[Group]) -> fmt::Result {
    let mut counts = [0_u64; 4];
    for group in groups {
        if let Some(slot) = counts.get_mut(verdict_class(group.verdict)) {
            *slot = slot.saturating_add(group.count);
        }
    }
    let total = counts
        .iter()
        .fold(0_u64, |sum, count| sum.saturating_add(*count));
    if total == 0 {
        return Ok(());
    }
    let parts = || {
        VERDICTS
            .words
            .iter()
            .zip(counts)
            .rev()
            .filter(|(_, count)| *count > 0)
    };
    out.push_str(
        "<svg class=split width=\"100%\" height=10 role=img aria-label=\"Goroutines by verdict\">",
    );
    let mut x = 0.0;
    for (word, count) in parts() {
        let width = Share(count, total).ratio() * 100.0;
        write!(
            out,
            "<rect class=\"fill-{word}\" x=\"{x:.2}%\" width=\"{width:.2}%\" height=10 />"
        )?;
        x += width;
    }
    out.push_str("</svg>\n<p class=legend>");
    for (word, count) in parts() {
        let share = Share(count, total);
        write!(
            out,
            "<span><i class=\"swatch fill-{word}\"></i>{word} {} <span class=muted>{share}</span></span> ",
            Num(count)
        )?;
    }
    out.push_str("</p>\n");
    Ok(())
}

fn flame(report: &Report<'_>) -> Tree {
    let samples = &report.snapshot.samples;
    // Samples outside every group (cut by the user's own filter) are normal, with the operation that they show.
    let mut classes: Vec<Option<[usize; 2]>> = vec![None; samples.len()];
    for group in report.groups {
        for index in &group.samples {
            if let Some((sample, slot)) = samples.get(*index).zip(classes.get_mut(*index)) {
                *slot = Some([
                    verdict_class(words::verdict_of(sample, group)),
                    operation_class(group.site.operation),
                ]);
            }
        }
    }
    let mut order: Vec<_> = samples.iter().zip(classes).collect();
    order.sort_by_key(|(sample, _)| std::cmp::Reverse(sample.count));
    let mut tree = Tree::new("all goroutines", [VERDICTS, OPERATIONS]);
    for (sample, class) in order {
        let class = class.unwrap_or_else(|| {
            [
                0,
                operation_class(classify(sample.state.as_ref(), &sample.stack)),
            ]
        });
        tree.add(&sample.stack, sample.count, class);
    }
    tree
}

fn table(out: &mut String, report: &Report<'_>) -> fmt::Result {
    out.push_str("<section id=groups><h2>Groups</h2>\n");
    let shown = report.groups.len().min(MAX_ROWS);
    out.push_str("<p class=note>Goroutines that do the same at the same place.");
    if report.groups_total > shown {
        write!(
            out,
            " The first {} of {} are shown.",
            Num(shown as u64),
            Num(report.groups_total as u64)
        )?;
    }
    out.push_str("</p>\n");
    out.push_str(
        "<div class=tools data-filter=group-table hidden></div>\n<div class=scroll><table id=group-table class=groups>\n<thead><tr>\
         <th data-sort=number data-filter=verdict>Verdict</th><th data-sort=number class=r>Count</th>\
         <th data-sort=text data-filter=operation>Operation</th><th data-sort=text class=wide>Where</th>",
    );
    let columns = Columns {
        waits: report.groups.iter().any(|group| group.waits.is_some()),
        creators: report.groups.iter().any(|group| group.created_by.is_some()),
    };
    if columns.waits {
        out.push_str("<th data-sort=number class=\"r wait\">Longest wait</th>");
    }
    if columns.creators {
        out.push_str("<th data-sort=text class=by>Created by</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let mut budget = MAX_STACK_BYTES;
    for group in report.groups.iter().take(MAX_ROWS) {
        row(out, group, report.snapshot, columns, &mut budget)?;
    }
    out.push_str("</tbody></table></div>\n</section>\n");
    Ok(())
}

/// Columns that stand only where the source knows what goes into them.
#[derive(Clone, Copy)]
struct Columns {
    waits: bool,
    creators: bool,
}

fn row(
    out: &mut String,
    group: &Group,
    snapshot: &Snapshot,
    columns: Columns,
    budget: &mut usize,
) -> fmt::Result {
    let site = &group.site;
    let share = Share(group.count, snapshot.goroutines());
    write!(
        out,
        "<tr><td data-label=Verdict data-v={}>{}</td><td class=r data-label=Count data-v={}>{}<svg class=share width=\"100%\" height=3 \
         aria-hidden=true><rect x=\"{:.1}%\" width=\"{:.1}%\" height=3 class=\"fill-{}\" /></svg></td><td data-label=Operation>{}</td>",
        verdict_class(group.verdict),
        Badge(group.verdict),
        group.count,
        Num(group.count),
        100.0 - share.ratio() * 100.0,
        share.ratio() * 100.0,
        group.verdict.as_str(),
        Text(site.operation.as_str()),
    )?;
    write!(
        out,
        "<td data-label=Where data-v=\"{}\">{} {}",
        Text(&site.function),
        Function(&site.function),
        Position(&site.file, site.line)
    )?;
    details(out, group, budget)?;
    out.push_str("</td>");
    if columns.waits {
        wait_cell(out, group)?;
    }
    match group.created_by.as_ref().filter(|_| columns.creators) {
        Some(creator) => write!(
            out,
            "<td data-label=\"Created by\">{} {}</td>",
            Function(&symbol::canonical(&creator.function)),
            Position(&creator.file, creator.line)
        )?,
        None if columns.creators => out.push_str("<td class=none data-label=\"Created by\">–</td>"),
        None => {}
    }
    out.push_str("</tr>\n");
    Ok(())
}

fn wait_cell(out: &mut String, group: &Group) -> fmt::Result {
    match group.waits.as_ref().and_then(gorphan_model::Waits::range) {
        Some((_, 0)) => {
            out.push_str("<td class=r data-label=\"Longest wait\" data-v=0>&lt; 1 min</td>")
        }
        Some((_, max)) => write!(
            out,
            "<td class=r data-label=\"Longest wait\" data-v={max}>{}</td>",
            Minutes(max)
        )?,
        None => out.push_str("<td class=\"r none\" data-label=\"Longest wait\" data-v=-1>–</td>"),
    }
    Ok(())
}

/// The stack and facts of a row, as long as there is room for them.
fn details(out: &mut String, group: &Group, budget: &mut usize) -> fmt::Result {
    let start = out.len();
    write!(
        out,
        "<details><summary>stack <span class=muted>{}</span></summary><dl class=facts>",
        Count(group.stack.frames.len() as u64, "frame")
    )?;
    group_facts(out, group)?;
    out.push_str("</dl>");
    stack(out, &group.stack)?;
    out.push_str("</details>");
    let spent = out.len() - start;
    match budget.checked_sub(spent) {
        Some(left) => *budget = left,
        None => {
            *budget = 0;
            out.truncate(start);
            out.push_str("<p class=note>stack left out to keep the page small</p>");
        }
    }
    Ok(())
}
