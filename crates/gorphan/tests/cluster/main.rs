//! The history asked by way of a Ballista cluster, beside the engine of gorphan itself. `cargo xtask accept cluster`.

#[allow(dead_code)] // not everything of it is needed here
mod nodes;
#[allow(dead_code)] // not everything of it is needed here
#[path = "../support/run.rs"]
mod run;
mod sweeps;

use std::process::Stdio;
use std::sync::mpsc;

use nodes::{Cluster, free_port};
use run::{check_failure, folder, gorphan, text};
use tempfile::TempDir;

/// Questions over every view, in an order that is total.
const QUESTIONS: &[&str] = &[
    "SELECT * FROM sweeps ORDER BY at",
    "SELECT * FROM instances ORDER BY at, service, instance",
    "SELECT * FROM observations ORDER BY at, service, instance, operation, function, file, line",
    "SELECT * FROM points ORDER BY at, service, version, operation, function",
    "SELECT * FROM versions ORDER BY at, service, version",
    "SELECT * FROM failures ORDER BY at, job, instance",
    "SELECT * FROM stacks ORDER BY service, operation, function, file, line, first_seen",
    "SELECT * FROM captures ORDER BY id",
    // Those of docs/history.md, and of the help.
    "SELECT service, function, max(most) AS worst FROM points WHERE at > now() - interval '100000 days'
     GROUP BY 1, 2 ORDER BY worst DESC, 1, 2 LIMIT 3",
    "SELECT service, function, max(most) AS worst FROM points WHERE at > now() - interval '1 minute'
     GROUP BY 1, 2 ORDER BY worst DESC, 1, 2",
    // SHOW TABLES, whose order is by chance.
    "SELECT * FROM information_schema.tables ORDER BY table_schema, table_name",
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
    "SELECT at, services, instances + failures AS targets FROM sweeps ORDER BY at LIMIT 2",
    "SELECT count(*) FROM
       (SELECT at, service, version, operation, function, sum(goroutines) AS n FROM observations GROUP BY 1, 2, 3, 4, 5) o
       FULL JOIN points p USING (at, service, version, operation, function)
     WHERE coalesce(n, 0) <> coalesce(goroutines, 0)",
    "SELECT DISTINCT service FROM observations WHERE at > timestamp '2026-01-01 00:00:00' + interval '1 hour' ORDER BY service",
    "SELECT stack, instance FROM stacks WHERE stack <> '' ORDER BY 2, 1",
    // What else the language has.
    "WITH hours AS (SELECT date_trunc('hour', at) AS hour, service, sum(goroutines) AS n FROM points GROUP BY 1, 2)
     SELECT hour, service, n, n - lag(n) OVER (PARTITION BY service ORDER BY hour) AS more FROM hours ORDER BY 1, 2",
    "SELECT o.function, count(DISTINCT o.instance) AS instances, max(i.goroutines), round(avg(o.goroutines), 6) AS mean
     FROM observations o JOIN instances i ON o.at = i.at AND o.service = i.service AND o.instance = i.instance
     WHERE i.process <> '' GROUP BY 1 ORDER BY mean DESC, 1",
    "SELECT fingerprint, upper(service) || ': ' || substr(function, 13) AS site,
       CASE WHEN sum(leaked) > 0 THEN 'leaks' END AS told FROM observations GROUP BY fingerprint, service, function ORDER BY 1",
    "SELECT service FROM versions WHERE service NOT IN (SELECT service FROM stacks WHERE stack <> '')
     UNION SELECT reason FROM failures ORDER BY 1",
    "SELECT instance, at FROM (SELECT *, row_number() OVER (PARTITION BY instance ORDER BY goroutines DESC, at) AS place
       FROM instances) WHERE place = 1 ORDER BY instance LIMIT 100 OFFSET 1",
    "SELECT 1 + 1 AS two, NULL AS nothing, true AS yes",
    "SELECT * FROM points WHERE false",
];

