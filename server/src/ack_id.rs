//! Ack ids: opaque to clients, and all that the broker needs to find a delivery again.
//!
//! A token names partition, epoch, queue, log, offset, delivery and the cursor's generation, under a MAC whose key is kept in the store, so that
//! ids survive restarts and cannot be made up. The MAC is SipHash-2-4 with a secret 128-bit key (Aumasson, Bernstein,
//! 2012): 64 bits are enough where each guess costs a call.

use std::hash::Hasher as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use ferrymq_core::LogId;
use prost::encoding::{decode_varint, encode_varint};
use siphasher::sip::SipHasher24;

const VERSION: u8 = 1;
/// Another kind of token, which is not taken for an ack id.
const RESUME_VERSION: u8 = 2;
const MAC_BYTES: usize = 8;
/// Room for an id: usually it takes about 20 bytes.
pub const BYTES_MAX: usize = 32;

/// What an ack id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckId {
    /// The partition; 0 as long as there is one.
    pub partition: u64,
    /// Which start of the broker made the delivery: of another one, its lease is gone.
    pub epoch: u64,
    /// The queue's number.
    pub queue: u64,
    /// The log that holds the message.
    pub log: LogId,
    /// Its place there.
    pub offset: u64,
    /// The delivery's number within its epoch.
    pub delivery: u64,
    /// Which seek it was made after; left out of the token while it is 0.
    pub generation: u64,
}

/// What a resume token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumeToken {
    /// Which start of the broker it is of: no consumer outlives that.
    pub epoch: u64,
    /// The queue's number.
    pub queue: u64,
    /// The consumer's number within its queue.
    pub consumer: u64,
}

/// Seals and opens ack ids, and resume tokens.
#[derive(Clone)]
pub struct AckIds {
    key: [u8; 16],
}

impl AckIds {
    /// With the broker's own key.
    pub fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// The bytes a client gets, split off `out`: many ids share one allocation.
    pub fn seal(&self, id: &AckId, out: &mut BytesMut) -> Bytes {
        out.reserve(BYTES_MAX);
        out.put_u8(VERSION);
        for number in [id.partition, id.epoch, id.queue, id.log.0, id.offset, id.delivery] {
            encode_varint(number, out);
        }
        if id.generation > 0 {
            encode_varint(id.generation, out);
        }
        let mac = self.mac(out);
        out.put_u64_le(mac);
        out.split().freeze()
    }

    /// What a client gave; none if it is damaged, forged or another broker's.
    pub fn open(&self, bytes: &[u8]) -> Option<AckId> {
        let split = bytes.len().checked_sub(MAC_BYTES)?;
        let (body, mac) = bytes.split_at(split);
        if self.mac(body).to_le_bytes() != mac || body.first() != Some(&VERSION) {
            return None;
        }
        let mut rest = body.get(1..)?;
        let mut number = || decode_varint(&mut rest).ok();
        let mut id = AckId {
            partition: number()?,
            epoch: number()?,
            queue: number()?,
            log: LogId(number()?),
            offset: number()?,
            delivery: number()?,
            generation: 0,
        };
        if !rest.is_empty() {
            id.generation = decode_varint(&mut rest).ok()?;
        }
        rest.is_empty().then_some(id)
    }

    /// The bytes a client gets to come back with.
    pub fn seal_token(&self, token: &ResumeToken) -> Bytes {
        let mut out = BytesMut::with_capacity(BYTES_MAX);
        out.put_u8(RESUME_VERSION);
        for number in [token.epoch, token.queue, token.consumer] {
            encode_varint(number, &mut out);
        }
        let mac = self.mac(&out);
        out.put_u64_le(mac);
        out.freeze()
    }

    /// What a client came back with; none if it is damaged, forged or another broker's.
    pub fn open_token(&self, bytes: &[u8]) -> Option<ResumeToken> {
        let split = bytes.len().checked_sub(MAC_BYTES)?;
        let (body, mac) = bytes.split_at(split);
        if self.mac(body).to_le_bytes() != mac || body.first() != Some(&RESUME_VERSION) {
            return None;
        }
        let mut rest = body.get(1..)?;
        let mut number = || decode_varint(&mut rest).ok();
        let token = ResumeToken { epoch: number()?, queue: number()?, consumer: number()? };
        rest.is_empty().then_some(token)
    }

    fn mac(&self, body: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(body);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> AckId {
        AckId { partition: 0, epoch: 3, queue: 7, log: LogId(12), offset: 1 << 40, delivery: 99, generation: 0 }
    }

    #[test]
    fn opens_what_it_sealed_and_stays_short() {
        let ids = AckIds::new([7; 16]);
        let sealed = ids.seal(&id(), &mut BytesMut::new());
        assert_eq!(ids.open(&sealed), Some(id()));
        assert!(sealed.len() <= 24, "{} bytes", sealed.len());
        let sought = AckId { generation: 300, ..id() };
        assert_eq!(ids.open(&ids.seal(&sought, &mut BytesMut::new())), Some(sought));
    }

    #[test]
    fn a_resume_token_is_no_ack_id_and_an_ack_id_no_resume_token() {
        let ids = AckIds::new([7; 16]);
        let token = ResumeToken { epoch: u64::MAX, queue: u64::MAX, consumer: u64::MAX };
        let sealed = ids.seal_token(&token);
        assert!(sealed.len() <= 64, "{} bytes", sealed.len());
        assert_eq!((ids.open_token(&sealed), ids.open(&sealed)), (Some(token), None));
        assert_eq!(ids.open_token(&ids.seal(&id(), &mut BytesMut::new())), None);
        assert_eq!(AckIds::new([8; 16]).open_token(&sealed), None);
    }

    #[test]
    fn refuses_every_changed_bit_and_foreign_keys() {
        let ids = AckIds::new([7; 16]);
        let sealed = ids.seal(&id(), &mut BytesMut::new());
        for bit in 0..sealed.len() * 8 {
            let mut forged = sealed.to_vec();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ids.open(&forged), None);
        }
        assert_eq!(AckIds::new([8; 16]).open(&sealed), None);
        for len in 0..sealed.len() {
            assert_eq!(ids.open(&sealed[..len]), None);
        }
    }
}
