//! What the table in docs/semantics.md says of each feature after a crash, where no other test holds it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{
    DeadLetterReason, LogEdge, LogPoint, NackMode, Ordering, PurgeRequest, Queue, RateLimit, RetryPolicy, SettleStatus,
    SubscribeRequest, log_point::At, purge_request,
};
use ferrymq_client::{Client, Code, group, queue};
use ferrymq_tests::{
    Broker, acked, create_queue, create_topic, deliveries, message, payloads, publish, pull, pull_some, within,
};

fn named(name: &str) -> Queue {
    Queue { name: name.to_owned(), ..Queue::default() }
}

/// A broker on disk with a topic `t`, bound to this queue.
async fn with(queue: Queue) -> (Broker, Client) {
    let broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, queue, &[("t", "")]).await;
    (broker, client)
}

async fn publish_numbers(client: &Client, count: usize) {
    publish(client, "t", (0..count).map(|number| message("", number.to_string())).collect()).await;
}

async fn crash(broker: &mut Broker) -> Client {
    broker.kill9();
    broker.restart();
    broker.client().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_queue_goes_on_from_the_first_that_is_not_settled() {
    let (mut broker, client) = with(Queue { ordering: Ordering::Strict.into(), ..named("q") }).await;
    let mut active = client.subscribe_stream(SubscribeRequest { prefetch: 3, ..queue("q") }).await.unwrap();
    publish_numbers(&client, 5).await;
    let held = deliveries(&mut active, 3).await;
    acked(&client, &held[1..2]).await;

    let client = crash(&mut broker).await;
    let mut active = client.subscribe_stream(queue("q")).await.unwrap();
    let again = deliveries(&mut active, 4).await;
    assert_eq!(payloads(&again), ["0", "2", "3", "4"]);
    assert!(again[..2].iter().all(|delivery| delivery.attempt > 1), "what was delivered before says so");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_where_it_stood() {
    let broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    let mut member = client.subscribe_stream(SubscribeRequest { prefetch: 2, ..group("t", "g") }).await.unwrap();
    publish_numbers(&client, 4).await;
    acked(&client, &deliveries(&mut member, 2).await).await;

    let mut broker = broker;
    let client = crash(&mut broker).await;
    let start = Some(LogPoint { at: Some(At::Edge(LogEdge::Earliest.into())) });
    let wish = SubscribeRequest { start, create_if_missing: false, ..group("t", "g") };
    let mut member = client.subscribe_stream(wish).await.unwrap();
    assert_eq!(payloads(&deliveries(&mut member, 2).await), ["2", "3"]);
}

/// One message in a thousand seconds: only a new burst can bring more.
#[tokio::test(flavor = "multi_thread")]
async fn the_burst_of_a_rate_is_full_again() {
    let rate_limit = Some(RateLimit { messages_per_second: 0.001, burst: 2 });
    let (mut broker, client) = with(Queue { rate_limit, ..named("q") }).await;
    publish_numbers(&client, 6).await;
    acked(&client, &pull_some(&client, "q").await).await;
    assert!(pull(&client, "q").await.is_empty());

    let client = crash(&mut broker).await;
    assert_eq!(payloads(&pull_some(&client, "q").await), ["2", "3"]);
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_was_counted_stays_counted() {
    let retry = Some(RetryPolicy {
        max_attempts: Some(2),
        min_backoff: Some(prost_types::Duration::default()),
        ..RetryPolicy::default()
    });
    let (mut broker, client) = with(Queue { retry, ..named("q") }).await;
    publish_numbers(&client, 1).await;
    fail(&client).await;

    let client = crash(&mut broker).await;
    fail(&client).await;
    let dead = pull_some(&client, "q.dlq").await.remove(0).dead_letter.unwrap();
    assert_eq!((dead.reason(), dead.description.as_str()), (DeadLetterReason::MaxAttempts, "no"));
}

async fn fail(client: &Client) {
    let ids = pull_some(client, "q").await.into_iter().map(|delivery| delivery.ack_id).collect();
    let nack = client.nack(ids, NackMode::Retry, None, "no");
    assert_eq!(within("the answer to a nack", nack).await.unwrap(), [SettleStatus::Ok]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_purged_unbound_or_deleted_stays_so() {
    let (mut broker, client) = with(named("q")).await;
    create_queue(&client, named("other"), &[("t", "")]).await;
    publish_numbers(&client, 3).await;
    let target = Some(purge_request::Target::Queue("q".into()));
    assert_eq!(client.purge(PurgeRequest { target }).await.unwrap(), 3);
    let binding = client.list_bindings("t", "q").await.unwrap().remove(0);
    assert!(client.delete_binding(binding.name).await.unwrap());
    assert_eq!(client.delete_queue("other", true).await.unwrap().messages_dropped, 3);

    let client = crash(&mut broker).await;
    let confirm = publish(&client, "t", vec![message("", "x")]).await;
    assert_eq!(confirm.results[0].queues_matched, 0);
    assert!(pull(&client, "q").await.is_empty());
    assert_eq!(client.get_queue("other").await.unwrap_err().code(), Code::NotFound);
}
