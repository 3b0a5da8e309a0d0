//! From arguments to snapshots.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use gorphan_capture::{
    Auth, Capture, ClientCertificate, Debug, HttpOptions, Method, ProcessOptions, Profile,
    Progress, Secret, Target, Timeouts,
};
use gorphan_decode::Options;
use gorphan_model::query::Filter;
use gorphan_model::{Format, GoroutineId, Problem, Snapshot};
use gorphan_report::TargetInfo;

use crate::args::options::{HttpArgs, ProcessArgs, QueryArgs, StackQueryArgs};
use crate::error::{Failure, Result};
use crate::progress::ProgressLine;

/// Bytes of a file with a bearer token.
const MAX_TOKEN_BYTES: u64 = 64 << 10;

/// Captures `source`, and what `filter` wants of it. Of the goroutine `why` all is asked.
pub(crate) fn capture(
    source: &str,
    filter: Filter,
    http: &HttpArgs,
    process: &ProcessArgs,
    why: Option<GoroutineId>,
) -> Result<Capture> {
    let mut target = with_executable(Target::parse(source)?, process)?;
    if process.save.is_some() && !matches!(target, Target::Process { .. } | Target::Core { .. }) {
        return Err(Failure::new(
            "--save writes what was copied of a process or a core file, and the source is neither",
        )
        .advise("gorphan inspect PID --save FILE"));
    }
    match &mut target {
        Target::Http(endpoint) => {
            if http.leaks && !endpoint.is_base() {
                let name = endpoint.name();
                return Err(Failure::new(format!(
                    "--leaks chooses among a program's profiles, and {name} is one of them"
                ))
                .advise("give the base, as http://HOST:PORT, or leave --leaks out"));
            }
            if http.leaks {
                endpoint.profile = Profile::GoroutineLeak;
            }
            endpoint.debug = http.debug.map_or(level_for(&filter), Debug::Only);
        }
        _ if http.leaks => {
            return Err(Failure::new("--leaks asks a pprof endpoint, and the source is none")
                .advise("give the URL of a program with net/http/pprof; a goroutineleak profile in a file is recognised"));
        }
        Target::Process { options, .. }
        | Target::Core { options, .. }
        | Target::Saved { options, .. } => {
            options.save.clone_from(&process.save);
            options.confirm = process.confirm;
            options.pause_budget = process.pause_budget;
            options.proof = !process.no_proof;
            options.layout_from.clone_from(&process.layout_from);
            if process.snapshot {
                options.method = Method::Snapshot;
            }
            options.why = why;
        }
        Target::Stdin | Target::File(_) => {}
    }
    if matches!(target, Target::Stdin) {
        say_if_typed("a dump or profile");
    }
    let options = Options {
        filter,
        ..Options::default()
    };
    let progress = Progress::default();
    // While a process stands still, nothing else runs here that a Ctrl-Z could reach.
    let stops = matches!(target, Target::Process { .. });
    let line = (!stops).then(|| ProgressLine::start(&shown(&target), &progress));
    let captured =
        gorphan_capture::capture_with_progress(&target, &http_options(http)?, &options, &progress);
    drop(line);
    Ok(captured?)
}

/// A running program that is looked at several times.
pub(crate) struct Looks {
    target: Target,
    http: HttpOptions,
}

impl Looks {
    /// A process or an endpoint; anything else does not change between two looks.
    pub(crate) fn new(source: &str, http: &HttpArgs, process: &ProcessArgs) -> Result<Self> {
        let mut target = Target::parse(source)?;
        match &mut target {
            // The same format each time, and the one that costs the program least.
            Target::Http(endpoint) => endpoint.debug = Debug::Only(http.debug.unwrap_or(0)),
            Target::Process { options, .. } => {
                options.pause_budget = process.pause_budget;
                options.proof = false;
            }
            Target::Core { .. } | Target::Saved { .. } | Target::Stdin | Target::File(_) => {
                return Err(Failure::new(format!("cannot drive load at {source}: it is no running program"))
                    .advise("give --target the number of a process (see `gorphan ps`) or the URL of its net/http/pprof"));
            }
        }
        Ok(Self {
            target,
            http: http_options(http)?,
        })
    }

