//! What waits for ever must be found, and what odd things hold must not be reported: every scene in both forms. The bytes that
//! leaks retain must be exact.

use std::path::{Path, PathBuf};

use crate::expectations::{Expected, differences};
use crate::go::Go;
use crate::play::{Kind, Play, scenes};
use crate::seen::{Reading, Seen};
use crate::{conclude, jobs};

const PACKAGES: [&str; 5] = ["twins", "sizes", "cgo", "plugged", "arenas"];

/// One form of one scene.
pub(crate) struct Form {
    pub(crate) program: PathBuf,
    pub(crate) scene: String,
    /// `held`, `free`, or nothing for a scene without twin.
    pub(crate) form: Option<&'static str>,
}

impl Form {
    pub(crate) fn words(&self) -> Vec<&str> {
        let mut words = vec![self.scene.as_str()];
        words.extend(self.form);
        words
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.program.display(), self.words().join(" "))
    }
}

/// All forms of the scenes of a program whose leaks are counted; those that only keep busy are left to `innocent`.
pub(crate) fn forms(program: &Path) -> Result<Vec<Form>, String> {
    let mut forms = Vec::new();
    for (scene, kind) in scenes(program)? {
        let both: &[Option<&str>] = match kind {
            Kind::Busy => &[],
            Kind::Leak => &[None],
            Kind::Twin => &[Some("held"), Some("free")],
        };
        forms.extend(both.iter().map(|form| Form {
            program: program.to_owned(),
            scene: scene.clone(),
            form: *form,
        }));
    }
    Ok(forms)
}

fn check(form: &Form) -> Vec<String> {
    let compare = || -> Result<Vec<String>, String> {
        let (play, expected) = Play::scene(&form.program, &form.words())?;
        let seen = Seen::process(play.pid(), Reading::Copy)?;
        play.end()?;
        Ok(differences(&expected, &seen))
    };
    let complaints = compare().unwrap_or_else(|error| vec![error]);
    let name = form.name();
    let named = complaints.into_iter().map(|it| format!("{name}: {it}"));
    named.collect()
}

/// Checks scenes, and says how many leaks were to be found.
fn check_all(forms: &[Form]) -> Vec<String> {
    jobs::each(forms, check).into_iter().flatten().collect()
}

/// The programs of a version, and what could not be built.
pub(crate) fn programs(go: &Go, packages: &[&str]) -> (Vec<PathBuf>, Vec<String>) {
    let mut complaints = Vec::new();
    let mut programs = Vec::new();
    for package in go.packages(packages) {
        if package == "plugged"
            && let Err(error) = go.plugin()
        {
            complaints.push(error);
            continue;
        }
        match go.fixture(package) {
            Ok(program) => programs.push(program),
            Err(error) => complaints.push(error),
        }
    }
    (programs, complaints)
}

fn check_packages(go: &Go, packages: &[&str]) -> Vec<String> {
    let (programs, mut complaints) = programs(go, packages);
    let mut all = Vec::new();
    for program in programs {
        match forms(&program) {
            Ok(forms) => all.extend(forms),
            Err(error) => complaints.push(error),
        }
    }
    let found = check_all(&all);
    println!(
        "go{}: {} forms of scenes, {} complaints",
        go.version,
        all.len(),
        found.len() + complaints.len()
    );
    complaints.extend(found);
    complaints
}

#[test]
fn what_leaks_is_found_and_what_is_held_is_not() {
    conclude(&check_packages(&Go::on_path(), &["twins"]));
}

#[test]
fn retained_bytes_are_exact() {
    conclude(&check_packages(&Go::on_path(), &["sizes"]));
}

#[test]
#[ignore = "minutes: cargo xtask accept twins"]
fn full_twins() {
    let complaints = Go::chosen()
        .iter()
        .flat_map(|go| check_packages(go, &PACKAGES))
        .collect::<Vec<_>>();
    conclude(&complaints);
}

#[test]
fn the_expectations_tell_right_from_wrong() {
    let group = |function: &str, leaked: u64, heap| crate::seen::Group {
        functions: vec!["runtime.gopark".to_owned(), function.to_owned()],
        operation: "chan send".to_owned(),
        state: "chan send".to_owned(),
        verdict: "leak".to_owned(),
        ids: vec![7],
        leaked,
        held: 0,
        undecided: 0,
        remarks: Vec::new(),
        heap: Some(heap),
        stack: Some(2048 * leaked),
    };
    let seen = |groups| Seen {
        groups,
        problems: Vec::new(),
    };
    let expected = [Expected::parse("leak 2\tchan send\tworker\t96").expect("a leak")];
    let check = |groups| differences(&expected, &seen(groups)).len();
    assert_eq!(check(vec![group("main.worker.func1", 2, 96)]), 0);
    assert_eq!(
        check(vec![
            group("main.worker", 1, 48),
            group("main.worker", 1, 48)
        ]),
        0
    );
    assert_eq!(check(vec![group("main.worker", 1, 96)]), 1);
    assert_eq!(check(vec![group("main.worker", 2, 95)]), 1);
    assert_eq!(
        check(vec![
            group("main.worker", 2, 96),
            group("main.workers", 1, 0)
        ]),
        1
    );
    assert_eq!(check(vec![group("main.workers", 2, 96)]), 2);
    assert_eq!(check(Vec::new()), 1);
    assert!(Expected::parse("ready").is_err());
}
