//! Which broker a command talks to: flags, contexts, the environment.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_tests::Broker;
use ferrymq_tests::cli::{Ran, ferrymq};

const NOWHERE: &str = "http://127.0.0.1:1";

/// Runs a command where FERRYMQ_URL says this, or nothing.
fn run(broker: &Broker, variable: Option<&str>, arguments: &[&str]) -> Ran {
    let mut command = ferrymq(broker, arguments);
    match variable {
        Some(url) => command.env("FERRYMQ_URL", url),
        None => command.env_remove("FERRYMQ_URL"),
    };
    command.output().unwrap().into()
}

/// The URL that `ferrymq status` reached; none if it reached nothing.
fn reached(broker: &Broker, variable: Option<&str>, flags: &[&str]) -> Option<String> {
    let ran = run(broker, variable, &[flags, &["status", "--json"]].concat());
    (ran.code == 0).then(|| ran.json()[0]["url"].as_str().unwrap().to_owned())
}

#[test]
fn a_flag_wins_over_the_variable_and_that_over_the_context_in_use() {
    let broker = Broker::ephemeral();
    let url = broker.url();
    let ok = |arguments: &[&str]| assert_eq!(run(&broker, None, arguments).code, 0, "{arguments:?}");
    ok(&["context", "add", "here", &url, "--use"]);
    ok(&["context", "add", "nowhere", NOWHERE]);
    assert_eq!(reached(&broker, None, &[]).as_deref(), Some(url.as_str()));
    assert_eq!(reached(&broker, None, &["--context", "nowhere"]), None);
    assert_eq!(reached(&broker, Some(NOWHERE), &[]), None, "the variable wins over the context in use");
    assert_eq!(reached(&broker, Some(NOWHERE), &["--context", "here"]), Some(url.clone()));
    ok(&["context", "use", "nowhere"]);
    assert_eq!(reached(&broker, None, &[]), None);
    assert_eq!(reached(&broker, None, &["--url", &url]), Some(url.clone()));
    assert_eq!(reached(&broker, Some(&url), &[]), Some(url.clone()));
    assert_eq!(run(&broker, None, &["--url", &url, "--context", "here", "status"]).code, 2);
}

#[test]
fn contexts_are_listed_replaced_and_removed() {
    let broker = Broker::ephemeral();
    let run = |arguments: &[&str]| run(&broker, None, arguments);
    assert_eq!(run(&["context", "add", "a", "http://a:1", "--use"]).code, 0);
    assert_eq!(run(&["context", "add", "a", "http://b:1"]).code, 4);
    assert_eq!(run(&["context", "add", "a", "http://b:1", "--replace"]).code, 0);
    assert_eq!(run(&["context", "add", "b", "nonsense"]).code, 2);
    let listed = run(&["context", "list", "--json"]).json();
    assert_eq!(listed, [serde_json::json!({ "name": "a", "url": "http://b:1", "used": true })]);
    let table = run(&["context", "list"]);
    assert!(table.lines()[1].starts_with('*'), "{table:?}");

    let unknown = run(&["context", "use", "c"]);
    assert!(unknown.code == 3 && unknown.stderr.contains("there are a"), "{}", unknown.stderr);
    assert_eq!(run(&["--context", "c", "status"]).code, 3);
    assert_eq!(run(&["context", "remove", "a"]).code, 0);
    assert_eq!((run(&["context", "remove", "a"]).code, run(&["context", "list", "--json"]).stdout.len()), (3, 0));
}

#[test]
fn a_damaged_file_is_named_and_flags_do_without_it() {
    let broker = Broker::ephemeral();
    let directory = broker.home().join("ferrymq");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("contexts.toml"), "use = ").unwrap();
    let damaged = run(&broker, None, &["status"]);
    assert!(damaged.code == 2 && damaged.stderr.contains("contexts.toml"), "{}", damaged.stderr);
    assert!(reached(&broker, Some(&broker.url()), &[]).is_some());
}

#[test]
fn every_shell_gets_completions_without_a_broker() {
    let mut broker = Broker::ephemeral();
    broker.kill9();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = run(&broker, None, &["completions", shell]);
        assert!(script.code == 0 && script.lines().join("\n").contains("subscribe"), "{shell}: {script:?}");
    }
}
