//! A server for all instances: every address of 127.0.0.0/8 is one.

use std::io::Read;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Outcome, processor_seconds};

pub(super) fn run(profile: &str) -> Outcome {
    let body = std::fs::read(profile).map_err(|error| format!("{profile}: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let answer = |status: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Arc::new([head.as_bytes(), body].concat())
    };
    let (found, lacking) = (
        answer("200 OK", &body),
        answer("404 Not Found", b"Unknown profile\n"),
    );
    // Ends when its standard input does, and tells what it has cost.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        println!("{}", processor_seconds());
        std::process::exit(0);
    });
    runtime.block_on(async move {
        let listener = TcpListener::bind("0.0.0.0:0")
            .await
            .map_err(|error| error.to_string())?;
        let port = listener
            .local_addr()
            .map_err(|error| error.to_string())?
            .port();
        println!("{port}");
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_all(stream, Arc::clone(&found), Arc::clone(&lacking)));
            }
        }
    })
}

async fn answer_all(mut stream: TcpStream, found: Arc<Vec<u8>>, lacking: Arc<Vec<u8>>) {
    let mut request = Vec::new();
    let mut part = [0; 2048];
    loop {
        match stream.read(&mut part).await {
            Ok(read) if read > 0 => request.extend_from_slice(&part[..read]),
            _ => return,
        }
        while let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let line = &request[..end];
            let is_leak = line
                .windows(14)
                .take(64)
                .any(|bytes| bytes == b"/goroutineleak");
            let answer = if is_leak { &lacking } else { &found };
            if stream.write_all(answer).await.is_err() {
                return;
            }
            request.drain(..end + 4);
        }
    }
}
