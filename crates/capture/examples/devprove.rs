use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use gorphan_capture::*;
use gorphan_model::{GoroutineId, Proof};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let verbose = std::env::var_os("V").is_some();
    let rounds: usize = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let why = std::env::var("WHY").ok().and_then(|n| n.parse().ok()).map(GoroutineId);
    let mut child = Command::new(&args[1]).args(&args[2..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let options = ProcessOptions { pause_budget: Duration::from_secs(20), proof: true, why };
    let target = Target::Process { pid: child.id(), options };
    let mut bad = 0; let mut missed = std::collections::BTreeMap::<String, usize>::new(); let mut fine = 0; let mut inc = std::collections::BTreeMap::<String, usize>::new();
    let mut took = Duration::ZERO;
    for round in 0..rounds {
        let since = Instant::now();
        let captured = capture(&target, &HttpOptions::default(), &gorphan_decode::Options::default()).unwrap();
        took += since.elapsed();
        for sample in &captured.snapshots[0].samples {
            let ids: Vec<u64> = sample.identities.known.iter().map(|one| one.id.0).collect();
            let mut names: Vec<String> = sample.stack.frames.iter().map(|f| f.function.to_string()).collect();
            if let Some(c) = &sample.stack.created_by { names.push(format!("by {}", c.function)); }
            let top = names.join("<");
            let (is_leak, proof) = match sample.proof.as_deref() { None => (false, "-".to_owned()), Some(Proof::Unreachable(u)) => (true, format!("LEAK {:?} {:?}", u.objects.iter().map(|o| (&o.description, o.waiters)).collect::<Vec<_>>(), u.cause.iter().map(|c| format!("{} {}", c.goroutine.0, c.why)).collect::<Vec<_>>())), Some(Proof::Reachable(steps)) => (false, format!("LIVE {}", steps.iter().map(|s| s.to_string()).collect::<Vec<_>>().join(" -> "))), Some(Proof::Inconclusive(w)) => { *inc.entry(w.clone()).or_default() += 1; (false, format!("INCONCLUSIVE {w}")) } };
            let user: Vec<&String> = names.iter().filter(|n| n.contains("leak") || n.contains("live")).collect();
            let exp_leak = user.iter().any(|n| n.contains("main.leak"));
            if verbose { eprintln!("G {:?} {:?} {} | {}", &ids[..ids.len().min(5)], sample.state, proof, top); }
            if is_leak && !exp_leak { bad += 1; eprintln!("!!! FALSE POSITIVE round {round} G {:?} {:?} {} | {}", ids, sample.state, proof, top); }
            else if exp_leak && !is_leak { *missed.entry(format!("{proof} | {top} {:?}", sample.state)).or_default() += 1; }
            else { fine += 1; }
        }
        if let Some(why) = captured.why { eprintln!("WHY {why:#?}"); }
        for p in captured.snapshots[0].problems.iter().chain(&captured.problems) { eprintln!("problem {p:?}"); }
    }
    eprintln!("{}: rounds {rounds} ok {fine} FALSE {bad} missed {} avg {:?}", args[1], missed.values().sum::<usize>(), took / rounds as u32);
    for (k, v) in missed { eprintln!("   missed {v}x {k}"); }
    for (k, v) in inc { eprintln!("   inconclusive {v}x {k}"); }
    let _ = child.kill(); let _ = child.wait();
}
