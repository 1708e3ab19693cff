//! A message is written once, however many queues get it.

use std::process::Command;

use ferrymq_client::v1::Queue;
use ferrymq_tests::{Broker, binary, create_queue, create_topic, message, publish};

const BATCHES: usize = 40;
const BATCH: usize = 50;

/// Bytes of the journal's frames after a topic with so many queues took the messages.
async fn journal_bytes(queues: usize) -> u64 {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    for number in 0..queues {
        create_queue(&client, Queue { name: format!("q{number}"), ..Queue::default() }, &[("t", "#")]).await;
    }
    for _ in 0..BATCHES {
        let confirm = publish(&client, "t", (0..BATCH).map(|_| message("k", vec![b'x'; 1024])).collect()).await;
        assert!(confirm.results.iter().all(|result| result.queues_matched == queues as i32));
    }
    broker.sigterm();
    assert!(broker.wait().success());
    let output = Command::new(binary()).arg("check").arg(broker.data()).arg("--json").output();
    let report = String::from_utf8(output.expect("the check runs").stdout).expect("JSON is text");
    let (_, rest) = report.split_once("\"frame_bytes\":").expect("the report has the bytes");
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a number")
}

// The clients have to go on while the test waits for the process.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_queues_take_hardly_more_journal_than_one() {
    let one = journal_bytes(1).await;
    let hundred = journal_bytes(100).await;
    let payloads = (BATCHES * BATCH * 1024) as u64;
    assert!(one > payloads, "{one} bytes hold {payloads}");
    assert!(hundred * 10 <= one * 11, "{hundred} bytes for 100 queues, {one} for one");
}
