//! The server that does nothing, as the clients' benchmarks use it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::process::Stdio;
use std::time::Duration;

use ferrymq_client::streams::ConsumeStream;
use ferrymq_client::v1::{NackMode, PullRequest, SettleStatus, SubscribeRequest, pull_request};
use ferrymq_client::{Client, Code, queue};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

async fn noop() -> (Child, Client) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferrymq"));
    command.arg("bench-noop-server").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).await.unwrap();
    let client = Client::connect(format!("http://{}", address.trim())).await.unwrap();
    (child, client)
}

/// The ids of so many deliveries: no fewer come, and no more are in the responses that bring them.
async fn take(stream: &mut ConsumeStream, count: usize) -> Vec<bytes::Bytes> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let batch = timeout(LONG, stream.next_batch()).await.unwrap().unwrap().unwrap();
        assert!(batch.iter().all(|delivery| delivery.message.as_ref().unwrap().payload.len() == 1024));
        ids.extend(batch.into_iter().map(|delivery| delivery.ack_id));
    }
    assert_eq!(ids.len(), count);
    ids
}

#[tokio::test]
async fn what_is_consumed_keeps_to_the_window_and_every_settlement_is_answered() {
    let (_server, client) = noop().await;
    let request = SubscribeRequest { prefetch: 150, ..queue("noop-1024") };
    let mut stream = client.consume_stream(request).await.unwrap();
    assert_eq!(stream.opened().prefetch, 150);
    let mut ids = take(&mut stream, 150).await;
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 150, "each delivery has an id of its own");

    let extended = stream.settler().extend(ids.clone(), None).await.unwrap();
    assert_eq!(extended.await.unwrap(), [SettleStatus::Ok; 150]);
    let rest = ids.split_off(100);
    let acked = stream.ack(ids).await.unwrap();
    let nacked = stream.nack(rest, NackMode::Retry, None, "").await.unwrap();
    assert_eq!(acked.await.unwrap(), [SettleStatus::Ok; 100]);
    assert_eq!(nacked.await.unwrap(), [SettleStatus::Ok; 50]);
    let held = take(&mut stream, 150).await;

    // The window is narrower now: of what is acked only what is below it comes again.
    stream.set_prefetch(50, 0).await.unwrap();
    stream.ack(held).await.unwrap().await.unwrap();
    let held = take(&mut stream, 50).await;

    stream.drain().await.unwrap();
    let last = stream.ack(held).await.unwrap();
    stream.finish().await.unwrap();
    assert_eq!(last.await.unwrap(), [SettleStatus::Ok; 50]);
}

#[tokio::test]
async fn bytes_bound_the_window_too_and_one_message_always_comes() {
    let (_server, client) = noop().await;
    let request = SubscribeRequest { prefetch: 10, prefetch_bytes: 1, ..queue("noop-1024") };
    let mut stream = client.consume_stream(request).await.unwrap();
    for _ in 0..3 {
        let ids = take(&mut stream, 1).await;
        stream.ack(ids).await.unwrap().await.unwrap();
    }
    stream.finish().await.unwrap();
}

#[tokio::test]
async fn a_pull_brings_what_it_asked_for() {
    let (_server, client) = noop().await;
    let source = Some(pull_request::Source::Queue("noop-1024".into()));
    let request = PullRequest { source, max_messages: 7, ..PullRequest::default() };
    assert_eq!(client.pull(request).await.unwrap().deliveries.len(), 7);
    assert_eq!(client.pull(PullRequest::default()).await.unwrap_err().code(), Code::InvalidArgument);
}
