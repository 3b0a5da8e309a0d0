//! Functions that the rules know by name: what they do is not in their bodies but here.

use crate::ir::Mode;

/// What a known function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Lock(Mode),
    TryLock(Mode),
    Unlock(Mode),
    RLocker,
    WgAdd,
    WgDone,
    WgWait,
    WgGo,
    GroupGo,
    GroupTryGo,
    GroupWait,
    GroupWithContext,
    NewCond,
    CondWait,
    CondSignal,
    CondBroadcast,
    OnceDo,
    /// `sync.OnceFunc` and its like: the function itself.
    OnceFunc,
    Background,
    /// `WithCancel` and, with a deadline, `WithTimeout`.
    WithCancel {
        deadline: bool,
    },
    /// `WithValue`: another name of the parent.
    WithValue,
    WithoutCancel,
    Done,
    /// Asks something and changes nothing.
    Query,
    ContextAfterFunc,
    After,
    Tick,
    NewTimer,
    NewTicker,
    AfterFunc,
    Sleep,
    Stop,
    Reset,
    Goexit,
    Exit,
    Panic,
    /// `t.Run(name, f)`: calls its last argument and waits for it.
    RunTest,
    /// `t.Cleanup(f)`.
    Cleanup,
    /// Calls a function given to it, any number of times, before it returns.
    Callback,
    /// Keeps a function given to it and calls it from goroutines of its own.
    Handler,
    /// Gives an HTTP response.
    Response,
    /// `io.Pipe`.
    Pipe,
    PipeClose,
    /// `iter.Pull`.
    Pull,
    /// Neither keeps nor changes what it is given.
    Harmless,
}

/// What a function or method does, if it is known: by package, receiver's type (empty without one) and name.
pub(super) fn known(package: &str, receiver: &str, name: &str) -> Option<Known> {
    use Known::*;
    match package {
        "sync" => sync(receiver, name),
        "context" => context(receiver, name),
        "time" => time(receiver, name),
        "golang.org/x/sync/errgroup" => Some(match (receiver, name) {
            ("Group", "Go") => GroupGo,
            ("Group", "TryGo") => GroupTryGo,
            ("Group", "Wait") => GroupWait,
            ("Group", "SetLimit") => Harmless,
            ("", "WithContext") => GroupWithContext,
            _ => return None,
        }),
        "os/signal" => Some(match (receiver, name) {
            ("", "NotifyContext") => WithCancel { deadline: false },
            _ => return None,
        }),
        "runtime" => Some(match (receiver, name) {
            ("", "Goexit") => Goexit,
            ("", "SetFinalizer" | "AddCleanup") => return None,
            _ => Harmless,
        }),
        "os" => Some(match (receiver, name) {
            ("", "Exit") => Exit,
            _ => return None,
        }),
        "syscall" => Some(match (receiver, name) {
            ("", "Exit") => Exit,
            _ => return None,
        }),
        "log" => Some(match (receiver, name) {
            (_, "Fatal" | "Fatalf" | "Fatalln") => Exit,
            (_, "Panic" | "Panicf" | "Panicln") => Panic,
            _ => Harmless,
        }),
        "testing" => Some(match (receiver, name) {
            ("", _) => return None,
            (_, "Run" | "RunParallel") => RunTest,
            (_, "Cleanup") => Cleanup,
            (_, "Fatal" | "Fatalf" | "FailNow" | "Skip" | "Skipf" | "SkipNow") => Goexit,
            (_, "Context") => Background,
            _ => Harmless,
        }),
        "net/http" => Some(match (receiver, name) {
            ("", "Get" | "Post" | "Head" | "PostForm") => Response,
            ("Client", "Get" | "Post" | "Head" | "PostForm" | "Do") => Response,
            ("", "HandleFunc" | "Handle") | ("ServeMux", "HandleFunc" | "Handle") => Handler,
            _ => return None,
        }),
        "io" => Some(match (receiver, name) {
            ("", "Pipe") => Pipe,
            ("PipeReader" | "PipeWriter", "Close" | "CloseWithError") => PipeClose,
            _ => return None,
        }),
        "iter" => Some(match (receiver, name) {
            ("", "Pull" | "Pull2") => Pull,
            _ => return None,
        }),
        "sort" | "slices" | "maps" | "strings" | "bytes" | "unicode" | "regexp" => Some(Callback),
        "fmt" | "errors" | "strconv" | "sync/atomic" | "math" | "math/rand" | "unicode/utf8"
        | "log/slog" | "math/rand/v2" | "path" => Some(Harmless),
        "path/filepath" => Some(Callback),
        "runtime/pprof" | "runtime/debug" | "runtime/trace" => Some(match (receiver, name) {
            ("", "Do") => Callback,
            _ => Harmless,
        }),
        _ => None,
    }
}

