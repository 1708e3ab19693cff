//! The index in its frames: memory stays bounded, and every batch is found, whatever became of the pages that it was in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod wrapped;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::{CommitNo, LogId, Offset};
use ferrymq_engine::frame_log::FrameLog as _;
use ferrymq_engine::memory::MemoryLog;
use ferrymq_engine::store::{Op, Store, StoreOptions};
use wrapped::Wrapped;

const LOG: LogId = LogId(2);

fn options() -> StoreOptions {
    StoreOptions {
        cache_bytes_max: 0,
        checkpoint_every_bytes: 256 << 10,
        index_bytes_max: 32 << 10,
        index_cache_bytes_max: 16 << 10,
        index_page_batches: 64,
        stretch_bytes: 64 << 10,
        ..StoreOptions::default()
    }
}

async fn open(log: &MemoryLog) -> Store {
    Store::open(Arc::new(log.reopen()), options()).await.unwrap()
}

/// What the store holds, by log and offset; and the store.
struct Held {
    store: Store,
    batches: BTreeMap<(LogId, Offset), Bytes>,
    fill: u64,
}

impl Held {
    async fn new(log: &MemoryLog) -> Self {
        Self { store: open(log).await, batches: BTreeMap::new(), fill: 0 }
    }

    fn batch(&mut self) -> Bytes {
        self.fill += 1;
        Bytes::from(self.fill.to_le_bytes().repeat(4))
    }

    async fn commit(&self, ops: Vec<Op>) {
        self.store.commit(ops, false).await.unwrap();
        // Lets what is done beside the commits go on.
        tokio::task::yield_now().await;
        let stats = self.store.stats();
        // The newest part may grow to four times its size while it is written; a page's reference takes less than 256 bytes.
        let bytes_max = 4 * (32 << 10) + 256 * stats.index_pages + 4_096;
        assert!(stats.index_bytes <= bytes_max && stats.index_cache_bytes <= 16 << 10, "{stats:?}");
    }

    /// One commit with a batch of one record for each of `logs`.
    async fn append(&mut self, logs: impl Iterator<Item = LogId>) {
        let mut ends: BTreeMap<LogId, Offset> = BTreeMap::new();
        let mut ops = Vec::new();
        for log in logs {
            let end = ends.entry(log).or_insert_with(|| self.store.end(log));
            let (base, batch) = (*end, self.batch());
            *end += 1;
            self.batches.insert((log, base), batch.clone());
            ops.push(Op::Append { log, base, count: 1, batch });
        }
        self.commit(ops).await;
    }

    async fn trim(&mut self, log: LogId, floor: Offset) {
        self.batches.retain(|(of, base), _| *of != log || *base >= floor);
        self.commit(vec![Op::TrimTo { log, floor }]).await;
    }

    async fn replace(&mut self, log: LogId, base: Offset, batch: Option<Bytes>) {
        match &batch {
            Some(batch) => self.batches.insert((log, base), batch.clone()),
            None => self.batches.remove(&(log, base)),
        };
        self.commit(vec![Op::Replace { log, base, count: 1, batch }]).await;
    }

    async fn check(&self) {
        let logs: std::collections::BTreeSet<LogId> = self.batches.keys().map(|(log, _)| *log).collect();
        let mut found = BTreeMap::new();
        for log in logs {
            let mut from = 0;
            while let Some(last) = {
                let read = self.store.read(log, from, 1 << 10).await.unwrap();
                let last = read.last().map(|batch| batch.base);
                found.extend(read.into_iter().map(|batch| ((log, batch.base), batch.bytes)));
                last
            } {
                from = last + 1;
            }
        }
        assert!(found == self.batches, "{} found, {} held", found.len(), self.batches.len());
    }

    /// Opens it anew, as after a crash.
    async fn restart(&mut self, log: &MemoryLog) {
        let (digest, before) = (self.store.digest(), self.store.stats());
        self.store = open(log).await;
        let after = self.store.stats();
        assert_eq!(self.store.digest(), digest);
        assert_eq!((after.live_bytes, after.batches), (before.live_bytes, before.batches));
        assert_eq!((after.index_pages, after.index_bytes), (before.index_pages, before.index_bytes));
        self.check().await;
    }
}

