//! A program of the simulated fleet: what it answers at a time.

use gorphan_model::operation::site_frame;
use gorphan_model::{Sample, symbol};

use super::captures;
use super::plan::{HOUR, Service};
use super::template::Template;

/// Goroutines of a dump at most: what is looked closer at has no more.
const MAX_DUMPED: u64 = 30_000;
/// Goroutines of the healthy program that come with load.
const BY_LOAD: [&str; 3] = [
    "net.(*netFD).Read",
    "net/http.(*persistConn).writeLoop",
    "main.(*service).mailer",
];
/// The workers of a pool in the healthy program.
const POOL: &str = "main.(*service).resizer";
/// Bytes of a stack in use, as the runtime counts them.
const STACK_BYTES: u64 = 2048;

/// How many goroutines a stack has.
#[derive(Debug, Clone, Copy)]
enum Count {
    /// Always as many.
    Fixed(u64),
    /// As many at the load that is usual.
    ByLoad(u64),
    /// The workers of the pool; of so many in the capture.
    Pool(u64),
    /// What leaked.
    Leaked,
}

/// A service's program.
pub(super) struct Program {
    service: Service,
    goroutine: Template,
    counts: Vec<Count>,
    /// What the runtime itself reports, where it does.
    reported: Option<Template>,
    /// Goroutines of a dump: those that are always there, and those that leaked.
    healthy: Vec<String>,
    leaking: Vec<String>,
    heap: String,
}

impl Program {
    /// The program of a service, made of what real programs said.
    ///
    /// # Errors
    /// When a capture cannot be read or has not what it should.
    pub(super) fn of(service: Service) -> Result<Self, String> {
        let healthy = captures::named(captures::HEALTHY).ok_or("no healthy program")?;
        let base = healthy.snapshot()?;
        let mut samples = base.samples.clone();
        let mut counts: Vec<Count> = samples.iter().map(usual).collect();
        let (mut leaking, mut reported) = (Vec::new(), None);
        if let Some(leak) = service.leak {
            let capture = captures::named(leak.capture).ok_or("no such capture")?;
            let is_leak = |sample: &Sample| leak.functions.contains(&&*function(sample));
            let found: Vec<Sample> = capture
                .snapshot()?
                .samples
                .into_iter()
                .filter(is_leak)
                .collect();
            if found.is_empty() {
                return Err(format!("{} has none of its leak", leak.capture));
            }
            counts.extend(found.iter().map(|_| Count::Leaked));
            samples.extend(found);
            let blocks = capture.goroutines().into_iter();
            leaking = blocks
                .filter(|block| leak.functions.iter().any(|it| is_blocked_at(block, it)))
                .collect();
            if leak.reported {
                let said = captures::reported()?;
                let found = said
                    .samples
                    .iter()
                    .filter(|sample| is_leak(sample))
                    .cloned();
                let found: Vec<Sample> = found.collect();
                reported = Some(Template::of(&said, found)?);
            }
        }
        Ok(Self {
            goroutine: Template::of(&base, samples)?,
            counts,
            reported,
            healthy: healthy.goroutines(),
            leaking,
            heap: captures::heap(),
            service,
        })
    }

    fn count(&self, count: Count, instance: u32, time: f64) -> u64 {
        let leaks = self.counts.iter().filter(|it| matches!(it, Count::Leaked));
        match count {
            Count::Fixed(count) => count,
            Count::ByLoad(count) => {
                (count as f64 * self.service.load(instance, time)).ceil() as u64
            }
            Count::Pool(count) => match self.service.pool {
                0 => count,
                pool if self.service.daily > 0.5 => {
                    (pool as f64 * self.service.load(instance, time) / 2.0) as u64
                }
                pool => pool,
            },
            Count::Leaked => self.service.leaked(instance, time) / (leaks.count() as u64).max(1),
        }
    }

    fn total(&self, instance: u32, time: f64) -> u64 {
        let counts = self.counts.iter();
        counts.map(|count| self.count(*count, instance, time)).sum()
    }

    /// The goroutine profile at debug=0.
    pub(super) fn profile(&self, instance: u32, time: f64) -> Vec<u8> {
        let counts = self.counts.iter();
        let counts: Vec<u64> = counts
            .map(|count| self.count(*count, instance, time))
            .collect();
        self.goroutine.filled(&counts)
    }

    /// What the runtime reports; `None` where the program's Go has no such profile.
    pub(super) fn reported(&self, instance: u32, time: f64) -> Option<Vec<u8>> {
        let template = self.reported.as_ref()?;
        let leaked = self.count(Count::Leaked, instance, time);
        Some(template.filled(&vec![leaked; self.counts.len()]))
    }

