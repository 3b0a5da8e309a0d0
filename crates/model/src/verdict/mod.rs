//! From groups to verdicts and findings.
//!
//! [`judge`] asks each rule of `rules` about each group. What a rule says is evidence; what a policy says can dismiss it.
//! `docs/judgement.md` tells users what the rules are and how their constants were chosen: keep the two in step.

pub mod baseline;
pub mod benign;
mod facts;
pub mod ignore;
mod message;
mod pattern;
mod proof;
mod rules;

#[cfg(test)]
mod tests;

use crate::{Finding, Group, Place, Problem, Snapshot, Verdict, code, symbol};

pub use baseline::Baseline;
pub use ignore::{Date, IgnoreRule};
pub use pattern::pattern;
pub use rules::DEFAULT_THRESHOLD;

use facts::Census;
pub(crate) use facts::is_main;

/// Why a group that would have been a finding is not one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dismissal {
    /// Who dismissed it.
    pub by: DismissedBy,
    /// The reason given there.
    pub reason: String,
}

/// Who dismissed a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DismissedBy {
    /// The list of background goroutines of the standard library and well-known modules.
    Benign,
    /// An `ignore` rule of the configuration.
    Ignored,
    /// The baseline file.
    Baseline,
    /// `--own`: no frame of the own modules.
    NotOwn,
    /// The source: the wait ends by itself.
    Transient,
}

impl DismissedBy {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Benign => "benign",
            Self::Ignored => "ignored",
            Self::Baseline => "baseline",
            Self::NotOwn => "not own code",
            Self::Transient => "ends by itself",
        }
    }
}

/// What the judge goes by; `Default` is what a user without configuration gets.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// LeakProf's threshold, in goroutines; at or over it any channel or sync site is a suspect. `None` is
    /// [`DEFAULT_THRESHOLD`].
    pub threshold: Option<u64>,
    /// Module paths; if any are given only sites with one of these on the stack, or as creator, can be findings.
    /// Package `main` counts as one's own: Go names the program's package so whatever its module.
    pub own: Vec<String>,
    /// What the user does not want to be told of.
    pub ignore: Vec<IgnoreRule>,
    /// What was known before; sites at or under their count there are not findings.
    pub baseline: Option<Baseline>,
    /// The current date, for rules that expire; without it none does.
    pub today: Option<Date>,
    /// `--strict`: a rule without a reason or an expiry date does not apply.
    pub strict: bool,
}

impl Policy {
    /// What is wrong with the policy and worth telling: rules that have expired, that are incomplete under `--strict`,
    /// or that match nothing because they ask for nothing.
    pub fn problems(&self) -> Vec<Problem> {
        let rules = self.ignore.iter();
        rules
            .filter_map(|rule| rule.problem(self.today, self.strict))
            .map(Problem::new)
            .collect()
    }

    /// The policy for what one test left: rules that name other packages or tests do not apply.
    pub fn for_test(&self, package: &str, test: Option<&str>) -> Self {
        let rules = self.ignore.iter();
        let applying = rules.filter_map(|rule| rule.for_test(package, test));
        Self {
            ignore: applying.collect(),
            ..self.clone()
        }
    }

    fn is_own(&self, group: &Group) -> bool {
        let frames = group.stack.frames.iter().chain(&group.created_by);
        self.own.is_empty()
            || frames.map(|frame| &frame.function).any(|name| {
                self.own
                    .iter()
                    .any(|module| symbol::belongs_to(name, module))
            })
    }
}

/// Gives every group its verdict, evidence, dismissal and pattern, and returns the findings, worst first.
///
/// A dismissed group keeps its evidence; its verdict is [`Verdict::Normal`]. Judging again gives the same result:
/// what an earlier call left in the groups is replaced.
pub fn judge(snapshot: &Snapshot, groups: &mut [Group], policy: &Policy) -> Vec<Finding> {
    let census = Census::new(snapshot);
    let baseline = policy.baseline.as_ref().map(|known| known.counts(groups));
    let mut findings = Vec::new();
    for (index, group) in groups.iter_mut().enumerate() {
        let (verdict, evidence) = rules::evidence(&census, group, policy);
        group.verdict = Verdict::Normal;
        group.dismissed = None;
        group.pattern = None;
        group.evidence = evidence;
        if verdict == Verdict::Normal {
            continue;
        }
        group.pattern = pattern(group, snapshot);
        let known = baseline
            .as_ref()
            .and_then(|known| known.get(index)?.clone());
        group.dismissed = dismissal(group, verdict, policy, known);
        if group.dismissed.is_none() {
            group.verdict = verdict;
            findings.push(finding(&census, group));
        }
    }
    sort(&mut findings);
    findings
}

fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (b.verdict, b.count)
            .cmp(&(a.verdict, a.count))
            .then_with(|| (&a.place, a.operation).cmp(&(&b.place, b.operation)))
    });
}

/// The user's word first, then ours. What the runtime itself reports or a proof shows is never called benign.
fn dismissal(
    group: &Group,
    verdict: Verdict,
    policy: &Policy,
    baseline: Option<Dismissal>,
) -> Option<Dismissal> {
    let rules = policy.ignore.iter();
    let mut applying = rules.filter(|rule| rule.applies(policy.today, policy.strict));
    if let Some(rule) = applying.find(|rule| rule.matches(group)) {
        return Some(Dismissal {
            by: DismissedBy::Ignored,
            reason: rule.reason.clone().unwrap_or_default(),
        });
    }
    if !policy.is_own(group) {
        return Some(Dismissal {
            by: DismissedBy::NotOwn,
            reason: format!("no frame of {}", policy.own.join(", ")),
        });
    }
    let benign = (verdict < Verdict::Leak).then(|| benign::reason(group));
    let benign = benign.flatten().map(|reason| Dismissal {
        by: DismissedBy::Benign,
        reason: reason.to_owned(),
    });
    benign.or(baseline)
}

fn finding(census: &Census<'_>, group: &Group) -> Finding {
    let operation = group.site.operation;
    Finding {
        code: code::for_group(group),
        verdict: group.verdict,
        operation,
        place: Place {
            function: group.site.function.clone(),
            file: group.site.file.clone(),
            line: group.site.line,
            column: None,
        },
        count: group.found(),
        retained_bytes: group.retained_bytes,
        message: message::message(census, group),
        help: message::help(group),
        evidence: group.evidence.clone(),
        pattern: group.pattern,
        package: None,
        test: None,
        cause: None,
    }
}

/// Findings for groups that a comparison with an earlier snapshot found to deserve a verdict, unless the policy dismisses
/// them. The groups must already hold the evidence. Sets verdict, pattern and dismissal as [`judge`] does.
pub fn reconsider<'a>(
    snapshot: &Snapshot,
    groups: impl Iterator<Item = (&'a mut Group, Verdict)>,
    policy: &Policy,
) -> Vec<Finding> {
    let census = Census::new(snapshot);
    let mut findings = Vec::new();
    for (group, verdict) in groups {
        group.pattern = pattern(group, snapshot);
        let baseline = policy.baseline.as_ref();
        let known = baseline.and_then(|known| known.counts(std::slice::from_ref(group)).pop()?);
        group.dismissed = dismissal(group, verdict, policy, known);
        group.verdict = match group.dismissed {
            Some(_) => Verdict::Normal,
            None => verdict,
        };
        if group.dismissed.is_none() {
            findings.push(finding(&census, group));
        }
    }
    sort(&mut findings);
    findings
}
