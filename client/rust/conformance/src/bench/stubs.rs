//! The same without the client: tonic's channel and the generated stubs.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_client::to_queue;
use ferrymq_client::v1::messaging_service_client::MessagingServiceClient;
use ferrymq_client::v1::publish_confirm::Outcome;
use ferrymq_client::v1::settlement::Action;
use ferrymq_client::v1::{
    AckRequest, ConsumeRequest, ConsumeResponse, PublishRequest, PublishStreamRequest, PublishStreamResponse,
    Settlement,
};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use super::{NOOP, Times, payload, window};
use crate::Failure;

/// So many the client puts into its default of 256 KiB.
const BATCH_MESSAGES: usize = 240;
/// The client's default of 16 MiB.
const UNCONFIRMED_BATCHES: usize = 64;
/// Requests that wait for the connection, as many as the client lets wait.
const REQUESTS_MAX: usize = 4;

/// With the windows of the client's channel.
async fn stub(url: &str) -> Result<MessagingServiceClient<Channel>, Failure> {
    let endpoint = Endpoint::from_shared(url.to_owned())?
        .tcp_nodelay(true)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20);
    Ok(MessagingServiceClient::new(endpoint.connect().await?).max_decoding_message_size(256 << 20))
}

pub async fn publish(url: &str, times: Times) -> Result<f64, Failure> {
    let (requests, to_send) = mpsc::channel(REQUESTS_MAX);
    let mut stub = stub(url).await?;
    let responses = stub.publish_stream(ReceiverStream::new(to_send)).await?.into_inner();
    let room = Arc::new(Semaphore::new(UNCONFIRMED_BATCHES));
    let confirming = tokio::spawn(confirm(responses, Arc::clone(&room)));
    let rate = times.rate(async |time| publish_for(&requests, &room, time).await).await?;
    drop(requests);
    confirming.await??;
    Ok(rate)
}

/// Until all is confirmed.
async fn publish_for(
    requests: &mpsc::Sender<PublishStreamRequest>,
    room: &Semaphore,
    time: Duration,
) -> Result<u64, Failure> {
    let (begin, mut batches) = (Instant::now(), 0);
    while begin.elapsed() < time {
        // Given back with the confirm.
        room.acquire().await?.forget();
        batches += 1;
        let messages = (0..BATCH_MESSAGES).map(|_| payload()).collect();
        let batch = PublishRequest { destination: Some(to_queue(NOOP)), messages, ..PublishRequest::default() };
        requests.send(PublishStreamRequest { id: batches, batch: Some(batch) }).await?;
    }
    drop(room.acquire_many(UNCONFIRMED_BATCHES as u32).await?);
    Ok(batches.unsigned_abs() * BATCH_MESSAGES as u64)
}

async fn confirm(mut responses: Streaming<PublishStreamResponse>, room: Arc<Semaphore>) -> Result<(), Failure> {
    while let Some(response) = responses.message().await? {
        for confirm in response.confirms {
            let Some(Outcome::Confirmed(_)) = confirm.outcome else { return Err("a batch was refused".into()) };
            room.add_permits(1);
        }
    }
    Ok(())
}

pub async fn consume(url: &str, times: Times) -> Result<f64, Failure> {
    let (requests, to_send) = mpsc::channel(REQUESTS_MAX);
    requests.send(ConsumeRequest { open: Some(window(NOOP)), ..ConsumeRequest::default() }).await?;
    let mut stub = stub(url).await?;
    let mut responses = stub.consume(ReceiverStream::new(to_send)).await?.into_inner();
    times.rate(async |time| consume_for(&requests, &mut responses, time).await).await
}

async fn consume_for(
    requests: &mpsc::Sender<ConsumeRequest>,
    responses: &mut Streaming<ConsumeResponse>,
    time: Duration,
) -> Result<u64, Failure> {
    let (begin, mut acked) = (Instant::now(), 0);
    while begin.elapsed() < time {
        let response = responses.message().await?.ok_or("the stream has ended")?;
        let ack_ids: Vec<_> = response.deliveries.into_iter().map(|delivery| delivery.ack_id).collect();
        if ack_ids.is_empty() {
            continue;
        }
        acked += ack_ids.len() as u64;
        let settlement = Settlement { id: 1, action: Some(Action::Ack(AckRequest { ack_ids })) };
        requests.send(ConsumeRequest { settlements: vec![settlement], ..ConsumeRequest::default() }).await?;
    }
    Ok(acked)
}
