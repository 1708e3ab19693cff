//! Cursors as items. A cursor with millions of retries or settled ranges is larger than a frame may be, so its page is cut.

use std::collections::BTreeMap;

use ferrymq_core::codec::Malformed;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::{LogId, QueueId};

use super::items::{Item, key, numbers};

/// Bytes of a page in one item.
const PART_BYTES: usize = 256 << 10;

/// Appends a cursor's items: the begin of its page, then what follows, by number.
pub(super) fn put(queue: QueueId, log: LogId, cursor: &Cursor, items: &mut Vec<Item>) {
    let mut rest = cursor.encode();
    items.push((key(b'c', &[queue.0, log.0]), rest.split_to(rest.len().min(PART_BYTES))));
    for part in 1.. {
        if rest.is_empty() {
            return;
        }
        let value = rest.split_to(rest.len().min(PART_BYTES));
        items.push((key(b'd', &[queue.0, log.0, part]), value));
    }
}

/// The pages of cursors while they are gathered.
#[derive(Default)]
pub(super) struct Pages(BTreeMap<(QueueId, LogId), BTreeMap<u64, Vec<u8>>>);

impl Pages {
    /// Takes an item, if it is part of a page.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) -> Result<bool, Malformed> {
        let (cursor, part) = match key.first() {
            Some(b'c') => (numbers::<2>(key)?, 0),
            Some(b'd') => {
                let [queue, log, part] = numbers(key)?;
                ([queue, log], part)
            }
            _ => return Ok(false),
        };
        let [queue, log] = cursor;
        self.0.entry((QueueId(queue), LogId(log))).or_default().insert(part, value.to_vec());
        Ok(true)
    }

    /// The cursors that they are.
    pub(super) fn cursors(self) -> Result<BTreeMap<(QueueId, LogId), Cursor>, Malformed> {
        let whole = |(name, parts): (_, BTreeMap<u64, Vec<u8>>)| {
            let page: Vec<u8> = parts.into_values().flatten().collect();
            Ok((name, Cursor::decode(&page)?))
        };
        self.0.into_iter().map(whole).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrymq_core::settle::{Progress, Retry};

    #[test]
    fn a_large_cursor_comes_back_from_items_that_fit_into_frames() {
        let mut cursor = Cursor::starting_at(7);
        for offset in 10..100_000 {
            let state = Retry { attempts: 1, failures: 1, not_before_ms: 1_700_000_000_000 + offset };
            cursor.apply(&Progress::Retry { offset, state });
        }
        let small = Cursor::starting_at(3);
        let mut items = Vec::new();
        put(QueueId(1), LogId(2), &cursor, &mut items);
        put(QueueId(1), LogId(3), &small, &mut items);
        assert!(items.len() > 3 && items.iter().all(|(_, value)| value.len() <= PART_BYTES));
        let mut pages = Pages::default();
        items.reverse();
        assert!(items.iter().all(|(key, value)| pages.take(key, value) == Ok(true)));
        let cursors = pages.cursors().unwrap();
        assert_eq!(cursors[&(QueueId(1), LogId(2))], cursor);
        assert_eq!(cursors[&(QueueId(1), LogId(3))], small);
    }
}
