//! The examples of the Rust client, each run on a broker: they check what they show, and leave nothing behind.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use ferrymq_tests::{Broker, example, example_sources, within};

/// Each example, and the last promise that it prints.
const PATTERNS: [(&str, &str); 7] = [
    ("work_queue", "carl's job went to another, marked as a repetition, and no other did"),
    ("fan_out", "none of it is a repetition"),
    ("filter_policies", "exactly what its policy lets through"),
    ("groups_with_replay", "that ends by itself, with nothing to ack"),
    ("ordering_keys", "it is among the dead letters, and nothing else is missing"),
    ("traffic_smoothing", "in no window did more go out than a burst and the rate"),
    ("dead_letters", "no dead letter is left"),
];

async fn finished(mut command: Command) -> Output {
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    within("the end of an example", run).await.unwrap()
}

async fn keeps_its_promises(name: &str, arguments: &[&str]) {
    let broker = Broker::start();
    let mut command = example(name);
    command.args(arguments).env("FERRYMQ_URL", broker.url());
    let output = finished(command).await;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}:\n{printed}{}", String::from_utf8_lossy(&output.stderr));
    let (_, promise) = PATTERNS.iter().find(|(pattern, _)| *pattern == name).unwrap();
    assert_eq!(printed.lines().last(), Some(format!("  kept: {promise}").as_str()), "{printed}");

    let client = broker.client().await;
    assert!(client.list_queues("").await.unwrap().is_empty(), "queues are left behind");
    assert!(client.list_topics("").await.unwrap().is_empty(), "topics are left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn competing_workers_share_a_queue_and_take_over_from_one_that_dies() {
    keeps_its_promises("work_queue", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_down_gets_what_it_missed_at_its_own_pace() {
    keeps_its_promises("fan_out", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_queue_gets_what_its_filter_policy_lets_through() {
    keeps_its_promises("filter_policies", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_share_a_topic_come_late_and_go_back() {
    keeps_its_promises("groups_with_replay", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_holds_up_its_own_key_alone() {
    keeps_its_promises("ordering_keys", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_goes_out_no_faster_than_the_rate() {
    keeps_its_promises("traffic_smoothing", &["2"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_looked_at_fixed_and_published_again() {
    keeps_its_promises("dead_letters", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_without_a_broker_says_so_and_fails() {
    let mut broker = Broker::ephemeral();
    broker.kill9();
    let mut command = example("work_queue");
    command.env("FERRYMQ_URL", broker.url());
    let output = finished(command).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot connect"));
}

#[test]
fn every_example_is_run_here_and_told_in_the_documentation() {
    let sources = fs::read_dir(example_sources()).unwrap().map(|entry| entry.unwrap().path());
    let names = sources.filter(|path| path.is_file()).map(|path| path.file_stem().unwrap().to_owned());
    let names: BTreeSet<_> = names.map(|name| name.into_string().unwrap()).collect();
    let told = fs::read_to_string(example_sources().join("../../../docs/patterns.md")).unwrap();
    for name in &names {
        assert!(told.contains(&format!("../client/rust/examples/{name}.rs")), "{name} is not in docs/patterns.md");
    }
    assert_eq!(names, PATTERNS.iter().map(|(name, _)| (*name).to_owned()).collect());
}
