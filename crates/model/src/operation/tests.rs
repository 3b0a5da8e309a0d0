use super::*;

/// Frames leaf first, each `FUNCTION` or `FUNCTION FILE:LINE`.
fn stack(frames: &[&str], created_by: Option<&str>) -> Stack {
    let frame = |text: &&str| {
        let (function, place) = text.split_once(' ').unwrap_or((text, "/src/a.go:1"));
        let (file, line) = place.rsplit_once(':').unwrap();
        Frame::new(function, file, line.parse().unwrap())
    };
    Stack {
        frames: frames.iter().map(frame).collect(),
        created_by: created_by.as_ref().map(frame),
        ..Stack::default()
    }
}

/// The operation of frames (leaf first) in a state, or in a profile, and the function of the blocked site.
#[track_caller]
fn check(state: Option<&str>, frames: &[&str], operation: Operation, site: &str) {
    let stack = stack(frames, None);
    let state = state.map(State::parse);
    assert_eq!(
        classify(state.as_ref(), &stack),
        operation,
        "{state:?} {frames:?}"
    );
    let found = site_frame(&stack).map_or("", |frame| &*frame.function);
    assert_eq!(found, site, "site of {frames:?}");
}

const PARK: &str = "runtime.gopark /usr/local/go/src/runtime/proc.go:474";

#[test]
fn a_profile_tells_channel_operations_by_the_runtimes_frames() {
    let chan = |line: u32| format!("runtime.chanrecv /usr/local/go/src/runtime/chan.go:{line}");
    check(
        None,
        &[PARK, &chan(667), "runtime.chanrecv1", "main.f"],
        Operation::ChanReceive,
        "main.f",
    );
    check(
        None,
        &[PARK, &chan(667), "runtime.chanrecv2", "main.f"],
        Operation::ChanReceive,
        "main.f",
    );
    check(
        None,
        &[PARK, "runtime.chansend", "runtime.chansend1", "main.f"],
        Operation::ChanSend,
        "main.f",
    );
    check(
        None,
        &[PARK, "runtime.selectgo", "main.f"],
        Operation::Select,
        "main.f",
    );
    check(
        None,
        &[PARK, "runtime.block", "main.f"],
        Operation::SelectNoCases,
        "main.f",
    );
    // Go 1.2 to 1.13 park through a helper.
    check(
        None,
        &[
            PARK,
            "runtime.goparkunlock",
            "runtime.chanrecv",
            "runtime.chanrecv1",
            "main.f",
        ],
        Operation::ChanReceive,
        "main.f",
    );
    check(
        None,
        &[
            PARK,
            "runtime.chanrecv",
            "reflect.chanrecv",
            "reflect.Value.recv",
            "reflect.Value.Recv",
            "main.f",
        ],
        Operation::ChanReceive,
        "main.f",
    );
    check(
        None,
        &[
            PARK,
            "runtime.selectgo",
            "reflect.rselect",
            "reflect.Select",
            "main.f",
        ],
        Operation::Select,
        "main.f",
    );
}

#[test]
fn a_profile_tells_nil_channels_by_the_line_in_the_runtime() {
    for (line, receive, send) in [
        (469, Operation::NilChanReceive, Operation::ChanSend),
        (583, Operation::ChanReceive, Operation::ChanSend),
        (536, Operation::NilChanReceive, Operation::ChanSend),
        (667, Operation::ChanReceive, Operation::ChanSend),
        (181, Operation::ChanReceive, Operation::NilChanSend),
        (283, Operation::ChanReceive, Operation::ChanSend),
    ] {
        let at = |function: &str, file: &str| format!("runtime.{function} {file}:{line}");
        let file = "/usr/local/go/src/runtime/chan.go";
        check(
            None,
            &[PARK, &at("chanrecv", file), "runtime.chanrecv1", "main.f"],
            receive,
            "main.f",
        );
        check(
            None,
            &[PARK, &at("chansend", file), "runtime.chansend1", "main.f"],
            send,
            "main.f",
        );
        // Not right above the park, or another file: the line says nothing.
        let other = at("chanrecv", "/src/chan.go");
        check(
            None,
            &[PARK, &other, "main.f"],
            Operation::ChanReceive,
            "main.f",
        );
        let nested = at("chanrecv", file);
        check(
            None,
            &[PARK, "runtime.goparkunlock", &nested, "main.f"],
            Operation::ChanReceive,
            "main.f",
        );
    }
}

