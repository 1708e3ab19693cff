//! Alternate topics: what matches no queue of its topic goes on, in the same commit, and nothing is lost or doubled.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{
    DeadLetterPolicy, ErrorReason, Limits, NackMode, PublishRequest, Queue, Topic, TopicStats, dead_letter_policy,
};
use ferrymq_client::{Client, Code, Destination, Error};
use ferrymq_tests::{
    Broker, binding, collect, create_queue, create_topic, message, payloads, publish, pull, pull_some,
};

fn named(name: &str) -> Queue {
    Queue { name: name.into(), ..Queue::default() }
}

async fn topic(client: &Client, name: &str, alternate: &str) -> Result<bool, Error> {
    let topic = Topic { name: name.into(), alternate_topic: alternate.into(), ..Topic::default() };
    Ok(client.create_topic(topic).await?.created)
}

async fn stats(client: &Client, topic: &str) -> TopicStats {
    client.get_topic(topic).await.unwrap().stats.unwrap()
}

/// `t`, whose alternate is `rest`; `q` takes `a.#` of `t`, `others` takes `#` of `rest`.
async fn routes(client: &Client) {
    create_topic(client, "rest").await;
    assert!(topic(client, "t", "rest").await.unwrap());
    create_queue(client, named("q"), &[("t", "a.#")]).await;
    create_queue(client, named("others"), &[("rest", "#")]).await;
}

async fn matched(client: &Client, keys: &[&str]) -> Vec<i32> {
    let messages = keys.iter().map(|key| message(key, (*key).to_owned())).collect();
    publish(client, "t", messages).await.results.iter().map(|result| result.queues_matched).collect()
}

#[tokio::test]
async fn what_matches_no_queue_goes_to_the_alternate_over_a_kill_too() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    routes(&client).await;
    assert_eq!(matched(&client, &["a.1", "b.1", "a.2", "c"]).await, [1, 1, 1, 1]);
    let (of_t, of_rest) = (stats(&client, "t").await, stats(&client, "rest").await);
    assert_eq!((of_t.published, of_t.unroutable, of_t.messages), (4, 0, 4), "the topic keeps all of them");
    let of_rest = (of_rest.published, of_rest.unroutable, of_rest.messages);
    assert_eq!(of_rest, (2, 0, 2), "what matched a queue does not go on");
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert_eq!(matched(&client, &["b.2"]).await, [1]);
    assert_eq!(payloads(&collect(&client, "q", 2).await), ["a.1", "a.2"]);
    assert_eq!(payloads(&collect(&client, "others", 3).await), ["b.1", "c", "b.2"]);
    assert!(pull(&client, "q").await.is_empty() && pull(&client, "others").await.is_empty());
    assert_eq!(client.get_topic("t").await.unwrap().alternate_topic, "rest");
}

#[tokio::test]
async fn alternates_follow_one_another_until_something_matches() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "last").await;
    assert!(topic(&client, "rest", "last").await.unwrap() && topic(&client, "t", "rest").await.unwrap());
    create_queue(&client, named("q"), &[("rest", "b")]).await;
    create_queue(&client, named("end"), &[("last", "b"), ("last", "c")]).await;
    assert_eq!(matched(&client, &["a", "b", "c"]).await, [0, 1, 1]);
    assert_eq!(payloads(&collect(&client, "q", 1).await), ["b"]);
    assert_eq!(payloads(&collect(&client, "end", 1).await), ["c"]);
    for (name, published, unroutable) in [("t", 3, 1), ("rest", 3, 1), ("last", 2, 1)] {
        let stats = stats(&client, name).await;
        assert_eq!((stats.published, stats.unroutable), (published, unroutable), "{name}");
    }
}

#[tokio::test]
async fn a_required_route_may_lead_over_the_alternate() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "rest").await;
    topic(&client, "t", "rest").await.unwrap();
    create_queue(&client, named("others"), &[("rest", "b")]).await;
    let publish = |key: &str| {
        let request = PublishRequest {
            destination: Some(Destination::Topic("t".into())),
            messages: vec![message(key, "x")],
            require_route: true,
            ..PublishRequest::default()
        };
        let mut stub = client.messaging();
        async move { stub.publish(request).await.map_err(Error::from) }
    };
    publish("b").await.unwrap();
    assert_eq!(publish("c").await.unwrap_err().reason(), ErrorReason::NoRoute);
    assert_eq!(stats(&client, "rest").await.messages, 1);
}

#[tokio::test]
async fn loops_missing_ones_and_long_chains_are_refused() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    let missing = topic(&client, "a", "nowhere").await.unwrap_err();
    assert_eq!((missing.code(), missing.reason()), (Code::NotFound, ErrorReason::TopicNotFound));
    let itself = topic(&client, "a", "a").await.unwrap_err();
    assert_eq!((itself.code(), itself.reason()), (Code::FailedPrecondition, ErrorReason::BindingLoop));
    create_topic(&client, "a").await;
    topic(&client, "b", "a").await.unwrap();
    client.delete_topic("a", true).await.unwrap();
    let around = topic(&client, "a", "b").await.unwrap_err();
    assert_eq!(around.reason(), ErrorReason::BindingLoop);
    assert_eq!(around.metadata().get("path").map(String::as_str), Some("a -> b -> a"));

    create_topic(&client, "n0").await;
    for number in 1..=8 {
        topic(&client, &format!("n{number}"), &format!("n{}", number - 1)).await.unwrap();
    }
    assert_eq!(topic(&client, "n9", "n8").await.unwrap_err().reason(), ErrorReason::LimitReached);
    let same = topic(&client, "n8", "n7").await.unwrap();
    assert!(!same, "it is there, the same");
    let other = topic(&client, "n8", "n6").await.unwrap_err();
    assert_eq!(other.metadata().get("fields").map(String::as_str), Some("alternate_topic"));
}

