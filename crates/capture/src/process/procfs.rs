//! What Linux tells of a process in `/proc`. Processes end at any time, so every read may fail; what was read is text of
//! the kernel's making, but names in it are the process's own and may hold anything.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Pid;
use super::elf::entry_of;

/// Bytes of a text file of `/proc`. Only `maps` grows with the process: a million mappings, 16 times the kernel's default.
const MAX_TEXT_BYTES: u64 = 128 << 20;
/// The kernel's thread that starts all its others, outside of containers.
const KTHREADD: Pid = 2;
/// Bytes of `auxv`: some 20 pairs of words.
const MAX_AUXV_BYTES: u64 = 4096;

/// A process's folder.
#[derive(Debug, Clone)]
pub(super) struct Process {
    /// Its number, as this program sees it.
    pub(super) pid: Pid,
    folder: PathBuf,
    /// Clock ticks after boot. Numbers are used again; number and start are not.
    start: u64,
}

/// What `status` tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Status {
    /// `R`, `S`, `D`, `T` (stopped), `t` (traced), `Z` (ended and not yet waited for), `X`.
    pub(super) state: char,
    /// The process that started it, or took it over.
    pub(super) parent: Pid,
    /// Who traces it; 0 is nobody.
    pub(super) tracer: Pid,
    /// Real, effective, saved and file system user.
    pub(super) uids: Vec<u32>,
    /// Real, effective, saved and file system group.
    pub(super) gids: Vec<u32>,
    /// Its number in each PID namespace, from ours inwards.
    pub(super) ns_pids: Vec<Pid>,
    /// How many threads.
    pub(super) threads: u64,
    /// 0 none, 1 strict, 2 filters.
    pub(super) seccomp: u8,
    /// Capabilities in effect, as a bit set.
    pub(super) capabilities: u64,
}

impl Process {
    /// Finds a process.
    pub(super) fn find(pid: Pid) -> io::Result<Self> {
        Self::at(&Path::new("/proc").join(pid.to_string()), pid)
    }

    /// This program.
    pub(super) fn own() -> io::Result<Self> {
        Self::at(Path::new("/proc/self"), std::process::id())
    }

    fn at(folder: &Path, pid: Pid) -> io::Result<Self> {
        let stat = text(&folder.join("stat"))?;
        let start = start_of(&stat).ok_or_else(|| unexpected("stat"))?;
        Ok(Self {
            pid,
            folder: folder.to_owned(),
            start,
        })
    }

    /// Whether this number still is the process that was found.
    pub(super) fn is_same(&self) -> bool {
        Self::at(&self.folder, self.pid).is_ok_and(|now| now.start == self.start)
    }

    /// The status of the process, which is that of its first thread.
    pub(super) fn status(&self) -> io::Result<Status> {
        status_of(&text(&self.folder.join("status"))?)
    }

    /// The status of one thread.
    pub(super) fn thread_status(&self, tid: Pid) -> io::Result<Status> {
        let folder = self.folder.join("task").join(tid.to_string());
        status_of(&text(&folder.join("status"))?)
    }

    /// The numbers of its threads.
    pub(super) fn threads(&self) -> io::Result<Vec<Pid>> {
        numbered(&self.folder.join("task"))
    }

    /// The name that it gave itself, of at most 15 bytes.
    pub(super) fn name(&self) -> String {
        let name = text(&self.folder.join("comm")).unwrap_or_default();
        name.trim_end_matches('\n').to_owned()
    }

    /// Opens the executable, whatever became of its path since the start.
    pub(super) fn open_executable(&self) -> io::Result<File> {
        File::open(self.folder.join("exe"))
    }

    /// Whether it still runs the program that was opened; `None` once it is ending.
    pub(super) fn runs(&self, executable: &File) -> Option<bool> {
        let now = fs::metadata(self.folder.join("exe")).ok()?;
        let then = executable.metadata().ok()?;
        Some(now.dev() == then.dev() && now.ino() == then.ino())
    }

    /// The path of the executable in the process's own mount namespace.
    pub(super) fn executable(&self) -> io::Result<PathBuf> {
        fs::read_link(self.folder.join("exe"))
    }

    /// Opens its memory for reading. The kernel asks for the same right here as for tracing.
    pub(super) fn open_memory(&self) -> io::Result<File> {
        File::open(self.folder.join("mem"))
    }

    /// The address at which the program starts, bias included.
    pub(super) fn entry(&self) -> io::Result<u64> {
        let mut bytes = Vec::new();
        let file = File::open(self.folder.join("auxv"))?;
        file.take(MAX_AUXV_BYTES).read_to_end(&mut bytes)?;
        entry_of(&bytes).ok_or_else(|| unexpected("auxv"))
    }

    /// Nanoseconds that its time namespace adds to `CLOCK_MONOTONIC`; 0 where there are no time namespaces.
    pub(super) fn monotonic_offset_nanos(&self) -> i128 {
        let offsets = text(&self.folder.join("timens_offsets")).unwrap_or_default();
        monotonic_offset(&offsets)
    }

