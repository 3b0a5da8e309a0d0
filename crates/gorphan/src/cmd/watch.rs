//! `gorphan watch`: sweeps on an interval, and the pages.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gorphan_fleet::pass::{Fleet, Manner};
use gorphan_fleet::push::Push;
use gorphan_fleet::sweep::Effects;
use gorphan_fleet::watch::{Told, interval, watch};
use gorphan_fleet::web::{App, Outside, People};

use super::Outcome;
use super::serving::{clock, guard, listen, runtime, serve, stopped, stopping};
use super::sweep::configuration;
use crate::args::Watch;
use crate::error::{Failure, Result};
use crate::output;
use crate::settings::Settings;

/// How long requests for pages may take once it is time to stop.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs the command.
pub(crate) fn run(args: &Watch) -> Result<Outcome> {
    let settings = Settings::load(&args.judge, args.source_root.as_deref())?;
    let (path, mut fleet) = configuration(args.judge.config.as_deref())?;
    if let Some(listen) = args.listen {
        fleet.web.listen = listen;
    }
    let stopping = stopping()?;
    let (guard, made) = guard(&fleet.web)?;
    let listener = listen(fleet.web.listen)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let seed = u64::from(std::process::id()) ^ clock().unsigned_abs();
    let mut opened = Fleet::open(&fleet, folder, Effects::real(seed))
        .map_err(|error| Failure::new(error.to_string()))?;
    let push = Push::new(clock);
    opened = opened.with_push(push.clone());
    let reader = opened.history().reader();
    let reader = reader.map_err(|error| Failure::new(error.to_string()))?;
    let source = settings.source.map(Arc::new);
    let of_pages = source.clone();
    let outside = Outside {
        source: Box::new(move |name| of_pages.as_ref().and_then(|root| root.text(name))),
        clock,
        guard,
        people: Some(People {
            ledger: Arc::clone(opened.ledger()),
            alerting: fleet.alerting.clone(),
        }),
        history: Some(reader),
    };
    let every = interval(&fleet);
    let seconds = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
    let app = App::new(path.display().to_string(), seconds, outside);
    let runtime = runtime()?;
    let url = serve(&runtime, listener, &app, Some(&push), stopping.clone())?;
    output::print(&format!(
        "watching {} every {} s; pages at {url}\n",
        path.display(),
        every.as_secs()
    ))?;
    if let Some(token) = made {
        output::print(&format!("token: {token}\n"))?;
    }
    let text = |name: &str| source.as_ref().and_then(|root| root.text(name));
    let manner = Manner {
        policy: &settings.policy,
        source: &text,
        root: source.as_ref().map(|root| root.root()),
        place: &|name| source.as_ref().and_then(|root| root.relative(name)),
        rehearsal: false,
    };
    let stop = stopped(stopping);
    runtime.block_on(watch(&fleet, &mut opened, &manner, &app, clock, tell, stop));
    // A name look-up that hangs must not hold up the exit, nor a reader who is slow.
    runtime.shutdown_timeout(LAST_WORDS);
    Ok(Outcome::Clean)
}

/// One line a pass on standard error, as a service's log has it.
fn tell(told: Told<'_>) {
    let now = jiff::Timestamp::now();
    match told {
        Told::Pass(pass, took) => {
            let (up, down) = (pass.swept.looks.len(), pass.swept.failures.len());
            anstream::eprintln!(
                "{now} swept {up} targets in {:.1} s, {down} not reached, {} findings",
                took.as_secs_f64(),
                pass.judgement.findings.len()
            );
            for trouble in &pass.troubles {
                anstream::eprintln!("{now} warning: {trouble}");
            }
        }
        Told::Failed(why) => anstream::eprintln!("{now} the sweep failed: {why}"),
        Told::Forgot(why) => {
            anstream::eprintln!("{now} warning: what was known before is not shown: {why}");
        }
    }
}
