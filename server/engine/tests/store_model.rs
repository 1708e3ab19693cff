//! The store against a naive model of logs, values and cursors, over restarts, checkpoints and crashes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::settle::{self, Progress, SettleRecord};
use ferrymq_core::{CommitNo, LogId, Offset, QueueId};
use ferrymq_engine::journal::{Journal, JournalOptions};
use ferrymq_engine::memory::MemoryLog;
use ferrymq_engine::store::{Op, SETTLE_LOG, Store, StoreError, StoreOptions, queue_key};
use proptest::prelude::*;

fn small() -> StoreOptions {
    StoreOptions {
        cache_bytes_max: 200,
        checkpoint_every_bytes: u64::MAX,
        stretch_bytes: 2_000,
        ..StoreOptions::default()
    }
}

/// Nearly all of the index is in pages, which are read anew each time.
fn paged() -> StoreOptions {
    StoreOptions {
        cache_bytes_max: 0,
        checkpoint_every_bytes: 1_000,
        index_bytes_max: 200,
        index_cache_bytes_max: 0,
        index_page_batches: 4,
        stretch_bytes: 300,
        ..StoreOptions::default()
    }
}

async fn open(log: &MemoryLog, options: &StoreOptions) -> Store {
    Store::open(Arc::new(log.reopen()), options.clone()).await.unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    Append { log: u64, count: u32, len: usize },
    Trim { log: u64, back: u64 },
    Replace { log: u64, nth: usize, len: Option<usize> },
    Put { key: u8, value: u8 },
    Delete { key: u8 },
    Settle { queue: u64, log: u64, from: u64, len: u64 },
    EndQueue { queue: u64 },
    Checkpoint,
    Restart { clean: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (2u64..5, 1u32..5, 0usize..90).prop_map(|(log, count, len)| Step::Append { log, count, len }),
        2 => (2u64..5, 0u64..6).prop_map(|(log, back)| Step::Trim { log, back }),
        1 => (2u64..5, 0usize..4, prop::option::of(0usize..50))
            .prop_map(|(log, nth, len)| Step::Replace { log, nth, len }),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(key, value)| Step::Put { key: key % 8, value }),
        1 => any::<u8>().prop_map(|key| Step::Delete { key: key % 8 }),
        2 => (0u64..3, 2u64..5, 0u64..9, 1u64..5)
            .prop_map(|(queue, log, from, len)| Step::Settle { queue, log, from, len }),
        1 => (0u64..3).prop_map(|queue| Step::EndQueue { queue }),
        1 => Just(Step::Checkpoint),
        1 => any::<bool>().prop_map(|clean| Step::Restart { clean }),
    ]
}

#[derive(Default, Clone)]
struct Model {
    /// Base to count, commit, bytes.
    logs: BTreeMap<u64, BTreeMap<Offset, (u32, CommitNo, Bytes)>>,
    ends: BTreeMap<u64, Offset>,
    values: BTreeMap<u8, u8>,
    cursors: BTreeMap<(u64, u64), Cursor>,
    ended: BTreeSet<u64>,
    fill: u8,
}

impl Model {
    fn end(&self, log: u64) -> Offset {
        self.ends.get(&log).copied().unwrap_or(0)
    }

    fn batch(&mut self, len: usize) -> Bytes {
        self.fill = self.fill.wrapping_add(1);
        Bytes::from(vec![self.fill; len])
    }