/// The output of a run that must succeed.
fn answer(folder: &TempDir, arguments: &[&str]) -> String {
    let output = gorphan(folder).args(arguments).output().expect("it runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    text(&output.stdout)
}

/// A history of so many sweeps in a folder.
fn written(folder: &TempDir, name: &str, sweeps: u32) -> String {
    let place = folder.path().join(name);
    let place = place.to_str().expect("a text").to_owned();
    sweeps::write(&place, sweeps);
    place
}

#[test]
fn both_engines_answer_alike() {
    let folder = folder();
    let place = written(&folder, "it's a 50% history", 30);
    let small = written(&folder, "small", 1);
    let cluster = Cluster::start(folder.path(), 2);
    let engine = cluster.engine();
    compare(&folder, &place, &engine);
    kinds_without_rows(&folder, &small, &engine);
    let site = ["history", "--history", &place, "--service", "cart"];
    for format in ["terminal", "json", "csv"] {
        let arguments = [&site[..], &["--format", format, "shop.f0"]].concat();
        let local = answer(&folder, &arguments);
        let with_engine = [&arguments[..], &["--engine", &engine]].concat();
        assert_eq!(answer(&folder, &with_engine), local, "{format}");
    }
    limits(&folder, &place, &engine);
}

/// Holds that every question has the same answer from both engines.
fn compare(folder: &TempDir, place: &str, engine: &str) {
    for question in QUESTIONS {
        let arguments = ["query", "--format", "csv", "--history", place, question];
        let local = answer(folder, &arguments);
        let with_engine = [&arguments[..], &["--engine", engine, "--timeout", "5m"]].concat();
        assert_eq!(answer(folder, &with_engine), local, "{question}");
        assert!(local.lines().count() > 0, "{question}");
    }
}

/// Holds that a history without failures and captures is asked, or the question refused: never that it is waited for.
fn kinds_without_rows(folder: &TempDir, place: &str, engine: &str) {
    let query = ["query", "--history", place, "--format", "csv"];
    let engine = ["--engine", engine, "--timeout", "5m"];
    for question in [
        "SELECT * FROM failures ORDER BY at, job, instance",
        "SELECT count(*), max(reason) FROM failures",
        "SELECT what, count(*) FROM captures GROUP BY 1 ORDER BY 1",
        "SELECT service FROM versions UNION SELECT function FROM points ORDER BY 1",
    ] {
        let arguments = [&query[..], &[question]].concat();
        let with_engine = [&arguments[..], &engine].concat();
        assert_eq!(
            answer(folder, &with_engine),
            answer(folder, &arguments),
            "{question}"
        );
    }
    for question in [
        "SELECT service FROM versions UNION SELECT reason FROM failures ORDER BY 1",
        "SELECT * FROM sweeps s LEFT JOIN failures f ON s.at = f.at",
        "SELECT * FROM sweeps WHERE at NOT IN (SELECT at FROM failures)",
    ] {
        let mut command = gorphan(folder);
        command.args(query).arg(question).args(engine);
        check_failure(
            &mut command,
            &["cannot put a view that has no rows together"],
        );
    }
}

/// Holds that limits of rows and of statements are the same with a cluster.
fn limits(folder: &TempDir, place: &str, engine: &str) {
    let query = |rest: &[&str]| {
        let mut command = gorphan(folder);
        command.args(["query", "--history", place, "--engine", engine]);
        command.args(rest);
        command
    };
    let rows = [
        "--max-rows",
        "3",
        "--format",
        "csv",
        "SELECT at FROM observations ORDER BY at",
    ];
    let output = query(&rows).output().expect("it runs");
    assert_eq!(text(&output.stdout).lines().count(), 4, "{output:?}");
    for (question, expected) in [
        ("DROP TABLE points", "DDL not supported"),
        (
            "SET datafusion.execution.batch_size = 1",
            "Statement not supported",
        ),
        (
            "INSERT INTO points SELECT * FROM points",
            "DML not supported",
        ),
        ("SELECT * FROM '/etc/passwd'", "not found"),
        ("SELECT nothing FROM points", "nothing"),
        (
            "SELECT at FROM sweeps ORDER BY at OFFSET 1",
            "beside a LIMIT",
        ),
        (
            "SELECT (SELECT at FROM sweeps ORDER BY at LIMIT 9223372036854775807 OFFSET 29) AS last",
            "beside a LIMIT",
        ),
    ] {
        check_failure(
            &mut query(&[question]),
            &["cannot answer the query", expected],
        );
    }
    let large = "SELECT repeat('x', 1000) FROM observations a, observations b LIMIT 100000";
    check_failure(
        &mut query(&["--max-rows", "1000000", large]),
        &["its answer has more than 67108864 bytes"],
    );
}

/// Two executors of one core each are in the middle of a task each when one of them is killed, which has done another before.
#[test]
fn an_executor_is_killed_in_mid_query() {
    let folder = folder();
    let place = written(&folder, "history", 30);
    // Every pair of observations of a service: a minute of work, and whole numbers alone.
    let question = "SELECT a.service, a.operation, a.function, count(*) AS pairs, sum((a.goroutines * b.goroutines) % 7) AS sum
       FROM observations a JOIN observations b ON a.service = b.service JOIN observations c ON b.service = c.service AND b.at = c.at
       WHERE a.line + b.line <> c.goroutines GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";
    let arguments = [
        "query",
        "--format",
        "csv",
        "--timeout",
        "10m",
        "--history",
        &place,
        question,
    ];
    let expected = answer(&folder, &arguments);
    assert!(expected.lines().count() > 6, "{expected}");
    let mut cluster = Cluster::start(folder.path(), 2);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gorphan"));
    command
        .args(arguments)
        .args(["--engine", &cluster.engine()]);
    let client = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let client = client.expect("it runs");
    let (tell, told) = mpsc::channel();
    let waiting = std::thread::spawn(move || tell.send(client.wait_with_output()));
    let (job, killed) = cluster.wait("both executors are at work", || {
        assert!(told.try_recv().is_err(), "it ended before one was killed");
        let job = cluster.running_job(2)?;
        let mut all = cluster.executors.iter();
        let worked = all.position(|one| one.has_worked_for(&job))?;
        Some((job, worked))
    });
    cluster.executors[killed].node.kill();
    assert!(told.try_recv().is_err(), "it ended before one was killed");
    let output = told.recv_timeout(nodes::PATIENCE * 2).expect("in time");
    let output = output.expect("it ran");
    waiting.join().expect("joined").expect("told");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), expected, "job {job}");
}

