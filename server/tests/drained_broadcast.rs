//! A bounded replay whose reader wants no more of it, in no time.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod paused;

use ferrymq_client::Destination;
use ferrymq_client::v1::{
    ConsumeRequest, LogEdge, LogPoint, Message, SubscribeRequest, Topic, log_point::At, subscribe_request::Source,
};
use paused::{SECOND, broker, wire};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

#[tokio::test(start_paused = true)]
async fn a_replay_that_is_drained_before_its_end_in_time_waits_without_work() {
    let (_server, client) = broker().await;
    client.create_topic(Topic { name: "t".into(), ..Topic::default() }).await.unwrap();
    let message = Message { payload: "x".into(), ..Message::default() };
    client.publish(Destination::Topic("t".into()), vec![message]).await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    let point = |at| Some(LogPoint { at: Some(at) });
    let open = SubscribeRequest {
        source: Some(Source::Topic("t".into())),
        start: point(At::Edge(LogEdge::Earliest.into())),
        stop: point(At::Time(prost_types::Timestamp { seconds: 1_700_000_001, nanos: 0 })),
        heartbeat: wire(SECOND),
        ..SubscribeRequest::default()
    };
    let (requests, sent) = mpsc::channel(4);
    requests.send(ConsumeRequest { open: Some(open), drain: true, ..ConsumeRequest::default() }).await.unwrap();
    let mut responses = client.messaging().consume(ReceiverStream::new(sent)).await.unwrap().into_inner();
    let mut heartbeats = 0;
    while heartbeats < 3 {
        let response = responses.message().await.unwrap().unwrap();
        assert!(response.deliveries.is_empty(), "it wants no more");
        heartbeats += usize::from(response.opened.is_none());
    }
    drop(requests);
    while responses.message().await.unwrap().is_some() {}
}