    async fn run(&mut self, store: &Store, step: &Step) {
        match *step {
            Step::Append { log, count, len } => {
                let (base, batch) = (self.end(log), self.batch(len));
                let op = Op::Append { log: LogId(log), base, count, batch: batch.clone() };
                let commit = store.commit(vec![op], false).await.unwrap();
                self.logs.entry(log).or_default().insert(base, (count, commit, batch));
                self.ends.insert(log, base + u64::from(count));
            }
            Step::Trim { log, back } => {
                let floor = self.end(log).saturating_sub(back);
                store.commit(vec![Op::TrimTo { log: LogId(log), floor }], true).await.unwrap();
                self.logs.entry(log).or_default().retain(|base, (count, ..)| base + u64::from(*count) > floor);
            }
            Step::Replace { log, nth, len } => {
                let batch = len.map(|len| self.batch(len));
                let Some((&base, held)) = self.logs.entry(log).or_default().iter_mut().nth(nth) else { return };
                let op = Op::Replace { log: LogId(log), base, count: held.0, batch: batch.clone() };
                store.commit(vec![op], true).await.unwrap();
                match batch {
                    Some(batch) => held.2 = batch,
                    None => {
                        self.logs.entry(log).or_default().remove(&base);
                    }
                }
            }
            Step::Put { key, value } => {
                let op = Op::Put { key: Bytes::from(vec![key]), value: Bytes::from(vec![value]) };
                store.commit(vec![op], true).await.unwrap();
                self.values.insert(key, value);
            }
            Step::Delete { key } => {
                store.commit(vec![Op::Delete { key: Bytes::from(vec![key]) }], true).await.unwrap();
                self.values.remove(&key);
            }
            Step::Settle { queue, log, from, len } => {
                let change = Progress::Settled { from, to: from + len };
                let records = [SettleRecord { queue: QueueId(queue), log: LogId(log), change: change.clone() }];
                let base = store.end(SETTLE_LOG);
                let op = Op::Append { log: SETTLE_LOG, base, count: 1, batch: settle::encode(&records) };
                store.commit(vec![op], true).await.unwrap();
                if !self.ended.contains(&queue) {
                    self.cursors.entry((queue, log)).or_default().apply(&change);
                }
            }
            Step::EndQueue { queue } => {
                store.commit(vec![Op::Delete { key: queue_key(QueueId(queue)) }], true).await.unwrap();
                self.cursors.retain(|(owner, _), _| *owner != queue);
                self.ended.insert(queue);
            }
            Step::Checkpoint => store.checkpoint().await.unwrap(),
            Step::Restart { .. } => {}
        }
    }

    async fn compare(&self, store: &Store, is_paged: bool) {
        for log in 2..5 {
            assert_eq!(store.end(LogId(log)), self.end(log));
            let held = self.logs.get(&log).cloned().unwrap_or_default();
            let bytes = held.values().map(|(.., batch)| batch.len() as u64).sum::<u64>();
            // Of a page that is partly trimmed it is an estimate.
            assert!(store.bytes(LogId(log)).abs_diff(bytes) <= 4 * 90, "{} for {bytes}", store.bytes(LogId(log)));
            assert!(is_paged || store.bytes(LogId(log)) == bytes);
            let read = store.read(LogId(log), 0, usize::MAX).await.unwrap();
            let read: BTreeMap<_, _> = read.into_iter().map(|b| (b.base, (b.count, b.commit, b.bytes))).collect();
            assert_eq!(read, held);
            for (base, (count, _, batch)) in &held {
                let one = store.read(LogId(log), base + u64::from(*count) - 1, 0).await.unwrap();
                assert_eq!((one.len(), one[0].base, &one[0].bytes), (1, *base, batch));
            }
        }
        let values: Vec<(u8, u8)> = store.scan(b"").iter().map(|(key, value)| (key[0], value[0])).collect();
        assert_eq!(values, self.values.iter().map(|(key, value)| (*key, *value)).collect::<Vec<_>>());
        for queue in 0..3 {
            let wanted = self.cursors.iter().filter(|((owner, _), _)| *owner == queue);
            let wanted: Vec<_> = wanted.map(|((_, log), cursor)| (LogId(*log), cursor.clone())).collect();
            assert_eq!(store.cursors(QueueId(queue)), wanted);
        }
    }
}

async fn history(steps: Vec<Step>, options: &StoreOptions) {
    let is_paged = options.index_bytes_max < 1_000;
    let log = MemoryLog::new();
    let mut store = open(&log, options).await;
    let mut model = Model::default();
    for step in steps {
        model.run(&store, &step).await;
        // Lets what is done beside the commits go on.
        tokio::task::yield_now().await;
        if let Step::Restart { clean } = step {
            let before = store.digest();
            if clean {
                store.close().await.unwrap();
            }
            let wrote = store.stats().commits > 0;
            store = open(&log, options).await;
            assert_eq!(store.digest(), before, "the same state after a restart");
            assert!(!(clean && store.unclean()));
            assert!(clean || !wrote || store.unclean());
        }
    }
    model.compare(&store, is_paged).await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn holds_what_the_model_holds(steps in prop::collection::vec(step(), 1..60)) {
        let without_images = StoreOptions { checkpoint_every_bytes: u64::MAX, ..paged() };
        for options in [small(), paged(), without_images] {
            runtime().block_on(history(steps.clone(), &options));
        }
    }
}

