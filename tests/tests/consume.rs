//! The stream that delivers and settles: its window, its order, its end, and what is kept while it is broken.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::net::SocketAddr;

use ferrymq_client::streams::ConsumeStream;
use ferrymq_client::v1::settlement::Action;
use ferrymq_client::v1::{
    AckRequest, ConsumeRequest, Delivery, ErrorReason, ExtendLeaseRequest, Message, NackMode, NackRequest, Prefetch,
    Queue, QueueStats, SettleStatus, Settlement, SubscribeRequest,
};
use ferrymq_client::{Client, Code, Destination, Error, queue};
use ferrymq_tests::{
    Broker, acked, create_queue, create_topic, deliveries, message, payloads, publish, pull, pull_some, within,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

async fn prepare(broker: &Broker) -> Client {
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "#")]).await;
    client
}

fn numbered(from: usize, to: usize) -> Vec<Message> {
    (from..to).map(|number| message("k", number.to_string())).collect()
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn ids(deliveries: &[Delivery]) -> Vec<bytes::Bytes> {
    deliveries.iter().map(|delivery| delivery.ack_id.clone()).collect()
}

async fn take(consumer: &mut ConsumeStream, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        let next = within("a delivery", consumer.next_batch()).await.expect("the stream is whole");
        all.extend(next.expect("the stream is open"));
    }
    assert_eq!(all.len(), count, "more deliveries than expected");
    all
}

async fn stats(client: &Client) -> QueueStats {
    client.get_queue("q").await.unwrap().stats.unwrap()
}

