//! Dumps inside of logs: whatever stands around the lines, the same goroutines are found.

use gorphan_decode::{Options, text};
use gorphan_model::{Sample, Snapshot};

const DUMP: &str = "goroutine 1 [running]:
main.dump({0x5ebe88, 0x1a4d18d42030})
\t/src/with blanks/main.go:8 +0x2be
main.main()
\t/src/main.go:8 +0x2be

goroutine 19 [chan receive, 3 minutes, locked to thread]:
main.(*G[...]).Recv(...)
\t/src/main.go:6
main.deep(0x0?, 0x0?)
\t/src/main.go:4 +0x1b
created by main.main.func1 in goroutine 1
\t/src/main.go:6 +0xf8

goroutine 20 [select (no cases)]:
main.main.func2()
\t/src/main.go:16 +0x19
created by main.main in goroutine 1
\t/src/main.go:15 +0xf8
";

const COUNTED: &str = "goroutine profile: total 3
2 @ 0x47f1ae 0x4158ee
# labels: {\"request\":\"r 1\", \"svc\":\"checkout\"}
#\t0x4dd8a5\tmain.recv+0x45\t\t/src/main.go:18
#\t0x4d3b6b\truntime/pprof.Do+0x8b\t/go/runtime.go:57

1 @ 0x47f1af
#\t0x4dd8a6\tmain.send+0x45\t/src/main.go:19

";

fn read(text: &str) -> Vec<Snapshot> {
    match text::read(text.as_bytes(), &Options::default()) {
        Ok(snapshots) => snapshots,
        Err(error) => panic!("{error}:\n{text}"),
    }
}

fn samples(text: &str) -> Vec<Vec<Sample>> {
    read(text).into_iter().map(|one| one.samples).collect()
}

/// Expects the goroutines of `text` in what `dress` makes of it, once, and without a problem.
fn check(name: &str, text: &str, dressed: &str) {
    let found = read(dressed);
    let problems: Vec<_> = found.iter().flat_map(|one| &one.problems).collect();
    assert!(problems.is_empty(), "{name}: {problems:?}\n{dressed}");
    let found: Vec<Vec<Sample>> = found.into_iter().map(|one| one.samples).collect();
    assert_eq!(found, samples(text), "{name}:\n{dressed}");
}

/// Puts something around each line; `number` counts from 0.
fn each_line(text: &str, dress: impl Fn(usize, &str) -> String) -> String {
    let lines = text.lines().enumerate();
    lines
        .map(|(number, line)| dress(number, line) + "\n")
        .collect()
}

