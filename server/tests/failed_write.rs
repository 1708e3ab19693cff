//! A write that fails: the broker says so in every way, writes and delivers nothing more, and goes on showing what there is.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::sync::Arc;
use std::time::Duration;

use ferrymq_client::v1::{ErrorReason, Message, PeekRequest, Queue, Topic, peek_request};
use ferrymq_client::{Client, Code, Destination, queue};
use ferrymq_engine::memory::{Fault, MemoryLog};
use ferrymq_server::Server;
use ferrymq_server::clock::SystemClock;
use ferrymq_server::config::{Config, Layer};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const PATIENCE: Duration = Duration::from_secs(20);

async fn broker() -> (Server, Client, MemoryLog) {
    let settings = [("ephemeral", "true"), ("listen", "127.0.0.1:0")];
    let settings = settings.map(|(key, value)| (key, Some(value.to_owned())));
    let config = Config::resolve(vec![Layer::from_flags(settings)]).unwrap();
    let log = MemoryLog::new();
    let server = Server::start_over(Arc::new(log.clone()), &config, Arc::new(SystemClock)).await.unwrap();
    let client = Client::connect(format!("http://{}", server.addr())).await.unwrap();
    client.create_queue(Queue { name: "q".into(), ..Queue::default() }, vec![]).await.unwrap();
    (server, client, log)
}

async fn health(client: &Client) -> ServingStatus {
    let mut stub = HealthClient::new(client.channel());
    stub.check(HealthCheckRequest::default()).await.unwrap().into_inner().status()
}

async fn send(client: &Client) -> Result<(), ferrymq_client::Error> {
    let message = Message { payload: "x".into(), ..Message::default() };
    client.publish(Destination::Queue("q".into()), vec![message]).await.map(|_| ())
}

#[tokio::test]
async fn writes_and_deliveries_stop_reads_go_on_and_health_says_so() {
    let (server, client, log) = broker().await;
    send(&client).await.unwrap();
    let mut stream = client.subscribe_stream(queue("q")).await.unwrap();
    let held = stream.next_batch().await.unwrap().unwrap();
    assert_eq!(health(&client).await, ServingStatus::Serving);

    log.inject(0, Fault::Stopped);
    let stopped = send(&client).await.unwrap_err();
    assert_eq!((stopped.code(), stopped.reason()), (Code::Unavailable, ErrorReason::WritesStopped));
    assert_eq!(stopped.retry_after(), None, "to try again is of no use");
    let refused = [
        client.ack(vec![held[0].ack_id.clone()]).await.unwrap_err(),
        client.create_topic(Topic { name: "t".into(), ..Topic::default() }).await.unwrap_err(),
        client.subscribe_stream(queue("q")).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.reason(), ErrorReason::WritesStopped, "{error:?}");
    }
    // The queue has seen it by the ack.
    let ended = tokio::time::timeout(PATIENCE, stream.next_batch()).await.unwrap().unwrap_err();
    assert_eq!(ended.reason(), ErrorReason::WritesStopped);
    let unhealthy = async { while health(&client).await != ServingStatus::NotServing {} };
    tokio::time::timeout(PATIENCE, unhealthy).await.unwrap();

    client.get_queue("q").await.unwrap();
    client.stats(vec![], vec!["q".into()]).await.unwrap();
    let source = Some(peek_request::Source::Queue("q".into()));
    client.peek(PeekRequest { source, ..PeekRequest::default() }).await.unwrap();
    tokio::time::timeout(PATIENCE, server.stop()).await.unwrap();
}

#[tokio::test]
async fn a_log_that_is_full_once_refuses_one_publish_and_goes_on() {
    let (server, client, log) = broker().await;
    log.inject(0, Fault::Full);
    let full = send(&client).await.unwrap_err();
    assert_eq!((full.code(), full.reason()), (Code::ResourceExhausted, ErrorReason::DiskFull));
    send(&client).await.unwrap();
    assert_eq!(health(&client).await, ServingStatus::Serving);
    server.stop().await;
}
