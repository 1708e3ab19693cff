//! Numbers of queues and topics: what is exact, and from when on.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{
    Binding, LogEdge, LogPoint, Message, Queue, QueueStats, ResourceView, SeekRequest, log_point::At,
};
use ferrymq_client::{Client, Destination};
use ferrymq_tests::{Broker, acked, binding, collect, create_queue, create_topic, message, publish, pull_some, within};
use prost::Message as _;

/// More than the window of a queue, so that the rest has to be counted.
const MANY: usize = 15_000;
/// Every third of them has the key that is bound.
const MATCHING: i64 = 5_000;

async fn stats(client: &Client, queue: &str) -> QueueStats {
    within("numbers", client.get_queue(queue)).await.unwrap().stats.unwrap()
}

fn named(name: &str) -> Queue {
    Queue { name: name.to_owned(), ..Queue::default() }
}

fn numbered(number: usize) -> Message {
    let key = if number.is_multiple_of(3) { "mine" } else { "other" };
    message(key, number.to_string())
}

/// Bytes of those that match, as they are stored.
fn bytes(numbers: impl Iterator<Item = usize>) -> i64 {
    let mine = numbers.filter(|number| number.is_multiple_of(3));
    mine.map(|number| numbered(number).encoded_len() as i64).sum()
}

async fn many(client: &Client) {
    create_topic(client, "t").await;
    create_queue(client, named("by-pattern"), &[("t", "mine")]).await;
    let filter = "routing_key == 'mine'".to_owned();
    let filtered = Binding { filter, ..binding("t", "by-filter", "") };
    client.create_queue(named("by-filter"), vec![filtered]).await.unwrap();
    create_queue(client, named("all"), &[("t", "#")]).await;
    for begin in (0..MANY).step_by(1_000) {
        publish(client, "t", (begin..begin + 1_000).map(numbered).collect()).await;
    }
}

#[tokio::test]
async fn ready_is_exact_with_patterns_and_filters_also_beyond_the_window() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    many(&client).await;
    for queue in ["by-pattern", "by-filter"] {
        let before = stats(&client, queue).await;
        assert_eq!((before.ready, before.ready_bytes), (MATCHING, bytes(0..MANY)), "{queue}");
        let taken = pull_some(&client, queue).await;
        assert_eq!(taken.len(), 1_000);
        acked(&client, &taken[..900]).await;
        let now = stats(&client, queue).await;
        let rest = (MATCHING - 1_000, bytes(3_000..MANY), 100);
        assert_eq!((now.ready, now.ready_bytes, now.unsettled), rest, "{queue}");
    }
    // All that is published counts.
    publish(&client, "t", vec![numbered(0), numbered(1)]).await;
    assert_eq!(stats(&client, "by-pattern").await.ready, MATCHING - 1_000 + 1);
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert_eq!(stats(&client, "by-pattern").await.ready, MATCHING - 900 + 1);
    let to = Some(LogPoint { at: Some(At::Edge(LogEdge::Earliest.into())) });
    client.seek(SeekRequest { queue: "by-pattern".into(), to, topic: String::new() }).await.unwrap();
    let back = stats(&client, "by-pattern").await;
    assert_eq!(back.ready, MATCHING + 1, "a seek begins to count anew");
    collect(&client, "by-pattern", MATCHING as usize + 1).await;
    let done = stats(&client, "by-pattern").await;
    assert_eq!((done.ready, done.ready_bytes, done.unsettled, done.oldest_age), (0, 0, 0, None));
}

#[tokio::test]
async fn where_everything_matches_ready_needs_no_counting_and_its_bytes_are_close() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    many(&client).await;
    let all = stats(&client, "all").await;
    let exact: i64 = (0..MANY).map(|number| numbered(number).encoded_len() as i64).sum();
    assert_eq!(all.ready, MANY as i64);
    assert!((all.ready_bytes - exact).abs() * 20 <= exact, "{} is far from {exact}", all.ready_bytes);
    create_queue(&client, named("inbox"), &[]).await;
    client.publish(Destination::Queue("inbox".into()), vec![numbered(1), numbered(2)]).await.unwrap();
    let inbox = stats(&client, "inbox").await;
    let exact = (1..3).map(|number| numbered(number).encoded_len() as i64).sum::<i64>();
    assert_eq!((inbox.ready, inbox.ready_bytes), (2, exact));
}

#[tokio::test]
async fn a_binding_that_ends_or_begins_is_counted_by_what_it_brought() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    many(&client).await;
    assert_eq!(stats(&client, "by-pattern").await.ready, MATCHING);
    let name = client.list_bindings("t", "by-pattern").await.unwrap()[0].name.clone();
    client.delete_binding(name).await.unwrap();
    publish(&client, "t", vec![numbered(0); 10]).await;
    assert_eq!(stats(&client, "by-pattern").await.ready, MATCHING);
    client.create_binding(binding("t", "by-pattern", "other")).await.unwrap();
    publish(&client, "t", vec![numbered(0), numbered(1), numbered(2)]).await;
    assert_eq!(stats(&client, "by-pattern").await.ready, MATCHING + 2);
}

#[tokio::test]
async fn a_list_has_the_numbers_of_every_queue_and_topic() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    many(&client).await;
    let queues = client.list_queues_in("", ResourceView::Full).await.unwrap();
    let ready: Vec<_> = queues.iter().map(|queue| (queue.name.as_str(), queue.stats.unwrap().ready)).collect();
    assert_eq!(ready, [("all", MANY as i64), ("by-filter", MATCHING), ("by-pattern", MATCHING)]);
    assert!(queues.iter().all(|queue| queue.stats.unwrap().oldest_age.is_some()));
    let topics = client.list_topics_in("", ResourceView::Full).await.unwrap();
    let topic = topics[0].stats.unwrap();
    let counted = (topic.messages, topic.queues, topic.published, topic.unroutable);
    assert_eq!(counted, (MANY as i64, 3, MANY as i64, 0));
    assert!(topic.bytes > bytes(0..MANY));
    assert_eq!((topic.scheduled, topic.duplicates), (0, 0), "nothing is delayed or left out yet");
}

// 12 MiB are more than is read before an answer.
#[tokio::test]
async fn a_long_backlog_is_counted_on_behind_the_answer_and_never_too_low() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, named("q"), &[("t", "mine")]).await;
    let large = |number: usize| Message { payload: vec![b'x'; 1_000].into(), ..numbered(number) };
    for begin in (0..12_000).step_by(1_000) {
        publish(&client, "t", (begin..begin + 1_000).map(large).collect()).await;
    }
    let mut last = i64::MAX;
    within("an exact number", async {
        while last > 4_000 {
            let ready = stats(&client, "q").await.ready;
            assert!((4_000..=last).contains(&ready), "{ready} after {last}");
            last = ready;
        }
    })
    .await;
    // What was counted is taken off as it is read.
    collect(&client, "q", 4_000).await;
    assert_eq!(stats(&client, "q").await.ready, 0);
}
