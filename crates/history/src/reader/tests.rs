use std::fmt::Write;

use super::*;
use crate::testing::{Chance, sweep};
use crate::{Capture, History, Memory, Options, Store, Value};

/// The beginning of a day, some time ago.
const START: i64 = 1_767_225_600;

/// A folder with eight sweeps in three hours, and what they mean.
fn history() -> (tempfile::TempDir, Store, Memory) {
    let folder = tempfile::tempdir().expect("a folder");
    // A name that must be quoted wherever it is written.
    let location = Location::Folder(folder.path().join("it's a 50% history"));
    let mut store = Store::open(&location, Options::default()).expect("opened");
    let (mut memory, mut chance) = (Memory::default(), Chance(21));
    for number in 0..8 {
        let record = sweep(START + number * 1200, &mut chance);
        store.append(&record).expect("stored");
        let Ok(_) = memory.append(&record);
    }
    (folder, store, memory)
}

/// An answer as lines of values with a blank between.
fn shown(table: &Table) -> String {
    let mut text = table.columns.join(" ") + "\n";
    for row in &table.rows {
        let values: Vec<String> = row
            .iter()
            .map(|value| match value {
                Value::Null => "-".to_owned(),
                Value::Flag(flag) => flag.to_string(),
                Value::Number(number) => number.to_string(),
                Value::Count(count) => count.to_string(),
                Value::Real(real) => format!("{real:.1}"),
                Value::Time(millis) => format!("+{}s", millis / 1000 - START),
                Value::Text(text) => text.clone(),
            })
            .collect();
        writeln!(text, "{}", values.join(" ")).expect("written");
    }
    text
}

#[test]
fn questions_over_the_views() {
    let (_folder, store, _) = history();
    let reader = store.reader().expect("a reader");
    let ask = |sql: &str| shown(&reader.query(sql, Limits::default()).expect(sql));
    assert_eq!(
        ask("SELECT at, services, instances + failures AS targets FROM sweeps ORDER BY at LIMIT 2"),
        "at services targets\n+0s 2 8\n+1200s 2 8\n"
    );
    // Points are the sums of observations.
    let both = "SELECT count(*) FROM \
        (SELECT at, service, version, operation, function, sum(goroutines) AS n FROM observations GROUP BY 1, 2, 3, 4, 5) o \
        FULL JOIN points p USING (at, service, version, operation, function) \
        WHERE coalesce(n, 0) <> coalesce(goroutines, 0)";
    assert_eq!(ask(both), "count(*)\n0\n");
    assert_eq!(
        ask(
            "SELECT DISTINCT service FROM observations WHERE at > timestamp '2026-01-01 00:00:00' + interval '1 hour' ORDER BY service"
        ),
        "service\ncart\nit's\n"
    );
    assert_eq!(
        ask("SELECT stack, instance FROM stacks WHERE stack <> '' LIMIT 1"),
        "stack instance\nruntime.gopark /go/proc.go:1\nexample.com/shop.f0 /src/shop.go:0 cart-0\n"
    );
    assert!(ask("SHOW TABLES").contains(" observations "));
    let columns = ask("SELECT * FROM points LIMIT 1");
    let columns = columns.lines().next();
    assert_eq!(
        columns,
        Some(
            "at service version fingerprint operation function instances goroutines most continuing growth growth_seconds starts"
        )
    );
}

#[test]
fn questions_that_write_or_take_too_much_are_refused() {
    let (folder, store, _) = history();
    let reader = store.reader().expect("a reader");
    let file = folder.path().join("out.parquet").display().to_string();
    for (sql, expected) in [
        ("DROP TABLE points", "DDL not supported"),
        ("CREATE VIEW v AS SELECT 1", "DDL not supported"),
        (
            &format!("CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{file}'"),
            "DDL not supported",
        ),
        (
            "INSERT INTO points SELECT * FROM points",
            "DML not supported",
        ),
        ("DELETE FROM points", "DML not supported"),
        (&format!("COPY points TO '{file}'"), "DML not supported"),
        (
            "EXPLAIN ANALYZE INSERT INTO points SELECT * FROM points",
            "DML not supported",
        ),
        (
            "SET datafusion.execution.batch_size = 1",
            "Statement not supported",
        ),
        (&format!("SELECT * FROM '{file}'"), "not found"),
        ("SELECT 1; SELECT 2", "single SQL statement"),
        ("SELECT nothing FROM points", "nothing"),
        ("SELEC", "SELEC"),
    ] {
        let error = reader
            .query(sql, Limits::default())
            .expect_err(sql)
            .to_string();
        assert!(
            error.starts_with("cannot answer the query: ") && error.contains(expected),
            "{sql}: {error}"
        );
    }
    assert!(!folder.path().join("out.parquet").exists());
    let few = Limits {
        rows: 3,
        ..Limits::default()
    };
    let table = reader
        .query("SELECT at FROM sweeps", few)
        .expect("answered");
    assert_eq!((table.rows.len(), table.truncated), (3, true));
    let exact = Limits {
        rows: 8,
        ..Limits::default()
    };
    let table = reader
        .query("SELECT at FROM sweeps", exact)
        .expect("answered");
    assert_eq!((table.rows.len(), table.truncated), (8, false));
    let small = Limits {
        bytes: 1000,
        ..Limits::default()
    };
    let error = reader
        .query("SELECT * FROM observations", small)
        .expect_err("too much");
    assert!(
        error.to_string().contains("more than 1000 bytes"),
        "{error}"
    );
    let quick = Limits {
        time: Duration::ZERO,
        ..Limits::default()
    };
    let endless =
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n";
    let error = reader.query(endless, quick).expect_err("too long");
    assert!(
        error.to_string().contains("takes longer than 0 seconds"),
        "{error}"
    );
    let small = Reader {
        environment: engine::environment(1 << 20).expect("an environment"),
        ..reader
    };
    let large = "SELECT count(*) FROM (SELECT DISTINCT repeat('x', 100) || value FROM generate_series(1, 100000))";
    let error = small
        .query(large, Limits::default())
        .expect_err("too large");
    assert!(error.to_string().contains("Resources exhausted"), "{error}");
}

