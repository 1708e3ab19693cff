//! Every refusal has its code, its reason and its field, and leaves the broker as it was for others.

use bytes::Bytes;
use ferrymq_client::v1::{
    Binding, ErrorReason, Message, PeekRequest, PullRequest, Queue, SettleStatus, Topic, pull_request,
};
use ferrymq_client::{Client, Code, Destination, Error, group, queue};
use ferrymq_proto::raw;
use ferrymq_tests::{binding, call_once, message, prepared, publish, pull, pull_some};

fn assert_refused(error: &Error, code: Code, reason: ErrorReason) {
    assert_eq!((error.code(), error.reason()), (code, reason), "{error:?}");
}

fn assert_field(error: &Error, reason: ErrorReason) {
    assert_refused(error, Code::InvalidArgument, reason);
    let violation = error.field_violations().first().expect("the field is named");
    assert!(!violation.field.is_empty() && !violation.rule.is_empty(), "{error:?}");
}

async fn assert_serves(client: &Client) {
    publish(client, "t", vec![message("", "still here")]).await;
    assert!(!pull_some(client, "q").await.is_empty());
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let (_broker, client) = prepared().await;
    let topic = client.publish(Destination::Topic("none".into()), vec![Message::default()]).await.unwrap_err();
    assert_refused(&topic, Code::NotFound, ErrorReason::TopicNotFound);
    let into = client.publish(Destination::Queue("none".into()), vec![Message::default()]).await.unwrap_err();
    assert_refused(&into, Code::NotFound, ErrorReason::QueueNotFound);
    assert_refused(
        &client.subscribe_stream(queue("none")).await.unwrap_err(),
        Code::NotFound,
        ErrorReason::QueueNotFound,
    );
    let of_group = client.subscribe_stream(group("none", "g")).await.unwrap_err();
    assert_refused(&of_group, Code::NotFound, ErrorReason::TopicNotFound);
    assert_refused(&client.get_queue("none").await.unwrap_err(), Code::NotFound, ErrorReason::QueueNotFound);
    assert_refused(&client.get_topic("none").await.unwrap_err(), Code::NotFound, ErrorReason::TopicNotFound);
    assert_refused(
        &client.peek(PeekRequest::default()).await.unwrap_err(),
        Code::InvalidArgument,
        ErrorReason::FieldInvalid,
    );
    assert_serves(&client).await;
}

#[tokio::test]
async fn making_it_again_is_fine_unless_the_settings_differ() {
    let (_broker, client) = prepared().await;
    let same = Topic { name: "t".into(), ..Topic::default() };
    assert!(!client.create_topic(same.clone()).await.unwrap().created);
    let other = Topic { labels: [("a".to_owned(), "b".to_owned())].into(), ..same };
    let error = client.create_topic(other).await.unwrap_err();
    assert_refused(&error, Code::AlreadyExists, ErrorReason::SettingsDiffer);
    assert!(format!("{error:?}").contains("labels"), "{error:?}");
    assert_serves(&client).await;
}

#[tokio::test]
async fn bad_names_patterns_and_prefetches_name_their_field() {
    let (_broker, client) = prepared().await;
    for name in ["", "a b", "-a!", &"n".repeat(300)] {
        let error = client.create_topic(Topic { name: name.into(), ..Topic::default() }).await.unwrap_err();
        assert_field(&error, ErrorReason::NameInvalid);
    }
    let broken: Binding = binding("t", "q", "a..b**");
    assert_field(&client.create_binding(broken).await.unwrap_err(), ErrorReason::PatternInvalid);
    let request = ferrymq_client::v1::SubscribeRequest { prefetch: -1, ..queue("q") };
    assert_field(&client.subscribe_stream(request).await.unwrap_err(), ErrorReason::FieldInvalid);
    let pull =
        PullRequest { source: Some(pull_request::Source::Queue("q".into())), max_messages: -1, ..Default::default() };
    assert_field(&client.pull(pull).await.unwrap_err(), ErrorReason::FieldInvalid);
    assert_serves(&client).await;
}

#[tokio::test]
async fn empty_and_oversize_batches_are_refused() {
    let (_broker, client) = prepared().await;
    let to = || Destination::Topic("t".into());
    assert_field(&client.publish(to(), Vec::new()).await.unwrap_err(), ErrorReason::FieldInvalid);
    let limits = client.server_info().await.unwrap();
    let large = message("", vec![0; usize::try_from(limits.max_message_bytes).unwrap() + 1]);
    assert_field(&client.publish(to(), vec![large]).await.unwrap_err(), ErrorReason::MessageTooLarge);
    let piece = message("", vec![0; 1 << 19]);
    let count = usize::try_from(limits.max_request_bytes).unwrap() / (1 << 19) + 1;
    let error = client.publish(to(), vec![piece; count]).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error:?}");
    assert!(pull(&client, "q").await.is_empty(), "a refused batch leaves nothing");
    assert_serves(&client).await;
}

