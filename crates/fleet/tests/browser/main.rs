//! The pages in a real browser: nothing on the console, nothing that the content policy refuses, with scripts and without,
//! on a phone, in the dark.

mod driver;

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use driver::Browser;
use gorphan_fleet::demo::{Demo, source};
use gorphan_fleet::pass::Manner;
use gorphan_fleet::web::{App, Guard, Outside, People, router, serve};
use gorphan_model::verdict::Policy;

const END: i64 = 1_767_225_600;
/// Pixels of a narrow phone.
const PHONE: u32 = 360;

struct Served {
    url: String,
    app: Arc<App>,
    _folder: tempfile::TempDir,
}

/// The pages of a simulated fleet after its last sweeps.
async fn served() -> Served {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = Demo::start(END, folder.path()).await.expect("servers");
    let mut fleet = demo.open(folder.path()).expect("a history");
    let outside = Outside {
        source: Box::new(source),
        clock: || END + 100,
        guard: Guard::new(None, Vec::new(), [7; 32]),
        people: Some(People {
            ledger: Arc::clone(fleet.ledger()),
            alerting: demo.config.alerting.clone(),
        }),
        history: None,
    };
    let app = App::new("a simulated fleet", 600, outside);
    let policy = Policy::default();
    let manner = Manner {
        policy: &policy,
        source: &source,
        root: None,
        place: &|_| None,
        rehearsal: false,
    };
    demo.last_sweeps(6, &mut fleet, &manner, &app)
        .await
        .expect("sweeps");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(serve(listener, router(&app, None), std::future::pending()));
    Served {
        url: format!("http://{address}"),
        app,
        _folder: folder,
    }
}

/// Every page, with what must stand on it.
fn pages(app: &App) -> Vec<(&'static str, String, &'static str)> {
    let board = app.board();
    let finding = board.findings.iter().find(|it| it.service == "checkout");
    let finding = finding.expect("it leaks").fingerprint.clone();
    let captures = board.captures.newest_first().map(|it| &it.view);
    let captures: Vec<_> = captures.filter(|it| it.service == "checkout").collect();
    let (last, first) = (
        captures[0].id.clone(),
        captures[captures.len() - 1].id.clone(),
    );
    vec![
        ("leaks", "/".to_owned(), "profileHandler"),
        ("finding", format!("/findings/{finding}"), "How to fix it"),
        ("services", "/services".to_owned(), "team-payments"),
        (
            "service",
            "/services/checkout".to_owned(),
            "Where its goroutines are",
        ),
        ("targets", "/targets".to_owned(), "billing"),
        ("sweeps", "/sweeps".to_owned(), "Targets reached"),
        ("captures", "/captures".to_owned(), "Choose two"),
        ("capture", format!("/captures/{last}"), "all goroutines"),
        (
            "compare",
            format!("/compare?before={first}&after={last}"),
            "What changed",
        ),
        ("nothing", "/nowhere".to_owned(), "no such page"),
    ]
}

/// Pictures are kept in this folder if the variable names one; people look at them.
async fn picture(browser: &Browser, name: &str) {
    let Ok(folder) = std::env::var("GORPHAN_PICTURES") else {
        return;
    };
    let bytes = base64::engine::general_purpose::STANDARD.decode(browser.picture().await);
    let path = Path::new(&folder).join(format!("{name}.png"));
    std::fs::write(path, bytes.expect("base64")).expect("written");
}

async fn check(browser: &Browser, served: &Served, name: &str, path: &str, text: &str) {
    browser.open(&format!("{}{path}", served.url)).await;
    let shown = browser.value("document.body.innerText").await;
    let shown = shown.as_str().unwrap_or_default().to_owned();
    assert!(shown.contains(text), "{name} has no {text:?}: {shown}");
    let width = browser
        .value("document.documentElement.scrollWidth - innerWidth")
        .await;
    assert!(
        width.as_i64() <= Some(0),
        "{name} is {width} pixels too wide"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_works_with_scripts_and_without_on_a_phone_and_in_the_dark() {
    let served = served().await;
    let pages = pages(&served.app);
    let browser = Browser::start().await;
    for (kind, width, is_phone, scheme, scripts) in [
        ("wide", 1280, false, "light", true),
        ("phone-dark", PHONE, true, "dark", true),
        ("without-scripts", PHONE, true, "light", false),
        ("wide-dark", 1280, false, "dark", false),
    ] {
        browser.size(width, 900, is_phone).await;
        browser.scheme(scheme).await;
        browser.scripts(scripts).await;
        for (name, path, text) in &pages {
            check(&browser, &served, name, path, text).await;
            if *name == "finding" && scripts {
                // The plot that values are read off takes the place of the drawn one.
                browser
                    .wait_for("document.querySelector('.chart canvas')")
                    .await;
            } else if *name == "finding" {
                let drawn = browser.value("document.querySelectorAll('.chart polyline').length");
                assert!(drawn.await.as_i64() > Some(1), "drawn on the server");
            }
            picture(&browser, &format!("{name}-{kind}")).await;
        }
        let dark = browser
            .value("getComputedStyle(document.body).backgroundColor")
            .await;
        let is_white = dark == "rgb(255, 255, 255)";
        assert_eq!(is_white, scheme == "light", "{dark}");
        let complaints = browser.complaints().await;
        // The page that is not there is asked for on purpose.
        let complaints: Vec<_> = complaints
            .into_iter()
            .filter(|it| !it.contains("/nowhere"))
            .collect();
        assert_eq!(complaints, Vec::<String>::new(), "{kind}");
    }
    searching(&browser, &served).await;
    zooming(&browser, &served, &pages).await;
    browser.end().await;
}

/// Typing narrows the table down without loading the page anew.
async fn searching(browser: &Browser, served: &Served) {
    browser.size(1280, 900, false).await;
    browser.scripts(true).await;
    browser.open(&format!("{}/", served.url)).await;
    browser.wait_for("typeof htmx === 'object'").await;
    browser.value("(window.kept = 1, document.querySelector('input[type=search]').value = 'team-payments', document.querySelector('input[type=search]').dispatchEvent(new Event('input', {bubbles: true})))").await;
    browser
        .wait_for("!document.querySelector('#findings').innerText.includes('search')")
        .await;
    let kept = browser.value("[window.kept, location.search, document.querySelectorAll('#findings tbody tr').length]").await;
    assert_eq!(kept[0], 1, "the page was loaded anew");
    assert!(
        kept[1]
            .as_str()
            .unwrap_or_default()
            .contains("q=team-payments"),
        "{kept}"
    );
    assert!(kept[2].as_i64() >= Some(1), "{kept}");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// A bar is a link that makes it the whole width.
async fn zooming(browser: &Browser, served: &Served, pages: &[(&str, String, &str)]) {
    let capture = pages.iter().find(|(name, _, _)| *name == "capture");
    let (_, path, _) = capture.expect("there is one");
    browser.scripts(false).await;
    browser.open(&format!("{}{path}", served.url)).await;
    let link = browser
        .value("document.querySelectorAll('.icicle a')[1].getAttribute('href')")
        .await;
    let link = link.as_str().expect("a link").to_owned();
    browser.open(&format!("{}{link}", served.url)).await;
    let first = browser
        .value("document.querySelector('.icicle a svg').getAttribute('width')")
        .await;
    assert_eq!(first, "100.000%");
    let steps = browser
        .value("document.querySelectorAll('.path a').length")
        .await;
    assert!(steps.as_i64() >= Some(1), "{steps}");
}
