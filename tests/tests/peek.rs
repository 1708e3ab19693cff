//! Peek: messages by state and filter, page by page, while others work on them.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::HashMap;
use std::time::Duration;

use ferrymq_client::v1::peek_request::Source;
use ferrymq_client::v1::{
    ErrorReason, Message, MessageState, NackMode, Ordering, PeekRequest, PeekResponse, PeekedMessage, PullRequest,
    Queue, RetryPolicy, SubscribeRequest, pull_request,
};
use ferrymq_client::{Client, Destination, queue};
use ferrymq_tests::{
    Broker, acked, collect, create_queue, create_topic, deliveries, message, payloads, publish, pull, pull_some, within,
};

fn named(name: &str) -> Queue {
    let min_backoff = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    let retry = RetryPolicy { max_backoff: min_backoff, min_backoff, ..RetryPolicy::default() };
    Queue { name: name.to_owned(), retry: Some(retry), ..Queue::default() }
}

/// A topic `t`, and a queue `q` bound to it.
async fn bound(broker: &Broker) -> Client {
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, named("q"), &[("t", "#")]).await;
    client
}

fn of_queue(name: &str) -> PeekRequest {
    PeekRequest { source: Some(Source::Queue(name.into())), page_size: 100, ..PeekRequest::default() }
}

fn of_topic() -> PeekRequest {
    PeekRequest { source: Some(Source::Topic("t".into())), page_size: 100, ..PeekRequest::default() }
}

fn only(states: &[MessageState], request: PeekRequest) -> PeekRequest {
    PeekRequest { states: states.iter().map(|state| (*state).into()).collect(), ..request }
}

fn numbers(numbers: std::ops::Range<u32>) -> Vec<Message> {
    numbers.map(|number| message("k", number.to_string())).collect()
}

async fn page(client: &Client, request: &PeekRequest) -> PeekResponse {
    within("a page", client.peek(request.clone())).await.unwrap()
}

/// All pages; how many there were.
async fn pages(client: &Client, mut request: PeekRequest) -> (Vec<PeekedMessage>, usize) {
    let (mut all, mut count) = (Vec::new(), 0);
    loop {
        let page = page(client, &request).await;
        all.extend(page.messages);
        count += 1;
        if page.next_page_token.is_empty() {
            return (all, count);
        }
        request.page_token = page.next_page_token;
    }
}

fn shown(messages: &[PeekedMessage]) -> Vec<String> {
    let deliveries: Vec<_> = messages.iter().filter_map(|peeked| peeked.delivery.clone()).collect();
    payloads(&deliveries)
}

async fn seen(client: &Client, request: PeekRequest) -> Vec<String> {
    shown(&page(client, &request).await.messages)
}

/// Payload, state, attempt and failures.
fn standing(peeked: &PeekedMessage) -> (String, MessageState, i32, i32) {
    let payload = shown(std::slice::from_ref(peeked)).remove(0);
    (payload, peeked.state(), peeked.delivery.as_ref().unwrap().attempt, peeked.failures)
}

async fn pull_up_to(client: &Client, queue: &str, max_messages: i32) -> Vec<ferrymq_client::v1::Delivery> {
    let source = Some(pull_request::Source::Queue(queue.into()));
    let wait = Some(prost_types::Duration { seconds: 10, nanos: 0 });
    client.pull(PullRequest { source, max_messages, wait, ..PullRequest::default() }).await.unwrap().deliveries
}

#[tokio::test]
async fn every_message_is_shown_with_its_state_attempts_and_failures() {
    let mut broker = Broker::start();
    let client = bound(&broker).await;
    publish(&client, "t", numbers(0..5)).await;
    let taken = pull_up_to(&client, "q", 3).await;
    acked(&client, &taken[..1]).await;
    client.nack(vec![taken[1].ack_id.clone()], NackMode::Retry, None, "not now").await.unwrap();
    let all = page(&client, &of_queue("q")).await.messages;
    let expected = [
        ("1".to_owned(), MessageState::BackingOff, 1, 1),
        ("2".to_owned(), MessageState::Unsettled, 1, 0),
        ("3".to_owned(), MessageState::Ready, 0, 0),
        ("4".to_owned(), MessageState::Ready, 0, 0),
    ];
    assert_eq!(all.iter().map(standing).collect::<Vec<_>>(), expected);
    assert!(all[0].due_time.is_some() && all[1..].iter().all(|peeked| peeked.due_time.is_none()));
    for (states, expected) in [
        (&[MessageState::Ready][..], &["3", "4"][..]),
        (&[MessageState::Unsettled], &["2"]),
        (&[MessageState::BackingOff, MessageState::Unsettled], &["1", "2"]),
        (&[MessageState::Scheduled], &[]),
        (&[MessageState::Kept], &[]),
    ] {
        assert_eq!(seen(&client, only(states, of_queue("q"))).await, expected, "{states:?}");
    }
    broker.kill9();
    broker.restart();
    let again = page(&broker.client().await, &of_queue("q")).await.messages;
    let states: Vec<_> = again.iter().map(|peeked| (peeked.state(), peeked.failures)).collect();
    let ready = (MessageState::Ready, 0);
    assert_eq!(states, [(MessageState::BackingOff, 1), ready, ready, ready]);
    assert_eq!(again[0].due_time, all[0].due_time);
}

