//! Bad input and bad arguments: status 2, nothing on standard output, and on standard error what was attempted, what was
//! found and what to try.

#[path = "support/run.rs"]
mod run;

use std::fs;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use run::{DUMP, captured, check_failure, folder, gorphan, senders, text};

#[test]
fn what_is_no_dump_is_refused_with_what_to_try() {
    let folder = folder();
    let write =
        |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("written");
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("packed");
        encoder.finish().expect("packed")
    };
    write(
        "page",
        b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>",
    );
    write("empty", b"");
    write("empty.gz", &gzip(b""));
    write("cut.gz", &gzip(senders(500).as_bytes())[..40]);
    write(
        "noise",
        &(0..4096_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect::<Vec<u8>>(),
    );
    write("prose", b"nothing to see here\nat all\n");
    // A heap profile's sample type, in its place at the start of the protobuf.
    write(
        "heap.pb.gz",
        &gzip(b"\x0a\x04\x08\x01\x10\x02\x32\x00\x32\x0binuse_space\x32\x05bytes"),
    );
    for (source, words) in [
        (
            "page",
            &["page", "web page", "Sign in", "/debug/pprof/goroutine"][..],
        ),
        ("empty", &["empty", "goroutine dump or profile"]),
        ("empty.gz", &["empty"]),
        ("cut.gz", &["cut.gz"]),
        ("noise", &["noise", "goroutine"]),
        (
            "prose",
            &["no goroutine was found", "2 lines", "kill -QUIT"],
        ),
        (
            "heap.pb.gz",
            &["profile of the heap", "/debug/pprof/goroutine"],
        ),
        (env!("CARGO_BIN_EXE_gorphan"), &["executable", "kill -QUIT"]),
        (".", &["directory", "give one file"]),
        ("missing", &["cannot open missing", "http://localhost:6060"]),
        (
            "99999999999",
            &["process 99999999999", "so large a number", "gorphan ps"],
        ),
        ("ftp://host/x", &["only http and https"]),
        (
            "http://127.0.0.1:1/",
            &["cannot connect to http://127.0.0.1:1/", "refused"],
        ),
    ] {
        check_failure(gorphan(&folder).args(["inspect", source]), words);
    }
}

#[test]
fn a_file_that_may_not_be_read_is_said_so() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("secret");
    fs::write(&path, DUMP).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("set");
    let mut command = gorphan(&folder);
    command.args(["inspect", "secret"]);
    if fs::File::open(&path).is_err() {
        check_failure(&mut command, &["cannot open secret", "pipe it in"]);
    } else {
        // The superuser may read everything.
        assert_eq!(command.output().expect("it runs").status.code(), Some(0));
    }
}

#[test]
fn a_pipe_that_nobody_reads_is_not_a_failure() {
    let folder = folder();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_gorphan"))
        .args(["inspect", "--format", "html", "--fail-on", "suspect"])
        .arg(captured("go1.27.3", "sites.dump"))
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut said)
        .expect("text");
    assert_eq!(said, "");
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
}

#[test]
fn a_full_disk_is_a_failure() {
    let folder = folder();
    let dump = captured("go1.27.3", "sites.dump");
    let mut command = gorphan(&folder);
    command
        .args(["inspect", "--output", "/dev/full"])
        .arg(&dump);
    check_failure(&mut command, &["cannot write the report to /dev/full"]);
    let mut command = gorphan(&folder);
    command
        .args(["inspect", "--output", "no/such/folder/report"])
        .arg(&dump);
    check_failure(
        &mut command,
        &["cannot write the report to no/such/folder/report"],
    );
}

#[test]
fn credentials_are_not_repeated() {
    let folder = folder();
    for arguments in [
        &["--header", "s3cret"][..],
        &["--header", "bad name: s3cret"],
        &["--basic-auth", "me:s3cret"],
        &["--bearer-token", "s3cret"],
    ] {
        let mut command = gorphan(&folder);
        command
            .args(["inspect", "http://u:s3cret@127.0.0.1:1/?token=s3cret"])
            .args(arguments);
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        assert!(
            !text(&output.stderr).contains("s3cret"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn bad_arguments_are_explained() {
    let folder = folder();
    for (arguments, words) in [
        (
            &["inspect", "x", "--state", "chan sned"][..],
            &["chan sned", "chan send"][..],
        ),
        (&["inspect", "x", "--min-wait", "soon"], &["soon", "10m"]),
        (
            &["inspect", "x", "--function", "("],
            &["regular expression"],
        ),
        (&["inspect", "x", "--dump", "0"], &["number from 1"]),
        (&["inspect", "x", "--fail-no", "leak"], &["--fail-on"]),
        (&["inspect", "x", "--leaks"], &["--leaks", "URL"]),
        (
            &["inspect", "http://127.0.0.1:1/debug/pprof/heap", "--leaks"],
            &["--leaks", "give the base"],
        ),
        (&["inspekt", "x"], &["inspect"]),
    ] {
        check_failure(gorphan(&folder).args(arguments), words);
    }
}

#[cfg(feature = "fleet")]
#[test]
fn engines_that_cannot_be_asked_are_refused() {
    let folder = folder();
    let refused = |engine: &str, words: &[&str]| {
        for command in [["query", "SELECT 1"], ["history", "main.f"]] {
            let mut asked = gorphan(&folder);
            asked.args(command).args(["--engine", engine]);
            check_failure(&mut asked, &[&["cannot use --engine"], words].concat());
        }
    };
    refused("http://a:1", &["ballista://HOST:PORT", "not with http://"]);
    refused("ballista://user:secret@a:1", &["and nothing else"]);
    #[cfg(not(feature = "cluster"))]
    refused(
        "ballista://a:1",
        &[
            "built without the cargo feature cluster",
            "a:1",
            "--features cluster",
        ],
    );
}
