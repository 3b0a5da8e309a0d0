use gorphan_model::verdict::Policy;

use super::*;
use crate::web::{Board, Guard, Outside};

const END: i64 = 1_767_225_600;

fn app() -> Arc<App> {
    let outside = Outside {
        source: Box::new(source),
        clock: || END,
        guard: Guard::new(None, Vec::new(), [7; 32]),
        people: None,
        history: None,
    };
    App::new("a simulated fleet", 30, outside)
}

/// One sweep at the end of the days: real HTTP, real decoding, the closer look.
#[tokio::test]
async fn a_sweep_over_the_simulated_fleet_sees_what_the_plan_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = Demo::start(END, folder.path()).await.expect("servers");
    let mut fleet = demo.open(folder.path()).expect("a history");
    demo.servers.shared.set(END);
    let policy = Policy::default();
    let manner = Manner {
        policy: &policy,
        source: &source,
        root: None,
        place: &|_| None,
        rehearsal: false,
    };
    let pass = fleet.pass(&demo.config, &manner, END, Duration::ZERO).await;
    let pass = pass.expect("a pass");
    assert_eq!(pass.swept.looks.len(), 212);
    assert_eq!(pass.swept.failures.len(), 1);
    let board = app().board().after(&pass, Duration::ZERO, fleet.history());
    let mut board = board.expect("a board");
    let found = |service: &str| board.findings.iter().find(|it| it.service == service);
    let checkout = found("checkout").expect("more than the threshold");
    assert_eq!(checkout.verdict, "suspect");
    assert_eq!(
        checkout.file.as_deref(),
        Some("example.com/fixtures/conditional-premature-return/main.go")
    );
    assert!(checkout.cost.heap_bytes.is_some() && checkout.cost.measured);
    assert_eq!(found("search").map(|it| it.verdict), Some("leak"));
    // Pools and load are no leaks, however many goroutines they have.
    for healthy in ["media", "mail", "frontend", "auth", "cron"] {
        assert_eq!(found(healthy), None, "{healthy}");
    }
    let targets = board.targets.iter();
    let down: Vec<_> = targets.filter(|it| it.state == "down").collect();
    assert_eq!(down.len(), 1);
    assert_eq!(down[0].service, "billing");
    assert!(down[0].error.is_some());

    // All of it is known after a restart.
    let mut troubles = Vec::new();
    board.keep(&mut fleet, &mut troubles);
    assert_eq!(troubles, Vec::<String>::new());
    drop(fleet);
    let fleet = demo.open(folder.path()).expect("the history again");
    let again = Board::kept(&fleet, END)
        .expect("whole")
        .expect("it was kept");
    assert_eq!(again.at, board.at);
    assert_eq!(again.findings, board.findings);
    assert_eq!(again.dismissed, board.dismissed);
    assert_eq!(again.services, board.services);
    assert_eq!(again.sites, board.sites);
    assert_eq!(again.targets, board.targets);
    assert_eq!(again.sweeps, board.sweeps);
    assert_eq!(again.series, board.series);
    let views = |board: &Board| {
        let all = board.captures.newest_first().map(|it| it.view.clone());
        let mut all: Vec<_> = all.collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    };
    assert_eq!(views(&again), views(&board));
    assert!(views(&board).len() >= 20, "one of each service");
}
