//! `cargo xtask accept s3`: the history in a store that speaks S3, which is moto's server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Outcome, run};

/// Time for the server to start.
const START: Duration = Duration::from_secs(60);
const BUCKET: &str = "gorphan-accept";

/// Runs the test of the history.
pub(crate) fn run_suite(root: &Path) -> Outcome {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    // Of the whole workspace, so that the engine is not built once more with other features.
    let mut command = Command::new(cargo);
    command
        .args(["test", "--workspace", "--lib", "--"])
        .args(["--ignored", "--exact", "store::tests::in_an_object_store"])
        .current_dir(root);
    with_store(root, &mut command)
}

/// Fetches moto by pip where it is not there, starts it, and runs a command that finds its way to an empty bucket in its
/// environment.
pub(crate) fn with_store(root: &Path, command: &mut Command) -> Outcome {
    let folder = root.join("target/moto");
    let server = folder.join("bin/moto_server");
    if !server.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "moto[server]"]))?;
    }
    let port = free_port()?;
    let mut server = Command::new(server)
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start moto_server: {error}"))?;
    let tested = make_bucket(port, &mut server).and_then(|()| test(command, port));
    let _ = server.kill();
    let _ = server.wait();
    tested
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok(address.port())
}

/// Waits for the server, and makes the bucket.
fn make_bucket(port: u16, server: &mut Child) -> Outcome {
    let start = Instant::now();
    let mut stream = loop {
        if let Ok(Some(status)) = server.try_wait() {
            return Err(format!("moto_server ended: {status}"));
        }
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) if start.elapsed() > START => return Err(format!("moto_server: {error}")),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    let request = format!(
        "PUT /{BUCKET} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let mut answer = String::new();
    stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(|error| format!("cannot make a bucket: {error}"))?;
    if answer.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(format!("cannot make a bucket: {answer}"))
    }
}

fn test(command: &mut Command, port: u16) -> Outcome {
    run(command
        .env("GORPHAN_ACCEPT_S3", format!("s3://{BUCKET}/some/prefix"))
        .env("AWS_ENDPOINT", format!("http://127.0.0.1:{port}"))
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "moto")
        .env("AWS_SECRET_ACCESS_KEY", "moto"))
}
