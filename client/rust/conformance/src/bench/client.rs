//! What is done with the client.

use std::time::Duration;

use ferrymq_client::{Client, Publisher, Subscriber, to_queue};
use tokio::time::Instant;

use super::{Times, payload, window};
use crate::Failure;

pub async fn publish(client: &Client, queue: &str, times: Times) -> Result<f64, Failure> {
    let publisher = client.publisher(to_queue(queue));
    let rate = times.rate(async |time| publish_for(&publisher, time).await).await?;
    publisher.close().await?;
    Ok(rate)
}

/// Until all is confirmed.
async fn publish_for(publisher: &Publisher, time: Duration) -> Result<u64, Failure> {
    let (begin, mut count, mut last) = (Instant::now(), 0, None);
    while begin.elapsed() < time {
        last = Some(publisher.publish(payload()).await?);
        count += 1;
    }
    publisher.flush().await?;
    if let Some(last) = last {
        last.await?;
    }
    Ok(count)
}

pub async fn consume(client: &Client, queue: &str, times: Times) -> Result<f64, Failure> {
    let mut subscriber = client.subscribe(window(queue)).await?;
    let rate = times.rate(async |time| consume_for(&mut subscriber, time).await).await?;
    subscriber.close().await?;
    Ok(rate)
}

async fn consume_for(subscriber: &mut Subscriber, time: Duration) -> Result<u64, Failure> {
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < time {
        ack_next(subscriber).await?;
        count += 1;
    }
    Ok(count)
}

async fn ack_next(subscriber: &mut Subscriber) -> Result<(), Failure> {
    // Nobody waits for the status.
    drop(subscriber.next().await.ok_or("the stream has ended")??.ack());
    Ok(())
}

pub async fn through(client: &Client, queue: &str, times: Times) -> Result<f64, Failure> {
    let publisher = client.publisher(to_queue(queue));
    let mut subscriber = client.subscribe(window(queue)).await?;
    let rate = times.rate(async |time| through_for(&publisher, &mut subscriber, time).await).await?;
    publisher.close().await?;
    subscriber.close().await?;
    Ok(rate)
}

/// Until all that was published is acked.
async fn through_for(publisher: &Publisher, subscriber: &mut Subscriber, time: Duration) -> Result<u64, Failure> {
    let publishing = publish_for(publisher, time);
    tokio::pin!(publishing);
    let (mut acked, mut published) = (0, None);
    while published.is_none_or(|published| acked < published) {
        tokio::select! {
            taken = ack_next(subscriber) => {
                taken?;
                acked += 1;
            }
            count = &mut publishing, if published.is_none() => published = Some(count?),
        }
    }
    Ok(acked)
}
