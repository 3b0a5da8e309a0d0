//! What `watch` and `demo` share: the server of the pages, its token, and the wish to stop.

use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use gorphan_fleet::config::WebConfig;
use gorphan_fleet::config::web::{TOKEN_ADVICE, Token, needs_token};
use gorphan_fleet::push::Push;
use gorphan_fleet::web::{App, Guard};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::error::{Failure, Result};

/// Bytes of a file with a token.
const MAX_TOKEN_BYTES: u64 = 4096;
/// Characters of a token at least: fewer are soon guessed.
const MIN_TOKEN_CHARS: usize = 16;
/// Random bytes of a token that is made.
const TOKEN_BYTES: usize = 24;
/// Threads that answer: pages are to be had while a sweep is judged.
const THREADS: usize = 2;

/// A runtime whose tasks run beside the main thread.
pub(crate) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start network access: {error}")))
}

/// Becomes true when the user or the system wants the program to end: Ctrl-C, SIGTERM, SIGHUP.
pub(crate) fn stopping() -> Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    ctrlc::set_handler(move || {
        let _ = sender.send(true);
    })
    .map_err(|error| Failure::new(format!("cannot listen for signals: {error}")))?;
    Ok(receiver)
}

/// Comes back when it is time to stop.
pub(crate) async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A sender that is gone will never say stop.
    if stopping.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Seconds of Unix time.
pub(crate) fn clock() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Bytes that nobody can foresee.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(format!("the system gives no random numbers: {error}")))?;
    Ok(bytes)
}

/// Who may see the pages; with a token that was made now, for people.
pub(crate) fn guard(web: &WebConfig) -> Result<(Guard, Option<String>)> {
    let (token, made) = match &web.token {
        None => (None, None),
        Some(Token::File(path)) => (Some(read_token(path)?), None),
        Some(Token::Generated) => {
            let bytes: [u8; TOKEN_BYTES] = random()?;
            let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            (Some(token.clone()), Some(token))
        }
    };
    if token.is_none() && needs_token(web.listen) {
        return Err(Failure::new(format!(
            "other machines can reach {}, and there is no token",
            web.listen
        ))
        .advise(TOKEN_ADVICE));
    }
    Ok((Guard::new(token, web.hosts.clone(), random()?), made))
}

fn read_token(path: &Path) -> Result<String> {
    let shown = path.display();
    let failed = |why: String| {
        Failure::new(format!("cannot read a token from {shown}: {why}"))
            .advise("write one into it, for example with: openssl rand -hex 24")
    };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    file.take(MAX_TOKEN_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| failed(error.to_string()))?;
    let token = text.lines().next().unwrap_or_default().trim();
    if token.chars().count() < MIN_TOKEN_CHARS {
        let why = format!("its first line has fewer than {MIN_TOKEN_CHARS} characters");
        return Err(failed(why));
    }
    Ok(token.to_owned())
}

/// Opens the port of the pages.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot serve pages at {address}: {error}")).advise(
            "is another gorphan running? Give another address in web.listen or with --listen",
        )
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Serves the pages on the runtime's threads until it is time to stop.
pub(crate) fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    app: &Arc<App>,
    push: Option<&Push>,
    stopping: watch::Receiver<bool>,
) -> Result<String> {
    let address = listener.local_addr();
    let address = address.map_err(|error| Failure::new(format!("the port is gone: {error}")))?;
    let entered = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener)
        .map_err(|error| Failure::new(format!("cannot serve pages: {error}")))?;
    drop(entered);
    let router = gorphan_fleet::web::router(app, push);
    runtime.spawn(async move {
        let served = gorphan_fleet::web::serve(listener, router, stopped(stopping)).await;
        if let Err(error) = served {
            anstream::eprintln!("warning: the pages are not served any more: {error}");
        }
    });
    Ok(format!("http://{address}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_first_line_of_its_file_and_not_too_short() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        let read = |text: &str| {
            std::fs::write(&file, text).expect("written");
            read_token(&file)
        };
        assert_eq!(
            read(" 0123456789abcdef \nmore\n").expect("a token"),
            "0123456789abcdef"
        );
        let short = read("secret\n").expect_err("too short");
        assert!(short.message.contains("fewer than 16"), "{short}");
        let none = read_token(&folder.path().join("none")).expect_err("not there");
        assert!(none.message.contains("cannot read a token"), "{none}");
    }

    #[test]
    fn what_others_can_reach_is_refused_without_a_token() {
        let web = WebConfig {
            listen: "0.0.0.0:0".parse().expect("an address"),
            ..WebConfig::default()
        };
        let refused = guard(&web).err().expect("refused");
        assert!(refused.message.contains("there is no token"), "{refused}");
        let generated = WebConfig {
            token: Some(Token::Generated),
            ..web
        };
        let (_, made) = guard(&generated).expect("it has one");
        assert_eq!(made.map(|it| it.len()), Some(2 * TOKEN_BYTES));
    }
}