#[tokio::test]
async fn an_alternate_that_is_deleted_is_none_until_it_is_made_anew() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "rest").await;
    topic(&client, "t", "rest").await.unwrap();
    let used = client.delete_topic("rest", false).await.unwrap_err();
    assert_eq!(used.reason(), ErrorReason::InUse);
    assert_eq!(used.metadata().get("used_by").map(String::as_str), Some("alternate of t"));
    client.delete_topic("rest", true).await.unwrap();
    assert_eq!(matched(&client, &["b"]).await, [0]);
    assert_eq!(stats(&client, "t").await.unroutable, 1);
    create_topic(&client, "rest").await;
    create_queue(&client, named("others"), &[("rest", "")]).await;
    assert_eq!(matched(&client, &["c"]).await, [1]);
    assert_eq!(payloads(&collect(&client, "others", 1).await), ["c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_goes_either_way_while_bindings_change_under_load() {
    const MESSAGES: u32 = 100;
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "rest").await;
    topic(&client, "t", "rest").await.unwrap();
    create_queue(&client, named("q"), &[]).await;
    create_queue(&client, named("others"), &[("rest", "")]).await;
    let publisher = broker.client().await;
    let publishing = tokio::spawn(async move {
        for number in 0..MESSAGES {
            publish(&publisher, "t", vec![message("k", number.to_string())]).await;
        }
    });
    let mut changes = 0;
    while !publishing.is_finished() {
        let made = client.create_binding(binding("t", "q", "")).await.unwrap().binding.unwrap();
        client.delete_binding(made.name).await.unwrap();
        // Where a whole queue comes and goes what it had goes with it, so it takes only what nobody sends.
        create_queue(&client, named("guest"), &[("t", "never")]).await;
        client.delete_queue("guest", true).await.unwrap();
        changes += 1;
    }
    publishing.await.unwrap();
    assert!(changes > 1);
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    let ready = |name: &'static str| {
        let client = client.clone();
        async move { collect_all(&client, name).await }
    };
    let (bound, rest) = (ready("q").await, ready("others").await);
    assert!(!bound.is_empty() && !rest.is_empty(), "{} and {}", bound.len(), rest.len());
    let mut all: Vec<u32> = [bound, rest].concat();
    all.sort_unstable();
    assert_eq!(all, (0..MESSAGES).collect::<Vec<_>>(), "each came one way, once");
}

/// Takes all there is.
async fn collect_all(client: &Client, queue: &str) -> Vec<u32> {
    let mut all = Vec::new();
    loop {
        let held = pull(client, queue).await;
        if held.is_empty() {
            return all;
        }
        all.extend(payloads(&held).iter().map(|number| number.parse::<u32>().unwrap()));
        ferrymq_tests::acked(client, &held).await;
    }
}

#[tokio::test]
async fn a_full_queue_of_the_alternate_refuses_the_batch_whole() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "rest").await;
    topic(&client, "t", "rest").await.unwrap();
    let limits = Some(Limits { max_messages: 3, ..Limits::default() });
    create_queue(&client, Queue { limits, ..named("q") }, &[("t", "a"), ("rest", "b")]).await;
    let batch = |keys: &[&str]| {
        let messages = keys.iter().map(|key| message(key, "x")).collect();
        client.publish(Destination::Topic("t".into()), messages)
    };
    let refused = batch(&["a", "a", "b", "b"]).await.unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::QueueFull, "both ways count together");
    assert_eq!(stats(&client, "t").await.messages + stats(&client, "rest").await.messages, 0);
    batch(&["a", "b", "b"]).await.unwrap();
    assert_eq!(batch(&["b"]).await.unwrap_err().reason(), ErrorReason::QueueFull);
    batch(&["c"]).await.unwrap();
}

#[tokio::test]
async fn a_dead_letter_that_matches_nothing_goes_on_with_its_reason() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "rest").await;
    topic(&client, "t", "rest").await.unwrap();
    create_queue(&client, named("others"), &[("rest", "")]).await;
    let target = Some(dead_letter_policy::Target::Topic("t".into()));
    let dead_letter = Some(DeadLetterPolicy { target, ..DeadLetterPolicy::default() });
    create_queue(&client, Queue { dead_letter, ..named("work") }, &[]).await;
    client.publish(Destination::Queue("work".into()), vec![message("", "bad")]).await.unwrap();
    let held = pull_some(&client, "work").await;
    client.nack(vec![held[0].ack_id.clone()], NackMode::Reject, None, "broken").await.unwrap();
    let letters = collect(&client, "others", 1).await;
    assert_eq!(letters[0].dead_letter.as_ref().unwrap().description, "broken");
}