#[tokio::test]
async fn fields_of_later_versions_are_refused_not_ignored() {
    let (_broker, client) = prepared().await;
    let late = Message { priority: 1, ..message("", "x") };
    let error = client.publish(Destination::Topic("t".into()), vec![late]).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error:?}");
    let fair = Queue { name: "fair".into(), fairness_attribute: "tenant".into(), ..Queue::default() };
    assert_field(&client.create_queue(fair, vec![]).await.unwrap_err(), ErrorReason::FieldNotSupported);
    assert_serves(&client).await;
}

#[tokio::test]
async fn forged_ack_ids_get_a_status_each_and_never_an_abort() {
    let (_broker, client) = prepared().await;
    publish(&client, "t", vec![message("", "x")]).await;
    let good = pull_some(&client, "q").await[0].ack_id.clone();
    let mut forged = good.to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let ids = vec![Bytes::new(), Bytes::from(forged), good.clone(), Bytes::from(vec![0xff; 500]), good.clone()];
    let statuses = client.ack(ids).await.unwrap();
    assert_eq!(
        (statuses[0], statuses[1], statuses[3]),
        (SettleStatus::Invalid, SettleStatus::Invalid, SettleStatus::Invalid)
    );
    assert_eq!(statuses[2], SettleStatus::Ok);
    client.delete_queue("q", true).await.unwrap();
    assert_eq!(client.ack(vec![good]).await.unwrap(), [SettleStatus::Gone]);
}

#[tokio::test]
async fn an_ack_id_of_another_broker_is_invalid() {
    let ((_a, one), (_b, other)) = (prepared().await, prepared().await);
    publish(&one, "t", vec![message("", "x")]).await;
    let foreign = pull_some(&one, "q").await[0].ack_id.clone();
    assert_eq!(other.ack(vec![foreign]).await.unwrap(), [SettleStatus::Invalid]);
}

#[tokio::test]
async fn deleting_what_is_in_use_has_to_be_forced() {
    let (_broker, client) = prepared().await;
    publish(&client, "t", vec![message("", "x")]).await;
    let queue = client.delete_queue("q", false).await.unwrap_err();
    assert_refused(&queue, Code::FailedPrecondition, ErrorReason::InUse);
    let topic = client.delete_topic("t", false).await.unwrap_err();
    assert_refused(&topic, Code::FailedPrecondition, ErrorReason::InUse);
    assert!(client.delete_topic("t", true).await.unwrap());
    assert_eq!(pull(&client, "q").await.len(), 1, "what had matched stays");
    assert!(client.delete_queue("q", true).await.unwrap().deleted);
}

#[tokio::test]
async fn malformed_bytes_and_text_are_invalid_arguments() {
    let (_broker, client) = prepared().await;
    let publish = "/ferrymq.v1.MessagingService/Publish";
    let cases: [&[u8]; 4] = [
        b"\xff\xff\xff",                  // No tag.
        b"\x0a\x01\xff",                  // A topic that is not UTF-8.
        b"\x0a\x01t\x22\x03\x1a\x01\xff", // A routing key that is not UTF-8.
        b"\x0a\x01t\x22\x02\x1a\x09",     // A message that is cut off.
    ];
    for case in cases {
        let error = call_once(&client, publish, Bytes::from_static(case)).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{case:x?}: {error:?}");
    }
    assert_serves(&client).await;
}

#[tokio::test]
async fn a_message_of_another_encoder_comes_out_byte_for_byte() {
    let (_broker, client) = prepared().await;
    let foreign = Bytes::from_static(b"\x1a\x03a.b\x80\x04\x05\x0a\x02hi\xc2\xb8\x02\x01x");
    let request = raw::RawPublishRequest {
        destination: Some(raw::Destination::Topic("t".into())),
        messages: vec![foreign.clone()],
        ..Default::default()
    };
    call_once(&client, "/ferrymq.v1.MessagingService/Publish", prost::Message::encode_to_vec(&request).into())
        .await
        .unwrap();
    let pull = PullRequest { source: Some(pull_request::Source::Queue("q".into())), ..Default::default() };
    let pull = prost::Message::encode_to_vec(&pull).into();
    let response = call_once(&client, "/ferrymq.v1.MessagingService/Pull", pull).await.unwrap();
    let found = response.windows(foreign.len()).any(|window| window == foreign);
    assert!(found, "{response:x?}");
}
