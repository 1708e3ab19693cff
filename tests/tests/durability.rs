//! What holds over restarts, kills, ends on request, and a full disk.

use std::path::Path;
use std::process::Command;

use ferrymq_client::v1::{ErrorReason, Queue};
use ferrymq_client::{Code, Destination, group};
use ferrymq_tests::{
    Broker, acked, binary, collect, create_queue, create_topic, deliveries, message, payloads, publish, pull,
    pull_some, within,
};

async fn prepare(broker: &Broker) -> ferrymq_client::Client {
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "#")]).await;
    client
}

#[tokio::test]
async fn a_kill_keeps_what_was_confirmed_and_acked() {
    let mut broker = Broker::start();
    let client = prepare(&broker).await;
    publish(&client, "t", (0..10).map(|n| message("", n.to_string())).collect()).await;
    let held = pull_some(&client, "q").await;
    assert_eq!(held.len(), 10);
    acked(&client, &held[..4]).await;
    for _ in 0..2 {
        broker.kill9();
        broker.restart();
    }
    let client = broker.client().await;
    let rest = collect(&client, "q", 6).await;
    assert_eq!(payloads(&rest), ["4", "5", "6", "7", "8", "9"]);
    assert!(rest.iter().all(|delivery| delivery.attempt > 1), "{rest:?}");
    broker.kill9();
    broker.restart();
    assert!(pull(&broker.client().await, "q").await.is_empty());
}

#[tokio::test]
async fn an_ack_id_survives_a_restart() {
    let mut broker = Broker::start();
    let client = prepare(&broker).await;
    publish(&client, "t", vec![message("", "one")]).await;
    let held = pull_some(&client, "q").await;
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    acked(&client, &held).await;
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test]
async fn sigterm_drains_and_exits_with_success() {
    let mut broker = Broker::start();
    let client = prepare(&broker).await;
    publish(&client, "t", vec![message("", "one"), message("", "two")]).await;
    let mut subscriber = client.subscribe(group("t", "g")).await.unwrap();
    publish(&client, "t", vec![message("", "three")]).await;
    deliveries(&mut subscriber, 1).await;
    broker.sigterm();
    let ended = within("the end of the stream", subscriber.next_batch()).await.unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable);
    assert!(ended.retry_after().is_some(), "{ended}");
    assert!(broker.wait().success());
    broker.restart();
    let client = broker.client().await;
    let fresh = collect(&client, "q", 3).await;
    assert!(fresh.iter().all(|delivery| delivery.attempt == 1), "never sent before a clean stop: {fresh:?}");
    assert_eq!(collect(&client, "t/g", 1).await[0].attempt, 2);
}

#[tokio::test]
async fn a_second_process_is_refused_and_told_who_holds_the_data() {
    let broker = Broker::start();
    let output = serve(&broker.data());
    assert!(!output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains(&broker.pid().to_string()), "{stderr}");
}

fn serve(data: &Path) -> std::process::Output {
    let mut command = Command::new(binary());
    command.arg("serve").arg("--data").arg(data).args(["--listen", "127.0.0.1:0"]);
    command.output().expect("the broker's binary runs")
}

#[tokio::test]
async fn a_full_disk_refuses_publishes_while_acks_go_on() {
    let broker = Broker::start_with(&["--disk-limit", "268435456"]);
    let client = prepare(&broker).await;
    let mut refused = None;
    for _ in 0..300 {
        let batch = (0..4).map(|_| message("", vec![7_u8; 1 << 18])).collect();
        let answer = within("an answer", client.publish(Destination::Topic("t".into()), batch)).await;
        refused = answer.err();
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.expect("300 MiB do not fit into 256 MiB");
    assert_eq!((refused.code(), refused.reason()), (Code::ResourceExhausted, ErrorReason::DiskFull));
    acked(&client, &pull_some(&client, "q").await).await;
    client.server_info().await.unwrap();
}