    /// The number of the container that it runs in, where its cgroup tells one.
    pub(super) fn container(&self) -> Option<String> {
        container_of(&text(&self.folder.join("cgroup")).ok()?)
    }
}

impl Status {
    /// Whether this is the status of one of the kernel's own threads.
    pub(super) fn is_of_kernel(&self, pid: Pid) -> bool {
        pid == KTHREADD || self.parent == KTHREADD && self.seccomp == 0 && self.threads == 1
    }
}

/// The numbers of all processes.
pub(super) fn processes() -> io::Result<Vec<Pid>> {
    numbered(Path::new("/proc"))
}

/// Yama's `ptrace_scope`; `None` where the kernel has no Yama.
pub(super) fn ptrace_scope() -> Option<u8> {
    let value = text(Path::new("/proc/sys/kernel/yama/ptrace_scope")).ok()?;
    value.trim().parse().ok()
}

fn numbered(folder: &Path) -> io::Result<Vec<Pid>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        if let Some(number) = entry?.file_name().to_str().and_then(|it| it.parse().ok()) {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_TEXT_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn unexpected(file: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{file} is not as the kernel writes it"),
    )
}

/// The start in a `stat` line. The second field is the name in parentheses, which may hold spaces and parentheses.
fn start_of(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    // The 22nd field of all; the state, first after the name, is the third.
    after_name.split_whitespace().nth(19)?.parse().ok()
}

fn status_of(text: &str) -> io::Result<Status> {
    let mut status = Status::default();
    let mut known = false;
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key {
            "State" => {
                status.state = value.chars().next().unwrap_or_default();
                known = true;
            }
            "PPid" => status.parent = value.parse().unwrap_or_default(),
            "TracerPid" => status.tracer = value.parse().unwrap_or_default(),
            "Uid" => status.uids = numbers(value),
            "Gid" => status.gids = numbers(value),
            "NSpid" => status.ns_pids = numbers(value),
            "Threads" => status.threads = value.parse().unwrap_or_default(),
            "Seccomp" => status.seccomp = value.parse().unwrap_or_default(),
            "CapEff" => {
                status.capabilities = u64::from_str_radix(value, 16).unwrap_or_default();
            }
            _ => {}
        }
    }
    if known {
        Ok(status)
    } else {
        Err(unexpected("status"))
    }
}

fn numbers(text: &str) -> Vec<u32> {
    let words = text.split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

fn monotonic_offset(text: &str) -> i128 {
    let nanos = |line: &str| {
        let mut words = line.split_whitespace();
        let is_monotonic = words.next()? == "monotonic";
        let seconds: i64 = words.next()?.parse().ok()?;
        let nanos: i64 = words.next()?.parse().ok()?;
        is_monotonic.then(|| i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
    };
    text.lines().find_map(nanos).unwrap_or_default()
}

/// Container runtimes name the cgroup after the container: 64 hexadecimal digits, shown as their tools do by the first 12.
fn container_of(cgroup: &str) -> Option<String> {
    let digits =
        |part: &&str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut parts = cgroup.split(|c: char| !c.is_ascii_alphanumeric());
    parts.rfind(digits)?.get(..12).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_start() {
        let fields = "S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 5 0 98765 1000 10";
        for name in ["web", "a) S 9 9 (b", "", ")"] {
            assert_eq!(
                start_of(&format!("7 ({name}) {fields}")),
                Some(98765),
                "{name}"
            );
        }
        assert_eq!(start_of("7 (web) S 1"), None);
    }

    #[test]
    fn a_status_is_read_by_its_keys() {
        let text = "Name:\tx: State\nState:\tt (tracing stop)\nTracerPid:\t42\nUid:\t1000\t1001\t1002\t1003\n\
                    NSpid:\t900\t7\nThreads:\t12\nSeccomp:\t2\nCapEff:\t0000000000080000\n";
        let status = status_of(text).unwrap();
        assert_eq!(
            status,
            Status {
                state: 't',
                tracer: 42,
                uids: vec![1000, 1001, 1002, 1003],
                ns_pids: vec![900, 7],
                threads: 12,
                seccomp: 2,
                capabilities: 1 << 19,
                ..Status::default()
            }
        );
        assert!(status_of("").is_err());
    }

    #[test]
    fn clocks_of_time_namespaces_may_run_behind() {
        assert_eq!(
            monotonic_offset("monotonic        -2         500000000\nboottime 7 0\n"),
            -1_500_000_000
        );
        assert_eq!(monotonic_offset("boottime 7 0\n"), 0);
        assert_eq!(monotonic_offset(""), 0);
    }

    #[test]
    fn containers_are_known_by_their_cgroup() {
        let id = "0123456789abcdef".repeat(4);
        for text in [
            format!("0::/system.slice/docker-{id}.scope\n"),
            format!("12:cpu:/kubepods/burstable/pod1/{id}\n"),
            format!("0::/kubepods.slice/cri-containerd-{id}.scope\n"),
        ] {
            assert_eq!(
                container_of(&text).as_deref(),
                Some("0123456789ab"),
                "{text}"
            );
        }
        assert_eq!(container_of("0::/user.slice/session-1.scope\n"), None);
    }
}
