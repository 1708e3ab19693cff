//! Calls end at their deadline and streams have none, against a server that never answers.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::Duration;

use ferrymq_client::v1::{PublishRequest, PullRequest, Queue};
use ferrymq_client::{Client, Code, Error, group, message};
use ferrymq_proto::server as wire;
use ferrymq_proto::server::admin_service_server::{AdminService, AdminServiceServer};
use ferrymq_proto::server::messaging_service_server::{MessagingService, MessagingServiceServer};
use tokio::sync::mpsc;
use tonic::codegen::BoxStream;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

const CALL: Duration = Duration::from_millis(50);

/// Tells the deadline that each call brings, and answers none.
#[derive(Clone)]
struct Silent(mpsc::UnboundedSender<Option<String>>);

impl Silent {
    async fn hear<T>(&self, metadata: &MetadataMap) -> Result<Response<T>, Status> {
        let deadline = metadata.get("grpc-timeout").map(|timeout| timeout.to_str().unwrap().to_owned());
        self.0.send(deadline).unwrap();
        std::future::pending().await
    }
}

#[tonic::async_trait]
impl MessagingService for Silent {
    async fn publish(
        &self,
        request: Request<ferrymq_proto::raw::RawPublishRequest>,
    ) -> Result<Response<wire::PublishResponse>, Status> {
        self.hear(request.metadata()).await
    }

    async fn pull(&self, request: Request<wire::PullRequest>) -> Result<Response<wire::PullResponse>, Status> {
        self.hear(request.metadata()).await
    }

    async fn publish_stream(
        &self,
        request: Request<Streaming<wire::PublishStreamRequest>>,
    ) -> Result<Response<BoxStream<wire::PublishStreamResponse>>, Status> {
        self.hear(request.metadata()).await
    }

    async fn consume(
        &self,
        request: Request<Streaming<wire::ConsumeRequest>>,
    ) -> Result<Response<BoxStream<wire::ConsumeResponse>>, Status> {
        self.hear(request.metadata()).await
    }
}

#[tonic::async_trait]
impl AdminService for Silent {
    async fn create_queue(
        &self,
        request: Request<wire::CreateQueueRequest>,
    ) -> Result<Response<wire::CreateQueueResponse>, Status> {
        self.hear(request.metadata()).await
    }
}

/// The deadlines that the server is told of, and its client.
async fn connected() -> (mpsc::UnboundedReceiver<Option<String>>, Client) {
    let (heard, deadlines) = mpsc::unbounded_channel();
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}", incoming.local_addr().unwrap());
    let silent = Silent(heard);
    let server = Server::builder()
        .add_service(MessagingServiceServer::new(silent.clone()))
        .add_service(AdminServiceServer::new(silent));
    tokio::spawn(server.serve_with_incoming(incoming));
    (deadlines, Client::builder(url).call_timeout(CALL).connect().await.unwrap())
}

fn is_late<T: std::fmt::Debug>(answer: Result<T, Error>) {
    assert_eq!(answer.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn every_call_ends_at_its_deadline_and_the_broker_is_told_of_it() {
    let (mut deadlines, client) = connected().await;
    is_late(client.create_queue(Queue::default(), vec![]).await);
    assert_eq!(deadlines.recv().await.unwrap().as_deref(), Some("50000000n"));
    is_late(client.publish("orders".into(), vec![message("hello")]).await);
    assert_eq!(deadlines.recv().await.unwrap().as_deref(), Some("50000000n"));
    is_late(client.publish_request(PublishRequest::default(), CALL * 2).await);
    assert_eq!(deadlines.recv().await.unwrap().as_deref(), Some("100000u"));
}

#[tokio::test]
async fn a_pull_has_its_wait_and_then_as_long_as_a_call() {
    let (mut deadlines, client) = connected().await;
    let wait = Some(prost_types::Duration { seconds: 0, nanos: 30_000_000 });
    is_late(client.pull(PullRequest { wait, ..PullRequest::default() }).await);
    assert_eq!(deadlines.recv().await.unwrap().as_deref(), Some("80000000n"));
}

#[tokio::test]
async fn a_timeout_without_end_is_no_panic() {
    let (mut deadlines, client) = connected().await;
    let publishing = client.publish_request(PublishRequest::default(), Duration::MAX);
    tokio::select! {
        answer = publishing => panic!("{answer:?}"),
        deadline = deadlines.recv() => assert!(deadline.unwrap().is_some()),
    }
}

#[tokio::test]
async fn streams_have_no_deadline() {
    let (mut deadlines, client) = connected().await;
    let publisher = client.publisher("orders");
    publisher.publish(message("hello")).await.unwrap();
    assert_eq!(deadlines.recv().await.unwrap(), None);
    tokio::select! {
        subscriber = client.subscribe(group("orders", "billing")) => panic!("{subscriber:?}"),
        deadline = deadlines.recv() => assert_eq!(deadline.unwrap(), None),
    }
}
