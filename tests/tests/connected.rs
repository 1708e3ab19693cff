//! Who is connected, who consumes, how a connection is ended, and numbers that come by themselves.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::ErrorReason;
use ferrymq_client::v1::{
    CloseConnectionRequest, Connection, Consumer, ListConnectionsRequest, ListConsumersRequest, Message, Queue,
    SubscribeRequest, WatchStatsRequest, WatchStatsResponse, subscribe_request::Source,
};
use ferrymq_client::{Client, Code, Error, queue};
use ferrymq_tests::{Broker, create_queue, create_topic, deliveries, message, publish, pull_some, within};

async fn prepare(broker: &Broker) -> Client {
    let client = broker.client().await;
    create_topic(&client, "t").await;
    for name in ["q", "other"] {
        create_queue(&client, Queue { name: name.into(), ..Queue::default() }, &[("t", "#")]).await;
    }
    client
}

fn numbered(count: usize) -> Vec<Message> {
    (0..count).map(|number| message("k", number.to_string())).collect()
}

async fn consumers(client: &Client, queue: &str, page_size: i32) -> Vec<Consumer> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListConsumersRequest { queue: queue.into(), page_size, page_token };
        let page = client.operations().list_consumers(request).await.unwrap().into_inner();
        assert!(page.consumers.len() <= page_size as usize);
        all.extend(page.consumers);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

async fn connections(client: &Client, page_size: i32) -> Vec<Connection> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListConnectionsRequest { page_size, page_token };
        let page = client.operations().list_connections(request).await.unwrap().into_inner();
        assert!(page.connections.len() <= page_size as usize);
        all.extend(page.connections);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

async fn close(client: &Client, id: &str, reason: &str) -> Result<(), Error> {
    let request = CloseConnectionRequest { id: id.into(), reason: reason.into() };
    client.operations().close_connection(request).await.map(|_| ()).map_err(Error::from)
}

#[tokio::test]
async fn who_consumes_is_listed_by_pages() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    publish(&client, "t", numbered(3)).await;
    let named = SubscribeRequest { prefetch: 7, consumer: "worker 1".into(), ..queue("q") };
    let mut first = client.subscribe_stream(named).await.unwrap();
    let _held = deliveries(&mut first, 3).await;
    let second = client.consume_stream(queue("q")).await.unwrap();
    let _other = client.subscribe_stream(queue("other")).await.unwrap();
    let broadcast = SubscribeRequest { source: Some(Source::Topic("t".into())), ..SubscribeRequest::default() };
    let broadcast = client.subscribe_stream(broadcast).await.unwrap();

    let all = consumers(&client, "", 1).await;
    assert!(all.is_sorted_by_key(|consumer| &consumer.id), "{all:?}");
    assert_eq!(all.len(), 4);
    let of = |id: &str| all.iter().find(|consumer| consumer.id == id).unwrap();
    let one = of(&first.opened().consumer_id);
    assert_eq!((one.name.as_str(), one.queue.as_str(), one.topic.as_str()), ("worker 1", "q", ""));
    assert_eq!((one.unsettled, one.prefetch), (3, 7));
    assert!(one.oldest_lease.is_some() && one.start_time.is_some());
    let two = of(&second.opened().consumer_id);
    assert_eq!((two.unsettled, two.prefetch, two.oldest_lease), (0, 256, None));
    assert!(two.name.starts_with("127.0.0.1:"), "unnamed, it is its peer: {}", two.name);
    let three = of(&broadcast.opened().consumer_id);
    assert_eq!((three.queue.as_str(), three.topic.as_str()), ("", "t"));
    let own = connections(&client, 10).await;
    assert!(all.iter().all(|consumer| consumer.connection_id == own[0].id));

    let of_queue = consumers(&client, "q", 1).await;
    assert_eq!(of_queue.len(), 2);
    within("the end", second.finish()).await.unwrap();
    within("it to leave the list", async {
        while consumers(&client, "q", 10).await.len() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let unknown = ListConsumersRequest { queue: "none".into(), ..ListConsumersRequest::default() };
    let error = Error::from(client.operations().list_consumers(unknown).await.unwrap_err());
    assert_eq!(error.reason(), ErrorReason::QueueNotFound);
}

#[tokio::test]
async fn who_is_connected_is_listed_by_pages() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    let others = [broker.client().await, broker.client().await];
    for other in &others {
        other.server_info().await.unwrap();
    }
    let _stream = others[0].subscribe_stream(queue("q")).await.unwrap();
    let all = connections(&client, 2).await;
    assert_eq!(all.len(), 3);
    assert!(all.is_sorted_by_key(|connection| &connection.id));
    assert!(all.iter().all(|connection| connection.user_agent.starts_with("ferrymq-rust/")), "{all:?}");
    assert!(all.iter().all(|connection| connection.peer.starts_with("127.0.0.1:") && connection.start_time.is_some()));
    // The call itself is open on its connection.
    assert_eq!(all.iter().map(|connection| connection.streams).sum::<i32>(), 2, "{all:?}");
    let wrong = ListConnectionsRequest { page_token: "no token".into(), ..ListConnectionsRequest::default() };
    let error = Error::from(client.operations().list_connections(wrong).await.unwrap_err());
    assert_eq!((error.code(), error.reason()), (Code::InvalidArgument, ErrorReason::PageTokenInvalid));
}