#[tokio::test]
async fn refuses_what_could_not_be_replayed_and_stays_as_it_was() {
    let log = MemoryLog::new();
    let store = open(&log, &small()).await;
    let digest = store.digest();
    let gap = Op::Append { log: LogId(2), base: 1, count: 1, batch: Bytes::new() };
    assert!(matches!(store.commit(vec![gap], false).await, Err(StoreError::NotAtEnd { base: 1, end: 0, .. })));
    let settles = Op::Append { log: SETTLE_LOG, base: 0, count: 1, batch: Bytes::from_static(b"\xff") };
    assert!(matches!(store.commit(vec![settles], false).await, Err(StoreError::Refused(_))));
    let reserved = Op::Put { key: queue_key(QueueId(1)), value: Bytes::new() };
    assert!(matches!(store.commit(vec![reserved], false).await, Err(StoreError::Refused(_))));
    assert_eq!((store.digest(), store.visible()), (digest, CommitNo(0)));
}

#[tokio::test]
async fn a_frame_goes_when_two_images_have_passed_it_and_nothing_in_it_lives() {
    let log = MemoryLog::new();
    let store = open(&log, &small()).await;
    for base in 0..50 {
        let op = Op::Append { log: LogId(2), base, count: 1, batch: Bytes::from(vec![base as u8; 1000]) };
        store.commit(vec![op], false).await.unwrap();
    }
    store.commit(vec![Op::TrimTo { log: LogId(2), floor: 48 }], true).await.unwrap();
    assert_eq!(store.stats().frames, 51);
    store.checkpoint().await.unwrap();
    assert_eq!(store.stats().frames, 53, "one image alone frees nothing");
    store.checkpoint().await.unwrap();
    assert!(store.stats().frames <= 2 + 2 + 2 + 3, "two live frames, two images, and their neighbours");
    let digest = store.digest();
    drop(store);
    let store = open(&log, &small()).await;
    assert_eq!(store.digest(), digest);
    assert_eq!(store.read(LogId(2), 0, usize::MAX).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_disk_follows_what_lives() {
    let dir = tempfile::tempdir().unwrap();
    let journal = || Journal::open(dir.path(), JournalOptions { segment_bytes: 4 << 20, disk_limit: None }).unwrap();
    let options =
        StoreOptions { checkpoint_every_bytes: 4 << 20, cache_bytes_max: 0, stretch_bytes: 2 << 20, ..small() };
    let store = Store::open(Arc::new(journal()), options.clone()).await.unwrap();
    let batch = Bytes::from(vec![7; 64 << 10]);
    for base in 0..1000u64 {
        let mut ops = vec![Op::Append { log: LogId(2), base, count: 1, batch: batch.clone() }];
        ops.push(Op::TrimTo { log: LogId(2), floor: base.saturating_sub(8) });
        if base % 16 == 0 {
            // A slow queue pins one batch of each stretch.
            ops.push(Op::Append { log: LogId(3), base: base / 16, count: 1, batch: batch.clone() });
        }
        store.commit(ops, false).await.unwrap();
        if base % 60 == 0 {
            store.checkpoint().await.unwrap();
        }
    }
    for _ in 0..4 {
        store.checkpoint().await.unwrap();
    }
    let (live, used) = (store.stats().live_bytes, store.space().used_bytes);
    assert!(store.stats().copied_bytes > 0, "{:?}", store.stats());
    assert!(used <= live * 2 + (24 << 20), "{used} bytes taken for {live} that live");
    let (digest, slow) = (store.digest(), store.read(LogId(3), 0, usize::MAX).await.unwrap());
    assert!(slow.windows(2).all(|pair| pair[0].commit < pair[1].commit), "copies keep their place in the order");
    store.close().await.unwrap();
    drop(store);
    let store = Store::open(Arc::new(journal()), options).await.unwrap();
    assert_eq!(store.digest(), digest);
    assert_eq!(store.read(LogId(3), 0, usize::MAX).await.unwrap(), slow);
}
