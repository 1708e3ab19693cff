//! Index pages: read from their frames when they are needed, the last used ones kept up to a number of bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ferrymq_core::{CommitNo, LogId, Offset};

use super::entry::{self, Entries, Entry};
use super::log_index::{Loaded, LogState, Missing};
use super::op::Place;
use super::{Inner, StoreError};
use crate::frame_log::LogError;

type Key = (CommitNo, u32);

/// The least recently used go first.
#[derive(Debug, Default)]
pub(super) struct PageCache {
    pages: HashMap<Key, (u64, Arc<Entries>)>,
    used: BTreeMap<u64, Key>,
    uses: u64,
    bytes: usize,
    bytes_max: usize,
}

fn bytes_of(page: &Entries) -> usize {
    page.len() * size_of::<(Offset, Entry)>() + size_of::<(Key, u64, Key, Entries)>()
}

impl PageCache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn get(&mut self, place: Place) -> Option<Arc<Entries>> {
        let (used, page) = self.pages.get_mut(&(place.frame, place.at))?;
        self.uses += 1;
        self.used.remove(used);
        *used = self.uses;
        self.used.insert(self.uses, (place.frame, place.at));
        Some(page.clone())
    }

    fn insert(&mut self, place: Place, page: Arc<Entries>) {
        let key = (place.frame, place.at);
        if self.pages.contains_key(&key) {
            return;
        }
        self.uses += 1;
        self.bytes += bytes_of(&page);
        self.pages.insert(key, (self.uses, page));
        self.used.insert(self.uses, key);
        while self.bytes > self.bytes_max {
            let Some((_, key)) = self.used.pop_first() else { break };
            self.bytes -= self.pages.remove(&key).map_or(0, |(_, page)| bytes_of(&page));
        }
    }
}

impl Inner {
    /// The index page at `place`.
    pub(super) async fn page(&self, place: Place) -> Result<Arc<Entries>, StoreError> {
        if let Some(page) = self.pages().get(place) {
            return Ok(page);
        }
        let bytes = self.frames.get_part(place.frame, place.at, place.len).await?;
        let found = (crc32c::crc32c(&bytes) == place.crc).then(|| entry::decode(&bytes).ok()).flatten();
        let page = Arc::new(found.ok_or_else(|| damaged(place, "an index page"))?);
        self.pages().insert(place, page.clone());
        Ok(page)
    }

    /// Asks a log, loading the index pages that the answer needs. A log that is not there has no answer.
    pub(super) async fn ask<T>(
        &self,
        log: LogId,
        loaded: &mut Loaded,
        question: impl Fn(&LogState, &Loaded) -> Result<T, Missing>,
    ) -> Result<Option<T>, StoreError> {
        loop {
            let missing = match self.state().logs.get(&log).map(|state| question(state, loaded)) {
                None => return Ok(None),
                Some(Ok(answer)) => return Ok(Some(answer)),
                Some(Err(Missing(place))) => place,
            };
            loaded.insert(missing, self.page(missing).await?);
        }
    }
}

/// What lies at `place` is not what was written there.
pub(super) fn damaged(place: Place, what: &str) -> StoreError {
    let what = format!("{what} differs from its checksum");
    let file = "frame".to_owned();
    StoreError::Log(LogError::Damaged { file, offset: place.at.into(), commit: place.frame.0, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_go_first() {
        let page = || Arc::new(vec![(1, Entry::gone(1)); 10]);
        let place = |frame| Place { frame: CommitNo(frame), at: 0, len: 9, crc: 0 };
        let mut cache = PageCache::new(bytes_of(&page()) * 2);
        cache.insert(place(1), page());
        cache.insert(place(2), page());
        cache.insert(place(2), page());
        assert!(cache.get(place(1)).is_some());
        cache.insert(place(3), page());
        assert!(cache.get(place(2)).is_none());
        assert!(cache.get(place(1)).is_some() && cache.get(place(3)).is_some());
        assert_eq!(cache.bytes(), bytes_of(&page()) * 2);
        let mut none = PageCache::new(0);
        none.insert(place(1), page());
        assert_eq!((none.bytes(), none.get(place(1))), (0, None));
    }
}
