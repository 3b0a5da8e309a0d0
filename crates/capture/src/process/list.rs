//! The Go processes of this machine. Each is looked at from outside and none is stopped; what is read of many processes
//! that share an executable is read once.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use super::buildinfo::{self, BuildInfo};
use super::procfs::{self, Process, Status};
use super::{GoProcess, Pid, ProcessError, Processes};

/// Bytes of `/etc/passwd`; more users are shown by number.
const MAX_PASSWD_BYTES: u64 = 16 << 20;

/// Device and number of an executable's file.
type FileKey = (u64, u64);

/// An executable that was looked at.
struct Known {
    info: BuildInfo,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    runtime: Option<Result<gorphan_goruntime::Runtime, String>>,
}

/// All Go processes; one that ends meanwhile is left out.
pub(super) fn processes() -> Result<Processes, ProcessError> {
    let pids = procfs::processes().map_err(|source| ProcessError::System {
        pid: 0,
        what: "listing /proc",
        source,
    })?;
    let users = users();
    let mut known = HashMap::new();
    let mut listed = Processes::default();
    for pid in pids {
        match look(pid, &users, &mut known) {
            Seen::Go(process) => listed.found.push(*process),
            Seen::Hidden => listed.hidden += 1,
            Seen::Other => {}
        }
    }
    listed.found.sort_by_key(|process| process.pid);
    Ok(listed)
}

enum Seen {
    Go(Box<GoProcess>),
    /// Not to be told whether it is of Go.
    Hidden,
    /// Not of Go, of the kernel, or gone.
    Other,
}

fn look(
    pid: Pid,
    users: &HashMap<u32, String>,
    known: &mut HashMap<FileKey, Option<Known>>,
) -> Seen {
    let Ok(process) = Process::find(pid) else {
        return Seen::Other;
    };
    let executable = match process.open_executable() {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Seen::Hidden,
        // A thread of the kernel, or one that has ended.
        Err(_) => return Seen::Other,
    };
    let Ok(metadata) = executable.metadata() else {
        return Seen::Other;
    };
    let key = (metadata.dev(), metadata.ino());
    let known = known.entry(key).or_insert_with(|| {
        let info = buildinfo::probe(&executable)?;
        Some(Known {
            info,
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            runtime: None,
        })
    });
    let (Some(known), Ok(status)) = (known, process.status()) else {
        return Seen::Other;
    };
    let uid = status.uids.get(1).copied().unwrap_or_default();
    let counted = count(&process, &status, &executable, known);
    let path = process.executable().unwrap_or_default();
    if !process.is_same() {
        return Seen::Other;
    }
    Seen::Go(Box::new(GoProcess {
        pid,
        name: process.name(),
        uid,
        user: users.get(&uid).cloned(),
        executable: path,
        go_version: known.info.go_version.clone(),
        module: known.info.module.clone(),
        container: process.container(),
        goroutines: counted.as_ref().ok().copied(),
        obstacle: counted.err(),
    }))
}

/// Counts goroutines without stopping the process, or says why it cannot be inspected.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn count(
    process: &Process,
    status: &Status,
    executable: &File,
    known: &mut Known,
) -> Result<u64, String> {
    use super::{live, memory::LiveMemory, permission, runtime_of};

    permission::check(process, status).map_err(|why| why.to_string())?;
    let opened = process.open_memory().and_then(|memory| {
        let bias = live::bias(executable, process.entry()?)?;
        Ok((LiveMemory::new(process.pid, memory), bias))
    });
    let (memory, bias) = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => permission::explain(status).to_string(),
        _ => error.to_string(),
    })?;
    let runtime = known
        .runtime
        .get_or_insert_with(|| runtime_of(executable, "it").map_err(|error| error.to_string()));
    let runtime = runtime.as_ref().map_err(Clone::clone)?;
    runtime
        .count(bias, &memory)
        .map_err(|error| error.to_string())
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn count(_: &Process, _: &Status, _: &File, _: &mut Known) -> Result<u64, String> {
    Err(ProcessError::unsupported().to_string())
}

/// The names of users by number.
fn users() -> HashMap<u32, String> {
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open("/etc/passwd") {
        // Without it users are shown by number.
        let _ = file.take(MAX_PASSWD_BYTES).read_to_end(&mut bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    text.lines().filter_map(user).collect()
}
