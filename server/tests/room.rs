//! How long a publish waits for room: as long as it says, in no time. See `time.rs`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod paused;

use std::time::Duration;

use ferrymq_client::streams::PublishStreamOptions;
use ferrymq_client::v1::{ErrorReason, Limits, Message, PublishRequest, Queue};
use ferrymq_client::{Client, Code, Destination, Error};
use paused::{MINUTE, SECOND, broker, next, send, wire};
use tokio::time::Instant;

/// How often the broker looks who has waited for long enough, and the way.
const SOON: Duration = SECOND;

/// Time stands still while somebody is busy: a broker that looks for room without a pause would never end the test.
fn fail_if_time_stands_still() {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(120));
        eprintln!("no time passes while a publish waits for room");
        std::process::exit(101);
    });
}

fn to_queue() -> Destination {
    Destination::Queue("q".into())
}

async fn one_at_most(client: &Client) {
    fail_if_time_stands_still();
    let limits = Some(Limits { max_messages: 1, ..Limits::default() });
    client.create_queue(Queue { name: "q".into(), limits, ..Queue::default() }, vec![]).await.unwrap();
    send(client, 1).await;
}

fn message() -> Vec<Message> {
    vec![Message { payload: "late".into(), ..Message::default() }]
}

fn is_full(error: &Error, began: Instant, wait: Duration) {
    assert_eq!((error.code(), error.reason()), (Code::ResourceExhausted, ErrorReason::QueueFull));
    assert!((wait..wait + SOON).contains(&began.elapsed()), "refused after {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_publish_is_refused_when_its_patience_ends_and_not_before() {
    let (_server, client) = broker().await;
    one_at_most(&client).await;
    for wait in [SECOND, 20 * SECOND] {
        let (messages, wait_for_room) = (message(), wire(wait));
        let request =
            PublishRequest { destination: Some(to_queue()), messages, wait_for_room, ..PublishRequest::default() };
        let began = Instant::now();
        let refused = client.messaging().publish(request).await.unwrap_err();
        is_full(&refused.into(), began, wait);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_a_stream_waits_as_long_as_it_says_also_behind_one_that_waits_without_end() {
    let (_server, client) = broker().await;
    one_at_most(&client).await;
    let wait_for_room = wire(MINUTE);
    let template = PublishRequest { wait_for_room, ..PublishRequest::default() };
    let options = PublishStreamOptions { template, ..PublishStreamOptions::default() };
    let impatient = client.publish_stream_with(to_queue(), options);
    let patient = client.publish_stream(to_queue());
    let endless = patient.publish(message()).await.unwrap();
    let began = Instant::now();
    let refused = [impatient.publish(message()).await.unwrap(), impatient.publish(message()).await.unwrap()];
    for confirm in refused {
        is_full(&confirm.await.unwrap_err(), began, MINUTE);
    }
    // The stream goes on, and so does the one that waits.
    let (held, _) = next(&client, "q").await;
    client.ack(vec![held.ack_id]).await.unwrap();
    endless.await.unwrap();
    let (late, _) = next(&client, "q").await;
    client.ack(vec![late.ack_id]).await.unwrap();
    impatient.publish(message()).await.unwrap().await.unwrap();
}
