//! gRPC-Web with the TypeScript client: from a page in a real browser, and every scenario of the clients from Node.js.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ferrymq_tests::Broker;

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

#[test]
fn a_page_publishes_subscribes_and_settles_and_a_page_of_another_origin_may_not() {
    let (Some(_), Some(_), Some(browser)) = (find(&["node"]), find(&["npm"]), find(&BROWSERS)) else { return };
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/typescript");
    succeed(Command::new(client.join("conformance/prepare")));
    let port = free_port();
    let broker = Broker::ephemeral_with(&[("web_origins", &format!("http://localhost:{port}"))]);
    let mut play = Command::new("node");
    play.arg(client.join("../../target/clients/typescript/run.mjs")).args([&broker.url(), &port.to_string()]);
    play.arg(browser);
    succeed(play);
}

#[test]
fn the_scenarios_of_the_clients_play_over_grpc_web_too() {
    let (Some(_), Some(_)) = (find(&["node"]), find(&["npm"])) else { return };
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/typescript/conformance");
    succeed(Command::new(client.join("prepare")));
    let mut play = Command::new(client.join("run"));
    play.arg("scenarios").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/scenarios.yaml"));
    play.env("FERRYMQ_CONFORMANCE", "web").env("TEST_STAGE", env!("CARGO_BIN_EXE_stage"));
    succeed(play);
}

fn succeed(mut command: Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// One that nobody listened on a moment ago.
fn free_port() -> u16 {
    TcpListener::bind(("localhost", 0)).unwrap().local_addr().unwrap().port()
}

/// The first of these programs that is here. In CI one has to be.
fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<_> = std::env::split_paths(&path).collect();
    let found = names.iter().find_map(|name| directories.iter().map(|dir| dir.join(name)).find(|file| file.is_file()));
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "none of {names:?} is on the PATH");
        eprintln!("SKIPPED: the test in a browser, as none of {names:?} is on the PATH");
    }
    found
}