    /// Looks at it now.
    pub(crate) fn take(&self, filter: Filter) -> Result<Capture> {
        let options = Options {
            filter,
            ..Options::default()
        };
        Ok(gorphan_capture::capture(
            &self.target,
            &self.http,
            &options,
        )?)
    }

    /// Bytes of the live heap of a process: of all objects that are reached, also by leaked goroutines, as a collection would
    /// find them. For that it stands still for longer than for [`Looks::take`]. `None` where the heap cannot be read.
    pub(crate) fn live_heap(&self) -> Option<u64> {
        let mut target = self.target.clone();
        let Target::Process { options, .. } = &mut target else {
            return None;
        };
        options.proof = true;
        let captured = gorphan_capture::capture(&target, &self.http, &Options::default()).ok()?;
        let retention = captured.snapshots.last()?.retention.as_deref()?;
        let leaked = retention.sites.iter().map(|site| site.heap_bytes);
        let parts = leaked.chain([retention.shared_bytes, retention.live_bytes]);
        parts.reduce(u64::saturating_add)
    }

    /// Its base URL, where it is an endpoint.
    pub(crate) fn url(&self) -> Option<url::Url> {
        match &self.target {
            Target::Http(endpoint) => url::Url::parse(&endpoint.name()).ok(),
            _ => None,
        }
    }
}

/// Lays the core file over the executable that was given.
fn with_executable(target: Target, process: &ProcessArgs) -> Result<Target> {
    match (target, &process.exe) {
        (target, None) => Ok(target),
        (Target::File(core), Some(executable)) => Ok(Target::Core {
            core,
            executable: executable.clone(),
            options: ProcessOptions::default(),
        }),
        (_, Some(_)) => Err(Failure::new(
            "--exe gives the executable of a core file, and the source is none",
        )
        .advise("gorphan inspect CORE --exe BINARY; a running program needs no --exe")),
    }
}

/// The format to ask a program for. Profiles have had labels for long, dumps only since Go 1.27; waits and creators are
/// in dumps alone.
fn level_for(filter: &Filter) -> Debug {
    let of_dumps = filter.min_wait_minutes.is_some()
        || filter.max_wait_minutes.is_some()
        || !filter.created_by.is_empty();
    if filter.labels.is_empty() || of_dumps {
        Debug::Auto
    } else {
        Debug::Only(0)
    }
}

/// Says that standard input is awaited, where it is a terminal and nothing else would tell.
pub(crate) fn say_if_typed(what: &str) {
    if io::stdin().is_terminal() {
        anstream::eprintln!("reading {what} from standard input (Ctrl-D ends it)");
    }
}

/// The target's name for a progress line, without credentials.
fn shown(target: &Target) -> String {
    match target {
        Target::Stdin => "standard input".into(),
        Target::File(path) => path.display().to_string(),
        Target::Http(endpoint) => endpoint.name(),
        Target::Process { pid, .. } => format!("process {pid}"),
        Target::Core { core, .. } => core.display().to_string(),
        Target::Saved { path, .. } => path.display().to_string(),
    }
}

/// Which goroutines a query wants.
pub(crate) fn filter(query: &QueryArgs) -> Filter {
    Filter {
        min_wait_minutes: query.min_wait,
        max_wait_minutes: query.max_wait,
        labels: query.label.clone(),
        ..stack_filter(&query.stack)
    }
}

/// Which goroutines a query by stacks alone wants.
pub(crate) fn stack_filter(query: &StackQueryArgs) -> Filter {
    Filter {
        states: query.state.clone(),
        functions: query.function.clone(),
        created_by: query.created_by.clone(),
        ..Filter::default()
    }
}

/// The goroutines of `snapshot`, one of those captured, that the query wants; `None` if it wants all of them.
pub(crate) fn wanted(
    capture: &Capture,
    snapshot: &Snapshot,
    query: &QueryArgs,
) -> Option<Snapshot> {
    let filter = filter(query);
    let by_stack = !filter.functions.is_empty() || !filter.created_by.is_empty();
    let mut wanted = match &capture.filtered {
        Some(filtered) => {
            let same = |one: &&Snapshot| one.first_line == snapshot.first_line;
            filtered
                .iter()
                .find(same)
                .cloned()
                .unwrap_or_else(|| Snapshot {
                    samples: Vec::new(),
                    ..snapshot.clone()
                })
        }
        None if by_stack => snapshot.clone(),
        None => return None,
    };
    filter.apply(&mut wanted);
    Some(wanted)
}

