//! The clients that send profiles, the real ones: Pyroscope's for Go, and the one that Grafana Alloy is made with.

#[allow(dead_code)] // not everything of it is needed here
#[path = "../../gorphan/tests/support/toolchain.rs"]
mod toolchain;

use std::path::Path;
use std::process::Command;

use gorphan_fleet::push::Push;
use gorphan_fleet::sweep::Swept;
use toolchain::{go, root};

#[tokio::test]
async fn real_clients_are_understood() {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("push-client");
    let built = Command::new(go())
        .args(["build", "-trimpath", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(root().join("fixtures/push"))
        .envs([
            ("GOTOOLCHAIN", "local"),
            ("GOFLAGS", ""),
            ("CGO_ENABLED", "0"),
        ])
        .output()
        .expect("go runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "the client does not build: {said}");

    let push = Push::new(|| 1_000);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = push.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(program);
        command.arg(url);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
            command.env_remove(name);
        }
        command.output().expect("it runs")
    });
    let output = client.await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let counts = push.counts();
    assert_eq!(counts.refused, 0, "{counts:?} {said}");
    assert!(
        counts.ignored > 0,
        "heap and mutex profiles came as well: {counts:?}"
    );
    let mut swept = Swept::default();
    swept.add_pushed(push.drain(1_000, 60).await);
    let looks: Vec<String> = swept
        .looks
        .iter()
        .map(|look| {
            let mut sites = look.sites.iter();
            let leak = sites.find(|(site, _)| &*site.function == "main.leak");
            let (target, count) = (&look.target, leak.map_or(0, |(_, count)| *count));
            format!(
                "{} {} {} {count}",
                target.service(),
                target.instance(),
                target.version()
            )
        })
        .collect();
    assert_eq!(
        looks,
        [
            "shop/cart 10.0.0.1:6060  40",
            "shop/cart 10.0.0.2:6060  40",
            "shop by-client 1.10 40",
        ]
    );
    let by_client = swept.looks.last().expect("three");
    assert!(
        !by_client.target.start.is_empty(),
        "its session tells restarts"
    );
}
