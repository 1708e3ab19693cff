//! The publisher against a server that misbehaves as told.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::streams::PublishStreamOptions;
use ferrymq_client::v1::{ErrorReason, Message};
use ferrymq_client::{Client, Code, Destination};
use ferrymq_proto::server as wire;
use ferrymq_proto::server::messaging_service_server::{MessagingService, MessagingServiceServer};
use ferrymq_proto::server::publish_confirm::Outcome;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

/// Confirms batches, refuses every third, and breaks the stream after `batches`.
struct Script {
    batches: i64,
}

#[tonic::async_trait]
impl MessagingService for Script {
    async fn publish_stream(
        &self,
        request: Request<Streaming<wire::PublishStreamRequest>>,
    ) -> Result<Response<BoxStream<wire::PublishStreamResponse>>, Status> {
        let (sender, receiver) = mpsc::channel(4);
        let mut requests = request.into_inner();
        let last = self.batches;
        tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                let answer =
                    if request.id > last { Err(Status::unavailable("draining")) } else { Ok(confirm(request.id)) };
                if sender.send(answer).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

fn confirm(id: i64) -> wire::PublishStreamResponse {
    let outcome = if id % 3 == 0 {
        Outcome::Failure(wire::Failure {
            code: Code::NotFound as i32,
            reason: wire::ErrorReason::TopicNotFound.into(),
            ..wire::Failure::default()
        })
    } else {
        Outcome::Confirmed(wire::PublishResponse { results: vec![wire::PublishResult::default()] })
    };
    wire::PublishStreamResponse { confirms: vec![wire::PublishConfirm { id, outcome: Some(outcome) }] }
}

async fn connected(script: Script) -> Client {
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}", incoming.local_addr().unwrap());
    let service = MessagingServiceServer::new(script);
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    Client::connect(url).await.unwrap()
}

fn orders() -> Destination {
    Destination::Topic("orders".into())
}

fn batch() -> Vec<Message> {
    vec![Message { payload: vec![b'x'; 1000].into(), ..Message::default() }]
}

#[tokio::test]
async fn a_refused_batch_fails_alone() {
    let client = connected(Script { batches: 100 }).await;
    let publisher = client.publish_stream(orders());
    let mut confirms = Vec::new();
    for _ in 0..6 {
        confirms.push(publisher.publish(batch()).await.unwrap());
    }
    publisher.finish().await.unwrap();
    for (index, confirm) in confirms.into_iter().enumerate() {
        match confirm.await {
            Ok(response) => assert_eq!(response.results.len(), 1),
            Err(error) => {
                assert_eq!(index % 3, 2);
                assert_eq!(error.reason(), ErrorReason::TopicNotFound);
            }
        }
    }
}

#[tokio::test]
async fn limits_hold_back_but_never_block_for_good() {
    let client = connected(Script { batches: 100 }).await;
    // Smaller than one batch: each passes alone.
    let options = PublishStreamOptions { unconfirmed_bytes_max: 10, unconfirmed_batches_max: 2, ..Default::default() };
    let publisher = client.publish_stream_with(orders(), options);
    for _ in 0..20 {
        drop(publisher.publish(batch()).await.unwrap());
    }
    publisher.finish().await.unwrap();
}

#[tokio::test]
async fn a_broken_stream_fails_what_is_open_and_all_that_follows() {
    let client = connected(Script { batches: 1 }).await;
    let publisher = client.publish_stream(orders());
    let first = publisher.publish(batch()).await.unwrap();
    let second = publisher.publish(batch()).await.unwrap();
    assert!(first.await.is_ok());
    let error = second.await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.is_retryable());
    assert_eq!(publisher.publish(batch()).await.unwrap_err().code(), Code::Unavailable);
    assert!(publisher.finish().await.is_err());
}