/// Waits until what was held is in the queue again.
async fn all_gone_back(client: &Client, count: i64) {
    within("what was held to go back", async {
        while stats(client).await.ready != count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A connection that can be cut: what is sent to it is passed on to the broker.
struct Cable {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Cable {
    async fn to(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(broker).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
        Self { address, task }
    }

    async fn client(&self) -> Client {
        Client::connect(format!("http://{}", self.address)).await.unwrap()
    }

    async fn cut(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

#[tokio::test]
async fn what_is_acked_on_the_stream_is_gone_and_its_credit_is_back() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    let mut consumer = client.consume_stream(SubscribeRequest { prefetch: 2, ..queue("q") }).await.unwrap();
    assert_eq!((consumer.opened().queue.as_str(), consumer.opened().prefetch), ("q", 2));
    publish(&client, "t", numbered(0, 6)).await;
    for round in 0..3 {
        let pair = take(&mut consumer, 2).await;
        assert_eq!(payloads(&pair), [(2 * round).to_string(), (2 * round + 1).to_string()]);
        let settled = consumer.ack(ids(&pair)).await.unwrap();
        assert_eq!(within("a result", settled).await.unwrap(), [SettleStatus::Ok; 2]);
    }
    within("the end", consumer.finish()).await.unwrap();
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test]
async fn results_come_in_the_order_of_their_settlements_and_only_for_those_with_an_id() {
    let broker = Broker::start();
    let client = prepare(&broker).await;
    publish(&client, "t", numbered(0, 5)).await;
    let (requests, sent) = mpsc::channel(16);
    let open = Some(SubscribeRequest { prefetch: 100, ..queue("q") });
    requests.send(ConsumeRequest { open, ..ConsumeRequest::default() }).await.unwrap();
    let mut responses = client.messaging().consume(ReceiverStream::new(sent)).await.unwrap().into_inner();
    let mut held = Vec::new();
    while held.len() < 5 {
        held.extend(within("deliveries", responses.message()).await.unwrap().unwrap().deliveries);
    }
    let held = ids(&held);
    let ack = |of: usize| Action::Ack(AckRequest { ack_ids: vec![held[of].clone()] });
    let nack = |of: usize, mode: NackMode| {
        Action::Nack(NackRequest { ack_ids: vec![held[of].clone()], mode: mode.into(), ..NackRequest::default() })
    };
    let extend = Action::Extend(ExtendLeaseRequest { ack_ids: vec![held[3].clone(), held[0].clone()], lease: None });
    let forged = Action::Ack(AckRequest { ack_ids: vec!["forged".into()] });
    let actions = [
        (7, ack(0)),
        (0, ack(1)),
        (9, nack(2, NackMode::Reject)),
        (8, extend),
        (8, nack(3, NackMode::Release)),
        (1, forged),
    ];
    let settlements = actions.map(|(id, action)| Settlement { id, action: Some(action) }).to_vec();
    requests
        .send(ConsumeRequest { settlements, prefetch: Some(Prefetch::default()), ..Default::default() })
        .await
        .unwrap();
    drop(requests);
    let mut results = Vec::new();
    while let Some(response) = within("results", responses.message()).await.unwrap() {
        results.extend(response.settled.iter().map(|result| (result.id, result.statuses().collect::<Vec<_>>())));
    }
    use SettleStatus::{AlreadySettled, Invalid, Ok};
    let expected = [(7, vec![Ok]), (9, vec![Ok]), (8, vec![Ok, AlreadySettled]), (8, vec![Ok]), (1, vec![Invalid])];
    assert_eq!(results, expected);
    all_gone_back(&client, 2).await;
    let mut left = payloads(&pull_some(&client, "q").await);
    left.sort();
    assert_eq!(left, ["3", "4"], "released, and still held at the end");
    assert_eq!(payloads(&pull_some(&client, "q.dlq").await), ["2"]);
}

#[tokio::test]
async fn many_settlements_are_in_flight_at_once() {
    let broker = Broker::start();
    let client = prepare(&broker).await;
    const COUNT: usize = 20_000;
    publish(&client, "t", numbered(0, 10_000)).await;
    publish(&client, "t", numbered(10_000, COUNT)).await;
    let mut consumer = client.consume_stream(SubscribeRequest { prefetch: 1_000, ..queue("q") }).await.unwrap();
    let (mut seen, mut results) = (0, Vec::new());
    while seen < COUNT {
        for delivery in within("deliveries", consumer.next_batch()).await.unwrap().unwrap() {
            seen += 1;
            results.push(consumer.ack(vec![delivery.ack_id]).await.unwrap());
        }
    }
    for result in results {
        assert_eq!(within("a result", result).await.unwrap(), [SettleStatus::Ok]);
    }
    within("the end", consumer.finish()).await.unwrap();
    assert_eq!(stats(&client).await.acked, COUNT as i64);
}

#[tokio::test]
async fn a_window_can_be_changed_and_shut_while_the_stream_runs() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    let mut consumer = client.consume_stream(SubscribeRequest { prefetch: 1, ..queue("q") }).await.unwrap();
    publish(&client, "t", numbered(0, 40)).await;
    let first = take(&mut consumer, 1).await;
    consumer.set_prefetch(4, 0).await.unwrap();
    let more = take(&mut consumer, 3).await;
    assert_eq!(stats(&client).await.unsettled, 4);

    // Paused: what is out stays out, what is settled is not replaced.
    consumer.set_prefetch(0, 0).await.unwrap();
    let settled = consumer.ack(ids(&more)).await.unwrap();
    assert_eq!(within("a result", settled).await.unwrap(), [SettleStatus::Ok; 3]);
    let ready = stats(&client).await;
    assert_eq!((ready.ready, ready.unsettled), (36, 1), "nothing is handed out while it is paused");

    // One byte: one message at a time, however many it may hold.
    consumer.set_prefetch(100, 1).await.unwrap();
    let settled = consumer.ack(ids(&first)).await.unwrap();
    within("a result", settled).await.unwrap();
    let one = take(&mut consumer, 1).await;
    assert_eq!(payloads(&one), ["4"]);
    consumer.set_prefetch(100, 1 << 20).await.unwrap();
    assert_eq!(take(&mut consumer, 35).await.len(), 35);

    for (messages, bytes, field) in
        [(-1, 0, "prefetch.messages"), (100_001, 0, "prefetch.messages"), (1, -1, "prefetch.bytes")]
    {
        let mut consumer = client.consume_stream(queue("q")).await.unwrap();
        consumer.set_prefetch(messages, bytes).await.unwrap();
        let error = within("the end", consumer.next_batch()).await.unwrap_err();
        assert_eq!((error.code(), error.field_violations()[0].field.as_str()), (Code::InvalidArgument, field));
    }
}

#[tokio::test]
async fn after_a_drain_nothing_more_comes_and_settlements_go_on() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    publish(&client, "t", numbered(0, 10)).await;
    let mut consumer = client.consume_stream(SubscribeRequest { prefetch: 4, ..queue("q") }).await.unwrap();
    let held = take(&mut consumer, 4).await;
    consumer.drain().await.unwrap();
    let settled = consumer.ack(ids(&held[..3])).await.unwrap();
    assert_eq!(within("a result", settled).await.unwrap(), [SettleStatus::Ok; 3]);
    // A window asked for later does not open it again.
    consumer.set_prefetch(100, 0).await.unwrap();
    within("the end", consumer.finish()).await.unwrap();
    all_gone_back(&client, 7).await;
    let rest = pull_some(&client, "q").await;
    assert_eq!(payloads(&rest), ["3", "4", "5", "6", "7", "8", "9"]);
    let attempts: Vec<i32> = rest.iter().map(|delivery| delivery.attempt).collect();
    assert_eq!(attempts, [2, 1, 1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn what_is_held_at_a_half_close_goes_back_without_a_failure_and_at_a_cut_with_one() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    let retry = ferrymq_client::v1::RetryPolicy { max_attempts: Some(1), ..Default::default() };
    create_queue(&client, Queue { name: "q".into(), retry: Some(retry), ..Queue::default() }, &[("t", "#")]).await;
    publish(&client, "t", numbered(0, 1)).await;
    for attempt in 1..4 {
        let mut consumer = client.consume_stream(queue("q")).await.unwrap();
        let held = take(&mut consumer, 1).await;
        assert_eq!(held[0].attempt, attempt);
        within("the end", consumer.finish()).await.unwrap();
    }
    let cable = Cable::to(broker.address()).await;
    let mut consumer = cable.client().await.consume_stream(queue("q")).await.unwrap();
    take(&mut consumer, 1).await;
    cable.cut().await;
    assert!(within("the end", consumer.next_batch()).await.is_err());
    // It is made when the loss of the consumer is noticed.
    within("the dead-letter queue", async { while client.get_queue("q.dlq").await.is_err() {} }).await;
    let dead = pull_some(&client, "q.dlq").await;
    assert_eq!(dead[0].dead_letter.as_ref().unwrap().attempts, 4);
}

async fn refused(client: &Client, requests: Vec<ConsumeRequest>) -> Error {
    let mut responses = client.messaging().consume(tokio_stream::iter(requests)).await.unwrap().into_inner();
    loop {
        match within("the end", responses.message()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended in order"),
            Err(status) => return status.into(),
        }
    }
}

#[tokio::test]
async fn a_stream_opens_once_and_first() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    let open = ConsumeRequest { open: Some(queue("q")), ..ConsumeRequest::default() };
    let drain = ConsumeRequest { drain: true, ..ConsumeRequest::default() };
    let of = |action| ConsumeRequest { settlements: vec![Settlement { id: 1, action }], ..ConsumeRequest::default() };
    let reject = NackRequest {
        ack_ids: vec!["x".into()],
        mode: NackMode::Reject.into(),
        delay: seconds(1),
        ..NackRequest::default()
    };
    let cases = [
        (vec![], "open"),
        (vec![drain], "open"),
        (vec![open.clone(), open.clone()], "open"),
        (vec![open.clone(), of(None)], "settlements[0].action"),
        (vec![open.clone(), of(Some(Action::Ack(AckRequest::default())))], "settlements[0].ack.ack_ids"),
        (vec![open, of(Some(Action::Nack(reject)))], "settlements[0].nack.delay"),
    ];
    for (requests, field) in cases {
        let error = refused(&client, requests).await;
        assert_eq!(
            (error.code(), error.field_violations()[0].field.as_str()),
            (Code::InvalidArgument, field),
            "{error}"
        );
    }
    let unknown = vec![ConsumeRequest { open: Some(queue("none")), ..ConsumeRequest::default() }];
    assert_eq!(refused(&client, unknown).await.reason(), ErrorReason::QueueNotFound);
}

#[tokio::test]
async fn a_broadcast_can_be_consumed_too() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    let request = SubscribeRequest {
        source: Some(ferrymq_client::v1::subscribe_request::Source::Topic("t".into())),
        ..SubscribeRequest::default()
    };
    let mut consumer = client.consume_stream(request.clone()).await.unwrap();
    publish(&client, "t", numbered(0, 3)).await;
    assert_eq!(payloads(&take(&mut consumer, 3).await), ["0", "1", "2"]);
    within("the end", consumer.finish()).await.unwrap();
    let mut consumer = client.consume_stream(request).await.unwrap();
    consumer.set_prefetch(1, 0).await.unwrap();
    let error = within("the end", consumer.next_batch()).await.unwrap_err();
    assert_eq!(error.field_violations()[0].field, "prefetch");
}

/// One request, so that who cannot stream requests can send it: pages.
#[tokio::test]
async fn one_request_that_resumes_and_drains_ends_a_subscribe_and_nothing_of_it_has_failed() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    let retry = ferrymq_client::v1::RetryPolicy { max_attempts: Some(1), ..Default::default() };
    create_topic(&client, "t").await;
    create_queue(&client, Queue { name: "q".into(), retry: Some(retry), ..Queue::default() }, &[("t", "#")]).await;
    publish(&client, "t", numbered(0, 8)).await;
    let request = SubscribeRequest { prefetch: 6, resume_within: seconds(60), ..queue("q") };
    let mut subscriber = client.subscribe_stream(request.clone()).await.unwrap();
    acked(&client, &deliveries(&mut subscriber, 6).await[..1]).await;

    let resume_token = subscriber.opened().resume_token.clone();
    let open = Some(SubscribeRequest { resume_token, ..request });
    let end = ConsumeRequest { open, drain: true, ..ConsumeRequest::default() };
    for _ in 0..2 {
        let mut responses = client.messaging().consume(tokio_stream::iter([end.clone()])).await.unwrap().into_inner();
        let first = within("the opening", responses.message()).await.unwrap().unwrap();
        assert_eq!(first.opened.unwrap().prefetch, 0);
        while let Some(response) = within("the end", responses.message()).await.unwrap() {
            assert!(response.deliveries.is_empty(), "{response:?}");
        }
        // The second time nobody knows the token any more.
        all_gone_back(&client, 7).await;
    }
    let error = within("the end", async {
        while subscriber.next_batch().await?.is_some() {}
        Ok::<_, Error>(())
    });
    assert_eq!(error.await.unwrap_err().reason(), ErrorReason::ConsumerReplaced);
    let again = pull_some(&client, "q").await;
    let attempts: Vec<i32> = again.iter().map(|delivery| delivery.attempt).collect();
    assert_eq!(payloads(&again), ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(attempts, [2, 2, 2, 2, 2, 2, 1]);
}

#[tokio::test]
async fn what_a_consumer_still_holds_is_not_delivered_again_when_it_comes_back() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    let request = SubscribeRequest { prefetch: 4, resume_within: seconds(60), ..queue("q") };
    publish(&client, "t", numbered(0, 6)).await;
    let cable = Cable::to(broker.address()).await;
    let mut consumer = cable.client().await.consume_stream(request.clone()).await.unwrap();
    let held = take(&mut consumer, 4).await;
    let token = consumer.resume_token().clone();
    assert!(!token.is_empty() && token.len() <= 64);
    cable.cut().await;
    assert!(within("the end", consumer.next_batch()).await.is_err());

    // It comes back on Consume with two of them: the other two come again, and the credit is that of four.
    let back = SubscribeRequest { resume_token: token.clone(), held_ack_ids: ids(&held[..2]), ..request.clone() };
    let cable = Cable::to(broker.address()).await;
    let mut consumer = cable.client().await.consume_stream(back).await.unwrap();
    let again = take(&mut consumer, 2).await;
    assert_eq!(payloads(&again), ["2", "3"]);
    assert!(again.iter().all(|delivery| delivery.attempt == 2), "{again:?}");
    let now = stats(&client).await;
    assert_eq!((now.unsettled, now.ready, now.consumers), (4, 2, 1));
    let settled = consumer.ack(ids(&held[..1])).await.unwrap();
    assert_eq!(within("a result", settled).await.unwrap(), [SettleStatus::Ok]);
    assert_eq!(payloads(&take(&mut consumer, 1).await), ["4"]);
    cable.cut().await;
    assert!(within("the end", consumer.next_batch()).await.is_err());

    // And on Subscribe, with the same token.
    let held_ack_ids = vec![held[1].ack_id.clone(), again[0].ack_id.clone(), again[1].ack_id.clone()];
    let back = SubscribeRequest { resume_token: token, held_ack_ids, ..request };
    let mut subscriber = client.subscribe_stream(back).await.unwrap();
    let last = deliveries(&mut subscriber, 1).await;
    assert_eq!((payloads(&last), last[0].attempt), (vec!["4".to_owned()], 2));
    acked(&client, &[held[1].clone(), again[0].clone(), again[1].clone(), last[0].clone()]).await;
    let last = deliveries(&mut subscriber, 1).await;
    assert_eq!((payloads(&last), last[0].attempt), (vec!["5".to_owned()], 1));
    acked(&client, &last).await;
    assert_eq!(stats(&client).await.redelivered, 3);
}

#[tokio::test]
async fn who_comes_back_before_its_old_stream_is_missed_replaces_it() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    let request = SubscribeRequest { resume_within: seconds(60), ..queue("q") };
    publish(&client, "t", numbered(0, 2)).await;
    let mut first = client.consume_stream(request.clone()).await.unwrap();
    let held = take(&mut first, 2).await;
    let back = SubscribeRequest { resume_token: first.resume_token().clone(), held_ack_ids: ids(&held), ..request };
    let second = client.consume_stream(back).await.unwrap();
    assert_eq!(second.opened().consumer_id, first.opened().consumer_id);
    let error = within("the end", first.next_batch()).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::Aborted, ErrorReason::ConsumerReplaced));
    drop(first);
    let settled = second.nack(ids(&held), NackMode::Retry, None, "").await.unwrap();
    assert_eq!(within("a result", settled).await.unwrap(), [SettleStatus::Ok; 2], "it still holds them");
}