fn sync(receiver: &str, name: &str) -> Option<Known> {
    use Known::*;
    Some(match (receiver, name) {
        ("Mutex" | "RWMutex" | "Locker", "Lock") => Lock(Mode::Write),
        ("Mutex" | "RWMutex" | "Locker", "Unlock") => Unlock(Mode::Write),
        ("RWMutex", "RLock") => Lock(Mode::Read),
        ("RWMutex", "RUnlock") => Unlock(Mode::Read),
        ("Mutex" | "RWMutex", "TryLock") => TryLock(Mode::Write),
        ("RWMutex", "TryRLock") => TryLock(Mode::Read),
        ("RWMutex", "RLocker") => RLocker,
        ("WaitGroup", "Add") => WgAdd,
        ("WaitGroup", "Done") => WgDone,
        ("WaitGroup", "Wait") => WgWait,
        ("WaitGroup", "Go") => WgGo,
        ("", "NewCond") => NewCond,
        ("Cond", "Wait") => CondWait,
        ("Cond", "Signal") => CondSignal,
        ("Cond", "Broadcast") => CondBroadcast,
        ("Once", "Do") => OnceDo,
        ("", "OnceFunc" | "OnceValue" | "OnceValues") => OnceFunc,
        ("Map", "Range") => Callback,
        _ => return None,
    })
}

fn context(receiver: &str, name: &str) -> Option<Known> {
    use Known::*;
    Some(match (receiver, name) {
        ("", "Background" | "TODO") => Background,
        ("", "WithCancel" | "WithCancelCause") => WithCancel { deadline: false },
        ("", "WithTimeout" | "WithDeadline" | "WithTimeoutCause" | "WithDeadlineCause") => {
            WithCancel { deadline: true }
        }
        ("", "WithValue") => WithValue,
        ("", "WithoutCancel") => WithoutCancel,
        ("", "AfterFunc") => ContextAfterFunc,
        ("", "Cause") => Query,
        ("Context", "Done") => Done,
        ("Context", "Err" | "Value" | "Deadline") => Query,
        _ => return None,
    })
}

fn time(receiver: &str, name: &str) -> Option<Known> {
    use Known::*;
    Some(match (receiver, name) {
        ("", "After") => After,
        ("", "Tick") => Tick,
        ("", "NewTimer") => NewTimer,
        ("", "NewTicker") => NewTicker,
        ("", "AfterFunc") => AfterFunc,
        ("", "Sleep") => Sleep,
        ("Timer" | "Ticker", "Stop") => Stop,
        ("Timer" | "Ticker", "Reset") => Reset,
        _ => Harmless,
    })
}

/// Whether no function of a package closes an end of a pipe that it is given: they read, write and wrap.
pub(super) fn leaves_open(package: &str) -> bool {
    let families = [
        "encoding/",
        "compress/",
        "archive/",
        "mime/",
        "text/",
        "html/",
    ];
    matches!(
        package,
        "io" | "io/ioutil" | "bufio" | "bytes" | "strings" | "fmt"
    ) || families.iter().any(|family| package.starts_with(family))
}

/// Whether a method of an interface of another package does nothing to what it is called with.
pub(super) fn is_harmless_interface(package: &str, receiver: &str) -> bool {
    matches!(
        (package, receiver),
        ("", "error")
            | ("io", _)
            | ("io/fs", _)
            | ("hash", _)
            | ("sort", _)
            | ("fmt", _)
            | ("net", "Addr")
    )
}
