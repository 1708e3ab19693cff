//! Topic-to-topic bindings: a message goes on to the queues of other topics, is written once, and comes to each queue once.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::binding::Target;
use ferrymq_client::v1::{Binding, ErrorReason, Limits, LogEdge, LogPoint, Message, Queue, log_point};
use ferrymq_client::{Client, Code, Destination, Error};
use ferrymq_tests::{
    Broker, Log, acked, binding, collect, create_queue, create_topic, message, payloads, publish, pull, pull_some,
    take_all,
};

fn named(name: &str) -> Queue {
    Queue { name: name.into(), ..Queue::default() }
}

fn link(topic: &str, to: &str, pattern: &str) -> Binding {
    let (topic, target) = (topic.to_owned(), Some(Target::ToTopic(to.to_owned())));
    Binding { topic, target, pattern: pattern.to_owned(), ..Binding::default() }
}

async fn linked(client: &Client, topic: &str, to: &str, pattern: &str) -> Result<String, Error> {
    Ok(client.create_binding(link(topic, to, pattern)).await?.binding.unwrap().name)
}

async fn topics(client: &Client, names: &[&str]) {
    for name in names {
        create_topic(client, name).await;
    }
}

async fn matched(client: &Client, topic: &str, keys: &[&str]) -> Vec<i32> {
    let messages = keys.iter().map(|key| message(key, (*key).to_owned())).collect();
    publish(client, topic, messages).await.results.iter().map(|result| result.queues_matched).collect()
}

#[tokio::test]
async fn messages_go_on_from_topic_to_topic_and_reach_each_queue_once() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    topics(&client, &["orders", "eu", "de", "all"]).await;
    linked(&client, "orders", "eu", "eu.#").await.unwrap();
    linked(&client, "eu", "de", "*.de.*").await.unwrap();
    linked(&client, "orders", "all", "").await.unwrap();
    linked(&client, "de", "all", "").await.unwrap();
    create_queue(&client, named("q"), &[("de", "#.paid"), ("orders", "eu.de.#")]).await;
    create_queue(&client, named("every"), &[("all", "")]).await;
    let keys = ["eu.de.paid", "eu.de.new", "eu.fr.paid", "us.tx.paid"];
    assert_eq!(matched(&client, "orders", &keys).await, [2, 2, 1, 1], "over two ways it comes once");
    assert_eq!(matched(&client, "de", &["eu.de.paid", "x"]).await, [2, 1]);
    let stats = client.get_topic("all").await.unwrap().stats.unwrap();
    assert_eq!((stats.messages, stats.queues), (0, 1), "what goes on is written where it was published");
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert_eq!(matched(&client, "orders", &["eu.de.paid"]).await, [2], "a way is there after the kill");
    let deliveries = collect(&client, "q", 4).await;
    assert_eq!(payloads(&deliveries), ["eu.de.paid", "eu.de.new", "eu.de.paid", "eu.de.paid"]);
    assert_eq!(deliveries.iter().map(|d| d.topic.as_str()).collect::<Vec<_>>(), ["orders", "orders", "de", "orders"]);
    let every = [&keys[..], &["eu.de.paid", "x", "eu.de.paid"]].concat();
    assert_eq!(payloads(&collect(&client, "every", 7).await), every);
    assert!(pull(&client, "q").await.is_empty() && pull(&client, "every").await.is_empty());
}

