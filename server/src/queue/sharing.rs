//! Whether deliveries are slices of their batch. A slice keeps the whole batch in memory until it is sent: where few messages
//! of a large batch go out, such as those that come again, each would keep much more than its consumer's window counts.

use std::ops::Range;

use bytes::Bytes;
use ferrymq_core::batch::Batch;
use ferrymq_core::queue::Assignment;
use ferrymq_core::{LogId, Offset};

/// A batch is shared if at least one part of so many of it goes out together.
const PART: u64 = 4;

/// What was found out of the batch of the last delivery.
#[derive(Default)]
pub(super) struct Sharing {
    of: Option<(LogId, Range<Offset>)>,
    is_sparse: bool,
}

impl Sharing {
    /// The message as it is to be sent: the first of `assigned`, which is the one at `index` of `batch`.
    pub(super) fn message(&mut self, message: Bytes, assigned: &[Assignment], batch: &Batch, index: usize) -> Bytes {
        let Some(first) = assigned.first() else { return message };
        let is_known = self.of.as_ref().is_some_and(|(log, range)| *log == first.log && range.contains(&first.offset));
        if !is_known {
            let base = first.offset - index as u64;
            let range = base..base + batch.len() as u64;
            self.is_sparse = is_sparse(assigned, first.log, &range, batch);
            self.of = Some((first.log, range));
        }
        if self.is_sparse { Bytes::copy_from_slice(&message) } else { message }
    }
}

fn is_sparse(assigned: &[Assignment], log: LogId, range: &Range<Offset>, batch: &Batch) -> bool {
    let beside = assigned.iter().take_while(|other| other.log == log && range.contains(&other.offset));
    let bytes: u64 = beside.map(|other| u64::from(batch.message_len((other.offset - range.start) as usize))).sum();
    bytes * PART < batch.size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(offsets: Range<Offset>) -> Vec<Assignment> {
        offsets.map(|offset| Assignment { consumer: 1, log: LogId(7), offset, delivery: offset, attempt: 1 }).collect()
    }

    fn is_shared(sent: &Bytes, batch: &Batch, index: usize) -> bool {
        sent.as_ptr() == batch.message(index).as_ptr()
    }

    fn batch() -> Batch {
        let message = [b'x'; 100];
        let records = (0..100).map(|_| (&[][..], &message[..]));
        Batch::parse(ferrymq_core::batch::encode(0, false, records)).expect("a batch")
    }

    #[test]
    fn few_messages_of_a_batch_do_not_keep_all_of_it() {
        let (batch, mut sharing) = (batch(), Sharing::default());
        for offset in [503, 504] {
            let index = (offset - 500) as usize;
            let sent = sharing.message(batch.message(index), &assigned(offset..505), &batch, index);
            assert_eq!(sent, batch.message(index));
            assert!(!is_shared(&sent, &batch, index));
        }
    }

    #[test]
    fn many_messages_of_a_batch_are_slices_of_it() {
        let (batch, mut sharing) = (batch(), Sharing::default());
        let whole = assigned(500..600);
        for (at, _) in whole.iter().enumerate() {
            assert!(is_shared(&sharing.message(batch.message(at), &whole[at..], &batch, at), &batch, at));
        }
    }

    #[test]
    fn each_batch_is_looked_at_by_itself() {
        let (batch, mut sharing) = (batch(), Sharing::default());
        let many = assigned(0..100);
        assert!(is_shared(&sharing.message(batch.message(0), &many, &batch, 0), &batch, 0));
        let one = assigned(130..131);
        assert!(!is_shared(&sharing.message(batch.message(30), &one, &batch, 30), &batch, 30));
    }
}
