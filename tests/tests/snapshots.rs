//! Snapshots: where a queue stood, kept under a name.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{
    DeleteSnapshotRequest, ErrorReason, ListSnapshotsRequest, LogPoint, PurgeRequest, Queue, Retention, SeekRequest,
    SeekResponse, Snapshot, Topic, log_point::At, purge_request,
};
use ferrymq_client::{Client, Code, Error};
use ferrymq_tests::{
    Broker, acked, collect, create_queue, create_topic, message, payloads, publish, pull, pull_some, within,
};

/// A queue `q` bound to the topic `t`, which keeps nothing that no one needs.
async fn bound(client: &Client) {
    let topic = Topic { name: "t".into(), retention: Some(Retention::default()), ..Topic::default() };
    client.create_topic(topic).await.unwrap();
    create_queue(client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "#")]).await;
}

fn snapshot(name: &str, queue: &str) -> Snapshot {
    Snapshot { name: name.into(), queue: queue.into(), ..Snapshot::default() }
}

async fn seek(client: &Client, queue: &str, name: &str) -> Result<SeekResponse, Error> {
    let to = Some(LogPoint { at: Some(At::Snapshot(name.into())) });
    within("a seek", client.seek(SeekRequest { queue: queue.into(), to, ..SeekRequest::default() })).await
}

async fn purge(client: &Client) -> i64 {
    client.purge(PurgeRequest { target: Some(purge_request::Target::Topic("t".into())) }).await.unwrap()
}

#[tokio::test]
async fn a_queue_goes_back_to_where_it_stood() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    bound(&client).await;
    publish(&client, "t", (0..10).map(|number| message("", number.to_string())).collect()).await;
    let held = pull_some(&client, "q").await;
    acked(&client, &held[..3]).await;
    acked(&client, &held[5..7]).await;
    client.create_snapshot(snapshot("s", "q")).await.unwrap();
    acked(&client, &held[3..5]).await;
    acked(&client, &held[7..]).await;
    publish(&client, "t", vec![message("", "10")]).await;
    collect(&client, "q", 1).await;
    assert_eq!(purge(&client).await, 3, "what the snapshot needs stays");
    for _ in 0..2 {
        broker.kill9();
        broker.restart();
        let client = broker.client().await;
        assert_eq!(seek(&client, "q", "s").await.unwrap(), SeekResponse { ready: 6, trimmed: false });
        let again = collect(&client, "q", 6).await;
        assert_eq!(payloads(&again), ["3", "4", "7", "8", "9", "10"]);
        assert!(again.iter().all(|delivery| delivery.attempt > 1));
        assert!(pull(&client, "q").await.is_empty(), "what was settled then stays settled");
    }
    let client = broker.client().await;
    assert!(client.delete_snapshot("s").await.unwrap());
    assert_eq!(purge(&client).await, 8, "nothing needs it any more");
}

#[tokio::test]
async fn a_snapshot_keeps_what_an_ended_binding_had_brought() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    bound(&client).await;
    publish(&client, "t", vec![message("", "one"), message("", "two")]).await;
    client.create_snapshot(snapshot("s", "q")).await.unwrap();
    assert!(client.delete_topic("t", true).await.unwrap());
    collect(&client, "q", 2).await;
    seek(&client, "q", "s").await.unwrap();
    assert_eq!(payloads(&collect(&client, "q", 2).await), ["one", "two"]);
}

#[tokio::test]
async fn a_snapshot_is_listed_shown_and_deleted() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    bound(&client).await;
    create_queue(&client, Queue { name: "r".into(), ..Queue::default() }, &[]).await;
    let made = client.create_snapshot(snapshot("a", "q")).await.unwrap();
    let (created, expires) = (made.create_time.unwrap(), made.expire_time.unwrap());
    assert_eq!(expires.seconds - created.seconds, 7 * 86_400);
    assert_eq!(client.create_snapshot(snapshot("a", "q")).await.unwrap(), made, "making it twice is making it once");
    let day = Some(prost_types::Timestamp { seconds: created.seconds + 86_400, nanos: 5 });
    let short = Snapshot { expire_time: day, ..snapshot("b", "q") };
    assert_eq!(client.create_snapshot(short.clone()).await.unwrap().expire_time, day);
    client.create_snapshot(snapshot("c", "r")).await.unwrap();
    let names = |all: Vec<Snapshot>| all.into_iter().map(|snapshot| snapshot.name).collect::<Vec<_>>();
    assert_eq!(names(client.list_snapshots("").await.unwrap()), ["a", "b", "c"]);
    assert_eq!(names(client.list_snapshots("q").await.unwrap()), ["a", "b"]);
    let page = ListSnapshotsRequest { page_size: 2, page_token: "a".into(), ..ListSnapshotsRequest::default() };
    let page = client.admin().list_snapshots(page).await.unwrap().into_inner();
    assert_eq!(
        (names(page.snapshots), page.next_page_token, page.total_size),
        (vec!["b".into(), "c".into()], String::new(), 3)
    );
    assert_eq!(client.get_snapshot("a").await.unwrap(), made);
    assert!(client.delete_snapshot("a").await.unwrap());
    let gone = [client.get_snapshot("a").await.map(|_| ()), client.delete_snapshot("a").await.map(|_| ())];
    for answer in gone.into_iter().chain([seek(&client, "q", "a").await.map(|_| ())]) {
        let error = answer.unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::NotFound, ErrorReason::SnapshotNotFound));
    }
    let missing = DeleteSnapshotRequest { name: "a".into(), allow_missing: true };
    assert!(!client.admin().delete_snapshot(missing).await.unwrap().into_inner().deleted);
    client.delete_queue("q", true).await.unwrap();
    assert_eq!(names(client.list_snapshots("").await.unwrap()), ["c"], "they go with their queue");
}

#[tokio::test]
async fn what_makes_no_snapshot_is_refused_and_says_why() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    bound(&client).await;
    create_queue(&client, Queue { name: "r".into(), ..Queue::default() }, &[]).await;
    client.create_snapshot(snapshot("s", "q")).await.unwrap();
    let until = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let far = std::time::SystemTime::now() + std::time::Duration::from_secs(32 * 86_400);
    for (given, reason) in [
        (snapshot("", "q"), ErrorReason::NameInvalid),
        (snapshot("a/b", "q"), ErrorReason::NameInvalid),
        (snapshot("x", "none"), ErrorReason::QueueNotFound),
        (snapshot("s", "r"), ErrorReason::SettingsDiffer),
        (Snapshot { expire_time: until(1), ..snapshot("x", "q") }, ErrorReason::FieldInvalid),
        (Snapshot { expire_time: Some(far.into()), ..snapshot("x", "q") }, ErrorReason::FieldInvalid),
    ] {
        let error = client.create_snapshot(given.clone()).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{given:?}");
    }
    let error = seek(&client, "r", "s").await.unwrap_err();
    assert_eq!(
        (error.reason(), error.field_violations()[0].field.as_str()),
        (ErrorReason::FieldInvalid, "to.snapshot")
    );
    for number in 1..100 {
        client.create_snapshot(snapshot(&format!("s{number}"), "q")).await.unwrap();
    }
    let error = client.create_snapshot(snapshot("one-more", "q")).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::ResourceExhausted, ErrorReason::LimitReached));
    create_topic(&client, "still-serving").await;
}