#[tokio::test]
async fn filters_on_the_way_hold_for_near_and_far_readers() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    topics(&client, &["a", "b"]).await;
    let german = Binding { filter: r#"attributes.country == "DE""#.into(), ..link("a", "b", "") };
    client.create_binding(german).await.unwrap();
    let paid = Binding { filter: "attributes.paid == \"yes\"".into(), ..binding("b", "q", "o.#") };
    client.create_queue(named("q"), vec![paid]).await.unwrap();
    let of = |key: &str, country: &str, paid: &str| {
        let attributes = [("country".to_owned(), country.to_owned()), ("paid".to_owned(), paid.to_owned())];
        let payload = format!("{key} {country} {paid}").into();
        Message { routing_key: key.into(), attributes: attributes.into(), payload, ..Message::default() }
    };
    let all = || vec![of("o.1", "DE", "yes"), of("o.2", "FR", "yes"), of("o.3", "DE", "no"), of("p", "DE", "yes")];
    let confirm = publish(&client, "a", all()).await;
    assert_eq!(confirm.results.iter().map(|result| result.queues_matched).collect::<Vec<_>>(), [1, 0, 0, 0]);
    assert_eq!(payloads(&collect(&client, "q", 1).await), ["o.1 DE yes"]);
    publish(&client, "a", all()).await;
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert_eq!(payloads(&collect(&client, "q", 1).await), ["o.1 DE yes"]);
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test]
async fn loops_missing_topics_and_long_ways_are_refused() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    topics(&client, &["a", "b", "c"]).await;
    let itself = linked(&client, "a", "a", "").await.unwrap_err();
    assert_eq!((itself.code(), itself.reason()), (Code::FailedPrecondition, ErrorReason::BindingLoop));
    linked(&client, "a", "b", "x").await.unwrap();
    linked(&client, "b", "c", "y").await.unwrap();
    let around = linked(&client, "c", "a", "").await.expect_err("a loop");
    assert_eq!(around.reason(), ErrorReason::BindingLoop);
    assert_eq!(around.metadata().get("path").map(String::as_str), Some("c -> a -> b -> c"));
    for (from, to) in [("a", "nowhere"), ("nowhere", "a")] {
        assert_eq!(linked(&client, from, to, "").await.unwrap_err().reason(), ErrorReason::TopicNotFound);
    }
    let at = Some(log_point::At::Edge(LogEdge::Earliest.into()));
    let early =
        client.create_binding(Binding { start: Some(LogPoint { at }), ..link("a", "c", "") }).await.unwrap_err();
    assert_eq!(early.field_violations()[0].field, "binding.start");
    let of_queue = client.create_queue(named("q"), vec![link("a", "c", "")]).await.unwrap_err();
    assert_eq!(of_queue.field_violations()[0].field, "bindings[0].to_topic");

    for number in 0..=9 {
        create_topic(&client, &format!("n{number}")).await;
    }
    for number in 0..4 {
        linked(&client, &format!("n{number}"), &format!("n{}", number + 1), "").await.unwrap();
        linked(&client, &format!("n{}", number + 5), &format!("n{}", number + 6), "").await.unwrap();
    }
    let long = linked(&client, "n4", "n5", "").await.unwrap_err();
    assert_eq!((long.code(), long.reason()), (Code::ResourceExhausted, ErrorReason::LimitReached));
    linked(&client, "n4", "n6", "").await.unwrap();
}

#[tokio::test]
async fn a_binding_to_a_topic_is_one_that_is_shown_named_and_deleted() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    topics(&client, &["a", "b"]).await;
    create_queue(&client, named("b"), &[("a", "k"), ("b", "")]).await;
    let to_queue = client.create_binding(binding("a", "b", "")).await.unwrap().binding.unwrap();
    let made = client.create_binding(link("a", "b", "")).await.unwrap();
    assert!(made.created);
    assert_ne!(made.binding.as_ref().unwrap().name, to_queue.name, "a topic and a queue may have one name");
    assert!(!client.create_binding(link("a", "b", "")).await.unwrap().created);
    let name = made.binding.unwrap().name;
    let shown = client.get_binding(&name).await.unwrap();
    assert_eq!(shown.target, Some(Target::ToTopic("b".into())));
    assert_eq!(client.list_bindings("a", "").await.unwrap().len(), 3, "only what was made");
    assert_eq!(client.list_bindings("", "b").await.unwrap().len(), 3);
    assert_eq!(client.get_queue("b").await.unwrap().bindings.len(), 3);
    assert!(client.delete_binding(&name).await.unwrap());
    assert_eq!(client.get_binding(&name).await.unwrap_err().reason(), ErrorReason::BindingNotFound);
}