#[tokio::test]
async fn a_connection_that_is_closed_gives_back_what_it_held_at_once() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    publish(&client, "t", numbered(2)).await;
    let other = broker.client().await;
    let keeps = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let mut consumer = other.consume_stream(SubscribeRequest { resume_within: keeps, ..queue("q") }).await.unwrap();
    let mut held = 0;
    while held < 2 {
        held += within("deliveries", consumer.next_batch()).await.unwrap().unwrap().len();
    }
    let of = consumers(&client, "q", 10).await[0].connection_id.clone();
    close(&client, &of, "it hangs").await.unwrap();
    let error = loop {
        match within("the end", consumer.next_batch()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended in order"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("it hangs"), "{error}");
    let again = pull_some(&client, "q").await;
    assert_eq!((again.len(), again[0].attempt), (2, 2));
    within("the connection to go", async {
        while connections(&client, 10).await.iter().any(|connection| connection.id == of) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for id in [of.as_str(), "", "none"] {
        let error = close(&client, id, "").await.unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::NotFound, ErrorReason::ConnectionNotFound));
    }
    let error = close(&client, &of, &"x".repeat(256)).await.unwrap_err();
    assert_eq!(error.field_violations()[0].field, "reason");
}

#[tokio::test]
async fn numbers_come_at_once_and_then_at_each_interval() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    let watch = |interval_ms: i64, queues: &[&str]| WatchStatsRequest {
        topics: vec!["t".into()],
        queues: queues.iter().map(|name| (*name).to_owned()).collect(),
        interval: Some(prost_types::Duration {
            seconds: interval_ms / 1_000,
            nanos: (interval_ms % 1_000) as i32 * 1_000_000,
        }),
    };
    // An hour apart: the first comes at once.
    let mut stream = client.operations().watch_stats(watch(3_600_000, &["q"])).await.unwrap().into_inner();
    let first = within("numbers", stream.message()).await.unwrap().unwrap();
    assert_eq!((first.queues["q"].ready, first.topics["t"].messages), (0, 0));
    assert!(first.broker.is_some() && first.time.is_some());

    let mut stream = client.operations().watch_stats(watch(100, &["q", "other"])).await.unwrap().into_inner();
    publish(&client, "t", numbered(5)).await;
    let is_new = |numbers: &WatchStatsResponse| numbers.queues["q"].ready == 5;
    while !is_new(&within("numbers", stream.message()).await.unwrap().unwrap()) {}
    client.delete_queue("other", true).await.unwrap();
    while within("numbers", stream.message()).await.unwrap().unwrap().queues.contains_key("other") {}

    for (request, field) in [(watch(99, &[]), "interval"), (watch(3_600_001, &[]), "interval")] {
        let error = Error::from(client.operations().watch_stats(request).await.unwrap_err());
        assert_eq!(error.field_violations()[0].field, field);
    }
    let error = Error::from(client.operations().watch_stats(watch(100, &["none"])).await.unwrap_err());
    assert_eq!(error.reason(), ErrorReason::QueueNotFound);
}