fn http_options(args: &HttpArgs) -> Result<HttpOptions> {
    let headers = args.header.iter().map(|header| {
        if header.name.is_empty() {
            return Err(
                Failure::new("cannot use a --header without a name").advise("give \"NAME: VALUE\"")
            );
        }
        Ok((header.name.clone(), Secret::new(header.value.clone())))
    });
    Ok(HttpOptions {
        auth: auth(args)?,
        headers: headers.collect::<Result<_>>()?,
        client_certificate: args
            .client_cert
            .as_ref()
            .map(|certificate| ClientCertificate {
                certificate: certificate.clone(),
                key: args.client_key.clone(),
            }),
        ca_file: args.ca_file.clone(),
        insecure_skip_verify: args.insecure_skip_verify,
        timeouts: Timeouts {
            connect: args.connect_timeout,
            read: args.read_timeout,
            total: args.timeout,
        },
        max_body_bytes: args.max_bytes,
        max_redirects: args.max_redirects,
        ..HttpOptions::default()
    })
}

fn auth(args: &HttpArgs) -> Result<Option<Auth>> {
    if let Some(path) = &args.bearer_token_file {
        return Ok(Some(Auth::Bearer(Secret::new(token_in(path)?))));
    }
    if let Some(token) = &args.bearer_token {
        return Ok(Some(Auth::Bearer(Secret::new(token.clone()))));
    }
    Ok(args.basic_auth.as_ref().map(|pair| {
        let (user, password) = pair.split_once(':').unwrap_or((pair, ""));
        Auth::Basic {
            user: user.to_owned(),
            password: Secret::new(password),
        }
    }))
}

fn token_in(path: &Path) -> Result<String> {
    let failed = |why: String| {
        Failure::new(format!(
            "cannot read the bearer token in {}: {why}",
            path.display()
        ))
    };
    let file = fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    file.take(MAX_TOKEN_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| failed(error.to_string()))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(failed("the file is empty".into()));
    }
    Ok(token.to_owned())
}

/// The report's view of a target and the snapshot that was chosen.
pub(crate) fn target_info(capture: &Capture, snapshot: &Snapshot) -> TargetInfo {
    TargetInfo {
        kind: capture.info.kind,
        name: capture.info.name.clone(),
        go_version: snapshot.go_version.clone(),
        taken_at_unix_nanos: snapshot
            .taken_at_unix_nanos
            .or(capture.info.taken_at_unix_nanos),
        pause_seconds: capture.info.pause.map(|pause| pause.as_secs_f64()),
        method: capture.info.method,
        bytes_read: Some(snapshot.bytes_read),
    }
}

/// What a query asks that a snapshot's format cannot answer, so that an empty answer is understood.
pub(crate) fn unanswerable(query: &QueryArgs, snapshot: &Snapshot) -> Vec<Problem> {
    let knows = matches!(snapshot.format, Format::Dump | Format::Memory);
    let mut problems = Vec::new();
    if !knows && (query.min_wait.is_some() || query.max_wait.is_some()) {
        problems.push(("how long goroutines wait", "--min-wait and --max-wait"));
    }
    if !knows && !query.stack.created_by.is_empty() {
        problems.push(("who created a goroutine", "--created-by"));
    }
    let unlabelled = || {
        snapshot
            .samples
            .iter()
            .all(|sample| sample.labels.is_empty())
    };
    let labels = (!query.label.is_empty() && snapshot.format == Format::Dump && unlabelled()).then(|| {
        Problem::new(
            "no goroutine of this dump shows a label, so --label finds nothing: dumps have labels since Go 1.27; take a \
             profile (debug=0)",
        )
    });
    problems
        .into_iter()
        .map(|(what, flags)| {
            let format = snapshot.format.as_str();
            Problem::new(format!(
                "{format} does not tell {what}, so {flags} find nothing: take a debug=2 dump"
            ))
        })
        .chain(labels)
        .collect()
}
