//! The hot path's own encoding: ack ids found and written where they are, without a copy of each.

use bytes::{BufMut as _, Bytes, BytesMut};
use ferrymq_proto::v1::{ExtendLeaseRequest, NackRequest};
use prost::Message as _;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, encoded_len_varint, int64, key_len,
    skip_field,
};
use tonic::Status;

use super::gather::{Action, Group};
use super::held::Held;
use crate::Error;
use crate::messaging::wire_duration;

/// `Delivery.ack_id`.
const ACK_ID: u32 = 2;
/// `Settlement.id`.
const ID: u32 = 1;
/// `ack_ids` of each action.
const ACK_IDS: u32 = 1;
/// Of a settlement, beside its action's fields.
const HEAD_BYTES: usize = 24;

/// The ack id in an encoded `Delivery`; empty if it has none.
pub(super) fn ack_id(delivery: &Bytes) -> Result<Bytes, Error> {
    let unreadable = |_| Error::from(Status::internal("the broker sent a delivery that cannot be read"));
    let mut rest = delivery.as_ref();
    while !rest.is_empty() {
        let (tag, wire_type) = decode_key(&mut rest).map_err(unreadable)?;
        if tag != ACK_ID || wire_type != WireType::LengthDelimited {
            skip_field(wire_type, tag, &mut rest, DecodeContext::default()).map_err(unreadable)?;
            continue;
        }
        let len = decode_varint(&mut rest).map_err(unreadable)?;
        // One that is cut off cannot be read, which is found where the whole delivery is decoded.
        let ack_id = usize::try_from(len).ok().and_then(|len| rest.get(..len)).unwrap_or_default();
        return Ok(delivery.slice_ref(ack_id));
    }
    Ok(Bytes::new())
}

/// An encoded `Settlement` of a group.
pub(super) fn settlement(id: i64, group: &Group, held: &Held) -> Bytes {
    let (tag, action) = action(&group.action);
    let ack_ids = || group.slots.iter().map(|slot| held.ack_id(*slot));
    let ids_len: usize = ack_ids().map(|id| key_len(ACK_IDS) + encoded_len_varint(id.len() as u64) + id.len()).sum();
    let mut encoded = BytesMut::with_capacity(HEAD_BYTES + ids_len + action.len());
    int64::encode(ID, &id, &mut encoded);
    encode_key(tag, WireType::LengthDelimited, &mut encoded);
    encode_varint((ids_len + action.len()) as u64, &mut encoded);
    for ack_id in ack_ids() {
        encode_key(ACK_IDS, WireType::LengthDelimited, &mut encoded);
        encode_varint(ack_id.len() as u64, &mut encoded);
        encoded.put_slice(ack_id);
    }
    encoded.put_slice(&action);
    encoded.freeze()
}

/// Its field of a `Settlement`, and what it says beside the ids, encoded.
fn action(action: &Action) -> (u32, Vec<u8>) {
    // What the protocol has no words for was never taken.
    match action {
        Action::Ack => (2, Vec::new()),
        Action::Nack(mode, delay, reason) => {
            let delay = delay.and_then(|delay| wire_duration(delay).ok());
            let (mode, reason) = ((*mode).into(), reason.clone());
            (3, NackRequest { mode, delay, reason, ..NackRequest::default() }.encode_to_vec())
        }
        Action::Extend(lease) => {
            let lease = lease.and_then(|lease| wire_duration(lease).ok());
            (4, ExtendLeaseRequest { lease, ..ExtendLeaseRequest::default() }.encode_to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ferrymq_proto::v1::settlement::Action as WireAction;
    use ferrymq_proto::v1::{AckRequest, Delivery, Message, NackMode, Position, Settlement};

    use super::super::gather::gathering;
    use super::*;

    fn delivery(ack_id: &'static str) -> Bytes {
        let message = Some(Message { payload: "payload".into(), ..Message::default() });
        let position = Some(Position { log: 1, offset: 2 });
        Delivery { message, ack_id: ack_id.into(), position, attempt: 3, ..Delivery::default() }.encode_to_vec().into()
    }

    #[test]
    fn the_ack_id_of_a_delivery_is_found() {
        assert_eq!(ack_id(&delivery("an id")), Ok("an id".into()));
        assert_eq!(ack_id(&delivery("")), Ok(Bytes::new()));
        assert_eq!(ack_id(&Bytes::new()), Ok(Bytes::new()));
    }

    #[test]
    fn no_bytes_whatever_make_it_panic() {
        let whole = delivery("an id");
        (0..whole.len()).for_each(|len| drop(ack_id(&whole.slice(..len))));
        assert!(ack_id(&Bytes::from_static(&[0x0a, 0xff])).is_err());
        assert_eq!(ack_id(&Bytes::from_static(&[0x12, 0x7f, 1])), Ok(Bytes::new()));
    }

    #[test]
    fn a_settlement_is_what_its_action_would_make() {
        let mut held = Held::default();
        let slots = ["a", "bc"].map(|id| held.add(id.into()));
        let ack_ids = vec![Bytes::from("a"), Bytes::from("bc")];
        let second = Some(prost_types::Duration { seconds: 1, nanos: 0 });
        let nack = NackRequest { ack_ids: ack_ids.clone(), mode: 2, delay: second, reason: "no".into() };
        let extend = ExtendLeaseRequest { ack_ids: ack_ids.clone(), lease: second };
        let cases = [
            (Action::Ack, WireAction::Ack(AckRequest { ack_ids })),
            (Action::Nack(NackMode::Retry, Some(Duration::from_secs(1)), "no".into()), WireAction::Nack(nack)),
            (Action::Extend(Some(Duration::from_secs(1))), WireAction::Extend(extend)),
        ];
        for (action, expected) in cases {
            let (gatherer, gathered) = gathering();
            slots.iter().for_each(|slot| drop(gatherer.add(*slot, action.clone())));
            let encoded = gathered.take().iter().map(|group| settlement(7, group, &held)).next().expect("there is one");
            assert_eq!(Settlement::decode(encoded), Ok(Settlement { id: 7, action: Some(expected) }));
        }
    }
}