#[tokio::test]
async fn what_a_stream_holds_is_shown_with_its_consumer() {
    let broker = Broker::ephemeral();
    let client = bound(&broker).await;
    publish(&client, "t", numbers(0..2)).await;
    let mut stream = client.subscribe_stream(SubscribeRequest { prefetch: 1, ..queue("q") }).await.unwrap();
    assert_eq!(deliveries(&mut stream, 1).await.len(), 1);
    let all = page(&client, &of_queue("q")).await.messages;
    assert_eq!((all[0].state(), &all[0].consumer_id), (MessageState::Unsettled, &stream.opened().consumer_id));
    assert_eq!((all[1].state(), all[1].consumer_id.as_str()), (MessageState::Ready, ""));
}

#[tokio::test]
async fn a_filter_chooses_and_goes_together_with_states() {
    let broker = Broker::ephemeral();
    let client = bound(&broker).await;
    let of = |country: &str, payload: &str| Message {
        attributes: HashMap::from([("country".to_owned(), country.to_owned())]),
        ..message(country, payload.to_owned())
    };
    publish(&client, "t", vec![of("DE", "a"), of("FR", "b"), of("DE", "c"), of("AT", "d")]).await;
    pull_up_to(&client, "q", 1).await;
    let filtered = |filter: &str, request| PeekRequest { filter: filter.into(), ..request };
    let german = r#"attributes.country == "DE""#;
    assert_eq!(seen(&client, filtered(german, of_queue("q"))).await, ["a", "c"]);
    assert_eq!(seen(&client, filtered(german, of_topic())).await, ["a", "c"]);
    assert_eq!(seen(&client, filtered(german, only(&[MessageState::Ready], of_queue("q")))).await, ["c"]);
    assert_eq!(seen(&client, filtered("routing_key != 'FR'", of_queue("q"))).await, ["a", "c", "d"]);
    let error = client.peek(filtered("country ==", of_queue("q"))).await.unwrap_err();
    assert_eq!((error.reason(), error.field_violations()[0].field.as_str()), (ErrorReason::FilterInvalid, "filter"));
}

// What stays is on exactly one page, in order, whatever comes and goes between them.
#[tokio::test]
async fn pages_hold_together_while_messages_come_and_go() {
    let broker = Broker::ephemeral();
    let client = bound(&broker).await;
    for number in 0..15 {
        publish(&client, "t", numbers(number * 2..number * 2 + 1)).await;
        client.publish(Destination::Queue("q".into()), numbers(number * 2 + 1..number * 2 + 2)).await.unwrap();
    }
    let mut request = PeekRequest { page_size: 4, ..of_queue("q") };
    let (mut all, mut gone) = (Vec::new(), 0);
    loop {
        let page = page(&client, &request).await;
        all.extend(shown(&page.messages));
        if page.next_page_token.is_empty() {
            break;
        }
        assert_eq!(page.messages.len(), 4);
        request.page_token = page.next_page_token;
        let taken = pull_up_to(&client, "q", 1).await;
        acked(&client, &taken).await;
        gone += 1;
    }
    let numbers: Vec<u32> = all.iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(numbers, (0..30).collect::<Vec<_>>(), "{gone} of the first went meanwhile, all of them seen before");
    publish(&client, "t", vec![message("k", "30")]).await;
    let held = pull(&client, "q").await;
    acked(&client, &held[..10]).await;
    assert_eq!(seen(&client, request).await.last().map(String::as_str), Some("30"), "the last token goes on");
}

#[tokio::test]
async fn a_token_holds_over_a_crash_and_for_its_own_question_only() {
    let mut broker = Broker::start();
    let client = bound(&broker).await;
    create_queue(&client, named("other"), &[]).await;
    publish(&client, "t", numbers(0..6)).await;
    let first = PeekRequest { page_size: 4, filter: "routing_key == 'k'".into(), ..of_queue("q") };
    let token = page(&client, &first).await.next_page_token;
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    let second = PeekRequest { page_token: token.clone(), ..first };
    assert_eq!(seen(&client, second.clone()).await, ["4", "5"]);
    for wrong in [
        PeekRequest { source: Some(Source::Queue("other".into())), ..second.clone() },
        PeekRequest { source: Some(Source::Topic("t".into())), ..second.clone() },
        PeekRequest { filter: String::new(), ..second.clone() },
        only(&[MessageState::Ready], second.clone()),
        PeekRequest { page_token: "nonsense".into(), ..second.clone() },
        PeekRequest { page_token: format!("{token}0"), ..second.clone() },
        PeekRequest { page_token: "ffffffffffffffff-0-0-0-0".into(), ..second.clone() },
    ] {
        let error = client.peek(wrong.clone()).await.expect_err("a wrong token");
        assert_eq!(error.reason(), ErrorReason::PageTokenInvalid, "{wrong:?}");
        assert_eq!(error.field_violations()[0].field, "page_token");
    }
}

