//! What holds over restarts, kills and ends on request.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use ferrymq_client::v1::Queue;
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

/// Keeps the disk busy, so that what is committed has to wait, until the broker is gone.
async fn load(client: ferrymq_client::Client) {
    let batch = || vec![message("", vec![7; 1 << 18]); 3];
    while client.publish(Destination::Topic("load".into()), batch()).await.is_ok() {}
}

/// Acks message after message, and kills the broker as soon as one more is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answered_ack_holds_over_a_kill_in_that_moment() {
    let mut broker = Broker::start();
    let client = prepare(&broker).await;
    create_topic(&client, "load").await;
    publish(&client, "t", (0..60).map(|n| message("", n.to_string())).collect()).await;
    let mut acked_before = BTreeSet::new();
    for round in 0..6 {
        let client = broker.client().await;
        let held = pull_some(&client, "q").await;
        let back: Vec<_> = payloads(&held).into_iter().filter(|payload| acked_before.contains(payload)).collect();
        assert!(back.is_empty(), "round {round}: {back:?} came back after the ack was answered");
        let loads = [(); 3].map(|()| tokio::spawn(load(client.clone())));
        for delivery in &held[..5] {
            acked(&client, std::slice::from_ref(delivery)).await;
        }
        broker.kill9();
        acked_before.extend(payloads(&held[..5]));
        for load in loads {
            within("the end of the load", load).await.unwrap();
        }
        broker.restart();
    }
    let rest = payloads(&pull_some(&broker.client().await, "q").await);
    assert!(rest.len() == 30 && rest.iter().all(|payload| !acked_before.contains(payload)), "came back: {rest:?}");
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
    let mut subscriber = client.subscribe_stream(group("t", "g")).await.unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_directory_is_named_repaired_and_opens_again() {
    let mut broker = Broker::start();
    let client = prepare(&broker).await;
    for number in 0..40 {
        publish(&client, "t", vec![message("", vec![number; 1 << 19]), message("", number.to_string())]).await;
    }
    drop(client);
    broker.kill9();
    let mut segments: Vec<_> = std::fs::read_dir(broker.data().join("journal"))
        .or_else(|_| std::fs::read_dir(broker.data()))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("journal-")))
        .collect();
    segments.sort();
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(&segments[0], bytes).unwrap();

    let offline = |verb: &str| Command::new(binary()).arg(verb).arg(broker.data()).arg("--json").output().unwrap();
    let check = offline("check");
    assert!(!check.status.success());
    let name = segments[0].file_name().unwrap().to_string_lossy().into_owned();
    assert!(String::from_utf8_lossy(&check.stdout).contains(&name), "{check:?}");
    let repair = offline("repair");
    assert!(String::from_utf8_lossy(&repair.stdout).contains(&name), "{repair:?}");
    assert!(offline("check").status.success());
    assert!(offline("repair").status.success(), "a second repair finds nothing");
    broker.restart();
    let client = broker.client().await;
    let mut rest = Vec::new();
    while rest.last().is_none_or(|payload| payload != "39") {
        rest.extend(payloads(&collect(&client, "q", 1).await).into_iter().filter(|payload| payload.len() < 3));
    }
    assert!((30..40).contains(&rest.len()), "some are lost with the damage, the others are there: {rest:?}");
    publish(&client, "t", vec![message("", "new")]).await;
    assert_eq!(payloads(&collect(&client, "q", 1).await), ["new"]);
    broker.sigterm();
    assert!(broker.wait().success());
    broker.restart();
}
