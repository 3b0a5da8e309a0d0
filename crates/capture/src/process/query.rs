//! Which goroutines of a memory snapshot a query wants.

use gorphan_model::query::{Candidate, Filter};
use gorphan_model::{Identities, Problem, Sample, Snapshot, Waits};

/// What `filter` lets through. A sample counts its goroutines by wait and by label, each apart from the others; where two
/// such questions each take a part of a sample, how many meet both is not known, and the sample is left out with a problem.
pub(super) fn wanted(snapshot: &Snapshot, filter: &Filter) -> Snapshot {
    let by_state = Filter {
        states: filter.states.clone(),
        ..Filter::default()
    };
    let mut wanted = Snapshot {
        samples: Vec::new(),
        problems: Vec::new(),
        ..snapshot.clone()
    };
    let mut unknown = 0_u64;
    for sample in &snapshot.samples {
        let candidate = Candidate {
            state: sample.state.as_ref(),
            wait_minutes: None,
            labels: &[],
        };
        if !by_state.admits(&candidate) {
            continue;
        }
        match part(sample, filter) {
            Part::None => {}
            Part::All => wanted.samples.push(sample.clone()),
            Part::Some(sample) => wanted.samples.push(*sample),
            Part::Unknown => unknown = unknown.saturating_add(sample.count),
        }
    }
    if unknown > 0 {
        wanted.problems.push(Problem::new(format!(
            "{unknown} goroutines meet one part of the query and are not known to meet the others: ask for waits and labels \
             one at a time"
        )));
    }
    wanted
}

enum Part {
    None,
    All,
    Some(Box<Sample>),
    Unknown,
}

fn part(sample: &Sample, filter: &Filter) -> Part {
    let mut counts = Vec::new();
    let mut waits = None;
    if filter.min_wait_minutes.is_some() || filter.max_wait_minutes.is_some() {
        let min = filter.min_wait_minutes.unwrap_or(0);
        let max = filter.max_wait_minutes.unwrap_or(u32::MAX);
        let mut kept = Waits::default();
        for (minutes, count) in sample.waits.iter().flat_map(Waits::iter) {
            if (min..=max).contains(&minutes) {
                kept.add(minutes, count);
            }
        }
        counts.push(kept.at_least(0));
        waits = Some(kept);
    }
    for (key, value) in &filter.labels {
        let values = sample.labels.iter().find(|(known, _)| known == key);
        counts.push(values.map_or(0, |(_, values)| match value {
            Some(value) => values.counts.get(value).unwrap_or(0),
            None => values.counts.sum().saturating_add(values.others),
        }));
    }
    let fewest = counts.iter().copied().min().unwrap_or(sample.count);
    let partial = counts.iter().filter(|count| **count < sample.count).count();
    match (fewest, partial) {
        (0, _) => Part::None,
        (_, 0) => Part::All,
        (count, 1) => Part::Some(Box::new(Sample {
            count,
            leaked: sample.leaked.min(count),
            waits: waits.or_else(|| sample.waits.clone()),
            // Which of them is not known, only how many.
            identities: Identities {
                known: Vec::new(),
                elided: count,
            },
            ..sample.clone()
        })),
        _ => Part::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use gorphan_model::{Format, Labels, ProfileKind, Stack, State};

    /// Four goroutines: two waited 0 minutes and two 7; one of each for tenant a, the others for b.
    fn snapshot() -> Snapshot {
        let mut waits = Waits::default();
        let mut labels = Labels::default();
        for (minutes, tenant) in [(0, "a"), (0, "b"), (7, "a"), (7, "b")] {
            waits.add(minutes, 1);
            labels.add("tenant", tenant, 1);
        }
        let mut snapshot = Snapshot::new(Format::Memory, ProfileKind::Goroutine);
        snapshot.samples.push(Sample {
            stack: Arc::new(Stack::default()),
            state: Some(State::parse("chan send")),
            count: 4,
            leaked: 0,
            durable: false,
            locked_to_thread: Some(0),
            proof: None,
            labels,
            waits: Some(waits),
            identities: Identities::default(),
        });
        snapshot
    }

    fn check(filter: Filter, goroutines: u64, problems: usize) {
        let wanted = wanted(&snapshot(), &filter);
        assert_eq!(wanted.goroutines(), goroutines, "{filter:?}");
        assert_eq!(wanted.problems.len(), problems, "{filter:?}");
    }

    #[test]
    fn a_part_of_a_sample_is_counted_and_what_cannot_be_is_said() {
        let waited = |min| Filter {
            min_wait_minutes: Some(min),
            ..Filter::default()
        };
        let label = |value: Option<&str>| vec![("tenant".to_owned(), value.map(str::to_owned))];
        check(Filter::default(), 4, 0);
        check(waited(5), 2, 0);
        check(waited(8), 0, 0);
        let labelled = |labels| Filter {
            labels,
            ..Filter::default()
        };
        check(labelled(label(Some("a"))), 2, 0);
        check(labelled(label(None)), 4, 0);
        check(labelled(label(Some("c"))), 0, 0);
        let both = |min, value| Filter {
            labels: label(value),
            ..waited(min)
        };
        check(both(5, None), 2, 0);
        check(both(0, Some("a")), 2, 0);
        check(both(5, Some("a")), 0, 1);
        let state = |word: &str| Filter {
            states: vec![word.into()],
            ..Filter::default()
        };
        check(state("chan send"), 4, 0);
        check(state("select"), 0, 0);
    }
}
