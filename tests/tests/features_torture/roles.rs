//! Those who publish and consume until the broker is gone.

use ferrymq_client::v1::{Delivery, ErrorReason, Message, NackMode, PublishRequest, SettleStatus, SubscribeRequest};
use ferrymq_client::{Client, Destination, Error, queue};
use ferrymq_tests::payloads;
use rand::Rng as _;
use rand::rngs::StdRng;

use super::ledger::{KEYED, KEYS, MOST, ONCE, REJECTS, Shared};

/// A message of this number, which all that it is known by follows from.
pub fn numbered(number: u64) -> Message {
    Message {
        payload: format!(r#"{{"n": {number}}}"#).into(),
        content_type: "application/json".into(),
        ordering_key: format!("key{}", number % KEYS),
        ..Message::default()
    }
}

/// The numbers of messages.
pub fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    let digits = |payload: String| payload.chars().filter(char::is_ascii_digit).collect::<String>();
    payloads(deliveries)
        .into_iter()
        .map(|payload| digits(payload).parse().expect("every payload is numbered"))
        .collect()
}

/// Publishes to the topic, one batch after the other.
pub async fn publisher(client: Client, ledger: Shared) {
    loop {
        let numbers = ledger.with(|ledger| ledger.take_numbers(4));
        let batch = numbers.iter().copied().map(numbered).collect();
        if client.publish(Destination::Topic("t".into()), batch).await.is_err() {
            return;
        }
        let now = std::time::Instant::now();
        ledger.with(|ledger| ledger.topic.extend(numbers.into_iter().map(|number| (number, now))));
    }
}

/// Publishes to the queue that rejects what does not fit: some wait for room, some are refused.
pub async fn pusher(client: Client, ledger: Shared, mut random: StdRng) {
    loop {
        let count = random.random_range(1..5);
        let waits = random.random_range(0..2) == 0;
        match push(&client, &ledger, count, waits).await {
            Ok(()) => {}
            Err(error) if error.reason() == ErrorReason::QueueFull => tokio::task::yield_now().await,
            Err(_) => return,
        }
    }
}

/// One batch of so many.
pub async fn push(client: &Client, ledger: &Shared, count: u64, waits: bool) -> Result<(), Error> {
    let numbers = ledger.with(|ledger| ledger.take_numbers(count));
    let request = PublishRequest {
        destination: Some(Destination::Queue(REJECTS.into())),
        messages: numbers.iter().copied().map(numbered).collect(),
        wait_for_room: waits.then_some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
        ..PublishRequest::default()
    };
    client.messaging().publish(request).await?;
    ledger.with(|ledger| ledger.direct.extend(numbers));
    Ok(())
}

/// Consumes a queue until the broker is gone.
pub async fn consumer(client: Client, ledger: Shared, name: &'static str, mut random: StdRng) {
    let request = SubscribeRequest { at_most_once: name == MOST, ..queue(name) };
    let Ok(mut subscriber) = client.subscribe_stream(request).await else { return };
    while let Ok(Some(batch)) = subscriber.next_batch().await {
        for (number, delivery) in numbers(&batch).into_iter().zip(&batch) {
            ledger.with(|ledger| ledger.receive(name, number, delivery.attempt));
        }
        if name != MOST && settle(&client, &ledger, name, batch, &mut random).await.is_err() {
            return;
        }
    }
}

/// Acks most, gives some back, and keeps one now and then, so that each kill leaves something to redeliver.
async fn settle(
    client: &Client,
    ledger: &Shared,
    name: &'static str,
    mut batch: Vec<Delivery>,
    random: &mut StdRng,
) -> Result<(), Error> {
    if name == ONCE {
        old_deliveries_settle_nothing(client, ledger).await?;
    }
    if name != KEYED && random.random_range(0..3) == 0 {
        let kept = batch.swap_remove(0);
        note_stale(ledger, name, vec![kept.ack_id]);
    }
    let (back, done): (Vec<_>, Vec<_>) = batch.into_iter().partition(|_| random.random_range(0..15) == 0);
    if !back.is_empty() {
        client.nack(ids(&back), NackMode::Release, None, "").await?;
        note_stale(ledger, name, ids(&back));
    }
    if !done.is_empty() {
        ack(client, ledger, name, &done).await?;
    }
    Ok(())
}

/// Acks, and notes what was taken.
pub async fn ack(client: &Client, ledger: &Shared, name: &'static str, done: &[Delivery]) -> Result<(), Error> {
    ledger.with(|ledger| ledger.queue(name).asked.extend(numbers(done)));
    let statuses = client.ack(ids(done)).await?;
    let taken = numbers(done).into_iter().zip(statuses).filter(|(_, status)| *status == SettleStatus::Ok);
    ledger.with(|ledger| taken.for_each(|(number, _)| ledger.acked(name, number)));
    Ok(())
}

/// What was given back, and what was held when the broker was killed.
async fn old_deliveries_settle_nothing(client: &Client, ledger: &Shared) -> Result<(), Error> {
    let stale = ledger.with(|ledger| std::mem::take(&mut ledger.old));
    if stale.is_empty() {
        return Ok(());
    }
    let statuses = client.ack(stale).await?;
    let settled = statuses.iter().filter(|status| **status == SettleStatus::Ok).count();
    if settled > 0 {
        ledger.with(|ledger| ledger.faults.push(format!("{ONCE}: {settled} old deliveries settled")));
    }
    Ok(())
}

fn note_stale(ledger: &Shared, name: &'static str, ids: Vec<bytes::Bytes>) {
    if name == ONCE {
        ledger.with(|ledger| ledger.stale.extend(ids));
    }
}

fn ids(deliveries: &[Delivery]) -> Vec<bytes::Bytes> {
    deliveries.iter().map(|delivery| delivery.ack_id.clone()).collect()
}
