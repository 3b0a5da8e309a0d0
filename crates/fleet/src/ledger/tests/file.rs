//! The file, and what else is kept in it.

use super::*;

#[test]
fn fingerprints_may_be_cut_short() {
    let scene = Scene::new();
    scene.sweep(0, &["shop 10 v1", "cart 10 v1", "other 10 v1"]);
    let ledger = scene.open();
    assert_eq!(
        ledger.finding("BBBB", 0).expect("one").notice.service,
        "other"
    );
    let several = ledger.finding("aaaa", 0).expect_err("two").to_string();
    assert!(several.contains("start of 2 fingerprints"), "{several}");
    for unknown in ["cccc", "bbb", "bbbb*", "", "bbbb0000000000031"] {
        assert!(ledger.finding(unknown, 0).is_err(), "{unknown:?}");
    }
    let filter = Filter {
        service: Some("cart".to_owned()),
        ..Filter::default()
    };
    assert_eq!(ledger.findings(&filter, 0).expect("listed").len(), 1);
}

#[test]
fn what_targets_did_is_kept() {
    let scene = Scene::new();
    let mut breaker = Breaker::default();
    for _ in 0..4 {
        breaker.failed("no route");
    }
    assert!(breaker.holds().is_some());
    let key = ("job".to_owned(), "i-1".to_owned());
    let well = ("job".to_owned(), "i-2".to_owned());
    let breakers = [(key, breaker), (well, Breaker::default())]
        .into_iter()
        .collect();
    let dumps = [("shop".to_owned(), 60)].into_iter().collect();
    scene.open().keep(&breakers, &dumps).expect("kept");
    let ledger = scene.open();
    assert_eq!(ledger.dumps().expect("read"), dumps);
    let mut kept = breakers;
    kept.retain(|_, breaker| *breaker != Breaker::default());
    assert_eq!(ledger.breakers().expect("read"), kept);
}

#[test]
fn what_is_no_ledger_is_refused_and_left_alone() {
    let refused = |make: &dyn Fn(&Path), word: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        make(&path);
        let before = fs::read(&path).expect("read");
        let error = Ledger::open(&path).expect_err(word).to_string();
        assert!(error.contains(word), "{error}");
        assert!(error.contains(FILE), "{error}");
        if !word.contains("tables") {
            assert_eq!(fs::read(&path).expect("read"), before, "{word}");
        }
    };
    let sql = |path: &Path, text: &str| {
        let connection = Connection::open(path).expect("opened");
        connection.execute_batch(text).expect("done");
    };
    let ledger = |path: &Path| drop(Ledger::open(path).expect("opened"));
    refused(
        &|path| fs::write(path, "not a database at all".repeat(90)).expect("written"),
        "no SQLite database",
    );
    refused(&|path| sql(path, "CREATE TABLE a (b)"), "another program");
    refused(
        &|path| sql(path, "PRAGMA application_id = 5"),
        "another program",
    );
    refused(
        &|path| {
            ledger(path);
            sql(path, "PRAGMA user_version = 99");
        },
        "it has version 99",
    );
    refused(
        &|path| {
            ledger(path);
            sql(
                path,
                "CREATE TRIGGER t AFTER INSERT ON sweeps BEGIN DELETE FROM findings; END",
            );
        },
        "its tables are not those of a ledger",
    );
    refused(
        &|path| {
            ledger(path);
            let mut bytes = fs::read(path).expect("read");
            let length = bytes.len();
            bytes[4096..length].fill(0xa5);
            fs::write(path, bytes).expect("written");
        },
        "damaged",
    );
}