/// A time whose fraction has as many digits as it needs, as RFC3339Nano prints it.
fn time(number: usize) -> String {
    let nanos = (number * 137_000_000 + 120) % 1_000_000_000;
    let fraction = format!("{nanos:09}");
    let fraction = if number == 3 {
        ""
    } else {
        fraction.trim_end_matches('0')
    };
    let point = if fraction.is_empty() { "" } else { "." };
    format!(
        "2026-01-{:02}T03:04:{:02}{point}{fraction}Z",
        1 + number / 10,
        7 + number % 40
    )
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[test]
fn prefixes_of_every_kind_come_off() {
    for text in [DUMP, COUNTED] {
        check(
            "cri",
            text,
            &each_line(text, |n, line| format!("{} stderr F {line}", time(n))),
        );
        check(
            "compose",
            text,
            &each_line(text, |_, line| format!("web-1  | {line}")),
        );
        check(
            "compose, blanks cut",
            text,
            &each_line(text, |_, line| {
                format!("web-1  | {line}").trim_end().to_owned()
            }),
        );
        check(
            "kubectl",
            text,
            &each_line(text, |_, line| format!("[pod/web-7d9f-x2/app] {line}")),
        );
        check(
            "journald",
            text,
            &each_line(text, |n, line| {
                format!("Jan  2 03:04:{:02} host app[4711]: {line}", n + 10)
            }),
        );
        check(
            "syslog",
            text,
            &each_line(text, |n, line| {
                format!(
                    "<11>1 {} host app 4711 - - {}",
                    time(n),
                    line.replace('\t', "#011")
                )
            }),
        );
        check(
            "stern",
            text,
            &each_line(text, |_, line| format!("web-7d9f app {line}")),
        );
        check(
            "time and level",
            text,
            &each_line(text, |n, line| format!("{} ERROR\t{line}", time(n))),
        );
    }
}

#[test]
fn line_ends_colours_and_expanded_tabs_come_off() {
    for text in [DUMP, COUNTED] {
        check("crlf", text, &text.replace('\n', "\r\n"));
        check(
            "coloured lines",
            text,
            &each_line(text, |_, line| format!("\x1b[31m{line}\x1b[0m")),
        );
        check(
            "coloured prefix",
            text,
            &each_line(text, |_, line| format!("\x1b[36mweb-1  |\x1b[0m {line}")),
        );
        check(
            "crlf and prefix",
            text,
            &each_line(text, |n, line| format!("{} stdout F {line}\r", time(n))),
        );
    }
    check("tabs as blanks", DUMP, &DUMP.replace('\t', "        "));
    check(
        "tabs as blanks after a prefix",
        DUMP,
        &each_line(&DUMP.replace('\t', "    "), |_, line| {
            format!("web-1  | {line}")
        }),
    );
}

#[test]
fn json_log_lines_are_opened() {
    for text in [DUMP, COUNTED] {
        check(
            "docker json-file",
            text,
            &each_line(text, |n, line| {
                format!(
                    "{{\"log\":{},\"stream\":\"stderr\",\"time\":\"{}\"}}",
                    json(&format!("{line}\n")),
                    time(n)
                )
            }),
        );
        check(
            "slog, one line each",
            text,
            &each_line(text, |n, line| {
                format!(
                    "{{\"time\":\"{}\",\"level\":\"ERROR\",\"msg\":{}}}",
                    time(n),
                    json(line)
                )
            }),
        );
        check(
            "json after a prefix",
            text,
            &each_line(text, |n, line| {
                format!(
                    "web-1  | {{\"time\":\"{}\",\"msg\":{}}}",
                    time(n),
                    json(line)
                )
            }),
        );
        let whole = format!(
            "{{\"level\":\"error\",\"err\":{{\"stack\":{}}}}}\n{{\"level\":\"info\",\"msg\":\"next\"}}\n",
            json(text)
        );
        check("zap, all in one", text, &whole);
        check(
            "logfmt, all in one",
            text,
            &format!(
                "level=info msg=x\ntime={} level=error msg={} n=1\n",
                time(1),
                json(text)
            ),
        );
        let one_line = text.replace('\n', "#012").replace('\t', "#011");
        check(
            "rsyslog, all in one",
            text,
            &format!("Jan  2 03:04:05 host app[1]: {one_line}\nJan  2 03:04:06 host app[1]: x\n"),
        );
    }
}

#[test]
fn other_text_around_is_left_aside() {
    for text in [DUMP, COUNTED] {
        check(
            "before and after",
            text,
            &format!(
                "2026/01/02 listening\nGET / 200\n{text}\n2026/01/02 bye (done)\nexit status 2\n"
            ),
        );
    }
    check(
        "panic",
        DUMP,
        &format!(
            "panic: boom [recovered]\n\tpanic: again\n\n{DUMP}exit status 2\nFAIL\texample.com/x\t0.01s\n"
        ),
    );
    let signal = "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4da2b9]\n\n";
    check(
        "signal",
        DUMP,
        &format!("panic: runtime error\n{signal}{DUMP}\nrax    0x0\nrip    0x4da2b9\n"),
    );
    check(
        "runtime stack",
        DUMP,
        &format!(
            "fatal error: x\n\nruntime stack:\nruntime.throw({{0x1, 0x2}})\n\t/go/panic.go:1 +0x2\n\n{DUMP}"
        ),
    );
    check(
        "race detector",
        DUMP,
        &format!(
            "==================\nWARNING: DATA RACE\nWrite at 0x00c by goroutine 7:\n  main.f()\n      /src/a.go:1 +0x3\n\n\
         Goroutine 7 (running) created at:\n  main.main()\n      /src/a.go:2 +0x3\n==================\n{DUMP}"
        ),
    );
    // log.Print puts its prefix before the first line alone.
    check(
        "prefix on the first line",
        DUMP,
        &format!("2026/01/02 03:04:05 {DUMP}2026/01/02 03:04:06 next\n"),
    );
    check(
        "words before the first line",
        DUMP,
        &format!("http: panic serving 10.0.0.1:5: boom\n{DUMP}2026/01/02 next\n"),
    );
}

#[test]
fn a_log_line_in_the_middle_of_a_dump_splits_nothing() {
    for line in [
        "2026/01/02 03:04:05 GET /x 200",
        "panic: recovered in handler",
        "{\"level\":\"info\"}",
        "SIGHUP: reloading",
    ] {
        let between = DUMP.replacen(
            "\n\ngoroutine 19",
            &format!("\n\n{line}\n\ngoroutine 19"),
            1,
        );
        check(line, DUMP, &between);
    }
    for (line, at) in [
        ("2026/01/02 GET /x (200)", "main.main()"),
        ("listening on :80", "main.deep("),
    ] {
        let found = read(&DUMP.replacen(at, &format!("{line}\n{at}"), 1));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].samples, samples(DUMP)[0]);
        assert_eq!(
            found[0].problems.len(),
            1,
            "the line is told: {:?}",
            found[0].problems
        );
    }
}

