//! The command line as scripts use it: messages in and out, and settled by their ids.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::HashMap;

use ferrymq_client::Client;
use ferrymq_client::v1::{DeadLetterReason, Message, Queue};
use ferrymq_tests::cli::{done, ferrymq, interrupt, run};
use ferrymq_tests::{Broker, create_queue, create_topic, message, prepared, publish, pull, pull_some, within};

async fn numbered(client: &Client, count: usize) {
    publish(client, "t", (0..count).map(|number| message("eu.de", number.to_string())).collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_pulls_and_acks_by_id() {
    let (broker, client) = prepared().await;
    numbered(&client, 3).await;
    let pulled = done(&broker, &["pull", "q"], "");
    let (id, payload) = pulled.lines()[0].split_once(' ').unwrap();
    assert_eq!(payload, "0");
    assert_eq!(done(&broker, &["ack", id], "").stderr.trim(), "1 acked");
    // Once more does no harm.
    assert_eq!(done(&broker, &["ack", id, "--json"], "").json()[0]["status"], "ALREADY_SETTLED");

    let rest = done(&broker, &["pull", "q", "--max", "10", "--json"], "");
    assert_eq!(rest.json().len(), 2);
    assert_eq!(done(&broker, &["ack"], &rest.stdout).stderr.trim(), "2 acked");
    let nothing = done(&broker, &["pull", "q", "--wait", "0s"], "");
    assert_eq!((nothing.stdout.len(), nothing.stderr.trim()), (0, "nothing waits in `q`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_gives_back_gives_up_and_holds_on() {
    let (broker, client) = prepared().await;
    numbered(&client, 3).await;
    let ids = done(&broker, &["pull", "q", "--max", "3", "--format", "{ack_id}"], "");
    let [rejected, released, held] = ids.lines()[..] else { panic!("{ids:?}") };
    done(&broker, &["nack", rejected, "--reject", "--reason", "no such account"], "");
    done(&broker, &["nack", "--release"], released);
    assert_eq!(done(&broker, &["extend", held, "--lease", "2m", "--json"], "").json()[0]["status"], "OK");

    let dead = pull_some(&client, "q.dlq").await.remove(0).dead_letter.unwrap();
    assert_eq!((dead.reason(), dead.description.as_str()), (DeadLetterReason::Rejected, "no such account"));
    let again = pull_some(&client, "q").await;
    assert_eq!(again.iter().map(|delivery| delivery.attempt).collect::<Vec<_>>(), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_id_is_told_apart_from_what_came_too_late() {
    let (broker, client) = prepared().await;
    let text = run(&broker, &["ack", "what?"], "");
    assert_eq!(text.code, 2, "{}", text.stderr);
    let line = run(&broker, &["ack"], "\n{}\n");
    assert!(line.code == 2 && line.stderr.contains("line 2 of stdin"), "{}", line.stderr);
    let foreign = run(&broker, &["ack", "Zm9yZWlnbg", "--json"], "");
    assert_eq!((foreign.code, foreign.json()[0]["status"].as_str()), (4, Some("INVALID")));

    numbered(&client, 1).await;
    let pulled = done(&broker, &["pull", "q", "--json"], "");
    client.delete_queue("q", true).await.unwrap();
    let gone = run(&broker, &["nack"], &pulled.stdout);
    assert!(gone.code == 4 && gone.stderr.contains("gone"), "{}", gone.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_payloads_are_their_bytes_and_acked_once_printed() {
    let (broker, client) = prepared().await;
    publish(&client, "t", vec![message("", vec![0xff, 0]), message("", "b")]).await;
    let raw = done(&broker, &["pull", "q", "--raw", "--ack", "--max", "2"], "");
    assert_eq!(raw.stdout, [0xff, 0, b'b']);
    assert_eq!(pull(&client, "q").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peek_prints_whole_payloads_where_a_form_is_asked_for() {
    let (broker, client) = prepared().await;
    let long = "x".repeat(5_000);
    publish(&client, "t", vec![message("eu.de", long.clone())]).await;
    assert_eq!(done(&broker, &["peek", "q", "--raw"], "").stdout, long.as_bytes());
    let cut = done(&broker, &["peek", "q", "--payload", "1KiB", "--format", "{routing_key} {payload}"], "");
    assert_eq!(cut.lines(), [format!("eu.de {}", &long[..1024])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_can_be_pulled_from() {
    let (broker, client) = prepared().await;
    let group = ["pull", "--topic", "t", "--group", "g", "--create", "--wait", "0s"];
    done(&broker, &group, "");
    numbered(&client, 1).await;
    assert_eq!(done(&broker, &["pull", "t/g", "--format", "{topic} {payload}"], "").lines(), ["t 0"]);
}

/// All that a message may have and this broker takes.
fn whole(payload: Vec<u8>) -> Message {
    Message {
        payload: payload.into(),
        attributes: HashMap::from([("payload".into(), "eA==".into()), ("b".into(), String::new())]),
        routing_key: "eu.de".into(),
        ordering_key: "customer".into(),
        message_id: "id".into(),
        content_type: "text/plain".into(),
        ttl_ms: 3_600_000,
        reply_to: "queue/answers".into(),
        correlation_id: "42".into(),
        ..Message::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_out_as_json_comes_in_again_the_same() {
    let (broker, client) = prepared().await;
    let messages = vec![whole(b"{\"a\": 1}\n".to_vec()), whole(vec![0xff, 0, 0x80]), message("", "")];
    publish(&client, "t", messages.clone()).await;
    create_topic(&client, "copy").await;
    create_queue(&client, Queue { name: "copies".into(), ..Queue::default() }, &[("copy", "#")]).await;
    let out = done(&broker, &["subscribe", "--topic", "t", "--from", "earliest", "--until", "latest", "--json"], "");
    let published = done(&broker, &["publish", "copy", "--messages", "--json"], &out.stdout);
    assert_eq!(published.json()[0]["published"], 3);
    let copies: Vec<_> =
        pull_some(&client, "copies").await.into_iter().map(|copy| copy.message.unwrap_or_default()).collect();
    assert_eq!(copies, messages);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_ends_a_publish_after_what_came_before_it() {
    let (broker, client) = prepared().await;
    let ran = run(&broker, &["publish", "t", "--messages"], "{\"payload\":\"a\"}\n{\n");
    assert!(ran.code == 2 && ran.stderr.contains("line 2") && ran.stderr.contains("1 messages"), "{}", ran.stderr);
    assert_eq!(pull_some(&client, "q").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_goes_on_after_its_connection_broke_and_drains_on_ctrl_c() {
    let (broker, client) = prepared().await;
    let mut child = ferrymq(&broker, &["subscribe", "--queue", "q"]).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    numbered(&client, 1).await;
    assert_eq!(lines.next().unwrap().unwrap(), "0");
    let connection = within("the ack", idle_consumer(&client)).await;
    client.close_connection(&connection, "").await.unwrap();
    publish(&client, "t", vec![message("", "after")]).await;
    assert_eq!(lines.next().unwrap().unwrap(), "after");
    interrupt(&child);
    let ended = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && stderr.contains("2 printed, 2 acked"), "{stderr}");
    assert_eq!(pull(&client, "q").await.len(), 0, "what was printed is acked");
}

/// The connection of the one consumer there is, once it has acked all that it was given.
async fn idle_consumer(client: &Client) -> String {
    loop {
        let consumer = client.list_consumers("q").await.unwrap().remove(0);
        if consumer.unsettled == 0 {
            return consumer.connection_id;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_only_looks_gives_back_all() {
    let (broker, client) = prepared().await;
    numbered(&client, 3).await;
    let args = ["subscribe", "--queue", "q", "--no-ack", "--count", "2", "--format", "{routing_key}|{payload}"];
    assert_eq!(done(&broker, &args, "").lines(), ["eu.de|0", "eu.de|1"]);
    let mut left: Vec<_> =
        pull_some(&client, "q").await.into_iter().filter_map(|d| d.message).map(|m| m.payload).collect();
    left.sort();
    assert_eq!(left, ["0", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_told_with_its_code_on_request() {
    let (broker, client) = prepared().await;
    numbered(&client, 1).await;
    let told = |arguments: &[&str]| run(&broker, &[arguments, &["--verbose"]].concat(), "").stderr;
    let pulled = told(&["pull", "q", "--ack"]);
    assert!(pulled.contains("ferrymq.v1.MessagingService/Pull: Ok, ") && pulled.contains("/Ack: Ok, "), "{pulled}");
    let missing = told(&["queue", "get", "none"]);
    assert!(missing.contains("AdminService/GetQueue: NotFound, "), "{missing}");
    let stream = told(&["subscribe", "--topic", "t", "--from", "earliest", "--until", "latest"]);
    assert!(stream.contains("MessagingService/Consume: Ok, "), "{stream}");
    assert!(!run(&broker, &["queue", "list"], "").stderr.contains("ListQueues"));
}

#[test]
fn a_broker_that_is_not_there_has_an_exit_code() {
    let mut broker = Broker::ephemeral();
    broker.kill9();
    assert_eq!(run(&broker, &["pull", "q"], "").code, 5);
}
