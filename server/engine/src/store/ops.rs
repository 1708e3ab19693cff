//! Operations, and the frame that holds a list of them.
//!
//! Body of a frame: length of the head (u32, little-endian), the head, then the batches one after the other. The head: version
//! (u8 = 1), then for each operation its kind (u8) and its fields (varints, and bytes behind their length). Every operation is
//! absolute: applied twice it changes nothing the second time.

use bytes::{BufMut as _, Bytes};
use ferrymq_core::codec::{self, Malformed};
use ferrymq_core::{LogId, Offset, QueueId};

const VERSION: u8 = 1;

/// One change of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Adds a batch at the end of a log.
    Append {
        /// The log.
        log: LogId,
        /// Offset of its first record.
        base: Offset,
        /// How many records.
        count: u32,
        /// The batch.
        batch: Bytes,
    },
    /// All of a log below `floor` is needed no more.
    TrimTo {
        /// The log.
        log: LogId,
        /// The first offset that is kept.
        floor: Offset,
    },
    /// Sets a key.
    Put {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
    },
    /// Removes a key.
    Delete {
        /// The key.
        key: Bytes,
    },
    /// Part of a state image: a cursor.
    Cursor {
        /// Whose.
        queue: QueueId,
        /// Over which log.
        log: LogId,
        /// Its page.
        page: Bytes,
    },
    /// Part of a state image: how far a log reaches.
    Log {
        /// The log.
        log: LogId,
        /// The first offset that is kept.
        first: Offset,
        /// After the last.
        end: Offset,
    },
    /// First in its commit: a state image begins; what it holds counts once it is whole.
    ImageBegin,
    /// First in its commit: the image goes on. A commit without either abandons an image that is not whole.
    ImagePart,
    /// The image is whole: it replaces all state of commits before it.
    ImageEnd,
}

/// Encodes the head: all but the batches.
pub(super) fn encode_head(ops: &[Op]) -> Bytes {
    let mut head = vec![0; 4];
    head.put_u8(VERSION);
    ops.iter().for_each(|op| put_op(&mut head, op));
    let len = (head.len() - 4) as u32;
    head[..4].copy_from_slice(&len.to_le_bytes());
    codec::freeze(head)
}

fn put_op(head: &mut Vec<u8>, op: &Op) {
    let mut numbers = |kind: u8, numbers: &[u64]| {
        head.put_u8(kind);
        numbers.iter().for_each(|number| codec::put_varint(head, *number));
    };
    match op {
        Op::Append { log, base, count, batch } => numbers(1, &[log.0, *base, u64::from(*count), batch.len() as u64]),
        Op::TrimTo { log, floor } => numbers(2, &[log.0, *floor]),
        Op::Put { key, value } => {
            numbers(3, &[]);
            codec::put_bytes(head, key);
            codec::put_bytes(head, value);
        }
        Op::Delete { key } => {
            numbers(4, &[]);
            codec::put_bytes(head, key);
        }
        Op::Cursor { queue, log, page } => {
            numbers(5, &[queue.0, log.0]);
            codec::put_bytes(head, page);
        }
        Op::Log { log, first, end } => numbers(6, &[log.0, *first, *end]),
        Op::ImageBegin => numbers(7, &[]),
        Op::ImageEnd => numbers(8, &[]),
        Op::ImagePart => numbers(9, &[]),
    }
}

/// Decodes a frame's body; with each append where its batch begins in the body.
pub(super) fn decode(body: &Bytes) -> Result<Vec<(Op, u32)>, Malformed> {
    let mut input: &[u8] = body;
    let len = codec::take(&mut input, 4)?;
    let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]);
    let mut head = codec::take(&mut input, u64::from(len))?;
    if codec::take(&mut head, 1)? != [VERSION] {
        return Err(Malformed("the commit is of an unknown version"));
    }
    let mut ops = Vec::new();
    let mut at = body.len() - input.len();
    while !head.is_empty() {
        let op = take_op(&mut head, body, &mut at)?;
        let place = if let Op::Append { batch, .. } = &op { at - batch.len() } else { 0 };
        ops.push((op, place as u32));
    }
    Ok(ops)
}