#[test]
fn dumps_of_two_containers_in_one_log_are_two() {
    let other = DUMP
        .replace("main.", "other.")
        .replace("goroutine 20", "goroutine 21");
    let mut mixed = String::new();
    for (n, (one, two)) in DUMP.lines().zip(other.lines()).enumerate() {
        mixed += &format!("web-1  | {one}\n");
        if n % 5 == 0 {
            mixed += "db-1   | checkpoint complete\n";
        }
        mixed += &format!("web-2  | {two}\n");
    }
    assert_eq!(samples(&mixed), [samples(DUMP), samples(&other)].concat());

    let line = |pod: &str, line: &str| format!("{{\"pod\":\"{pod}\",\"log\":{}}}\n", json(line));
    let both = DUMP.lines().zip(other.lines());
    let mixed: String = both
        .map(|(one, two)| line("a", one) + &line("b", two))
        .collect();
    assert_eq!(samples(&mixed), [samples(DUMP), samples(&other)].concat());
}

#[test]
fn sources_past_the_limit_are_told() {
    let pod = |n: u32| each_line(DUMP, |_, line| format!("pod-{n}x | {line}"));
    let text: String = (0..80).map(pod).collect();
    let found = read(&text);
    let last = found.last().expect("dumps");
    assert_eq!(
        (found.len(), last.problems.len()),
        (63, 1),
        "{:?}",
        last.problems
    );
    assert!(
        last.problems[0].message.contains("more than 64 sources"),
        "{:?}",
        last.problems
    );
}

/// Expects several dumps, as (first line, goroutines).
fn check_several(text: &str, expected: &[(u64, u64)]) {
    let found = read(text);
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.first_line, one.goroutines()))
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn several_dumps_in_one_file_are_told_apart() {
    check_several(&format!("{DUMP}{DUMP}"), &[(1, 3), (20, 3)]);
    check_several(&format!("{DUMP}\n{DUMP}"), &[(1, 3), (21, 3)]);
    check_several(
        &format!("{COUNTED}{COUNTED}{DUMP}"),
        &[(1, 3), (10, 3), (19, 3)],
    );
    check_several(&format!("{DUMP}\n{COUNTED}"), &[(1, 3), (21, 3)]);
    // The goroutine that answers a request for a dump is another each time, and stands first.
    let handler =
        |id: u32| format!("goroutine {id} [running]:\nmain.handler()\n\t/src/main.go:9 +0x1\n\n");
    let rest = DUMP.replace("[running]", "[IO wait]");
    check_several(
        &format!("{}{rest}\n{}{rest}", handler(50), handler(60)),
        &[(1, 4), (25, 4)],
    );
    check_several(
        &format!("{}{rest}{}{rest}", handler(50), handler(60)),
        &[(1, 4), (24, 4)],
    );
    // Recovered panics, each with a stack of one goroutine.
    let recovered = |id: u32| format!("http: panic serving\n{}", handler(id));
    check_several(
        &format!("{}{}", recovered(5), recovered(6)),
        &[(2, 1), (7, 1)],
    );
    // A process started again and stopped by a signal.
    let signal = format!(
        "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\n{}",
        rest.replace("goroutine ", "goroutine 7")
    );
    check_several(&format!("{DUMP}\n{signal}"), &[(1, 3), (24, 3)]);
    let deadlock = "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 99 [chan receive]:\nmain.f()\n\t/a.go:1 +0x2\n";
    check_several(&format!("{DUMP}\n{deadlock}"), &[(1, 3), (23, 1)]);
}

#[test]
fn what_only_looks_like_a_dump_is_none() {
    for text in [
        "goroutine 5 is stuck\n",
        "level=info msg=\"goroutine 5 [running]: hung\"\n",
        "a line\nthreadcreate profile: total 12\n",
        "x 2 @ 0x1\n",
        "\n\n\n",
    ] {
        let found = text::read(text.as_bytes(), &Options::default());
        assert!(found.is_err(), "{text:?}: {found:?}");
    }
}
