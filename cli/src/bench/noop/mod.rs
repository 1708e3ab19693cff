//! A server that answers everything at once and keeps nothing: what gRPC alone allows.

mod consume;
mod deliveries;

use std::net::SocketAddr;

use ferrymq_proto::raw::RawPublishRequest;
use ferrymq_proto::server as wire;
use ferrymq_proto::server::messaging_service_server::{MessagingService, MessagingServiceServer};
use ferrymq_proto::server::publish_confirm::Outcome;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use self::deliveries::Deliveries;
use super::load::BATCH_MESSAGES;
use crate::failure::Failure;

const BUFFERED_RESPONSES: usize = 16;
const REQUEST_BYTES_MAX: usize = 4 << 20;
/// In one answer to a pull: less than gRPC libraries take.
const PULL_BYTES: u64 = 1 << 20;

/// Serves until stdin ends, so that it never outlives who started it. Prints its address first.
pub async fn serve() -> Result<(), Failure> {
    let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?.with_nodelay(Some(true));
    println!("{}", incoming.local_addr()?);
    let service = MessagingServiceServer::new(Noop).max_decoding_message_size(REQUEST_BYTES_MAX);
    let stdin_ends = async {
        let mut byte = [0];
        while matches!(tokio::io::stdin().read(&mut byte).await, Ok(1)) {}
    };
    let server = Server::builder()
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stdin_ends);
    server.await.map_err(|e| Failure::other(e.to_string()))
}

struct Noop;

#[tonic::async_trait]
impl MessagingService for Noop {
    async fn get_server_info(
        &self,
        _: Request<wire::GetServerInfoRequest>,
    ) -> Result<Response<wire::GetServerInfoResponse>, Status> {
        Ok(Response::new(wire::GetServerInfoResponse::default()))
    }

    async fn publish(&self, request: Request<RawPublishRequest>) -> Result<Response<wire::PublishResponse>, Status> {
        Ok(Response::new(confirmed(request.get_ref())))
    }

    async fn publish_stream(
        &self,
        request: Request<Streaming<wire::PublishStreamRequest>>,
    ) -> Result<Response<BoxStream<wire::PublishStreamResponse>>, Status> {
        let (sender, receiver) = mpsc::channel(BUFFERED_RESPONSES);
        let mut batches = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(batch)) = batches.message().await {
                if sender.send(Ok(confirm(batch))).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    /// Deliveries without end, of the size that the queue's name says.
    async fn subscribe(
        &self,
        request: Request<wire::SubscribeRequest>,
    ) -> Result<Response<BoxStream<wire::SubscribeResponse>>, Status> {
        let Some(wire::subscribe_request::Source::Queue(queue)) = request.into_inner().source else {
            return Err(Status::invalid_argument("queue"));
        };
        let (sender, receiver) = mpsc::channel(BUFFERED_RESPONSES);
        let opened =
            wire::SubscribeResponse { opened: Some(wire::Opened::default()), ..wire::SubscribeResponse::default() };
        let deliveries = Deliveries::of(&queue).next(BATCH_MESSAGES);
        let response = wire::SubscribeResponse { deliveries, ..wire::SubscribeResponse::default() };
        tokio::spawn(async move {
            let mut next = opened;
            while sender.send(Ok(next)).await.is_ok() {
                next = response.clone();
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn consume(
        &self,
        request: Request<Streaming<wire::ConsumeRequest>>,
    ) -> Result<Response<BoxStream<wire::ConsumeResponse>>, Status> {
        let (sender, receiver) = mpsc::channel(BUFFERED_RESPONSES);
        tokio::spawn(async move {
            if let Err(status) = consume::consume(request.into_inner(), &sender).await {
                // The client may be gone: then nobody wants to know.
                let _ = sender.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn pull(&self, request: Request<wire::PullRequest>) -> Result<Response<wire::PullResponse>, Status> {
        let request = request.into_inner();
        let Some(wire::pull_request::Source::Queue(queue)) = request.source else {
            return Err(Status::invalid_argument("queue"));
        };
        let mut deliveries = Deliveries::of(&queue);
        let in_bytes = PULL_BYTES / deliveries.message_bytes();
        let count = usize::try_from(request.max_messages).unwrap_or(0).min(in_bytes as usize).max(1);
        let lease = prost_types::Duration { seconds: 30, nanos: 0 };
        Ok(Response::new(wire::PullResponse { deliveries: deliveries.next(count), queue, lease: Some(lease) }))
    }

    async fn ack(&self, request: Request<wire::AckRequest>) -> Result<Response<wire::AckResponse>, Status> {
        Ok(Response::new(wire::AckResponse { statuses: statuses(request.get_ref().ack_ids.len()) }))
    }

    async fn nack(&self, request: Request<wire::NackRequest>) -> Result<Response<wire::NackResponse>, Status> {
        Ok(Response::new(wire::NackResponse { statuses: statuses(request.get_ref().ack_ids.len()) }))
    }

    async fn extend_lease(
        &self,
        request: Request<wire::ExtendLeaseRequest>,
    ) -> Result<Response<wire::ExtendLeaseResponse>, Status> {
        Ok(Response::new(wire::ExtendLeaseResponse { statuses: statuses(request.get_ref().ack_ids.len()) }))
    }
}

/// OK for each of so many ids.
fn statuses(ids: usize) -> Vec<i32> {
    vec![i32::from(wire::SettleStatus::Ok); ids]
}

fn confirm(batch: wire::PublishStreamRequest) -> wire::PublishStreamResponse {
    let outcome = batch.batch.as_ref().map(|batch| Outcome::Confirmed(confirmed(batch)));
    wire::PublishStreamResponse { confirms: vec![wire::PublishConfirm { id: batch.id, outcome }] }
}

/// As large as the broker's, and with as many queues as the load generator expects of one.
fn confirmed(batch: &RawPublishRequest) -> wire::PublishResponse {
    let results = (0..batch.messages.len() as i64).map(|offset| wire::PublishResult {
        position: Some(wire::Position { log: 1, offset }),
        queues_matched: 1,
        ..wire::PublishResult::default()
    });
    wire::PublishResponse { results: results.collect() }
}