#[tokio::test]
async fn states_have_to_be_some() {
    let broker = Broker::ephemeral();
    let client = bound(&broker).await;
    for (states, field) in [(vec![0], "states[0]"), (vec![1, 99], "states[1]"), (vec![-1], "states[0]")] {
        let error = client.peek(PeekRequest { states, ..of_queue("q") }).await.unwrap_err();
        assert_eq!((error.reason(), error.field_violations()[0].field.as_str()), (ErrorReason::FieldInvalid, field));
    }
}

// 40,000 messages are more than one page looks at.
#[tokio::test]
async fn a_needle_is_found_over_pages_that_may_be_empty() {
    let broker = Broker::ephemeral();
    let client = bound(&broker).await;
    for _ in 0..40 {
        publish(&client, "t", vec![message("hay", "x"); 1_000]).await;
    }
    publish(&client, "t", vec![message("needle", "found")]).await;
    for request in [of_queue("q"), of_topic()] {
        let request = PeekRequest { filter: "routing_key == 'needle'".into(), ..request };
        let first = page(&client, &request).await;
        assert!(first.messages.is_empty() && !first.next_page_token.is_empty());
        let (all, count) = pages(&client, request).await;
        assert_eq!(shown(&all), ["found"]);
        assert!((2..=10).contains(&count), "{count} pages");
    }
    // What consumers hold is found without reading all that waits.
    pull_up_to(&client, "q", 3).await;
    let held = page(&client, &only(&[MessageState::Unsettled], of_queue("q"))).await;
    assert_eq!((held.messages.len(), held.next_page_token.as_str()), (3, ""));
}

#[tokio::test]
async fn a_page_ends_at_a_mib_and_the_next_one_goes_on() {
    let broker = Broker::ephemeral();
    let client = bound(&broker).await;
    for number in 0..5_u8 {
        publish(&client, "t", vec![message("k", vec![b'0' + number; 400 << 10])]).await;
    }
    let first = page(&client, &of_queue("q")).await;
    assert_eq!((first.messages.len(), first.next_page_token.is_empty()), (2, false));
    assert_eq!(pages(&client, of_queue("q")).await.0.len(), 5);
    let cut = PeekRequest { max_payload_bytes: 1, ..of_queue("q") };
    assert_eq!(seen(&client, cut).await, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn of_a_topic_what_every_queue_has_settled_is_kept() {
    let broker = Broker::ephemeral();
    let client = bound(&broker).await;
    create_queue(&client, named("some"), &[("t", "k")]).await;
    publish(&client, "t", vec![message("k", "both"), message("other", "one"), message("k", "last")]).await;
    let states = async || {
        let all = page(&client, &of_topic()).await.messages;
        all.iter().map(PeekedMessage::state).collect::<Vec<_>>()
    };
    assert_eq!(states().await, [MessageState::Ready; 3]);
    let taken = pull_some(&client, "q").await;
    assert_eq!(states().await, [MessageState::Ready, MessageState::Unsettled, MessageState::Ready]);
    acked(&client, &taken).await;
    assert_eq!(states().await, [MessageState::Ready, MessageState::Kept, MessageState::Ready]);
    assert_eq!(seen(&client, only(&[MessageState::Kept], of_topic())).await, ["one"]);
    collect(&client, "some", 2).await;
    assert_eq!(seen(&client, only(&[MessageState::Kept], of_topic())).await, ["both", "one", "last"]);
}

#[tokio::test]
async fn dead_letters_say_where_they_came_from_and_parked_messages_are_ready() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_queue(&client, Queue { ordering: Ordering::Key.into(), ..named("q") }, &[]).await;
    let keyed = |payload: &str| Message { ordering_key: "one".into(), ..message("", payload.to_owned()) };
    let to = Destination::Queue("q".into());
    client.publish(to, vec![keyed("first"), keyed("second"), keyed("third")]).await.unwrap();
    let taken = pull_some(&client, "q").await;
    assert_eq!(payloads(&taken), ["first"]);
    assert_eq!(seen(&client, only(&[MessageState::Ready], of_queue("q"))).await, ["second", "third"]);
    client.nack(vec![taken[0].ack_id.clone()], NackMode::Reject, None::<Duration>, "bad").await.unwrap();
    let dead = page(&client, &of_queue("q.dlq")).await.messages;
    let letter = dead[0].delivery.clone().unwrap().dead_letter.unwrap();
    assert_eq!((letter.queue.as_str(), letter.description.as_str(), letter.attempts), ("q", "bad", 1));
}