#[tokio::test]
async fn a_long_backlog_of_small_batches_takes_little_memory_and_is_all_there() {
    let log = MemoryLog::new();
    let mut held = Held::new(&log).await;
    for _ in 0..600 {
        held.append(std::iter::repeat_n(LOG, 50)).await;
    }
    let stats = held.store.stats();
    assert_eq!(stats.batches, 30_000);
    assert!(stats.index_frames > 50 && stats.index_pages > 400, "{stats:?}");
    assert!(stats.index_bytes < 220_000, "a map of all of them takes megabytes: {stats:?}");
    held.check().await;
    held.restart(&log).await;
    let before = log.newest();
    held.store.checkpoint().await.unwrap();
    let image = log.read(CommitNo(before.0 + 1), log.newest(), usize::MAX).await.unwrap();
    let bytes: usize = image.iter().map(|frame| frame.body.len()).sum();
    assert!(bytes < 30_000, "{bytes} bytes: an image holds the newest part of the index and references to the rest");

    held.trim(LOG, 7_777).await;
    for base in (7_777..20_000).step_by(97) {
        let batch = held.batch();
        held.replace(LOG, base, (base % 2 == 0).then_some(batch)).await;
    }
    held.restart(&log).await;
    // What lives is copied out of what is mostly dead, and the rest goes.
    for base in 7_777..25_000 {
        if base % 40 != 0 && held.batches.contains_key(&(LOG, base)) {
            held.replace(LOG, base, None).await;
        }
    }
    for _ in 0..8 {
        held.store.checkpoint().await.unwrap();
    }
    let stats = held.store.stats();
    assert!(stats.copied_bytes > 0, "{stats:?}");
    assert!(held.store.space().used_bytes < 2 * stats.live_bytes + (768 << 10), "{stats:?} {:?}", held.store.space());
    held.check().await;
    held.restart(&log).await;
    held.trim(LOG, 29_990).await;
    held.restart(&log).await;
    assert_eq!(held.batches.len(), 10);
}

#[tokio::test]
async fn what_was_trimmed_within_a_page_is_estimated_until_the_next_image() {
    let log = MemoryLog::new();
    let mut held = Held::new(&log).await;
    for base in 0..2_000 {
        let batch = Bytes::from(vec![7; 10 + base as usize % 64]);
        held.batches.insert((LOG, base), batch.clone());
        held.commit(vec![Op::Append { log: LOG, base, count: 1, batch }]).await;
    }
    let exact = |held: &Held| held.batches.values().map(|batch| batch.len() as u64).sum::<u64>();
    assert_eq!(held.store.bytes(LOG), exact(&held));
    for floor in (100..1_500).step_by(41) {
        held.trim(LOG, floor).await;
        assert!(held.store.bytes(LOG).abs_diff(exact(&held)) < 64 * 74 / 4, "at {floor}");
    }
    held.store.checkpoint().await.unwrap();
    let bytes = (held.store.bytes(LOG), held.store.stats().live_bytes);
    assert_eq!(bytes, (exact(&held), exact(&held)), "what is trimmed of a page is written off");
    held.restart(&log).await;
}

#[tokio::test]
async fn many_logs_with_little_in_each_share_index_frames() {
    let log = MemoryLog::new();
    let mut held = Held::new(&log).await;
    for round in 0..120 {
        held.append((0..100).map(|nth| LogId(10 + nth))).await;
        if round % 10 == 9 {
            let store = &held.store;
            let trims = (0..50).map(|nth| Op::TrimTo { log: LogId(10 + nth * 2), floor: store.end(LogId(10)) - 3 });
            held.commit(trims.collect()).await;
            let ends = held.store.end(LogId(10));
            held.batches.retain(|(log, base), _| log.0 % 2 == 1 || *base >= ends - 3);
        }
    }
    let stats = held.store.stats();
    assert!(stats.index_pages <= 50 * 8 + 100 && stats.index_frames > 5, "small pages are taken in: {stats:?}");
    held.check().await;
    held.restart(&log).await;
    for nth in 0..100 {
        held.trim(LogId(10 + nth), Offset::MAX).await;
    }
    assert_eq!((held.store.stats().live_bytes, held.store.stats().index_pages), (0, 0));
    held.restart(&log).await;
}

#[tokio::test]
async fn the_older_image_serves_if_the_newest_is_not_whole() {
    let log = MemoryLog::new();
    let mut held = Held::new(&log).await;
    for round in 0..6 {
        for _ in 0..60 {
            held.append(std::iter::repeat_n(LOG, 20)).await;
        }
        held.trim(LOG, round * 1_000 + 500).await;
        for base in (0..30).map(|nth| round * 1_000 + 600 + nth * 10) {
            held.replace(LOG, base, None).await;
        }
        held.store.checkpoint().await.unwrap();
    }
    held.append(std::iter::once(LOG)).await;
    let digest = held.store.digest();
    let frames = log.read(CommitNo(0), log.newest(), usize::MAX).await.unwrap();
    let of_kind =
        |kind: u8, below| frames.iter().rfind(|frame| frame.commit < below && frame.body.get(1) == Some(&kind));
    let end = of_kind(3, CommitNo(u64::MAX)).unwrap();
    let slice = of_kind(2, end.commit).unwrap();
    // A slice is damaged; the end names another slice.
    for frame in [slice, end] {
        let mut body = frame.body.to_vec();
        *body.last_mut().unwrap() ^= 1;
        let at = frame.commit;
        let swapped = Wrapped { swapped: Some((at, body.into())), ..Wrapped::new(log.reopen()) };
        let again = Held { store: Store::open(Arc::new(swapped), options()).await.unwrap(), ..held };
        assert_eq!(again.store.digest(), digest);
        again.check().await;
        held = again;
    }
}
