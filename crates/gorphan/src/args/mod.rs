//! The command line, as clap derives it. Options that several commands share are in [`options`].

#[cfg(feature = "fleet")]
pub(crate) mod findings;
pub(crate) mod history;
pub(crate) mod lint;
pub(crate) mod options;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

use lint::{Lint, Lsp};
use options::{
    HttpArgs, InputArgs, JudgeArgs, ProcessArgs, PsFormat, QueryArgs, ReportArgs, StackQueryArgs,
};

/// Finds goroutine leaks in Go programs.
#[derive(Debug, Parser)]
#[command(
    name = "gorphan",
    version,
    about = "Finds goroutine leaks in Go programs",
    long_about = "Finds goroutine leaks in Go programs: reads goroutine dumps, profiles and pprof endpoints of Go 1.2 to \
                  1.27, and says what is blocked where, how many, for how long, created by whom, and what of it looks \
                  like a leak.",
    after_help = "Exit status: 0 nothing found, 1 findings at or above --fail-on, 2 could not do the job.",
    after_long_help = EXAMPLES,
    propagate_version = true,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  gorphan inspect http://localhost:6060      a running program that serves net/http/pprof
  gorphan ps                                 the Go programs that run on this machine
  gorphan inspect 4711                       one of them, by its number
  gorphan inspect dump.txt                   a dump or profile in a file, of any kind
  kubectl logs pod | gorphan inspect -       the dumps inside a log
  gorphan diff before.pb.gz after.pb.gz      what grew, what is new, what is gone
  gorphan lint ./...                         leaks and blocking bugs in Go source
  gorphan gctrace service.log                whether the heap grows, from GODEBUG=gctrace=1
  gorphan explain GR1001                     what a finding means and how it is fixed

Exit status: 0 nothing found, 1 findings at or above --fail-on, 2 could not do the job.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what is blocked where in one dump, profile or endpoint, and what looks like a leak
    Inspect(Box<Inspect>),
    /// List the Go processes of this machine with their goroutines
    Ps(Ps),
    /// Compare two sources: what grew, what is new, what is gone
    Diff(Box<Diff>),
    /// Run `go test` unchanged and report the goroutines that the tests leave behind
    Test(Box<Test>),
    /// Find goroutine leaks and blocking bugs in Go source
    Lint(Box<Lint>),
    /// Serve the findings of lint to an editor (language server protocol)
    Lsp(Lsp),
    /// Drive load at a service and report the goroutines that each request leaves behind
    Load(Box<Load>),
    /// Look once at every instance of a fleet, keep what was seen, and report what leaks
    #[cfg(feature = "fleet")]
    Sweep(Box<Sweep>),
    /// List what sweeps have found, or tell all of one finding
    #[cfg(feature = "fleet")]
    Findings(findings::Findings),
    /// Say that you look after a finding
    #[cfg(feature = "fleet")]
    Ack(findings::Ack),
    /// Tell nobody of findings for a while
    #[cfg(feature = "fleet")]
    Silence(findings::SilenceArgs),
    /// Ask the stored sweeps of a fleet in SQL
    #[cfg(feature = "fleet")]
    Query(history::Query),
    /// Show one blocked site over time, from the stored sweeps of a fleet
    #[cfg(feature = "fleet")]
    History(history::History),
    /// Sweep over a fleet on an interval, and serve pages on what was found
    #[cfg(feature = "fleet")]
    Watch(Box<Watch>),
    /// Show all of it: a simulated fleet with leaks, some days of sweeps, and the pages; needs no Go and no network
    #[cfg(feature = "fleet")]
    Demo(Demo),
    /// Run one test binary under watch (what `gorphan test` gives to go test -exec)
    #[command(hide = true)]
    ExecTest(ExecTest),
    /// Stop, then become a test binary
    #[command(hide = true)]
    BecomeTest(BecomeTest),
    /// Show the trend of the heap in a GODEBUG=gctrace=1 log
    Gctrace(Gctrace),
    /// Tell what a finding code or pattern means, with an example and the fix
    Explain(Explain),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print the manual page
    #[command(hide = true)]
    Man,
}