#[test]
fn what_cannot_be_asked_is_told() {
    let folder = folder();
    let place = written(&folder, "history", 1);
    let nobody = format!("ballista://127.0.0.1:{}", free_port());
    let question = "SELECT * FROM sweeps ORDER BY at";
    for arguments in [["query", question], ["history", "shop.f0"]] {
        let mut command = gorphan(&folder);
        command
            .args(arguments)
            .args(["--history", &place, "--engine", &nobody]);
        check_failure(
            &mut command,
            &[
                "cannot reach the scheduler",
                &nobody,
                "refused",
                "ballista-scheduler",
            ],
        );
    }
    let mut command = gorphan(&folder);
    command.args([
        "query",
        question,
        "--history",
        "gs://bucket/a",
        "--engine",
        &nobody,
    ]);
    check_failure(&mut command, &["gs://bucket/a", "folders and s3:// alone"]);
    // Nobody does what the scheduler has taken.
    let cluster = Cluster::start(folder.path(), 0);
    let mut command = gorphan(&folder);
    command.args(["query", question, "--history", &place, "--timeout", "1s"]);
    command.args(["--engine", &cluster.engine()]);
    check_failure(&mut command, &["takes longer than 1 seconds"]);
}

/// Run by `cargo xtask accept cluster`; scheduler and executors have what reaches the store in their environment.
#[test]
#[ignore = "needs a server that speaks S3"]
fn a_history_in_an_object_store_is_asked() {
    let place = std::env::var("GORPHAN_ACCEPT_S3").expect("an address");
    let folder = folder();
    sweeps::write(&place, 12);
    let cluster = Cluster::start(folder.path(), 2);
    compare(&folder, &place, &cluster.engine());
}