#[test]
fn a_site_over_time() {
    let (_folder, store, memory) = history();
    let reader = store.reader().expect("a reader");
    let Ok(keys) = memory.sites();
    for key in &keys {
        let Ok(points) = memory.series(key);
        let from = points.first().map_or(START, |point| point.at);
        assert_eq!(
            reader.series(key, from, i64::MAX / 1000).expect("read"),
            points
        );
    }
    let key = keys
        .iter()
        .find(|key| &*key.service == "it's")
        .expect("one");
    let all = reader
        .instance_series(key, START, START + 8 * 1200, 10)
        .expect("read");
    assert_eq!(all.len(), 4);
    let Ok(points) = memory.series(key);
    let sums: u64 = points.iter().map(|point| point.sum).sum();
    let counted = all.iter().flat_map(|one| &one.points);
    assert_eq!(counted.map(|(_, count)| count).sum::<u64>(), sums);
    let highest = |one: &InstanceSeries| one.points.iter().map(|(_, count)| *count).max();
    assert!(all.is_sorted_by_key(|one| std::cmp::Reverse(highest(one))));
    // An instance that is seen without the site counts as 0 then.
    assert!(
        all.iter()
            .any(|one| one.points.iter().any(|(_, count)| *count == 0))
    );
    let two = reader
        .instance_series(key, START, START + 8 * 1200, 2)
        .expect("read");
    assert_eq!(two, all[..2]);
    let part = reader
        .instance_series(key, START + 1200, START + 2400, 10)
        .expect("read");
    assert!(part.iter().all(|one| one.points.len() <= 2));
}

#[test]
fn sites_by_name_and_by_fingerprint() {
    let (_folder, store, _) = history();
    let reader = store.reader().expect("a reader");
    let sites = reader.known_sites(Some("cart"), "shop.f1").expect("read");
    // Two operations of one function, each at its line.
    assert_eq!(sites.len(), 2);
    let key = sites[0].key.clone();
    assert_eq!(
        reader.sites_of(&key.fingerprint()).expect("read"),
        sites[..1]
    );
    assert_eq!(reader.sites_of("'; DROP TABLE points").expect("read"), []);
    assert_eq!(reader.known_sites(None, "").expect("read").len(), 12);
    assert_eq!(reader.stack(&key).expect("read"), None);
    let f0 = reader.known_sites(Some("cart"), "shop.f0").expect("read");
    let stacks: Vec<_> = f0
        .iter()
        .map(|site| reader.stack(&site.key).expect("read"))
        .collect();
    assert!(
        stacks
            .iter()
            .flatten()
            .any(|stack| stack.ends_with("example.com/shop.f0 /src/shop.go:0"))
    );
}

#[test]
fn captures_come_back_as_they_were() {
    let (_folder, mut store, _) = history();
    let reader = store.reader().expect("a reader");
    let capture = |instance: &str, at| Capture {
        service: "it's".to_owned(),
        instance: instance.to_owned(),
        at,
        what: "goroutine".to_owned(),
        content: Bytes::from(vec![0x1f, 0x8b, 0, 255, 10]),
    };
    let all = [capture("a", START), capture("b", START + 60)];
    store.put_captures(&all).expect("stored");
    store.put_captures(&[]).expect("nothing to store");
    let listed = reader.captures(Some("it's")).expect("read");
    let names: Vec<_> = listed
        .iter()
        .map(|one| (one.instance.as_str(), one.at, one.size))
        .collect();
    assert_eq!(names, [("b", START + 60, 5), ("a", START, 5)]);
    for (info, capture) in listed.iter().zip(all.iter().rev()) {
        assert_eq!(info.id, capture.id());
        assert_eq!(
            reader.capture(&info.id).expect("read").as_ref(),
            Some(&capture.content)
        );
    }
    assert_eq!(reader.capture("nothing").expect("read"), None);
    assert_eq!(reader.captures(None).expect("read"), listed);
    assert_eq!(reader.captures(Some("cart")).expect("read"), []);
    let table = reader
        .query("SELECT * FROM captures ORDER BY at", Limits::default())
        .expect("answered");
    assert_eq!(
        table.columns,
        ["id", "at", "service", "instance", "what", "size"]
    );
    let large = Capture {
        content: Bytes::from(vec![0; crate::MAX_CAPTURE_BYTES + 1]),
        ..capture("a", START)
    };
    let error = store
        .put_captures(&[large])
        .expect_err("too large")
        .to_string();
    assert!(error.contains("67108865 bytes"), "{error}");
}
