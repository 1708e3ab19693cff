//! What the broker writes to its log: what helps, and never what is in a message.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use bytes::Bytes;
use ferrymq_client::v1::{Message, NackMode, PeekRequest, Queue, peek_request};
use ferrymq_client::{Client, Destination, queue};
use ferrymq_tests::{
    Broker, acked, call_once, create_queue, create_topic, deliveries, message, publish, pull_some, within,
};

const SECRET: &str = "s3cr3t-p4yl0ad";

fn secret() -> Message {
    Message { attributes: [("note".to_owned(), SECRET.to_owned())].into(), ..message("a.b", SECRET) }
}

async fn prepare(broker: &Broker) -> Client {
    let client = broker.client().await;
    create_topic(&client, "orders").await;
    create_queue(&client, Queue { name: "billing".into(), ..Queue::default() }, &[("orders", "#")]).await;
    client
}

/// Every way that a message takes, and some on which it is refused.
async fn use_it_all(client: &Client) {
    publish(client, "orders", vec![secret(), secret()]).await;
    let publisher = client.publish_stream(Destination::Queue("billing".into()));
    publisher.publish(vec![secret(); 2]).await.unwrap().await.unwrap();
    publisher.finish().await.unwrap();
    let source = Some(peek_request::Source::Queue("billing".into()));
    client.peek(PeekRequest { source, ..PeekRequest::default() }).await.unwrap();
    let mut subscriber = client.subscribe_stream(queue("billing")).await.unwrap();
    let mut all = deliveries(&mut subscriber, 4).await;
    acked(client, &all.split_off(2)).await;
    client.nack(vec![all[0].ack_id.clone()], NackMode::Reject, None, "cannot be read").await.unwrap();
    drop(subscriber);
    acked(client, &pull_some(client, "billing.dlq").await).await;
    acked(client, &pull_some(client, "billing").await).await;

    client.publish(Destination::Topic("order".into()), vec![secret()]).await.unwrap_err();
    let large = message("", [SECRET.as_bytes(), &vec![7; 1 << 20]].concat());
    client.publish(Destination::Topic("orders".into()), vec![large]).await.unwrap_err();
    for request in [
        Bytes::from(format!("\n\u{6}orders\"\u{7f}{SECRET}")),
        Bytes::from([b"\n\x06orders\"\x10\n\x0e", SECRET.as_bytes(), b"\xff\xff"].concat()),
        Bytes::from(SECRET),
    ] {
        call_once(client, "/ferrymq.v1.MessagingService/Publish", request).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_payload_is_in_the_log_even_at_trace() {
    let mut broker = Broker::start_with(&["--log", "trace"]);
    let client = prepare(&broker).await;
    use_it_all(&client).await;
    let before_the_end = broker.log();
    broker.sigterm();
    assert!(broker.wait().success());
    let log = broker.log();
    // As text, and as lists of numbers, in which bytes may be shown.
    let bytes = SECRET.as_bytes();
    let decimal = format!("{:?}", &bytes[..5]).trim_matches(['[', ']']).to_owned();
    let hex: String = bytes[..5].iter().map(|byte| format!("{byte:02x}")).collect();
    for shape in [SECRET, decimal.as_str(), hex.as_str()] {
        let found = log.lines().find(|line| line.contains(shape));
        assert_eq!(found, None);
    }
    assert!(before_the_end.lines().count() > 100 && log.contains("TRACE"), "at trace much is logged");
}

#[tokio::test]
async fn a_call_is_logged_with_its_method_peer_name_and_code_at_debug() {
    let broker = Broker::ephemeral_with(&[("log", "ferrymq_server=debug")]);
    let client = prepare(&broker).await;
    client.publish(Destination::Topic("order\n".into()), vec![secret()]).await.unwrap_err();
    client.publish(Destination::Topic("orders".into()), vec![secret()]).await.unwrap();
    let logged = |parts: &[&str]| broker.log().lines().any(|line| parts.iter().all(|part| line.contains(part)));
    let method = "method=\"/ferrymq.v1.MessagingService/Publish\"";
    // The code of an answer is known when its trailers have been sent: that may be after the client has them.
    within("the lines", async {
        while !logged(&[method, "peer=127.0.0.1:", "topic=\"orders\"", "code=Ok"])
            || !logged(&[method, "topic=\"order\\n\"", "code=NotFound"])
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(logged(&["CreateQueue", "queue=\"billing\"", "code=Ok"]), "{}", broker.log());
}

#[tokio::test]
async fn at_info_calls_and_messages_write_no_lines() {
    let broker = Broker::ephemeral();
    let client = prepare(&broker).await;
    let before = broker.log();
    assert!(before.contains("ready"), "{before}");
    use_it_all(&client).await;
    assert_eq!(broker.log(), before);
}

#[tokio::test]
async fn the_log_can_be_json() {
    let broker = Broker::ephemeral_with(&[("log", "debug"), ("log_format", "json")]);
    let client = prepare(&broker).await;
    publish(&client, "orders", vec![secret()]).await;
    let log = broker.log();
    assert!(log.lines().count() > 3, "{log}");
    // The last line may be half written.
    for line in log.lines().rev().skip(1) {
        assert!(line.starts_with("{\"timestamp\":") && line.ends_with('}'), "{line}");
    }
}
