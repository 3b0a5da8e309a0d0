//! Core files give the same verdicts as the process they were taken of, and what is missing from them is never a leak.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::expectations::{Expected, UNEXPECTED, differences};
use crate::go::Go;
use crate::play::Play;
use crate::seen::Seen;
use crate::twins::{Form, forms, programs};
use crate::{conclude, jobs};

/// Scenes that the short test takes cores of.
const SHORT: [&str; 2] = ["every-lock", "held-by-sleeper"];
/// Scenes of which the long test cuts the cores.
const CUT: [&str; 3] = ["every-lock", "held-by-wide-type", "many"];
/// What is left of a core, in percent.
const LEFT: [u64; 12] = [99, 97, 90, 80, 70, 60, 50, 40, 30, 20, 10, 2];

/// Has gdb write a core.
fn by_gdb(pid: u32, folder: &Path) -> Result<PathBuf, String> {
    let prefix = folder.join("gdb");
    let mut command = Command::new("gcore");
    command.arg("-o").arg(&prefix).arg(pid.to_string());
    let output = command
        .output()
        .map_err(|error| format!("gcore: {error}"))?;
    let core = folder.join(format!("gdb.{pid}"));
    if core.is_file() {
        return Ok(core);
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Whether the kernel writes cores as files beside the program; where they go to another program they cannot be had.
fn kernel_writes_cores() -> bool {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    pattern.trim() == "core"
}

/// Plays a scene so that it dumps its core in `folder` once it is sent SIGQUIT.
fn play_to_crash(form: &Form, folder: &Path) -> Result<(Play, Vec<Expected>), String> {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh"]);
    command.arg(&form.program).arg("play").args(form.words());
    command.env("GOTRACEBACK", "crash").env("GOMAXPROCS", "4");
    command.env("PLUGIN", form.program.with_file_name("plug.so"));
    Play::scene_of(command.current_dir(folder))
}

fn by_kernel(play: Play, folder: &Path) -> Result<PathBuf, String> {
    let pid = play.pid();
    let sent = Command::new("kill")
        .args(["-QUIT", &pid.to_string()])
        .status();
    sent.map_err(|error| error.to_string())?;
    play.wait()?;
    // With or without the number of the process: the kernel has a switch for it.
    let names = ["core".to_owned(), format!("core.{pid}")];
    let found = names.iter().map(|name| folder.join(name));
    found
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| "the kernel wrote no core".to_owned())
}

fn inspect(core: &Path, program: &Path) -> Result<Seen, String> {
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    Seen::inspect(&[&text(core), "--exe", &text(program)])
}

/// The verdicts of both kinds of cores.
fn check(form: &Form, cut: bool) -> Result<Vec<String>, String> {
    let folder = TempDir::new().map_err(|error| error.to_string())?;
    let (play, expected) = play_to_crash(form, folder.path())?;
    let mut complaints = Vec::new();
    let mut judge = |kind: &str, core: &Path| {
        let found = inspect(core, &form.program).map(|seen| differences(&expected, &seen));
        let mut found = found.unwrap_or_else(|error| vec![error]);
        // The kernel leaves out what is in a plugin's file as well: nothing may be decided then, and nothing wrongly.
        if kind == "crash" && form.program.ends_with("plugged") {
            found.retain(|difference| difference.starts_with(UNEXPECTED));
        }
        complaints.extend(found.into_iter().map(|it| format!("{kind}: {it}")));
    };
    let core = by_gdb(play.pid(), folder.path())?;
    judge("gcore", &core);
    if !kernel_writes_cores() {
        drop(play);
    } else {
        let core = by_kernel(play, folder.path())?;
        judge("crash", &core);
        if cut {
            complaints.extend(check_cut(&core, form)?);
        }
    }
    if cut {
        complaints.extend(check_cut(&core, form)?);
    }
    Ok(complaints)
}

/// Cuts a core shorter and shorter: of what is left, nothing may be called a leak.
fn check_cut(core: &Path, form: &Form) -> Result<Vec<String>, String> {
    let io = |error: std::io::Error| error.to_string();
    let whole = fs::metadata(core).map_err(io)?.len();
    let mut complaints = Vec::new();
    for percent in LEFT {
        let file = fs::OpenOptions::new().write(true).open(core).map_err(io)?;
        file.set_len(whole * percent / 100).map_err(io)?;
        // An error is as good as an undecided report.
        let Ok(seen) = inspect(core, &form.program) else {
            continue;
        };
        let leaks = seen
            .leaks()
            .map(|group| format!("{percent} % of {}: {}", core.display(), group.summary()));
        complaints.extend(leaks);
        if seen.problems.is_empty() {
            complaints.push(format!("{percent} % of {} is no problem", core.display()));
        }
    }
    Ok(complaints)
}

fn check_all(forms: &[Form], cut: &[&str]) -> Vec<String> {
    let found = jobs::each(forms, |form| {
        let found = check(form, cut.contains(&form.scene.as_str()));
        let found = found.unwrap_or_else(|error| vec![error]);
        let name = form.name();
        found
            .into_iter()
            .map(|it| format!("{name}: {it}"))
            .collect::<Vec<_>>()
    });
    found.into_iter().flatten().collect()
}

fn check_version(
    go: &Go,
    packages: &[&str],
    wanted: impl Fn(&str) -> bool,
    cut: &[&str],
) -> Vec<String> {
    let (programs, mut complaints) = programs(go, packages);
    let mut all = Vec::new();
    for program in programs {
        match forms(&program) {
            Ok(forms) => all.extend(forms.into_iter().filter(|form| wanted(&form.scene))),
            Err(error) => complaints.push(error),
        }
    }
    complaints.extend(check_all(&all, cut));
    println!(
        "go{}: {} forms of scenes by gcore{}, {} complaints",
        go.version,
        all.len(),
        if kernel_writes_cores() {
            " and by the kernel"
        } else {
            "; the kernel gives its cores to a program"
        },
        complaints.len()
    );
    complaints
}

#[test]
fn cores_give_the_verdicts_of_the_process() {
    // gdb is not on every machine.
    if Command::new("gcore").arg("-h").output().is_err() {
        println!("gcore is not here: cores of gdb are not tried");
        return;
    }
    let wanted = |scene: &str| SHORT.contains(&scene);
    conclude(&check_version(&Go::on_path(), &["twins"], wanted, &[]));
}

#[test]
#[ignore = "minutes, needs gcore: cargo xtask accept cores"]
fn full_cores() {
    let complaints: Vec<String> = Go::chosen()
        .iter()
        .flat_map(|go| check_version(go, &["twins", "sizes", "cgo", "plugged"], |_| true, &CUT))
        .collect();
    conclude(&complaints);
}