#[tokio::test]
async fn an_unknown_token_or_one_of_before_a_restart_is_a_new_consumer() {
    let mut broker = Broker::start();
    let client = prepare(&broker).await;
    let request = SubscribeRequest { resume_within: seconds(60), ..queue("q") };
    publish(&client, "t", numbered(0, 2)).await;
    let mut first = client.consume_stream(request.clone()).await.unwrap();
    let held = take(&mut first, 2).await;
    let token = first.resume_token().clone();
    broker.kill9();
    drop(first);
    broker.restart();
    let client = broker.client().await;
    let mut damaged = token.to_vec();
    damaged[1] ^= 1;
    for resume_token in [token, damaged.into(), bytes::Bytes::from_static(b"no token")] {
        let back = SubscribeRequest { resume_token, held_ack_ids: ids(&held), ..request.clone() };
        let mut new = client.consume_stream(back).await.unwrap();
        let again = take(&mut new, 2).await;
        assert!(again.iter().all(|delivery| delivery.attempt > 1));
        within("the end", new.finish()).await.unwrap();
    }
    let lone = SubscribeRequest { held_ack_ids: ids(&held), ..request };
    let error = client.consume_stream(lone).await.unwrap_err();
    assert_eq!(error.field_violations()[0].field, "held_ack_ids");
}

