//! Settlements as records: what the settle log is made of.
//!
//! A record is absolute: applied twice it changes nothing the second time. Layout of a list: version (u8 = 1), then for
//! each record queue, log (varints), kind (u8) and the kind's own varints.

use bytes::{BufMut as _, Bytes};

use crate::codec::{self, Malformed};
use crate::{LogId, Millis, Offset, QueueId};

const VERSION: u8 = 1;

/// A change of one queue's progress over one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleRecord {
    /// The queue.
    pub queue: QueueId,
    /// The log.
    pub log: LogId,
    /// What changes.
    pub change: Progress,
}

/// What changes in a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// All of [from, to) is settled.
    Settled {
        /// First offset.
        from: Offset,
        /// After the last.
        to: Offset,
    },
    /// A message will be delivered again.
    Retry {
        /// Which.
        offset: Offset,
        /// How it stands.
        state: Retry,
    },
    /// Nothing at or above `upto` has been sent.
    Sent {
        /// The bound.
        upto: Offset,
    },
    /// The cursor was moved: it starts anew, and all that was known above its floor is forgotten.
    Anew {
        /// All below is settled.
        floor: Offset,
        /// The bound of what may have been sent, as it stays.
        sent: Offset,
        /// How often it was moved.
        generation: u64,
    },
}

/// How a message that was given back stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retry {
    /// Deliveries so far.
    pub attempts: u32,
    /// Failures so far.
    pub failures: u32,
    /// When it may be delivered again.
    pub not_before_ms: Millis,
}

/// Encodes a list.
#[must_use]
pub fn encode(records: &[SettleRecord]) -> Bytes {
    let mut out = Vec::with_capacity(1 + records.len() * 12);
    out.put_u8(VERSION);
    for record in records {
        codec::put_varint(&mut out, record.queue.0);
        codec::put_varint(&mut out, record.log.0);
        put_progress(&mut out, &record.change);
    }
    codec::freeze(out)
}

fn put_progress(out: &mut Vec<u8>, change: &Progress) {
    let mut put = |kind: u8, numbers: &[u64]| {
        out.put_u8(kind);
        numbers.iter().for_each(|number| codec::put_varint(out, *number));
    };
    match *change {
        Progress::Settled { from, to } => put(1, &[from, to.saturating_sub(from)]),
        Progress::Retry { offset, state } => {
            put(2, &[offset, state.attempts.into(), state.failures.into(), state.not_before_ms]);
        }
        Progress::Sent { upto } => put(3, &[upto]),
        Progress::Anew { floor, sent, generation } => put(4, &[floor, sent, generation]),
    }
}

/// Decodes a list.
///
/// # Errors
/// If the bytes are no such list.
pub fn decode(bytes: &[u8]) -> Result<Vec<SettleRecord>, Malformed> {
    let mut input = bytes;
    if codec::take(&mut input, 1)? != [VERSION] {
        return Err(Malformed("the settlements are of an unknown version"));
    }
    let mut records = Vec::new();
    while !input.is_empty() {
        let queue = QueueId(codec::take_varint(&mut input)?);
        let log = LogId(codec::take_varint(&mut input)?);
        records.push(SettleRecord { queue, log, change: take_progress(&mut input)? });
    }
    Ok(records)
}

fn take_progress(input: &mut &[u8]) -> Result<Progress, Malformed> {
    let kind = codec::take(input, 1)?[0];
    let mut number = || codec::take_varint(input);
    match kind {
        1 => {
            let from = number()?;
            let to = from.checked_add(number()?).ok_or(Malformed("a range is beyond 64 bits"))?;
            Ok(Progress::Settled { from, to })
        }
        2 => {
            let offset = number()?;
            let narrow = |value: u64| u32::try_from(value).map_err(|_| Malformed("a count is beyond 32 bits"));
            let state = Retry { attempts: narrow(number()?)?, failures: narrow(number()?)?, not_before_ms: number()? };
            Ok(Progress::Retry { offset, state })
        }
        3 => Ok(Progress::Sent { upto: number()? }),
        4 => Ok(Progress::Anew { floor: number()?, sent: number()?, generation: number()? }),
        _ => Err(Malformed("a settlement is of an unknown kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn progress() -> impl Strategy<Value = Progress> {
        prop_oneof![
            (any::<u32>(), any::<u32>())
                .prop_map(|(from, len)| Progress::Settled { from: from.into(), to: u64::from(from) + u64::from(len) }),
            (any::<u64>(), any::<u32>(), any::<u32>(), any::<u64>()).prop_map(
                |(offset, attempts, failures, not_before_ms)| Progress::Retry {
                    offset,
                    state: Retry { attempts, failures, not_before_ms }
                }
            ),
            any::<u64>().prop_map(|upto| Progress::Sent { upto }),
            (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(floor, sent, generation)| Progress::Anew {
                floor,
                sent,
                generation
            }),
        ]
    }

    proptest! {
        #[test]
        fn comes_back(parts in prop::collection::vec((any::<u64>(), any::<u64>(), progress()), 0..20)) {
            let records: Vec<SettleRecord> = parts.into_iter()
                .map(|(queue, log, change)| SettleRecord { queue: QueueId(queue), log: LogId(log), change }).collect();
            prop_assert_eq!(decode(&encode(&records)).unwrap(), records);
        }

        #[test]
        fn never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(first) = bytes.first_mut() { *first = VERSION; }
            let _ = decode(&bytes);
        }
    }
}
