//! Looking at a queue, emptying it, and counting.

use ferrymq_client::v1::{
    Binding, ErrorReason, MessageState, PeekRequest, PurgeRequest, Queue, peek_request, purge_request,
};
use ferrymq_client::{Client, Code};
use ferrymq_tests::{
    Broker, acked, binding, create_queue, create_topic, message, prepared, publish, pull, pull_some, within,
};

#[tokio::test]
async fn a_peek_shows_messages_and_takes_none() {
    let (_broker, client) = prepared().await;
    publish(&client, "t", vec![message("", "one"), message("", "two")]).await;
    let request = PeekRequest { source: Some(peek_request::Source::Queue("q".into())), ..PeekRequest::default() };
    for _ in 0..2 {
        let seen = client.peek(request.clone()).await.unwrap().messages;
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().all(|message| message.state() == MessageState::Ready));
    }
    let taken = pull_some(&client, "q").await;
    assert_eq!((taken.len(), taken[0].attempt), (2, 1));
    let held = client.peek(request).await.unwrap().messages;
    assert!(held.iter().all(|message| message.state() == MessageState::Unsettled));
}

#[tokio::test]
async fn a_purge_empties_one_queue_and_counts() {
    let (_broker, client) = prepared().await;
    create_queue(&client, Queue { name: "other".into(), ..Queue::default() }, &[("t", "#")]).await;
    publish(&client, "t", vec![message("", "one"), message("", "two")]).await;
    let request = PurgeRequest { target: Some(purge_request::Target::Queue("q".into())) };
    assert_eq!(client.purge(request.clone()).await.unwrap(), 2);
    assert_eq!(client.purge(request).await.unwrap(), 0);
    assert!(pull(&client, "q").await.is_empty());
    assert_eq!(pull(&client, "other").await.len(), 2);
}

#[tokio::test]
async fn stats_count_what_is_ready_unsettled_and_acked() {
    let (_broker, client) = prepared().await;
    publish(&client, "t", vec![message("", "one"), message("", "two")]).await;
    let ready = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((ready.ready, ready.unsettled, ready.received), (2, 0, 2));
    let taken = pull_some(&client, "q").await;
    let held = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((held.ready, held.unsettled, held.delivered), (0, 2, 2));
    acked(&client, &taken).await;
    let done = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((done.ready, done.unsettled, done.acked), (0, 0, 2));
}

#[tokio::test]
async fn the_oldest_message_that_is_not_settled_has_an_age() {
    let (_broker, client) = prepared().await;
    let age = || async { client.get_queue("q").await.unwrap().stats.unwrap().oldest_age };
    assert_eq!(age().await, None);
    publish(&client, "t", vec![message("", "one")]).await;
    let young = age().await.expect("a message waits");
    assert!((0..60).contains(&young.seconds), "{young:?}");
    let taken = pull_some(&client, "q").await;
    assert!(age().await.is_some(), "a message that is held is not settled");
    acked(&client, &taken).await;
    assert_eq!(age().await, None);
}

#[tokio::test]
async fn a_topic_counts_what_was_published_and_what_no_queue_matched_since_the_start() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "a.#")]).await;
    publish(&client, "t", vec![message("a.b", "one"), message("c", "two")]).await;
    client.create_binding(binding("t", "q", "c")).await.unwrap();
    publish(&client, "t", vec![message("c", "three")]).await;
    let counted = client.get_topic("t").await.unwrap().stats.unwrap();
    assert_eq!((counted.published, counted.unroutable, counted.messages, counted.queues), (3, 1, 3, 1));
    broker.kill9();
    broker.restart();
    let again = broker.client().await.get_topic("t").await.unwrap().stats.unwrap();
    assert_eq!((again.published, again.unroutable, again.messages), (0, 0, 3));
}

#[tokio::test]
async fn the_brokers_own_numbers_are_filled_in() {
    let (broker, client) = prepared().await;
    let stats = |client: Client| async move { client.stats(vec![], vec![]).await.unwrap().broker.unwrap() };
    let one = stats(client.clone()).await;
    assert_eq!((one.connections, one.topics, one.queues), (1, 1, 1));
    assert!(one.sync_time.is_some_and(|time| time.seconds == 0), "making the topic was a commit: {one:?}");
    assert!(one.memory_bytes > 0 || !cfg!(target_os = "linux"));
    let second = broker.client().await;
    assert_eq!(stats(second.clone()).await.connections, 2);
    drop(second);
    within("the gauge to fall", async { while stats(client.clone()).await.connections != 1 {} }).await;
}

#[tokio::test]
async fn a_name_stands_for_one_binding() {
    let (_broker, client) = prepared().await;
    create_queue(&client, Queue { name: "other".into(), ..Queue::default() }, &[]).await;
    let named = |queue: &str, pattern: &str| Binding { name: "mine".into(), ..binding("t", queue, pattern) };
    assert!(client.create_binding(named("q", "a")).await.unwrap().created);
    assert!(!client.create_binding(named("q", "a")).await.unwrap().created);
    let third = || Queue { name: "third".into(), ..Queue::default() };
    for (queue, bindings) in [
        (Queue { name: "other".into(), ..Queue::default() }, vec![named("other", "a")]),
        (third(), vec![named("third", "a")]),
        (third(), vec![Binding { name: "new".into(), ..binding("t", "third", "a") }, named("third", "b")]),
    ] {
        let error = client.create_queue(queue, bindings).await.unwrap_err();
        assert_eq!(error.reason(), ErrorReason::SettingsDiffer, "{error:?}");
    }
    let twice = vec![binding("t", "third", "a"), binding("t", "third", "a")];
    assert!(client.create_queue(third(), twice).await.unwrap().created);
    assert_eq!(client.list_bindings("t", "third").await.unwrap().len(), 1);
}

#[tokio::test]
async fn bindings_can_be_listed_and_removed_and_what_had_matched_stays() {
    let (_broker, client) = prepared().await;
    publish(&client, "t", vec![message("", "before")]).await;
    let bound = client.list_bindings("t", "q").await.unwrap();
    assert_eq!(bound.len(), 1);
    assert!(client.delete_binding(bound[0].name.clone()).await.unwrap());
    let confirmed = publish(&client, "t", vec![message("", "after")]).await;
    assert_eq!(confirmed.results[0].queues_matched, 0);
    assert_eq!(pull(&client, "q").await.len(), 1);
    assert_eq!(client.get_binding(bound[0].name.clone()).await.unwrap_err().code(), Code::NotFound);
    assert!(client.create_binding(binding("t", "q", "#")).await.unwrap().created);
}