#[tokio::test]
async fn without_a_wish_to_resume_deliveries_go_back_at_once() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    publish(&client, "t", numbered(0, 1)).await;
    let cable = Cable::to(broker.address()).await;
    let mut consumer = cable.client().await.consume_stream(queue("q")).await.unwrap();
    assert!(consumer.resume_token().is_empty());
    take(&mut consumer, 1).await;
    cable.cut().await;
    assert_eq!(pull_some(&client, "q").await[0].attempt, 2);
}

#[tokio::test]
async fn what_is_kept_goes_back_with_a_failure_when_nobody_comes_in_time() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    publish(&client, "t", numbered(0, 1)).await;
    let request = SubscribeRequest { resume_within: seconds(1), ..queue("q") };
    let cable = Cable::to(broker.address()).await;
    let mut consumer = cable.client().await.consume_stream(request.clone()).await.unwrap();
    let held = take(&mut consumer, 1).await;
    let resume_token = consumer.resume_token().clone();
    cable.cut().await;
    let mut other = client.subscribe_stream(queue("q")).await.unwrap();
    let again = deliveries(&mut other, 1).await;
    assert_eq!(again[0].attempt, 2);
    let back = SubscribeRequest { resume_token, held_ack_ids: ids(&held), ..request };
    let late = client.consume_stream(back).await.unwrap();
    assert_ne!(late.opened().consumer_id, consumer.opened().consumer_id, "too late: a new consumer");
    let settled = late.nack(ids(&held), NackMode::Retry, None, "").await.unwrap();
    assert_eq!(within("a result", settled).await.unwrap(), [SettleStatus::LeaseLost]);
}

