//! Deliveries without end, each with an id of its own.

use bytes::{BufMut as _, Bytes, BytesMut};
use ferrymq_proto::raw::RawDelivery;
use ferrymq_proto::server as wire;
use ferrymq_proto::v1::Position;
use prost::Message as _;

use crate::bench::load::payload_bytes_of;

/// As long as the broker's ids usually are.
const ACK_ID_BYTES: usize = 20;
/// Any time will do.
const PUBLISH_TIME_MS: i64 = 1_700_000_000_000;

/// What comes of one queue, its payloads of the size that the queue's name says.
pub(super) struct Deliveries {
    message: Bytes,
    sent: u64,
}

impl Deliveries {
    pub(super) fn of(queue: &str) -> Self {
        let payload = vec![b'x'; payload_bytes_of(queue)].into();
        let message = wire::Message { payload, ..wire::Message::default() };
        Self { message: message.encode_to_vec().into(), sent: 0 }
    }

    /// Of each message, as a window counts it.
    pub(super) fn message_bytes(&self) -> u64 {
        self.message.len().max(1) as u64
    }

    /// The next ones. Their ids share one buffer.
    pub(super) fn next(&mut self, count: usize) -> Vec<RawDelivery> {
        let mut ids = BytesMut::with_capacity(count * ACK_ID_BYTES);
        let mut deliveries = Vec::with_capacity(count);
        for _ in 0..count {
            self.sent += 1;
            ids.put_u64(self.sent);
            ids.put_bytes(0, ACK_ID_BYTES - size_of::<u64>());
            deliveries.push(self.delivery(ids.split().freeze()));
        }
        deliveries
    }

    fn delivery(&self, ack_id: Bytes) -> RawDelivery {
        RawDelivery {
            message: self.message.clone(),
            ack_id,
            topic: Bytes::from_static(b"bench"),
            position: Some(Position { log: 1, offset: self.sent.cast_signed() }),
            publish_time_ms: PUBLISH_TIME_MS,
            attempt: 1,
            ..RawDelivery::default()
        }
    }
}
