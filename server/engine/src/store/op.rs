//! What a commit is made of, and how operations lie in the header of a frame (see [`super::body`]).

use bytes::{BufMut as _, Bytes};
use ferrymq_core::codec::{self, Malformed};
use ferrymq_core::{CommitNo, LogId, Offset};

use super::entry::Entry;

/// An operation on the store: absolute, so that it may be applied twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Appends a batch at the end of a log.
    Append {
        /// The log.
        log: LogId,
        /// Offset of the first record: the log's end.
        base: Offset,
        /// Records in the batch.
        count: u32,
        /// The batch, opaque to the store.
        batch: Bytes,
    },
    /// Rewrites a batch in its place, or ends it. It keeps the commit number it was appended with.
    Replace {
        /// The log.
        log: LogId,
        /// Offset of the batch's first record.
        base: Offset,
        /// Records in the batch.
        count: u32,
        /// What is there from now on.
        batch: Option<Bytes>,
    },
    /// Forgets all of a log below `floor`. `Offset::MAX` ends the log for good.
    TrimTo {
        /// The log.
        log: LogId,
        /// The first offset that is kept.
        floor: Offset,
    },
    /// Sets a value.
    Put {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
    },
    /// Removes a value.
    Delete {
        /// The key.
        key: Bytes,
    },
}

impl Op {
    /// Bytes that it takes in a frame, at most.
    pub(super) fn bytes_max(&self) -> usize {
        /// Numbers, lengths and checksums.
        const FIELDS_BYTES: usize = 80;
        FIELDS_BYTES
            + match self {
                Self::Append { batch, .. } | Self::Replace { batch: Some(batch), .. } => batch.len(),
                Self::Replace { batch: None, .. } | Self::TrimTo { .. } => 0,
                Self::Put { key, value } => key.len() + value.len(),
                Self::Delete { key } => key.len(),
            }
    }
}

/// Where a batch lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The frame.
    pub frame: CommitNo,
    /// Byte in the frame's body.
    pub at: u32,
    /// Bytes.
    pub len: u32,
    /// CRC32C of the batch.
    pub crc: u32,
}

/// An operation as the state applies it: batches by their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Append {
        log: LogId,
        base: Offset,
        count: u32,
        at: u32,
        len: u32,
        crc: u32,
    },
    Replace {
        log: LogId,
        base: Offset,
        count: u32,
        order: CommitNo,
        /// Frame and bytes of what is replaced: what is accounted for there.
        old: (CommitNo, u32),
        place: Option<(u32, u32, u32)>,
    },
    TrimTo {
        log: LogId,
        floor: Offset,
    },
    Put {
        key: Bytes,
        value: Bytes,
    },
    Delete {
        key: Bytes,
    },
}

/// Writes an operation; its batch goes to `batches`. `replaced` tells what is replaced.
pub(super) fn put_op(out: &mut Vec<u8>, op: &Op, replaced: &impl Fn(LogId, Offset) -> Entry, batches: &mut Vec<Bytes>) {
    match op {
        Op::Append { log, base, count, batch } => {
            put_batch(out, 1, [log.0, *base, (*count).into()], batch);
            batches.push(batch.clone());
        }
        Op::Replace { log, base, count, batch: Some(batch) } => {
            put_batch(out, 2, [log.0, *base, (*count).into()], batch);
            let old = replaced(*log, *base);
            [old.order.0, old.place.frame.0, old.place.len.into()].iter().for_each(|n| codec::put_varint(out, *n));
            batches.push(batch.clone());
        }
        Op::Replace { log, base, count, batch: None } => {
            let old = replaced(*log, *base).place;
            put_numbers(out, 3, &[log.0, *base, (*count).into(), old.frame.0, old.len.into()]);
        }
        Op::TrimTo { log, floor } => put_numbers(out, 4, &[log.0, *floor]),
        Op::Put { key, value } => {
            out.put_u8(5);
            codec::put_bytes(out, key);
            codec::put_bytes(out, value);
        }
        Op::Delete { key } => {
            out.put_u8(6);
            codec::put_bytes(out, key);
        }
    }
}

fn put_numbers(out: &mut Vec<u8>, tag: u8, numbers: &[u64]) {
    out.put_u8(tag);
    numbers.iter().for_each(|number| codec::put_varint(out, *number));
}

fn put_batch(out: &mut Vec<u8>, tag: u8, numbers: [u64; 3], batch: &[u8]) {
    put_numbers(out, tag, &numbers);
    codec::put_varint(out, batch.len() as u64);
    out.put_u32_le(crc32c::crc32c(batch));
}

pub(super) fn take_u32(input: &mut &[u8]) -> Result<u32, Malformed> {
    let bytes = codec::take(input, 4)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

pub(super) fn take_small(input: &mut &[u8]) -> Result<u32, Malformed> {
    u32::try_from(codec::take_varint(input)?).map_err(|_| Malformed("a number is beyond 32 bits"))
}

/// Operations whose batches lie from `at` to `end` of the body.
pub(super) fn take_ops(header: &mut &[u8], mut at: usize, end: usize) -> Result<Vec<Change>, Malformed> {
    let mut changes = Vec::new();
    for _ in 0..codec::take_varint(header)? {
        changes.push(take_op(header, &mut at, end)?);
    }
    if at == end { Ok(changes) } else { Err(Malformed("the frame holds more than its batches")) }
}

fn take_op(header: &mut &[u8], at: &mut usize, end: usize) -> Result<Change, Malformed> {
    let tag = codec::take(header, 1)?[0];
    let bytes = |header: &mut &[u8]| codec::take_bytes(header).map(Bytes::copy_from_slice);
    Ok(match tag {
        1..=3 => {
            let (log, base) = (LogId(codec::take_varint(header)?), codec::take_varint(header)?);
            let count = take_small(header)?;
            base.checked_add(count.into()).ok_or(Malformed("an offset is beyond 64 bits"))?;
            match tag {
                1 => {
                    let (at, len, crc) = take_place(header, at, end)?;
                    Change::Append { log, base, count, at, len, crc }
                }
                2 => {
                    let place = Some(take_place(header, at, end)?);
                    let order = CommitNo(codec::take_varint(header)?);
                    Change::Replace { log, base, count, order, old: take_old(header)?, place }
                }
                _ => Change::Replace { log, base, count, order: CommitNo(0), old: take_old(header)?, place: None },
            }
        }
        4 => Change::TrimTo { log: LogId(codec::take_varint(header)?), floor: codec::take_varint(header)? },
        5 => Change::Put { key: bytes(header)?, value: bytes(header)? },
        6 => Change::Delete { key: bytes(header)? },
        _ => return Err(Malformed("an operation is of an unknown kind")),
    })
}

fn take_old(header: &mut &[u8]) -> Result<(CommitNo, u32), Malformed> {
    Ok((CommitNo(codec::take_varint(header)?), take_small(header)?))
}

pub(super) fn take_place(header: &mut &[u8], at: &mut usize, end: usize) -> Result<(u32, u32, u32), Malformed> {
    const BEYOND: Malformed = Malformed("a batch is beyond its frame");
    let len = take_small(header)?;
    let crc = take_u32(header)?;
    let start = *at;
    *at = start.checked_add(len as usize).filter(|after| *after <= end).ok_or(BEYOND)?;
    Ok((u32::try_from(start).map_err(|_| BEYOND)?, len, crc))
}
