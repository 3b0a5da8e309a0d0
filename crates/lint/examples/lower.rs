//! Lowers packages and says how long it took: `lower [dump|findings] PATTERN...`, with patterns as the go command's. With `dump` it
//! prints the IR and the summaries too, with `findings` what the rules find. Seconds are those of the processor, on one thread.

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own: it reads files, its environment and a clock"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use gorphan_lint::ir::{Package, dump};
use gorphan_lint::load::{Environment, Request, Settings, Wishes, load};
use gorphan_lint::lower::lower;
use gorphan_lint::rules;
use gorphan_lint::summary::{Analysis, Facts, analyse};
use gorphan_lint::syntax::Names;
use gorphan_lint::types::{Checker, PackageId};

#[derive(Default)]
struct Totals {
    types: f64,
    lower: f64,
    summaries: f64,
    rules: f64,
    funcs: usize,
    instrs: usize,
    objects: usize,
    escaped: usize,
    unknowns: usize,
    facts: usize,
    open: usize,
    calls: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut patterns: Vec<String> = std::env::args().skip(1).collect();
    let is_dump = patterns.first().is_some_and(|first| first == "dump");
    let is_check = patterns.first().is_some_and(|first| first == "findings");
    if is_dump || is_check {
        patterns.remove(0);
    }
    let environment = Environment {
        variable: &|name| std::env::var(name).ok(),
        home: std::env::home_dir(),
        configuration: None,
        working: std::env::current_dir()?,
    };
    let names = Names::new();
    let files = support::Disk;
    let settings = Settings::detect(&files, &environment, &Wishes::default());
    let request = Request {
        patterns: &patterns,
        tests: is_check,
        threads: 2,
    };
    let loaded = load(&files, &settings, &request)?;
    let parsed = loaded.parse(&names, 2, &|place| {
        loaded.packages.get(place).is_some_and(|info| info.root)
    });
    let mut totals = Totals::default();
    let mut slowest: Vec<(f64, String)> = Vec::new();
    let mut facts: HashMap<PackageId, Arc<Facts>> = HashMap::new();
    let packages = loaded.packages.iter().zip(&parsed.ids);
    for (info, id) in packages.filter(|(info, _)| info.root) {
        let start = processor_seconds()?;
        let mut checker = Checker::new(&parsed.program, &names, *id);
        checker.check_all();
        let typed = processor_seconds()?;
        let lowered = lower(&mut checker, &|id| facts.get(&id).cloned());
        let done = processor_seconds()?;
        let analysis = analyse(lowered);
        let told = Facts::of(&analysis);
        totals.facts += told.encode().len();
        facts.insert(*id, Arc::new(told));
        let end = processor_seconds()?;
        totals.types += typed - start;
        totals.lower += done - typed;
        totals.summaries += end - done;
        slowest.push((end - typed, info.path.clone()));
        totals.add(&analysis);
        if is_check {
            let files = &parsed.program.package(*id).files;
            let checked = rules::check(&rules::Context::new(&analysis, &names, files));
            totals.rules += processor_seconds()? - end;
            for finding in checked {
                let place = finding.at.file.0 as usize;
                let (path, file) = (info.files.get(place), files.get(place));
                let line = file.map_or(0, |file| file.position(finding.at.span.start).line);
                let path = path.map_or("", |path| path);
                println!(
                    "{path}:{line}: {} {:?} {}",
                    finding.code, finding.verdict, finding.message
                );
            }
        }
        if is_dump {
            print(&analysis, &names);
        }
    }
    slowest.sort_by(|one, two| two.0.total_cmp(&one.0));
    eprintln!(
        "types {:.2} s, lowering {:.2} s, summaries {:.2} s, rules {:.2} s",
        totals.types, totals.lower, totals.summaries, totals.rules
    );
    eprintln!(
        "{} functions, {} instructions, {} objects ({} escape), {} calls ({} open), {} places not understood, {} bytes of facts",
        totals.funcs,
        totals.instrs,
        totals.objects,
        totals.escaped,
        totals.calls,
        totals.open,
        totals.unknowns,
        totals.facts
    );
    for (seconds, path) in slowest.iter().take(5) {
        eprintln!("{seconds:.3} s {path}");
    }
    Ok(())
}

impl Totals {
    fn add(&mut self, analysis: &Analysis) {
        let ir: &Package = &analysis.ir;
        self.funcs += ir.funcs.len();
        self.instrs += ir.funcs.iter().map(|func| func.instrs.len()).sum::<usize>();
        self.unknowns += ir
            .funcs
            .iter()
            .map(|func| func.unknowns.len())
            .sum::<usize>();
        self.objects += ir.objects.len();
        let escaped = ir
            .objects()
            .filter(|(id, _)| ir.aliases.escape(*id).is_some());
        self.escaped += escaped.count();
        self.calls += ir.calls.len();
        self.open += analysis
            .targets
            .iter()
            .filter(|targets| targets.is_open)
            .count();
    }
}

fn print(analysis: &Analysis, names: &Names) {
    print!("{}", dump(&analysis.ir, names));
    for (id, func) in analysis.ir.funcs() {
        let summary = analysis.summary(id);
        let partial = if summary.is_partial { " partial" } else { "" };
        println!("summary {} {:?}{partial}", func.name, summary.returns);
        for effect in &summary.effects {
            let place = analysis.ir.place_text(names, effect.place);
            let flags = [
                (effect.always, "always"),
                (effect.many, "many"),
                (effect.spawned, "spawned"),
                (effect.passing, "passing"),
            ];
            let flags: Vec<&str> = flags
                .into_iter()
                .filter(|flag| flag.0)
                .map(|flag| flag.1)
                .collect();
            println!("  {:?} {place} {}", effect.kind, flags.join(" "));
        }
    }
    for (id, object) in analysis.ir.objects() {
        let escape = analysis.ir.aliases.escape(id);
        println!(
            "{id:?} {:?} {escape:?} {} operations",
            object.kind,
            analysis.operations(id).len()
        );
    }
}

/// What this thread has run, in seconds; Linux only.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let path = PathBuf::from("/proc/thread-self/schedstat");
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let nanoseconds = text.split(' ').next().unwrap_or_default();
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}
