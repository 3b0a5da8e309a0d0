//! Core files of running programs: by gdb where there is one, and by a small writer of our own, which needs nothing but
//! `/proc`. The program stands still meanwhile.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const NT_PRSTATUS: u32 = 1;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;

/// Stops a process for as long as it lives.
struct Stopped(u32);

impl Stopped {
    fn stop(pid: u32) -> Self {
        signal(pid, "-STOP");
        let stopped = Self(pid);
        while state(pid) != 'T' {
            std::thread::yield_now();
        }
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal(self.0, "-CONT");
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// The letter of a process's state.
pub(crate) fn state(pid: u32) -> char {
    field(pid, "State:").chars().next().expect("a letter")
}

/// A line of a process's status.
pub(crate) fn field(pid: u32, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("{key} is not in {status}"))
        .trim()
        .to_owned()
}

/// Has gdb write a core; says no if there is no gdb.
pub(crate) fn gcore(pid: u32, to: &Path) -> bool {
    let folder = to.with_extension("d");
    fs::create_dir_all(&folder).expect("a folder");
    let prefix = folder.join("core");
    let run = Command::new("gcore")
        .arg("-o")
        .arg(&prefix)
        .arg(pid.to_string())
        .stdin(Stdio::null())
        .output();
    let Ok(output) = run else {
        return false;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "gcore is there and fails: {said}");
    fs::rename(folder.join(format!("core.{pid}")), to).expect("the core");
    true
}

/// A mapping of a process.
struct Mapping {
    start: u64,
    end: u64,
    flags: u32,
    file: String,
}

/// Writes a core as the kernel does by default: all that is private to the process, and of files only the first page.
pub(crate) fn write(pid: u32, to: &Path) {
    let _stopped = Stopped::stop(pid);
    let memory = File::open(format!("/proc/{pid}/mem")).expect("its memory");
    let mappings = mappings(pid);
    let notes = notes(pid, &mappings);
    let mut pieces = Vec::new();
    for mapping in &mappings {
        let whole = mapping.end - mapping.start;
        let writable = mapping.flags & 2 != 0;
        let wanted = if mapping.file.starts_with('/') && !writable {
            4096
        } else {
            whole
        };
        let mut bytes = vec![0; usize::try_from(wanted).expect("it fits")];
        // Reservations and special pages cannot be read, and are not in cores either.
        if mapping.flags & 4 == 0 || memory.read_exact_at(&mut bytes, mapping.start).is_err() {
            bytes.clear();
        }
        pieces.push(bytes);
    }
    let mut file = File::create(to).expect("a file");
    let mut head = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    head.resize(16, 0);
    for half in [4_u16, 62] {
        head.extend(half.to_le_bytes());
    }
    head.extend(1_u32.to_le_bytes());
    for word in [0_u64, 64, 0] {
        head.extend(word.to_le_bytes());
    }
    head.extend(0_u32.to_le_bytes());
    let count = u16::try_from(mappings.len() + 1).expect("it fits");
    for half in [64, 56, count, 64, 0, 0] {
        head.extend(half.to_le_bytes());
    }
    let mut offset = 64 + 56 * u64::from(count);
    let mut header = |kind: u32, flags: u32, address: u64, bytes: usize, in_memory: u64| {
        head.extend(kind.to_le_bytes());
        head.extend(flags.to_le_bytes());
        for word in [offset, address, 0, bytes as u64, in_memory, 1] {
            head.extend(word.to_le_bytes());
        }
        offset += bytes as u64;
    };
    header(PT_NOTE, 0, 0, notes.len(), 0);
    for (mapping, bytes) in mappings.iter().zip(&pieces) {
        header(
            PT_LOAD,
            mapping.flags,
            mapping.start,
            bytes.len(),
            mapping.end - mapping.start,
        );
    }
    file.write_all(&head).expect("written");
    file.write_all(&notes).expect("written");
    for bytes in &pieces {
        file.write_all(bytes).expect("written");
    }
}

fn mappings(pid: u32) -> Vec<Mapping> {
    let text = fs::read_to_string(format!("/proc/{pid}/maps")).expect("its mappings");
    let mapping = |line: &str| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let rights = words.next()?;
        let flag = |letter, flag| if rights.contains(letter) { flag } else { 0 };
        Some(Mapping {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            flags: flag('r', 4) | flag('w', 2) | flag('x', 1),
            file: words.nth(3).unwrap_or_default().to_owned(),
        })
    };
    let known = text.lines().filter_map(mapping);
    known
        .filter(|mapping| mapping.file != "[vsyscall]")
        .collect()
}

fn notes(pid: u32, mappings: &[Mapping]) -> Vec<u8> {
    let mut notes = Vec::new();
    let mut note = |kind: u32, content: &[u8]| {
        for word in [5, u32::try_from(content.len()).expect("it fits"), kind] {
            notes.extend(word.to_le_bytes());
        }
        notes.extend(b"CORE\0\0\0\0");
        notes.extend(content);
        notes.resize(notes.len().next_multiple_of(4), 0);
    };
    for entry in fs::read_dir(format!("/proc/{pid}/task")).expect("its threads") {
        let tid = entry.expect("a thread").file_name();
        let tid: u32 = tid.to_str().expect("a number").parse().expect("a number");
        note(NT_PRSTATUS, &thread(pid, tid));
    }
    note(
        NT_AUXV,
        &fs::read(format!("/proc/{pid}/auxv")).expect("its vector"),
    );
    let files: Vec<&Mapping> = mappings
        .iter()
        .filter(|it| it.file.starts_with('/'))
        .collect();
    let mut content = Vec::new();
    for word in [files.len() as u64, 4096] {
        content.extend(word.to_le_bytes());
    }
    for file in &files {
        for word in [file.start, file.end, 0] {
            content.extend(word.to_le_bytes());
        }
    }
    for file in &files {
        content.extend(file.file.as_bytes());
        content.push(0);
    }
    note(NT_FILE, &content);
    notes
}

/// Number, stack pointer and instruction pointer of a stopped thread; the kernel shows no other registers as text.
fn thread(pid: u32, tid: u32) -> Vec<u8> {
    let mut content = vec![0; 336];
    let mut put = |at: usize, bytes: &[u8]| {
        content[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(32, &tid.to_le_bytes());
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).expect("its call");
    let mut last = text.split_whitespace().rev();
    for at in [112 + 16 * 8, 112 + 19 * 8] {
        let word = last.next().and_then(|word| word.strip_prefix("0x"));
        let value = word.and_then(|word| u64::from_str_radix(word, 16).ok());
        put(at, &value.unwrap_or_default().to_le_bytes());
    }
    content
}
