//! Hand-written twins of the messages on the hot path.
//!
//! On the wire a sub-message and a `bytes` field are the same, so the broker takes and sends each `Message` as the bytes
//! that the publisher encoded, without decoding it. Tests hold each twin against its generated original.

use bytes::Bytes;

/// `PublishRequest` with its messages undecoded.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RawPublishRequest {
    /// Where the batch goes; see `PublishRequest.destination`.
    #[prost(oneof = "Destination", tags = "1, 2, 3")]
    pub destination: Option<Destination>,
    /// Each an encoded `Message`.
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub messages: Vec<Bytes>,
    /// See `PublishRequest.producer`.
    #[prost(message, optional, tag = "5")]
    pub producer: Option<crate::v1::Producer>,
    /// See `PublishRequest.require_route`.
    #[prost(bool, tag = "6")]
    pub require_route: bool,
    /// See `PublishRequest.wait_for_room`.
    #[prost(message, optional, tag = "7")]
    pub wait_for_room: Option<prost_types::Duration>,
}

/// `PublishStreamRequest` with its batch encoded: a client encodes each message once, as it is published.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EncodedPublishStreamRequest {
    /// See `PublishStreamRequest.id`.
    #[prost(int64, tag = "1")]
    pub id: i64,
    /// An encoded `PublishRequest`.
    #[prost(bytes = "bytes", tag = "2")]
    pub batch: Bytes,
}

/// `PublishRequest.destination`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Oneof)]
pub enum Destination {
    /// To every queue whose binding matches.
    #[prost(string, tag = "1")]
    Topic(String),
    /// Straight into a queue's inbox.
    #[prost(string, tag = "2")]
    Queue(String),
    /// To whom a received message's `reply_to` names.
    #[prost(string, tag = "3")]
    ReplyTo(String),
}

/// `Delivery` with its message undecoded.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RawDelivery {
    /// The encoded `Message`, as it was published.
    #[prost(bytes = "bytes", tag = "1")]
    pub message: Bytes,
    /// See `Delivery.ack_id`.
    #[prost(bytes = "bytes", tag = "2")]
    pub ack_id: Bytes,
    /// See `Delivery.topic`: valid UTF-8, shared by all deliveries from one topic.
    #[prost(bytes = "bytes", tag = "3")]
    pub topic: Bytes,
    /// See `Delivery.position`.
    #[prost(message, optional, tag = "4")]
    pub position: Option<crate::v1::Position>,
    /// See `Delivery.publish_time_ms`.
    #[prost(int64, tag = "5")]
    pub publish_time_ms: i64,
    /// See `Delivery.attempt`.
    #[prost(int32, tag = "6")]
    pub attempt: i32,
    /// See `Delivery.dead_letter`.
    #[prost(message, optional, tag = "7")]
    pub dead_letter: Option<crate::v1::DeadLetter>,
}

/// `ConsumeResponse` with its deliveries undecoded.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RawConsumeResponse {
    /// Each an encoded `Delivery`.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub deliveries: Vec<Bytes>,
    /// See `ConsumeResponse.opened`.
    #[prost(message, optional, tag = "2")]
    pub opened: Option<crate::v1::Opened>,
    /// See `ConsumeResponse.caught_up`.
    #[prost(bool, tag = "3")]
    pub caught_up: bool,
    /// See `ConsumeResponse.settled`.
    #[prost(message, repeated, tag = "4")]
    pub settled: Vec<crate::v1::SettlementResult>,
}

/// `ConsumeRequest` with its settlements encoded.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EncodedConsumeRequest {
    /// See `ConsumeRequest.open`.
    #[prost(message, optional, tag = "1")]
    pub open: Option<crate::v1::SubscribeRequest>,
    /// Each an encoded `Settlement`.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub settlements: Vec<Bytes>,
    /// See `ConsumeRequest.prefetch`.
    #[prost(message, optional, tag = "3")]
    pub prefetch: Option<crate::v1::Prefetch>,
    /// See `ConsumeRequest.drain`.
    #[prost(bool, tag = "4")]
    pub drain: bool,
}
