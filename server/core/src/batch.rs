//! Record batches: what a log is made of.
//!
//! Layout, all integers little-endian: version (u8; 1, or 2 if some message of the batch has a time to live of its own, so
//! that nobody has to look for one in the others), publish time in ms (u64), count (u32), then for each record the
//! length of its header and of its message (u32 each), then for each record header and message. The header is empty but
//! for dead letters; the message is as it came over the wire.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes};

use crate::codec::{self, Malformed};
use crate::{LogId, Millis, Offset};

const VERSION: u8 = 1;
const VERSION_WITH_TTL: u8 = 2;
const HEAD_BYTES: usize = 13;
const ENTRY_BYTES: usize = 8;

/// Why a queue gave a message up. The numbers are those of the API's `DeadLetterReason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum DeadLetterReason {
    /// A consumer rejected it.
    Rejected = 1,
    /// It failed too often.
    MaxAttempts = 2,
    /// Its time to live ended.
    Expired = 3,
    /// The queue was over a limit.
    Overflow = 4,
}

/// Where a dead letter came from, and why. Stored with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterHeader {
    /// The queue that gave it up.
    pub queue: String,
    /// Why.
    pub reason: DeadLetterReason,
    /// How often that queue had delivered it.
    pub attempts: u32,
    /// What the last nack gave as its reason.
    pub description: String,
    /// When.
    pub time_ms: Millis,
    /// The topic it was first published to; empty if there was none.
    pub topic: String,
    /// The log it left.
    pub log: LogId,
    /// Its place there.
    pub offset: Offset,
    /// When it was first published.
    pub publish_time_ms: Millis,
}

impl DeadLetterHeader {
    /// Its bytes, as they stand before the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        codec::put_bytes(&mut out, self.queue.as_bytes());
        out.put_u8(self.reason as u8);
        codec::put_varint(&mut out, u64::from(self.attempts));
        codec::put_bytes(&mut out, self.description.as_bytes());
        codec::put_varint(&mut out, self.time_ms);
        codec::put_bytes(&mut out, self.topic.as_bytes());
        for number in [self.log.0, self.offset, self.publish_time_ms] {
            codec::put_varint(&mut out, number);
        }
        out
    }

    fn decode(mut input: &[u8]) -> Result<Self, Malformed> {
        let input = &mut input;
        Ok(Self {
            queue: codec::take_string(input)?,
            reason: match codec::take(input, 1)? {
                [1] => DeadLetterReason::Rejected,
                [2] => DeadLetterReason::MaxAttempts,
                [3] => DeadLetterReason::Expired,
                [4] => DeadLetterReason::Overflow,
                _ => return Err(Malformed("a dead letter's reason is unknown")),
            },
            attempts: u32::try_from(codec::take_varint(input)?).map_err(|_| Malformed("attempts"))?,
            description: codec::take_string(input)?,
            time_ms: codec::take_varint(input)?,
            topic: codec::take_string(input)?,
            log: LogId(codec::take_varint(input)?),
            offset: codec::take_varint(input)?,
            publish_time_ms: codec::take_varint(input)?,
        })
    }
}

/// Encodes a batch of records, each a header (see [`DeadLetterHeader::encode`]; mostly empty) and a message. The records
/// are gone through twice, so that the batch is written once, into a buffer of its size. `has_ttl`: some message of it has
/// a time to live that counts. In a batch of dead letters none does: it ended with the way that they have come.
#[must_use]
pub fn encode<'a>(
    publish_time_ms: Millis,
    has_ttl: bool,
    records: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone,
) -> Bytes {
    let bytes: usize = records.clone().map(|(header, message)| header.len() + message.len()).sum();
    let mut out = Vec::with_capacity(HEAD_BYTES + records.len() * ENTRY_BYTES + bytes);
    out.put_u8(if has_ttl { VERSION_WITH_TTL } else { VERSION });
    out.put_u64_le(publish_time_ms);
    out.put_u32_le(records.len() as u32);
    for (header, message) in records.clone() {
        out.put_u32_le(header.len() as u32);
        out.put_u32_le(message.len() as u32);
    }
    for (header, message) in records {
        out.extend_from_slice(header);
        out.extend_from_slice(message);
    }
    codec::freeze(out)
}

/// One record: slices of its batch, nothing is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Only in dead-letter queues.
    pub dead_letter: Option<DeadLetterHeader>,
    /// The message as it was published.
    pub message: Bytes,
}

/// A batch read back.
#[derive(Debug, Clone)]
pub struct Batch {
    bytes: Bytes,
    publish_time_ms: Millis,
    /// Where each record begins, and the end of the last. Shared, as a batch is cloned for each of its deliveries.
    starts: Arc<[u32]>,
}

