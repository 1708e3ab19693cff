//! What a failed confirm says, however a publisher's stream ends.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::Duration;

use ferrymq_client::v1::ErrorReason;
use ferrymq_client::{Client, Code, Error, PublisherOptions, message};
use ferrymq_proto::server as wire;
use ferrymq_proto::server::messaging_service_server::{MessagingService, MessagingServiceServer};
use ferrymq_proto::server::publish_confirm::Outcome;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

/// What becomes of each stream.
#[derive(Clone)]
enum Script {
    /// Every batch is refused so.
    Refuses(Code, wire::ErrorReason),
    /// Ends so once it has read a batch, which it does not answer.
    EndsAfterABatch(Status),
    /// Ends so before it reads anything.
    EndsAtOnce(Status),
}

#[tonic::async_trait]
impl MessagingService for Script {
    async fn publish_stream(
        &self,
        request: Request<Streaming<wire::PublishStreamRequest>>,
    ) -> Result<Response<BoxStream<wire::PublishStreamResponse>>, Status> {
        let (answers, receiver) = mpsc::channel(4);
        tokio::spawn(self.clone().play(request.into_inner(), answers));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

impl Script {
    async fn play(
        self,
        mut requests: Streaming<wire::PublishStreamRequest>,
        answers: mpsc::Sender<Result<wire::PublishStreamResponse, Status>>,
    ) {
        match self {
            Self::EndsAtOnce(status) => answers.send(Err(status)).await.unwrap(),
            Self::EndsAfterABatch(status) => {
                requests.message().await.unwrap();
                answers.send(Err(status)).await.unwrap();
            }
            Self::Refuses(code, reason) => {
                while let Ok(Some(request)) = requests.message().await {
                    let failure =
                        wire::Failure { code: code.into(), reason: reason.into(), ..wire::Failure::default() };
                    let confirm = wire::PublishConfirm { id: request.id, outcome: Some(Outcome::Failure(failure)) };
                    answers.send(Ok(wire::PublishStreamResponse { confirms: vec![confirm] })).await.unwrap();
                }
            }
        }
    }
}

async fn connected(script: Script) -> Client {
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}", incoming.local_addr().unwrap());
    let service = MessagingServiceServer::new(script);
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    Client::connect(url).await.unwrap()
}

/// How the confirm of one message fails, and how the publisher ends.
async fn published(script: Script, options: PublisherOptions) -> (Error, Result<(), Error>) {
    let publisher = connected(script).await.publisher_with("orders", options);
    let confirm = publisher.publish(message("hello")).await.unwrap();
    (confirm.await.unwrap_err(), publisher.close().await)
}

#[tokio::test]
async fn a_refused_batch_fails_with_the_brokers_own_words_and_the_stream_goes_on() {
    let refused = Script::Refuses(Code::InvalidArgument, wire::ErrorReason::MessageTooLarge);
    let (error, end) = published(refused, PublisherOptions::default()).await;
    assert_eq!((error.code(), error.reason()), (Code::InvalidArgument, ErrorReason::MessageTooLarge));
    assert_eq!(end, Ok(()));
}

#[tokio::test]
async fn what_was_sent_is_not_known_to_be_stored_whatever_the_stream_ends_with() {
    let ends = [
        Status::internal("from a proxy"),
        Status::resource_exhausted("from a proxy"),
        Status::cancelled("from a proxy"),
        Status::deadline_exceeded("from a proxy"),
        Status::permission_denied("from a proxy"),
    ];
    for status in ends {
        let code = status.code();
        let (error, end) = published(Script::EndsAfterABatch(status), PublisherOptions::default()).await;
        assert_eq!(error.code(), Code::Unavailable, "{code:?}");
        assert!(error.message().contains("from a proxy"), "{error}");
        assert_eq!(end.unwrap_err().code(), code);
    }
}

#[tokio::test]
async fn what_was_never_sent_fails_with_what_the_stream_ended_with() {
    let options = PublisherOptions { linger: Duration::from_secs(3600), ..PublisherOptions::default() };
    let (error, end) = published(Script::EndsAtOnce(Status::unauthenticated("who are you")), options).await;
    assert_eq!(error.code(), Code::Unauthenticated);
    assert_eq!(end.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_publisher_that_has_ended_takes_nothing_more_and_says_why() {
    let publisher = connected(Script::EndsAfterABatch(Status::internal("gone"))).await.publisher("orders");
    publisher.publish(message("hello")).await.unwrap().await.unwrap_err();
    assert_eq!(publisher.publish(message("more")).await.unwrap_err().code(), Code::Internal);
    assert_eq!(publisher.flush().await.unwrap_err().code(), Code::Internal);
}