/// `gorphan inspect`.
#[derive(Debug, Args)]
#[command(after_long_help = INSPECT_EXAMPLES)]
pub(crate) struct Inspect {
    /// A dump or profile file, '-' for standard input, the URL of a pprof endpoint or its base, a process, or a core file
    #[arg(
        value_name = "SOURCE",
        value_hint = ValueHint::AnyPath,
        long_help = "What to look at: a file with a goroutine dump (debug=2, a panic, SIGQUIT), counted stacks (debug=1) or \
                     a profile (debug=0, goroutineleak), alone or inside a log, compressed with gzip or zstd or not; '-' \
                     for standard input; or the http(s) URL of a program that serves net/http/pprof (host:port will do) \
                     or of one endpoint; the number of a running Go program (see `gorphan ps`), which is stopped for some \
                     milliseconds; or, with --exe, a core file. The kind is detected."
    )]
    pub(crate) source: String,
    /// Tell all of one goroutine: its stack, what it waits for, who holds that or is to blame, and what it holds
    #[arg(
        long,
        value_name = "GOID",
        value_parser = clap::value_parser!(u64).range(1..),
        conflicts_with = "no_proof"
    )]
    pub(crate) why: Option<u64>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) query: QueryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) judge: JudgeArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) http: HttpArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) process: ProcessArgs,
}

const INSPECT_EXAMPLES: &str = "\
Examples:
  gorphan inspect http://localhost:6060
  gorphan inspect --leaks http://localhost:6060       the runtime's own detector (Go 1.27)
  gorphan inspect 4711                                a running Go program, without any endpoint
  gorphan inspect core.4711 --exe ./shop              a core file
  gorphan inspect 4711 --why 1266                     all of one goroutine: who could wake it
  gorphan inspect --min-wait 10m --state 'chan send' dump.txt
  gorphan inspect --group-by creator --sort count --top 5 dump.txt
  gorphan inspect --function 'shop/bus' --label tenant=t1 profile.pb.gz
  gorphan inspect --format html --output report.html dump.txt
  gorphan inspect --own example.com/shop --fail-on suspect dump.txt
  gorphan inspect --format pprof --output g.pb.gz dump.txt && go tool pprof -http=: g.pb.gz

A base URL is asked for debug=0, which costs the program next to nothing. Ids, waits and creators are \
only in debug=2, which stops the program while it is written: that is fetched as well if there are at \
most 1,000 goroutines, or alone with --debug 2.";

/// `gorphan ps`.
#[derive(Debug, Args)]
#[command(
    long_about = "List the Go processes of this machine: number, user, executable, Go version, module, and how many \
                  goroutines they have, or why that cannot be read. No process is stopped and none needs an agent."
)]
pub(crate) struct Ps {
    /// How to list
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = PsFormat::Terminal)]
    pub(crate) format: PsFormat,
}

/// `gorphan diff`.
#[derive(Debug, Args)]
#[command(after_long_help = DIFF_EXAMPLES)]
pub(crate) struct Diff {
    /// The earlier source, or one file that holds several dumps
    #[arg(value_name = "BEFORE", value_hint = ValueHint::AnyPath)]
    pub(crate) before: String,
    /// The later source; without it the first and the last dump of BEFORE are compared
    #[arg(value_name = "AFTER", value_hint = ValueHint::AnyPath)]
    pub(crate) after: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) query: StackQueryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) judge: JudgeArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) http: HttpArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) process: ProcessArgs,
}

const DIFF_EXAMPLES: &str = "\
Examples:
  gorphan diff before.txt after.txt
  gorphan diff yesterday.pb.gz http://localhost:6060
  gorphan diff --fail-on growing service.log          first and last dump of one log

Where both sources are dumps of one process, goroutines are followed by number: what stayed, came and went.";

