//! What is deleted while others still send to it: each message is either refused or accounted for.

use ferrymq_client::v1::{
    DeadLetterPolicy, ErrorReason, NackMode, Queue, SubscribeRequest, dead_letter_policy, subscribe_request,
};
use ferrymq_client::{Client, Code, Destination};
use ferrymq_tests::{Broker, collect, create_queue, create_topic, message, publish, pull_some, within};

fn named(name: &str) -> Queue {
    Queue { name: name.into(), ..Queue::default() }
}

async fn send(client: &Client, queue: &str, payload: &str) -> Result<(), ferrymq_client::Error> {
    client.publish(Destination::Queue(queue.into()), vec![message("", payload.to_owned())]).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_just_took_a_message_is_in_use_and_one_that_is_gone_takes_none() {
    let broker = Broker::start();
    let (client, other) = (broker.client().await, broker.client().await);
    let (mut refused, mut deleted) = (0, 0);
    for round in 0..200 {
        create_queue(&client, named("q"), &[]).await;
        // Either may come first.
        let turns = round % 8;
        let (sent, gone) = tokio::join!(send(&client, "q", "one"), async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            other.delete_queue("q", false).await
        });
        match (sent, gone) {
            (Ok(()), Err(error)) => {
                assert_eq!((error.code(), error.reason()), (Code::FailedPrecondition, ErrorReason::InUse));
                refused += 1;
                let forced = client.delete_queue("q", true).await.unwrap();
                assert_eq!(forced.messages_dropped, 1);
            }
            (Err(error), Ok(_)) => {
                assert_eq!((error.code(), error.reason()), (Code::NotFound, ErrorReason::QueueNotFound));
                deleted += 1;
            }
            (sent, gone) => panic!("round {round}: sent {sent:?}, deleted {gone:?}"),
        }
    }
    assert_eq!(refused + deleted, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deleted_queue_was_to_get_as_dead_letters_goes_to_the_queues_own() {
    const MESSAGES: usize = 300;
    let broker = Broker::start();
    let client = broker.client().await;
    create_queue(&client, named("given-up"), &[]).await;
    let target = Some(dead_letter_policy::Target::Queue("given-up".into()));
    let dead_letter = Some(DeadLetterPolicy { target, ..DeadLetterPolicy::default() });
    create_queue(&client, Queue { dead_letter, ..named("q") }, &[]).await;
    for number in 0..MESSAGES {
        send(&client, "q", &number.to_string()).await.unwrap();
    }
    let mut held = Vec::new();
    while held.len() < MESSAGES {
        held.extend(pull_some(&client, "q").await);
    }
    let rejecting = client.clone();
    let (_, deleted) = tokio::join!(
        async {
            for delivery in held {
                let status = rejecting.nack(vec![delivery.ack_id], NackMode::Reject, None, "no").await;
                within("a settlement", async { status }).await.unwrap();
            }
        },
        async {
            while client.get_queue("given-up").await.unwrap().stats.unwrap().ready < 20 {}
            client.delete_queue("given-up", true).await.unwrap()
        }
    );
    let dropped = deleted.messages_dropped as usize;
    assert!((20..MESSAGES).contains(&dropped), "{dropped}");
    collect(&client, "q.dlq", MESSAGES - dropped).await;
}

#[tokio::test]
async fn a_broadcast_of_a_topic_that_is_deleted_ends_with_not_found() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    publish(&client, "t", vec![message("", "one")]).await;
    let request =
        SubscribeRequest { source: Some(subscribe_request::Source::Topic("t".into())), ..SubscribeRequest::default() };
    let mut subscriber = client.subscribe_stream(request).await.unwrap();
    client.delete_topic("t", false).await.unwrap();
    let ended = within("the end", async {
        loop {
            if let Err(error) = subscriber.next_batch().await {
                return error;
            }
        }
    });
    let ended = ended.await;
    assert_eq!((ended.code(), ended.reason()), (Code::NotFound, ErrorReason::TopicNotFound));
    create_topic(&client, "t").await;
    publish(&client, "t", vec![message("", "another")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_is_let_in_or_the_queue_is_deleted_but_never_both() {
    let broker = Broker::ephemeral();
    let (client, other) = (broker.client().await, broker.client().await);
    let (mut refused, mut deleted) = (0, 0);
    for round in 0..100 {
        create_queue(&client, named("q"), &[]).await;
        let turns = round % 8;
        let (consumer, gone) = tokio::join!(client.subscribe_stream(ferrymq_client::queue("q")), async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            other.delete_queue("q", false).await
        });
        match (consumer, gone) {
            (Ok(consumer), Err(error)) => {
                assert_eq!(error.reason(), ErrorReason::InUse);
                refused += 1;
                drop(consumer);
                client.delete_queue("q", true).await.unwrap();
            }
            (Err(error), Ok(_)) => {
                assert_eq!((error.code(), error.reason()), (Code::NotFound, ErrorReason::QueueNotFound));
                assert!(error.message().contains("`q`"), "{error}");
                deleted += 1;
            }
            (consumer, gone) => panic!("round {round}: opened {:?}, deleted {gone:?}", consumer.map(|_| ())),
        }
    }
    assert_eq!(refused + deleted, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_make_a_group_is_let_in_while_it_is_deleted() {
    let broker = Broker::ephemeral();
    let (client, other) = (broker.client().await, broker.client().await);
    create_topic(&client, "t").await;
    let request = SubscribeRequest {
        source: Some(subscribe_request::Source::Topic("t".into())),
        group: "g".into(),
        create_if_missing: true,
        ..SubscribeRequest::default()
    };
    drop(client.subscribe_stream(request.clone()).await.unwrap());
    let mut deleted = 0;
    for round in 0..100 {
        let unused = async { while client.get_queue("t/g").await.unwrap().stats.unwrap().consumers > 0 {} };
        within("nobody to consume", unused).await;
        let (consumer, gone) = tokio::join!(client.subscribe_stream(request.clone()), async {
            for _ in 0..round % 8 {
                tokio::task::yield_now().await;
            }
            other.delete_queue("t/g", false).await
        });
        let mut consumer = consumer.unwrap();
        deleted += usize::from(gone.is_ok());
        publish(&client, "t", vec![message("", "one")]).await;
        let batch = within("a delivery", consumer.next_batch()).await.unwrap().unwrap();
        client.ack(vec![batch[0].ack_id.clone()]).await.unwrap();
    }
    assert!(deleted > 0, "none was deleted while somebody came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_on_its_way_is_not_lost_with_its_queue() {
    let broker = Broker::ephemeral();
    let (client, other) = (broker.client().await, broker.client().await);
    for round in 0..30 {
        create_queue(&client, named("q"), &[]).await;
        send(&client, "q", "one").await.unwrap();
        let held = pull_some(&client, "q").await;
        let (nacked, gone) = tokio::join!(
            client.nack(vec![held[0].ack_id.clone()], NackMode::Reject, None, ""),
            other.delete_queue("q", false)
        );
        assert!(nacked.is_ok(), "round {round}: {nacked:?}");
        if gone.is_err() {
            within("the queue to be empty", async { while client.delete_queue("q", false).await.is_err() {} }).await;
        }
        let dead = pull_some(&client, "q.dlq").await;
        assert_eq!(dead.len(), 1, "round {round}");
        client.ack(vec![dead[0].ack_id.clone()]).await.unwrap();
    }
}