#[tokio::test]
async fn what_had_gone_on_stays_when_a_topic_or_binding_on_the_way_is_deleted() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    topics(&client, &["a", "b", "c"]).await;
    linked(&client, "a", "b", "").await.unwrap();
    let last = linked(&client, "b", "c", "").await.unwrap();
    create_queue(&client, named("q"), &[("c", "")]).await;
    create_queue(&client, named("near"), &[("b", "")]).await;
    assert_eq!(matched(&client, "a", &["1"]).await, [2]);
    client.delete_binding(last).await.unwrap();
    assert_eq!(matched(&client, "a", &["2"]).await, [1]);
    linked(&client, "b", "c", "").await.unwrap();
    let used = client.delete_topic("b", false).await.unwrap_err();
    assert_eq!(used.reason(), ErrorReason::InUse);
    assert_eq!(used.metadata().get("used_by").map(String::as_str), Some("topic a, near, topic c"));
    assert_eq!(matched(&client, "a", &["3"]).await, [2]);
    client.delete_topic("b", true).await.unwrap();
    assert_eq!(matched(&client, "a", &["4"]).await, [0]);
    assert!(client.list_bindings("a", "").await.unwrap().is_empty());
    assert_eq!(payloads(&take_all(&client, "q").await), ["1", "3"]);
    assert_eq!(payloads(&take_all(&client, "near").await), ["1", "2", "3"]);
    client.delete_topic("a", false).await.unwrap();
}

#[tokio::test]
async fn a_limit_counts_what_comes_over_topics_after_a_kill_too() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    topics(&client, &["a", "b"]).await;
    linked(&client, "a", "b", "k.#").await.unwrap();
    let limits = Some(Limits { max_messages: 4, ..Limits::default() });
    create_queue(&client, Queue { limits, ..named("q") }, &[("b", "#.x")]).await;
    assert_eq!(matched(&client, "a", &["k.x", "x", "k.y", "k.k.x"]).await, [1, 0, 0, 1]);
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    let batch = |topic: &str, keys: &[&str]| {
        let messages = keys.iter().map(|key| message(key, "")).collect();
        client.publish(Destination::Topic(topic.into()), messages)
    };
    batch("a", &["k.x", "x"]).await.unwrap();
    assert_eq!(batch("b", &["x", "x"]).await.unwrap_err().reason(), ErrorReason::QueueFull);
    batch("b", &["x"]).await.unwrap();
    assert_eq!(batch("a", &["k.x"]).await.unwrap_err().reason(), ErrorReason::QueueFull);
    acked(&client, &pull_some(&client, "q").await[..1]).await;
    batch("a", &["k.x"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_is_published_between_the_two_commits_goes_on() {
    const MESSAGES: u64 = 600;
    let mut broker = Broker::start();
    let client = broker.client().await;
    topics(&client, &["a", "b", "c"]).await;
    linked(&client, "b", "c", "").await.unwrap();
    create_queue(&client, named("q"), &[("c", "")]).await;
    let log = Log::of(MESSAGES);
    let publishing = tokio::spawn(log.clone().publish_numbers(broker.client().await, "a"));
    let mut cuts = Vec::new();
    while !publishing.is_finished() {
        let (begin, name) = log.cut(linked(&client, "a", "b", "")).await;
        log.some_more().await;
        let (end, gone) = log.cut(client.delete_binding(name.unwrap())).await;
        assert!(gone.unwrap());
        cuts.extend([begin, end]);
        log.some_more().await;
    }
    publishing.await.unwrap();
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    let got: Vec<u64> = payloads(&take_all(&client, "q").await).iter().map(|number| number.parse().unwrap()).collect();
    assert!(got.is_sorted_by(|a, b| a < b), "each once, in order");
    assert!(!got.is_empty() && got.len() < MESSAGES as usize, "{} of {MESSAGES}", got.len());
    log.check(&cuts, |number| got.binary_search(&number).is_ok(), |_| true);
}