/// `gorphan test`.
#[derive(Debug, Args)]
#[command(
    long_about = "Run `go test` with the tests unchanged. When a test binary is about to exit, its goroutines get a grace \
                  period to end; what remains is read from outside and reported with the test that started it.",
    after_long_help = TEST_EXAMPLES
)]
pub(crate) struct Test {
    /// The packages, as go test takes them (default: the one in the working directory)
    #[arg(value_name = "PACKAGE")]
    pub(crate) packages: Vec<OsString>,
    /// Flags for go test
    #[arg(value_name = "GO TEST FLAGS", last = true, allow_hyphen_values = true)]
    pub(crate) go_flags: Vec<OsString>,
    /// How long goroutines may take to end when the tests are over
    #[arg(long, value_name = "DURATION", default_value = "430ms", value_parser = options::parse_duration)]
    pub(crate) grace: std::time::Duration,
    /// Look for goroutines also where tests failed
    #[arg(long)]
    pub(crate) run_on_failure: bool,
    /// Compile a TestMain into packages that have none, in place of watching the test binaries
    #[arg(long)]
    pub(crate) no_ptrace: bool,
    /// Do not plant a leak in a scratch process to see that it is found
    #[arg(long)]
    pub(crate) no_self_check: bool,
    /// The go command
    #[arg(long, value_name = "GO", default_value = "go", value_hint = ValueHint::CommandName)]
    pub(crate) go: OsString,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) judge: JudgeArgs,
}

const TEST_EXAMPLES: &str = "\
Examples:
  gorphan test ./...
  gorphan test ./... -- -race -count=1 -run TestServer
  gorphan test --format sarif --output leaks.sarif ./...
  gorphan test --write-baseline leaks.json ./...      start green: remember what is there
  gorphan test --baseline leaks.json ./...            and fail on what is new

Exit status: that of go test if it failed, else 1 if anything at or above --fail-on was left behind.";

/// `gorphan load`.
#[derive(Debug, Args)]
#[command(
    long_about = "Drive load at a service in rounds, each with more requests than the one before, and read its goroutines at \
                  rest after each. A site that grows with the requests to the end is a leak; one that levels off is a pool.",
    after_long_help = LOAD_EXAMPLES,
    group = clap::ArgGroup::new("load").required(true).args(["http", "exec"])
)]
pub(crate) struct Load {
    /// Whose goroutines to read: a process, or the URL of a program with net/http/pprof
    #[arg(long, value_name = "PID|URL")]
    pub(crate) target: String,
    /// Make requests to this URL; several are taken in turn
    #[arg(long = "http", value_name = "URL")]
    pub(crate) http: Vec<url::Url>,
    /// Make requests with this command, once a round; {requests} in it is their number
    #[arg(long, value_name = "COMMAND", conflicts_with = "http")]
    pub(crate) exec: Option<String>,
    /// Requests in all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 150, value_parser = clap::value_parser!(u64).range(2..))]
    pub(crate) requests: u64,
    /// Rounds, each with more requests than the one before
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=100))]
    pub(crate) rounds: u16,
    /// Requests of the warm-up, which fill caches and pools and are not judged (default: a tenth)
    #[arg(long, value_name = "N")]
    pub(crate) warm_up: Option<u64>,
    /// How long the service may take to come to rest after a round
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = options::parse_duration)]
    pub(crate) settle: std::time::Duration,
    /// Requests at the same time
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) concurrency: u16,
    /// Requests a second at most
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<f64>,
    /// The method of the requests
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,
    /// The body of the requests; @FILE reads a file
    #[arg(long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// A header of the requests; can be given several times
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) request_header: Vec<String>,
    /// How long one request may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = options::parse_duration)]
    pub(crate) request_timeout: std::time::Duration,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) judge: JudgeArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) target_http: HttpArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) process: ProcessArgs,
}

const LOAD_EXAMPLES: &str = "\
Examples:
  gorphan load --target http://localhost:6060 --http http://localhost:8080/search
  gorphan load --target 4711 --http http://localhost:8080/a --http http://localhost:8080/b -n 1000
  gorphan load --target 4711 --exec 'hey -n {requests} http://localhost:8080/'
  gorphan load --target 4711 --exec 'wrk -d 5s http://localhost:8080/'
  gorphan load --target 4711 --http http://localhost:8080/ --format markdown --output load.md";