    /// The dump, debug=2.
    pub(super) fn dump(&self, instance: u32, time: f64) -> String {
        let mut out = String::new();
        let mut id = 1_u64;
        for block in &self.healthy {
            add(&mut out, block, id, 0);
            id += 1;
        }
        let leaked = self.service.leaked(instance, time).min(MAX_DUMPED);
        let oldest = self.service.age(instance, time) / 60.0;
        for (number, block) in (0..leaked).zip(self.leaking.iter().cycle()) {
            // The first one has waited the longest.
            let waited = oldest * (1.0 - number as f64 / leaked as f64);
            add(&mut out, block, id + number * 3, waited as u64);
        }
        out
    }

    /// The heap profile at debug=1, with as much stack as there are goroutines.
    pub(super) fn heap(&self, instance: u32, time: f64) -> String {
        let stacks = self.total(instance, time) * STACK_BYTES;
        let load = self.service.load(instance, time);
        let lines = self.heap.lines().map(|line| {
            let field = |name: &str| line.strip_prefix(name).is_some();
            if field("# Stack = ") {
                format!("# Stack = {stacks} / {stacks}")
            } else if field("# HeapAlloc = ") {
                let base = 24.0 * 1024.0 * 1024.0 * load;
                let held = self.service.leaked(instance, time) as f64 * 1024.0;
                format!("# HeapAlloc = {}", (base + held) as u64)
            } else {
                line.to_owned()
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What tells one process of an instance from the next.
    pub(super) fn start(&self, instance: u32, time: f64) -> String {
        let started = time - self.service.age(instance, time);
        format!("{:.0}", started / HOUR)
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }
}

/// The canonical name of the function in which the goroutines of a sample are blocked.
fn function(sample: &Sample) -> String {
    let frame = site_frame(&sample.stack);
    frame.map_or(String::new(), |frame| {
        symbol::canonical(&frame.function).into_owned()
    })
}

fn usual(sample: &Sample) -> Count {
    match &*function(sample) {
        POOL => Count::Pool(sample.count),
        function if BY_LOAD.contains(&function) => Count::ByLoad(sample.count),
        _ => Count::Fixed(sample.count),
    }
}

/// Whether the goroutine of a dump is blocked in that function: the first that is neither the runtime's nor sync's.
fn is_blocked_at(block: &str, wanted: &str) -> bool {
    let calls = block.lines().skip(1).filter(|line| !line.starts_with('\t'));
    let mut names = calls.map(|line| line.rsplit_once('(').map_or(line, |(name, _)| name));
    let is_plumbing = |name: &&str| {
        let inner = ["runtime.", "sync.", "internal/sync."];
        inner.iter().any(|it| name.starts_with(it))
    };
    names
        .find(|name| !is_plumbing(name))
        .is_some_and(|name| symbol::canonical(name) == wanted)
}

/// Adds a goroutine of another number, which has waited for so many minutes.
fn add(out: &mut String, block: &str, id: u64, minutes: u64) {
    let (header, stack) = block.split_once('\n').unwrap_or((block, ""));
    let state = header.split_once('[').map_or("running", |(_, rest)| {
        rest.split([',', ']']).next().unwrap_or_default()
    });
    let waited = match minutes {
        0 => String::new(),
        minutes => format!(", {minutes} minutes"),
    };
    out.push_str(&format!("goroutine {id} [{state}{waited}]:\n{stack}\n\n"));
}

#[cfg(test)]
mod tests {
    use super::super::plan::{DAY, SERVICES};
    use super::*;

    #[test]
    fn every_program_says_in_each_form_what_the_plan_has() {
        for service in SERVICES {
            let program = Program::of(service).expect("a program");
            let time = 6.0 * DAY;
            let leaked = service.leaked(0, time);
            let read = |bytes: &[u8]| {
                let read = gorphan_decode::read_bytes(bytes, &Default::default());
                read.expect("goroutines").remove(0)
            };
            let at_leak = |snapshot: &gorphan_model::Snapshot| -> u64 {
                let wanted = service.leak.map_or(&[][..], |leak| leak.functions);
                let samples = snapshot.samples.iter();
                let samples = samples.filter(|it| wanted.contains(&&*function(it)));
                samples.map(|sample| sample.count).sum()
            };
            let profile = read(&program.profile(0, time));
            assert!(!profile.truncated && profile.problems.is_empty());
            // The healthy program has connections of its own.
            let own = if service.name == "gateway" {
                2..60
            } else {
                0..1
            };
            let more = at_leak(&profile).saturating_sub(leaked / 2 * 2);
            assert!(own.contains(&more), "{}: {more}", service.name);
            let dump = read(program.dump(0, time).as_bytes());
            let dumped = at_leak(&dump);
            assert!(
                dumped >= leaked.min(MAX_DUMPED),
                "{}: {dumped}",
                service.name
            );
        }
    }
}
