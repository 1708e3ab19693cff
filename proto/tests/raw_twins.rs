//! The hand-written twins of the hot path mean the same as their generated originals, and leave a message's bytes alone.

use bytes::{BufMut, Bytes, BytesMut};
use ferrymq_proto::raw::{
    Destination, EncodedConsumeRequest, EncodedPublishStreamRequest, RawConsumeResponse, RawDelivery, RawPublishRequest,
};
use ferrymq_proto::v1;
use prost::Message as _;

fn message() -> v1::Message {
    v1::Message {
        payload: Bytes::from_static(b"payload"),
        attributes: [("tenant".to_owned(), "a".to_owned())].into(),
        routing_key: "a.b".into(),
        ordering_key: "order".into(),
        message_id: "id".into(),
        content_type: "text/plain".into(),
        priority: 3,
        ttl_ms: 4,
        due: Some(v1::message::Due::DelayMs(5)),
        reply_to: "reply".into(),
        correlation_id: "correlation".into(),
    }
}

fn publish_request(destination: v1::publish_request::Destination) -> v1::PublishRequest {
    v1::PublishRequest {
        destination: Some(destination),
        messages: vec![message(), v1::Message::default()],
        producer: Some(v1::Producer { id: "producer".into(), sequence: 7 }),
        require_route: true,
        wait_for_room: Some(prost_types::Duration { seconds: 1, nanos: 2 }),
    }
}

#[test]
fn a_publish_request_survives_its_twin() {
    use v1::publish_request::Destination as Full;
    let cases = [
        (Full::Topic("t".into()), Destination::Topic("t".into())),
        (Full::Queue("q".into()), Destination::Queue("q".into())),
        (Full::ReplyTo("r".into()), Destination::ReplyTo("r".into())),
    ];
    for (full, raw) in cases {
        let original = publish_request(full);
        let twin = RawPublishRequest::decode(original.encode_to_vec().as_slice()).unwrap();
        assert_eq!(twin.destination, Some(raw));
        assert_eq!(twin.producer, original.producer);
        assert_eq!(twin.require_route, original.require_route);
        assert_eq!(twin.wait_for_room, original.wait_for_room);
        assert_eq!(twin.messages[0], message().encode_to_vec());
        assert_eq!(v1::PublishRequest::decode(twin.encode_to_vec().as_slice()).unwrap(), original);
    }
}

#[test]
fn a_batch_that_is_encoded_already_is_the_same_request() {
    let batch = publish_request(v1::publish_request::Destination::Topic("t".into()));
    let encoded = EncodedPublishStreamRequest { id: 7, batch: batch.encode_to_vec().into() };
    let original = v1::PublishStreamRequest { id: 7, batch: Some(batch) };
    assert_eq!(v1::PublishStreamRequest::decode(encoded.encode_to_vec().as_slice()).unwrap(), original);
}

fn delivery() -> v1::Delivery {
    v1::Delivery {
        message: Some(message()),
        ack_id: Bytes::from_static(b"ack"),
        topic: "t".into(),
        position: Some(v1::Position { log: 1, offset: 2 }),
        publish_time_ms: 3,
        attempt: 4,
        dead_letter: Some(v1::DeadLetter {
            queue: "q".into(),
            reason: v1::DeadLetterReason::Rejected.into(),
            attempts: 5,
            description: "why".into(),
            time_ms: 6,
            topic: "t".into(),
            position: Some(v1::Position { log: 7, offset: 8 }),
        }),
    }
}

#[test]
fn a_delivery_survives_its_twin() {
    let original = delivery();
    let twin = RawDelivery::decode(original.encode_to_vec().as_slice()).unwrap();
    assert_eq!(twin.ack_id, original.ack_id);
    assert_eq!(twin.topic, original.topic);
    assert_eq!(twin.position, original.position);
    assert_eq!(twin.publish_time_ms, original.publish_time_ms);
    assert_eq!(twin.attempt, original.attempt);
    assert_eq!(twin.dead_letter, original.dead_letter);
    assert_eq!(v1::Delivery::decode(twin.encode_to_vec().as_slice()).unwrap(), original);
}

#[test]
fn a_response_survives_its_twin() {
    let settled = v1::SettlementResult { id: 9, statuses: vec![1, 3] };
    let opened = v1::Opened { queue: "q".into(), prefetch: 5, ..v1::Opened::default() };
    let original = v1::ConsumeResponse {
        deliveries: vec![delivery(), v1::Delivery::default()],
        opened: Some(opened),
        caught_up: true,
        settled: vec![settled],
    };
    let twin = RawConsumeResponse::decode(original.encode_to_vec().as_slice()).unwrap();
    assert_eq!((&twin.opened, twin.caught_up, &twin.settled), (&original.opened, true, &original.settled));
    assert_eq!(v1::Delivery::decode(twin.deliveries[0].clone()).unwrap(), delivery());
    assert_eq!(v1::ConsumeResponse::decode(twin.encode_to_vec().as_slice()).unwrap(), original);
}

#[test]
fn settlements_that_are_encoded_already_are_the_same_request() {
    let ack = v1::AckRequest { ack_ids: vec![Bytes::from_static(b"ack")] };
    let settlement = v1::Settlement { id: 3, action: Some(v1::settlement::Action::Ack(ack)) };
    let open = Some(v1::SubscribeRequest { group: "g".into(), ..v1::SubscribeRequest::default() });
    let prefetch = Some(v1::Prefetch { messages: 1, bytes: 2 });
    let settlements = vec![settlement.encode_to_vec().into()];
    let encoded = EncodedConsumeRequest { open: open.clone(), settlements, prefetch, drain: true };
    let original = v1::ConsumeRequest { open, settlements: vec![settlement], prefetch, drain: true };
    assert_eq!(v1::ConsumeRequest::decode(encoded.encode_to_vec().as_slice()).unwrap(), original);
}

/// A message as another implementation may write it: fields out of order, and numbers that this version does not know.
fn foreign_message() -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_slice(b"\x1a\x03a.b"); // routing_key = 3
    bytes.put_slice(b"\x80\x04\x05"); // field 64, a varint
    bytes.put_slice(b"\x0a\x02hi"); // payload = 1
    bytes.put_slice(b"\xc2\xb8\x02\x01x"); // field 5000, bytes
    bytes.freeze()
}

#[test]
fn a_message_of_another_encoder_passes_byte_for_byte() {
    let foreign = foreign_message();
    let sent = RawPublishRequest { messages: vec![foreign.clone()], ..Default::default() };
    let stored = RawPublishRequest::decode(sent.encode_to_vec().as_slice()).unwrap().messages.remove(0);
    assert_eq!(stored, foreign);

    let delivered = RawDelivery { message: stored, ..Default::default() }.encode_to_vec();
    assert_eq!(RawDelivery::decode(delivered.as_slice()).unwrap().message, foreign);
    let understood = v1::Delivery::decode(delivered.as_slice()).unwrap().message.unwrap();
    assert_eq!((understood.payload.as_ref(), understood.routing_key.as_str()), (b"hi".as_slice(), "a.b"));
}
