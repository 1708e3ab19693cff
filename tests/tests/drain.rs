//! How a broker stops: what ends by itself, what is told, and what is cut off.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1::{ErrorReason, PullRequest, Queue, pull_request};
use ferrymq_client::{Client, Code, Destination, queue};
use ferrymq_tests::{
    Broker, acked, collect, create_queue, create_topic, message, payloads, publish, pull_some, within,
};

async fn prepare(broker: &Broker) -> Client {
    let client = broker.client().await;
    create_topic(&client, "t").await;
    for name in ["q", "large", "idle"] {
        create_queue(&client, Queue { name: name.into(), ..Queue::default() }, &[("t", name)]).await;
    }
    client
}

/// A stream that cannot end: more is on its way than its client, which does not read, has room for.
async fn stuck(broker: &Broker, client: &Client) -> SubscribeStream {
    for _ in 0..6 {
        publish(client, "t", vec![message("large", vec![7; 1 << 19]); 4]).await;
    }
    let stuck = broker.client().await.subscribe_stream(queue("large")).await.unwrap();
    // Its credit is 8 MiB: fifteen messages, of which it has room for a few.
    within("the stream to be full", async {
        while client.get_queue("large").await.unwrap().stats.unwrap().delivered < 15 {}
    })
    .await;
    stuck
}

/// Sends SIGTERM and waits until the broker has begun to stop.
async fn stop(broker: &Broker, client: &Client) {
    let mut witness = client.subscribe_stream(queue("idle")).await.unwrap();
    broker.sigterm();
    let ended = within("the end of a stream", witness.next_batch()).await.unwrap_err();
    assert_eq!((ended.code(), ended.reason()), (Code::Unavailable, ErrorReason::Draining));
}

// The clients have to go on while the test waits for the process.
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_stream_is_cut_off_at_the_deadline() {
    let mut broker = Broker::start_with(&["--drain-timeout", "300ms"]);
    let client = prepare(&broker).await;
    let _stuck = stuck(&broker, &client).await;
    stop(&broker, &client).await;
    assert!(broker.wait().success());
    assert!(broker.log().contains("cut off"), "{}", broker.log());
}

// The clients have to go on while the test waits for the process.
#[tokio::test(flavor = "multi_thread")]
async fn while_it_stops_new_work_is_refused_and_acks_are_taken() {
    let mut broker = Broker::start_with(&["--drain-timeout", "1h"]);
    let client = prepare(&broker).await;
    publish(&client, "t", vec![message("q", "one")]).await;
    let held = pull_some(&client, "q").await;
    let stuck = stuck(&broker, &client).await;
    stop(&broker, &client).await;

    let late = broker.client().await;
    let refused = [
        late.publish(Destination::Topic("t".into()), vec![message("q", "two")]).await.unwrap_err(),
        late.subscribe_stream(queue("q")).await.unwrap_err(),
        late.pull(PullRequest { source: Some(pull_request::Source::Queue("q".into())), ..Default::default() })
            .await
            .unwrap_err(),
        late.delete_queue("q", true).await.unwrap_err(),
        late.create_topic(ferrymq_client::v1::Topic { name: "u".into(), ..Default::default() }).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!((error.code(), error.reason()), (Code::Unavailable, ErrorReason::Draining), "{error:?}");
        assert!(error.retry_after().is_some(), "{error:?}");
    }
    acked(&late, &held).await;
    late.server_info().await.unwrap();

    drop(stuck);
    assert!(broker.wait().success());
    broker.restart();
    let client = broker.client().await;
    publish(&client, "t", vec![message("q", "three")]).await;
    assert_eq!(payloads(&collect(&client, "q", 1).await), ["three"], "what was acked while it stopped is done");
}

// The clients have to go on while the test waits for the process.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once_and_what_was_confirmed_is_there() {
    let mut broker = Broker::start_with(&["--drain-timeout", "1h"]);
    let client = prepare(&broker).await;
    publish(&client, "t", vec![message("q", "one")]).await;
    let _stuck = stuck(&broker, &client).await;
    stop(&broker, &client).await;
    broker.sigterm();
    assert_eq!(broker.wait().code(), Some(1), "not in order, and scripts can see that");
    assert!(broker.log().contains("second signal"), "{}", broker.log());
    broker.restart();
    assert_eq!(payloads(&collect(&broker.client().await, "q", 1).await), ["one"]);
}

// The clients have to go on while the test waits for the process.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_waits_is_told_and_does_not_hold_up_the_stop() {
    let mut broker = Broker::start_with(&["--drain-timeout", "1h"]);
    let client = prepare(&broker).await;
    let request = PullRequest {
        source: Some(pull_request::Source::Queue("q".into())),
        wait: Some(prost_types::Duration { seconds: 300, nanos: 0 }),
        ..PullRequest::default()
    };
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.pull(request).await }
    });
    stop(&broker, &client).await;
    // If the pull came too late it was refused, with the same words.
    let ended = within("the answer to the pull", waiting).await.unwrap().unwrap_err();
    assert_eq!((ended.code(), ended.retry_after().is_some()), (Code::Unavailable, true), "{ended:?}");
    assert!(broker.wait().success());
}