fn take_op(head: &mut &[u8], body: &Bytes, at: &mut usize) -> Result<Op, Malformed> {
    let kind = codec::take(head, 1)?[0];
    let own = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    Ok(match kind {
        1 => {
            let (log, base) = (LogId(codec::take_varint(head)?), codec::take_varint(head)?);
            let count = u32::try_from(codec::take_varint(head)?).map_err(|_| Malformed("a count is beyond 32 bits"))?;
            let len = usize::try_from(codec::take_varint(head)?).map_err(|_| Malformed("a batch is cut off"))?;
            let end = at.checked_add(len).filter(|end| *end <= body.len()).ok_or(Malformed("a batch is cut off"))?;
            let batch = body.slice(*at..end);
            *at = end;
            Op::Append { log, base, count, batch }
        }
        2 => Op::TrimTo { log: LogId(codec::take_varint(head)?), floor: codec::take_varint(head)? },
        3 => Op::Put { key: own(codec::take_bytes(head)?), value: own(codec::take_bytes(head)?) },
        4 => Op::Delete { key: own(codec::take_bytes(head)?) },
        5 => Op::Cursor {
            queue: QueueId(codec::take_varint(head)?),
            log: LogId(codec::take_varint(head)?),
            page: own(codec::take_bytes(head)?),
        },
        6 => Op::Log {
            log: LogId(codec::take_varint(head)?),
            first: codec::take_varint(head)?,
            end: codec::take_varint(head)?,
        },
        7 => Op::ImageBegin,
        8 => Op::ImageEnd,
        9 => Op::ImagePart,
        _ => return Err(Malformed("an operation is of an unknown kind")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from)
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (any::<u64>(), any::<u64>(), any::<u32>(), bytes()).prop_map(|(log, base, count, batch)| Op::Append {
                log: LogId(log),
                base,
                count,
                batch
            }),
            (any::<u64>(), any::<u64>()).prop_map(|(log, floor)| Op::TrimTo { log: LogId(log), floor }),
            (bytes(), bytes()).prop_map(|(key, value)| Op::Put { key, value }),
            bytes().prop_map(|key| Op::Delete { key }),
            (any::<u64>(), any::<u64>(), bytes()).prop_map(|(queue, log, page)| Op::Cursor {
                queue: QueueId(queue),
                log: LogId(log),
                page
            }),
            (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(log, first, end)| Op::Log {
                log: LogId(log),
                first,
                end
            }),
            Just(Op::ImageBegin),
            Just(Op::ImageEnd),
            Just(Op::ImagePart),
        ]
    }

    proptest! {
        #[test]
        fn a_commit_comes_back_with_the_places_of_its_batches(ops in prop::collection::vec(op(), 0..12)) {
            let mut body = encode_head(&ops).to_vec();
            for op in &ops {
                if let Op::Append { batch, .. } = op { body.extend_from_slice(batch); }
            }
            let body = Bytes::from(body);
            let found = decode(&body).unwrap();
            for (op, at) in &found {
                if let Op::Append { batch, .. } = op {
                    prop_assert_eq!(&body[*at as usize..*at as usize + batch.len()], &batch[..]);
                }
            }
            prop_assert_eq!(found.into_iter().map(|(op, _)| op).collect::<Vec<_>>(), ops);
        }

        #[test]
        fn other_bytes_never_panic(head in prop::collection::vec(any::<u8>(), 0..60), rest in bytes()) {
            let mut body = (head.len() as u32 + 1).to_le_bytes().to_vec();
            body.push(VERSION);
            body.extend(head);
            body.extend(rest);
            let _ = decode(&body.into());
        }
    }
}
