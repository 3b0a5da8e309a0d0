//! One goroutine, as `--why` asks for it.

use std::collections::BTreeMap;

use gorphan_model as model;
use gorphan_model::operation::{classify, site_frame};
use gorphan_model::proof::{Waiting, Why};
use serde::Serialize;

use super::wire;
use super::{VERSION, frame, known, problem, proof, target};
use crate::{TOOL, WhyReport};

/// The document.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    version: u32,
    tool: wire::Tool,
    target: wire::Target<'a>,
    goroutine: Goroutine<'a>,
    problems: Vec<wire::Problem<'a>>,
}

#[derive(Serialize)]
struct Goroutine<'a> {
    id: u64,
    parent: Option<u64>,
    state: Option<&'a str>,
    site: Option<wire::Site<'a>>,
    wait_minutes: Option<wire::WaitMinutes>,
    alike: Option<u64>,
    labels: BTreeMap<&'a str, &'a str>,
    stack: Vec<wire::Frame<'a>>,
    created_by: Option<wire::Frame<'a>>,
    proof: Option<wire::Proof<'a>>,
    objects: Vec<wire::Awaited<'a>>,
    others: Vec<u64>,
    waits: Vec<Edge<'a>>,
    retained: Option<wire::Retained<'a>>,
}

/// One goroutine of the wait-for graph.
#[derive(Serialize)]
struct Edge<'a> {
    goroutine: u64,
    site: Option<wire::Site<'a>>,
    objects: Vec<wire::Awaited<'a>>,
    blames: Vec<wire::Blame<'a>>,
}

pub(super) fn document<'a>(report: &'a WhyReport<'_>) -> Document<'a> {
    let snapshot = report.snapshot;
    let nothing = Goroutine {
        id: report.goroutine.0,
        parent: None,
        state: None,
        site: None,
        wait_minutes: None,
        alike: None,
        labels: BTreeMap::new(),
        stack: Vec::new(),
        created_by: None,
        proof: None,
        objects: Vec::new(),
        others: Vec::new(),
        waits: Vec::new(),
        retained: None,
    };
    let mut goroutine = match report.sample() {
        Some(sample) => of_sample(sample, nothing),
        None => nothing,
    };
    if let Some(why) = report.why {
        goroutine = of_why(why, report, goroutine);
    }
    Document {
        version: VERSION,
        tool: wire::Tool {
            name: TOOL,
            version: env!("CARGO_PKG_VERSION"),
        },
        target: wire::Target {
            format: Some(snapshot.format.as_str()),
            ..target(&report.target)
        },
        goroutine,
        problems: report.problems.iter().map(problem).collect(),
    }
}

fn of_sample<'a>(sample: &'a model::Sample, goroutine: Goroutine<'a>) -> Goroutine<'a> {
    let ids = sample.identities.known.iter();
    let own = ids.clone().find(|one| one.id.0 == goroutine.id);
    let waits = sample.waits.as_ref().and_then(model::Waits::range);
    Goroutine {
        parent: own.and_then(|one| one.parent).map(|parent| parent.0),
        state: sample.state.as_ref().map(model::State::as_str),
        site: site(sample),
        wait_minutes: waits.map(|(min, max)| wire::WaitMinutes { min, max }),
        alike: Some(sample.count.saturating_sub(1)),
        labels: sample.labels.common(sample.count).collect(),
        stack: sample.stack.frames.iter().map(frame).collect(),
        created_by: sample.stack.created_by.as_ref().map(frame),
        ..goroutine
    }
}

fn of_why<'a>(why: &'a Why, report: &'a WhyReport<'_>, goroutine: Goroutine<'a>) -> Goroutine<'a> {
    let edge = |one: &'a Waiting| Edge {
        goroutine: one.goroutine.0,
        site: report.sample_of(one.goroutine).and_then(site),
        objects: one.objects.iter().map(proof::awaited).collect(),
        blames: one.blames.iter().map(proof::blame).collect(),
    };
    Goroutine {
        proof: why.proof.as_ref().map(|it| proof::evidence(1, it)),
        objects: why.objects.iter().map(proof::awaited).collect(),
        others: why.others.iter().map(|id| id.0).collect(),
        waits: why.waits.iter().map(edge).collect(),
        retained: why.retained.as_ref().map(proof::retained),
        ..goroutine
    }
}

/// Its function is as the source names it: a report about many makes it canonical.
fn site(sample: &model::Sample) -> Option<wire::Site<'_>> {
    let at = site_frame(&sample.stack)?;
    Some(wire::Site {
        operation: classify(sample.state.as_ref(), &sample.stack).as_str(),
        function: &at.function,
        file: known(&at.file),
        line: (at.line > 0).then_some(at.line),
    })
}