impl Batch {
    /// Checks the layout.
    ///
    /// # Errors
    /// If the bytes are no batch.
    pub fn parse(bytes: Bytes) -> Result<Self, Malformed> {
        let mut input: &[u8] = &bytes;
        let head = codec::take(&mut input, HEAD_BYTES as u64)?;
        if !matches!(head[0], VERSION | VERSION_WITH_TTL) {
            return Err(Malformed("the batch is of an unknown version"));
        }
        let publish_time_ms = u64_at(head, 1);
        let count = u32_at(head, 9) as usize;
        let lengths = codec::take(&mut input, (count * ENTRY_BYTES) as u64)?;
        let mut starts = Vec::with_capacity(count + 1);
        let mut at = (HEAD_BYTES + lengths.len()) as u64;
        for entry in lengths.chunks_exact(ENTRY_BYTES) {
            starts.push(at as u32);
            at += u64::from(u32_at(entry, 0)) + u64::from(u32_at(entry, 4));
            if at > bytes.len() as u64 {
                return Err(Malformed("a record is cut off"));
            }
        }
        if at != bytes.len() as u64 || at > u64::from(u32::MAX) {
            return Err(Malformed("the batch has another length than its records"));
        }
        starts.push(at as u32);
        Ok(Self { bytes, publish_time_ms, starts: starts.into() })
    }

    /// How many records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The bytes of all of it, which each slice of it keeps in memory.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the broker took it.
    #[must_use]
    pub fn publish_time_ms(&self) -> Millis {
        self.publish_time_ms
    }

    /// True if some message of it may have a time to live of its own.
    #[must_use]
    pub fn has_ttl(&self) -> bool {
        self.bytes.first() == Some(&VERSION_WITH_TTL)
    }

    /// The message of a record, without its header.
    #[must_use]
    pub fn message(&self, index: usize) -> Bytes {
        self.bytes.slice(self.message_start(index)..self.starts[index + 1] as usize)
    }

    /// The same without a share in the batch: for who only looks.
    #[must_use]
    pub fn message_bytes(&self, index: usize) -> &[u8] {
        &self.bytes[self.message_start(index)..self.starts[index + 1] as usize]
    }

    /// The size of a record's message.
    #[must_use]
    pub fn message_len(&self, index: usize) -> u32 {
        self.starts[index + 1] - self.message_start(index) as u32
    }

    fn message_start(&self, index: usize) -> usize {
        self.starts[index] as usize + u32_at(&self.bytes, HEAD_BYTES + index * ENTRY_BYTES) as usize
    }

    /// A record's header and message as they stand, to be written again.
    #[must_use]
    pub fn parts(&self, index: usize) -> (&[u8], &[u8]) {
        let message = self.message_start(index);
        (&self.bytes[self.starts[index] as usize..message], &self.bytes[message..self.starts[index + 1] as usize])
    }

    /// A whole record.
    ///
    /// # Errors
    /// If its header is malformed.
    pub fn record(&self, index: usize) -> Result<Record, Malformed> {
        let (header, _) = self.parts(index);
        let dead_letter = if header.is_empty() { None } else { Some(DeadLetterHeader::decode(header)?) };
        Ok(Record { dead_letter, message: self.message(index) })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn letter() -> DeadLetterHeader {
        DeadLetterHeader {
            queue: "q".into(),
            reason: DeadLetterReason::MaxAttempts,
            attempts: 10,
            description: "cannot read it".into(),
            time_ms: 1,
            topic: "t".into(),
            log: LogId(7),
            offset: 1 << 50,
            publish_time_ms: 2,
        }
    }

    proptest! {
        #[test]
        fn comes_back_as_it_was_put_in(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20)) {
            let header = letter().encode();
            let header = |index: usize| if index.is_multiple_of(3) { &header[..] } else { &[] };
            let records = messages.iter().enumerate().map(|(index, message)| (header(index), &message[..]));
            let batch = Batch::parse(encode(99, messages.len() % 2 == 0, records)).unwrap();
            prop_assert_eq!((batch.len(), batch.publish_time_ms()), (messages.len(), 99));
            prop_assert_eq!(batch.has_ttl(), messages.len() % 2 == 0);
            for (index, message) in messages.iter().enumerate() {
                let record = batch.record(index).unwrap();
                prop_assert_eq!(&record.message[..], &message[..]);
                prop_assert_eq!(batch.message_len(index) as usize, message.len());
                prop_assert_eq!(record.dead_letter, (index % 3 == 0).then(letter));
            }
        }

        #[test]
        fn never_panics_on_other_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..80), flip in 0usize..80) {
            let header = letter().encode();
            let mut damaged = encode(1, false, [(&header[..], &b"x"[..])].into_iter()).to_vec();
            let at = flip % damaged.len();
            damaged[at] ^= 0x55;
            if let Some(first) = bytes.first_mut() { *first = VERSION; }
            for bytes in [bytes, damaged] {
                if let Ok(batch) = Batch::parse(bytes.into()) {
                    for index in 0..batch.len() { let _ = batch.record(index); }
                }
            }
        }
    }
}
