//! Filters that broadcasts have in common: compiled once for each text, and tried once for each message, however many
//! broadcasts ask. What is in a log never changes, so what was said of it once is true for all.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ferrymq_core::filter::{Filter, MessageView};
use ferrymq_core::{LogId, Offset};

/// Messages that are noted together.
const BLOCK: u64 = 64;
/// Most blocks that are kept for one filter: a broadcast that is further behind tries it again.
const BLOCKS_MAX: usize = 4_096;
/// Fewer texts than this are never looked through for those that nobody uses any more.
const TEXTS_MIN: usize = 64;

/// Those in use, by text. The lock is held for a look-up only.
#[derive(Default)]
pub struct SharedFilters(Mutex<Texts>);

#[derive(Default)]
struct Texts {
    filters: HashMap<String, Weak<SharedFilter>>,
    /// How many were left when they were last looked through.
    kept: usize,
}

/// A compiled filter, and what it said of the messages that were asked about last.
pub struct SharedFilter {
    filter: Filter,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    blocks: HashMap<(LogId, u64), Block>,
    order: VecDeque<(LogId, u64)>,
}

/// A bit for each message of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    known: u64,
    says: u64,
}

impl SharedFilters {
    /// The filter of a text; `compiled` if nobody uses it yet.
    pub fn share(&self, text: &str, compiled: Filter) -> Arc<SharedFilter> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(filter) = texts.filters.get(text).and_then(Weak::upgrade) {
            return filter;
        }
        if texts.filters.len() >= TEXTS_MIN.max(2 * texts.kept) {
            texts.filters.retain(|_, filter| filter.strong_count() > 0);
            texts.kept = texts.filters.len();
        }
        let filter = Arc::new(SharedFilter { filter: compiled, said: Mutex::default() });
        texts.filters.insert(text.to_owned(), Arc::downgrade(&filter));
        filter
    }
}

impl SharedFilter {
    /// Begins to ask about messages of a log, best in the order of their offsets.
    pub fn ask(&self, log: LogId) -> Asking<'_> {
        Asking { filter: self, log, at: None }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader's questions. What it found out is told to the others when a block is done.
pub struct Asking<'a> {
    filter: &'a SharedFilter,
    log: LogId,
    /// The block that it is in, and what of it was known before.
    at: Option<(u64, Block, u64)>,
}

impl Asking<'_> {
    /// True if the filter matches the message at `offset`.
    pub fn matches(&mut self, offset: Offset, message: &[u8]) -> bool {
        let (number, bit) = (offset / BLOCK, 1_u64 << (offset % BLOCK));
        let (_, mut block, before) = match self.at {
            Some(at) if at.0 == number => at,
            _ => self.enter(number),
        };
        if block.known & bit == 0 {
            block.known |= bit;
            block.says |= if self.filter.filter.matches(&MessageView::new(message)) { bit } else { 0 };
            self.at = Some((number, block, before));
        }
        block.says & bit != 0
    }

    fn enter(&mut self, number: u64) -> (u64, Block, u64) {
        self.tell();
        let block = self.filter.said().blocks.get(&(self.log, number)).copied().unwrap_or_default();
        *self.at.insert((number, block, block.known))
    }

    fn tell(&mut self) {
        let Some((number, block, before)) = self.at.take().filter(|(_, block, before)| block.known != *before) else {
            return;
        };
        debug_assert_eq!(block.known & before, before);
        let mut said = self.filter.said();
        let key = (self.log, number);
        let there = said.blocks.entry(key).or_default();
        let is_new = there.known == 0;
        there.known |= block.known;
        there.says |= block.says;
        if is_new {
            said.order.push_back(key);
        }
        if said.order.len() > BLOCKS_MAX
            && let Some(oldest) = said.order.pop_front()
        {
            said.blocks.remove(&oldest);
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId(3);

    fn compiled() -> Filter {
        Filter::parse("routing_key == 'a'").unwrap()
    }

    /// Encoded, with this routing key.
    fn message(key: &str) -> Vec<u8> {
        [&[3 << 3 | 2, key.len() as u8], key.as_bytes()].concat()
    }

    #[test]
    fn a_message_is_tried_once_for_all_who_share_a_text() {
        let filters = SharedFilters::default();
        let (one, two) = (filters.share("x", compiled()), filters.share("x", compiled()));
        assert!(Arc::ptr_eq(&one, &two) && !Arc::ptr_eq(&one, &filters.share("y", compiled())));
        let mut asking = one.ask(LOG);
        let said: Vec<bool> =
            (0..200).map(|offset| asking.matches(offset, &message(if offset % 3 == 0 { "a" } else { "b" }))).collect();
        drop(asking);
        assert_eq!(said, (0..200).map(|offset| offset % 3 == 0).collect::<Vec<_>>());
        // What is given here would match everywhere: it is not looked at.
        let mut asking = two.ask(LOG);
        assert_eq!((0..200).map(|offset| asking.matches(offset, &message("a"))).collect::<Vec<_>>(), said);
        assert!(asking.matches(200, &message("a")) && !asking.matches(201, &message("b")));
        assert!(two.ask(LogId(4)).matches(1, &message("a")), "another log has other messages");
    }

    #[test]
    fn what_is_kept_stays_within_its_bounds() {
        let filters = SharedFilters::default();
        let filter = filters.share("x", compiled());
        let mut asking = filter.ask(LOG);
        for block in 0..2 * BLOCKS_MAX as u64 {
            asking.matches(block * BLOCK, &message("a"));
        }
        drop(asking);
        let said = filter.said();
        assert!(said.blocks.len() == BLOCKS_MAX && said.order.len() == BLOCKS_MAX);
        for number in 0..1_000 {
            filters.share(&number.to_string(), compiled());
        }
        assert!(filters.0.lock().unwrap().filters.len() <= TEXTS_MIN + 1);
    }
}