#[test]
fn locks_are_told_by_who_asked_for_the_semaphore() {
    // Frames as Go 1.27 prints them, then as 1.19 does.
    let new = "internal/sync.runtime_SemacquireMutex";
    let slow = "internal/sync.(*Mutex).lockSlow";
    check(
        None,
        &[
            new,
            slow,
            "internal/sync.(*Mutex).Lock",
            "sync.(*Mutex).Lock",
            "main.f",
        ],
        Operation::MutexLock,
        "main.f",
    );
    let inner = [
        new,
        slow,
        "internal/sync.(*Mutex).Lock",
        "sync.(*Mutex).Lock",
        "sync.(*RWMutex).Lock",
        "main.f",
    ];
    check(
        Some("sync.Mutex.Lock"),
        &inner,
        Operation::RwMutexLock,
        "main.f",
    );
    check(None, &inner, Operation::RwMutexLock, "main.f");
    check(
        Some("sync.Mutex.Lock"),
        &[
            new,
            slow,
            "sync.(*Mutex).Lock",
            "sync.(*Once).doSlow",
            "sync.(*Once).Do",
            "main.f",
        ],
        Operation::MutexLock,
        "main.f",
    );
    check(
        Some("sync.RWMutex.RLock"),
        &["sync.runtime_SemacquireRWMutexR", "main.f"],
        Operation::RwMutexRLock,
        "main.f",
    );
    check(
        None,
        &[
            "sync.runtime_SemacquireRWMutexR",
            "sync.(*RWMutex).RLock",
            "main.f",
        ],
        Operation::RwMutexRLock,
        "main.f",
    );
    check(
        None,
        &[
            "sync.runtime_SemacquireWaitGroup",
            "sync.(*WaitGroup).Wait",
            "main.f",
        ],
        Operation::WaitGroup,
        "main.f",
    );
    check(
        None,
        &[
            PARK,
            "runtime.goparkunlock",
            "sync.runtime_notifyListWait",
            "sync.(*Cond).Wait",
            "main.f",
        ],
        Operation::CondWait,
        "main.f",
    );

    for state in [None, Some("semacquire")] {
        let old = "sync.runtime_SemacquireMutex";
        check(
            state,
            &[
                old,
                "sync.(*Mutex).lockSlow",
                "sync.(*Mutex).Lock",
                "main.f",
            ],
            Operation::MutexLock,
            "main.f",
        );
        check(
            state,
            &[old, "sync.(*RWMutex).RLock", "main.f"],
            Operation::RwMutexRLock,
            "main.f",
        );
        check(
            state,
            &[old, "sync.(*RWMutex).Lock", "main.f"],
            Operation::RwMutexLock,
            "main.f",
        );
        let oldest = "sync.runtime_Semacquire";
        check(
            state,
            &[oldest, "sync.(*WaitGroup).Wait", "main.f"],
            Operation::WaitGroup,
            "main.f",
        );
        check(
            state,
            &[oldest, "sync.(*Mutex).Lock", "main.f"],
            Operation::MutexLock,
            "main.f",
        );
        check(
            state,
            &["sync.runtime_Syncsemacquire", "sync.(*Cond).Wait", "main.f"],
            Operation::CondWait,
            "main.f",
        );
        check(state, &[oldest, "main.f"], Operation::Semaphore, "main.f");
        let fd = &[
            "internal/poll.runtime_Semacquire",
            "internal/poll.(*fdMutex).rwlock",
            "os.(*File).Read",
        ];
        check(state, fd, Operation::Semaphore, "os.(*File).Read");
    }
    check(
        Some("semacquire"),
        &["main.f"],
        Operation::Semaphore,
        "main.f",
    );
    check(
        Some("sync.Mutex.Lock"),
        &["main.f"],
        Operation::MutexLock,
        "main.f",
    );
}

#[test]
fn what_is_no_wait_for_a_goroutine() {
    check(
        Some("sleep"),
        &["time.Sleep", "main.f"],
        Operation::Sleep,
        "main.f",
    );
    check(
        None,
        &[PARK, "time.Sleep", "main.f"],
        Operation::Sleep,
        "main.f",
    );
    let poll = [
        "internal/poll.runtime_pollWait",
        "internal/poll.(*pollDesc).wait",
        "internal/poll.(*FD).Read",
        "net.(*netFD).Read",
    ];
    check(
        Some("IO wait"),
        &poll,
        Operation::IoWait,
        "net.(*netFD).Read",
    );
    check(None, &poll, Operation::IoWait, "net.(*netFD).Read");
    check(
        Some("syscall"),
        &["syscall.Syscall", "syscall.read", "os.(*File).Read"],
        Operation::Syscall,
        "os.(*File).Read",
    );
    check(
        None,
        &[
            "internal/runtime/syscall.Syscall6",
            "syscall.Syscall",
            "os.(*File).Read",
        ],
        Operation::Syscall,
        "os.(*File).Read",
    );
    check(
        None,
        &[
            "runtime.notetsleepg",
            "os/signal.signal_recv",
            "os/signal.loop",
        ],
        Operation::Syscall,
        "os/signal.loop",
    );
    check(Some("running"), &["main.f"], Operation::Running, "main.f");
    check(Some("runnable"), &["main.f"], Operation::Runnable, "main.f");
    check(
        Some("preempted"),
        &["main.f"],
        Operation::Runnable,
        "main.f",
    );
    check(
        None,
        &["runtime.asyncPreempt", "main.f"],
        Operation::Runnable,
        "main.f",
    );
    check(
        None,
        &["runtime/pprof.writeRuntimeProfile", "main.f"],
        Operation::Running,
        "main.f",
    );
    check(
        Some("waiting for cgo callback"),
        &["main.f"],
        Operation::Syscall,
        "main.f",
    );
    check(
        Some("coroutine"),
        &["runtime.coroswitch", "iter.Pull[...].func2"],
        Operation::Other,
        "iter.Pull[...].func2",
    );
    check(
        Some("finalizer wait"),
        &["runtime.runfinq"],
        Operation::Other,
        "runtime.runfinq",
    );
}