#[tokio::test]
async fn what_was_answered_before_a_kill_stays_settled() {
    let mut broker = Broker::start();
    let client = prepare(&broker).await;
    let to = Destination::Topic("t".into());
    client.publish(to, numbered(0, 2_000)).await.unwrap();
    let mut consumer = client.consume_stream(SubscribeRequest { prefetch: 500, ..queue("q") }).await.unwrap();
    let (mut sent, mut done) = (Vec::new(), std::collections::BTreeSet::new());
    while sent.len() < 1_000 {
        for delivery in within("deliveries", consumer.next_batch()).await.unwrap().unwrap() {
            let settled = consumer.ack(vec![delivery.ack_id.clone()]).await.unwrap();
            sent.push((payloads(&[delivery]).remove(0), settled));
        }
    }
    let acks = sent.len();
    // A few answers are waited for; then the broker dies with the others on their way.
    for (payload, settled) in sent.drain(..200) {
        assert_eq!(within("a result", settled).await.unwrap(), [SettleStatus::Ok]);
        done.insert(payload);
    }
    broker.kill9();
    for (payload, settled) in sent {
        if within("an answer or the end", settled).await.is_ok() {
            done.insert(payload);
        }
    }
    broker.restart();
    let client = broker.client().await;
    let mut left = std::collections::BTreeSet::new();
    loop {
        let some = pull(&client, "q").await;
        if some.is_empty() {
            break;
        }
        left.extend(payloads(&some));
        acked(&client, &some).await;
    }
    assert!(done.is_disjoint(&left), "an ack that was answered came again");
    assert!(done.len() + left.len() <= 2_000 && left.len() >= 2_000 - acks, "{} of {acks}, {}", done.len(), left.len());
}
