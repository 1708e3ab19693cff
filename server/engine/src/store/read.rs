//! Reading batches: from the cache, or else from the frames, neighbours in one go.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use ferrymq_core::{LogId, Offset};

use super::entry::{Entries, Entry};
use super::log_index::{Loaded, LogState, Missing};
use super::pages::damaged;
use super::{Inner, Store, StoreError, StoredBatch};
use crate::frame_log::LogError;

/// How often a read is tried again because what it found in the index was moved or trimmed meanwhile.
const TRIES: usize = 4;

impl Store {
    /// Batches of `log` in order, from the one that holds `from` (or the next that is kept), until they exceed
    /// `bytes_max`; at least one if there is any.
    ///
    /// # Errors
    /// If a batch cannot be read or is damaged.
    pub async fn read(&self, log: LogId, from: Offset, bytes_max: usize) -> Result<Vec<StoredBatch>, StoreError> {
        for _ in 1..TRIES {
            match self.inner.read_once(log, from, bytes_max).await {
                Err(StoreError::Log(LogError::NotThere(_))) => {}
                answer => return answer,
            }
        }
        self.inner.read_once(log, from, bytes_max).await
    }

    /// Up to `count_max` batches of `log` from the one that holds `from`: for each its first offset, the offset behind its
    /// last, and its bytes. Only the index is read.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub async fn extents(
        &self,
        log: LogId,
        from: Offset,
        count_max: usize,
    ) -> Result<Vec<(Offset, Offset, u64)>, StoreError> {
        let take = |state: &LogState, loaded: &Loaded| next_batches(state, from, count_max, loaded);
        let found = self.inner.ask(log, &mut Loaded::default(), take).await?.unwrap_or_default();
        Ok(found.into_iter().map(|(base, entry)| (base, entry.end(base), entry.place.len.into())).collect())
    }
}

impl Inner {
    async fn read_once(&self, log: LogId, from: Offset, bytes_max: usize) -> Result<Vec<StoredBatch>, StoreError> {
        let wanted = self.find(log, from, bytes_max).await?;
        let mut batches = Vec::with_capacity(wanted.len());
        let mut at = 0;
        while let Some((base, entry, cached)) = wanted.get(at) {
            if let Some(bytes) = cached {
                batches.push(stored(log, *base, entry, bytes.clone()));
                at += 1;
                continue;
            }
            let run = neighbours(&wanted[at..]);
            let bytes = self.fetch(&wanted[at].1, &wanted[at + run - 1].1).await?;
            for (base, entry, _) in &wanted[at..at + run] {
                let start = (entry.place.at - wanted[at].1.place.at) as usize;
                batches.push(stored(log, *base, entry, checked(entry, &bytes, start)?));
            }
            self.keep_read(&wanted[at..at + run], &batches[at..]);
            at += run;
        }
        Ok(batches)
    }

    /// A queue looks at its messages some time before it sends them.
    fn keep_read(&self, wanted: &[(Offset, Entry, Option<Bytes>)], read: &[StoredBatch]) {
        let mut cache = self.cache();
        for ((base, entry, _), batch) in wanted.iter().zip(read) {
            cache.insert_read(batch.log, *base, entry.place.frame, batch.bytes.clone());
        }
    }

    async fn find(
        &self,
        log: LogId,
        mut from: Offset,
        bytes_max: usize,
    ) -> Result<Vec<(Offset, Entry, Option<Bytes>)>, StoreError> {
        let (mut found, mut bytes, mut loaded) = (Entries::new(), 0, Loaded::default());
        loop {
            let take = |state: &LogState, loaded: &Loaded| take_from(state, from, (bytes, bytes_max), loaded);
            let Some((batches, taken, done)) = self.ask(log, &mut loaded, take).await? else { break };
            found.extend(batches);
            bytes = taken;
            from = found.last().map_or(from, |(base, entry)| entry.end(*base));
            if done {
                break;
            }
        }
        let cache = self.cache();
        let with_bytes = |(base, entry): (Offset, Entry)| (base, entry, cache.get(log, base, entry.place.frame));
        let found: Vec<_> = found.into_iter().map(with_bytes).collect();
        let hits = found.iter().filter(|(.., cached)| cached.is_some()).count() as u64;
        self.counters.cache_hits.fetch_add(hits, Ordering::Relaxed);
        self.counters.cache_misses.fetch_add(found.len() as u64 - hits, Ordering::Relaxed);
        Ok(found)
    }

    async fn fetch(&self, first: &Entry, last: &Entry) -> Result<Bytes, StoreError> {
        let len = last.place.at - first.place.at + last.place.len;
        Ok(self.frames.get_part(first.place.frame, first.place.at, len).await?)
    }

    /// One batch, by its index entry.
    pub(super) async fn fetch_one(&self, entry: &Entry) -> Result<Bytes, StoreError> {
        let bytes = self.fetch(entry, entry).await?;
        checked(entry, &bytes, 0)
    }
}

/// Batches from `from` on until all are more than `bytes.1` (`bytes.0` were there before), or an index page is missing;
/// the bytes then, and whether that is all.
fn take_from(
    state: &LogState,
    mut from: Offset,
    (mut bytes, bytes_max): (usize, usize),
    loaded: &Loaded,
) -> Result<(Entries, usize, bool), Missing> {
    let mut batches = Entries::new();
    while bytes == 0 || bytes < bytes_max {
        match state.next_from(from, loaded) {
            Ok(Some((base, entry))) => {
                from = entry.end(base);
                bytes = bytes.saturating_add((entry.place.len as usize).max(1));
                batches.push((base, entry));
            }
            Ok(None) => break,
            Err(missing) if batches.is_empty() => return Err(missing),
            Err(_) => return Ok((batches, bytes, false)),
        }
    }
    Ok((batches, bytes, true))
}

/// Up to `count_max` batches, as far as the index is in memory, but at least one.
pub(super) fn next_batches(
    state: &LogState,
    mut from: Offset,
    count_max: usize,
    loaded: &Loaded,
) -> Result<Entries, Missing> {
    let mut batches = Entries::new();
    while batches.len() < count_max {
        match state.next_from(from, loaded) {
            Ok(Some((base, entry))) => {
                from = entry.end(base);
                batches.push((base, entry));
            }
            Err(missing) if batches.is_empty() => return Err(missing),
            Ok(None) | Err(_) => break,
        }
    }
    Ok(batches)
}

/// How many batches from the first on lie behind each other in its frame, none of them cached.
fn neighbours(wanted: &[(Offset, Entry, Option<Bytes>)]) -> usize {
    let together = |pair: &[(Offset, Entry, Option<Bytes>)]| {
        let (one, next) = (&pair[0].1.place, &pair[1].1.place);
        pair[1].2.is_none() && one.frame == next.frame && one.at + one.len == next.at
    };
    1 + wanted.windows(2).take_while(|pair| together(pair)).count()
}

fn stored(log: LogId, base: Offset, entry: &Entry, bytes: Bytes) -> StoredBatch {
    StoredBatch { log, base, count: entry.count, commit: entry.order, bytes }
}

fn checked(entry: &Entry, bytes: &Bytes, start: usize) -> Result<Bytes, StoreError> {
    let end = start + entry.place.len as usize;
    let whole = (end <= bytes.len()).then(|| bytes.slice(start..end));
    let whole = whole.filter(|batch| crc32c::crc32c(batch) == entry.place.crc);
    whole.ok_or_else(|| damaged(entry.place, "a batch"))
}