#[test]
fn a_state_without_a_reason_or_with_an_unknown_one_is_read_off_the_stack() {
    for state in ["waiting", "leaked", "waiting for the moon"] {
        check(
            Some(state),
            &[PARK, "runtime.selectgo", "main.f"],
            Operation::Select,
            "main.f",
        );
        check(Some(state), &["main.f"], Operation::Other, "main.f");
    }
    // A specific one wins over frames.
    check(
        Some("chan send"),
        &["main.f", "sync.runtime_Semacquire"],
        Operation::ChanSend,
        "main.f",
    );
}

#[test]
fn what_the_source_hides_is_other() {
    // debug=1: the frames of the runtime before this one are left out.
    check(None, &["main.f", "main.main"], Operation::Other, "main.f");
    // Frames behind the program's own say nothing of the present.
    check(
        None,
        &[
            "main.f",
            "sync.runtime_Semacquire",
            "sync.(*WaitGroup).Wait",
        ],
        Operation::Other,
        "main.f",
    );
    check(None, &[PARK, "main.f"], Operation::Other, "main.f");
    check(None, &[], Operation::Other, "");
}

#[test]
fn the_site_is_the_first_frame_that_is_the_programs_choice() {
    for (frames, created_by, expected) in [
        (
            &["runtime.gopark", "runtime.chanrecv", "main.f"][..],
            None,
            "main.f",
        ),
        (
            &[
                "sync.runtime_Semacquire",
                "sync.(*WaitGroup).Wait",
                "golang.org/x/sync/errgroup.(*Group).Wait",
                "a/b.F",
            ],
            None,
            "a/b.F",
        ),
        (
            &["a/vendor/golang.org/x/sync/errgroup.(*Group).Wait", "a/b.F"],
            None,
            "a/b.F",
        ),
        (
            &["golang.org/x/syncing.F", "a/b.F"],
            None,
            "golang.org/x/syncing.F",
        ),
        (&["runtimes.F"], None, "runtimes.F"),
        (
            &["example.com/internal/pool.Get", "a/b.F"],
            None,
            "example.com/internal/pool.Get",
        ),
        // Everything is machinery: the go statement, unless that is the runtime's.
        (
            &["sync.runtime_SemacquireMutex", "sync.(*Mutex).Lock"],
            Some("main.main"),
            "main.main",
        ),
        (
            &["runtime.gopark", "runtime.forcegchelper", "runtime.goexit"],
            Some("runtime.init.7"),
            "runtime.forcegchelper",
        ),
        (
            &["runtime.gopark", "sync.(*WaitGroup).Wait", "runtime.goexit"],
            None,
            "sync.(*WaitGroup).Wait",
        ),
        (
            &["runtime.goexit"],
            Some("runtime.init.7"),
            "runtime.init.7",
        ),
        (&["runtime.goexit"], None, "runtime.goexit"),
        (&[], Some("main.main"), "main.main"),
    ] {
        let stack = stack(frames, created_by);
        let found = site_frame(&stack).map_or("", |frame| &*frame.function);
        assert_eq!(found, expected, "{frames:?} created by {created_by:?}");
    }
}

#[test]
fn every_word_of_an_operation_is_read_back() {
    for operation in Operation::ALL {
        assert_eq!(Operation::parse(operation.as_str()), Some(operation));
    }
    assert_eq!(Operation::parse("lock"), None);
}

#[test]
fn a_state_never_leads_to_an_operation_that_is_not_among_its_possible_ones() {
    let stacks = SIGNS
        .iter()
        .map(|(function, _)| stack(&[function, "sync.(*RWMutex).Lock"], None));
    for stack in stacks.chain([stack(&["main.f"], None)]) {
        for state in State::words().chain(["unheard of"]).map(State::parse) {
            let operation = classify(Some(&state), &stack);
            let possible = Operation::possible_in(&state);
            assert!(possible.contains(&operation), "{state} {operation}");
        }
    }
}