/// `gorphan sweep`.
#[cfg(feature = "fleet")]
#[derive(Debug, Args)]
#[command(
    long_about = "Look once at every instance of a fleet: find the targets of the configuration's scrape_configs, fetch their \
                  goroutine profiles politely, keep what was seen in the history, and report what leaks, in LeakProf's rank \
                  order. Run it from a timer: growth shows over days.",
    after_long_help = SWEEP_EXAMPLES
)]
pub(crate) struct Sweep {
    /// Only check the configuration
    #[arg(long)]
    pub(crate) check_config: bool,
    /// The time of the sweep, for backfills and simulations (default: now)
    #[arg(long, value_name = "RFC3339")]
    pub(crate) at: Option<jiff::Timestamp>,
    /// Tell nobody: print on standard error what receivers would get. The sweep is kept, its findings stay new
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) judge: JudgeArgs,
}

#[cfg(feature = "fleet")]
const SWEEP_EXAMPLES: &str = "\
Examples:
  gorphan sweep -c gorphan.yaml
  gorphan sweep --check-config -c gorphan.yaml
  gorphan sweep -c gorphan.yaml --format json --output sweep.json
  gorphan sweep -c gorphan.yaml --dry-run             what would be told to whom

Exit status: 1 if anything new at or above --fail-on was found; what was found before does not fail a sweep again.";

/// `gorphan watch`.
#[cfg(feature = "fleet")]
#[derive(Debug, Args)]
#[command(
    long_about = "Sweep over a fleet on the interval of its configuration, keep what was seen in the history, judge it, and \
                  serve pages, a JSON API and metrics. No fault of a sweep ends the watch; SIGTERM and Ctrl-C do.",
    after_long_help = WATCH_EXAMPLES
)]
pub(crate) struct Watch {
    /// Serve the pages at this address (default: web.listen of the configuration, else 127.0.0.1:7475)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Where the program's source is, for snippets
    #[arg(long = "source", value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    pub(crate) source_root: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) judge: JudgeArgs,
}

#[cfg(feature = "fleet")]
const WATCH_EXAMPLES: &str = "\
Examples:
  gorphan watch -c gorphan.yaml
  gorphan watch -c gorphan.yaml --listen 127.0.0.1:8080

An address that other machines can reach needs a token: web.token_file or web.generate_token in the configuration.";

/// `gorphan demo`.
#[cfg(feature = "fleet")]
#[derive(Debug, Args)]
#[command(
    long_about = "Simulate a fleet of some hundred instances on this machine, which answer with what real Go programs said; sweep \
                  over it through some days within a minute; say what was found; and serve the pages until Ctrl-C. Nothing \
                  leaves the machine, and nothing is left on it."
)]
pub(crate) struct Demo {
    /// End after the report, without serving pages
    #[arg(long)]
    pub(crate) once: bool,
    /// Serve the pages at this address
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "once")]
    pub(crate) listen: Option<std::net::SocketAddr>,
}

/// `gorphan exec-test`.
#[derive(Debug, Args)]
pub(crate) struct ExecTest {
    /// The folder of the records
    pub(crate) records: PathBuf,
    /// How long goroutines may take to end
    #[arg(long)]
    pub(crate) grace_millis: u64,
    /// Look also where tests failed
    #[arg(long)]
    pub(crate) run_on_failure: bool,
    /// The configuration
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// The test binary and its arguments
    #[arg(last = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

/// `gorphan become-test`.
#[derive(Debug, Args)]
pub(crate) struct BecomeTest {
    /// The test binary and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

/// `gorphan gctrace`.
#[derive(Debug, Args)]
#[command(after_long_help = GCTRACE_EXAMPLES)]
pub(crate) struct Gctrace {
    /// The log of a program that ran with GODEBUG=gctrace=1; '-' or nothing for standard input
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true, value_hint = ValueHint::FilePath)]
    pub(crate) file: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub(crate) report: ReportArgs,
}

const GCTRACE_EXAMPLES: &str = "\
Examples:
  GODEBUG=gctrace=1 ./service 2>&1 >/dev/null | gorphan gctrace
  gorphan gctrace --fail-on growing service.log
  gorphan gctrace --format html --output gc.html service.log";

/// `gorphan explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A code (GR1001), a pattern (n-cast) or an operation (chan send); without it all are listed
    #[arg(value_name = "CODE", num_args = 0..)]
    pub(crate) code: Vec<String>,
}

/// `gorphan completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_do_not_contradict_each_other() {
        super::Cli::command().debug_assert();
    }
}
