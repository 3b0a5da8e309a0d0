//! `cargo xtask bench gate`: what `gorphan test` costs, beside `go test` alone and beside goleak added by hand.
//!
//! Runs take turns. Printed are medians, and the median of the ratios of neighbouring runs, which a busy machine troubles
//! least.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Outcome, SHIPPED, SHIPPED_FOLDER, WITHOUT_FLEET, output, run};

/// Rounds; in each, every way has its turn.
const ROUNDS: usize = 7;
/// Attempts at a run whose tests pass.
const ATTEMPTS: u32 = 5;
/// Clock ticks a second, in which Linux tells processors' time (`USER_HZ`).
const TICKS: f64 = 100.0;
/// Tests of the module that is also run with goleak, each with a server and a client.
const TESTS: usize = 200;

/// Seconds of one run: by the clock, and of all processors.
#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: f64,
    processor: f64,
}

/// A way to run tests.
struct Way {
    name: &'static str,
    program: String,
    arguments: Vec<&'static str>,
}

/// Runs all; `given` is a gorphan that is built already.
pub(crate) fn run_all(root: &Path, given: Option<&str>) -> Outcome {
    let gorphan = match given {
        Some(given) => given.to_owned(),
        None => {
            let mut cargo = Command::new("cargo");
            cargo.args(SHIPPED);
            cargo.args(["--package", "gorphan", WITHOUT_FLEET]);
            run(cargo.current_dir(root))?;
            root.join(SHIPPED_FOLDER)
                .join("gorphan")
                .display()
                .to_string()
        }
    };
    let folder = root.join("target/bench/gate");
    write_module(&folder)?;
    println!("load: {}", load());
    let go = |name, arguments: &[&'static str]| Way {
        name,
        program: "go".to_owned(),
        arguments: arguments.to_vec(),
    };
    let ours = |arguments: &[&'static str]| Way {
        name: "gorphan test",
        program: gorphan.clone(),
        arguments: arguments.to_vec(),
    };
    compare(
        "net/http",
        // In no module: the Go version of a module changes how tests of the standard library behave.
        &root.join("target/bench"),
        &[
            go("go test", &["test", "net/http", "-count=1", "-short"]),
            ours(&[
                "test",
                "--no-self-check",
                "net/http",
                "--",
                "-count=1",
                "-short",
            ]),
        ],
    )?;
    compare(
        "200 tests with a server and a client each",
        &folder,
        &[
            go("go test", &["test", "./plain", "-count=1"]),
            ours(&["test", "--no-self-check", "./plain", "--", "-count=1"]),
            go("goleak, by VerifyTestMain", &["test", "./main", "-count=1"]),
            go(
                "goleak, by VerifyNone in each test",
                &["test", "./each", "-count=1"],
            ),
        ],
    )?;
    println!("load: {}", load());
    Ok(())
}

/// The same tests alone, and with goleak once for all and once in each.
fn write_module(folder: &Path) -> Outcome {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(failed)?;
    fs::write(
        folder.join("go.mod"),
        "module example.com/bench\n\ngo 1.21\n",
    )
    .map_err(failed)?;
    for (name, main, each) in [
        ("plain", "", ""),
        (
            "main",
            "func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }\n",
            "",
        ),
        ("each", "", "\tdefer goleak.VerifyNone(t)\n"),
    ] {
        let leak = if name == "plain" {
            ""
        } else {
            "\t\"go.uber.org/goleak\"\n"
        };
        let mut text = format!(
            "package {name}\n\nimport (\n\t\"io\"\n\t\"net/http\"\n\t\"net/http/httptest\"\n\t\"testing\"\n{leak})\n\n{main}"
        );
        text += "
func serve(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer server.Close()
	client := server.Client()
	defer client.CloseIdleConnections()
	for i := 0; i < 10; i++ {
		answer, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}
";
        for number in 0..TESTS {
            text += &format!("\nfunc Test{number}(t *testing.T) {{\n{each}\tserve(t)\n}}\n");
        }
        let package = folder.join(name);
        fs::create_dir_all(&package).map_err(failed)?;
        fs::write(package.join("a_test.go"), text).map_err(failed)?;
    }
    let mut get = Command::new("go");
    get.args(["get", "go.uber.org/goleak@v1.3.0"]);
    output(get.current_dir(folder)).map(drop)
}

/// Runs ways in turn, and prints a table; the first is what the others are held against.
fn compare(what: &str, folder: &Path, ways: &[Way]) -> Outcome {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); ways.len()];
    // The first round compiles.
    for round in 0..=ROUNDS {
        for (way, costs) in ways.iter().zip(&mut costs) {
            let cost = way.passes(folder)?;
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    println!(
        "\n| {what} | wall | processor | wall, of alone | processor, of alone |\n|---|---|---|---|---|"
    );
    let alone = costs.first().cloned().unwrap_or_default();
    for (way, costs) in ways.iter().zip(&costs) {
        let middle = |pick: fn(&Cost) -> f64| median(costs.iter().map(pick).collect());
        let ratio = |pick: fn(&Cost) -> f64| {
            let pairs = costs.iter().zip(&alone);
            median(
                pairs
                    .map(|(ours, alone)| pick(ours) / pick(alone))
                    .collect(),
            )
        };
        println!(
            "| {} | {:.2} s | {:.2} s | {:.3} | {:.3} |",
            way.name,
            middle(|cost| cost.wall),
            middle(|cost| cost.processor),
            ratio(|cost| cost.wall),
            ratio(|cost| cost.processor),
        );
    }
    Ok(())
}

impl Way {
    /// Runs it until the tests pass: some of net/http depend on time, and fail on a busy machine.
    fn passes(&self, folder: &Path) -> Result<Cost, String> {
        for _ in 1..ATTEMPTS {
            match self.run(folder) {
                Ok(cost) => return Ok(cost),
                Err(why) => eprintln!("again, because {why}"),
            }
        }
        self.run(folder)
    }

    fn run(&self, folder: &Path) -> Result<Cost, String> {
        let before = ended_children()?;
        let since = Instant::now();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(folder);
        command.envs([("GOFLAGS", ""), ("GOTOOLCHAIN", "local"), ("GOWORK", "off")]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let status = status.map_err(|error| format!("cannot run {}: {error}", self.program))?;
        if !status.success() {
            return Err(format!("{} {:?}: {status}", self.program, self.arguments));
        }
        Ok(Cost {
            wall: since.elapsed().as_secs_f64(),
            processor: ended_children()? - before,
        })
    }
}

/// Seconds of processors that all children which were waited for have used, their own included (`cutime`, `cstime`).
fn ended_children() -> Result<f64, String> {
    let text = fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string())?;
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(13).take(2);
    let ticks: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS)
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
