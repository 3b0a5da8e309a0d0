//! The servers of the simulated fleet: a port of loopback for each instance, as each would have one of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::plan::SERVICES;
use super::program::Program;

/// Bytes of a request's head; a sweep asks with some hundred.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// What the servers share.
pub(super) struct Shared {
    /// Seconds of Unix time, at the beginning.
    begin: i64,
    /// The same, now.
    now: AtomicI64,
    programs: Vec<Program>,
    /// Of each instance its service's number, its own number, and its port.
    instances: Vec<(usize, u32, u16)>,
    /// A port at which nobody listens.
    nobody: u16,
}

/// One list of targets, as `http_sd_configs` has it.
#[derive(Serialize)]
struct Group {
    targets: [String; 1],
    labels: BTreeMap<&'static str, String>,
}

/// What a server stands for.
#[derive(Clone, Copy)]
enum Role {
    /// The list of targets.
    Directory,
    /// An instance: the number of its service, and its own.
    Instance(usize, u32),
}

/// The fleet, running.
pub(super) struct Servers {
    pub(super) shared: Arc<Shared>,
    /// The port of the list of targets.
    pub(super) directory: u16,
}

impl Servers {
    /// Starts all; they run on the current runtime as long as it does.
    ///
    /// # Errors
    /// When a port cannot be had, or a program cannot be made.
    pub(super) async fn start(begin: i64) -> Result<Self, String> {
        let programs: Result<Vec<Program>, String> =
            SERVICES.into_iter().map(Program::of).collect();
        let mut listeners = Vec::new();
        let mut instances = Vec::new();
        for (number, service) in SERVICES.iter().enumerate() {
            for instance in 0..service.instances {
                let (listener, port) = listen().await?;
                instances.push((number, instance, port));
                listeners.push((listener, Role::Instance(number, instance)));
            }
        }
        let (listener, directory) = listen().await?;
        listeners.push((listener, Role::Directory));
        // The port is free again when the listener is dropped.
        let (_, nobody) = listen().await?;
        let shared = Arc::new(Shared {
            begin,
            now: AtomicI64::new(begin),
            programs: programs?,
            instances,
            nobody,
        });
        for (listener, role) in listeners {
            tokio::spawn(accept(listener, role, Arc::clone(&shared)));
        }
        Ok(Self { shared, directory })
    }
}

async fn listen() -> Result<(TcpListener, u16), String> {
    let failed = |error: std::io::Error| {
        format!("cannot open a port of this machine for the simulated fleet: {error}")
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, port))
}

async fn accept(listener: TcpListener, role: Role, shared: Arc<Shared>) {
    // A listener of loopback that fails has nothing more to give.
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, role, Arc::clone(&shared)));
    }
}

/// One request after the other, until the other side has enough.
async fn serve(mut stream: TcpStream, role: Role, shared: Arc<Shared>) {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let end = head.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let answer = shared.answer(role, &head);
            head.drain(..end + 4);
            if stream.write_all(&answer).await.is_err() {
                return;
            }
            continue;
        }
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) if head.len() < MAX_HEAD_BYTES => {
                head.extend_from_slice(buffer.get(..read).unwrap_or_default());
            }
            _ => return,
        }
    }
}

impl Shared {
    /// Sets the clock of the fleet.
    pub(super) fn set(&self, now: i64) {
        self.now.store(now, Ordering::Relaxed);
    }

    /// Seconds since the beginning.
    fn time(&self) -> f64 {
        (self.now.load(Ordering::Relaxed) - self.begin) as f64
    }

    fn answer(&self, role: Role, head: &[u8]) -> Vec<u8> {
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let path = line.split(' ').nth(1).unwrap_or_default();
        let found = match role {
            Role::Directory => Some(("application/json", self.targets())),
            Role::Instance(service, instance) => self.profile(service, instance, path),
        };
        let (status, kind, body) = match found {
            Some((kind, body)) => ("200 OK", kind, body),
            None => (
                "404 Not Found",
                "text/plain; charset=utf-8",
                b"404 page not found\n".to_vec(),
            ),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    }

    fn profile(
        &self,
        service: usize,
        instance: u32,
        path: &str,
    ) -> Option<(&'static str, Vec<u8>)> {
        const BINARY: &str = "application/octet-stream";
        const TEXT: &str = "text/plain; charset=utf-8";
        let program = self.programs.get(service)?;
        let time = self.time();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let debug = query.split('&').any(|pair| pair == "debug=2");
        match path {
            "/debug/pprof/goroutine" if debug => {
                Some((TEXT, program.dump(instance, time).into_bytes()))
            }
            "/debug/pprof/goroutine" => Some((BINARY, program.profile(instance, time))),
            "/debug/pprof/goroutineleak" => Some((BINARY, program.reported(instance, time)?)),
            "/debug/pprof/heap" => Some((TEXT, program.heap(instance, time).into_bytes())),
            _ => None,
        }
    }

    /// The targets of now: labels change with deploys.
    fn targets(&self) -> Vec<u8> {
        let time = self.time();
        let mut groups = Vec::new();
        for (number, instance, port) in &self.instances {
            let Some(program) = self.programs.get(*number) else {
                continue;
            };
            let service = program.service();
            let version = service.versions.get(service.version(*instance, time));
            let version = version.map_or("", |(version, _)| version);
            let mut labels = BTreeMap::from([
                ("service", service.name.to_owned()),
                ("instance", format!("{}-{instance}", service.name)),
                ("version", version.to_owned()),
                ("owner", service.owner.to_owned()),
                ("zone", ["a", "b", "c"][*instance as usize % 3].to_owned()),
                ("__gorphan_start__", program.start(*instance, time)),
            ]);
            if !service.memory_limit.is_empty() {
                labels.insert("memory_limit", service.memory_limit.to_owned());
            }
            groups.push(Group {
                targets: [format!("127.0.0.1:{port}")],
                labels,
            });
        }
        groups.push(Group {
            targets: [format!("127.0.0.1:{}", self.nobody)],
            labels: BTreeMap::from([
                ("service", "billing".to_owned()),
                ("instance", "billing-0".to_owned()),
                ("owner", "team-payments".to_owned()),
            ]),
        });
        // Texts and lists alone: they can always be written.
        serde_json::to_vec(&groups).unwrap_or_default()
    }
}
