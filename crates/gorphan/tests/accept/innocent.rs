//! Programs that leak nothing but a canary, looked at over and over while they do what is hard to see from outside.

use std::path::PathBuf;

use crate::expectations::Expected;
use crate::go::Go;
use crate::play::{Kind, Play, scenes};
use crate::seen::{Group, Reading, Seen};
use crate::twins::programs;
use crate::{conclude, jobs};

/// How many snapshots to take over all versions and scenes.
const SNAPSHOTS: &str = "GORPHAN_ACCEPT_SNAPSHOTS";
/// As the issue of proofs demands.
const DEFAULT_SNAPSHOTS: usize = 2000;
/// Scenes, one after the other, that the short test looks at.
const SHORT: [&str; 10] = [
    "broadcast",
    "cleanups",
    "close-many",
    "collector",
    "defers",
    "own-finalizer",
    "panics",
    "pull",
    "stacks",
    "timers",
];
/// Snapshots that the short test takes of each.
const SHORT_SNAPSHOTS: usize = 3;

struct Job {
    version: String,
    program: PathBuf,
    scene: String,
    snapshots: usize,
}

/// What the snapshots of a scene showed.
#[derive(Debug, Default)]
struct Tally {
    snapshots: usize,
    /// Snapshots in which the canary was found, and so something was decided.
    decided: usize,
    /// Snapshots that were refused.
    refused: usize,
    complaints: Vec<String>,
    /// Why canaries were not found, or snapshots refused.
    doubts: Vec<String>,
}

fn look(play: &Play, expected: &[Expected], name: &str, way: Reading, tally: &mut Tally) {
    let seen = match Seen::process(play.pid(), way) {
        Ok(seen) => seen,
        Err(error) => {
            tally.refused += 1;
            tally.doubts.push(format!("{name}: refused: {error}"));
            return;
        }
    };
    tally.snapshots += 1;
    assert!(
        expected.iter().all(Expected::is_canary),
        "{name} expects more"
    );
    let is_canary = |group: &&Group| {
        group
            .functions
            .iter()
            .any(|it| it.ends_with("stage.canary"))
    };
    for leak in seen.leaks().filter(|group| !is_canary(group)) {
        tally.complaints.push(format!("{name}: {}", leak.summary()));
    }
    if seen.leaks().any(|group| is_canary(&group)) {
        tally.decided += 1;
    } else {
        let canary = seen.groups.iter().find(is_canary);
        let canary = canary.map(Group::summary).unwrap_or_default();
        tally
            .doubts
            .push(format!("{name}: {canary}; {}", seen.doubts()));
    }
}

fn watch(job: &Job) -> Tally {
    let mut tally = Tally::default();
    let name = format!("go{} {}", job.version, job.scene);
    let mut watch = || -> Result<(), String> {
        let (play, expected) = Play::scene(&job.program, &[&job.scene])?;
        for turn in 0..job.snapshots {
            let way = [Reading::Copy, Reading::Twin][turn % 2];
            look(&play, &expected, &name, way, &mut tally);
        }
        play.end()
    };
    if let Err(error) = watch() {
        tally.complaints.push(format!("{name}: {error}"));
    }
    tally
}

/// Looks at scenes, and says what was seen.
fn watch_all(jobs: &[Job]) -> Vec<String> {
    let tallies = jobs::each(jobs, watch);
    let mut complaints = Vec::new();
    let mut versions: Vec<&String> = jobs.iter().map(|job| &job.version).collect();
    versions.dedup();
    for version in versions {
        let of_version = || {
            jobs.iter()
                .zip(&tallies)
                .filter(|(job, _)| &job.version == version)
        };
        let sum =
            |count: fn(&Tally) -> usize| of_version().map(|(_, tally)| count(tally)).sum::<usize>();
        println!(
            "go{version}: {} scenes, {} snapshots, {} false positives and failures, canary found in {}, {} refused",
            of_version().count(),
            sum(|tally| tally.snapshots),
            sum(|tally| tally.complaints.len()),
            sum(|tally| tally.decided),
            sum(|tally| tally.refused),
        );
    }
    for tally in tallies {
        for doubt in tally.doubts {
            println!("  undecided: {doubt}");
        }
        complaints.extend(tally.complaints);
    }
    complaints
}

/// The scenes of a version in which nothing leaks.
fn innocents(go: &Go, packages: &[&str], complaints: &mut Vec<String>) -> Vec<(PathBuf, String)> {
    let (programs, failed) = programs(go, packages);
    complaints.extend(failed);
    let mut found = Vec::new();
    for program in programs {
        match scenes(&program) {
            Ok(list) => found.extend(
                list.into_iter()
                    .filter(|(_, kind)| *kind == Kind::Busy)
                    .map(|(name, _)| (program.clone(), name)),
            ),
            Err(error) => complaints.push(error),
        }
    }
    found
}

#[test]
fn busy_programs_are_not_suspected() {
    let go = Go::on_path();
    let mut complaints = Vec::new();
    let all = innocents(&go, &["innocent"], &mut complaints);
    let short = all
        .into_iter()
        .filter(|(_, scene)| SHORT.contains(&scene.as_str()));
    let jobs: Vec<Job> = short
        .map(|(program, scene)| Job {
            version: go.version.clone(),
            program,
            scene,
            snapshots: SHORT_SNAPSHOTS,
        })
        .collect();
    complaints.extend(watch_all(&jobs));
    conclude(&complaints);
}

#[test]
#[ignore = "minutes: cargo xtask accept adversarial"]
fn full_adversarial() {
    let wanted = std::env::var(SNAPSHOTS).ok().filter(|it| !it.is_empty());
    let wanted = wanted.map_or(DEFAULT_SNAPSHOTS, |it| it.parse().expect("a number"));
    let mut complaints = Vec::new();
    let mut jobs = Vec::new();
    for go in Go::chosen() {
        let found = innocents(
            &go,
            &["innocent", "cgo", "plugged", "arenas"],
            &mut complaints,
        );
        jobs.extend(found.into_iter().map(|(program, scene)| Job {
            version: go.version.clone(),
            program,
            scene,
            snapshots: 0,
        }));
    }
    let each = wanted.div_ceil(jobs.len().max(1));
    for job in &mut jobs {
        job.snapshots = each;
    }
    complaints.extend(watch_all(&jobs));
    conclude(&complaints);
}
