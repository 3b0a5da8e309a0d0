//! Makes a shell call the system, and leaves it in the middle.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::{fs, thread};

use super::*;
use crate::process::freeze::freeze;
use crate::process::procfs::Process;

/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

struct Echo {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    process: Process,
    memory: LiveMemory,
    instructions: Instructions,
    stack: Range<u64>,
}

impl Echo {
    fn start() -> Self {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg("trap 'echo USR1' USR1; echo ready; while :; do if read -r line; then echo \"$line\"; fi; done")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let to = child.stdin.take().unwrap();
        let mut from = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let process = Process::find(child.id()).unwrap();
        let memory = LiveMemory::new(child.id(), process.open_memory().unwrap());
        let (instructions, stack) = look_around(&process);
        Self {
            child,
            to,
            from,
            process,
            memory,
            instructions,
            stack,
        }
    }

    fn answers(&mut self, word: &str) {
        writeln!(self.to, "{word}").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), word);
    }

    fn call(&self, number: i64, arguments: [u64; 4]) -> Called {
        let tid = self.child.id();
        call(
            tid,
            &self.instructions,
            &self.stack,
            &self.memory,
            number,
            arguments,
        )
        .expect("it can be made to")
        .expect("it is done")
    }

    /// Its children with their states.
    fn children(&self) -> Vec<(Pid, char)> {
        let pid = self.child.id();
        let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let children = list.split_whitespace().map(|one| one.parse().unwrap());
        let state = |child| {
            Process::find(child)
                .and_then(|it| it.status())
                .map(|it| it.state)
        };
        children
            .filter_map(|child| Some((child, state(child).ok()?)))
            .collect()
    }

    fn await_children(&self, wanted: &[char]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let states: Vec<char> = self.children().iter().map(|(_, state)| *state).collect();
            if states == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{states:?}, not {wanted:?}");
            thread::yield_now();
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The unused part of the stack, and the instructions: a shell has not all of them, so they are put behind its code.
fn look_around(process: &Process) -> (Instructions, Range<u64>) {
    let pid = process.pid;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let range = |line: &str| {
        let (low, high) = line.split_whitespace().next()?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(number(low)?..number(high)?)
    };
    let stack = maps.lines().find(|line| line.ends_with("[stack]"));
    let stack = stack.and_then(range).unwrap();
    let code = maps.lines().find(|line| line.contains(" r-xp "));
    let at = code.and_then(range).unwrap().end - 24;
    let bytes = [
        0x0f, 0x05, 0xc3, 0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05, 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f,
        0x05, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc_u8,
    ];
    let stopped = freeze(process, Instant::now() + PATIENCE).expect("it stops");
    for (index, word) in bytes.chunks(8).enumerate() {
        let place = std::ptr::without_provenance_mut(at as usize + index * 8);
        let word = i64::from_le_bytes(word.try_into().unwrap());
        ptrace::write(raw(pid), place, word).expect("written");
    }
    stopped.thaw();
    let instructions = Instructions {
        call: at,
        end: at + 3,
        back: at + 10,
    };
    (instructions, stack.start..stack.start + (64 << 10))
}

#[test]
fn a_call_leaves_the_thread_as_it_was() {
    let mut echo = Echo::start();
    echo.answers("one");
    let stopped = freeze(&echo.process, Instant::now() + PATIENCE).expect("it stops");
    let tid = echo.child.id();
    assert_eq!(rank(tid, &echo.memory), Some(0), "it reads");
    let before = ptrace::getregs(raw(tid)).unwrap();
    let blocked = mask(tid).unwrap();
    let called = echo.call(libc::SYS_getppid, [0; 4]);
    assert_eq!(
        called,
        Called {
            result: std::process::id().into(),
            child: None
        }
    );
    let after = ptrace::getregs(raw(tid)).unwrap();
    // It is about to read again, or does so already.
    let about_to = after.rip == before.rip - 2 && after.rax.cast_signed() == libc::SYS_read;
    let does = after.rip == before.rip && after.orig_rax.cast_signed() == libc::SYS_read;
    // Or it was at the very end of its last write, and goes on from there.
    let wrote = before.orig_rax.cast_signed() == libc::SYS_write;
    let goes_on = wrote && (after.rip, after.rax) == (before.rip, before.rax);
    assert!(about_to || does || goes_on, "{before:?}\n{after:?}");
    assert_eq!(
        (after.rsp, after.rdi, after.rcx),
        (before.rsp, before.rdi, before.rcx)
    );
    assert_eq!(mask(tid).unwrap(), blocked);
    let refused = echo.call(libc::SYS_close, [9999, 0, 0, 0]);
    assert_eq!(refused.result, -i64::from(libc::EBADF));
    stopped.thaw();
    echo.answers("two");
}

/// A signal that arrives in the middle is handled afterwards.
#[test]
fn a_signal_waits_for_the_end_of_the_call() {
    let mut echo = Echo::start();
    let stopped = freeze(&echo.process, Instant::now() + PATIENCE).expect("it stops");
    let pid = u64::from(echo.child.id());
    echo.call(libc::SYS_kill, [pid, libc::SIGUSR1 as u64, 0, 0]);
    stopped.thaw();
    let mut line = String::new();
    writeln!(echo.to, "three").unwrap();
    echo.from.read_line(&mut line).unwrap();
    assert_eq!(line, "USR1\n");
    line.clear();
    echo.from.read_line(&mut line).unwrap();
    assert_eq!(line, "three\n");
}

/// The thread that traces ends at each step: before the call, at its begin, with the process made, at its end, and with
/// everything done.
#[test]
fn left_at_any_step_it_goes_on_and_the_process_it_made_ends() {
    for steps in 0..=4_u32 {
        let mut echo = Echo::start();
        echo.answers("before");
        let tid = echo.child.id();
        thread::scope(|scope| {
            let tracer = scope.spawn(|| {
                let stopped = freeze(&echo.process, Instant::now() + PATIENCE).expect("it stops");
                // Not let go by us: by the kernel, when this thread ends.
                std::mem::forget(stopped);
                let prepared = prepare(tid, &echo.instructions, &echo.stack, &echo.memory);
                let prepared = prepared.expect("its registers");
                let arguments = [libc::CLONE_FILES as u64, 0, 0, 0];
                prepared
                    .begin(&echo.instructions, libc::SYS_clone, arguments)
                    .expect("set");
                if steps > 0 {
                    set_mask(tid, u64::MAX).expect("blocked");
                }
                for step in 1..steps {
                    ptrace::syscall(raw(tid), None).expect("it goes on");
                    let stop = await_stop(tid, Instant::now() + PATIENCE).expect("it stops");
                    assert_eq!(stop == SYSTEM_CALL_STOP, step != 2, "{step}: {stop:x}");
                }
            });
            tracer.join().expect("no failure");
        });
        echo.answers("after");
        echo.await_children(&['Z']);
        let status = echo.process.status().unwrap();
        assert_eq!(status.tracer, 0);
        let text = fs::read_to_string(format!("/proc/{tid}/status")).unwrap();
        assert!(text.contains("SigBlk:\t0000000000000000\n"), "{text}");
        // The next call takes note of its end.
        let stopped = freeze(&echo.process, Instant::now() + PATIENCE).expect("it stops");
        let child = u64::from(echo.children()[0].0);
        let options = (libc::__WCLONE | libc::WNOHANG) as u64;
        let called = echo.call(libc::SYS_wait4, [u64::MAX, 0, options, 0]);
        assert_eq!(called.result.cast_unsigned(), child);
        stopped.thaw();
        echo.await_children(&[]);
        echo.answers("again");
    }
}
